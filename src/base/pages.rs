//! A persistent hash table of pages: a copy costs nothing, a change copies one page and two small arrays.
//!
//! Readers hold a `Pages` and never wait; the one writer clones it, changes its clone and publishes that. Items are
//! found by a 64-bit keyed hash and told apart by the caller. Three dependent reads: top, middle, slot.

use std::sync::Arc;

use super::mem;

/// Pages per middle array, as a power of two.
const MIDDLE_BITS: u32 = 8;
/// Items a page holds on average before the number of pages doubles.
const PAGE_LOAD: usize = 24;

#[derive(Clone)]
struct Slot<T> {
    hash: u64,
    item: T,
}

type Page<T> = Arc<[Option<Slot<T>>]>;
type Middle<P> = Arc<[P]>;

/// Which page a hash belongs to: two arrays of pointers, shared by all copies.
#[derive(Clone)]
pub(super) struct Directory<P> {
    /// Pages there are, as a power of two; the top bits of a hash choose the page.
    pub bits: u32,
    top: Arc<[Middle<P>]>,
}

impl<P: Clone> Directory<P> {
    /// Of `1 << bits` pages, one after the other.
    pub fn build(bits: u32, mut pages: impl Iterator<Item = P>) -> Directory<P> {
        let mut middles: Vec<Middle<P>> = Vec::new();
        loop {
            let middle: Vec<P> = pages.by_ref().take(1 << MIDDLE_BITS).collect();
            if middle.is_empty() {
                return Directory { bits, top: middles.into() };
            }
            middles.push(middle.into());
        }
    }

    /// The page of `hash`.
    #[inline]
    pub fn page(&self, hash: u64) -> &P {
        let at = page_of(hash, self.bits);
        &self.top[at >> MIDDLE_BITS][at & ((1 << MIDDLE_BITS) - 1)]
    }

    /// Asks for the memory that tells where the page of `hash` is.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        let at = page_of(hash, self.bits);
        mem::prefetch(&self.top[at >> MIDDLE_BITS], at & ((1 << MIDDLE_BITS) - 1));
    }

    /// Puts another page in the place of that of `hash`.
    pub fn set(&mut self, hash: u64, page: P) {
        let at = page_of(hash, self.bits);
        let middle = Arc::make_mut(&mut Arc::make_mut(&mut self.top)[at >> MIDDLE_BITS]);
        middle[at & ((1 << MIDDLE_BITS) - 1)] = page;
    }

    pub fn iter(&self) -> impl Iterator<Item = &P> {
        self.top.iter().flat_map(|middle| middle.iter())
    }
}

/// See the file's head.
#[derive(Clone)]
pub struct Pages<T> {
    count: usize,
    pages: Directory<Page<T>>,
}

impl<T: Clone> Default for Pages<T> {
    fn default() -> Pages<T> {
        Pages::build(Vec::new())
    }
}

