//! What there is in the world and who may go where, found out the slow and plain way.
//!
//! Only the zone-file reader is shared with the server: answers are held against the records it read.

use std::collections::{HashMap, HashSet};

use bailiwick::base::hash::HashKey;
use bailiwick::model::grant::GrantState;
use bailiwick::model::settings::{CrossAccount, FlattenMode, OnViolation};
use bailiwick::zonefile::finding::Source;
use bailiwick::zonefile::{self, NoIncludes};

use super::world::{GRANTS, Spec, TRUSTS};

/// A zone; names here and below are lower-cased wire names.
pub struct ZoneFact {
    pub apex: Vec<u8>,
    pub account: u32,
    pub mode: OnViolation,
    cross: CrossAccount,
    flatten: FlattenMode,
}

/// Where a record of some type and data stands: its owner and the number of its zone.
pub type Place = (Vec<u8>, usize);

/// Type and lower-cased data of a record.
type Data = (u16, Vec<u8>);

/// All that is known.
pub struct Facts {
    pub zones: Vec<ZoneFact>,
    by_apex: HashMap<Vec<u8>, usize>,
    records: HashMap<Data, Vec<Place>>,
    /// Types at owners, and of each its data.
    nodes: HashMap<Place, Vec<Data>>,
    /// Names with records at or below them, in each zone.
    existing: HashSet<Place>,
    /// Hostname, whether it is a wildcard, number of the zone, state.
    grants: Vec<(Vec<u8>, bool, usize, GrantState)>,
    /// Which accounts' data may come to which account through edges of any number.
    reach: HashSet<(u32, u32)>,
}

/// The name without its first label.
pub fn parent(name: &[u8]) -> Option<&[u8]> {
    match name[0] {
        0 => None,
        length => Some(&name[1 + usize::from(length)..]),
    }
}

/// The name, and all above it.
pub fn ancestors(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(name), |name| parent(name))
}

pub fn is_below(name: &[u8], above: &[u8]) -> bool {
    name.len() > above.len() && ancestors(name).any(|n| n == above)
}

impl Facts {
    pub fn new(specs: &[Spec]) -> Facts {
        let zones: Vec<ZoneFact> = specs.iter().map(ZoneFact::new).collect();
        let by_apex = zones.iter().zip(0..).map(|(zone, i)| (zone.apex.clone(), i)).collect();
        let mut facts = Facts {
            zones,
            by_apex,
            records: HashMap::new(),
            nodes: HashMap::new(),
            existing: HashSet::new(),
            grants: Vec::new(),
            reach: HashSet::new(),
        };
        for (i, spec) in specs.iter().enumerate() {
            facts.read(i, spec);
        }
        for given in GRANTS {
            let bare = given.hostname.trim_start_matches("*.");
            let zone = facts.by_apex[&wire(given.zone)];
            facts.grants.push((wire(bare), bare != given.hostname, zone, given.state));
        }
        facts.close_reach();
        facts
    }

    fn read(&mut self, zone: usize, spec: &Spec) {
        let Some(text) = &spec.text else { return };
        let source = Source { path: spec.apex.to_string(), text: text.as_bytes().into() };
        let key = HashKey::new([0; 16]);
        let parsed = zonefile::read(&spec.apex, source, &mut NoIncludes, &key);
        for record in &parsed.records {
            let owner = parsed.owner(record).to_vec();
            let data = (record.rtype, parsed.rdata(record).to_ascii_lowercase());
            let above = ancestors(&owner).take_while(|n| n.len() >= spec.apex.as_wire().len());
            self.existing.extend(above.map(|n| (n.to_vec(), zone)));
            self.records.entry(data.clone()).or_default().push((owner.clone(), zone));
            self.nodes.entry((owner, zone)).or_default().push(data);
        }
    }

    /// Who can be led where: by an open zone, a trust, a grant of any kind, or a zone that only reports.
    fn close_reach(&mut self) {
        let accounts: HashSet<u32> = self.zones.iter().map(|z| z.account).collect();
        for zone in &self.zones {
            if zone.cross == CrossAccount::Anyone {
                self.reach.extend(accounts.iter().map(|&from| (from, zone.account)));
            }
            if zone.mode == OnViolation::Report {
                self.reach.extend(accounts.iter().map(|&to| (zone.account, to)));
            }
        }
        self.reach.extend(TRUSTS.iter().map(|&(who, whom)| (whom, who)));
        for (hostname, _, zone, state) in &self.grants {
            if let (Some(from), GrantState::Active) = (self.zone_of(hostname), state) {
                self.reach.insert((self.zones[from].account, self.zones[*zone].account));
            }
        }
        self.reach.extend(accounts.iter().map(|&a| (a, a)));
        for _ in &accounts {
            let longer: Vec<_> = self
                .reach
                .iter()
                .flat_map(|&(a, b)| accounts.iter().map(move |&c| (a, b, c)))
                .filter(|&(_, b, c)| self.reach.contains(&(b, c)))
                .map(|(a, _, c)| (a, c))
                .collect();
            self.reach.extend(longer);
        }
    }

