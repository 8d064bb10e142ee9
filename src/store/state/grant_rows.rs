//! What decides about grants, of all custom hostnames: one row after the other, or many on all cores.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use rusqlite::{Connection, params};

use super::sqlite::{Sqlite, failure};
use super::{Failure, Store, rows};
use crate::hostname::grants::Row;

/// Numbers of rows that one thread reads before it asks for more.
const PART: u64 = 1 << 16;
/// Parts at the most, whatever numbers there are.
const PARTS: u64 = 1 << 12;

/// Visits the rows of numbers from `first` to `last`.
pub fn visit(c: &Connection, first: i64, last: i64, each: impl FnMut(Row)) -> rusqlite::Result<()> {
    let mut each = each;
    let columns = rows::GRANT_COLUMNS;
    let sql = format!("SELECT {columns} FROM hostnames WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq");
    let mut select = c.prepare_cached(&sql)?;
    let mut found = select.query(params![first, last])?;
    while let Some(row) = found.next()? {
        rows::grant_row(row)?.into_iter().for_each(&mut each);
    }
    Ok(())
}

/// Visits what was withdrawn lately.
pub fn visit_withdrawn(c: &Connection, each: impl FnMut(Row)) -> rusqlite::Result<()> {
    let mut select = c.prepare_cached("SELECT * FROM withdrawn")?;
    let mut each = each;
    select.query_map([], rows::withdrawn)?.try_for_each(|row| row.map(&mut each))
}

/// The rows of a table in parts that threads take one after the other.
struct Parts {
    first: i64,
    last: i64,
    count: u64,
    next: AtomicU64,
}

impl Parts {
    /// Each of so many numbers at least.
    fn of(c: &Connection, width: u64) -> rusqlite::Result<Parts> {
        let ends =
            |what| c.query_row(&format!("SELECT {what}(seq) FROM hostnames"), [], |r| r.get(0));
        let (first, last): (Option<i64>, Option<i64>) = (ends("min")?, ends("max")?);
        let (first, last) = (first.unwrap_or(0), last.unwrap_or(0));
        Ok(Parts::between(first, last, width))
    }

    fn between(first: i64, last: i64, width: u64) -> Parts {
        let count = (last.abs_diff(first) / width + 1).min(PARTS);
        Parts { first, last, count, next: AtomicU64::new(0) }
    }

    /// The first and the last number of the next part.
    fn take(&self) -> Option<(i64, i64)> {
        let part = self.next.fetch_add(1, Ordering::Relaxed);
        let width = self.last.abs_diff(self.first) / self.count + 1;
        let from = self.first.checked_add_unsigned(part.checked_mul(width)?)?;
        let to = from.saturating_add_unsigned(width - 1).min(self.last);
        (from <= self.last).then_some((from, to))
    }
}

impl Sqlite {
    /// What `make` makes of the row of each custom hostname, in no order. Many are read on all cores.
    pub fn grants<T: Send>(
        &mut self,
        make: impl Fn(Row) -> Option<T> + Sync,
    ) -> Result<Vec<T>, Failure> {
        self.grants_in(PART, make)
    }

