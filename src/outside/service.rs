//! The task that looks things up: takes questions from the workers, keeps the cache, publishes what it learnt.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinSet};
use tracing::{error, info};

use super::cache::{Cache, Limits};
use super::counters::Counters;
use super::entry::not_looked_up;
use super::journal::{FILE, Journal};
use super::resolve::{Found, Resolve, Resolver};
use super::system::{RESOLV_CONF, resolvers};
use super::upstream::Upstreams;
use super::validate::Validator;
use crate::base::id::AccountId;
use crate::base::limits::{ASKS, LOOKUP_MS};
use crate::base::time::UnixTime;
use crate::config::settings::{Flatten, TrustAnchor};
use crate::model::flattened::{Entry, FailureKind, Key, News, Update, Waiter};

/// What was learnt is published together with what else comes in this time: a snapshot for each would be many.
const GATHER: Duration = Duration::from_millis(1);
/// Questions taken from the channel at once.
const TAKE: usize = 256;
/// How often the system's list of resolvers is read again.
const SYSTEM_AGAIN: Duration = Duration::from_secs(30);

/// The workers' end.
#[derive(Clone)]
pub struct Service {
    asks: mpsc::Sender<Ask>,
    wanted: watch::Sender<Wanted>,
    counters: Arc<Counters>,
    upstreams: Arc<ArcSwap<Upstreams>>,
}

type Ask = (Key, AccountId, Waiter);

#[derive(Clone)]
struct Wanted {
    settings: Flatten,
    stop: bool,
}

/// A service that runs.
pub struct Started {
    pub service: Service,
    /// What was remembered: for the first snapshot.
    pub remembered: Vec<Update>,
    /// Ends when the service was stopped and everything is on disk.
    pub task: tokio::task::JoinHandle<()>,
}

impl Service {
    /// Reads what was remembered in the folder `data`, and starts looking things up. `publish` is called in order, must
    /// not block, and calls the waiters of the news when its updates can be seen.
    pub fn start(
        settings: &Flatten,
        data: &Path,
        runtime: &Handle,
        publish: impl Fn(News) + Send + 'static,
    ) -> io::Result<Started> {
        let upstreams = Arc::new(ArcSwap::from_pointee(Upstreams::new(&[])));
        let maker = Maker { upstreams: upstreams.clone(), made_of: None };
        start(settings, data, runtime, publish, maker, upstreams)
    }

    /// As [`Service::start`], with somebody else to do the look-ups.
    pub fn start_with<R: Resolve>(
        settings: &Flatten,
        data: &Path,
        runtime: &Handle,
        publish: impl Fn(News) + Send + 'static,
        resolver: Arc<R>,
    ) -> io::Result<Started> {
        let upstreams = Arc::new(ArcSwap::from_pointee(Upstreams::new(&[])));
        start(settings, data, runtime, publish, Given(Some(resolver)), upstreams)
    }

    /// Hands a question over: `waiter` is called when more is known or time is up, at once if too many wait. Never
    /// blocks; the waiter comes back if the look-ups are too busy to take it, or gone.
    pub fn ask(&self, key: Key, account: AccountId, waiter: Waiter) -> Result<(), Waiter> {
        use mpsc::error::TrySendError::{Closed, Full};
        self.asks.try_send((key, account, waiter)).map_err(|error| match error {
            Full((_, _, waiter)) | Closed((_, _, waiter)) => waiter,
        })
    }

    /// Puts other settings in force.
    pub fn reconfigure(&self, settings: &Flatten) {
        self.wanted.send_if_modified(|wanted| {
            let changed = wanted.settings != *settings;
            wanted.settings.clone_from(settings);
            changed
        });
    }

    /// Ends the task: everybody who waits is called, everything is written.
    pub fn stop(&self) {
        self.wanted.send_modify(|wanted| wanted.stop = true);
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The upstreams in use, with their health and times.
    pub fn upstreams(&self) -> Arc<Upstreams> {
        self.upstreams.load_full()
    }
}

/// Who makes a resolver of settings.
trait Make: Send + 'static {
    type Made: Resolve;
    /// `None`: the old one is still right.
    fn make(&mut self, settings: &Flatten) -> Option<Arc<Self::Made>>;
}

struct Maker {
    upstreams: Arc<ArcSwap<Upstreams>>,
    made_of: Option<(Vec<SocketAddr>, bool, Vec<TrustAnchor>, u32)>,
}

