//! The server's life: doors are bound first, opened last and closed first.
//!
//! 1. Bind, raise the limit of open files, leave root behind: [`enter`].
//! 2. Everything else is read: zones, ownership, the last good state. Clients that ask meanwhile
//!    wait in the sockets.
//! 3. Questions are answered; the log says `ready`: [`open`].
//! 4. SIGTERM and SIGINT end it, SIGHUP reads config and zones again.
//! 5. What was asked is answered, the doors close, and then the publisher ends.

pub mod page;

use std::error::Error;
use std::fmt;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::TrySendError;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{error, info, warn};

use crate::api;
use crate::base::id::AccountId;
use crate::base::limits::PUBLISHER_END_MS;
use crate::config::settings;
use crate::control::command::{Command, Handle};
use crate::control::socket::Socket;
use crate::model::flattened::{Key, Waiter};
use crate::model::snapshot::Snapshot;
use crate::outside::service::{Service, Started};
use crate::telemetry::counters::Counters;
use crate::telemetry::figures::Figures;
use crate::transport::answers::Answers;
use crate::transport::privileges::{self, Dropped, PrivilegeError};
use crate::transport::room::{Ask, Room};
use crate::transport::sockets::{self, BindError, Bound};
use crate::transport::{Doors, TcpLimits};

/// How often denied edges are taken from the workers that noted them.
const COLLECT: Duration = Duration::from_millis(500);

/// Why the server cannot start.
#[derive(Debug)]
pub enum DaemonError {
    Bind(BindError),
    Privilege(PrivilegeError),
    Thread(io::Error),
    Signal(io::Error),
    World(Box<dyn Error + Send + Sync>),
}

/// What is behind the doors.
pub struct World {
    /// What is answered from.
    pub published: Arc<ArcSwap<Snapshot>>,
    /// The way to whoever changes it.
    pub publisher: Handle,
    /// What it and the doors tell of themselves.
    pub figures: Arc<Figures>,
    /// Told by the publisher when a reload changed them.
    pub settings: watch::Receiver<Told>,
    /// Who looks things up outside.
    pub outside: Option<Outside>,
    /// The HTTP API, which opens behind the doors.
    pub api: Option<api::server::Ready>,
    /// Where the block page will be served.
    pub page: Option<TcpListener>,
    /// They end after `Command::Stop`.
    pub threads: Vec<JoinHandle<()>>,
    /// How the command line asks; closed before the publisher ends.
    pub control: Option<Socket>,
}

/// The settings that others than the publisher follow.
#[derive(Clone, Debug)]
pub struct Told {
    pub server: settings::Server,
    pub flatten: settings::Flatten,
    pub block_page: settings::BlockPage,
}

impl Told {
    pub fn of(settings: &settings::Settings) -> Told {
        Told {
            server: settings.server.clone(),
            flatten: settings.flatten.clone(),
            block_page: settings.block_page,
        }
    }
}

/// The look-ups outside, in a runtime of their own: a busy one delays nothing else.
pub struct Outside {
    pub started: Started,
    pub runtime: Runtime,
}

impl Outside {
    /// Lets the look-ups end and what was learnt be written, and waits a little.
    async fn end(self) {
        self.started.service.stop();
        let limit = Duration::from_millis(PUBLISHER_END_MS);
        if timeout(limit, self.started.task).await.is_err() {
            info!("not waiting for the look-ups outside");
        }
        self.runtime.shutdown_background();
    }
}

/// Asks the service for the waiting room.
struct Asker(Service);

impl Ask for Asker {
    fn ask(&self, key: Key, account: AccountId, waiter: Waiter) {
        if let Err(waiter) = self.0.ask(key, account, waiter) {
            // Too busy: the question is answered with what there is.
            waiter();
        }
    }
}

impl World {
    fn reload(&self) {
        match self.publisher.try_send(Command::Reload(None)) {
            Ok(()) => info!("reading config and zones again"),
            Err(TrySendError::Full(_)) => warn!("too much is waiting to be done: no reload"),
            Err(TrySendError::Disconnected(_)) => {
                error!("the publisher has ended: nothing can change any more, restart the server");
            }
        }
    }

