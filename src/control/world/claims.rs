//! Zones made through the API: claimed, proved, served, lost and deleted.
//!
//! A claim that is not active holds nothing. When it is proved it asks for the name like a file does; when somebody
//! else holds the name by a proof, that one has to stand now, or goes.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use tracing::{error, info};

use super::{Key, Now, World};
use crate::base::id::{AccountId, ZoneId};
use crate::base::name::Name;
use crate::control::claims::{self, Quest};
use crate::hostname::object::{Hostname, Owner};
use crate::hostname::syntax;
use crate::policy::claims::{Claim, Proof, Seen, Status, Verdict, free_sets};
use crate::policy::ownership::{self, Refusal, Standing};
use crate::store::state::Store;
use crate::store::state::change::{Account, AuditEntry, Change, Zone};
use crate::store::state::claims::Tombstone;

/// Custom hostnames read at a time.
const PAGE: usize = 500;
/// Zones of one account that are not proved.
const PENDING: usize = 10_000;

/// A zone that is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewZone {
    pub apex: Name,
    pub account: AccountId,
    /// An operator says that it is so.
    pub asserted: bool,
    /// For the audit log.
    pub actor: String,
}

/// Why nothing was done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClaimError {
    /// There is no such zone or account.
    Unknown,
    /// The account has it already.
    Exists(Name),
    /// It is no name of a zone, in words.
    Invalid(String),
    /// Others register names under it.
    PublicSuffix(Name),
    /// Somebody else's hold.
    Held,
    /// Too many are not proved.
    TooMany,
    /// It is as this file says.
    FromFile(String),
    /// An operator's claim that cannot be, in words for operators.
    Refused(String),
    /// Nothing can be stored.
    Store(String),
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClaimError::Unknown => f.write_str("there is no such zone"),
            ClaimError::Exists(apex) => write!(f, "{apex} already exists."),
            ClaimError::Invalid(why) => write!(f, "This is not the name of a zone: {why}"),
            ClaimError::PublicSuffix(apex) => {
                write!(f, "{apex} is a public suffix, under which others register names")
            }
            ClaimError::Held => f.write_str(
                "The zone name provided is subject to a hold which disallows the creation of this zone. Please \
                 contact the owner of the account that manages this domain to have this hold removed.",
            ),
            ClaimError::TooMany => write!(f, "more than {PENDING} zones of this account wait to be proved"),
            ClaimError::FromFile(file) => write!(f, "the zone is as its file says: edit {file}"),
            ClaimError::Refused(why) => f.write_str(why),
            ClaimError::Store(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for ClaimError {}

impl World {
    /// What the database says of claims.
    pub(super) fn recall_claims(&mut self) {
        self.claims = Default::default();
        let Ok(open) = self.custom.usable() else { return };
        let store = open.store();
        let read = store.claims().and_then(|all| Ok((all, store.tombstones()?)));
        match read {
            Ok((all, tombstones)) => {
                all.into_iter().for_each(|claim| self.claims.put(claim));
                self.claims.tombstones = tombstones;
            }
            Err(failure) => {
                error!(event = "database-unusable", %failure, "no zone of the database is served");
            }
        }
    }

    /// What is held and what the database says are made to agree: it says who was proved.
    pub(super) fn reconcile_claims(&mut self, now: Now) {
        let lost: Vec<Key> = self
            .ownership
            .zones()
            .filter(|(_, held)| self.claims.get(held.id).is_some_and(|c| !claims::is_active(c)))
            .map(|(apex, held)| (held.account, apex.clone()))
            .collect();
        lost.iter().for_each(|key| self.release(key));
        let active: Vec<Arc<Claim>> =
            self.claims.all().filter(|c| claims::is_active(c)).cloned().collect();
        for claim in active {
            let held = self.ownership.zone(claim.apex.as_wire());
            if held.is_none_or(|held| held.id != claim.zone) && self.take_name(&claim).is_err() {
                self.demote(&claim, Status::Pending, "start", now);
            }
        }
    }

    /// Makes a zone. An operator's is active at once, a tenant's when it is proved.
    pub fn claim_zone(&mut self, new: &NewZone, now: Now) -> Result<Arc<Claim>, ClaimError> {
        self.check_claim(new, now)?;
        if new.asserted {
            self.judge_name(&new.apex, new.account).map_err(|refusal| {
                let key = (new.account, new.apex.clone());
                ClaimError::Refused(self.explain(&key, &refusal))
            })?;
        }
        let id = self.ownership.new_zone_id();
        let nameservers = match new.asserted {
            true => self.settings.server.nameservers.clone(),
            false => self.free_set(&new.apex, None)?,
        };
        let (apex, account) = (new.apex.clone(), new.account);
        let token = random_text()?;
        let mut claim = Claim::new(id, account, apex, token, nameservers.clone(), now.unix);
        if new.asserted {
            claim.proof = Some(Proof::Operator);
            (claim.status, claim.next_check_at) = (Status::Active, None);
            claim.activated_at = Some(now.unix);
        }
        let mut changes = self.account_entry(account, now);
        changes.push(Change::Zone(Zone {
            id,
            apex: new.apex.clone(),
            account,
            created_at: now.unix,
            settings: "{}".to_owned(),
        }));
        let shown = match nameservers.is_empty() {
            true => self.settings.server.nameservers.clone(),
            false => nameservers,
        };
        changes.push(Change::Claim(Box::new(claim.clone())));
        changes.push(self.claim_entry(&claim, "zone.created", None, &new.actor, now));
        self.commit_state(&changes, &new.actor, now).map_err(ClaimError::Store)?;
        self.enter_stored(id, &new.apex, account, shown, now).map_err(ClaimError::Store)?;
        self.claims.put(claim.clone());
        if new.asserted
            && let Err(refusal) = self.take_name(&claim)
        {
            // It was judged a moment ago.
            error!(event = "claim-lost", zone = %claim.apex, ?refusal, "a name was lost at once");
        }
        self.claims.get(id).cloned().ok_or(ClaimError::Unknown)
    }

    fn check_claim(&mut self, new: &NewZone, now: Now) -> Result<(), ClaimError> {
        let apex = &new.apex;
        let invalid = |why: &str| Err(ClaimError::Invalid(why.to_owned()));
        if apex.is_root() || apex.is_wildcard() {
            return invalid("it is the root or a wildcard");
        }
        let reverse = ["in-addr.arpa", "ip6.arpa"].into_iter();
        let mut reverse = reverse.filter_map(|name| Name::from_text(name).ok());
        if !reverse.any(|name| apex.is_within(&name))
            && let Err(problem) = syntax::check(apex.as_wire())
        {
            return invalid(&problem.to_string());
        }
        let own = self.ownership.zone(apex.as_wire()).is_some_and(|h| h.account == new.account);
        if own || self.claims.named(apex).any(|claim| claim.account == new.account) {
            return Err(ClaimError::Exists(apex.clone()));
        }
        let given = self.settings.policy.suffixes.get(apex.as_wire());
        let given = given.and_then(|to| self.ownership.account(to.account.as_str()));
        let is_suffix = apex.label_count() < 2 || self.suffixes.contains(apex.as_wire());
        if is_suffix && given != Some(new.account) {
            return Err(ClaimError::PublicSuffix(apex.clone()));
        }
        if !new.asserted && self.is_held_from(apex, new.account, now) {
            return Err(ClaimError::Held);
        }
        if !new.asserted && self.claims.count(new.account) >= PENDING {
            return Err(ClaimError::TooMany);
        }
        Ok(())
    }

    /// Whether the hold of somebody else's active zone keeps an account from making a zone.
    fn is_held_from(&mut self, apex: &Name, account: AccountId, now: Now) -> bool {
        let Ok(open) = self.custom.usable() else { return false };
        let hostname = Hostname { base: apex.clone(), wildcard: false };
        open.registrar.holds_over(apex).any(|(above, hold)| {
            let Owner { zone, account: holder } = hold.owner;
            let held = self.ownership.zone(above.as_wire());
            let stands = held.is_some_and(|h| h.id == zone && h.account == holder);
            stands && hold.keeps(above, &hostname, account, now.unix)
        })
    }

    /// A set of names that nobody was given for this apex, and that is not `seen`; empty: there is none left.
    fn free_set(
        &self,
        apex: &Name,
        seen: Option<&BTreeSet<Name>>,
    ) -> Result<Vec<Name>, ClaimError> {
        let pool = &self.settings.server.nameservers;
        let taken = |set: &BTreeSet<Name>| self.claims.is_taken(apex, set) || seen == Some(set);
        let mut free: Vec<Vec<Name>> = free_sets(pool, taken).collect();
        if free.is_empty() {
            return Ok(Vec::new());
        }
        let mut random = [0; 4];
        fill(&mut random)?;
        let at = u32::from_le_bytes(random) as usize % free.len();
        Ok(free.swap_remove(at))
    }

    /// Deletes a zone that was made through the API.
    pub fn delete_zone(&mut self, id: ZoneId, actor: &str, now: Now) -> Result<(), ClaimError> {
        let Some(claim) = self.claims.get(id).cloned() else { return Err(self.no_claim(id)) };
        let tombstone = Tombstone {
            apex: claim.apex.clone(),
            nameservers: claim.nameservers.clone(),
            since: now.unix,
        };
        let mut changes = vec![Change::ZoneRemoved(id)];
        let is_buried = !tombstone.nameservers.is_empty();
        if is_buried {
            changes.push(Change::Tombstone(tombstone.clone()));
        }
        changes.push(self.claim_entry(&claim, "zone.deleted", Some(claim.status), actor, now));
        self.commit_state(&changes, actor, now).map_err(ClaimError::Store)?;
        self.claims.remove(id);
        let same =
            |t: &&Tombstone| t.apex == tombstone.apex && t.nameservers == tombstone.nameservers;
        if is_buried && !self.claims.tombstones.iter().any(|t| same(&t)) {
            self.claims.tombstones.push(tombstone);
        }
        self.chosen.zones.remove(&id);
        self.let_go(&claim);
        self.forget_stored(id);
        Ok(())
    }

    /// Looks at a claim again, now.
    pub fn check_zone(&mut self, id: ZoneId, now: Now) -> Result<(), ClaimError> {
        let Some(claim) = self.claims.get(id).cloned() else { return Err(self.no_claim(id)) };
        if claim.proof != Some(Proof::Operator) {
            let mut claim = Claim::clone(&claim);
            (claim.checks, claim.next_check_at) = (0, Some(now.unix));
            self.claims.put(claim);
        }
        Ok(())
    }

    /// Notes whether a zone is paused, which changes nothing about its answers.
    pub fn pause_zone(
        &mut self,
        id: ZoneId,
        paused: bool,
        actor: &str,
        now: Now,
    ) -> Result<(), ClaimError> {
        let Some(claim) = self.claims.get(id).cloned() else { return Err(self.no_claim(id)) };
        let mut claim = Claim::clone(&claim);
        (claim.paused, claim.modified_at) = (paused, now.unix);
        let action = if paused { "zone.paused" } else { "zone.resumed" };
        let entry = self.claim_entry(&claim, action, Some(claim.status), actor, now);
        self.store_claim(claim, entry, actor, now).map_err(ClaimError::Store)
    }

    fn no_claim(&self, id: ZoneId) -> ClaimError {
        self.file_of(id).map_or(ClaimError::Unknown, |(_, file)| ClaimError::FromFile(file))
    }

    /// Claims that are to be looked at now, with what the zones here show.
    pub fn quests(&mut self, now: Now, most: usize) -> Vec<Quest> {
        let due = self.claims.due(now.unix, most);
        let quests: Vec<Quest> =
            due.iter().filter_map(|id| self.claims.quest(*id, self.next.snapshot())).collect();
        for id in due {
            // Not again before its result is here, or was lost.
            if let Some(claim) = self.claims.get(id) {
                let mut claim = Claim::clone(claim);
                claim.next_check_at = Some(crate::base::time::UnixTime(now.unix.0 + LOST_AFTER));
                self.claims.put(claim);
            }
        }
        quests
    }

    /// Takes in what a look saw.
    pub fn claim_seen(&mut self, id: ZoneId, seen: &Seen, now: Now) {
        let Some(old) = self.claims.get(id).cloned() else { return };
        let mut claim = Claim::clone(&old);
        let strict = self.claims.challenged.contains(&id);
        let mut verdict = claim.look(seen, strict, now.unix);
        if verdict == Verdict::Proved(Proof::Nameservers)
            && self.settings.partial(&claim.apex).is_some()
        {
            // Its nameservers are others': only the token says whose it is (SPEC §7.4).
            verdict = Verdict::Stays;
        }
        if verdict == Verdict::Preset {
            let seen = match &seen.delegation {
                crate::policy::claims::Lookup::Answered(names) => Some(names),
                crate::policy::claims::Lookup::NoAnswer(_) => None,
            };
            claim.nameservers = self.free_set(&claim.apex, seen).unwrap_or_default();
        }
        match verdict {
            Verdict::Proved(proof) => self.proved(&old, claim, proof, now),
            Verdict::Lost => {
                self.claims.put(claim.clone());
                self.demote(&claim, Status::Moved, "schedule", now);
                if strict {
                    self.strip(&claim, now);
                }
            }
            Verdict::Stays | Verdict::Preset => {
                let same = (&claim.nameservers, claim.is_fresh, claim.failures)
                    == (&old.nameservers, old.is_fresh, old.failures);
                match same {
                    // What is only for people need not be on disk.
                    true => self.claims.put(claim),
                    false => self.keep_claim(claim, now),
                }
            }
        }
    }

    fn proved(&mut self, old: &Claim, mut claim: Claim, proof: Proof, now: Now) {
        self.claims.challenged.remove(&claim.zone);
        if claim.status == Status::Active {
            return self.claims.put(claim);
        }
        claim.proof = Some(proof);
        if let Err(refusal) = self.judge_name(&claim.apex, claim.account) {
            self.challenge(&refusal, &claim.apex);
            // Alike whatever it is, and only to who has proved the name.
            claim.saw.push_str(
                "; this proves it, and it waits for another zone here that is in its way",
            );
            return self.claims.put(Claim { proof: old.proof, ..claim });
        }
        claim.status = Status::Active;
        (claim.activated_at, claim.modified_at) = (Some(now.unix), now.unix);
        let entry = self.claim_entry(&claim, "zone.activated", Some(old.status), "schedule", now);
        let apex = claim.apex.clone();
        match self.store_claim(claim.clone(), entry, "schedule", now) {
            Ok(()) => {
                info!(event = "zone-active", zone = %apex, proof = proof.word(), "the zone {apex} was proved");
                if let Err(refusal) = self.take_name(&claim) {
                    error!(event = "claim-lost", zone = %apex, ?refusal, "a name was lost at once");
                }
            }
            Err(problem) => error!(event = "claim-not-stored", zone = %apex, problem, "{problem}"),
        }
    }

    /// Somebody has proved a name: who stands in the way by a proof has to show it now.
    fn challenge(&mut self, refusal: &Refusal, apex: &Name) {
        let ahead: Vec<Arc<Claim>> = match refusal {
            Refusal::Taken { .. } => self.claims.named(apex).cloned().collect(),
            Refusal::Above { .. } => self.claims.within(apex),
            Refusal::Below { .. } | Refusal::Root | Refusal::PublicSuffix => Vec::new(),
        };
        for claim in ahead.into_iter().filter(|c| c.status == Status::Active) {
            if claim.proof != Some(Proof::Operator) && self.claims.challenged.insert(claim.zone) {
                let mut claim = Claim::clone(&claim);
                claim.next_check_at = Some(crate::base::time::UnixTime(0));
                self.claims.put(claim);
            }
        }
    }

    fn judge_name(&self, apex: &Name, account: AccountId) -> Result<(), Refusal> {
        let claim = ownership::Claim {
            apex: apex.as_wire(),
            account,
            account_name: self.account_name(account),
            standing: Standing::New,
        };
        self.register.judge(&claim, &self.allowed()).map(|_| ())
    }

    /// The claim's account holds the name from now on, and its zone is served.
    fn take_name(&mut self, claim: &Claim) -> Result<(), Refusal> {
        let mut register = std::mem::take(&mut self.register);
        let wanted = ownership::Claim {
            apex: claim.apex.as_wire(),
            account: claim.account,
            account_name: self.account_name(claim.account),
            standing: Standing::New,
        };
        let decided = register.settle(&[wanted], &self.allowed()).pop();
        self.register = register;
        let title = decided.expect("one claim, one decision")?;
        self.ownership.add_zone_as(claim.zone, &claim.apex, claim.account, title.given);
        self.grants_stale |= self.mentions.zones.contains(&claim.apex);
        self.serve_stored(claim.zone);
        Ok(())
    }

    /// The claim does not count any more; the name is free.
    fn demote(&mut self, claim: &Claim, status: Status, actor: &str, now: Now) {
        self.claims.challenged.remove(&claim.zone);
        let old = claim.status;
        let mut claim = claim.clone();
        (claim.status, claim.checks, claim.failures, claim.failing_since) = (status, 0, 0, None);
        claim.modified_at = now.unix;
        claim.next_check_at = Some(crate::base::time::UnixTime(now.unix.0 + 60));
        info!(event = "zone-not-active", zone = %claim.apex, status = status.word(),
            "the zone {} is not served any more: its proof is gone", claim.apex);
        let entry = self.claim_entry(&claim, "zone.deactivated", Some(old), actor, now);
        if let Err(problem) = self.store_claim(claim.clone(), entry, actor, now) {
            error!(event = "claim-not-stored", zone = %claim.apex, problem, "{problem}");
        }
        self.let_go(&claim);
    }

    /// Somebody else has proved the name: what the zone let in, held and allowed is gone for good, should it ever be
    /// proved again. Its records are its account's own.
    fn strip(&mut self, claim: &Claim, now: Now) {
        let id = claim.zone;
        let granted = self.hostnames_into(id);
        let mut changes = vec![Change::FallbackRemoved(id), Change::HoldRemoved(id)];
        if let Ok(open) = self.custom.usable() {
            let row = open.control().zone(id).cloned();
            changes.extend(row.map(|row| Change::Zone(Zone { settings: "{}".to_owned(), ..row })));
            let mut after = None;
            while let Ok(page) = open.store().hostnames_of(id, after, PAGE)
                && let Some(last) = page.last()
            {
                after = Some(last.id);
                changes.extend(page.iter().map(|hostname| Change::HostnameRemoved(hostname.id)));
            }
        }
        self.chosen.zones.remove(&id);
        changes.push(self.claim_entry(claim, "zone.evicted", None, "schedule", now));
        if let Err(problem) = self.commit_state(&changes, "schedule", now) {
            error!(event = "claim-not-stored", zone = %claim.apex, problem, "{problem}");
        }
        self.restate(granted, now);
    }

    /// If the claim's zone holds the name, it does no more.
    fn let_go(&mut self, claim: &Claim) {
        let held = self.ownership.zone(claim.apex.as_wire());
        if held.is_some_and(|held| held.id == claim.zone) {
            self.release(&(claim.account, claim.apex.clone()));
            let waiting = self.claim_refused();
            if let Some(zones) = self.open_zones().filter(|_| !waiting.is_empty()) {
                self.take_in(&zones, waiting, Now::read());
            }
        }
    }

    /// A name that was lost to a change of the settings: its claim waits again.
    pub(super) fn claim_lost(&mut self, id: ZoneId, now: Now) {
        if let Some(claim) = self.claims.get(id).cloned().filter(|c| claims::is_active(c)) {
            self.demote(&claim, Status::Pending, "config", now);
        }
    }

    fn keep_claim(&mut self, claim: Claim, now: Now) {
        let apex = claim.apex.clone();
        let change = Change::Claim(Box::new(claim.clone()));
        self.claims.put(claim);
        if let Err(problem) = self.commit_state(&[change], "schedule", now) {
            error!(event = "claim-not-stored", zone = %apex, problem, "{problem}");
        }
    }

    fn store_claim(
        &mut self,
        claim: Claim,
        entry: Change,
        actor: &str,
        now: Now,
    ) -> Result<(), String> {
        let change = Change::Claim(Box::new(claim.clone()));
        self.commit_state(&[change, entry], actor, now)?;
        self.claims.put(claim);
        Ok(())
    }

    /// The row of an account, if the database does not have it.
    pub(super) fn account_entry(&mut self, id: AccountId, now: Now) -> Vec<Change> {
        let known = self.custom.usable().is_ok_and(|o| o.control().account(id).is_some());
        let (name, settings) = (self.account_name(id).to_owned(), "{}".to_owned());
        let account = Account { id, name, created_at: now.unix, settings };
        (!known).then_some(Change::Account(account)).into_iter().collect()
    }

    fn claim_entry(
        &self,
        claim: &Claim,
        action: &str,
        from: Option<Status>,
        actor: &str,
        now: Now,
    ) -> Change {
        Change::Audit(AuditEntry {
            at: now.unix,
            actor: actor.to_owned(),
            account: Some(claim.account),
            zone: Some(claim.zone),
            action: format!("{action} {}", claim.apex),
            from: from.map(|s| s.word().to_owned()),
            to: (action != "zone.deleted").then(|| claim.status.word().to_owned()),
            evidence: claim.saw.clone(),
            ..AuditEntry::default()
        })
    }
}

/// Seconds after which a look whose result never came is made again.
const LOST_AFTER: u64 = 60;

fn fill(octets: &mut [u8]) -> Result<(), ClaimError> {
    getrandom::fill(octets)
        .map_err(|e| ClaimError::Store(format!("the system gives nothing random: {e}")))
}

fn random_text() -> Result<String, ClaimError> {
    let mut octets = [0; 16];
    fill(&mut octets)?;
    Ok(octets.iter().map(|octet| format!("{octet:02x}")).collect())
}
