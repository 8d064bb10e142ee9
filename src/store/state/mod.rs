//! The state that is in no file: accounts and zones of the API, custom hostnames, tokens, holds, the audit log.
//!
//! A [`Store`] keeps it. `Sqlite` is the one in `data/`; a server for many nodes can be another; `Memory` serves
//! tests and simulations. All have to pass one contract (`tests/store_contract.rs`):
//!
//! - A commit is whole or nothing, and what was acknowledged is durable. It names the generation it was made for: if
//!   another came in between, it is refused and nothing changes.
//! - The generation grows by one with each commit. Who followed the changes up to one generation can go on from
//!   there.
//! - Ids of accounts and zones that were removed are refused for ever: nobody inherits anything.
//! - What cannot be read grants nothing: a damaged row is an error, not a missing row.

mod apply;
pub mod backup;
pub mod change;
pub mod chosen;
pub mod claims;
mod counts;
mod grant_rows;
pub mod history;
pub mod hostname_page;
pub mod lineage;
mod make;
pub mod memory;
pub mod readers;
mod record_page;
mod records;
mod removal;
mod rows;
mod schema;
pub mod scope;
pub mod sqlite;
pub mod writer;

use std::fmt;

use self::change::{Account, AuditEntry, Change, Object, Token, Zone};
use self::claims::Tombstone;
use self::history::{Undo, Version};
use self::hostname_page::Wanted;
use crate::base::id::{AccountId, Generation, ZoneId};
use crate::base::name::Name;
use crate::base::time::UnixTime;
use crate::base::uuid::Uuid;
use crate::hostname::fallback::FallbackOrigin;
use crate::hostname::grants::Row;
use crate::hostname::hold::Hold;
use crate::hostname::object::{CustomHostname, Hostname};
use crate::policy::claims::Claim;
use crate::records::filter::Query;
use crate::records::{Content, Record};

/// Everything but custom hostnames and the audit log: few enough for memory.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Control {
    pub generation: Generation,
    pub accounts: Vec<Account>,
    pub zones: Vec<Zone>,
    pub fallbacks: Vec<FallbackOrigin>,
    pub holds: Vec<Hold>,
    pub tokens: Vec<Token>,
    /// Ids below these were used, by what is there or was removed.
    pub used: Used,
}

/// The first ids that this store has never seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Used {
    pub accounts: u32,
    pub zones: u32,
}

/// When something is due, and of which custom hostname.
pub type Due = (UnixTime, Uuid);

/// What changed since a generation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Since {
    /// These objects, each once, and the generation they lead to. If more are left, ask again from there.
    Changed { objects: Vec<Object>, up_to: Generation },
    /// Too long ago (or never): everything has to be loaded anew.
    TooOld,
}

/// Which audit entries are wanted, newest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AuditFilter {
    pub account: Option<AccountId>,
    pub hostname: Option<Uuid>,
    /// Only entries before this number.
    pub before: Option<u64>,
    pub most: usize,
}

/// See the head of the module.
pub trait Store: Send {
    fn generation(&mut self) -> Result<Generation, Failure>;

    fn load(&mut self) -> Result<Control, Failure>;

    /// Visits what decides about grants, of every custom hostname that says something.
    fn grant_rows(&mut self, visit: &mut dyn FnMut(Row)) -> Result<(), Failure>;

    /// The fallback origin of a zone.
    fn fallback(&mut self, zone: ZoneId) -> Result<Option<FallbackOrigin>, Failure> {
        Ok(self.load()?.fallback(zone).cloned())
    }

    /// The hold of a zone.
    fn hold(&mut self, zone: ZoneId) -> Result<Option<Hold>, Failure> {
        Ok(self.load()?.hold(zone).copied())
    }

    fn hostname(&mut self, id: Uuid) -> Result<Option<CustomHostname>, Failure>;

    /// All zones' custom hostnames of exactly this name.
    fn hostnames_named(&mut self, hostname: &Hostname) -> Result<Vec<CustomHostname>, Failure>;

    /// Some of a zone's custom hostnames, in the order of their creation, behind `after`.
    fn hostnames_of(
        &mut self,
        zone: ZoneId,
        after: Option<Uuid>,
        most: usize,
    ) -> Result<Vec<CustomHostname>, Failure>;

    /// Custom hostnames at or below `apex`, of all zones, behind `after`, in some order that stays.
    fn hostnames_within(
        &mut self,
        apex: &Name,
        after: Option<&(Hostname, ZoneId)>,
        most: usize,
    ) -> Result<Vec<CustomHostname>, Failure>;

