//! A store in memory, with faults on demand: for tests and simulations.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::change::{Account, AuditEntry, Change, Object, Token, Zone};
use super::claims::Tombstone;
use super::history::{Undo, Version};
use super::hostname_page::Wanted;
use super::{
    AuditFilter, CommitError, Control, Due, Failure, KEPT, Refused, Since, Store, Trouble, Used,
};
use crate::base::id::{AccountId, Generation, ZoneId};
use crate::base::name::Name;
use crate::base::time::UnixTime;
use crate::base::uuid::Uuid;
use crate::hostname::fallback::FallbackOrigin;
use crate::hostname::grants::{Row, RowState};
use crate::hostname::hold::Hold;
use crate::hostname::lifecycle;
use crate::hostname::object::{CustomHostname, Hostname, Owner};
use crate::policy::claims::Claim;
use crate::records::{Content, Record};

/// What the next commit does instead of what it should.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Fails and changes nothing.
    Refuses(Trouble),
    /// Makes the changes and says that it failed: the process died before it heard.
    ForgetsToSay,
}

/// See the head of the file. Cloning copies it.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    state: State,
    audit: Vec<AuditEntry>,
    changes: Vec<(u64, Object)>,
    /// Changes up to this generation are not known any more.
    forgotten: u64,
    /// Taken by the next commit.
    pub fault: Option<Fault>,
}

#[derive(Clone, Debug, Default)]
struct State {
    generation: u64,
    accounts: BTreeMap<AccountId, Account>,
    zones: BTreeMap<ZoneId, Zone>,
    gone_accounts: BTreeSet<AccountId>,
    gone_zones: BTreeSet<ZoneId>,
    /// By the order of creation.
    hostnames: BTreeMap<u64, CustomHostname>,
    order: BTreeMap<Uuid, u64>,
    named: BTreeMap<(Hostname, ZoneId), Uuid>,
    due: BTreeSet<(UnixTime, Uuid)>,
    next_seq: u64,
    withdrawn: BTreeMap<(Hostname, ZoneId), (AccountId, UnixTime)>,
    fallbacks: BTreeMap<ZoneId, FallbackOrigin>,
    holds: BTreeMap<ZoneId, Hold>,
    tokens: BTreeMap<Uuid, Token>,
    contents: BTreeMap<ZoneId, Content>,
    records: BTreeMap<(ZoneId, Uuid), Record>,
    claims: BTreeMap<ZoneId, Claim>,
    tombstones: Vec<Tombstone>,
    versions: BTreeMap<(ZoneId, u32), Version>,
    /// What a record was before the version of that serial.
    history: BTreeMap<(ZoneId, u32, Uuid), Option<Record>>,
}

impl Memory {
    /// Takes the audit log out, oldest entry first.
    pub fn take_audit(&mut self) -> Vec<AuditEntry> {
        std::mem::take(&mut self.audit)
    }
}

impl Store for Memory {
    fn generation(&mut self) -> Result<Generation, Failure> {
        Ok(Generation(self.state.generation))
    }

    fn load(&mut self) -> Result<Control, Failure> {
        let s = &self.state;
        let accounts = s.accounts.keys().chain(&s.gone_accounts).map(|id| id.0 + 1);
        let zones = s.zones.keys().chain(&s.gone_zones).map(|id| id.0 + 1);
        let used = Used { accounts: accounts.max().unwrap_or(0), zones: zones.max().unwrap_or(0) };
        Ok(Control {
            generation: Generation(s.generation),
            accounts: s.accounts.values().cloned().collect(),
            zones: s.zones.values().cloned().collect(),
            fallbacks: s.fallbacks.values().cloned().collect(),
            holds: s.holds.values().copied().collect(),
            tokens: s.tokens.values().cloned().collect(),
            used,
        })
    }

