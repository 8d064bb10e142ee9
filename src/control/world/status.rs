//! What is served and what is wrong, for `bailiwick zone list`, for people and for machines.

use super::{Held, Key, World, ZoneState};
use crate::base::id::AccountId;
use crate::control::command;
use crate::control::imager::Described;
use crate::model::grant::GrantState;
use crate::store::image::Entry;
use crate::telemetry::figures::OfWorld;

/// Counts over everything.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Status {
    pub accounts: usize,
    /// Zones that are answered from.
    pub zones: usize,
    pub records: usize,
    pub grants: usize,
    pub held: usize,
    pub not_ready: usize,
    pub refused: usize,
}

impl World {
    /// What is known without looking at all zones.
    pub fn figures(&self) -> OfWorld {
        OfWorld {
            accounts: self.accounts.len(),
            held: self.held.len(),
            refused: self.refused.len(),
            logs_failing: self.store_failing || self.is_store_behind(),
            database_failing: !self.custom.is_usable(),
        }
    }

    /// The zones with a change that waits, in the order of accounts and zones.
    pub fn held_list(&self) -> Vec<(AccountId, command::ZoneRow)> {
        let row = |key: &Key| Some((key.0, self.row(key, self.state(key)?)));
        let mut list: Vec<_> = self.held.iter().filter_map(row).collect();
        list.sort_by(|(_, a), (_, b)| (&a.account, &a.zone).cmp(&(&b.account, &b.zone)));
        list
    }

    /// How zones stand for an image of all zones: those that are served as their files say need no reading at the next
    /// start.
    pub fn describe(&self, keys: &[Key]) -> Vec<Described> {
        keys.iter().map(|key| self.describe_one(key).unwrap_or(Described::Other)).collect()
    }

    fn describe_one(&self, key: &Key) -> Option<Described> {
        let account = self.accounts.get(&key.0)?;
        let state = account.zones.get(&key.1)?;
        let held = self.ownership.zone(key.1.as_wire()).filter(|held| held.account == key.0)?;
        let data = self.served(key)?;
        let warnings = match &state.more {
            Some(more) if more.is_only_warnings() => more.warnings,
            Some(_) => return None,
            None => 0,
        };
        if !state.is_there || account.problem.is_some() {
            return None;
        }
        let (stamp, hash) = (state.stamp?, state.served?);
        if state.is_young {
            return Some(Described::Young);
        }
        let path = self.keys.path(&account.name, &state.file_name(&key.1));
        let entry = Entry { zone: held.id, path, stamp, hash, warnings };
        Some(Described::Settled(entry, data.clone()))
    }

    /// Every zone file, in the order of accounts and zones.
    pub fn zone_list(&self) -> Vec<command::ZoneRow> {
        let mut list: Vec<command::ZoneRow> = Vec::new();
        for (id, account) in &self.accounts {
            for (apex, state) in &account.zones {
                list.push(self.row(&(*id, apex.clone()), state));
            }
        }
        list.extend(self.stored_rows());
        list.sort_by(|a, b| (&a.account, &a.zone).cmp(&(&b.account, &b.zone)));
        list
    }

    /// The zone that is served at an apex, or the file of one that is not.
    pub fn zone_row(&self, apex: &crate::base::name::Name) -> Option<command::ZoneRow> {
        let held = self.ownership.zone(apex.as_wire())?;
        let key = (held.account, apex.clone());
        if let Some(zone) = self.stored.zone(held.id) {
            return Some(self.stored_row(held.id, zone));
        }
        Some(self.row(&key, self.state(&key)?))
    }

    fn row(&self, key: &Key, state: &ZoneState) -> command::ZoneRow {
        let served = self.served(key);
        let (standing, detail) = self.standing(key, state);
        let more = state.more.as_deref();
        let held = more.and_then(|more| more.held.as_ref());
        command::ZoneRow {
            zone: key.1.to_string(),
            account: self.account_name(key.0).to_owned(),
            state: standing,
            serial: served.map(|data| data.serial()),
            records: served.map_or(0, |data| data.record_count()),
            errors: more.map_or(0, |more| more.errors),
            warnings: more.map_or(0, |more| more.warnings),
            held_since: held.map(|held| held.since().to_string()),
            detail,
        }
    }

    fn standing(&self, key: &Key, state: &ZoneState) -> (command::ZoneState, Option<String>) {
        let is_served = self.served(key).is_some();
        let more = state.more.as_deref();
        if let Some(refusal) = more.and_then(|more| more.refused.as_ref()) {
            return (command::ZoneState::Refused, Some(self.explain(key, refusal)));
        }
        if let Some(held) = more.and_then(|more| more.held.as_ref()) {
            return (command::ZoneState::Held, Some(held_detail(held)));
        }
        let problem = more.and_then(|more| more.problem.as_deref()).map(str::to_owned);
        let missing = more.is_some_and(|more| more.missing.is_some());
        match (is_served, problem) {
            (true, None) if missing => {
                let text = "the file is gone: the zone will be removed in a moment";
                (command::ZoneState::Served, Some(text.to_owned()))
            }
            (true, None) => (command::ZoneState::Served, None),
            (true, problem) => (command::ZoneState::LastGood, problem),
            (false, problem) => (command::ZoneState::NotReady, problem),
        }
    }

    /// Counts over everything. Costs a look at every zone.
    pub fn status(&self) -> Status {
        let snapshot = self.next.snapshot();
        let active = snapshot.grants.iter().filter(|g| g.state == GrantState::Active);
        let mut status = Status {
            accounts: self.accounts.len(),
            held: self.held.len(),
            refused: self.refused.len(),
            grants: active.count(),
            ..Status::default()
        };
        for zone in snapshot.catalog.iter() {
            match zone.data.is_ready() {
                true => status.zones += 1,
                false => status.not_ready += 1,
            }
            status.records += zone.data.record_count();
        }
        status
    }
}

fn held_detail(held: &Held) -> String {
    match held {
        Held::Edit { good, removal, since } => format!(
            "the edit removes {} of {} records; serial {}, {} records wait since {}",
            removal.removed,
            removal.of,
            good.data.serial(),
            good.data.record_count(),
            since
        ),
        Held::Vanished { since } => {
            format!("the file is gone, and too many others with it; waits since {since}")
        }
    }
}
