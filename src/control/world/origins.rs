//! Fallback origins and zone holds in the world: set by the config or on request, checked in the zones here, and
//! outside where they lead there.

use std::collections::BTreeSet;

use tracing::warn;

use super::{Now, World};
use crate::base::id::ZoneId;
use crate::base::name::Name;
use crate::base::time::UnixTime;
use crate::base::uuid::Uuid;
use crate::control::look;
use crate::control::registrar::RequestError;
use crate::hostname::fallback::{self, FallbackOrigin, Found};
use crate::hostname::hold::{self, Hold};
use crate::hostname::lifecycle::Trigger;
use crate::hostname::object::{Owner, Status};
use crate::model::hold::{Holds, ZoneHold};
use crate::store::state::Store;
use crate::store::state::change::{AuditEntry, Change};

/// Seconds between two looks outside at a fallback origin that is not active.
const AGAIN: u64 = 60;
/// The same for one that is active, where they are many.
const AGAIN_ACTIVE: u64 = 300;
/// Up to so many are all looked at whenever a zone changes.
const FEW: usize = 256;
/// Hostnames looked at when their fallback origin became active; the others are when they are due.
const PENDING: usize = 200;
/// Who asserts what the config says.
const CONFIG: &str = "config";

impl World {
    /// The fallback origin of a zone.
    pub fn fallback_origin(
        &mut self,
        zone: ZoneId,
    ) -> Result<Option<FallbackOrigin>, RequestError> {
        let control = self.custom.usable()?.registrar.control();
        Ok(control.fallback(zone).cloned())
    }

    /// Sets the fallback origin of a zone, and looks whether it is there.
    pub fn set_fallback_origin(
        &mut self,
        apex: &Name,
        origin: Name,
        actor: &str,
        now: Now,
    ) -> Result<FallbackOrigin, RequestError> {
        if self.settings.zones.get(apex).is_some_and(|z| z.fallback_origin.is_some()) {
            return Err(RequestError::InConfig("zones.NAME.fallback_origin"));
        }
        if !origin.is_within(apex) {
            return Err(RequestError::NotInZone);
        }
        let zone = self.place_fallback(apex, origin, actor, now)?;
        self.fallback_origin(zone)?.ok_or(RequestError::Unknown)
    }

    /// Takes the fallback origin of a zone away. Hostnames that are active stay so; no other becomes active.
    pub fn remove_fallback_origin(
        &mut self,
        zone: ZoneId,
        actor: &str,
        now: Now,
    ) -> Result<FallbackOrigin, RequestError> {
        let old = self.fallback_origin(zone)?.ok_or(RequestError::Unknown)?;
        if old.asserted {
            return Err(RequestError::InConfig("zones.NAME.fallback_origin"));
        }
        let entry = self.origin_entry(zone, "fallback.removed", (Some(&old), None), actor, now);
        self.commit_custom(&[Change::FallbackRemoved(zone), entry], actor, now)?;
        let step = fallback::step(&old, &fallback::Event::Delete, now.unix);
        Ok(step.unwrap_or(old))
    }

    /// What the zones here, or else a look outside, say of an origin.
    fn found(&self, origin: &Name) -> Found {
        match look::resolves(self.next.snapshot(), origin) {
            (false, _) => Found::NoRecord,
            (true, Some(true)) => Found::Resolves,
            (true, Some(false)) => Found::Record,
            (true, None) => Found::NoAnswer,
        }
    }

    /// Stores a fallback origin as it is found; where that cannot be told here, somebody is asked to look.
    fn put_fallback(
        &mut self,
        zone: ZoneId,
        old: Option<FallbackOrigin>,
        new: Option<FallbackOrigin>,
        actor: &str,
        now: Now,
    ) -> Result<(), RequestError> {
        let Some(mut new) = new else { return Ok(()) };
        let found = self.found(&new.origin);
        // It has a record: so much is known.
        let known = if found == Found::NoAnswer { Found::Record } else { found };
        for event in [fallback::Event::Checked(known), fallback::Event::Time] {
            match fallback::step(&new, &event, now.unix) {
                Some(next) => new = next,
                None => return Ok(()),
            }
        }
        if found == Found::NoAnswer && new.status != fallback::Status::Active {
            self.custom.looks.begin_origin(zone, new.origin.clone());
        }
        self.store_fallback(old, new, actor, now)
    }

    fn store_fallback(
        &mut self,
        old: Option<FallbackOrigin>,
        new: FallbackOrigin,
        actor: &str,
        now: Now,
    ) -> Result<(), RequestError> {
        if old.as_ref() == Some(&new) {
            return Ok(());
        }
        let action = match &old {
            Some(old) if old.origin == new.origin => "fallback.status",
            _ => "fallback.set",
        };
        let entry = self.origin_entry(new.zone, action, (old.as_ref(), Some(&new)), actor, now);
        let is_active = |f: &FallbackOrigin| f.status == fallback::Status::Active;
        let became = is_active(&new) && !old.as_ref().is_some_and(is_active);
        let zone = new.zone;
        self.commit_custom(&[Change::Fallback(new), entry], actor, now)?;
        if became {
            self.check_pending(zone, now)?;
        }
        Ok(())
    }

