//! Every short way gives what the long way gives, octet by octet: random worlds, random questions, alone and in groups.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bailiwick::base::hash::HashKey;
use bailiwick::base::id::{AccountId, ZoneId};
use bailiwick::base::limits::GROUP_MAX;
use bailiwick::base::name::Name;
use bailiwick::base::rtype;
use bailiwick::base::time::UnixTime;
use bailiwick::control::press::Press;
use bailiwick::engine::answer::Outcome as AnswerOutcome;
use bailiwick::model::catalog::{Catalog, Zone};
use bailiwick::model::flattened::{
    Addresses, Entry, Failure, FailureKind, Key, Outcome, OutsideHop, Update,
};
use bailiwick::model::grant::{Grant, GrantState, GrantTable};
use bailiwick::model::question::{Client, Transport};
use bailiwick::model::settings::{CrossAccount, FlattenMode, OnViolation};
use bailiwick::model::snapshot::Snapshot;
use bailiwick::model::zone::{RrSet, ZoneBuilder, ZoneData};
use bailiwick::rdata;
use bailiwick::wire::{Group, Scratch, respond, respond_at_length};

const NOW: UnixTime = UnixTime(1_800_000_000);
const WORLDS: u64 = 60;
const QUESTIONS: usize = 1_200;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % bound
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

const LABELS: [&str; 8] = ["a", "b", "www", "*", "long-label-of-many-octets", "_x", "c", "d"];
const APEXES: [&str; 7] =
    ["example.com", "sub.example.com", "other.net", "net", "x.y.deep.org", "a.example.com", "."];
const RECORDS: [&str; 18] = [
    "A 192.0.2.1",
    "A 192.0.2.2",
    "AAAA 2001:db8::1",
    "TXT one",
    "MX 10 @TARGET",
    "NS @TARGET",
    "SRV 1 2 3 @TARGET",
    "PTR @TARGET",
    "CNAME @TARGET",
    "CNAME @TARGET",
    "DNAME @TARGET",
    "HTTPS 1 @TARGET",
    "ALIAS @TARGET",
    "ALIAS @TARGET",
    "ALIAS @TARGET",
    "CAA 0 issue ca.example",
    "TXT lots",
    "DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000",
];

fn name(text: &str) -> Name {
    Name::from_text(text).unwrap()
}

fn below(random: &mut Random, apex: &str) -> String {
    let mut text = String::new();
    for _ in 0..[0, 1, 1, 1, 2, 3][random.below(6)] {
        text.push_str(random.of(&LABELS));
        text.push('.');
    }
    if apex == "." { if text.is_empty() { ".".into() } else { text } } else { text + apex }
}

/// A name to lead to: in some zone that may be there or not, or outside for certain.
fn target(random: &mut Random) -> String {
    let apex = random.of(&APEXES);
    let of = ["elsewhere.test", apex][random.below(2)];
    format!("{}.", below(random, of).trim_end_matches('.'))
}

fn data(random: &mut Random, key: &HashKey, apex: &str) -> ZoneData {
    if random.below(12) == 0 {
        return ZoneData::unready(&name(apex));
    }
    let apex_name = name(apex);
    let mut records: Vec<(Vec<u8>, u16, u32, Vec<u8>)> = Vec::new();
    let mut add = |owner: &str, ttl: u32, rtype: &str, text: &str| {
        let rtype = rdata::type_from_text(rtype.as_bytes()).unwrap();
        let mut wire = Vec::new();
        rdata::from_line(rtype, text.as_bytes(), apex_name.as_wire(), &mut wire).unwrap();
        records.push((name(owner).as_wire().to_vec(), rtype, ttl, wire));
    };
    let soa_ttl = 10 + random.below(200) as u32;
    add(apex, soa_ttl, "SOA", "ns1 hostmaster 7 7200 900 1209600 60");
    add(apex, 3600, "NS", "ns1");
    for _ in 0..random.below(60) {
        let owner = below(random, apex);
        let target = target(random);
        let (rtype, text) = random.of(&RECORDS).split_once(' ').unwrap();
        let text = text.replace("@TARGET", &target);
        match (rtype, text.as_str()) {
            ("SOA", _) => {}
            ("TXT", "lots") => {
                for i in 0..10 {
                    add(&owner, 50, "TXT", &format!("{i}{}", "lots".repeat(25)));
                }
            }
            _ => add(&owner, random.below(1000) as u32, rtype, &text),
        }
    }
    records.sort();
    records.dedup_by(|a, b| a.0 == b.0 && a.1 == b.1 && (a.3 == b.3 || [5, 39].contains(&a.1)));
    let mut builder = ZoneBuilder::new(&apex_name, key);
    for (owner, rtype, ttl, wire) in &records {
        builder.push(owner, key.name(owner), *rtype, *ttl, wire);
    }
    builder.finish().unwrap()
}

