//! Zone files read on all cores, while what was read is taken in.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::error;

use super::{Key, Now, World};
use crate::base::id::{AccountId, ZoneId};
use crate::base::mem::Arena;
use crate::control::background::give_way;
use crate::control::cores;
use crate::control::files::{AccountFolder, FileError, ZonesFolder};
use crate::control::loader::{self, Bad, Keys, Known, Loaded, Outcome, Part};
use crate::model::zone::ZoneData;
use crate::store::zones::{ContentHash, Reader};

/// Files that one thread reads before it asks for more.
const CHUNK: usize = 32;
/// Chunks for each thread that are under way: bounds what texts are in memory at once.
const AHEAD: usize = 4;

/// A zone file to be read.
struct Job {
    key: Key,
    account: Arc<str>,
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
    /// The content of the file is what was kept of the zone with this id, which the account holds.
    pub kept_as: Option<ZoneId>,
    /// Files elsewhere that the zone depends on.
    pub depends: Vec<PathBuf>,
}

/// Where zones are read from.
#[derive(Clone, Copy)]
pub(super) struct Origins<'a> {
    pub zones: Option<&'a ZonesFolder>,
    /// At the start: the last good versions.
    pub kept: Option<&'a Reader>,
}

impl World {
    /// Reads the files of zones on all cores, and takes in each as it comes. `told` hears how many that were.
    pub(super) fn read_in(
        &mut self,
        origins: Origins<'_>,
        mut keys: Vec<Key>,
        arenas: &mut Arenas,
        now: Now,
        mut told: impl FnMut(usize),
    ) {
        // One account after the other, so that its folder is opened once.
        keys.sort_by_key(|key| key.0);
        let worker = Worker { keys: self.keys, origins };
        let threads = cores::count();
        let threads = threads.min(keys.len().div_ceil(CHUNK));
        if threads <= 1 {
            let jobs = self.jobs(&keys);
            give_way();
            let done = worker.run(jobs, &mut None, &mut arenas.of(1)[0]);
            give_way();
            done.into_iter().for_each(|done| self.apply(done, now));
            return;
        }
        let ahead = threads * AHEAD;
        let (jobs, waiting) = sync_channel(ahead);
        let (done_by, done) = sync_channel(ahead);
        let waiting = Mutex::new(waiting);
        std::thread::scope(|scope| {
            for arena in arenas.of(threads) {
                let (waiting, done_by) = (&waiting, done_by.clone());
                scope.spawn(move || worker.serve(waiting, &done_by, arena));
            }
            drop(done_by);
            let mut chunks = keys.chunks(CHUNK);
            let (mut under_way, mut taken) = (0, 0);
            loop {
                while under_way < ahead
                    && let Some(chunk) = chunks.next()
                {
                    jobs.send(self.jobs(chunk)).expect("readers end only after this");
                    under_way += 1;
                }
                if under_way == 0 {
                    break;
                }
                let done: Vec<Done> = done.recv().expect("reading a zone does not panic");
                under_way -= 1;
                taken += done.len();
                done.into_iter().for_each(|done| self.apply(done, now));
                told(taken);
            }
            drop(jobs);
        });
    }

    fn jobs(&self, keys: &[Key]) -> Vec<Job> {
        keys.iter().filter_map(|key| self.job(key)).collect()
    }

    fn job(&self, key: &Key) -> Option<Job> {
        let account = self.accounts.get(&key.0)?;
        let state = account.zones.get(&key.1)?;
        let held = self.ownership.zone(key.1.as_wire()).filter(|h| h.account == key.0);
        Some(Job {
            account: Arc::clone(&account.name),
            file_name: state.file_name(&key.1),
            twin: state.more.as_ref().and_then(|more| more.twin.clone()),
            // What is not settled is looked at again in any case.
            known: state.served,
            parts: state.parts().to_vec(),
            zone: held.map(|h| h.id),
            key: key.clone(),
        })
    }
}

/// Reads zones, one after the other.
#[derive(Clone, Copy)]
struct Worker<'a> {
    keys: Keys,
    origins: Origins<'a>,
}

/// The folder of the account whose zones are being read.
type Folder<'a> = Option<(AccountId, Result<AccountFolder<'a>, FileError>)>;

impl<'a> Worker<'a> {
    /// Reads what is waiting until nothing comes any more.
    fn serve(
        &self,
        waiting: &Mutex<Receiver<Vec<Job>>>,
        done: &SyncSender<Vec<Done>>,
        arena: &mut Arena,
    ) {
        let mut folder = None;
        loop {
            let jobs = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(jobs) = jobs else { return };
            if done.send(self.run(jobs, &mut folder, arena)).is_err() {
                return;
            }
        }
    }

    fn run(&self, jobs: Vec<Job>, folder: &mut Folder<'a>, arena: &mut Arena) -> Vec<Done> {
        let mut done = Vec::with_capacity(jobs.len());
        for job in jobs {
            let account = job.key.0;
            if folder.as_ref().is_none_or(|(of, _)| *of != account) {
                *folder = Some((account, self.folder(&job.account)));
            }
            let (_, folder) = folder.as_ref().expect("set above");
            done.push(self.one(&job, folder, arena));
        }
        done
    }

    fn folder(&self, account: &str) -> Result<AccountFolder<'a>, FileError> {
        let unreadable = || FileError::Io(std::io::ErrorKind::NotFound.into());
        self.origins.zones.ok_or_else(unreadable)?.account(account)
    }

    fn one(
        &self,
        job: &Job,
        folder: &Result<AccountFolder<'_>, FileError>,
        arena: &mut Arena,
    ) -> Done {
        let keys = &self.keys;
        let kept_hash = self.origins.kept.zip(job.zone).and_then(|(kept, zone)| kept.hash(zone));
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
        let kept_as = match &mut loaded.outcome {
            Outcome::Good(good) if kept_hash == Some(good.hash) => {
                // On disk already; freed by the thread that made it.
                good.sources = Vec::new();
                job.zone
            }
            _ => None,
        };
        let kept = if kept_as.is_some() { None } else { self.kept_version(job, keys, arena) };
        Done { key: job.key.clone(), loaded, kept, kept_as, depends }
    }

    /// The last good version, if one was kept and can still be read.
    fn kept_version(
        &self,
        job: &Job,
        keys: &Keys,
        arena: &mut Arena,
    ) -> Option<(ZoneData, ContentHash)> {
        let (kept, zone) = self.origins.kept.zip(job.zone)?;
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
