//! The fallback origin of a provider's zone (SPEC §7.4): the name that custom hostnames lead to.
//!
//! ```text
//! (none) ── set ──▶ initializing ── has A, AAAA or CNAME ──▶ pending_deployment ── resolves ──▶ active
//!                   initializing | pending_deployment ── 24 hours ──▶ deployment_timed_out
//!                   pending_deployment | active | deployment_timed_out ── record gone ──▶ initializing
//!                   deployment_timed_out ── resolves ──▶ active
//! any ── DELETE ──▶ pending_deletion ── removed ──▶ (none)
//!                   pending_deletion ── 24 hours ──▶ deletion_timed_out ── removed ──▶ (none)
//! any ── set to another name ──▶ initializing
//! ```
//!
//! A look-up without an answer changes nothing. An active one that stops resolving stays active as long as its
//! record is there: active says that the name is set up, not that the origin works.

use std::str::FromStr;

use super::object::UnknownWord;
use crate::base::id::ZoneId;
use crate::base::name::Name;
use crate::base::time::UnixTime;

/// Seconds after which a step that should have happened is said to have timed out.
pub const TIMEOUT: u64 = 86_400;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Status {
    Initializing,
    PendingDeployment,
    Active,
    PendingDeletion,
    DeploymentTimedOut,
    DeletionTimedOut,
}

impl Status {
    pub const ALL: [Status; 6] = [
        Status::Initializing,
        Status::PendingDeployment,
        Status::Active,
        Status::PendingDeletion,
        Status::DeploymentTimedOut,
        Status::DeletionTimedOut,
    ];

    /// The word in the API and the store.
    pub fn word(self) -> &'static str {
        match self {
            Status::Initializing => "initializing",
            Status::PendingDeployment => "pending_deployment",
            Status::Active => "active",
            Status::PendingDeletion => "pending_deletion",
            Status::DeploymentTimedOut => "deployment_timed_out",
            Status::DeletionTimedOut => "deletion_timed_out",
        }
    }
}

impl FromStr for Status {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Status, UnknownWord> {
        Status::ALL.into_iter().find(|s| s.word() == word).ok_or(UnknownWord)
    }
}

/// The fallback origin of a zone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FallbackOrigin {
    pub zone: ZoneId,
    pub origin: Name,
    pub status: Status,
    /// Since when it has this status.
    pub since: UnixTime,
    pub created_at: UnixTime,
    pub updated_at: UnixTime,
    /// By the operator, in the config.
    pub asserted: bool,
}

/// What the zone's data and the look-ups say of the origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// The zone has no A, AAAA or CNAME at that name.
    NoRecord,
    /// It has one, which does not lead to any address.
    Record,
    /// It leads to an address.
    Resolves,
    /// It has one; whether it leads anywhere cannot be told now.
    NoAnswer,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Set by the provider; the name lies in the zone.
    Set(Name),
    Checked(Found),
    /// The time of `next_at` has come.
    Time,
    Delete,
    /// Nothing of it is in use any more.
    Removed,
}

/// A fallback origin that was set just now.
pub fn create(zone: ZoneId, origin: Name, now: UnixTime) -> FallbackOrigin {
    let (created_at, updated_at, since) = (now, now, now);
    let status = Status::Initializing;
    FallbackOrigin { zone, origin, status, since, created_at, updated_at, asserted: false }
}

/// What becomes of it; `None`: it is gone.
pub fn step(fallback: &FallbackOrigin, event: &Event, now: UnixTime) -> Option<FallbackOrigin> {
    let old = fallback.status;
    let mut next = fallback.clone();
    let deleting = matches!(old, Status::PendingDeletion | Status::DeletionTimedOut);
    let late = now.since(fallback.since) >= TIMEOUT;
    let status = match event {
        Event::Removed if deleting => return None,
        Event::Removed => old,
        Event::Delete if deleting => old,
        Event::Delete => Status::PendingDeletion,
        Event::Set(origin) if *origin == fallback.origin && !deleting => old,
        Event::Set(origin) => {
            next.origin = origin.clone();
            (next.since, next.updated_at) = (now, now);
            Status::Initializing
        }
        Event::Checked(_) if deleting => old,
        Event::Checked(Found::Resolves) => Status::Active,
        Event::Checked(Found::Record) if old == Status::Initializing => Status::PendingDeployment,
        Event::Checked(Found::NoRecord) if old != Status::DeploymentTimedOut => {
            Status::Initializing
        }
        Event::Checked(_) => old,
        Event::Time => match old {
            Status::Initializing | Status::PendingDeployment if late => Status::DeploymentTimedOut,
            Status::PendingDeletion if late => Status::DeletionTimedOut,
            _ => old,
        },
    };
    if status != old {
        // Waiting for a record and then for its address is one wait.
        let one_wait = old == Status::Initializing && status == Status::PendingDeployment
            || old == Status::PendingDeployment && status == Status::Initializing;
        if !one_wait {
            next.since = now;
        }
        (next.status, next.updated_at) = (status, now);
    }
    Some(next)
}

