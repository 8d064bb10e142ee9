//! Packets no client should send: FORMERR or silence, never a crash, never an answer to an answer.

use crate::support::client::{self, Ask, Transport};
use crate::support::message::Message;
use crate::support::name;
use crate::support::server::{Server, World};
use std::io::Write;
use std::net::UdpSocket;
use std::time::Duration;

/// What may come back.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Allowed {
    Silence,
    Formerr,
    /// FORMERR or nothing: the text leaves the choice.
    Either,
    /// Any well-formed answer, or FORMERR: odd, but not malformed for everyone.
    Answer,
}

const SENTINEL: u16 = 0xfffe;

fn server() -> Server {
    let world = World::new();
    let records = "www A 192.0.2.10\nwww TXT \"t\"\n*.w A 192.0.2.11\nc CNAME www\nd DNAME example.net.\n\
                   sub NS ns.sub\nns.sub A 192.0.2.12\nal ALIAS www\nloop CNAME loop\n\
                   rogue CNAME www.example.org.\nh HTTPS 1 . alpn=h2\n";
    world.zone("acct/example.com", &format!("%std%{records}"));
    world.zone("acct/example.net", "%std%www A 192.0.2.13\n");
    world.zone("other/example.org", "%std%www A 192.0.2.14\n");
    world.config("nsid = \"n\"\nversion = \"v\"", "");
    world.start()
}

fn header(id: u16, flags: u16, counts: [u16; 4]) -> Vec<u8> {
    let words = [id, flags].into_iter().chain(counts);
    words.flat_map(u16::to_be_bytes).collect()
}

/// A header for one question, and these octets after it.
fn question(octets: &[u8]) -> Vec<u8> {
    let mut out = header(7, 0, [1, 0, 0, 0]);
    out.extend_from_slice(octets);
    out
}

fn www() -> Vec<u8> {
    let mut out = name::wire("www.example.com");
    out.extend([0, 1, 0, 1]);
    out
}

/// A whole question with records after it.
fn with_records(counts: [u16; 3], records: &[u8]) -> Vec<u8> {
    let [answer, authority, additional] = counts;
    let mut out = header(7, 0, [1, answer, authority, additional]);
    out.extend(www());
    out.extend_from_slice(records);
    out
}

fn opt(owner: &[u8], rdlength: u16, rdata: &[u8]) -> Vec<u8> {
    let mut out = owner.to_vec();
    out.extend([0, 41, 4, 208, 0, 0, 0, 0]);
    out.extend(rdlength.to_be_bytes());
    out.extend_from_slice(rdata);
    out
}

fn a_record() -> Vec<u8> {
    let mut out = name::wire("www.example.com");
    out.extend([0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 1]);
    out
}

