//! File system events to commands: which files of `zones/` may have changed, as soon as they are whole.
//!
//! A file that is renamed into place or closed after writing is reported at once; one that is still written to, when
//! it has rested for a while, in case nobody ever closes it. Folders are watched one by one, as the publisher finds
//! them. When the kernel lost events, everything is looked at again. Where folders cannot be watched (too many for
//! `fs.inotify.max_user_watches`, a network file system), the publisher looks by itself from time to time.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::TrySendError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{
    AddWatchFlags as Flags, InitFlags, Inotify, InotifyEvent, WatchDescriptor,
};
use tracing::error;

use super::command::{Command, Handle};

/// A file that is written to counts as whole after so long without a write.
const SETTLE: Duration = Duration::from_secs(1);
/// Pause before events are offered again to a publisher that has no room.
const RETRY: Duration = Duration::from_millis(20);
/// How often the thread looks whether it should end.
const WAKE: Duration = Duration::from_secs(1);

/// Adds folders to watch. The thread that reads the events ends when this is dropped.
#[derive(Debug)]
pub struct Watcher {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    inotify: Inotify,
    folders: Mutex<HashMap<WatchDescriptor, PathBuf>>,
    stop: AtomicBool,
}

impl Shared {
    fn folders(&self) -> MutexGuard<'_, HashMap<WatchDescriptor, PathBuf>> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher {
    /// Starts the thread; events go to `handle`.
    pub fn start(handle: Handle) -> io::Result<Watcher> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let folders = Mutex::new(HashMap::new());
        let shared = Arc::new(Shared { inotify, folders, stop: AtomicBool::new(false) });
        let reader = Arc::clone(&shared);
        Builder::new()
            .name("watcher".to_owned())
            .spawn(move || Events { shared: reader, handle, pending: HashMap::new() }.run())?;
        Ok(Watcher { shared })
    }

    /// Watches a folder; one that is watched already stays so. Returns whether it is new: what changed in it before is
    /// known to nobody yet.
    pub fn watch(&self, folder: &Path) -> io::Result<bool> {
        let flags = Flags::IN_CLOSE_WRITE
            | Flags::IN_MODIFY
            | Flags::IN_ATTRIB
            | Flags::IN_MOVE
            | Flags::IN_CREATE
            | Flags::IN_DELETE
            | Flags::IN_DELETE_SELF
            | Flags::IN_MOVE_SELF
            | Flags::IN_ONLYDIR;
        // Held over both, so that no event comes before its folder is known.
        let mut folders = self.shared.folders();
        let watch = self.shared.inotify.add_watch(folder, flags)?;
        Ok(folders.insert(watch, folder.to_owned()).is_none())
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

/// The thread's own state.
struct Events {
    shared: Arc<Shared>,
    handle: Handle,
    /// Paths to report, and when.
    pending: HashMap<PathBuf, Instant>,
}

impl Events {
    fn run(mut self) {
        let mut overflow = false;
        while !self.shared.stop.load(Ordering::Relaxed) {
            if let Err(error) = self.wait() {
                error!(event = "watcher-failed", %error, "cannot wait for file system events");
                return;
            }
            loop {
                match self.shared.inotify.read_events() {
                    Ok(events) => {
                        let now = Instant::now();
                        events.iter().for_each(|event| overflow |= self.take(event, now));
                    }
                    Err(Errno::EAGAIN) => break,
                    Err(Errno::EINTR) => {}
                    Err(error) => {
                        error!(event = "watcher-failed", %error, "cannot read file system events");
                        return;
                    }
                }
            }
            if overflow && self.handle.try_send(Command::Rescan).is_ok() {
                overflow = false;
            }
            if !self.report() {
                return;
            }
        }
    }

    /// Waits for events, or until something is due.
    fn wait(&self) -> io::Result<()> {
        let now = Instant::now();
        let due = self.pending.values().min().map(|due| due.saturating_duration_since(now));
        let wait = due.map_or(WAKE, |due| due.clamp(RETRY, WAKE));
        let timeout = PollTimeout::try_from(wait).unwrap_or(PollTimeout::ZERO);
        let mut fds = [PollFd::new(self.shared.inotify.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Notes an event; returns whether events were lost.
    fn take(&mut self, event: &InotifyEvent, now: Instant) -> bool {
        if event.mask.contains(Flags::IN_Q_OVERFLOW) {
            return true;
        }
        let mut folders = self.shared.folders();
        let folder = match event.mask.contains(Flags::IN_IGNORED) {
            true => folders.remove(&event.wd),
            false => folders.get(&event.wd).cloned(),
        };
        drop(folders);
        let Some(mut path) = folder else { return false };
        if let Some(name) = &event.name {
            path.push(name);
        }
        let being_written = event.mask.intersects(Flags::IN_MODIFY | Flags::IN_CREATE)
            && !event.mask.contains(Flags::IN_ISDIR)
            && is_plain_file(&path);
        let due = if being_written { now + SETTLE } else { now };
        self.pending.insert(path, due);
        false
    }

    /// Hands on what is due. Returns whether the publisher is still there.
    fn report(&mut self) -> bool {
        let now = Instant::now();
        let due: Vec<PathBuf> =
            self.pending.iter().filter(|(_, due)| **due <= now).map(|(p, _)| p.clone()).collect();
        if due.is_empty() {
            return true;
        }
        match self.handle.try_send(Command::Touched(due)) {
            Ok(()) => self.pending.retain(|_, due| *due > now),
            Err(TrySendError::Full(_)) => {}
            Err(TrySendError::Disconnected(_)) => return false,
        }
        true
    }
}

/// Whether somebody may be writing to it: not a symbolic link, not one more name of a file.
fn is_plain_file(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    path.symlink_metadata().is_ok_and(|meta| meta.is_file() && meta.nlink() == 1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fs::{self, File};
    use std::io::Write;
    use std::sync::mpsc::{Receiver, sync_channel};

    use super::*;

    fn watch(folder: &Path) -> (Watcher, Receiver<Command>) {
        let (handle, commands) = sync_channel(64);
        let watcher = Watcher::start(handle).unwrap();
        watcher.watch(folder).unwrap();
        (watcher, commands)
    }

    /// File names reported until nothing came for `quiet`.
    fn reported(commands: &Receiver<Command>, quiet: Duration) -> HashSet<String> {
        let mut seen = HashSet::new();
        while let Ok(command) = commands.recv_timeout(quiet) {
            let Command::Touched(paths) = command else { panic!("{command:?}") };
            for path in paths {
                seen.insert(path.file_name().unwrap().to_str().unwrap().to_owned());
            }
        }
        seen
    }

    #[test]
    fn whole_files_are_reported_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("there"), "x").unwrap();
        let (_watcher, commands) = watch(folder.path());
        let started = Instant::now();
        fs::write(path("new"), "text").unwrap();
        fs::rename(path("there"), path("renamed")).unwrap();
        std::os::unix::fs::symlink("new", path("link")).unwrap();
        fs::hard_link(path("new"), path("hard")).unwrap();
        fs::create_dir(path("dir")).unwrap();
        let mut seen = HashSet::new();
        while seen.len() < 6 {
            let Ok(Command::Touched(paths)) = commands.recv_timeout(Duration::from_secs(5)) else {
                panic!("{seen:?}")
            };
            seen.extend(paths.iter().map(|p| p.file_name().unwrap().to_owned()));
        }
        assert!(started.elapsed() < SETTLE, "{:?}", started.elapsed());
        fs::remove_file(path("renamed")).unwrap();
        assert!(reported(&commands, Duration::from_millis(200)).contains("renamed"));
        // Reading is no change.
        fs::read(path("new")).unwrap();
        assert!(reported(&commands, Duration::from_millis(1200)).is_empty());
    }

    #[test]
    fn a_file_being_written_waits_until_it_rests() {
        let folder = tempfile::tempdir().unwrap();
        let (_watcher, commands) = watch(folder.path());
        let mut file = File::create(folder.path().join("slow")).unwrap();
        for _ in 0..6 {
            file.write_all(b"more").unwrap();
            std::thread::sleep(Duration::from_millis(200));
        }
        assert!(commands.try_recv().is_err());
        // Nobody closes it, and it is reported all the same.
        assert!(reported(&commands, 2 * SETTLE).contains("slow"));
        file.write_all(b"end").unwrap();
        drop(file);
        let closed = Instant::now();
        assert!(commands.recv_timeout(Duration::from_secs(5)).is_ok());
        assert!(closed.elapsed() < SETTLE);
    }

    #[test]
    fn a_busy_publisher_misses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (handle, commands) = sync_channel(1);
        let watcher = Watcher::start(handle).unwrap();
        watcher.watch(folder.path()).unwrap();
        for n in 0..200 {
            fs::write(folder.path().join(n.to_string()), "x").unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(reported(&commands, Duration::from_secs(2)).len(), 200);
    }

    #[test]
    fn folders_that_go_are_reported() {
        let folder = tempfile::tempdir().unwrap();
        let sub = folder.path().join("sub");
        fs::create_dir(&sub).unwrap();
        let (watcher, commands) = watch(&sub);
        fs::remove_dir(&sub).unwrap();
        assert!(reported(&commands, Duration::from_millis(300)).contains("sub"));
        assert!(watcher.watch(&sub).is_err());
        fs::create_dir(&sub).unwrap();
        assert!(watcher.watch(&sub).unwrap(), "another folder of the same name");
        assert!(!watcher.watch(&sub).unwrap());
        fs::write(sub.join("x"), "").unwrap();
        assert!(reported(&commands, Duration::from_millis(300)).contains("x"));
    }
}
