//! Questions that wait for the outside, over real sockets, with an outside that says what the test tells it to.

#[path = "support/said.rs"]
mod said;
#[path = "support/small.rs"]
mod small;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bailiwick::base::hash::HashKey;
use bailiwick::base::id::AccountId;
use bailiwick::base::limits::WAITING_PER_CONNECTION;
use bailiwick::base::time::UnixTime;
use bailiwick::control::press::Press;
use bailiwick::model::catalog::Catalog;
use bailiwick::model::flattened::{Entry, Key, Waiter};
use bailiwick::model::question::Transport;
use bailiwick::model::snapshot::Snapshot;
use bailiwick::telemetry::counters::Counters;
use bailiwick::transport::answers::Answers;
use bailiwick::transport::room::{Ask, Room};
use bailiwick::transport::{Doors, TcpLimits, sockets};
use said::good;
use small::{name, zone};

/// No test waits longer for what must come.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longer than any test: an answer that comes by the deadline fails it.
const NEVER_MS: u64 = 10 * 60 * 1000;

struct Asked {
    key: Key,
    account: AccountId,
    waiter: Waiter,
}

/// Hands every look-up to the test.
struct Script(Mutex<Sender<Asked>>);

impl Ask for Script {
    fn ask(&self, key: Key, account: AccountId, waiter: Waiter) {
        self.0.lock().unwrap().send(Asked { key, account, waiter }).unwrap();
    }
}

struct Server {
    doors: Option<Doors>,
    room: Arc<Room>,
    press: Press,
    asked: Receiver<Asked>,
    address: SocketAddr,
    counters: Arc<Counters>,
}

impl Server {
    fn start(listen: &str, deadline_ms: u64) -> Server {
        let key = HashKey::new([5; 16]);
        let mut snapshot = Snapshot::empty(key);
        let one =
            &["@ 300 ALIAS cdn.example.net.", "a 300 ALIAS a.example.net.", "www 300 A 192.0.2.1"];
        let two = &["@ 300 ALIAS cdn.example.net."];
        let zones = vec![zone(&key, 1, "one.test", one), zone(&key, 2, "two.test", two)];
        snapshot.catalog = Catalog::build(key, zones);
        let press = Press::new(snapshot);
        let counters = Arc::<Counters>::default();
        let (told, asked) = channel();
        let published = Arc::clone(press.published());
        let script = Arc::new(Script(Mutex::new(told)));
        let room = Room::open(Arc::clone(&published), &counters, script, deadline_ms).unwrap();
        let room = Arc::new(room);
        let answers =
            Answers { published, counters: Arc::clone(&counters), room: Some(Arc::clone(&room)) };
        let bound = sockets::bind(&[listen.parse().unwrap()], 1).unwrap();
        let address = bound.doors[0].address;
        let limits = TcpLimits { max: 100, per_address: 100, idle: Duration::from_secs(60) };
        let doors = Some(Doors::open(bound, limits, &Arc::new(answers)).unwrap());
        Server { doors, room, press, asked, address, counters }
    }

    /// The next look-up.
    fn asked(&self, target: &str) -> Asked {
        let asked = self.asked.recv_timeout(PATIENCE).expect("the outside is asked");
        assert_eq!(asked.key.target, name(target));
        asked
    }

    fn says(&self, asked: Asked, entry: Entry) {
        self.press.put_outside(vec![(asked.key, Some(Arc::new(entry)))]);
        (asked.waiter)();
    }

    fn udp(&self) -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(self.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(doors) = self.doors.take() {
            self.room.drain();
            doors.close();
        }
    }
}

fn now() -> UnixTime {
    UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs())
}

fn question(id: u8, owner: &str) -> Vec<u8> {
    let mut packet = vec![0, id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    packet.extend(name(owner).as_wire());
    packet.extend([0, 1, 0, 1]);
    packet
}

fn framed(packet: Vec<u8>) -> Vec<u8> {
    [&(packet.len() as u16).to_be_bytes()[..], &packet].concat()
}

/// Id, RCODE, and the last address of an answer.
fn read(packet: &[u8]) -> (u8, u8, Option<[u8; 4]>) {
    let address = (packet[7] > 0).then(|| packet[packet.len() - 4..].try_into().unwrap());
    (packet[1], packet[3] & 15, address)
}

fn over_udp(socket: &UdpSocket) -> (u8, u8, Option<[u8; 4]>) {
    let mut packet = [0; 2048];
    let length = socket.recv(&mut packet).expect("an answer");
    read(&packet[..length])
}

fn over_tcp(stream: &mut TcpStream) -> (u8, u8, Option<[u8; 4]>) {
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("an answer");
    let mut packet = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut packet).expect("a whole answer");
    read(&packet)
}

