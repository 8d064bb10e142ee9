//! What an operator can ask about accounts, zones, fallback origins and zone holds.

use serde_json::{Value, json};

use super::restore::Wish;
use super::{Now, World};
use crate::base::id::{AccountId, ZoneId};
use crate::base::name::Name;
use crate::base::time::UnixTime;
use crate::base::uuid::Uuid;
use crate::control::manage::ManageRequest;
use crate::hostname;
use crate::hostname::errors::VerificationError;
use crate::hostname::fallback::{FallbackOrigin, Status};
use crate::hostname::hold::{Event, Hold};
use crate::hostname::lifecycle::Trigger;
use crate::store::state::change::{Account, AuditEntry, Change};
use crate::zonefile::filename::is_account_name;

/// Who asks over the control socket.
pub(super) const OPERATOR: &str = "operator";
/// Octets that the name of an account may have.
const ACCOUNT_MAX: usize = 120;
/// Hostnames looked at when their fallback origin changed; the others are when they are due.
const PENDING: usize = 200;

impl World {
    /// Answers a request with JSON, or with a sentence that says what is wrong.
    pub fn manage(&mut self, request: &ManageRequest, now: Now) -> Result<Value, String> {
        match request {
            ManageRequest::AccountList => Ok(self.account_list()),
            ManageRequest::AccountShow { name } => self.account_show(name),
            ManageRequest::AccountCreate { name } => self.account_create(name, now),
            ManageRequest::AccountDelete { name } => self.account_delete(name, now),
            ManageRequest::ZoneCreate { zone, account } => self.zone_create(zone, account, now),
            ManageRequest::ZoneDelete { zone, account } => {
                self.zone_delete(zone, account.as_deref(), now)
            }
            ManageRequest::ZoneShow { zone } => self.zone_show(zone, now),
            ManageRequest::FallbackShow { zone } => {
                let (apex, id) = self.zone_named(zone)?;
                let origin = self.fallback_origin(id)?;
                let origin = origin.ok_or_else(|| format!("{apex} has no fallback origin"))?;
                Ok(shown_fallback(&apex, &origin))
            }
            ManageRequest::FallbackSet { zone, origin } => {
                let (apex, _) = self.zone_named(zone)?;
                let origin = Name::from_text(origin)
                    .map_err(|e| format!("`{origin}` is no domain name: {e}"))?;
                let set = self.set_fallback_origin(&apex, origin, OPERATOR, now)?;
                self.look_at_pending(set.zone, now)?;
                Ok(shown_fallback(&apex, &set))
            }
            ManageRequest::FallbackDelete { zone } => {
                let (apex, id) = self.zone_named(zone)?;
                if self.fallback_origin(id)?.is_none() {
                    return Err(format!("{apex} has no fallback origin"));
                }
                let gone = self.remove_fallback_origin(id, OPERATOR, now)?;
                self.look_at_pending(id, now)?;
                Ok(shown_fallback(&apex, &gone))
            }
            ManageRequest::Hold { zone, include_subdomains } => {
                let include_subdomains = *include_subdomains;
                self.hold(zone, Event::Set { include_subdomains }, now)
            }
            ManageRequest::Restore { file, dry_run, exact } => {
                self.restore(file, &Wish { dry_run: *dry_run, exact: *exact }, now)
            }
            ManageRequest::Unhold { zone, after } => {
                let after = after.as_deref().map(|text| time(text, now)).transpose()?;
                self.hold(zone, Event::Release { after }, now)
            }
        }
    }

    /// What hostnames of the zone wait for is another thing now, and is told from now on.
    fn look_at_pending(&mut self, zone: ZoneId, now: Now) -> Result<(), String> {
        let some = self.hostnames_of(zone, None, PENDING)?;
        let waiting = some.iter().filter(|h| h.status == hostname::object::Status::Pending);
        let ids: Vec<Uuid> = waiting.map(|h| h.id).collect();
        self.check_all(&ids, Trigger::Extra, now);
        Ok(())
    }

