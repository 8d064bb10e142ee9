//! What people do: owners edit their zones and names outside, providers ask for hostnames, the operator writes config,
//! accounts and zones come, go, and come back under the same names.

use std::collections::{BTreeMap, BTreeSet};

use bailiwick::base::id::{AccountId, ZoneId};
use bailiwick::base::time::UnixTime;
use bailiwick::base::uuid::Uuid;
use bailiwick::hostname::fallback::{self, FallbackOrigin};
use bailiwick::hostname::hold::Hold;
use bailiwick::hostname::lifecycle::Event;
use bailiwick::hostname::object::{CustomHostname, Owner, Status};
use bailiwick::store::state::change::{Account, Change, Zone as StoredZone};

use super::play::{APEXES, Play, SLOTS};
use super::server::{name, txt_place};
use super::truth::{Node, OUTSIDE, PARTIAL_SUFFIX, Zone, network};

const OWNERS: [&str; 7] = ["www", "app", "*", "x.app", "a", "*.app", "@"];
const HOSTNAMES: [&str; 12] = [
    "www.alpha.com",
    "app.alpha.com",
    "alpha.com",
    "*.alpha.com",
    "x.app.alpha.com",
    "*.app.alpha.com",
    "beta.com",
    "www.beta.com",
    "*.beta.com",
    OUTSIDE[0],
    OUTSIDE[1],
    OUTSIDE[2],
];
const TARGETS: [&str; 10] = [
    "proxy.saas.com",
    "proxy.saas.com",
    "proxy.cdn.com",
    "www.saas.com",
    "a.cdn.com",
    "www.beta.com",
    "www.alpha.com",
    "www.elsewhere.org",
    "pay.elsewhere.org",
    "proxy.saas.com.edge.invalid",
];
/// Zones that provide.
const PROVIDERS: [&str; 3] = ["saas.com", "cdn.com", "beta.com"];

/// Turns something on or off.
fn toggle<T: Ord>(set: &mut BTreeSet<T>, item: T) {
    if !set.remove(&item) {
        set.insert(item);
    }
}

impl Play {
    pub fn make_account(&mut self, slot: usize) {
        let id = self.next_account;
        self.next_account += 1;
        self.accounts[slot] = id;
    }

    /// The config speaks of accounts by name: of those that have the names now.
    pub fn settle_config(&mut self) {
        self.truth.config.networks = self.accounts.to_vec();
        self.server.configure(&self.truth);
    }

    pub fn make_zone(&mut self, apex: &'static str, slot: usize) {
        let (id, account) = (self.truth.next_id, self.accounts[slot]);
        self.truth.next_id += 1;
        self.truth.zones.insert(apex, Zone { id, account, names: BTreeMap::new() });
        let (created_at, settings) = (UnixTime(self.now), "{}".to_owned());
        let of = Account {
            id: AccountId(account),
            name: format!("slot{slot}"),
            created_at,
            settings: settings.clone(),
        };
        let account = AccountId(account);
        let zone = StoredZone { id: ZoneId(id), apex: name(apex), account, created_at, settings };
        // In either order: a server may die between the two.
        let first = self.random.chance(2);
        if first {
            self.server.serve(&self.truth, apex);
        }
        self.commit(&[Change::Account(of), Change::Zone(zone)]);
        if !first {
            self.server.serve(&self.truth, apex);
        }
        self.names_changed(apex);
    }

    fn remove_zone(&mut self, apex: &'static str) {
        let Some(zone) = self.truth.zones.remove(apex) else { return };
        let first = self.random.chance(2);
        if first {
            self.server.serve(&self.truth, apex);
            // Dies here now and then, and what was stored of the zone stays.
            if self.random.chance(10) {
                return self.restart();
            }
        }
        self.commit(&[Change::ZoneRemoved(ZoneId(zone.id))]);
        self.server.serve(&self.truth, apex);
        self.names_changed(apex);
    }

    pub fn change_hands(&mut self) {
        let apex = *self.random.pick(&APEXES);
        let slot = self.random.below(SLOTS);
        match self.truth.zones.contains_key(apex) {
            true => self.remove_zone(apex),
            false => self.make_zone(apex, slot),
        }
    }