/// When `Event::Time` is due.
pub fn next_at(fallback: &FallbackOrigin) -> Option<UnixTime> {
    let waits = [Status::Initializing, Status::PendingDeployment, Status::PendingDeletion];
    waits.contains(&fallback.status).then(|| UnixTime(fallback.since.0.saturating_add(TIMEOUT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::from_text(text).unwrap()
    }

    fn after(mut fallback: FallbackOrigin, events: &[(u64, Event)]) -> Option<FallbackOrigin> {
        for (at, event) in events {
            fallback = step(&fallback, event, UnixTime(*at))?;
        }
        Some(fallback)
    }

    fn status(events: &[(u64, Event)]) -> Option<Status> {
        let new = create(ZoneId(1), name("proxy.saas.example"), UnixTime(1000));
        after(new, events).map(|f| f.status)
    }

    #[test]
    fn deployment() {
        use Event::Checked;
        assert_eq!(status(&[]), Some(Status::Initializing));
        let record = (1001, Checked(Found::Record));
        assert_eq!(status(std::slice::from_ref(&record)), Some(Status::PendingDeployment));
        let resolves = (1002, Checked(Found::Resolves));
        assert_eq!(status(&[record.clone(), resolves.clone()]), Some(Status::Active));
        let silent = (1003, Checked(Found::NoAnswer));
        assert_eq!(status(&[resolves.clone(), silent]), Some(Status::Active));
        assert_eq!(status(&[resolves.clone(), record.clone()]), Some(Status::Active));
        let gone = (1004, Checked(Found::NoRecord));
        assert_eq!(status(&[resolves.clone(), gone]), Some(Status::Initializing));
        let late = (1000 + TIMEOUT, Event::Time);
        let early = (999 + TIMEOUT, Event::Time);
        assert_eq!(status(&[record.clone(), early]), Some(Status::PendingDeployment));
        assert_eq!(status(&[record, late.clone()]), Some(Status::DeploymentTimedOut));
        assert_eq!(status(&[late, (TIMEOUT * 2, Checked(Found::Resolves))]), Some(Status::Active));
        let moved = (1005, Event::Set(name("other.saas.example")));
        assert_eq!(status(&[resolves.clone(), moved]), Some(Status::Initializing));
        let same = (1005, Event::Set(name("PROXY.saas.example")));
        assert_eq!(status(&[resolves, same]), Some(Status::Active));
    }

    #[test]
    fn deletion() {
        let delete = (1001, Event::Delete);
        assert_eq!(status(std::slice::from_ref(&delete)), Some(Status::PendingDeletion));
        let resolves = (1002, Event::Checked(Found::Resolves));
        assert_eq!(status(&[delete.clone(), resolves]), Some(Status::PendingDeletion));
        assert_eq!(status(&[delete.clone(), (1003, Event::Removed)]), None);
        let late = (1001 + TIMEOUT, Event::Time);
        let timed_out = [delete.clone(), late];
        assert_eq!(status(&timed_out), Some(Status::DeletionTimedOut));
        let again = (1004, Event::Set(name("proxy.saas.example")));
        assert_eq!(status(&[delete, again]), Some(Status::Initializing));
        assert_eq!(status(&[(1001, Event::Removed)]), Some(Status::Initializing));
        assert_eq!(
            next_at(&create(ZoneId(1), name("a"), UnixTime(5))),
            Some(UnixTime(5 + TIMEOUT))
        );
    }
}
