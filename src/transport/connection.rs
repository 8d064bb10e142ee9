//! One TCP connection: questions with their length before them, answers in the same order, but
//! for those that have to wait for the outside: nothing waits behind them (RFC 7766 §6.2.1.1).
//!
//! A connection owns memory only for a question that has not come in full, and for answers its
//! client is slow to take. While such answers wait nothing is read: who does not take answers
//! cannot ask. Its time runs from the last complete question, or from the moment its answers were
//! taken; octets that complete nothing do not prolong it.
//!
//! The kernel tells once that something came, not as long as it is there. A read that leaves room
//! in the buffer has taken all of it, so that one question costs one read and one write. Only where
//! the client has ended its side too, the end itself is still to be read.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use nix::sys::epoll::EpollFlags;

use crate::model::question::Client;

use super::Responder;
use super::admission::Slot;
use super::desk::{Desk, Round, has_question};
use super::mailbox::OverTcp;

/// An open connection; its drop closes it.
pub struct Connection {
    stream: TcpStream,
    client: Client,
    /// The tick after which it is closed.
    deadline: u64,
    /// Something may be there to be read.
    readable: bool,
    /// The kernel has told of the end: what is there is to be read as far as that.
    ending: bool,
    /// The client will ask nothing more.
    ended: bool,
    /// How answers come that have to wait.
    way: OverTcp,
    /// Answers that came so, each behind its length.
    late: Vec<u8>,
    /// The start of a question, or questions whose turn comes when answers have left.
    pending: Vec<u8>,
    /// Answers the client has not taken yet, from `taken` on.
    unsent: Vec<u8>,
    taken: usize,
    /// Its drop makes room for another connection.
    _slot: Slot,
}

/// How it goes on with a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// It is the client's turn.
    Wait,
    /// There is more to do; the others first.
    Again,
    Close,
}

/// Whether all answers have left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flushed {
    All,
    Blocked,
}

impl Connection {
    /// It is closed after the tick `deadline`, unless it asks.
    pub fn new(
        stream: TcpStream,
        client: Client,
        way: OverTcp,
        deadline: u64,
        slot: Slot,
    ) -> Connection {
        Connection {
            stream,
            client,
            deadline,
            readable: false,
            ending: false,
            ended: false,
            way,
            late: Vec::new(),
            pending: Vec::new(),
            unsent: Vec::new(),
            taken: 0,
            _slot: slot,
        }
    }

    /// What of its stream to be told of: everything, each thing once.
    pub fn interest() -> EpollFlags {
        EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET
    }

    /// Takes note of what the kernel tells.
    pub fn note(&mut self, events: EpollFlags) {
        let end = EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR;
        self.ending |= events.intersects(end);
        self.readable |= self.ending || events.contains(EpollFlags::EPOLLIN);
    }

    /// Something may have come that the kernel has not told of yet.
    pub fn look(&mut self) {
        self.readable = true;
    }

    /// An answer that had to wait; empty: none will come.
    pub fn deliver(&mut self, answer: &[u8]) {
        self.way.received();
        self.late.extend_from_slice(answer);
    }

    /// Whether the client let its time pass. While answers are owed to it, it is not its turn.
    pub fn is_overdue(&self, ticks: u64) -> bool {
        self.deadline < ticks && !self.is_owed()
    }

    fn is_owed(&self) -> bool {
        self.way.owed() > 0
    }

    /// Goes on until it is the client's turn.
    pub fn advance<R: Responder>(&mut self, desk: &mut Desk<R>) -> Next {
        match self.go_on(desk) {
            // Why a client went is its own affair.
            Err(_) => Next::Close,
            Ok(_) if self.is_overdue(desk.ticks()) => Next::Close,
            Ok(next) => next,
        }
    }

    fn go_on<R: Responder>(&mut self, desk: &mut Desk<R>) -> io::Result<Next> {
        loop {
            if self.flush(desk)? == Flushed::Blocked {
                return Ok(Next::Wait);
            }
            if !self.late.is_empty() {
                self.unsent = std::mem::take(&mut self.late);
                continue;
            }
            if self.ended {
                return Ok(if self.is_owed() { Next::Wait } else { Next::Close });
            }
            if has_question(&self.pending) {
                let held = std::mem::take(&mut self.pending);
                let round = desk.work.answer(self.client, &self.way, &mut self.pending, &held);
                self.finish(desk, round)?;
                return Ok(Next::Again);
            }
            if !self.readable {
                // What came is answered and on its way: nothing is lost by closing.
                let is_over = desk.is_draining() && !self.is_owed();
                return Ok(if is_over { Next::Close } else { Next::Wait });
            }
            match self.stream.read(&mut desk.input) {
                Ok(0) => self.ended = true,
                Ok(count) => {
                    let data = &desk.input[..count];
                    let is_full = count == desk.input.len();
                    let round = desk.work.answer(self.client, &self.way, &mut self.pending, data);
                    self.finish(desk, round)?;
                    if is_full {
                        return Ok(Next::Again);
                    }
                    self.readable = self.ending || desk.is_draining();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    (self.readable, self.ending) = (false, false);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends the answers of a round.
    fn finish<R: Responder>(&mut self, desk: &mut Desk<R>, round: Round) -> io::Result<()> {
        desk.used();
        if round == Round::Answered {
            self.deadline = desk.deadline();
        }
        let answers = desk.work.answers();
        if !answers.is_empty() {
            match self.stream.write(answers) {
                Ok(count) if count == answers.len() => {}
                Ok(count) => self.unsent = answers[count..].to_vec(),
                Err(error) if is_for_later(&error) => self.unsent = answers.to_vec(),
                Err(error) => return Err(error),
            }
        }
        match round {
            Round::Panicked => Err(ErrorKind::InvalidData.into()),
            Round::Answered | Round::Nothing => Ok(()),
        }
    }

    /// Sends what an earlier round could not.
    fn flush<R: Responder>(&mut self, desk: &Desk<R>) -> io::Result<Flushed> {
        if self.unsent.is_empty() {
            return Ok(Flushed::All);
        }
        while self.taken < self.unsent.len() {
            match self.stream.write(&self.unsent[self.taken..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.taken += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(Flushed::Blocked);
                }
                Err(error) => return Err(error),
            }
        }
        self.unsent = Vec::new();
        self.taken = 0;
        self.deadline = desk.deadline();
        Ok(Flushed::All)
    }
}

fn is_for_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
