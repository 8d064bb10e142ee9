//! From paths that changed to zones that may have: the layout of `zones/` as events and scans see it.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::edit::Touched;
use super::survey::{Look, Survey};
use super::{Key, Now, World};
use crate::base::id::AccountId;
use crate::control::background::give_way;
use crate::control::files::ZonesFolder;
use crate::zonefile::filename;

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
    /// Takes in what events say. Returns the folders that are there where something came or went, to be watched;
    /// `None`: everything has to be looked at.
    pub fn touched(
        &mut self,
        zones: &ZonesFolder,
        paths: &[PathBuf],
        now: Now,
    ) -> Option<Vec<PathBuf>> {
        let mut places = Places::default();
        for path in paths {
            self.place(zones, path, &mut places);
        }
        give_way();
        if places.all {
            return None;
        }
        if places.linked {
            places.accounts.extend(self.linked_accounts(zones));
        }
        let mut survey = Survey::default();
        if places.swapped || places.linked {
            survey.read.extend(self.depends.changed());
        }
        for name in &places.accounts {
            self.survey_account(zones, name, Look::Stamps, &mut survey);
        }
        self.sort_out(zones, places.touched, &mut survey);
        give_way();
        let folders = std::mem::take(&mut survey.folders);
        let won = if survey.new.is_empty() { Vec::new() } else { self.claim(&survey.new) };
        survey.read.extend(won);
        self.take_in(zones, survey.read, now);
        if !places.accounts.is_empty() {
            self.drop_empty_accounts(zones);
        }
        Some(folders)
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
            Some([name]) if filename::is_account_name(name) => {
                places.accounts.insert((*name).to_owned());
            }
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
}

/// Whether an entry that changed may lead to other files than before: a link or a folder. What is gone leads nowhere;
/// the files behind it are known by their own paths.
fn may_lead_elsewhere(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| meta.is_symlink() || meta.is_dir())
}
