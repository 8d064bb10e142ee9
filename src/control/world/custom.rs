//! Custom hostnames in the world: what happens to zones becomes steps of theirs, and what they became becomes grants.
//!
//! A database that cannot be used grants nothing and stops nothing else: zones are served, and whoever wants a
//! change is told why not.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{error, warn};

use super::{Now, World};
use crate::base::id::{AccountId, ZoneId};
use crate::base::name::Name;
use crate::config::settings::Settings;
use crate::control::known::Zones;
use crate::control::look;
use crate::control::looks::Looks;
use crate::control::registrar::{self, Context, Done, News, Registrar, RequestError};
use crate::control::suffixes::Suffixes;
use crate::hostname::create;
use crate::hostname::grants::World as _;
use crate::hostname::lifecycle::Trigger;
use crate::hostname::object::{Hostname, Owner};
use crate::hostname::proof::Tokens;
use crate::model::prefix::Prefixes;
use crate::model::snapshot::Snapshot;
use crate::store::ownership::Ownership;
use crate::store::state::change::{Account, Change, Zone};
use crate::store::state::sqlite::Sqlite;
use crate::store::state::{Control, Due, Store};

/// Hostnames read at a time, when many have to be looked at.
const PAGE: usize = 500;

/// The database, or why it cannot be used.
#[derive(Debug)]
pub struct Custom {
    pub(super) open: Result<Open, String>,
    /// Checks that are made outside.
    pub(super) looks: Looks,
    /// Whose which addresses are.
    pub(super) prefixes: Prefixes,
    /// How far the last look for what is due came.
    pub(super) due_at: Option<Due>,
}

#[derive(Debug)]
pub(super) struct Open {
    /// Never locked: zones are read by many threads that all hold the world, and only its owner changes it.
    store: Mutex<Sqlite>,
    pub(super) registrar: Registrar,
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
        let open = opened.map_err(|f| f.to_string());
        Custom { open, looks: Looks::default(), prefixes: Prefixes::default(), due_at: None }
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

    /// Which accounts and tokens changed since this was last asked.
    pub(super) fn take_news(&mut self) -> News {
        self.open.as_mut().map_or(News::default(), |open| open.registrar.take_news())
    }

    /// An account came: whoever asks for news hears of it. Returns whether anybody can tell.
    pub(super) fn tell_account(&mut self, id: AccountId) -> bool {
        self.open.as_mut().map(|open| open.registrar.tell_account(id)).is_ok()
    }

    pub(super) fn is_usable(&self) -> bool {
        self.open.is_ok()
    }

    /// What is kept in memory of the database.
    pub(super) fn seen(&self) -> Result<&Control, String> {
        self.open.as_ref().map(Open::control).map_err(Clone::clone)
    }

    pub(super) fn usable(&mut self) -> Result<&mut Open, RequestError> {
        self.open.as_mut().map_err(|why| RequestError::Unusable(why.clone()))
    }
}

/// The world as the registrar sees it.
pub(super) struct View<'w> {
    pub snapshot: &'w Snapshot,
    pub suffixes: &'w Suffixes,
    pub settings: &'w Settings,
    pub ownership: &'w Ownership,
    pub zones: Arc<Zones>,
    pub prefixes: &'w Prefixes,
}

impl crate::hostname::grants::World for View<'_> {
    /// A zone of the database counts only if it is the zone that exists.
    fn holder(&self, zone: ZoneId) -> Option<AccountId> {
        let (apex, account) = self.zones.get(zone)?;
        let held = self.ownership.zone(apex.as_wire())?;
        (held.id == zone && held.account == *account).then_some(*account)
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
        self.holder(zone)?;
        self.zones.get(zone).map(|(apex, _)| apex.clone())
    }

    fn asserted_elsewhere(&self, hostname: &Hostname, zone: ZoneId) -> bool {
        let asserted = self.settings.grants.iter();
        let mut same = asserted.filter(|g| Hostname::of(&g.hostname) == *hostname);
        same.any(|g| self.ownership.zone(g.zone.as_wire()).is_some_and(|held| held.id != zone))
    }

    fn partial(&self, zone: ZoneId) -> Option<Name> {
        self.settings.partial(&self.zones.get(zone)?.0)
    }

    fn apex_proxying(&self, account: AccountId) -> bool {
        let mut may = self.settings.accounts.iter().filter(|(_, a)| a.apex_proxying);
        may.any(|(name, _)| self.ownership.account(name.as_str()) == Some(account))
    }

    fn prefixes(&self) -> &Prefixes {
        self.prefixes
    }

    fn is_abuse(&self, hostname: &Hostname) -> bool {
        self.settings.hostnames.blocked.covers(&hostname.base, hostname.wildcard)
    }
}

