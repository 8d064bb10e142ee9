//! Zone files that changed: read, compared with what is served, and served, held or refused.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing::{error, info, warn};

use super::survey::Survey;
use super::{Held, Key, Now, World, ZoneState};
use crate::base::id::{AccountId, ZoneId};
use crate::base::mem::Arena;
use crate::base::name::Name;
use crate::control::files::{AccountFolder, FileError, Stray, ZoneFile, ZonesFolder};
use crate::control::hold::Removal;
use crate::control::loader::{self, Bad, Good, Keys, Known, Loaded, Outcome, Part};
use crate::control::scan::{self, FoundZone};
use crate::model::zone::ZoneData;
use crate::store::zones::{ContentHash, Reader};
use crate::zonefile::filename;

/// Files read by one thread before it looks for more.
const CHUNK: usize = 16;

/// Zones whose files may have changed; with the file, where its name was just seen.
pub type Touched = BTreeMap<Key, Option<FoundZone>>;

/// A zone file to be read.
struct Job {
    key: Key,
    file_name: String,
    known: Option<ContentHash>,
    parts: Vec<Part>,
    /// Another file of the same apex.
    twin: Option<Box<str>>,
    /// Read also what was kept, if the file holds something else.
    zone: Option<ZoneId>,
}

/// Where the threads that read put the data of zones.
pub(super) struct Arenas {
    each: Vec<Arena>,
    make: fn() -> Arena,
}

impl Arenas {
    pub fn new(make: fn() -> Arena) -> Arenas {
        Arenas { each: Vec::new(), make }
    }

    /// One for each thread.
    fn of(&mut self, threads: usize) -> &mut [Arena] {
        self.each.resize_with(self.each.len().max(threads), self.make);
        &mut self.each[..threads]
    }
}

/// What was read.
pub(super) struct Done {
    pub key: Key,
    pub loaded: Loaded,
    /// The version that was kept, where the file holds another one or a bad one.
    pub kept: Option<(ZoneData, ContentHash)>,
    /// The content of the file is what was kept.
    pub is_kept: bool,
    /// Files elsewhere that the zone depends on.
    pub depends: Vec<PathBuf>,
}

impl World {
    /// Takes in files that may have changed, by their content. `zones/` was opened a moment ago.
    pub fn edit(&mut self, zones: &ZonesFolder, touched: Touched, now: Now) {
        let mut survey = Survey::default();
        self.sort_out(zones, touched, &mut survey);
        let won = if survey.new.is_empty() { Vec::new() } else { self.claim(&survey.new) };
        survey.read.extend(won);
        self.take_in(zones, survey.read, now);
    }

    /// Tells files that are not known yet from those that have to be read again.
    pub(super) fn sort_out(&mut self, zones: &ZonesFolder, touched: Touched, survey: &mut Survey) {
        for (key, found) in touched {
            let is_known = self.state(&key).is_some();
            if let Some(found) = &found
                && (is_known || self.is_there(zones, key.0, &found.file.file_name))
            {
                self.note(&key, found);
            }
            if !is_known {
                survey.new.extend(self.state(&key).is_some().then_some(key));
            } else if !self.refused.contains(&key) {
                survey.read.push(key);
            } else if !self.is_there(zones, key.0, &self.file_name(&key)) {
                self.remove(&key);
            }
        }
    }

    /// Notes the file of a zone.
    pub(super) fn note(&mut self, key: &Key, found: &FoundZone) {
        let Some(account) = self.accounts.get_mut(&key.0) else { return };
        let state = account.zones.entry(key.1.clone()).or_insert_with(ZoneState::default);
        state.is_there = true;
        state.set_file_name(&key.1, &found.file.file_name);
        if found.twin.is_some() || state.more.is_some() {
            state.more().twin = found.twin.clone();
        }
    }

    fn is_there(&self, zones: &ZonesFolder, account: AccountId, file_name: &str) -> bool {
        let folder = zones.account(self.account_name(account));
        folder.is_ok_and(|folder| !matches!(folder.stamp(file_name), Err(FileError::Missing)))
    }

    /// Which zone a file of an account's folder is of, as far as its name says so.
    pub fn touch(
        &self,
        zones: &ZonesFolder,
        account: AccountId,
        file_name: &str,
        touched: &mut Touched,
    ) {
        let Some(Ok(apex)) = filename::apex(file_name.as_bytes()) else { return };
        let key = (account, apex.clone());
        let known = self.state(&key);
        let is_plain = |state: &ZoneState| {
            state.file_name(&apex) == file_name
                && state.more.as_ref().is_none_or(|more| more.twin.is_none())
        };
        let seen = touched.get(&key).and_then(Option::as_ref);
        let same_name = seen.is_none_or(|found| &*found.file.file_name == file_name);
        if known.is_some_and(is_plain) && same_name {
            touched.entry(key).or_insert(None);
            return;
        }
        let file = ZoneFile { apex: apex.clone(), file_name: file_name.into() };
        let mut found = Some(FoundZone { file, twin: None });
        if known.is_some() || !same_name {
            // Another spelling is or was in play: only the folder knows.
            let folder = zones.account(self.account_name(account));
            found = folder.ok().and_then(|folder| find_file(&folder, &apex));
        }
        touched.insert(key, found);
    }

