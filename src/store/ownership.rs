//! Who holds what: accounts and zones with ids that are never used again (`ownership.log`).
//!
//! Changes are made in memory and put on disk by `save`. A log that cannot be written does not stop the server: what
//! was decided holds in memory, and the next save tries to write it all. `ledger.rs` keeps a copy of the state for the
//! next start.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::index::stamp;
use super::ledger::{self, Ledger};
use super::log::Log;
use crate::base::hash::Keyed;
use crate::base::id::{AccountId, ZoneId};
use crate::base::name::Name;

/// Octets of a record, about.
const RECORD: usize = 80;

/// A zone that is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    pub id: ZoneId,
    pub account: AccountId,
    /// The account may hold it only because `policy.suffixes` gave it the name.
    pub given: bool,
}

/// The log and its state.
#[derive(Debug)]
pub struct Ownership {
    state: State,
    log: Log<Record>,
    /// Of the copy of the state.
    copy: PathBuf,
    /// It is of the state as it is.
    is_copied: bool,
    pending: Vec<Record>,
    /// Zones that came or went since they were last taken, if somebody takes them.
    changed: Option<Vec<Name>>,
}

#[derive(Debug, Default)]
#[cfg_attr(test, derive(PartialEq))]
struct State {
    accounts: BTreeMap<Box<str>, AccountId>,
    zones: HashMap<Name, Held, Keyed>,
    /// The first ids that were never used.
    next_account: u32,
    next_zone: u32,
}

#[derive(Clone, Serialize, Deserialize, Debug)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Record {
    /// Ids below these were used, whether or not their records are still here.
    Ids {
        accounts: u32,
        zones: u32,
    },
    Account {
        id: u32,
        name: String,
    },
    AccountRemoved {
        id: u32,
    },
    Zone {
        id: u32,
        account: u32,
        apex: String,
        given: bool,
    },
    ZoneRemoved {
        id: u32,
        apex: String,
    },
}

impl Ownership {
    /// Opens `ownership.log` at `path`.
    pub fn open(path: &Path) -> io::Result<Ownership> {
        let copy = path.with_extension("index");
        if let Some((state, log)) = resume(path, &copy) {
            let (pending, changed, is_copied) = (Vec::new(), None, true);
            return Ok(Ownership { state, log, copy, is_copied, pending, changed });
        }
        let mut state = State::default();
        // A table that grows step by step to a million names is built twice.
        let octets = std::fs::metadata(path).map_or(0, |log| log.len());
        state.zones.reserve(octets as usize / RECORD);
        let mut wrong = None;
        let log = Log::open(path, |record| {
            if let Err(what) = state.apply(&record) {
                wrong.get_or_insert(what);
            }
        })?;
        state.drop_orphans();
        state.zones.shrink_to_fit();
        match wrong {
            Some(what) => Err(io::Error::new(io::ErrorKind::InvalidData, what)),
            None => {
                let (pending, changed, is_copied) = (Vec::new(), None, false);
                Ok(Ownership { state, log, copy, is_copied, pending, changed })
            }
        }
    }

    pub fn account(&self, name: &str) -> Option<AccountId> {
        self.state.accounts.get(name).copied()
    }

    pub fn accounts(&self) -> impl Iterator<Item = (&str, AccountId)> {
        self.state.accounts.iter().map(|(name, &id)| (&**name, id))
    }

    pub fn zone(&self, apex: &[u8]) -> Option<Held> {
        self.state.zones.get(apex).copied()
    }

    pub fn zones(&self) -> impl ExactSizeIterator<Item = (&Name, Held)> {
        self.state.zones.iter().map(|(apex, &held)| (apex, held))
    }

    /// The id of the account `name`, a new one if it has none.
    pub fn add_account(&mut self, name: &str) -> AccountId {
        if let Some(id) = self.account(name) {
            return id;
        }
        let id = self.state.next_account;
        self.change(Record::Account { id, name: name.to_owned() });
        AccountId(id)
    }

