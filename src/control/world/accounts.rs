//! Accounts made through the API: they exist without a folder, until they are deleted.

use serde_json::{Map, Value, json};

use super::claims::ClaimError;
use super::{Now, World};
use crate::base::id::AccountId;
use crate::store::state::change::{Account, AuditEntry, Change};
use crate::zonefile::filename::is_account_name;

/// Octets of a name for people.
const TITLE_MAX: usize = 120;
/// Octets of an account's own name that the API makes.
const NAME_MAX: usize = 60;

/// Why nothing was done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AccountError {
    Unknown,
    /// It is no name.
    Name,
    Exists,
    /// A folder or a table of the config keeps it.
    InConfig,
    Store(String),
}

impl From<ClaimError> for AccountError {
    fn from(error: ClaimError) -> AccountError {
        match error {
            ClaimError::Store(why) => AccountError::Store(why),
            ClaimError::FromFile(_) => AccountError::InConfig,
            other => AccountError::Store(other.to_string()),
        }
    }
}

/// The name of an account as a folder could have it, made of a name for people.
fn plain(title: &str) -> String {
    let mut name = String::new();
    for c in title.chars() {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() || (!name.is_empty() && "._".contains(c)) => {
                name.push(c)
            }
            _ if name.is_empty() || name.ends_with('-') => {}
            _ => name.push('-'),
        }
    }
    name.truncate(NAME_MAX);
    name.trim_end_matches(['-', '.']).to_owned()
}

impl World {
    /// Makes an account.
    pub fn create_account(
        &mut self,
        title: &str,
        actor: &str,
        now: Now,
    ) -> Result<AccountId, AccountError> {
        let name = plain(title);
        if title.len() > TITLE_MAX || title.chars().any(char::is_control) || !is_account_name(&name)
        {
            return Err(AccountError::Name);
        }
        if self.ownership.account(&name).is_some() {
            return Err(AccountError::Exists);
        }
        self.custom.usable().map_err(|e| AccountError::Store(e.to_string()))?;
        let id = self.add_account(&name);
        let mut settings = Map::new();
        settings.insert("made".to_owned(), json!("api"));
        if title != name {
            settings.insert("name".to_owned(), json!(title));
        }
        let settings = Value::Object(settings).to_string();
        let account = Account { id, name: name.clone(), created_at: now.unix, settings };
        let entry = entry(id, format!("account.created {name}"), actor, now);
        let stored = self.commit_state(&[Change::Account(account), entry], actor, now);
        if let Err(problem) = stored {
            self.accounts.remove(&id);
            self.ownership.remove_account(&name);
            return Err(AccountError::Store(problem));
        }
        Ok(id)
    }

    /// Changes what people call an account.
    pub fn rename_account(
        &mut self,
        id: AccountId,
        title: &str,
        actor: &str,
        now: Now,
    ) -> Result<(), AccountError> {
        if title.is_empty() || title.len() > TITLE_MAX || title.chars().any(char::is_control) {
            return Err(AccountError::Name);
        }
        let name = self.accounts.get(&id).ok_or(AccountError::Unknown)?.name.to_string();
        if self.settings.accounts.get(name.as_str()).is_some_and(|a| !a.name.is_empty()) {
            return Err(AccountError::InConfig);
        }
        let stored =
            self.custom.usable().map_err(|e| AccountError::Store(e.to_string()))?.control();
        let old = stored.account(id).cloned();
        let text = old.as_ref().map_or("{}", |a| &a.settings);
        let mut settings: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
        settings.insert("name".to_owned(), json!(title));
        let created_at = old.map_or(now.unix, |a| a.created_at);
        let settings = Value::Object(settings).to_string();
        let account = Account { id, name, created_at, settings };
        let entry = entry(id, "account.renamed".to_owned(), actor, now);
        let stored = self.commit_state(&[Change::Account(account), entry], actor, now);
        stored.map_err(AccountError::Store)
    }

    /// Deletes an account with its zones and tokens. One that a folder or the config makes is theirs.
    pub fn delete_account(
        &mut self,
        id: AccountId,
        actor: &str,
        now: Now,
    ) -> Result<(), AccountError> {
        let account = self.accounts.get(&id).ok_or(AccountError::Unknown)?;
        let name = account.name.clone();
        let is_in_config = self.settings.accounts.contains_key(&*name);
        if !account.zones.is_empty() || is_in_config || !self.is_made_by_api(id) {
            return Err(AccountError::InConfig);
        }
        let zones: Vec<_> = self.claims.all().filter(|c| c.account == id).map(|c| c.zone).collect();
        for zone in zones {
            self.delete_zone(zone, actor, now)?;
        }
        let entry = entry(id, format!("account.deleted {name}"), actor, now);
        self.commit_state(&[entry, Change::AccountRemoved(id)], actor, now)
            .map_err(AccountError::Store)?;
        self.accounts.remove(&id);
        self.ownership.remove_account(&name);
        self.accounts_stale = true;
        self.grants_stale |= self.mentions.accounts.contains(&*name);
        Ok(())
    }

    /// When what was thought to be stored was not: accounts that were only thought to be made go, and those that were
    /// only thought to be deleted are there, under the ids that they had.
    pub(super) fn recall_accounts(&mut self) {
        if let Some(zones) = self.open_zones() {
            self.drop_empty_accounts(&zones);
        }
        let Ok(control) = self.custom.seen() else { return };
        let lost: Vec<(AccountId, String)> = control
            .accounts
            .iter()
            .filter(|account| !self.accounts.contains_key(&account.id))
            .map(|account| (account.id, account.name.clone()))
            .collect();
        for (id, name) in lost {
            if self.ownership.account(&name).is_none() {
                self.ownership.add_account_as(id, &name);
                self.add_account(&name);
            }
        }
        self.accounts_stale = true;
    }

    /// Whether an account needs no folder to exist.
    pub(super) fn is_made_by_api(&self, id: AccountId) -> bool {
        let Ok(open) = &self.custom.seen() else { return true };
        open.account(id).is_some_and(|a| a.settings.contains("\"made\":\"api\""))
    }
}

fn entry(id: AccountId, action: String, actor: &str, now: Now) -> Change {
    Change::Audit(AuditEntry {
        at: now.unix,
        actor: actor.to_owned(),
        account: Some(id),
        action,
        ..AuditEntry::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_folders_out_of_names_for_people() {
        for (title, name) in [
            ("acme", "acme"),
            ("ACME Inc.", "acme-inc"),
            ("  Müller & Söhne  ", "m-ller-s-hne"),
            ("a.b_c-d", "a.b_c-d"),
            ("../etc", "etc"),
            ("日本", ""),
        ] {
            assert_eq!(plain(title), name);
        }
    }
}
