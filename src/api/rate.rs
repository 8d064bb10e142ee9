//! How often one token may ask, how often one address may be wrong about a token, and how often zones are looked at.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::base::id::{AccountId, ZoneId};
use crate::base::uuid::Uuid;

/// Requests a token or an account may make at once, and a second in the long run: room for the thousand writes a
/// second that are planned for, and an end to a loop gone wild.
const BURST: f64 = 10_000.0;
const PER_SECOND: f64 = 2_000.0;
/// Wrong tokens from one address: 60 at once, then one in five seconds.
const WRONG_BURST: f64 = 60.0;
const WRONG_PER_SECOND: f64 = 0.2;
/// Looks for the proof of one zone that are asked for: some at once, then one in 30 seconds; and those of all zones of
/// an account, which are zones made by it too: each is looked at outside.
const LOOK_BURST: f64 = 20.0;
const LOOKS_PER_SECOND: f64 = 1.0 / 30.0;
const ACCOUNT_LOOK_BURST: f64 = 2_000.0;
const ACCOUNT_LOOKS_PER_SECOND: f64 = 1.0;
/// Buckets kept; full ones are forgotten first.
const MOST: usize = 65_536;

/// See the head of the file.
#[derive(Debug, Default)]
pub struct Limiter {
    tokens: Mutex<Buckets<Uuid>>,
    accounts: Mutex<Buckets<AccountId>>,
    wrong: Mutex<Buckets<IpAddr>>,
    looks: Mutex<Buckets<ZoneId>>,
    account_looks: Mutex<Buckets<AccountId>>,
}

#[derive(Debug)]
struct Buckets<K>(HashMap<K, Bucket>);

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Buckets(HashMap::new())
    }
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Limiter {
    /// Counts a request. The error is the seconds to wait.
    pub fn ask(&self, token: Uuid, account: Option<AccountId>, now: Instant) -> Result<(), u64> {
        lock(&self.tokens).take(token, BURST, PER_SECOND, now)?;
        match account {
            Some(account) => lock(&self.accounts).take(account, BURST, PER_SECOND, now),
            None => Ok(()),
        }
    }

    /// Counts a look for the proof of a zone, or of a new one.
    pub fn look(&self, zone: Option<ZoneId>, of: AccountId, now: Instant) -> Result<(), u64> {
        if let Some(zone) = zone {
            lock(&self.looks).take(zone, LOOK_BURST, LOOKS_PER_SECOND, now)?;
        }
        lock(&self.account_looks).take(of, ACCOUNT_LOOK_BURST, ACCOUNT_LOOKS_PER_SECOND, now)
    }

    /// Counts a request with a wrong token.
    pub fn wrong(&self, address: IpAddr, now: Instant) -> Result<(), u64> {
        lock(&self.wrong).take(network(address), WRONG_BURST, WRONG_PER_SECOND, now)
    }
}

/// An IPv6 client has a whole /64.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_none() => {
            let mut octets = v6.octets();
            octets[8..].fill(0);
            IpAddr::from(octets)
        }
        other => other.to_canonical(),
    }
}

fn lock<K>(buckets: &Mutex<Buckets<K>>) -> std::sync::MutexGuard<'_, Buckets<K>> {
    buckets.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K: Eq + Hash> Buckets<K> {
    fn take(&mut self, key: K, burst: f64, rate: f64, now: Instant) -> Result<(), u64> {
        let grown = |bucket: &Bucket| {
            let since = now.saturating_duration_since(bucket.at).as_secs_f64();
            (bucket.left + since * rate).min(burst)
        };
        if self.0.len() >= MOST && !self.0.contains_key(&key) {
            self.0.retain(|_, bucket| grown(bucket) < burst);
            if self.0.len() >= MOST {
                return Err(1);
            }
        }
        let bucket = self.0.entry(key).or_insert(Bucket { left: burst, at: now });
        let left = grown(bucket);
        *bucket = Bucket { left, at: now };
        if left < 1.0 {
            return Err(((1.0 - left) / rate).ceil() as u64);
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let mut buckets = Buckets::default();
        let now = crate::control::world::Now::read().at;
        for _ in 0..3 {
            assert_eq!(buckets.take(1, 3.0, 0.5, now), Ok(()));
        }
        assert_eq!(buckets.take(1, 3.0, 0.5, now), Err(2));
        assert_eq!(buckets.take(2, 3.0, 0.5, now), Ok(()));
        assert_eq!(buckets.take(1, 3.0, 0.5, now + Duration::from_secs(2)), Ok(()));
        assert_eq!(buckets.take(1, 3.0, 0.5, now + Duration::from_secs(2)), Err(2));
    }

    #[test]
    fn looks_are_bounded_for_each_zone_and_for_all_of_an_account() {
        let (limiter, now) = (Limiter::default(), crate::control::world::Now::read().at);
        let look = |zone: u32, at| limiter.look(Some(ZoneId(zone)), AccountId(1), at);
        assert_eq!((0..30).filter(|_| look(1, now).is_ok()).count(), 20);
        assert!(look(1, now).unwrap_err() <= 30);
        assert_eq!((2..3_000).filter(|zone| look(*zone, now).is_ok()).count(), 1_980);
        assert_eq!(look(1, now + Duration::from_secs(30)), Ok(()));
        assert_eq!(limiter.look(Some(ZoneId(2)), AccountId(2), now), Ok(()));
    }

    #[test]
    fn addresses_of_one_client_count_together() {
        let parse = |text: &str| text.parse().unwrap();
        assert_eq!(network(parse("2001:db8::1")), network(parse("2001:db8::ffff:1")));
        assert_ne!(network(parse("2001:db8:0:1::1")), network(parse("2001:db8::1")));
        assert_eq!(network(parse("::ffff:192.0.2.1")), network(parse("192.0.2.1")));
    }
}
