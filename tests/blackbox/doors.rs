//! SPEC §2 and §4 at the doors: listen addresses, TCP pipelining and limits, cookies with the hash of RFC 9018.

use crate::support::client::{self, Ask, Transport};
use crate::support::message::Message;
use crate::support::server::{Server, World, poll};
use siphasher::sip::SipHasher24;
use std::hash::Hasher;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

const CLIENT_COOKIE: [u8; 8] = [0x24, 0x64, 0xc4, 0xab, 0xcf, 0x10, 0xc9, 0x57];

fn world() -> World {
    let world = World::new();
    let many: String = (0..40).map(|at| format!("h{at} A 192.0.2.{at}\n")).collect();
    let long = format!("long TXT \"{}\"\n", "x".repeat(250));
    let longer: String = (0..200).map(|at| format!("big A 198.51.{}.{}\n", at / 250, at)).collect();
    world.zone("acct/a.test", &format!("%std%{many}{long}{longer}"));
    world
}

fn framed(packet: &[u8]) -> Vec<u8> {
    [&u16::try_from(packet.len()).expect("short").to_be_bytes(), packet].concat()
}

/// Has the other side closed the connection by now?
fn closed(stream: &mut TcpStream, patience: Duration) -> bool {
    stream.set_read_timeout(Some(patience)).expect("a timeout can be set");
    match stream.read(&mut [0; 512]) {
        Ok(octets) => octets == 0,
        Err(error) => {
            !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
        }
    }
}

#[test]
fn an_answer_comes_from_the_address_asked() {
    let arguments = ["--listen", "0.0.0.0:0", "--listen", "[::]:0"];
    let server = world().try_start(&arguments).unwrap_or_else(|said| panic!("{said}"));
    let port = |all: &[SocketAddr], ipv4: bool| {
        all.iter().find(|address| address.is_ipv4() == ipv4).expect("both families").port()
    };
    for host in ["127.0.0.1", "127.0.0.2", "127.1.2.3", "::1"] {
        let host: IpAddr = host.parse().expect("an address");
        for (transport, all) in [(Transport::Udp, &server.udp), (Transport::Tcp, &server.tcp)] {
            let address = SocketAddr::new(host, port(all, host.is_ipv4()));
            // The client's socket is connected: an answer from elsewhere does not reach it.
            let answer = client::ask(address, transport, &Ask::new("h1.a.test", "A"));
            let answer = answer.unwrap_or_else(|wrong| panic!("{host} {transport:?}: {wrong}"));
            assert_eq!(answer.answer.len(), 1);
        }
    }
}

/// An address that was free a moment ago.
fn free_address() -> SocketAddr {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    free.local_addr().expect("bound")
}

#[test]
fn nothing_is_answered_before_every_zone_has_been_read() {
    let world = world();
    for at in 0..300 {
        world.zone(&format!("acct/z{at}.test"), "%std%www A 192.0.2.1\n");
    }
    let big: String = (0..100_000).map(|at| format!("h{at} A 192.0.2.1\n")).collect();
    world.zone("acct/big.test", &format!("%std%{big}"));
    let address = free_address();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let ask = Ask::new("h99999.big.test", "A").plain();
                let socket = client::udp_socket(address);
                // Nobody listens at first: the kernel says so.
                if socket.send(&ask.encode(7)).is_err() {
                    continue;
                }
                if let Some(reply) = client::receive(&socket, Duration::from_millis(50)) {
                    return Some(Message::decode(&reply).expect("well formed"));
                }
            }
            None
        });
        let server = world.try_start(&["--listen", &address.to_string()]);
        let server = server.unwrap_or_else(|said| panic!("{said}"));
        server.query("h1.big.test", "A");
        std::thread::sleep(Duration::from_millis(200));
        stop.store(true, Ordering::Relaxed);
        let first = asking.join().expect("no panic").expect("an answer in the end");
        assert_eq!(first.answer.len(), 1, "the first answer of all:\n{}", first.show());
    });
}

