//! What can be asked of the publisher. Whoever asks holds a [`Handle`]; the publisher answers with JSON, ready for the
//! control socket.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::imager::Described;
use super::registrar::Check;
use super::world::{Key, Now, World};
use crate::base::id::ZoneId;
use crate::base::name::Name;
use crate::hostname::fallback::Found;

/// Commands that may wait for the publisher. Whoever finds no room waits, so that nothing grows without bound.
pub const QUEUE: usize = 256;

/// The way to the publisher.
pub type Handle = SyncSender<Command>;

/// Where an answer goes: JSON, or a sentence that says what is wrong. Nobody waiting any more is no error.
pub type Reply = SyncSender<Result<Value, String>>;

/// One thing to do.
#[derive(Debug)]
pub enum Command {
    /// These files or folders changed, came or went (absolute paths).
    Touched(Vec<PathBuf>),
    /// Some event was missed: look at all files by their stamps.
    Rescan,
    /// Read the config and all zone files again, by content.
    Reload(Option<Reply>),
    /// All zones with their state.
    ZoneList(Reply),
    /// Let in exactly the held content, or the held removal, of this zone.
    ZoneAccept { apex: Name, reply: Reply },
    /// How these zones stand for an image of all zones; in the same order.
    Describe { keys: Vec<Key>, reply: SyncSender<Vec<Described>> },
    /// Read the files of these zones again.
    ReadAgain { keys: Vec<Key>, reply: SyncSender<()> },
    /// Leave what the next start would find out by reading logs.
    Copies,
    /// About custom hostnames.
    Hostname { request: HostnameRequest, reply: Reply },
    /// Anything else, by whoever knows what to do with the world.
    Job(Job),
    /// A look at a custom hostname outside has come back.
    Seen(Box<Check>),
    /// A look at a fallback origin has.
    OriginSeen { zone: ZoneId, origin: Name, found: Found },
    /// End, after what was asked before.
    Stop,
}

/// Something to do with the world, and whom to tell. Several that wait are done one after the other, and then put on
/// disk and published together.
pub struct Job(pub Work);

/// See [`Job`].
pub type Work = Box<dyn FnOnce(&mut World, Now) -> After + Send>;

/// Told once what was done is stored and published, or why it was not stored: then nothing of it counts.
pub type After = Box<dyn FnOnce(Result<(), String>) + Send>;

impl Job {
    /// `work` is done in the publisher's thread; `tell` hears what came of it when it counts.
    pub fn new<T: Send + 'static>(
        work: impl FnOnce(&mut World, Now) -> T + Send + 'static,
        tell: impl FnOnce(Result<T, String>) + Send + 'static,
    ) -> Job {
        Job(Box::new(move |world, now| {
            let done = work(world, now);
            Box::new(move |stored| tell(stored.map(|()| done)))
        }))
    }

    /// A job whose result goes where replies go.
    pub fn replying(
        reply: Reply,
        work: impl FnOnce(&mut World, Now) -> Result<Value, String> + Send + 'static,
    ) -> Job {
        Job::new(work, move |done| {
            // Who asked may have gone away.
            let _ = reply.send(done.and_then(|result| result));
        })
    }
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Job")
    }
}

/// A reply and the place to wait for it.
pub fn reply() -> (Reply, Receiver<Result<Value, String>>) {
    sync_channel(1)
}

/// What can be asked about API tokens.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum TokenRequest {
    Create {
        /// `None`: an operator's.
        account: Option<String>,
        name: Option<String>,
        read_only: bool,
    },
    List,
    /// By its id.
    Revoke {
        id: String,
    },
}

/// What can be asked about custom hostnames.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum HostnameRequest {
    Create {
        hostname: String,
        zone: String,
    },
    List {
        zone: Option<String>,
    },
    Show {
        hostname: String,
        zone: Option<String>,
    },
    /// Look at it now, beside its schedule.
    Verify {
        hostname: String,
        zone: Option<String>,
    },
    /// PATCH without a change.
    Refresh {
        hostname: String,
        zone: Option<String>,
    },
    Delete {
        hostname: String,
        zone: Option<String>,
    },
    /// What happened lately, newest first.
    Audit {
        most: usize,
    },
}

/// How a zone stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ZoneState {
    /// What the file says is served.
    Served,
    /// The file has errors: the last good version is served.
    LastGood,
    /// A change that removes much waits to be accepted; the version before it is served.
    Held,
    /// There never was a good version: SERVFAIL.
    NotReady,
    /// Another account holds the name, or it is a public suffix: not served.
    Refused,
    /// Made through the API and not proved: not served.
    Pending,
    /// Its removal was accepted just now.
    Removed,
}

/// One zone, as `zone list` shows it. The field names are the JSON's keys.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ZoneRow {
    pub zone: String,
    pub account: String,
    pub state: ZoneState,
    /// Of the version that is served.
    pub serial: Option<u32>,
    pub records: usize,
    /// Findings of the file as it was read last.
    pub errors: usize,
    pub warnings: usize,
    /// When a change was held that still waits, in UTC (RFC 3339).
    pub held_since: Option<String>,
    /// Why it is not simply served, in a sentence.
    pub detail: Option<String>,
}