/// New tokens.
pub(super) fn tokens() -> Tokens {
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
        if !changes.is_empty()
            && let Err(error) = self.commit_custom(&changes, "start", now)
        {
            warn!(event = "database-behind", "zones that are gone stay in the database: {error}");
        }
    }

    /// Does something with the registrar, and puts what follows for grants into the next snapshot.
    pub(super) fn with_registrar(
        &mut self,
        now: Now,
        actor: &str,
        job: impl FnOnce(&mut Registrar, &mut Context<'_>) -> Result<Done, RequestError>,
    ) -> Result<Done, RequestError> {
        let World { custom, next, suffixes, settings, ownership, .. } = self;
        let Custom { open, prefixes, .. } = custom;
        let open = open.as_mut().map_err(|why| RequestError::Unusable(why.clone()))?;
        let (zones, snapshot) = (open.registrar.zones(), next.snapshot());
        let view = View { snapshot, suffixes, settings, ownership, zones, prefixes };
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
        drop(view);
        registrar.settle();
        let mut changed = registrar.take_doubtful();
        changed.extend(done.iter().flat_map(|done| done.changed.iter().cloned()));
        self.restate(changed, now);
        done
    }

    /// Stores changes that are no steps of hostnames.
    pub(super) fn commit_custom(
        &mut self,
        changes: &[Change],
        actor: &str,
        now: Now,
    ) -> Result<(), RequestError> {
        let committed = self.with_registrar(now, actor, |registrar, cx| {
            registrar.commit(cx, changes)?;
            Ok(Done::default())
        });
        committed.map(|_| ())
    }

    /// What happened to zones since the last snapshot happens to custom hostnames too.
    pub(super) fn take_in_zone_changes(&mut self, now: Now) {
        let touched = self.next.take_touched();
        if touched.is_empty() || self.custom.open.is_err() {
            return;
        }
        self.remove_gone_zones(&touched, now);
        self.sync_fallbacks(Some(&touched), now);
        self.sync_holds_of(&touched);
        for apex in touched {
            self.names_changed(&apex, now);
        }
    }

    /// Zones at or below `apex`, or holds on them, changed.
    pub(super) fn names_changed(&mut self, apex: &Name, now: Now) {
        let done = self.with_registrar(now, "zone change", |r, cx| r.names_changed(cx, apex));
        match done {
            Ok(done) => self.check_all(&done.check, Trigger::Extra, now),
            Err(error) => {
                warn!(event = "hostnames-not-updated", zone = %apex, "{error}");
                // Who could not be read had no step: what is granted there is derived anew, or not at all.
                if error.is_unread() {
                    self.restate_within(apex, now);
                }
            }
        }
    }

    /// Zones that are gone take along what was stored of them.
    fn remove_gone_zones(&mut self, touched: &BTreeSet<Name>, now: Now) {
        let World { custom, ownership, stored, .. } = self;
        let Ok(open) = custom.usable() else { return };
        let zones = open.registrar.zones();
        // What lives in the store is there until somebody deletes it.
        let is_there = |id: ZoneId, apex: &Name| {
            stored.zone(id).is_some() || ownership.zone(apex.as_wire()).is_some_and(|h| h.id == id)
        };
        let gone: Vec<ZoneId> = match touched.first().is_some_and(Name::is_root) {
            true => {
                let gone = zones.iter().filter(|(id, (apex, _))| !is_there(*id, apex));
                gone.map(|(id, _)| id).collect()
            }
            false => {
                let ids = |apex| zones.at(apex).iter().map(move |id| (*id, apex));
                let touched = touched.iter().flat_map(ids);
                touched.filter(|(id, apex)| !is_there(*id, apex)).map(|(id, _)| id).collect()
            }
        };
        for zone in gone {
            self.chosen.zones.remove(&zone);
            let granted = self.hostnames_into(zone);
            match self.commit_custom(&[Change::ZoneRemoved(zone)], "zone change", now) {
                Ok(()) => self.restate(granted, now),
                Err(error) => {
                    warn!(event = "database-behind", "a zone that is gone stays stored: {error}");
                }
            }
        }
    }

    /// The custom hostnames of a zone.
    pub(super) fn hostnames_into(&mut self, zone: ZoneId) -> Vec<(Hostname, ZoneId)> {
        let Ok(open) = self.custom.usable() else { return Vec::new() };
        let (mut all, mut after) = (Vec::new(), None);
        // What cannot be read is in the table until the next start, and leads to a zone that is not there.
        while let Ok(page) = open.store().hostnames_of(zone, after, PAGE)
            && let Some(last) = page.last()
        {
            after = Some(last.id);
            all.extend(page.into_iter().map(|h| (h.hostname, zone)));
        }
        all
    }

    /// Makes sure that the database knows a zone and its account.
    pub(super) fn enter_zone(&mut self, apex: &Name, now: Now) -> Result<ZoneId, RequestError> {
        let held = self.ownership.zone(apex.as_wire()).ok_or(RequestError::Unknown)?;
        let name = self.account_name(held.account).to_owned();
        let open = self.custom.usable()?;
        if open.registrar.zones().get(held.id).is_some() {
            return Ok(held.id);
        }
        let control = open.registrar.control();
        let (created_at, settings) = (now.unix, "{}".to_owned());
        let mut changes = Vec::new();
        if control.account(held.account).is_none() {
            let settings = settings.clone();
            changes.push(Change::Account(Account { id: held.account, name, created_at, settings }));
        }
        let (apex, account) = (apex.clone(), held.account);
        changes.push(Change::Zone(Zone { id: held.id, apex, account, created_at, settings }));
        self.commit_custom(&changes, "operator", now)?;
        Ok(held.id)
    }
}
