//! Puts settings in force: accounts, ownership, zone settings, grants, trusts, and what the server says of itself.

use std::collections::HashSet;

use tracing::{info, warn};

use super::{Mentions, Now, World};
use crate::base::id::AccountId;
use crate::base::name::Name;
use crate::config;
use crate::config::finding::ConfigFinding;
use crate::config::settings::{AccountRef, Settings};
use crate::config::standing::Standing;
use crate::control::suffixes::{Suffixes, SuffixesError};
use crate::model::catalog::Zone;
use crate::model::grant::{Grant, GrantState, GrantTable, Trusts};
use crate::model::settings::{Identity, Rules};
use crate::store::grants::GrantKey;

impl World {
    /// Puts new settings in force, all of them. The Public Suffix List is read first: with a wrong one nothing
    /// changes.
    pub fn reconfigure(&mut self, settings: Settings, now: Now) -> Result<(), SuffixesError> {
        self.suffixes = Suffixes::read(settings.server.public_suffixes.as_deref())?;
        let restart = self.settings.needs_restart(&settings);
        if !restart.is_empty() {
            let keys = restart.join(", ");
            warn!(
                event = "needs-restart",
                keys, "these settings take effect after a restart: {keys}"
            );
        }
        let old = std::mem::replace(&mut self.settings, settings);
        self.accounts_stale = true;
        self.enforce(Some(&old), now);
        Ok(())
    }

    /// Withdraws what a config that is invalid elsewhere does not grant or trust any more.
    pub fn withdraw(&mut self, standing: &Standing, now: Now) {
        let old = self.settings.clone();
        self.settings.grants.retain(|grant| standing.grants(&grant.hostname, &grant.zone));
        for (name, account) in &mut self.settings.accounts {
            account.trusts.retain(|trusted| standing.trusts(name, &trusted.account));
        }
        let count = |settings: &Settings| {
            let trusts = settings.accounts.values().map(|account| account.trusts.len());
            (settings.grants.len(), trusts.sum::<usize>())
        };
        if count(&old) != count(&self.settings) {
            self.enforce(Some(&old), now);
        }
    }

    /// Puts the settings in force; `old` are those that were before.
    pub(super) fn enforce(&mut self, old: Option<&Settings>, now: Now) {
        let names: Vec<String> =
            self.settings.accounts.keys().map(|name| name.to_string()).collect();
        for name in names {
            self.add_account(&name);
        }
        if old.is_some_and(|old| names_changed(old, &self.settings)) {
            self.resettle();
        }
        if old.is_some() {
            self.restate_zones();
        }
        self.derive_grants(now);
        self.sync_fallbacks(now);
        let server = &self.settings.server;
        let identity = Identity {
            nsid: server.nsid.clone(),
            version: server.version.clone(),
            cookie_secret: server.cookie_secret.unwrap_or(self.cookie_secret),
            tcp_idle: server.tcp_idle,
        };
        let snapshot = self.next.change();
        snapshot.identity = identity;
        let rotate = self.settings.flatten.rotate;
        snapshot.rules = Rules { rotate, ..self.settings.policy.rules.clone() };
        if let Some(old) = old {
            say_changes(old, &self.settings);
        }
    }

