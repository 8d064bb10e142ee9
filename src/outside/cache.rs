//! What is known of the outside, and what is to be looked up next. It waits for nothing and reads no clock.
//!
//! One look-up for a target is under way at a time; whoever asks meanwhile joins it. What was learnt is renewed ahead
//! of its end if it was used, served on as stale when that fails, and forgotten at last.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::counters::{Counters, add, set};
use super::entry;
use super::fair::{Bounds, Fair};
use super::resolve::Found;
use crate::base::id::AccountId;
use crate::base::limits::{
    LOOKUP_MS, LOOKUP_QUEUE, LOOKUP_QUEUE_PER_ACCOUNT, LOOKUPS_MAX, LOOKUPS_PER_ACCOUNT,
    OUTSIDE_ENTRIES, OUTSIDE_ENTRIES_PER_ACCOUNT, OUTSIDE_OCTETS, OUTSIDE_OCTETS_PER_ACCOUNT,
    WAITERS_MAX, WAITERS_PER_ACCOUNT,
};
use crate::base::share::Share;
use crate::base::time::UnixTime;
use crate::config::settings::Flatten;
use crate::model::flattened::{Entry, Failure, Key, News, Outcome, Waiter};

/// Bounds of the cache, in all and for one account.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub lookups: Bounds,
    pub waiters: Share,
    pub entries: (usize, usize),
    pub octets: (usize, usize),
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            lookups: Bounds {
                flying: Share { all: LOOKUPS_MAX, each: LOOKUPS_PER_ACCOUNT },
                queued: Share { all: LOOKUP_QUEUE, each: LOOKUP_QUEUE_PER_ACCOUNT },
            },
            waiters: Share { all: WAITERS_MAX, each: WAITERS_PER_ACCOUNT },
            entries: (OUTSIDE_ENTRIES, OUTSIDE_ENTRIES_PER_ACCOUNT),
            octets: (OUTSIDE_OCTETS, OUTSIDE_OCTETS_PER_ACCOUNT),
        }
    }
}

/// See the file's head.
pub struct Cache {
    settings: Flatten,
    limits: Limits,
    slots: HashMap<Arc<Key>, Slot>,
    fair: Fair,
    /// When which target is to be looked at.
    timers: BTreeSet<(UnixTime, Arc<Key>)>,
    /// Waiters by the end of their time, which is the order they came in.
    deadlines: VecDeque<(Instant, u64, Arc<Key>)>,
    accounts: HashMap<AccountId, Account>,
    octets: usize,
    waiting: usize,
    /// Numbers of waiters, and of the order in which targets were in use.
    counter: u64,
    counters: Arc<Counters>,
}

/// What is known of one target.
struct Slot {
    /// Who asked first: the entry is on its account.
    account: AccountId,
    entry: Option<Arc<Entry>>,
    octets: usize,
    lookup: Lookup,
    waiters: Vec<(u64, AccountId, Waiter)>,
    /// Failures in a row.
    failures: u32,
    due: Option<UnixTime>,
    /// Place in the account's order of use.
    age: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lookup {
    None,
    Queued,
    Flying,
}

#[derive(Default)]
struct Account {
    ages: BTreeMap<u64, Arc<Key>>,
    octets: usize,
    waiters: usize,
}

impl Cache {
    pub fn new(settings: Flatten, limits: Limits, counters: Arc<Counters>) -> Cache {
        Cache {
            settings,
            limits,
            slots: HashMap::new(),
            fair: Fair::new(limits.lookups),
            timers: BTreeSet::new(),
            deadlines: VecDeque::new(),
            accounts: HashMap::new(),
            octets: 0,
            waiting: 0,
            counter: 0,
            counters,
        }
    }

    pub fn settings(&self) -> &Flatten {
        &self.settings
    }

    /// Puts in what was remembered over a restart; `None` if it is worth nothing any more.
    pub fn restore(
        &mut self,
        key: Key,
        account: AccountId,
        entry: Entry,
        now: UnixTime,
    ) -> Option<Arc<Entry>> {
        let mut entry = entry::under_settings(&self.settings, &entry)?;
        if now < entry.fetched {
            // The clock was set back, and nobody knows how old it is.
            (entry.fetched, entry.expires) = (now, now);
            entry.stale_until = entry::later(now, self.settings.stale.into());
        }
        if now >= entry.stale_until {
            return None;
        }
        let key = Arc::new(key);
        self.make_room(account, &mut News::default());
        self.add_slot(&key, account);
        let entry = Arc::new(entry);
        self.set_entry(&key, entry.clone());
        self.set_due(
            &key,
            Some(if now < entry.expires { entry.expires } else { entry.stale_until }),
        );
        Some(entry)
    }

