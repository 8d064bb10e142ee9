//! Custom hostnames in the world: what the database says of them becomes grants, and what happens to zones becomes
//! steps of theirs.
//!
//! A database that cannot be used grants nothing and stops nothing else: zones are served, and whoever wants a
//! change is told why not.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use tracing::{error, info, warn};

use super::{Now, World};
use crate::base::id::{AccountId, ZoneId};
use crate::base::name::Name;
use crate::base::uuid::Uuid;
use crate::config::settings::Settings;
use crate::control::look;
use crate::control::registrar::{self, Check, Context, Done, Registrar, RequestError};
use crate::control::suffixes::Suffixes;
use crate::hostname::grants::{Row, World as _};
use crate::hostname::lifecycle::Trigger;
use crate::hostname::object::{Hostname, Owner, Status};
use crate::hostname::proof::{Places, Tokens};
use crate::hostname::seen::{Lookup, Page, Seen};
use crate::hostname::{create, fallback};
use crate::model::grant::{Grant, GrantState};
use crate::model::prefix::Prefixes;
use crate::model::snapshot::Snapshot;
use crate::store::grants::GrantKey;
use crate::store::ownership::Ownership;
use crate::store::state::change::{Account, Change, Zone};
use crate::store::state::sqlite::Sqlite;
use crate::store::state::{Control, Failure, Store};

/// Hostnames looked at in one step without being asked.
const DUE: usize = 200;

/// The database, or why it cannot be used.
#[derive(Debug)]
pub struct Custom {
    open: Result<Open, String>,
    pub(super) places: Places,
}

#[derive(Debug)]
pub(super) struct Open {
    /// Never locked: zones are read by many threads that all hold the world, and only its owner changes it.
    store: Mutex<Sqlite>,
    registrar: Registrar,
}

impl Open {
    pub fn store(&mut self) -> &mut Sqlite {
        self.store.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is few enough for memory.
    pub fn control(&self) -> &Control {
        self.registrar.control()
    }
}

impl Custom {
    /// Opens the database at `path`, and makes it if it is not there.
    pub fn open(path: &Path) -> Custom {
        let opened = Sqlite::open(path).and_then(|mut store| {
            let registrar = Registrar::open(&mut store)?;
            Ok(Open { store: Mutex::new(store), registrar })
        });
        if let Err(failure) = &opened {
            error!(event = "database-unusable", path = %path.display(), %failure,
                "no custom hostname grants anything: {failure}; zones are served");
        }
        Custom { open: opened.map_err(|f| f.to_string()), places: Places::default() }
    }

    /// What is kept in memory of the database is read anew.
    pub(super) fn read_again(&mut self) {
        let Ok(open) = &mut self.open else { return };
        let store = open.store.get_mut().unwrap_or_else(PoisonError::into_inner);
        match Registrar::open(store) {
            Ok(registrar) => open.registrar = registrar,
            Err(failure) => self.open = Err(failure.to_string()),
        }
    }

    /// Whether accounts, tokens and the like changed since this was last asked.
    pub(super) fn take_news(&mut self) -> bool {
        self.open.as_mut().is_ok_and(|open| open.registrar.take_news())
    }

    pub(super) fn is_usable(&self) -> bool {
        self.open.is_ok()
    }

    pub(super) fn usable(&mut self) -> Result<&mut Open, String> {
        self.open.as_mut().map_err(|why| why.clone())
    }
}

/// The world as the registrar sees it.
pub(super) struct View<'w> {
    snapshot: &'w Snapshot,
    suffixes: &'w Suffixes,
    settings: &'w Settings,
    ownership: &'w Ownership,
    /// Zones of the database that are the zones that exist.
    holders: HashMap<ZoneId, (Name, AccountId)>,
    prefixes: Prefixes,
}

impl crate::hostname::grants::World for View<'_> {
    fn holder(&self, zone: ZoneId) -> Option<AccountId> {
        self.holders.get(&zone).map(|(_, account)| *account)
    }

    fn owner(&self, name: &Name) -> Option<Owner> {
        look::owner(self.snapshot, name)
    }
}

