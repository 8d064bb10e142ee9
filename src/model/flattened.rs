//! What the outside said about one target: the hops, the addresses, and until when they may be served.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::name::Name;
use crate::base::rtype::RType;
use crate::base::time::UnixTime;

/// What is asked outside: the addresses of one family at the end of one target's chain.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Key {
    /// The first name outside that the chain leads to.
    pub target: Name,
    /// A or AAAA.
    pub rtype: RType,
}

/// One step that the resolver reported behind the target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutsideHop {
    /// Where the CNAME led.
    pub name: Name,
    /// The TTL of that CNAME as received.
    pub ttl: u32,
}

/// What a look-up ended with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// There are addresses.
    Addresses,
    /// The last name of the chain has none of this family that may be used.
    NoData,
    /// The last name of the chain does not exist.
    NxDomain,
    /// Nothing is known but the hops seen until then.
    Failed(FailureKind),
}

/// Why the outside gave no answer that can be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailureKind {
    /// No upstream is configured.
    NoUpstream,
    /// No upstream answered in time.
    Timeout,
    /// No upstream could be reached at all.
    Network,
    /// The upstreams answered SERVFAIL.
    ServFail,
    /// The upstreams answered REFUSED or another error.
    Refused,
    /// The answer does not hold against its signatures.
    Bogus,
    /// The chain outside comes back to a name it has been at.
    Loop,
    /// The chain outside has too many names.
    TooLong,
    /// The answer makes no sense.
    Garbage,
    /// This server is busy: the bounds of its look-ups are reached.
    Busy,
}

impl FailureKind {
    /// The extended error (RFC 8914): DNSSEC Bogus, No Reachable Authority, Network Error, Other.
    pub fn ede(self) -> u16 {
        match self {
            FailureKind::Bogus => 6,
            FailureKind::Timeout
            | FailureKind::NoUpstream
            | FailureKind::ServFail
            | FailureKind::Refused
            | FailureKind::Busy => 22,
            FailureKind::Network | FailureKind::Garbage => 23,
            FailureKind::Loop | FailureKind::TooLong => 0,
        }
    }

    /// The word in logs, JSON and `data/`.
    pub fn word(self) -> &'static str {
        match self {
            FailureKind::NoUpstream => "no-upstream",
            FailureKind::Timeout => "timeout",
            FailureKind::Network => "network",
            FailureKind::ServFail => "servfail",
            FailureKind::Refused => "refused",
            FailureKind::Bogus => "bogus",
            FailureKind::Loop => "loop",
            FailureKind::TooLong => "too-long",
            FailureKind::Garbage => "garbage",
            FailureKind::Busy => "busy",
        }
    }
}

/// Addresses of one family: at most [`crate::base::limits::OUTSIDE_ADDRESSES`], each once, in a stable order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Addresses {
    V4(Box<[[u8; 4]]>),
    V6(Box<[[u8; 16]]>),
}

impl Addresses {
    pub fn len(&self) -> usize {
        match self {
            Addresses::V4(all) => all.len(),
            Addresses::V6(all) => all.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rdata of the address at `at`.
    pub fn rdata(&self, at: usize) -> &[u8] {
        match self {
            Addresses::V4(all) => &all[at],
            Addresses::V6(all) => &all[at],
        }
    }

    /// All of them, for people.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + '_ {
        (0..self.len()).map(|at| match self {
            Addresses::V4(all) => IpAddr::from(all[at]),
            Addresses::V6(all) => IpAddr::from(all[at]),
        })
    }
}

/// The last attempt to renew an entry, when it failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failure {
    pub kind: FailureKind,
    /// When nothing had worked for the first time.
    pub since: UnixTime,
    /// Not asked again before (RFC 9520).
    pub retry: UnixTime,
}

/// Trust anchors, as a digest of them all: what one set proves, another one does not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AnchorSet(pub u64);

/// What the outside said about one [`Key`]. A look-up that failed leaves the last good answer in place and only sets
/// `failure`; `outcome` is `Failed` where there never was a good one.
#[derive(Debug)]
pub struct Entry {
    /// The names behind the target in order, as far as they were seen.
    pub hops: Box<[OutsideHop]>,
    pub outcome: Outcome,
    pub addresses: Addresses,
    /// Special-purpose addresses that were left out.
    pub dropped: u8,
    /// The signatures were checked and hold, by these anchors.
    pub validated: Option<AnchorSet>,
    /// Least TTL of hops and addresses (of the SOA, where there are none), within `min_ttl` and `max_ttl`.
    pub ttl: u32,
    pub fetched: UnixTime,
    pub expires: UnixTime,
    /// Behind `expires`: still served until then if the outside does not answer.
    pub stale_until: UnixTime,
    pub failure: Option<Failure>,
    /// Who answered.
    pub upstream: Option<SocketAddr>,
    pub took_ms: u32,
    /// Set by whoever answers with it, so that it is renewed before it expires.
    pub used: AtomicBool,
}

/// What an entry is good for at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// To be served, with this TTL.
    Fresh(u32),
    /// Expired, and the outside failed just now: to be served at once with EDE 3.
    Stale(FailureKind),
    /// Expired: to be asked for again, and served as stale if nothing new comes by the deadline.
    Expired,
    /// The outside failed just now and nothing else is known: SERVFAIL, without asking again.
    Failed(FailureKind),
    /// Worth nothing any more: to be asked for, and SERVFAIL if nothing comes by the deadline.
    Gone,
}

