//! The one writer: a thread that owns the [`World`], does what it is asked one thing after the other, and publishes
//! what comes out as an immutable snapshot.

use std::collections::{BTreeSet, VecDeque};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tracing::{error, info, warn};

use super::background::{self, give_way};
use super::command::{After, Command, Handle, Job, QUEUE, Reply};
use super::directory::Directory;
use super::files::ZonesFolder;
use super::imager::{self, Imager};
use super::looks;
use super::press::{Press, Published};
use super::watches::Watches;
use super::world::{Look, Now, StartError, Survey, Tally, World};
use crate::base::count::count;
use crate::base::limits::INCLUDE_DEPTH;
use crate::base::mem;
use crate::base::public_id::PublicIds;
use crate::config::finding::ConfigFinding;
use crate::config::settings::{Overrides, Settings};
use crate::config::{file, standing};
use crate::telemetry::figures::Figures;
use crate::zonefile::Colour;

/// Where the settings come from, for a reload.
#[derive(Clone, Debug)]
pub struct Origin {
    pub config: PathBuf,
    pub overrides: Overrides,
}

/// The running publisher.
pub struct Publisher {
    pub handle: Handle,
    pub press: Arc<Press>,
    /// What it tells of itself.
    pub figures: Arc<Figures>,
    /// What those who read beside it see, if the API is on.
    pub directory: Option<Arc<Directory>>,
    pub ids: PublicIds,
    pub thread: JoinHandle<()>,
    /// Writes images of the zones; a thread does so by itself.
    pub imager: Imager,
    /// What is to be looked at outside; the results are commands. Dropped, nobody looks.
    pub looks: Option<Receiver<looks::Look>>,
}

/// Zones read before the next snapshot, in a look at everything.
const BATCH: usize = 2_000;
/// Longest pause before old snapshots are looked at again.
const SWEEP: Duration = Duration::from_millis(100);
/// Pause before a data folder that refused is tried again.
const STORE_RETRY: Duration = Duration::from_secs(30);
/// Pause before `zones/` that cannot be read is tried again.
const ZONES_RETRY: Duration = Duration::from_secs(1);
/// How often everything is looked at although every folder is watched: events can be lost.
const LOOK_RARELY: Duration = Duration::from_secs(600);
/// How often everything is looked at when not every folder can be watched, at the most.
const LOOK_OFTEN: Duration = Duration::from_secs(2);
/// How often is looked whether `zones/` is still the same folder: what replaces it makes no event in it.
const SAME_FOLDER: Duration = Duration::from_secs(1);
/// How often is looked which custom hostnames are due.
const HOSTNAMES: Duration = Duration::from_secs(1);
/// Jobs that share one commit at the most: what comes behind them waits no longer than for these.
const JOBS: usize = 64;
/// A look at everything may take this share of the time.
const LOOK_SHARE: u32 = 20;

/// Reads everything and starts the thread. When this returns, the world is complete: questions may be answered.
pub fn start(
    settings: Settings,
    origin: Origin,
    tell: impl Fn(&Settings) + Send + 'static,
) -> Result<Publisher, StartError> {
    let (handle, mut task) = prepare(settings, origin, tell)?;
    let (press, imager) = (Arc::clone(&task.press), task.imager.clone());
    let figures = Arc::clone(&task.figures);
    let looks = Some(task.world.connect_looks());
    let ids = task.world.ids();
    let is_wanted = task.world.settings().api.listen.is_some();
    let directory = is_wanted.then(|| task.world.open_directory());
    let spawned = Builder::new().name("publisher".to_owned()).spawn(move || {
        background::step_back();
        task.run();
    });
    let thread = spawned.map_err(|e| StartError::Io("cannot start the publisher's thread", e))?;
    Ok(Publisher { handle, press, figures, directory, ids, thread, imager, looks })
}

