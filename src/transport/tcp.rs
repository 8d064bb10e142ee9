//! TCP: one thread per worker, each with listeners of its own for every address, and one loop over
//! what the kernel tells of them and of their connections.
//!
//! An own loop, not a runtime: a wait without a limit arms no timer, a timer of the kernel ticks
//! slowly as long as there is somebody to be late, and between the kernel's word and the answer
//! there is no task to be found and woken. Connections stay with the worker the kernel gave them to.

use std::io;
use std::mem;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tracing::{error, warn};

use crate::base::limits::{TCP_ACCEPTS, TCP_DRAIN_MS, TCP_EVENTS, TCP_GRACE_MS, TCP_TICK_MS};
use crate::model::question::{Client, Transport};

use super::admission::{Admission, Full};
use super::connection::{Connection, Next};
use super::desk::Desk;
use super::mailbox::{Mailbox, OverTcp};
use super::table::{Number, Table};
use super::{Responder, Seldom, Stop, now};

/// The listeners of one worker and the thread that serves them and their connections.
pub struct Worker<R> {
    /// Not blocking; one for each address.
    pub listeners: Vec<TcpListener>,
    pub responder: Arc<R>,
    pub admission: Arc<Admission>,
    pub stop: Stop,
}

/// What an event is about that is about no connection; listeners are numbered from `LISTENERS` on.
const STOP: u64 = 0;
const TICK: u64 = 1;
const MAIL: u64 = 2;
const LISTENERS: u64 = 3;

/// What a worker has at hand.
struct Serving<R: Responder> {
    epoll: Epoll,
    timer: TimerFd,
    ticking: bool,
    /// Empty once nobody is let in any more.
    listeners: Vec<TcpListener>,
    /// Whether listeners are left alone until the next tick.
    paused: bool,
    table: Table<Connection>,
    /// Answers that had to wait, on their way to connections.
    mailbox: Arc<Mailbox>,
    /// Connections that have more to do.
    again: Vec<Number>,
    desk: Desk<R>,
    full_warning: Seldom,
    error_warning: Seldom,
}

impl<R: Responder> Worker<R> {
    /// Starts the thread; it ends soon after [`Stop`] was set.
    pub fn start(self, name: String) -> io::Result<thread::JoinHandle<()>> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        let readable = |number| EpollEvent::new(EpollFlags::EPOLLIN, number);
        epoll.add(&timer, readable(TICK))?;
        epoll.add(self.stop.told(), readable(STOP))?;
        let mailbox = Arc::new(Mailbox::new()?);
        epoll.add(mailbox.bell(), readable(MAIL))?;
        for (number, listener) in (LISTENERS..).zip(&self.listeners) {
            epoll.add(listener, readable(number))?;
        }
        thread::Builder::new().name(name).spawn(move || {
            let mut serving = Serving {
                epoll,
                timer,
                ticking: false,
                listeners: self.listeners,
                paused: false,
                table: Table::new(),
                mailbox,
                again: Vec::new(),
                desk: Desk::new(self.responder, self.admission),
                full_warning: Seldom::default(),
                error_warning: Seldom::default(),
            };
            serving.run(&self.stop);
        })
    }
}

impl<R: Responder> Serving<R> {
    fn run(&mut self, stop: &Stop) {
        let mut events = vec![EpollEvent::empty(); TCP_EVENTS];
        while !stop.is_set() {
            self.turn(&mut events, EpollTimeout::NONE);
        }
        // It would be told of again and again.
        let _ = self.epoll.delete(stop.told());
        // What the kernel has already taken from clients is still to be seen, and answered.
        let end = Instant::now() + Duration::from_millis(TCP_GRACE_MS);
        while let Some(rest) = rest(end) {
            self.turn(&mut events, rest);
        }
        self.listeners.clear();
        self.desk.drain();
        for number in self.table.numbers(|_| true) {
            self.look(number);
        }
        let end = Instant::now() + Duration::from_millis(TCP_DRAIN_MS);
        while let (false, Some(rest)) = (self.table.is_empty(), rest(end)) {
            self.turn(&mut events, rest);
        }
        self.desk.let_go();
    }

    /// Waits until something happens, and does what is then to be done.
    fn turn(&mut self, events: &mut [EpollEvent], timeout: EpollTimeout) {
        let timeout = if self.again.is_empty() { timeout } else { EpollTimeout::ZERO };
        let count = self.epoll.wait(events, timeout).unwrap_or_else(|error| {
            if error != Errno::EINTR {
                // Nothing known makes it fail; should it, the core is not burnt.
                error!(%error, "waiting for TCP failed");
                thread::sleep(Duration::from_millis(TCP_TICK_MS));
            }
            0
        });
        for event in &events[..count] {
            match (Number::of(event.data()), event.data()) {
                (Some(number), _) => {
                    if let Some(connection) = self.table.find(number) {
                        connection.note(event.events());
                        self.advance(number);
                    }
                }
                (None, STOP) => {}
                (None, TICK) => self.tick(),
                (None, MAIL) => self.deliver(),
                (None, number) => self.accept((number - LISTENERS) as usize),
            }
        }
        for number in mem::take(&mut self.again) {
            self.advance(number);
        }
        self.tick_if_needed();
    }