    fn grant_rows(&mut self, visit: &mut dyn FnMut(Row)) -> Result<(), Failure> {
        self.state.hostnames.values().filter_map(Row::of).for_each(&mut *visit);
        for ((hostname, zone), &(account, at)) in &self.state.withdrawn {
            let provider = Owner { zone: *zone, account };
            let state = RowState::Withdrawn(at);
            visit(Row { hostname: hostname.clone(), provider, state });
        }
        Ok(())
    }

    fn hostname(&mut self, id: Uuid) -> Result<Option<CustomHostname>, Failure> {
        Ok(self.state.hostname(id).cloned())
    }

    fn hostnames_named(&mut self, hostname: &Hostname) -> Result<Vec<CustomHostname>, Failure> {
        let all = (hostname.clone(), ZoneId(0))..=(hostname.clone(), ZoneId(u32::MAX));
        let ids = self.state.named.range(all).map(|(_, &id)| id);
        Ok(ids.filter_map(|id| self.state.hostname(id).cloned()).collect())
    }

    fn hostnames_of(
        &mut self,
        zone: ZoneId,
        after: Option<Uuid>,
        most: usize,
    ) -> Result<Vec<CustomHostname>, Failure> {
        let after = after.and_then(|id| self.state.order.get(&id)).map_or(0, |seq| seq + 1);
        let behind = self.state.hostnames.range(after..).map(|(_, h)| h);
        Ok(behind.filter(|h| h.provider.zone == zone).take(most).cloned().collect())
    }

    fn hostnames_within(
        &mut self,
        apex: &Name,
        after: Option<&(Hostname, ZoneId)>,
        most: usize,
    ) -> Result<Vec<CustomHostname>, Failure> {
        let named = self.state.named.iter();
        let behind = named.filter(|(key, _)| after.is_none_or(|after| *key > after));
        let within = behind.filter(|(key, _)| key.0.base.is_within(apex)).take(most);
        Ok(within.filter_map(|(_, &id)| self.state.hostname(id).cloned()).collect())
    }

