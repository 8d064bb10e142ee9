//! From paths that changed to zones that may have: the layout of `zones/` as events and scans see it.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::edit::{Touched, say_strays};
use super::{Key, Now, World};
use crate::base::id::AccountId;
use crate::control::files::{FileError, ZonesFolder};
use crate::control::scan;
use crate::zonefile::filename;

/// How a whole look at `zones/` finds what changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// By size, times and the like: costs no reading.
    Stamps,
    /// By content.
    Contents,
}

/// Where changes are to be looked for.
#[derive(Debug, Default)]
struct Places {
    touched: Touched,
    /// Accounts whose folders have to be listed.
    accounts: BTreeSet<String>,
    /// A link or a folder with a dot changed (`..data`): what lies behind it may be another file now.
    swapped: bool,
    /// Accounts whose folders are symbolic links may lead elsewhere now.
    linked: bool,
    /// Everything.
    all: bool,
}

impl World {
    /// Takes in what events say. Returns the folders that came, to be watched.
    pub fn touched(&mut self, zones: &ZonesFolder, paths: &[PathBuf], now: Now) -> Vec<PathBuf> {
        let mut places = Places::default();
        for path in paths {
            self.place(zones, path, &mut places);
        }
        if places.all {
            return self.look(zones, Look::Stamps, now);
        }
        if places.linked {
            places.accounts.extend(self.linked_accounts(zones));
        }
        if places.swapped || places.linked {
            let changed = self.depends.changed();
            places.touched.extend(changed.into_iter().map(|key| (key, None)));
        }
        let mut folders = Vec::new();
        for name in &places.accounts {
            let listed = self.list_account(zones, name);
            if let Some(id) = self.account_id(name) {
                places.touched.extend(self.changed(zones, id, listed));
            }
            folders.extend(zones.account(name).ok().map(|folder| folder.real().to_owned()));
        }
        self.edit(zones, places.touched, now);
        self.drop_gone_accounts(zones, &places.accounts);
        folders
    }

    /// Accounts whose folders went with all their zones long gone.
    fn drop_gone_accounts(&mut self, zones: &ZonesFolder, names: &BTreeSet<String>) {
        if !names.is_empty() {
            self.drop_accounts(|name| {
                !names.contains(name) || !matches!(zones.account(name), Err(FileError::Missing))
            });
        }
    }

    fn place(&self, zones: &ZonesFolder, path: &Path, places: &mut Places) {
        let on = self.depends.on(path).into_iter().map(|key| (key, None));
        places.touched.extend(on.collect::<Vec<_>>());
        let Ok(inside) = path.strip_prefix(zones.real()) else { return };
        let parts: Option<Vec<&str>> = inside
            .components()
            .map(|part| match part {
                Component::Normal(name) => name.to_str(),
                _ => None,
            })
            .collect();
        match parts.as_deref() {
            Some([]) => places.all = true,
            Some([name]) if name.starts_with('.') => places.linked |= may_lead_elsewhere(path),
            Some([name]) => drop(places.accounts.insert((*name).to_owned())),
            Some([name, file]) if !name.starts_with('.') => {
                self.place_file(zones, name, file, path, places);
            }
            Some([dotted, ..]) if dotted.starts_with('.') => {
                self.place_in_dot_folder(zones, path, places);
            }
            _ => self.place_deep(path, places),
        }
    }

    /// A file in the folder of an account.
    fn place_file(
        &self,
        zones: &ZonesFolder,
        account: &str,
        file: &str,
        path: &Path,
        places: &mut Places,
    ) {
        let id = self.account_id(account);
        match (filename::apex(file.as_bytes()), id) {
            (Some(Ok(_)), Some(id)) => self.touch(zones, id, file, &mut places.touched),
            (Some(_), _) => drop(places.accounts.insert(account.to_owned())),
            (None, _) if file.starts_with('.') => {
                if may_lead_elsewhere(path) {
                    places.swapped = true;
                    places.accounts.insert(account.to_owned());
                }
            }
            (None, Some(id)) => {
                if path.is_dir() {
                    places.touched.extend(self.troubled(id).map(|key| (key, None)));
                }
            }
            (None, None) => {}
        }
    }

