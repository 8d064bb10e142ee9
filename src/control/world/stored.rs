//! Zones that live in the store: read at the start on all cores, compiled when their records changed, served beside
//! those of files.
//!
//! The records of zones written to lately are kept in memory, up to a bound; those of all others are in the store.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing::{error, info, warn};

use super::{Key, Now, World};
use crate::base::count::count;
use crate::base::hash::HashKey;
use crate::base::id::{AccountId, ZoneId};
use crate::base::limits::RECORDS_MAX;
use crate::base::mem::Arena;
use crate::base::name::Name;
use crate::control::command::{ZoneRow, ZoneState};
use crate::control::cores;
use crate::model::zone::ZoneData;
use crate::records::compile::{self, Compiled};
use crate::records::{Content, RecordSet};
use crate::store::state::Store;
use crate::store::state::change::Change;
use crate::store::state::sqlite::Sqlite;

/// Records kept in memory of zones that were written to lately: of the largest zone, and of many others beside it.
const CACHED: usize = RECORDS_MAX + 400_000;
/// Zones that one thread reads before it asks for more, at the start.
const CHUNK: usize = 16;

/// See the head of the file.
#[derive(Debug, Default)]
pub struct Stored {
    zones: BTreeMap<ZoneId, StoredZone>,
    keys: BTreeMap<Key, ZoneId>,
    loaded: HashMap<ZoneId, Loaded>,
    /// Grows with each use of what is loaded.
    uses: u64,
    /// What is loaded, the longest unused first.
    by_use: BTreeMap<u64, ZoneId>,
    /// Records of all that is loaded, as counted when each was used last.
    cached: usize,
    /// Zones whose records changed since they were compiled.
    dirty: BTreeSet<ZoneId>,
}

/// One zone of the store.
#[derive(Clone, Debug)]
pub struct StoredZone {
    pub apex: Name,
    pub account: AccountId,
    pub flatten_all: bool,
    pub warnings: usize,
    /// Why it is not served.
    pub problem: Option<String>,
}

/// The records of a zone, in memory.
#[derive(Debug)]
pub struct Loaded {
    pub content: Content,
    pub set: RecordSet,
    used: u64,
    /// How much it counts in [`Stored::cached`].
    counted: usize,
}

impl Stored {
    pub fn zone(&self, id: ZoneId) -> Option<&StoredZone> {
        self.zones.get(&id)
    }

    /// The zone of the store that an account has at an apex.
    pub fn id(&self, key: &Key) -> Option<ZoneId> {
        self.keys.get(key).copied()
    }

    /// All zones, in the order of their making.
    pub fn ids(&self) -> impl Iterator<Item = ZoneId> {
        self.zones.keys().copied()
    }

    /// Whether an account has a zone here at an apex.
    pub fn is_at(&self, account: AccountId, apex: &Name) -> bool {
        !self.keys.is_empty() && self.keys.contains_key(&(account, apex.clone()))
    }

    /// Whether an account has zones here.
    pub fn has_any(&self, account: AccountId) -> bool {
        let first = self.keys.range((account, Name::root())..).next();
        first.is_some_and(|((of, _), _)| *of == account)
    }

    fn enter(&mut self, id: ZoneId, apex: Name, account: AccountId, flatten_all: bool) {
        self.keys.insert((account, apex.clone()), id);
        let zone = StoredZone { apex, account, flatten_all, warnings: 0, problem: None };
        self.zones.insert(id, zone);
    }

    /// The zone is gone from the store.
    pub fn remove(&mut self, id: ZoneId) {
        if let Some(zone) = self.zones.remove(&id) {
            self.keys.remove(&(zone.account, zone.apex));
        }
        self.unload(id);
        self.dirty.remove(&id);
    }

    fn unload(&mut self, id: ZoneId) {
        if let Some(loaded) = self.loaded.remove(&id) {
            self.by_use.remove(&loaded.used);
            self.cached -= loaded.counted;
        }
    }

