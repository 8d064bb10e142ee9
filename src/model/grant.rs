//! Who let which hostname into which zone: the grants, the trusts, and the grants withdrawn a short while ago.

use std::sync::Arc;

use crate::base::id::{AccountId, ZoneId};
use crate::base::mem;
use crate::base::name::Name;
use crate::base::pages::Pages;
use crate::base::time::UnixTime;

/// What a custom hostname says about edges from its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GrantState {
    /// The edge is allowed.
    Active,
    /// The edge is denied, even under an active wildcard.
    Blocked,
    /// The grant was active until then.
    Withdrawn(UnixTime),
}

/// One hostname, or all names below one, and the zone it may lead into. Bound to the zone's id, never to its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// For a wildcard the name without its `*`.
    pub hostname: Name,
    /// Matches one or more labels below `hostname`, not `hostname` itself.
    pub wildcard: bool,
    pub zone: ZoneId,
    pub state: GrantState,
}

/// All grants by hostname. Cloning shares them.
#[derive(Clone, Default)]
pub struct GrantTable {
    grants: Pages<Grant>,
    /// Bit k: a wildcard grant sits at a name with k labels. Bits stay when a grant goes: they only save look-ups.
    wildcard_depths: u128,
}

impl GrantTable {
    /// A table of all grants, each with the hash of its hostname.
    pub fn build(grants: Vec<(u64, Grant)>) -> GrantTable {
        let wildcards = grants.iter().filter(|(_, g)| g.wildcard);
        let wildcard_depths = wildcards.fold(0, |m, (_, g)| m | 1 << g.hostname.label_count());
        GrantTable { grants: Pages::build(grants), wildcard_depths }
    }

    pub fn len(&self) -> usize {
        self.grants.len()
    }

    pub fn is_empty(&self) -> bool {
        self.grants.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Grant> {
        self.grants.iter()
    }

    /// Bit k: a wildcard grant may sit at a name with k labels.
    pub fn wildcard_depths(&self) -> u128 {
        self.wildcard_depths
    }

    /// The grant of `hostname` (lower-cased wire form, `hash` is its hash) into `zone`.
    pub fn find(&self, hash: u64, hostname: &[u8], wildcard: bool, zone: ZoneId) -> Option<&Grant> {
        self.grants.find(hash, |g| {
            g.zone == zone && g.wildcard == wildcard && g.hostname.as_wire() == hostname
        })
    }

    /// Asks for what [`GrantTable::prefetch_slot`] reads.
    #[inline]
    pub fn prefetch_page(&self, hash: u64) {
        self.grants.prefetch_page(hash);
    }

    /// Asks for what [`GrantTable::prefetch_hostname`] reads.
    #[inline]
    pub fn prefetch_slot(&self, hash: u64) {
        self.grants.prefetch_slot(hash);
    }

    /// Asks for the name that [`GrantTable::find`] compares.
    #[inline]
    pub fn prefetch_hostname(&self, hash: u64) {
        if let Some(grant) = self.grants.find(hash, |_| true) {
            mem::prefetch(grant.hostname.as_wire(), 0);
        }
    }

    /// Adds a grant or replaces the one of the same hostname into the same zone.
    pub fn put(&mut self, hash: u64, grant: Grant) {
        if grant.wildcard {
            self.wildcard_depths |= 1 << grant.hostname.label_count();
        }
        let (name, wildcard, zone) = (grant.hostname.clone(), grant.wildcard, grant.zone);
        self.grants
            .put(hash, grant, |g| g.zone == zone && g.wildcard == wildcard && g.hostname == name);
    }

    /// Takes out a grant. Returns whether there was one.
    pub fn remove(&mut self, hash: u64, hostname: &Name, wildcard: bool, zone: ZoneId) -> bool {
        self.grants
            .take(hash, |g| g.zone == zone && g.wildcard == wildcard && &g.hostname == hostname)
    }
}

/// Which account lets all names of which other account into any of its zones.
#[derive(Clone, Default)]
pub struct Trusts(Arc<Vec<(AccountId, AccountId)>>);

impl Trusts {
    /// From pairs (who trusts, who is trusted).
    pub fn build(mut pairs: Vec<(AccountId, AccountId)>) -> Trusts {
        pairs.sort_unstable();
        pairs.dedup();
        Trusts(Arc::new(pairs))
    }

    /// Whether `who` trusts `whom`.
    pub fn has(&self, who: AccountId, whom: AccountId) -> bool {
        self.0.binary_search(&(who, whom)).is_ok()
    }

    pub fn iter(&self) -> impl Iterator<Item = (AccountId, AccountId)> + '_ {
        self.0.iter().copied()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// All that the judge may read.
#[derive(Clone, Copy)]
pub struct Grants<'s> {
    pub table: &'s GrantTable,
    pub trusts: &'s Trusts,
    pub catalog: &'s crate::model::catalog::Catalog,
}
