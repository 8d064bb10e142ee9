//! Settings made through the API, in the world: stored, put in force from the next question on, and shown.
//!
//! What the config says of one zone wins, key by key, and cannot be changed here: the answer names file and key. Names
//! that are delegated and accounts that are trusted by the config stand beside those that were chosen.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::records::{Ask, Refused};
use super::{Key, Now, World};
use crate::base::id::{AccountId, ZoneId};
use crate::base::name::Name;
use crate::control::registrar::RequestError;
use crate::model::catalog::Zone as Served;
use crate::model::settings::{CrossAccount, FlattenMode, OnViolation};
use crate::policy::ownership::Permissions;
use crate::records::write::Write;
use crate::store::state::change::{Account, AuditEntry, Change, Zone};
use crate::store::state::chosen::{
    Chosen, MOST, Whom, ZoneChoice, cross_account_word, flatten_word, with_trusts,
};

/// What is to change of a zone. `Some(None)`: what was chosen is to be forgotten.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ZoneWish {
    pub cross_account: Option<Option<CrossAccount>>,
    pub flatten: Option<Option<FlattenMode>>,
    pub on_violation: Option<Option<OnViolation>>,
    /// Only these entries change.
    pub delegates: BTreeMap<Name, Option<Whom>>,
}

/// Why nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChoiceError {
    /// No such zone or account, or it is not active.
    Unknown,
    /// The config says it, in this file under this key.
    InConfig {
        file: String,
        key: String,
    },
    /// It cannot be, in words.
    Invalid(String),
    Store(String),
}

impl From<RequestError> for ChoiceError {
    fn from(error: RequestError) -> ChoiceError {
        ChoiceError::Store(error.to_string())
    }
}

/// How a zone is answered from, wherever that was said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Modes {
    pub cross_account: CrossAccount,
    pub flatten: FlattenMode,
    pub on_violation: OnViolation,
}

/// Where a setting comes from.
type Origin = &'static str;
const CONFIG: Origin = "config";
const API: Origin = "api";
const ACCOUNT: Origin = "account";
const SERVER: Origin = "server";
const DEFAULT: Origin = "default";

impl World {
    /// Takes in what the database says.
    pub(super) fn recall_chosen(&mut self) {
        let read = self.custom.seen().map(|control| Chosen::read(control, &self.ids));
        // What cannot be read allows nothing.
        self.chosen = read.unwrap_or_default();
    }

    /// The same, when what was thought to be stored was not: what rests on it is undone.
    pub(super) fn recall_chosen_again(&mut self) {
        let old = std::mem::take(&mut self.chosen);
        self.recall_chosen();
        if old != self.chosen {
            self.resettle();
            self.restate_zones();
            self.derive_trusts();
        }
    }

    /// How a zone is answered from.
    pub(super) fn modes(&self, key: &Key, id: ZoneId) -> Modes {
        let flatten_all = self.stored.zone(id).is_some_and(|zone| zone.flatten_all);
        self.modes_with(key, id, flatten_all)
    }

    /// The same, if the zone's records say that all CNAMEs are flattened or do not.
    pub(super) fn modes_with(&self, key: &Key, id: ZoneId, flatten_all: bool) -> Modes {
        let choice = self.chosen.zone(id);
        Modes {
            cross_account: self.cross_account_of(&key.1, choice).0,
            flatten: self.flatten_of(&key.1, choice, flatten_all).0,
            on_violation: self.on_violation_of(key, choice).0,
        }
    }

    fn cross_account_of(&self, apex: &Name, choice: Option<&ZoneChoice>) -> (CrossAccount, Origin) {
        let config = self.settings.zones.get(apex).and_then(|zone| zone.cross_account);
        let config = config.map(|value| (value, CONFIG));
        let chosen = || choice.and_then(|c| c.cross_account).map(|value| (value, API));
        config.or_else(chosen).unwrap_or((CrossAccount::default(), DEFAULT))
    }

    fn flatten_of(
        &self,
        apex: &Name,
        choice: Option<&ZoneChoice>,
        flatten_all: bool,
    ) -> (FlattenMode, Origin) {
        let config = self.settings.zones.get(apex).and_then(|zone| zone.flatten);
        let config = config.map(|value| (value, CONFIG));
        let stored = || flatten_all.then_some((FlattenMode::All, API));
        let chosen = || choice.and_then(|c| c.flatten).map(|value| (value, API));
        config.or_else(stored).or_else(chosen).unwrap_or((self.settings.flatten.mode, SERVER))
    }

