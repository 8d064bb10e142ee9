//! What a commit changes about [`Control`], for whoever keeps one in memory.

use super::Control;
use super::change::Change;

impl Control {
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
