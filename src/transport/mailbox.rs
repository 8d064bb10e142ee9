//! Answers that had to wait for the outside, on their way from another thread to their connection.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::base::limits::WAITING_PER_CONNECTION;

use super::room::{Back, Way};
use super::table::Number;

/// An answer behind its length; empty: none will come.
pub type Letter = (Number, Vec<u8>);

/// Of one worker. It holds as many letters as connections are owed at the most.
pub struct Mailbox {
    letters: Mutex<Vec<Letter>>,
    bell: EventFd,
}

impl Mailbox {
    pub fn new() -> io::Result<Mailbox> {
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Mailbox { letters: Mutex::default(), bell })
    }

    /// Readable as long as there is mail.
    pub fn bell(&self) -> &EventFd {
        &self.bell
    }

    pub fn take(&self) -> Vec<Letter> {
        // An error says that it did not ring. First the bell: whoever comes later rings again.
        let _ = self.bell.read();
        std::mem::take(&mut *self.letters())
    }

    fn post(&self, letter: Letter) {
        let mut letters = self.letters();
        letters.push(letter);
        if letters.len() == 1 {
            // An error would say that it rings already, many times over.
            let _ = self.bell.write(1);
        }
    }

    fn letters(&self) -> MutexGuard<'_, Vec<Letter>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way back over a connection.
pub struct OverTcp {
    mailbox: Arc<Mailbox>,
    connection: Number,
    /// Questions whose answers will come later.
    waiting: Cell<usize>,
}

impl OverTcp {
    pub fn new(mailbox: Arc<Mailbox>, connection: Number) -> OverTcp {
        OverTcp { mailbox, connection, waiting: Cell::new(0) }
    }

    pub fn owed(&self) -> usize {
        self.waiting.get()
    }

    /// One letter has come.
    pub fn received(&self) {
        self.waiting.set(self.waiting.get().saturating_sub(1));
    }
}

impl Way for OverTcp {
    fn back(&self) -> Option<Box<dyn Back>> {
        let waiting = self.waiting.get();
        if waiting >= WAITING_PER_CONNECTION {
            return None;
        }
        self.waiting.set(waiting + 1);
        let (mailbox, connection) = (Arc::clone(&self.mailbox), self.connection);
        Some(Box::new(LateMessage { mailbox, connection, sent: false }))
    }
}

/// Sends one message to a connection of another thread.
struct LateMessage {
    mailbox: Arc<Mailbox>,
    connection: Number,
    sent: bool,
}

impl Back for LateMessage {
    fn send(&mut self, answer: &[u8]) {
        let length = u16::try_from(answer.len()).expect("answers are bounded by MESSAGE_MAX");
        self.sent = true;
        self.mailbox.post((self.connection, [&length.to_be_bytes(), answer].concat()));
    }

    fn sender(&self) -> Option<SocketAddr> {
        None
    }
}

impl Drop for LateMessage {
    fn drop(&mut self) {
        // The connection must not wait for what will not come.
        if !self.sent {
            self.mailbox.post((self.connection, Vec::new()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;

    fn rings(mailbox: &Mailbox) -> bool {
        let mut bell = [PollFd::new(mailbox.bell().as_fd(), PollFlags::POLLIN)];
        poll(&mut bell, PollTimeout::ZERO).unwrap() == 1
    }

    #[test]
    fn every_wait_ends_with_one_letter() {
        let mailbox = Arc::new(Mailbox::new().unwrap());
        let number = Number::of(7 << 32).unwrap();
        let way = OverTcp::new(Arc::clone(&mailbox), number);
        let mut first = way.back().unwrap();
        let second = way.back().unwrap();
        assert_eq!((way.owed(), rings(&mailbox)), (2, false));
        first.send(&[1, 2, 3]);
        drop(first);
        drop(second);
        assert!(rings(&mailbox));
        assert_eq!(mailbox.take(), [(number, vec![0, 3, 1, 2, 3]), (number, vec![])]);
        assert!(!rings(&mailbox) && mailbox.take().is_empty());
        way.received();
        way.received();
        assert_eq!(way.owed(), 0);
        drop(way.back());
        assert!(rings(&mailbox), "the next letter rings again");
    }

    #[test]
    fn one_connection_waits_for_so_many_answers() {
        let mailbox = Arc::new(Mailbox::new().unwrap());
        let way = OverTcp::new(mailbox, Number::of(1 << 32).unwrap());
        let backs: Vec<_> = (0..WAITING_PER_CONNECTION).map(|_| way.back().unwrap()).collect();
        assert!(way.back().is_none());
        drop(backs);
    }
}