    /// The owner of a name: the deepest zone that encloses it.
    pub fn zone_of(&self, name: &[u8]) -> Option<usize> {
        ancestors(name).find_map(|n| self.by_apex.get(n).copied())
    }

    pub fn account_of(&self, name: &[u8]) -> Option<u32> {
        self.zone_of(name).map(|zone| self.zones[zone].account)
    }

    /// Whether data of `to` may come to a name of `from` at all.
    pub fn reaches(&self, from: u32, to: u32) -> bool {
        self.reach.contains(&(from, to))
    }

    /// Where a record with these data stands.
    pub fn places(&self, rtype: u16, rdata: &[u8]) -> &[Place] {
        let key = (rtype, rdata.to_ascii_lowercase());
        self.records.get(&key).map_or(&[], |places| places)
    }

    /// Whether `name` has records or has names below it, in its zone.
    pub fn exists(&self, name: &[u8]) -> bool {
        self.zone_of(name).is_some_and(|zone| self.existing.contains(&(name.to_vec(), zone)))
    }

    /// The owner whose records are those of `name` in `zone`: itself, else the wildcard for it.
    fn source(&self, name: &[u8], zone: usize) -> Option<Vec<u8>> {
        if self.existing.contains(&(name.to_vec(), zone)) {
            return Some(name.to_vec());
        }
        let encloser = ancestors(name).find(|n| self.existing.contains(&(n.to_vec(), zone)))?;
        let star = [b"\x01*", encloser].concat();
        self.existing.contains(&(star.clone(), zone)).then_some(star)
    }

    /// Whether `name` has a record with these data in `zone`, by itself or by a wildcard.
    pub fn has(&self, name: &[u8], zone: usize, rtype: u16, rdata: &[u8]) -> bool {
        let Some(source) = self.source(name, zone) else { return false };
        self.places(rtype, rdata).contains(&(source, zone))
    }

    /// Whether `name` is flattened: it has an alias, or a CNAME in a zone that flattens all.
    pub fn is_alias(&self, name: &[u8]) -> bool {
        let Some(zone) = self.zone_of(name) else { return false };
        let Some(source) = self.source(name, zone) else { return false };
        let all = self.zones[zone].flatten == FlattenMode::All;
        let node = self.nodes.get(&(source, zone));
        node.is_some_and(|node| node.iter().any(|(t, _)| *t == 65401 || *t == 5 && all))
    }

    /// Whether a DNAME at `owner` leads to `target`.
    pub fn has_dname(&self, owner: &[u8], target: &[u8]) -> bool {
        self.places(39, target).iter().any(|(at, _)| at == owner)
    }

    /// Whether the edge from `owner` into the zone `to` is allowed (SPEC §5).
    pub fn may(&self, owner: &[u8], to: usize) -> bool {
        let Some(from) = self.zone_of(owner) else { return false };
        if self.is_open(from, to) {
            return true;
        }
        let state = |hostname: &[u8], wildcard| {
            let mut grants = self.grants.iter();
            let found = grants.find(|(h, w, z, _)| h == hostname && *w == wildcard && *z == to);
            found.map(|(.., state)| *state)
        };
        match state(owner, false) {
            Some(GrantState::Active) => return true,
            Some(GrantState::Blocked) => return false,
            _ => {}
        }
        let own = |n: &&[u8]| self.account_of(n) == Some(self.zones[from].account);
        let above = ancestors(owner).skip(1).filter(own);
        let mut states = above.filter_map(|n| state(n, true));
        states.any(|state| state == GrantState::Active)
    }

    /// Whether a DNAME at `owner` may lead into the zone `to`.
    pub fn may_dname(&self, owner: &[u8], to: usize) -> bool {
        let Some(from) = self.zone_of(owner) else { return false };
        let grant = (owner.to_vec(), true, to, GrantState::Active);
        self.is_open(from, to) || self.grants.contains(&grant)
    }

    /// Whether no grant is needed.
    fn is_open(&self, from: usize, to: usize) -> bool {
        let (from, to) = (&self.zones[from], &self.zones[to]);
        from.account == to.account
            || from.mode == OnViolation::Report
            || to.cross == CrossAccount::Anyone
            || TRUSTS.contains(&(to.account, from.account))
    }

    /// Owners of records, each once.
    pub fn owners(&self) -> Vec<Vec<u8>> {
        let mut owners: Vec<Vec<u8>> = self.nodes.keys().map(|(name, _)| name.clone()).collect();
        owners.sort();
        owners.dedup();
        owners
    }
}

impl ZoneFact {
    fn new(spec: &Spec) -> ZoneFact {
        ZoneFact {
            apex: spec.apex.as_wire().to_vec(),
            account: spec.account,
            mode: spec.mode,
            cross: spec.cross,
            flatten: spec.flatten,
        }
    }
}

/// Plain text, without escapes, to a wire name.
pub fn wire(text: &str) -> Vec<u8> {
    let labels = text.split('.').filter(|label| !label.is_empty());
    let mut name: Vec<u8> = labels
        .flat_map(|label| [&[label.len() as u8], label.to_ascii_lowercase().as_bytes()].concat())
        .collect();
    name.push(0);
    name
}
