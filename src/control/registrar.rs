//! Custom hostnames in the store: each request or result of a check becomes one step and one commit.
//!
//! The steps are decided in `hostname`; here they meet the world as it is now (who owns a name, who else wants it, what
//! is held) and the store. Whatever fails leaves everything as it was. One registrar serves one store, on the thread of
//! its one writer.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::known::{self, Zones};
use crate::base::id::{AccountId, ZoneId};
use crate::base::name::Name;
use crate::base::time::UnixTime;
use crate::base::uuid::Uuid;
use crate::hostname::create::{self, Refusal};
use crate::hostname::grants;
use crate::hostname::hold::Hold;
use crate::hostname::lifecycle::{self, Checked, Effect, Event, New, Standing, Step, Trigger};
use crate::hostname::object::{Block, CustomHostname, Hostname, Owner, Status};
use crate::hostname::priority::Rival;
use crate::hostname::proof::Tokens;
use crate::hostname::seen::Seen;
use crate::hostname::verify::{self, Provider};
use crate::model::prefix::Prefixes;
use crate::store::state::change::{Change, of_step};
use crate::store::state::{CommitError, Control, Due, Failure, Refused, Store, Trouble};

/// Custom hostnames read from the store at a time, when many have to be looked at.
const PAGE: usize = 500;

/// What has to be known beside the store. All of it as of now.
pub trait World: grants::World + create::World {
    /// The name of a zone that exists.
    fn apex(&self, zone: ZoneId) -> Option<Name>;
    /// The operator's `[[grants]]` let this hostname into a zone other than `zone`.
    fn asserted_elsewhere(&self, hostname: &Hostname, zone: ZoneId) -> bool;
    /// Of a partial zone: where its chains have to end.
    fn partial(&self, zone: ZoneId) -> Option<Name>;
    /// Whether the account may prove by addresses.
    fn apex_proxying(&self, account: AccountId) -> bool;
    fn prefixes(&self) -> &Prefixes;
    /// Whether the operator put it on the abuse list.
    fn is_abuse(&self, hostname: &Hostname) -> bool;
}

/// With what a request is carried out.
pub struct Context<'c> {
    pub store: &'c mut dyn Store,
    pub world: &'c dyn World,
    /// Makes new tokens.
    pub tokens: &'c mut dyn FnMut() -> Tokens,
    pub now: UnixTime,
    /// Who asks, for the audit log.
    pub actor: &'c str,
}

/// Why a request was not carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RequestError {
    /// No such custom hostname or zone.
    Unknown,
    /// The database cannot be used, in words.
    Unusable(String),
    /// The config says it, under this key: it is changed there.
    InConfig(&'static str),
    /// The fallback origin does not lie in its zone.
    NotInZone,
    Refused(Refusal),
    Store(CommitError),
}

impl RequestError {
    /// Whether more is wrong with the store than that it cannot be written.
    pub fn is_unread(&self) -> bool {
        match self {
            RequestError::Store(CommitError::Failed(failure)) => {
                !matches!(failure.trouble, Trouble::Full | Trouble::ReadOnly)
            }
            _ => true,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestError::Unknown => f.write_str("there is no such custom hostname or zone"),
            RequestError::Unusable(why) => f.write_str(why),
            RequestError::InConfig(key) => {
                write!(f, "the operator's config says it ({key}): it is changed there")
            }
            RequestError::NotInZone => f.write_str("the fallback origin does not lie in the zone"),
            RequestError::Refused(refusal) => refusal.fmt(f),
            RequestError::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RequestError {}

impl From<RequestError> for String {
    fn from(error: RequestError) -> String {
        error.to_string()
    }
}

impl From<Failure> for RequestError {
    fn from(failure: Failure) -> RequestError {
        RequestError::Store(CommitError::Failed(failure))
    }
}

impl From<CommitError> for RequestError {
    fn from(error: CommitError) -> RequestError {
        match error {
            CommitError::Refused(Refused::Duplicate(_)) => {
                RequestError::Refused(Refusal::Duplicate)
            }
            other => RequestError::Store(other),
        }
    }
}

/// What followed from a request.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Done {
    /// Hostnames whose grants may be others now, each with the zone it leads into.
    pub changed: Vec<(Hostname, ZoneId)>,
    /// To be checked at once.
    pub check: Vec<Uuid>,
}

/// A check that was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    pub id: Uuid,
    /// Of the hostname when the check began.
    pub revision: u32,
    pub trigger: Trigger,
    pub seen: Seen,
}

/// See the head of the file. It keeps in memory what is few: everything but the hostnames.
#[derive(Debug)]
pub struct Registrar {
    control: Control,
    /// What of it changed since somebody asked.
    news: News,
    zones: Arc<Zones>,
    /// Changes that `zones` does not show yet, while somebody reads it.
    late: Vec<Change>,
    /// Hostnames of commits whose outcome is not known.
    doubtful: Vec<(Hostname, ZoneId)>,
}

/// Which accounts and tokens are others now, or gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum News {
    All,
    Of { accounts: BTreeSet<AccountId>, tokens: BTreeSet<Uuid> },
}

