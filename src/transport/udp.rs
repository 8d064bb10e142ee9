//! UDP: batch in, batch out, on one thread per worker and address.
//!
//! A thread for each pair of worker and address, not one thread for all sockets of a worker: a
//! thread that blocks in `recvmmsg` on its only socket needs two system calls for a batch and no
//! bookkeeping; one that serves several sockets must ask `epoll` first, which costs a third call
//! on every wake-up. Addresses are few, and a thread without questions costs nothing but its stack.

use std::io::{self, IoSlice};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg};
use tracing::{debug, error, warn};

use crate::base::limits::{UDP_DRAIN_BATCHES, UDP_WAKE_MS};
use crate::base::time::UnixTime;

use super::mmsg::{Batch, From, Route, Sender, Sent, Source, Wait};
use super::nap::{Longest, Naps};
use super::room::{Back, Way};
use super::{Responder, Seldom, Stop, now};

/// One socket and the thread that serves it.
pub struct Worker<R> {
    pub socket: Arc<UdpSocket>,
    pub source: Source,
    pub responder: Arc<R>,
    pub stop: Stop,
    pub nap: Longest,
}

/// Answers the kernel refused and that no warning has told of yet.
#[derive(Default)]
struct Losses {
    count: usize,
    reason: Option<io::Error>,
    warning: Seldom,
}

impl<R: Responder> Worker<R> {
    /// Starts the thread; it ends after [`Stop`] was set and what had come until then is answered.
    pub fn start(self, name: String) -> io::Result<thread::JoinHandle<()>> {
        thread::Builder::new().name(name).spawn(move || self.run())
    }

    fn run(self) {
        let mut batch = Batch::new(self.source);
        let mut local = self.responder.local();
        let mut losses = Losses::default();
        let mut naps = Naps::new(self.nap.clone());
        let mut wait = Wait::ForOne;
        while !self.stop.is_set() {
            match self.serve(&mut batch, &mut local, &mut losses, wait) {
                Ok(0) if wait == Wait::No => wait = Wait::ForOne,
                Ok(0) => self.responder.end(&mut local),
                Ok(count) => wait = naps.after(count),
                Err(error) => {
                    // Nothing known makes a bound socket fail; should it, the log shows it four
                    // times a second, and the core is not burnt.
                    error!(%error, "receiving questions over UDP failed");
                    thread::sleep(Duration::from_millis(UDP_WAKE_MS));
                }
            }
        }
        for _ in 0..UDP_DRAIN_BATCHES {
            match self.serve(&mut batch, &mut local, &mut losses, Wait::No) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        self.responder.end(&mut local);
    }

    /// One batch: receive, answer, send. Returns how many questions came.
    fn serve(
        &self,
        batch: &mut Batch,
        local: &mut R::Local,
        losses: &mut Losses,
        wait: Wait,
    ) -> io::Result<usize> {
        let count = batch.receive(self.socket.as_fd(), wait)?;
        if count == 0 {
            return Ok(0);
        }
        let now = now();
        let mut next = 0;
        let mut panicked = false;
        while next < count {
            let answered = catch_unwind(AssertUnwindSafe(|| {
                self.responder.begin(local, now);
                if panicked {
                    self.responder.respond_each(local, batch, &self.socket, &mut next, count);
                } else {
                    self.responder.respond_all(local, batch, &self.socket, &mut next, count);
                }
            }));
            if answered.is_err() {
                // Whoever did it alone gets no answer. A thread that died would leave its share of all questions
                // unanswered for good.
                error!("a question made its worker panic; it got no answer");
                *local = self.responder.local();
                panicked = true;
            }
        }
        losses.note(batch.send(self.socket.as_fd()), now);
        Ok(count)
    }
}

impl Losses {
    fn note(&mut self, sent: Sent, now: UnixTime) {
        if sent.lost == 0 {
            return;
        }
        self.count += sent.lost;
        self.reason = sent.reason;
        if let (true, Some(reason)) = (self.warning.is_due(now), &self.reason) {
            warn!(answers = self.count, %reason, "the system refused to send answers over UDP");
            self.count = 0;
        }
    }
}

/// The way back of a datagram.
pub struct OverUdp<'a> {
    pub socket: &'a Arc<UdpSocket>,
    pub sender: Sender<'a>,
}

impl Way for OverUdp<'_> {
    fn back(&self) -> Option<Box<dyn Back>> {
        let route = self.sender.route()?;
        Some(Box::new(LateDatagram { socket: Arc::clone(self.socket), route }))
    }
}

/// Sends one datagram by itself, from the address that was asked.
struct LateDatagram {
    socket: Arc<UdpSocket>,
    route: Route,
}

impl Back for LateDatagram {
    fn send(&mut self, answer: &[u8]) {
        let from = match &self.route.from {
            From::Bound => None,
            From::V4(info) => Some(ControlMessage::Ipv4PacketInfo(info)),
            From::V6(info) => Some(ControlMessage::Ipv6PacketInfo(info)),
        };
        let to = SockaddrStorage::from(self.route.to);
        let (fd, flags) = (self.socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
        let sent = sendmsg(fd, &[IoSlice::new(answer)], from.as_slice(), flags, Some(&to));
        // A datagram may always be lost; the client asks again.
        if let Err(error) = sent {
            debug!(%error, "an answer that had waited could not be sent");
        }
    }

    fn sender(&self) -> Option<SocketAddr> {
        Some(self.route.to)
    }
}
