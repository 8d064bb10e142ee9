//! The UDP and TCP loops with a responder that sends every question back: batches, addresses,
//! limits, shutdown. Ports are chosen by the system; nothing waits for a fixed time.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv6Addr, Shutdown, SocketAddr, SocketAddrV6, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bailiwick::base::time::UnixTime;
use bailiwick::model::question::Client;
use bailiwick::transport::room::Way;
use bailiwick::transport::{Doors, Responder, TcpLimits, sockets};

/// Sends a question back with QR set; its second octet says what else is to happen.
#[derive(Default)]
struct Echo {
    batches: AtomicUsize,
    let_go: AtomicUsize,
}

/// Second octet of a question.
const PLAIN: u8 = 0;
const SILENCE: u8 = 1;
const PANIC: u8 = 2;
const WHO: u8 = 3;
/// The longest answer there is room for.
const LONG: u8 = 4;

impl Responder for Echo {
    type Local = bool;

    fn local(&self) -> bool {
        false
    }

    fn begin(&self, holds: &mut bool, now: UnixTime) {
        assert!(now.0 > 1_700_000_000);
        *holds = true;
        self.batches.fetch_add(1, Ordering::Relaxed);
    }

    fn respond(
        &self,
        holds: &mut bool,
        packet: &[u8],
        client: Client,
        _way: &dyn Way,
        out: &mut [u8],
    ) -> Option<usize> {
        assert!(*holds, "a question was answered without a snapshot");
        if packet.len() < 12 {
            return None;
        }
        match packet[1] {
            SILENCE => return None,
            PANIC => panic!("as the test asked"),
            WHO => {
                let text = format!("{} {:?}", client.address, client.transport);
                out[..text.len()].copy_from_slice(text.as_bytes());
                return Some(text.len());
            }
            _ => {}
        }
        if packet[1] == LONG {
            out.fill(packet[0]);
            return Some(out.len());
        }
        let length = packet.len().min(out.len());
        out[..length].copy_from_slice(&packet[..length]);
        out[2] |= 0x80;
        Some(length)
    }

