//! What a check of a custom hostname saw, as values: the verifier fills them in, `verify` judges them.

use std::net::IpAddr;

use super::object::Owner;
use crate::base::name::Name;

/// Most CNAMEs of a chain that a proof may walk (SPEC §7.2).
pub const CNAMES_MAX: usize = 10;

/// The answer to one question, or why there is none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lookup<T> {
    Answered(T),
    /// Proves nothing either way. In words.
    NoAnswer(String),
}

impl<T> Lookup<T> {
    pub fn answer(&self) -> Option<&T> {
        match self {
            Lookup::Answered(answer) => Some(answer),
            Lookup::NoAnswer(_) => None,
        }
    }
}

/// A name that a CNAME, a DNAME or an alias of a zone here leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    pub name: Name,
    /// The active zone here that owns it.
    pub owner: Option<Owner>,
}

/// The names behind the hostname, in order. Not more than `CNAMES_MAX` of them and one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Chain {
    pub targets: Vec<Target>,
    /// A name came twice.
    pub is_loop: bool,
}

impl Chain {
    /// Adds the next name of the chain that begins at `first`; `false`: there is nothing to walk on to.
    pub fn push(&mut self, first: &Name, target: Target) -> bool {
        self.is_loop =
            target.name == *first || self.targets.iter().any(|known| known.name == target.name);
        self.targets.push(target);
        !self.is_loop && self.targets.len() <= CNAMES_MAX
    }
}

/// What stands at the name of the TXT record.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Texts {
    /// The strings of each record, joined.
    pub values: Vec<Vec<u8>>,
    /// They are not at exactly that name: a CNAME, a DNAME or a wildcard led to them.
    pub elsewhere: bool,
}

/// What came of fetching the HTTP token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Page {
    /// The last answer, behind redirects on the same host.
    Got { status: u16, body: Vec<u8> },
    /// No answer, in words.
    Failed(String),
    /// Not asked: a wildcard, or nothing had to be proved by it.
    NotAsked,
}

/// One check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Who owned the hostname at that time.
    pub owner: Option<Owner>,
    pub chain: Lookup<Chain>,
    /// Addresses at the end of the chain, both families asked for.
    pub v4: Lookup<Vec<IpAddr>>,
    pub v6: Lookup<Vec<IpAddr>>,
    pub texts: Lookup<Texts>,
    pub page: Page,
}
