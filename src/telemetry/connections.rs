//! How many TCP connections there are and were: counted where they are let in, read for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// See the file's head.
#[derive(Default, Debug)]
pub struct Connections {
    accepted: AtomicU64,
    closed: AtomicU64,
    over_server: AtomicU64,
    over_address: AtomicU64,
}

/// Which limit refused one; the words are the config's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limit {
    Server,
    Address,
}

impl Limit {
    /// The setting to raise.
    pub fn setting(self) -> &'static str {
        match self {
            Limit::Server => "server.tcp_max",
            Limit::Address => "server.tcp_per_address",
        }
    }
}

impl Connections {
    pub fn accept(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub fn close(&self) {
        self.closed.fetch_add(1, Ordering::Relaxed);
    }

    pub fn refuse(&self, limit: Limit) {
        let counter = match limit {
            Limit::Server => &self.over_server,
            Limit::Address => &self.over_address,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    pub fn open(&self) -> u64 {
        // Read in this order, or one that closes meanwhile would be missing twice.
        let closed = self.closed.load(Ordering::Relaxed);
        self.accepted().saturating_sub(closed)
    }

    /// Refused ones by the setting that is their limit.
    pub fn refused(&self) -> [(&'static str, u64); 2] {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            (Limit::Server.setting(), read(&self.over_server)),
            (Limit::Address.setting(), read(&self.over_address)),
        ]
    }
}