    /// It is used now.
    fn touch_loaded(&mut self, id: ZoneId) -> Option<&mut Loaded> {
        let loaded = self.loaded.get_mut(&id)?;
        self.uses += 1;
        self.by_use.remove(&loaded.used);
        self.by_use.insert(self.uses, id);
        let count = loaded.set.len() + 1;
        self.cached = self.cached - loaded.counted + count;
        (loaded.used, loaded.counted) = (self.uses, count);
        Some(loaded)
    }

    /// What was thought to be stored was not: what is in memory is forgotten.
    pub fn forget(&mut self) {
        self.loaded.clear();
        self.by_use.clear();
        self.cached = 0;
        self.dirty.clear();
    }

    pub fn loaded_mut(&mut self, id: ZoneId) -> Option<&mut Loaded> {
        self.loaded.get_mut(&id)
    }

    pub fn set_flatten(&mut self, id: ZoneId, all: bool) {
        if let Some(zone) = self.zones.get_mut(&id) {
            zone.flatten_all = all;
        }
    }

    /// Records of this zone changed; it is compiled before the next snapshot.
    pub fn touch(&mut self, id: ZoneId) {
        self.dirty.insert(id);
    }

    /// Lets go of the records that were not used for longest, until few enough are left; of one zone they stay.
    fn shrink(&mut self) {
        while self.cached > CACHED && self.loaded.len() > 1 {
            let Some((_, &oldest)) = self.by_use.first_key_value() else { return };
            self.unload(oldest);
        }
    }
}

impl World {
    /// What the store says of its zones, before any of them is read; whether it said anything.
    pub(super) fn recall_stored(&mut self) -> bool {
        let Ok(open) = self.custom.usable() else { return false };
        let contents = match open.store().contents() {
            Ok(contents) => contents,
            Err(failure) => {
                error!(event = "database-unusable", %failure, "no zone of the database is served");
                return false;
            }
        };
        let zones: HashMap<ZoneId, (Name, AccountId)> =
            open.control().zones.iter().map(|z| (z.id, (z.apex.clone(), z.account))).collect();
        for content in contents {
            if let Some((apex, account)) = zones.get(&content.zone).cloned() {
                self.stored.enter(content.zone, apex, account, content.settings.flatten_all);
            }
        }
        true
    }

    /// The same, when what was thought to be stored was not: zones that were only thought to be made let go of their
    /// names, and those that were only thought to be deleted are there.
    pub(super) fn recall_stored_again(&mut self) {
        self.stored.forget();
        let old = std::mem::take(&mut self.stored);
        if !self.recall_stored() {
            self.stored = old;
            return;
        }
        for (id, zone) in old.zones {
            if let Some(known) = self.stored.zones.get_mut(&id) {
                (known.warnings, known.problem) = (zone.warnings, zone.problem);
            } else if self.ownership.zone(zone.apex.as_wire()).is_some_and(|held| held.id == id) {
                self.release(&(zone.account, zone.apex));
            }
        }
    }

    /// Whether a zone of an account lives in the store.
    pub(super) fn is_stored(&self, key: &Key) -> bool {
        self.stored.id(key).is_some()
    }

    /// Whether the account holds the apex of a zone of the store: then it is served.
    fn is_active(&self, id: ZoneId) -> bool {
        let Some(zone) = self.stored.zone(id) else { return false };
        self.ownership.zone(zone.apex.as_wire()).is_some_and(|held| held.id == id)
    }

