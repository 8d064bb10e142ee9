//! The one thread that uses a store: whoever wants something of it hands in what to do, and waits for the answer.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::Store;

/// Jobs that may wait; whoever finds no room waits.
const QUEUE: usize = 256;

type Job = Box<dyn FnOnce(&mut dyn Store) + Send>;

/// The way to the thread. Copies lead to the same one.
#[derive(Clone)]
pub struct Handle {
    jobs: SyncSender<Job>,
}

/// The thread has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended;

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the store was closed")
    }
}

impl std::error::Error for Ended {}

/// Starts the thread. It ends, and closes the store, when the last handle is gone.
pub fn start(mut store: Box<dyn Store>) -> std::io::Result<(Handle, JoinHandle<()>)> {
    let (jobs, queue) = sync_channel::<Job>(QUEUE);
    let thread = std::thread::Builder::new().name("store".to_owned()).spawn(move || {
        for job in queue {
            job(&mut *store);
        }
    })?;
    Ok((Handle { jobs }, thread))
}

impl Handle {
    /// Does something with the store, after what was asked before, and waits for what comes of it.
    pub fn call<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut dyn Store) -> T + Send + 'static,
    ) -> Result<T, Ended> {
        let (reply, answer) = sync_channel(1);
        let job: Job = Box::new(move |store| {
            // Nobody waiting any more is no error.
            let _ = reply.send(job(store));
        });
        self.jobs.send(job).map_err(|_| Ended)?;
        answer.recv().map_err(|_| Ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::Generation;
    use crate::store::state::memory::Memory;

    #[test]
    fn one_after_the_other() {
        let (handle, thread) = start(Box::new(Memory::default())).unwrap();
        let many: Vec<_> = (0..4)
            .map(|_| {
                let handle = handle.clone();
                std::thread::spawn(move || {
                    for _ in 0..50 {
                        let committed = handle.call(|store| {
                            let generation = store.generation().unwrap();
                            store.commit(&[], generation)
                        });
                        committed.unwrap().unwrap();
                    }
                })
            })
            .collect();
        many.into_iter().for_each(|t| t.join().unwrap());
        assert_eq!(handle.call(|store| store.generation()).unwrap(), Ok(Generation(200)));
        drop(handle);
        thread.join().unwrap();
    }
}
