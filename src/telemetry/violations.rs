//! Denied edges that were asked for: bounded, by the record that they come from, for both of its sides.
//!
//! Kept in memory, newest first. No account can push out what others have: each has a share, and when all is full the
//! account with most of them loses its oldest.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::info;

use super::noted::{Noted, Recorder, Tray, recorder};
use crate::base::id::{AccountId, ZoneId};
use crate::base::limits::{LISTED_EDGES, LISTED_EDGES_PER_ACCOUNT, LISTED_EDGES_SECS};
use crate::base::name::Name;
use crate::base::name_buf::NameBuf;
use crate::base::time::UnixTime;
use crate::engine::lookup::{self, Found};
use crate::model::catalog::Zone;
use crate::model::settings::OnViolation;
use crate::model::snapshot::Snapshot;
use crate::policy::verdict::{Denial, Reason};

/// Lines in the log about new ones, each time some are taken in.
const SAID: usize = 20;

/// One record whose edge was denied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Never used again while the server runs.
    pub number: u64,
    /// Owner of the record as it is stored, perhaps with a `*`.
    pub record: Name,
    /// The name that was asked for.
    pub owner: Name,
    /// Where it leads.
    pub target: Name,
    pub from: (ZoneId, AccountId),
    pub to: (ZoneId, AccountId),
    /// As of the last time.
    pub reason: Reason,
    pub mode: OnViolation,
    /// Denied questions.
    pub count: u64,
    pub first: UnixTime,
    pub last: UnixTime,
}

/// On which side of the edge an account stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The record is in its zone.
    Owner,
    /// The record leads into its zone.
    Target,
}

/// Which violations are asked for.
#[derive(Clone, Copy)]
pub struct Filter<'f> {
    /// Those of this account, on this side; `None`: all.
    pub account: Option<(AccountId, Side)>,
    /// Of those, the ones that this holds for.
    pub keep: &'f dyn Fn(&Violation) -> bool,
}

/// A page of violations.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Page {
    pub violations: Vec<Violation>,
    /// How many there are in all.
    pub total: usize,
}

/// See the file's head.
#[derive(Default)]
pub struct Violations {
    trays: Mutex<Vec<Tray>>,
    book: Mutex<Book>,
}

impl Violations {
    /// A recorder for one more worker.
    pub fn recorder(&self) -> Recorder {
        let (recorder, tray) = recorder();
        lock(&self.trays).push(tray);
        recorder
    }

    /// Takes in what the workers noted.
    pub fn collect(&self, snapshot: &Snapshot) {
        let mut left_to_say = SAID;
        lock(&self.trays).retain(|tray| {
            tray.take(|sheet| {
                let mut book = lock(&self.book);
                book.left_out += sheet.left_out();
                for noted in sheet.iter() {
                    let Some(violation) = book.take_in(&noted, snapshot) else { continue };
                    if left_to_say > 0 {
                        left_to_say -= 1;
                        say(violation);
                    }
                }
            })
        });
    }

    /// Those that `filter` means, the last one asked for first, without the first `skip`. What lies in zones that are
    /// gone or changed hands is not shown.
    pub fn list(&self, filter: Filter<'_>, skip: usize, most: usize, snapshot: &Snapshot) -> Page {
        lock(&self.book).list(filter, skip, most, snapshot)
    }