#[test]
fn the_log_tells_what_is_served_and_is_quiet_about_queries() {
    let world = world();
    world.zone("other/b.test", "%std%");
    let server = world.start();
    let counts = server.logged(&["accounts", "zones", "records", "grants"]);
    let counts: serde_json::Value = serde_json::from_str(&counts).expect("a line of JSON");
    let field = |name: &str| counts.get(name).or_else(|| counts.get("fields")?.get(name)).cloned();
    assert_eq!(field("accounts"), Some(2.into()), "{counts}");
    assert_eq!(field("zones"), Some(2.into()), "{counts}");
    let before = server.log().lines().count();
    for at in 0..40 {
        server.query(&format!("h{at}.a.test"), "A");
        server.query("nothing.a.test", "A");
        server.query("elsewhere.test", "A");
    }
    assert_eq!(server.log().lines().count(), before, "{}", server.log());
}

#[test]
fn udp_and_tcp_share_a_port_that_is_given() {
    let address = free_address();
    let server = world().try_start(&["--listen", &address.to_string()]);
    let server = server.unwrap_or_else(|said| panic!("{said}"));
    assert_eq!((server.udp.as_slice(), server.tcp.as_slice()), (&[address][..], &[address][..]));
}

#[test]
fn a_family_the_host_lacks_is_a_warning_if_another_is_bound() {
    // 192.0.2.0/24 is nobody's: the address cannot be bound here.
    let world = world();
    let output = world.run(&["serve", "--listen", "192.0.2.77:5399"]);
    assert_eq!(output.status.code(), Some(1), "nothing bound is an error");
    let said = String::from_utf8_lossy(&output.stderr).to_string();
    assert!(said.contains("192.0.2.77:5399") && !said.contains("panicked"), "{said}");
}

#[test]
fn pipelined_questions_are_all_answered() {
    let server = world().start();
    let asks: Vec<Vec<u8>> =
        (0..40).map(|at| Ask::new(&format!("h{at}.a.test"), "A").encode(1_000 + at)).collect();
    let packets: Vec<&[u8]> = asks.iter().map(Vec::as_slice).collect();
    let address = server.address(Transport::Tcp);
    let replies = client::tcp(address, &packets).expect("an answer for each question");
    let mut ids: Vec<u16> =
        replies.iter().map(|reply| Message::decode(reply).expect("well formed").id).collect();
    ids.sort_unstable();
    assert_eq!(ids, (1_000..1_040).collect::<Vec<u16>>());
}

#[test]
fn a_message_may_come_octet_by_octet() {
    let server = world().start();
    let mut stream = client::tcp_stream(server.address(Transport::Tcp)).expect("a connection");
    for octet in framed(&Ask::new("h1.a.test", "A").encode(5)) {
        stream.write_all(&[octet]).expect("the octet leaves");
        std::thread::sleep(Duration::from_millis(2));
    }
    let reply = client::tcp_receive(&mut stream).expect("an answer");
    assert_eq!(Message::decode(&reply).expect("well formed").answer.len(), 1);
}

#[test]
fn a_client_that_stops_sending_still_gets_its_answers() {
    let server = world().start();
    let mut stream = client::tcp_stream(server.address(Transport::Tcp)).expect("a connection");
    let ask = framed(&Ask::new("h1.a.test", "A").encode(5));
    stream.write_all(&ask.repeat(3)).expect("the questions leave");
    stream.shutdown(std::net::Shutdown::Write).expect("half closed");
    for _ in 0..3 {
        assert!(client::tcp_receive(&mut stream).is_some());
    }
    assert!(closed(&mut stream, Duration::from_secs(5)));
}

#[test]
fn idle_and_dawdling_connections_are_closed() {
    let world = world();
    world.config("tcp_idle = 1", "");
    let server = world.start();
    let address = server.address(Transport::Tcp);
    let start = Instant::now();
    let mut idle = client::tcp_stream(address).expect("a connection");
    let mut half = client::tcp_stream(address).expect("a connection");
    half.write_all(&[0, 40, 1, 2, 3]).expect("some octets leave");
    let mut asked = client::tcp_stream(address).expect("a connection");
    asked.write_all(&framed(&Ask::new("h1.a.test", "A").encode(5))).expect("a question leaves");
    assert!(client::tcp_receive(&mut asked).is_some());
    for (what, stream) in
        [("idle", &mut idle), ("half a message", &mut half), ("asked", &mut asked)]
    {
        assert!(closed(stream, Duration::from_secs(5)), "{what} stays open");
    }
    assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
    // One octet now and then does not keep a connection open for ever.
    let mut slow = client::tcp_stream(address).expect("a connection");
    let ended = poll(Duration::from_secs(8), || {
        let gone = slow.write_all(&[0]).is_err();
        (gone || closed(&mut slow, Duration::from_millis(300))).then_some(())
    });
    assert!(ended.is_some(), "a client that sends one octet at a time stays for ever");
}