const A: [u8; 4] = [203, 0, 113, 7];
const B: [u8; 4] = [203, 0, 113, 8];
const SERVFAIL: u8 = 2;

#[test]
fn others_are_answered_meanwhile_and_then_it_is() {
    let server = Server::start("127.0.0.1:0", NEVER_MS);
    let socket = server.udp();
    socket.send(&question(1, "one.test")).unwrap();
    let asked = server.asked("cdn.example.net");
    assert_eq!(asked.account, AccountId(1));
    socket.send(&question(2, "www.one.test")).unwrap();
    assert_eq!(over_udp(&socket), (2, 0, Some([192, 0, 2, 1])));
    server.says(asked, good(now(), &[], &[A]));
    assert_eq!(over_udp(&socket), (1, 0, Some(A)));
    // From now on it is known.
    socket.send(&question(3, "one.test")).unwrap();
    assert_eq!(over_udp(&socket), (3, 0, Some(A)));
    let totals = server.counters.totals();
    assert_eq!(
        (totals.messages(Transport::Udp), totals.answers()),
        (3, 3),
        "each question counts once"
    );
}

#[test]
fn one_look_up_for_all_who_wait_and_one_answer_for_who_asks_twice() {
    let server = Server::start("127.0.0.1:0", NEVER_MS);
    let clients: Vec<UdpSocket> = (0..20).map(|_| server.udp()).collect();
    for (id, client) in clients.iter().enumerate() {
        let owner = if id % 2 == 0 { "one.test" } else { "two.test" };
        for _ in 0..3 {
            client.send(&question(id as u8, owner)).unwrap();
        }
        // The worker has seen all three when it answers what came behind them.
        client.send(&question(200, "www.one.test")).unwrap();
        assert_eq!(over_udp(client).0, 200);
    }
    // As the waiting room has them in order, it has them all when it asks for this.
    clients[0].send(&question(201, "a.one.test")).unwrap();
    let asked = server.asked("cdn.example.net");
    let last = server.asked("a.example.net");
    server.says(asked, good(now(), &[], &[A]));
    server.says(last, good(now(), &[], &[B]));
    for (id, client) in clients.iter().enumerate() {
        assert_eq!(over_udp(client), (id as u8, 0, Some(A)));
    }
    assert_eq!(over_udp(&clients[0]), (201, 0, Some(B)));
    for client in &clients {
        client.send(&question(202, "www.one.test")).unwrap();
        assert_eq!(over_udp(client).0, 202, "no second answer");
    }
    assert!(server.asked.try_recv().is_err(), "no second look-up");
}

#[test]
fn the_deadline_answers_with_what_there_is() {
    let server = Server::start("127.0.0.1:0", 60);
    let socket = server.udp();
    socket.send(&question(1, "one.test")).unwrap();
    let silent = server.asked("cdn.example.net");
    assert_eq!(over_udp(&socket), (1, SERVFAIL, None));
    // Expired: asked for again, and stale by the deadline.
    let mut old = good(now(), &[], &[A]);
    old.expires = UnixTime(now().0 - 5);
    server.says(silent, old);
    socket.send(&question(2, "one.test")).unwrap();
    let again = server.asked("cdn.example.net");
    assert_eq!(over_udp(&socket), (2, 0, Some(A)));
    // A look-up that ends without news is waited for no longer.
    socket.send(&question(3, "a.one.test")).unwrap();
    (server.asked("a.example.net").waiter)();
    assert_eq!(over_udp(&socket), (3, SERVFAIL, None));
    drop(again);
}

#[test]
fn a_look_up_that_ends_late_makes_nobody_ask_again() {
    let server = Server::start("127.0.0.1:0", 60);
    let socket = server.udp();
    socket.send(&question(1, "one.test")).unwrap();
    let late = server.asked("cdn.example.net");
    assert_eq!(over_udp(&socket), (1, SERVFAIL, None));
    server.room.set_deadline_ms(NEVER_MS);
    socket.send(&question(2, "one.test")).unwrap();
    let again = server.asked("cdn.example.net");
    // The one that nobody waits for any more ends without news, while the other is on its way.
    (late.waiter)();
    socket.send(&question(3, "a.one.test")).unwrap();
    let other = server.asked("a.example.net");
    server.says(again, good(now(), &[], &[A]));
    assert_eq!(over_udp(&socket), (2, 0, Some(A)));
    server.says(other, good(now(), &[], &[B]));
    assert_eq!(over_udp(&socket), (3, 0, Some(B)));
    assert!(server.asked.try_recv().is_err(), "no third look-up");
}

