//! The waiting room: questions whose answer needs the outside, each until its answer is known or its time is over.
//!
//! A worker that meets such a question hands over a copy and goes on: a slow target delays nobody who asks about
//! another name. One thread asks the outside, once for each target and type however many questions wait, and answers
//! with the very function the workers use, from the snapshot of that moment: what was learned if it came, else what is
//! stale, else SERVFAIL. Everything is bounded: who finds no room is answered at once with the best there is.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tracing::error;

use crate::base::id::AccountId;
use crate::base::limits::{
    MESSAGE_MAX, WAITING_BITE, WAITING_INBOX, WAITING_MAX, WAITING_PER_ACCOUNT, WAITING_WAKE_MS,
};
use crate::base::share::Share;
use crate::model::flattened::{Key, Waiter};
use crate::model::question::Client;
use crate::model::snapshot::Snapshot;
use crate::telemetry::counters::{Counters, Witness};
use crate::wire;

use super::now;

/// Questions that may wait.
const SEATS: Share = Share { all: WAITING_MAX, each: WAITING_PER_ACCOUNT };

/// Who asks the outside.
pub trait Ask: Send + Sync + 'static {
    /// Asks for `key` on behalf of `account`, and returns at once. `waiter` is called once: when what became known is
    /// published, or when nothing will.
    fn ask(&self, key: Key, account: AccountId, waiter: Waiter);
}

/// The way back to who asked, while the question is at hand.
pub trait Way {
    /// The same for later; `None`: there is no room for one more.
    fn back(&self) -> Option<Box<dyn Back>>;
}

/// The way back for an answer that comes later. Its drop without an answer ends the wait.
pub trait Back: Send {
    fn send(&mut self, answer: &[u8]);

    /// Where a datagram came from, so that one that is sent again waits once; `None`: each question counts.
    fn sender(&self) -> Option<SocketAddr>;
}

/// The door of the room, shared by all workers.
pub struct Room {
    inbox: SyncSender<Message>,
    deadline_ms: AtomicU64,
    draining: Arc<AtomicBool>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

enum Message {
    Question(Held),
    /// Something changed: a target became known, or all is to be answered.
    Look,
    End,
}

/// One question that waits.
struct Held {
    packet: Box<[u8]>,
    client: Client,
    back: Box<dyn Back>,
    deadline: Instant,
}

impl Room {
    /// Opens the room; `ask` is who knows the outside.
    pub fn open(
        published: Arc<ArcSwap<Snapshot>>,
        counters: &Counters,
        ask: Arc<dyn Ask>,
        deadline_ms: u64,
    ) -> io::Result<Room> {
        let (inbox, messages) = sync_channel(WAITING_INBOX);
        let draining = Arc::new(AtomicBool::new(false));
        let mut keeper = Keeper {
            published,
            witness: counters.witness(),
            ask,
            called: Arc::default(),
            bell: inbox.clone(),
            draining: Arc::clone(&draining),
            scratch: wire::Scratch::default(),
            out: vec![0; MESSAGE_MAX].into_boxed_slice(),
            waiting: Waiting::default(),
        };
        let thread = thread::Builder::new()
            .name("outside-answers".to_owned())
            .spawn(move || keeper.run(&messages))?;
        let (deadline_ms, thread) = (AtomicU64::new(deadline_ms), Mutex::new(Some(thread)));
        Ok(Room { inbox, deadline_ms, draining, thread })
    }

    pub fn set_deadline_ms(&self, deadline_ms: u64) {
        self.deadline_ms.store(deadline_ms, Ordering::Relaxed);
    }

    /// Takes a question over. `false`: there is no room, and it is to be answered at once.
    pub fn hold(&self, packet: &[u8], client: Client, way: &dyn Way) -> bool {
        if self.draining.load(Ordering::Relaxed) {
            return false;
        }
        let Some(back) = way.back() else { return false };
        // A twentieth is kept for the way of the answer itself.
        let patience = Duration::from_millis(self.deadline_ms.load(Ordering::Relaxed)) * 19 / 20;
        let deadline = Instant::now() + patience;
        let held = Held { packet: packet.into(), client, back, deadline };
        self.inbox.try_send(Message::Question(held)).is_ok()
    }

