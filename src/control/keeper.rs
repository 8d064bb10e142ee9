//! Puts served zone texts on disk (`zones.log`), on a thread of its own, so that a slow disk delays no edit.
//!
//! What waits is written with one flush. If the disk refuses, serving goes on: the texts are tried again, and only
//! what must be on disk before it counts (an accepted change) is refused.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::background;
use crate::store::zones::{Change, Kept, Zones};

/// Changes that wait at the most; then who sends waits too.
const QUEUE: usize = 4096;
/// How long changes are gathered for one flush.
const GATHER: Duration = Duration::from_millis(50);
/// Octets of text written with one flush.
const BATCH: usize = 64 << 20;
/// Pause before a failed write is tried again.
const RETRY: Duration = Duration::from_secs(10);
/// Octets of text kept for another try while the disk refuses; what is beyond is dropped, loudly.
const WAITING_MAX: usize = 256 << 20;

enum Message {
    Change(Change),
    /// Answers when the text and everything sent before it are on disk; if they cannot be, forgets this text.
    Now(Kept, SyncSender<Result<(), String>>),
    /// Answers when everything sent before is on disk.
    Flush(SyncSender<Result<(), String>>),
    /// A copy of the index is wanted, so that a start after a crash finds one.
    Copy,
    Stop,
}

/// How the publisher reaches the thread.
#[derive(Debug)]
pub struct Keeper {
    sender: SyncSender<Message>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread.
    pub fn start(zones: Zones) -> io::Result<Keeper> {
        let (sender, receiver) = sync_channel(QUEUE);
        let mut disk = Disk { zones, waiting: Vec::new(), octets: 0, failing: false };
        let thread = Builder::new().name("keeper".to_owned()).spawn(move || {
            background::step_back();
            disk.run(&receiver);
        })?;
        Ok(Keeper { sender, thread: Some(thread) })
    }

    /// Puts the change on disk when there is time.
    pub fn send(&self, change: Change) {
        // The thread ends only after `Stop`, which nobody sends before dropping this.
        let _ = self.sender.send(Message::Change(change));
    }

    /// Puts the text on disk and waits for it. If that fails, it is not tried again.
    pub fn send_now(&self, kept: Kept) -> Result<(), String> {
        self.ask(|answer| Message::Now(kept, answer))
    }

    /// Has a copy of the index written for the next start, when all that was sent is on disk.
    pub fn copy_index(&self) {
        let _ = self.sender.send(Message::Copy);
    }

    /// Waits until all that was sent is on disk.
    pub fn flush(&self) -> Result<(), String> {
        self.ask(Message::Flush)
    }

