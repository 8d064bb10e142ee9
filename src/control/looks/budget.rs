//! How often something may happen: a bucket for each key, which fills with time.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::base::limits::BUDGETS_MAX;

/// Pause between two looks through all buckets.
const SWEEP: Duration = Duration::from_secs(1);

/// See the head of the file. Who has a full bucket is not kept.
#[derive(Debug)]
pub struct Budget<K> {
    buckets: HashMap<K, Bucket>,
    /// When those that were full again were dropped last, for want of room.
    swept: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl<K> Default for Budget<K> {
    fn default() -> Budget<K> {
        Budget { buckets: HashMap::new(), swept: None }
    }
}

impl<K: Hash + Eq> Budget<K> {
    /// Whether one more may happen now: `burst` at once, then `per_second`.
    pub fn has(&mut self, key: &K, burst: u32, per_second: u32, now: Instant) -> bool {
        let Some(bucket) = self.buckets.get(key) else {
            let is_time = |swept| now.saturating_duration_since(swept) >= SWEEP;
            if self.buckets.len() >= BUDGETS_MAX && self.swept.is_none_or(is_time) {
                self.swept = Some(now);
                self.buckets.retain(|_, b| b.left(burst, per_second, now) < f64::from(burst));
            }
            // Too many to tell apart: nothing new begins.
            return self.buckets.len() < BUDGETS_MAX;
        };
        bucket.left(burst, per_second, now) >= 1.0
    }

    /// One more happens.
    pub fn take(&mut self, key: K, burst: u32, per_second: u32, now: Instant) {
        let full = Bucket { left: f64::from(burst), at: now };
        let bucket = self.buckets.entry(key).or_insert(full);
        *bucket = Bucket { left: bucket.left(burst, per_second, now) - 1.0, at: now };
    }
}

impl Bucket {
    fn left(&self, burst: u32, per_second: u32, now: Instant) -> f64 {
        let more = now.saturating_duration_since(self.at).as_secs_f64() * f64::from(per_second);
        (self.left + more).min(f64::from(burst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_a_rate() {
        let mut budget = Budget::default();
        let now = Instant::now();
        let mut count = |key, at| {
            let mut taken = 0;
            while budget.has(&key, 5, 2, at) {
                budget.take(key, 5, 2, at);
                taken += 1;
            }
            taken
        };
        assert_eq!((count('a', now), count('a', now), count('b', now)), (5, 0, 5));
        assert_eq!(count('a', now + Duration::from_millis(1500)), 3);
        assert_eq!(count('a', now + Duration::from_secs(100)), 5);
    }

    #[test]
    fn too_many_to_tell_apart() {
        let mut budget = Budget::default();
        let now = Instant::now();
        for key in 0..BUDGETS_MAX {
            assert!(budget.has(&key, 1, 1, now));
            budget.take(key, 1, 1, now);
        }
        assert!(!budget.has(&usize::MAX, 1, 1, now));
        assert!(budget.has(&usize::MAX, 1, 1, now + Duration::from_secs(2)));
    }
}
