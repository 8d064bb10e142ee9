//! Which folders are watched, and whether that is all of them.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use tracing::{info, warn};

use super::command::Handle;
use super::files::ZonesFolder;
use super::watcher::Watcher;

/// The watched folders.
pub struct Watches {
    handle: Handle,
    watcher: Option<Watcher>,
    /// Folders that are there and could not be watched.
    missing: BTreeSet<PathBuf>,
    /// It was said that not every folder is watched.
    told: bool,
}

impl Watches {
    /// Watches `zones/` and the folders of all accounts.
    pub fn start(handle: Handle, zones: &Path) -> Watches {
        let mut watches = Watches { handle, watcher: None, missing: BTreeSet::new(), told: false };
        watches.try_again();
        if let Ok(zones) = ZonesFolder::open(zones) {
            watches.add_all(&zones);
        }
        watches
    }

    /// Whether every folder is watched, so that no edit goes unseen.
    pub fn is_complete(&self) -> bool {
        self.watcher.is_some() && self.missing.is_empty()
    }

    /// Watches `zones/` and the folders of all accounts.
    fn add_all(&mut self, zones: &ZonesFolder) {
        self.add(zones.real());
        let Ok(accounts) = zones.accounts() else { return };
        for name in accounts.found {
            self.add_account(zones, &name);
        }
    }

    /// Watches the accounts' folders that are among `paths`.
    pub fn add_named(&mut self, zones: &ZonesFolder, paths: &BTreeSet<PathBuf>) {
        for path in paths.iter().filter(|path| path.parent() == Some(zones.real())) {
            if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
                self.add_account(zones, name);
            }
        }
    }

    /// Watches the folder of one account.
    pub fn add_account(&mut self, zones: &ZonesFolder, name: &str) {
        if let Ok(folder) = zones.account(name) {
            self.add(folder.real());
        }
    }

    /// Watches whatever could not be watched before: limits may have been raised since. To be called before everything
    /// is looked at.
    pub fn try_again(&mut self) {
        if self.watcher.is_none() {
            match Watcher::start(self.handle.clone()) {
                Ok(watcher) => self.watcher = Some(watcher),
                Err(error) => self.give_up(&error),
            }
        }
        for folder in std::mem::take(&mut self.missing) {
            self.add(&folder);
        }
        if self.told && self.is_complete() {
            self.told = false;
            info!(event = "watching-again", "every folder is watched again");
        }
    }

    /// Watches one folder. Returns whether it was not watched before.
    pub fn add(&mut self, folder: &Path) -> bool {
        let result = self.watcher.as_ref().map(|watcher| watcher.watch(folder));
        match result {
            Some(Ok(is_new)) => {
                self.missing.remove(folder);
                return is_new;
            }
            Some(Err(error)) if folder.exists() => {
                self.missing.insert(folder.to_owned());
                self.give_up(&error);
            }
            // A folder that went meanwhile needs no watch.
            Some(Err(_)) => drop(self.missing.remove(folder)),
            None => drop(self.missing.insert(folder.to_owned())),
        }
        false
    }

    fn give_up(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.told, true) {
            warn!(event = "cannot-watch", %error,
                "not every folder can be watched (fs.inotify.max_user_watches?): all files are looked at from time \
                 to time instead");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn what_could_not_be_watched_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("account")).unwrap();
        let (handle, _commands) = sync_channel(64);
        let mut watches = Watches::start(handle, folder.path());
        assert!(watches.is_complete());
        // The kernel watches no file as a folder: an error of the same kind as a limit.
        let other = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| other.path().join(name));
        fs::write(&first, "").unwrap();
        fs::write(&second, "").unwrap();
        assert!(!watches.add(&first) && !watches.add(&second));
        assert!(!watches.is_complete());
        watches.try_again();
        assert!(!watches.is_complete(), "nothing has changed");
        // One becomes a folder, the other goes.
        fs::remove_file(&first).unwrap();
        fs::create_dir(&first).unwrap();
        fs::remove_file(&second).unwrap();
        watches.try_again();
        assert!(watches.is_complete());
        assert!(!watches.add(&first), "it is watched already");
    }
}
