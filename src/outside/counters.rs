//! What happened at the door to the outside, counted: for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of the service. Each only grows, except the ones said to be of now.
#[derive(Default, Debug)]
pub struct Counters {
    /// Questions that were handed over.
    pub asked: AtomicU64,
    /// Of those: known by the time they were looked at.
    pub hits: AtomicU64,
    /// Of those: a look-up was begun or joined.
    pub misses: AtomicU64,
    /// Of those: turned away, since a bound was reached.
    pub refused: AtomicU64,
    /// Waiters called because their time was up.
    pub overdue: AtomicU64,
    /// Look-ups begun, and those of them that renew an entry ahead of its end.
    pub lookups: AtomicU64,
    pub refreshes: AtomicU64,
    /// Look-ups that failed, and those of them that left an older answer to be served.
    pub failures: AtomicU64,
    pub stale: AtomicU64,
    /// Special-purpose addresses left out.
    pub dropped: AtomicU64,
    /// Entries forgotten to make room.
    pub evicted: AtomicU64,
    /// Of now: entries, their octets, look-ups in flight, questions that wait.
    pub entries: AtomicU64,
    pub octets: AtomicU64,
    pub in_flight: AtomicU64,
    pub waiting: AtomicU64,
}

/// Adds to a counter.
pub fn add(counter: &AtomicU64, n: usize) {
    counter.fetch_add(n as u64, Ordering::Relaxed);
}

/// Sets a counter of now.
pub fn set(counter: &AtomicU64, n: usize) {
    counter.store(n as u64, Ordering::Relaxed);
}

impl Counters {
    /// Every counter with its name, for metrics.
    pub fn all(&self) -> [(&'static str, u64); 15] {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("asked", read(&self.asked)),
            ("hits", read(&self.hits)),
            ("misses", read(&self.misses)),
            ("refused", read(&self.refused)),
            ("overdue", read(&self.overdue)),
            ("lookups", read(&self.lookups)),
            ("refreshes", read(&self.refreshes)),
            ("failures", read(&self.failures)),
            ("stale", read(&self.stale)),
            ("dropped", read(&self.dropped)),
            ("evicted", read(&self.evicted)),
            ("entries", read(&self.entries)),
            ("octets", read(&self.octets)),
            ("in_flight", read(&self.in_flight)),
            ("waiting", read(&self.waiting)),
        ]
    }
}