    /// How many are listed, and how many denials found no room.
    pub fn counts(&self) -> (usize, u64) {
        let book = lock(&self.book);
        (book.rows.len(), book.left_out)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A row is put or taken whole: a panic elsewhere leaves nothing half done that matters.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn say(violation: &Violation) {
    let Violation { record, target, from, to, reason, mode, .. } = violation;
    info!(event = "violation", %record, %target, from_account = from.1.0, to_account = to.1.0,
        reason = reason.word(), mode = mode.word(), "{record} -> {target} is denied");
}

/// The record, and the zone that it leads into.
type Key = (ZoneId, Name, ZoneId);

#[derive(Default)]
struct Book {
    next: u64,
    rows: HashMap<u64, Violation>,
    numbers: HashMap<Key, u64>,
    /// Of each account, on each side: when last, and the number.
    owners: HashMap<AccountId, BTreeSet<(UnixTime, u64)>>,
    targets: HashMap<AccountId, BTreeSet<(UnixTime, u64)>>,
    all: BTreeSet<(UnixTime, u64)>,
    /// How many accounts have so many rows as owners.
    sizes: BTreeMap<usize, BTreeSet<AccountId>>,
    left_out: u64,
}

impl Book {
    /// Takes in what was noted. Returns it if it is new.
    fn take_in(&mut self, noted: &Noted<'_>, snapshot: &Snapshot) -> Option<&Violation> {
        let Denial { reason, from, to } = noted.denial;
        let (Ok(owner), Ok(target)) = (Name::from_wire(noted.owner), Name::from_wire(noted.target))
        else {
            return None;
        };
        let record = stored_owner(&owner, from, snapshot);
        let key = (from.0, record.clone(), to.0);
        if let Some(&number) = self.numbers.get(&key) {
            let row = self.rows.get_mut(&number)?;
            let before = row.last;
            row.count += noted.count;
            if noted.last >= row.last {
                row.last = noted.last;
                (row.owner, row.target) = (owner, target);
                (row.reason, row.mode) = (reason, noted.mode);
            }
            let after = row.last;
            self.move_in_time(number, (from.1, to.1), before, after);
            return None;
        }
        self.make_room(from.1, noted.last);
        self.next += 1;
        let number = self.next;
        let (mode, count, first, last) = (noted.mode, noted.count, noted.first, noted.last);
        let violation =
            Violation { number, record, owner, target, from, to, reason, mode, count, first, last };
        self.numbers.insert(key, number);
        self.targets.entry(to.1).or_default().insert((last, number));
        self.all.insert((last, number));
        let own = self.owners.entry(from.1).or_default();
        own.insert((last, number));
        let size = own.len();
        self.resize(from.1, size - 1, size);
        Some(self.rows.entry(number).or_insert(violation))
    }

    fn move_in_time(
        &mut self,
        number: u64,
        (owner, target): (AccountId, AccountId),
        before: UnixTime,
        after: UnixTime,
    ) {
        let sets =
            [self.owners.get_mut(&owner), self.targets.get_mut(&target), Some(&mut self.all)];
        for set in sets.into_iter().flatten() {
            set.remove(&(before, number));
            set.insert((after, number));
        }
    }

    /// Makes room for one more of `account`.
    fn make_room(&mut self, account: AccountId, now: UnixTime) {
        while let Some(&(last, number)) = self.all.first()
            && now.since(last) >= LISTED_EDGES_SECS
        {
            self.remove(number);
        }
        let own = self.owners.get(&account).map_or(0, BTreeSet::len);
        let loser = if own >= LISTED_EDGES_PER_ACCOUNT {
            Some(account)
        } else if self.rows.len() >= LISTED_EDGES {
            self.sizes.last_key_value().and_then(|(_, accounts)| accounts.first().copied())
        } else {
            None
        };
        let oldest = loser.and_then(|loser| self.owners.get(&loser)?.first().copied());
        if let Some((_, number)) = oldest {
            self.remove(number);
        }
    }

    fn remove(&mut self, number: u64) {
        let Some(row) = self.rows.remove(&number) else { return };
        let at = (row.last, number);
        self.numbers.remove(&(row.from.0, row.record, row.to.0));
        self.all.remove(&at);
        if let Some(set) = self.targets.get_mut(&row.to.1) {
            set.remove(&at);
            if set.is_empty() {
                self.targets.remove(&row.to.1);
            }
        }
        if let Some(set) = self.owners.get_mut(&row.from.1) {
            set.remove(&at);
            let size = set.len();
            if size == 0 {
                self.owners.remove(&row.from.1);
            }
            self.resize(row.from.1, size + 1, size);
        }
    }

    /// Notes that an account has `after` rows and no longer `before`.
    fn resize(&mut self, account: AccountId, before: usize, after: usize) {
        if let Some(accounts) = self.sizes.get_mut(&before) {
            accounts.remove(&account);
            if accounts.is_empty() {
                self.sizes.remove(&before);
            }
        }
        if after > 0 {
            self.sizes.entry(after).or_default().insert(account);
        }
    }

    fn list(&self, filter: Filter<'_>, skip: usize, most: usize, snapshot: &Snapshot) -> Page {
        let set = match filter.account {
            None => Some(&self.all),
            Some((account, Side::Owner)) => self.owners.get(&account),
            Some((account, Side::Target)) => self.targets.get(&account),
        };
        let rows = set.into_iter().flatten().rev();
        let mut shown: Vec<&Violation> = rows
            .filter_map(|(_, number)| self.rows.get(number))
            .filter(|row| (filter.keep)(row) && still_stands(row, snapshot))
            .collect();
        let total = shown.len();
        shown.drain(..skip.min(total));
        Page { violations: shown.into_iter().take(most).cloned().collect(), total }
    }
}

/// The owner of the record behind `owner`: of the wildcard or DNAME that made it, else the name itself.
fn stored_owner(owner: &Name, from: (ZoneId, AccountId), snapshot: &Snapshot) -> Name {
    let name = NameBuf::of(owner, &snapshot.key);
    let Some(zone) =
        snapshot.catalog.zone_for(&name).filter(|zone| is_same(zone, from) && zone.data.is_ready())
    else {
        return owner.clone();
    };
    match lookup::find(&zone.data, &name, &snapshot.key) {
        Found::Node(node) | Found::Wildcard(node) | Found::Dname(node) => node.owner(),
        Found::Cut(_) | Found::NxDomain => owner.clone(),
    }
}

/// Whether both ends are in the hands they were in.
fn still_stands(row: &Violation, snapshot: &Snapshot) -> bool {
    let held = |name: &Name, by: (ZoneId, AccountId)| {
        let name = NameBuf::of(name, &snapshot.key);
        snapshot.catalog.zone_for(&name).is_some_and(|zone| is_same(zone, by))
    };
    held(&row.record, row.from) && held(&row.target, row.to)
}

fn is_same(zone: &Zone, by: (ZoneId, AccountId)) -> bool {
    (zone.id, zone.account) == by
}

#[cfg(test)]
mod tests;