    /// Reads files on all cores. With a reader of what was kept, that is read too where it is needed.
    pub(super) fn read(
        &self,
        zones: Option<&ZonesFolder>,
        keys: Vec<Key>,
        kept: Option<&Reader>,
        arenas: &mut Arenas,
    ) -> Vec<Done> {
        let mut jobs: Vec<Job> = keys.into_iter().filter_map(|key| self.job(key)).collect();
        // One account after the other, so that its folder is opened once.
        jobs.sort_by_key(|job| job.key.0);
        let worker = Worker { world: self, zones, kept };
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        let threads = threads.min(jobs.len().div_ceil(CHUNK));
        if threads <= 1 {
            return worker.run(&jobs, &AtomicUsize::new(0), &mut arenas.of(1)[0]);
        }
        let next = AtomicUsize::new(0);
        let mut done = Vec::with_capacity(jobs.len());
        std::thread::scope(|scope| {
            let run = |arena| worker.run(&jobs, &next, arena);
            let running: Vec<_> = arenas
                .of(threads)
                .iter_mut()
                .map(|arena| scope.spawn(move || run(arena)))
                .collect();
            for thread in running {
                done.extend(thread.join().expect("reading a zone does not panic"));
            }
        });
        done
    }

    fn job(&self, key: Key) -> Option<Job> {
        let state = self.state(&key)?;
        let held = self.ownership.zone(key.1.as_wire()).filter(|h| h.account == key.0);
        Some(Job {
            file_name: state.file_name(&key.1),
            twin: state.more.as_ref().and_then(|more| more.twin.clone()),
            // What is not settled is looked at again in any case.
            known: state.served,
            parts: state.parts().to_vec(),
            zone: held.map(|h| h.id),
            key,
        })
    }

    /// Takes in what was read of one zone.
    pub(super) fn apply(&mut self, done: Done, now: Now) {
        let Done { key, loaded, kept, is_kept, depends } = done;
        if let Some((data, hash)) = kept {
            self.put(&key, data);
            if let Some(state) = self.state_mut(&key) {
                state.served = Some(hash);
            }
        }
        let Loaded { outcome, stamp, parts } = loaded;
        if !matches!(outcome, Outcome::Same | Outcome::Missing) {
            self.depends.set(&key, depends);
            if let Some(state) =
                self.state_mut(&key).filter(|s| s.more.is_some() || !parts.is_empty())
            {
                state.more().parts = parts;
            }
        }
        if let Some(state) = self.state_mut(&key).filter(|_| stamp.is_some()) {
            state.stamp = stamp;
        }
        match outcome {
            Outcome::Same => self.same(&key),
            Outcome::Good(good) if is_kept => self.install_kept(&key, good),
            Outcome::Good(good) => self.offer(&key, good, now),
            Outcome::Bad(bad) => self.bad(&key, bad),
            Outcome::Missing => self.gone(&key, now),
        }
    }

    /// The file holds what is served.
    fn same(&mut self, key: &Key) {
        let more = self.state(key).and_then(|state| state.more.as_ref());
        let was_open =
            more.is_some_and(|m| m.problem.is_some() || m.held.is_some() || m.missing.is_some());
        if was_open && self.chatter.may_speak() {
            info!(event = "zone-settled", zone = %key.1, account = self.account_name(key.0),
                "the file holds the served version again");
        }
        self.settle(key);
    }

    /// At the start: the content that was served before, which is on disk already.
    fn install_kept(&mut self, key: &Key, good: Good) {
        self.put(key, good.data);
        if let Some(state) = self.state_mut(key) {
            state.served = Some(good.hash);
            if good.remarks.warnings > 0 {
                state.more().warnings = good.remarks.warnings;
            }
        }
    }

    /// A good version: served, unless it removes too much.
    fn offer(&mut self, key: &Key, good: Good, now: Now) {
        let Some(served) = self.served(key) else {
            self.say_loaded(key, None, &good);
            self.install(key, good);
            return;
        };
        let removal = Removal::between(served, &good.data, &self.keys.names);
        if removal.is_held(&self.settings.hold) {
            self.hold_edit(key, good, removal, now);
            return;
        }
        let served = served.clone();
        self.say_loaded(key, Some(&served), &good);
        self.install(key, good);
    }

