//! `flattened.log`: good answers from outside, so that a start finds them while no upstream answers.
//!
//! A thread of its own writes: what was learnt is handed to it, gathered for a moment and flushed together. What is on
//! disk lags by less than a second; what a `kill -9` takes is asked for again.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::base::id::AccountId;
use crate::base::limits::REMEMBER_MS;
use crate::base::name::Name;
use crate::base::rtype::{self, RType};
use crate::base::time::UnixTime;
use crate::model::flattened::{Addresses, AnchorSet, Entry, Key, Outcome, OutsideHop};
use crate::store::log::Log;

/// Name of the log in `data/`.
pub const FILE: &str = "flattened.log";

/// An answer with the account it is on.
pub type Kept = (AccountId, Arc<Entry>);

#[derive(Clone, Serialize, Deserialize, Debug)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Record {
    Known(Box<Known>),
    Forgotten { target: String, rtype: RType },
}

#[derive(Clone, Serialize, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Known {
    target: String,
    rtype: RType,
    account: u32,
    /// Name and TTL.
    hops: Vec<(String, u32)>,
    nxdomain: bool,
    addresses: Vec<IpAddr>,
    dropped: u8,
    validated: bool,
    /// By which anchors.
    #[serde(default)]
    anchors: Option<u64>,
    ttl: u32,
    fetched: u64,
    expires: u64,
    stale_until: u64,
    upstream: Option<SocketAddr>,
    took_ms: u32,
}

impl Known {
    fn new(key: &Key, account: AccountId, entry: &Entry) -> Known {
        Known {
            target: key.target.to_string(),
            rtype: key.rtype,
            account: account.0,
            hops: entry.hops.iter().map(|hop| (hop.name.to_string(), hop.ttl)).collect(),
            nxdomain: entry.outcome == Outcome::NxDomain,
            addresses: entry.addresses.iter().collect(),
            dropped: entry.dropped,
            validated: entry.validated.is_some(),
            anchors: entry.validated.map(|anchors| anchors.0),
            ttl: entry.ttl,
            fetched: entry.fetched.0,
            expires: entry.expires.0,
            stale_until: entry.stale_until.0,
            upstream: entry.upstream,
            took_ms: entry.took_ms,
        }
    }

    /// `None` for what makes no sense, e.g. after an edit by hand.
    fn read(self) -> Option<(Key, AccountId, Entry)> {
        let key = key(&self.target, self.rtype)?;
        let hop = |(name, ttl): &(String, u32)| {
            Some(OutsideHop { name: Name::from_text(name).ok()?, ttl: *ttl })
        };
        let v4 = |a: &IpAddr| if let IpAddr::V4(a) = a { Some(a.octets()) } else { None };
        let v6 = |a: &IpAddr| if let IpAddr::V6(a) = a { Some(a.octets()) } else { None };
        let all = &self.addresses;
        let addresses = match key.rtype {
            rtype::A => Addresses::V4(all.iter().map(v4).collect::<Option<_>>()?),
            _ => Addresses::V6(all.iter().map(v6).collect::<Option<_>>()?),
        };
        let entry = Entry {
            hops: self.hops.iter().map(hop).collect::<Option<_>>()?,
            outcome: match (self.nxdomain, addresses.is_empty()) {
                (true, _) => Outcome::NxDomain,
                (false, true) => Outcome::NoData,
                (false, false) => Outcome::Addresses,
            },
            addresses,
            dropped: self.dropped,
            validated: self.anchors.filter(|_| self.validated).map(AnchorSet),
            ttl: self.ttl,
            fetched: UnixTime(self.fetched),
            expires: UnixTime(self.expires),
            stale_until: UnixTime(self.stale_until),
            failure: None,
            upstream: self.upstream,
            took_ms: self.took_ms,
            used: AtomicBool::new(false),
        };
        Some((key, AccountId(self.account), entry))
    }
}

fn key(target: &str, rtype: RType) -> Option<Key> {
    let known = rtype == rtype::A || rtype == rtype::AAAA;
    Some(Key { target: Name::from_text(target).ok().filter(|_| known)?, rtype })
}

/// What the log holds.
type State = HashMap<Key, (AccountId, Entry)>;

fn apply(state: &mut State, record: Record) {
    match record {
        Record::Known(known) => {
            if let Some((key, account, entry)) = known.read() {
                state.insert(key, (account, entry));
            }
        }
        Record::Forgotten { target, rtype } => {
            if let Some(key) = key(&target, rtype) {
                state.remove(&key);
            }
        }
    }
}

