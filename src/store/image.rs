//! The zones as they were made from their files (`zones.image`), so that a start need not parse what did not change.
//!
//! Nothing in it is believed by itself: a zone counts only if its file still has the stamp it was read with, which had
//! been its own for long enough to be told from a later one, and if its content is the one that `zones.log` keeps. The
//! image is written beside the old one and renamed over it; it has checksums throughout, and it is of use only to the
//! very program that wrote it, since blocks are a layout in memory. Without an image the files are read.
//!
//! ```text
//! file    "BWIMAGE1", length and CRC-32 of the head, head (JSON), chunks, end
//! chunk   zones, octets of data, CRC-32 of all of that and what follows, 0; entries; data: an area as in memory
//! end     0, chunks, CRC-32 of both, 0
//! ```

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;
use std::hash::Hasher;
use tracing::{info, warn};

use super::journal::sync_folder;
use super::zones::ContentHash;
use crate::base::id::ZoneId;
use crate::base::mem::{AREA, Filled, Place};
use crate::model::zone::ZoneData;

/// The file in the data folder.
pub const IMAGE: &str = "zones.image";
const MAGIC: &[u8; 8] = b"BWIMAGE1";
const HEAD_MAX: u32 = 1 << 16;
const CHUNK_HEAD: usize = 16;
const ENTRY: usize = 48;

/// Who wrote an image, and for whom.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    /// Version, and which file it is: another build may lay out zones differently.
    program: String,
    /// Hash of nothing under the key of the data folder, by which the names of the blocks are hashed.
    key: u64,
    /// `zones/` as the config says: part of what is hashed of every zone.
    zones: PathBuf,
}

impl Head {
    fn new(key: &[u8; 16], zones: &Path) -> io::Result<Head> {
        let meta = std::fs::metadata("/proc/self/exe")?;
        let file =
            [meta.dev(), meta.ino(), meta.size(), meta.mtime() as u64, meta.mtime_nsec() as u64];
        let program = format!("{} {file:x?}", env!("CARGO_PKG_VERSION"));
        let key = SipHasher13::new_with_key(key).finish();
        Ok(Head { program, key, zones: zones.to_owned() })
    }
}

/// What is known of a zone beside its data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    pub zone: ZoneId,
    /// Hash of the place of its file.
    pub path: u64,
    /// Of the file when it was read.
    pub stamp: u64,
    pub hash: ContentHash,
    pub warnings: usize,
}

impl Entry {
    fn encode(&self, place: Place) -> [u8; ENTRY] {
        let warnings = u32::try_from(self.warnings).unwrap_or(u32::MAX);
        let [h1, h2] = self.hash.words();
        let mut octets = [0; ENTRY];
        for (n, word) in [self.zone.0, place.at, place.len, warnings].into_iter().enumerate() {
            octets[4 * n..][..4].copy_from_slice(&word.to_le_bytes());
        }
        for (n, word) in [self.path, self.stamp, h1, h2].into_iter().enumerate() {
            octets[16 + 8 * n..][..8].copy_from_slice(&word.to_le_bytes());
        }
        octets
    }

    fn decode(octets: &[u8]) -> (Entry, Place) {
        let long = |n: usize| {
            let octets = octets[16 + 8 * n..][..8].try_into().expect("eight octets");
            u64::from_le_bytes(octets)
        };
        let entry = Entry {
            zone: ZoneId(word(octets, 0)),
            path: long(0),
            stamp: long(1),
            hash: ContentHash::from_words([long(2), long(3)]),
            warnings: word(octets, 3) as usize,
        };
        (entry, Place { at: word(octets, 1), len: word(octets, 2) })
    }
}

fn word(octets: &[u8], n: usize) -> u32 {
    u32::from_le_bytes(octets[4 * n..][..4].try_into().expect("four octets"))
}

/// An image that was read, with the data of its zones in memory.
#[derive(Debug)]
pub struct Image {
    head: Head,
    chunks: Vec<Chunk>,
    /// Each with its chunk and number in that, in the order of ids.
    by_zone: Vec<(ZoneId, u32, u32)>,
}

#[derive(Debug)]
struct Chunk {
    entries: Vec<u8>,
    data: Filled,
}