    fn zone_named(&self, zone: &str) -> Result<(Name, ZoneId), String> {
        let apex = Name::from_text(zone).map_err(|e| format!("`{zone}` is no zone name: {e}"))?;
        let held = self.ownership.zone(apex.as_wire());
        let held = held.ok_or_else(|| format!("no zone {apex} is served here"))?;
        Ok((apex, held.id))
    }

    fn hold(&mut self, zone: &str, event: Event, now: Now) -> Result<Value, String> {
        let (apex, id) = self.zone_named(zone)?;
        if matches!(event, Event::Release { .. }) && self.zone_hold(id)?.is_none() {
            return Err(format!("{apex} has no hold"));
        }
        let hold = self.change_hold(&apex, event, OPERATOR, now)?;
        let mut shown = shown_hold(hold.as_ref(), now);
        shown["zone"] = apex.to_string().into();
        Ok(shown)
    }

    fn account_list(&mut self) -> Value {
        let accounts: Vec<(AccountId, String)> =
            self.accounts.iter().map(|(id, account)| (*id, account.name.to_string())).collect();
        let mut rows: Vec<Value> =
            accounts.iter().map(|(id, name)| self.shown_account(*id, name)).collect();
        rows.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
        Value::Array(rows)
    }

    fn account_show(&mut self, name: &str) -> Result<Value, String> {
        let id = self.account_named(name)?;
        let mut shown = self.shown_account(id, name);
        let apexes = self.ownership.zones().filter(|(_, held)| held.account == id);
        let mut apexes: Vec<String> = apexes.map(|(apex, _)| apex.to_string()).collect();
        apexes.sort();
        shown["zones"] = apexes.into();
        Ok(shown)
    }

    pub(super) fn account_named(&self, name: &str) -> Result<AccountId, String> {
        self.ownership.account(name).ok_or_else(|| format!("there is no account {name}"))
    }

    fn shown_account(&mut self, id: AccountId, name: &str) -> Value {
        let zones = self.ownership.zones().filter(|(_, held)| held.account == id).count();
        let table = self.settings.accounts.get(name);
        let title = table.map_or("", |table| &table.name);
        let trusts: Vec<&str> = table.map_or(Vec::new(), |table| {
            table.trusts.iter().map(|trusted| trusted.account.as_str()).collect()
        });
        let mut shown = json!({
            "name": name, "title": title, "zone_count": zones, "trusts": trusts,
        });
        let made = self.made_account(id);
        shown["created_at"] = made.as_ref().map(|a| a.created_at.to_string()).into();
        shown["made_here"] = made.is_some_and(|account| is_made_here(&account)).into();
        shown
    }

    fn made_account(&mut self, id: AccountId) -> Option<Account> {
        let open = self.custom.usable().ok()?;
        open.control().accounts.iter().find(|account| account.id == id).cloned()
    }

    /// Whether the account was made on request, so that it needs neither a folder nor a table.
    pub(super) fn is_kept(&mut self, id: AccountId) -> bool {
        self.made_account(id).is_some_and(|account| is_made_here(&account))
    }

    fn account_create(&mut self, name: &str, now: Now) -> Result<Value, String> {
        if !is_account_name(name) || name.len() > ACCOUNT_MAX {
            return Err(format!(
                "`{name}` is no account name: lower-case letters, digits, `.`, `_` and `-`, at \
                 most {ACCOUNT_MAX}, the first a letter or digit"
            ));
        }
        if self.ownership.account(name).is_some() {
            return Err(format!("there is an account {name} already"));
        }
        // Nothing is begun that cannot be stored.
        self.custom.usable()?;
        let id = self.add_account(name);
        let settings = json!({ MADE_HERE: true }).to_string();
        let account = Account { id, name: name.to_owned(), created_at: now.unix, settings };
        let entry = entry("account.created", name, id, now);
        let stored = self.commit_state(&[Change::Account(account), entry], OPERATOR, now);
        if let Err(error) = stored {
            self.accounts.remove(&id);
            self.ownership.remove_account(name);
            return Err(error);
        }
        self.finish_step();
        Ok(self.shown_account(id, name))
    }