    fn grants_in<T: Send>(
        &mut self,
        width: u64,
        make: impl Fn(Row) -> Option<T> + Sync,
    ) -> Result<Vec<T>, Failure> {
        let parts = Parts::of(self.connection(), width).map_err(|e| failure(&e))?;
        let read = |store: &Sqlite| -> rusqlite::Result<Vec<Vec<T>>> {
            let mut all = Vec::new();
            while let Some((first, last)) = parts.take() {
                let mut made = Vec::new();
                visit(store.connection(), first, last, |row| made.extend(make(row)))?;
                all.push(made);
            }
            Ok(all)
        };
        let cores = thread::available_parallelism().map_or(1, |n| n.get());
        let most = usize::try_from(parts.count).unwrap_or(cores).min(cores);
        let beside: Vec<Sqlite> = (1..most).map_while(|_| self.beside()).collect();
        let done = thread::scope(|scope| {
            let read = &read;
            let others: Vec<_> =
                beside.into_iter().map(|store| scope.spawn(move || read(&store))).collect();
            let mut done = vec![read(self)];
            for other in others {
                done.push(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            done
        });
        let made: rusqlite::Result<Vec<Vec<Vec<T>>>> = done.into_iter().collect();
        let made = made.map_err(|e| failure(&e))?;
        let mut all = Vec::with_capacity(made.iter().flatten().map(Vec::len).sum());
        // Each part is freed when it was moved.
        made.into_iter().flatten().for_each(|part| all.extend(part));
        Ok(all)
    }

    /// Another connection that reads the very same; `None`: there can be none now.
    fn beside(&mut self) -> Option<Sqlite> {
        if !self.connection().is_autocommit() {
            return None;
        }
        let path = self.connection().path().map(Path::new)?;
        let mut store = Sqlite::open_reader(path).ok()?;
        (store.generation().ok()? == self.generation().ok()?).then_some(store)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::{AccountId, Generation, ZoneId};
    use crate::base::name::Name;
    use crate::base::time::UnixTime;
    use crate::base::uuid::Uuid;
    use crate::hostname::lifecycle::{self, New};
    use crate::hostname::object::{Hostname, Method, Owner, Proof, Status};
    use crate::hostname::proof::Tokens;
    use crate::store::state::change::{Account, Change, Zone};

    /// Every third custom hostname is still pending.
    fn changes(count: u32) -> Vec<Change> {
        let (zone, account, at) = (ZoneId(1), AccountId(1), UnixTime(1));
        let settings = || "{}".to_owned();
        let apex = Name::from_text("saas.example").unwrap();
        let owner = Account { id: account, name: "a".into(), created_at: at, settings: settings() };
        let place = Zone { id: zone, apex, account, created_at: at, settings: settings() };
        let mut all = vec![Change::Account(owner), Change::Zone(place)];
        for n in 0..count {
            let hostname = Hostname::of(&Name::from_text(&format!("h{n}.example")).unwrap());
            let id = Uuid(u128::from(n).to_be_bytes());
            let (provider, tokens) = (Owner { zone, account }, Tokens::from_random([1; 32]));
            let new = New { id, hostname, provider, tokens, block: None };
            let mut h = lifecycle::create(new, at).state.unwrap();
            if n % 3 > 0 {
                h.status = Status::Active;
                h.proof = Some(Proof { method: Method::Cname, at, sequence: 1, owner: None });
            }
            all.push(Change::Hostname(Box::new(h)));
        }
        all
    }

    #[test]
    fn many_threads_find_what_one_finds() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Sqlite::open(&folder.path().join("db")).unwrap();
        assert_eq!(store.grants_in(10, Some), Ok(Vec::new()));
        store.commit(&changes(300), Generation(0)).unwrap();
        let mut one = Vec::new();
        store.grant_rows(&mut |row| one.push(row)).unwrap();
        let sorted = |mut rows: Vec<Row>| {
            rows.sort_by_key(|row| row.hostname.to_string());
            rows
        };
        assert_eq!((one.len(), store.beside().is_some()), (200, true));
        assert_eq!(store.grants_in(10, Some).map(sorted), Ok(sorted(one)));
        // What is not committed is seen by one connection alone.
        store.begin();
        store.commit(&[Change::HostnameRemoved(Uuid([0; 16]))], Generation(1)).unwrap();
        assert_eq!((store.beside().is_some(), store.grants(Some).unwrap().len()), (false, 200));
        store.end().unwrap();
        // One damaged row, wherever it is found, and nothing is believed.
        store
            .connection()
            .execute("UPDATE hostnames SET sum = sum + 1 WHERE seq = 200", [])
            .unwrap();
        assert!(store.grants_in(10, Some).is_err());
    }

    fn parts(first: i64, last: i64) -> Vec<(i64, i64)> {
        let parts = Parts::between(first, last, PART);
        std::iter::from_fn(|| parts.take()).collect()
    }

    #[test]
    fn parts_have_every_number_once() {
        assert_eq!(parts(0, 0), [(0, 0)]);
        assert_eq!(parts(1, 70_000), [(1, 35_000), (35_001, 70_000)]);
        for (first, last) in [(1, 65_536), (-5, 1_000_003), (i64::MIN, i64::MAX), (7, i64::MAX)] {
            let parts = parts(first, last);
            assert!(parts.len() as u64 <= PARTS);
            assert_eq!((parts[0].0, parts[parts.len() - 1].1), (first, last));
            assert!(parts.windows(2).all(|w| w[0].1 + 1 == w[1].0));
        }
    }
}
