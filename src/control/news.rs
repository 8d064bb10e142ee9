//! What the outside said, into the next snapshot: a thread that gathers for an instant and publishes all of it at once.
//!
//! A thousand answers a second cost a few hundred snapshots, not a thousand; and who waits for one is told only when it
//! can be seen.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, Builder, JoinHandle};
use std::time::Duration;

use super::press::Press;
use crate::model::flattened::News;

/// Pause between two snapshots.
const PAUSE: Duration = Duration::from_millis(2);
/// Pause before old snapshots are looked at again.
const SWEEP: Duration = Duration::from_millis(100);
/// Pause when there is nothing to do.
const IDLE: Duration = Duration::from_secs(60);
/// Batches of news that may wait; who brings more is held up.
const QUEUE: usize = 256;

/// Starts the thread. It ends when the last sender is gone.
pub fn start(press: Arc<Press>) -> io::Result<(SyncSender<News>, JoinHandle<()>)> {
    let (sender, news) = sync_channel(QUEUE);
    let thread =
        Builder::new().name("outside-news".to_owned()).spawn(move || run(&press, &news))?;
    Ok((sender, thread))
}

fn run(press: &Press, news: &Receiver<News>) {
    let mut wait = IDLE;
    loop {
        match news.recv_timeout(wait) {
            Ok(first) => {
                let News { mut updates, mut waiters } = first;
                for more in news.try_iter().take(QUEUE) {
                    updates.extend(more.updates);
                    waiters.extend(more.waiters);
                }
                press.put_outside(updates);
                waiters.into_iter().for_each(|waiter| waiter());
                thread::sleep(PAUSE);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        wait = if press.sweep() { SWEEP } else { IDLE };
    }
}