impl create::World for View<'_> {
    fn is_here(&self, name: &Name) -> bool {
        self.owner(name).is_some()
    }

    fn is_public_suffix(&self, name: &Name) -> bool {
        self.suffixes.contains(name.as_wire())
    }
}

impl registrar::World for View<'_> {
    fn apex(&self, zone: ZoneId) -> Option<Name> {
        self.holders.get(&zone).map(|(apex, _)| apex.clone())
    }

    fn asserted_elsewhere(&self, hostname: &Hostname, zone: ZoneId) -> bool {
        let asserted = self.settings.grants.iter();
        let mut same = asserted.filter(|g| Hostname::of(&g.hostname) == *hostname);
        same.any(|g| self.ownership.zone(g.zone.as_wire()).is_some_and(|held| held.id != zone))
    }

    fn partial(&self, _: ZoneId) -> Option<Name> {
        None
    }

    fn apex_proxying(&self, _: AccountId) -> bool {
        false
    }

    fn prefixes(&self) -> &Prefixes {
        &self.prefixes
    }

    fn is_abuse(&self, _: &Hostname) -> bool {
        false
    }
}

/// New tokens.
fn tokens() -> Tokens {
    let mut octets = [0; 32];
    getrandom::fill(&mut octets).expect("the system gave random octets at the start");
    Tokens::from_random(octets)
}

impl World {
    /// Makes the database fit the zones that exist, after a start.
    pub(super) fn reconcile(&mut self, now: Now) {
        let World { custom, ownership, stored, .. } = self;
        let Ok(open) = custom.usable() else { return };
        let control = open.registrar.control();
        ownership.reserve(control.used.accounts, control.used.zones);
        let stands = |zone: &&Zone| {
            let held = ownership.zone(zone.apex.as_wire());
            held.is_some_and(|h| h.id == zone.id && h.account == zone.account)
        };
        let accounts: HashSet<AccountId> = ownership.accounts().map(|(_, id)| id).collect();
        let gone = control.zones.iter().filter(|z| !stands(z) && stored.zone(z.id).is_none());
        let zones = gone.map(|z| Change::ZoneRemoved(z.id));
        let gone = control.accounts.iter().filter(|a| !accounts.contains(&a.id));
        let changes: Vec<Change> =
            zones.chain(gone.map(|a| Change::AccountRemoved(a.id))).collect();
        if changes.is_empty() {
            return;
        }
        let removed = self.with_registrar(now, "start", |registrar, cx| {
            registrar.commit(cx, &changes)?;
            Ok(Done::default())
        });
        if let Err(error) = removed {
            warn!(event = "database-behind", "zones that are gone stay in the database: {error}");
        }
    }