    fn due(&mut self, by: UnixTime, after: Option<Due>, most: usize) -> Result<Vec<Due>, Failure> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let due = self.state.due.range((from, Bound::Unbounded)).take_while(|(at, _)| *at <= by);
        Ok(due.take(most).copied().collect())
    }

    fn audit(&mut self, filter: &AuditFilter) -> Result<Vec<(u64, AuditEntry)>, Failure> {
        let numbered = self.audit.iter().enumerate().rev().map(|(n, e)| (n as u64 + 1, e));
        let wanted = numbered.filter(|(n, e)| {
            filter.before.is_none_or(|before| *n < before)
                && (filter.account.is_none() || filter.account == e.account)
                && (filter.hostname.is_none() || filter.hostname == e.hostname)
        });
        Ok(wanted.take(filter.most).map(|(n, e)| (n, e.clone())).collect())
    }

    fn hostnames_page(
        &mut self,
        zone: ZoneId,
        wanted: &Wanted,
    ) -> Result<(Vec<CustomHostname>, usize), Failure> {
        let of_zone = self.state.hostnames.values().filter(|h| h.provider.zone == zone);
        let mut all: Vec<CustomHostname> = of_zone.filter(|h| wanted.holds(h)).cloned().collect();
        if wanted.descending {
            all.reverse();
        }
        let count = all.len();
        Ok((all.into_iter().skip(wanted.skip).take(wanted.most).collect(), count))
    }

    fn claims(&mut self) -> Result<Vec<Claim>, Failure> {
        Ok(self.state.claims.values().cloned().collect())
    }

    fn tombstones(&mut self) -> Result<Vec<Tombstone>, Failure> {
        Ok(self.state.tombstones.clone())
    }

    fn contents(&mut self) -> Result<Vec<Content>, Failure> {
        Ok(self.state.contents.values().cloned().collect())
    }

    fn content(&mut self, zone: ZoneId) -> Result<Option<Content>, Failure> {
        Ok(self.state.contents.get(&zone).cloned())
    }

    fn records(&mut self, zone: ZoneId, name: Option<&Name>) -> Result<Vec<Record>, Failure> {
        let of_zone = self.state.records.range((zone, Uuid([0; 16]))..=(zone, Uuid([255; 16])));
        let wanted = of_zone.filter(|(_, record)| name.is_none_or(|name| record.name == *name));
        Ok(wanted.map(|(_, record)| record.clone()).collect())
    }

    fn record(&mut self, zone: ZoneId, id: Uuid) -> Result<Option<Record>, Failure> {
        Ok(self.state.records.get(&(zone, id)).cloned())
    }

    fn versions(&mut self, zone: ZoneId) -> Result<Vec<Version>, Failure> {
        let of_zone = self.state.versions.range((zone, 0)..=(zone, u32::MAX));
        Ok(of_zone.rev().map(|(_, version)| version.clone()).collect())
    }

    fn undo(&mut self, zone: ZoneId, serial: u32) -> Result<Option<Undo>, Failure> {
        if !self.state.versions.contains_key(&(zone, serial)) {
            return Ok(None);
        }
        let mut undo: BTreeMap<Uuid, Option<Record>> = BTreeMap::new();
        let behind = self.state.history.iter().filter(|((z, s, _), _)| *z == zone && *s > serial);
        for ((_, _, id), before) in behind {
            undo.entry(*id).or_insert_with(|| before.clone());
        }
        Ok(Some(undo.into_iter().collect()))
    }

    fn commit(
        &mut self,
        changes: &[Change],
        expected: Generation,
    ) -> Result<Generation, CommitError> {
        let current = Generation(self.state.generation);
        if current != expected {
            return Err(CommitError::Conflict { current });
        }
        let fault = self.fault.take();
        let failed = |trouble| {
            CommitError::Failed(Failure { trouble, detail: "a fault on demand".to_owned() })
        };
        if let Some(Fault::Refuses(trouble)) = fault {
            return Err(failed(trouble));
        }
        // A single change that does not fit changes nothing; of several, the first may have.
        let before = (changes.len() > 1).then(|| self.state.clone());
        for change in changes {
            if let Err(refused) = self.state.apply(change) {
                if let Some(before) = before {
                    self.state = before;
                }
                return Err(CommitError::Refused(refused));
            }
        }
        self.state.generation += 1;
        let generation = self.state.generation;
        for change in changes {
            self.changes.extend(change.object().map(|object| (generation, object)));
            if let Change::Audit(entry) = change {
                self.audit.push(entry.clone());
            }
        }
        let too_old = self.changes.partition_point(|(g, _)| g + 2 * KEPT < generation);
        if too_old > 0 {
            // Half of it at once, so that this is rare.
            self.forgotten = generation - KEPT;
            self.changes.retain(|(g, _)| *g > generation - KEPT);
        }
        match fault {
            Some(Fault::ForgetsToSay) => Err(failed(Trouble::Other)),
            _ => Ok(Generation(self.state.generation)),
        }
    }

    fn changes_since(&mut self, since: Generation, most: usize) -> Result<Since, Failure> {
        let current = self.state.generation;
        if since.0 > current || since.0 < self.forgotten {
            return Ok(Since::TooOld);
        }
        let up_to = current.min(since.0.saturating_add(most as u64));
        let new = self.changes.iter().filter(|(g, _)| *g > since.0 && *g <= up_to);
        let objects: BTreeSet<Object> = new.map(|&(_, object)| object).collect();
        let objects = objects.into_iter().collect();
        Ok(Since::Changed { objects, up_to: Generation(up_to) })
    }
}

impl State {
    fn hostname(&self, id: Uuid) -> Option<&CustomHostname> {
        self.hostnames.get(self.order.get(&id)?)
    }

