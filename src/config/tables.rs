//! `[accounts]`, `[zones]`, `[[grants]]` and the tables of names that others may hold.

use std::collections::{BTreeMap, HashSet};

use toml::de::DeValue;

use super::file::{Reader, put};
use super::flatten::MODES;
use super::keys;
use super::settings::{Account, AccountName, AccountRef, Grant, Zone, ZoneType};
use super::walk::{Item, place};
use crate::base::name::Name;
use crate::hostname::syntax;
use crate::model::settings::CrossAccount;

const CROSS_ACCOUNT: [(&str, CrossAccount); 2] =
    [("granted", CrossAccount::Granted), ("anyone", CrossAccount::Anyone)];
const ZONE_TYPES: [(&str, ZoneType); 2] =
    [("full", ZoneType::Full), ("partial", ZoneType::Partial)];

impl Reader<'_> {
    pub(super) fn accounts(&mut self, item: &Item<'_>) -> BTreeMap<AccountName, Account> {
        let expected = "tables [accounts.NAME]";
        let mut accounts = BTreeMap::new();
        for item in self.walk.table(item, expected).unwrap_or_default() {
            let span = item.key_span.clone();
            let name = self.walk.account_name(item.key, &item.path, span.clone());
            let account = self.account(&item, name.as_ref());
            if let Some(name) = name {
                accounts.insert(name, account);
            }
        }
        accounts
    }

    fn account(&mut self, item: &Item<'_>, name: Option<&AccountName>) -> Account {
        let place = place(item.key_span.clone());
        let mut account = Account { place, ..Account::default() };
        for item in self.walk.table(item, "a table [accounts.NAME]").unwrap_or_default() {
            match item.key {
                "name" => put(&mut account.name, self.walk.short_text(&item, 1000)),
                "trusts" => account.trusts = self.trusts(&item, name),
                "on_violation" => account.on_violation = self.on_violation(&item),
                "ip_prefixes" => account.ip_prefixes = self.ip_prefixes(&item, name),
                "apex_proxying" => put(&mut account.apex_proxying, self.walk.flag(&item)),
                _ if self.unquoted(&item, &keys::ACCOUNT) => {}
                _ => self.walk.unknown(&item, &keys::ACCOUNT),
            }
        }
        account
    }

    fn trusts(&mut self, item: &Item<'_>, name: Option<&AccountName>) -> Vec<AccountRef> {
        let mut trusts: Vec<AccountRef> = Vec::new();
        for item in self.walk.list(item, "a list of accounts, e.g. [\"saas\"]").unwrap_or_default()
        {
            let Some(trusted) = self.walk.account(&item) else { continue };
            if trusts.iter().any(|t| t.account == trusted.account) {
                self.walk.twice(&item, item.span(), trusted.account.as_str());
                continue;
            }
            if Some(&trusted.account) == name {
                let message = format!("{} trusts itself, as every account does", trusted.account);
                self.walk.warning("useless-trust", &item, message);
            }
            trusts.push(trusted);
        }
        trusts
    }

    pub(super) fn zones(&mut self, item: &Item<'_>) -> BTreeMap<Name, Zone> {
        let expected = "tables [zones.\"NAME\"]";
        let mut zones = BTreeMap::new();
        for item in self.walk.table(item, expected).unwrap_or_default() {
            let span = item.key_span.clone();
            let name = self.walk.name(item.key, &item.path, span.clone());
            let zone = self.zone(&item, name.as_ref());
            let Some(name) = name else { continue };
            if zones.insert(name.clone(), zone).is_some() {
                self.walk.twice(&item, span, &name.to_string());
            }
        }
        zones
    }

    fn zone(&mut self, item: &Item<'_>, apex: Option<&Name>) -> Zone {
        let place = place(item.key_span.clone());
        let mut zone = Zone { place, ..Zone::default() };
        for item in self.walk.table(item, "a table [zones.\"NAME\"]").unwrap_or_default() {
            match item.key {
                "cross_account" => zone.cross_account = self.walk.word(&item, &CROSS_ACCOUNT),
                "flatten" => zone.flatten = self.walk.word(&item, &MODES),
                "type" => put(&mut zone.kind, self.walk.word(&item, &ZONE_TYPES)),
                "delegates" => {
                    let expected =
                        "a table of zones and accounts: { \"sub.example.com\" = \"acct\" }";
                    zone.delegates = self.holders(&item, expected, |name| below(name, apex?));
                }
                "on_violation" => zone.on_violation = self.on_violation(&item),
                "fallback_origin" => zone.fallback_origin = self.fallback_origin(&item, apex),
                _ if self.unquoted(&item, &keys::ZONE) => {}
                _ => self.walk.unknown(&item, &keys::ZONE),
            }
        }
        zone
    }

    fn fallback_origin(&mut self, item: &Item<'_>, apex: Option<&Name>) -> Option<Name> {
        let text = self.walk.text(item, "a name in the zone, e.g. \"proxy.example.com\"")?;
        let origin = self.walk.name(text, &item.path, item.span())?;
        if apex.is_some_and(|apex| !origin.is_within(apex)) {
            let message = format!("the fallback origin {origin} does not lie in the zone");
            self.walk.error("bad-value", &item.path, item.span(), message);
            return None;
        }
        Some(origin)
    }

    /// A table of names and the accounts that may hold them; `wrong` says why a name may not stand here.
    pub(super) fn holders(
        &mut self,
        item: &Item<'_>,
        expected: &str,
        wrong: impl Fn(&Name) -> Option<String>,
    ) -> BTreeMap<Name, AccountRef> {
        let mut holders = BTreeMap::new();
        for item in self.walk.table(item, expected).unwrap_or_default() {
            if matches!(item.value.get_ref(), DeValue::Table(_)) {
                self.walk.wrong_type::<()>(&item, "the name of an account, in quotes");
                self.walk.help(QUOTE_NAMES);
                continue;
            }
            let span = item.key_span.clone();
            let name = self.walk.name(item.key, &item.path, span.clone());
            let account = self.walk.account(&item);
            let (Some(name), Some(account)) = (name, account) else { continue };
            if let Some(message) = wrong(&name) {
                self.walk.error("bad-value", &item.path, span, message);
            } else if holders.insert(name.clone(), account).is_some() {
                self.walk.twice(&item, span, &name.to_string());
            }
        }
        holders
    }

    /// A name whose dots were not in quotes makes tables in tables; such a key gets that advice.
    fn unquoted(&mut self, item: &Item<'_>, keys: &keys::Keys) -> bool {
        let table = matches!(item.value.get_ref(), DeValue::Table(_));
        let strange = table && !keys.later.contains(&item.key);
        if strange {
            self.walk.unknown(item, keys);
            self.walk.help(QUOTE_NAMES);
        }
        strange
    }

    /// Entries with anything wrong are left out: a grant that is not fully understood grants nothing.
    pub(super) fn grants(&mut self, item: &Item<'_>) -> Vec<Grant> {
        let mut seen = HashSet::new();
        let mut grants = Vec::new();
        let expected = "tables [[grants]] in double brackets";
        for item in self.walk.list(item, expected).unwrap_or_default() {
            let before = self.walk.count();
            let Some(grant) = self.grant(&item) else { continue };
            if !seen.insert((grant.hostname.clone(), grant.zone.clone())) {
                let what = format!("the grant of {} for {}", grant.hostname, grant.zone);
                self.walk.twice(&item, item.span(), &what);
            }
            if self.walk.count() == before {
                grants.push(grant);
            }
        }
        grants
    }

    fn grant(&mut self, item: &Item<'_>) -> Option<Grant> {
        let (mut hostname, mut zone) = (None, None);
        for item in self.walk.table(item, "a table with hostname and zone")? {
            match item.key {
                "hostname" => hostname = Some((self.hostname(&item), item.span())),
                "zone" => zone = Some((self.zone_name(&item), item.span())),
                _ => self.walk.unknown(&item, &keys::GRANT),
            }
        }
        let missing = [("hostname", hostname.is_none()), ("zone", zone.is_none())];
        for (key, _) in missing.iter().filter(|(_, missing)| *missing) {
            let message = format!("the grant has no `{key}`");
            let finding = self.walk.error("missing-key", &item.path, item.span(), message);
            finding.expected = Some("hostname and zone".to_owned());
        }
        let ((hostname, at), (zone, zone_at)) = (hostname?, zone?);
        Some(Grant {
            hostname: hostname?,
            zone: zone?,
            place: place(at),
            zone_place: place(zone_at),
        })
    }

    fn hostname(&mut self, item: &Item<'_>) -> Option<Name> {
        let expected = "a hostname, e.g. \"app.example.com\" or \"*.example.com\"";
        let text = self.walk.text(item, expected)?;
        let name = self.walk.name(text, &item.path, item.span())?;
        if let Err(error) = syntax::check(name.as_wire()) {
            let message = format!("\"{name}\" is no hostname: {error}");
            let finding = self.walk.error("bad-hostname", &item.path, item.span(), message);
            finding.expected = Some(expected.to_owned());
            return None;
        }
        Some(name)
    }

    fn zone_name(&mut self, item: &Item<'_>) -> Option<Name> {
        let text = self.walk.text(item, "the name of a zone, e.g. \"example.com\"")?;
        self.walk.name(text, &item.path, item.span())
    }
}

const QUOTE_NAMES: &str = "a name with dots needs quotes, e.g. [zones.\"example.com\"]";

fn below(name: &Name, apex: &Name) -> Option<String> {
    let below = name != apex && name.is_within(apex);
    (!below).then(|| format!("{name} does not lie below {apex}"))
}