    fn on_violation_of(&self, key: &Key, choice: Option<&ZoneChoice>) -> (OnViolation, Origin) {
        let config = self.settings.zones.get(&key.1).and_then(|zone| zone.on_violation);
        if let Some(value) = config {
            return (value, CONFIG);
        }
        let sinkhole = !self.settings.policy.rules.sinkhole.is_empty();
        // Without addresses it would be a mode that answers nothing.
        let can_be = |value: &OnViolation| *value != OnViolation::Sinkhole || sinkhole;
        if let Some(value) = choice.and_then(|c| c.on_violation).filter(can_be) {
            return (value, API);
        }
        let account = self.settings.accounts.get(self.account_name(key.0));
        match account.and_then(|account| account.on_violation) {
            Some(value) => (value, ACCOUNT),
            None => (self.settings.policy.on_violation, SERVER),
        }
    }

    fn config_key(&self, table: &str, name: &str, key: &str) -> ChoiceError {
        let file = self.settings.source.path.to_string();
        ChoiceError::InConfig { file, key: format!("{table}.\"{name}\".{key}") }
    }

    /// Changes settings of a zone that is active, or says what they would be.
    pub fn choose_zone(
        &mut self,
        id: ZoneId,
        apex: &Name,
        wish: &ZoneWish,
        ask: &Ask,
        now: Now,
    ) -> Result<Value, ChoiceError> {
        let held = self.ownership.zone(apex.as_wire()).filter(|held| held.id == id);
        let key = (held.ok_or(ChoiceError::Unknown)?.account, apex.clone());
        self.check_wish(&key, wish)?;
        let old = self.chosen.zone(id).cloned().unwrap_or_default();
        let is_stored = self.stored.zone(id).is_some();
        let mut new = old.clone();
        new.cross_account = wish.cross_account.unwrap_or(old.cross_account);
        new.on_violation = wish.on_violation.unwrap_or(old.on_violation);
        for (name, whom) in &wish.delegates {
            match whom {
                Some(whom) => _ = new.delegates.insert(name.clone(), whom.clone()),
                None => _ = new.delegates.remove(name),
            }
        }
        if new.delegates.len() > MOST {
            return Err(ChoiceError::Invalid(format!("a zone delegates at most {MOST} names")));
        }
        let mut flatten_all = self.stored.zone(id).is_some_and(|zone| zone.flatten_all);
        match wish.flatten {
            // A zone of the store has this among its records' settings, where other clients see it too.
            Some(flatten) if is_stored => flatten_all = flatten == Some(FlattenMode::All),
            Some(flatten) => new.flatten = flatten,
            None => {}
        }
        if !ask.dry_run {
            if is_stored && wish.flatten.is_some() {
                self.choose_flatten(id, flatten_all, ask, now)?;
            }
            if new != old {
                self.store_choice(id, &key, &old, &new, ask, now)?;
                self.enforce_choice(id, &key, &old, new.clone());
            }
        }
        Ok(self.shown_zone(&key, &new, flatten_all))
    }

    /// What of a wish cannot be, because of what it is or of what the config says.
    fn check_wish(&self, key: &Key, wish: &ZoneWish) -> Result<(), ChoiceError> {
        let apex = &key.1;
        let config = self.settings.zones.get(apex);
        let said = [
            (
                "cross_account",
                wish.cross_account.is_some(),
                config.is_some_and(|z| z.cross_account.is_some()),
            ),
            ("flatten", wish.flatten.is_some(), config.is_some_and(|z| z.flatten.is_some())),
            (
                "on_violation",
                wish.on_violation.is_some(),
                config.is_some_and(|z| z.on_violation.is_some()),
            ),
        ];
        for (name, wanted, is_said) in said {
            if wanted && is_said {
                return Err(self.config_key("zones", &apex.to_string(), name));
            }
        }
        for name in wish.delegates.keys() {
            if name == apex || !name.is_within(apex) || name.is_wildcard() {
                let text = format!("{name} is no name of a zone below {apex}");
                return Err(ChoiceError::Invalid(text));
            }
            if config.is_some_and(|zone| zone.delegates.contains_key(name)) {
                let entry = format!("delegates.\"{name}\"");
                return Err(self.config_key("zones", &apex.to_string(), &entry));
            }
        }
        let is_sinkhole = wish.on_violation == Some(Some(OnViolation::Sinkhole));
        if is_sinkhole && self.settings.policy.rules.sinkhole.is_empty() {
            let text = "this server has no addresses for on_violation = \"sinkhole\"";
            return Err(ChoiceError::Invalid(text.to_owned()));
        }
        Ok(())
    }

