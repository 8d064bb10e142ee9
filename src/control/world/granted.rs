//! Which grants are in force: those of the settings and those of custom hostnames, in one table.
//!
//! The table is built once, at the start. From then on only what may have changed is looked at anew: ten million
//! grants are not to be read because one came or went. Nothing that a custom hostname does counts where the operator
//! asserts the same; and what cannot be read is no grant.

use std::collections::{HashMap, HashSet, VecDeque};

use tracing::error;

use super::custom::{Custom, View};
use super::{Mentions, Now, World};
use crate::base::id::{AccountId, ZoneId};
use crate::base::limits::WITHDRAWN_SECS;
use crate::base::name::Name;
use crate::base::time::UnixTime;
use crate::config::settings::Settings;
use crate::control::registrar::World as _;
use crate::hostname::grants::{Row, World as _, joined};
use crate::hostname::object::Hostname;
use crate::model::grant::{Grant, GrantState, GrantTable, Trusts};
use crate::store::grants::GrantKey;
use crate::store::state::change::Change;
use crate::store::state::chosen::Whom;
use crate::store::state::{Failure, Store};

/// A grant that changed, and what it was before.
pub(super) type Restated = (Hostname, ZoneId, Option<GrantState>);

/// What the table was made of, as far as it is not in the database.
#[derive(Debug, Default)]
pub(super) struct Granted {
    /// The operator's grants, and those withdrawn lately.
    asserted: HashMap<GrantKey, GrantState>,
    is_built: bool,
    /// Custom hostnames whose grants were withdrawn, the longest ago first.
    withdrawn: VecDeque<(UnixTime, Hostname, ZoneId)>,
    /// Grants that changed since several changes began to be stored together.
    group: Option<Vec<Restated>>,
    /// Custom hostnames that could not be read: they grant nothing until they can be.
    doubtful: Vec<(Hostname, ZoneId)>,
}

impl Granted {
    /// From now on what is restated rests on what is not stored yet.
    pub fn begin_group(&mut self) {
        self.group = Some(Vec::new());
    }

    /// What was restated since then.
    pub fn end_group(&mut self) -> Vec<Restated> {
        self.group.take().unwrap_or_default()
    }
}

impl World {
    /// Derives grants and trusts from the settings and the zones and accounts that exist.
    pub(super) fn derive_grants(&mut self, now: Now) {
        self.grants_stale = false;
        self.mentions = mentions(&self.settings);
        let in_force: HashSet<GrantKey> = self
            .settings
            .grants
            .iter()
            .filter_map(|grant| {
                let zone = self.ownership.zone(grant.zone.as_wire())?.id;
                Some(GrantKey { hostname: grant.hostname.clone(), zone })
            })
            .collect();
        self.grants.apply(&in_force, now.unix);
        let gone = self.grants.withdrawn();
        let gone = gone.map(|(key, at)| (key.clone(), GrantState::Withdrawn(at)));
        let asserted: HashMap<GrantKey, GrantState> =
            gone.chain(in_force.into_iter().map(|key| (key, GrantState::Active))).collect();
        let old = std::mem::replace(&mut self.granted.asserted, asserted);
        if std::mem::replace(&mut self.granted.is_built, true) {
            let new = &self.granted.asserted;
            let gone = old.keys().filter(|key| !new.contains_key(key));
            let changed = new.iter().filter(|(key, state)| old.get(key) != Some(state));
            let changed = changed.map(|(key, _)| key).chain(gone);
            let changed: Vec<_> =
                changed.map(|key| (Hostname::of(&key.hostname), key.zone)).collect();
            self.restate(changed, now);
        } else {
            self.build_grants();
        }
        self.derive_trusts();
    }

    /// Who trusts whom: as the config says, and as accounts chose.
    pub(super) fn derive_trusts(&mut self) {
        let pairs = self.settings.accounts.iter().flat_map(|(name, account)| {
            let who = self.ownership.account(name.as_str());
            let whom = account.trusts.iter().map(|t| self.ownership.account(t.account.as_str()));
            whom.filter_map(move |whom| Some((who?, whom?))).collect::<Vec<_>>()
        });
        let exists = |id: &AccountId| self.accounts.contains_key(id);
        let chosen = self.chosen.trusts.iter().filter(|(who, _)| exists(who));
        let chosen = chosen.flat_map(|(who, trusted)| {
            let whom = trusted.iter().filter_map(Whom::account).filter(exists);
            whom.map(|whom| (*who, whom)).collect::<Vec<_>>()
        });
        let trusts = Trusts::build(pairs.chain(chosen).collect());
        self.next.change().trusts = trusts;
    }

