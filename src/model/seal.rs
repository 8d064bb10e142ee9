//! Seals: that a grant for exactly its owner opened an edge is remembered beside the edge's record, until any grant
//! near it changes. The look-up among ten million grants then is one word that lies where the record is.
//!
//! A table of grants has a number for each part of all hashes, and draws a new one for a part whenever a grant in it
//! comes, goes or changes; no two tables with different grants in a part have the same number for it. A seal holds the
//! number and the zone that the edge was let into. So it says what looking into the table says, or nothing: a grant
//! that is withdrawn takes its seal along with the snapshot that takes the grant.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::base::id::ZoneId;

/// Parts of all hashes: few enough to stay in a cache, many enough for most seals to outlive a change.
const PARTS: usize = 1024;
/// No part ever had this number.
const NONE: u32 = 0;

/// The next number. It never begins anew: when all are drawn, nothing is sealed any more.
static NEXT: AtomicU32 = AtomicU32::new(NONE + 1);

fn draw(next: &AtomicU32) -> u32 {
    let drawn = next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_add(1));
    drawn.unwrap_or(NONE)
}

/// A word beside the record that an edge comes from.
#[derive(Clone, Copy, Debug)]
pub struct Seal<'z>(&'z AtomicU64);

impl<'z> Seal<'z> {
    /// `word` belongs to one record of one zone, and to nothing else; 0 at first.
    pub(super) fn new(word: &'z AtomicU64) -> Seal<'z> {
        Seal(word)
    }
}

/// The numbers of a table of grants. Cloning shares them.
#[derive(Clone, Debug)]
pub(super) struct Epochs(Arc<[u32; PARTS]>);

impl Default for Epochs {
    fn default() -> Epochs {
        Epochs(Arc::new([draw(&NEXT); PARTS]))
    }
}

impl Epochs {
    /// Grants whose hostname has this hash are not what they were.
    pub fn change(&mut self, hash: u64) {
        Arc::make_mut(&mut self.0)[part(hash)] = draw(&NEXT);
    }

    /// Whether `seal` says that a grant for exactly the name with this hash, which is that of its record, leads into
    /// `zone`.
    #[inline]
    pub fn is_sealed(&self, seal: Seal<'_>, hash: u64, zone: ZoneId) -> bool {
        let sealed = seal.0.load(Ordering::Relaxed);
        self.seal_of(hash, zone).is_some_and(|word| word == sealed)
    }

    /// Whether `seal` most likely says so for the zone that its record leads to.
    #[inline]
    pub fn is_recent(&self, seal: Seal<'_>, hash: u64) -> bool {
        (seal.0.load(Ordering::Relaxed) >> 32) as u32 == self.0[part(hash)]
    }

    /// Notes that a grant for exactly that name leads into `zone`.
    #[inline]
    pub fn seal(&self, seal: Seal<'_>, hash: u64, zone: ZoneId) {
        if let Some(word) = self.seal_of(hash, zone) {
            seal.0.store(word, Ordering::Relaxed);
        }
    }

    #[inline]
    fn seal_of(&self, hash: u64, zone: ZoneId) -> Option<u64> {
        let epoch = self.0[part(hash)];
        (epoch != NONE).then_some(u64::from(epoch) << 32 | u64::from(zone.0))
    }
}

#[inline]
fn part(hash: u64) -> usize {
    (hash >> 24) as usize % PARTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_holds_for_one_zone_until_its_part_changes() {
        let (word, hash, other) = (AtomicU64::new(0), 7 << 24, 8 << 24);
        let (seal, zone) = (Seal::new(&word), ZoneId(5));
        let old = Epochs::default();
        assert!(!old.is_sealed(seal, hash, zone) && !old.is_recent(seal, hash));
        old.seal(seal, hash, zone);
        assert!(old.is_sealed(seal, hash, zone) && old.is_recent(seal, hash));
        assert!(!old.is_sealed(seal, hash, ZoneId(6)));
        let mut new = old.clone();
        new.change(other);
        assert!(new.is_sealed(seal, hash, zone), "another part");
        new.change(hash);
        assert!(!new.is_sealed(seal, hash, zone) && old.is_sealed(seal, hash, zone));
        // Whoever still reads the old table says nothing for the new one.
        old.seal(seal, hash, zone);
        assert!(!new.is_sealed(seal, hash, zone));
        // Two that come from one do not agree on what both changed.
        let mut twin = old.clone();
        twin.change(hash);
        twin.seal(seal, hash, zone);
        assert!(twin.is_sealed(seal, hash, zone) && !new.is_sealed(seal, hash, zone));
        assert!(!Epochs::default().is_sealed(seal, hash, zone));
    }

    #[test]
    fn when_all_numbers_are_drawn_nothing_is_sealed() {
        let next = AtomicU32::new(u32::MAX - 1);
        assert_eq!([(); 3].map(|()| draw(&next)), [u32::MAX - 1, NONE, NONE]);
        let (word, epochs) = (AtomicU64::new(0), Epochs(Arc::new([NONE; PARTS])));
        epochs.seal(Seal::new(&word), 1, ZoneId(0));
        assert!(!epochs.is_sealed(Seal::new(&word), 1, ZoneId(0)));
    }
}