impl Entry {
    /// What the entry is good for at `now`.
    pub fn standing(&self, now: UnixTime) -> Standing {
        let failing = self.failure.filter(|f| now < f.retry).map(|f| f.kind);
        if let Outcome::Failed(_) = self.outcome {
            return failing.map_or(Standing::Gone, Standing::Failed);
        }
        if let Some(ttl) = fresh(self.expires, self.ttl, now) {
            return Standing::Fresh(ttl);
        }
        match (now < self.stale_until, failing) {
            // What was good once says nothing for an answer that does not hold now.
            (_, Some(FailureKind::Bogus)) => Standing::Failed(FailureKind::Bogus),
            (true, Some(kind)) => Standing::Stale(kind),
            (true, None) => Standing::Expired,
            (false, Some(kind)) => Standing::Failed(kind),
            (false, None) => Standing::Gone,
        }
    }

    /// The same answer with another fate: not used since.
    pub fn with(&self, failure: Option<Failure>, stale_until: UnixTime) -> Entry {
        Entry {
            hops: self.hops.clone(),
            addresses: self.addresses.clone(),
            failure,
            stale_until,
            used: AtomicBool::new(false),
            ..*self
        }
    }

    /// Octets it takes in memory, more or less.
    pub fn octets(&self) -> usize {
        let hops = self.hops.iter().map(|hop| hop.name.as_wire().len() + 40).sum::<usize>();
        let each = if matches!(self.addresses, Addresses::V4(_)) { 4 } else { 16 };
        size_of::<Entry>() + hops + each * self.addresses.len()
    }

    /// Says that somebody was answered with it.
    #[inline]
    pub fn mark_used(&self) {
        // Written once a life, not once a question: the cache line stays shared between cores.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }
}

/// What is left of the TTL of an answer that expires then, if it is fresh.
#[inline]
pub fn fresh(expires: UnixTime, ttl: u32, now: UnixTime) -> Option<u32> {
    let left = expires.since(now);
    // Much more than the whole TTL: the clock was set back, and nobody knows how old it is.
    let is_dated = left <= 2 * u64::from(ttl);
    (now < expires && is_dated).then(|| left.min(u64::from(ttl)) as u32)
}

/// An entry that is new, or (`None`) forgotten.
pub type Update = (Key, Option<Arc<Entry>>);

/// Called once, when there is an answer or the deadline has passed.
pub type Waiter = Box<dyn FnOnce() + Send>;

/// News from the outside: to be put into the next snapshot; `waiters` are called when that can be seen.
#[derive(Default)]
pub struct News {
    pub updates: Vec<Update>,
    pub waiters: Vec<Waiter>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(outcome: Outcome, failure: Option<Failure>) -> Entry {
        Entry {
            hops: Box::default(),
            outcome,
            addresses: Addresses::V4(Box::new([[192, 0, 2, 1]])),
            dropped: 0,
            validated: None,
            ttl: 60,
            fetched: UnixTime(1000),
            expires: UnixTime(1060),
            stale_until: UnixTime(2000),
            failure,
            upstream: None,
            took_ms: 0,
            used: AtomicBool::new(false),
        }
    }

    #[test]
    fn a_life() {
        let good = entry(Outcome::Addresses, None);
        assert_eq!(good.standing(UnixTime(1000)), Standing::Fresh(60));
        assert_eq!(good.standing(UnixTime(1059)), Standing::Fresh(1));
        assert_eq!(good.standing(UnixTime(1060)), Standing::Expired);
        assert_eq!(good.standing(UnixTime(2000)), Standing::Gone);
        // A clock that was set back lengthens no TTL, and much of it no life.
        assert_eq!(good.standing(UnixTime(950)), Standing::Fresh(60));
        assert_eq!(good.standing(UnixTime(900)), Standing::Expired);
    }

    #[test]
    fn a_failure_lets_the_last_answer_stand() {
        let kind = FailureKind::Timeout;
        let failure = |retry| Some(Failure { kind, since: UnixTime(1055), retry: UnixTime(retry) });
        let good = entry(Outcome::Addresses, failure(1070));
        assert_eq!(good.standing(UnixTime(1058)), Standing::Fresh(2));
        assert_eq!(good.standing(UnixTime(1065)), Standing::Stale(kind));
        assert_eq!(good.standing(UnixTime(1070)), Standing::Expired);
        let good = entry(Outcome::Addresses, failure(2010));
        assert_eq!(good.standing(UnixTime(2005)), Standing::Failed(kind));
        let never = entry(Outcome::Failed(kind), failure(1070));
        assert_eq!(never.standing(UnixTime(1065)), Standing::Failed(kind));
        assert_eq!(never.standing(UnixTime(1070)), Standing::Gone);
    }

    #[test]
    fn rdata_is_the_address() {
        let addresses = Addresses::V6(Box::new([[1; 16], [2; 16]]));
        assert_eq!(addresses.rdata(1), [2; 16]);
        assert_eq!(addresses.iter().next(), Some(IpAddr::from([1; 16])));
    }
}