fn packets() -> Vec<(&'static str, Vec<u8>, Allowed)> {
    use Allowed::{Answer, Either, Formerr, Silence};
    let mut out: Vec<(&'static str, Vec<u8>, Allowed)> = vec![
        ("QR=1, a whole answer", with_qr(&question(&www())), Silence),
        ("QR=1, nothing else", header(7, 0x8000, [0, 0, 0, 0]), Silence),
        ("QR=1, counts that lie", header(7, 0x8180, [9, 9, 9, 9]), Silence),
        ("QR=1, another opcode", header(7, 0xa800, [1, 0, 0, 0]), Silence),
        ("no question", header(7, 0, [0, 0, 0, 0]), Formerr),
        ("a question that is not there", header(7, 0, [1, 0, 0, 0]), Formerr),
        ("counts of 65535", header(7, 0, [65_535; 4]), Formerr),
        ("no type and class", question(&name::wire("www.example.com")), Formerr),
        ("half a type", question(&www()[..www().len() - 3]), Formerr),
        ("a name without end", question(b"\x03www\x07example"), Formerr),
        ("a label over the end", question(b"\x3fwww"), Formerr),
        ("label type 01", question(b"\x43www\x00\x00\x01\x00\x01"), Formerr),
        ("label type 10", question(b"\x83www\x00\x00\x01\x00\x01"), Formerr),
        ("a pointer to itself", question(b"\xc0\x0c\x00\x01\x00\x01"), Formerr),
        ("a pointer forward", question(b"\xc0\x10\x00\x01\x00\x01\x00"), Formerr),
        ("a pointer into the header", question(b"\xc0\x00\x00\x01\x00\x01"), Formerr),
        ("a pointer over the end", question(b"\xff\xff\x00\x01\x00\x01"), Formerr),
        ("half a pointer", question(b"\xc0"), Formerr),
        ("two pointers in a circle", question(b"\x01a\xc0\x10\xc0\x0c\x00\x01\x00\x01"), Formerr),
        ("a name of 256 octets", question(&long_name(256)), Formerr),
        ("a name of 300 octets", question(&long_name(300)), Formerr),
        ("octets after the question", [question(&www()), vec![0; 5]].concat(), Either),
        ("an additional record that is not there", with_records([0, 0, 1], &[]), Formerr),
        ("half a record", with_records([0, 0, 1], &a_record()[..9]), Formerr),
        ("rdata over the end", with_records([0, 0, 1], &opt(&[0], 9, &[])), Formerr),
        ("an option over the OPT", with_records([0, 0, 1], &opt(&[0], 4, &[0, 10, 0, 9])), Formerr),
        ("half an option head", with_records([0, 0, 1], &opt(&[0], 3, &[0, 3, 0])), Formerr),
        ("an OPT with a name", with_records([0, 0, 1], &opt(&[1, b'a', 0], 0, &[])), Formerr),
        ("an OPT in the answer", with_records([1, 0, 0], &opt(&[0], 0, &[])), Formerr),
        ("an OPT in the authority", with_records([0, 1, 0], &opt(&[0], 0, &[])), Formerr),
        (
            "two OPTs",
            with_records([0, 0, 2], &[opt(&[0], 0, &[]), opt(&[0], 0, &[])].concat()),
            Formerr,
        ),
        ("a record in the answer", with_records([1, 0, 0], &a_record()), Answer),
        ("a record in the authority", with_records([0, 1, 0], &a_record()), Answer),
        ("a record in the additional", with_records([0, 0, 1], &a_record()), Answer),
        (
            "octets after the OPT",
            [with_records([0, 0, 1], &opt(&[0], 0, &[])), vec![0]].concat(),
            Either,
        ),
        ("TC in a question", with_flags(&question(&www()), 0x0200), Answer),
        ("AA in a question", with_flags(&question(&www()), 0x0400), Answer),
        ("Z in a question", with_flags(&question(&www()), 0x0040), Answer),
        ("an RCODE in a question", with_flags(&question(&www()), 0x000f), Answer),
        ("QTYPE 0", question(b"\x03www\x07example\x03com\x00\x00\x00\x00\x01"), Answer),
        ("QTYPE OPT", question(b"\x03www\x07example\x03com\x00\x00\x29\x00\x01"), Answer),
        ("QTYPE TSIG", question(b"\x03www\x07example\x03com\x00\x00\xfa\x00\x01"), Answer),
        ("QTYPE MAILB", question(b"\x03www\x07example\x03com\x00\x00\xfd\x00\x01"), Answer),
        ("class 0", question(b"\x03www\x07example\x03com\x00\x00\x01\x00\x00"), Answer),
        ("class 65535", question(b"\x03www\x07example\x03com\x00\x00\x01\xff\xff"), Answer),
    ];
    for len in 0..12 {
        out.push(("shorter than a header", vec![0; len], Silence));
    }
    let whole = Ask::new("www.example.com", "A").option(3, b"").encode(7);
    for len in 13..whole.len() {
        out.push(("cut off", whole[..len].to_vec(), Either));
    }
    out
}

fn with_qr(packet: &[u8]) -> Vec<u8> {
    with_flags(packet, 0x8000)
}

fn with_flags(packet: &[u8], flags: u16) -> Vec<u8> {
    let mut out = packet.to_vec();
    out[2] |= flags.to_be_bytes()[0];
    out[3] |= flags.to_be_bytes()[1];
    out
}

/// A question whose name has this many octets in wire form.
fn long_name(len: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while out.len() + 1 < len {
        let label = (len - 2 - out.len()).min(63);
        out.push(u8::try_from(label).expect("at most 63"));
        out.resize(out.len() + label, b'a');
    }
    out.extend([0, 0, 1, 0, 1]);
    out
}

/// All that comes back before the answer to a good question sent afterwards.
fn replies(socket: &UdpSocket, packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    for packet in packets {
        socket.send(packet).expect("the datagram leaves");
    }
    let sentinel = Ask::new("sentinel.w.example.com", "A").plain();
    socket.send(&sentinel.encode(SENTINEL)).expect("the datagram leaves");
    let mut out = Vec::new();
    loop {
        let reply = client::receive(socket, client::PATIENCE).expect("the server is still there");
        let decoded = Message::decode(&reply);
        let good = decoded.as_ref().is_ok_and(|message| sentinel.judge(SENTINEL, message).is_ok());
        if good && reply.windows(8).any(|octets| octets == b"sentinel") {
            return out;
        }
        out.push(reply);
    }
}

/// What holds for whatever comes back to any octets.
fn judge(packet: &[u8], reply: &[u8]) -> Result<Message, String> {
    if packet.len() < 12 || packet[2] & 0x80 != 0 {
        return Err("an answer to something that is no question".to_string());
    }
    let message = Message::decode(reply)?;
    if reply[..2] != packet[..2] {
        return Err("another id".to_string());
    }
    if (reply[2] ^ packet[2]) & 0x79 != 0 {
        return Err("another opcode or RD".to_string());
    }
    Ok(message)
}