/// A zone of an image.
#[derive(Clone, Copy, Debug)]
pub struct Found<'i> {
    pub entry: Entry,
    data: &'i Filled,
    number: usize,
}

/// Finds one zone after the other: that of the next id lies where the last one was found.
#[derive(Debug)]
pub struct Finder<'i> {
    image: &'i Image,
    next: usize,
}

impl<'i> Finder<'i> {
    pub fn find(&mut self, zone: ZoneId) -> Option<Found<'i>> {
        let zones = &self.image.by_zone;
        if zones.get(self.next).is_none_or(|(next, ..)| *next != zone) {
            self.next = zones.binary_search_by_key(&zone, |(zone, ..)| *zone).ok()?;
        }
        self.next += 1;
        Some(self.image.found(self.next - 1))
    }
}

impl Found<'_> {
    /// The data, once.
    pub fn take(&self) -> Option<ZoneData> {
        self.data.take(self.number).map(ZoneData::from_block)
    }
}

impl Image {
    /// Reads the image of a data folder. One that is damaged is none.
    pub fn read(folder: &Path) -> Option<Image> {
        let path = folder.join(IMAGE);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                warn!(event = "image-unreadable", path = %path.display(), %error,
                    "the image of the zones cannot be read: all zone files are read");
                return None;
            }
        };
        match read(&file) {
            Ok(image) => Some(image),
            Err(error) => {
                warn!(event = "image-damaged", path = %path.display(), %error,
                    "the image of the zones is damaged: all zone files are read");
                None
            }
        }
    }

    /// The image, if this program wrote it under this key for these files.
    pub fn of(self, key: &[u8; 16], zones: &Path) -> Option<Image> {
        let is_ours = Head::new(key, zones).is_ok_and(|head| head == self.head);
        if !is_ours {
            info!(
                event = "image-of-another",
                "the image of the zones is of another version or another config: all zone files are read"
            );
        }
        is_ours.then_some(self)
    }

    /// For who looks for many zones.
    pub fn finder(&self) -> Finder<'_> {
        Finder { image: self, next: 0 }
    }

    fn found(&self, at: usize) -> Found<'_> {
        let (_, chunk, number) = self.by_zone[at];
        let (chunk, number) = (&self.chunks[chunk as usize], number as usize);
        let (entry, _) = Entry::decode(&chunk.entries[number * ENTRY..][..ENTRY]);
        Found { entry, data: &chunk.data, number }
    }

    /// Zones there are.
    pub fn len(&self) -> usize {
        self.by_zone.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_zone.is_empty()
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// Where a chunk lies.
struct Span {
    /// Behind its head.
    at: u64,
    entries: usize,
    data: usize,
    crc: u32,
}

fn read(file: &File) -> io::Result<Image> {
    let len = file.metadata()?.len();
    let mut start = [0; 16];
    file.read_exact_at(&mut start, 0)?;
    let head_len = word(&start, 2);
    if start[..8] != *MAGIC || head_len > HEAD_MAX {
        return Err(bad("it does not begin like one"));
    }
    let mut head = vec![0; head_len as usize];
    file.read_exact_at(&mut head, 16)?;
    if crc32fast::hash(&head) != word(&start, 3) {
        return Err(bad("the checksum of its head is wrong"));
    }
    let head: Head = serde_json::from_slice(&head)?;
    let spans = spans(file, 16 + u64::from(head_len), len)?;
    let chunks = read_chunks(file, &spans)?;
    let count = spans.iter().map(|span| span.entries / ENTRY).sum();
    let mut by_zone = Vec::with_capacity(count);
    for (c, chunk) in chunks.iter().enumerate() {
        for (n, octets) in chunk.entries.chunks_exact(ENTRY).enumerate() {
            by_zone.push((ZoneId(word(octets, 0)), c as u32, n as u32));
        }
    }
    by_zone.sort_unstable();
    Ok(Image { head, chunks, by_zone })
}

fn spans(file: &File, mut at: u64, len: u64) -> io::Result<Vec<Span>> {
    let mut spans = Vec::new();
    loop {
        let mut head = [0; CHUNK_HEAD];
        file.read_exact_at(&mut head, at)?;
        at += CHUNK_HEAD as u64;
        if word(&head, 3) != 0 {
            return Err(bad("a chunk does not begin like one"));
        }
        let (zones, data, crc) = (word(&head, 0), word(&head, 1), word(&head, 2));
        if zones == 0 {
            let is_end = data as usize == spans.len() && crc == crc32fast::hash(&head[..8]);
            return if is_end && at == len { Ok(spans) } else { Err(bad("it does not end well")) };
        }
        let entries = zones as usize * ENTRY;
        spans.push(Span { at, entries, data: data as usize, crc });
        at += entries as u64 + u64::from(data);
        if at > len {
            return Err(bad("it ends in the middle"));
        }
    }
}

/// Reads all chunks, on all cores.
fn read_chunks(file: &File, spans: &[Span]) -> io::Result<Vec<Chunk>> {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(spans.len());
    let next = AtomicUsize::new(0);
    let some = || {
        let mut chunks = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(span) = spans.get(number) else { return Ok(chunks) };
            chunks.push((number, read_chunk(file, span)?));
        }
    };
    let mut chunks = Vec::with_capacity(spans.len());
    std::thread::scope(|scope| {
        let reading: Vec<_> = (0..threads).map(|_| scope.spawn(some)).collect();
        for thread in reading {
            let read: io::Result<Vec<_>> = thread.join().expect("reading a chunk does not panic");
            chunks.extend(read?);
        }
        Ok::<(), io::Error>(())
    })?;
    chunks.sort_unstable_by_key(|(number, _)| *number);
    Ok(chunks.into_iter().map(|(_, chunk)| chunk).collect())
}

