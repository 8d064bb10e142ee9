//! The last good text of every zone, includes and all (`zones.log`): what is served when its file turns bad, over
//! restarts too, and what an edit is compared with to see what it removes.
//!
//! Only the index is in memory: where the text of a zone lies, and the hash of its content, so that a start writes
//! nothing for zones that did not change. `index.rs` keeps a copy of it for the next start.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;

use super::format::{decode, encode};
use super::index::{self, Entry, Index};
use super::journal::{At, Frame, Journal};
use super::log::{cannot_write, report};
use crate::base::id::{AccountId, ZoneId};
use crate::base::name::Name;
use crate::zonefile::finding::Source;

/// Octets of history the log may hold beside what counts, before it is written anew.
const HISTORY_MAX: u64 = 16 << 20;

/// Keyed hash of all texts of a zone and their paths.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ContentHash([u64; 2]);

impl ContentHash {
    /// Hash of `sources` under the key of this data folder.
    pub fn of(sources: &[Source], key: &[u8; 16]) -> ContentHash {
        let mut hasher = SipHasher13::new_with_key(key);
        for source in sources {
            hasher.write_u64(source.path.len() as u64);
            hasher.write(source.path.as_bytes());
            hasher.write_u64(source.text.len() as u64);
            hasher.write(&source.text);
        }
        let hash = hasher.finish128();
        ContentHash([hash.h1, hash.h2])
    }
}

impl ContentHash {
    /// As two words, for files of ours.
    pub(super) fn words(self) -> [u64; 2] {
        self.0
    }

    pub(super) fn from_words(words: [u64; 2]) -> ContentHash {
        ContentHash(words)
    }

    fn parse(text: &str) -> Option<ContentHash> {
        let (high, low) = text.split_at_checked(16)?;
        let word = |text| u64::from_str_radix(text, 16).ok();
        Some(ContentHash([word(high)?, word(low)?]))
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.0[0], self.0[1])
    }
}

/// The last good version of one zone.
#[derive(Clone, Debug)]
pub struct Kept {
    pub zone: ZoneId,
    pub account: AccountId,
    pub apex: Name,
    pub hash: ContentHash,
    /// The zone's own text first, then what it includes.
    pub sources: Vec<Source>,
}

/// One change of the log.
#[derive(Debug)]
pub enum Change {
    Keep(Kept),
    Forget(ZoneId),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Record {
    /// The payload is the texts, one behind the other.
    Kept {
        zone: u32,
        account: u32,
        apex: String,
        hash: String,
        sources: Vec<(String, u64)>,
    },
    Forgotten {
        zone: u32,
    },
}

/// The log and its index.
#[derive(Debug)]
pub struct Zones {
    path: PathBuf,
    journal: Option<Journal>,
    /// Shared with readers.
    index: Arc<Index>,
    /// Octets of the frames that the index points to.
    live: u64,
    /// The copy of the index is as the index.
    is_copied: bool,
}

impl Zones {
    /// Opens `zones.log` at `path`.
    pub fn open(path: &Path) -> io::Result<Zones> {
        let (journal, index) = (None, Arc::default());
        let mut zones = Zones { path: path.to_owned(), journal, index, live: 0, is_copied: false };
        if zones.resume() {
            return Ok(zones);
        }
        match Journal::open(path, |at, header, payload| zones.replay(at, header, payload)) {
            Ok((journal, repairs)) => {
                report(path, &repairs);
                zones.journal = Some(journal);
            }
            Err(e) if cannot_write(&e) => {
                match Journal::replay(path, |at, h, p| zones.replay(at, h, p)) {
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                    other => other?,
                }
            }
            Err(e) => return Err(e),
        }
        Ok(zones)
    }

    /// Takes the index from its copy. Returns whether that is of this log.
    fn resume(&mut self) -> bool {
        let copy = self.copy_path();
        let mut index = None;
        let journal = Journal::resume(&self.path, |log| {
            index = index::read(&copy, &index::stamp(log));
            index.is_some()
        });
        let (Ok(Some(journal)), Some(index)) = (journal, index) else { return false };
        self.live = index.iter().map(|(_, entry)| u64::from(entry.octets)).sum();
        self.journal = Some(journal);
        self.index = Arc::new(index);
        self.is_copied = true;
        true
    }

