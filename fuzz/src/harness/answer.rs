//! Target `answer`: any octets as a message to the fixed world, through both transports.
//!
//! The first octet of the input chooses world and client, the rest is the message.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bailiwick::base::limits::MESSAGE_MAX;
use bailiwick::engine::answer::Outcome;
use bailiwick::model::question::{Client, Transport};
use bailiwick::model::snapshot::Snapshot;
use bailiwick::wire::{Group, Scratch, respond, respond_at_length};

use super::decode::{self, Message, Rr};
use super::query::{self, Asked, Query};
use super::shown::Shown;
use super::world::{NOW, VAULT, WORLDS, World};

const TC: u16 = 0x200;
const FORMERR: u16 = 1;
const NOTIMP: u16 = 4;

/// What is reused from message to message, as a worker does.
struct Desk {
    scratch: Scratch,
    group: Group,
    out: Vec<u8>,
}

thread_local! {
    static DESK: RefCell<Desk> = RefCell::new(Desk {
        scratch: Scratch::default(),
        group: Group::default(),
        out: vec![0; MESSAGE_MAX],
    });
}

/// Octets of the answer and what the server says of it. The short ways and the long one say the same.
fn ask(snapshot: &Snapshot, packet: &[u8], client: Client) -> Option<(Vec<u8>, Outcome)> {
    DESK.with_borrow_mut(|Desk { scratch, group, out }| {
        let reply = respond(snapshot, packet, client, NOW, scratch, out);
        let answer = reply.map(|reply| (out[..reply.len].to_vec(), reply.outcome));
        let reply = respond_at_length(snapshot, packet, client, NOW, scratch, out);
        let at_length = reply.map(|reply| &out[..reply.len]);
        assert_eq!(answer.as_ref().map(|(octets, _)| &octets[..]), at_length, "at length");
        group.clear();
        assert!(group.push(snapshot, packet));
        let ahead = group.look_ahead(snapshot);
        let reply = group.respond(0, &ahead, packet, client, NOW, out);
        let grouped = reply.map(|reply| &out[..reply.len]);
        assert_eq!(answer.as_ref().map(|(octets, _)| &octets[..]), grouped, "in a group");
        answer
    })
}

/// Checks all that must hold for one input.
pub fn check(input: &[u8]) {
    let Some((&choice, packet)) = input.split_first() else { return };
    let world = &WORLDS[usize::from(choice & 1)];
    let address = match choice & 2 {
        0 => IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)),
        _ => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    let [udp, tcp] = [Transport::Udp, Transport::Tcp].map(|t| Client { address, transport: t });
    let answers = [udp, tcp].map(|client| ask(&world.snapshot, packet, client));
    let query = query::query(packet);
    if let Query::Silence = query {
        return assert!(answers.iter().all(Option::is_none), "an answer to what is no query");
    }
    let answers = answers.map(|answer| answer.expect("a query is answered"));
    let [over_udp, over_tcp] = [0, 1].map(|i| {
        let (octets, outcome) = &answers[i];
        let message = decode::message(octets);
        let message = message.unwrap_or_else(|e| panic!("{e} in the answer {octets:02x?}"));
        head(packet, &query, &message);
        if let Query::Asked(Asked { question: Some(question), .. }) = &query
            && question.qclass == 1
            && !matches!(outcome, Outcome::Rejected | Outcome::NotServed)
        {
            let denied = *outcome == Outcome::Denied;
            Shown { world, message: &message, question, denied }.check();
        }
        message
    });
    let size = answers[0].0.len();
    assert!(size <= udp_limit(&query), "{size} octets over UDP");
    assert!(!over_tcp.has(TC), "truncated over TCP");
    transports_agree(&over_udp, &over_tcp);
    if let Query::Asked(Asked { question: Some(question), .. }) = &query {
        for (client, (octets, _)) in [udp, tcp].into_iter().zip(&answers) {
            twin_agrees(world, packet, client, &question.name, octets);
        }
        case_means_nothing(world, packet, tcp, question.name.len(), &over_tcp);
    }
}

/// Id, flags, question and OPT are those of the query; what is malformed is FORMERR, and nothing else is.
fn head(packet: &[u8], query: &Query, message: &Message) {
    assert_eq!(message.id.to_be_bytes(), packet[..2], "the id");
    let flags = u16::from_be_bytes([packet[2], packet[3]]);
    // QR is set; opcode, RD and CD come back; RA, Z and AD are never set.
    let kept = 0x7910;
    assert_eq!(message.flags & !0x060F, 0x8000 | flags & kept, "flags {:04x}", message.flags);
    let rcode = message.rcode();
    let records = message.sections.iter().any(|section| !section.is_empty());
    if let Some(opt) = &message.opt {
        assert!(opt.version == 0 && opt.flags & 0x7FFF == 0 && opt.udp_size >= 512, "{opt:?}");
    }
    match query {
        Query::Silence => {}
        Query::OtherOpcode => assert!(rcode == NOTIMP && !records),
        Query::Malformed => assert!(rcode == FORMERR && !records, "RCODE {rcode}: malformed"),
        Query::Asked(asked) => well_formed(packet, asked, message),
    }
}