    fn advance(&mut self, number: Number) {
        let Some(connection) = self.table.find(number) else { return };
        match connection.advance(&mut self.desk) {
            Next::Wait => {}
            Next::Again => self.again.push(number),
            Next::Close => self.table.remove(number),
        }
    }

    fn look(&mut self, number: Number) {
        if let Some(connection) = self.table.find(number) {
            connection.look();
            self.advance(number);
        }
    }

    /// Hands answers that came late to their connections.
    fn deliver(&mut self) {
        for (number, letter) in self.mailbox.take() {
            // Who went away wants no answer.
            if let Some(connection) = self.table.find(number) {
                connection.deliver(&letter);
                self.advance(number);
            }
        }
    }

    /// Time has passed: who is over its time is served a last time if it just asked, else closed.
    fn tick(&mut self) {
        if self.timer.wait().is_err() {
            return;
        }
        self.desk.tick();
        let ticks = self.desk.ticks();
        for number in self.table.numbers(|connection| connection.is_overdue(ticks)) {
            self.look(number);
        }
        if mem::take(&mut self.paused) {
            self.listen(EpollFlags::EPOLLIN);
        }
    }

    /// Lets time pass as long as it matters: somebody may be late, or a snapshot is held.
    fn tick_if_needed(&mut self) {
        let needed = !self.table.is_empty() || self.desk.holds() || self.paused;
        if needed != self.ticking {
            let tick = Duration::from_millis(TCP_TICK_MS);
            let set = match needed {
                true => {
                    let every = Expiration::Interval(tick.into());
                    self.timer.set(every, TimerSetTimeFlags::empty())
                }
                false => self.timer.unset(),
            };
            match set {
                Ok(()) => self.ticking = needed,
                Err(error) => error!(%error, "the clock of TCP connections cannot be set"),
            }
        }
    }

    /// Takes connections that wait; those over a limit are closed at once.
    fn accept(&mut self, listener: usize) {
        for _ in 0..TCP_ACCEPTS {
            let Some(listener) = self.listeners.get(listener) else { return };
            match listener.accept() {
                Ok((stream, from)) => match self.desk.admit(from.ip()) {
                    Ok(slot) => {
                        let client = Client { address: from.ip(), transport: Transport::Tcp };
                        let deadline = self.desk.deadline();
                        let added = self.table.add(|number| {
                            stream.set_nonblocking(true)?;
                            let event = EpollEvent::new(Connection::interest(), number.value());
                            self.epoll.add(&stream, event)?;
                            let way = OverTcp::new(Arc::clone(&self.mailbox), number);
                            Ok::<_, io::Error>(Connection::new(stream, client, way, deadline, slot))
                        });
                        if let Err(error) = added {
                            self.fail(&error);
                            return;
                        }
                    }
                    Err(full) => self.refuse(stream, full, &from),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    self.fail(&error);
                    return;
                }
            }
        }
    }

    fn refuse(&mut self, stream: TcpStream, full: Full, from: &SocketAddr) {
        drop(stream);
        if self.full_warning.is_due(now()) {
            let limit = full.setting();
            warn!(client = %from.ip(), limit, "TCP connections over the limit are closed at once");
        }
    }

    /// Too many open files, no memory: to try again at once would only burn the core.
    fn fail(&mut self, error: &io::Error) {
        if self.error_warning.is_due(now()) {
            warn!(%error, "a TCP connection cannot be taken; trying again and again");
        }
        self.paused = true;
        self.listen(EpollFlags::empty());
    }

    /// What of the listeners is to be told.
    fn listen(&self, interest: EpollFlags) {
        for (number, listener) in (LISTENERS..).zip(&self.listeners) {
            let mut event = EpollEvent::new(interest, number);
            if let Err(error) = self.epoll.modify(listener.as_fd(), &mut event) {
                error!(%error, "a TCP listener cannot be served");
            }
        }
    }
}

/// The time until `end`; `None` if it is over.
fn rest(end: Instant) -> Option<EpollTimeout> {
    let rest = end.saturating_duration_since(Instant::now());
    // Rounded up, so that the last wait is no loop of waits for nothing.
    let millis = rest.as_nanos().div_ceil(1_000_000);
    (millis > 0).then(|| u16::try_from(millis).unwrap_or(u16::MAX).into())
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