    fn copy_path(&self) -> PathBuf {
        self.path.with_extension("index")
    }

    /// Writes a copy of the index for the next start, unless there is one, or the log is in doubt.
    pub fn copy_index(&mut self) -> io::Result<()> {
        let Some(journal) = self.journal.as_ref().filter(|j| !self.is_copied && !j.is_failed())
        else {
            return Ok(());
        };
        index::write(&self.copy_path(), &index::stamp(&journal.metadata()?), &self.index)?;
        self.is_copied = true;
        Ok(())
    }

    fn replay(&mut self, at: At, header: &[u8], payload: &[u8]) -> io::Result<()> {
        match decode(header)? {
            Record::Kept { zone, hash, .. } => {
                let hash = ContentHash::parse(&hash).ok_or_else(|| bad("a hash is no number"))?;
                let octets = octets(header.len() + payload.len());
                self.insert(ZoneId(zone), Entry { at, hash, octets });
            }
            Record::Forgotten { zone } => self.remove(ZoneId(zone)),
        }
        Ok(())
    }

    fn insert(&mut self, zone: ZoneId, entry: Entry) {
        self.is_copied = false;
        self.live += u64::from(entry.octets);
        if let Some(old) = Arc::make_mut(&mut self.index).insert(zone, entry) {
            self.live -= u64::from(old.octets);
        }
    }

    fn remove(&mut self, zone: ZoneId) {
        self.is_copied = false;
        if let Some(old) = Arc::make_mut(&mut self.index).remove(zone) {
            self.live -= u64::from(old.octets);
        }
    }

    /// Zones of which a text is kept.
    pub fn ids(&self) -> impl Iterator<Item = ZoneId> {
        self.index.iter().map(|(zone, _)| zone)
    }

    /// What other threads need to read what is kept now, while this one writes.
    pub fn reader(&self) -> io::Result<Reader> {
        // Without a file there is nothing in the index.
        let file = match File::open(&self.path) {
            Ok(file) => Some(file),
            Err(_) if self.index.is_empty() => None,
            Err(e) => return Err(e),
        };
        Ok(Reader { file, index: Arc::clone(&self.index) })
    }

    /// Puts `changes` on disk with one flush; after a crash a part of them may be there.
    pub fn save(&mut self, changes: &[Change]) -> io::Result<()> {
        if self.journal.as_ref().is_none_or(Journal::is_failed) {
            self.reopen()?;
        }
        let journal = self.journal.as_mut().expect("reopened above");
        let parts: Vec<(Vec<u8>, Vec<&[u8]>)> = changes.iter().map(parts).collect();
        let frames: Vec<Frame<'_>> =
            parts.iter().map(|(header, payload)| Frame { header, payload }).collect();
        let places = journal.commit_each(&frames)?;
        for ((change, at), (header, payload)) in changes.iter().zip(places).zip(&parts) {
            match change {
                Change::Keep(kept) => {
                    let payload: usize = payload.iter().map(|p| p.len()).sum();
                    let octets = octets(header.len() + payload);
                    self.insert(kept.zone, Entry { at, hash: kept.hash, octets });
                }
                Change::Forget(zone) => self.remove(*zone),
            }
        }
        Ok(())
    }

    /// A log whose last write failed is written anew from what can be read of it.
    fn reopen(&mut self) -> io::Result<()> {
        if self.journal.is_none() {
            self.journal = Some(Journal::open(&self.path, |_, _, _| Ok(()))?.0);
        }
        if self.journal.as_ref().is_some_and(Journal::is_failed) {
            self.rewrite()?;
        }
        Ok(())
    }

    /// Writes the log anew when most of it is history. Costs reading and writing what counts.
    pub fn compact(&mut self) -> io::Result<()> {
        let total = self.journal.as_ref().map_or(0, Journal::len);
        if total.saturating_sub(self.live) > self.live.max(HISTORY_MAX) {
            self.rewrite()?;
        }
        Ok(())
    }

