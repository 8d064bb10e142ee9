//! A look at folders: which zone files are new, changed or gone.

use std::path::PathBuf;

use tracing::error;

use super::edit::say_strays;
use super::reading::{Arenas, Origins};
use super::{Key, Now, World, ZoneState};
use crate::base::id::AccountId;
use crate::base::mem::Arena;
use crate::control::files::{AccountFolder, FileError, ZonesFolder};
use crate::control::scan::{self, FoundZone};

/// Zones read in one go from which on they are packed.
const PACKED: usize = 1000;

/// How a look finds what changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// By size, times and the like: costs no reading.
    Stamps,
    /// By content.
    Contents,
}

/// What a look found.
#[derive(Debug, Default)]
pub struct Survey {
    /// Folders that are there, to be watched.
    pub folders: Vec<PathBuf>,
    /// Zones whose files have to be read.
    pub(super) read: Vec<Key>,
    /// Zone files that nobody claimed yet.
    pub(super) new: Vec<Key>,
}

impl World {
    /// The accounts that have folders, in order; `None`: nobody knows.
    pub fn list_accounts(&mut self, zones: &ZonesFolder) -> Option<Vec<String>> {
        match zones.accounts() {
            Ok(accounts) => {
                say_strays(&accounts.strays);
                Some(accounts.found)
            }
            Err(error) => {
                self.say_unreadable(&error);
                None
            }
        }
    }

    /// Ends a look at the folders of all accounts, those that were `found`: what changed beside zone files, and the
    /// accounts whose folders are gone.
    pub fn survey_rest(&mut self, found: &[String], look: Look, survey: &mut Survey) {
        if look == Look::Stamps {
            survey.read.extend(self.depends.changed());
        }
        let is_gone = |id: &AccountId| {
            found.binary_search_by(|name| name.as_str().cmp(self.account_name(*id))).is_err()
        };
        let gone: Vec<AccountId> = self.accounts.keys().copied().filter(is_gone).collect();
        gone.into_iter().for_each(|id| self.all_gone(id, survey));
    }

    /// Looks at the folder of one account.
    pub fn survey_account(
        &mut self,
        zones: &ZonesFolder,
        name: &str,
        look: Look,
        survey: &mut Survey,
    ) {
        let mut strays = Vec::new();
        let folder = zones.account(name);
        let listed = match &folder {
            Ok(folder) => scan::account(folder, &mut strays).map(|found| (folder, found)),
            Err(FileError::Missing) => {
                if let Some(id) = self.account_id(name) {
                    self.all_gone(id, survey);
                }
                return;
            }
            Err(error) => return self.unreadable_account(name, &error.to_string()),
        };
        say_strays(&strays);
        match listed {
            Ok((folder, found)) => {
                survey.folders.push(folder.real().to_owned());
                self.compare(folder, found, look, survey);
            }
            Err(error) => self.unreadable_account(name, &error.to_string()),
        }
    }

    /// Compares what the folder of an account holds with what is known.
    fn compare(
        &mut self,
        folder: &AccountFolder<'_>,
        found: Vec<FoundZone>,
        look: Look,
        survey: &mut Survey,
    ) {
        let id = self.add_account(folder.name());
        if let Some(account) = self.accounts.get_mut(&id) {
            account.problem = None;
            account.zones.values_mut().for_each(|state| state.is_there = false);
        }
        for found in found {
            let key = (id, found.file.apex.clone());
            if self.is_stored(&key) {
                self.say_file_ignored(&key);
                continue;
            }
            let is_known = self.state(&key).is_some();
            let is_same = look == Look::Stamps && self.is_as_read(folder, &key, &found);
            self.note(&key, &found);
            if !is_known {
                survey.new.push(key);
            } else if !is_same && !self.refused.contains(&key) {
                survey.read.push(key);
            }
        }
        self.gone_from(id, survey);
    }

    /// Whether a file looks as it did when it was read.
    fn is_as_read(&self, folder: &AccountFolder<'_>, key: &Key, found: &FoundZone) -> bool {
        let Some(state) = self.state(key) else { return false };
        let file_name = state.file_name(&key.1);
        let same_file = found.twin.is_none() && *found.file.file_name == *file_name;
        let stamp = folder.stamp(&file_name).ok().map(|stamp| stamp.fold);
        same_file && stamp.is_some() && stamp == state.stamp && !self.missing.contains(key)
    }

    /// Nothing is there any more of an account's files.
    fn all_gone(&mut self, id: AccountId, survey: &mut Survey) {
        if let Some(account) = self.accounts.get_mut(&id) {
            account.problem = None;
            account.zones.values_mut().for_each(|state| state.is_there = false);
        }
        self.gone_from(id, survey);
    }

    /// Zones of an account whose files were not found.
    fn gone_from(&mut self, id: AccountId, survey: &mut Survey) {
        let zones = self.accounts.get(&id).map(|account| account.zones.iter());
        let is_gone = |(_, state): &(_, &ZoneState)| !state.is_there;
        let gone = zones.into_iter().flatten().filter(is_gone);
        let gone: Vec<Key> = gone.map(|(apex, _)| (id, apex.clone())).collect();
        for key in gone {
            match self.refused.contains(&key) {
                true => self.remove(&key),
                false => survey.read.push(key),
            }
        }
    }

    /// Lets the new files claim their names, together with all that wait for one. Returns what is to be read.
    pub fn claim_found(&mut self, survey: Survey) -> Vec<Key> {
        let Survey { mut read, mut new, .. } = survey;
        new.extend(self.refused.iter().cloned());
        if !new.is_empty() {
            read.extend(self.claim(&new));
        }
        read
    }

    /// Reads the files of zones and takes them in.
    pub fn take_in(&mut self, zones: &ZonesFolder, keys: Vec<Key>, now: Now) {
        // A few edits would fill no area; many zones at once are packed as at the start.
        let pack = if keys.len() < PACKED { Arena::apart } else { Arena::default };
        let origins = Origins { zones: Some(zones), kept: None };
        self.read_in(origins, keys, &mut Arenas::new(pack), now, |_| {});
    }

    /// The folder of an account is there and cannot be read: its zones stay as they are.
    pub(super) fn unreadable_account(&mut self, name: &str, problem: &str) {
        error!(
            event = "account-unreadable",
            account = name,
            "the folder of the account cannot be read, its zones stay as they are: {problem}"
        );
        let id = self.account_id(name);
        if let Some(account) = id.and_then(|id| self.accounts.get_mut(&id)) {
            account.problem = Some(problem.to_owned());
        }
    }

    /// Drops accounts that have no folder, no table and no zones.
    pub fn drop_empty_accounts(&mut self, zones: &ZonesFolder) {
        self.drop_accounts(|name| !matches!(zones.account(name), Err(FileError::Missing)));
    }
}
