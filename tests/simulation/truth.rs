//! What is true in the simulated world: zones, names outside, the operator's config, and what really proves a hostname.
//!
//! It knows names as texts, ids as numbers, and the rules of SPEC §5 and §7 as a person would say them; nothing of how
//! the server keeps or finds anything.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Numbers from a seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below(&mut self, n: usize) -> usize {
        ((self.next() >> 33) as usize) % n
    }

    pub fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    pub fn octets<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| (self.next() >> 40) as u8)
    }
}

/// What stands at a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Node {
    Cname(String),
    /// Flattened: leads on without being shown.
    Alias(String),
    Addresses(Vec<IpAddr>),
}

impl Node {
    pub fn target(&self) -> Option<&str> {
        match self {
            Node::Cname(target) | Node::Alias(target) => Some(target),
            Node::Addresses(_) => None,
        }
    }
}

/// A zone here, in this incarnation.
#[derive(Clone, Debug)]
pub struct Zone {
    pub id: u32,
    pub account: u32,
    pub names: BTreeMap<String, Node>,
}

/// Who owns a name: zone and account, by ids.
pub type Owner = Option<(u32, u32)>;

/// What there was to be seen of a hostname when it was looked at.
#[derive(Clone, Debug)]
pub struct Facts {
    pub hostname: String,
    /// `None`: a loop.
    pub chain: Option<Vec<String>>,
    pub addresses: Vec<IpAddr>,
    pub has_text: bool,
    pub has_page: bool,
}

/// The operator's config. Zones are meant by name, whoever has them; accounts too, so the ids here are those of now.
#[derive(Clone, Default, Debug)]
pub struct Config {
    pub partial: BTreeSet<&'static str>,
    pub anyone: BTreeSet<&'static str>,
    /// Who trusts whom.
    pub trusts: BTreeSet<(u32, u32)>,
    pub proxying: BTreeSet<u32>,
    /// Account of each network.
    pub networks: Vec<u32>,
    /// Hostname and zone.
    pub grants: BTreeSet<(&'static str, &'static str)>,
    pub abuse: BTreeSet<&'static str>,
}

/// See the head of the file.
#[derive(Default, Debug)]
pub struct Truth {
    pub zones: BTreeMap<&'static str, Zone>,
    /// What stands at names outside.
    pub outside: BTreeMap<&'static str, Node>,
    /// What stands as TXT token for a hostname, and whether a CNAME or a wildcard leads to it.
    pub texts: BTreeMap<String, (String, bool)>,
    /// The body that a web server gives for a hostname's token.
    pub pages: BTreeMap<String, String>,
    pub config: Config,
    pub next_id: u32,
}

/// Names outside.
pub const OUTSIDE: [&str; 3] = ["shop.outside.net", "www.outside.net", "pay.elsewhere.org"];
/// Below it the names of partial zones are served; by whom is not this server's affair.
pub const PARTIAL_SUFFIX: &str = "edge.invalid";

/// The addresses of a network; the last network is nobody's.
pub fn network(n: usize) -> [IpAddr; 2] {
    let n = n as u8;
    [
        Ipv4Addr::new(198, 51, n, 7).into(),
        Ipv6Addr::new(0x2001, 0xdb8, n.into(), 0, 0, 0, 0, 7).into(),
    ]
}

pub fn parent(name: &str) -> Option<&str> {
    name.split_once('.').map(|(_, rest)| rest)
}

pub fn above(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| parent(name))
}

/// The name without the `*.` of a wildcard.
pub fn base(hostname: &str) -> &str {
    hostname.strip_prefix("*.").unwrap_or(hostname)
}

impl Truth {
    pub fn zone_of(&self, name: &str) -> Option<(&'static str, &Zone)> {
        above(name)
            .find_map(|apex| self.zones.get_key_value(apex))
            .map(|(apex, zone)| (*apex, zone))
    }

    pub fn owner(&self, name: &str) -> Owner {
        self.zone_of(name).map(|(_, zone)| (zone.id, zone.account))
    }

    pub fn account(&self, name: &str) -> Option<u32> {
        self.owner(name).map(|(_, account)| account)
    }

    pub fn zone(&self, id: u32) -> Option<(&'static str, &Zone)> {
        self.zones.iter().find(|(_, zone)| zone.id == id).map(|(apex, zone)| (*apex, zone))
    }

    /// What stands at the name. A wildcard of the zone stands for names that do not exist.
    pub fn node(&self, name: &str) -> Option<&Node> {
        let Some((apex, zone)) = self.zone_of(name) else { return self.outside.get(name) };
        if let Some(node) = zone.names.get(name) {
            return Some(node);
        }
        // What exists, also as a name between; the closest encloser's wildcard stands for what does not.
        let exists = |at: &str| {
            let below = |owner: &String| owner.strip_suffix(at).is_some_and(|o| o.ends_with('.'));
            at == apex || self.is_address(at) || zone.names.keys().any(|o| o == at || below(o))
        };
        if exists(name) {
            return None;
        }
        let mut path = above(name).take_while(|at| at.len() >= apex.len());
        let encloser = path.find(|at| exists(at))?;
        zone.names.get(&format!("*.{encloser}"))
    }