    /// Somebody wants to know. The waiter goes into `news` at once, or when there is an answer, or after `deadline`.
    pub fn ask(
        &mut self,
        (key, account, waiter): (Key, AccountId, Waiter),
        now: UnixTime,
        deadline: Instant,
        news: &mut News,
    ) {
        add(&self.counters.asked, 1);
        let known = self.slots.get_key_value(&key).map(|(key, slot)| (key.clone(), slot));
        if let Some((_, slot)) = &known
            && slot.entry.as_ref().is_some_and(|entry| entry::is_known(entry, now))
        {
            add(&self.counters.hits, 1);
            news.waiters.push(waiter);
            return;
        }
        let key = known.map_or_else(|| Arc::new(key), |(key, _)| key);
        let own = self.accounts.get(&account).map_or(0, |a| a.waiters);
        let full = !self.limits.waiters.allows(self.waiting, own);
        if full || !self.want(&key, account, news) {
            add(&self.counters.refused, 1);
            news.waiters.push(waiter);
            return;
        }
        add(&self.counters.misses, 1);
        self.counter += 1;
        let ticket = self.counter;
        self.touch(&key);
        if let Some(slot) = self.slots.get_mut(&key) {
            slot.waiters.push((ticket, account, waiter));
            self.accounts.entry(account).or_default().waiters += 1;
            self.waiting += 1;
            self.deadlines.push_back((deadline, ticket, key));
        }
    }

    /// Sees to it that `key` is looked up; `false`: too many are.
    fn want(&mut self, key: &Arc<Key>, account: AccountId, news: &mut News) -> bool {
        let (lookup, others_only) = match self.slots.get(key) {
            None => (Lookup::None, true),
            Some(slot) => (slot.lookup, slot.waiters.iter().all(|(_, who, _)| *who != account)),
        };
        // In the queue of another account it would wait for that one's turn.
        let queue = match lookup {
            Lookup::None => true,
            Lookup::Queued => others_only,
            Lookup::Flying => false,
        };
        if queue && !self.fair.push(account, key.clone()) && lookup == Lookup::None {
            return false;
        }
        if !self.slots.contains_key(key) {
            self.make_room(account, news);
            self.add_slot(key, account);
        }
        if lookup == Lookup::None
            && let Some(slot) = self.slots.get_mut(key)
        {
            slot.lookup = Lookup::Queued;
        }
        true
    }

    /// The next look-up to begin; `account` is to be handed back to [`Cache::learned`].
    pub fn next_lookup(&mut self) -> Option<(AccountId, Arc<Key>)> {
        while let Some((account, key)) = self.fair.pop() {
            // It may have been looked up meanwhile in the turn of another account.
            match self.slots.get_mut(&key) {
                Some(slot) if slot.lookup == Lookup::Queued => {
                    slot.lookup = Lookup::Flying;
                    add(&self.counters.lookups, 1);
                    return Some((account, key));
                }
                _ => self.fair.landed(account),
            }
        }
        None
    }

    /// A look-up has ended.
    pub fn learned(
        &mut self,
        account: AccountId,
        key: &Arc<Key>,
        found: Found,
        now: UnixTime,
        news: &mut News,
    ) {
        self.fair.landed(account);
        let Some(slot) = self.slots.get_mut(key) else { return };
        slot.lookup = Lookup::None;
        let (entry, again) = match found.outcome {
            Outcome::Failed(kind) => {
                slot.failures = slot.failures.saturating_add(1);
                add(&self.counters.failures, 1);
                let pause = entry::pause(slot.failures);
                let old = slot.entry.as_ref().filter(|old| now < old.stale_until);
                let since = old.and_then(|old| old.failure).map_or(now, |failure| failure.since);
                // Whoever is answered meanwhile is not kept waiting while it is asked for again.
                let retry = entry::later(now, pause + LOOKUP_MS.div_ceil(1000) + 1);
                let failure = Failure { kind, since, retry };
                let entry = match old {
                    Some(old) if !matches!(old.outcome, Outcome::Failed(_)) => {
                        add(&self.counters.stale, 1);
                        old.with(Some(failure), old.stale_until)
                    }
                    _ => entry::without_answer(key, found, failure, now),
                };
                (entry, entry::later(now, pause))
            }
            _ => {
                slot.failures = 0;
                let entry = entry::entry(&self.settings, key, found, now);
                add(&self.counters.dropped, usize::from(entry.dropped));
                let again = entry::refresh_at(&entry);
                (entry, again)
            }
        };
        let waiters = std::mem::take(&mut slot.waiters);
        let entry = Arc::new(entry);
        self.set_entry(key, entry.clone());
        self.set_due(key, Some(again));
        news.updates.push((key.as_ref().clone(), Some(entry)));
        for (_, account, waiter) in waiters {
            self.left(account);
            news.waiters.push(waiter);
        }
    }