    /// What hostnames of the zone waited for may be there now.
    fn check_pending(&mut self, zone: ZoneId, now: Now) -> Result<(), RequestError> {
        let some = self.custom.usable()?.store().hostnames_of(zone, None, PENDING)?;
        let pending = some.iter().filter(|h| h.status == Status::Pending);
        let ids: Vec<Uuid> = pending.map(|h| h.id).collect();
        self.check_all(&ids, Trigger::Extra, now);
        Ok(())
    }

    /// A look outside has come back.
    pub fn origin_seen(&mut self, zone: ZoneId, origin: &Name, found: Found, now: Now) {
        let Ok(Some(old)) = self.fallback_origin(zone) else { return };
        if old.origin != *origin || self.found(origin) != Found::NoAnswer {
            return;
        }
        let new = fallback::step(&old, &fallback::Event::Checked(found), now.unix);
        let Some(new) = new else { return };
        if let Err(error) = self.store_fallback(Some(old), new, "schedule", now) {
            warn!(event = "fallback-origin", "{error}");
        }
    }

    /// Takes the fallback origins of the settings into the database, and looks at them as the zones are now: at all of
    /// them, or after changes of single zones at those of these zones, and at all others only if they are few. Of many
    /// it is not worth it for each record: each has its turn ([`World::origins_due`]).
    pub(super) fn sync_fallbacks(&mut self, touched: Option<&BTreeSet<Name>>, now: Now) {
        let known = self.custom.seen().map_or(0, |control| control.fallbacks.len());
        let touched = touched.filter(|t| known > FEW && !t.first().is_some_and(Name::is_root));
        let is_meant = |apex: &Name| touched.is_none_or(|touched| touched.contains(apex));
        let wanted = self.settings.zones.iter().filter(|(apex, _)| is_meant(apex));
        let wanted = wanted
            .filter_map(|(apex, z)| Some((apex.clone(), z.fallback_origin.clone()?)))
            // A zone that does not exist is a warning of the config.
            .filter(|(apex, _)| self.ownership.zone(apex.as_wire()).is_some());
        let wanted: Vec<(Name, Name)> = wanted.collect();
        let mut asserted = BTreeSet::new();
        for (apex, origin) in wanted {
            match self.place_fallback(&apex, origin, CONFIG, now) {
                Ok(zone) => _ = asserted.insert(zone),
                Err(error) => warn!(event = "fallback-origin", zone = %apex, "{error}"),
            }
        }
        let Ok(open) = self.custom.usable() else { return };
        let (control, zones) = (open.registrar.control(), open.registrar.zones());
        let others: Vec<FallbackOrigin> = match touched {
            None => control.fallbacks.clone(),
            Some(touched) => {
                let ids = touched.iter().flat_map(|apex| zones.at(apex));
                ids.filter_map(|id| control.fallback(*id).cloned()).collect()
            }
        };
        let others = others.into_iter().filter(|f| !asserted.contains(&f.zone));
        for old in others {
            let zone = old.zone;
            let done = match old.asserted {
                // The config says it no more.
                true => {
                    let fallbacks = (Some(&old), None);
                    let entry = self.origin_entry(zone, "fallback.removed", fallbacks, CONFIG, now);
                    self.commit_custom(&[Change::FallbackRemoved(zone), entry], CONFIG, now)
                }
                false => self.put_fallback(zone, Some(old.clone()), Some(old), "zone change", now),
            };
            if let Err(error) = done {
                warn!(event = "fallback-origin", "{error}");
            }
        }
    }

    /// Sets the fallback origin of a zone, which is looked at, whoever says so.
    fn place_fallback(
        &mut self,
        apex: &Name,
        origin: Name,
        actor: &str,
        now: Now,
    ) -> Result<ZoneId, RequestError> {
        let zone = self.enter_zone(apex, now)?;
        let old = self.fallback_origin(zone)?;
        let set = fallback::Event::Set(origin.clone());
        let new = match &old {
            Some(old) => fallback::step(old, &set, now.unix),
            None => Some(fallback::create(zone, origin, now.unix)),
        };
        let new = new.map(|new| FallbackOrigin { asserted: actor == CONFIG, ..new });
        self.put_fallback(zone, old, new, actor, now)?;
        Ok(zone)
    }

    /// Looks again at fallback origins that are not active; where there are many, at the others in turn.
    pub(super) fn origins_due(&mut self, now: Now) {
        let Ok(open) = self.custom.usable() else { return };
        let is_many = open.registrar.control().fallbacks.len() > FEW;
        let waits = |f: &&FallbackOrigin| {
            let late = fallback::next_at(f).is_some_and(|at| at <= now.unix);
            let turn = now.unix.0.wrapping_add(u64::from(f.zone.0));
            match f.status {
                fallback::Status::Active => is_many && turn.is_multiple_of(AGAIN_ACTIVE),
                _ => late || turn.is_multiple_of(AGAIN),
            }
        };
        let waiting: Vec<FallbackOrigin> =
            open.registrar.control().fallbacks.iter().filter(waits).cloned().collect();
        for old in waiting {
            let zone = old.zone;
            let done = self.put_fallback(zone, Some(old.clone()), Some(old), "schedule", now);
            if let Err(error) = done {
                warn!(event = "fallback-origin", "{error}");
            }
        }
    }