    fn end(&self, holds: &mut bool) {
        if std::mem::take(holds) {
            self.let_go.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Limits that no test meets by chance.
const ROOMY: TcpLimits = TcpLimits { max: 1000, per_address: 1000, idle: Duration::from_secs(30) };

struct Server {
    doors: Option<Doors>,
    echo: Arc<Echo>,
    addresses: Vec<SocketAddr>,
}

impl Server {
    fn start(listen: &[&str], workers: usize) -> Server {
        Server::limited(listen, workers, ROOMY)
    }

    fn limited(listen: &[&str], workers: usize, limits: TcpLimits) -> Server {
        let listen: Vec<SocketAddr> = listen.iter().map(|a| a.parse().unwrap()).collect();
        let bound = sockets::bind(&listen, workers).unwrap();
        let addresses = bound.doors.iter().map(|door| door.address).collect();
        let echo = Arc::new(Echo::default());
        let doors = Some(Doors::open(bound, limits, &echo).unwrap());
        Server { doors, echo, addresses }
    }

    fn stop(&mut self) {
        if let Some(doors) = self.doors.take() {
            let begun = Instant::now();
            doors.close();
            assert!(begun.elapsed() < Duration::from_secs(1), "took {:?}", begun.elapsed());
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
    }
}

fn question(id: u8, kind: u8, length: usize) -> Vec<u8> {
    let mut packet = vec![id; length.max(12)];
    packet[1] = kind;
    packet[2] = 0;
    packet
}

fn echoed(mut packet: Vec<u8>) -> Vec<u8> {
    packet[2] |= 0x80;
    packet
}

fn client(to: SocketAddr) -> UdpSocket {
    let any: SocketAddr = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }.parse().unwrap();
    let socket = UdpSocket::bind(any).unwrap();
    // Connected: an answer from another address than the one asked does not arrive.
    socket.connect(to).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

fn ask(socket: &UdpSocket, packet: &[u8]) -> Vec<u8> {
    socket.send(packet).unwrap();
    receive(socket)
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    buffer.truncate(length);
    buffer
}

fn has_ipv6() -> bool {
    UdpSocket::bind("[::1]:0").is_ok()
}

#[test]
fn udp_answers_every_question_of_many_clients() {
    let server = Server::start(&["127.0.0.1:0"], 3);
    let clients: Vec<_> = (0..8).map(|_| client(server.addresses[0])).collect();
    for round in 0..40u8 {
        // Workers that nap a little, as soon as questions come fast enough.
        server.doors.as_ref().unwrap().set_nap(if round < 20 { 0 } else { 200 });
        for client in &clients {
            for id in 0..20 {
                client.send(&question(id, PLAIN, 12 + id as usize + round as usize)).unwrap();
            }
        }
        for client in &clients {
            // One client always meets the same worker, and workers keep the order.
            for id in 0..20 {
                let expected = echoed(question(id, PLAIN, 12 + id as usize + round as usize));
                assert_eq!(receive(client), expected);
            }
        }
    }
}

#[test]
fn udp_says_who_asked_over_both_families() {
    let mut listen = vec!["127.0.0.1:0"];
    if has_ipv6() {
        listen.push("[::1]:0");
    }
    let server = Server::start(&listen, 2);
    for address in &server.addresses {
        let answer = ask(&client(*address), &question(0, WHO, 12));
        assert_eq!(String::from_utf8(answer).unwrap(), format!("{} Udp", address.ip()));
    }
}

#[test]
fn a_wildcard_answers_from_the_address_asked() {
    let server = Server::start(&["0.0.0.0:0"], 2);
    let port = server.addresses[0].port();
    for last in [1, 2, 77] {
        let to = SocketAddr::new([127, 0, 0, last].into(), port);
        for id in 0..5 {
            let packet = question(id, PLAIN, 40);
            assert_eq!(ask(&client(to), &packet), echoed(packet.clone()));
        }
    }
    // A client on one loopback address asks another: the kernel alone would choose the client's.
    let from_two = UdpSocket::bind("127.0.0.2:0").unwrap();
    from_two.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    from_two.send_to(&question(1, PLAIN, 12), ("127.0.0.3", port)).unwrap();
    let (_, from) = from_two.recv_from(&mut [0; 512]).unwrap();
    assert_eq!(from, SocketAddr::new([127, 0, 0, 3].into(), port));
}

#[test]
fn a_wildcard_of_ipv6_answers_from_the_address_asked() {
    if !has_ipv6() {
        return;
    }
    let server = Server::start(&["[::]:0"], 2);
    let port = server.addresses[0].port();
    for (address, scope) in local_ipv6() {
        let to = SocketAddr::V6(SocketAddrV6::new(address, port, 0, scope));
        for id in 0..5 {
            let packet = question(id, PLAIN, 40);
            assert_eq!(ask(&client(to), &packet), echoed(packet.clone()), "{to}");
        }
    }
}

/// All IPv6 addresses of this machine, link-local ones with their interface.
fn local_ipv6() -> Vec<(Ipv6Addr, u32)> {
    let table = std::fs::read_to_string("/proc/net/if_inet6").unwrap();
    let entry = |line: &str| {
        let mut fields = line.split_whitespace();
        let address = u128::from_str_radix(fields.next().unwrap(), 16).unwrap();
        let interface = u32::from_str_radix(fields.next().unwrap(), 16).unwrap();
        let address = Ipv6Addr::from(address);
        (address, if address.is_unicast_link_local() { interface } else { 0 })
    };
    table.lines().map(entry).collect()
}

#[test]
fn silence_and_a_panic_cost_only_their_own_question() {
    let server = Server::start(&["127.0.0.1:0"], 1);
    let socket = client(server.addresses[0]);
    for (id, kind) in [(1, PLAIN), (2, SILENCE), (3, PANIC), (4, PLAIN), (5, PANIC), (6, PLAIN)] {
        socket.send(&question(id, kind, 30)).unwrap();
    }
    socket.send(&[9; 3]).unwrap();
    socket.send(&[]).unwrap();
    socket.send(&question(7, PLAIN, 30)).unwrap();
    for id in [1, 4, 6, 7] {
        assert_eq!(receive(&socket), echoed(question(id, PLAIN, 30)));
    }
}

#[test]
fn an_idle_worker_lets_go_of_the_snapshot() {
    let server = Server::start(&["127.0.0.1:0"], 1);
    ask(&client(server.addresses[0]), &question(1, PLAIN, 12));
    let begun = Instant::now();
    while server.echo.let_go.load(Ordering::Relaxed) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(5), "the snapshot is still held");
        std::thread::yield_now();
    }
    assert_eq!(server.echo.batches.load(Ordering::Relaxed), 1);
}

#[test]
fn what_waits_when_the_server_stops_is_answered() {
    let mut server = Server::start(&["127.0.0.1:0"], 1);
    let socket = client(server.addresses[0]);
    for id in 0..200 {
        socket.send(&question(id, PLAIN, 50)).unwrap();
    }
    server.stop();
    for id in 0..200 {
        assert_eq!(receive(&socket), echoed(question(id, PLAIN, 50)));
    }
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// A connection from a certain address of this machine.
fn connect_from(from: &str, to: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&format!("{from}:0").parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

fn framed(packet: &[u8]) -> Vec<u8> {
    let mut message = u16::try_from(packet.len()).unwrap().to_be_bytes().to_vec();
    message.extend_from_slice(packet);
    message
}

fn take(stream: &mut impl Read) -> Vec<u8> {
    let mut prefix = [0; 2];
    stream.read_exact(&mut prefix).unwrap();
    let mut message = vec![0; usize::from(u16::from_be_bytes(prefix))];
    stream.read_exact(&mut message).unwrap();
    message
}

/// Whether the server has closed: an end or a reset, but no octet. Waits for either.
fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 1]) {
        Ok(count) => count == 0,
        Err(error) => matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
    }
}

fn is_served(stream: &mut TcpStream) -> bool {
    let packet = question(1, PLAIN, 20);
    stream.write_all(&framed(&packet)).is_ok() && {
        let mut answer = vec![0; 22];
        stream.read_exact(&mut answer).is_ok() && answer[2..] == echoed(packet)
    }
}

#[test]
fn tcp_answers_pipelined_questions_in_order() {
    let server = Server::start(&["127.0.0.1:0"], 2);
    let mut stream = connect(server.addresses[0]);
    let lengths = [12, 13, 500, 4096, 65_535, 12, 40_000, 65_534, 65_535, 20];
    let mut sender = stream.try_clone().unwrap();
    let asking = std::thread::spawn(move || {
        let mut all = Vec::new();
        for round in 0..10 {
            for length in lengths {
                all.extend_from_slice(&framed(&question(round, PLAIN, length)));
            }
        }
        sender.write_all(&all).unwrap();
    });
    for round in 0..10 {
        for length in lengths {
            assert_eq!(take(&mut stream), echoed(question(round, PLAIN, length)));
        }
    }
    asking.join().unwrap();
}

#[test]
fn tcp_waits_for_the_rest_of_a_question_however_it_is_cut() {
    let server = Server::start(&["127.0.0.1:0"], 1);
    let mut stream = connect(server.addresses[0]);
    let packets: Vec<_> = (0..4).map(|id| question(id, PLAIN, 12 + id as usize)).collect();
    let all: Vec<u8> = packets.iter().flat_map(|packet| framed(packet)).collect();
    for piece in [1, 2, 3, 5, 15] {
        for part in all.chunks(piece) {
            stream.write_all(part).unwrap();
            // Time for the server to see the piece alone; right or wrong without it.
            std::thread::yield_now();
        }
        for packet in &packets {
            assert_eq!(take(&mut stream), echoed(packet.clone()));
        }
    }
}

#[test]
fn tcp_says_who_asked_and_over_ipv6_too() {
    let mut listen = vec!["127.0.0.1:0", "0.0.0.0:0"];
    if has_ipv6() {
        listen.push("[::1]:0");
    }
    let server = Server::start(&listen, 2);
    for address in &server.addresses {
        let mut to = *address;
        if to.ip().is_unspecified() {
            to.set_ip([127, 0, 0, 1].into());
        }
        let mut stream = connect(to);
        stream.write_all(&framed(&question(0, WHO, 12))).unwrap();
        let text = String::from_utf8(take(&mut stream)).unwrap();
        assert_eq!(text, format!("{} Tcp", to.ip()));
    }
}

#[test]
fn tcp_ignores_what_deserves_no_answer() {
    let server = Server::start(&["127.0.0.1:0"], 1);
    let mut stream = connect(server.addresses[0]);
    let parts = [
        framed(&[]),
        framed(&[1; 5]),
        framed(&question(1, SILENCE, 100)),
        framed(&question(2, PLAIN, 100)),
        framed(&question(3, SILENCE, 100)),
        framed(&[]),
        framed(&question(4, PLAIN, 100)),
    ];
    stream.write_all(&parts.concat()).unwrap();
    assert_eq!(take(&mut stream), echoed(question(2, PLAIN, 100)));
    assert_eq!(take(&mut stream), echoed(question(4, PLAIN, 100)));
}

#[test]
fn tcp_panic_closes_its_own_connection_alone() {
    let server = Server::start(&["127.0.0.1:0"], 1);
    let mut other = connect(server.addresses[0]);
    assert!(is_served(&mut other));
    let mut stream = connect(server.addresses[0]);
    let parts = [framed(&question(1, PLAIN, 12)), framed(&question(2, PANIC, 12))];
    stream.write_all(&parts.concat()).unwrap();
    assert_eq!(take(&mut stream), echoed(question(1, PLAIN, 12)));
    assert!(is_closed(&mut stream));
    assert!(is_served(&mut other));
}

#[test]
fn tcp_client_that_ends_its_side_still_gets_its_answers() {
    let server = Server::start(&["127.0.0.1:0"], 1);
    let mut stream = connect(server.addresses[0]);
    let all: Vec<u8> = (0..50).flat_map(|id| framed(&question(id, PLAIN, 300))).collect();
    stream.write_all(&all).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    for id in 0..50 {
        assert_eq!(take(&mut stream), echoed(question(id, PLAIN, 300)));
    }
    assert!(is_closed(&mut stream));
}

const BRIEF: TcpLimits =
    TcpLimits { max: 1000, per_address: 1000, idle: Duration::from_millis(750) };

#[test]
fn tcp_idle_connections_are_closed_in_time() {
    let server = Server::limited(&["127.0.0.1:0"], 1, BRIEF);
    let begun = Instant::now();
    let mut silent = connect(server.addresses[0]);
    let mut asked = connect(server.addresses[0]);
    assert!(is_served(&mut asked));
    assert!(is_closed(&mut silent));
    assert!(is_closed(&mut asked));
    let took = begun.elapsed();
    assert!(took >= BRIEF.idle && took < Duration::from_secs(5), "closed after {took:?}");
}

#[test]
fn tcp_client_that_goes_on_asking_stays() {
    let server = Server::limited(&["127.0.0.1:0"], 1, BRIEF);
    let mut stream = connect(server.addresses[0]);
    let begun = Instant::now();
    while begun.elapsed() < 3 * BRIEF.idle {
        assert!(is_served(&mut stream), "closed after {:?}", begun.elapsed());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Octets that complete no question, and questions that deserve no answer, buy no time.
#[test]
fn tcp_slow_and_senseless_clients_are_closed_in_time() {
    let server = Server::limited(&["127.0.0.1:0"], 1, BRIEF);
    for piece in [vec![255], framed(&question(1, SILENCE, 12)), vec![0, 0]] {
        let mut stream = connect(server.addresses[0]);
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let begun = Instant::now();
        let took = loop {
            if stream.write_all(&piece).is_err() || is_closed(&mut stream) {
                break begun.elapsed();
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "still open");
        };
        assert!(took >= BRIEF.idle, "closed after {took:?}");
    }
}

#[test]
fn tcp_client_that_takes_no_answers_is_closed_in_time() {
    let server = Server::limited(&["127.0.0.1:0"], 1, BRIEF);
    let mut stream = connect(server.addresses[0]);
    let mut other = connect(server.addresses[0]);
    let all: Vec<u8> = (0..100).flat_map(|_| framed(&question(7, LONG, 12))).collect();
    let begun = Instant::now();
    while stream.write_all(&all).is_ok() {
        assert!(is_served(&mut other), "a slow client delays another");
        assert!(begun.elapsed() < Duration::from_secs(10), "still open");
    }
}

#[test]
fn tcp_limits_hold_and_come_free() {
    let limits = TcpLimits { max: 3, per_address: 2, ..ROOMY };
    let server = Server::limited(&["127.0.0.1:0"], 2, limits);
    let to = server.addresses[0];
    let mut first = connect_from("127.0.0.2", to);
    let mut second = connect_from("127.0.0.2", to);
    assert!(is_served(&mut first) && is_served(&mut second));
    assert!(is_closed(&mut connect_from("127.0.0.2", to)), "one address has three");
    let mut third = connect_from("127.0.0.3", to);
    assert!(is_served(&mut third));
    assert!(is_closed(&mut connect_from("127.0.0.4", to)), "the server has four");
    assert!(is_served(&mut first) && is_served(&mut second) && is_served(&mut third));
    drop(first);
    let begun = Instant::now();
    while !is_served(&mut connect_from("127.0.0.2", to)) {
        assert!(begun.elapsed() < Duration::from_secs(10), "the place does not come free");
    }
}

#[test]
fn tcp_limits_can_change_while_the_server_runs() {
    let server = Server::limited(&["127.0.0.1:0"], 1, TcpLimits { max: 1, ..ROOMY });
    let to = server.addresses[0];
    let mut first = connect(to);
    assert!(is_served(&mut first));
    assert!(is_closed(&mut connect(to)));
    server.doors.as_ref().unwrap().set_tcp_limits(TcpLimits { max: 2, ..BRIEF });
    let mut second = connect(to);
    assert!(is_served(&mut first) && is_served(&mut second));
    assert!(is_closed(&mut connect(to)));
    assert!(is_closed(&mut second), "the new idle time holds from the next question on");
}

#[test]
fn tcp_random_octets_harm_nobody() {
    let server = Server::start(&["127.0.0.1:0"], 2);
    let mut other = connect(server.addresses[0]);
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..50 {
        let mut stream = connect(server.addresses[0]);
        let noise: Vec<u8> = (0..5000)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                // Never the octet that makes the responder panic.
                (state as u8) | 8
            })
            .collect();
        // The server may well have closed before all of it is written.
        let _ = stream.write_all(&noise);
        assert!(is_served(&mut other));
    }
}

#[test]
fn tcp_stop_finishes_what_was_asked() {
    let mut server = Server::start(&["127.0.0.1:0"], 2);
    // More than are taken at once.
    let mut streams: Vec<_> = (0..150).map(|_| connect(server.addresses[0])).collect();
    let mut idle = connect(server.addresses[0]);
    assert!(is_served(&mut idle));
    for stream in &mut streams {
        let all: Vec<u8> = (0..20).flat_map(|id| framed(&question(id, PLAIN, 1000))).collect();
        stream.write_all(&all).unwrap();
    }
    server.stop();
    for stream in &mut streams {
        for id in 0..20 {
            assert_eq!(take(stream), echoed(question(id, PLAIN, 1000)));
        }
        assert!(is_closed(stream));
    }
    assert!(is_closed(&mut idle));
    assert!(TcpStream::connect(server.addresses[0]).is_err(), "nobody listens any more");
}

#[test]
fn tcp_stop_waits_for_a_client_that_is_slow_to_read() {
    let mut server = Server::start(&["127.0.0.1:0"], 1);
    let mut stream = connect(server.addresses[0]);
    // More answers than the kernel takes at once.
    let all: Vec<u8> = (0..150).flat_map(|_| framed(&question(7, LONG, 12))).collect();
    stream.write_all(&all).unwrap();
    assert_eq!(take(&mut stream).len(), 65_535);
    let reading = std::thread::spawn(move || {
        let count = (1..150).map(|_| assert_eq!(take(&mut stream).len(), 65_535)).count();
        (count, is_closed(&mut stream))
    });
    server.stop();
    assert_eq!(reading.join().unwrap(), (149, true));
}

#[test]
fn tcp_stop_does_not_wait_for_a_client_that_takes_nothing() {
    let mut server = Server::start(&["127.0.0.1:0"], 1);
    let mut stream = connect(server.addresses[0]);
    let all: Vec<u8> = (0..200).flat_map(|_| framed(&question(7, LONG, 12))).collect();
    stream.write_all(&all).unwrap();
    assert_eq!(take(&mut stream).len(), 65_535);
    server.stop();
}
