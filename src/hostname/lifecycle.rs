//! The life of a custom hostname: one step for one event (SPEC §7.1). Pure and total: the time is brought along.
//!
//! ```text
//! pending ── verified ──────────────▶ active ── edited ──▶ active_redeploying ── deployed ──▶ active
//! pending ── schedule exhausted ────▶ moved ── 7 days ──▶ deleted
//! active ── proof gone (hysteresis), or another zone verified the same hostname later ──▶ moved
//! active ── the hostname's owner changed ──▶ pending
//! any ── zone hold / abuse list ────▶ blocked ── released and refreshed ──▶ pending
//! moved | deleted | blocked ── refresh ──▶ pending
//! any ── DELETE ────▶ pending_deletion ──▶ gone
//! ```
//!
//! - *Active* below also means `active_redeploying`: both are grants, nothing else is.
//! - Looking up takes time. A result counts only if nothing happened since that makes it worthless: a refresh, a
//!   change of status or of the hostname's owner. `revision` tells, and the owner that the check saw.
//! - A refresh of an active hostname edits it: its grant stays, and its new tokens count from the next check on.
//! - A failed recheck counts only if the schedule asked for it, and if the proof that held last was looked for and is
//!   missing: a zone edited three times in a second fails once a day at the most.
//! - `pending_deletion` waits only for being removed from the store.

use super::errors::VerificationError;
use super::fallback;
use super::object::{Block, CustomHostname, Failures, Hostname, LastCheck, Owner, Proof, Status};
use super::priority::{self, Rival};
use super::proof::Tokens;
use super::schedule;
use super::verify::{Finding, Findings};
use crate::base::time::UnixTime;
use crate::base::uuid::Uuid;

/// Why a check was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trigger {
    /// It was due.
    Schedule,
    /// A zone here changed, or somebody asked: it costs no attempt.
    Extra,
}

/// How things stand when the result of a check is taken in, not when the check began.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Who owns the hostname.
    pub owner: Option<Owner>,
    /// Of the provider's zone.
    pub fallback: Option<fallback::Status>,
    pub block: Option<Block>,
    /// Who else has a grant for exactly this hostname.
    pub rivals: Vec<Rival>,
    /// Higher than of all that verified before.
    pub sequence: u64,
}

/// The result of a check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    /// Of the hostname when the check began.
    pub revision: u32,
    /// Who owned the hostname when it was looked up.
    pub owner: Option<Owner>,
    pub trigger: Trigger,
    pub findings: Findings,
    pub standing: Standing,
}

/// What can happen to a custom hostname.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    Checked(Box<Checked>),
    /// PATCH without a change. `tokens` are new ones; from `pending` the old ones stay.
    Refresh {
        tokens: Tokens,
        block: Option<Block>,
    },
    /// PATCH with a change that does not touch the proof.
    Edited,
    /// The change is in the snapshot.
    Deployed,
    /// A zone hold or the abuse list covers the hostname.
    Blocked(Block),
    /// Another zone verified the same hostname later.
    Displaced {
        sequence: u64,
    },
    /// The zone here that owns the hostname, or its account, is another one now. `tokens` are new ones.
    OwnerChanged {
        owner: Option<Owner>,
        tokens: Tokens,
    },
    /// The time of `next_at` has come.
    Time,
    Delete,
    /// A deleted hostname can be removed from the store.
    Removed,
}

/// What follows from a step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Check at once.
    Check,
    /// That hostname is displaced, in the same commit.
    Displace {
        id: Uuid,
        sequence: u64,
    },
    Audit(Transition),
}

/// One change of status, with what was seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transition {
    /// `None`: it was created.
    pub from: Option<Status>,
    /// `None`: it is gone.
    pub to: Option<Status>,
    pub cause: Cause,
    /// What the deciding check saw, else empty.
    pub evidence: String,
}

