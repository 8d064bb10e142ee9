//! Append-only log of checksummed frames: what was committed is on disk, and a torn tail is cut off when it is opened.
//!
//! A file is a run of frames (`frame.rs`). A commit is one or more frames, the last one marked; after
//! `kill -9` the log holds the whole commit or nothing of it, because frames behind the last mark are cut off.
//! Frames that are broken with whole commits behind them are not a torn tail but damage (a bad disk, an edit by hand):
//! they are skipped, the file is kept aside, and the caller is told, so that it can be said loudly.
//!
//! Compaction writes a new file, flushes it, renames it over the old one and flushes the folder.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

mod frame;

pub use self::frame::{At, Frame, read_frame};
use self::frame::{scan, write_frame};

/// What a commit is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    /// All frames or none.
    Together,
    /// Every frame by itself.
    Each,
}

/// What was wrong with the file when it was opened.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Repairs {
    /// Octets behind the last whole commit, cut off: the server was killed while it wrote.
    pub torn: u64,
    /// Octets inside the log that could not be read and were skipped.
    pub damaged: u64,
    /// Where the file was kept as it was found, if it was damaged.
    pub kept_as: Option<PathBuf>,
}

/// An open log, positioned behind its last commit.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    len: u64,
    /// A write failed: what is behind `len` is unknown until the log is written anew.
    failed: bool,
}

