//! Names of one zone by hash: open addressing over numbers, made once and never grown.

/// Finds the number of a name. Each slot holds the upper half of a hash and the number plus one; 0
/// is free.
pub(super) struct Index {
    slots: Vec<u64>,
    mask: usize,
}

impl Index {
    /// For at most `names` names.
    pub fn new(names: usize) -> Index {
        let slots = (names * 2).next_power_of_two().max(2);
        Index { slots: vec![0; slots], mask: slots - 1 }
    }

    /// Adds a name that is not there.
    pub fn put(&mut self, hash: u64, number: usize) {
        let mut at = hash as usize & self.mask;
        while self.slots[at] != 0 {
            at = (at + 1) & self.mask;
        }
        self.slots[at] = hash >> 32 << 32 | (number as u64 + 1);
    }

    /// The number of the name with this hash for which `is` holds.
    pub fn find(&self, hash: u64, is: impl Fn(usize) -> bool) -> Option<usize> {
        let mut at = hash as usize & self.mask;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return None;
            }
            if slot >> 32 == hash >> 32 {
                let number = (slot as u32 - 1) as usize;
                if is(number) {
                    return Some(number);
                }
            }
            at = (at + 1) & self.mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_one_hash_are_told_apart() {
        let mut index = Index::new(3);
        index.put(7 << 32 | 1, 0);
        index.put(7 << 32 | 1, 1);
        index.put(8 << 32 | 1, 2);
        assert_eq!(index.find(7 << 32 | 1, |n| n == 1), Some(1));
        assert_eq!(index.find(7 << 32 | 1, |n| n == 0), Some(0));
        assert_eq!(index.find(8 << 32 | 1, |_| true), Some(2));
        assert_eq!(index.find(9 << 32 | 1, |_| true), None);
        assert_eq!(index.find(7 << 32 | 1, |_| false), None);
    }
}