/// Why a status changed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cause {
    Created,
    Verified,
    Exhausted,
    ProofGone,
    Displaced,
    OwnerChanged,
    Blocked,
    Refreshed,
    Edited,
    Deployed,
    Expired,
    Deleted,
    Removed,
}

impl Cause {
    /// The word in the audit log.
    pub fn word(self) -> &'static str {
        match self {
            Cause::Created => "created",
            Cause::Verified => "verified",
            Cause::Exhausted => "schedule_exhausted",
            Cause::ProofGone => "proof_gone",
            Cause::Displaced => "displaced",
            Cause::OwnerChanged => "owner_changed",
            Cause::Blocked => "blocked",
            Cause::Refreshed => "refreshed",
            Cause::Edited => "edited",
            Cause::Deployed => "deployed",
            Cause::Expired => "expired",
            Cause::Deleted => "deleted",
            Cause::Removed => "removed",
        }
    }
}

/// The hostname behind a step, and what follows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// `None`: gone.
    pub state: Option<CustomHostname>,
    pub effects: Vec<Effect>,
}

/// What a new custom hostname is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct New {
    pub id: Uuid,
    pub hostname: Hostname,
    pub provider: Owner,
    pub tokens: Tokens,
    /// A hold or the abuse list covers it already.
    pub block: Option<Block>,
}

/// A custom hostname begins: pending, or blocked.
pub fn create(new: New, now: UnixTime) -> Step {
    let New { id, hostname, provider, tokens, block } = new;
    let mut life = Life {
        next: CustomHostname {
            id,
            hostname,
            provider,
            status: Status::Pending,
            since: now,
            created_at: now,
            tokens,
            revision: 0,
            attempts: 0,
            next_check_at: None,
            proof: None,
            failures: None,
            block: None,
            errors: Vec::new(),
            last_check: None,
        },
        effects: Vec::new(),
        from: None,
        now,
    };
    match block {
        Some(block) => life.block(block),
        None => {
            life.start_schedule();
            life.become_(Status::Pending, Cause::Created, String::new());
            life.effects.push(Effect::Check);
        }
    }
    life.done()
}

/// When `Event::Time` or a check of the schedule is due.
pub fn next_at(hostname: &CustomHostname) -> Option<UnixTime> {
    match hostname.status {
        Status::Moved => Some(UnixTime(hostname.since.0.saturating_add(schedule::MOVED))),
        Status::Pending | Status::Active | Status::ActiveRedeploying => hostname.next_check_at,
        Status::PendingDeletion => Some(hostname.since),
        Status::Deleted | Status::Blocked => None,
    }
}

/// What becomes of `hostname`. An event that says nothing to its status changes nothing.
pub fn step(hostname: &CustomHostname, event: Event, now: UnixTime) -> Step {
    let old = hostname.status;
    let next = hostname.clone();
    let mut life = Life { next, effects: Vec::new(), from: Some(old), now };
    match (old, event) {
        (Status::PendingDeletion, Event::Removed) => return life.gone(),
        (Status::PendingDeletion, _) | (_, Event::Removed) => {}
        (_, Event::Delete) => life.delete(),
        (_, Event::Blocked(block)) => life.block(block),
        (_, Event::Refresh { block: Some(block), .. }) => life.block(block),
        (_, Event::Refresh { tokens, block: None }) => life.refresh(tokens),
        (_, Event::Checked(checked)) => life.checked(*checked),
        (Status::Active | Status::ActiveRedeploying, Event::Displaced { sequence }) => {
            if life.next.proof.is_none_or(|p| p.sequence < sequence) {
                life.move_away(Cause::Displaced, format!("verification {sequence} came later"));
            }
        }
        (_, Event::OwnerChanged { owner, tokens }) => life.owner_changed(owner, tokens),
        (Status::Active, Event::Edited) => {
            life.become_(Status::ActiveRedeploying, Cause::Edited, String::new());
        }
        (Status::ActiveRedeploying, Event::Deployed) => {
            life.become_(Status::Active, Cause::Deployed, String::new());
        }
        (Status::Moved, Event::Time) if now.since(hostname.since) >= schedule::MOVED => {
            life.become_(Status::Deleted, Cause::Expired, String::new());
        }
        (_, Event::Displaced { .. } | Event::Edited | Event::Deployed | Event::Time) => {}
    }
    life.done()
}