    /// Lets the publisher end, and waits a little. What is on disk is whole at any moment: one
    /// that is in the middle of a long load need not be waited for.
    fn end(self) {
        drop(self.control);
        if self.publisher.try_send(Command::Stop).is_err() {
            return;
        }
        let step = Duration::from_millis(5);
        for _ in 0..PUBLISHER_END_MS / 5 {
            if self.threads.iter().all(JoinHandle::is_finished) {
                return;
            }
            thread::sleep(step);
        }
        info!("not waiting for the publisher, which is busy");
    }
}

/// What the operator wants of a running server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wish {
    Stop,
    Reload,
}

/// The signals we listen to. Made early: until then SIGHUP would end the process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// Runs the server until a signal ends it. `load` reads the world; nothing is answered before.
pub fn run<F>(server: &settings::Server, load: F) -> Result<(), DaemonError>
where
    F: FnOnce() -> Result<World, Box<dyn Error + Send + Sync>> + Send + 'static,
{
    let runtime =
        Builder::new_current_thread().enable_all().build().map_err(DaemonError::Thread)?;
    let outcome = runtime.block_on(live(server, load));
    // Does not wait for a load that a signal has overtaken.
    runtime.shutdown_background();
    outcome
}

async fn live<F>(server: &settings::Server, load: F) -> Result<(), DaemonError>
where
    F: FnOnce() -> Result<World, Box<dyn Error + Send + Sync>> + Send + 'static,
{
    let mut signals = Signals::listen()?;
    let bound = enter(server)?;
    let mut loading = spawn_blocking(load);
    let mut reload_wanted = false;
    let mut world = loop {
        tokio::select! {
            loaded = &mut loading => match loaded {
                Ok(loaded) => break loaded.map_err(DaemonError::World)?,
                Err(panic) => return Err(DaemonError::World(Box::new(panic))),
            },
            wish = signals.next() => match wish {
                Wish::Stop => return Ok(()),
                Wish::Reload => reload_wanted = true,
            },
        }
    };
    let counters = Arc::<Counters>::default();
    let room = room(&world, &counters).map_err(DaemonError::Thread)?;
    let published = Arc::clone(&world.published);
    let answers = Answers { published, counters: Arc::clone(&counters), room: room.clone() };
    let page = page::open(&mut world);
    let doors = open(bound, server, answers)?;
    let api = open_api(&mut world, &doors, &counters).map_err(DaemonError::Thread)?;
    info!("ready");
    if reload_wanted {
        world.reload();
    }
    let mut collect = interval(COLLECT);
    collect.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = collect.tick() => {
                counters.violations.collect(&world.published.load());
                world.figures.set_doors(doors.are_open());
            }
            wish = signals.next() => match wish {
                Wish::Stop => break,
                Wish::Reload => world.reload(),
            },
            Ok(()) = world.settings.changed() => {
                let Told { server, flatten, .. } = world.settings.borrow_and_update().clone();
                doors.set_tcp_limits(tcp_limits(&server));
                doors.set_nap(server.nap_us);
                if let (Some(room), Some(outside)) = (&room, &world.outside) {
                    room.set_deadline_ms(flatten.deadline_ms.into());
                    outside.started.service.reconfigure(&flatten);
                }
            }
        }
    }
    info!("stopping");
    world.figures.set_doors(false);
    drop(api);
    if let Some(room) = &room {
        room.drain();
    }
    doors.close();
    drop(page);
    drop(room);
    if let Some(outside) = world.outside.take() {
        outside.end().await;
    }
    world.end();
    info!("stopped");
    Ok(())
}