    /// Custom hostnames of which something is due by then, the longest due first; only those behind `after`.
    fn due(&mut self, by: UnixTime, after: Option<Due>, most: usize) -> Result<Vec<Due>, Failure>;

    /// Entries of the audit log with their numbers, newest first.
    fn audit(&mut self, filter: &AuditFilter) -> Result<Vec<(u64, AuditEntry)>, Failure>;

    /// One page of a zone's custom hostnames, filtered, and how many match in all.
    fn hostnames_page(
        &mut self,
        zone: ZoneId,
        wanted: &Wanted,
    ) -> Result<(Vec<CustomHostname>, usize), Failure>;

    /// Zones claimed through the API, and what is remembered of those that were deleted.
    fn claims(&mut self) -> Result<Vec<Claim>, Failure>;

    fn tombstones(&mut self) -> Result<Vec<Tombstone>, Failure>;

    /// What the zones that live here say, and what one of them says.
    fn contents(&mut self) -> Result<Vec<Content>, Failure>;

    fn content(&mut self, zone: ZoneId) -> Result<Option<Content>, Failure>;

    /// The records of a zone that lives here, or those of one of its names, in no order.
    fn records(&mut self, zone: ZoneId, name: Option<&Name>) -> Result<Vec<Record>, Failure>;

    /// One page of these, filtered and in order, and how many match in all.
    fn records_page(
        &mut self,
        zone: ZoneId,
        query: &Query,
    ) -> Result<(Vec<Record>, usize), Failure> {
        Ok(query.page(self.records(zone, query.only_name().as_ref())?))
    }

    fn record(&mut self, zone: ZoneId, id: Uuid) -> Result<Option<Record>, Failure>;

    /// The versions of a zone that lives here, newest first, as far back as they are kept.
    fn versions(&mut self, zone: ZoneId) -> Result<Vec<Version>, Failure>;

    /// What takes a zone that lives here back to a version; `None`: that one is not known.
    fn undo(&mut self, zone: ZoneId, serial: u32) -> Result<Option<Undo>, Failure>;

    /// Makes all changes or none, in their order. When it returns, they are durable.
    fn commit(
        &mut self,
        changes: &[Change],
        expected: Generation,
    ) -> Result<Generation, CommitError>;

    /// From now on commits count together: they are on disk when [`Store::end`] returns, all of them or none.
    fn begin(&mut self) {}

    /// Ends what [`Store::begin`] began. After an error nothing of it was stored.
    fn end(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// What changed after `since`, `most` generations at a time.
    fn changes_since(&mut self, since: Generation, most: usize) -> Result<Since, Failure>;
}

/// What went wrong with the store itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// No room on the disk, or in a quota.
    Full,
    ReadOnly,
    /// What is there makes no sense.
    Damaged,
    /// A newer version made it.
    Newer,
    /// Anything else.
    Other,
}

/// The store cannot do what was asked, in plain words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    pub trouble: Trouble,
    pub detail: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.trouble {
            Trouble::Full => "the disk is full: nothing can be stored until there is room",
            Trouble::ReadOnly => "the data folder cannot be written",
            Trouble::Damaged => {
                "the database is damaged: restore it from a backup, or move it away"
            }
            Trouble::Newer => "a newer version of Bailiwick made the database",
            Trouble::Other => "the database cannot be used",
        };
        write!(f, "{what} ({})", self.detail)
    }
}

impl std::error::Error for Failure {}

/// Why nothing was committed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CommitError {
    /// Another commit came first.
    Conflict {
        current: Generation,
    },
    Refused(Refused),
    Failed(Failure),
}

/// A change that does not fit what is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The zone has a custom hostname of that name, or the id is in use.
    Duplicate(String),
    /// The account or zone was removed: its id is never used again.
    Gone(String),
    /// The account or zone it belongs to is not there.
    Unknown(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Duplicate(what) => write!(f, "{what} exists already"),
            Refused::Gone(what) => write!(f, "{what} was removed, and its id is never used again"),
            Refused::Unknown(what) => write!(f, "{what} does not exist"),
        }
    }
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommitError::Conflict { current } => {
                write!(
                    f,
                    "something else was changed first (generation {current}): look and try again"
                )
            }
            CommitError::Refused(refused) => refused.fmt(f),
            CommitError::Failed(failure) => write!(f, "nothing was changed: {failure}"),
        }
    }
}

impl std::error::Error for CommitError {}

impl From<Failure> for CommitError {
    fn from(failure: Failure) -> CommitError {
        CommitError::Failed(failure)
    }
}

/// Generations of which the changes are kept, at the least.
pub const KEPT: u64 = 100_000;