    fn apply(&mut self, change: &Change) -> Result<(), Refused> {
        match change {
            Change::Account(a) if self.gone_accounts.contains(&a.id) => {
                return Err(Refused::Gone(format!("account {}", a.id)));
            }
            Change::Account(a) => _ = self.accounts.insert(a.id, a.clone()),
            Change::AccountRemoved(id) => self.remove_account(*id),
            Change::Zone(zone) => self.put_zone(zone)?,
            Change::ZoneRemoved(id) => self.remove_zone(*id),
            Change::Hostname(hostname) => self.put_hostname(hostname)?,
            Change::HostnameRemoved(id) => self.remove_hostname(*id),
            Change::Withdrawn { row, at } => {
                let key = (row.hostname.clone(), row.provider.zone);
                self.withdrawn.insert(key, (row.provider.account, *at));
            }
            Change::ForgetWithdrawn(before) => self.withdrawn.retain(|_, (_, at)| *at >= *before),
            Change::Fallback(fallback) => {
                self.expect_zone(fallback.zone)?;
                self.fallbacks.insert(fallback.zone, fallback.clone());
            }
            Change::FallbackRemoved(zone) => _ = self.fallbacks.remove(zone),
            Change::Hold(hold) => {
                self.expect_zone(hold.owner.zone)?;
                self.holds.insert(hold.owner.zone, *hold);
            }
            Change::HoldRemoved(zone) => _ = self.holds.remove(zone),
            Change::Token(token) => {
                token.account.map_or(Ok(()), |account| self.expect_account(account))?;
                self.tokens.insert(token.id, token.clone());
            }
            Change::TokenRemoved(id) => _ = self.tokens.remove(id),
            Change::Claim(claim) => {
                self.expect_zone(claim.zone)?;
                self.claims.insert(claim.zone, (**claim).clone());
            }
            Change::Tombstone(t) => self.tombstones.push(t.clone()),
            Change::TombstoneRemoved(t) => self
                .tombstones
                .retain(|old| (&old.apex, &old.nameservers) != (&t.apex, &t.nameservers)),
            Change::Content(content) => {
                self.expect_zone(content.zone)?;
                self.begin_version(content.zone, content.serial);
                self.contents.insert(content.zone, (**content).clone());
            }
            Change::Record { zone, record } => {
                if !self.contents.contains_key(zone) {
                    return Err(Refused::Unknown(format!("the content of zone {zone}")));
                }
                self.keep_record(*zone, record.id);
                self.records.insert((*zone, record.id), (**record).clone());
            }
            Change::RecordRemoved { zone, id } => {
                self.keep_record(*zone, *id);
                self.records.remove(&(*zone, *id));
            }
            Change::Audit(entry) => self.sign_version(entry),
        }
        Ok(())
    }

    fn begin_version(&mut self, zone: ZoneId, serial: u32) {
        let (at, actor, action, changes) = (UnixTime(0), String::new(), String::new(), 0);
        let version = Version { serial, at, actor, action, changes };
        self.versions.entry((zone, serial)).or_insert(version);
    }

    fn keep_record(&mut self, zone: ZoneId, id: Uuid) {
        let Some(content) = self.contents.get(&zone) else { return };
        let before = self.records.get(&(zone, id)).cloned();
        let key = (zone, content.serial, id);
        if let Entry::Vacant(entry) = self.history.entry(key) {
            entry.insert(before);
            if let Some(version) = self.versions.get_mut(&(zone, content.serial)) {
                version.changes += 1;
            }
        }
    }

    fn sign_version(&mut self, entry: &AuditEntry) {
        let Some(content) = entry.zone.and_then(|zone| self.contents.get(&zone)) else { return };
        let version = self.versions.get_mut(&(content.zone, content.serial));
        if let Some(version) = version.filter(|version| version.at == UnixTime(0)) {
            version.at = entry.at;
            version.actor.clone_from(&entry.actor);
            version.action.clone_from(&entry.action);
        }
    }