/// Opens the API behind the doors, if it is wanted.
fn open_api(
    world: &mut World,
    doors: &Doors,
    counters: &Arc<Counters>,
) -> io::Result<Option<api::server::Running>> {
    let Some(api) = world.api.take() else { return Ok(None) };
    let outside = world.outside.as_ref().map(|outside| outside.started.service.clone());
    let (counters, connections) = (Arc::clone(counters), doors.connections());
    api.open(api::Doors { counters, connections, outside }).map(Some)
}

/// Where questions wait for the outside.
fn room(world: &World, counters: &Counters) -> io::Result<Option<Arc<Room>>> {
    let Some(outside) = &world.outside else { return Ok(None) };
    let ask = Arc::new(Asker(outside.started.service.clone()));
    let deadline_ms = u64::from(world.settings.borrow().flatten.deadline_ms);
    let room = Room::open(Arc::clone(&world.published), counters, ask, deadline_ms)?;
    Ok(Some(Arc::new(room)))
}

/// Does what needs root: binds all of `server.listen`, and then stops being root.
fn enter(server: &settings::Server) -> Result<Bound, DaemonError> {
    let bound = sockets::bind(&server.listen, workers(server)).map_err(DaemonError::Bind)?;
    for left_out in &bound.left_out {
        warn!("{left_out}");
    }
    let count = bound.doors.iter().map(|door| door.udp.len() + door.tcp.len()).sum();
    if let Err(short) = privileges::raise_open_files(server.tcp_max, count) {
        warn!("{short}");
    }
    match &server.user {
        Some(user) => match privileges::drop_to(user).map_err(DaemonError::Privilege)? {
            Dropped::To { user, uid, gid } => info!(user, uid, gid, "left root behind"),
            Dropped::Already { user } => {
                warn!(user, "the process already is the user of server.user: nothing to drop");
            }
        },
        None if privileges::is_root() => {
            warn!("running as root: set server.user to a user without other rights");
        }
        None => {}
    }
    Ok(bound)
}

/// Starts to answer, and says where.
fn open(bound: Bound, server: &settings::Server, answers: Answers) -> Result<Doors, DaemonError> {
    let addresses: Vec<_> = bound.doors.iter().map(|door| door.address).collect();
    let answers = Arc::new(answers);
    let doors = Doors::open(bound, tcp_limits(server), &answers).map_err(DaemonError::Thread)?;
    doors.set_nap(server.nap_us);
    for address in addresses {
        info!(%address, transport = "udp", "listening");
        info!(%address, transport = "tcp", "listening");
    }
    Ok(doors)
}

fn tcp_limits(server: &settings::Server) -> TcpLimits {
    TcpLimits {
        max: server.tcp_max,
        per_address: server.tcp_per_address,
        idle: Duration::from_secs(u64::from(server.tcp_idle)),
    }
}

/// UDP worker threads for each address, and as many for TCP.
fn workers(server: &settings::Server) -> usize {
    server.workers.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from))
}

impl Signals {
    /// Must be called inside the runtime.
    fn listen() -> Result<Signals, DaemonError> {
        let listen = |kind| signal(kind).map_err(DaemonError::Signal);
        // A file that may not grow any more is an error of one write; unheard, the signal would end the process.
        drop(listen(SignalKind::from_raw(nix::libc::SIGXFSZ))?);
        Ok(Signals {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::Stop,
            _ = self.interrupt.recv() => Wish::Stop,
            _ = self.hangup.recv() => Wish::Reload,
        }
    }
}

impl fmt::Display for DaemonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DaemonError::Bind(_) | DaemonError::Privilege(_) | DaemonError::World(_) => {
                "the server cannot start"
            }
            DaemonError::Thread(_) => "cannot start the threads that answer questions",
            DaemonError::Signal(_) => "cannot listen to signals",
        })
    }
}

