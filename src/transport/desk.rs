//! What the TCP connections of one worker share: buffers, the list of them, and slow time.
//!
//! A question usually arrives whole and its answer leaves whole. So reading and answering use two
//! large buffers that belong to the worker, between two waits and never across one, and an idle
//! connection owns no buffer at all. Deadlines are counted in ticks of the worker: a question sets
//! one number, without asking a clock or arming a timer.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use tokio::sync::Notify;
use tracing::error;

use crate::base::limits::{MESSAGE_MAX, WAITING_PER_CONNECTION};
use crate::model::question::Client;

use super::admission::{Admission, Full, Slot};
use super::room::{Back, Way};
use super::{Responder, now};

/// Octets before a message that tell its length (RFC 1035 §4.2.2).
const PREFIX: usize = 2;

/// One per worker.
pub struct Desk<R: Responder> {
    responder: Arc<R>,
    admission: Arc<Admission>,
    ticks: Cell<u64>,
    draining: Cell<bool>,
    /// The responder may hold a snapshot; `None`: no. Else the tick it was last used in.
    held_since: Cell<Option<u64>>,
    /// For one read.
    pub input: RefCell<Box<[u8]>>,
    pub work: RefCell<Work<R::Local>>,
    connections: RefCell<HashMap<u64, Rc<Watched>>>,
    last_number: Cell<u64>,
    /// Answers that had to wait, on their way to connections.
    mailbox: Arc<Mailbox>,
    /// A first connection came, or the last one went.
    pub changed: Notify,
}

/// What answering needs.
pub struct Work<L> {
    local: L,
    /// Answers with their prefixes, up to `filled`.
    output: Box<[u8]>,
    filled: usize,
}

/// What the worker knows of a connection.
pub struct Watched {
    number: u64,
    /// The tick after which it is closed.
    deadline: Cell<u64>,
    /// Questions whose answers will come later.
    waiting: Cell<usize>,
    /// Answers that came later, each behind its length.
    late: RefCell<Vec<u8>>,
    waker: RefCell<Option<Waker>>,
}

/// How the questions of one read went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Round {
    /// At least one deserved an answer.
    Answered,
    /// None was complete, or none deserved an answer.
    Nothing,
    /// One made the responder panic: those before it are answered, nothing behind it is.
    Panicked,
}

impl<R: Responder> Desk<R> {
    pub fn new(responder: Arc<R>, admission: Arc<Admission>) -> Desk<R> {
        let local = responder.local();
        Desk {
            responder,
            admission,
            ticks: Cell::new(0),
            draining: Cell::new(false),
            held_since: Cell::new(None),
            input: RefCell::new(vec![0; PREFIX + MESSAGE_MAX].into_boxed_slice()),
            work: RefCell::new(Work {
                local,
                // Until one longest answer fills it there is room for another.
                output: vec![0; 2 * (PREFIX + MESSAGE_MAX)].into_boxed_slice(),
                filled: 0,
            }),
            connections: RefCell::default(),
            last_number: Cell::new(0),
            mailbox: Arc::default(),
            changed: Notify::new(),
        }
    }

    /// A place for one more connection from `address`.
    pub fn admit(&self, address: IpAddr) -> Result<Slot, Full> {
        self.admission.admit(address)
    }

    /// Puts a connection on the list.
    pub fn enter(&self) -> Rc<Watched> {
        let number = self.last_number.get() + 1;
        self.last_number.set(number);
        let watched = Rc::new(Watched {
            number,
            deadline: Cell::new(0),
            waiting: Cell::new(0),
            late: RefCell::default(),
            waker: RefCell::new(None),
        });
        self.postpone(&watched);
        self.connections.borrow_mut().insert(number, Rc::clone(&watched));
        self.changed.notify_one();
        watched
    }

    pub fn leave(&self, watched: &Watched) {
        self.connections.borrow_mut().remove(&watched.number);
        self.changed.notify_one();
    }