fn zone(random: &mut Random, key: &HashKey, apex: &str) -> Zone {
    let id = APEXES.iter().zip(1..).find(|(a, _)| **a == apex).map(|(_, id)| id);
    Zone {
        id: ZoneId(id.unwrap_or(99)),
        account: AccountId(random.below(3) as u32),
        on_violation: [OnViolation::Refuse, OnViolation::NoData, OnViolation::Report]
            [random.below(3)],
        cross_account: CrossAccount::Granted,
        flatten: [FlattenMode::Apex, FlattenMode::All][random.below(2)],
        data: data(random, key, apex),
    }
}

fn world(random: &mut Random) -> Snapshot {
    let key = HashKey::new(std::array::from_fn(|_| random.below(256) as u8));
    let mut snapshot = Snapshot::empty(key);
    let mut zones = Vec::new();
    for apex in APEXES {
        // Below the root nothing is outside.
        if random.below(3) > 0 && (apex != "." || random.below(4) == 0) {
            zones.push(zone(random, &key, apex));
        }
    }
    snapshot.catalog = Catalog::build(key, zones);
    let grants = (0..10).map(|i| {
        let of = random.of(&APEXES);
        let hostname = below(random, of);
        let hostname = match hostname.trim_start_matches("*.") {
            "" => name("."),
            hostname => name(hostname),
        };
        let (zone, wildcard) = (ZoneId(1 + i % 7), random.below(2) == 0);
        let hash = key.name(hostname.as_wire());
        (hash, Grant { hostname, wildcard, zone, state: GrantState::Active })
    });
    snapshot.grants = GrantTable::build(grants.collect());
    snapshot.identity.nsid = "here".into();
    snapshot.rules.rotate = random.below(6) == 0;
    snapshot
}

/// What the outside said about some name, which may lie in a zone here as well.
fn known(random: &mut Random) -> Update {
    let target = name(&target(random));
    let rtype = [rtype::A, rtype::AAAA][random.below(2)];
    let count = [0, 1, 1, 2, 5, 64][random.below(6)];
    let addresses = if rtype == rtype::A {
        Addresses::V4((0..count).map(|n| [198, 51, 100, n]).collect())
    } else {
        Addresses::V6((0..count).map(|n| [n; 16]).collect())
    };
    let hops = (0..[0, 0, 0, 1, 2][random.below(5)]).map(|_| {
        let of = random.of(&["elsewhere.test", "elsewhere.test", "example.com", "net"]);
        OutsideHop { name: name(&below(random, of)), ttl: 100 }
    });
    let (hops, outcome) = (hops.collect(), [Outcome::NoData, Outcome::NxDomain][random.below(2)]);
    let kind = [FailureKind::Timeout, FailureKind::Bogus, FailureKind::Loop][random.below(3)];
    let retry = UnixTime(NOW.0 + random.below(200) as u64);
    let failure = (random.below(3) == 0).then_some(Failure { kind, since: NOW, retry });
    let ttl = 1 + random.below(300) as u32;
    let fetched = UnixTime(NOW.0 - random.below(200) as u64);
    let expires = UnixTime(fetched.0 + u64::from(ttl));
    let entry = Entry {
        hops,
        outcome: match (count, failure) {
            (0, Some(_)) => Outcome::Failed(kind),
            (0, None) => outcome,
            _ => Outcome::Addresses,
        },
        addresses,
        dropped: 0,
        validated: None,
        ttl,
        fetched,
        expires,
        stale_until: UnixTime(expires.0 + random.below(100) as u64),
        failure,
        upstream: None,
        took_ms: 0,
        used: AtomicBool::new(false),
    };
    (Key { target, rtype }, Some(Arc::new(entry)))
}