impl Error for DaemonError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(match self {
            DaemonError::Bind(error) => error,
            DaemonError::Privilege(error) => error,
            DaemonError::World(error) => &**error,
            DaemonError::Thread(error) | DaemonError::Signal(error) => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hash::HashKey;
    use crate::model::question::Transport;
    use std::net::UdpSocket;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    fn server(listen: &[&str]) -> settings::Server {
        let listen = listen.iter().map(|address| address.parse().unwrap()).collect();
        settings::Server { listen, workers: Some(1), ..settings::Server::default() }
    }

    #[test]
    fn an_empty_world_refuses_and_ends() {
        let server = server(&["127.0.0.1:0"]);
        let bound = enter(&server).unwrap();
        let address = bound.doors[0].address;
        // Asked before the doors open: answered when they do.
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let packet = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x04test\0\0\x01\0\x01";
        client.send_to(packet, address).unwrap();
        let published = ArcSwap::from_pointee(Snapshot::empty(HashKey::new([1; 16])));
        let counters = Arc::<Counters>::default();
        let answers =
            Answers { published: Arc::new(published), counters: Arc::clone(&counters), room: None };
        let doors = open(bound, &server, answers).unwrap();
        let mut answer = [0; 512];
        let (length, from) = client.recv_from(&mut answer).unwrap();
        assert_eq!((from, length >= 12, answer[3] & 15), (address, true, 5));
        doors.close();
        assert_eq!(counters.totals().messages(Transport::Udp), 1);
    }

    #[test]
    fn a_port_in_use_says_whose_and_what_to_do() {
        let taken = enter(&server(&["127.0.0.1:0"])).unwrap();
        let address = taken.doors[0].address.to_string();
        let error = enter(&server(&[&address])).err().unwrap();
        let text = error.source().unwrap().to_string();
        assert!(text.starts_with(&format!("cannot listen on {address} (UDP)")), "{text}");
    }

    /// A world that notes what it is told, there when the test says so.
    fn world(told: SyncSender<String>, stay: Receiver<()>) -> World {
        let (publisher, commands) = sync_channel(8);
        let (settings, watched) = watch::channel(Told::of(&settings::Settings::default()));
        let publishing = thread::spawn(move || {
            let _settings = settings;
            for command in commands {
                told.send(format!("{command:?}")).unwrap();
                if matches!(command, Command::Stop) {
                    return;
                }
            }
        });
        stay.recv().unwrap();
        World {
            published: Arc::new(ArcSwap::from_pointee(Snapshot::empty(HashKey::new([1; 16])))),
            publisher,
            figures: Arc::default(),
            settings: watched,
            outside: None,
            api: None,
            page: None,
            threads: vec![publishing],
            control: None,
        }
    }

    /// All signals in one test: they are of the whole process.
    #[test]
    fn signals_reload_and_stop() {
        use nix::sys::signal::{SIGHUP, SIGINT, SIGTERM, raise};
        for stop in [SIGTERM, SIGINT] {
            let (told, hears) = sync_channel(8);
            let (go, stay) = sync_channel(0);
            let running =
                thread::spawn(move || run(&server(&["127.0.0.1:0"]), || Ok(world(told, stay))));
            // Whoever lets the world go on knows that the signals are listened to already.
            go.send(()).unwrap();
            raise(SIGHUP).unwrap();
            assert_eq!(hears.recv().unwrap(), "Reload(None)");
            raise(SIGHUP).unwrap();
            assert_eq!(hears.recv().unwrap(), "Reload(None)");
            raise(stop).unwrap();
            assert_eq!(hears.recv().unwrap(), "Stop");
            running.join().unwrap().unwrap();
        }
        // A signal during the load does not wait for it.
        let (told, _hears) = sync_channel(8);
        let (_go, stay) = sync_channel::<()>(0);
        let (began, begins) = sync_channel(1);
        let load = move || {
            began.send(()).unwrap();
            Ok(world(told, stay))
        };
        let running = thread::spawn(move || run(&server(&["127.0.0.1:0"]), load));
        begins.recv().unwrap();
        raise(SIGTERM).unwrap();
        running.join().unwrap().unwrap();

        let error = run(&server(&["127.0.0.1:0"]), || Err("zones/ is away".into())).unwrap_err();
        assert_eq!(error.source().unwrap().to_string(), "zones/ is away");
    }
}
