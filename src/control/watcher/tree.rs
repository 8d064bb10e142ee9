//! The folders of the zones, each with one watch of the kernel; files need none.
//!
//! The walk is ours, since that of `notify` looks at every file and ends at the first folder that cannot be read.
//! Symbolic links are not followed: what they may lead to lies below `zones/` anyway, and a tenant must not make the
//! server watch the rest of the machine.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use notify::{Config, ErrorKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::Ear;

/// Folders in which tools keep their own: many, often changed, and never a zone.
const OF_TOOLS: [&str; 3] = [".git", ".hg", ".svn"];

/// The zones folder, all folders below, and their watches.
#[derive(Debug)]
pub struct Tree {
    zones: PathBuf,
    ear: Ear,
    /// `None`: there are no events.
    notify: Option<RecommendedWatcher>,
    /// The zones folder, if it can be read.
    root: Option<Folder>,
    folders: BTreeMap<PathBuf, State>,
    /// How many of them are `OverLimit`.
    over_limit: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Watched(Folder),
    /// No watch was left, and what is in it is not known.
    OverLimit,
    /// It cannot be read.
    Closed,
}

/// What makes a folder another one, or other to read. Its times do not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Folder {
    device: u64,
    inode: u64,
    mode: u32,
    owner: (u32, u32),
}

/// How much is watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sight {
    /// All there is to watch.
    Whole,
    /// All but some folders, for want of watches.
    Limited,
    Blind,
}

/// What became of the zones folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Root {
    Same,
    /// Another folder than the one that is watched, or none is watched.
    Other,
    /// It went.
    Absent,
}

/// What a walk found, its beginning included.
#[derive(Debug)]
pub enum Found {
    File(PathBuf),
    /// A folder, a link, or nothing any more: not what somebody is writing.
    Other(PathBuf),
}

impl Folder {
    fn of(meta: &fs::Metadata) -> Folder {
        Folder {
            device: meta.dev(),
            inode: meta.ino(),
            mode: meta.mode(),
            owner: (meta.uid(), meta.gid()),
        }
    }

    /// The folder at `path`, not through a symbolic link.
    fn at(path: &Path) -> Option<Folder> {
        let meta = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_dir)?;
        Some(Folder::of(&meta))
    }

    /// The zones folder. A symbolic link there is the operator's, and followed.
    fn of_zones(path: &Path) -> Option<Folder> {
        let meta = fs::metadata(path).ok().filter(fs::Metadata::is_dir)?;
        Some(Folder::of(&meta))
    }
}

impl Tree {
    pub fn new(zones: PathBuf, ear: Ear) -> Tree {
        Tree { zones, ear, notify: None, root: None, folders: BTreeMap::new(), over_limit: 0 }
    }

    pub fn zones(&self) -> &Path {
        &self.zones
    }

    pub fn sight(&self) -> Sight {
        match self.notify {
            None => Sight::Blind,
            Some(_) if self.over_limit > 0 => Sight::Limited,
            Some(_) => Sight::Whole,
        }
    }

    /// Watches everything anew.
    pub fn open(&mut self) {
        self.close();
        // The old watches count against the limit until they are gone.
        self.notify = None;
        let config = Config::default().with_follow_symlinks(false);
        match RecommendedWatcher::new(self.ear.clone(), config) {
            Ok(notify) => self.notify = Some(notify),
            Err(error) => tracing::debug!("no file events: {error}"),
        }
        let Some(root) = Folder::of_zones(&self.zones) else { return };
        let zones = self.zones.clone();
        let added = self.add(&zones);
        if fs::read_dir(&zones).is_err() {
            return;
        }
        self.root = Some(root);
        match added {
            Ok(()) => {
                let folders = list(&zones, &mut |_| {});
                folders.into_iter().for_each(|folder| self.enter(folder, |_| {}));
            }
            Err(_) => self.notify = None,
        }
    }

    /// Nothing of what was watched is there any more.
    pub fn close(&mut self) {
        self.root = None;
        self.folders.clear();
        self.over_limit = 0;
    }

    /// Looks whether the zones folder is the one that is watched.
    pub fn root(&self) -> Root {
        match (Folder::of_zones(&self.zones), self.root) {
            (Some(now), Some(root)) if now == root => Root::Same,
            (Some(_), Some(_)) => Root::Other,
            (Some(_), None) if fs::read_dir(&self.zones).is_ok() => Root::Other,
            (None, Some(_)) => Root::Absent,
            (_, None) => Root::Same,
        }
    }