    pub fn is_empty(&self) -> bool {
        self.connections.borrow().is_empty()
    }

    /// Whether time matters: somebody may be late, or a snapshot is held.
    pub fn needs_ticks(&self) -> bool {
        !self.is_empty() || self.held_since.get().is_some()
    }

    /// Time has passed: wakes connections that are over their time, and lets go of a snapshot that
    /// was not used since the last tick.
    pub fn tick(&self) {
        let ticks = self.ticks.get() + 1;
        self.ticks.set(ticks);
        for watched in self.connections.borrow().values() {
            if self.is_overdue(watched) {
                watched.wake();
            }
        }
        if self.held_since.get().is_some_and(|used| used + 1 < ticks) {
            self.let_go();
        }
    }

    pub fn let_go(&self) {
        self.responder.end(&mut self.work.borrow_mut().local);
        self.held_since.set(None);
    }

    /// The client has done its part: its time begins anew.
    pub fn postpone(&self, watched: &Watched) {
        watched.deadline.set(self.ticks.get() + self.admission.idle_ticks());
    }

    /// Whether the client let its time pass. While answers are owed to it, it is not its turn.
    pub fn is_overdue(&self, watched: &Watched) -> bool {
        watched.deadline.get() < self.ticks.get() && !watched.is_owed()
    }

    /// Waits for answers that came late.
    pub async fn mail(&self) {
        self.mailbox.bell.notified().await;
    }

    /// Hands answers that came late to their connections.
    pub fn deliver(&self) {
        let letters = std::mem::take(&mut *lock(&self.mailbox.letters));
        let connections = self.connections.borrow();
        for (number, letter) in letters {
            // Who went away wants no answer.
            let Some(watched) = connections.get(&number) else { continue };
            watched.waiting.set(watched.waiting.get().saturating_sub(1));
            watched.late.borrow_mut().extend(letter);
            watched.wake();
        }
    }

    /// From now on a connection that has nothing to do ends.
    pub fn drain(&self) {
        self.draining.set(true);
        for watched in self.connections.borrow().values() {
            watched.wake();
        }
    }

    pub fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Answers the questions that `data` completes and holds, as many as there is room for, into
    /// `work`. The rest of `data` is added to `pending`, the octets the client sent before it.
    pub fn answer(
        &self,
        work: &mut Work<R::Local>,
        client: Client,
        watched: &Watched,
        pending: &mut Vec<u8>,
        data: &[u8],
    ) -> Round {
        let way = OverTcp { mailbox: &self.mailbox, watched };
        self.held_since.set(Some(self.ticks.get()));
        work.filled = 0;
        let answered = catch_unwind(AssertUnwindSafe(|| {
            self.responder.begin(&mut work.local, now());
            self.answer_each(work, client, &way, pending, data)
        }));
        match answered {
            Ok(true) => Round::Answered,
            Ok(false) => Round::Nothing,
            Err(_) => {
                error!("a question made its worker panic; its TCP connection is closed");
                work.local = self.responder.local();
                Round::Panicked
            }
        }
    }

    fn answer_each(
        &self,
        work: &mut Work<R::Local>,
        client: Client,
        way: &OverTcp<'_>,
        pending: &mut Vec<u8>,
        data: &[u8],
    ) -> bool {
        let owed = way.watched.waiting.get();
        let mut rest = data;
        if !pending.is_empty() {
            // Twice, since the length itself may have come in pieces.
            for _ in 0..2 {
                let (part, behind) = rest.split_at(missing(pending).min(rest.len()));
                pending.extend_from_slice(part);
                rest = behind;
            }
            if has_question(pending) {
                work.respond(&*self.responder, client, way, &pending[PREFIX..]);
                *pending = Vec::new();
            }
        }
        while has_question(rest) && work.has_room() {
            let (question, behind) = rest.split_at(rest.len() - surplus(rest));
            work.respond(&*self.responder, client, way, &question[PREFIX..]);
            rest = behind;
        }
        pending.extend_from_slice(rest);
        work.filled > 0 || way.watched.waiting.get() > owed
    }
}

