//! Who let which hostname into which zone: the grants, the trusts, and the grants withdrawn a short while ago.

use std::sync::Arc;

use crate::base::id::{AccountId, ZoneId};
use crate::base::name::Name;
use crate::base::records::Records;
use crate::base::time::UnixTime;
use crate::model::seal::{Epochs, Seal};

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
///
/// As octets a grant is its zone, its state with the bit of a wildcard, for a withdrawn one the time, then its name.
#[derive(Clone, Default)]
pub struct GrantTable {
    grants: Records,
    epochs: Epochs,
    /// Bit k: a wildcard grant sits at a name with k labels. Bits stay when a grant goes: they only save look-ups.
    wildcard_depths: u128,
}

const AT_STATE: usize = 4;
const AT_REST: usize = 5;
const ACTIVE: u8 = 0;
const BLOCKED: u8 = 1;
const WITHDRAWN: u8 = 2;
const WILDCARD: u8 = 4;

impl GrantTable {
    /// A table of all grants, each with the hash of its hostname.
    pub fn build(grants: Vec<(u64, Grant)>) -> GrantTable {
        let wildcards = grants.iter().filter(|(_, g)| g.wildcard);
        let wildcard_depths = wildcards.fold(0, |m, (_, g)| m | 1 << g.hostname.label_count());
        let epochs = Epochs::default();
        GrantTable { grants: Records::build(grants, write), epochs, wildcard_depths }
    }

    pub fn len(&self) -> usize {
        self.grants.len()
    }

    pub fn is_empty(&self) -> bool {
        self.grants.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = Grant> {
        self.grants.iter().map(|(_, octets)| read(octets))
    }

    /// Bit k: a wildcard grant may sit at a name with k labels.
    pub fn wildcard_depths(&self) -> u128 {
        self.wildcard_depths
    }

    /// State of the grant of `hostname` (lower-cased wire form, `hash` is its hash) into `zone`.
    #[inline]
    pub fn find(
        &self,
        hash: u64,
        hostname: &[u8],
        wildcard: bool,
        zone: ZoneId,
    ) -> Option<GrantState> {
        let found = self.grants.find(hash, |octets| is(octets, hostname, wildcard, zone));
        found.map(|octets| split(octets).0)
    }

    /// Whether `seal` says that [`GrantTable::find`] finds an active grant for exactly the owner of its record, which
    /// has this hash, into `zone`.
    #[inline]
    pub fn is_sealed(&self, seal: Seal<'_>, hash: u64, zone: ZoneId) -> bool {
        self.epochs.is_sealed(seal, hash, zone)
    }

    /// Whether it most likely does, for whoever does not know the zone.
    #[inline]
    pub fn is_recent(&self, seal: Seal<'_>, hash: u64) -> bool {
        self.epochs.is_recent(seal, hash)
    }

    /// Notes that it was found.
    #[inline]
    pub fn seal(&self, seal: Seal<'_>, hash: u64, zone: ZoneId) {
        self.epochs.seal(seal, hash, zone);
    }

    /// Asks for what [`GrantTable::prefetch_slot`] reads.
    #[inline]
    pub fn prefetch_page(&self, hash: u64) {
        self.grants.prefetch_page(hash);
    }

    /// Asks for what [`GrantTable::prefetch_hostname`] reads.
    #[inline]
    pub fn prefetch_slot(&self, hash: u64) {
        self.grants.prefetch_tags(hash);
    }

    /// Asks for the name that [`GrantTable::find`] compares.
    #[inline]
    pub fn prefetch_hostname(&self, hash: u64) {
        self.grants.prefetch_record(hash);
    }

    /// Adds a grant or replaces the one of the same hostname into the same zone.
    pub fn put(&mut self, hash: u64, grant: &Grant) {
        if grant.wildcard {
            self.wildcard_depths |= 1 << grant.hostname.label_count();
        }
        let mut octets = Vec::new();
        write(grant, &mut octets);
        let Grant { hostname, wildcard, zone, .. } = grant;
        self.epochs.change(hash);
        self.grants.put(hash, &octets, |old| is(old, hostname.as_wire(), *wildcard, *zone));
    }

    /// Takes out a grant. Returns whether there was one.
    pub fn remove(&mut self, hash: u64, hostname: &Name, wildcard: bool, zone: ZoneId) -> bool {
        self.epochs.change(hash);
        self.grants.take(hash, |octets| is(octets, hostname.as_wire(), wildcard, zone))
    }
}

/// Appends a grant as octets.
fn write(grant: &Grant, to: &mut Vec<u8>) {
    to.extend_from_slice(&grant.zone.0.to_le_bytes());
    let wildcard = if grant.wildcard { WILDCARD } else { 0 };
    match grant.state {
        GrantState::Active => to.push(ACTIVE | wildcard),
        GrantState::Blocked => to.push(BLOCKED | wildcard),
        GrantState::Withdrawn(at) => {
            to.push(WITHDRAWN | wildcard);
            to.extend_from_slice(&at.0.to_le_bytes());
        }
    }
    to.extend_from_slice(grant.hostname.as_wire());
}

/// State and hostname of such octets.
#[inline]
fn split(octets: &[u8]) -> (GrantState, &[u8]) {
    let rest = &octets[AT_REST..];
    match octets[AT_STATE] & !WILDCARD {
        ACTIVE => (GrantState::Active, rest),
        BLOCKED => (GrantState::Blocked, rest),
        _ => {
            let (at, rest) = rest.split_at(8);
            let at = u64::from_le_bytes(at.try_into().expect("eight octets"));
            (GrantState::Withdrawn(UnixTime(at)), rest)
        }
    }
}

#[inline]
fn is(octets: &[u8], hostname: &[u8], wildcard: bool, zone: ZoneId) -> bool {
    octets[..AT_STATE] == zone.0.to_le_bytes()
        && (octets[AT_STATE] & WILDCARD != 0) == wildcard
        && split(octets).1 == hostname
}

fn read(octets: &[u8]) -> Grant {
    let (state, hostname) = split(octets);
    let zone = octets[..AT_STATE].try_into().expect("four octets");
    Grant {
        hostname: Name::from_wire(hostname).expect("written from a name"),
        wildcard: octets[AT_STATE] & WILDCARD != 0,
        zone: ZoneId(u32::from_le_bytes(zone)),
        state,
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
    pub holds: &'s crate::model::hold::Holds,
    pub catalog: &'s crate::model::catalog::Catalog,
}
