//! A persistent hash table of short records of octets: as in `pages.rs`, but each page is one block, and all blocks of
//! a large table lie packed in huge pages. A look-up among ten million records then waits for two lines of memory
//! beside the record itself, and none of them behind a page table that no cache holds.
//!
//! ```text
//! page     count, octets of an offset, tags (one octet of each hash, filled up to eights), offsets, records
//! record   hash, octets
//! ```
//! All numbers are little-endian.

use super::mem::{self, Arena, Block};
use super::pages::{Directory, page_of};

/// Records a page holds on average before the number of pages doubles: tags and offsets then mostly lie in one line.
const PAGE_LOAD: usize = 16;
/// From here on a table is packed into areas; smaller ones would leave most of theirs empty.
const PACKED: usize = 20_000;
const HEAD: usize = 4;
/// Bit of the head: offsets have four octets, not two.
const WIDE: u32 = 1 << 31;
const HASH: usize = 8;

/// See the file's head. Cloning shares everything; a change copies a page.
#[derive(Clone)]
pub struct Records {
    count: usize,
    pages: Directory<Block>,
}

impl Default for Records {
    fn default() -> Records {
        Records::build(Vec::<(u64, ())>::new(), |(), _| {})
    }
}

impl Records {
    /// A table of all `items`, each by its hash; `write` appends the octets of one.
    pub fn build<T>(mut items: Vec<(u64, T)>, write: impl Fn(&T, &mut Vec<u8>)) -> Records {
        let count = items.len();
        let bits = page_bits(count);
        items.sort_unstable_by_key(|(hash, _)| *hash);
        let mut arena = if count < PACKED { Arena::apart() } else { Arena::default() };
        let mut rest = &items[..];
        let mut draft = Draft::default();
        let pages = (0..1usize << bits).map(|page| {
            let end = rest.iter().position(|(hash, _)| page_of(*hash, bits) != page);
            let (here, behind) = rest.split_at(end.unwrap_or(rest.len()));
            rest = behind;
            for (hash, item) in here {
                draft.push(*hash, |octets| write(item, octets));
            }
            draft.take(|page| arena.place_lined(page))
        });
        Records { count, pages: Directory::build(bits, pages) }
    }

    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The record with this hash of which `is` is true.
    #[inline]
    pub fn find(&self, hash: u64, mut is: impl FnMut(&[u8]) -> bool) -> Option<&[u8]> {
        let page = Page(self.pages.page(hash));
        page.tagged(hash).map(|i| page.record(i)).find(|r| r.0 == hash && is(r.1)).map(|r| r.1)
    }

    /// Asks for what [`Records::prefetch_tags`] reads.
    #[inline]
    pub fn prefetch_page(&self, hash: u64) {
        self.pages.prefetch(hash);
    }

    /// Asks for what [`Records::prefetch_record`] reads.
    #[inline]
    pub fn prefetch_tags(&self, hash: u64) {
        self.pages.page(hash).prefetch_line();
    }

    /// Asks for the record that [`Records::find`] compares first.
    #[inline]
    pub fn prefetch_record(&self, hash: u64) {
        let page = Page(self.pages.page(hash));
        if let Some(i) = page.tagged(hash).next() {
            let at = page.offset(i);
            mem::prefetch(page.0, at);
            mem::prefetch(page.0, at + HASH + 32);
        }
    }

    /// Puts a record in the place of the one of which `is` is true, or beside the others. Returns whether it replaced.
    pub fn put(&mut self, hash: u64, octets: &[u8], is: impl Fn(&[u8]) -> bool) -> bool {
        let replaced = self.without(hash, &is, Some(octets));
        if !replaced {
            self.count += 1;
            if page_bits(self.count) > self.pages.bits {
                *self = Records::build(self.iter().collect(), |r, to| to.extend_from_slice(r));
            }
        }
        replaced
    }