#[test]
fn one_address_cannot_take_all_connections() {
    let world = world();
    world.config("tcp_max = 50\ntcp_per_address = 3", "");
    let server = world.start();
    let address = server.address(Transport::Tcp);
    let mut kept: Vec<TcpStream> =
        (0..3).map(|_| open(address).expect("within the limit")).collect();
    assert!(open(address).is_none(), "a fourth connection is served");
    // Another address still is.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let socket = socket.expect("a socket");
    let other: SocketAddr = "127.0.0.9:0".parse().expect("an address");
    socket.bind(&other.into()).expect("127/8 is ours");
    socket.connect(&address.into()).expect("connects");
    assert!(answers(&mut socket.into()), "another address is shut out");
    // A place that is given back can be taken again.
    kept.pop();
    let again = poll(Duration::from_secs(5), || open(address));
    assert!(again.is_some(), "a closed connection still counts");
}

fn open(address: SocketAddr) -> Option<TcpStream> {
    let mut stream = client::tcp_stream(address)?;
    answers(&mut stream).then_some(stream)
}

fn answers(stream: &mut TcpStream) -> bool {
    let sent = stream.write_all(&framed(&Ask::new("h1.a.test", "A").encode(5)));
    sent.is_ok() && client::tcp_receive(stream).is_some()
}

#[test]
fn a_client_that_does_not_read_harms_nobody() {
    let world = world();
    world.config("tcp_idle = 1", "");
    let server = world.start();
    let address = server.address(Transport::Tcp);
    let mut deaf = client::tcp_stream(address).expect("a connection");
    deaf.set_write_timeout(Some(Duration::from_millis(200))).expect("a timeout can be set");
    let ask = framed(&Ask::new("big.a.test", "A").encode(5)).repeat(200);
    for _ in 0..20 {
        if deaf.write_all(&ask).is_err() {
            break;
        }
    }
    for _ in 0..20 {
        assert!(client::ask(address, Transport::Tcp, &Ask::new("h1.a.test", "A")).is_ok());
        assert!(server.ask(&Ask::new("h1.a.test", "A")).is_ok());
    }
}

#[test]
fn two_thousand_connections_leave_nothing_behind() {
    let server = world().start();
    let address = server.address(Transport::Tcp);
    for at in 0..2_000 {
        let Some(mut stream) = client::tcp_stream(address) else { panic!("connection {at}") };
        if at % 3 == 0 {
            stream.write_all(&[0]).expect("half a length leaves");
        }
    }
    let served = poll(Duration::from_secs(10), || open(address));
    assert!(served.is_some(), "no place for a connection after others were closed");
}

fn server_cookie(answer: &Message) -> Vec<u8> {
    let cookie = answer.options(10).first().expect("a COOKIE option").to_vec();
    assert_eq!((cookie.len(), &cookie[..8]), (24, &CLIENT_COOKIE[..]));
    cookie
}

/// RFC 9018 §4.4: SipHash-2-4 over client cookie, version, reserved, time and client address.
fn hash(cookie: &[u8], secret: &[u8; 16], address: IpAddr) -> [u8; 8] {
    let mut hasher = SipHasher24::new_with_key(secret);
    hasher.write(&cookie[..16]);
    match address {
        IpAddr::V4(address) => hasher.write(&address.octets()),
        IpAddr::V6(address) => hasher.write(&address.octets()),
    }
    hasher.finish().to_le_bytes()
}

fn ask_with(server: &Server, cookie: &[u8]) -> Message {
    let ask = Ask::new("h1.a.test", "A").option(10, cookie);
    server.ask(&ask).unwrap_or_else(|wrong| panic!("{wrong}"))
}

