//! Who may hold a name (SPEC §3.1), decided over the whole server, whatever way a zone comes in.
//!
//! One apex belongs to one account. A zone may lie below or above a zone of another account only if the upper zone's
//! settings delegate the name: always the nearest held zone above decides, and of its delegations the most specific
//! that covers the name. Public suffixes and the root are refused unless they are given. Who came first stays: claims
//! are decided in the order in which they were first made, each against all before it, and among those made at once
//! the upper name first, then the account's name in order. A zone whose file is broken holds its name like any other.

use std::collections::HashSet;
use std::fmt;

use super::tree::Tree;
use crate::base::id::{AccountId, ZoneId};
use crate::base::name::{self, Name};

/// What the settings allow, by wire names in lower case.
pub trait Permissions {
    /// Whether the Public Suffix List names exactly this name (listed rules of the ICANN section).
    fn is_public_suffix(&self, name: &[u8]) -> bool;
    /// The account that `policy.suffixes` gives exactly this name.
    fn given_to(&self, name: &[u8]) -> Option<AccountId>;
    /// The account that the settings of the zone `upper` delegate `name` to, by the most specific entry that covers
    /// it; `None` if no entry does or the entry names an account that does not exist.
    fn delegated_to(&self, upper: &[u8], name: &[u8]) -> Option<AccountId>;
}

/// How a zone came to be claimed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Held since an earlier load, recorded under this id.
    Incumbent {
        id: ZoneId,
        /// Held because it was given, not because the name was free for anybody.
        given: bool,
    },
    New,
}

/// One account's claim to a zone.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Wire form, lower case.
    pub apex: &'a [u8],
    pub account: AccountId,
    pub account_name: &'a str,
    pub standing: Standing,
}

/// The claim is granted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Title {
    /// Only because `policy.suffixes` gave the name.
    pub given: bool,
}

/// Why a claim is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The root, and nobody gave it.
    Root,
    /// A public suffix, and nobody gave it.
    PublicSuffix,
    /// Another account holds the apex.
    Taken { by: AccountId },
    /// The nearest zone above belongs to another account that does not delegate the name.
    Below { upper: Name, by: AccountId },
    /// A zone below belongs to another account, and this one does not delegate that name.
    Above { lower: Name, by: AccountId },
}

/// All names that are held, and by whom.
#[derive(Debug, Default)]
pub struct Register {
    tree: Tree,
}

/// What a released name leaves behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Released {
    /// No other claim that was granted depends on it.
    Alone,
    /// It stood between zones of different accounts: all claims have to be settled anew.
    Disturbs,
}

impl Register {
    /// Who holds exactly `apex`.
    pub fn holder(&self, apex: &[u8]) -> Option<AccountId> {
        self.tree.holder(apex)
    }

    /// What is held below a name, and by whom.
    pub fn all_below(&self, apex: &[u8]) -> impl Iterator<Item = (&[u8], AccountId)> {
        self.tree.all_below(apex).map(|lower| (lower.name, lower.holder))
    }

    /// Decides one claim against all that are held. Changes nothing.
    pub fn judge(
        &self,
        claim: &Claim<'_>,
        permissions: &impl Permissions,
    ) -> Result<Title, Refusal> {
        let Claim { apex, account, .. } = *claim;
        if let Some(by) = self.tree.holder(apex) {
            return Err(Refusal::Taken { by });
        }
        let title = suffix_title(claim, permissions)?;
        if let Some(upper) = self.tree.above(apex)
            && upper.holder != account
            && permissions.delegated_to(upper.name, apex) != Some(account)
        {
            return Err(Refusal::Below { upper: owned(upper.name), by: upper.holder });
        }
        let uncovered = self.tree.below(apex).find(|lower| {
            lower.holder != account
                && permissions.delegated_to(apex, lower.name) != Some(lower.holder)
        });
        match uncovered {
            Some(lower) => Err(Refusal::Above { lower: owned(lower.name), by: lower.holder }),
            None => Ok(title),
        }
    }