#[test]
fn a_target_that_leads_on_to_another_is_waited_for_in_turn() {
    let server = Server::start("127.0.0.1:0", NEVER_MS);
    let socket = server.udp();
    socket.send(&question(1, "a.one.test")).unwrap();
    // Back into the server, to an alias that leads out again.
    server.says(server.asked("a.example.net"), good(now(), &["one.test"], &[B]));
    server.says(server.asked("cdn.example.net"), good(now(), &[], &[A]));
    assert_eq!(over_udp(&socket), (1, 0, Some(A)));
}

#[test]
fn a_wildcard_socket_answers_late_from_the_address_that_was_asked() {
    let server = Server::start("0.0.0.0:0", NEVER_MS);
    for address in ["127.0.0.1", "127.0.0.2"] {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        // Connected: an answer from elsewhere does not arrive.
        socket.connect((address, server.address.port())).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let owner = if address == "127.0.0.1" { "one.test" } else { "a.one.test" };
        socket.send(&question(1, owner)).unwrap();
        let asked = server.asked.recv_timeout(PATIENCE).unwrap();
        server.says(asked, good(now(), &[], &[A]));
        assert_eq!(over_udp(&socket), (1, 0, Some(A)));
    }
}

//= RFC 7766 §6.2.1.1
#[test]
fn tcp_goes_on_with_what_is_known() {
    let server = Server::start("127.0.0.1:0", NEVER_MS);
    let mut stream = server.tcp();
    let both = [framed(question(1, "one.test")), framed(question(2, "www.one.test"))].concat();
    stream.write_all(&both).unwrap();
    assert_eq!(over_tcp(&mut stream), (2, 0, Some([192, 0, 2, 1])));
    let asked = server.asked("cdn.example.net");
    // A client that ends its side still gets what it asked for.
    stream.write_all(&framed(question(3, "www.one.test"))).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(over_tcp(&mut stream).0, 3);
    server.says(asked, good(now(), &[], &[A]));
    assert_eq!(over_tcp(&mut stream), (1, 0, Some(A)));
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "closed when nothing is owed any more");
}

#[test]
fn a_connection_may_let_so_many_wait() {
    let server = Server::start("127.0.0.1:0", NEVER_MS);
    let mut stream = server.tcp();
    let more = 10;
    let count = WAITING_PER_CONNECTION + more;
    let all: Vec<u8> = (0..count).flat_map(|id| framed(question(id as u8, "one.test"))).collect();
    stream.write_all(&all).unwrap();
    for _ in 0..more {
        assert_eq!(over_tcp(&mut stream).1, SERVFAIL, "at once, for want of room");
    }
    server.says(server.asked("cdn.example.net"), good(now(), &[], &[A]));
    for _ in 0..WAITING_PER_CONNECTION {
        assert_eq!(over_tcp(&mut stream).2, Some(A));
    }
}

#[test]
fn who_waits_when_the_server_stops_is_answered() {
    let mut server = Server::start("127.0.0.1:0", NEVER_MS);
    let (socket, mut stream) = (server.udp(), server.tcp());
    socket.send(&question(1, "one.test")).unwrap();
    stream.write_all(&framed(question(2, "one.test"))).unwrap();
    // Both are in the room when it asks for what came behind them.
    socket.send(&question(3, "a.one.test")).unwrap();
    stream.write_all(&framed(question(4, "www.one.test"))).unwrap();
    assert_eq!(over_tcp(&mut stream).0, 4);
    let asked = (server.asked("cdn.example.net"), server.asked("a.example.net"));
    server.room.drain();
    server.doors.take().unwrap().close();
    let mut ids = [over_udp(&socket), over_udp(&socket)];
    ids.sort_unstable();
    assert_eq!(ids, [(1, SERVFAIL, None), (3, SERVFAIL, None)]);
    assert_eq!(over_tcp(&mut stream), (2, SERVFAIL, None));
    drop(asked);
}
