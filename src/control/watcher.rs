//! Watches the zones folder and tells which paths were touched; it knows nothing of zones.
//!
//! A file that is renamed into place, closed after writing or deleted is told at once; what is only written to is told
//! when it has settled. Reading makes no touch, or the server would wake itself. Whatever may have been missed
//! becomes a [`Touch::Rescan`]: a lost event costs time, never a change.

mod pending;
mod tree;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind, RenameMode};

use self::pending::Pending;
use self::tree::{Found, Root, Sight, Tree};
use crate::base::limits::{
    EVENTS_MAX, RESCAN_BLIND, RESCAN_NET, WARN_EVERY_SECS, ZONES_LOOK_EVERY,
};

/// What is to be looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Touch {
    /// These changed, came or went: absolute, in order, each once. They begin with the zones folder as it was given,
    /// symbolic links not resolved. Of a folder that came, or became readable, all that is in it is here too; of one
    /// that went, only the folder.
    Paths(Vec<PathBuf>),
    /// Something was missed: everything is to be looked at, by stamp.
    Rescan,
}

/// Why watching could not begin.
#[derive(Debug)]
pub enum WatchError {
    /// The path of the zones folder is relative, and the current folder unknown.
    Path(io::Error),
    Thread(io::Error),
}

impl fmt::Display for WatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WatchError::Path(error) => write!(f, "cannot tell where the zones folder is: {error}"),
            WatchError::Thread(error) => {
                write!(f, "cannot start a thread to watch the zones: {error}")
            }
        }
    }
}

impl std::error::Error for WatchError {}

/// Stops watching when dropped. A report that is under way then is not waited for.
#[derive(Debug)]
pub struct Watcher {
    ear: Ear,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.ear.flags.stop.store(true, Ordering::Release);
        // If there is no room, the thread has reason enough to wake up.
        let _ = self.ear.sender.try_send(None);
    }
}

/// Watches `zones` from now on: what changes after this returned is reported. `report` may wait for room somewhere;
/// events that find no room meanwhile end as a rescan. A folder that is absent or cannot be read is no error: it is
/// watched as soon as that is possible.
pub fn watch(zones: &Path, report: impl Fn(Touch) + Send + 'static) -> Result<Watcher, WatchError> {
    let zones = std::path::absolute(zones).map_err(WatchError::Path)?;
    let (sender, seen) = sync_channel(EVENTS_MAX);
    let ear = Ear { sender, flags: Arc::default() };
    let mut tree = Tree::new(zones, ear.clone());
    tree.open();
    let watch = Watch::new(tree, ear.flags.clone(), seen, report);
    thread::Builder::new()
        .name("watcher".to_owned())
        .spawn(move || watch.run())
        .map_err(WatchError::Thread)?;
    Ok(Watcher { ear })
}

/// What an event says of its path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    /// Made here, so perhaps not finished.
    Made,
    /// Moved here as a whole.
    Arrived,
    /// Written to, perhaps not for the last time.
    Modified,
    /// Closed after writing.
    Closed,
    /// Its rights or times were set.
    Rights,
    Gone,
}

/// One event.
#[derive(Debug)]
struct Seen {
    what: What,
    path: PathBuf,
}

#[derive(Default, Debug)]
struct Flags {
    stop: AtomicBool,
    /// Events were lost.
    missed: AtomicBool,
}

/// Hears what the kernel tells, and hands on what matters. It never waits: the tree waits for the thread it runs in.
#[derive(Clone, Debug)]
struct Ear {
    /// `None` only wakes.
    sender: SyncSender<Option<Seen>>,
    flags: Arc<Flags>,
}

impl notify::EventHandler for Ear {
    fn handle_event(&mut self, event: notify::Result<notify::Event>) {
        let Ok(mut event) = event else {
            self.missed();
            return;
        };
        if event.need_rescan() {
            self.missed();
        } else if let Some(what) = what(event.kind)
            && let Some(path) = event.paths.pop()
            && self.sender.try_send(Some(Seen { what, path })).is_err()
        {
            self.missed();
        }
    }
}

impl Ear {
    fn missed(&self) {
        self.flags.missed.store(true, Ordering::Release);
        let _ = self.sender.try_send(None);
    }
}

fn what(kind: EventKind) -> Option<What> {
    Some(match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => What::Closed,
        // Both ends of a move were told one by one before.
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => {
            return None;
        }
        EventKind::Create(CreateKind::Folder | CreateKind::File) => What::Made,
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) | EventKind::Remove(_) => What::Gone,
        EventKind::Modify(ModifyKind::Name(_)) => What::Arrived,
        EventKind::Modify(ModifyKind::Metadata(_)) => What::Rights,
        _ => What::Modified,
    })
}

/// The thread.
struct Watch<R> {
    tree: Tree,
    flags: Arc<Flags>,
    seen: Receiver<Option<Seen>>,
    report: R,
    pending: Pending,
    /// When to look whether the zones folder is the same.
    look_at: Instant,
    /// When all is looked at, whether something was missed or not.
    rescan_at: Instant,
    /// After lost events the tree is not built anew before this.
    rebuild_at: Instant,
    /// What was warned of, and until when that is enough.
    sight: Sight,
    quiet_until: Option<Instant>,
}