impl Default for News {
    fn default() -> News {
        News::Of { accounts: BTreeSet::new(), tokens: BTreeSet::new() }
    }
}

impl News {
    pub fn is_none(&self) -> bool {
        *self == News::default()
    }

    fn add(&mut self, change: &Change) {
        let News::Of { accounts, tokens } = self else { return };
        match change {
            Change::Account(account) => _ = accounts.insert(account.id),
            Change::Token(token) => _ = tokens.insert(token.id),
            Change::TokenRemoved(id) => _ = tokens.insert(*id),
            // Its tokens go with it.
            Change::AccountRemoved(_) => *self = News::All,
            _ => {}
        }
    }
}

impl Registrar {
    pub fn open(store: &mut dyn Store) -> Result<Registrar, Failure> {
        let control = store.load()?;
        let zones = Arc::new(Zones::of(&control));
        let (news, late, doubtful) = (News::All, Vec::new(), Vec::new());
        Ok(Registrar { control, news, zones, late, doubtful })
    }

    /// What of [`Registrar::control`] changed since this was last asked.
    pub fn take_news(&mut self) -> News {
        std::mem::take(&mut self.news)
    }

    /// An account came that nothing is stored of.
    pub fn tell_account(&mut self, id: AccountId) {
        if let News::Of { accounts, .. } = &mut self.news {
            accounts.insert(id);
        }
    }

    /// What is kept in memory is read anew.
    pub fn read_again(&mut self, store: &mut dyn Store) -> Result<(), Failure> {
        let doubtful = std::mem::take(&mut self.doubtful);
        *self = Registrar { doubtful, ..Registrar::open(store)? };
        Ok(())
    }

    /// Brings the zones up to date, once nobody reads them.
    pub fn settle(&mut self) {
        if self.late.is_empty() {
            return;
        }
        let zones = Arc::make_mut(&mut self.zones);
        self.late.drain(..).for_each(|change| zones.apply(&change));
    }

    /// The holds on a name: those of zones at it or above it.
    pub fn holds_over(&self, name: &Name) -> impl Iterator<Item = (&Name, &Hold)> {
        let above = self.zones.above(name);
        above.filter_map(|(zone, apex)| Some((apex, self.control.hold(zone)?)))
    }

    pub fn control(&self) -> &Control {
        &self.control
    }

    /// The zones of the store.
    pub fn zones(&self) -> Arc<Zones> {
        Arc::clone(&self.zones)
    }

    /// Takes the hostnames of commits that failed: whether they count is what the store says of them now.
    pub fn take_doubtful(&mut self) -> Vec<(Hostname, ZoneId)> {
        std::mem::take(&mut self.doubtful)
    }

