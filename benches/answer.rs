//! Nanoseconds per question in one thread, no sockets: packets in, answers out. `cargo bench --bench answer`.
//!
//! Questions come in groups, as a UDP worker takes them. Rows are measured in turn, round after round; the median of
//! each is shown, beside its ratio to what it is compared with in the same rounds.

#[allow(dead_code, reason = "the other bench uses the rest")]
mod world;

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::Instant;

use arrayvec::ArrayVec;
use bailiwick::base::limits::GROUP_MAX;
use bailiwick::base::mem::HugePages;
use bailiwick::base::time::UnixTime;
use bailiwick::model::question::{Client, Transport};
use bailiwick::model::snapshot::Snapshot;
use bailiwick::wire::{Group, Scratch, respond};

use world::Kind;

/// As the server has it: what is large lies in huge pages.
#[global_allocator]
static ALLOCATOR: HugePages = HugePages;

/// Names of each kind in a zone; a prime, so that strides reach all of them.
const HOSTS: usize = 200_003;
const STRIDE: usize = 79_199;
/// Different questions of a row.
const ASKED: usize = 100_000;
const ROUNDS: usize = 7;

/// Title, kind, how many different names, place among `GRANTS`, title of the row it is compared with.
type Row = (&'static str, Kind, usize, usize, &'static str);

/// Numbers of grants, each with zones of its own: what is remembered of an edge counts for one table of grants.
const GRANTS: [usize; 3] = [HOSTS, 1_000_000, 10_000_000];
const FEW: usize = 0;
/// Ten million, but so many have changed before each round that nothing is remembered.
const CHANGED: usize = GRANTS.len();
const CHANGES: usize = 20_000;
const ROWS: [Row; 14] = [
    ("one hot name", Kind::Hit, 1, FEW, ""),
    ("A among 1.2 M names", Kind::Hit, ASKED, FEW, ""),
    ("NXDOMAIN", Kind::Missing, ASKED, FEW, "A among 1.2 M names"),
    ("wildcard", Kind::Wildcard, ASKED, FEW, "A among 1.2 M names"),
    ("unknown zone (REFUSED)", Kind::Unknown, ASKED, FEW, "A among 1.2 M names"),
    ("denied (1014)", Kind::Denied, ASKED, FEW, "A among 1.2 M names"),
    ("CNAME in the zone", Kind::InZone, ASKED, FEW, ""),
    ("crossing, 200 k grants", Kind::Granted, ASKED, FEW, "CNAME in the zone"),
    ("crossing, 1 M grants", Kind::Granted, ASKED, 1, "CNAME in the zone"),
    ("crossing, 10 M grants", Kind::Granted, ASKED, 2, "CNAME in the zone"),
    ("the same, first time", Kind::Granted, ASKED, CHANGED, "CNAME in the zone"),
    ("alias inside", Kind::AliasInside, ASKED, FEW, ""),
    ("one hot alias outside", Kind::AliasOutside, 1, FEW, "one hot name"),
    ("alias outside, cached", Kind::AliasOutside, ASKED, FEW, "A among 1.2 M names"),
];

/// One after the other in memory, as the kernel leaves them for a worker.
type Packet = ArrayVec<u8, 96>;

/// Nanoseconds per question, over all packets once.
fn once(snapshot: &Snapshot, packets: &[Packet], group: &mut Group) -> f64 {
    let client = Client { address: Ipv4Addr::LOCALHOST.into(), transport: Transport::Udp };
    let mut out = [0u8; 1232];
    let start = Instant::now();
    for packets in packets.chunks(GROUP_MAX) {
        group.clear();
        for packet in packets {
            group.push(snapshot, packet);
        }
        let ahead = group.look_ahead(snapshot);
        for (i, packet) in packets.iter().enumerate() {
            black_box(group.respond(i, &ahead, packet, client, UnixTime(1), &mut out));
            black_box(&out);
        }
    }
    start.elapsed().as_nanos() as f64 / packets.len() as f64
}

/// Octets per answer.
fn octets(snapshot: &Snapshot, packets: &[Packet]) -> f64 {
    let client = Client { address: Ipv4Addr::LOCALHOST.into(), transport: Transport::Udp };
    let (mut scratch, mut out) = (Scratch::default(), [0u8; 1232]);
    let sum: usize = packets
        .iter()
        .filter_map(|p| respond(snapshot, p, client, UnixTime(1), &mut scratch, &mut out))
        .map(|reply| reply.len)
        .sum();
    sum as f64 / packets.len() as f64
}

fn packet(name: &str) -> Packet {
    world::packet(name).iter().copied().collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    eprintln!("making the worlds: 8 zones, up to 10 M grants (2 GB) …");
    let mut worlds: Vec<Snapshot> =
        GRANTS.iter().map(|&grants| world::snapshot(HOSTS, grants)).collect();
    let key = worlds[FEW].key;
    worlds[FEW].outside.update((0..HOSTS).map(world::known).collect(), &key);
    let grants = worlds[CHANGED - 1].grants.clone();
    worlds.push(Snapshot { grants, ..world::snapshot(HOSTS, 1) });
    let rows = ROWS.map(|row| {
        let names = (0..ASKED).map(|i| row.1.name(i % row.2 * STRIDE % HOSTS));
        (row, names.map(|name| packet(&name)).collect::<Vec<_>>())
    });
    let mut group = Group::default();
    let mut measured = vec![Vec::new(); rows.len()];
    for round in 0..=ROUNDS {
        for ((row, packets), measured) in rows.iter().zip(&mut measured) {
            if row.3 == CHANGED {
                world::change_grants(&mut worlds[CHANGED].grants, CHANGES);
            }
            let ns = once(&worlds[row.3], packets, &mut group);
            // The first round warms up.
            if round > 0 {
                measured.push(ns);
            }
        }
    }
    let find = |title: &str| rows.iter().position(|r| r.0.0 == title);
    for ((row, packets), ns) in rows.iter().zip(&measured) {
        let octets = octets(&worlds[row.3], packets);
        print!("{:<26}{:>8.1} ns{:>8.1} octets", row.0, median(ns.clone()), octets);
        if let Some(with) = find(row.4) {
            let ratios = ns.iter().zip(&measured[with]).map(|(a, b)| a / b).collect();
            print!("   {:.2} x {}", median(ratios), row.4);
        }
        println!();
    }
}
