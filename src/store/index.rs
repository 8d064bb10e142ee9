//! Where the kept text of each zone lies in `zones.log`, and a copy of that on disk (`zones.index`), so that a start
//! need not read a log that is as the last stop left it.
//!
//! The copy is believed only if the log is the very file it was made of, with the size and times it had then: whoever
//! writes to the log changes these. Otherwise, and for a copy that is damaged, the log is read.
//!
//! ```text
//! file    "BWINDEX1", stamp of the log, entries, CRC-32 of all of that
//! entry   zone, octets of its frame, where the frame begins, hash of the content
//! ```

use std::collections::HashMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::journal::At;
use super::zones::ContentHash;
use crate::base::hash::Keyed;
use crate::base::id::ZoneId;

const MAGIC: &[u8; 8] = b"BWINDEX1";
/// Octets of a stamp.
pub(super) const STAMP: usize = 7 * 8;
const ENTRY: usize = 32;
const CRC: usize = 4;
/// Ids of a page, as a power of two.
const PAGE_BITS: u32 = 6;

/// One kept text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    pub at: At,
    pub hash: ContentHash,
    /// Of the frame.
    pub octets: u32,
}

/// Entries by zone. Ids are given out one after the other, so neighbours share a page: a million zones cost half of
/// what they would in one hash table.
#[derive(Clone, Default, Debug)]
pub(super) struct Index {
    /// Each in the order of its ids.
    pages: HashMap<u32, Vec<(ZoneId, Entry)>, Keyed>,
}

impl Index {
    pub fn get(&self, zone: ZoneId) -> Option<Entry> {
        let page = self.pages.get(&(zone.0 >> PAGE_BITS))?;
        let at = page.binary_search_by_key(&zone, |(zone, _)| *zone).ok()?;
        Some(page[at].1)
    }

    /// Returns the entry that was there.
    pub fn insert(&mut self, zone: ZoneId, entry: Entry) -> Option<Entry> {
        let page = self.pages.entry(zone.0 >> PAGE_BITS).or_default();
        match page.binary_search_by_key(&zone, |(zone, _)| *zone) {
            Ok(at) => Some(std::mem::replace(&mut page[at].1, entry)),
            Err(at) => {
                page.insert(at, (zone, entry));
                None
            }
        }
    }

    /// Returns the entry that was there.
    pub fn remove(&mut self, zone: ZoneId) -> Option<Entry> {
        let number = zone.0 >> PAGE_BITS;
        let page = self.pages.get_mut(&number)?;
        let at = page.binary_search_by_key(&zone, |(zone, _)| *zone).ok()?;
        let (_, entry) = page.remove(at);
        if page.is_empty() {
            self.pages.remove(&number);
        }
        Some(entry)
    }

    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// In no order.
    pub fn iter(&self) -> impl Iterator<Item = (ZoneId, Entry)> {
        self.pages.values().flatten().copied()
    }
}

/// What tells the log from any other, and from itself after a change.
pub(super) fn stamp(log: &Metadata) -> [u8; STAMP] {
    let words = [
        log.dev(),
        log.ino(),
        log.size(),
        log.mtime() as u64,
        log.mtime_nsec() as u64,
        log.ctime() as u64,
        log.ctime_nsec() as u64,
    ];
    let mut stamp = [0; STAMP];
    for (octets, word) in stamp.chunks_exact_mut(8).zip(words) {
        octets.copy_from_slice(&word.to_le_bytes());
    }
    stamp
}

/// Writes the copy of an index at `path`. Not flushed: a copy that a crash damages is none.
pub(super) fn write(path: &Path, stamp: &[u8; STAMP], index: &Index) -> io::Result<()> {
    let mut octets = [&MAGIC[..], stamp].concat();
    for (zone, Entry { at, hash, octets: len }) in index.iter() {
        octets.extend_from_slice(&zone.0.to_le_bytes());
        octets.extend_from_slice(&len.to_le_bytes());
        for word in [at.0, hash.words()[0], hash.words()[1]] {
            octets.extend_from_slice(&word.to_le_bytes());
        }
    }
    let crc = crc32fast::hash(&octets);
    octets.extend_from_slice(&crc.to_le_bytes());
    let new = path.with_extension("index.new");
    let _ = std::fs::remove_file(&new);
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&new)?;
    io::Write::write_all(&mut file, &octets)?;
    std::fs::rename(&new, path)
}

/// The index in the copy at `path`, if it is whole, and of the log with this stamp.
pub(super) fn read(path: &Path, stamp: &[u8; STAMP]) -> Option<Index> {
    let octets = std::fs::read(path).ok()?;
    let (whole, crc) = octets.split_last_chunk::<CRC>()?;
    let entries = whole.strip_prefix(MAGIC)?.strip_prefix(stamp)?;
    if crc32fast::hash(whole) != u32::from_le_bytes(*crc) || !entries.len().is_multiple_of(ENTRY) {
        return None;
    }
    let mut index = Index::default();
    for entry in entries.chunks_exact(ENTRY) {
        let word = |at: usize| u64::from_le_bytes(entry[at..at + 8].try_into().expect("eight"));
        let first = word(0);
        let hash = ContentHash::from_words([word(16), word(24)]);
        let (zone, octets) = (ZoneId(first as u32), (first >> 32) as u32);
        index.insert(zone, Entry { at: At(word(8)), hash, octets });
    }
    Some(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn entry(n: u64) -> Entry {
        let hash = ContentHash::from_words([n << 40, !n]);
        Entry { at: At(n * 1_000), hash, octets: n as u32 + 7 }
    }

    fn content(index: &Index) -> BTreeMap<ZoneId, (u64, u32, [u64; 2])> {
        index.iter().map(|(zone, e)| (zone, (e.at.0, e.octets, e.hash.words()))).collect()
    }

    #[test]
    fn finds_what_was_put() {
        let (mut index, mut map) = (Index::default(), BTreeMap::new());
        let mut seed = 7u64;
        for n in 0..4_000 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let zone = ZoneId((seed >> 33) as u32 % 900 * if seed & 64 == 0 { 1 } else { 1 << 20 });
            match seed.is_multiple_of(3) {
                true => assert_eq!(index.remove(zone), map.remove(&zone)),
                false => assert_eq!(index.insert(zone, entry(n)), map.insert(zone, entry(n))),
            }
            assert_eq!(index.get(zone), map.get(&zone).copied());
        }
        assert_eq!(index.iter().collect::<BTreeMap<_, _>>(), map);
        for zone in map.keys() {
            index.remove(*zone).unwrap();
        }
        assert!(index.is_empty());
    }

    #[test]
    fn a_copy_that_is_not_whole_or_of_another_log_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zones.index");
        let log = folder.path().join("log");
        std::fs::write(&log, "x").unwrap();
        let stamp = stamp(&std::fs::metadata(&log).unwrap());
        assert!(read(&path, &stamp).is_none());
        let mut index = Index::default();
        for n in 0..5 {
            index.insert(ZoneId(n as u32 * 40), entry(n));
        }
        write(&path, &stamp, &index).unwrap();
        assert_eq!(content(&read(&path, &stamp).unwrap()), content(&index));
        std::fs::write(&log, "xy").unwrap();
        let other = super::stamp(&std::fs::metadata(&log).unwrap());
        assert!(read(&path, &other).is_none());
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            for damaged in [&flipped[..], &whole[..at]] {
                std::fs::write(&path, damaged).unwrap();
                assert!(read(&path, &stamp).is_none(), "octet {at} of {}", whole.len());
            }
        }
    }
}
