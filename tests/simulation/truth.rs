//! What is true in the simulated world: zones, their records, names outside, and what somebody really agreed to.

use std::collections::{BTreeMap, BTreeSet};

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

/// A zone here, in this incarnation.
#[derive(Clone, Debug)]
pub struct Zone {
    pub id: u32,
    pub account: u32,
    /// Owner to target; every other name of the zone has an address.
    pub cnames: BTreeMap<String, String>,
}

/// Who owns a name: zone and account, by ids.
pub type Owner = Option<(u32, u32)>;

/// See the head of the file.
#[derive(Default)]
pub struct Truth {
    pub zones: BTreeMap<&'static str, Zone>,
    /// CNAMEs of names outside.
    pub outside: BTreeMap<&'static str, String>,
    /// TXT tokens placed by whoever runs a name: at the name of the record.
    pub texts: BTreeMap<String, String>,
    /// Hostname, provider's zone, owner of the hostname: somebody gave a proof.
    pub proofs: BTreeSet<(String, u32, Owner)>,
    pub next_id: u32,
}

/// Names outside.
pub const OUTSIDE: [&str; 3] = ["shop.outside.net", "www.outside.net", "pay.elsewhere.org"];

pub fn parent(name: &str) -> Option<&str> {
    name.split_once('.').map(|(_, rest)| rest)
}

pub fn above(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| parent(name))
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

    /// Where the name leads. A wildcard of the zone stands for names that have no record of their own.
    pub fn target(&self, name: &str) -> Option<&str> {
        let Some((apex, zone)) = self.zone_of(name) else {
            return self.outside.get(name).map(String::as_str);
        };
        if let Some(target) = zone.cnames.get(name) {
            return Some(target);
        }
        let path = above(name).take_while(|at| at.len() >= apex.len());
        // What exists, also as a name between; the closest encloser's wildcard stands for what does not.
        let exists = |at: &str| {
            at == apex
                || self.is_address(at)
                || zone.cnames.keys().any(|owner| owner == at || owner.ends_with(&format!(".{at}")))
        };
        if exists(name) {
            return None;
        }
        let encloser = path.into_iter().find(|at| exists(at))?;
        zone.cnames.get(&format!("*.{encloser}")).map(String::as_str)
    }

    /// Each zone has these names with an address.
    pub fn is_address(&self, name: &str) -> bool {
        let Some((apex, _)) = self.zone_of(name) else { return false };
        ["proxy", "ns1"].iter().any(|label| name == format!("{label}.{apex}"))
    }

    /// The names behind a name; more than `most` are not looked for. `None`: a loop.
    pub fn chain(&self, name: &str, most: usize) -> Option<Vec<String>> {
        let mut chain: Vec<String> = Vec::new();
        let mut at = name.to_owned();
        while let Some(target) = self.target(&at).filter(|_| chain.len() < most) {
            if target == name || chain.iter().any(|n| n == target) {
                return None;
            }
            at = target.to_owned();
            chain.push(at.clone());
        }
        Some(chain)
    }

    /// Whether the name leads to the zone, as SPEC §7.2 wants it.
    pub fn leads_to(&self, hostname: &str, zone: u32) -> bool {
        let Some(chain) = self.chain(hostname, 11).filter(|c| (1..=10).contains(&c.len())) else {
            return false;
        };
        let account = self.owner(hostname).map(|(_, a)| a);
        let owners: Vec<Owner> = chain.iter().map(|n| self.owner(n)).collect();
        let first = owners.iter().flatten().find(|(_, a)| Some(*a) != account);
        let enters = first.is_none_or(|(id, _)| *id == zone);
        enters && owners.last().is_some_and(|o| o.is_some_and(|(id, _)| id == zone))
    }

    /// Whether a token alone proves the name: it neither lies here nor leads here.
    pub fn is_free(&self, hostname: &str) -> bool {
        let base = hostname.strip_prefix("*.").unwrap_or(hostname);
        let chain = self.chain(hostname, 11).unwrap_or_default();
        self.owner(base).is_none() && chain.iter().all(|name| self.owner(name).is_none())
    }
}