/// Reads everything; what is left is to run the task.
fn prepare(
    settings: Settings,
    origin: Origin,
    tell: impl Fn(&Settings) + Send + 'static,
) -> Result<(Handle, Task), StartError> {
    let began = Instant::now();
    let (handle, commands) = sync_channel(QUEUE);
    // Watched before they are read, so that no edit falls between.
    let watches = Watches::start(handle.clone(), &settings.server.zones);
    let folder = identity(&settings);
    let mut world = World::start(settings, Now::read())?;
    world.say_dangling();
    let first = world.publish(Now::read()).expect("a new world differs from none");
    say_started(&world, began.elapsed());
    let press = Arc::new(Press::new(first));
    let imager = Imager {
        handle: handle.clone(),
        published: Arc::clone(press.published()),
        changes: Arc::default(),
        folder: world.settings().server.data.clone(),
        zones: world.settings().server.zones.clone(),
        key: world.key(),
        turn: Arc::default(),
    };
    // An image that holds everything needs no other before something changes.
    let current = world.is_as_in_image().then_some(0);
    let images = imager.clone().start(current);
    let images =
        images.map_err(|e| StartError::Io("cannot start the thread that writes images", e))?;
    let task = Task {
        world,
        origin,
        press,
        watches,
        inbox: Inbox { commands, passed_over: VecDeque::new() },
        is_swept: false,
        // What changed while the folders of includes were not watched yet.
        next_look: Instant::now(),
        store_retry: Instant::now(),
        zones_retry: Instant::now(),
        next_same: Instant::now() + SAME_FOLDER,
        next_hostnames: Instant::now(),
        folder,
        stopping: false,
        tell: Box::new(tell),
        figures: Arc::default(),
        imager,
        _images: images,
    };
    Ok((handle, task))
}

impl Publisher {
    /// What is answered from.
    pub fn published(&self) -> Arc<Published> {
        Arc::clone(self.press.published())
    }

    /// Ends the thread, after what it was asked before, and waits until everything is on disk.
    pub fn stop(self) {
        // An error means that it is gone already.
        let _ = self.handle.send(Command::Stop);
        if self.thread.join().is_err() {
            error!(event = "publisher-failed", "the publisher did not end well");
        }
    }
}

/// Device and inode of `zones/`, wherever links lead; `None`: it is not there.
fn identity(settings: &Settings) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(&settings.server.zones).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

fn say_started(world: &World, took: Duration) {
    let status = world.status();
    info!(
        event = "loaded",
        accounts = status.accounts,
        zones = status.zones,
        records = status.records,
        grants = status.grants,
        held = status.held,
        not_ready = status.not_ready,
        refused = status.refused,
        ms = took.as_millis() as u64,
        "{} of {}, {}, {} in {:.3} s",
        count(status.zones, "zone"),
        count(status.accounts, "account"),
        count(status.records, "record"),
        count(status.grants, "grant"),
        took.as_secs_f64()
    );
    if status.not_ready + status.refused + status.held > 0 {
        warn!(
            event = "not-all-served",
            not_ready = status.not_ready,
            refused = status.refused,
            held = status.held,
            "{} not ready, {} refused, {} held: `bailiwick zone list` and \
            `bailiwick check` say why",
            count(status.not_ready, "zone"),
            status.refused,
            status.held
        );
    }
}

/// Commands in the order in which they came, but for those that were passed over.
struct Inbox {
    commands: Receiver<Command>,
    passed_over: VecDeque<Command>,
}

impl Inbox {
    fn wait(&mut self, most: Duration) -> Result<Command, RecvTimeoutError> {
        match self.passed_over.pop_front() {
            Some(command) => Ok(command),
            None => self.commands.recv_timeout(most),
        }
    }

    /// The next command, if it is a job.
    fn job(&mut self) -> Option<Job> {
        if self.passed_over.is_empty() {
            self.passed_over.extend(self.commands.try_recv().ok());
        }
        match self.passed_over.pop_front()? {
            Command::Job(job) => Some(job),
            other => {
                self.passed_over.push_front(other);
                None
            }
        }
    }

