//! Floor 8: looks at the outside once, beside a server that may run: for `check` and `explain`.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};

use crate::config::settings::Flatten;
use crate::model::flattened::{Entry, Key, Outcome, Update};
use crate::model::outside::Known;
use crate::outside::entry::under_settings;
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

    /// Looks `key` up.
    pub fn look_up(&self, key: &Key) -> Arc<Entry> {
        self.runtime.block_on(look_up(&self.resolver, &self.settings, key))
    }
}

/// What a server has remembered in the folder `data`, as far as the settings have it.
pub fn remembered(data: &Path, settings: &Flatten) -> Vec<Update> {
    // A log that is not there or cannot be read is nothing to go by.
    let known = journal::read(&data.join(journal::FILE)).unwrap_or_default();
    let entry = |entry| under_settings(settings, &entry).map(Arc::new);
    known.into_iter().map(|(key, (_, known))| (key, entry(known))).collect()
}

/// What is known when `new` was learnt: a failure leaves an answer that was good in place, as in the server.
pub fn merged(old: Option<&Known>, new: Arc<Entry>) -> Arc<Entry> {
    let is_good = |entry: &&Entry| !matches!(entry.outcome, Outcome::Failed(_));
    match (old.map(Known::entry).filter(is_good), new.failure) {
        (Some(old), Some(failure)) => Arc::new(old.with(Some(failure), old.stale_until)),
        _ => new,
    }
}
