//! What can be asked of the publisher. Whoever asks holds a [`Handle`]; the publisher answers with JSON, ready for the
//! control socket.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use serde_json::Value;

use crate::base::name::Name;

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
    /// End, after what was asked before.
    Stop,
}

/// A reply and the place to wait for it.
pub fn reply() -> (Reply, Receiver<Result<Value, String>>) {
    sync_channel(1)
}