    /// All paths that were reported as touched meanwhile; other commands wait.
    fn touched(&mut self) -> BTreeSet<PathBuf> {
        let mut paths = BTreeSet::new();
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Touched(more) => paths.extend(more),
                other => self.passed_over.push_back(other),
            }
        }
        paths
    }
}

/// The thread's own state.
struct Task {
    world: World,
    origin: Origin,
    press: Arc<Press>,
    watches: Watches,
    inbox: Inbox,
    /// No snapshot is left that only readers hold.
    is_swept: bool,
    next_look: Instant,
    store_retry: Instant,
    zones_retry: Instant,
    next_same: Instant,
    next_hostnames: Instant,
    /// Which folder `zones/` was when it was last looked at.
    folder: Option<(u64, u64)>,
    stopping: bool,
    /// Hears of new settings.
    tell: Box<dyn Fn(&Settings) + Send>,
    figures: Arc<Figures>,
    imager: Imager,
    /// Ends the thread that writes images with this one.
    _images: imager::Stop,
}

impl Task {
    fn run(&mut self) {
        self.figures.set_world(self.world.figures());
        self.figures.published(Now::read().unix);
        self.world.fill_directory();
        self.watch(Vec::new());
        while !self.stopping {
            let wait = self.next_due().saturating_duration_since(Instant::now());
            match self.inbox.wait(wait) {
                Ok(command) => self.obey(command),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.on_time();
            self.publish();
            give_way();
            self.sweep();
            self.figures.turned(Now::read().unix);
        }
        self.world.leave();
    }

    fn next_due(&self) -> Instant {
        let sweep = (!self.is_swept).then(|| Instant::now() + SWEEP);
        let store = self.world.is_store_behind().then_some(self.store_retry);
        let vanish = self.world.next_vanish().map(|due| due.max(self.zones_retry));
        let zones = self.world.is_unreadable().then_some(self.zones_retry);
        let first = self.next_look.min(self.next_same).min(self.next_hostnames);
        [sweep, store, vanish, zones].into_iter().flatten().fold(first, Instant::min)
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Touched(paths) => {
                let mut all: BTreeSet<PathBuf> = paths.into_iter().collect();
                all.extend(self.inbox.touched());
                self.touched(all);
            }
            Command::Rescan => drop(self.look(Look::Stamps)),
            Command::Reload(reply) => {
                let report = self.reload();
                answer(reply, Ok(report));
            }
            Command::ZoneList(reply) => answer(Some(reply), Ok(json!(self.world.zone_list()))),
            Command::ZoneAccept { apex, reply } => {
                let zones = self.world.open_zones();
                let result = self.world.accept(zones.as_ref(), &apex, Now::read());
                self.world.finish_step();
                self.publish();
                answer(Some(reply), result.map(|row| json!(row)));
            }
            Command::Describe { keys, reply } => {
                // Who asked may have gone away; so below.
                let _ = reply.send(self.world.describe(&keys));
            }
            Command::ReadAgain { keys, reply } => {
                if let Some(zones) = self.world.open_zones() {
                    self.world.take_in(&zones, keys, Now::read());
                }
                self.world.finish_step();
                self.publish();
                let _ = reply.send(());
            }
            Command::Copies => self.world.leave(),
            Command::Hostname { request, reply } => {
                let result = self.world.hostname(&request, Now::read());
                // Granted or revoked: from the next question on, and before anybody is told.
                self.publish();
                answer(Some(reply), result);
            }
            Command::Job(job) => self.jobs(job),
            // What they grant is published with whatever else there is to do now.
            Command::Seen(check) => self.world.seen(*check, Now::read()),
            Command::OriginSeen { zone, origin, found } => {
                self.world.origin_seen(zone, &origin, found, Now::read());
            }
            Command::Stop => self.stopping = true,
        }
    }

