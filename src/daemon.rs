//! The server's life: doors are bound first, opened last and closed first.
//!
//! 1. [`enter`]: bind, raise the limit of open files, leave root behind.
//! 2. Everything else is read: zones, ownership, the last good state. Clients that ask meanwhile
//!    wait in the sockets.
//! 3. [`open`]: questions are answered; the log says `ready`.
//! 4. [`Signals`]: SIGTERM and SIGINT end it, SIGHUP reads config and zones again.
//! 5. [`Doors::close`]: what was asked is answered.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use crate::config::settings;
use crate::model::snapshot::Snapshot;
use crate::telemetry::counters::Counters;
use crate::transport::answers::Answers;
use crate::transport::privileges::{self, Dropped, PrivilegeError};
use crate::transport::sockets::{self, BindError, Bound};
use crate::transport::{Doors, TcpLimits};

/// Why the server cannot start.
#[derive(Debug)]
pub enum DaemonError {
    Bind(BindError),
    Privilege(PrivilegeError),
    Thread(io::Error),
    Signal(io::Error),
}

/// What the operator wants of a running server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish {
    Stop,
    Reload,
}

/// The signals we listen to. Made early: until then SIGHUP would end the process.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// Does what needs root: binds all of `server.listen`, and then stops being root.
pub fn enter(server: &settings::Server) -> Result<Bound, DaemonError> {
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
pub fn open(
    bound: Bound,
    server: &settings::Server,
    published: Arc<ArcSwap<Snapshot>>,
    counters: Arc<Counters>,
) -> Result<Doors, DaemonError> {
    let addresses: Vec<_> = bound.doors.iter().map(|door| door.address).collect();
    let answers = Arc::new(Answers { published, counters });
    let doors = Doors::open(bound, tcp_limits(server), &answers).map_err(DaemonError::Thread)?;
    for address in addresses {
        info!(%address, transport = "udp", "listening");
        info!(%address, transport = "tcp", "listening");
    }
    info!("ready");
    Ok(doors)
}

/// What TCP clients may use; for [`Doors::set_tcp_limits`] after a reload.
pub fn tcp_limits(server: &settings::Server) -> TcpLimits {
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
    pub fn listen() -> Result<Signals, DaemonError> {
        let listen = |kind| signal(kind).map_err(DaemonError::Signal);
        Ok(Signals {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> Wish {
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
            DaemonError::Bind(_) | DaemonError::Privilege(_) => "the server cannot start",
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
            DaemonError::Thread(error) | DaemonError::Signal(error) => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hash::HashKey;
    use std::net::UdpSocket;

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
        let doors = open(bound, &server, Arc::new(published), Arc::clone(&counters)).unwrap();
        let mut answer = [0; 512];
        let (length, from) = client.recv_from(&mut answer).unwrap();
        assert_eq!((from, length >= 12, answer[3] & 15), (address, true, 5));
        doors.close();
        assert_eq!(counters.totals().udp, 1);
    }

    #[test]
    fn a_port_in_use_says_whose_and_what_to_do() {
        let taken = enter(&server(&["127.0.0.1:0"])).unwrap();
        let address = taken.doors[0].address.to_string();
        let error = enter(&server(&[&address])).err().unwrap();
        let text = error.source().unwrap().to_string();
        assert!(text.starts_with(&format!("cannot listen on {address} (UDP)")), "{text}");
    }

    #[test]
    fn signals_are_wishes() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut signals = Signals::listen().unwrap();
            for (signal, wish) in [
                (nix::sys::signal::SIGHUP, Wish::Reload),
                (nix::sys::signal::SIGTERM, Wish::Stop),
                (nix::sys::signal::SIGINT, Wish::Stop),
            ] {
                nix::sys::signal::raise(signal).unwrap();
                assert_eq!(signals.next().await, wish);
            }
        });
    }
}