    /// Records that an account is there after all, under the id that it had: its removal came to nothing.
    pub fn add_account_as(&mut self, id: AccountId, name: &str) {
        self.change(Record::Account { id: id.0, name: name.to_owned() });
    }

    /// Forgets the account, whose zones are removed. An account made later under the same name is another one.
    pub fn remove_account(&mut self, name: &str) {
        if let Some(AccountId(id)) = self.account(name) {
            self.change(Record::AccountRemoved { id });
        }
    }

    /// An id for a zone that nobody holds yet.
    pub fn new_zone_id(&mut self) -> ZoneId {
        let id = self.state.next_zone;
        self.change(Record::Ids { accounts: 0, zones: id + 1 });
        ZoneId(id)
    }

    /// Records that `account` holds `apex` from now on, as the zone of an id that was made for it.
    pub fn add_zone_as(&mut self, id: ZoneId, apex: &Name, account: AccountId, given: bool) {
        self.changed.iter_mut().for_each(|changed| changed.push(apex.clone()));
        let apex = apex.to_string();
        self.change(Record::Zone { id: id.0, account: account.0, apex, given });
    }

    /// Records that `account` holds `apex` from now on.
    pub fn add_zone(&mut self, apex: &Name, account: AccountId, given: bool) -> ZoneId {
        let id = self.state.next_zone;
        self.changed.iter_mut().for_each(|changed| changed.push(apex.clone()));
        let apex = apex.to_string();
        self.change(Record::Zone { id, account: account.0, apex, given });
        ZoneId(id)
    }

    /// Records that nobody holds `apex` any more.
    pub fn remove_zone(&mut self, apex: &[u8]) {
        if let Some(held) = self.zone(apex) {
            let apex = Name::from_wire(apex).expect("held names are names");
            let text = apex.to_string();
            self.changed.iter_mut().for_each(|changed| changed.push(apex.clone()));
            self.change(Record::ZoneRemoved { id: held.id.0, apex: text });
        }
    }

    /// Apexes of zones that came or went since this was last asked. `None`: it was never asked before.
    pub fn take_changed(&mut self) -> Option<Vec<Name>> {
        self.changed.replace(Vec::new())
    }

    /// Ids below these are never given out: somebody else's records rest on them.
    pub fn reserve(&mut self, accounts: u32, zones: u32) {
        if accounts > self.state.next_account || zones > self.state.next_zone {
            self.change(Record::Ids { accounts, zones });
        }
    }

    fn change(&mut self, record: Record) {
        self.state.apply(&record).expect("records made here fit the state");
        self.is_copied = false;
        self.pending.push(record);
    }

    /// Whether anything is not on disk yet.
    pub fn is_behind(&self) -> bool {
        !self.pending.is_empty() || self.log.is_behind()
    }

    /// Puts everything on disk.
    pub fn save(&mut self) -> io::Result<()> {
        if !self.is_behind() {
            return Ok(());
        }
        let state = &self.state;
        let live = state.accounts.len() + state.zones.len() + 1;
        self.log.save(&self.pending, live, || state.records())?;
        self.pending = Vec::new();
        Ok(())
    }

    /// Writes a copy of the state for the next start, unless there is one, or the log does not hold all of it.
    pub fn copy(&mut self) -> io::Result<()> {
        let is_needed = !self.is_copied && !self.is_behind();
        let Some((log, written)) = self.log.metadata().filter(|_| is_needed) else {
            return Ok(());
        };
        ledger::write(&self.copy, &stamp(&log), &self.state.ledger(written))?;
        self.is_copied = true;
        Ok(())
    }
}

/// The state out of its copy, if that is of the log as it is.
fn resume(path: &Path, copy: &Path) -> Option<(State, Log<Record>)> {
    let mut ledger = None;
    let log = Log::resume(path, |log| {
        ledger = ledger::read(copy, &stamp(log));
        ledger.as_ref().map(|ledger| ledger.written)
    });
    let (Ok(Some(log)), Some(ledger)) = (log, ledger) else { return None };
    Some((State::of(ledger), log))
}