    /// Reads and compiles all active zones of the store, on all cores.
    pub(super) fn read_stored(&mut self, database: &Path) {
        let active = self.stored.zones.iter().filter(|(id, _)| self.is_active(**id));
        let jobs: Vec<(ZoneId, Name)> = active.map(|(id, zone)| (*id, zone.apex.clone())).collect();
        if jobs.is_empty() {
            return;
        }
        let key = self.keys.names;
        let threads = cores::count();
        let threads = threads.min(jobs.len().div_ceil(CHUNK));
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let read = read_some(database, &jobs, &next, &key);
                    done.lock().unwrap_or_else(PoisonError::into_inner).extend(read);
                });
            }
        });
        let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        let zones = done.len();
        for (id, compiled) in done {
            self.take_in_stored(id, compiled);
        }
        info!(event = "stored-zones", zones, "{} of the database read", count(zones, "zone"));
    }

    /// Serves what was made of a zone, or says why it cannot be served.
    fn take_in_stored(&mut self, id: ZoneId, compiled: Result<Made, String>) {
        let Some(zone) = self.stored.zones.get_mut(&id) else { return };
        let key = (zone.account, zone.apex.clone());
        match compiled {
            Ok(made) => {
                (zone.warnings, zone.problem) = (made.warnings, None);
                self.put(&key, made.data);
            }
            Err(problem) => {
                error!(event = "zone-bad", zone = %key.1, problem, "a zone of the database cannot be served");
                zone.problem = Some(problem);
                if self.served(&key).is_none() {
                    self.put(&key, ZoneData::unready(&key.1));
                }
            }
        }
    }

    /// The records of a zone of the store. `Err`: the store cannot be read.
    pub(super) fn load_stored(&mut self, id: ZoneId) -> Result<Option<&mut Loaded>, String> {
        let World { stored, custom, .. } = self;
        let Some(zone) = stored.zones.get(&id) else { return Ok(None) };
        if let Entry::Vacant(place) = stored.loaded.entry(id) {
            let store = custom.usable()?.store();
            let Some(content) = store.content(id).map_err(|f| f.to_string())? else {
                return Ok(None);
            };
            let records = store.records(id, None).map_err(|f| f.to_string())?;
            let set = RecordSet::new(&zone.apex, records);
            place.insert(Loaded { content, set, used: 0, counted: 0 });
            stored.touch_loaded(id);
            stored.shrink();
        }
        Ok(stored.touch_loaded(id))
    }

    /// Compiles what changed, and serves it from the next snapshot on.
    pub(super) fn serve_changed(&mut self) {
        for id in std::mem::take(&mut self.stored.dirty) {
            if !self.is_active(id) {
                continue;
            }
            let names = self.keys.names;
            let compiled = match self.load_stored(id) {
                Ok(Some(loaded)) => compile::compile(&loaded.content, &loaded.set, &names, None)
                    .map(Made::of)
                    .map_err(|problem| problem.message.into_owned()),
                Ok(None) => continue,
                Err(problem) => Err(problem),
            };
            self.take_in_stored(id, compiled);
        }
    }

    /// Makes a zone in the store, on the word of the operator: it is served from the next snapshot on.
    pub fn make_stored_zone(
        &mut self,
        account: AccountId,
        apex: &Name,
        nameservers: Vec<Name>,
        now: Now,
    ) -> Result<ZoneId, String> {
        let key = (account, apex.clone());
        self.custom.usable()?;
        self.claim_one(&key).map_err(|refusal| self.explain(&key, &refusal))?;
        let entered = self.enter_zone(apex, now).map_err(|error| error.to_string());
        let made = entered.and_then(|id| {
            self.enter_stored(id, apex, account, nameservers, now)?;
            Ok(id)
        });
        if made.is_err() {
            self.release(&key);
        }
        made
    }

    /// Gives a zone that the database knows a content. It is served once the account holds the name.
    pub fn enter_stored(
        &mut self,
        id: ZoneId,
        apex: &Name,
        account: AccountId,
        nameservers: Vec<Name>,
        now: Now,
    ) -> Result<(), String> {
        let content = Content::new(id, nameservers, now.unix);
        let store = self.custom.usable()?.store();
        let generation = store.generation().map_err(|failure| failure.to_string())?;
        let changes = [Change::Content(Box::new(content))];
        store.commit(&changes, generation).map_err(|error| error.to_string())?;
        self.stored.enter(id, apex.clone(), account, false);
        self.stored.touch(id);
        Ok(())
    }

    /// Serves a zone of the store whose account holds the name since a moment ago.
    pub fn serve_stored(&mut self, id: ZoneId) {
        self.stored.touch(id);
    }

    /// A zone was deleted from the store.
    pub fn forget_stored(&mut self, id: ZoneId) {
        self.stored.remove(id);
    }

    /// Rows of the zones of the store for `zone list`.
    pub(super) fn stored_rows(&self) -> impl Iterator<Item = ZoneRow> {
        self.stored.zones.iter().map(|(id, zone)| self.stored_row(*id, zone))
    }

    /// The row of one of them.
    pub(super) fn stored_row(&self, id: ZoneId, zone: &StoredZone) -> ZoneRow {
        let key = (zone.account, zone.apex.clone());
        let served = self.served(&key);
        let (state, detail) = match (self.is_active(id), served.is_some(), &zone.problem) {
            (false, ..) => {
                let text = "made through the API, and not proved yet: it is not served";
                (ZoneState::Pending, Some(text.to_owned()))
            }
            (true, true, None) => (ZoneState::Served, None),
            (true, true, problem) => (ZoneState::LastGood, problem.clone()),
            (true, false, problem) => (ZoneState::NotReady, problem.clone()),
        };
        let served = served.filter(|_| state != ZoneState::Pending);
        ZoneRow {
            zone: zone.apex.to_string(),
            account: self.account_name(zone.account).to_owned(),
            state,
            serial: served.map(|data| data.serial()),
            records: served.map_or(0, |data| data.record_count()),
            errors: usize::from(zone.problem.is_some()),
            warnings: zone.warnings,
            held_since: None,
            detail,
        }
    }

    /// Says that a file is not looked at, since its account has that zone in the store.
    pub(super) fn say_file_ignored(&mut self, key: &Key) {
        if self.chatter.may_speak() {
            warn!(event = "file-ignored", zone = %key.1, account = self.account_name(key.0),
                "the zone {} was made through the API: its file is not read", key.1);
        }
    }
}