    /// Does a job, and those that wait behind it: all of them share a flush to disk and a snapshot.
    fn jobs(&mut self, first: Job) {
        self.world.begin_group();
        let mut told: Vec<After> = vec![(first.0)(&mut self.world, Now::read())];
        while told.len() < JOBS
            && let Some(job) = self.inbox.job()
        {
            told.push((job.0)(&mut self.world, Now::read()));
        }
        let stored = self.world.end_group();
        self.publish();
        for tell in told {
            tell(stored.clone());
        }
    }

    /// Takes in files that changed.
    fn touched(&mut self, paths: BTreeSet<PathBuf>) {
        let Some(zones) = self.world.open_zones() else { return };
        // Before they are listed, so that no file comes unseen between the two.
        self.watches.add_named(&zones, &paths);
        let paths: Vec<PathBuf> = paths.into_iter().collect();
        match self.world.touched(&zones, &paths, Now::read()) {
            Some(folders) => self.watch(folders),
            None => drop(self.look(Look::Stamps)),
        }
        give_way();
        self.world.finish_step();
        self.publish();
    }

    /// Looks at everything, and plans when to do so again.
    fn look(&mut self, look: Look) -> Tally {
        let began = Instant::now();
        let mut tally = Tally::default();
        self.folder = identity(self.world.settings());
        if let Some(zones) = self.world.open_zones() {
            self.survey(&zones, look);
            self.world.drop_empty_accounts(&zones);
            self.watch(Vec::new());
        }
        tally += self.world.finish_step();
        self.publish();
        // What looking at a million files left behind; after a start also what reading them did.
        mem::trim();
        self.plan_look(began.elapsed());
        tally
    }

    /// Looks at one account after the other. A look at a million files takes seconds: edits that come meanwhile are
    /// let in between two accounts.
    fn survey(&mut self, zones: &ZonesFolder, look: Look) {
        // Watched before they are listed, so that no edit falls between.
        self.watches.try_again();
        self.watches.add(zones.real());
        let Some(accounts) = self.world.list_accounts(zones) else { return };
        let mut survey = Survey::default();
        for name in &accounts {
            self.watches.add_account(zones, name);
            self.world.survey_account(zones, name, look, &mut survey);
            let paths = self.inbox.touched();
            if !paths.is_empty() {
                // What was found before has to claim its names before.
                self.take_in(zones, std::mem::take(&mut survey));
                self.let_in(zones, paths);
            }
        }
        self.world.survey_rest(&accounts, look, &mut survey);
        self.take_in(zones, survey);
    }

    /// Takes in what was found, in batches; edits that come meanwhile need not wait for the end.
    fn take_in(&mut self, zones: &ZonesFolder, survey: Survey) {
        let keys = self.world.claim_found(survey);
        for batch in keys.chunks(BATCH) {
            self.world.take_in(zones, batch.to_vec(), Now::read());
            self.publish();
            let paths = self.inbox.touched();
            self.let_in(zones, paths);
        }
    }

    /// Takes in edits that came during a look.
    fn let_in(&mut self, zones: &ZonesFolder, paths: BTreeSet<PathBuf>) {
        if paths.is_empty() {
            return;
        }
        let paths: Vec<PathBuf> = paths.into_iter().collect();
        let folders = self.world.touched(zones, &paths, Now::read());
        self.watch(folders.unwrap_or_default());
        self.publish();
    }

    fn plan_look(&mut self, took: Duration) {
        let pause = if self.watches.is_complete() { LOOK_RARELY } else { LOOK_OFTEN };
        self.next_look = Instant::now() + pause.max(took * LOOK_SHARE);
    }

