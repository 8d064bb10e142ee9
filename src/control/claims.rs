//! Zones claimed through the API, in memory; and what the zones here show of a claim.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::id::{AccountId, ZoneId};
use crate::base::name::Name;
use crate::base::name_buf::NameBuf;
use crate::base::rtype;
use crate::base::time::UnixTime;
use crate::engine::lookup::{self, Found};
use crate::model::snapshot::Snapshot;
use crate::policy::claims::{Claim, Lookup, Status};
use crate::store::state::claims::Tombstone;

/// All claims.
#[derive(Debug, Default)]
pub struct Claims {
    all: BTreeMap<ZoneId, Arc<Claim>>,
    named: BTreeMap<Name, BTreeSet<ZoneId>>,
    due: BTreeSet<(UnixTime, ZoneId)>,
    of_account: BTreeMap<AccountId, usize>,
    pub tombstones: Vec<Tombstone>,
    /// Claims whose name somebody else has proved: they are looked at strictly.
    pub challenged: BTreeSet<ZoneId>,
    /// Names of claims that changed since they were last taken.
    changed: Vec<Name>,
}

/// What one look has to find out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quest {
    pub zone: ZoneId,
    pub apex: Name,
    pub txt_name: Option<Name>,
    /// As the zones here show it, if the parent is served here.
    pub delegation: Option<Lookup<BTreeSet<Name>>>,
    pub texts: Option<Lookup<Vec<String>>>,
}

impl Claims {
    pub fn get(&self, zone: ZoneId) -> Option<&Arc<Claim>> {
        self.all.get(&zone)
    }

    pub fn all(&self) -> impl Iterator<Item = &Arc<Claim>> {
        self.all.values()
    }

    /// All claims of an apex.
    pub fn named(&self, apex: &Name) -> impl Iterator<Item = &Arc<Claim>> {
        self.named.get(apex).into_iter().flatten().filter_map(|id| self.all.get(id))
    }

    /// Claims at or below a name.
    pub fn within(&self, apex: &Name) -> Vec<Arc<Claim>> {
        self.all.values().filter(|claim| claim.apex.is_within(apex)).cloned().collect()
    }

    pub fn count(&self, account: AccountId) -> usize {
        self.of_account.get(&account).copied().unwrap_or(0)
    }

    pub fn put(&mut self, claim: Claim) {
        self.remove(claim.zone);
        if let Some(at) = claim.next_check_at {
            self.due.insert((at, claim.zone));
        }
        *self.of_account.entry(claim.account).or_default() += 1;
        self.named.entry(claim.apex.clone()).or_default().insert(claim.zone);
        self.changed.push(claim.apex.clone());
        self.all.insert(claim.zone, Arc::new(claim));
    }

    pub fn remove(&mut self, zone: ZoneId) {
        let Some(old) = self.all.remove(&zone) else { return };
        if let Some(at) = old.next_check_at {
            self.due.remove(&(at, zone));
        }
        if let Some(count) = self.of_account.get_mut(&old.account) {
            *count -= 1;
        }
        if let Some(ids) = self.named.get_mut(&old.apex) {
            ids.remove(&zone);
            if ids.is_empty() {
                self.named.remove(&old.apex);
            }
        }
        self.changed.push(old.apex.clone());
    }

    /// Some of those that are to be looked at by now.
    pub fn due(&self, now: UnixTime, most: usize) -> Vec<ZoneId> {
        let due = self.due.iter().take_while(|(at, _)| *at <= now);
        due.take(most).map(|(_, id)| *id).collect()
    }

    pub fn take_changed(&mut self) -> Vec<Name> {
        std::mem::take(&mut self.changed)
    }

    /// Whether a set of names was given to somebody for this apex, or was while it was somebody's.
    pub fn is_taken(&self, apex: &Name, set: &BTreeSet<Name>) -> bool {
        let same = |names: &Vec<Name>| names.iter().eq(set);
        self.named(apex).any(|claim| same(&claim.nameservers))
            || self.tombstones.iter().any(|t| t.apex == *apex && same(&t.nameservers))
    }

    /// What a look at a claim has to find out, with what the zones here show already.
    pub fn quest(&self, zone: ZoneId, snapshot: &Snapshot) -> Option<Quest> {
        let claim = self.all.get(&zone)?;
        let delegation = claim.apex.parent().and_then(|above| delegation(snapshot, claim, &above));
        let txt_name = claim.txt_name();
        let texts = match &txt_name {
            Some(name) => texts(snapshot, claim, name),
            None => Some(Lookup::Answered(Vec::new())),
        };
        Some(Quest { zone, apex: claim.apex.clone(), txt_name, delegation, texts })
    }
}

/// Whether a zone here that is not this claim's own encloses a name.
fn encloses<'s>(
    snapshot: &'s Snapshot,
    name: &Name,
    claim: &Claim,
) -> Option<&'s crate::model::catalog::Zone> {
    let buf = NameBuf::of(name, &snapshot.key);
    snapshot.catalog.zone_for(&buf).filter(|zone| zone.id != claim.zone)
}

/// What the zone above, if it is served here, delegates the apex to.
fn delegation(snapshot: &Snapshot, claim: &Claim, above: &Name) -> Option<Lookup<BTreeSet<Name>>> {
    let zone = encloses(snapshot, above, claim)?;
    if !zone.data.is_ready() {
        return Some(Lookup::NoAnswer("the zone above has no data".to_owned()));
    }
    let buf = NameBuf::of(&claim.apex, &snapshot.key);
    match lookup::find(&zone.data, &buf, &snapshot.key) {
        Found::Cut(node) if node.owner() == claim.apex => {
            let mut names = BTreeSet::new();
            if let Some(set) = node.rrset(rtype::NS) {
                set.expanded(zone.apex(), |rdata| names.extend(Name::from_wire(rdata)));
            }
            Some(Lookup::Answered(names))
        }
        // Delegated further up: the parent lies outside.
        Found::Cut(_) => None,
        _ => Some(Lookup::Answered(BTreeSet::new())),
    }
}

/// The texts at exactly a name, if a zone here owns it. The claim's own zone says nothing for itself.
fn texts(snapshot: &Snapshot, claim: &Claim, name: &Name) -> Option<Lookup<Vec<String>>> {
    let above = claim.apex.parent()?;
    let zone = encloses(snapshot, &above, claim)?;
    if !zone.data.is_ready() {
        return Some(Lookup::NoAnswer("the zone above has no data".to_owned()));
    }
    let buf = NameBuf::of(name, &snapshot.key);
    match lookup::find(&zone.data, &buf, &snapshot.key) {
        Found::Cut(_) => None,
        Found::Node(node) if node.rrset(rtype::CNAME).is_none() => {
            let set = node.rrset(rtype::TXT);
            let texts = set.iter().flat_map(|set| set.records().map(|(_, rdata)| joined(rdata)));
            Some(Lookup::Answered(texts.collect()))
        }
        _ => Some(Lookup::Answered(Vec::new())),
    }
}

/// The strings of a TXT record in one.
fn joined(mut rdata: &[u8]) -> String {
    let mut whole = Vec::new();
    while let Some((&len, rest)) = rdata.split_first() {
        let (string, more) = rest.split_at(usize::from(len).min(rest.len()));
        whole.extend_from_slice(string);
        rdata = more;
    }
    String::from_utf8_lossy(&whole).into_owned()
}

/// Whether a claim counts.
pub fn is_active(claim: &Claim) -> bool {
    claim.status == Status::Active
}