/// What is served of a zone.
struct Made {
    data: ZoneData,
    warnings: usize,
}

impl Made {
    fn of(compiled: Compiled) -> Made {
        Made { data: compiled.data, warnings: compiled.warnings }
    }
}

/// Reads and compiles zones until none is left.
fn read_some(
    database: &Path,
    jobs: &[(ZoneId, Name)],
    next: &AtomicUsize,
    key: &HashKey,
) -> Vec<(ZoneId, Result<Made, String>)> {
    let mut arena = Arena::default();
    let mut done = Vec::new();
    let mut store = Sqlite::open_reader(database).map_err(|failure| failure.to_string());
    loop {
        let from = next.fetch_add(CHUNK, Ordering::Relaxed).min(jobs.len());
        let chunk = &jobs[from..jobs.len().min(from + CHUNK)];
        if chunk.is_empty() {
            return done;
        }
        for (id, apex) in chunk {
            let made = match &mut store {
                Ok(store) => read_one(store, *id, apex, key, &mut arena),
                Err(problem) => Err(problem.clone()),
            };
            done.push((*id, made));
        }
    }
}

fn read_one(
    store: &mut Sqlite,
    id: ZoneId,
    apex: &Name,
    key: &HashKey,
    arena: &mut Arena,
) -> Result<Made, String> {
    let content = store.content(id).map_err(|failure| failure.to_string())?;
    let content = content.ok_or_else(|| "its content is gone".to_owned())?;
    let records = store.records(id, None).map_err(|failure| failure.to_string())?;
    let set = RecordSet::new(apex, records);
    let compiled = compile::compile(&content, &set, key, Some(arena));
    compiled.map(Made::of).map_err(|problem| problem.message.into_owned())
}