    fn account_delete(&mut self, name: &str, now: Now) -> Result<Value, String> {
        let id = self.account_named(name)?;
        if !self.is_kept(id) {
            return Err(format!(
                "the account {name} is there by its folder in zones/ or its table in the config: \
                 it goes when both are gone"
            ));
        }
        if self.ownership.zones().any(|(_, held)| held.account == id) {
            return Err(format!("the account {name} has zones: delete these first"));
        }
        let shown = self.shown_account(id, name);
        let entry = entry("account.deleted", name, id, now);
        self.commit_state(&[Change::AccountRemoved(id), entry], OPERATOR, now)?;
        // A folder of that name makes an account of its own, with nothing of this one.
        self.accounts.remove(&id);
        self.ownership.remove_account(name);
        self.accounts_stale = true;
        self.grants_stale = true;
        self.finish_step();
        Ok(shown)
    }

    fn zone_show(&mut self, zone: &str, now: Now) -> Result<Value, String> {
        let (apex, id) = self.zone_named(zone)?;
        let row = self.zone_row(&apex);
        let mut shown = row.map_or(json!({ "zone": apex.to_string() }), |row| json!(row));
        // Without the database the rest can be shown.
        let fallback = self.fallback_origin(id).unwrap_or_default();
        shown["fallback_origin"] = fallback.map(|f| shown_fallback(&apex, &f)).into();
        let hold = self.zone_hold(id).unwrap_or_default();
        shown["hold"] = shown_hold(hold.as_ref(), now);
        Ok(shown)
    }
}

/// The key in an account's settings that says so.
const MADE_HERE: &str = "made_here";

fn is_made_here(account: &Account) -> bool {
    let settings: Result<Value, _> = serde_json::from_str(&account.settings);
    settings.is_ok_and(|settings| settings[MADE_HERE] == true)
}

fn entry(action: &str, name: &str, id: AccountId, now: Now) -> Change {
    Change::Audit(AuditEntry {
        at: now.unix,
        actor: OPERATOR.to_owned(),
        account: Some(id),
        action: format!("{action} {name}"),
        ..AuditEntry::default()
    })
}

/// The object of the API, with what only this server shows: `zone`, `asserted_by_operator`.
fn shown_fallback(apex: &Name, fallback: &FallbackOrigin) -> Value {
    let errors = match fallback.status {
        Status::Active => Vec::new(),
        status => vec![VerificationError::FallbackOrigin(status).to_string()],
    };
    json!({
        "zone": apex.to_string(),
        "origin": fallback.origin.to_string(),
        "status": fallback.status.word(),
        "errors": errors,
        "created_at": fallback.created_at.to_string(),
        "updated_at": fallback.updated_at.to_string(),
        "asserted_by_operator": fallback.asserted,
    })
}

fn shown_hold(hold: Option<&Hold>, now: Now) -> Value {
    let after = hold.and_then(|hold| hold.after).filter(|&at| at > now.unix);
    json!({
        "hold": hold.is_some_and(|hold| hold.is_in_force(now.unix)),
        "include_subdomains": hold.is_some_and(|hold| hold.include_subdomains),
        "hold_after": after.map(|at| at.to_string()),
    })
}

fn time(text: &str, now: Now) -> Result<UnixTime, String> {
    let at = UnixTime::from_text(text)
        .ok_or_else(|| format!("`{text}` is no time: expected e.g. {} or 2026-12-01", now.unix))?;
    match at > now.unix {
        true => Ok(at),
        false => Err(format!("{at} has passed already")),
    }
}
