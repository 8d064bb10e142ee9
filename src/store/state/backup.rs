//! Backup and restore of the state. A restore brings objects back, never what they were allowed.
//!
//! What grants, authenticates or reserves never goes back (SPEC §9). Into the store that the backup was made of,
//! nothing of it comes back at all: what is not there was taken away since, and whoever took it away meant it. Into
//! another store, since the first was lost, custom hostnames come back pending, with new tokens, and have to be proved
//! again; API tokens do not come back; and what is there stays as it is. So a restore can be made without thinking
//! about what was revoked since the backup. Records are another matter (`control/world/restored.rs`).

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Account, AuditEntry, Change, Zone};
use super::chosen::with_trusts;
use super::{AuditFilter, CommitError, Control, Failure, Refused, Store};
use crate::base::count::count;
use crate::base::id::{AccountId, Generation, ZoneId};
use crate::base::time::UnixTime;
use crate::base::uuid::Uuid;
use crate::hostname::fallback;
use crate::hostname::hold::Hold;
use crate::hostname::lifecycle::{self, New};
use crate::hostname::object::{Owner, Status};
use crate::hostname::proof::Tokens;

/// Hostnames put with one commit.
const TOGETHER: usize = 1_000;

/// What came of a restore.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Restored {
    /// The backup was made of this very store.
    pub is_own: bool,
    pub accounts: usize,
    pub zones: usize,
    pub hostnames: usize,
    pub fallbacks: usize,
    pub holds: usize,
    /// Objects of the backup that do not come back: they were removed since, or what they belonged to was, or is
    /// another one now.
    pub left_out: usize,
}

/// The zone that is there now for a zone of the backup and the name of its account; `None`: another one, or none.
pub type Place<'p> = &'p dyn Fn(&Zone, &str) -> Option<Owner>;

/// Puts into `live` what `backup` has and `live` has not. `tokens` makes new ones.
pub fn restore(
    backup: &mut dyn Store,
    live: &mut dyn Store,
    place: Place<'_>,
    tokens: &mut dyn FnMut() -> Tokens,
    now: UnixTime,
) -> Result<Restored, CommitError> {
    let (old, new) = (backup.load()?, live.load()?);
    let mut restored = Restored { is_own: is_own(backup, live)?, ..Restored::default() };
    if restored.is_own {
        restored.left_out = count_gone(&old, &new, backup, live)?;
        told(live, &restored, now)?;
        return Ok(restored);
    }
    let placed = restore_zones(&old, &new, live, place, &mut restored)?;
    let there: BTreeSet<ZoneId> = new.fallbacks.iter().map(|f| f.zone).collect();
    for old in &old.fallbacks {
        let Some(owner) = placed.get(&old.zone).filter(|o| !there.contains(&o.zone)) else {
            continue;
        };
        let again = Change::Fallback(fallback::create(owner.zone, old.origin.clone(), now));
        put(live, again, &mut restored.fallbacks, &mut restored.left_out)?;
    }
    for hold in &old.holds {
        // A hold that was released since is not put back; one of a zone that came back is.
        let Some(&owner) = placed.get(&hold.owner.zone) else { continue };
        if !new.zones.iter().any(|z| z.id == owner.zone) {
            let hold = Change::Hold(Hold { owner, ..*hold });
            put(live, hold, &mut restored.holds, &mut restored.left_out)?;
        }
    }
    for (zone, owner) in placed {
        restore_hostnames(backup, live, (zone, owner), tokens, now, &mut restored)?;
    }
    told(live, &restored, now)?;
    Ok(restored)
}

fn told(live: &mut dyn Store, restored: &Restored, now: UnixTime) -> Result<(), CommitError> {
    let entry = AuditEntry {
        at: now,
        actor: "operator".to_owned(),
        action: "store.restored".to_owned(),
        evidence: format!(
            "{}, {}",
            count(restored.hostnames, "hostname"),
            count(restored.zones, "zone")
        ),
        ..AuditEntry::default()
    };
    let generation = live.generation()?;
    live.commit(&[Change::Audit(entry)], generation).map(|_| ())
}