    /// Takes out the record of which `is` is true. Returns whether there was one.
    pub fn take(&mut self, hash: u64, is: impl Fn(&[u8]) -> bool) -> bool {
        let taken = self.find(hash, &is).is_some() && self.without(hash, &is, None);
        self.count -= usize::from(taken);
        taken
    }

    /// Writes a page anew without the record of which `is` is true, and with another. Returns whether there was one.
    fn without(&mut self, hash: u64, is: impl Fn(&[u8]) -> bool, with: Option<&[u8]>) -> bool {
        let page = Page(self.pages.page(hash));
        let mut draft = Draft::default();
        let mut found = false;
        for record in page.records() {
            if record.0 == hash && is(record.1) {
                found = true;
            } else {
                draft.push(record.0, |octets| octets.extend_from_slice(record.1));
            }
        }
        if let Some(new) = with {
            draft.push(hash, |octets| octets.extend_from_slice(new));
        }
        self.pages.set(hash, draft.take(Block::new));
        found
    }

    /// All records and their hashes, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.pages.iter().flat_map(|page| Page(page).records())
    }
}

fn page_bits(count: usize) -> u32 {
    (count / PAGE_LOAD).next_power_of_two().trailing_zeros()
}

/// What tells records of one page apart: bits of the hash that do not choose the page.
#[inline]
fn tag(hash: u64) -> u8 {
    hash as u8
}

/// A page to be read.
#[derive(Clone, Copy)]
struct Page<'p>(&'p Block);

impl<'p> Page<'p> {
    #[inline]
    fn head(self) -> u32 {
        u32::from_le_bytes(self.0[..HEAD].try_into().expect("four octets"))
    }

    #[inline]
    fn count(self) -> usize {
        (self.head() & !WIDE) as usize
    }

    /// Numbers of the records whose tag is that of `hash`, and now and then of others.
    #[inline]
    fn tagged(self, hash: u64) -> impl Iterator<Item = usize> + 'p {
        const ONES: u64 = 0x0101_0101_0101_0101;
        let count = self.count();
        let sought = u64::from(tag(hash)) * ONES;
        let mut at = 0;
        let mut hits = 0u64;
        std::iter::from_fn(move || {
            loop {
                if hits != 0 {
                    // The word was read, so `at` is behind it.
                    let i = at - 8 + hits.trailing_zeros() as usize / 8;
                    hits &= hits - 1;
                    if i >= count {
                        return None;
                    }
                    return Some(i);
                }
                if at >= count {
                    return None;
                }
                let word = &self.0[HEAD + at..HEAD + at + 8];
                let word = u64::from_le_bytes(word.try_into().expect("eight octets")) ^ sought;
                // The high bit of each octet that is zero, and perhaps of one above it.
                hits = word.wrapping_sub(ONES) & !word & (ONES << 7);
                at += 8;
            }
        })
    }

    /// Where record `i` begins; of the number of records: where the last one ends.
    #[inline]
    fn offset(self, i: usize) -> usize {
        let offsets = HEAD + self.count().next_multiple_of(8);
        if self.head() & WIDE == 0 {
            let at = offsets + 2 * i;
            usize::from(u16::from_le_bytes([self.0[at], self.0[at + 1]]))
        } else {
            let at = offsets + 4 * i;
            u32::from_le_bytes(self.0[at..at + 4].try_into().expect("four octets")) as usize
        }
    }

    /// Hash and octets of record `i`.
    #[inline]
    fn record(self, i: usize) -> (u64, &'p [u8]) {
        let record = &self.0[self.offset(i)..self.offset(i + 1)];
        let (hash, octets) = record.split_at(HASH);
        (u64::from_le_bytes(hash.try_into().expect("eight octets")), octets)
    }

    fn records(self) -> impl Iterator<Item = (u64, &'p [u8])> {
        (0..self.count()).map(move |i| self.record(i))
    }
}

/// A page to be written.
#[derive(Default)]
struct Draft {
    tags: Vec<u8>,
    /// Where each record ends.
    ends: Vec<usize>,
    records: Vec<u8>,
    page: Vec<u8>,
}

