//! What the judge says of an edge: a permit that only the judge can make, or a denial that explains itself.

use crate::base::id::{AccountId, ZoneId};

/// The first line of every denial's text, and the code people search for.
pub const CODE: &str = "1014";

/// Why a crossing edge is allowed (SPEC §5, in this order).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// 1: the target's zone says `cross_account = "anyone"`.
    Anyone,
    /// 2: the target's account trusts the owner's.
    Trust,
    /// 3: an active custom hostname matches the owner as asked for.
    Grant,
    /// 3: an active custom hostname matches the alias that hides the edge.
    AliasGrant,
}

impl Rule {
    /// The rule's number in SPEC §5.
    pub fn number(self) -> u8 {
        match self {
            Rule::Anyone => 1,
            Rule::Trust => 2,
            Rule::Grant | Rule::AliasGrant => 3,
        }
    }
}

/// Proof that a crossing edge was judged and allowed. Only the judge makes one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Permitted {
    rule: Rule,
    wildcard: Option<u8>,
}

impl Permitted {
    pub(super) fn by(rule: Rule, wildcard: Option<u8>) -> Permitted {
        Permitted { rule, wildcard }
    }

    pub fn rule(self) -> Rule {
        self.rule
    }

    /// For a grant by wildcard: the labels of the name below which it holds.
    pub fn wildcard(self) -> Option<usize> {
        self.wildcard.map(usize::from)
    }
}

/// Why no rule opened the edge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// Nobody ever granted it.
    NotGranted,
    /// The hostname is blocked at the target's zone.
    Blocked,
    /// The grant that opened it was withdrawn less than seven days ago.
    Withdrawn,
}

impl Reason {
    /// The word in metrics, JSON and logs.
    pub fn word(self) -> &'static str {
        match self {
            Reason::NotGranted => "not-granted",
            Reason::Blocked => "blocked",
            Reason::Withdrawn => "withdrawn",
        }
    }
}

/// A denied edge: enough to explain it without looking further.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Denial {
    pub reason: Reason,
    pub from: (ZoneId, AccountId),
    pub to: (ZoneId, AccountId),
}

/// What is to be done with an edge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Both ends belong to one account, or the target lies outside: nothing to judge.
    Inside,
    Allow(Permitted),
    Deny(Denial),
}
