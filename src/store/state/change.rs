//! What is stored, and the closed list of what can be changed about it.

use super::claims::Tombstone;
use super::scope::Scope;
use crate::base::id::{AccountId, ZoneId};
use crate::base::name::Name;
use crate::base::time::UnixTime;
use crate::base::uuid::Uuid;
use crate::hostname::fallback::FallbackOrigin;
use crate::hostname::grants::{Row, RowState};
use crate::hostname::hold::Hold;
use crate::hostname::lifecycle::{Effect, Step, Transition};
use crate::hostname::object::CustomHostname;
use crate::policy::claims::Claim;
use crate::records::{Content, Record};

/// An account. Its id comes from the ownership log, which alone makes ids.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    pub id: AccountId,
    pub name: String,
    pub created_at: UnixTime,
    /// A JSON object.
    pub settings: String,
}

/// A zone that has something stored: settings, hostnames, a fallback origin, a hold. Its id likewise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Zone {
    pub id: ZoneId,
    pub apex: Name,
    pub account: AccountId,
    pub created_at: UnixTime,
    /// A JSON object.
    pub settings: String,
}

/// An API token; only a hash of it is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    pub id: Uuid,
    pub name: String,
    /// `None`: an operator's.
    pub account: Option<AccountId>,
    pub hash: [u8; 32],
    pub read_only: bool,
    pub created_at: UnixTime,
    pub modified_at: UnixTime,
    pub expires_at: Option<UnixTime>,
    pub scope: Scope,
    /// The token that made it. It may never more than that one, and ends with it.
    pub parent: Option<Uuid>,
}

/// Something that was done, by whom, and what was seen.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuditEntry {
    pub at: UnixTime,
    /// `schedule`, `operator`, or a token.
    pub actor: String,
    pub account: Option<AccountId>,
    pub zone: Option<ZoneId>,
    pub hostname: Option<Uuid>,
    pub action: String,
    pub from: Option<String>,
    pub to: Option<String>,
    pub evidence: String,
}

/// One change. A put replaces what has the same id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    Account(Account),
    /// With its zones, all of theirs, and its tokens.
    AccountRemoved(AccountId),
    Zone(Zone),
    /// With its hostnames, fallback origin and hold.
    ZoneRemoved(ZoneId),
    Hostname(Box<CustomHostname>),
    HostnameRemoved(Uuid),
    /// The grant was in force until then. A put of an active hostname of the same name and zone ends this.
    Withdrawn {
        row: Row,
        at: UnixTime,
    },
    /// Grants withdrawn before then are forgotten.
    ForgetWithdrawn(UnixTime),
    Fallback(FallbackOrigin),
    FallbackRemoved(ZoneId),
    Hold(Hold),
    HoldRemoved(ZoneId),
    Token(Token),
    TokenRemoved(Uuid),
    Audit(AuditEntry),
    /// A zone was claimed through the API, or something about that changed. It goes with its zone.
    Claim(Box<Claim>),
    Tombstone(Tombstone),
    TombstoneRemoved(Tombstone),
    /// The zone lives in the store from now on, and says this beside its records.
    Content(Box<Content>),
    /// Of a zone that lives in the store; the change of its content goes with it.
    Record {
        zone: ZoneId,
        record: Box<Record>,
    },
    RecordRemoved {
        zone: ZoneId,
        id: Uuid,
    },
}

/// What a change was about, for those who follow: they read it anew.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Object {
    Account(AccountId),
    Zone(ZoneId),
    Hostname(Uuid),
    Fallback(ZoneId),
    Hold(ZoneId),
    Token(Uuid),
    /// Grants that were withdrawn.
    Withdrawn,
    /// A zone that lives in the store, with its records.
    Content(ZoneId),
}

impl Change {
    /// What it is about; nobody follows the audit log.
    pub fn object(&self) -> Option<Object> {
        Some(match self {
            Change::Account(account) => Object::Account(account.id),
            Change::AccountRemoved(id) => Object::Account(*id),
            Change::Zone(zone) => Object::Zone(zone.id),
            Change::ZoneRemoved(id) => Object::Zone(*id),
            Change::Hostname(hostname) => Object::Hostname(hostname.id),
            Change::HostnameRemoved(id) => Object::Hostname(*id),
            Change::Withdrawn { .. } | Change::ForgetWithdrawn(_) => Object::Withdrawn,
            Change::Fallback(fallback) => Object::Fallback(fallback.zone),
            Change::FallbackRemoved(zone) | Change::HoldRemoved(zone) => match self {
                Change::HoldRemoved(_) => Object::Hold(*zone),
                _ => Object::Fallback(*zone),
            },
            Change::Hold(hold) => Object::Hold(hold.owner.zone),
            Change::Token(token) => Object::Token(token.id),
            Change::TokenRemoved(id) => Object::Token(*id),
            Change::Claim(claim) => Object::Zone(claim.zone),
            Change::Tombstone(_) | Change::TombstoneRemoved(_) => return None,
            Change::Content(content) => Object::Content(content.zone),
            Change::Audit(_) | Change::Record { .. } | Change::RecordRemoved { .. } => return None,
        })
    }
}

/// What is to be stored of a step of a custom hostname that was `old` before (`None`: it is new).
pub fn of_step(
    old: Option<&CustomHostname>,
    step: &Step,
    actor: &str,
    now: UnixTime,
) -> Vec<Change> {
    let mut changes = Vec::new();
    if let Some(old) = old {
        let row = Row::of(old).filter(|row| matches!(row.state, RowState::Active { .. }));
        let grants = step.state.as_ref().is_some_and(|new| new.status.is_grant());
        if let Some(row) = row.filter(|_| !grants) {
            changes.push(Change::Withdrawn { row, at: now });
        }
    }
    match (&step.state, old) {
        (Some(new), _) => changes.push(Change::Hostname(Box::new(new.clone()))),
        (None, Some(old)) => changes.push(Change::HostnameRemoved(old.id)),
        (None, None) => {}
    }
    let object = step.state.as_ref().or(old);
    let transitions = step.effects.iter().filter_map(|effect| match effect {
        Effect::Audit(transition) => Some(transition),
        Effect::Check | Effect::Displace { .. } => None,
    });
    let entries = transitions.filter_map(|t| Some(Change::Audit(entry(object?, t, actor, now))));
    changes.extend(entries);
    changes
}

fn entry(
    hostname: &CustomHostname,
    transition: &Transition,
    actor: &str,
    now: UnixTime,
) -> AuditEntry {
    let word =
        |status: Option<crate::hostname::object::Status>| status.map(|s| s.word().to_owned());
    AuditEntry {
        at: now,
        actor: actor.to_owned(),
        account: Some(hostname.provider.account),
        zone: Some(hostname.provider.zone),
        hostname: Some(hostname.id),
        action: format!("hostname.{} {}", transition.cause.word(), hostname.hostname),
        from: word(transition.from),
        to: word(transition.to),
        evidence: transition.evidence.clone(),
    }
}
