//! Floor 8: looks at the outside once, beside a server that may run: for `check` and `explain`.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::config::settings::Flatten;
use crate::model::flattened::{Entry, Key, Outcome, Update};
use crate::model::outside::Known;
use crate::outside::journal;
use crate::outside::resolve::Resolver;
use crate::outside::service::{look_up, resolver, upstreams_of};
use crate::outside::upstream::Upstreams;

/// The resolvers of a config, asked by nobody else.
pub struct Beside {
    runtime: Runtime,
    resolver: Resolver,
    settings: Flatten,
    pub upstreams: Vec<SocketAddr>,
}

impl Beside {
    pub fn new(settings: &Flatten) -> io::Result<Beside> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let upstreams = upstreams_of(settings);
        let resolver = resolver(settings, Arc::new(Upstreams::new(&upstreams)));
        Ok(Beside { runtime, resolver, settings: settings.clone(), upstreams })
    }

    /// Looks `key` up. `None`: not in the time in which a question must be answered.
    pub fn look_up(&self, key: &Key) -> Option<Arc<Entry>> {
        let limit = Duration::from_millis(self.settings.deadline_ms.into());
        let found = async { timeout(limit, look_up(&self.resolver, &self.settings, key)).await };
        self.runtime.block_on(found).ok()
    }
}

/// What a server has remembered in the folder `data`.
pub fn remembered(data: &Path) -> Vec<Update> {
    // A log that is not there or cannot be read is nothing to go by.
    let known = journal::read(&data.join(journal::FILE)).unwrap_or_default();
    known.into_iter().map(|(key, (_, entry))| (key, Some(Arc::new(entry)))).collect()
}

/// What is known when `new` was learnt: a failure leaves an answer that was good in place, as in the server.
pub fn merged(old: Option<&Known>, new: Arc<Entry>) -> Arc<Entry> {
    let is_good = |entry: &&Entry| !matches!(entry.outcome, Outcome::Failed(_));
    match (old.map(Known::entry).filter(is_good), new.failure) {
        (Some(old), Some(failure)) => Arc::new(old.with(Some(failure), old.stale_until)),
        _ => new,
    }
}
