//! Which operator grants are in force, and which were withdrawn within seven days (`grants.log`).
//!
//! The grants themselves stand in the config; here is only what they were, so that one that was removed is known as
//! withdrawn (SPEC §5), also when it was removed while the server was down.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::log::Log;
use crate::base::id::ZoneId;
use crate::base::limits::WITHDRAWN_SECS;
use crate::base::name::Name;
use crate::base::time::UnixTime;

/// Names that match `hostname` may lead into `zone`, this incarnation of it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct GrantKey {
    pub hostname: Name,
    pub zone: ZoneId,
}

/// The log and its state.
#[derive(Debug)]
pub struct Grants {
    state: State,
    log: Log<Record>,
    pending: Vec<Record>,
}

#[derive(Debug, Default)]
struct State {
    in_force: HashSet<GrantKey>,
    withdrawn: HashMap<GrantKey, UnixTime>,
}

#[derive(Clone, Serialize, Deserialize, Debug)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Record {
    InForce { hostname: String, zone: u32 },
    Withdrawn { hostname: String, zone: u32, at: u64 },
    Forgotten { hostname: String, zone: u32 },
}

impl Grants {
    /// Opens `grants.log` at `path`.
    pub fn open(path: &Path) -> io::Result<Grants> {
        let mut state = State::default();
        // Doubt denies: a record that names no name grants nothing and withdraws nothing.
        let log = Log::open(path, |record| state.apply(&record))?;
        Ok(Grants { state, log, pending: Vec::new() })
    }

    /// From now on exactly `grants` are in force. What was and is not any more is withdrawn at `now`; what was
    /// withdrawn longer than seven days ago is forgotten.
    pub fn apply(&mut self, grants: &HashSet<GrantKey>, now: UnixTime) {
        let state = &self.state;
        let granted = grants.difference(&state.in_force).map(in_force);
        let gone = state.in_force.difference(grants).map(|key| withdrawn(key, now));
        let expired = state.withdrawn.iter().filter(|(_, at)| now.since(**at) >= WITHDRAWN_SECS);
        let changes: Vec<Record> =
            granted.chain(gone).chain(expired.map(|(key, _)| forgotten(key))).collect();
        changes.iter().for_each(|c| self.state.apply(c));
        self.pending.extend(changes);
    }

    /// What was withdrawn within seven days, and when.
    pub fn withdrawn(&self) -> impl Iterator<Item = (&GrantKey, UnixTime)> {
        self.state.withdrawn.iter().map(|(key, &at)| (key, at))
    }

    /// When the next withdrawn grant is to be forgotten.
    pub fn next_expiry(&self) -> Option<UnixTime> {
        self.state.withdrawn.values().min().map(|at| UnixTime(at.0.saturating_add(WITHDRAWN_SECS)))
    }

    pub fn is_behind(&self) -> bool {
        !self.pending.is_empty() || self.log.is_behind()
    }

    /// Puts everything on disk.
    pub fn save(&mut self) -> io::Result<()> {
        if !self.is_behind() {
            return Ok(());
        }
        let state = &self.state;
        let live = state.in_force.len() + state.withdrawn.len();
        self.log.save(&self.pending, live, || state.records())?;
        self.pending = Vec::new();
        Ok(())
    }
}

fn in_force(key: &GrantKey) -> Record {
    Record::InForce { hostname: key.hostname.to_string(), zone: key.zone.0 }
}

fn withdrawn(key: &GrantKey, at: UnixTime) -> Record {
    Record::Withdrawn { hostname: key.hostname.to_string(), zone: key.zone.0, at: at.0 }
}

fn forgotten(key: &GrantKey) -> Record {
    Record::Forgotten { hostname: key.hostname.to_string(), zone: key.zone.0 }
}

fn key(hostname: &str, zone: u32) -> Option<GrantKey> {
    Some(GrantKey { hostname: Name::from_text(hostname).ok()?, zone: ZoneId(zone) })
}

impl State {
    fn apply(&mut self, record: &Record) {
        match record {
            Record::InForce { hostname, zone } => {
                if let Some(key) = key(hostname, *zone) {
                    self.withdrawn.remove(&key);
                    self.in_force.insert(key);
                }
            }
            Record::Withdrawn { hostname, zone, at } => {
                if let Some(key) = key(hostname, *zone) {
                    self.in_force.remove(&key);
                    self.withdrawn.insert(key, UnixTime(*at));
                }
            }
            Record::Forgotten { hostname, zone } => {
                if let Some(key) = key(hostname, *zone) {
                    self.withdrawn.remove(&key);
                }
            }
        }
    }

    fn records(&self) -> impl Iterator<Item = Record> {
        let gone = self.withdrawn.iter().map(|(key, at)| withdrawn(key, *at));
        self.in_force.iter().map(in_force).chain(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(keys: &[(&str, u32)]) -> HashSet<GrantKey> {
        keys.iter().map(|(h, z)| key(h, *z).unwrap()).collect()
    }

    fn gone(grants: &Grants) -> Vec<(String, u32, u64)> {
        let mut all: Vec<_> =
            grants.withdrawn().map(|(k, at)| (k.hostname.to_string(), k.zone.0, at.0)).collect();
        all.sort();
        all
    }

    #[test]
    fn withdrawn_for_seven_days_over_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grants.log");
        let mut g = Grants::open(&path).unwrap();
        g.apply(&set(&[("a.example", 1), ("*.b.example", 1), ("a.example", 2)]), UnixTime(1000));
        assert!(gone(&g).is_empty());
        g.save().unwrap();

        // Removed while the server was down: withdrawn at the next start.
        let mut g = Grants::open(&path).unwrap();
        g.apply(&set(&[("a.example", 2)]), UnixTime(5000));
        let expected = vec![("*.b.example".to_owned(), 1, 5000), ("a.example".to_owned(), 1, 5000)];
        assert_eq!(gone(&g), expected);
        g.save().unwrap();

        // The time of the withdrawal stays, whatever happens to others; granted anew is withdrawn no more.
        let mut g = Grants::open(&path).unwrap();
        g.apply(&set(&[("a.example", 1)]), UnixTime(6000));
        let expected = vec![("*.b.example".to_owned(), 1, 5000), ("a.example".to_owned(), 2, 6000)];
        assert_eq!(gone(&g), expected);
        assert_eq!(g.next_expiry(), Some(UnixTime(5000 + WITHDRAWN_SECS)));
        g.save().unwrap();

        let mut g = Grants::open(&path).unwrap();
        g.apply(&set(&[("a.example", 1)]), UnixTime(5000 + WITHDRAWN_SECS));
        assert_eq!(gone(&g), [("a.example".to_owned(), 2, 6000)]);
        g.save().unwrap();
        assert_eq!(gone(&Grants::open(&path).unwrap()), [("a.example".to_owned(), 2, 6000)]);
    }

    #[test]
    fn a_clock_that_jumps_back_forgets_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut g = Grants::open(&folder.path().join("grants.log")).unwrap();
        g.apply(&set(&[("a.example", 1)]), UnixTime(WITHDRAWN_SECS * 10));
        g.apply(&set(&[]), UnixTime(WITHDRAWN_SECS * 10));
        g.apply(&set(&[]), UnixTime(5));
        assert_eq!(gone(&g).len(), 1);
        assert!(g.is_behind());
        g.save().unwrap();
        assert!(!g.is_behind());
    }
}
