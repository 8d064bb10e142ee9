//! Binds every address of `server.listen`, UDP and TCP, one socket of each for every worker.
//!
//! The sockets of one address share their port by `SO_REUSEPORT`, and the kernel spreads questions
//! over them. That option would also let a second server slip in beside the first and take half of
//! its questions: so the first socket of a port is bound without it, which fails if anybody else
//! holds the port, and gets it afterwards for its own siblings.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tracing::debug;

use crate::base::limits::{SOCKET_BUFFER, TCP_BACKLOG, UDP_WAKE_MS};
use crate::model::question::Transport;

use super::mmsg::{Source, set_option};

/// Tries to find a free port that is free for UDP and TCP alike.
const FREE_PORT_TRIES: usize = 64;

/// One address we listen on.
pub struct Door {
    /// With the real port.
    pub address: SocketAddr,
    pub source: Source,
    /// One for each worker.
    pub udp: Vec<UdpSocket>,
    /// One for each worker, not blocking.
    pub tcp: Vec<TcpListener>,
}

/// All doors, still closed: nothing reads from these sockets yet, but clients already queue.
pub struct Bound {
    pub doors: Vec<Door>,
    /// Addresses left out because the machine lacks their family.
    pub left_out: Vec<BindError>,
}

/// Why an address cannot be listened on.
#[derive(Debug)]
pub struct BindError {
    pub address: SocketAddr,
    pub transport: Transport,
    pub error: io::Error,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    InUse,
    CoveredBy(SocketAddr),
    NoFamily,
    NoAddress,
    NotPermitted,
    Other,
}

/// Binds all of `listen` for `workers` workers. A family the machine lacks is left out if another
/// address could be bound; anything else is an error.
pub fn bind(listen: &[SocketAddr], workers: usize) -> Result<Bound, BindError> {
    let mut bound = Bound { doors: Vec::with_capacity(listen.len()), left_out: Vec::new() };
    for &address in listen {
        match Door::bind(address, workers.max(1)) {
            Ok(door) => bound.doors.push(door),
            Err(error) if error.kind == Kind::NoFamily => bound.left_out.push(error),
            Err(error) => return Err(explain_own_conflict(error, &bound.doors)),
        }
    }
    match bound.left_out.pop() {
        Some(error) if bound.doors.is_empty() => Err(error),
        Some(error) => {
            bound.left_out.push(error);
            Ok(bound)
        }
        None => Ok(bound),
    }
}

/// A port in use may be our own: `0.0.0.0:53` already is `127.0.0.1:53`.
fn explain_own_conflict(error: BindError, doors: &[Door]) -> BindError {
    let covers = |door: &&Door| {
        let (a, b) = (door.address, error.address);
        a.port() == b.port()
            && a.is_ipv4() == b.is_ipv4()
            && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
    };
    match doors.iter().find(covers) {
        Some(door) if error.kind == Kind::InUse => {
            BindError { kind: Kind::CoveredBy(door.address), ..error }
        }
        _ => error,
    }
}

impl Door {
    fn bind(address: SocketAddr, workers: usize) -> Result<Door, BindError> {
        let mut tries = if address.port() == 0 { FREE_PORT_TRIES } else { 1 };
        loop {
            tries -= 1;
            let first = udp_socket(address, Sharing::Alone)
                .map_err(|error| BindError::new(address, Transport::Udp, error))?;
            let real = first
                .local_addr()
                .map_err(|error| BindError::new(address, Transport::Udp, error))?;
            match Door::complete(first, real, workers) {
                // A free port was found for UDP that TCP does not have free: another one, then.
                Err(error) if error.kind == Kind::InUse && tries > 0 => continue,
                outcome => return outcome,
            }
        }
    }

    /// The other sockets of the address and port of `first`.
    fn complete(first: UdpSocket, address: SocketAddr, workers: usize) -> Result<Door, BindError> {
        let udp_error = |error| BindError::new(address, Transport::Udp, error);
        let tcp_error = |error| BindError::new(address, Transport::Tcp, error);
        let mut udp = vec![first];
        let mut tcp = vec![tcp_socket(address, Sharing::Alone).map_err(tcp_error)?];
        for _ in 1..workers {
            udp.push(udp_socket(address, Sharing::WithOurs).map_err(udp_error)?);
            tcp.push(tcp_socket(address, Sharing::WithOurs).map_err(tcp_error)?);
        }
        // Only now, when every port is ours: nobody connects to a server that is not to be.
        let tcp = tcp.into_iter().map(listening).collect::<io::Result<_>>().map_err(tcp_error)?;
        Ok(Door { address, source: source_of(address.ip()), udp, tcp })
    }
}

