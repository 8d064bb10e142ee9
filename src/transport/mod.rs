//! Floor 8: doors for questions. They carry packets, they never decide: [`Responder`] does.

pub mod mmsg;
pub mod sockets;
pub mod udp;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::base::time::UnixTime;
use crate::model::question::Client;

/// What turns a packet into its answer. The doors are compiled for one of it: nothing on the way of
/// a question is looked up at run time.
pub trait Responder: Send + Sync + 'static {
    /// What one worker keeps between questions: buffers, its hold on the snapshot, its counters.
    type Local;

    /// Called once in each worker's own thread, and again after a question made it panic.
    fn local(&self) -> Self::Local;

    /// Before the first question of a batch: takes the current snapshot.
    fn begin(&self, local: &mut Self::Local, now: UnixTime);

    /// Writes the answer to `out` and tells its length; `None` is silence.
    fn respond(
        &self,
        local: &mut Self::Local,
        packet: &[u8],
        client: Client,
        out: &mut [u8],
    ) -> Option<usize>;

    /// No question came for a while: lets go of the snapshot, so that the old one can be freed.
    fn end(&self, local: &mut Self::Local);
}

/// The signal to stop, seen by every worker.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Open doors: questions are being answered.
pub struct Doors {
    stop: Stop,
    threads: Vec<JoinHandle<()>>,
}

impl Doors {
    /// Starts a thread for each socket.
    pub fn open<R: Responder>(bound: sockets::Bound, responder: &Arc<R>) -> io::Result<Doors> {
        let mut doors = Doors { stop: Stop::default(), threads: Vec::new() };
        for door in bound.doors {
            for (number, socket) in door.udp.into_iter().enumerate() {
                let worker = udp::Worker {
                    socket,
                    source: door.source,
                    responder: Arc::clone(responder),
                    stop: doors.stop.clone(),
                };
                doors.threads.push(worker.start(format!("udp-{number}"))?);
            }
        }
        Ok(doors)
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