    /// Watches folders. What happened in those that were not watched before is looked at.
    fn watch(&mut self, mut folders: Vec<PathBuf>) {
        // Each round finds folders one level deeper, at the most as deep as includes go.
        for _ in 0..INCLUDE_DEPTH {
            folders.extend(self.world.depends_mut().take_new_folders());
            folders.retain(|folder| self.watches.add(folder));
            if folders.is_empty() {
                return;
            }
            let Some(zones) = self.world.open_zones() else { return };
            let found = self.world.touched(&zones, &folders, Now::read());
            folders = found.unwrap_or_default();
        }
    }

    /// Does what is due without being asked.
    fn on_time(&mut self) {
        let now = Now::read();
        if now.at >= self.next_same {
            self.next_same = now.at + SAME_FOLDER;
            if identity(self.world.settings()) != self.folder {
                self.look(Look::Stamps);
            }
        }
        if now.at >= self.next_hostnames {
            self.next_hostnames = now.at + HOSTNAMES;
            self.world.custom_due(now);
        }
        if now.at >= self.next_look {
            self.look(Look::Stamps);
            self.world.forget_grants(now);
        }
        if self.world.is_unreadable() && now.at >= self.zones_retry {
            self.zones_retry = now.at + ZONES_RETRY;
            if self.world.open_zones().is_some() {
                self.look(Look::Stamps);
            }
        }
        let vanish = self.world.next_vanish().is_some_and(|due| due <= now.at);
        if vanish && now.at >= self.zones_retry {
            match self.world.open_zones() {
                Some(zones) => self.world.vanish(&zones, now),
                None => self.zones_retry = now.at + ZONES_RETRY,
            }
            self.world.finish_step();
        }
        if now.at >= self.store_retry {
            self.store_retry = now.at + STORE_RETRY;
        }
    }

    /// Publishes what changed.
    fn publish(&mut self) {
        let now = Now::read();
        let snapshot = self.world.publish(now);
        give_way();
        self.figures.set_world(self.world.figures());
        if let Some(snapshot) = snapshot {
            self.figures.published(now.unix);
            self.imager.changes.fetch_add(1, Ordering::Relaxed);
            self.press.put_world(snapshot);
        }
    }

    fn sweep(&mut self) {
        self.is_swept = !self.press.sweep();
    }

    /// Reads config and zone files again.
    fn reload(&mut self) -> Value {
        let began = Instant::now();
        let old = self.world.settings().clone();
        let (config, problems) = self.reload_config();
        self.figures.reloaded(config == "valid");
        let restart = old.needs_restart(self.world.settings());
        // What was withdrawn is so at once, however long the zones take.
        self.publish();
        let mut tally = self.world.finish_step();
        tally += self.look(Look::Contents);
        self.world.say_dangling();
        info!(
            event = "reloaded",
            config,
            loaded = tally.loaded,
            changed = tally.changed,
            removed = tally.removed,
            held = tally.held,
            bad = tally.bad,
            refused = tally.refused,
            ms = began.elapsed().as_millis() as u64,
            "reloaded: config {config}, {tally}"
        );
        json!({ "config": config, "problems": problems, "restart_needed": restart, "zones": tally })
    }

    /// Reads the config: in force as a whole, or not at all, save for what it withdraws. Returns how it went, and the
    /// problems as text.
    fn reload_config(&mut self) -> (&'static str, Vec<String>) {
        let now = Now::read();
        let Origin { config, overrides } = &self.origin;
        let problems = match file::read_with(config, overrides) {
            Ok((settings, warnings)) => {
                let mut texts = say_findings(&warnings);
                match self.world.reconfigure(settings, now) {
                    Ok(()) => {
                        (self.tell)(self.world.settings());
                        texts.extend(self.world.dangling().iter().map(text_of));
                        return ("valid", texts);
                    }
                    Err(error) => {
                        error!(event = "config-invalid", "{error}");
                        vec![error.to_string()]
                    }
                }
            }
            Err(findings) => say_findings(&findings),
        };
        error!(event = "config-invalid", config = %config.display(),
            "the config stays as it was; only grants and trusts that it does not give any more are withdrawn");
        if let Some(standing) =
            file::text_of(config).ok().and_then(|t| standing::withdrawn_only(&t))
        {
            self.world.withdraw(&standing, now);
        }
        ("invalid", problems)
    }
}