    /// Makes the table of everything.
    fn build_grants(&mut self) {
        let mut rows = self.custom_grants();
        let asserted = &self.granted.asserted;
        let mut again = HashSet::new();
        rows.retain(|(_, grant)| {
            let Some(key) = key_of(grant) else { return false };
            let Some(&word) = asserted.get(&key) else { return true };
            let counts = joined(Some(word), Some(grant.state)) != Some(word);
            counts && again.insert(key)
        });
        let names = self.keys.names;
        let own = asserted.iter().filter(|(key, _)| !again.contains(key)).map(|(key, &state)| {
            let Hostname { base, wildcard } = Hostname::of(&key.hostname);
            (names.name(base.as_wire()), Grant { hostname: base, wildcard, zone: key.zone, state })
        });
        rows.extend(own);
        let mut table = GrantTable::build(rows);
        for (at, Hostname { base, wildcard }, zone) in self.granted.withdrawn.iter().cloned() {
            let hash = names.name(base.as_wire());
            // A name that is blocked, or granted again, is not only withdrawn: one name has one state.
            if table.find(hash, base.as_wire(), wildcard, zone).is_none() {
                let state = GrantState::Withdrawn(at);
                table.put(hash, &Grant { hostname: base, wildcard, zone, state });
            }
        }
        self.next.change().grants = table;
    }

    /// The grants of all custom hostnames; those that were withdrawn are set aside.
    fn custom_grants(&mut self) -> Vec<(u64, Grant)> {
        let World { custom, next, suffixes, settings, ownership, keys, granted, .. } = self;
        let Custom { open, prefixes, .. } = custom;
        let Ok(opened) = open else { return Vec::new() };
        let (zones, snapshot) = (opened.registrar.zones(), next.snapshot());
        let view = View { snapshot, suffixes, settings, ownership, zones, prefixes };
        let hashed = |grant: Grant| (keys.names.name(grant.hostname.as_wire()), grant);
        let store = opened.store();
        let made = store.grants(|row| granted_by(&row, &view).map(hashed));
        let mut withdrawn = Vec::new();
        let read = made.and_then(|mut grants| {
            store.withdrawn(|row| {
                let Some(grant) = granted_by(&row, &view) else { return };
                if let GrantState::Withdrawn(at) = grant.state {
                    withdrawn.push((at, row.hostname, grant.zone));
                }
                grants.push(hashed(grant));
            })?;
            Ok(grants)
        });
        withdrawn.sort_unstable_by_key(|(at, ..)| *at);
        granted.withdrawn = withdrawn.into();
        match read {
            Ok(grants) => grants,
            Err(failure) => {
                error!(event = "database-unusable", %failure,
                    "no custom hostname grants anything: {failure}");
                *open = Err(failure.to_string());
                Vec::new()
            }
        }
    }

    /// States some grants anew: what the operator asserts, else what the custom hostname of that zone says.
    pub(super) fn restate(&mut self, mut changed: Vec<(Hostname, ZoneId)>, now: Now) {
        changed.append(&mut self.granted.doubtful);
        // At the start nothing is stated before everything is read.
        if changed.is_empty() || !self.granted.is_built {
            return;
        }
        let states: Vec<_> = changed.iter().map(|(h, zone)| self.state_of(h, *zone)).collect();
        for ((hostname, zone), state) in changed.into_iter().zip(states) {
            let state = state.unwrap_or_else(|failure| {
                error!(event = "grant-unreadable", %hostname, %failure,
                    "{hostname} grants nothing as long as it cannot be read: {failure}");
                self.granted.doubtful.push((hostname.clone(), zone));
                Wanted { state: None, is_there: true }
            });
            self.put_state(hostname, zone, state, now);
        }
    }

    /// States anew all that is granted at or below a name.
    pub(super) fn restate_within(&mut self, apex: &Name, now: Now) {
        let grants = self.next.snapshot().grants.iter().filter(|g| g.hostname.is_within(apex));
        let of = |g: Grant| (Hostname { base: g.hostname, wildcard: g.wildcard }, g.zone);
        let all = grants.map(of).collect();
        self.restate(all, now);
    }

    fn put_state(&mut self, hostname: Hostname, zone: ZoneId, wanted: Wanted, now: Now) {
        let hash = self.keys.names.name(hostname.base.as_wire());
        let grants = &self.next.snapshot().grants;
        let old = grants.find(hash, hostname.base.as_wire(), hostname.wildcard, zone);
        let state = match (wanted.state, old) {
            (None | Some(GrantState::Withdrawn(_)), Some(GrantState::Active))
                if wanted.is_there =>
            {
                self.granted.withdrawn.push_back((now.unix, hostname.clone(), zone));
                Some(GrantState::Withdrawn(now.unix))
            }
            (None, Some(GrantState::Withdrawn(at))) if wanted.is_there => {
                let is_old = now.unix.since(at) >= WITHDRAWN_SECS;
                (!is_old).then_some(GrantState::Withdrawn(at))
            }
            (state, _) => state,
        };
        if state == old {
            return;
        }
        if let Some(group) = &mut self.granted.group {
            group.push((hostname.clone(), zone, old));
        }
        self.set_state(hostname, zone, state);
    }