impl Make for Maker {
    type Made = Resolver;

    fn make(&mut self, settings: &Flatten) -> Option<Arc<Resolver>> {
        let addresses = upstreams_of(settings);
        let anchors = settings.trust_anchors.clone();
        let wanted = (addresses, settings.validate, anchors, settings.deadline_ms);
        if self.made_of.as_ref() == Some(&wanted) {
            return None;
        }
        let shown: Vec<String> = wanted.0.iter().map(SocketAddr::to_string).collect();
        info!(event = "upstreams", upstreams = %shown.join(" "), validate = wanted.1,
            trust_anchors = wanted.2.len(), "resolvers");
        let upstreams = Arc::new(Upstreams::new(&wanted.0));
        self.upstreams.store(upstreams.clone());
        self.made_of = Some(wanted);
        Some(Arc::new(resolver(settings, upstreams)))
    }
}

struct Given<R>(Option<Arc<R>>);

impl<R: Resolve> Make for Given<R> {
    type Made = R;

    fn make(&mut self, _: &Flatten) -> Option<Arc<R>> {
        self.0.take()
    }
}

/// The resolvers that `settings` mean.
pub fn upstreams_of(settings: &Flatten) -> Vec<SocketAddr> {
    if settings.upstream.is_empty() {
        resolvers(Path::new(RESOLV_CONF))
    } else {
        settings.upstream.clone()
    }
}

/// A resolver as `settings` have it: also for look-ups beside the service (`check`, `explain`).
pub fn resolver(settings: &Flatten, upstreams: Arc<Upstreams>) -> Resolver {
    let validator =
        settings.validate.then(|| Validator::new(upstreams.clone(), &settings.trust_anchors));
    let limit = u64::from(settings.deadline_ms).max(LOOKUP_MS);
    Resolver::new(upstreams, validator, Duration::from_millis(limit))
}

fn start<M: Make>(
    settings: &Flatten,
    data: &Path,
    runtime: &Handle,
    publish: impl Fn(News) + Send + 'static,
    maker: M,
    upstreams: Arc<ArcSwap<Upstreams>>,
) -> io::Result<Started> {
    let counters = Arc::new(Counters::default());
    let mut cache = Cache::new(settings.clone(), Limits::default(), counters.clone());
    let mut remembered = Vec::new();
    let now = unix_now();
    let journal = Journal::open(&data.join(FILE), |key, account, entry| {
        let entry = cache.restore(key.clone(), account, entry, now)?;
        remembered.push((key, Some(entry.clone())));
        Some(entry)
    })?;
    let (asks, asked) = mpsc::channel(ASKS);
    let (wanted, wanted_here) = watch::channel(Wanted { settings: settings.clone(), stop: false });
    let actor = Actor {
        cache,
        journal,
        maker,
        resolver: None,
        flights: JoinSet::new(),
        aboard: HashMap::new(),
        news: News::default(),
        publish_at: None,
        publish,
    };
    let task = runtime.spawn(actor.run(asked, wanted_here));
    Ok(Started { service: Service { asks, wanted, counters, upstreams }, remembered, task })
}

struct Actor<M: Make, P: Fn(News)> {
    cache: Cache,
    journal: Journal,
    maker: M,
    resolver: Option<Arc<M::Made>>,
    flights: JoinSet<Found>,
    aboard: HashMap<Id, (AccountId, Arc<Key>)>,
    news: News,
    /// When the news are due, if there are any.
    publish_at: Option<Instant>,
    publish: P,
}