/// A step that is being made.
struct Life {
    next: CustomHostname,
    effects: Vec<Effect>,
    from: Option<Status>,
    now: UnixTime,
}

impl Life {
    fn done(self) -> Step {
        Step { state: Some(self.next), effects: self.effects }
    }

    fn gone(mut self) -> Step {
        self.audit(None, Cause::Removed, String::new());
        Step { state: None, effects: self.effects }
    }

    fn audit(&mut self, to: Option<Status>, cause: Cause, evidence: String) {
        let from = self.from;
        self.effects.push(Effect::Audit(Transition { from, to, cause, evidence }));
    }

    /// Takes a status, says so, and makes all checks that are on their way worthless.
    fn become_(&mut self, status: Status, cause: Cause, evidence: String) {
        let next = &mut self.next;
        let still_grants = next.status.is_grant() && status.is_grant();
        (next.status, next.since) = (status, self.now);
        if !still_grants {
            next.revision = next.revision.wrapping_add(1);
            next.failures = None;
        }
        if !status.is_grant() {
            next.proof = None;
        }
        if status != Status::Blocked {
            next.block = None;
        }
        self.audit(Some(status), cause, evidence);
    }

    fn start_schedule(&mut self) {
        self.next.attempts = 0;
        self.next.next_check_at = Some(self.after(schedule::delay(0)));
    }

    fn recheck_at(&self) -> UnixTime {
        schedule::recheck_at(self.next.id, self.now)
    }

    fn after(&self, seconds: u64) -> UnixTime {
        UnixTime(self.now.0.saturating_add(seconds))
    }

    fn delete(&mut self) {
        self.next.next_check_at = None;
        self.become_(Status::PendingDeletion, Cause::Deleted, String::new());
    }

    fn move_away(&mut self, cause: Cause, evidence: String) {
        self.next.next_check_at = None;
        self.become_(Status::Moved, cause, evidence);
    }

    fn block(&mut self, block: Block) {
        let was = (self.from, self.next.block);
        if was == (Some(Status::Blocked), Some(block)) {
            return;
        }
        self.next.next_check_at = None;
        self.become_(Status::Blocked, Cause::Blocked, block.word().to_owned());
        self.next.block = Some(block);
        self.next.errors = match block {
            Block::Hold => vec![VerificationError::Held],
            Block::Abuse => Vec::new(),
        };
    }

    fn refresh(&mut self, tokens: Tokens) {
        let old = self.next.status;
        if old != Status::Pending {
            self.next.tokens = tokens;
            self.next.errors.clear();
        }
        self.start_schedule();
        self.effects.push(Effect::Check);
        match old {
            Status::Active => {
                self.become_(Status::ActiveRedeploying, Cause::Refreshed, String::new());
                self.next.revision = self.next.revision.wrapping_add(1);
            }
            Status::ActiveRedeploying => {
                self.next.revision = self.next.revision.wrapping_add(1);
            }
            Status::Pending => {}
            _ => self.become_(Status::Pending, Cause::Refreshed, String::new()),
        }
    }

    fn owner_changed(&mut self, owner: Option<Owner>, tokens: Tokens) {
        let bound = self.next.proof.is_some_and(|p| p.owner == owner);
        if !self.next.status.is_grant() || bound {
            return;
        }
        self.next.tokens = tokens;
        self.next.errors.clear();
        self.start_schedule();
        self.become_(Status::Pending, Cause::OwnerChanged, String::new());
        self.effects.push(Effect::Check);
    }