/// The next state of a published world: more is known from outside, or zones came, went or changed.
fn step(random: &mut Random, press: &Press) {
    if random.below(3) > 0 {
        return press.put_outside((0..random.below(100)).map(|_| known(random)).collect());
    }
    let mut next = Snapshot::clone(&press.published().load());
    let apex = random.of(&APEXES);
    let apex = ["elsewhere.test", "a.elsewhere.test", apex, apex][random.below(4)];
    if random.below(3) == 0 || apex == "." {
        next.catalog.remove(name(apex).as_wire());
    } else {
        let zone = zone(random, &next.key, apex);
        next.catalog.put(zone);
    }
    press.put_world(next);
}

/// A message: mostly a well-formed question, now and then cut or longer than it says.
fn question(random: &mut Random, aliases: &[Name]) -> Vec<u8> {
    const TYPES: [u16; 22] =
        [1, 1, 1, 1, 28, 28, 15, 16, 2, 6, 5, 39, 65, 255, 43, 12, 33, 257, 65401, 46, 252, 99];
    let mut packet = vec![random.below(256) as u8, 7];
    packet.push([0, 1, 0, 1, 8, 0x80][random.below(6)]);
    packet.push([0, 0x10, 0x20, 0x30][random.below(4)]);
    packet.extend([0, 1, 0, 0, 0, 0, 0, 0]);
    let of = random.of(&APEXES);
    let mut owner = name(&below(random, of)).as_wire().to_vec();
    if random.below(3) == 0 && !aliases.is_empty() {
        owner = aliases[random.below(aliases.len())].as_wire().to_vec();
    }
    if random.below(2) == 0 {
        owner.make_ascii_uppercase();
    }
    packet.extend(owner);
    packet.extend(TYPES[random.below(TYPES.len())].to_be_bytes());
    packet.extend([0, [1, 1, 1, 1, 1, 1, 3, 255][random.below(8)]]);
    if random.below(4) > 0 {
        packet[11] = 1;
        let size = [0, 512, 600, 1232, 4096][random.below(5)] as u16;
        packet.extend([0, 0, 41]);
        packet.extend(size.to_be_bytes());
        packet.extend([0, [0, 0, 0, 1][random.below(4)], [0, 0x80][random.below(2)], 0]);
        let options: &[u8] = match random.below(6) {
            0 => &[0, 3, 0, 0],
            1 => &[0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8],
            2 => &[0, 19, 0, 0],
            3 => &[0, 12, 0, 2, 0, 0],
            _ => &[],
        };
        packet.extend([0, options.len() as u8]);
        packet.extend(options);
    }
    match random.below(30) {
        0 => packet.truncate(random.below(packet.len())),
        1 => packet.push(0),
        2 => packet[12] = 0xC0,
        _ => {}
    }
    packet
}

