//! What an operator can ask about custom hostnames, and the objects that come back: those of the API.

use std::sync::mpsc::Receiver;

use serde_json::{Value, json};

use super::{Now, World};
use crate::base::id::ZoneId;
use crate::base::name::Name;
use crate::base::uuid::Uuid;
use crate::control::command::HostnameRequest;
use crate::control::look;
use crate::control::looks::Look;
use crate::control::registrar::{Done, RequestError};
use crate::hostname::advice::{self, Advice, Situation};
use crate::hostname::lifecycle::{Event, Trigger};
use crate::hostname::object::{CustomHostname, Hostname, Status};
use crate::hostname::shown;
use crate::store::state::{AuditFilter, Store};

/// Hostnames in one answer.
const MOST: usize = 10_000;
/// Who asks over the control socket.
const OPERATOR: &str = "operator";

impl World {
    /// Answers a request of the command line with JSON, or with a sentence that says what is wrong.
    pub fn hostname(&mut self, request: &HostnameRequest, now: Now) -> Result<Value, String> {
        match request {
            HostnameRequest::Create { hostname, zone } => {
                self.create_shown(hostname, zone, OPERATOR, now)
            }
            HostnameRequest::List { zone } => self.list(zone.as_deref()),
            HostnameRequest::Show { hostname, zone } => {
                let found = self.find(hostname, zone.as_deref())?;
                Ok(self.object(&found))
            }
            HostnameRequest::Verify { hostname, zone } => {
                let found = self.find(hostname, zone.as_deref())?;
                self.check_all(&[found.id], Trigger::Extra, now);
                let verified = self.custom_hostname(found.id)?;
                let verified = verified.ok_or_else(|| "it is gone already".to_owned())?;
                Ok(self.object(&verified))
            }
            HostnameRequest::Refresh { hostname, zone } => {
                let found = self.find(hostname, zone.as_deref())?;
                let refreshed = self.refresh_hostname(found.id, OPERATOR, now)?;
                Ok(self.object(&refreshed))
            }
            HostnameRequest::Delete { hostname, zone } => {
                let found = self.find(hostname, zone.as_deref())?;
                self.delete_hostname(found.id, OPERATOR, now)?;
                Ok(json!({ "id": found.id.to_string() }))
            }
            HostnameRequest::Audit { most } => self.audit(*most),
        }
    }

    /// Makes a custom hostname in the zone of that name, as people ask for it and are shown it.
    pub fn create_shown(
        &mut self,
        hostname: &str,
        zone: &str,
        actor: &str,
        now: Now,
    ) -> Result<Value, String> {
        let apex = self.zone_here(zone)?;
        let created = self.create_hostname(&apex, hostname, actor, now)?;
        Ok(self.object(&created))
    }

    /// Whether a name is held by this very zone: another account's zone of the same name is another one.
    pub fn is_held_by(&self, apex: &Name, zone: ZoneId) -> bool {
        self.ownership.zone(apex.as_wire()).is_some_and(|held| held.id == zone)
    }

    fn zone_here(&self, zone: &str) -> Result<Name, String> {
        let apex = zone_name(zone)?;
        let held = self.ownership.zone(apex.as_wire());
        held.map(|_| apex.clone()).ok_or_else(|| format!("no zone {apex} is served here"))
    }

    /// Whether [`World::create_hostname`] would make one; nothing is stored of it.
    pub fn judge_hostname(
        &mut self,
        hostname: &str,
        apex: &Name,
        now: Now,
    ) -> Result<Value, RequestError> {
        let zone = self.enter_zone(apex, now)?;
        let mut judged = None;
        self.with_registrar(now, OPERATOR, |r, cx| {
            judged = Some(r.judge(cx, zone, hostname)?);
            Ok(Done::default())
        })?;
        let hostname = judged.map(|hostname| hostname.to_string());
        Ok(json!({ "hostname": hostname, "status": Status::Pending.word(), "dry_run": true }))
    }

    /// A provider asks for a hostname. What the zones here show of it is judged before this returns.
    pub fn create_hostname(
        &mut self,
        apex: &Name,
        text: &str,
        actor: &str,
        now: Now,
    ) -> Result<CustomHostname, RequestError> {
        let zone = self.enter_zone(apex, now)?;
        let mut octets = [0; 16];
        getrandom::fill(&mut octets).expect("the system gave random octets at the start");
        let id = Uuid::from_random(octets);
        let done = self.with_registrar(now, actor, |r, cx| r.create(cx, id, zone, text))?;
        self.check_all(&done.check, Trigger::Extra, now);
        self.custom_hostname(id)?.ok_or(RequestError::Unknown)
    }

    /// PATCH without a change: it is checked again, and its schedule starts anew.
    pub fn refresh_hostname(
        &mut self,
        id: Uuid,
        actor: &str,
        now: Now,
    ) -> Result<CustomHostname, RequestError> {
        let done = self.with_registrar(now, actor, |r, cx| r.refresh(cx, id))?;
        self.check_all(&done.check, Trigger::Extra, now);
        self.deployed(id, actor, now)
    }

    /// PATCH with a change that does not touch the proof.
    pub fn edit_hostname(
        &mut self,
        id: Uuid,
        actor: &str,
        now: Now,
    ) -> Result<CustomHostname, RequestError> {
        self.with_registrar(now, actor, |r, cx| r.step(cx, id, Event::Edited))?;
        self.deployed(id, actor, now)
    }