    fn expect_zone(&self, id: ZoneId) -> Result<(), Refused> {
        match self.zones.contains_key(&id) {
            true => Ok(()),
            false if self.gone_zones.contains(&id) => Err(Refused::Gone(format!("zone {id}"))),
            false => Err(Refused::Unknown(format!("zone {id}"))),
        }
    }

    fn expect_account(&self, id: AccountId) -> Result<(), Refused> {
        match self.accounts.contains_key(&id) {
            true => Ok(()),
            false if self.gone_accounts.contains(&id) => {
                Err(Refused::Gone(format!("account {id}")))
            }
            false => Err(Refused::Unknown(format!("account {id}"))),
        }
    }

    fn put_zone(&mut self, zone: &Zone) -> Result<(), Refused> {
        self.expect_account(zone.account)?;
        if self.gone_zones.contains(&zone.id) {
            return Err(Refused::Gone(format!("zone {}", zone.id)));
        }
        let old = self.zones.get(&zone.id);
        if old.is_some_and(|old| (&old.apex, old.account) != (&zone.apex, zone.account)) {
            return Err(Refused::Duplicate(format!("zone {} of another name or account", zone.id)));
        }
        self.zones.insert(zone.id, zone.clone());
        Ok(())
    }

    fn put_hostname(&mut self, new: &CustomHostname) -> Result<(), Refused> {
        self.expect_zone(new.provider.zone)?;
        let key = (new.hostname.clone(), new.provider.zone);
        let old = self.hostname(new.id);
        if old.is_some_and(|old| (&old.hostname, old.provider.zone) != (&key.0, key.1)) {
            return Err(Refused::Duplicate(new.id.to_string()));
        }
        if self.named.get(&key).is_some_and(|&id| id != new.id) {
            return Err(Refused::Duplicate(format!("the custom hostname {}", new.hostname)));
        }
        if let Some(at) = old.and_then(lifecycle::next_at) {
            self.due.remove(&(at, new.id));
        }
        self.due.extend(lifecycle::next_at(new).map(|at| (at, new.id)));
        if new.status.is_grant() {
            self.withdrawn.remove(&key);
        }
        self.named.insert(key, new.id);
        let next = &mut self.next_seq;
        let seq = *self.order.entry(new.id).or_insert_with(|| {
            *next += 1;
            *next
        });
        self.hostnames.insert(seq, new.clone());
        Ok(())
    }

    fn remove_hostname(&mut self, id: Uuid) {
        let Some(old) = self.order.remove(&id).and_then(|seq| self.hostnames.remove(&seq)) else {
            return;
        };
        if let Some(at) = lifecycle::next_at(&old) {
            self.due.remove(&(at, id));
        }
        self.named.remove(&(old.hostname, old.provider.zone));
    }

    fn remove_zone(&mut self, id: ZoneId) {
        if self.zones.remove(&id).is_some() {
            self.gone_zones.insert(id);
        }
        let of_zone = |(_, zone): &(Hostname, ZoneId)| *zone == id;
        let named = self.named.iter().filter(|(key, _)| of_zone(key));
        let ids: Vec<Uuid> = named.map(|(_, &id)| id).collect();
        ids.into_iter().for_each(|id| self.remove_hostname(id));
        self.withdrawn.retain(|key, _| !of_zone(key));
        self.fallbacks.remove(&id);
        self.holds.remove(&id);
        self.contents.remove(&id);
        self.claims.remove(&id);
        self.records.retain(|(zone, _), _| *zone != id);
        self.versions.retain(|(zone, _), _| *zone != id);
        self.history.retain(|(zone, _, _), _| *zone != id);
    }

    fn remove_account(&mut self, id: AccountId) {
        if self.accounts.remove(&id).is_some() {
            self.gone_accounts.insert(id);
        }
        let zones = self.zones.values().filter(|z| z.account == id);
        let zones: Vec<ZoneId> = zones.map(|z| z.id).collect();
        zones.into_iter().for_each(|zone| self.remove_zone(zone));
        self.tokens.retain(|_, token| token.account != Some(id));
    }
}