    fn checked(&mut self, checked: Checked) {
        let checkable = matches!(
            self.next.status,
            Status::Pending | Status::Active | Status::ActiveRedeploying
        );
        if !checkable || checked.revision != self.next.revision {
            return;
        }
        if checked.owner != checked.standing.owner {
            // It looked at somebody else's name.
            self.effects.push(Effect::Check);
            return;
        }
        if let Some(block) = checked.standing.block {
            return self.block(block);
        }
        // The grant is void: `OwnerChanged` is still to come.
        if self.next.proof.is_some_and(|p| p.owner != checked.owner) {
            return;
        }
        let saw = checked.findings.saw.clone();
        let method = checked.findings.proof();
        self.next.last_check = Some(LastCheck { method, saw, at: self.now });
        if self.next.status == Status::Pending {
            self.try_to_activate(checked);
        } else {
            self.recheck(checked);
        }
    }

    fn try_to_activate(&mut self, checked: Checked) {
        let Checked { findings, standing, trigger, owner, .. } = checked;
        // What the provider has to do, and what the owner has to: each can begin.
        let mut errors: Vec<VerificationError> = match standing.fallback {
            Some(fallback::Status::Active) => Vec::new(),
            Some(other) => vec![VerificationError::FallbackOrigin(other)],
            None => vec![VerificationError::NoFallbackOrigin],
        };
        let proved = match findings.proof() {
            Some(method) => priority::contest(method, &standing.rivals)
                .map(|displaced| (method, displaced))
                .map_err(|error| errors.push(error)),
            None => {
                errors.extend(findings.errors());
                Err(())
            }
        };
        let (method, displaced) = match proved {
            Ok(proved) if errors.is_empty() => proved,
            _ => return self.failed(trigger, errors, findings.saw),
        };
        let sequence = standing.sequence;
        let rivals = displaced.into_iter().map(|id| Effect::Displace { id, sequence });
        self.effects.extend(rivals);
        self.become_(
            Status::Active,
            Cause::Verified,
            format!("{}: {}", method.word(), findings.saw),
        );
        self.next.proof = Some(Proof { method, at: self.now, sequence, owner });
        self.next.errors.clear();
        self.next.next_check_at = Some(self.recheck_at());
    }

    /// A pending hostname was not proved.
    fn failed(&mut self, trigger: Trigger, errors: Vec<VerificationError>, saw: String) {
        self.next.errors = errors;
        if trigger == Trigger::Extra {
            return;
        }
        self.next.attempts += 1;
        if self.next.attempts >= schedule::ATTEMPTS {
            return self.move_away(Cause::Exhausted, saw);
        }
        self.next.next_check_at = Some(self.after(schedule::delay(self.next.attempts)));
    }

    fn recheck(&mut self, checked: Checked) {
        let Checked { findings, trigger, .. } = checked;
        let Some(proof) = &mut self.next.proof else {
            // An active hostname without a proof is damage: it has to be earned again.
            self.start_schedule();
            return self.become_(Status::Pending, Cause::ProofGone, findings.saw);
        };
        if let Some(method) = findings.proof() {
            (proof.method, proof.at) = (method, self.now);
            self.next.failures = None;
            self.next.errors.clear();
            self.next.next_check_at = Some(self.recheck_at());
            return;
        }
        if trigger == Trigger::Extra {
            return;
        }
        let missing = findings.of(proof.method) == Finding::Missing;
        if missing {
            let count = self.next.failures.map_or(0, |f| f.count).saturating_add(1);
            let since = self.next.failures.map_or(self.now, |f| f.since);
            self.next.failures = Some(Failures { count, since });
            self.next.errors = findings.errors();
            if count >= schedule::FAILURES && self.now.since(since) >= schedule::FAILING {
                return self.move_away(Cause::ProofGone, findings.saw);
            }
        }
        self.next.next_check_at = Some(self.after(schedule::RECHECK_FAILING));
    }
}

#[cfg(test)]
mod tests;