    /// The hold of a zone.
    pub fn zone_hold(&mut self, zone: ZoneId) -> Result<Option<Hold>, RequestError> {
        let control = self.custom.usable()?.registrar.control();
        Ok(control.hold(zone).copied())
    }

    /// Sets, changes or releases the hold of a zone. What it keeps from others is blocked with the next snapshot.
    pub fn change_hold(
        &mut self,
        apex: &Name,
        event: hold::Event,
        actor: &str,
        now: Now,
    ) -> Result<Option<Hold>, RequestError> {
        let zone = self.enter_zone(apex, now)?;
        let account = self.ownership.zone(apex.as_wire()).ok_or(RequestError::Unknown)?.account;
        let old = self.zone_hold(zone)?;
        let new = hold::step(old, Owner { zone, account }, event, now.unix);
        let change = match new {
            Some(hold) => Change::Hold(hold),
            None => Change::HoldRemoved(zone),
        };
        if new != old {
            let action = match (old, new) {
                (None, Some(_)) => "hold.set",
                (Some(_), Some(_)) => "hold.changed",
                _ => "hold.released",
            };
            let entry = Change::Audit(AuditEntry {
                at: now.unix,
                actor: actor.to_owned(),
                account: Some(account),
                zone: Some(zone),
                action: format!("{action} {apex}"),
                from: old.map(shown_hold),
                to: new.map(shown_hold),
                ..AuditEntry::default()
            });
            self.commit_custom(&[change, entry], actor, now)?;
            self.sync_holds();
            self.names_changed(apex, now);
        }
        Ok(new)
    }

    /// The same, if some of these zones have one: whether the others stand did not change.
    pub(super) fn sync_holds_of(&mut self, touched: &BTreeSet<Name>) {
        let Ok(open) = &self.custom.open else { return };
        let (control, zones) = (open.registrar.control(), open.registrar.zones());
        let all = touched.first().is_some_and(Name::is_root);
        let has_hold = |apex| zones.at(apex).iter().any(|id| control.hold(*id).is_some());
        if all || touched.iter().any(has_hold) {
            self.sync_holds();
        }
    }

    /// What happened to a fallback origin, for the audit log.
    fn origin_entry(
        &self,
        zone: ZoneId,
        action: &str,
        (from, to): (Option<&FallbackOrigin>, Option<&FallbackOrigin>),
        actor: &str,
        now: Now,
    ) -> Change {
        let zones = self.custom.open.as_ref().ok().map(|open| open.registrar.zones());
        let row = zones.as_ref().and_then(|zones| zones.get(zone));
        let shown = |f: &FallbackOrigin| format!("{} {}", f.origin, f.status.word());
        Change::Audit(AuditEntry {
            at: now.unix,
            actor: actor.to_owned(),
            account: row.map(|(_, account)| *account),
            zone: Some(zone),
            action: row.map_or(action.to_owned(), |(apex, _)| format!("{action} {apex}")),
            from: from.map(shown),
            to: to.map(shown),
            ..AuditEntry::default()
        })
    }

    /// Puts the holds of zones that exist, and the abuse list, into the next snapshot.
    pub(super) fn sync_holds(&mut self) {
        let holds = self.holds().unwrap_or_else(|| self.next.snapshot().holds.clone());
        let holds = holds.barring(self.settings.hostnames.blocked.clone());
        if self.next.snapshot().holds != holds {
            self.next.change().holds = holds;
        }
    }

    /// The holds of zones that exist; `None`: the database cannot say.
    fn holds(&self) -> Option<Holds> {
        let ownership = &self.ownership;
        let Ok(open) = &self.custom.open else { return None };
        let zones = open.registrar.zones();
        let stands = |hold: &&Hold| {
            let held = zones.get(hold.owner.zone).and_then(|(a, _)| ownership.zone(a.as_wire()));
            held.is_some_and(|h| h.id == hold.owner.zone && h.account == hold.owner.account)
        };
        let holds = open.registrar.control().holds.iter().filter(stands).map(|hold| {
            let from = hold.after.unwrap_or(UnixTime(0));
            (hold.owner.zone, ZoneHold { subdomains: hold.include_subdomains, from })
        });
        Some(Holds::build(holds.collect()))
    }
}

/// A hold in the audit log.
fn shown_hold(hold: Hold) -> String {
    let names = if hold.include_subdomains { "with subdomains" } else { "without subdomains" };
    match hold.after {
        Some(at) => format!("{names}, from {at} on"),
        None => names.to_owned(),
    }
}