    fn choose_flatten(
        &mut self,
        id: ZoneId,
        all: bool,
        ask: &Ask,
        now: Now,
    ) -> Result<(), ChoiceError> {
        let mut patch = Map::new();
        patch.insert("flatten_all_cnames".to_owned(), json!(all));
        let written = self.write_records(id, &Write::Settings(patch), ask, now);
        written.map(|_| ()).map_err(|refused| match refused {
            Refused::NoZone => ChoiceError::Unknown,
            Refused::Store(why) => ChoiceError::Store(why),
            Refused::Problems(problems) => {
                let texts: Vec<_> = problems.iter().map(|p| p.message.to_string()).collect();
                ChoiceError::Invalid(texts.join("; "))
            }
        })
    }

    fn store_choice(
        &mut self,
        id: ZoneId,
        key: &Key,
        old: &ZoneChoice,
        new: &ZoneChoice,
        ask: &Ask,
        now: Now,
    ) -> Result<(), ChoiceError> {
        self.enter_zone(&key.1, now)?;
        let row = self.custom.usable()?.control().zone(id).cloned();
        let row = row.ok_or(ChoiceError::Unknown)?;
        let text = |choice: &ZoneChoice| Value::Object(choice.object()).to_string();
        let entry = AuditEntry {
            at: now.unix,
            actor: ask.actor.clone(),
            account: Some(key.0),
            zone: Some(id),
            action: format!("zone.settings {}", key.1),
            from: Some(text(old)),
            to: Some(text(new)),
            ..AuditEntry::default()
        };
        let changes = [Change::Zone(Zone { settings: text(new), ..row }), Change::Audit(entry)];
        self.commit_state(&changes, &ask.actor, now).map_err(ChoiceError::Store)
    }

    /// Puts what was stored in force.
    fn enforce_choice(&mut self, id: ZoneId, key: &Key, old: &ZoneChoice, new: ZoneChoice) {
        let before = match old.delegates == new.delegates {
            true => Vec::new(),
            false => self.delegated_below(key),
        };
        match new == ZoneChoice::default() {
            true => _ = self.chosen.zones.remove(&id),
            false => _ = self.chosen.zones.insert(id, new.clone()),
        }
        self.restate_zone(&key.1);
        if old.delegates == new.delegates {
            return;
        }
        let after = self.delegated_below(key);
        if before.iter().any(|name| !after.contains(name)) {
            // As after a reload: who came first stays, the others lose what they do not hold by right any more.
            self.resettle();
        }
        let waiting = self.claim_refused();
        if let Some(zones) = self.open_zones().filter(|_| !waiting.is_empty()) {
            self.take_in(&zones, waiting, Now::read());
        }
    }

    /// Gives a zone that is served the settings that it has now.
    fn restate_zone(&mut self, apex: &Name) {
        let Some(zone) = self.next.zone(apex).cloned() else { return };
        if let Some(zone) = self.restated(apex, &zone) {
            self.next.put(apex, zone);
        }
    }

    /// A zone with the settings that it has now, if they are others.
    pub(super) fn restated(&self, apex: &Name, zone: &Served) -> Option<Served> {
        let modes = self.modes(&(zone.account, apex.clone()), zone.id);
        let Modes { cross_account, flatten, on_violation } = modes;
        let same = (zone.cross_account, zone.flatten, zone.on_violation)
            == (cross_account, flatten, on_violation);
        (!same).then(|| Served { cross_account, flatten, on_violation, ..zone.clone() })
    }

    /// Names below a zone that other accounts hold because it delegates them.
    fn delegated_below(&self, key: &Key) -> Vec<(Box<[u8]>, AccountId)> {
        let apex = key.1.as_wire();
        let others = self.register.all_below(apex).filter(|(_, holder)| *holder != key.0);
        let allowed = self.allowed();
        let by_this = others.filter(|(name, by)| allowed.delegated_to(apex, name) == Some(*by));
        by_this.map(|(name, by)| (name.into(), by)).collect()
    }

    /// The settings of a zone that is active, and where each comes from.
    pub fn shown_choice(&self, id: ZoneId, apex: &Name) -> Result<Value, ChoiceError> {
        let held = self.ownership.zone(apex.as_wire()).filter(|held| held.id == id);
        let key = (held.ok_or(ChoiceError::Unknown)?.account, apex.clone());
        let flatten_all = self.stored.zone(id).is_some_and(|zone| zone.flatten_all);
        let choice = self.chosen.zone(id).cloned().unwrap_or_default();
        Ok(self.shown_zone(&key, &choice, flatten_all))
    }

