//! What a look-up found, as it is kept: addresses sorted and sifted, TTLs within bounds, the time to ask again.

use std::net::IpAddr;
use std::sync::atomic::AtomicBool;

use super::resolve::Found;
use super::special::is_special;
use crate::base::limits::{FAILURE_SECS, LOOKUP_MS, OUTSIDE_ADDRESSES, OUTSIDE_NEGATIVE_TTL};
use crate::base::rtype;
use crate::base::time::UnixTime;
use crate::config::settings::Flatten;
use crate::model::flattened::{Addresses, Entry, Failure, FailureKind, Key, Outcome, Standing};

/// An entry as the settings have it; `None`: they do not have it.
pub fn under_settings(settings: &Flatten, entry: &Entry) -> Option<Entry> {
    let failed = matches!(entry.outcome, Outcome::Failed(_));
    // What held by other anchors proves nothing by these.
    let proved = || entry.validated == Some(settings.anchor_set());
    let unproved = settings.validate && !failed && !proved();
    let missing = settings.allow_special && entry.dropped > 0;
    if unproved || missing {
        return None;
    }
    let stale = u64::from(settings.stale);
    let stale_until = if failed { entry.stale_until } else { later(entry.expires, stale) };
    let mut new = entry.with(entry.failure, stale_until);
    let kept: Vec<IpAddr> = new.addresses.iter().filter(|a| allows(settings, *a)).collect();
    if kept.len() < new.addresses.len() {
        new.dropped = new.dropped.saturating_add((new.addresses.len() - kept.len()) as u8);
        let v4 = matches!(new.addresses, Addresses::V4(_));
        new.addresses = addresses(if v4 { rtype::A } else { rtype::AAAA }, &kept);
        if kept.is_empty() {
            new.outcome = Outcome::NoData;
        }
    }
    Some(new)
}

fn allows(settings: &Flatten, address: IpAddr) -> bool {
    settings.allow_special || !is_special(address)
}

/// What a look-up found, as it is kept.
pub fn entry(settings: &Flatten, key: &Key, found: Found, now: UnixTime) -> Entry {
    let mut all = found.addresses;
    // Upstreams turn the order from answer to answer; ours changes by `rotate` only.
    all.sort_unstable();
    all.dedup();
    let before = all.len();
    all.retain(|address| allows(settings, *address));
    let dropped = (before - all.len()).min(255) as u8;
    all.truncate(OUTSIDE_ADDRESSES);
    let outcome = match found.outcome {
        Outcome::Addresses if all.is_empty() => Outcome::NoData,
        other => other,
    };
    let most = match outcome {
        Outcome::Addresses => settings.max_ttl,
        _ => settings.max_ttl.min(OUTSIDE_NEGATIVE_TTL.max(settings.min_ttl)),
    };
    // With a TTL of 0 it would be gone before anybody is answered.
    let ttl = found.ttl.max(settings.min_ttl).min(most).max(1);
    let expires = later(now, u64::from(ttl));
    Entry {
        hops: found.hops.into(),
        outcome,
        addresses: addresses(key.rtype, &all),
        dropped,
        validated: found.validated,
        ttl,
        fetched: now,
        expires,
        stale_until: later(expires, u64::from(settings.stale)),
        failure: None,
        upstream: found.upstream,
        took_ms: found.took.as_millis().min(u128::from(u32::MAX)) as u32,
        used: AtomicBool::new(false),
    }
}

/// Whether the answer for `entry` is known without asking.
pub fn is_known(entry: &Entry, now: UnixTime) -> bool {
    !matches!(entry.standing(now), Standing::Expired | Standing::Gone)
}

/// The entry of a target of which there never was a good answer.
pub fn without_answer(key: &Key, found: Found, failure: Failure, now: UnixTime) -> Entry {
    Entry {
        hops: found.hops.into(),
        outcome: Outcome::Failed(failure.kind),
        addresses: addresses(key.rtype, &[]),
        dropped: 0,
        validated: None,
        ttl: 0,
        fetched: now,
        expires: now,
        // Kept beyond its retry, so that the next failure is known as one more.
        stale_until: later(now, FAILURE_SECS.end() * 2),
        failure: Some(failure),
        upstream: found.upstream,
        took_ms: found.took.as_millis().min(u128::from(u32::MAX)) as u32,
        used: AtomicBool::new(false),
    }
}

/// Ahead of the end by a tenth of the TTL, but by time enough for a look-up.
pub fn refresh_at(entry: &Entry) -> UnixTime {
    let ttl = u64::from(entry.ttl);
    let ahead = (ttl / 10).clamp(LOOKUP_MS.div_ceil(1000), 60).min(ttl / 2);
    UnixTime(entry.expires.0 - ahead)
}

/// Seconds until the next attempt after some failures in a row: doubled each time.
pub fn pause(failures: u32) -> u64 {
    let doubled = FAILURE_SECS.start() << failures.saturating_sub(1).min(16);
    doubled.min(*FAILURE_SECS.end())
}

/// A time some seconds later.
pub fn later(time: UnixTime, secs: u64) -> UnixTime {
    UnixTime(time.0.saturating_add(secs))
}

fn addresses(family: u16, all: &[IpAddr]) -> Addresses {
    if family == rtype::A {
        let v4 = |a: &IpAddr| if let IpAddr::V4(a) = a { Some(a.octets()) } else { None };
        Addresses::V4(all.iter().filter_map(v4).collect())
    } else {
        let v6 = |a: &IpAddr| if let IpAddr::V6(a) = a { Some(a.octets()) } else { None };
        Addresses::V6(all.iter().filter_map(v6).collect())
    }
}

/// What a look-up that could not even begin brought home.
pub fn not_looked_up(kind: FailureKind) -> Found {
    Found {
        hops: Vec::new(),
        outcome: Outcome::Failed(kind),
        addresses: Vec::new(),
        ttl: 0,
        validated: None,
        upstream: None,
        took: std::time::Duration::ZERO,
    }
}