    /// Tries again what could not be watched, and looks whether what is watched is still there: file systems are
    /// mounted without an event.
    pub fn mend(&mut self) {
        if self.notify.is_none() {
            self.open();
            return;
        }
        let other = |(path, state): (&PathBuf, &State)| match *state {
            State::Watched(folder) if Folder::at(path) == Some(folder) => None,
            State::Watched(_) | State::Closed => Some(path.clone()),
            State::OverLimit => None,
        };
        let others: Vec<PathBuf> = self.folders.iter().filter_map(other).collect();
        for path in others {
            self.forget(&path);
            self.enter(path, |_| {});
        }
        let over_limit = self.folders.iter().filter(|(_, state)| **state == State::OverLimit);
        let over_limit: Vec<PathBuf> = over_limit.map(|(path, _)| path.clone()).collect();
        for path in over_limit {
            let before = self.over_limit;
            self.forget(&path);
            self.enter(path, |_| {});
            if self.over_limit >= before {
                break;
            }
        }
    }

    /// Whether this is a folder that is watched.
    pub fn is_watched(&self, path: &Path) -> bool {
        matches!(self.folders.get(path), Some(State::Watched(_)))
    }

    /// Whether who may read `path` may have changed. Of a watched folder only the times may be other: then not.
    pub fn changed_rights(&self, path: &Path) -> bool {
        match self.folders.get(path) {
            Some(State::Watched(folder)) => Folder::at(path) != Some(*folder),
            _ => true,
        }
    }

    /// Forgets a folder and all below it. `true` if there is a folder again, which is to be entered.
    pub fn forget(&mut self, path: &Path) -> bool {
        let known = self.folders.contains_key(path);
        let below = self.folders.range(path.to_owned()..).map(|(folder, _)| folder);
        let below: Vec<PathBuf> =
            below.take_while(|folder| folder.starts_with(path)).cloned().collect();
        for folder in below {
            self.mark(folder, None);
        }
        known && Folder::at(path).is_some()
    }

    /// Tells of what is at `path`; folders are watched, and what is in them is told too.
    pub fn enter(&mut self, path: PathBuf, mut tell: impl FnMut(Found)) {
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_dir() && is_of_tools(&path) => return,
            Ok(meta) if meta.is_dir() => {}
            Ok(meta) if meta.is_file() => return tell(Found::File(path)),
            _ => return tell(Found::Other(path)),
        }
        let mut open = vec![path];
        while let Some(path) = open.pop() {
            let Some(folder) = Folder::at(&path) else { continue };
            // Watched first and read then: nothing comes in between.
            let state = match self.add(&path) {
                Ok(()) => Some(State::Watched(folder)),
                Err(state) => state,
            };
            if let Some(State::Watched(_)) = state {
                open.append(&mut list(&path, &mut tell));
            }
            self.mark(path.clone(), state);
            tell(Found::Other(path));
        }
    }

    fn mark(&mut self, path: PathBuf, state: Option<State>) {
        let before = match state {
            Some(state) => self.folders.insert(path, state),
            None => self.folders.remove(&path),
        };
        self.over_limit -= usize::from(before == Some(State::OverLimit));
        self.over_limit += usize::from(state == Some(State::OverLimit));
    }

    /// Watches one folder, or tells what it is instead; `None`: it is not there any more.
    fn add(&mut self, path: &Path) -> Result<(), Option<State>> {
        let Some(notify) = &mut self.notify else { return Err(Some(State::Closed)) };
        notify.watch(path, RecursiveMode::NonRecursive).map_err(|error| match error.kind {
            ErrorKind::MaxFilesWatch => Some(State::OverLimit),
            ErrorKind::PathNotFound => None,
            ErrorKind::Io(error) if error.kind() == io::ErrorKind::NotFound => None,
            _ => Some(State::Closed),
        })
    }
}

/// Tells of the files in a folder, and hands back the folders.
fn list(path: &Path, tell: &mut impl FnMut(Found)) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    // What cannot be read is noticed by whoever loads it.
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => folders.push(entry.path()),
            Ok(kind) if kind.is_file() => tell(Found::File(entry.path())),
            _ => tell(Found::Other(entry.path())),
        }
    }
    folders.retain(|folder| !is_of_tools(folder));
    folders
}

fn is_of_tools(path: &Path) -> bool {
    path.file_name().and_then(OsStr::to_str).is_some_and(|name| OF_TOOLS.contains(&name))
}
