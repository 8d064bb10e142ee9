//! Zones of which something is stored, by id and by name; what one step changes costs what it changes.

use std::collections::HashMap;

use crate::base::id::{AccountId, ZoneId};
use crate::base::name::Name;
use crate::store::state::Control;
use crate::store::state::change::Change;

/// See the head of the file.
#[derive(Clone, Debug, Default)]
pub struct Zones {
    /// With the account that each belonged to when it was entered.
    by_id: HashMap<ZoneId, (Name, AccountId)>,
    /// Several accounts may have claimed one name.
    by_apex: HashMap<Name, Vec<ZoneId>>,
}

impl Zones {
    /// All that are stored.
    pub fn of(control: &Control) -> Zones {
        let mut zones = Zones::default();
        zones.by_id.reserve(control.zones.len());
        zones.by_apex.reserve(control.zones.len());
        control.zones.iter().for_each(|z| zones.put(z.id, &z.apex, z.account));
        zones
    }

    /// The apex and the account of a zone.
    pub fn get(&self, id: ZoneId) -> Option<&(Name, AccountId)> {
        self.by_id.get(&id)
    }

    /// The zones of an apex.
    pub fn at(&self, apex: &Name) -> &[ZoneId] {
        self.by_apex.get(apex).map_or(&[], Vec::as_slice)
    }

    pub fn iter(&self) -> impl Iterator<Item = (ZoneId, &(Name, AccountId))> {
        self.by_id.iter().map(|(id, zone)| (*id, zone))
    }

    /// Zones at a name and above it, the deepest first.
    pub fn above(&self, name: &Name) -> impl Iterator<Item = (ZoneId, &Name)> {
        let names = std::iter::successors(Some(name.clone()), Name::parent);
        names.filter_map(|name| self.by_apex.get_key_value(&name)).flat_map(|(apex, ids)| {
            let with_name = move |id: &ZoneId| (*id, apex);
            ids.iter().map(with_name)
        })
    }

    fn put(&mut self, id: ZoneId, apex: &Name, account: AccountId) {
        if self.by_id.insert(id, (apex.clone(), account)).is_none() {
            self.by_apex.entry(apex.clone()).or_default().push(id);
        }
    }

    fn remove(&mut self, id: ZoneId) {
        let Some((apex, _)) = self.by_id.remove(&id) else { return };
        if let Some(ids) = self.by_apex.get_mut(&apex) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_apex.remove(&apex);
            }
        }
    }

    /// Follows a change that was committed.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Zone(zone) => self.put(zone.id, &zone.apex, zone.account),
            Change::ZoneRemoved(id) => self.remove(*id),
            Change::AccountRemoved(account) => {
                let of_it = self.by_id.iter().filter(|(_, (_, of))| of == account);
                let ids: Vec<ZoneId> = of_it.map(|(id, _)| *id).collect();
                ids.into_iter().for_each(|id| self.remove(id));
            }
            _ => {}
        }
    }
}

/// Whether a change makes or removes zones.
pub fn is_about_zones(change: &Change) -> bool {
    matches!(change, Change::Zone(_) | Change::ZoneRemoved(_) | Change::AccountRemoved(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::UnixTime;
    use crate::store::state::change::Zone;

    #[test]
    fn follows_what_is_committed() {
        let name = |text: &str| Name::from_text(text).unwrap();
        let zone = |id: u32, account: u32, apex: &str| {
            let (created_at, settings) = (UnixTime(0), "{}".to_owned());
            let (id, account) = (ZoneId(id), AccountId(account));
            Change::Zone(Zone { id, apex: name(apex), account, created_at, settings })
        };
        let mut zones = Zones::default();
        for change in [
            zone(1, 1, "a.example"),
            zone(2, 2, "a.example"),
            zone(3, 2, "b.a.example"),
            zone(1, 1, "a.example"),
        ] {
            zones.apply(&change);
        }
        assert_eq!(zones.at(&name("a.example")), [ZoneId(1), ZoneId(2)]);
        let above: Vec<u32> = zones.above(&name("x.b.a.example")).map(|(id, _)| id.0).collect();
        assert_eq!(above, [3, 1, 2]);
        zones.apply(&Change::ZoneRemoved(ZoneId(1)));
        assert_eq!(zones.at(&name("a.example")), [ZoneId(2)]);
        zones.apply(&Change::AccountRemoved(AccountId(2)));
        assert!(zones.iter().next().is_none() && zones.at(&name("a.example")).is_empty());
    }
}
