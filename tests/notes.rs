//! What is noted beside an alias says what is known of its target, and nothing longer than that is known.

#[path = "support/small.rs"]
mod small;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bailiwick::base::hash::HashKey;
use bailiwick::base::rtype::{self, RType};
use bailiwick::base::time::UnixTime;
use bailiwick::control::press::Press;
use bailiwick::model::catalog::Catalog;
use bailiwick::model::flattened::{Addresses, Entry, Key, Outcome, Update};
use bailiwick::model::question::{Client, Transport};
use bailiwick::model::snapshot::Snapshot;
use bailiwick::wire::{Group, Scratch, respond, respond_at_length};
use small::{name, zone};

const NOW: UnixTime = UnixTime(1_800_000_000);
const ONE: [&str; 4] = [
    "@ 300 ALIAS t.edge.example.",
    "same 20 ALIAS t.edge.example.",
    "*.w 300 ALIAS u.edge.example.",
    "inside 300 ALIAS x.one.test.",
];

fn world() -> Press {
    let key = HashKey::new([5; 16]);
    let mut snapshot = Snapshot::empty(key);
    snapshot.catalog = Catalog::build(key, vec![zone(&key, 1, "one.test", &ONE)]);
    Press::new(snapshot)
}

fn entry(addresses: Addresses, ttl: u32) -> Entry {
    Entry {
        hops: Box::default(),
        outcome: Outcome::Addresses,
        addresses,
        dropped: 0,
        validated: None,
        ttl,
        fetched: NOW,
        expires: UnixTime(NOW.0 + u64::from(ttl)),
        stale_until: UnixTime(NOW.0 + 86_400),
        failure: None,
        upstream: None,
        took_ms: 1,
        used: AtomicBool::new(false),
    }
}

/// Addresses of a target: those that end in these octets.
fn known(target: &str, rtype: RType, last: &[u8]) -> Update {
    let addresses = match rtype {
        rtype::A => Addresses::V4(last.iter().map(|n| [192, 0, 2, *n]).collect()),
        _ => Addresses::V6(last.iter().map(|n| [*n; 16]).collect()),
    };
    (Key { target: name(target), rtype }, Some(Arc::new(entry(addresses, 100))))
}

