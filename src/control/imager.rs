//! Writes the image of the zones (`zones.image`) from time to time, on a thread of its own and at its leisure.
//!
//! It walks the published snapshot, and asks the publisher about a few zones at a time, so that no edit waits for it.
//! Each zone stands for itself: one that is edited meanwhile goes in as it is then, or not at all.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::background;
use super::command::{Command, Handle};
use super::press::Published;
use super::world::{Key, Now};
use crate::base::count::count;
use crate::base::name::Name;
use crate::model::catalog::Zone;
use crate::model::zone::ZoneData;
use crate::store::image::{Added, Entry, Writer};

/// From the start to the first image: long enough for files just written to be told from later versions of them.
const FIRST: Duration = Duration::from_secs(5);
/// Between two images, at the least.
const EVERY: Duration = Duration::from_secs(600);
/// Images take no larger share of the time than one in this.
const SHARE: u32 = 50;
/// Zones asked about at once: some hundred microseconds of the publisher's time.
const TOGETHER: usize = 256;
/// Between two chunks: others want the disk and the core as well.
const PAUSE: Duration = Duration::from_millis(5);

/// Of what, and where to.
#[derive(Clone)]
pub struct Imager {
    pub handle: Handle,
    pub published: Arc<Published>,
    /// Grows with every change of the world.
    pub changes: Arc<AtomicU64>,
    /// The data folder.
    pub folder: PathBuf,
    /// `zones/` as the config says.
    pub zones: PathBuf,
    /// Of the data folder.
    pub key: [u8; 16],
    /// Held by who writes one.
    pub turn: Arc<Mutex<()>>,
}

/// How a zone stands for an image.
#[derive(Debug)]
pub enum Described {
    /// Its file holds what is served.
    Settled(Entry, ZoneData),
    /// So it seems, but the file changed shortly before it was read.
    Young,
    /// It has to be read at the next start.
    Other,
}

/// What an image holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Written {
    pub zones: usize,
    pub octets: u64,
}

/// Ends the thread when it is dropped; does not wait for it.
#[derive(Debug)]
pub struct Stop {
    _sender: SyncSender<()>,
}

impl Imager {
    /// Starts the thread. `current`: as many changes are in the image that is there.
    pub fn start(self, current: Option<u64>) -> io::Result<Stop> {
        let (sender, stop) = sync_channel(1);
        Builder::new().name("imager".to_owned()).spawn(move || {
            background::step_back();
            self.run(&stop, current);
        })?;
        Ok(Stop { _sender: sender })
    }

    fn run(&self, stop: &Receiver<()>, mut written: Option<u64>) {
        let mut pause = FIRST;
        // Nothing is ever sent: the other end is dropped.
        while stop.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            pause = EVERY;
            // Not only at the end: a start after a crash wants them as well.
            let _ = self.handle.send(Command::Copies);
            let changes = self.changes.load(Ordering::Relaxed);
            if written == Some(changes) {
                continue;
            }
            let began = Now::read().at;
            match self.write() {
                Ok(Some(Written { zones, octets })) => {
                    written = Some(changes);
                    let ms = took(began).as_millis() as u64;
                    info!(
                        event = "image-written",
                        zones,
                        octets,
                        ms,
                        "image of {} written",
                        count(zones, "zone")
                    );
                }
                // The publisher has ended.
                Ok(None) => return,
                Err(error) => warn!(event = "image-failed", %error,
                    "cannot write the image of the zones: the next start reads all zone files"),
            }
            pause = pause.max(took(began) * SHARE);
        }
    }

    /// Writes an image now. `None`: the publisher has ended, and so the old one stays.
    pub fn write(&self) -> io::Result<Option<Written>> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = self.published.load_full();
        let mut writer = Writer::begin(&self.folder, &self.key, &self.zones)?;
        let mut written = Written::default();
        let mut young = Vec::new();
        // In the order in which a start takes them in.
        let mut zones: Vec<&Zone> = snapshot.catalog.iter().collect();
        zones.sort_unstable_by_key(|zone| (zone.account, zone.id));
        for zones in zones.chunks(TOGETHER) {
            let keys: Vec<Key> = zones.iter().map(|zone| key_of(zone)).collect();
            match self.add(&mut writer, keys, &mut written)? {
                Some(more) => young.extend(more),
                None => return Ok(None),
            }
        }
        drop(zones);
        drop(snapshot);
        for keys in young.chunks(TOGETHER) {
            let (reply, done) = sync_channel(1);
            let again = Command::ReadAgain { keys: keys.to_vec(), reply };
            if self.handle.send(again).is_err() || done.recv().is_err() {
                return Ok(None);
            }
            if self.add(&mut writer, keys.to_vec(), &mut written)?.is_none() {
                return Ok(None);
            }
        }
        written.octets = writer.finish()?;
        Ok(Some(written))
    }

    /// Adds zones to the image. Returns those whose files are young; `None` if the publisher has ended.
    fn add(
        &self,
        writer: &mut Writer,
        keys: Vec<Key>,
        written: &mut Written,
    ) -> io::Result<Option<Vec<Key>>> {
        let (reply, described) = sync_channel(1);
        let mut young = Vec::new();
        if self.handle.send(Command::Describe { keys: keys.clone(), reply }).is_err() {
            return Ok(None);
        }
        let Ok(described) = described.recv() else { return Ok(None) };
        for (key, described) in keys.into_iter().zip(described) {
            match described {
                Described::Settled(entry, data) => {
                    written.zones += 1;
                    if writer.add(&entry, &data)? == Added::Wrote {
                        std::thread::sleep(PAUSE);
                    }
                }
                Described::Young => young.push(key),
                Described::Other => {}
            }
        }
        Ok(Some(young))
    }
}

fn key_of(zone: &Zone) -> Key {
    (zone.account, Name::from_wire(zone.apex()).expect("apexes are whole names"))
}

fn took(began: Instant) -> Duration {
    Now::read().at.saturating_duration_since(began)
}
