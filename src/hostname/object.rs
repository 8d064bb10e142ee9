//! A custom hostname as it is stored: plain data. What changes it is `lifecycle`.

use std::fmt;
use std::str::FromStr;

use super::errors::VerificationError;
use super::proof::Tokens;
use crate::base::id::{AccountId, ZoneId};
use crate::base::name::Name;
use crate::base::time::UnixTime;
use crate::base::uuid::Uuid;

/// A hostname, or all names below one.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hostname {
    /// For a wildcard the name without its `*`.
    pub base: Name,
    pub wildcard: bool,
}

impl Hostname {
    /// Of a name whose first label may be `*`.
    pub fn of(name: &Name) -> Hostname {
        match name.parent() {
            Some(base) if name.is_wildcard() => Hostname { base, wildcard: true },
            _ => Hostname { base: name.clone(), wildcard: false },
        }
    }

    /// The name itself, with the `*` of a wildcard. `None`: with the `*` it would be too long.
    pub fn name(&self) -> Option<Name> {
        if !self.wildcard {
            return Some(self.base.clone());
        }
        Name::from_wire(&[b"\x01*", self.base.as_wire()].concat()).ok()
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.wildcard { "*." } else { "" };
        write!(f, "{star}{}", self.base)
    }
}

impl fmt::Debug for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The active zone here that owns a name, and its account. Both by ids that are never used again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Owner {
    pub zone: ZoneId,
    pub account: AccountId,
}

/// Where a custom hostname stands (SPEC §7.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Status {
    Pending,
    Active,
    /// Active, and a change of it is on its way into the snapshot.
    ActiveRedeploying,
    /// Never proved in time, or proved no more, or proved by another zone later.
    Moved,
    /// Moved for seven days. It can be read, and revived by a refresh.
    Deleted,
    /// DELETE was accepted; it grants nothing any more.
    PendingDeletion,
    /// Under a zone hold of somebody else, or on the abuse list.
    Blocked,
}

impl Status {
    pub const ALL: [Status; 7] = [
        Status::Pending,
        Status::Active,
        Status::ActiveRedeploying,
        Status::Moved,
        Status::Deleted,
        Status::PendingDeletion,
        Status::Blocked,
    ];

    /// The word in the API and the store.
    pub fn word(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Active => "active",
            Status::ActiveRedeploying => "active_redeploying",
            Status::Moved => "moved",
            Status::Deleted => "deleted",
            Status::PendingDeletion => "pending_deletion",
            Status::Blocked => "blocked",
        }
    }

    /// Pending never routes.
    pub fn is_grant(self) -> bool {
        matches!(self, Status::Active | Status::ActiveRedeploying)
    }
}

impl FromStr for Status {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Status, UnknownWord> {
        Status::ALL.into_iter().find(|s| s.word() == word).ok_or(UnknownWord)
    }
}

/// A word that stands for nothing here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownWord;

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word that this version does not know")
    }
}

impl std::error::Error for UnknownWord {}

/// What can prove a hostname (SPEC §7.2), strongest first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Method {
    Cname,
    Address,
    Txt,
    Http,
}

impl Method {
    pub const ALL: [Method; 4] = [Method::Cname, Method::Address, Method::Txt, Method::Http];

    /// The word in the API and the store.
    pub fn word(self) -> &'static str {
        match self {
            Method::Cname => "cname",
            Method::Address => "address",
            Method::Txt => "txt",
            Method::Http => "http",
        }
    }

    /// Whether it shows that the hostname leads to the provider, not only that somebody agreed.
    pub fn is_dns(self) -> bool {
        matches!(self, Method::Cname | Method::Address)
    }
}

impl FromStr for Method {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Method, UnknownWord> {
        Method::ALL.into_iter().find(|m| m.word() == word).ok_or(UnknownWord)
    }
}

/// What a hostname became active by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Proof {
    /// As of the last check that succeeded.
    pub method: Method,
    pub at: UnixTime,
    /// Who verified later has the higher number, over all zones and accounts.
    pub sequence: u64,
    /// Who owned the hostname then, if it lies in a zone here. The grant is void when that changes.
    pub owner: Option<Owner>,
}

/// Rechecks of an active hostname that found no proof.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failures {
    pub count: u32,
    /// The first of them.
    pub since: UnixTime,
}

/// Why a hostname is blocked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Block {
    /// Another account's zone hold covers it.
    Hold,
    /// The operator put it on the abuse list.
    Abuse,
}

impl Block {
    /// The word in the store.
    pub fn word(self) -> &'static str {
        match self {
            Block::Hold => "hold",
            Block::Abuse => "abuse",
        }
    }
}

impl FromStr for Block {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Block, UnknownWord> {
        [Block::Hold, Block::Abuse].into_iter().find(|b| b.word() == word).ok_or(UnknownWord)
    }
}

/// What the last check saw, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LastCheck {
    /// What proved it, if anything did.
    pub method: Option<Method>,
    pub saw: String,
    pub at: UnixTime,
}

/// A customer's name at a provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CustomHostname {
    pub id: Uuid,
    pub hostname: Hostname,
    /// The provider: the zone the hostname may lead into, and its account when this was created.
    pub provider: Owner,
    pub status: Status,
    /// Since when it has this status.
    pub since: UnixTime,
    pub created_at: UnixTime,
    pub tokens: Tokens,
    /// Grows with every step that makes results of checks begun before it worthless.
    pub revision: u32,
    /// Checks of the schedule since it was started last.
    pub attempts: u32,
    pub next_check_at: Option<UnixTime>,
    /// Of an active hostname.
    pub proof: Option<Proof>,
    pub failures: Option<Failures>,
    pub block: Option<Block>,
    pub errors: Vec<VerificationError>,
    pub last_check: Option<LastCheck>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_their_own_inverse() {
        for status in Status::ALL {
            assert_eq!(status.word().parse(), Ok(status));
        }
        for method in Method::ALL {
            assert_eq!(method.word().parse(), Ok(method));
        }
        assert_eq!("hold".parse(), Ok(Block::Hold));
        assert_eq!("Active".parse::<Status>(), Err(UnknownWord));
    }

    #[test]
    fn wildcards_split_and_join() {
        for text in ["app.example.com", "*.example.com"] {
            let hostname = Hostname::of(&Name::from_text(text).unwrap());
            assert_eq!(hostname.to_string(), text);
            assert_eq!(hostname.name().unwrap().to_string(), text);
        }
    }
}