    /// Makes changes that are no steps of hostnames.
    pub fn commit(&mut self, cx: &mut Context<'_>, changes: &[Change]) -> Result<(), CommitError> {
        let generation = cx.store.generation()?;
        let committed = cx.store.commit(changes, generation);
        match &committed {
            Ok(generation) => {
                self.control.apply(changes);
                self.control.generation = *generation;
                changes.iter().for_each(|change| self.news.add(change));
                self.late.extend(changes.iter().filter(|c| known::is_about_zones(c)).cloned());
                if Arc::get_mut(&mut self.zones).is_some() {
                    self.settle();
                }
            }
            // What was stored is what the store says.
            Err(_) => self.read_again(cx.store)?,
        }
        committed.map(|_| ())
    }

    /// A provider asks for a hostname.
    pub fn create(
        &mut self,
        cx: &mut Context<'_>,
        id: Uuid,
        zone: ZoneId,
        text: &str,
    ) -> Result<Done, RequestError> {
        let apex = cx.world.apex(zone).ok_or(RequestError::Unknown)?;
        let account = cx.world.holder(zone).ok_or(RequestError::Unknown)?;
        let hostname = create::read(text, &apex, &Wrapped(cx.world));
        let hostname = hostname.map_err(RequestError::Refused)?;
        let provider = Owner { zone, account };
        let block = self.block(cx, &hostname, account);
        let tokens = (cx.tokens)();
        let step = lifecycle::create(New { id, hostname, provider, tokens, block }, cx.now);
        Ok(self.store(cx, None, step)?)
    }

    /// Whether a provider may ask for a hostname, without asking.
    pub fn judge(
        &self,
        cx: &mut Context<'_>,
        zone: ZoneId,
        text: &str,
    ) -> Result<Hostname, RequestError> {
        let apex = cx.world.apex(zone).ok_or(RequestError::Unknown)?;
        let hostname = create::read(text, &apex, &Wrapped(cx.world));
        let hostname = hostname.map_err(RequestError::Refused)?;
        let named = cx.store.hostnames_named(&hostname)?;
        if named.iter().any(|other| other.provider.zone == zone) {
            return Err(RequestError::Refused(Refusal::Duplicate));
        }
        Ok(hostname)
    }

    /// Something happens to one hostname.
    pub fn step(
        &mut self,
        cx: &mut Context<'_>,
        id: Uuid,
        event: Event,
    ) -> Result<Done, RequestError> {
        let old = cx.store.hostname(id)?.ok_or(RequestError::Unknown)?;
        let step = lifecycle::step(&old, event, cx.now);
        Ok(self.store(cx, Some(&old), step)?)
    }

    /// PATCH without a change.
    pub fn refresh(&mut self, cx: &mut Context<'_>, id: Uuid) -> Result<Done, RequestError> {
        let old = cx.store.hostname(id)?.ok_or(RequestError::Unknown)?;
        let block = self.block(cx, &old.hostname, old.provider.account);
        let tokens = (cx.tokens)();
        let step = lifecycle::step(&old, Event::Refresh { tokens, block }, cx.now);
        Ok(self.store(cx, Some(&old), step)?)
    }

    /// DELETE: the grant is gone with this commit, and so is the hostname.
    pub fn delete(&mut self, cx: &mut Context<'_>, id: Uuid) -> Result<Done, RequestError> {
        let old = cx.store.hostname(id)?.ok_or(RequestError::Unknown)?;
        let first = lifecycle::step(&old, Event::Delete, cx.now);
        let mut changes = of_step(Some(&old), &first, cx.actor, cx.now);
        if let Some(between) = &first.state {
            let last = lifecycle::step(between, Event::Removed, cx.now);
            changes.extend(of_step(Some(between), &last, cx.actor, cx.now));
        }
        let done = Done { changed: vec![key(&old)], check: Vec::new() };
        self.commit_steps(cx, &changes, &done)?;
        Ok(done)
    }

