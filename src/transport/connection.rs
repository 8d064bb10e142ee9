//! One TCP connection: questions with their length before them, answers in the same order, but
//! for those that have to wait for the outside: nothing waits behind them (RFC 7766 §6.2.1.1).
//!
//! A connection owns memory only for a question that has not come in full, and for answers its
//! client is slow to take. While such answers wait nothing is read: who does not take answers
//! cannot ask. Its time runs from the last complete question, or from the moment its answers were
//! taken; octets that complete nothing do not prolong it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::model::question::Client;

use super::Responder;
use super::admission::Slot;
use super::desk::{Desk, Round, Watched, has_question};

/// An open connection; the future ends when it is to be closed, and its drop closes it.
pub struct Connection<R: Responder> {
    stream: TcpStream,
    client: Client,
    desk: Rc<Desk<R>>,
    watched: Rc<Watched>,
    /// The start of a question, or questions whose turn comes when answers have left.
    pending: Vec<u8>,
    /// Answers the client has not taken yet, from `taken` on.
    unsent: Vec<u8>,
    taken: usize,
    /// The client will ask nothing more.
    ended: bool,
    /// Its drop makes room for another connection.
    _slot: Slot,
}

impl<R: Responder> Connection<R> {
    pub fn new(stream: TcpStream, client: Client, desk: Rc<Desk<R>>, slot: Slot) -> Connection<R> {
        let watched = desk.enter();
        let (pending, unsent) = (Vec::new(), Vec::new());
        Connection {
            stream,
            client,
            desk,
            watched,
            pending,
            unsent,
            taken: 0,
            ended: false,
            _slot: slot,
        }
    }

    /// Goes on until it is the client's turn. Ready: the connection is over.
    fn advance(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.flush(context))?;
            let late = self.watched.take_late();
            if !late.is_empty() {
                self.unsent = late;
                continue;
            }
            let is_owed = self.watched.is_owed();
            if self.ended {
                return if is_owed { Poll::Pending } else { Poll::Ready(Ok(())) };
            }
            if has_question(&self.pending) {
                let held = std::mem::take(&mut self.pending);
                self.answer(context, &held)?;
            } else {
                let desk = Rc::clone(&self.desk);
                let mut input = desk.input.borrow_mut();
                let mut read = ReadBuf::new(&mut input);
                match Pin::new(&mut self.stream).poll_read(context, &mut read)? {
                    // What came is answered and on its way: nothing is lost by closing.
                    Poll::Pending if desk.is_draining() && !is_owed => return Poll::Ready(Ok(())),
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(()) if read.filled().is_empty() => {
                        self.ended = true;
                        continue;
                    }
                    Poll::Ready(()) => self.answer(context, read.filled())?,
                }
                if read.remaining() > 0 {
                    continue;
                }
            }
            // There is more where this came from: the others first.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
    }

    /// Answers what `data` completes and holds, and sends the answers.
    fn answer(&mut self, context: &mut Context<'_>, data: &[u8]) -> io::Result<()> {
        let desk = Rc::clone(&self.desk);
        let work = &mut *desk.work.borrow_mut();
        let round = desk.answer(work, self.client, &self.watched, &mut self.pending, data);
        if round == Round::Answered {
            desk.postpone(&self.watched);
        }
        let answers = work.answers();
        if !answers.is_empty() {
            match Pin::new(&mut self.stream).poll_write(context, answers)? {
                Poll::Ready(count) if count == answers.len() => {}
                Poll::Ready(count) => self.unsent = answers[count..].to_vec(),
                Poll::Pending => self.unsent = answers.to_vec(),
            }
        }
        match round {
            Round::Panicked => Err(io::ErrorKind::InvalidData.into()),
            Round::Answered | Round::Nothing => Ok(()),
        }
    }

    /// Sends what an earlier `answer` could not. Ready: nothing is left.
    fn flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unsent.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while self.taken < self.unsent.len() {
            let rest = &self.unsent[self.taken..];
            self.taken += ready!(Pin::new(&mut self.stream).poll_write(context, rest))?;
        }
        self.unsent = Vec::new();
        self.taken = 0;
        self.desk.postpone(&self.watched);
        Poll::Ready(Ok(()))
    }
}

impl<R: Responder> Future for Connection<R> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.watched.remember(context.waker());
        match this.advance(context) {
            // Why a client went is its own affair.
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending if this.desk.is_overdue(&this.watched) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<R: Responder> Drop for Connection<R> {
    fn drop(&mut self) {
        self.desk.leave(&self.watched);
    }
}