impl<T: Clone> Pages<T> {
    /// A table of all `items` (hash, item).
    pub fn build(items: Vec<(u64, T)>) -> Pages<T> {
        let count = items.len();
        let bits = page_bits(count);
        let mut counts = vec![0u32; 1 << bits];
        items.iter().for_each(|(hash, _)| counts[page_of(*hash, bits)] += 1);
        let mut by_page: Vec<Vec<Slot<T>>> =
            counts.into_iter().map(|count| Vec::with_capacity(count as usize)).collect();
        for (hash, item) in items {
            by_page[page_of(hash, bits)].push(Slot { hash, item });
        }
        let pages = Directory::build(bits, by_page.into_iter().map(page_from));
        Pages { count, pages }
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The item with this hash of which `is` is true.
    #[inline]
    pub fn find(&self, hash: u64, mut is: impl FnMut(&T) -> bool) -> Option<&T> {
        let page = self.pages.page(hash);
        let mask = page.len() - 1;
        let mut slot = hash as usize & mask;
        // A page is never full, so an empty slot ends the run.
        while let Some(s) = &page[slot] {
            if s.hash == hash && is(&s.item) {
                return Some(&s.item);
            }
            slot = (slot + 1) & mask;
        }
        None
    }

    /// Asks for the memory that tells where the page of `hash` is.
    #[inline]
    pub fn prefetch_page(&self, hash: u64) {
        self.pages.prefetch(hash);
    }

    /// Asks for the memory in which an item of `hash` would be.
    #[inline]
    pub fn prefetch_slot(&self, hash: u64) {
        let page = self.pages.page(hash);
        mem::prefetch(page, hash as usize & (page.len() - 1));
    }

    /// Puts `item` in the place of the one of which `is` is true, or beside the others. Returns whether it replaced.
    pub fn put(&mut self, hash: u64, item: T, is: impl Fn(&T) -> bool) -> bool {
        let mut slots = self.page_items(hash);
        let old = slots.iter_mut().find(|s| s.hash == hash && is(&s.item));
        let replaced = old.is_some();
        match old {
            Some(s) => s.item = item,
            None => slots.push(Slot { hash, item }),
        }
        self.pages.set(hash, page_from(slots));
        if !replaced {
            self.count += 1;
            if page_bits(self.count) > self.pages.bits {
                *self = Pages::build(self.slots().map(|s| (s.hash, s.item.clone())).collect());
            }
        }
        replaced
    }

    /// Takes out the item of which `is` is true. Returns whether there was one.
    pub fn take(&mut self, hash: u64, is: impl Fn(&T) -> bool) -> bool {
        let mut slots = self.page_items(hash);
        let before = slots.len();
        slots.retain(|s| !(s.hash == hash && is(&s.item)));
        if slots.len() == before {
            return false;
        }
        self.pages.set(hash, page_from(slots));
        self.count -= 1;
        true
    }

    /// All items, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots().map(|s| &s.item)
    }

    fn slots(&self) -> impl Iterator<Item = &Slot<T>> {
        self.pages.iter().flat_map(|p| p.iter()).flatten()
    }

    fn page_items(&self, hash: u64) -> Vec<Slot<T>> {
        let page = self.pages.page(hash);
        page.iter().flatten().cloned().collect()
    }
}

fn page_bits(count: usize) -> u32 {
    (count / PAGE_LOAD).next_power_of_two().trailing_zeros()
}

/// Number of the page of `hash` among `1 << bits`.
#[inline]
pub(super) fn page_of(hash: u64, bits: u32) -> usize {
    // `>> 64` is not defined, so one page takes the short way.
    if bits == 0 { 0 } else { (hash >> (64 - bits)) as usize }
}

/// Open addressing by the low bits of the hash, at most three quarters full.
fn page_from<T: Clone>(slots: Vec<Slot<T>>) -> Page<T> {
    let size = (slots.len() * 4 / 3 + 1).next_power_of_two();
    let mut page: Vec<Option<Slot<T>>> = (0..size).map(|_| None).collect();
    for s in slots {
        let mut at = s.hash as usize & (size - 1);
        while page[at].is_some() {
            at = (at + 1) & (size - 1);
        }
        page[at] = Some(s);
    }
    page.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn agrees_with_a_map_and_old_copies_stay() {
        let mut pages: Pages<(u64, u32)> = Pages::default();
        let mut map: HashMap<u64, u32> = HashMap::new();
        let mut old = Vec::new();
        let mut seed = 1u64;
        for step in 0..20_000u32 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let key = (seed >> 33) % 4_000;
            // Equal hashes on purpose for keys that differ by 2 000.
            let hash = (key % 2_000).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            if seed.is_multiple_of(3) {
                assert_eq!(pages.take(hash, |t| t.0 == key), map.remove(&key).is_some());
            } else {
                let replaced = pages.put(hash, (key, step), |t| t.0 == key);
                assert_eq!(replaced, map.insert(key, step).is_some());
            }
            if step % 5_000 == 0 {
                old.push((pages.clone(), map.clone()));
            }
        }
        old.push((pages, map));
        for (pages, map) in old {
            assert_eq!(pages.len(), map.len());
            assert_eq!(pages.iter().count(), map.len());
            for key in 0..4_000u64 {
                let hash = (key % 2_000).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                let found = pages.find(hash, |t| t.0 == key).map(|t| t.1);
                assert_eq!(found, map.get(&key).copied());
            }
        }
    }
}