    fn rewrite(&mut self) -> io::Result<()> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        let mut order: Vec<(ZoneId, At)> = self.index.iter().map(|(z, e)| (z, e.at)).collect();
        order.sort_by_key(|(_, at)| at.0);
        let mut moved = Vec::with_capacity(order.len());
        journal.rewrite(|new| {
            for (zone, at) in order {
                moved.push((zone, new.copy(at)?));
            }
            Ok(())
        })?;
        self.is_copied = false;
        let index = Arc::make_mut(&mut self.index);
        for (zone, at) in moved {
            let entry = index.get(zone).expect("only these were copied");
            index.insert(zone, Entry { at, ..entry });
        }
        Ok(())
    }
}

/// Of a frame: texts have less than 4 GiB. A million entries are in memory.
fn octets(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

fn parts(change: &Change) -> (Vec<u8>, Vec<&[u8]>) {
    match change {
        Change::Keep(kept) => {
            let record = Record::Kept {
                zone: kept.zone.0,
                account: kept.account.0,
                apex: kept.apex.to_string(),
                hash: kept.hash.to_string(),
                sources: kept
                    .sources
                    .iter()
                    .map(|s| (s.path.clone(), s.text.len() as u64))
                    .collect(),
            };
            (encode(&record), kept.sources.iter().map(|s| &*s.text).collect())
        }
        Change::Forget(zone) => (encode(&Record::Forgotten { zone: zone.0 }), Vec::new()),
    }
}

/// Reads what was kept when it was made.
#[derive(Debug)]
pub struct Reader {
    file: Option<File>,
    index: Arc<Index>,
}

impl Reader {
    /// Zones of which a text is kept.
    pub fn ids(&self) -> impl Iterator<Item = ZoneId> {
        self.index.iter().map(|(zone, _)| zone)
    }

    /// Hash of the kept content.
    pub fn hash(&self, zone: ZoneId) -> Option<ContentHash> {
        self.index.get(zone).map(|entry| entry.hash)
    }

    /// The kept version of `zone`, if it is that of `apex`; `None` if none is kept.
    pub fn read(&self, zone: ZoneId, apex: &Name) -> io::Result<Option<Kept>> {
        let (Some(entry), Some(file)) = (self.index.get(zone), &self.file) else {
            return Ok(None);
        };
        let (header, payload) = super::journal::read_frame(file, entry.at)?;
        let Record::Kept { account, apex: kept_apex, sources, .. } = decode(&header)? else {
            return Err(bad("the record is not a zone"));
        };
        // Ids are given out anew only if a log was lost; then the text is another zone's.
        if Name::from_text(&kept_apex).as_ref() != Ok(apex) {
            return Ok(None);
        }
        let mut rest = &payload[..];
        let mut texts = Vec::with_capacity(sources.len());
        for (path, len) in sources {
            let (text, behind) = usize::try_from(len)
                .ok()
                .and_then(|len| rest.split_at_checked(len))
                .ok_or_else(|| bad("the texts are shorter than said"))?;
            texts.push(Source { path, text: Arc::from(text) });
            rest = behind;
        }
        let account = AccountId(account);
        Ok(Some(Kept { zone, account, apex: apex.clone(), hash: entry.hash, sources: texts }))
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 16] = [7; 16];

    fn kept(zone: u32, apex: &str, texts: &[&str]) -> Kept {
        let sources: Vec<Source> = texts
            .iter()
            .enumerate()
            .map(|(i, t)| Source { path: format!("{apex}.{i}"), text: t.as_bytes().into() })
            .collect();
        Kept {
            zone: ZoneId(zone),
            account: AccountId(1),
            apex: Name::from_text(apex).unwrap(),
            hash: ContentHash::of(&sources, &KEY),
            sources,
        }
    }

    fn texts(reader: &Reader, zone: u32, apex: &str) -> Option<Vec<String>> {
        let kept = reader.read(ZoneId(zone), &Name::from_text(apex).unwrap()).unwrap()?;
        assert_eq!(kept.hash, ContentHash::of(&kept.sources, &KEY));
        Some(kept.sources.iter().map(|s| String::from_utf8_lossy(&s.text).into_owned()).collect())
    }

    #[test]
    fn the_last_version_survives() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zones.log");
        let mut zones = Zones::open(&path).unwrap();
        assert_eq!(zones.reader().unwrap().hash(ZoneId(1)), None);
        zones
            .save(&[
                Change::Keep(kept(1, "a.example", &["old"])),
                Change::Keep(kept(2, "b.example", &["main", "", "include"])),
                Change::Keep(kept(3, "c.example", &["gone"])),
            ])
            .unwrap();
        zones
            .save(&[Change::Keep(kept(1, "a.example", &["new"])), Change::Forget(ZoneId(3))])
            .unwrap();
        for _ in 0..2 {
            let reader = zones.reader().unwrap();
            assert_eq!(texts(&reader, 1, "a.example").unwrap(), ["new"]);
            assert_eq!(texts(&reader, 2, "b.example").unwrap(), ["main", "", "include"]);
            assert_eq!(texts(&reader, 3, "c.example"), None);
            assert_eq!(texts(&reader, 2, "other.example"), None);
            zones.rewrite().unwrap();
            zones = Zones::open(&path).unwrap();
        }
    }

    #[test]
    fn a_copy_of_the_index_is_used_until_the_log_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zones.log");
        let mut zones = Zones::open(&path).unwrap();
        let both = [kept(1, "a.example", &["one"]), kept(2, "b.example", &["two"])];
        zones.save(&both.map(Change::Keep)).unwrap();
        zones.copy_index().unwrap();
        let live = zones.live;
        zones = Zones::open(&path).unwrap();
        assert!(zones.is_copied && zones.live == live);
        let reader = zones.reader().unwrap();
        assert_eq!(texts(&reader, 2, "b.example").unwrap(), ["two"]);
        zones.save(&[Change::Keep(kept(1, "a.example", &["three"]))]).unwrap();
        drop(zones);
        // Killed before it wrote another copy: the log is read.
        zones = Zones::open(&path).unwrap();
        assert!(!zones.is_copied);
        assert_eq!(texts(&zones.reader().unwrap(), 1, "a.example").unwrap(), ["three"]);
        zones.copy_index().unwrap();
        zones = Zones::open(&path).unwrap();
        assert!(zones.is_copied);
        assert_eq!(texts(&zones.reader().unwrap(), 1, "a.example").unwrap(), ["three"]);
        zones.rewrite().unwrap();
        zones = Zones::open(&path).unwrap();
        assert!(!zones.is_copied);
        assert_eq!(texts(&zones.reader().unwrap(), 2, "b.example").unwrap(), ["two"]);
    }

    #[test]
    fn history_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zones.log");
        let mut zones = Zones::open(&path).unwrap();
        let big = "x".repeat(1 << 20);
        for _ in 0..20 {
            zones.save(&[Change::Keep(kept(1, "a.example", &[&big]))]).unwrap();
            zones.compact().unwrap();
        }
        assert!(std::fs::metadata(&path).unwrap().len() < 5 << 20);
        assert_eq!(texts(&zones.reader().unwrap(), 1, "a.example").unwrap(), [&*big]);
    }

    #[test]
    fn a_reader_reads_on_while_the_log_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zones.log");
        let mut zones = Zones::open(&path).unwrap();
        zones.save(&[Change::Keep(kept(1, "a.example", &["one"]))]).unwrap();
        let reader = zones.reader().unwrap();
        zones.save(&[Change::Keep(kept(1, "a.example", &["two"]))]).unwrap();
        zones.rewrite().unwrap();
        assert_eq!(texts(&reader, 1, "a.example").unwrap(), ["one"]);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none").join("zones.log");
        let mut zones = Zones::open(&path).unwrap();
        let change = [Change::Keep(kept(1, "a.example", &["one"]))];
        assert!(zones.save(&change).is_err());
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        zones.save(&change).unwrap();
        assert_eq!(zones.ids().collect::<Vec<_>>(), [ZoneId(1)]);
    }
}
