//! What the outside said, made by hand, for tests that ask nobody.

use std::sync::atomic::AtomicBool;

use bailiwick::base::name::Name;
use bailiwick::base::time::UnixTime;
use bailiwick::model::flattened::{Addresses, Entry, Outcome, OutsideHop};

fn name(text: &str) -> Name {
    Name::from_text(text).unwrap()
}

/// What the outside said ten seconds ago, good for 90 more: these hops, then these addresses, or none.
pub fn good(now: UnixTime, hops: &[&str], addresses: &[[u8; 4]]) -> Entry {
    let outcome = if addresses.is_empty() { Outcome::NoData } else { Outcome::Addresses };
    Entry {
        hops: hops.iter().map(|h| OutsideHop { name: name(h), ttl: 100 }).collect(),
        outcome,
        addresses: Addresses::V4(addresses.into()),
        dropped: 0,
        validated: None,
        ttl: 100,
        fetched: UnixTime(now.0 - 10),
        expires: UnixTime(now.0 + 90),
        stale_until: UnixTime(now.0 + 1000),
        failure: None,
        upstream: None,
        took_ms: 3,
        used: AtomicBool::new(false),
    }
}
