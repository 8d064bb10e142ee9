//! Counters of answers: each worker writes its own, whoever asks sums them. Once per query, at the door.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::answer::Outcome;
use crate::model::question::Transport;
use crate::policy::verdict::Reason;
use crate::wire::Reply;

const OUTCOMES: usize = 16;
const REASONS: usize = 3;

/// One worker's counts. Only that worker writes, so no addition has to be atomic as a whole.
#[derive(Default)]
#[repr(align(128))]
pub struct Worker {
    udp: AtomicU64,
    tcp: AtomicU64,
    silent: AtomicU64,
    outcomes: [AtomicU64; OUTCOMES],
    denied: [AtomicU64; REASONS],
    reported: AtomicU64,
}

/// A sum over all workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub udp: u64,
    pub tcp: u64,
    /// Messages that got no answer.
    pub silent: u64,
    outcomes: [u64; OUTCOMES],
    denied: [u64; REASONS],
    /// Denials that `on_violation = "report"` let pass.
    pub reported: u64,
}

impl Totals {
    /// Answers of this outcome.
    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// Denied questions for this reason, those only reported left out.
    pub fn denied(&self, reason: Reason) -> u64 {
        self.denied[reason as usize]
    }

    /// All answers.
    pub fn answers(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    fn add(&mut self, w: &Worker) {
        let read = |c: &AtomicU64| c.load(Ordering::Relaxed);
        self.udp += read(&w.udp);
        self.tcp += read(&w.tcp);
        self.silent += read(&w.silent);
        self.reported += read(&w.reported);
        self.outcomes.iter_mut().zip(&w.outcomes).for_each(|(sum, c)| *sum += read(c));
        self.denied.iter_mut().zip(&w.denied).for_each(|(sum, c)| *sum += read(c));
    }
}

impl Worker {
    /// Counts one message and what was said to it.
    #[inline]
    pub fn count(&self, transport: Transport, reply: Option<&Reply>) {
        bump(match transport {
            Transport::Udp => &self.udp,
            Transport::Tcp => &self.tcp,
        });
        let Some(reply) = reply else { return bump(&self.silent) };
        bump(&self.outcomes[reply.outcome as usize]);
        if let Some(denial) = reply.denial {
            match reply.outcome {
                Outcome::Denied => bump(&self.denied[denial.reason as usize]),
                _ => bump(&self.reported),
            }
        }
    }
}

#[inline]
fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// The counters of all workers there ever were. The lock is taken when a worker starts and when someone sums.
#[derive(Default)]
pub struct Counters(Mutex<Vec<Arc<Worker>>>);

impl Counters {
    /// Counters for one more worker.
    pub fn worker(&self) -> Arc<Worker> {
        let worker = Arc::<Worker>::default();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&worker));
        worker
    }

    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        let workers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        workers.iter().for_each(|w| totals.add(w));
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::answer::Rcode;

    #[test]
    fn sums_over_workers() {
        let counters = Counters::default();
        let (a, b) = (counters.worker(), counters.worker());
        let reply = Reply {
            len: 20,
            rcode: Rcode::NoError,
            outcome: Outcome::Answered,
            denial: None,
            needs: None,
        };
        a.count(Transport::Udp, Some(&reply));
        b.count(Transport::Tcp, Some(&reply));
        b.count(Transport::Udp, None);
        let t = counters.totals();
        assert_eq!((t.udp, t.tcp, t.silent, t.answers()), (2, 1, 1, 2));
        assert_eq!(t.outcome(Outcome::Answered), 2);
        assert_eq!(t.denied(Reason::NotGranted), 0);
    }
}