    /// Calls those whose time is up, renews what is in use, and forgets what is not.
    pub fn tick(&mut self, now: UnixTime, instant: Instant, news: &mut News) {
        while let Some((deadline, ticket, key)) = self.deadlines.front() {
            let slot = self.slots.get_mut(key);
            let place = slot.as_ref().and_then(|s| s.waiters.iter().position(|w| w.0 == *ticket));
            if let (Some(slot), Some(at)) = (slot, place) {
                if *deadline > instant {
                    break;
                }
                let (_, account, waiter) = slot.waiters.swap_remove(at);
                self.left(account);
                add(&self.counters.overdue, 1);
                news.waiters.push(waiter);
            }
            self.deadlines.pop_front();
        }
        while let Some((at, key)) = self.timers.first().cloned() {
            if at > now {
                break;
            }
            self.set_due(&key, None);
            self.due(&key, now, news);
        }
        set(&self.counters.entries, self.slots.len());
        set(&self.counters.octets, self.octets);
        set(&self.counters.in_flight, self.fair.flying());
        set(&self.counters.waiting, self.waiting);
    }

    /// When [`Cache::tick`] has something to do next.
    pub fn next_tick(&self) -> (Option<Instant>, Option<UnixTime>) {
        (self.deadlines.front().map(|d| d.0), self.timers.first().map(|t| t.0))
    }

    fn due(&mut self, key: &Arc<Key>, now: UnixTime, news: &mut News) {
        let Some(slot) = self.slots.get(key) else { return };
        // What is being looked up gets its next time when that has ended.
        let (Lookup::None, Some(entry)) = (slot.lookup, slot.entry.clone()) else { return };
        let account = slot.account;
        let used = entry.used.load(Ordering::Relaxed);
        let alive = now < entry.stale_until;
        if used && alive && self.want(key, account, news) {
            add(&self.counters.refreshes, 1);
            self.touch(key);
            return;
        }
        let retry = entry.failure.map(|failure| failure.retry);
        let next = [Some(entry.expires), retry, Some(entry.stale_until)];
        match next.into_iter().flatten().filter(|at| *at > now).min() {
            Some(at) => self.set_due(key, Some(at)),
            None => self.forget(key, news),
        }
    }

    /// Puts other settings in force. What they do not allow is forgotten.
    pub fn reconfigure(&mut self, settings: Flatten, news: &mut News) {
        self.settings = settings;
        let keys: Vec<Arc<Key>> = self.slots.keys().cloned().collect();
        for key in keys {
            let Some(old) = self.slots.get(&key).and_then(|slot| slot.entry.clone()) else {
                continue;
            };
            let new = entry::under_settings(&self.settings, &old);
            let Some(new) = new else {
                self.forget(&key, news);
                continue;
            };
            if new.addresses != old.addresses || new.stale_until != old.stale_until {
                new.used.store(old.used.load(Ordering::Relaxed), Ordering::Relaxed);
                let new = Arc::new(new);
                self.set_entry(&key, new.clone());
                news.updates.push((key.as_ref().clone(), Some(new)));
            }
        }
    }