    fn ask(
        &self,
        message: impl FnOnce(SyncSender<Result<(), String>>) -> Message,
    ) -> Result<(), String> {
        let (answer, done) = sync_channel(1);
        let _ = self.sender.send(message(answer));
        done.recv().unwrap_or_else(|_| Err("the thread that writes zones.log is gone".to_owned()))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.sender.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Whether anything can come after what was just gathered.
#[derive(PartialEq, Eq)]
enum More {
    Later,
    Never,
}

struct Disk {
    zones: Zones,
    waiting: Vec<Change>,
    /// Octets of the texts in `waiting`.
    octets: usize,
    failing: bool,
}

impl Disk {
    fn run(&mut self, receiver: &Receiver<Message>) {
        loop {
            let first = match self.waiting.is_empty() {
                true => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => receiver.recv_timeout(RETRY),
            };
            let mut flushes = Vec::new();
            let more = match first {
                Ok(message) => self.gather(message, receiver, &mut flushes),
                Err(RecvTimeoutError::Timeout) => More::Later,
                Err(RecvTimeoutError::Disconnected) => More::Never,
            };
            let result = self.write();
            for answer in flushes {
                let _ = answer.send(result.clone());
            }
            if more == More::Never {
                return self.copy_index();
            }
        }
    }

    /// Takes what comes within a short while, so that many changes cost one flush; but lets nobody wait who asked.
    fn gather(
        &mut self,
        first: Message,
        receiver: &Receiver<Message>,
        flushes: &mut Vec<SyncSender<Result<(), String>>>,
    ) -> More {
        let until = Instant::now() + GATHER;
        let mut next = Ok(first);
        while let Ok(message) = next {
            match message {
                Message::Change(change) => self.wait(change),
                Message::Flush(answer) => flushes.push(answer),
                Message::Now(kept, answer) => {
                    let result = self.write_now(kept);
                    let _ = answer.send(result);
                }
                Message::Copy => self.copy(),
                Message::Stop => return More::Never,
            }
            let left = until.saturating_duration_since(Instant::now());
            if self.octets >= BATCH || !flushes.is_empty() || left.is_zero() {
                break;
            }
            next = receiver.recv_timeout(left);
        }
        More::Later
    }

    fn copy(&mut self) {
        // What could not be written is in no copy.
        if self.write().is_ok() {
            self.copy_index();
        }
    }

    /// What a start would find out by reading the log is left for it.
    fn copy_index(&mut self) {
        if self.waiting.is_empty()
            && let Err(error) = self.zones.copy_index()
        {
            warn!(event = "index-failed", %error, "cannot write zones.index: the next start reads zones.log");
        }
    }

    fn wait(&mut self, change: Change) {
        self.octets += octets(&change);
        self.waiting.push(change);
    }

    fn write_now(&mut self, kept: Kept) -> Result<(), String> {
        self.write()?;
        self.zones.save(&[Change::Keep(kept)]).map_err(|error| error.to_string())
    }

    fn write(&mut self) -> Result<(), String> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let result = self.zones.save(&self.waiting);
        match result {
            Ok(()) => {
                self.waiting.clear();
                self.octets = 0;
                if std::mem::take(&mut self.failing) {
                    info!(event = "store-works-again", "zones.log can be written again");
                }
                if let Err(error) = self.zones.compact() {
                    error!(event = "store-failed", %error, "cannot write zones.log anew");
                }
                Ok(())
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    error!(event = "store-failed", %error,
                        "cannot write zones.log: serving goes on; if the server restarts now, a bad zone file \
                         falls back to an older version");
                }
                self.drop_oldest();
                Err(error.to_string())
            }
        }
    }

    fn drop_oldest(&mut self) {
        while self.octets > WAITING_MAX {
            let gone = self.waiting.remove(0);
            self.octets -= octets(&gone);
        }
    }
}

fn octets(change: &Change) -> usize {
    match change {
        Change::Keep(kept) => kept.sources.iter().map(|s| s.text.len()).sum(),
        Change::Forget(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::{AccountId, ZoneId};
    use crate::base::name::Name;
    use crate::store::zones::ContentHash;
    use crate::zonefile::finding::Source;

    fn keep(zone: u32) -> Change {
        Change::Keep(kept(zone))
    }

    fn kept(zone: u32) -> Kept {
        let sources = vec![Source { path: "x".to_owned(), text: b"text"[..].into() }];
        let hash = ContentHash::of(&sources, &[0; 16]);
        let apex = Name::from_text("x.example").unwrap();
        Kept { zone: ZoneId(zone), account: AccountId(1), apex, hash, sources }
    }

    #[test]
    fn flushed_means_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zones.log");
        let keeper = Keeper::start(Zones::open(&path).unwrap()).unwrap();
        (0..100).for_each(|n| keeper.send(keep(n)));
        keeper.flush().unwrap();
        assert_eq!(Zones::open(&path).unwrap().ids().count(), 100);
        keeper.send(Change::Forget(ZoneId(3)));
        drop(keeper);
        assert_eq!(Zones::open(&path).unwrap().ids().count(), 99);
    }

    #[test]
    fn what_the_disk_refused_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none").join("zones.log");
        let keeper = Keeper::start(Zones::open(&path).unwrap()).unwrap();
        keeper.send(keep(1));
        assert!(keeper.flush().is_err());
        // What must be there at once is not tried again.
        assert!(keeper.send_now(kept(2)).is_err());
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        keeper.flush().unwrap();
        assert_eq!(Zones::open(&path).unwrap().ids().count(), 1);
        keeper.send_now(kept(3)).unwrap();
        assert_eq!(Zones::open(&path).unwrap().ids().count(), 2);
    }
}
