//! A state small enough for memory, kept as a log of its changes: opened by replay, mended by writing it anew.
//!
//! When the log cannot be written (read-only, full), the state in memory goes on being right, and every later save
//! first tries to write the whole state anew. When most of the log is history, it is written anew too.

use std::fs::Metadata;
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::{error, warn};

use super::format::{decode, encode};
use super::journal::{Frame, Journal, Repairs};

/// Records of history a log may hold beside those that count, before it is written anew.
const HISTORY_MAX: usize = 10_000;

/// Records in one frame at the most.
const TOGETHER: usize = 1_000;

/// The log of one state.
#[derive(Debug)]
pub struct Log<R> {
    path: PathBuf,
    /// `None`: could not be opened for writing.
    journal: Option<Journal>,
    /// What is in memory is not all on disk.
    behind: bool,
    /// Records in the file.
    written: usize,
    record: PhantomData<R>,
}

impl<R: Serialize + DeserializeOwned> Log<R> {
    /// Replays the log at `path` into `each`. A log that can be read and not written is no error (`is_behind` says
    /// so once something is to be saved); one that cannot be read is.
    pub fn open(path: &Path, mut each: impl FnMut(R)) -> io::Result<Log<R>> {
        let mut written = 0;
        let mut replay = |octets: &[u8]| {
            decode::<Vec<R>>(octets).map(|records| {
                written += records.len();
                records.into_iter().for_each(&mut each);
            })
        };
        let journal = match Journal::open(path, |_, header, _| replay(header)) {
            Ok((journal, repairs)) => {
                report(path, &repairs);
                Some(journal)
            }
            Err(e) if cannot_write(&e) => {
                warn!(event = "store-read-only", path = %path.display(), error = %e,
                    "cannot write: changes are kept in memory only");
                match Journal::replay(path, |_, header, _| replay(header)) {
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                    other => other?,
                }
                None
            }
            Err(e) => return Err(e),
        };
        let behind = journal.is_none();
        Ok(Log { path: path.to_owned(), journal, behind, written, record: PhantomData })
    }

    /// The log at `path`, which is not read: somebody knows what it comes to by what the file system says of it, and
    /// how many records that takes.
    pub fn resume(
        path: &Path,
        known: impl FnOnce(&Metadata) -> Option<u64>,
    ) -> io::Result<Option<Log<R>>> {
        let mut written = None;
        let journal = Journal::resume(path, |log| {
            written = known(log);
            written.is_some()
        })?;
        let written = written.map_or(0, |written| usize::try_from(written).unwrap_or(usize::MAX));
        let (path, record) = (path.to_owned(), PhantomData);
        let log = |journal| Log { path, journal: Some(journal), behind: false, written, record };
        Ok(journal.map(log))
    }

    /// What the file system says of the log, and how many records it has; `None`: it is not what memory holds.
    pub fn metadata(&self) -> Option<(Metadata, u64)> {
        let journal = self.journal.as_ref().filter(|j| !self.behind && !j.is_failed())?;
        Some((journal.metadata().ok()?, self.written as u64))
    }

    /// Whether the last save failed: the disk holds an older state than memory.
    pub fn is_behind(&self) -> bool {
        self.behind
    }

    /// Puts `new` on disk, all or nothing, or, where that is needed, `all`: the records of the whole state.
    pub fn save<I>(&mut self, new: &[R], live: usize, all: impl FnOnce() -> I) -> io::Result<()>
    where
        I: Iterator<Item = R>,
    {
        let history = (self.written + new.len()).saturating_sub(live);
        let rewrite = self.behind || history > live.max(HISTORY_MAX);
        let result = if rewrite { self.rewrite(all()) } else { self.append(new) };
        self.behind = result.is_err();
        result
    }

    fn append(&mut self, new: &[R]) -> io::Result<()> {
        let headers: Vec<Vec<u8>> = new.chunks(TOGETHER).map(|chunk| encode(&chunk)).collect();
        let frames: Vec<Frame<'_>> =
            headers.iter().map(|h| Frame { header: h, payload: &[] }).collect();
        let journal = self.journal.as_mut().ok_or_else(read_only)?;
        journal.commit(&frames)?;
        self.written += new.len();
        Ok(())
    }

    fn rewrite(&mut self, all: impl Iterator<Item = R>) -> io::Result<()> {
        if self.journal.is_none() {
            self.journal = Some(Journal::open(&self.path, |_, _, _| Ok(()))?.0);
        }
        let journal = self.journal.as_mut().ok_or_else(read_only)?;
        let mut written = 0;
        journal.rewrite(|new| {
            let mut all = all.peekable();
            while all.peek().is_some() {
                let chunk: Vec<R> = all.by_ref().take(TOGETHER).collect();
                written += chunk.len();
                new.add(&Frame { header: &encode(&chunk), payload: &[] })?;
            }
            Ok(())
        })?;
        self.written = written;
        Ok(())
    }
}

fn read_only() -> io::Error {
    io::Error::from(io::ErrorKind::ReadOnlyFilesystem)
}

/// Whether the error says that the place can at most be read.
pub fn cannot_write(error: &io::Error) -> bool {
    use io::ErrorKind::{NotFound, PermissionDenied, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), NotFound | PermissionDenied | ReadOnlyFilesystem | StorageFull)
}

/// Says what was wrong with a log that was opened.
pub fn report(path: &Path, repairs: &Repairs) {
    let path = path.display();
    if let Some(kept) = &repairs.kept_as {
        error!(event = "store-damaged", %path, octets = repairs.damaged, kept = %kept.display(),
            "the log is damaged: what can be read of it is used, the file as found was kept");
    }
    if repairs.torn > 0 {
        warn!(event = "store-torn", %path, octets = repairs.torn,
            "the server was stopped while it wrote: the unfinished change was dropped");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path) -> (Log<u32>, Vec<u32>) {
        let mut seen = Vec::new();
        let log = Log::open(path, |r| seen.push(r)).unwrap();
        (log, seen)
    }

    #[test]
    fn history_is_dropped_when_it_outgrows_the_state() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (mut log, _) = open(&path);
        for n in 0..=HISTORY_MAX as u32 {
            log.save(&[n], 1, || [n].into_iter()).unwrap();
        }
        assert!(log.written > HISTORY_MAX);
        log.save(&[7], 1, || [7].into_iter()).unwrap();
        assert_eq!(open(&path).1, [7]);
    }

    #[test]
    fn behind_until_it_can_be_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gone").join("log");
        let (mut log, seen) = open(&path);
        assert!(seen.is_empty() && log.is_behind());
        assert!(log.save(&[1], 1, || [1].into_iter()).is_err());
        assert!(log.is_behind());
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        log.save(&[2], 2, || [1, 2].into_iter()).unwrap();
        assert!(!log.is_behind());
        assert_eq!(open(&path).1, [1, 2]);
    }
}
