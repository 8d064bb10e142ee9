//! TCP: one thread per worker, each with listeners of its own for every address, and a task for
//! each connection.
//!
//! A runtime of one thread per worker instead of one for all: connections stay where the kernel
//! put them, share the worker's buffers without locks, and no task ever wakes another core.

use std::io;
use std::net::TcpListener as StdListener;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{error, warn};

use crate::base::limits::{TCP_ACCEPT_PAUSE_MS, TCP_DRAIN_MS, TCP_GRACE_MS, TCP_TICK_MS};
use crate::model::question::{Client, Transport};

use super::admission::{Admission, Full};
use super::connection::Connection;
use super::desk::Desk;
use super::{Responder, Seldom, Stop, now};

/// The listeners of one worker and the thread that serves them and their connections.
pub struct Worker<R> {
    /// Not blocking; one for each address.
    pub listeners: Vec<StdListener>,
    pub responder: Arc<R>,
    pub admission: Arc<Admission>,
    pub stop: Stop,
}

impl<R: Responder> Worker<R> {
    /// Starts the thread; it ends soon after [`Stop`] was set.
    pub fn start(self, name: String) -> io::Result<thread::JoinHandle<()>> {
        let mut builder = Builder::new_current_thread();
        builder.enable_io().enable_time();
        thread::Builder::new().name(name).spawn(move || {
            match builder.build_local(LocalOptions::default()) {
                Ok(runtime) => runtime.block_on(self.run()),
                Err(error) => error!(%error, "no TCP: the event loop of a worker cannot start"),
            }
        })
    }

    async fn run(self) {
        let desk = Rc::new(Desk::new(self.responder, self.admission));
        let mut acceptors = Vec::with_capacity(self.listeners.len());
        for listener in self.listeners {
            match TcpListener::from_std(listener) {
                Ok(listener) => {
                    acceptors.push(spawn_local(accept(listener, Rc::clone(&desk))));
                }
                Err(error) => error!(%error, "a TCP listener cannot be served"),
            }
        }
        let stopped = self.stop.wait();
        tokio::pin!(stopped);
        let tick = Duration::from_millis(TCP_TICK_MS);
        loop {
            tokio::select! {
                () = &mut stopped => break,
                () = sleep(tick), if desk.needs_ticks() => desk.tick(),
                () = desk.changed.notified(), if !desk.needs_ticks() => {}
                () = desk.mail() => desk.deliver(),
            }
        }
        // What the kernel has already taken from clients is still to be seen, and answered.
        sleep(Duration::from_millis(TCP_GRACE_MS)).await;
        for acceptor in acceptors {
            acceptor.abort();
        }
        desk.drain();
        let end = Instant::now() + Duration::from_millis(TCP_DRAIN_MS);
        while !desk.is_empty() {
            tokio::select! {
                waited = timeout_at(end, desk.changed.notified()) => {
                    if waited.is_err() {
                        break;
                    }
                }
                () = desk.mail() => desk.deliver(),
            }
        }
        desk.let_go();
    }
}

/// Takes connections for ever; those over a limit are closed at once.
async fn accept<R: Responder>(listener: TcpListener, desk: Rc<Desk<R>>) {
    let mut full_warning = Seldom::default();
    let mut error_warning = Seldom::default();
    loop {
        match listener.accept().await {
            Ok((stream, from)) => match desk.admit(from.ip()) {
                Ok(slot) => {
                    let client = Client { address: from.ip(), transport: Transport::Tcp };
                    spawn_local(Connection::new(stream, client, Rc::clone(&desk), slot));
                }
                Err(full) => {
                    drop(stream);
                    if full_warning.is_due(now()) {
                        warn_full(full, &from);
                    }
                }
            },
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if error_warning.is_due(now()) {
                    warn!(%error, "a TCP connection cannot be taken; trying again and again");
                }
                // Too many open files, no memory: to try again at once would only burn the core.
                sleep(Duration::from_millis(TCP_ACCEPT_PAUSE_MS)).await;
            }
        }
    }
}

fn warn_full(full: Full, from: &std::net::SocketAddr) {
    let limit = full.setting();
    warn!(client = %from.ip(), limit, "TCP connections over the limit are closed at once");
}

/// Errors that `accept` hands over from a connection that died in the queue.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNABORTED
                | libc::ECONNRESET
                | libc::EINTR
                | libc::EPERM
                | libc::EPROTO
                | libc::ENETDOWN
                | libc::ENETUNREACH
                | libc::EHOSTDOWN
                | libc::EHOSTUNREACH
                | libc::ENONET
                | libc::ENOPROTOOPT
                | libc::EOPNOTSUPP
                | libc::ETIMEDOUT
        )
    )
}