    pub fn change_account(&mut self) {
        let slot = self.random.below(SLOTS);
        let gone = self.accounts[slot];
        let zones: Vec<_> = APEXES
            .into_iter()
            .filter(|a| self.truth.zones.get(a).is_some_and(|z| z.account == gone))
            .collect();
        zones.iter().for_each(|apex| self.remove_zone(apex));
        self.commit(&[Change::AccountRemoved(AccountId(gone))]);
        self.make_account(slot);
        let new = self.accounts[slot];
        let renamed = |id: u32| if id == gone { new } else { id };
        let config = &mut self.truth.config;
        config.proxying = config.proxying.iter().map(|&id| renamed(id)).collect();
        config.trusts = config.trusts.iter().map(|&(a, b)| (renamed(a), renamed(b))).collect();
        self.settle_config();
        // The same names, made anew under the same name of the account.
        zones.iter().for_each(|apex| self.make_zone(apex, slot));
    }

    fn node(&mut self, owner: &str) -> Node {
        let target = (*self.random.pick(&TARGETS)).to_owned();
        let is_apex = APEXES.contains(&owner);
        match self.random.below(10) {
            0..6 if !is_apex && target != owner => Node::Cname(target),
            6..8 if target != owner => Node::Alias(target),
            _ => Node::Addresses(self.addresses()),
        }
    }

    /// Of one account, of one family only, of two accounts, or nobody's.
    fn addresses(&mut self) -> Vec<std::net::IpAddr> {
        let [v4, v6] = network(self.random.below(SLOTS + 1));
        match self.random.below(5) {
            0 => vec![v4],
            1 => vec![v6],
            2 => vec![v4, network(self.random.below(SLOTS + 1))[1]],
            _ => vec![v4, v6],
        }
    }

    pub fn edit(&mut self) {
        let apex = *self.random.pick(&APEXES);
        let owner = match *self.random.pick(&OWNERS) {
            "@" => apex.to_owned(),
            label => format!("{label}.{apex}"),
        };
        let node = self.node(&owner);
        self.set(apex, owner, node);
    }

    fn set(&mut self, apex: &'static str, owner: String, node: Node) {
        let remove = self.random.chance(4);
        let Some(zone) = self.truth.zones.get_mut(apex) else { return };
        if remove {
            zone.names.remove(&owner);
        } else {
            zone.names.insert(owner, node);
        }
        self.server.serve(&self.truth, apex);
        if self.random.chance(2) {
            self.names_changed(apex);
        }
    }

    pub fn edit_outside(&mut self) {
        let owner = *self.random.pick(&OUTSIDE);
        if self.random.chance(4) {
            self.truth.outside.remove(owner);
            return;
        }
        let node = match self.node(owner) {
            Node::Alias(target) => Node::Cname(target),
            node => node,
        };
        self.truth.outside.insert(owner, node);
    }

    /// A customer does what the provider asks for.
    pub fn point_at_provider(&mut self, h: &CustomHostname) {
        let Some((apex, _)) = self.truth.zone(h.provider.zone.0) else { return };
        let hostname = h.hostname.to_string();
        let target = match self.truth.config.partial.contains(apex) {
            true => format!("proxy.{apex}.{PARTIAL_SUFFIX}"),
            false => format!("proxy.{apex}"),
        };
        let network = self.accounts.iter().position(|id| *id == h.provider.account.0);
        let node = match network {
            Some(n) if self.random.chance(3) => Node::Addresses(network_of(n)),
            _ if APEXES.contains(&hostname.as_str()) => {
                Node::Alias(if self.random.chance(2) { format!("www.{hostname}") } else { target })
            }
            _ => Node::Cname(target),
        };
        let zone = self.truth.zone_of(&h.hostname.base.to_string()).map(|(apex, _)| apex);
        if let (Node::Alias(www), Some(zone)) = (&node, zone)
            && *www == format!("www.{hostname}")
        {
            // The alias hides an edge whose own name nobody granted.
            let proxy = format!("proxy.{apex}");
            self.set(zone, www.clone(), Node::Cname(proxy));
        }
        match zone {
            Some(zone) => self.set(zone, hostname, node),
            None => {
                let outside = OUTSIDE.into_iter().find(|n| **n == hostname);
                let shown = matches!(node, Node::Cname(_) | Node::Addresses(_));
                if let Some(owner) = outside.filter(|_| shown) {
                    self.truth.outside.insert(owner, node);
                }
            }
        }
    }