impl<R: Fn(Touch)> Watch<R> {
    fn new(tree: Tree, flags: Arc<Flags>, seen: Receiver<Option<Seen>>, report: R) -> Watch<R> {
        let now = Instant::now();
        let mut watch = Watch {
            tree,
            flags,
            seen,
            report,
            pending: Pending::default(),
            look_at: now + ZONES_LOOK_EVERY,
            rescan_at: now,
            rebuild_at: now,
            sight: Sight::Whole,
            quiet_until: None,
        };
        watch.tell_sight(now);
        watch
    }

    fn run(mut self) {
        while !self.flags.stop.load(Ordering::Acquire) {
            let now = Instant::now();
            self.keep_time(now);
            if let Some(touch) = self.pending.take(now) {
                (self.report)(touch);
                continue;
            }
            let first = self.seen.recv_timeout(self.wait(now));
            let now = Instant::now();
            // What is there already is taken with it, but time goes on meanwhile.
            let rest = self.seen.try_iter().take(EVENTS_MAX);
            let seen: Vec<Seen> = first.ok().into_iter().chain(rest).flatten().collect();
            seen.into_iter().for_each(|seen| self.handle(seen, now));
        }
    }

    /// How long nothing needs to be done.
    fn wait(&self, now: Instant) -> Duration {
        let mut next = self.look_at.min(self.rescan_at);
        if let Some(due) = self.pending.due() {
            next = next.min(due);
        }
        if self.flags.missed.load(Ordering::Acquire) {
            next = next.min(self.rebuild_at);
        }
        next.saturating_duration_since(now)
    }

    /// Does what is due by now.
    fn keep_time(&mut self, now: Instant) {
        if now >= self.rebuild_at && self.flags.missed.swap(false, Ordering::AcqRel) {
            self.warn_missed(now);
            self.rebuild(now);
        }
        if now >= self.look_at {
            self.look_at = now + ZONES_LOOK_EVERY;
            self.look(now);
        }
        if now >= self.rescan_at {
            self.tree.mend();
            self.rescan(now);
        }
    }

    /// Looks whether the zones folder is still the one that is watched.
    fn look(&mut self, now: Instant) {
        match self.tree.root() {
            Root::Same => {}
            Root::Other => self.rebuild(now),
            Root::Absent => {
                self.tree.close();
                self.rescan(now);
            }
        }
    }

    /// Watches everything anew; what changed meanwhile is found by the rescan.
    fn rebuild(&mut self, now: Instant) {
        self.tree.open();
        self.rebuild_at = now + RESCAN_BLIND;
        self.rescan(now);
    }

    fn rescan(&mut self, now: Instant) {
        self.pending.everything();
        self.tell_sight(now);
    }

    /// Sets the time of the next rescan, and says so if files are not watched.
    fn tell_sight(&mut self, now: Instant) {
        let sight = self.tree.sight();
        self.rescan_at = now + if sight == Sight::Whole { RESCAN_NET } else { RESCAN_BLIND };
        if std::mem::replace(&mut self.sight, sight) == sight {
            return;
        }
        let every = RESCAN_BLIND.as_secs();
        match sight {
            Sight::Whole => tracing::info!("all folders of the zones are watched again"),
            Sight::Limited => tracing::warn!(
                "cannot watch all folders of the zones: edits are found by looking at all files every {every} s; \
                 raise the limit with `sysctl fs.inotify.max_user_watches`"
            ),
            Sight::Blind => tracing::warn!(
                "cannot watch the zones: edits are found by looking at all files every {every} s; raise the limits \
                 with `sysctl fs.inotify.max_user_instances` and `fs.inotify.max_user_watches`"
            ),
        }
    }

    fn warn_missed(&mut self, now: Instant) {
        if self.quiet_until.is_none_or(|until| now >= until) {
            self.quiet_until = Some(now + Duration::from_secs(WARN_EVERY_SECS));
            tracing::warn!(
                "more changes in the zones folder than could be told one by one: looking at all files; \
                 if this comes often, raise the limit with `sysctl fs.inotify.max_queued_events`"
            );
        }
    }

    fn handle(&mut self, seen: Seen, now: Instant) {
        let Seen { what, path } = seen;
        if path == self.tree.zones() {
            self.look(now);
            return;
        }
        match what {
            What::Closed => self.pending.at_once(path, now),
            // The times of a folder.
            What::Modified if self.tree.is_watched(&path) => {}
            What::Modified => self.pending.modified(path, now),
            What::Made | What::Arrived => self.came(path, what, now),
            What::Rights if self.tree.changed_rights(&path) => self.came(path, what, now),
            What::Rights => {}
            // A folder may be replaced without another event.
            What::Gone if self.tree.forget(&path) => self.came(path, what, now),
            What::Gone => self.pending.at_once(path, now),
        }
        if self.tree.sight() != self.sight {
            self.rescan(now);
        }
    }

    /// A file or folder came, or may be read now: with all that is in it.
    fn came(&mut self, path: PathBuf, what: What, now: Instant) {
        let pending = &mut self.pending;
        self.tree.enter(path, |found| match found {
            // A file just made is about to be written, and then closed.
            Found::File(path) if what == What::Made => pending.modified(path, now),
            Found::File(path) | Found::Other(path) => pending.at_once(path, now),
        });
    }
}