fn answer(reply: Option<Reply>, result: Result<Value, String>) {
    if let Some(reply) = reply {
        // Who asked may have gone away.
        let _ = reply.send(result);
    }
}

fn text_of(finding: &ConfigFinding) -> String {
    let mut text = String::new();
    finding.write(Colour::Plain, &mut text);
    text
}

fn say_findings(findings: &[ConfigFinding]) -> Vec<String> {
    findings
        .iter()
        .map(|finding| {
            let text = text_of(finding);
            match finding.is_error() {
                true => error!(event = "config-error", key = finding.key, "{}", text.trim_end()),
                false => warn!(event = "config-warning", key = finding.key, "{}", text.trim_end()),
            }
            text
        })
        .collect()
}

impl World {
    fn say_dangling(&self) {
        say_findings(&self.dangling());
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::base::id::Generation;
    use crate::base::name::Name;

    const ZONE: &str = "$TTL 60\n@ SOA ns hostmaster 1 2 3 4 5\n@ NS ns\n";

    /// Accounts a, b and c with one zone each, read and not running.
    fn three(folder: &std::path::Path) -> (Handle, Task) {
        for account in ["a", "b", "c"] {
            let folder = folder.join("zones").join(account);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(format!("{account}.example.zone")), ZONE).unwrap();
        }
        let config = folder.join("config.toml");
        fs::write(&config, "[server]\nlisten = [\"127.0.0.1:0\"]\n").unwrap();
        let (settings, _) = file::read_with(&config, &Overrides::default()).unwrap();
        prepare(settings, Origin { config, overrides: Overrides::default() }, |_| {}).unwrap()
    }

    fn serial(task: &Task, apex: &str) -> u32 {
        let apex = Name::from_text(apex).unwrap();
        task.press.published().load().catalog.zone_at(&apex).unwrap().data.serial()
    }

    #[test]
    fn edits_do_not_wait_for_a_look_at_everything() {
        let folder = tempfile::tempdir().unwrap();
        let (handle, mut task) = three(folder.path());
        let path = |name: &str| folder.path().join("zones").join(name);
        let edited = ZONE.replace("master 1", "master 22");
        // By another name of the file, so that nobody tells of it.
        let other = folder.path().join("other");
        fs::hard_link(path("b/b.example.zone"), &other).unwrap();
        fs::write(other, &edited).unwrap();
        fs::write(path("c/c.example.zone"), &edited).unwrap();
        handle.send(Command::Touched(vec![path("c/c.example.zone")])).unwrap();
        let Generation(before) = task.press.published().load().generation;
        task.look(Look::Stamps);
        assert_eq!((serial(&task, "b.example"), serial(&task, "c.example")), (22, 22));
        // What was told went first, in a generation of its own; b was found afterwards.
        assert_eq!(task.press.published().load().generation, Generation(before + 2));
    }

    #[test]
    fn an_edit_looks_at_its_own_zone_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (_handle, mut task) = three(folder.path());
        let path = |name: &str| folder.path().join("zones").join(name);
        let edited = ZONE.replace("master 1", "master 2");
        fs::write(path("b/b.example.zone"), &edited).unwrap();
        fs::write(path("c/c.example.zone"), &edited).unwrap();
        fs::write(path("a/new.example.zone"), ZONE).unwrap();
        task.touched([path("c/c.example.zone"), path("a/new.example.zone")].into());
        assert_eq!(serial(&task, "c.example"), 2);
        assert_eq!(serial(&task, "new.example"), 1);
        // Nobody told of b: it was not looked at.
        assert_eq!(serial(&task, "b.example"), 1);
    }
}