    pub fn text(&mut self) {
        let hostnames = self.all();
        if hostnames.is_empty() || self.random.chance(4) {
            return self.truth.texts.clear();
        }
        let elsewhere = self.random.chance(5);
        let h = self.random.pick(&hostnames);
        self.truth.texts.insert(txt_place(h), (h.tokens.txt.to_string(), elsewhere));
    }

    pub fn page(&mut self) {
        let hostnames = self.all();
        if hostnames.is_empty() || self.random.chance(4) {
            return self.truth.pages.clear();
        }
        let h = self.random.pick(&hostnames);
        self.truth.pages.insert(h.hostname.to_string(), h.tokens.http.to_string());
    }

    pub fn create_hostname(&mut self) {
        let apexes: Vec<_> = self.truth.zones.values().map(|z| z.id).collect();
        let Some(&zone) = apexes.get(self.random.below(5)) else { return };
        let hostname = *self.random.pick(&HOSTNAMES);
        let id = Uuid::from_random(self.random.octets());
        let (now, random) = (self.now, &mut self.random);
        let done = self.server.ask(now, random, |r, cx| r.create(cx, id, ZoneId(zone), hostname));
        self.follow(done.ok());
    }

    pub fn request(&mut self, h: &CustomHostname, what: &str) {
        let (now, random, id) = (self.now, &mut self.random, h.id);
        let done = self.server.ask(now, random, |registrar, cx| match what {
            "delete" => registrar.delete(cx, id),
            "refresh" => registrar.refresh(cx, id),
            _ if h.status == Status::Active => registrar.step(cx, id, Event::Edited),
            _ => registrar.step(cx, id, Event::Deployed),
        });
        self.tally.failures += u64::from(done.is_err());
        self.follow(done.ok());
    }

    pub fn fallback(&mut self) {
        let apex = *self.random.pick(&APEXES);
        let Some(zone) = self.truth.zones.get(apex) else { return };
        let zone = ZoneId(zone.id);
        let origin = name(&format!("proxy.{apex}"));
        let new = fallback::create(zone, origin, UnixTime(self.now));
        let change = match self.random.below(12) {
            0 => Change::FallbackRemoved(zone),
            1 => Change::Fallback(new),
            _ => Change::Fallback(FallbackOrigin { status: fallback::Status::Active, ..new }),
        };
        self.commit(&[change]);
    }

    pub fn hold(&mut self) {
        let apex = *self.random.pick(&APEXES);
        let Some(zone) = self.truth.zones.get(apex) else { return };
        let owner = Owner { zone: ZoneId(zone.id), account: AccountId(zone.account) };
        let include_subdomains = self.random.chance(2);
        let change = match self.random.chance(4) {
            true => Change::Hold(Hold { owner, include_subdomains, after: None }),
            false => Change::HoldRemoved(owner.zone),
        };
        self.commit(&[change]);
        self.names_changed(apex);
    }

    /// The operator edits the config.
    pub fn operate(&mut self) {
        let provider = *self.random.pick(&PROVIDERS);
        let hostname = *self.random.pick(&HOSTNAMES);
        let accounts = self.accounts;
        let (who, whom) = (*self.random.pick(&accounts), *self.random.pick(&accounts));
        let (what, emptied) = (self.random.below(12), self.random.chance(3));
        let config = &mut self.truth.config;
        match what {
            0..6 if emptied => config.grants.clear(),
            0..6 => toggle(&mut config.grants, (hostname, provider)),
            6 => toggle(&mut config.partial, "saas.com"),
            7 => toggle(&mut config.proxying, who),
            8 if emptied => toggle(&mut config.anyone, provider),
            8 => config.anyone.clear(),
            9 if emptied => toggle(&mut config.trusts, (who, whom)),
            9 => config.trusts.clear(),
            10 => toggle(&mut config.abuse, hostname),
            _ => config.abuse.clear(),
        }
        self.tally.config += 1;
        self.settle_config();
        if what >= 10 {
            APEXES.into_iter().for_each(|apex| self.names_changed(apex));
        }
    }
}

fn network_of(n: usize) -> Vec<std::net::IpAddr> {
    network(n).to_vec()
}
