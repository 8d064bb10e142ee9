//! Backup and restore of the state. A restore brings objects back, never what they were allowed.
//!
//! What grants, authenticates or reserves never goes back (SPEC §9): a custom hostname of the backup comes back
//! pending, with new tokens, and has to be proved again; API tokens do not come back; what was removed since stays
//! removed if its account or zone was; and what is there now stays as it is. So a restore can be made without
//! thinking about what was revoked since the backup.

use std::collections::BTreeSet;

use super::change::{AuditEntry, Change};
use super::{CommitError, Failure, Refused, Store};
use crate::base::id::{AccountId, ZoneId};
use crate::base::time::UnixTime;
use crate::hostname::fallback;
use crate::hostname::lifecycle::{self, New};
use crate::hostname::object::Status;
use crate::hostname::proof::Tokens;

/// Hostnames put with one commit.
const TOGETHER: usize = 1_000;

/// What came of a restore.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Restored {
    pub accounts: usize,
    pub zones: usize,
    pub hostnames: usize,
    pub fallbacks: usize,
    pub holds: usize,
    /// Objects of the backup that could not come back, since what they belonged to was removed or is another one now.
    pub left_out: usize,
}

/// Puts into `live` what `backup` has and `live` has not. `tokens` makes new ones.
pub fn restore(
    backup: &mut dyn Store,
    live: &mut dyn Store,
    tokens: &mut dyn FnMut() -> Tokens,
    now: UnixTime,
) -> Result<Restored, CommitError> {
    let (old, new) = (backup.load()?, live.load()?);
    let mut restored = Restored::default();
    let there: BTreeSet<AccountId> = new.accounts.iter().map(|a| a.id).collect();
    for account in old.accounts.into_iter().filter(|a| !there.contains(&a.id)) {
        put(live, Change::Account(account), &mut restored.accounts, &mut restored.left_out)?;
    }
    let there: BTreeSet<ZoneId> = new.zones.iter().map(|z| z.id).collect();
    let mut zones: Vec<ZoneId> = Vec::new();
    for zone in old.zones {
        zones.push(zone.id);
        if !there.contains(&zone.id) {
            put(live, Change::Zone(zone), &mut restored.zones, &mut restored.left_out)?;
        }
    }
    let there: BTreeSet<ZoneId> = new.fallbacks.iter().map(|f| f.zone).collect();
    for old in old.fallbacks.into_iter().filter(|f| !there.contains(&f.zone)) {
        let again = Change::Fallback(fallback::create(old.zone, old.origin, now));
        put(live, again, &mut restored.fallbacks, &mut restored.left_out)?;
    }
    for hold in old.holds {
        // A hold that was released since is not put back; one of a zone that came back is.
        let lost = !new.zones.iter().any(|z| z.id == hold.owner.zone);
        if lost {
            put(live, Change::Hold(hold), &mut restored.holds, &mut restored.left_out)?;
        }
    }
    for zone in zones {
        restore_hostnames(backup, live, zone, tokens, now, &mut restored)?;
    }
    let entry = AuditEntry {
        at: now,
        actor: "operator".to_owned(),
        action: "store.restored".to_owned(),
        evidence: format!("{} hostnames, {} zones", restored.hostnames, restored.zones),
        ..AuditEntry::default()
    };
    let generation = live.generation()?;
    live.commit(&[Change::Audit(entry)], generation)?;
    Ok(restored)
}

fn restore_hostnames(
    backup: &mut dyn Store,
    live: &mut dyn Store,
    zone: ZoneId,
    tokens: &mut dyn FnMut() -> Tokens,
    now: UnixTime,
    restored: &mut Restored,
) -> Result<(), CommitError> {
    let mut after = None;
    loop {
        let page = backup.hostnames_of(zone, after, TOGETHER)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        let mut hostnames = Vec::new();
        for old in page {
            let named = live.hostnames_named(&old.hostname)?;
            let there = named.iter().any(|h| h.provider.zone == zone);
            if there || old.status == Status::PendingDeletion {
                continue;
            }
            let (id, hostname, provider) = (old.id, old.hostname, old.provider);
            let new = New { id, hostname, provider, tokens: tokens(), block: old.block };
            let step = lifecycle::create(new, now);
            hostnames.push(super::change::of_step(None, &step, "restore", now));
        }
        let generation = live.generation()?;
        match live.commit(&hostnames.concat(), generation) {
            Ok(_) => restored.hostnames += hostnames.len(),
            // Its zone was removed since.
            Err(CommitError::Refused(_)) => restored.left_out += hostnames.len(),
            Err(other) => return Err(other),
        }
    }
}

fn put(
    live: &mut dyn Store,
    change: Change,
    done: &mut usize,
    left_out: &mut usize,
) -> Result<(), CommitError> {
    let generation = live.generation().map_err(|f: Failure| CommitError::Failed(f))?;
    match live.commit(&[change], generation) {
        Ok(_) => *done += 1,
        Err(CommitError::Refused(
            Refused::Gone(_) | Refused::Unknown(_) | Refused::Duplicate(_),
        )) => *left_out += 1,
        Err(other) => return Err(other),
    }
    Ok(())
}