    /// Does something with the registrar, and puts what follows for grants into the next snapshot.
    pub(super) fn with_registrar(
        &mut self,
        now: Now,
        actor: &str,
        job: impl FnOnce(&mut Registrar, &mut Context<'_>) -> Result<Done, RequestError>,
    ) -> Result<Done, String> {
        let World { custom, next, suffixes, settings, ownership, .. } = self;
        let open = custom.usable()?;
        let holders = holders(&open.registrar, ownership);
        let prefixes = Prefixes::default();
        let snapshot = next.snapshot();
        let view = View { snapshot, suffixes, settings, ownership, holders, prefixes };
        let mut tokens = tokens;
        let Open { store, registrar } = open;
        let mut context = Context {
            store: store.get_mut().unwrap_or_else(PoisonError::into_inner),
            world: &view,
            tokens: &mut tokens,
            now: now.unix,
            actor,
        };
        let done = job(registrar, &mut context);
        match done {
            Ok(done) => {
                let regranted = self.regrant(&done.changed, now);
                regranted.map_err(|failure| failure.to_string())?;
                Ok(done)
            }
            Err(error) => {
                // Whatever was stored: what it says counts.
                self.grants_stale = true;
                Err(error.to_string())
            }
        }
    }

    /// The grants of all custom hostnames.
    pub(super) fn custom_grants(&mut self) -> Vec<(u64, Grant)> {
        let World { custom, next, suffixes, settings, ownership, keys, .. } = self;
        let Ok(open) = custom.usable() else { return Vec::new() };
        let holders = holders(&open.registrar, ownership);
        let prefixes = Prefixes::default();
        let snapshot = next.snapshot();
        let view = View { snapshot, suffixes, settings, ownership, holders, prefixes };
        let mut grants = Vec::new();
        let read = open.store().grant_rows(&mut |row| {
            let grant = row.grant(&view);
            grants.extend(grant.map(|g| (keys.names.name(g.hostname.as_wire()), g)));
        });
        match read {
            Ok(()) => grants,
            Err(failure) => {
                error!(event = "database-unusable", %failure,
                    "no custom hostname grants anything: {failure}");
                custom.open = Err(failure.to_string());
                Vec::new()
            }
        }
    }

    /// Derives the grants of some hostnames anew.
    fn regrant(&mut self, changed: &[(Hostname, ZoneId)], now: Now) -> Result<(), Failure> {
        let World { custom, next, suffixes, settings, ownership, keys, .. } = self;
        let Ok(open) = custom.usable() else { return Ok(()) };
        let holders = holders(&open.registrar, ownership);
        let prefixes = Prefixes::default();
        let snapshot = next.snapshot().clone();
        let snapshot = &snapshot;
        let view = View { snapshot, suffixes, settings, ownership, holders, prefixes };
        for (hostname, zone) in changed {
            let asserted = settings.grants.iter().any(|g| {
                Hostname::of(&g.hostname) == *hostname
                    && ownership.zone(g.zone.as_wire()).is_some_and(|held| held.id == *zone)
            });
            if asserted {
                continue;
            }
            let named = open.store().hostnames_named(hostname)?;
            let of_zone = named.iter().find(|h| h.provider.zone == *zone);
            let grant = of_zone.and_then(Row::of).and_then(|row| row.grant(&view));
            let hash = keys.names.name(hostname.base.as_wire());
            let table = &mut next.change().grants;
            let old = table.find(hash, hostname.base.as_wire(), hostname.wildcard, *zone);
            match (grant, old) {
                (Some(grant), _) => table.put(hash, &grant),
                (None, Some(GrantState::Active)) => {
                    let state = GrantState::Withdrawn(now.unix);
                    let Hostname { base, wildcard } = hostname.clone();
                    table.put(hash, &Grant { hostname: base, wildcard, zone: *zone, state });
                }
                (None, Some(GrantState::Blocked)) => {
                    table.remove(hash, &hostname.base, hostname.wildcard, *zone);
                }
                (None, _) => {}
            }
        }
        Ok(())
    }

    /// What happened to zones since the last snapshot happens to custom hostnames too.
    pub(super) fn take_in_zone_changes(&mut self, now: Now) {
        let touched = self.next.take_touched();
        if touched.is_empty() || self.custom.open.is_err() {
            return;
        }
        self.remove_gone_zones(&touched, now);
        self.sync_fallbacks(now);
        for apex in touched {
            let done = self.with_registrar(now, "zone change", |r, cx| r.names_changed(cx, &apex));
            match done {
                Ok(done) => self.check_all(&done.check, Trigger::Extra, now),
                Err(error) => warn!(event = "hostnames-not-updated", zone = %apex, "{error}"),
            }
        }
    }

    fn remove_gone_zones(&mut self, touched: &BTreeSet<Name>, now: Now) {
        let World { custom, ownership, stored, .. } = self;
        let Ok(open) = custom.usable() else { return };
        let zones = open.registrar.control().zones.iter();
        let touched =
            zones.filter(|z| touched.iter().any(|apex| z.apex == *apex || apex.is_root()));
        let gone =
            touched.filter(|z| ownership.zone(z.apex.as_wire()).is_none_or(|held| held.id != z.id));
        // What lives in the store is there until somebody deletes it.
        let gone = gone.filter(|z| stored.zone(z.id).is_none());
        let changes: Vec<Change> = gone.map(|z| Change::ZoneRemoved(z.id)).collect();
        if changes.is_empty() {
            return;
        }
        let removed = self.with_registrar(now, "zone change", |registrar, cx| {
            registrar.commit(cx, &changes)?;
            Ok(Done::default())
        });
        if let Err(error) = removed {
            warn!(event = "database-behind", "zones that are gone stay in the database: {error}");
        }
    }

    /// Does what is due of custom hostnames.
    pub fn custom_due(&mut self, now: Now) {
        if self.custom.open.is_err() {
            return;
        }
        match self.with_registrar(now, "schedule", |registrar, cx| registrar.due(cx, DUE)) {
            Ok(done) => self.check_all(&done.check, Trigger::Schedule, now),
            Err(error) => warn!(event = "hostnames-not-checked", "{error}"),
        }
    }

    /// Looks at hostnames and takes in what is seen.
    pub(super) fn check_all(&mut self, ids: &[Uuid], trigger: Trigger, now: Now) {
        for &id in ids {
            if let Err(error) = self.check_one(id, trigger, now) {
                warn!(event = "hostname-not-checked", %id, "{error}");
                return;
            }
        }
    }

    fn check_one(&mut self, id: Uuid, trigger: Trigger, now: Now) -> Result<(), String> {
        let hostname = self.custom.usable()?.store().hostname(id).map_err(|f| f.to_string())?;
        let Some(h) = hostname else { return Ok(()) };
        let seen = look::look(self.next.snapshot(), &h.hostname, &self.custom.places);
        let seen = match (seen, trigger) {
            (Some(seen), _) => seen,
            (None, Trigger::Extra) => return Ok(()),
            (None, Trigger::Schedule) => unseen(),
        };
        let check = Check { id, revision: h.revision, trigger, seen };
        let old = h.status;
        self.with_registrar(now, "schedule", |r, cx| r.checked(cx, check))?;
        let new = self.custom.usable()?.store().hostname(id).map_err(|f| f.to_string())?;
        if let Some(new) = new.filter(|new| new.status != old) {
            info!(event = "hostname-status", hostname = %new.hostname, status = new.status.word(),
                "custom hostname {} is {}", new.hostname, new.status.word());
        }
        Ok(())
    }

    /// Makes sure that the database knows a zone and its account.
    pub(super) fn enter_zone(&mut self, apex: &Name, now: Now) -> Result<ZoneId, String> {
        let held = self.ownership.zone(apex.as_wire());
        let held = held.ok_or_else(|| format!("no zone {apex} is served here"))?;
        let name = self.account_name(held.account).to_owned();
        let control = self.custom.usable()?.registrar.control();
        let (created_at, settings) = (now.unix, "{}".to_owned());
        let mut changes = Vec::new();
        if !control.accounts.iter().any(|a| a.id == held.account) {
            let settings = settings.clone();
            changes.push(Change::Account(Account { id: held.account, name, created_at, settings }));
        }
        if !control.zones.iter().any(|z| z.id == held.id) {
            let (apex, account) = (apex.clone(), held.account);
            changes.push(Change::Zone(Zone { id: held.id, apex, account, created_at, settings }));
        }
        if !changes.is_empty() {
            self.commit_custom(&changes, now)?;
        }
        Ok(held.id)
    }

    fn commit_custom(&mut self, changes: &[Change], now: Now) -> Result<(), String> {
        let committed = self.with_registrar(now, "operator", |registrar, cx| {
            registrar.commit(cx, changes)?;
            Ok(Done::default())
        });
        committed.map(|_| ())
    }

    /// Takes the fallback origins of the settings into the database, as the zones have them now.
    pub(super) fn sync_fallbacks(&mut self, now: Now) {
        let wanted = self.settings.zones.iter();
        let wanted =
            wanted.filter_map(|(apex, z)| Some((apex.clone(), z.fallback_origin.clone()?)));
        let wanted: Vec<(Name, Name)> = wanted.collect();
        for (apex, origin) in &wanted {
            // A zone that does not exist is a warning of the config.
            if self.ownership.zone(apex.as_wire()).is_none() {
                continue;
            }
            if let Err(error) = self.sync_fallback(apex, origin, now) {
                warn!(event = "fallback-origin", zone = %apex, "{error}");
            }
        }
        let Ok(open) = self.custom.usable() else { return };
        let control = open.registrar.control();
        let name = |id| control.zones.iter().find(|z| z.id == id).map(|z| &z.apex);
        let gone = control.fallbacks.iter().filter(|f| {
            name(f.zone).is_none_or(|apex| !wanted.iter().any(|(zone, _)| zone == apex))
        });
        let gone: Vec<Change> = gone.map(|f| Change::FallbackRemoved(f.zone)).collect();
        if !gone.is_empty()
            && let Err(error) = self.commit_custom(&gone, now)
        {
            warn!(event = "fallback-origin", "{error}");
        }
    }

    fn sync_fallback(&mut self, apex: &Name, origin: &Name, now: Now) -> Result<(), String> {
        let zone = self.enter_zone(apex, now)?;
        let found = match look::resolves(self.next.snapshot(), origin) {
            (false, _) => fallback::Found::NoRecord,
            (true, Some(true)) => fallback::Found::Resolves,
            (true, Some(false)) => fallback::Found::Record,
            (true, None) => fallback::Found::NoAnswer,
        };
        let control = self.custom.usable()?.registrar.control();
        let old = control.fallbacks.iter().find(|f| f.zone == zone).cloned();
        let set = fallback::Event::Set(origin.clone());
        let mut new = match &old {
            Some(old) => fallback::step(old, &set, now.unix),
            None => Some(fallback::create(zone, origin.clone(), now.unix)),
        };
        for event in [fallback::Event::Checked(found), fallback::Event::Time] {
            new = new.and_then(|f| fallback::step(&f, &event, now.unix));
        }
        let Some(new) = new.filter(|new| old.as_ref() != Some(new)) else { return Ok(()) };
        let is_active = new.status == fallback::Status::Active;
        self.commit_custom(&[Change::Fallback(new)], now)?;
        if is_active {
            self.check_pending(zone, now)?;
        }
        Ok(())
    }

    /// What hostnames of the zone waited for may be there now.
    fn check_pending(&mut self, zone: ZoneId, now: Now) -> Result<(), String> {
        let open = self.custom.usable()?;
        let some = open.store().hostnames_of(zone, None, DUE).map_err(|f| f.to_string())?;
        let pending = some.iter().filter(|h| h.status == Status::Pending);
        let ids: Vec<Uuid> = pending.map(|h| h.id).collect();
        self.check_all(&ids, Trigger::Extra, now);
        Ok(())
    }

    /// Which grants the operator asserts, by hostname and zone.
    pub(super) fn without_asserted(
        grants: Vec<(u64, Grant)>,
        asserted: &HashSet<GrantKey>,
    ) -> Vec<(u64, Grant)> {
        let is_asserted = |grant: &Grant| {
            let hostname =
                Hostname { base: grant.hostname.clone(), wildcard: grant.wildcard }.name();
            hostname
                .is_some_and(|hostname| asserted.contains(&GrantKey { hostname, zone: grant.zone }))
        };
        grants.into_iter().filter(|(_, grant)| !is_asserted(grant)).collect()
    }
}

/// The zones of the database that are the zones that exist.
fn holders(registrar: &Registrar, ownership: &Ownership) -> HashMap<ZoneId, (Name, AccountId)> {
    let zones = registrar.control().zones.iter();
    let there = zones.filter(|z| {
        let held = ownership.zone(z.apex.as_wire());
        held.is_some_and(|held| held.id == z.id && held.account == z.account)
    });
    there.map(|z| (z.id, (z.apex.clone(), z.account))).collect()
}

/// A check of a hostname outside, which this version cannot look up.
fn unseen() -> Seen {
    fn no_answer<T>() -> Lookup<T> {
        Lookup::NoAnswer("it lies outside this server".to_owned())
    }
    Seen {
        owner: None,
        chain: no_answer(),
        v4: no_answer(),
        v6: no_answer(),
        texts: no_answer(),
        page: Page::NotAsked,
    }
}