    /// From now on nothing waits: what does is answered with the best there is.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        // A full inbox says that the thread is awake, and will see it.
        let _ = self.inbox.try_send(Message::Look);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.drain();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if self.inbox.send(Message::End).is_ok()
            && let Some(thread) = thread
        {
            // A panic in it was told already.
            let _ = thread.join();
        }
    }
}

/// The questions in the room.
#[derive(Default)]
struct Waiting {
    questions: HashMap<u64, Seated>,
    last: u64,
    by_key: HashMap<Key, Asked>,
    by_deadline: BTreeSet<(Instant, u64)>,
    accounts: HashMap<AccountId, usize>,
    /// Datagrams that wait, to tell those that were sent again.
    seen: HashSet<u64>,
    hasher: RandomState,
}

struct Seated {
    held: Held,
    key: Key,
    account: AccountId,
    seen: Option<u64>,
}

/// A look-up, and who waits for it.
struct Asked {
    number: u64,
    questions: BTreeSet<u64>,
}

impl Waiting {
    /// What a datagram and its sender are recognised by; `None` for questions that are never sent again.
    fn mark(&self, held: &Held) -> Option<u64> {
        held.back.sender().map(|sender| self.hasher.hash_one((sender, &held.packet)))
    }

    fn has_room(&self, account: AccountId) -> bool {
        let own = self.accounts.get(&account).copied().unwrap_or(0);
        SEATS.allows(self.questions.len(), own)
    }

    /// Seats a question. Returns the number of the look-up that is to be started, if none is on its way for `key`.
    fn seat(&mut self, held: Held, key: Key, account: AccountId) -> Option<u64> {
        let seen = self.mark(&held);
        self.seen.extend(seen);
        self.last += 1;
        *self.accounts.entry(account).or_default() += 1;
        self.by_deadline.insert((held.deadline, self.last));
        let asked = self.by_key.entry(key.clone());
        let asked =
            asked.or_insert_with(|| Asked { number: self.last, questions: BTreeSet::new() });
        asked.questions.insert(self.last);
        let start = (asked.number == self.last).then_some(self.last);
        self.questions.insert(self.last, Seated { held, key, account, seen });
        start
    }

    fn take(&mut self, number: u64) -> Option<Held> {
        let Seated { held, key, account, seen } = self.questions.remove(&number)?;
        self.by_deadline.remove(&(held.deadline, number));
        if let Some(seen) = seen {
            self.seen.remove(&seen);
        }
        if let Some(count) = self.accounts.get_mut(&account) {
            *count -= 1;
            if *count == 0 {
                self.accounts.remove(&account);
            }
        }
        if let Some(asked) = self.by_key.get_mut(&key) {
            asked.questions.remove(&number);
            if asked.questions.is_empty() {
                self.by_key.remove(&key);
            }
        }
        Some(held)
    }

    /// All that wait for look-up number `number` of `key`; nobody, if they left and others wait for a later one, which
    /// will be told of by itself.
    fn take_for(&mut self, key: &Key, number: u64) -> Vec<Held> {
        let Some(asked) = self.by_key.get(key).filter(|a| a.number == number) else {
            return Vec::new();
        };
        let numbers: Vec<u64> = asked.questions.iter().copied().collect();
        numbers.into_iter().filter_map(|number| self.take(number)).collect()
    }

    /// The next whose time is over; all, when `everyone` is to go.
    fn take_due(&mut self, now: Instant, everyone: bool) -> Option<Held> {
        let &(deadline, number) = self.by_deadline.first()?;
        (everyone || deadline <= now).then(|| self.take(number)).flatten()
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }
}

/// The thread's own state.
struct Keeper {
    published: Arc<ArcSwap<Snapshot>>,
    witness: Witness,
    ask: Arc<dyn Ask>,
    /// Keys whose waiters were called.
    called: Arc<Mutex<Vec<(Key, u64)>>>,
    bell: SyncSender<Message>,
    draining: Arc<AtomicBool>,
    scratch: wire::Scratch,
    out: Box<[u8]>,
    waiting: Waiting,
}