    /// A file in a dot folder of `zones/`, which may be where an account's folder leads.
    fn place_in_dot_folder(&self, zones: &ZonesFolder, path: &Path, places: &mut Places) {
        let above = path.parent().unwrap_or(path);
        let mut of_account = false;
        for name in self.linked_accounts(zones) {
            let Ok(folder) = zones.account(&name) else { continue };
            if folder.real() == above {
                let file = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
                self.place_file(zones, &name, file, path, places);
                of_account = true;
            }
        }
        if !of_account {
            places.linked |= may_lead_elsewhere(path);
            self.place_deep(path, places);
        }
    }

    /// Something below an account's folder: a link or folder there may be on the way to what zones depend on.
    fn place_deep(&self, path: &Path, places: &mut Places) {
        if let Some(above) = path.parent().filter(|_| may_lead_elsewhere(path)) {
            let on = self.depends.on(above).into_iter().map(|key| (key, None));
            places.touched.extend(on.collect::<Vec<_>>());
        }
    }

    fn linked_accounts(&self, zones: &ZonesFolder) -> Vec<String> {
        let names = self.accounts.values().map(|account| account.name.to_string());
        let path = |name: &String| zones.real().join(name);
        names.filter(|name| path(name).is_symlink()).collect()
    }

    /// Zones of an account whose files have errors: what they include may be there now.
    fn troubled(&self, id: AccountId) -> impl Iterator<Item = Key> {
        let zones = self.accounts.get(&id).map(|account| account.zones.iter());
        zones
            .into_iter()
            .flatten()
            .filter(|(_, state)| state.more.as_ref().is_some_and(|more| more.problem.is_some()))
            .map(move |(apex, _)| (id, apex.clone()))
    }

    /// Looks at everything in `zones/`. Returns the folders that are there, to be watched.
    pub fn look(&mut self, zones: &ZonesFolder, look: Look, now: Now) -> Vec<PathBuf> {
        let scan = match scan::scan(zones) {
            Ok(scan) => scan,
            Err(error) => {
                self.say_unreadable(&error);
                return Vec::new();
            }
        };
        say_strays(&scan.strays);
        let mut touched: Touched = match look {
            Look::Stamps => self.depends.changed().into_iter().map(|key| (key, None)).collect(),
            Look::Contents => Touched::new(),
        };
        let mut seen = BTreeSet::new();
        let mut folders = Vec::new();
        for account in scan.accounts {
            let id = self.add_account(&account.name);
            seen.insert(id);
            folders.extend(zones.account(&account.name).ok().map(|f| f.real().to_owned()));
            match account.zones {
                Ok(found) => {
                    let of_account = self.note_folder(id, found);
                    match look {
                        Look::Contents => touched.extend(of_account),
                        Look::Stamps => touched.extend(self.changed(zones, id, of_account)),
                    }
                }
                Err(error) => self.unreadable_account(&account.name, &error.to_string()),
            }
        }
        let gone: Vec<AccountId> =
            self.accounts.keys().copied().filter(|id| !seen.contains(id)).collect();
        gone.into_iter().for_each(|id| touched.extend(self.note_folder(id, Vec::new())));
        self.edit(zones, touched, now);
        let waiting = self.claim_refused().into_iter().map(|key| (key, None)).collect();
        self.edit(zones, waiting, now);
        self.drop_accounts(|name| !matches!(zones.account(name), Err(FileError::Missing)));
        folders
    }

    /// Of the zones of an account, those whose files do not look as they did when they were read.
    fn changed(&self, zones: &ZonesFolder, id: AccountId, of_account: Touched) -> Touched {
        let Ok(folder) = zones.account(self.account_name(id)) else { return of_account };
        let is_same = |key: &Key| {
            let Some(state) = self.state(key) else { return false };
            let stamp = folder.stamp(&state.file_name(&key.1)).ok();
            stamp.is_some() && stamp == state.stamp
        };
        let is_plain = |key: &Key, found: &Option<scan::FoundZone>| {
            found.as_ref().is_some_and(|found| {
                found.twin.is_none() && *found.file.file_name == *self.file_name(key)
            })
        };
        let changed = |(key, found): &(Key, Option<scan::FoundZone>)| {
            !(is_plain(key, found) && is_same(key) && !self.missing.contains(key))
        };
        of_account.into_iter().filter(changed).collect()
    }
}

/// Whether an entry that changed may lead to other files than before: a link or a folder. What is gone leads nowhere;
/// the files behind it are known by their own paths.
fn may_lead_elsewhere(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| meta.is_symlink() || meta.is_dir())
}