fn read_chunk(file: &File, span: &Span) -> io::Result<Chunk> {
    let mut entries = vec![0; span.entries];
    file.read_exact_at(&mut entries, span.at)?;
    let places = entries.chunks_exact(ENTRY).map(|octets| Entry::decode(octets).1).collect();
    let data = Filled::new(span.data, places, |to| {
        file.read_exact_at(to, span.at + span.entries as u64)?;
        match crc(&entries, to) == span.crc {
            true => Ok(()),
            false => Err(bad("the checksum of a chunk is wrong")),
        }
    })?;
    let data = data.ok_or_else(|| bad("zones lie where none can be, or there is no memory"))?;
    Ok(Chunk { entries, data })
}

fn crc(entries: &[u8], data: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&((entries.len() / ENTRY) as u32).to_le_bytes());
    crc.update(&(data.len() as u32).to_le_bytes());
    crc.update(entries);
    crc.update(data);
    crc.finalize()
}

/// Writes an image, zone by zone.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    new: PathBuf,
    file: BufWriter<File>,
    entries: Vec<u8>,
    data: Vec<u8>,
    chunks: u32,
}

/// What adding a zone did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Added {
    /// It waits in memory.
    Kept,
    /// A chunk was written: a moment to let others use the disk.
    Wrote,
}

impl Writer {
    /// Begins an image in a data folder, beside the one that is there.
    pub fn begin(folder: &Path, key: &[u8; 16], zones: &Path) -> io::Result<Writer> {
        let path = folder.join(IMAGE);
        let new = folder.join(format!("{IMAGE}.new"));
        let _ = std::fs::remove_file(&new);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        let head = serde_json::to_vec(&Head::new(key, zones)?)?;
        let mut file = BufWriter::new(file);
        file.write_all(MAGIC)?;
        file.write_all(&(head.len() as u32).to_le_bytes())?;
        file.write_all(&crc32fast::hash(&head).to_le_bytes())?;
        file.write_all(&head)?;
        Ok(Writer { path, new, file, entries: Vec::new(), data: Vec::new(), chunks: 0 })
    }

    /// Adds a zone, unless it is too large for any image.
    pub fn add(&mut self, entry: &Entry, data: &ZoneData) -> io::Result<Added> {
        let block: &[u8] = data.block();
        let mut added = Added::Kept;
        let mut place = Place::next(self.data.len(), block.len());
        if place.is_none_or(Place::is_beyond) && !self.entries.is_empty() {
            self.write_chunk()?;
            added = Added::Wrote;
            place = Place::next(0, block.len());
        }
        let Some(place) = place.filter(|place| u32::try_from(place.end()).is_ok()) else {
            return Ok(added);
        };
        self.entries.extend_from_slice(&entry.encode(place));
        self.data.resize(place.start(), 0);
        self.data.extend_from_slice(block);
        Ok(added)
    }