fn source_of(address: IpAddr) -> Source {
    if address.is_unspecified() { Source::AsAsked } else { Source::Bound }
}

/// Whether a socket may be bound beside others of its address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    /// The first one: fails if anybody holds the port, then lets its siblings in.
    Alone,
    WithOurs,
}

fn udp_socket(address: SocketAddr, sharing: Sharing) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    bind_socket(&socket, address, sharing)?;
    let wake = Some(Duration::from_millis(UDP_WAKE_MS));
    socket.set_read_timeout(wake)?;
    socket.set_write_timeout(wake)?;
    // Answers never exceed 1232 octets. Path MTU messages can be forged, and one that is believed
    // makes the kernel cut answers into fragments that can be forged as well (RFC 9715).
    let (level, mtu, packet_info, omit) = match address {
        SocketAddr::V4(_) => {
            (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PKTINFO, libc::IP_PMTUDISC_OMIT)
        }
        SocketAddr::V6(_) => (
            libc::IPPROTO_IPV6,
            libc::IPV6_MTU_DISCOVER,
            libc::IPV6_RECVPKTINFO,
            libc::IPV6_PMTUDISC_OMIT,
        ),
    };
    set_option(socket.as_fd(), level, mtu, omit)?;
    if source_of(address.ip()) == Source::AsAsked {
        set_option(socket.as_fd(), level, packet_info, 1)?;
    }
    make_room(&socket);
    Ok(socket.into())
}

/// Asks for large buffers: root gets them beyond the system's maximum, others as far as it goes.
fn make_room(socket: &Socket) {
    let size = SOCKET_BUFFER as libc::c_int;
    for (forced, asked) in
        [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)]
    {
        let set = |option| set_option(socket.as_fd(), libc::SOL_SOCKET, option, size);
        if let Err(error) = set(forced).or_else(|_| set(asked)) {
            debug!(%error, "a socket buffer keeps its size");
        }
    }
}

fn tcp_socket(address: SocketAddr, sharing: Sharing) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of the run before linger in TIME_WAIT and must not keep us from the port. A
    // listening socket of another process still does.
    socket.set_reuse_address(true)?;
    bind_socket(&socket, address, sharing)?;
    // Accepted connections inherit both: an answer goes out when it is written, and what a dead
    // client never acknowledges does not stay in the kernel for a quarter of an hour.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(Duration::from_secs(30)))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn listening(socket: Socket) -> io::Result<TcpListener> {
    socket.listen(TCP_BACKLOG)?;
    Ok(socket.into())
}

fn bind_socket(socket: &Socket, address: SocketAddr, sharing: Sharing) -> io::Result<()> {
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if sharing == Sharing::WithOurs {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    socket.set_reuse_port(true)
}

impl BindError {
    fn new(address: SocketAddr, transport: Transport, error: io::Error) -> BindError {
        let kind = match error.raw_os_error() {
            Some(libc::EADDRINUSE) => Kind::InUse,
            Some(libc::EAFNOSUPPORT) => Kind::NoFamily,
            Some(libc::EADDRNOTAVAIL) if address.is_ipv6() && !host_has_ipv6() => Kind::NoFamily,
            Some(libc::EADDRNOTAVAIL) => Kind::NoAddress,
            Some(libc::EACCES | libc::EPERM) => Kind::NotPermitted,
            _ => Kind::Other,
        };
        BindError { address, transport, error, kind }
    }
}

/// Whether any IPv6 address is configured: with `disable_ipv6` sockets can be made, but not bound.
fn host_has_ipv6() -> bool {
    fs::read_to_string("/proc/net/if_inet6").is_ok_and(|addresses| !addresses.trim().is_empty())
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (address, port) = (self.address, self.address.port());
        let transport = match self.transport {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
        };
        write!(f, "cannot listen on {address} ({transport}): ")?;
        match self.kind {
            Kind::InUse => write!(
                f,
                "another program holds port {port}; `ss -lnp 'sport = :{port}'` shows which. \
                 Stop it, or give server.listen another address or port"
            ),
            Kind::CoveredBy(other) => {
                write!(f, "server.listen also has {other}, which covers it; remove one of the two")
            }
            Kind::NoFamily => {
                let family = if address.is_ipv6() { "IPv6" } else { "IPv4" };
                write!(f, "this machine has no {family}; remove the address from server.listen")
            }
            Kind::NoAddress => write!(
                f,
                "this machine has no address {}; `ip address` shows those it has",
                address.ip()
            ),
            Kind::NotPermitted => write!(
                f,
                "ports below 1024 need root or the capability CAP_NET_BIND_SERVICE; start as root \
                 with server.user set, or choose a higher port"
            ),
            Kind::Other => write!(f, "{}", self.error),
        }
    }
}