/// Reads the log at `path` to its end: for `check` and `explain`, on a copy of theirs.
pub fn read(path: &Path) -> io::Result<HashMap<Key, (AccountId, Entry)>> {
    let mut state = State::new();
    Log::open(path, |record| apply(&mut state, record))?;
    Ok(state)
}

/// The log as the service sees it: hands over, never waits for a disk.
pub struct Journal {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    pending: Mutex<Pending>,
    wake: Condvar,
}

#[derive(Default)]
struct Pending {
    /// The last word on each target: bounded by what the cache may hold.
    changes: HashMap<Key, Option<Kept>>,
    stop: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal {
    /// Opens the log at `path` and hands back what it holds. `keep` are those of it that are worth keeping.
    pub fn open(
        path: &Path,
        mut keep: impl FnMut(Key, AccountId, Entry) -> Option<Arc<Entry>>,
    ) -> io::Result<Journal> {
        let mut state = State::new();
        let log = Log::open(path, |record| apply(&mut state, record))?;
        let mut live = HashMap::new();
        for (key, (account, entry)) in state {
            if let Some(entry) = keep(key.clone(), account, entry) {
                live.insert(key, (account, entry));
            }
        }
        let shared = Arc::new(Shared::default());
        let writer = Writer { log, live, shared: shared.clone() };
        let thread = std::thread::Builder::new().name("outside-log".to_owned());
        let thread = thread.spawn(move || writer.run())?;
        Ok(Journal { shared, thread: Some(thread) })
    }

    /// Notes what is known now, or (`None`) that it is forgotten.
    pub fn note(&self, changes: impl Iterator<Item = (Key, Option<Kept>)>) {
        let mut changes = changes.peekable();
        if changes.peek().is_some() {
            self.shared.lock().changes.extend(changes);
            self.shared.wake.notify_one();
        }
    }
}

/// Writes what is left.
impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            warn!(event = "store-behind", "the thread that wrote flattened.log has died");
        }
    }
}

struct Writer {
    log: Log<Record>,
    live: HashMap<Key, Kept>,
    shared: Arc<Shared>,
}

impl Writer {
    fn run(mut self) {
        let mut complained = false;
        loop {
            let (changes, stop) = self.wait();
            let records = self.records(changes);
            if let Err(error) = self.save(&records) {
                if !complained {
                    warn!(event = "store-behind", file = FILE, %error,
                        "answers from outside are kept in memory only");
                }
                complained = true;
            } else {
                complained = false;
            }
            if stop {
                return;
            }
        }
    }

    /// Waits for changes, and a moment longer for more.
    fn wait(&self) -> (HashMap<Key, Option<Kept>>, bool) {
        let nothing = |pending: &mut Pending| pending.changes.is_empty() && !pending.stop;
        let pending = self.shared.lock();
        let pending = self.shared.wake.wait_while(pending, nothing);
        let pending = pending.unwrap_or_else(PoisonError::into_inner);
        let moment = Duration::from_millis(REMEMBER_MS);
        let pending = self.shared.wake.wait_timeout_while(pending, moment, |p| !p.stop);
        let (mut pending, _) = pending.unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut pending.changes), pending.stop)
    }

    fn records(&mut self, changes: HashMap<Key, Option<Kept>>) -> Vec<Record> {
        let mut records = Vec::with_capacity(changes.len());
        for (key, kept) in changes {
            match kept {
                // A failure is news for the memory of this run only.
                Some((_, entry)) if matches!(entry.outcome, Outcome::Failed(_)) => {}
                Some((account, entry)) => {
                    let same = |old: &Kept| {
                        (old.1.fetched, old.1.stale_until) == (entry.fetched, entry.stale_until)
                            && old.1.addresses == entry.addresses
                            && old.1.hops == entry.hops
                    };
                    if !self.live.get(&key).is_some_and(same) {
                        records.push(Record::Known(Box::new(Known::new(&key, account, &entry))));
                        self.live.insert(key, (account, entry));
                    }
                }
                None => {
                    if self.live.remove(&key).is_some() {
                        let (target, rtype) = (key.target.to_string(), key.rtype);
                        records.push(Record::Forgotten { target, rtype });
                    }
                }
            }
        }
        records
    }

    fn save(&mut self, records: &[Record]) -> io::Result<()> {
        if records.is_empty() && !self.log.is_behind() {
            return Ok(());
        }
        let live = &self.live;
        let all = || {
            live.iter().map(|(key, (account, entry))| {
                Record::Known(Box::new(Known::new(key, *account, entry)))
            })
        };
        self.log.save(records, live.len(), all)
    }
}