    /// Each zone has these names with an address that is nobody's.
    pub fn is_address(&self, name: &str) -> bool {
        let Some((first, rest)) = name.split_once('.') else { return false };
        ["proxy", "ns1"].contains(&first)
            && self.zone_of(name).is_some_and(|(apex, _)| apex == rest)
    }

    /// The names behind a name; more than `most` are not looked for. `None`: a loop.
    pub fn chain(&self, name: &str, most: usize) -> Option<Vec<String>> {
        let mut chain: Vec<String> = Vec::new();
        let mut at = name.to_owned();
        while let Some(target) = self.node(&at).and_then(Node::target) {
            if chain.len() >= most {
                break;
            }
            if target == name || chain.iter().any(|n| n == target) {
                return None;
            }
            at = target.to_owned();
            chain.push(at.clone());
        }
        Some(chain)
    }

    /// The addresses at the end of the chain.
    pub fn addresses(&self, name: &str) -> Vec<IpAddr> {
        let Some(chain) = self.chain(name, 11) else { return Vec::new() };
        let end = chain.last().map_or(name, String::as_str);
        match self.node(end) {
            Some(Node::Addresses(list)) => list.clone(),
            _ if self.is_address(end) => vec![Ipv4Addr::new(192, 0, 2, 1).into()],
            _ => Vec::new(),
        }
    }

    /// The account in whose prefixes an address lies.
    pub fn network_owner(&self, address: IpAddr) -> Option<u32> {
        let mut networks = self.config.networks.iter().enumerate();
        networks.find(|(n, _)| network(*n).contains(&address)).map(|(_, account)| *account)
    }

    /// What a look at a hostname finds now, if nothing stays silent; `txt` and `http` are the tokens looked for.
    pub fn facts(&self, hostname: &str, txt: &str, http: &str) -> Facts {
        let text = self.texts.get(base(hostname));
        let page = self.pages.get(hostname).filter(|_| !hostname.starts_with('*'));
        Facts {
            hostname: hostname.to_owned(),
            chain: self.chain(hostname, 11),
            addresses: self.addresses(hostname),
            has_text: text.is_some_and(|(value, elsewhere)| value == txt && !elsewhere),
            has_page: page.is_some_and(|body| body == http),
        }
    }

    /// Whether the facts show that the hostname may lead into the zone of the account, with zones and config as now.
    pub fn is_proved(&self, facts: &Facts, zone: u32, account: u32) -> bool {
        self.leads_to(facts, zone)
            || self.lies_at(facts, account)
            || (facts.has_text || facts.has_page) && self.is_free(facts)
    }

    /// The first zone here that the chain enters outside the hostname's own account.
    fn entered(&self, facts: &Facts) -> Owner {
        let own = self.account(base(&facts.hostname));
        let owners = facts.chain.iter().flatten().filter_map(|name| self.owner(name));
        owners.into_iter().find(|(_, account)| Some(*account) != own)
    }

    /// It leads to the zone: to its names, or to those below the suffix if it is partial.
    fn leads_to(&self, facts: &Facts, zone: u32) -> bool {
        let Some((apex, _)) = self.zone(zone) else { return false };
        let Some(chain) = facts.chain.as_ref().filter(|c| (1..=10).contains(&c.len())) else {
            return false;
        };
        let last = chain.last().expect("at least one");
        let ends = match self.config.partial.contains(apex) {
            true => above(last).any(|at| at == format!("{apex}.{PARTIAL_SUFFIX}")),
            false => self.owner(last).is_some_and(|(id, _)| id == zone),
        };
        ends && self.entered(facts).is_none_or(|(id, _)| id == zone)
    }

    /// All its addresses are the account's, and it does not get them out of a third account's zone.
    fn lies_at(&self, facts: &Facts, account: u32) -> bool {
        let all = &facts.addresses;
        !facts.hostname.starts_with('*')
            && self.config.proxying.contains(&account)
            && !all.is_empty()
            && all.iter().all(|&address| self.network_owner(address) == Some(account))
            && self.entered(facts).is_none_or(|(_, entered)| entered == account)
    }

    /// A token alone proves it: it does not lie here, and leads to no zone and no network here.
    fn is_free(&self, facts: &Facts) -> bool {
        self.owner(base(&facts.hostname)).is_none()
            && facts.chain.iter().flatten().all(|name| self.owner(name).is_none())
            && facts.addresses.iter().all(|&a| self.network_owner(a).is_none())
    }
}