/// Whether the backup was made of this store: then the store remembers what the backup says happened last.
fn is_own(backup: &mut dyn Store, live: &mut dyn Store) -> Result<bool, Failure> {
    let last = backup.audit(&AuditFilter { most: 1, ..AuditFilter::default() })?;
    let Some((number, _)) = last.first() else {
        let then = backup.generation()?;
        return Ok(then > Generation(0) && live.generation()? >= then);
    };
    let before = Some(number.saturating_add(1));
    Ok(live.audit(&AuditFilter { before, most: 1, ..AuditFilter::default() })? == last)
}

/// Objects of the backup that are not there any more.
fn count_gone(
    old: &Control,
    new: &Control,
    backup: &mut dyn Store,
    live: &mut dyn Store,
) -> Result<usize, Failure> {
    let zones: BTreeSet<ZoneId> = new.zones.iter().map(|z| z.id).collect();
    let mut gone = old.zones.iter().filter(|z| !zones.contains(&z.id)).count();
    let fallbacks: BTreeSet<ZoneId> = new.fallbacks.iter().map(|f| f.zone).collect();
    gone += old.fallbacks.iter().filter(|f| !fallbacks.contains(&f.zone)).count();
    let holds: BTreeSet<ZoneId> = new.holds.iter().map(|h| h.owner.zone).collect();
    gone += old.holds.iter().filter(|h| !holds.contains(&h.owner.zone)).count();
    for zone in &old.zones {
        let mut after = None;
        loop {
            let page = backup.hostnames_of(zone.id, after, TOGETHER)?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for old in &page {
                gone += usize::from(live.hostname(old.id)?.is_none());
            }
        }
    }
    Ok(gone)
}

/// Whether the store has ever heard of a hostname: one that it does not have was taken away.
fn is_known(live: &mut dyn Store, id: Uuid) -> Result<bool, Failure> {
    let of = AuditFilter { hostname: Some(id), most: 1, ..AuditFilter::default() };
    Ok(!live.audit(&of)?.is_empty())
}

/// Zones that are there now for those of the backup, entered with their accounts.
fn restore_zones(
    old: &Control,
    new: &Control,
    live: &mut dyn Store,
    place: Place<'_>,
    restored: &mut Restored,
) -> Result<BTreeMap<ZoneId, Owner>, CommitError> {
    let mut accounts: BTreeSet<AccountId> = new.accounts.iter().map(|a| a.id).collect();
    let zones: BTreeSet<ZoneId> = new.zones.iter().map(|z| z.id).collect();
    let mut placed = BTreeMap::new();
    for zone in &old.zones {
        let account = old.accounts.iter().find(|a| a.id == zone.account);
        let found = account.and_then(|account| Some((account, place(zone, &account.name)?)));
        let Some((account, owner)) = found else {
            restored.left_out += 1;
            continue;
        };
        if accounts.insert(owner.account) {
            let settings = with_trusts(&account.settings, &[]);
            let again = Account { id: owner.account, settings, ..account.clone() };
            put(live, Change::Account(again), &mut restored.accounts, &mut restored.left_out)?;
        }
        if !zones.contains(&owner.zone) {
            // What it allowed others does not come back.
            let (id, account, settings) = (owner.zone, owner.account, "{}".to_owned());
            let again = Zone { id, account, settings, ..zone.clone() };
            put(live, Change::Zone(again), &mut restored.zones, &mut restored.left_out)?;
        }
        placed.insert(zone.id, owner);
    }
    Ok(placed)
}

/// The hostnames of a zone of the backup come back as those of the zone that is there for it.
fn restore_hostnames(
    backup: &mut dyn Store,
    live: &mut dyn Store,
    (zone, provider): (ZoneId, Owner),
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
            let there = named.iter().any(|h| h.provider.zone == provider.zone);
            if there || old.status == Status::PendingDeletion {
                continue;
            }
            if is_known(live, old.id)? {
                restored.left_out += 1;
                continue;
            }
            let (id, hostname) = (old.id, old.hostname);
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