    /// Nothing of a group was stored: each grant is again what it was before, and nobody saw it otherwise.
    pub(super) fn unstate(&mut self, group: Vec<Restated>, now: Now) {
        let again = group.iter().map(|(hostname, zone, _)| (hostname.clone(), *zone)).collect();
        for (hostname, zone, old) in group.into_iter().rev() {
            self.set_state(hostname, zone, old);
        }
        self.restate(again, now);
    }

    fn set_state(&mut self, hostname: Hostname, zone: ZoneId, state: Option<GrantState>) {
        let hash = self.keys.names.name(hostname.base.as_wire());
        let Hostname { base, wildcard } = hostname;
        let table = &mut self.next.change().grants;
        match state {
            Some(state) => table.put(hash, &Grant { hostname: base, wildcard, zone, state }),
            None => _ = table.remove(hash, &base, wildcard, zone),
        }
    }

    /// What is wanted of a grant now.
    fn state_of(&mut self, hostname: &Hostname, zone: ZoneId) -> Result<Wanted, Failure> {
        let World { custom, next, suffixes, settings, ownership, granted, .. } = self;
        let name = hostname.name();
        let asserted =
            name.and_then(|hostname| granted.asserted.get(&GrantKey { hostname, zone })).copied();
        let is_there = asserted.is_some();
        let Custom { open, prefixes, .. } = custom;
        let Ok(open) = open else { return Ok(Wanted { state: asserted, is_there }) };
        if asserted == Some(GrantState::Active) {
            return Ok(Wanted { state: asserted, is_there });
        }
        let named = open.store().hostnames_named(hostname)?;
        let (zones, snapshot) = (open.registrar.zones(), next.snapshot());
        let view = View { snapshot, suffixes, settings, ownership, zones, prefixes };
        let of_zone = named.iter().find(|h| h.provider.zone == zone);
        let grant = of_zone.and_then(Row::of).and_then(|row| granted_by(&row, &view));
        let is_there = is_there || view.holder(zone).is_some();
        Ok(Wanted { state: joined(asserted, grant.map(|g| g.state)), is_there })
    }

    /// Forgets grants that were withdrawn long enough ago.
    pub fn forget_grants(&mut self, now: Now) {
        if self.grants.next_expiry().is_some_and(|at| at <= now.unix) {
            self.derive_grants(now);
        }
        let mut old = Vec::new();
        let is_old = |at: UnixTime| now.unix.since(at) >= WITHDRAWN_SECS;
        while let Some((_, hostname, zone)) = self.granted.withdrawn.pop_front_if(|w| is_old(w.0)) {
            old.push((hostname, zone));
        }
        if old.is_empty() {
            return;
        }
        self.restate(old, now);
        let before = UnixTime(now.unix.0.saturating_sub(WITHDRAWN_SECS));
        if let Err(error) = self.commit_custom(&[Change::ForgetWithdrawn(before)], "schedule", now)
        {
            tracing::warn!(event = "database-behind", "old withdrawn grants stay stored: {error}");
        }
    }
}

/// What a grant is to be.
struct Wanted {
    state: Option<GrantState>,
    /// The zone it leads into exists.
    is_there: bool,
}

/// The grant that a row is. On the abuse list it is blocked, whether that could be stored or not.
fn granted_by(row: &Row, view: &View<'_>) -> Option<Grant> {
    let mut grant = row.grant(view)?;
    if grant.state == GrantState::Active && view.is_abuse(&row.hostname) {
        grant.state = GrantState::Blocked;
    }
    Some(grant)
}

fn key_of(grant: &Grant) -> Option<GrantKey> {
    let hostname = Hostname { base: grant.hostname.clone(), wildcard: grant.wildcard }.name()?;
    Some(GrantKey { hostname, zone: grant.zone })
}

/// What grants and trusts speak of.
fn mentions(settings: &Settings) -> Mentions {
    let zones = settings.grants.iter().map(|grant| grant.zone.clone()).collect();
    let trusting = settings.accounts.iter().filter(|(_, account)| !account.trusts.is_empty());
    let accounts = trusting.flat_map(|(name, account)| {
        let trusted = account.trusts.iter().map(|trusted| trusted.account.as_str());
        trusted.chain([name.as_str()]).map(Box::from)
    });
    Mentions { zones, accounts: accounts.collect() }
}