    fn write_chunk(&mut self) -> io::Result<()> {
        if self.entries.is_empty() {
            return Ok(());
        }
        let zones = (self.entries.len() / ENTRY) as u32;
        for word in [zones, self.data.len() as u32, crc(&self.entries, &self.data), 0] {
            self.file.write_all(&word.to_le_bytes())?;
        }
        self.file.write_all(&self.entries)?;
        self.file.write_all(&self.data)?;
        self.entries.clear();
        self.data.clear();
        // A large zone's room is not kept for small ones.
        self.data.shrink_to(AREA);
        self.chunks += 1;
        Ok(())
    }

    /// Puts the image in the place of the old one. Returns its octets.
    pub fn finish(mut self) -> io::Result<u64> {
        self.write_chunk()?;
        let end = [[0; 4], self.chunks.to_le_bytes()].concat();
        self.file.write_all(&end)?;
        self.file.write_all(&crc32fast::hash(&end).to_le_bytes())?;
        self.file.write_all(&[0; 4])?;
        self.file.flush()?;
        let file = self.file.get_ref();
        file.sync_all()?;
        let len = file.metadata()?.len();
        std::fs::rename(&self.new, &self.path)?;
        sync_folder(&self.path)?;
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::name::Name;

    const KEY: [u8; 16] = [5; 16];

    fn entry(zone: u32) -> Entry {
        let (path, stamp) = (u64::from(zone) << 40, u64::MAX - u64::from(zone));
        let hash = ContentHash::from_words([path, stamp]);
        Entry { zone: ZoneId(zone), path, stamp, hash, warnings: zone as usize % 3 }
    }

    fn zone(number: u32) -> ZoneData {
        ZoneData::unready(&Name::from_text(&format!("zone{number}.example")).unwrap())
    }

    fn write(folder: &Path, zones: u32) -> PathBuf {
        let mut writer = Writer::begin(folder, &KEY, Path::new("zones")).unwrap();
        for number in 0..zones {
            writer.add(&entry(number), &zone(number)).unwrap();
        }
        let path = folder.join(IMAGE);
        assert_eq!(writer.finish().unwrap(), std::fs::metadata(&path).unwrap().len());
        path
    }

    #[test]
    fn zones_come_back_once() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Image::read(folder.path()).is_none());
        // More than one chunk.
        let zones = 40_000;
        write(folder.path(), zones);
        let image = Image::read(folder.path()).unwrap().of(&KEY, Path::new("zones")).unwrap();
        assert!(image.chunks.len() > 1 && image.len() == zones as usize && !image.is_empty());
        let mut finder = image.finder();
        for number in (0..zones / 2).rev().chain(zones / 2..zones) {
            let found = finder.find(ZoneId(number)).unwrap();
            assert_eq!(found.entry, entry(number));
            assert_eq!(found.take().unwrap().block()[..], zone(number).block()[..]);
            assert!(found.take().is_none());
        }
        assert!(finder.find(ZoneId(zones)).is_none());
        assert_eq!(finder.find(ZoneId(5)).unwrap().entry, entry(5));
    }

    #[test]
    fn what_is_not_ours_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 3);
        let read = || Image::read(folder.path()).unwrap();
        assert!(read().of(&[6; 16], Path::new("zones")).is_none());
        assert!(read().of(&KEY, Path::new("other")).is_none());
        let mut other = read();
        other.head.program.push('x');
        assert!(other.of(&KEY, Path::new("zones")).is_none());
    }

    #[test]
    fn damage_anywhere_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), 5);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            for damaged in [&flipped[..], &whole[..at]] {
                std::fs::write(&path, damaged).unwrap();
                assert!(Image::read(folder.path()).is_none(), "octet {at} of {}", whole.len());
            }
        }
        std::fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
        assert!(Image::read(folder.path()).is_none());
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(Image::read(folder.path()).unwrap().len(), 5);
    }

    #[test]
    fn an_unfinished_image_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 3);
        let mut writer = Writer::begin(folder.path(), &KEY, Path::new("zones")).unwrap();
        writer.add(&entry(9), &zone(9)).unwrap();
        drop(writer);
        let image = Image::read(folder.path()).unwrap();
        assert!(image.len() == 3 && image.finder().find(ZoneId(9)).is_none());
    }
}
