//! Floor 8: custom hostnames outside this server: looked up, fetched, and handed to the publisher as what was seen.
//!
//! Nothing is decided here, and nothing is known here but what the publisher asks for. Whatever goes wrong is seen as
//! no answer, which proves nothing either way.

pub mod fetch;
pub mod guard;
pub mod walk;

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle as Runtime;
use tokio::sync::{Semaphore, watch};

use self::fetch::{Fetcher, Reach};
use self::guard::Guard;
use self::walk::Walker;
use crate::base::limits::LOOKS_FLYING;
use crate::config::settings::{Flatten, Hostnames, Settings as Config};
use crate::control::command::{Command, Handle};
use crate::control::looks::Look;
use crate::control::press::Published;
use crate::control::registrar::Check;
use crate::outside::resolve::Resolver;
use crate::outside::service::{resolver, upstreams_of};
use crate::outside::upstream::Upstreams;

/// How often the system's list of resolvers is read again.
const SYSTEM_AGAIN: Duration = Duration::from_secs(30);
/// Pause before a publisher with a full queue is told again.
const TELL_AGAIN: Duration = Duration::from_millis(20);

/// What of the config counts here.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    pub flatten: Flatten,
    pub hostnames: Hostnames,
    /// Where this server listens itself.
    pub own: Vec<SocketAddr>,
}

impl Settings {
    pub fn of(config: &Config) -> Settings {
        let others = [config.api.listen, config.block_page.listen];
        let own = config.server.listen.iter().copied().chain(others.into_iter().flatten());
        let own = own.collect();
        Settings { flatten: config.flatten.clone(), hostnames: config.hostnames.clone(), own }
    }
}

/// Looks at what the publisher asks for, until it ends.
pub fn start(
    looks: Receiver<Look>,
    publisher: Handle,
    published: Arc<Published>,
    settings: watch::Receiver<Settings>,
    runtime: Runtime,
) -> io::Result<thread::JoinHandle<()>> {
    let guard = Arc::new(Guard::default());
    let verifier =
        Arc::new(Verifier { publisher, published, settings, guard, made: Mutex::default() });
    let flying = Arc::new(Semaphore::new(LOOKS_FLYING));
    thread::Builder::new().name("verifier".to_owned()).spawn(move || {
        for look in looks {
            let place = runtime.block_on(Arc::clone(&flying).acquire_owned());
            let verifier = Arc::clone(&verifier);
            runtime.spawn(async move {
                let seen = verifier.look(look).await;
                drop(place);
                verifier.tell(seen).await;
            });
        }
    })
}

struct Verifier {
    publisher: Handle,
    published: Arc<Published>,
    settings: watch::Receiver<Settings>,
    guard: Arc<Guard>,
    made: Mutex<Option<Made>>,
}

/// Resolver and fetcher, and the settings they were made of.
struct Made {
    of: Settings,
    upstreams: Vec<SocketAddr>,
    at: Instant,
    resolver: Resolver,
    fetcher: Arc<Fetcher>,
}

impl Verifier {
    /// With the settings of now.
    fn tools(&self) -> (Resolver, Arc<Fetcher>) {
        let wanted = self.settings.borrow().clone();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(m) = made.as_ref()
            && m.of == wanted
            && (m.at.elapsed() < SYSTEM_AGAIN || m.upstreams == upstreams_of(&wanted.flatten))
        {
            return (m.resolver.clone(), Arc::clone(&m.fetcher));
        }
        let upstreams = upstreams_of(&wanted.flatten);
        let resolver = resolver(&wanted.flatten, Arc::new(Upstreams::new(&upstreams)));
        let fetcher = Fetcher::new(&wanted, Reach::default(), Arc::clone(&self.guard));
        let fetcher = Arc::new(fetcher);
        let tools = (resolver.clone(), Arc::clone(&fetcher));
        *made = Some(Made { of: wanted, upstreams, at: Instant::now(), resolver, fetcher });
        tools
    }

    async fn look(&self, look: Look) -> Command {
        let (resolver, fetcher) = self.tools();
        let walker = Walker { resolver, published: Arc::clone(&self.published), fetcher };
        match look {
            Look::Hostname(look) => {
                let seen = walker.hostname(&look).await;
                let (id, revision, trigger) = (look.id, look.revision, look.trigger);
                Command::Seen(Box::new(Check { id, revision, trigger, seen }))
            }
            Look::Origin { zone, origin } => {
                let found = walker.origin(&origin).await;
                Command::OriginSeen { zone, origin, found }
            }
        }
    }

    async fn tell(&self, mut command: Command) {
        while let Err(TrySendError::Full(again)) = self.publisher.try_send(command) {
            command = again;
            tokio::time::sleep(TELL_AGAIN).await;
        }
    }
}