impl Journal {
    /// Opens or makes the log at `path` and hands every committed frame to `each` (where it begins, header, payload),
    /// in order. An error of `each` ends the opening and leaves the file as it is.
    pub fn open(
        path: &Path,
        mut each: impl FnMut(At, &[u8], &[u8]) -> io::Result<()>,
    ) -> io::Result<(Journal, Repairs)> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        let total = file.metadata()?.len();
        let mut repairs = Repairs::default();
        let scan = scan(&file, total, &mut each)?;
        repairs.damaged = scan.damaged;
        repairs.torn = total - scan.end;
        if repairs.damaged > 0 {
            let aside = aside(path);
            std::fs::copy(path, &aside)?;
            repairs.kept_as = Some(aside);
        }
        if repairs.torn > 0 {
            file.set_len(scan.end)?;
            file.sync_all()?;
        }
        if total == 0 {
            sync_folder(path)?;
        }
        Ok((Journal { path: path.to_owned(), file, len: scan.end, failed: false }, repairs))
    }

    /// Opens the log at `path` without reading it, if `is_known` by what the file system says of it.
    pub fn resume(
        path: &Path,
        is_known: impl FnOnce(&Metadata) -> bool,
    ) -> io::Result<Option<Journal>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let meta = file.metadata()?;
        let journal = Journal { path: path.to_owned(), file, len: meta.len(), failed: false };
        Ok(is_known(&meta).then_some(journal))
    }

    /// What the file system says of the log.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// Reads the log at `path` without changing it: for a log that another process writes, or that is read-only.
    pub fn replay(
        path: &Path,
        mut each: impl FnMut(At, &[u8], &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let file = File::open(path)?;
        let total = file.metadata()?.len();
        scan(&file, total, &mut each).map(drop)
    }

    /// Octets of the log.
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether a write failed since the log was last whole; [`Journal::rewrite`] mends it.
    pub fn is_failed(&self) -> bool {
        self.failed
    }

    /// Appends `frames` as one commit and flushes it to disk. Returns where each frame begins. After an error the log
    /// holds what it held before, and refuses to append until it is written anew: what a failed flush left on the
    /// disk cannot be known.
    pub fn commit(&mut self, frames: &[Frame<'_>]) -> io::Result<Vec<At>> {
        self.write(frames, Whole::Together)
    }

    /// As [`Journal::commit`], but a crash may leave only the first ones of `frames`: for records that do not depend
    /// on each other, flushed together.
    pub fn commit_each(&mut self, frames: &[Frame<'_>]) -> io::Result<Vec<At>> {
        self.write(frames, Whole::Each)
    }

    fn write(&mut self, frames: &[Frame<'_>], whole: Whole) -> io::Result<Vec<At>> {
        if self.failed {
            return Err(io::Error::other("an earlier write failed"));
        }
        if frames.is_empty() {
            return Ok(Vec::new());
        }
        match self.append(frames, whole) {
            Ok(places) => Ok(places),
            Err(error) => {
                self.failed = true;
                // Best effort: a part of a commit is cut off at the next opening anyway.
                let _ = self.file.set_len(self.len);
                Err(error)
            }
        }
    }

    fn append(&mut self, frames: &[Frame<'_>], whole: Whole) -> io::Result<Vec<At>> {
        self.file.seek(SeekFrom::Start(self.len))?;
        let mut out = BufWriter::with_capacity(1 << 16, &self.file);
        let mut at = self.len;
        let mut places = Vec::with_capacity(frames.len());
        for (i, frame) in frames.iter().enumerate() {
            places.push(At(at));
            let ends = whole == Whole::Each || i + 1 == frames.len();
            at += write_frame(&mut out, frame, ends)?;
        }
        out.flush()?;
        drop(out);
        self.file.sync_data()?;
        self.len = at;
        Ok(places)
    }

    /// Replaces the whole log by what `write` writes, in one step. Until the new file is on disk the old one stays.
    pub fn rewrite(
        &mut self,
        write: impl FnOnce(&mut Rewriter<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let new_path = with_ending(&self.path, ".new");
        let result = self.rewrite_at(&new_path, write);
        if result.is_err() {
            let _ = std::fs::remove_file(&new_path);
        }
        result
    }

    fn rewrite_at(
        &mut self,
        new_path: &Path,
        write: impl FnOnce(&mut Rewriter<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(new_path)?;
        let mut rewriter =
            Rewriter { out: BufWriter::with_capacity(1 << 20, &file), at: 0, old: &self.file };
        write(&mut rewriter)?;
        rewriter.out.flush()?;
        let len = rewriter.at;
        drop(rewriter);
        file.sync_all()?;
        std::fs::rename(new_path, &self.path)?;
        sync_folder(&self.path)?;
        self.file = file;
        self.len = len;
        self.failed = false;
        Ok(())
    }

    /// Reads the frame at `at` again, checksum and all.
    pub fn read(&self, at: At) -> io::Result<(Vec<u8>, Vec<u8>)> {
        read_frame(&self.file, at)
    }
}

/// Writes the new file of a [`Journal::rewrite`].
pub struct Rewriter<'a> {
    out: BufWriter<&'a File>,
    at: u64,
    old: &'a File,
}

impl Rewriter<'_> {
    /// Adds one frame; returns where it begins in the new file.
    pub fn add(&mut self, frame: &Frame<'_>) -> io::Result<At> {
        let at = At(self.at);
        // Every frame a commit of its own: it is the renaming that makes the file one change.
        self.at += write_frame(&mut self.out, frame, true)?;
        Ok(at)
    }

    /// Copies the frame at `at` of the old file.
    pub fn copy(&mut self, at: At) -> io::Result<At> {
        let (header, payload) = read_frame(self.old, at)?;
        self.add(&Frame { header: &header, payload: &[&payload] })
    }
}

/// Flushes the folder of `path`, so that a file made or renamed in it is there after a power failure.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// A free name beside `path` for the damaged file.
fn aside(path: &Path) -> PathBuf {
    (1..)
        .map(|n| with_ending(path, &format!(".damaged-{n}")))
        .find(|p| !p.exists())
        .expect("some number is free")
}

#[cfg(test)]
mod tests {
    use super::*;

    type Seen = Vec<(Vec<u8>, Vec<u8>)>;

    fn open(path: &Path) -> (Journal, Repairs, Seen) {
        let mut seen = Seen::new();
        let (journal, repairs) = Journal::open(path, |_, h, p| {
            seen.push((h.to_vec(), p.to_vec()));
            Ok(())
        })
        .unwrap();
        (journal, repairs, seen)
    }

    fn commit(journal: &mut Journal, headers: &[&str]) -> Vec<At> {
        let frames: Vec<_> = headers
            .iter()
            .map(|h| Frame { header: h.as_bytes(), payload: &[b"payload ", b"in parts"] })
            .collect();
        journal.commit(&frames).unwrap()
    }

    fn headers(seen: &Seen) -> Vec<&str> {
        seen.iter().map(|(h, _)| std::str::from_utf8(h).unwrap()).collect()
    }

    #[test]
    fn what_was_committed_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (mut journal, repairs, seen) = open(&path);
        assert!(seen.is_empty() && repairs == Repairs::default());
        commit(&mut journal, &["a"]);
        let places = commit(&mut journal, &["b", "c"]);
        assert_eq!(journal.read(places[1]).unwrap(), (b"c".to_vec(), b"payload in parts".to_vec()));
        assert_eq!(commit(&mut journal, &[]), []);
        drop(journal);
        let (mut journal, repairs, seen) = open(&path);
        assert_eq!((headers(&seen), repairs), (vec!["a", "b", "c"], Repairs::default()));
        assert_eq!(seen[0].1, b"payload in parts");
        commit(&mut journal, &["d"]);
        assert_eq!(headers(&open(&path).2), ["a", "b", "c", "d"]);
    }

    /// Killed at any octet of a write: exactly the old or exactly the new state.
    #[test]
    fn every_cut_is_old_or_new() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (mut journal, ..) = open(&path);
        commit(&mut journal, &["old"]);
        let old_len = journal.len() as usize;
        commit(&mut journal, &["new1", "new2", "new3"]);
        let whole = std::fs::read(&path).unwrap();
        for cut in old_len..=whole.len() {
            // Cut short, and cut with zeros where the data had not reached the disk.
            for zeros in [false, true] {
                let mut bytes = whole[..cut].to_vec();
                if zeros {
                    bytes.resize(whole.len(), 0);
                }
                std::fs::write(&path, &bytes).unwrap();
                let (mut journal, repairs, seen) = open(&path);
                if cut == whole.len() {
                    assert_eq!(headers(&seen), ["old", "new1", "new2", "new3"]);
                    continue;
                }
                assert_eq!(headers(&seen), ["old"], "cut at {cut}, zeros {zeros}");
                assert_eq!(repairs.torn, (bytes.len() - old_len) as u64);
                assert_eq!(repairs.damaged, 0);
                commit(&mut journal, &["next"]);
                assert_eq!(headers(&open(&path).2), ["old", "next"]);
            }
        }
    }

    /// One octet flipped anywhere: the other commits are still read, and the file is kept aside.
    #[test]
    fn damage_in_the_middle_is_not_a_torn_tail() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (mut journal, ..) = open(&path);
        commit(&mut journal, &["first"]);
        let from = journal.len() as usize;
        commit(&mut journal, &["second", "second too"]);
        let to = journal.len() as usize;
        commit(&mut journal, &["third"]);
        let whole = std::fs::read(&path).unwrap();
        for at in from..to {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x40;
            std::fs::write(&path, &bytes).unwrap();
            let (_, repairs, seen) = open(&path);
            let got = headers(&seen);
            assert!(
                got == ["first", "third"] || got == ["first", "second too", "third"],
                "{got:?}"
            );
            assert!(repairs.damaged > 0 && repairs.torn == 0);
            let kept = repairs.kept_as.unwrap();
            assert_eq!(std::fs::read(&kept).unwrap(), bytes);
            std::fs::remove_file(kept).unwrap();
        }
    }

    #[test]
    fn rewriting_keeps_what_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (mut journal, ..) = open(&path);
        let places = commit(&mut journal, &["a", "b", "c"]);
        let mut moved = Vec::new();
        journal
            .rewrite(|w| {
                moved.push(w.copy(places[2])?);
                moved.push(w.add(&Frame { header: b"d", payload: &[] })?);
                Ok(())
            })
            .unwrap();
        assert_eq!(journal.read(moved[0]).unwrap().0, b"c");
        commit(&mut journal, &["e"]);
        assert_eq!(headers(&open(&path).2), ["c", "d", "e"]);

        // A rewrite that fails leaves everything as it was.
        let failed = journal.rewrite(|w| {
            w.add(&Frame { header: b"x", payload: &[] })?;
            Err(io::Error::other("no"))
        });
        assert!(failed.is_err());
        assert_eq!(headers(&open(&path).2), ["c", "d", "e"]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        journal.rewrite(|_| Ok(())).unwrap();
        assert!(open(&path).2.is_empty());
    }

    #[test]
    fn a_full_disk_refuses_and_keeps_the_old_state() {
        // /dev/full answers every write with ENOSPC.
        let file = OpenOptions::new().read(true).write(true).open("/dev/full").unwrap();
        let mut journal = Journal { path: "/dev/full".into(), file, len: 0, failed: false };
        let frame = Frame { header: b"a", payload: &[] };
        let error = journal.commit(&[frame]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(journal.is_failed());
        assert!(journal.commit(&[frame]).is_err());
    }
}
