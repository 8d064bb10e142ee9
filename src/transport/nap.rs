//! Naps of busy UDP workers: whether one wait for company pays, and the wait (`server.nap_us`).
//!
//! Below saturation nearly every question finds its worker asleep, and waking it up costs several
//! times what answering costs. A worker that sleeps a little on purpose after a short batch finds a
//! few questions at once, for one wake-up. Sleeping by the clock is the dearer kind of sleep: below
//! some rate it costs more than it saves, so the rate decides. It is taken from the sizes of
//! batches, with one look at the clock for each, and only where naps are allowed at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tracing::debug;

use crate::base::limits::{NAP_BATCH, NAP_RATE, NAP_WINDOW_MS};

use super::mmsg::Wait;

/// `server.nap_us`, shared by all workers; it can change while they work.
#[derive(Clone, Debug, Default)]
pub struct Longest(Arc<AtomicU32>);

impl Longest {
    pub fn set(&self, micros: u32) {
        self.0.store(micros, Ordering::Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_micros(u64::from(self.0.load(Ordering::Relaxed)))
    }
}

/// The naps of one worker.
pub struct Naps {
    longest: Longest,
    pace: Pace,
    exact: bool,
}

/// How fast questions come.
#[derive(Debug, Default)]
struct Pace {
    /// When the questions of `count` began to be counted.
    since: Option<Instant>,
    count: u64,
    busy: bool,
}

impl Naps {
    pub fn new(longest: Longest) -> Naps {
        Naps { longest, pace: Pace::default(), exact: false }
    }

    /// After a batch of `count` was answered: naps if that pays, and tells how to receive then.
    pub fn after(&mut self, count: usize) -> Wait {
        let longest = self.longest.get();
        if longest.is_zero() || !self.pace.pays(count, Instant::now()) {
            return Wait::ForOne;
        }
        self.be_exact();
        thread::sleep(longest);
        Wait::No
    }

    /// The kernel may make a thread sleep 50 µs longer than it asked for, unless told otherwise.
    fn be_exact(&mut self) {
        if !self.exact {
            self.exact = true;
            if let Err(error) = nix::sys::prctl::set_timerslack(1) {
                debug!(%error, "naps may be longer than server.nap_us");
            }
        }
    }
}

impl Pace {
    /// Whether a nap pays after a batch of `count`.
    fn pays(&mut self, count: usize, now: Instant) -> bool {
        let Some(since) = self.since else {
            self.since = Some(now);
            return false;
        };
        self.count += count as u64;
        let elapsed = now.saturating_duration_since(since);
        if elapsed >= Duration::from_millis(NAP_WINDOW_MS) {
            let questions = u128::from(self.count) * Duration::from_secs(1).as_nanos();
            self.busy = questions >= u128::from(NAP_RATE) * elapsed.as_nanos();
            *self = Pace { since: Some(now), count: 0, busy: self.busy };
        }
        // Behind a long batch more is likely to wait already.
        self.busy && count < NAP_BATCH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICRO: Duration = Duration::from_micros(1);

    /// Whether naps pay at the end of `batches` of `count`, one each `micros`.
    fn pays(pace: &mut Pace, now: &mut Instant, batches: usize, count: usize, micros: u32) -> bool {
        let mut last = false;
        for _ in 0..batches {
            *now += MICRO * micros;
            last = pace.pays(count, *now);
        }
        last
    }

    #[test]
    fn the_rate_decides() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        // 40,000, 29,000, 31,000 questions a second.
        assert!(pays(&mut pace, &mut now, 400, 1, 25));
        assert!(!pays(&mut pace, &mut now, 400, 1, 34));
        assert!(pays(&mut pace, &mut now, 400, 1, 32));
        // The same questions in fewer batches, as they come with naps.
        assert!(pays(&mut pace, &mut now, 100, 4, 100));
        assert!(!pays(&mut pace, &mut now, 100, 2, 100));
    }

    #[test]
    fn a_first_question_and_one_after_a_pause_wait_for_nobody() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        assert!(!pace.pays(1, now));
        assert!(pays(&mut pace, &mut now, 400, 1, 10));
        now += Duration::from_secs(1);
        assert!(!pace.pays(1, now));
        // A burst has to last before anybody naps.
        assert!(!pays(&mut pace, &mut now, 399, 1, 10));
        assert!(pays(&mut pace, &mut now, 1, 1, 10));
    }

    #[test]
    fn long_batches_need_no_company() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        assert!(!pays(&mut pace, &mut now, 400, NAP_BATCH, 100));
        assert!(pace.pays(NAP_BATCH - 1, now));
    }

    #[test]
    fn a_clock_that_stands_still_is_no_rate() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        assert!((0..10_000).all(|_| !pace.pays(1, now)));
    }

    #[test]
    fn zero_never_naps_and_looks_at_no_clock() {
        let mut naps = Naps::new(Longest::default());
        assert!((0..1000).all(|_| naps.after(1) == Wait::ForOne));
        assert!(naps.pace.since.is_none() && !naps.exact);
    }

    #[test]
    fn the_longest_nap_may_change_at_any_time() {
        let longest = Longest::default();
        let mut naps = Naps::new(longest.clone());
        longest.set(1);
        naps.pace = Pace { since: Some(Instant::now()), count: 0, busy: true };
        assert_eq!(naps.after(1), Wait::No);
        assert!(naps.exact);
        longest.set(0);
        assert_eq!(naps.after(1), Wait::ForOne);
    }
}
