//! What the publisher tells of its world, and the daemon of its doors: read by metrics and health checks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::base::time::UnixTime;

/// See the file's head. All of it is of now, except the reloads, which only grow.
#[derive(Debug, Default)]
pub struct Figures {
    accounts: AtomicU64,
    held: AtomicU64,
    refused: AtomicU64,
    logs_failing: AtomicBool,
    database_failing: AtomicBool,
    published_at: AtomicU64,
    turned_at: AtomicU64,
    reloads_valid: AtomicU64,
    reloads_invalid: AtomicU64,
    doors_closed: AtomicBool,
}

/// What the publisher knows without looking at all zones.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OfWorld {
    pub accounts: usize,
    /// Zones with a change that waits to be accepted, and zones that are not served since they may not be.
    pub held: usize,
    pub refused: usize,
    /// The logs in the data folder, and the database, cannot be written or used.
    pub logs_failing: bool,
    pub database_failing: bool,
}

impl Figures {
    /// Tells how the world is now.
    pub fn set_world(&self, world: OfWorld) {
        self.accounts.store(world.accounts as u64, Ordering::Relaxed);
        self.held.store(world.held as u64, Ordering::Relaxed);
        self.refused.store(world.refused as u64, Ordering::Relaxed);
        self.logs_failing.store(world.logs_failing, Ordering::Relaxed);
        self.database_failing.store(world.database_failing, Ordering::Relaxed);
    }

    pub fn world(&self) -> OfWorld {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as usize;
        OfWorld {
            accounts: count(&self.accounts),
            held: count(&self.held),
            refused: count(&self.refused),
            logs_failing: self.logs_failing.load(Ordering::Relaxed),
            database_failing: self.database_failing.load(Ordering::Relaxed),
        }
    }

    /// The world was published.
    pub fn published(&self, now: UnixTime) {
        self.published_at.store(now.0, Ordering::Relaxed);
    }

    /// When that was last.
    pub fn published_at(&self) -> UnixTime {
        UnixTime(self.published_at.load(Ordering::Relaxed))
    }

    /// The publisher has done what there was to do.
    pub fn turned(&self, now: UnixTime) {
        self.turned_at.store(now.0, Ordering::Relaxed);
    }

    pub fn turned_at(&self) -> UnixTime {
        UnixTime(self.turned_at.load(Ordering::Relaxed))
    }

    /// The config was read again.
    pub fn reloaded(&self, valid: bool) {
        let counter = if valid { &self.reloads_valid } else { &self.reloads_invalid };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Reloads with a valid config and with an invalid one.
    pub fn reloads(&self) -> [(&'static str, u64); 2] {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [("valid", read(&self.reloads_valid)), ("invalid", read(&self.reloads_invalid))]
    }

    /// Whether every worker answers.
    pub fn set_doors(&self, open: bool) {
        self.doors_closed.store(!open, Ordering::Relaxed);
    }

    pub fn are_doors_open(&self) -> bool {
        !self.doors_closed.load(Ordering::Relaxed)
    }
}