    fn hold_edit(&mut self, key: &Key, good: Good, removal: Removal, now: Now) {
        let account = self.account_name(key.0).to_owned();
        let file = self.shown(key);
        let Some(state) = self.state_mut(key) else { return };
        let more = state.more();
        (more.problem, more.problem_hash, more.missing) = (None, None, None);
        (more.errors, more.warnings) = (0, good.remarks.warnings);
        if let Some(Held::Edit { good: held, .. }) = &more.held
            && held.hash == good.hash
        {
            return;
        }
        more.held = Some(Held::Edit { good: Box::new(good), removal, since: now.unix });
        self.missing.remove(key);
        self.held.insert(key.clone());
        self.tally.held += 1;
        if self.chatter.may_speak() {
            warn!(event = "zone-held", zone = %key.1, account, file, removed = removal.removed, of = removal.of,
                "held: the edit removes {} of {} records; the served version stays. To let it in: bailiwick zone \
                 accept {}", removal.removed, removal.of, key.1);
        }
    }

    fn bad(&mut self, key: &Key, bad: Bad) {
        let serves = self.served(key).is_some();
        let account = self.account_name(key.0).to_owned();
        let Some(state) = self.state_mut(key) else { return };
        let more = state.more();
        let is_news = more.problem.is_none() || bad.hash.is_none() || more.problem_hash != bad.hash;
        more.problem = Some(bad.problem.as_str().into());
        more.problem_hash = bad.hash;
        (more.errors, more.warnings) = (bad.remarks.errors, bad.remarks.warnings);
        (more.held, more.missing) = (None, None);
        self.missing.remove(key);
        self.held.remove(key);
        if !serves {
            self.put(key, ZoneData::unready(&key.1));
        }
        self.tally.bad += usize::from(is_news);
        if is_news && self.chatter.may_speak() {
            let what = if serves { "the last good version stays" } else { "not served (SERVFAIL)" };
            error!(event = "zone-bad", zone = %key.1, account, errors = bad.remarks.errors,
                warnings = bad.remarks.warnings, "{what}: {} errors\n{}", bad.remarks.errors,
                bad.remarks.shown.join("\n"));
        }
    }

    fn say_loaded(&mut self, key: &Key, served: Option<&ZoneData>, good: &Good) {
        match served {
            Some(_) => self.tally.changed += 1,
            None => self.tally.loaded += 1,
        }
        // At the start it is the whole that is told.
        let is_quiet = served.is_none() && self.next.is_start();
        if is_quiet && good.remarks.warnings == 0 || !self.chatter.may_speak() {
            return;
        }
        let account = self.account_name(key.0);
        let (zone, serial, records) = (&key.1, good.data.serial(), good.data.record_count());
        match served {
            None if is_quiet => {}
            None => info!(event = "zone-loaded", %zone, account, serial, records, "zone loaded"),
            Some(old) => {
                info!(event = "zone-changed", %zone, account, serial, records,
                    serial_before = old.serial(), records_before = old.record_count(),
                    "zone changed");
                // RFC 1982: ahead by less than half of the circle.
                if !(1..1 << 31).contains(&serial.wrapping_sub(old.serial())) {
                    warn!(event = "zone-serial", %zone, account, serial,
                        serial_before = old.serial(),
                        "the content changed, and the serial did not grow: secondaries will not see it");
                }
            }
        }
        if good.remarks.warnings > 0 {
            warn!(event = "zone-warnings", %zone, account, warnings = good.remarks.warnings,
                "{} warnings\n{}", good.remarks.warnings, good.remarks.shown.join("\n"));
        }
    }
}

/// Says what lies in `zones/` and is none of ours.
pub(super) fn say_strays(strays: &[Stray]) {
    for stray in strays.iter().take(20) {
        warn!(event = "stray-file", path = stray.path, "ignored: {}", stray.message);
    }
}

/// The file of a zone in its account's folder, whatever the spelling of its name.
fn find_file(folder: &AccountFolder<'_>, apex: &Name) -> Option<FoundZone> {
    let mut strays = Vec::new();
    let found = scan::account(folder, &mut strays).ok()?;
    found.into_iter().find(|found| found.file.apex == *apex)
}

/// Reads zones, one after the other.
struct Worker<'a> {
    world: &'a World,
    zones: Option<&'a ZonesFolder>,
    kept: Option<&'a Reader>,
}

