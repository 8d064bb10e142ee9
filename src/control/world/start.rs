//! The start: every zone is read before anything is answered, in parallel over all cores.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::custom::Custom;
use super::draft::Draft;
use super::edit::say_strays;
use super::granted::Granted;
use super::reading::{Arenas, Origins};
use super::unchanged::Sources;
use super::{Account, Chatter, Depends, Key, Mentions, Now, Tally, World, ZoneState};
use crate::base::count::count;
use crate::base::hash::Keyed;
use crate::base::id::{AccountId, ZoneId};
use crate::base::mem::Arena;
use crate::base::name::Name;
use crate::base::public_id::PublicIds;
use crate::config::settings::Settings;
use crate::control::cores;
use crate::control::files::{FileError, ZonesFolder};
use crate::control::keeper::Keeper;
use crate::control::loader::Keys;
use crate::control::scan::{self, Scan};
use crate::control::suffixes::{Suffixes, SuffixesError};
use crate::model::snapshot::Snapshot;
use crate::policy::ownership::Register;
use crate::store::folder::{DATABASE, Store, StoreError};
use crate::store::image::Image;
use crate::store::zones::{Change, Reader};

/// Why the server cannot start.
#[derive(Debug)]
pub enum StartError {
    Store(StoreError),
    Suffixes(SuffixesError),
    Io(&'static str, io::Error),
    Random(getrandom::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Store(error) => error.fmt(f),
            StartError::Suffixes(error) => error.fmt(f),
            StartError::Io(doing, error) => write!(f, "{doing}: {error}"),
            StartError::Random(error) => write!(f, "cannot get random octets: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// Names that a thread of its own is worth.
const CHUNK: usize = 1_000;
/// A line of progress is said no more often.
const PROGRESS: Duration = Duration::from_secs(1);

/// Says how far a long start is.
struct Progress {
    of: usize,
    next: Instant,
}

impl Progress {
    fn new(of: usize, now: Now) -> Progress {
        Progress { of, next: now.at + PROGRESS }
    }

    fn tell(&mut self, zones: usize) {
        let now = Now::read().at;
        if now >= self.next && zones < self.of {
            self.next = now + PROGRESS;
            info!(event = "loading", zones, of = self.of, "{zones} of {} zones read", self.of);
        }
    }
}

/// A zone that is recorded as held.
type Record = (ZoneId, Key);

/// Nothing known yet of zones, which are in the order of accounts: made on all cores.
fn states(mut held: Vec<Record>) -> Vec<(AccountId, HashMap<Name, ZoneState, Keyed>)> {
    let threads = cores::count();
    let share = held.len().div_ceil(threads).max(CHUNK);
    let mut shares = Vec::new();
    while held.len() > share {
        let account = held[held.len() - share].1.0;
        shares.push(held.split_off(held.partition_point(|(_, key)| key.0 < account)));
    }
    shares.push(held);
    std::thread::scope(|scope| {
        let making: Vec<_> =
            shares.into_iter().map(|share| scope.spawn(|| states_of(share))).collect();
        let made = making.into_iter().flat_map(|m| m.join().expect("making tables does not panic"));
        made.collect()
    })
}

fn states_of(held: Vec<Record>) -> Vec<(AccountId, HashMap<Name, ZoneState, Keyed>)> {
    let counts: Vec<(AccountId, usize)> =
        held.chunk_by(|a, b| a.1.0 == b.1.0).map(|of| (of[0].1.0, of.len())).collect();
    let mut held = held.into_iter();
    let of_account = |(id, count): (AccountId, usize)| {
        let mut zones = HashMap::with_capacity_and_hasher(count, Keyed::default());
        zones.extend(held.by_ref().take(count).map(|(id, (_, apex))| {
            (apex, ZoneState { recorded: Some(id), ..ZoneState::default() })
        }));
        (id, zones)
    };
    counts.into_iter().map(of_account).collect()
}

/// What the folders hold, found while the logs were read.
struct Found {
    zones: io::Result<ZonesFolder>,
    scan: Option<io::Result<Scan>>,
}

impl Found {
    fn look(zones: &Path) -> Found {
        let zones = ZonesFolder::open(zones);
        let scan = zones.as_ref().ok().map(scan::scan);
        Found { zones, scan }
    }
}

impl World {
    /// Opens the data folder and reads all zones.
    pub fn start(settings: Settings, now: Now) -> Result<World, StartError> {
        let server = &settings.server;
        let (zones, data) = (server.zones.clone(), server.data.clone());
        let (recalled, found, image) = std::thread::scope(|scope| {
            let found = scope.spawn(|| Found::look(&zones));
            let image = scope.spawn(|| Image::read(&data));
            // What was recorded is taken in meanwhile.
            let recalled = World::recalled(settings, now);
            let found = found.join().expect("looking at folders does not panic");
            (recalled, found, image.join().expect("reading an image does not panic"))
        });
        let (mut world, reader) = recalled?;
        let image = image.and_then(|image| image.of(&world.keys.contents, &zones));
        world.read_everything(found, &reader, image.as_ref(), now);
        world.read_stored(&data.join(DATABASE));
        world.next.build();
        world.enforce(None, now);
        world.forget_texts(&reader);
        Ok(world)
    }

    /// The world as it was recorded, without any zone, and what reads the texts that were kept.
    fn recalled(settings: Settings, now: Now) -> Result<(World, Reader), StartError> {
        let suffixes = Suffixes::read(settings.server.public_suffixes.as_deref())
            .map_err(StartError::Suffixes)?;
        let store = Store::open(&settings.server.data).map_err(StartError::Store)?;
        let database = settings.server.data.join(DATABASE);
        let mut cookie_secret = [0; 16];
        getrandom::fill(&mut cookie_secret).map_err(StartError::Random)?;
        let reader = store.zones.reader();
        let reader = reader.map_err(|e| StartError::Io("cannot read zones.log", e))?;
        let keys = Keys::new(store.key);
        let keeper = Keeper::start(store.zones)
            .map_err(|e| StartError::Io("cannot start the thread that writes zones.log", e))?;
        let mut world = World {
            settings,
            keys,
            ownership: store.ownership,
            grants: store.grants,
            custom: Custom::open(&database),
            stored: Default::default(),
            claims: Default::default(),
            chosen: Default::default(),
            directory: None,
            accounts_stale: true,
            ids: PublicIds::new(store.id_key),
            keeper,
            suffixes,
            register: Register::default(),
            accounts: BTreeMap::new(),
            refused: BTreeSet::new(),
            missing: BTreeSet::new(),
            held: BTreeSet::new(),
            vanished: VecDeque::new(),
            depends: Depends::default(),
            next: Draft::at_start(Snapshot::empty(keys.names)),
            grants_stale: true,
            granted: Granted::default(),
            mentions: Mentions::default(),
            unreadable: None,
            chatter: Chatter::default(),
            tally: Tally::default(),
            store_failing: false,
            as_in_image: false,
            cookie_secret,
            _lock: store.lock,
        };
        world.recall_stored();
        world.recall_claims();
        world.recall_chosen();
        world.reconcile(now);
        world.recall();
        world.reconcile_claims(now);
        Ok((world, reader))
    }

    /// Accounts and zones as they were recorded.
    fn recall(&mut self) {
        for (name, id) in self.ownership.accounts() {
            let account = Account { name: name.into(), zones: HashMap::default(), problem: None };
            self.accounts.insert(id, account);
        }
        let names: Vec<String> =
            self.settings.accounts.keys().map(|name| name.to_string()).collect();
        for name in names {
            self.add_account(&name);
        }
        let mut held = self.held_zones();
        held.retain(|(_, key)| !self.stored.is_at(key.0, &key.1));
        for (id, zones) in states(held) {
            if let Some(account) = self.accounts.get_mut(&id) {
                account.zones = zones;
            }
        }
        self.resettle();
    }

    fn read_everything(&mut self, found: Found, kept: &Reader, image: Option<&Image>, now: Now) {
        let Found { zones, scan } = found;
        let zones = self.opened(zones);
        let scanned = scan.transpose().unwrap_or_else(|error| {
            self.say_unreadable(&error);
            None
        });
        let mut taken = 0;
        let new = match scanned {
            Some(mut scan) => {
                if let Some((zones, image)) = zones.as_ref().zip(image) {
                    let sources = Sources { zones, kept, image };
                    taken = self.take_unchanged(&mut scan, sources, now);
                }
                self.note_all(scan, now)
            }
            None => self.hold_all(),
        };
        self.decide_missing(now, Duration::ZERO);
        self.claim(&new);
        self.claim_refused();
        let keys = self.keys_to_read();
        let read = keys.len();
        let mut progress = Progress::new(read, now);
        let origins = Origins { zones: zones.as_ref(), kept: Some(kept) };
        let mut arenas = Arenas::new(Arena::default);
        self.read_in(origins, keys, &mut arenas, now, |done| progress.tell(done));
        if let Some(image) = image {
            let of = image.len();
            self.as_in_image = read == 0 && taken == of;
            let zones = count(taken, "zone");
            info!(event = "image-used", taken, of, read, "{zones} of the image, {read} read");
        }
        self.drop_accounts(|name| match &zones {
            Some(zones) => !matches!(zones.account(name), Err(FileError::Missing)),
            None => true,
        });
        self.finish_step();
    }

    /// Opens `zones/`, or says why not.
    pub fn open_zones(&mut self) -> Option<ZonesFolder> {
        let opened = ZonesFolder::open(&self.settings.server.zones);
        self.opened(opened)
    }

    fn opened(&mut self, opened: io::Result<ZonesFolder>) -> Option<ZonesFolder> {
        match opened {
            Ok(zones) => {
                if self.unreadable.take().is_some() {
                    info!(event = "zones-readable", "zones/ can be read again");
                }
                Some(zones)
            }
            Err(error) => {
                self.say_unreadable(&error);
                None
            }
        }
    }

    /// Whether nothing is known of the files now.
    pub fn is_unreadable(&self) -> bool {
        self.unreadable.is_some()
    }

    pub(super) fn say_unreadable(&mut self, error: &io::Error) {
        let path = self.settings.server.zones.display().to_string();
        let text = format!("{path} cannot be read: {error}");
        if self.unreadable.as_ref() != Some(&text) {
            error!(event = "zones-unreadable", path, "{text}; what is served stays as it is");
        }
        self.unreadable = Some(text);
    }

    /// All zones that are held, as they came: neighbours in this order are neighbours in memory and in the image.
    fn held_zones(&self) -> Vec<Record> {
        let mut held: Vec<_> = self.ownership.zones().collect();
        held.sort_unstable_by_key(|(_, held)| (held.account, held.id));
        held.into_iter().map(|(apex, held)| (held.id, (held.account, apex.clone()))).collect()
    }

    /// Zones that are held and not served yet, as they came.
    fn keys_to_read(&self) -> Vec<Key> {
        let mut keys = Vec::new();
        for (id, account) in &self.accounts {
            let open = account.zones.iter().filter(|(_, state)| state.served.is_none());
            let open = open.filter_map(|(apex, _)| {
                let held = self.ownership.zone(apex.as_wire()).filter(|h| h.account == *id)?;
                Some((held.id, (*id, apex.clone())))
            });
            let mut open: Vec<(ZoneId, Key)> = open.collect();
            open.sort_unstable_by_key(|(zone, _)| *zone);
            keys.extend(open.into_iter().map(|(_, key)| key));
        }
        keys.retain(|key| !self.is_stored(key));
        keys
    }

    /// Notes all files that were found, and what is missing. Returns the zones that nobody claimed yet.
    fn note_all(&mut self, scan: Scan, now: Now) -> Vec<Key> {
        say_strays(&scan.strays);
        let mut new = Vec::new();
        for account in scan.accounts {
            let id = self.add_account(&account.name);
            match account.zones {
                Ok(found) => {
                    for found in found {
                        let key = (id, found.file.apex.clone());
                        if self.is_stored(&key) {
                            self.say_file_ignored(&key);
                            continue;
                        }
                        let is_known = self.state(&key).is_some();
                        self.note(&key, &found);
                        new.extend((!is_known).then_some(key));
                    }
                }
                Err(error) => self.unreadable_account(&account.name, &error.to_string()),
            }
        }
        let readable = self.accounts.iter().filter(|(_, account)| account.problem.is_none());
        let gone = readable.flat_map(|(id, account)| {
            let gone = account.zones.iter().filter(|(_, state)| !state.is_there);
            gone.map(|(apex, _)| (*id, apex.clone()))
        });
        let is_held = |(id, apex): &Key| {
            self.ownership.zone(apex.as_wire()).is_some_and(|held| held.account == *id)
        };
        let gone: Vec<Key> = gone.filter(is_held).collect();
        gone.iter().for_each(|key| self.gone(key, now));
        new
    }

    /// Nothing is known of any file: everything stays as it was.
    fn hold_all(&mut self) -> Vec<Key> {
        let problem = self.unreadable.clone();
        for account in self.accounts.values_mut() {
            account.problem.clone_from(&problem);
        }
        Vec::new()
    }

    /// Forgets kept texts of zones that nobody holds any more.
    fn forget_texts(&self, kept: &Reader) {
        let held = self.ownership.zones().map(|(_, held)| held.id);
        let held: HashSet<ZoneId, Keyed> = held.collect();
        for zone in kept.ids().filter(|zone| !held.contains(zone)) {
            self.keeper.send(Change::Forget(zone));
        }
    }

    /// Ends a step: tells what was left out of the log, and what happened.
    pub fn finish_step(&mut self) -> Tally {
        let left_out = self.chatter.finish();
        if left_out > 0 {
            warn!(
                event = "log-shortened",
                left_out, "{left_out} more lines like these; `bailiwick check` shows everything"
            );
        }
        std::mem::take(&mut self.tally)
    }
}