#[test]
fn cookies_are_those_of_rfc_9018() {
    let secret = *b"\xe5\xe9\x73\xe5\xa6\xb2\xa4\x3f\x48\xe7\xdc\x84\x9e\x37\xbf\xcf";
    // The hash of the tests is right: RFC 9018 appendix A.1.
    let example = b"\x24\x64\xc4\xab\xcf\x10\xc9\x57\x01\x00\x00\x00\x5c\xf7\x9f\x11";
    let address = IpAddr::from([198, 51, 100, 100]);
    assert_eq!(hash(example, &secret, address), *b"\x1f\x81\x30\xc3\xee\xe2\x94\x80");

    let start = || {
        let world = world();
        world.config("cookie_secret = \"e5e973e5a6b2a43f48e7dc849e37bfcf\"", "");
        world.start()
    };
    let (one, two) = (start(), start());
    let cookie = server_cookie(&ask_with(&one, &CLIENT_COOKIE));
    assert_eq!(cookie[8..12], [1, 0, 0, 0], "version and reserved");
    let time = u32::from_be_bytes(cookie[12..16].try_into().expect("4 octets"));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    assert!(now.as_secs().abs_diff(u64::from(time)) < 60, "the time is {time}");
    assert_eq!(cookie[16..], hash(&cookie, &secret, IpAddr::from([127, 0, 0, 1])));
    // Nodes of one secret take each other's cookies.
    for server in [&one, &two] {
        let answer = ask_with(server, &cookie);
        assert_eq!(answer.rcode, 0);
        server_cookie(&answer);
    }
    // A wrong one is never taken for right: at best it is replaced.
    let mut wrong = cookie.clone();
    wrong[23] ^= 1;
    assert_ne!(server_cookie(&ask_with(&one, &wrong)), wrong);
}

#[test]
fn a_random_secret_differs_from_server_to_server() {
    let (one, two) = (world().start(), world().start());
    let cookies = [&one, &two].map(|server| server_cookie(&ask_with(server, &CLIENT_COOKIE)));
    assert_ne!(cookies[0][16..], cookies[1][16..]);
}

/// A machine of its own without IPv6: the network of `unshare`, whose `::1` is taken away.
#[test]
#[ignore = "needs unshare, ip and dig, and the right to make a network"]
fn a_host_without_ipv6() {
    let world = world();
    let binary = env!("CARGO_BIN_EXE_bailiwick");
    let alone = |listen: &str| {
        let text = format!("[server]\nlisten = {listen}\nworkers = 1\n");
        world.file("config.toml", &text);
        let script = format!(
            "ip link set lo up && echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 || exit 77\n\
             {binary} serve & server=$!\n\
             for n in $(seq 200); do\n\
               kill -0 $server || break\n\
               said=$(dig +short +tries=1 +time=1 @127.0.0.1 -p 5300 h7.a.test A) &&\n\
                 answer=$said && break\n\
               sleep 0.05\n\
             done\n\
             echo \"answer: $answer\"\n\
             kill $server; wait $server"
        );
        let unshare = ["--map-root-user", "--net", "sh", "-c", &script];
        let mut run = std::process::Command::new("unshare");
        let output =
            run.args(unshare).current_dir(world.path("")).output().expect("unshare is there");
        let said = |octets| String::from_utf8_lossy(octets).into_owned();
        (said(&output.stdout), said(&output.stderr))
    };
    let missing = "cannot listen on [::1]:5300 (UDP): this machine has no IPv6";
    // Beside another address it is left out, and the log names it.
    let (out, log) = alone("[\"127.0.0.1:5300\", \"[::1]:5300\"]");
    assert!(out.contains("answer: 192.0.2.7"), "{out}{log}");
    assert!(log.contains("WARN") && log.contains(missing), "{log}");
    // Alone it is an error: nothing could be answered.
    let (out, log) = alone("[\"[::1]:5300\"]");
    assert!(out.contains("answer: \n"), "{out}{log}");
    assert!(log.contains("the server cannot start") && log.contains(missing), "{log}");
    // Any other address that is not there is one typed wrong.
    let (_, log) = alone("[\"127.0.0.1:5300\", \"192.0.2.1:5300\"]");
    assert!(log.contains("this machine has no address 192.0.2.1"), "{log}");
}
