//! Where snapshots are made and published. Two bring what is new: the publisher the world, and the outside its answers.
//! Neither waits for the other, however long a reload takes; one lock, held for microseconds, puts them in order.
//!
//! A snapshot that was replaced stays here until nobody reads it any more, so that no query thread ever frees one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use crate::base::id::Generation;
use crate::model::flattened::Update;
use crate::model::snapshot::Snapshot;

/// Where readers find the current snapshot.
pub type Published = ArcSwap<Snapshot>;

/// See the file's head.
pub struct Press {
    published: Arc<Published>,
    /// Snapshots that readers may still hold.
    old: Mutex<Vec<Arc<Snapshot>>>,
}

impl Press {
    /// Publishes the first world.
    pub fn new(mut first: Snapshot) -> Press {
        first.generation = Generation(1);
        first.catalog.set_mark(1);
        Press { published: Arc::new(ArcSwap::from_pointee(first)), old: Mutex::default() }
    }

    pub fn published(&self) -> &Arc<Published> {
        &self.published
    }

    /// Publishes the world as the publisher has it. What is known of the outside stays.
    pub fn put_world(&self, mut world: Snapshot) {
        let mut old = self.lock();
        world.outside = self.published.load().outside.clone();
        self.replace(&mut old, world);
    }

    /// Publishes what is new from outside. The world stays.
    pub fn put_outside(&self, updates: Vec<Update>) {
        if updates.is_empty() {
            return;
        }
        let mut old = self.lock();
        let mut next = Snapshot::clone(&self.published.load());
        next.outside.update(updates, &next.key);
        self.replace(&mut old, next);
    }

    fn replace(&self, old: &mut Vec<Arc<Snapshot>>, mut next: Snapshot) {
        let Generation(last) = self.published.load().generation;
        next.generation = Generation(last + 1);
        next.catalog.set_mark(last + 1);
        old.push(self.published.swap(Arc::new(next)));
    }

    /// Frees snapshots that nobody reads. Returns whether some are still read.
    pub fn sweep(&self) -> bool {
        let mut old = self.lock();
        let all = std::mem::take(&mut *old);
        let (read, free): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|snapshot| Arc::strong_count(snapshot) > 1);
        let is_left = !read.is_empty();
        *old = read;
        // What is freed takes its time without the lock.
        drop(old);
        drop(free);
        is_left
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Snapshot>>> {
        self.old.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hash::HashKey;
    use crate::base::name::Name;
    use crate::base::rtype;
    use crate::base::time::UnixTime;
    use crate::model::flattened::{Addresses, Entry, Key, Outcome};
    use std::sync::atomic::AtomicBool;

    fn update() -> Update {
        let entry = Entry {
            hops: Box::default(),
            outcome: Outcome::NoData,
            addresses: Addresses::V4(Box::default()),
            dropped: 0,
            validated: None,
            ttl: 1,
            fetched: UnixTime(1),
            expires: UnixTime(2),
            stale_until: UnixTime(3),
            failure: None,
            upstream: None,
            took_ms: 0,
            used: AtomicBool::new(false),
        };
        let target = Name::from_text("t.test").unwrap();
        (Key { target, rtype: rtype::A }, Some(Arc::new(entry)))
    }

    #[test]
    fn each_brings_its_own_and_keeps_the_others() {
        let world = Snapshot::empty(HashKey::new([1; 16]));
        let press = Press::new(world.clone());
        press.put_outside(vec![update()]);
        press.put_outside(Vec::new());
        let mut changed = world;
        changed.rules.max_hops = 3;
        press.put_world(changed);
        let now = press.published().load_full();
        assert_eq!((now.outside.len(), now.rules.max_hops, now.generation.0), (1, 3, 3));
        // A reader holds the last one only: the two before it are free.
        assert!(!press.sweep());
        press.put_outside(vec![update()]);
        assert!(press.sweep(), "one is still read");
        drop(now);
        assert!(!press.sweep());
    }
}