impl Worker<'_> {
    fn run(&self, jobs: &[Job], next: &AtomicUsize, arena: &mut Arena) -> Vec<Done> {
        let mut done = Vec::new();
        let mut folders: BTreeMap<AccountId, Result<AccountFolder<'_>, FileError>> =
            BTreeMap::new();
        loop {
            let from = next.fetch_add(CHUNK, Ordering::Relaxed);
            let Some(chunk) = jobs.get(from..).filter(|jobs| !jobs.is_empty()) else { return done };
            for job in &chunk[..chunk.len().min(CHUNK)] {
                let account = job.key.0;
                // Jobs come in the order of accounts.
                folders.retain(|id, _| *id == account);
                let folder = folders.entry(account).or_insert_with(|| self.folder(account));
                done.push(self.one(job, folder, arena));
            }
        }
    }

    fn folder(&self, account: AccountId) -> Result<AccountFolder<'_>, FileError> {
        let unreadable = || FileError::Io(std::io::ErrorKind::NotFound.into());
        self.zones.ok_or_else(unreadable)?.account(self.world.account_name(account))
    }

    fn one(
        &self,
        job: &Job,
        folder: &Result<AccountFolder<'_>, FileError>,
        arena: &mut Arena,
    ) -> Done {
        let keys = &self.world.keys;
        let mut loaded = match folder {
            Err(FileError::Missing) => {
                Loaded { outcome: Outcome::Missing, stamp: None, parts: Vec::new() }
            }
            Err(error) => not_readable(format!("the folder of the account: {error}")),
            Ok(folder) => {
                let known = Known { hash: job.known, parts: &job.parts };
                match &job.twin {
                    Some(twin) => two_files(folder, job, twin),
                    None => unharmed(&job.file_name, || {
                        loader::load(folder, &job.file_name, &job.key.1, keys, known, arena)
                    }),
                }
            }
        };
        let depends = match folder {
            Ok(folder) => depends(folder, &loaded.parts),
            Err(_) => Vec::new(),
        };
        let kept_hash = self.kept.zip(job.zone).and_then(|(kept, zone)| kept.hash(zone));
        let is_kept = match &mut loaded.outcome {
            Outcome::Good(good) if kept_hash == Some(good.hash) => {
                // On disk already; freed by the thread that made it.
                good.sources = Vec::new();
                true
            }
            _ => false,
        };
        let kept = if is_kept { None } else { self.kept_version(job, keys, arena) };
        Done { key: job.key.clone(), loaded, kept, is_kept, depends }
    }

    /// The last good version, if one was kept and can still be read.
    fn kept_version(
        &self,
        job: &Job,
        keys: &Keys,
        arena: &mut Arena,
    ) -> Option<(ZoneData, ContentHash)> {
        let (kept, zone) = self.kept.zip(job.zone)?;
        let version = match kept.read(zone, &job.key.1) {
            Ok(version) => version?,
            Err(error) => {
                error!(event = "store-failed", zone = %job.key.1, %error,
                    "cannot read the last good version");
                return None;
            }
        };
        let hash = version.hash;
        match loader::load_kept(version, keys, arena) {
            Ok(data) => Some((data, hash)),
            Err(problem) => {
                error!(event = "store-failed", zone = %job.key.1, problem,
                    "the last good version is none by the rules of this version");
                None
            }
        }
    }
}

/// Two files of one apex in a folder are an error: nobody knows which one is meant.
fn two_files(folder: &AccountFolder<'_>, job: &Job, twin: &str) -> Loaded {
    let (one, two) = (folder.shown(&job.file_name), folder.shown(twin));
    not_readable(format!("{one} and {two} are files of the same zone: remove one of them"))
}

/// Reads a zone. Should its text bring the reader down, then only for this zone.
fn unharmed(file_name: &str, read: impl FnOnce() -> Loaded) -> Loaded {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        not_readable(format!(
            "{file_name}: reading it failed inside the server; please report this"
        ))
    })
}

/// The outcome for a zone of which nothing can be read.
fn not_readable(problem: String) -> Loaded {
    let shown = vec![format!("error: {problem}")];
    let remarks = loader::Remarks { errors: 1, warnings: 0, shown };
    let outcome = Outcome::Bad(Bad { hash: None, problem, remarks });
    Loaded { outcome, stamp: None, parts: Vec::new() }
}

/// The paths at which changes of a zone's parts are seen, within `zones/`.
fn depends(folder: &AccountFolder<'_>, parts: &[Part]) -> Vec<PathBuf> {
    let mut paths = BTreeSet::new();
    for part in parts {
        paths.extend(part.real.clone());
        let Some(path) = part.path.as_deref() else { continue };
        // As written it sees a folder on the way being swapped, in full the events of the folder it lies in.
        let path = folder.real().join(path);
        paths.insert(path.clone());
        let above = path.parent().and_then(|above| above.canonicalize().ok());
        if let (Some(above), Some(name)) = (above, path.file_name()) {
            paths.insert(above.join(name));
        }
    }
    paths.into_iter().filter(|path| folder.is_near(path)).collect()
}
