//! The UDP and TCP loops with a responder that sends every question back: batches, addresses,
//! limits, shutdown. Ports are chosen by the system; nothing waits for a fixed time.

use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bailiwick::base::time::UnixTime;
use bailiwick::model::question::Client;
use bailiwick::transport::{Doors, Responder, sockets};

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

struct Server {
    doors: Option<Doors>,
    echo: Arc<Echo>,
    addresses: Vec<SocketAddr>,
}

impl Server {
    fn start(listen: &[&str], workers: usize) -> Server {
        let listen: Vec<SocketAddr> = listen.iter().map(|a| a.parse().unwrap()).collect();
        let bound = sockets::bind(&listen, workers).unwrap();
        let addresses = bound.doors.iter().map(|door| door.address).collect();
        let echo = Arc::new(Echo::default());
        let doors = Some(Doors::open(bound, &echo).unwrap());
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
    for round in 0..20u8 {
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
