//! Puts settings in force: accounts, ownership, zone settings, grants, trusts, and what the server says of itself.

use std::collections::HashSet;

use tracing::{info, warn};

use super::{Now, World};
use crate::base::id::AccountId;
use crate::base::name::Name;
use crate::config;
use crate::config::finding::ConfigFinding;
use crate::config::settings::{AccountRef, Settings};
use crate::config::standing::Standing;
use crate::control::suffixes::{Suffixes, SuffixesError};
use crate::model::catalog::Zone;
use crate::model::prefix::Prefixes;
use crate::model::settings::{Identity, Rules};

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
        let prefixes = self.settings.accounts.iter().flat_map(|(name, account)| {
            let id = self.ownership.account(name.as_str());
            account.ip_prefixes.iter().filter_map(move |prefix| Some((*prefix, id?)))
        });
        self.custom.prefixes = Prefixes::build(prefixes.collect());
        self.derive_grants(now);
        self.sync_fallbacks(None, now);
        self.sync_holds();
        self.bar(old.map(|old| &old.hostnames.blocked), now);
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
    pub(super) fn restate_zones(&mut self) {
        let changed: Vec<Zone> = self
            .next
            .snapshot()
            .catalog
            .iter()
            .filter_map(|zone| {
                let apex = Name::from_wire(zone.apex()).expect("served apexes are names");
                self.restated(&apex, zone)
            })
            .collect();
        for zone in changed {
            let apex = Name::from_wire(zone.apex()).expect("served apexes are names");
            self.next.put(&apex, zone);
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
