//! What the engine decided: RRsets by section, as references into the snapshot. `wire::encode` turns it into octets.

use arrayvec::ArrayVec;
use std::net::IpAddr;

use crate::base::hash::HashKey;
use crate::base::id::AccountId;
use crate::base::limits::HOPS_MAX;
use crate::base::name_buf::NameBuf;
use crate::model::catalog::Zone;
use crate::model::settings::OnViolation;
use crate::model::zone::{RrSet, ZoneData};
use crate::policy::verdict::Denial;

/// Response codes used here (RFC 1035 §4.1.1, 2136, 6891).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u16)]
pub enum Rcode {
    #[default]
    NoError = 0,
    FormErr = 1,
    ServFail = 2,
    NxDomain = 3,
    NotImp = 4,
    Refused = 5,
    YxDomain = 6,
    NotAuth = 9,
    BadVers = 16,
    BadCookie = 23,
}

/// Extended DNS errors used here (RFC 8914 §5.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum EdeCode {
    Other = 0,
    StaleAnswer = 3,
    DnssecBogus = 6,
    NotReady = 14,
    Blocked = 15,
    Prohibited = 18,
    NotAuthoritative = 20,
    NotSupported = 21,
    NoReachableAuthority = 22,
    NetworkError = 23,
}

/// The text that goes with an extended error; written out only when it is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EdeText {
    None,
    Plain(&'static str),
    /// The words, then the query name.
    AboutQuestion(&'static str),
    /// A denial: OWNER -> TARGET as numbers of names in the chain, or (`None`) the query name alone.
    Denied(Option<(u8, u8)>),
}

/// An extended error (RFC 8914).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ede {
    pub code: EdeCode,
    pub text: EdeText,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Section {
    Answer,
    Authority,
    Additional,
}

/// What an item puts into its section.
#[derive(Clone, Copy, Debug)]
pub enum Body<'s> {
    Stored(RrSet<'s>),
    /// Addresses that stand for an alias: stored, and in an order that may change from answer to answer.
    Flattened(RrSet<'s>),
    /// A CNAME made from a DNAME (RFC 6672 §3.1): owner is the item's, target the next name of the chain.
    Synthesised {
        ttl: u32,
    },
    /// The addresses of one family under `on_violation = "sinkhole"`.
    Sinkhole {
        addresses: &'s [IpAddr],
        v6: bool,
        ttl: u32,
    },
    /// Addresses of the NS targets of this set that lie in the zone (RFC 9471).
    Glue {
        ns: RrSet<'s>,
    },
    /// One TXT record in class CH.
    ChaosText(&'s str),
}

/// One RRset (or the glue) of an answer. Its owner is the suffix of `owner_len` octets of name number `hop`.
#[derive(Clone, Copy, Debug)]
pub struct Item<'s> {
    pub section: Section,
    pub hop: u8,
    pub owner_len: u8,
    /// Zone of the set: where its apex lies in the message completes names in rdata.
    pub zone: Option<&'s ZoneData>,
    pub body: Body<'s>,
    /// No TTL of the set above this.
    pub ttl_cap: u32,
    /// The rdata of this item is where name number `hop + 1` stands in the message.
    pub leads_on: bool,
}

/// What has to be known from outside before a question can be answered as well as it could be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Need {
    /// Number of the name in the chain; the type is the question's.
    pub name: u8,
    /// Whose zone leads there.
    pub account: AccountId,
}

/// The denied edge of a question, as it is counted and listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Denied {
    pub denial: Denial,
    /// Numbers of names in the chain.
    pub owner: u8,
    pub target: u8,
    /// What the zone of the owner says is to be done.
    pub mode: OnViolation,
    /// Tells the RRset that the edge comes from from all others as long as its zone lives; 0: there is none.
    pub record: usize,
}

/// Items an answer can have: ten hops, each a DNAME and its CNAME; the last RRset; SOA or NS, and glue.
pub const ITEMS_MAX: usize = 2 * HOPS_MAX + 4;