    /// A change is in the snapshot that is published before it is answered.
    fn deployed(
        &mut self,
        id: Uuid,
        actor: &str,
        now: Now,
    ) -> Result<CustomHostname, RequestError> {
        self.with_registrar(now, actor, |r, cx| r.step(cx, id, Event::Deployed))?;
        self.custom_hostname(id)?.ok_or(RequestError::Unknown)
    }

    /// DELETE: what it granted is revoked with the snapshot that is published before this is answered.
    pub fn delete_hostname(&mut self, id: Uuid, actor: &str, now: Now) -> Result<(), RequestError> {
        self.with_registrar(now, actor, |r, cx| r.delete(cx, id)).map(|_| ())
    }

    /// One custom hostname.
    pub fn custom_hostname(&mut self, id: Uuid) -> Result<Option<CustomHostname>, RequestError> {
        Ok(self.custom.usable()?.store().hostname(id)?)
    }

    /// Custom hostnames of a zone in the order of their creation, at most `most` behind `after`.
    pub fn hostnames_of(
        &mut self,
        zone: ZoneId,
        after: Option<Uuid>,
        most: usize,
    ) -> Result<Vec<CustomHostname>, RequestError> {
        Ok(self.custom.usable()?.store().hostnames_of(zone, after, most)?)
    }

    /// Where the checks come out that have to be made outside.
    pub fn connect_looks(&mut self) -> Receiver<Look> {
        self.custom.looks.connect()
    }

    /// The hostname meant, by its id or its name.
    fn find(&mut self, text: &str, zone: Option<&str>) -> Result<CustomHostname, String> {
        let zone = zone.map(|zone| self.zone_id(zone)).transpose()?;
        let store = self.custom.usable()?.store();
        if let Ok(id) = text.parse::<Uuid>() {
            let found = store.hostname(id).map_err(|f| f.to_string())?;
            return found.ok_or_else(|| format!("no custom hostname has the id {id}"));
        }
        let name = Name::from_text(text).map_err(|e| format!("`{text}` is no hostname: {e}"))?;
        let mut found = store.hostnames_named(&Hostname::of(&name)).map_err(|f| f.to_string())?;
        found.retain(|h| zone.is_none_or(|zone| h.provider.zone == zone));
        match found.len() {
            0 => Err(format!("there is no custom hostname {name}")),
            1 => Ok(found.remove(0)),
            n => Err(format!("{n} zones have the custom hostname {name}: say which with --zone")),
        }
    }

    fn zone_id(&self, zone: &str) -> Result<ZoneId, String> {
        let apex = zone_name(zone)?;
        let held = self.ownership.zone(apex.as_wire());
        held.map(|held| held.id).ok_or_else(|| format!("no zone {apex} is served here"))
    }

    fn list(&mut self, zone: Option<&str>) -> Result<Value, String> {
        let only = zone.map(|zone| self.zone_id(zone)).transpose()?;
        let store = self.custom.usable()?.store();
        let found = match only {
            Some(zone) => store.hostnames_of(zone, None, MOST),
            None => store.hostnames_within(&Name::root(), None, MOST),
        };
        let found = found.map_err(|f| f.to_string())?;
        let mut objects: Vec<Value> = found.iter().map(|h| self.object(h)).collect();
        for grant in &self.settings.grants {
            let held = self.ownership.zone(grant.zone.as_wire());
            let wanted = held.is_some_and(|held| only.is_none_or(|zone| zone == held.id));
            if wanted {
                objects.push(json!({
                    "hostname": grant.hostname.to_string(),
                    "zone": grant.zone.to_string(),
                    "status": Status::Active.word(),
                    "asserted_by_operator": true,
                }));
            }
        }
        Ok(Value::Array(objects))
    }

    fn audit(&mut self, most: usize) -> Result<Value, String> {
        let filter = AuditFilter { most: most.min(MOST), ..AuditFilter::default() };
        let entries = self.custom.usable()?.store().audit(&filter).map_err(|f| f.to_string())?;
        let entries = entries.into_iter().map(|(number, e)| {
            json!({
                "id": number, "at": e.at.to_string(), "actor": e.actor, "action": e.action,
                "from": e.from, "to": e.to, "evidence": e.evidence,
                "hostname_id": e.hostname.map(|id| id.to_string()),
            })
        });
        Ok(entries.collect())
    }

    /// The object of the API, with what only this server shows.
    pub fn object(&self, h: &CustomHostname) -> Value {
        let places = &self.settings.hostnames.places;
        let registrar = self.custom.open.as_ref().ok().map(|open| &open.registrar);
        let zone = registrar.and_then(|r| Some(r.zones().get(h.provider.zone)?.0.clone()));
        let mut shown = shown::object(h, places);
        shown["zone"] = json!(zone.as_ref().map(Name::to_string));
        let origin = registrar.and_then(|r| r.control().fallback(h.provider.zone));
        let origin = origin.map(|fallback| &fallback.origin);
        let is_here = look::owner(self.next.snapshot(), &h.hostname.base).is_some();
        let steps = zone.as_ref().map_or(Vec::new(), |zone| {
            advice::advice(h, &Situation { zone, origin, is_here, places })
        });
        let step = |a: &Advice| {
            json!({
                "who": a.who.word(), "what": a.what, "command": a.command,
            })
        };
        shown["advice"] = steps.iter().map(step).collect();
        shown
    }
}

fn zone_name(zone: &str) -> Result<Name, String> {
    Name::from_text(zone).map_err(|e| format!("`{zone}` is no zone name: {e}"))
}