/// The last octets of the addresses in the answer, and their TTL. Asked several times by each way: the answers have
/// to be the same, octet by octet, before and after something is noted.
fn ask(snapshot: &Snapshot, owner: &str, qtype: RType, now: UnixTime) -> (Vec<u8>, u32) {
    let mut packet = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    packet.extend(name(owner).as_wire());
    packet.extend(qtype.to_be_bytes());
    packet.extend([0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    let question = packet.len() - 11;
    let client = Client { address: Ipv4Addr::LOCALHOST.into(), transport: Transport::Udp };
    let (mut scratch, mut group) = (Scratch::default(), Group::default());
    let mut seen: Vec<Vec<u8>> = Vec::new();
    for _ in 0..3 {
        let mut outs = [[0; 1232]; 3];
        let [long, short, grouped] = &mut outs;
        let long_len = respond_at_length(snapshot, &packet, client, now, &mut scratch, long);
        let short_len = respond(snapshot, &packet, client, now, &mut scratch, short);
        group.clear();
        assert!(group.push(snapshot, &packet));
        let ahead = group.look_ahead(snapshot);
        let grouped_len = group.respond(0, &ahead, &packet, client, now, grouped);
        for (len, out) in [long_len, short_len, grouped_len].into_iter().zip(&outs) {
            seen.push(out[..len.expect("an answer").len].to_vec());
        }
    }
    assert!(seen.iter().all(|one| *one == seen[0]), "{owner}: {seen:02x?}");
    let each = if qtype == rtype::A { 16 } else { 28 };
    let end = question + each * usize::from(seen[0][7]);
    let records: Vec<&[u8]> = seen[0][question..end].chunks_exact(each).collect();
    let ttl = records.first().map_or(0, |rr| u32::from_be_bytes(rr[6..10].try_into().unwrap()));
    (records.iter().map(|rr| rr[each - 1]).collect(), ttl)
}

/// Whether the alias has a note that holds for addresses of this type.
fn is_noted(snapshot: &Snapshot, owner: &str, qtype: RType) -> bool {
    let zone = snapshot.catalog.zone_at(&name("one.test")).unwrap();
    let node = zone.data.find_name(name(owner).as_wire(), &snapshot.key).unwrap();
    let set = node.rrset(rtype::ALIAS).unwrap();
    let Some(note) = zone.data.note(set, qtype) else { return false };
    snapshot.outside.noted(note, qtype, &snapshot.catalog).is_some()
}

#[test]
fn a_note_holds_until_something_else_is_known() {
    let press = world();
    let target = "t.edge.example";
    press.put_outside(vec![known(target, rtype::A, &[1, 2])]);
    let first = press.published().load_full();
    assert!(!is_noted(&first, "one.test", rtype::A));
    assert_eq!(ask(&first, "one.test", rtype::A, NOW), (vec![1, 2], 100));
    assert!(is_noted(&first, "one.test", rtype::A) && !is_noted(&first, "one.test", rtype::AAAA));
    assert!(!is_noted(&first, "same.one.test", rtype::A), "each record has its own");
    press.put_outside(vec![known(target, rtype::A, &[3]), known(target, rtype::AAAA, &[6, 7])]);
    let second = press.published().load_full();
    for _ in 0..2 {
        assert_eq!(ask(&second, "one.test", rtype::A, NOW), (vec![3], 100));
        assert_eq!(ask(&first, "one.test", rtype::A, NOW), (vec![1, 2], 100), "the old one stays");
        assert_eq!(ask(&second, "one.test", rtype::AAAA, NOW), (vec![6, 7], 100));
        assert_eq!(ask(&second, "same.one.test", rtype::A, NOW), (vec![3], 20));
    }
    assert!(is_noted(&second, "one.test", rtype::AAAA));
    press.put_outside(vec![(Key { target: name(target), rtype: rtype::A }, None)]);
    let third = press.published().load_full();
    assert!(ask(&third, "one.test", rtype::A, NOW).0.is_empty());
    assert_eq!(ask(&third, "one.test", rtype::AAAA, NOW).0, [6, 7]);
    assert_eq!(ask(&second, "one.test", rtype::A, NOW).0, [3]);
}

#[test]
fn what_is_noted_gets_older_and_expires() {
    let press = world();
    press.put_outside(vec![known("t.edge.example", rtype::A, &[1])]);
    let snapshot = press.published().load_full();
    for (after, ttl) in [(0, 100), (1, 99), (60, 40), (99, 1), (0, 100)] {
        let seen = ask(&snapshot, "one.test", rtype::A, UnixTime(NOW.0 + after));
        assert_eq!(seen, (vec![1], ttl), "after {after} s");
    }
    assert!(is_noted(&snapshot, "one.test", rtype::A));
    let seen = ask(&snapshot, "one.test", rtype::A, UnixTime(NOW.0 + 100));
    assert_eq!(seen, (vec![1], 30), "stale");
    // The clock was set back by more than its TTL.
    let seen = ask(&snapshot, "one.test", rtype::A, UnixTime(NOW.0 - 1000));
    assert_eq!(seen, (vec![1], 30), "nobody knows how old it is");
}

#[test]
fn a_zone_on_the_way_to_the_target_counts_at_once() {
    let press = world();
    press.put_outside(vec![known("t.edge.example", rtype::A, &[1])]);
    let before = press.published().load_full();
    assert_eq!(ask(&before, "one.test", rtype::A, NOW).0, [1]);
    assert!(is_noted(&before, "one.test", rtype::A));
    let mut next = Snapshot::clone(&before);
    next.catalog.put(zone(&next.key, 1, "edge.example", &["t 300 A 192.0.2.77"]));
    press.put_world(next);
    let with = press.published().load_full();
    assert_eq!(ask(&with, "one.test", rtype::A, NOW), (vec![77], 300));
    assert_eq!(ask(&before, "one.test", rtype::A, NOW).0, [1]);
    let mut next = Snapshot::clone(&with);
    next.catalog.remove(name("edge.example").as_wire());
    press.put_world(next);
    assert_eq!(ask(&press.published().load(), "one.test", rtype::A, NOW).0, [1]);
}

#[test]
fn what_has_no_room_or_no_note_is_answered_alike() {
    let press = world();
    let many: Vec<u8> = (1..=5).collect();
    press.put_outside(vec![
        known("t.edge.example", rtype::A, &many),
        known("t.edge.example", rtype::AAAA, &many[..3]),
        known("u.edge.example", rtype::A, &many[..4]),
    ]);
    let snapshot = press.published().load_full();
    assert_eq!(ask(&snapshot, "one.test", rtype::A, NOW).0, many);
    assert_eq!(ask(&snapshot, "one.test", rtype::AAAA, NOW).0, many[..3]);
    assert!(!is_noted(&snapshot, "one.test", rtype::A));
    // All names that a wildcard makes share one note.
    for owner in ["a.w.one.test", "b.w.one.test", "a.b.w.one.test"] {
        assert_eq!(ask(&snapshot, owner, rtype::A, NOW).0, many[..4]);
    }
    assert!(is_noted(&snapshot, "*.w.one.test", rtype::A));
    assert!(!is_noted(&snapshot, "inside.one.test", rtype::A));
    let mut turned = Snapshot::clone(&snapshot);
    turned.rules.rotate = true;
    // By the id, which is 7.
    assert_eq!(ask(&turned, "a.w.one.test", rtype::A, NOW).0, [4, 1, 2, 3]);
}