    /// Decides `claims` in their order of precedence and enters those that are granted. Answers in the order given.
    pub fn settle(
        &mut self,
        claims: &[Claim<'_>],
        permissions: &impl Permissions,
    ) -> Vec<Result<Title, Refusal>> {
        let mut order: Vec<usize> = (0..claims.len()).collect();
        order.sort_by_cached_key(|&i| precedence(&claims[i]));
        let mut decisions: Vec<Option<Result<Title, Refusal>>> = vec![None; claims.len()];
        for i in order {
            let claim = &claims[i];
            let decision = self.judge(claim, permissions);
            if decision.is_ok() {
                self.tree.insert(claim.apex, claim.account);
            }
            decisions[i] = Some(decision);
        }
        decisions.into_iter().map(|d| d.expect("every claim was decided")).collect()
    }

    /// What `settle` makes of an empty register and the claims of all incumbents, whose apexes differ: the register,
    /// and the claims that are refused, by number. Names of one account that has nobody else above or below it need
    /// not be judged: nothing could refuse them, whoever came first.
    pub fn resume(
        claims: &[Claim<'_>],
        permissions: &impl Permissions,
    ) -> (Register, Vec<(usize, Refusal)>) {
        let mut tree = Tree::default();
        tree.reserve(claims.len());
        claims.iter().for_each(|claim| tree.insert(claim.apex, claim.account));
        // What was given may have been taken back.
        let is_plain = |claim: &Claim<'_>| {
            matches!(claim.standing, Standing::Incumbent { given: false, .. }) && claim.apex != [0]
        };
        let doubtful: HashSet<&[u8]> =
            claims.iter().filter(|claim| !is_plain(claim)).map(|claim| claim.apex).collect();
        let families = tree.families(|name| !doubtful.is_empty() && doubtful.contains(name));
        let mut register = Register { tree };
        if !families.any_mixed() {
            return (register, Vec::new());
        }
        let numbers = 0..claims.len();
        let mixed: Vec<usize> =
            numbers.filter(|&n| register.tree.is_mixed(&families, claims[n].apex)).collect();
        mixed.iter().for_each(|&n| register.tree.remove(claims[n].apex));
        let judged: Vec<Claim<'_>> = mixed.iter().map(|&n| claims[n]).collect();
        let decisions = register.settle(&judged, permissions);
        let refused = mixed.into_iter().zip(decisions);
        let refused = refused.filter_map(|(n, decision)| Some((n, decision.err()?))).collect();
        (register, refused)
    }

    /// Nobody holds `apex` any more.
    pub fn release(&mut self, apex: &[u8]) -> Released {
        let above = self.tree.above(apex).map(|upper| upper.holder);
        let disturbs = self.tree.holder(apex).is_some()
            && above.is_some_and(|above| self.tree.below(apex).any(|l| l.holder != above));
        self.tree.remove(apex);
        if disturbs { Released::Disturbs } else { Released::Alone }
    }
}

fn owned(wire: &[u8]) -> Name {
    Name::from_wire(wire).expect("names in the tree are whole")
}

fn suffix_title(claim: &Claim<'_>, permissions: &impl Permissions) -> Result<Title, Refusal> {
    let refusal = if claim.apex == [0] {
        Refusal::Root
    } else if permissions.is_public_suffix(claim.apex) {
        Refusal::PublicSuffix
    } else {
        return Ok(Title { given: false });
    };
    if permissions.given_to(claim.apex) == Some(claim.account) {
        return Ok(Title { given: true });
    }
    match claim.standing {
        // The list grew after the name was taken: who came first stays.
        Standing::Incumbent { given: false, .. } if refusal == Refusal::PublicSuffix => {
            Ok(Title { given: false })
        }
        _ => Err(refusal),
    }
}

/// Incumbents in the order in which they came, then new ones: upper names first, then by account.
fn precedence<'a>(claim: &Claim<'a>) -> (u64, usize, &'a [u8], &'a str) {
    match claim.standing {
        Standing::Incumbent { id, .. } => (u64::from(id.0), 0, claim.apex, claim.account_name),
        Standing::New => (u64::MAX, name::label_count(claim.apex), claim.apex, claim.account_name),
    }
}

impl Refusal {
    /// A stable word for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::Root => "root-not-given",
            Refusal::PublicSuffix => "public-suffix",
            Refusal::Taken { .. } => "apex-of-another-account",
            Refusal::Below { .. } => "below-another-account",
            Refusal::Above { .. } => "above-another-account",
        }
    }

    /// What is wrong and what would allow it, for the operator: it names the other account.
    pub fn explain(&self, apex: &Name, account: &str, other: &str) -> Explained {
        let (what, help) = match self {
            Refusal::Root => (
                "the root may not be held".to_owned(),
                format!("to allow it: policy.suffixes = {{ \".\" = \"{account}\" }}"),
            ),
            Refusal::PublicSuffix => (
                format!("{apex} is a public suffix, under which others register names"),
                format!("to allow it: policy.suffixes = {{ \"{apex}\" = \"{account}\" }}"),
            ),
            Refusal::Taken { .. } => (
                format!("account {other} already holds {apex}"),
                format!("one zone belongs to one account: remove this file, or the one of {other}"),
            ),
            Refusal::Below { upper, .. } => (
                format!("{apex} lies below {upper}, which account {other} holds"),
                delegate(upper, apex, account),
            ),
            Refusal::Above { lower, .. } => (
                format!("{apex} lies above {lower}, which account {other} holds"),
                delegate(apex, lower, other),
            ),
        };
        Explained { what, help }
    }

    /// The account in whose way the claim was.
    pub fn other(&self) -> Option<AccountId> {
        match self {
            Refusal::Root | Refusal::PublicSuffix => None,
            Refusal::Taken { by } | Refusal::Below { by, .. } | Refusal::Above { by, .. } => {
                Some(*by)
            }
        }
    }
}

/// A refusal in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explained {
    pub what: String,
    pub help: String,
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.help)
    }
}

fn delegate(upper: &Name, lower: &Name, to: &str) -> String {
    format!("to allow it: [zones.\"{upper}\"] delegates = {{ \"{lower}\" = \"{to}\" }}")
}

#[cfg(test)]
mod tests;
