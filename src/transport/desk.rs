//! What the TCP connections of one worker share: buffers, and slow time.
//!
//! A question usually arrives whole and its answer leaves whole. So reading and answering use two
//! large buffers that belong to the worker, between two waits and never across one, and an idle
//! connection owns no buffer at all. Deadlines are counted in ticks of the worker: a question sets
//! one number, without asking a clock or arming a timer.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tracing::error;

use crate::base::limits::MESSAGE_MAX;
use crate::model::question::Client;

use super::admission::{Admission, Full, Slot};
use super::mailbox::OverTcp;
use super::{Responder, now};

/// Octets before a message that tell its length (RFC 1035 §4.2.2).
const PREFIX: usize = 2;

/// One per worker.
pub struct Desk<R: Responder> {
    admission: Arc<Admission>,
    ticks: u64,
    draining: bool,
    /// The responder may hold a snapshot; `None`: no. Else the tick it was last used in.
    held_since: Option<u64>,
    /// For one read.
    pub input: Box<[u8]>,
    pub work: Work<R>,
}

/// What answering needs.
pub struct Work<R: Responder> {
    responder: Arc<R>,
    local: R::Local,
    /// Answers with their prefixes, up to `filled`.
    output: Box<[u8]>,
    filled: usize,
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
            admission,
            ticks: 0,
            draining: false,
            held_since: None,
            input: vec![0; PREFIX + MESSAGE_MAX].into_boxed_slice(),
            work: Work {
                responder,
                local,
                // Until one longest answer fills it there is room for another.
                output: vec![0; 2 * (PREFIX + MESSAGE_MAX)].into_boxed_slice(),
                filled: 0,
            },
        }
    }

    /// A place for one more connection from `address`.
    pub fn admit(&self, address: IpAddr) -> Result<Slot, Full> {
        self.admission.admit(address)
    }

    pub fn ticks(&self) -> u64 {
        self.ticks
    }

    /// Time has passed: lets go of a snapshot that was not used since the last tick.
    pub fn tick(&mut self) {
        self.ticks += 1;
        if self.held_since.is_some_and(|used| used + 1 < self.ticks) {
            self.let_go();
        }
    }

    /// Questions were answered, so the responder may hold a snapshot.
    pub fn used(&mut self) {
        self.held_since = Some(self.ticks);
    }

    /// Whether a snapshot may be held.
    pub fn holds(&self) -> bool {
        self.held_since.is_some()
    }

    pub fn let_go(&mut self) {
        self.work.responder.end(&mut self.work.local);
        self.held_since = None;
    }

    /// The last tick of a client that has done its part now.
    pub fn deadline(&self) -> u64 {
        self.ticks + self.admission.idle_ticks()
    }

    /// From now on a connection that has nothing to do ends.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    pub fn is_draining(&self) -> bool {
        self.draining
    }
}

impl<R: Responder> Work<R> {
    /// Answers the questions that `data` completes and holds, as many as there is room for. The
    /// rest of `data` is added to `pending`, the octets the client sent before it.
    pub fn answer(
        &mut self,
        client: Client,
        way: &OverTcp,
        pending: &mut Vec<u8>,
        data: &[u8],
    ) -> Round {
        self.filled = 0;
        let answered = catch_unwind(AssertUnwindSafe(|| {
            self.responder.begin(&mut self.local, now());
            self.answer_each(client, way, pending, data)
        }));
        match answered {
            Ok(true) => Round::Answered,
            Ok(false) => Round::Nothing,
            Err(_) => {
                error!("a question made its worker panic; its TCP connection is closed");
                self.local = self.responder.local();
                Round::Panicked
            }
        }
    }

    fn answer_each(
        &mut self,
        client: Client,
        way: &OverTcp,
        pending: &mut Vec<u8>,
        data: &[u8],
    ) -> bool {
        let owed = way.owed();
        let mut rest = data;
        if !pending.is_empty() {
            // Twice, since the length itself may have come in pieces.
            for _ in 0..2 {
                let (part, behind) = rest.split_at(missing(pending).min(rest.len()));
                pending.extend_from_slice(part);
                rest = behind;
            }
            if has_question(pending) {
                self.respond(client, way, &pending[PREFIX..]);
                *pending = Vec::new();
            }
        }
        while has_question(rest) && self.has_room() {
            let (question, behind) = rest.split_at(rest.len() - surplus(rest));
            self.respond(client, way, &question[PREFIX..]);
            rest = behind;
        }
        pending.extend_from_slice(rest);
        self.filled > 0 || way.owed() > owed
    }

    /// The answers of the last round, each behind its length.
    pub fn answers(&self) -> &[u8] {
        &self.output[..self.filled]
    }

    fn has_room(&self) -> bool {
        self.output.len() - self.filled >= PREFIX + MESSAGE_MAX
    }

    fn respond(&mut self, client: Client, way: &OverTcp, packet: &[u8]) {
        let at = self.filled;
        let (prefix, out) = self.output[at..at + PREFIX + MESSAGE_MAX].split_at_mut(PREFIX);
        if let Some(length) = self.responder.respond(&mut self.local, packet, client, way, out) {
            let octets = u16::try_from(length).expect("the answer lies in `out`");
            prefix.copy_from_slice(&octets.to_be_bytes());
            self.filled = at + PREFIX + length;
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