    /// Gives every zone the settings that it has now.
    fn restate_zones(&mut self) {
        let changed: Vec<Zone> = self
            .next
            .snapshot()
            .catalog
            .iter()
            .filter_map(|zone| {
                let apex = Name::from_wire(zone.apex()).expect("served apexes are names");
                let account = self.account_name(zone.account);
                let new = Zone {
                    on_violation: self.settings.on_violation(account, &apex),
                    cross_account: self.settings.cross_account(&apex),
                    flatten: self.flatten_of(&(zone.account, apex.clone())),
                    ..zone.clone()
                };
                let same = new.on_violation == zone.on_violation
                    && new.cross_account == zone.cross_account
                    && new.flatten == zone.flatten;
                (!same).then_some(new)
            })
            .collect();
        for zone in changed {
            let apex = Name::from_wire(zone.apex()).expect("served apexes are names");
            self.next.put(&apex, zone);
        }
    }

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
        let active = in_force.iter().map(|key| (key, GrantState::Active));
        let gone = self.grants.withdrawn().map(|(key, at)| (key, GrantState::Withdrawn(at)));
        let mut rows: Vec<_> =
            active.chain(gone).map(|(key, state)| self.grant(key, state)).collect();
        let custom = World::without_asserted(self.custom_grants(), &in_force);
        // What a custom hostname grants again is not withdrawn.
        let key = |grant: &Grant| (grant.hostname.clone(), grant.wildcard, grant.zone);
        let gone = rows.iter().filter(|(_, row)| row.state != GrantState::Active);
        let gone: HashSet<_> = gone.map(|(_, row)| key(row)).collect();
        if !gone.is_empty() {
            let again = custom.iter().map(|(_, grant)| key(grant));
            let again: HashSet<_> = again.filter(|key| gone.contains(key)).collect();
            rows.retain(|(_, row)| row.state == GrantState::Active || !again.contains(&key(row)));
        }
        rows.extend(custom);
        self.next.change().grants = GrantTable::build(rows);
        let pairs = self.settings.accounts.iter().flat_map(|(name, account)| {
            let who = self.ownership.account(name.as_str());
            let whom = account.trusts.iter().map(|t| self.ownership.account(t.account.as_str()));
            whom.filter_map(move |whom| Some((who?, whom?))).collect::<Vec<_>>()
        });
        let trusts = Trusts::build(pairs.collect());
        self.next.change().trusts = trusts;
    }

    fn grant(&self, key: &GrantKey, state: GrantState) -> (u64, Grant) {
        let wildcard = key.hostname.is_wildcard();
        let hostname = match key.hostname.parent() {
            Some(above) if wildcard => above,
            _ => key.hostname.clone(),
        };
        let hash = self.keys.names.name(hostname.as_wire());
        (hash, Grant { hostname, wildcard, zone: key.zone, state })
    }

    /// Whether a withdrawn grant is old enough to be forgotten.
    pub fn forget_grants(&mut self, now: Now) {
        if self.grants.next_expiry().is_some_and(|at| at <= now.unix) {
            self.derive_grants(now);
        }
    }

    /// Warnings on settings that name accounts or zones that do not exist.
    pub fn dangling(&self) -> Vec<ConfigFinding> {
        config::dangling(
            &self.settings,
            |name| self.ownership.account(name).is_some(),
            |apex| self.ownership.zone(apex.as_wire()).is_some(),
        )
    }

    /// Accounts that exist.
    pub fn account_ids(&self) -> impl Iterator<Item = (AccountId, &str)> {
        self.accounts.iter().map(|(id, account)| (*id, &*account.name))
    }
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

/// Whether settings differ in what decides who may hold a name.
fn names_changed(old: &Settings, new: &Settings) -> bool {
    let delegates = |settings: &Settings| -> Vec<(Name, Vec<(Name, String)>)> {
        let zones = settings.zones.iter().filter(|(_, zone)| !zone.delegates.is_empty());
        zones.map(|(apex, zone)| (apex.clone(), pairs(zone.delegates.iter()))).collect()
    };
    old.server.public_suffixes.is_some()
        || new.server.public_suffixes.is_some()
        || pairs(old.policy.suffixes.iter()) != pairs(new.policy.suffixes.iter())
        || delegates(old) != delegates(new)
}

fn pairs<'a>(entries: impl Iterator<Item = (&'a Name, &'a AccountRef)>) -> Vec<(Name, String)> {
    entries.map(|(name, to)| (name.clone(), to.account.to_string())).collect()
}

/// Says what changed between two configs, as far as it is more than one word.
fn say_changes(old: &Settings, new: &Settings) {
    let grants = |settings: &Settings| -> HashSet<(Name, Name)> {
        settings.grants.iter().map(|g| (g.hostname.clone(), g.zone.clone())).collect()
    };
    let trusts = |settings: &Settings| -> HashSet<(String, String)> {
        let accounts = settings.accounts.iter();
        accounts
            .flat_map(|(name, account)| {
                account.trusts.iter().map(|t| (name.to_string(), t.account.to_string()))
            })
            .collect()
    };
    for (hostname, zone) in grants(new).difference(&grants(old)) {
        info!(event = "grant-added", %hostname, %zone, "{hostname} may lead into {zone}");
    }
    for (hostname, zone) in grants(old).difference(&grants(new)) {
        info!(event = "grant-withdrawn", %hostname, %zone, "{hostname} may not lead into {zone} any more");
    }
    for (account, trusted) in trusts(new).difference(&trusts(old)) {
        info!(event = "trust-added", account, trusted, "{account} trusts {trusted}");
    }
    for (account, trusted) in trusts(old).difference(&trusts(new)) {
        info!(
            event = "trust-withdrawn",
            account, trusted, "{account} does not trust {trusted} any more"
        );
    }
}