    fn shown_zone(&self, key: &Key, choice: &ZoneChoice, flatten_all: bool) -> Value {
        let apex = &key.1;
        let shown = |value: &str, from: Origin, name: &str| {
            let config = (from == CONFIG).then(|| {
                let key = format!("zones.\"{apex}\".{name}");
                json!({ "file": &*self.settings.source.path, "key": key })
            });
            json!({ "value": value, "from": from, "config": config })
        };
        let (cross_account, crossing) = self.cross_account_of(apex, Some(choice));
        let (flatten, flattening) = self.flatten_of(apex, Some(choice), flatten_all);
        let (on_violation, denying) = self.on_violation_of(key, Some(choice));
        let config = self.settings.zones.get(apex).map(|zone| &zone.delegates);
        let of_config = config.into_iter().flatten().map(|(name, to)| {
            let id = self.ownership.account(to.account.as_str());
            let id = id.map(|id| self.ids.account(id));
            json!({ "name": name.to_string(), "account": id, "from": CONFIG })
        });
        let covered = |name: &Name| config.is_some_and(|entries| entries.contains_key(name));
        let of_api = choice.delegates.iter().filter(|(name, _)| !covered(name));
        let of_api = of_api.map(
            |(name, whom)| json!({ "name": name.to_string(), "account": whom.shown, "from": API }),
        );
        json!({
            "cross_account": shown(cross_account_word(cross_account), crossing, "cross_account"),
            "flatten": shown(flatten_word(flatten), flattening, "flatten"),
            "on_violation": shown(on_violation.word(), denying, "on_violation"),
            "delegates": of_config.chain(of_api).collect::<Vec<_>>(),
        })
    }

    /// Says whom an account trusts, beside those that the config names; or what that would be.
    pub fn choose_trusts(
        &mut self,
        account: AccountId,
        trusts: Vec<Whom>,
        ask: &Ask,
        now: Now,
    ) -> Result<Value, ChoiceError> {
        let name = self.accounts.get(&account).ok_or(ChoiceError::Unknown)?.name.to_string();
        if trusts.len() > MOST {
            return Err(ChoiceError::Invalid(format!("an account trusts at most {MOST} others")));
        }
        if trusts.iter().any(|whom| whom.account() == Some(account)) {
            return Err(ChoiceError::Invalid("every account trusts itself".to_owned()));
        }
        let old = self.chosen.trusts.get(&account).cloned().unwrap_or_default();
        if !ask.dry_run && trusts != old {
            let row = self.custom.usable()?.control().account(account).cloned();
            let (created_at, settings) = (now.unix, "{}".to_owned());
            let row = row.unwrap_or(Account { id: account, name, created_at, settings });
            let settings = with_trusts(&row.settings, &trusts);
            let text = |trusts: &[Whom]| {
                json!(trusts.iter().map(|whom| &*whom.shown).collect::<Vec<_>>()).to_string()
            };
            let entry = AuditEntry {
                at: now.unix,
                actor: ask.actor.clone(),
                account: Some(account),
                action: "account.trusts".to_owned(),
                from: Some(text(&old)),
                to: Some(text(&trusts)),
                ..AuditEntry::default()
            };
            let changes = [Change::Account(Account { settings, ..row }), Change::Audit(entry)];
            self.commit_state(&changes, &ask.actor, now).map_err(ChoiceError::Store)?;
            match trusts.is_empty() {
                true => _ = self.chosen.trusts.remove(&account),
                false => _ = self.chosen.trusts.insert(account, trusts.clone()),
            }
            self.derive_trusts();
        }
        Ok(self.shown_trusts(account, &trusts))
    }

    /// Whom an account trusts, and who says so.
    pub fn trusts_of(&self, account: AccountId) -> Value {
        self.shown_trusts(account, self.chosen.trusts.get(&account).map_or(&[], Vec::as_slice))
    }

    fn shown_trusts(&self, account: AccountId, chosen: &[Whom]) -> Value {
        let config = self.settings.accounts.get(self.account_name(account));
        let of_config = config.into_iter().flat_map(|account| &account.trusts).map(|trusted| {
            let id = self.ownership.account(trusted.account.as_str());
            json!({ "account": id.map(|id| self.ids.account(id)), "from": CONFIG })
        });
        let of_api = chosen.iter().map(|whom| json!({ "account": whom.shown, "from": API }));
        json!({ "trusts": of_config.chain(of_api).collect::<Vec<_>>() })
    }
}
