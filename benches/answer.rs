//! Nanoseconds per question in one thread, no sockets: packet in, answer out. `cargo bench --bench answer`.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use bailiwick::base::hash::HashKey;
use bailiwick::base::id::{AccountId, ZoneId};
use bailiwick::base::name::Name;
use bailiwick::base::rtype;
use bailiwick::base::time::UnixTime;
use bailiwick::model::catalog::{Catalog, Zone};
use bailiwick::model::flattened::{Addresses, Entry, Key, Outcome, Update};
use bailiwick::model::grant::{Grant, GrantState, GrantTable};
use bailiwick::model::question::{Client, Transport};
use bailiwick::model::settings::{CrossAccount, FlattenMode, OnViolation};
use bailiwick::model::snapshot::Snapshot;
use bailiwick::model::zone::ZoneBuilder;
use bailiwick::wire::{Scratch, respond};

const ROUNDS: usize = 2_000_000;

fn wire(text: &str) -> Vec<u8> {
    Name::from_text(text).expect("a name").as_wire().to_vec()
}

fn zone(key: &HashKey, id: u32, apex: &str, hosts: usize) -> Zone {
    let apex = Name::from_text(apex).expect("a name");
    let mut records = Vec::new();
    let soa = [wire("ns1.test"), wire("host.test"), vec![0; 19], vec![60]].concat();
    records.push((apex.as_wire().to_vec(), rtype::SOA, soa));
    records.push((apex.as_wire().to_vec(), rtype::NS, wire("ns1.test")));
    for i in 0..hosts {
        records.push((wire(&format!("h{i}.{apex}")), rtype::A, (i as u32).to_be_bytes().to_vec()));
        records.push((wire(&format!("c{i}.{apex}")), rtype::CNAME, wire(&format!("h{i}.{apex}"))));
        let foreign = wire(&format!("h{i}.two.test"));
        records.push((wire(&format!("g{i}.{apex}")), rtype::CNAME, foreign.clone()));
        records.push((wire(&format!("r{i}.{apex}")), rtype::CNAME, foreign));
        let outside = wire(&format!("t{i}.edge.example.net"));
        records.push((wire(&format!("f{i}.{apex}")), rtype::ALIAS, outside));
        let inside = wire(&format!("h{i}.{apex}"));
        records.push((wire(&format!("s{i}.{apex}")), rtype::ALIAS, inside));
    }
    records.push((wire(&format!("*.w.{apex}")), rtype::A, vec![192, 0, 2, 1]));
    let mut builder = ZoneBuilder::new(&apex, key);
    for (owner, rtype, rdata) in &records {
        builder.push(owner, key.name(owner), *rtype, 300, rdata);
    }
    Zone {
        id: ZoneId(id),
        account: AccountId(id),
        on_violation: OnViolation::Refuse,
        cross_account: CrossAccount::Granted,
        flatten: FlattenMode::Apex,
        data: builder.finish().expect("a zone"),
    }
}

/// What the outside said of one target.
fn known(i: usize) -> Update {
    let target = Name::from_text(&format!("t{i}.edge.example.net")).expect("a name");
    let entry = Entry {
        hops: Box::default(),
        outcome: Outcome::Addresses,
        addresses: Addresses::V4(Box::new([(i as u32).to_be_bytes()])),
        dropped: 0,
        validated: false,
        ttl: 300,
        fetched: UnixTime(1),
        expires: UnixTime(301),
        stale_until: UnixTime(86_400),
        failure: None,
        upstream: None,
        took_ms: 1,
        used: AtomicBool::new(false),
    };
    (Key { target, rtype: rtype::A }, Some(Arc::new(entry)))
}

fn query(name: &str) -> Vec<u8> {
    let mut q = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    q.extend(wire(name));
    q.extend([0, 1, 0, 1]);
    q.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    q
}

fn measure(snapshot: &Snapshot, title: &str, name: impl Fn(usize) -> String) {
    let queries: Vec<Vec<u8>> = (0..100_000).map(|i| query(&name(i * 7919 % 100_003))).collect();
    let client = Client { address: Ipv4Addr::LOCALHOST.into(), transport: Transport::Udp };
    let mut scratch = Scratch::default();
    let mut out = [0u8; 1232];
    let mut octets = 0;
    let start = Instant::now();
    for i in 0..ROUNDS {
        let packet = &queries[i % queries.len()];
        let reply = respond(snapshot, packet, client, UnixTime(1), &mut scratch, &mut out);
        octets += reply.map_or(0, |r| r.len);
        black_box(&out);
    }
    let ns = start.elapsed().as_nanos() as f64 / ROUNDS as f64;
    println!("{title:<28} {ns:>7.1} ns   {:>5.1} octets", octets as f64 / ROUNDS as f64);
}

fn main() {
    let key = HashKey::new([5; 16]);
    let hosts = 100_003;
    let mut snapshot = Snapshot::empty(key);
    let zones = vec![zone(&key, 1, "one.test", hosts), zone(&key, 2, "two.test", hosts)];
    snapshot.catalog = Catalog::build(key, zones);
    let grants = (0..hosts).map(|i| {
        let hostname = Name::from_text(&format!("g{i}.one.test")).expect("a name");
        let hash = key.name(hostname.as_wire());
        (hash, Grant { hostname, wildcard: false, zone: ZoneId(2), state: GrantState::Active })
    });
    snapshot.grants = GrantTable::build(grants.collect());
    snapshot.outside.update((0..hosts).map(known).collect(), &key);
    measure(&snapshot, "one hot name", |_| "h1.one.test".into());
    measure(&snapshot, "A among 400 k names", |i| format!("h{i}.one.test"));
    measure(&snapshot, "NXDOMAIN", |i| format!("nx{i}.one.test"));
    measure(&snapshot, "wildcard", |i| format!("x{i}.w.one.test"));
    measure(&snapshot, "CNAME in the zone", |i| format!("c{i}.one.test"));
    measure(&snapshot, "granted crossing", |i| format!("g{i}.one.test"));
    measure(&snapshot, "alias inside", |i| format!("s{i}.one.test"));
    measure(&snapshot, "alias outside, cached", |i| format!("f{i}.one.test"));
    measure(&snapshot, "denied (1014)", |i| format!("r{i}.one.test"));
    measure(&snapshot, "unknown zone", |i| format!("h{i}.three.invalid"));
}