/// Why an answer is what it is: one value per query, for counters and `explain`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Outcome {
    /// Not answered by the engine: malformed, not supported.
    #[default]
    Rejected,
    Answered,
    NoData,
    NxDomain,
    Referral,
    /// A chain that ends outside the server.
    LeavesUs,
    /// An alias, answered with what the outside said.
    Flattened,
    /// The same, although it expired.
    Stale,
    /// An alias, and nothing that can be used is known from outside.
    OutsideFailed,
    NoZone,
    Unready,
    Loop,
    TooLong,
    NameTooLong,
    Denied,
    NotServed,
}

/// The engine's decision for one question.
#[derive(Default)]
pub struct Answer<'s> {
    pub rcode: Rcode,
    pub authoritative: bool,
    pub items: ArrayVec<Item<'s>, ITEMS_MAX>,
    pub ede: Option<Ede>,
    /// The zone of the query name, for ZONEVERSION (RFC 9660); `None` where it must not be told.
    pub zone: Option<&'s Zone>,
    pub outcome: Outcome,
    /// The answer is the best that can be said now; the outside may know a better one.
    pub needs: Option<Need>,
    /// The denied edge: of a denied answer, or one that `on_violation = "report"` let pass.
    pub denial: Option<Denied>,
    /// Some edge of the chain crossed (by a grant, or reported).
    pub crossed: bool,
}

/// Names of the chain behind the query name, reused from question to question.
pub struct Names {
    names: Box<[NameBuf; HOPS_MAX + 1]>,
    /// Where the RRset lies whose target is number 1 already; 0: none.
    ready_from: usize,
}

impl Default for Names {
    fn default() -> Names {
        let names = Box::new(std::array::from_fn(|_| NameBuf::default()));
        Names { names, ready_from: 0 }
    }
}

impl Names {
    /// Writes the target of `set`, a CNAME, DNAME or alias in `zone`, as the name after number `i`; `first` is the
    /// query name, number 0. Returns whether it is a name.
    pub fn take_target(
        &mut self,
        first: &NameBuf,
        i: usize,
        set: RrSet<'_>,
        zone: &ZoneData,
        key: &HashKey,
    ) -> bool {
        if i == 0 && std::mem::take(&mut self.ready_from) == place(set) {
            return true;
        }
        let (name, next) = self.step(first, i);
        let (front, in_zone) = set.first_target();
        if in_zone {
            next.set_joined(front, name, zone.apex_labels(), key).is_ok()
        } else {
            next.set(front, key).is_ok()
        }
    }

    /// Does that ahead of time for the query name. The walk may come to another RRset: then nothing is ready.
    pub fn make_ready(
        &mut self,
        first: &NameBuf,
        set: RrSet<'_>,
        zone: &ZoneData,
        key: &HashKey,
    ) -> Option<&NameBuf> {
        if !self.take_target(first, 0, set, zone, key) {
            return None;
        }
        self.ready_from = place(set);
        Some(self.at(1))
    }

    /// Nothing is ready: another question, perhaps other zones.
    pub fn forget(&mut self) {
        self.ready_from = 0;
    }

    /// Name number `i` of the chain, counted from 1 (the query name is number 0 and not here).
    pub fn at(&self, i: usize) -> &NameBuf {
        &self.names[i - 1]
    }

    /// Name number `i` of the chain that begins with `first`.
    pub fn of<'n>(&'n self, first: &'n NameBuf, i: usize) -> &'n NameBuf {
        if i == 0 { first } else { self.at(i) }
    }

    /// Name number `i` to read and the one after it to write; `first` is the query name, number 0.
    pub fn step<'n>(&'n mut self, first: &'n NameBuf, i: usize) -> (&'n NameBuf, &'n mut NameBuf) {
        let (done, next) = self.names.split_at_mut(i);
        (done.last().unwrap_or(first), &mut next[0])
    }
}

/// What tells one stored RRset from all others as long as their zones live.
pub(super) fn place(set: RrSet<'_>) -> usize {
    set.wire.as_ptr() as usize
}