    /// Takes in what a check saw. Of a hostname that is gone, nothing.
    pub fn checked(&mut self, cx: &mut Context<'_>, check: Check) -> Result<Done, RequestError> {
        let Some(old) = cx.store.hostname(check.id)? else { return Ok(Done::default()) };
        if cx.world.holder(old.provider.zone) != Some(old.provider.account) {
            return Ok(Done::default());
        }
        let owner = cx.world.owner(&old.hostname.base);
        if old.proof.is_some_and(|p| p.owner != owner) {
            // It changed hands while nobody looked.
            return self.name_changed(cx, &old);
        }
        let provider = Provider {
            owner: old.provider,
            partial: cx.world.partial(old.provider.zone),
            apex_proxying: cx.world.apex_proxying(old.provider.account),
        };
        let Check { revision, trigger, seen, .. } = check;
        let prefixes = cx.world.prefixes();
        let findings = verify::judge(&old.hostname, &old.tokens, &provider, prefixes, &seen);
        let standing = self.standing(cx, &old)?;
        let owner = seen.owner;
        let checked = Checked { revision, owner, trigger, findings, standing };
        let step = lifecycle::step(&old, Event::Checked(Box::new(checked)), cx.now);
        Ok(self.store(cx, Some(&old), step)?)
    }

    /// Does what is due. `Done::check` names the hostnames whose scheduled check is. `at` says how far an earlier call
    /// came, and is moved on; behind the last one it begins anew.
    pub fn due(
        &mut self,
        cx: &mut Context<'_>,
        at: &mut Option<Due>,
        most: usize,
    ) -> Result<Done, RequestError> {
        let mut done = Done::default();
        let due = cx.store.due(cx.now, *at, most)?;
        *at = due.last().copied().filter(|_| due.len() == most);
        for (_, id) in due {
            let Some(old) = cx.store.hostname(id)? else { continue };
            match old.status {
                Status::PendingDeletion => done.add(self.step(cx, id, Event::Removed)?),
                Status::Moved => done.add(self.step(cx, id, Event::Time)?),
                _ => done.check.push(id),
            }
        }
        Ok(done)
    }

    /// Zones at or below `apex` came, went or changed hands, or a hold there changed: what is bound to another owner is
    /// void, what is held now is blocked, and the rest is worth a look. After an error that is more than a refusal to
    /// write, some were not even read.
    pub fn names_changed(
        &mut self,
        cx: &mut Context<'_>,
        apex: &Name,
    ) -> Result<Done, RequestError> {
        let mut done = Done::default();
        let (mut after, mut failed) = (None, None);
        loop {
            let page = cx.store.hostnames_within(apex, after.as_ref(), PAGE);
            let page = page.unwrap_or_else(|failure| {
                failed = Some(failure.into());
                Vec::new()
            });
            let Some(last) = page.last() else { break };
            after = Some((last.hostname.clone(), last.provider.zone));
            for old in page {
                // One that cannot be stored keeps no other from its step; its grant is derived anew all the same.
                match self.name_changed(cx, &old) {
                    Ok(more) => done.add(more),
                    Err(error) => {
                        done.changed.push(key(&old));
                        failed = Some(error);
                    }
                }
            }
        }
        match failed {
            None => Ok(done),
            Some(error) => {
                self.doubtful.append(&mut done.changed);
                Err(error)
            }
        }
    }

    /// The operator's abuse list covers these now.
    pub fn barred(
        &mut self,
        cx: &mut Context<'_>,
        covered: &[(Hostname, ZoneId)],
    ) -> Result<Done, RequestError> {
        let mut done = Done::default();
        for (hostname, zone) in covered {
            let named = cx.store.hostnames_named(hostname)?;
            for old in named.iter().filter(|h| h.provider.zone == *zone) {
                let step = lifecycle::step(old, Event::Blocked(Block::Abuse), cx.now);
                done.add(self.store(cx, Some(old), step)?);
            }
        }
        Ok(done)
    }

    fn name_changed(
        &mut self,
        cx: &mut Context<'_>,
        old: &CustomHostname,
    ) -> Result<Done, RequestError> {
        let owner = cx.world.owner(&old.hostname.base);
        let block = self.block(cx, &old.hostname, old.provider.account);
        let event = match block {
            Some(block) => Event::Blocked(block),
            None if old.proof.is_some_and(|p| p.owner != owner) => {
                Event::OwnerChanged { owner, tokens: (cx.tokens)() }
            }
            None => {
                // The derived grant may come or go with its zones all the same.
                let changed = vec![key(old)];
                let open = matches!(old.status, Status::Pending);
                let check = if open { vec![old.id] } else { Vec::new() };
                return Ok(Done { changed, check });
            }
        };
        let step = lifecycle::step(old, event, cx.now);
        let mut done = self.store(cx, Some(old), step)?;
        done.changed.push(key(old));
        Ok(done)
    }