fn well_formed(packet: &[u8], asked: &Asked, message: &Message) {
    let rcode = message.rcode();
    assert_eq!(message.opt.is_some(), asked.edns.is_some(), "OPT for OPT");
    let edns = asked.edns.as_ref();
    for (code, value) in message.opt.iter().flat_map(|opt| &opt.options) {
        let wanted = *code == 15 || edns.is_some_and(|edns| edns.codes.contains(code));
        assert!(wanted && [3, 10, 11, 15, 19].contains(code), "nobody asked for option {code}");
        assert!(*code != 10 || value.len() == 24, "a cookie of {} octets", value.len());
    }
    if let Some((owner, data)) = &asked.tsig {
        assert_eq!(rcode, 9, "RCODE of a signed query");
        not_recognised(packet, owner, data, message);
    }
    let Some(question) = &asked.question else {
        assert!(message.question.is_none());
        let empty = message.sections.iter().all(Vec::is_empty);
        return assert!(empty || asked.tsig.is_some());
    };
    let octets = &packet[12..12 + question.name.len() + 4];
    assert_eq!(message.question.as_deref(), Some(octets), "the question");
    if asked.tsig.is_none() && edns.is_some_and(|edns| edns.version != 0) {
        assert_eq!(rcode, 16, "RCODE of another EDNS version");
    } else if asked.tsig.is_none() {
        assert!(rcode != FORMERR || matches!(question.qtype, 41 | 250), "FORMERR");
    }
}

/// The only record is a TSIG that says BADKEY; with TC it had no room.
fn not_recognised(packet: &[u8], owner: &[u8], data: &[u8], message: &Message) {
    let [answer, authority, additional] = &message.sections;
    assert!(answer.is_empty() && authority.is_empty());
    let wanted = Rr {
        owner: owner.to_vec(),
        rtype: 250,
        class: 255,
        ttl: 0,
        rdata: [data, &[0, 0], &packet[..2], &[0, 17, 0, 0]].concat(),
    };
    let there = additional == &[wanted];
    assert!(there || additional.is_empty() && message.has(TC), "{additional:x?}");
}

fn udp_limit(query: &Query) -> usize {
    let Query::Asked(asked) = query else { return 512 };
    asked.edns.as_ref().map_or(512, |edns| usize::from(edns.udp_size).clamp(512, 1232))
}

/// A UDP answer is the TCP answer, or the front of it with TC.
fn transports_agree(udp: &Message, tcp: &Message) {
    assert_eq!(udp.rcode(), tcp.rcode());
    assert_eq!(udp.flags & !TC, tcp.flags);
    let truncated = udp.has(TC);
    for (of_udp, of_tcp) in udp.sections.iter().zip(&tcp.sections) {
        let agree = if truncated { of_tcp.starts_with(of_udp) } else { same(of_udp, of_tcp) };
        assert!(agree || is_glue(udp, of_udp, of_tcp), "UDP {of_udp:x?}\nTCP {of_tcp:x?}");
    }
}

/// Glue that is not needed is left out without a word (RFC 9471 §3).
fn is_glue(udp: &Message, of_udp: &[Rr], of_tcp: &[Rr]) -> bool {
    std::ptr::eq(of_udp, &udp.sections[2][..]) && of_udp.iter().all(|rr| of_tcp.contains(rr))
}

/// Names and data alike but for the case of letters, which pointers to the question give away.
fn same(these: &[Rr], those: &[Rr]) -> bool {
    these.len() == those.len()
        && these.iter().zip(those).all(|(a, b)| {
            let head = |rr: &Rr| (rr.rtype, rr.class, rr.ttl);
            head(a) == head(b)
                && a.owner.eq_ignore_ascii_case(&b.owner)
                && a.rdata.eq_ignore_ascii_case(&b.rdata)
        })
}

/// What is in the zones of an account that grants nothing shows in no answer about others' names.
fn twin_agrees(world: &World, packet: &[u8], client: Client, name: &[u8], octets: &[u8]) {
    let owner = world.facts.account_of(&name.to_ascii_lowercase());
    if owner == Some(VAULT) {
        return;
    }
    let (other, _) = ask(&world.twin, packet, client).expect("a query is answered");
    assert!(other == octets, "account {VAULT} shows:\n{octets:02x?}\n{other:02x?}");
}

/// Upper and lower case make no difference but in the names that are repeated.
fn case_means_nothing(
    world: &World,
    packet: &[u8],
    client: Client,
    name_len: usize,
    message: &Message,
) {
    let mut flipped = packet.to_vec();
    for octet in &mut flipped[12..12 + name_len] {
        // Lengths are below the letters.
        if octet.is_ascii_alphabetic() {
            *octet ^= 0x20;
        }
    }
    let (octets, _) = ask(&world.snapshot, &flipped, client).expect("a query is answered");
    let other = decode::message(&octets).expect("a whole message");
    assert_eq!(message.flags, other.flags);
    for (these, those) in message.sections.iter().zip(&other.sections) {
        assert!(same(these, those), "case matters:\n{these:x?}\n{those:x?}");
    }
    assert_eq!(message.opt, other.opt);
}