    /// Forgets the targets that were not in use for longest until one more fits.
    fn make_room(&mut self, account: AccountId, news: &mut News) {
        loop {
            let own = self.accounts.get(&account);
            let (entries, octets) = own.map_or((0, 0), |a| (a.ages.len(), a.octets));
            let own_full = entries >= self.limits.entries.1 || octets >= self.limits.octets.1;
            let full =
                self.slots.len() >= self.limits.entries.0 || self.octets >= self.limits.octets.0;
            if !own_full && !full {
                return;
            }
            // Who has much gives way to who has little.
            let most = || self.accounts.iter().max_by_key(|(_, a)| a.octets).map(|(id, _)| *id);
            let from = if own_full { Some(account) } else { most() };
            let oldest = from.and_then(|from| {
                let ages = &self.accounts.get(&from)?.ages;
                ages.values().take(64).find(|key| self.is_idle(key)).cloned()
            });
            let Some(oldest) = oldest else { return };
            add(&self.counters.evicted, 1);
            self.forget(&oldest, news);
        }
    }

    fn is_idle(&self, key: &Arc<Key>) -> bool {
        self.slots.get(key).is_some_and(|s| s.lookup == Lookup::None && s.waiters.is_empty())
    }

    fn add_slot(&mut self, key: &Arc<Key>, account: AccountId) {
        let octets = key.target.as_wire().len() + size_of::<Slot>() + 128;
        self.counter += 1;
        let age = self.counter;
        let share = self.accounts.entry(account).or_default();
        share.ages.insert(age, key.clone());
        share.octets += octets;
        self.octets += octets;
        let slot = Slot {
            account,
            entry: None,
            octets,
            lookup: Lookup::None,
            waiters: Vec::new(),
            failures: 0,
            due: None,
            age,
        };
        self.slots.insert(key.clone(), slot);
    }

    fn touch(&mut self, key: &Arc<Key>) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        self.counter += 1;
        if let Some(share) = self.accounts.get_mut(&slot.account) {
            share.ages.remove(&slot.age);
            share.ages.insert(self.counter, key.clone());
        }
        slot.age = self.counter;
    }

    fn set_entry(&mut self, key: &Arc<Key>, entry: Arc<Entry>) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        let before = slot.entry.as_ref().map_or(0, |e| e.octets());
        let now = entry.octets();
        slot.octets = slot.octets - before + now;
        self.octets = self.octets - before + now;
        if let Some(share) = self.accounts.get_mut(&slot.account) {
            share.octets = share.octets - before + now;
        }
        slot.entry = Some(entry);
    }

    fn set_due(&mut self, key: &Arc<Key>, at: Option<UnixTime>) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        if let Some(old) = slot.due.take() {
            self.timers.remove(&(old, key.clone()));
        }
        if let Some(at) = at {
            self.timers.insert((at, key.clone()));
            slot.due = Some(at);
        }
    }

    fn forget(&mut self, key: &Arc<Key>, news: &mut News) {
        if !self.is_idle(key) {
            return;
        }
        self.set_due(key, None);
        let Some(slot) = self.slots.remove(key) else { return };
        self.octets -= slot.octets;
        if let Some(share) = self.accounts.get_mut(&slot.account) {
            share.octets -= slot.octets;
            share.ages.remove(&slot.age);
            if share.ages.is_empty() && share.waiters == 0 {
                self.accounts.remove(&slot.account);
            }
        }
        if slot.entry.is_some() {
            news.updates.push((key.as_ref().clone(), None));
        }
    }

    fn left(&mut self, account: AccountId) {
        self.waiting -= 1;
        if let Some(share) = self.accounts.get_mut(&account) {
            share.waiters -= 1;
            if share.ages.is_empty() && share.waiters == 0 {
                self.accounts.remove(&account);
            }
        }
    }

    /// Hands out everybody who waits, since nothing more will be known.
    pub fn give_up(&mut self, news: &mut News) {
        for slot in self.slots.values_mut() {
            news.waiters.extend(slot.waiters.drain(..).map(|(_, _, waiter)| waiter));
        }
        self.deadlines.clear();
        self.waiting = 0;
    }

    /// The entry that one look-up makes, kept nowhere.
    pub fn once(settings: &Flatten, key: &Key, found: Found, now: UnixTime) -> Arc<Entry> {
        let mut cache = Cache::new(settings.clone(), Limits::default(), Arc::default());
        let key = Arc::new(key.clone());
        cache.add_slot(&key, AccountId(0));
        let mut news = News::default();
        cache.learned(AccountId(0), &key, found, now, &mut news);
        let entry = news.updates.pop().and_then(|(_, entry)| entry);
        entry.expect("what was learnt of a target that is there is news")
    }

    /// On whose account an entry is.
    pub fn account(&self, key: &Key) -> Option<AccountId> {
        self.slots.get(key).map(|slot| slot.account)
    }
}