/// The zones held according to the `ownership.log` at `path`, which may be another process's: apex and account.
pub fn peek(path: &Path) -> io::Result<Vec<(Name, Box<str>, Held)>> {
    let mut state = State::default();
    super::journal::Journal::replay(path, |_, header, _| {
        for record in super::format::decode::<Vec<Record>>(header)? {
            let wrong = |what| io::Error::new(io::ErrorKind::InvalidData, what);
            state.apply(&record).map_err(wrong)?;
        }
        Ok(())
    })?;
    state.drop_orphans();
    let names: HashMap<AccountId, Box<str>> =
        state.accounts.into_iter().map(|(name, id)| (id, name)).collect();
    Ok(state
        .zones
        .into_iter()
        .filter_map(|(apex, held)| Some((apex, names.get(&held.account)?.clone(), held)))
        .collect())
}

impl State {
    fn apply(&mut self, record: &Record) -> Result<(), String> {
        match record {
            Record::Ids { accounts, zones } => {
                self.next_account = self.next_account.max(*accounts);
                self.next_zone = self.next_zone.max(*zones);
            }
            Record::Account { id, name } => {
                self.next_account = self.next_account.max(id + 1);
                self.accounts.insert(name.as_str().into(), AccountId(*id));
            }
            Record::AccountRemoved { id } => {
                self.accounts.retain(|_, a| a.0 != *id);
            }
            Record::Zone { id, account, apex, given } => {
                let apex = name(apex, *id)?;
                let held = Held { id: ZoneId(*id), account: AccountId(*account), given: *given };
                self.next_zone = self.next_zone.max(id + 1);
                self.zones.insert(apex, held);
            }
            Record::ZoneRemoved { id, apex } => {
                let apex = name(apex, *id)?;
                if self.zones.get(&apex).is_some_and(|held| held.id.0 == *id) {
                    self.zones.remove(&apex);
                }
            }
        }
        Ok(())
    }

    /// Drops zones whose account is gone: a damaged log may have lost the record of their removal.
    fn drop_orphans(&mut self) {
        let accounts: HashSet<AccountId> = self.accounts.values().copied().collect();
        self.zones.retain(|_, held| accounts.contains(&held.account));
    }

    fn of(ledger: Ledger) -> State {
        let Ledger { next_account, next_zone, accounts, zones, .. } = ledger;
        let (accounts, zones) = (accounts.into_iter().collect(), zones.into_iter().collect());
        State { accounts, zones, next_account, next_zone }
    }

    fn ledger(&self, written: u64) -> Ledger {
        let accounts = self.accounts.iter().map(|(name, &id)| (name.clone(), id)).collect();
        let zones = self.zones.iter().map(|(apex, &held)| (apex.clone(), held));
        let mut zones: Vec<(Name, Held)> = zones.collect();
        zones.sort_unstable_by_key(|(_, held)| (held.account, held.id));
        let State { next_account, next_zone, .. } = *self;
        Ledger { written, next_account, next_zone, accounts, zones }
    }

    fn records(&self) -> impl Iterator<Item = Record> {
        let ids = Record::Ids { accounts: self.next_account, zones: self.next_zone };
        let accounts = self
            .accounts
            .iter()
            .map(|(name, id)| Record::Account { id: id.0, name: name.to_string() });
        let zones = self.zones.iter().map(|(apex, held)| Record::Zone {
            id: held.id.0,
            account: held.account.0,
            apex: apex.to_string(),
            given: held.given,
        });
        std::iter::once(ids).chain(accounts).chain(zones)
    }
}