impl Keeper {
    fn run(&mut self, messages: &Receiver<Message>) {
        loop {
            let longest = Duration::from_millis(WAITING_WAKE_MS);
            let due = self.waiting.next_deadline();
            let wait = due
                .map_or(longest, |due| due.saturating_duration_since(Instant::now()).min(longest));
            let mut next = match messages.recv_timeout(wait) {
                Ok(message) => Some(message),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            // A small bite; then what became known, and what is due.
            let mut bite = WAITING_BITE;
            while let Some(message) = next {
                match message {
                    Message::Question(held) => self.guarded(|k| k.take_in(held)),
                    Message::Look => {}
                    Message::End => return self.answer_due(true),
                }
                bite -= 1;
                next = if bite > 0 { messages.try_recv().ok() } else { None };
            }
            let called = std::mem::take(&mut *lock(&self.called));
            for (key, number) in called {
                let mut all = self.waiting.take_for(&key, number);
                while !all.is_empty() {
                    for held in all.drain(..all.len().min(WAITING_BITE)) {
                        self.guarded(|k| k.answer_or_wait(held, Some(&key)));
                    }
                    self.answer_due(false);
                }
            }
            self.answer_due(self.draining.load(Ordering::Relaxed));
            self.witness.turn(now());
        }
    }

    /// A question that makes the thread panic gets no answer; the others do.
    fn guarded(&mut self, act: impl FnOnce(&mut Keeper)) {
        if catch_unwind(AssertUnwindSafe(|| act(self))).is_err() {
            error!(
                "a question that waited for the outside made its thread panic; it got no answer"
            );
            self.scratch = wire::Scratch::default();
        }
    }

    fn answer_due(&mut self, everyone: bool) {
        let at = Instant::now();
        while let Some(held) = self.waiting.take_due(at, everyone) {
            self.guarded(|k| k.answer(held));
        }
    }

    fn take_in(&mut self, held: Held) {
        // Sent again by a client that has no answer yet: it will get the one.
        if self.waiting.mark(&held).is_some_and(|mark| self.waiting.seen.contains(&mark)) {
            return;
        }
        self.answer_or_wait(held, None);
    }

    /// Answers, or waits for what is needed; `known` is what was asked for it, as far as that has come to its end.
    fn answer_or_wait(&mut self, held: Held, known: Option<&Key>) {
        let reply = self.respond(&held);
        if let Some(need) = reply.as_ref().and_then(|reply| reply.needs) {
            let key = self.scratch.key(need);
            // If it is still needed, nothing more will come of it.
            let in_vain = known == Some(&key);
            let late = held.deadline <= Instant::now() || self.draining.load(Ordering::Relaxed);
            if !in_vain && !late && self.waiting.has_room(need.account) {
                if let Some(number) = self.waiting.seat(held, key.clone(), need.account) {
                    self.ask_for(key, need.account, number);
                }
                return;
            }
        }
        self.send(held, reply);
    }

    /// Answers with the best there is now.
    fn answer(&mut self, held: Held) {
        let reply = self.respond(&held);
        self.send(held, reply);
    }

    fn respond(&mut self, held: &Held) -> Option<wire::Reply> {
        let published = self.published.load();
        let (scratch, out) = (&mut self.scratch, &mut self.out);
        wire::respond(&published, &held.packet, held.client, now(), scratch, out)
    }

    fn send(&mut self, mut held: Held, reply: Option<wire::Reply>) {
        let (transport, asked) = (held.client.transport, self.scratch.asked());
        self.witness.saw(transport, &held.packet, asked, reply.as_ref(), now());
        if let Some(reply) = reply {
            held.back.send(&self.out[..reply.len]);
        }
    }

    fn ask_for(&self, key: Key, account: AccountId, number: u64) {
        let (called, bell, mine) = (Arc::clone(&self.called), self.bell.clone(), key.clone());
        let waiter = Box::new(move || {
            lock(&called).push((mine, number));
            // A full inbox says that the thread is awake, and will see it.
            let _ = bell.try_send(Message::Look);
        });
        self.ask.ask(key, account, waiter);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