#[test]
fn every_malformed_packet_gets_formerr_or_silence() {
    let mut server = server();
    let socket = client::udp_socket(server.address(Transport::Udp));
    let mut failures = Vec::new();
    for (what, packet, allowed) in packets() {
        let replies = replies(&socket, std::slice::from_ref(&packet));
        let verdict = match (replies.as_slice(), allowed) {
            ([], Allowed::Silence | Allowed::Either) => Ok(()),
            ([], _) => Err("silence".to_string()),
            ([reply], _) => judge(&packet, reply).and_then(|message| {
                let formerr = message.rcode_text() == "FORMERR";
                let fits = match allowed {
                    Allowed::Silence => false,
                    Allowed::Formerr | Allowed::Either => formerr,
                    Allowed::Answer => true,
                };
                if fits { Ok(()) } else { Err(message.show()) }
            }),
            _ => Err("several answers".to_string()),
        };
        if let Err(wrong) = verdict {
            failures.push(format!("{what} ({} octets, {allowed:?}): {wrong}", packet.len()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(server.alive());
    assert_eq!(server.query("www.example.com", "A").answer.len(), 1);
}

#[test]
fn malformed_messages_over_tcp_do_no_harm() {
    let mut server = server();
    let address = server.address(Transport::Tcp);
    for (what, packet, allowed) in packets() {
        let Some(mut stream) = client::tcp_stream(address) else { panic!("{what}: no connection") };
        let len = u16::try_from(packet.len()).expect("short").to_be_bytes();
        stream.write_all(&[&len, packet.as_slice()].concat()).expect("the message leaves");
        stream.set_read_timeout(Some(Duration::from_millis(30))).expect("a timeout can be set");
        // The server may answer, wait for more, or close.
        if let Some(reply) = client::tcp_receive(&mut stream) {
            let message = judge(&packet, &reply).unwrap_or_else(|wrong| panic!("{what}: {wrong}"));
            let formerr = message.rcode_text() == "FORMERR";
            assert!(formerr || allowed == Allowed::Answer, "{what}:\n{}", message.show());
        }
    }
    // A length that lies, and a close in the middle of a message.
    for octets in [&[0u8, 0][..], &[0], &[255, 255, 1, 2, 3], &[0, 12, 0]] {
        let mut stream = client::tcp_stream(address).expect("a connection");
        stream.write_all(octets).expect("the octets leave");
    }
    assert!(server.alive());
    assert!(client::ask(address, Transport::Tcp, &Ask::new("www.example.com", "A")).is_ok());
}

/// Pseudo-random numbers that are the same in every run (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).expect("below a usize")
    }

    fn octet(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut asks = Vec::new();
    for name in ["www", "q.w", "c", "x.d", "h.sub", "al", "loop", "rogue", "h", "", "nothing"] {
        let name = format!("{name}{}example.com", if name.is_empty() { "" } else { "." });
        for qtype in ["A", "ANY", "HTTPS", "CNAME"] {
            asks.push(Ask::new(&name, qtype));
            asks.push(Ask::new(&name, qtype).plain());
        }
        let cookie = [0x24, 0x64, 0xc4, 0xab, 0xcf, 0x10, 0xc9, 0x57];
        asks.push(Ask::new(&name, "AAAA").option(3, b"").option(10, &cookie).option(19, b""));
    }
    asks.iter().map(|ask| ask.encode(0)).collect()
}

fn mutate(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut packet = seeds[random.below(seeds.len())].clone();
    let id = random.next().to_be_bytes();
    packet[..2].copy_from_slice(&id[..2]);
    for _ in 0..=random.below(4) {
        let at = random.below(packet.len());
        match random.below(8) {
            0 => packet[at] ^= 1 << random.below(8),
            1 => packet[at] = random.octet(),
            2 => packet[at] = [0, 1, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff][random.below(8)],
            3 => packet.truncate(at.max(1)),
            4 => packet.insert(at, random.octet()),
            5 => {
                packet.remove(at);
            }
            6 => {
                let other = &seeds[random.below(seeds.len())];
                packet.truncate(at);
                packet.extend_from_slice(&other[random.below(other.len())..]);
            }
            _ => {
                let count = 4 + random.below(8);
                if count < packet.len() {
                    packet[count] = random.octet() & 3;
                }
            }
        }
        if packet.is_empty() {
            packet.push(0);
        }
    }
    packet
}

#[test]
fn twenty_thousand_mutated_packets_get_good_answers_or_none() {
    let mut server = server();
    let socket = client::udp_socket(server.address(Transport::Udp));
    let mut random = Random(0x1014);
    let seeds = seeds();
    let mut answered = 0;
    for _ in 0..1_000 {
        let batch: Vec<Vec<u8>> = (0..20).map(|_| mutate(&mut random, &seeds)).collect();
        for reply in replies(&socket, &batch) {
            answered += 1;
            let verdicts: Vec<_> = batch
                .iter()
                .filter(|packet| packet.len() >= 2 && packet[..2] == reply[..2])
                .map(|packet| (packet, judge(packet, &reply)))
                .collect();
            if !verdicts.iter().any(|(_, verdict)| verdict.is_ok()) {
                panic!("reply {reply:02x?}\nto {verdicts:02x?}");
            }
        }
    }
    assert!(answered > 5_000, "only {answered} of 20000 mutated packets were answered");
    assert!(server.alive());
    assert_eq!(server.query("www.example.com", "A").answer.len(), 1);
}