/// The messages, each in three ways; how many were answered, and how many of them out of what is known from outside.
fn compare(
    random: &mut Random,
    snapshot: &Snapshot,
    packets: &[Vec<u8>],
    now: UnixTime,
    case: &str,
) -> (usize, usize) {
    let (mut scratch, mut group) = (Scratch::default(), Group::default());
    let (mut answered, mut flattened) = (0, 0);
    for packets in packets.chunks(GROUP_MAX) {
        let transport = [Transport::Udp, Transport::Tcp][random.below(2)];
        let client = Client { address: Ipv4Addr::LOCALHOST.into(), transport };
        let size = [100, 512, 1232, 4096][random.below(4)];
        group.clear();
        for packet in packets {
            assert!(group.push(snapshot, packet));
        }
        let ahead = group.look_ahead(snapshot);
        for (i, packet) in packets.iter().enumerate() {
            let case = format!("{case}, {packet:?}, {transport:?}, {size}");
            let mut outs = [vec![0; size], vec![0; size], vec![0; size]];
            let [long, short, grouped] = &mut outs;
            let want = respond_at_length(snapshot, packet, client, now, &mut scratch, long);
            let alone = respond(snapshot, packet, client, now, &mut scratch, short);
            let beside = group.respond(i, &ahead, packet, client, now, grouped);
            let said = want.map(|r| (r.len, r.rcode, r.outcome, r.denial, r.ede, r.needs));
            for (how, got, out) in [("alone", alone, short), ("grouped", beside, grouped)] {
                let got = got.map(|r| (r.len, r.rcode, r.outcome, r.denial, r.ede, r.needs));
                assert_eq!(got, said, "{how}: {case}");
                let len = got.map_or(0, |r| r.0);
                assert_eq!(out[..len], long[..len], "{how}: {case}");
            }
            answered += usize::from(want.is_some());
            flattened += usize::from(want.is_some_and(|r| r.outcome == AnswerOutcome::Flattened));
        }
    }
    (answered, flattened)
}

/// How many aliases have a note that holds.
fn notes(snapshot: &Snapshot) -> usize {
    let is_noted = |zone: &Zone, set: RrSet<'_>, qtype| {
        let note = zone.data.note(set, qtype);
        note.is_some_and(|note| snapshot.outside.noted(note, qtype, &snapshot.catalog).is_some())
    };
    let count = |zone: &Zone| {
        let sets = zone.data.nodes().filter_map(|node| node.rrset(rtype::ALIAS));
        let both = sets.flat_map(|set| [(set, rtype::A), (set, rtype::AAAA)]);
        both.filter(|(set, qtype)| is_noted(zone, *set, *qtype)).count()
    };
    snapshot.catalog.iter().map(count).sum()
}

#[test]
fn short_ways_give_what_the_long_way_gives() {
    let mut random = Random(20_261_121);
    let (mut answered, mut flattened, mut noted) = (0, 0, 0);
    for world_number in 0..WORLDS {
        // Published, as the server has it: what was found out about one set of zones must not count for the next.
        let press = Press::new(world(&mut random));
        press.put_outside((0..400).map(|_| known(&mut random)).collect());
        let first = press.published().load_full();
        let nodes = first.catalog.iter().flat_map(|zone| zone.data.nodes());
        let aliases: Vec<Name> =
            nodes.filter(|n| n.rrset(rtype::ALIAS).is_some()).map(|n| n.owner()).collect();
        let packets: Vec<Vec<u8>> =
            (0..QUESTIONS).map(|_| question(&mut random, &aliases)).collect();
        for state in 0..4 {
            let case = format!("world {world_number}, state {state}");
            let now = UnixTime(NOW.0 + random.below(150) as u64);
            let snapshot = press.published().load_full();
            let counts = compare(&mut random, &snapshot, &packets, now, &case);
            (answered, flattened) = (answered + counts.0, flattened + counts.1);
            noted += notes(&snapshot);
            step(&mut random, &press);
        }
    }
    assert!(answered > 2 * WORLDS as usize * QUESTIONS, "most messages get an answer");
    assert!(flattened > 500, "{flattened} came from outside");
    assert!(noted > 50, "{noted} were noted beside their aliases");
}

#[test]
fn a_group_takes_as_many_as_it_has_room_for() {
    let snapshot = Snapshot::empty(HashKey::new([1; 16]));
    let mut group = Group::default();
    for _ in 0..2 {
        let pushed = (0..GROUP_MAX + 3).filter(|_| group.push(&snapshot, &[])).count();
        assert_eq!(pushed, GROUP_MAX);
        group.clear();
    }
}