impl<L> Work<L> {
    /// The answers of the last round, each behind its length.
    pub fn answers(&self) -> &[u8] {
        &self.output[..self.filled]
    }

    fn has_room(&self) -> bool {
        self.output.len() - self.filled >= PREFIX + MESSAGE_MAX
    }

    fn respond<R: Responder<Local = L>>(
        &mut self,
        responder: &R,
        client: Client,
        way: &OverTcp<'_>,
        packet: &[u8],
    ) {
        let at = self.filled;
        let (prefix, out) = self.output[at..at + PREFIX + MESSAGE_MAX].split_at_mut(PREFIX);
        if let Some(length) = responder.respond(&mut self.local, packet, client, way, out) {
            let octets = u16::try_from(length).expect("the answer lies in `out`");
            prefix.copy_from_slice(&octets.to_be_bytes());
            self.filled = at + PREFIX + length;
        }
    }
}

impl Watched {
    /// Whether answers to it are still to come.
    pub fn is_owed(&self) -> bool {
        self.waiting.get() > 0
    }

    /// Answers that came late and are to be sent.
    pub fn take_late(&self) -> Vec<u8> {
        std::mem::take(&mut *self.late.borrow_mut())
    }

    /// Remembers how to wake the connection; its task keeps one waker for life.
    pub fn remember(&self, waker: &Waker) {
        let mut known = self.waker.borrow_mut();
        if known.is_none() {
            *known = Some(waker.clone());
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// Answers that come from another thread: number of the connection, and the answer behind its length. As many as
/// connections are owed at the most.
#[derive(Default)]
struct Mailbox {
    letters: Mutex<Vec<(u64, Vec<u8>)>>,
    bell: Notify,
}

impl Mailbox {
    fn post(&self, connection: u64, letter: Vec<u8>) {
        lock(&self.letters).push((connection, letter));
        self.bell.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The way back over a connection.
struct OverTcp<'a> {
    mailbox: &'a Arc<Mailbox>,
    watched: &'a Watched,
}

impl Way for OverTcp<'_> {
    fn back(&self) -> Option<Box<dyn Back>> {
        let waiting = self.watched.waiting.get();
        if waiting >= WAITING_PER_CONNECTION {
            return None;
        }
        self.watched.waiting.set(waiting + 1);
        let (mailbox, connection) = (Arc::clone(self.mailbox), self.watched.number);
        Some(Box::new(LateMessage { mailbox, connection, sent: false }))
    }
}

/// Sends one message to a connection of another thread.
struct LateMessage {
    mailbox: Arc<Mailbox>,
    connection: u64,
    sent: bool,
}

impl Back for LateMessage {
    fn send(&mut self, answer: &[u8]) {
        let length = u16::try_from(answer.len()).expect("answers are bounded by MESSAGE_MAX");
        self.sent = true;
        self.mailbox.post(self.connection, [&length.to_be_bytes(), answer].concat());
    }

    fn sender(&self) -> Option<SocketAddr> {
        None
    }
}

impl Drop for LateMessage {
    fn drop(&mut self) {
        // The connection must not wait for what will not come.
        if !self.sent {
            self.mailbox.post(self.connection, Vec::new());
        }
    }
}

/// Octets of the first message and its prefix, as far as that is known.
fn whole(data: &[u8]) -> usize {
    match data {
        [high, low, ..] => PREFIX + usize::from(u16::from_be_bytes([*high, *low])),
        _ => PREFIX,
    }
}

/// Octets still to come before more is known of the first message.
fn missing(data: &[u8]) -> usize {
    whole(data).saturating_sub(data.len())
}

/// Octets behind the first message.
fn surplus(data: &[u8]) -> usize {
    data.len() - whole(data)
}

/// Whether the first message is complete.
pub fn has_question(data: &[u8]) -> bool {
    data.len() >= PREFIX && missing(data) == 0
}