    /// Stores a step, and the displacements that go with it, in one commit.
    fn store(
        &mut self,
        cx: &mut Context<'_>,
        old: Option<&CustomHostname>,
        step: Step,
    ) -> Result<Done, CommitError> {
        if step.effects.is_empty() && step.state.as_ref() == old {
            return Ok(Done::default());
        }
        let mut changes = Vec::new();
        let mut done = Done::default();
        let id = step.state.as_ref().or(old).map(|h| h.id);
        for effect in &step.effects {
            match *effect {
                Effect::Check => done.check.extend(id),
                Effect::Displace { id, sequence } => {
                    let Some(loser) = cx.store.hostname(id)? else { continue };
                    let lost = lifecycle::step(&loser, Event::Displaced { sequence }, cx.now);
                    changes.extend(of_step(Some(&loser), &lost, cx.actor, cx.now));
                    done.changed.push(key(&loser));
                }
                Effect::Audit(_) => {}
            }
        }
        if step.state.as_ref() != old {
            changes.extend(of_step(old, &step, cx.actor, cx.now));
            done.changed.extend(step.state.as_ref().or(old).map(key));
        }
        if !changes.is_empty() {
            self.commit_steps(cx, &changes, &done)?;
        }
        Ok(done)
    }

    fn commit_steps(
        &mut self,
        cx: &mut Context<'_>,
        changes: &[Change],
        done: &Done,
    ) -> Result<(), CommitError> {
        let generation = cx.store.generation()?;
        let committed = cx.store.commit(changes, generation);
        if let Err(CommitError::Failed(_)) = &committed {
            self.doubtful.extend(done.changed.iter().cloned());
        }
        committed.map(|_| ())
    }

    fn standing(
        &self,
        cx: &mut Context<'_>,
        hostname: &CustomHostname,
    ) -> Result<Standing, Failure> {
        let zone = hostname.provider.zone;
        let fallback = self.control.fallback(zone);
        let same = cx.store.hostnames_named(&hostname.hostname)?;
        let others = same.iter().filter(|h| h.id != hostname.id);
        let mut rivals: Vec<Rival> = others.filter_map(Rival::of).collect();
        if cx.world.asserted_elsewhere(&hostname.hostname, zone) {
            rivals.push(Rival::Operator);
        }
        Ok(Standing {
            owner: cx.world.owner(&hostname.hostname.base),
            fallback: fallback.map(|f| f.status),
            block: self.block(cx, &hostname.hostname, hostname.provider.account),
            rivals,
            // Generations only grow, over everything that is stored.
            sequence: cx.store.generation()?.0 + 1,
        })
    }

    fn block(&self, cx: &Context<'_>, hostname: &Hostname, account: AccountId) -> Option<Block> {
        let held = self.holds_over(&hostname.base).any(|(apex, hold)| {
            let stands = cx.world.holder(hold.owner.zone) == Some(hold.owner.account);
            stands && hold.keeps(apex, hostname, account, cx.now)
        });
        match held {
            true => Some(Block::Hold),
            false => cx.world.is_abuse(hostname).then_some(Block::Abuse),
        }
    }
}

impl Done {
    fn add(&mut self, more: Done) {
        self.changed.extend(more.changed);
        self.check.extend(more.check);
    }
}

fn key(hostname: &CustomHostname) -> (Hostname, ZoneId) {
    (hostname.hostname.clone(), hostname.provider.zone)
}

/// A `World` as the smaller one that `create` asks.
struct Wrapped<'w>(&'w dyn World);

impl create::World for Wrapped<'_> {
    fn is_here(&self, name: &Name) -> bool {
        self.0.is_here(name)
    }

    fn is_public_suffix(&self, name: &Name) -> bool {
        self.0.is_public_suffix(name)
    }
}
