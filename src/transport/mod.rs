//! Floor 8: doors for questions. They carry packets, they never decide: [`Responder`] does.

pub mod admission;
pub mod answers;
mod connection;
mod desk;
mod mailbox;
pub mod mmsg;
mod nap;
pub mod privileges;
pub mod room;
pub mod sockets;
mod table;
pub mod tcp;
pub mod udp;

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::base::limits::WARN_EVERY_SECS;
use crate::base::time::UnixTime;
use crate::model::question::Client;
use crate::telemetry::connections::Connections;

use admission::Admission;
pub use admission::TcpLimits;
use mmsg::Batch;
use room::Way;

/// What turns a packet into its answer. The doors are compiled for one of it: nothing on the way of
/// a question is looked up at run time.
pub trait Responder: Send + Sync + 'static {
    /// What one worker keeps between questions: buffers, its hold on the snapshot, its counters.
    type Local;

    /// Called once in each worker's own thread, and again after a question made it panic.
    fn local(&self) -> Self::Local;

    /// Before the first question of a batch: takes the current snapshot.
    fn begin(&self, local: &mut Self::Local, now: UnixTime);

    /// Writes the answer to `out` and tells its length; `None` is silence, or an answer that will come by `way` later.
    fn respond(
        &self,
        local: &mut Self::Local,
        packet: &[u8],
        client: Client,
        way: &dyn Way,
        out: &mut [u8],
    ) -> Option<usize>;

    /// Answers questions `*next..count` of a batch, in order; `*next` is behind a question as soon as it is being
    /// answered. A responder may work on several of them side by side.
    fn respond_all(
        &self,
        local: &mut Self::Local,
        batch: &mut Batch,
        socket: &Arc<UdpSocket>,
        next: &mut usize,
        count: usize,
    ) {
        self.respond_each(local, batch, socket, next, count);
    }

    /// The same, each question by itself: `*next` moves on, whatever a question does.
    fn respond_each(
        &self,
        local: &mut Self::Local,
        batch: &mut Batch,
        socket: &Arc<UdpSocket>,
        next: &mut usize,
        count: usize,
    ) {
        while *next < count {
            let at = *next;
            *next += 1;
            let Some(datagram) = batch.datagram(at) else { continue };
            let client = datagram.from();
            let way = udp::OverUdp { socket, sender: datagram.sender };
            let (packet, out) = (datagram.packet, datagram.answer);
            if let Some(length) = self.respond(local, packet, client, &way, out) {
                batch.queue(at, length);
            }
        }
    }

    /// No question came for a while: lets go of the snapshot, so that the old one can be freed.
    fn end(&self, local: &mut Self::Local);
}

/// The signal to stop, seen by every worker.
#[derive(Clone, Debug)]
pub struct Stop {
    /// For threads that look between two batches.
    flag: Arc<AtomicBool>,
    /// For those that wait for it: readable from then on.
    told: Arc<EventFd>,
}

impl Stop {
    pub fn new() -> io::Result<Stop> {
        let told = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Stop { flag: Arc::default(), told: Arc::new(told) })
    }

    pub fn set(&self) {
        self.flag.store(true, Ordering::Release);
        // An error would say that it is readable already, many times over.
        let _ = self.told.write(1);
    }

    pub fn is_set(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }

    /// What becomes readable when it is set.
    fn told(&self) -> &EventFd {
        &self.told
    }
}

/// Lets a warning through once in [`WARN_EVERY_SECS`].
#[derive(Debug, Default)]
struct Seldom(Option<UnixTime>);

impl Seldom {
    fn is_due(&mut self, now: UnixTime) -> bool {
        let due = self.0.is_none_or(|last| now.since(last) >= WARN_EVERY_SECS);
        if due {
            self.0 = Some(now);
        }
        due
    }
}

/// Open doors: questions are being answered.
pub struct Doors {
    stop: Stop,
    threads: Vec<JoinHandle<()>>,
    admission: Arc<Admission>,
    nap: nap::Longest,
}

impl Doors {
    /// Starts the threads of all workers.
    pub fn open<R: Responder>(
        bound: sockets::Bound,
        tcp: TcpLimits,
        responder: &Arc<R>,
    ) -> io::Result<Doors> {
        let admission = Admission::new(tcp);
        let nap = nap::Longest::default();
        let mut doors = Doors { stop: Stop::new()?, threads: Vec::new(), admission, nap };
        let mut listeners: Vec<Vec<TcpListener>> = Vec::new();
        for door in bound.doors {
            for (number, socket) in door.udp.into_iter().enumerate() {
                let worker = udp::Worker {
                    socket: Arc::new(socket),
                    source: door.source,
                    responder: Arc::clone(responder),
                    stop: doors.stop.clone(),
                    nap: doors.nap.clone(),
                };
                doors.threads.push(worker.start(format!("udp-{number}"))?);
            }
            for (number, listener) in door.tcp.into_iter().enumerate() {
                listeners.resize_with(listeners.len().max(number + 1), Vec::new);
                listeners[number].push(listener);
            }
        }
        for (number, listeners) in listeners.into_iter().enumerate() {
            let worker = tcp::Worker {
                listeners,
                responder: Arc::clone(responder),
                admission: Arc::clone(&doors.admission),
                stop: doors.stop.clone(),
            };
            doors.threads.push(worker.start(format!("tcp-{number}"))?);
        }
        Ok(doors)
    }

    /// Changes what TCP clients may use; connections that are open stay.
    pub fn set_tcp_limits(&self, limits: TcpLimits) {
        self.admission.set(limits);
    }

    /// From now on a busy UDP worker may wait so long for more questions; 0, as at first: never.
    pub fn set_nap(&self, micros: u32) {
        self.nap.set(micros);
    }

    /// Whether every worker is at work.
    pub fn are_open(&self) -> bool {
        !self.threads.iter().any(JoinHandle::is_finished)
    }

    /// How many TCP connections there are and were.
    pub fn connections(&self) -> Arc<Connections> {
        Arc::clone(self.admission.figures())
    }

    /// Answers what has come, then closes. Takes less than a second.
    pub fn close(self) {
        self.stop.set();
        for thread in self.threads {
            // A thread that panicked has told so already; the others still want to be waited for.
            let _ = thread.join();
        }
    }
}

/// The wall clock. Read once per batch, never per question.
fn now() -> UnixTime {
    // A clock before 1970 is unset: to answer is right all the same.
    UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}