impl<M: Make, P: Fn(News) + Send + 'static> Actor<M, P> {
    async fn run(mut self, mut asked: mpsc::Receiver<Ask>, mut wanted: watch::Receiver<Wanted>) {
        self.resolver = self.maker.make(self.cache.settings());
        let mut system = tokio::time::interval(SYSTEM_AGAIN);
        let mut taken = Vec::with_capacity(TAKE);
        loop {
            let wake = self.wake();
            tokio::select! {
                count = asked.recv_many(&mut taken, TAKE) => {
                    if count == 0 {
                        break;
                    }
                    self.take(&mut taken);
                }
                Some(result) = self.flights.join_next_with_id() => {
                    self.landed(result);
                    while let Some(result) = self.flights.try_join_next_with_id() {
                        self.landed(result);
                    }
                }
                changed = wanted.changed() => {
                    let new = wanted.borrow_and_update().clone();
                    if changed.is_err() || new.stop {
                        break;
                    }
                    self.reconfigure(new.settings);
                }
                _ = system.tick() => self.renew_resolver(),
                () = tokio::time::sleep_until(wake.into()) => {}
            }
            self.cache.tick(unix_now(), Instant::now(), &mut self.news);
            self.take_off();
            self.publish_if_due();
        }
        self.end(asked).await;
    }

    fn wake(&self) -> Instant {
        let (deadline, due) = self.cache.next_tick();
        let until_due = due.map_or(Duration::from_secs(1), |due| {
            let at = UNIX_EPOCH + Duration::from_secs(due.0.min(u64::from(u32::MAX)));
            at.duration_since(SystemTime::now()).unwrap_or_default()
        });
        // Never longer than a second: the clock may be set.
        let by_clock = Instant::now() + until_due.min(Duration::from_secs(1));
        let others = [deadline, self.publish_at].into_iter().flatten();
        others.fold(by_clock, Instant::min)
    }

    fn take(&mut self, taken: &mut Vec<Ask>) {
        let now = unix_now();
        let patience = Duration::from_millis(u64::from(self.cache.settings().deadline_ms));
        let deadline = Instant::now() + patience;
        for ask in taken.drain(..) {
            self.cache.ask(ask, now, deadline, &mut self.news);
        }
    }

    fn take_off(&mut self) {
        while let Some((account, key)) = self.cache.next_lookup() {
            let Some(resolver) = self.resolver.clone() else { return };
            let aboard = (account, key.clone());
            let flight = self.flights.spawn(async move { resolver.resolve(&key).await });
            self.aboard.insert(flight.id(), aboard);
        }
    }

    fn landed(&mut self, result: Result<(Id, Found), tokio::task::JoinError>) {
        let (id, found) = match result {
            Ok(landed) => landed,
            Err(crash) => {
                error!(event = "lookup-crashed", error = %crash, "a look-up outside has crashed");
                (crash.id(), not_looked_up(FailureKind::Garbage))
            }
        };
        if let Some((account, key)) = self.aboard.remove(&id) {
            self.cache.learned(account, &key, found, unix_now(), &mut self.news);
        }
    }

    fn reconfigure(&mut self, settings: Flatten) {
        self.cache.reconfigure(settings, &mut self.news);
        self.renew_resolver();
    }

    fn renew_resolver(&mut self) {
        if let Some(new) = self.maker.make(self.cache.settings()) {
            self.resolver = Some(new);
        }
    }

    fn publish_if_due(&mut self) {
        if self.news.updates.is_empty() && self.news.waiters.is_empty() {
            self.publish_at = None;
            return;
        }
        // Who only waits is called at once: what it waits for was published before.
        let gather = if self.news.updates.is_empty() { Duration::ZERO } else { GATHER };
        let at = *self.publish_at.get_or_insert_with(|| Instant::now() + gather);
        if at <= Instant::now() {
            self.publish_now();
        }
    }

    fn publish_now(&mut self) {
        self.publish_at = None;
        let news = std::mem::take(&mut self.news);
        let cache = &self.cache;
        self.journal.note(news.updates.iter().map(|(key, entry)| {
            let kept = entry.as_ref().zip(cache.account(key));
            (key.clone(), kept.map(|(entry, account)| (account, entry.clone())))
        }));
        (self.publish)(news);
    }

    /// Nobody is left waiting.
    async fn end(mut self, mut asked: mpsc::Receiver<Ask>) {
        asked.close();
        while let Some((_, _, waiter)) = asked.recv().await {
            self.news.waiters.push(waiter);
        }
        self.flights.abort_all();
        self.cache.give_up(&mut self.news);
        self.publish_now();
        // Waits for the disk.
        let journal = self.journal;
        if tokio::task::spawn_blocking(move || drop(journal)).await.is_err() {
            error!(event = "store-behind", "flattened.log was not written to its end");
        }
    }
}

/// Looks one thing up, beside the service: for `check` and `explain`. What takes longer than an answer may has failed.
pub async fn look_up(resolver: &Resolver, settings: &Flatten, key: &Key) -> Arc<Entry> {
    let limit = Duration::from_millis(settings.deadline_ms.into());
    let found = tokio::time::timeout(limit, resolver.resolve(key)).await;
    let found = found.unwrap_or_else(|_| not_looked_up(FailureKind::Timeout));
    Cache::once(settings, key, found, unix_now())
}

fn unix_now() -> UnixTime {
    UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()))
}