impl std::error::Error for BindError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn failure(listen: &[SocketAddr]) -> String {
        bind(listen, 1).err().expect("must fail").to_string()
    }

    #[test]
    fn port_zero_is_one_number_for_all_sockets() {
        let bound = bind(&[address("127.0.0.1:0"), address("127.0.0.2:0")], 3).unwrap();
        for door in &bound.doors {
            assert_ne!(door.address.port(), 0);
            assert_eq!((door.udp.len(), door.tcp.len()), (3, 3));
            for socket in &door.udp {
                assert_eq!(socket.local_addr().unwrap(), door.address);
            }
            for listener in &door.tcp {
                assert_eq!(listener.local_addr().unwrap(), door.address);
            }
        }
    }

    #[test]
    fn a_second_server_is_refused_even_though_ports_are_shared() {
        let first = bind(&[address("127.0.0.1:0")], 2).unwrap();
        let taken = first.doors[0].address;
        let text = failure(&[taken]);
        assert!(text.contains(&format!("cannot listen on {taken} (UDP)")), "{text}");
        assert!(text.contains("another program holds port"), "{text}");
    }

    #[test]
    fn a_port_taken_for_tcp_alone_is_refused() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let text = failure(&[other.local_addr().unwrap()]);
        assert!(text.contains("(TCP): another program holds port"), "{text}");
    }

    #[test]
    fn a_port_held_by_a_program_that_shares_is_refused_too() {
        let other = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
        other.set_reuse_port(true).unwrap();
        other.bind(&address("127.0.0.1:0").into()).unwrap();
        let taken = other.local_addr().unwrap().as_socket().unwrap();
        let text = failure(&[taken]);
        assert!(text.contains("(UDP): another program holds port"), "{text}");
    }

    #[test]
    fn an_address_we_cover_ourselves_is_named() {
        let free = bind(&[address("127.0.0.1:0")], 1).unwrap().doors[0].address.port();
        let all = SocketAddr::new([0, 0, 0, 0].into(), free);
        let one = SocketAddr::new([127, 0, 0, 1].into(), free);
        let text = failure(&[all, one]);
        assert!(text.contains(&format!("server.listen also has {all}")), "{text}");
    }

    #[test]
    fn both_wildcards_share_a_number() {
        if !host_has_ipv6() {
            return;
        }
        // Another test may hold the number over IPv4: not for all of several numbers.
        let shared = (0..8).any(|_| {
            let free = bind(&[address("[::]:0")], 1).unwrap().doors[0].address.port();
            let listen =
                [SocketAddr::new([0, 0, 0, 0].into(), free), address(&format!("[::]:{free}"))];
            bind(&listen, 2)
                .is_ok_and(|bound| bound.doors.iter().all(|d| d.source == Source::AsAsked))
        });
        assert!(shared);
    }

    #[test]
    fn an_address_of_somebody_else_is_named() {
        let text = failure(&[address("192.0.2.201:0")]);
        assert!(text.contains("this machine has no address 192.0.2.201"), "{text}");
    }

    #[test]
    fn a_restart_is_not_kept_out_by_old_connections() {
        let bound = bind(&[address("127.0.0.1:0")], 1).unwrap();
        let taken = bound.doors[0].address;
        let client = std::net::TcpStream::connect(taken).unwrap();
        bound.doors[0].tcp[0].set_nonblocking(false).unwrap();
        let (server, _) = bound.doors[0].tcp[0].accept().unwrap();
        // The side that closes first keeps the port in TIME_WAIT.
        drop(server);
        drop(bound);
        drop(client);
        bind(&[taken], 2).unwrap();
    }
}
