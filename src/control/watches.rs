//! Which folders are watched, and whether that is all of them.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use tracing::warn;

use super::command::Handle;
use super::files::ZonesFolder;
use super::watcher::Watcher;

/// The watched folders.
pub struct Watches {
    watcher: Option<Watcher>,
    complete: bool,
}

impl Watches {
    /// Watches `zones/` and the folders of all accounts.
    pub fn start(handle: Handle, zones: &Path) -> Watches {
        let mut watches = Watches { watcher: None, complete: true };
        match Watcher::start(handle) {
            Ok(watcher) => watches.watcher = Some(watcher),
            Err(error) => watches.give_up(&error),
        }
        if let Ok(zones) = ZonesFolder::open(zones) {
            watches.add_all(&zones);
        }
        watches
    }

    /// Whether every folder is watched, so that no edit goes unseen.
    pub fn is_complete(&self) -> bool {
        self.complete
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

    /// Watches one folder. Returns whether it was not watched before.
    pub fn add(&mut self, folder: &Path) -> bool {
        let Some(watcher) = &self.watcher else { return false };
        match watcher.watch(folder) {
            Ok(is_new) => is_new,
            Err(error) => {
                // A folder that went meanwhile needs no watch.
                if folder.exists() {
                    self.give_up(&error);
                }
                false
            }
        }
    }

    fn give_up(&mut self, error: &io::Error) {
        if std::mem::replace(&mut self.complete, false) {
            warn!(event = "cannot-watch", %error,
                "not every folder can be watched (fs.inotify.max_user_watches?): all files are looked at from time \
                 to time instead");
        }
    }
}