fn name(apex: &str, id: u32) -> Result<Name, String> {
    Name::from_text(apex).map_err(|e| format!("the apex {apex:?} of zone {id} is no name: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n(text: &str) -> Name {
        Name::from_text(text).unwrap()
    }

    #[test]
    fn ids_are_never_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ownership.log");
        let mut o = Ownership::open(&path).unwrap();
        let a = o.add_account("a");
        assert_eq!(o.add_account("a"), a);
        let b = o.add_account("b");
        let za = o.add_zone(&n("a.example"), a, false);
        let zb = o.add_zone(&n("b\\.\\000.example"), b, true);
        assert!(o.is_behind());
        o.save().unwrap();
        assert!(!o.is_behind());

        let mut o = Ownership::open(&path).unwrap();
        assert_eq!(o.zone(n("A.Example").as_wire()).unwrap().id, za);
        assert_eq!(
            o.zone(n("b\\.\\000.example").as_wire()),
            Some(Held { id: zb, account: b, given: true })
        );
        o.remove_zone(n("a.example").as_wire());
        o.remove_account("a");
        o.remove_zone(n("b\\.\\000.example").as_wire());
        assert_eq!(o.zones().count(), 0);
        o.save().unwrap();

        let mut o = Ownership::open(&path).unwrap();
        assert_eq!(o.account("a"), None);
        let a2 = o.add_account("a");
        let za2 = o.add_zone(&n("a.example"), a2, false);
        assert!(a2 != a && a2 != b && za2 != za && za2 != zb);
        o.save().unwrap();
        let peeked = peek(&path).unwrap();
        assert_eq!(peeked.len(), 1);
        assert_eq!((&peeked[0].0, &*peeked[0].1, peeked[0].2.id), (&n("a.example"), "a", za2));
    }

    #[test]
    fn reserved_ids_are_not_given_out() {
        let folder = tempfile::tempdir().unwrap();
        let mut o = Ownership::open(&folder.path().join("ownership.log")).unwrap();
        o.reserve(7, 9);
        o.reserve(3, 0);
        let a = o.add_account("a");
        assert_eq!((a, o.add_zone(&n("a.example"), a, false)), (AccountId(7), ZoneId(9)));
    }

    #[test]
    fn ids_survive_compaction() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ownership.log");
        let mut o = Ownership::open(&path).unwrap();
        let a = o.add_account("a");
        let mut last = ZoneId(0);
        for _ in 0..30_000 {
            last = o.add_zone(&n("x.example"), a, false);
            o.remove_zone(n("x.example").as_wire());
        }
        o.save().unwrap();
        o.remove_account("a");
        o.save().unwrap();
        assert!(std::fs::metadata(&path).unwrap().len() < 1000);
        let mut o = Ownership::open(&path).unwrap();
        let a2 = o.add_account("a");
        assert!(a2 > a);
        assert!(o.add_zone(&n("x.example"), a2, false) > last);
    }

    #[test]
    fn a_copy_is_used_until_the_log_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ownership.log");
        let open = || {
            let o = Ownership::open(&path).unwrap();
            let is_resumed = resume(&path, &o.copy).is_some();
            (o, is_resumed)
        };
        let mut o = open().0;
        let (a, b) = (o.add_account("a"), o.add_account("b"));
        o.add_zone(&n("a.example"), a, false);
        o.add_zone(&n("b.example"), b, true);
        o.add_zone(&n("gone.example"), b, true);
        o.remove_zone(n("gone.example").as_wire());
        // What is not on disk is in no copy.
        o.copy().unwrap();
        assert!(!o.copy.exists());
        o.save().unwrap();
        o.copy().unwrap();
        let (mut again, is_resumed) = open();
        assert!(is_resumed && again.state == o.state);
        assert_eq!(again.log.metadata().unwrap().1, o.log.metadata().unwrap().1);
        let c = again.add_account("c");
        assert_eq!(again.add_zone(&n("c.example"), c, false), ZoneId(3));
        again.save().unwrap();
        let (read, is_resumed) = open();
        assert!(!is_resumed && read.state == again.state);
    }

    #[test]
    fn what_cannot_be_written_holds_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none").join("ownership.log");
        let mut o = Ownership::open(&path).unwrap();
        let a = o.add_account("a");
        o.add_zone(&n("a.example"), a, false);
        assert!(o.save().is_err());
        assert!(o.zone(n("a.example").as_wire()).is_some());
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        o.save().unwrap();
        assert_eq!(peek(&path).unwrap().len(), 1);
    }
}
