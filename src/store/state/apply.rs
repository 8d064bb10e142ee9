//! What a commit changes about [`Control`], for whoever keeps one in memory.

use super::Control;
use super::change::{Account, Change, Token, Zone};
use crate::base::id::{AccountId, ZoneId};
use crate::base::uuid::Uuid;
use crate::hostname::fallback::FallbackOrigin;
use crate::hostname::hold::Hold;

impl Control {
    /// All lists are in the order of their ids.
    pub fn account(&self, id: AccountId) -> Option<&Account> {
        get(&self.accounts, &id, |a| a.id)
    }

    pub fn zone(&self, id: ZoneId) -> Option<&Zone> {
        get(&self.zones, &id, |z| z.id)
    }

    /// The fallback origin of a zone.
    pub fn fallback(&self, zone: ZoneId) -> Option<&FallbackOrigin> {
        get(&self.fallbacks, &zone, |f| f.zone)
    }

    /// The hold of a zone.
    pub fn hold(&self, zone: ZoneId) -> Option<&Hold> {
        get(&self.holds, &zone, |h| h.owner.zone)
    }

    pub fn token(&self, id: Uuid) -> Option<&Token> {
        get(&self.tokens, &id, |t| t.id)
    }

    /// Makes changes that were committed, in their order: what follows is what [`super::Store::load`] would say, but
    /// for the generation. It costs what changed and not what there is.
    pub fn apply(&mut self, changes: &[Change]) {
        changes.iter().for_each(|change| self.apply_one(change));
    }

    fn apply_one(&mut self, change: &Change) {
        match change {
            Change::Account(new) => {
                self.used.accounts = self.used.accounts.max(new.id.0.saturating_add(1));
                put(&mut self.accounts, new, |a| a.id);
            }
            Change::AccountRemoved(id) => {
                remove(&mut self.accounts, id, |a| a.id);
                self.tokens.retain(|token| token.account != Some(*id));
                let of_it = self.zones.iter().filter(|z| z.account == *id);
                let zones: Vec<_> = of_it.map(|z| z.id).collect();
                zones.into_iter().for_each(|zone| self.apply_one(&Change::ZoneRemoved(zone)));
            }
            Change::Zone(new) => {
                self.used.zones = self.used.zones.max(new.id.0.saturating_add(1));
                put(&mut self.zones, new, |z| z.id);
            }
            Change::ZoneRemoved(id) => {
                remove(&mut self.zones, id, |z| z.id);
                remove(&mut self.fallbacks, id, |f| f.zone);
                remove(&mut self.holds, id, |h| h.owner.zone);
            }
            Change::Fallback(new) => put(&mut self.fallbacks, new, |f| f.zone),
            Change::FallbackRemoved(zone) => remove(&mut self.fallbacks, zone, |f| f.zone),
            Change::Hold(new) => put(&mut self.holds, new, |h| h.owner.zone),
            Change::HoldRemoved(zone) => remove(&mut self.holds, zone, |h| h.owner.zone),
            Change::Token(new) => put(&mut self.tokens, new, |t| t.id),
            Change::TokenRemoved(id) => remove(&mut self.tokens, id, |t| t.id),
            Change::Hostname(_)
            | Change::HostnameRemoved(_)
            | Change::Withdrawn { .. }
            | Change::ForgetWithdrawn(_)
            | Change::Content(_)
            | Change::Record { .. }
            | Change::RecordRemoved { .. }
            | Change::Claim(_)
            | Change::Tombstone(_)
            | Change::TombstoneRemoved(_)
            | Change::Audit(_) => {}
        }
    }
}

fn get<'t, T, K: Ord>(list: &'t [T], wanted: &K, key: impl Fn(&T) -> K) -> Option<&'t T> {
    list.binary_search_by_key(wanted, key).ok().map(|at| &list[at])
}

/// Puts `new` into a list in the order of its keys.
fn put<T: Clone, K: Ord>(list: &mut Vec<T>, new: &T, key: impl Fn(&T) -> K) {
    match list.binary_search_by_key(&key(new), &key) {
        Ok(at) => list[at] = new.clone(),
        Err(at) => list.insert(at, new.clone()),
    }
}

fn remove<T, K: Ord>(list: &mut Vec<T>, wanted: &K, key: impl Fn(&T) -> K) {
    if let Ok(at) = list.binary_search_by_key(wanted, key) {
        list.remove(at);
    }
}