impl Draft {
    fn push(&mut self, hash: u64, write: impl FnOnce(&mut Vec<u8>)) {
        self.tags.push(tag(hash));
        self.records.extend_from_slice(&hash.to_le_bytes());
        write(&mut self.records);
        self.ends.push(self.records.len());
    }

    /// The page, made by `place`. What was pushed is gone then.
    fn take(&mut self, place: impl FnOnce(&[u8]) -> Block) -> Block {
        let Draft { tags, ends, records, page } = self;
        let count = tags.len() as u32;
        tags.resize(tags.len().next_multiple_of(8), 0);
        let head = |width: usize| HEAD + tags.len() + width * (ends.len() + 1);
        let is_wide = head(2) + records.len() > usize::from(u16::MAX);
        let width = if is_wide { 4 } else { 2 };
        page.clear();
        page.extend_from_slice(&(count | if is_wide { WIDE } else { 0 }).to_le_bytes());
        page.extend_from_slice(tags);
        for end in std::iter::once(&0).chain(&*ends) {
            page.extend_from_slice(&((head(width) + end) as u32).to_le_bytes()[..width]);
        }
        page.extend_from_slice(records);
        let block = place(page);
        tags.clear();
        ends.clear();
        records.clear();
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    type Map = HashMap<(u64, u32), Vec<u8>>;

    fn octets(key: u32, seed: u64) -> Vec<u8> {
        let mut octets = key.to_le_bytes().to_vec();
        octets.resize(4 + (seed >> 40) as usize % 60, seed as u8);
        octets
    }

    fn compare(records: &Records, map: &Map) {
        assert_eq!((records.len(), records.is_empty()), (map.len(), map.is_empty()));
        let all: Map = records
            .iter()
            .map(|(hash, r)| ((hash, u32::from_le_bytes(r[..4].try_into().unwrap())), r.to_vec()))
            .collect();
        assert!(all == *map && records.iter().count() == map.len());
        for ((hash, key), octets) in map {
            records.prefetch_page(*hash);
            records.prefetch_tags(*hash);
            records.prefetch_record(*hash);
            let found = records.find(*hash, |r| r[..4] == key.to_le_bytes());
            assert_eq!(found, Some(&octets[..]));
            assert_eq!(records.find(*hash, |_| false), None);
            assert_eq!(records.find(hash ^ 1 << 20, |r| r[..4] == key.to_le_bytes()), None);
        }
    }

    #[test]
    fn agrees_with_a_map_and_old_copies_stay() {
        let (mut records, mut map, mut old) = (Records::default(), Map::new(), Vec::new());
        let mut seed = 1u64;
        for step in 0..6_000 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let key = (seed >> 33) as u32 % 1_500;
            // Equal hashes on purpose, and equal tags of others.
            let hash = u64::from(key % 700).wrapping_mul(0x9E37_79B9_7F4A_7C15) & !0xFC;
            let is = |r: &[u8]| r[..4] == key.to_le_bytes();
            if seed.is_multiple_of(3) {
                assert_eq!(records.take(hash, is), map.remove(&(hash, key)).is_some());
            } else {
                let new = octets(key, seed);
                let replaced = records.put(hash, &new, is);
                assert_eq!(replaced, map.insert((hash, key), new).is_some());
            }
            if step % 1_500 == 0 {
                old.push((records.clone(), map.clone()));
            }
        }
        old.push((records, map));
        old.iter().for_each(|(records, map)| compare(records, map));
    }

    #[test]
    fn large_tables_and_large_pages_are_built() {
        for (count, same) in [(0, 1), (1, 1), (PACKED + 1, 1), (3 * PACKED, 3), (5_000, 5_000)] {
            let mut map = Map::new();
            for key in 0..count as u32 {
                let hash = u64::from(key / same).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                map.insert((hash, key), octets(key, hash));
            }
            let items = map.iter().map(|((hash, _), octets)| (*hash, octets)).collect();
            compare(&Records::build(items, |octets, to| to.extend_from_slice(octets)), &map);
        }
    }
}
