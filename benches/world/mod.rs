//! The world of the benches that ask in-process: two accounts, one zone each, and grants between them.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bailiwick::base::hash::HashKey;
use bailiwick::base::id::{AccountId, ZoneId};
use bailiwick::base::name::Name;
use bailiwick::base::rtype::{self, RType};
use bailiwick::base::time::UnixTime;
use bailiwick::model::catalog::{Catalog, Zone};
use bailiwick::model::flattened::{Addresses, Entry, Key, Outcome, Update};
use bailiwick::model::grant::{Grant, GrantState, GrantTable};
use bailiwick::model::question::{Client, Transport};
use bailiwick::model::settings::{CrossAccount, FlattenMode, OnViolation};
use bailiwick::model::snapshot::Snapshot;
use bailiwick::model::zone::ZoneBuilder;
use bailiwick::wire::{Reply, Scratch, respond};

const OWN: &str = "one.test";
const FOREIGN: &str = "two.test";
/// One that looks random, and is always the same: no two runs may differ because of the hash.
fn key() -> HashKey {
    HashKey::new(0x8F2B_61D4_C7A9_3E05_B16C_D84F_7A23_95E1_u128.to_le_bytes())
}

/// What a question meets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// An address.
    Hit,
    /// No such name.
    Missing,
    /// An address from a wildcard.
    Wildcard,
    /// A CNAME to an address of the same zone.
    InZone,
    /// Three CNAMEs one after the other, and an address.
    Chain,
    /// A CNAME into the other account's zone, let in by a grant for exactly this name.
    Granted,
    /// The same without a grant.
    Denied,
    /// An alias of an address of the same zone.
    AliasInside,
    /// An alias of a name outside, of which the outside has told.
    AliasOutside,
    /// A name of no zone.
    Unknown,
}

impl Kind {
    /// One name of this kind; different for each `i` below the number of hosts.
    pub fn name(self, i: usize) -> String {
        match self {
            Kind::Hit => format!("h{i}.{OWN}"),
            Kind::Missing => format!("nx{i}.{OWN}"),
            Kind::Wildcard => format!("x{i}.w.{OWN}"),
            Kind::InZone => format!("c{i}.{OWN}"),
            Kind::Chain => format!("l{i}.{OWN}"),
            Kind::Granted => format!("g{i}.{OWN}"),
            Kind::Denied => format!("r{i}.{OWN}"),
            Kind::AliasInside => format!("s{i}.{OWN}"),
            Kind::AliasOutside => format!("f{i}.{OWN}"),
            Kind::Unknown => format!("h{i}.three.invalid"),
        }
    }

    /// RCODE and number of answers, so that nothing else is measured by mistake.
    fn expected(self) -> (u8, u8) {
        match self {
            Kind::Hit | Kind::Wildcard | Kind::AliasInside | Kind::AliasOutside => (0, 1),
            Kind::InZone | Kind::Granted => (0, 2),
            Kind::Chain => (0, 4),
            Kind::Missing => (3, 0),
            Kind::Denied | Kind::Unknown => (5, 0),
        }
    }
}

/// Both zones with `hosts` names of each kind, and `grants` grants: those of the hosts first, the rest for names
/// that nobody asks for.
pub fn snapshot(hosts: usize, grants: usize) -> Snapshot {
    let mut snapshot = Snapshot::empty(key());
    snapshot.catalog = Catalog::build(key(), vec![zone(1, OWN, hosts), zone(2, FOREIGN, hosts)]);
    snapshot.grants = self::grants(hosts, grants);
    // As when it is published.
    snapshot.catalog.set_mark(1);
    snapshot
}

/// A table of `count` grants.
pub fn grants(hosts: usize, count: usize) -> GrantTable {
    let key = key();
    let grant = |i: usize| {
        let (hash, hostname) = match i < hosts {
            true => {
                let hostname = Name::from_text(&Kind::Granted.name(i)).expect("a name");
                (key.name(hostname.as_wire()), hostname)
            }
            // Made without a hash and without text: valgrind has to build a million of them.
            false => (splat(i as u64), Name::from_wire(&other(i as u64)).expect("a name")),
        };
        (hash, Grant { hostname, wildcard: false, zone: ZoneId(2), state: GrantState::Active })
    };
    GrantTable::build((0..count).map(grant).collect())
}

/// Writes `count` grants that nobody asks for once more.
pub fn change_grants(grants: &mut GrantTable, count: usize) {
    for i in 0..count as u64 {
        let hostname = Name::from_wire(&other(i)).expect("a name");
        let state = GrantState::Active;
        grants.put(splat(i), &Grant { hostname, wildcard: false, zone: ZoneId(2), state });
    }
}

/// `i` spread over all values, like a hash.
fn splat(i: u64) -> u64 {
    let x = (i ^ i >> 31).wrapping_mul(0x7FB5_D329_728E_A185);
    (x ^ x >> 27).wrapping_mul(0x81DA_DEF4_BC2D_D44D)
}

/// Name of a grant that nobody asks for.
fn other(i: u64) -> [u8; 16] {
    let mut wire = *b"\x09o00000000\x04test\0";
    for (digit, octet) in wire[2..10].iter_mut().enumerate() {
        *octet = b'a' + (i >> (4 * digit) & 15) as u8;
    }
    wire
}

fn zone(id: u32, apex: &str, hosts: usize) -> Zone {
    let apex = Name::from_text(apex).expect("a name");
    let key = key();
    let mut builder = ZoneBuilder::new(&apex, &key);
    let mut push = |owner: &str, rtype: RType, rdata: &[u8]| {
        let owner = wire(owner);
        builder.push(&owner, key.name(&owner), rtype, 300, rdata);
    };
    let soa = [wire("ns1.test"), wire("host.test"), vec![0; 19], vec![60]].concat();
    push(&apex.to_string(), rtype::SOA, &soa);
    push(&apex.to_string(), rtype::NS, &wire("ns1.test"));
    push(&format!("*.w.{apex}"), rtype::A, &[192, 0, 2, 1]);
    for i in 0..hosts {
        push(&format!("h{i}.{apex}"), rtype::A, &(i as u32).to_be_bytes());
        // A target far away in memory, as that of an edge that crosses.
        let far = (i + hosts / 2) % hosts;
        push(&format!("c{i}.{apex}"), rtype::CNAME, &wire(&format!("h{far}.{apex}")));
        push(&format!("s{i}.{apex}"), rtype::ALIAS, &wire(&format!("h{far}.{apex}")));
        push(&format!("f{i}.{apex}"), rtype::ALIAS, &wire(&outside(i)));
        push(&format!("k{i}.{apex}"), rtype::CNAME, &wire(&format!("c{i}.{apex}")));
        push(&format!("l{i}.{apex}"), rtype::CNAME, &wire(&format!("k{i}.{apex}")));
        push(&format!("g{i}.{apex}"), rtype::CNAME, &wire(&format!("h{i}.{FOREIGN}")));
        push(&format!("r{i}.{apex}"), rtype::CNAME, &wire(&format!("h{i}.{FOREIGN}")));
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

/// A name outside that an alias leads to.
fn outside(i: usize) -> String {
    format!("t{i}.edge.example.net")
}

/// What the outside said of it.
pub fn known(i: usize) -> Update {
    let target = Name::from_text(&outside(i)).expect("a name");
    let entry = Entry {
        hops: Box::default(),
        outcome: Outcome::Addresses,
        addresses: Addresses::V4(Box::new([(i as u32).to_be_bytes()])),
        dropped: 0,
        validated: None,
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

fn wire(text: &str) -> Vec<u8> {
    Name::from_text(text).expect("a name").as_wire().to_vec()
}

/// A question for A with EDNS, as a resolver sends it.
pub fn packet(name: &str) -> Vec<u8> {
    let mut packet = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    packet.extend(wire(name));
    packet.extend([0, 1, 0, 1]);
    packet.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    packet
}

/// Asks questions of one kind, as one worker does.
pub struct Asker<'s> {
    snapshot: &'s Snapshot,
    packets: Vec<Vec<u8>>,
    next: usize,
    scratch: Scratch,
    out: [u8; 1232],
}

impl<'s> Asker<'s> {
    /// With `names` different names out of `hosts`, far from each other. Each is asked, so that the answer is known to
    /// be of this kind; three times, since of an alias one thing is found out after the other.
    pub fn new(snapshot: &'s Snapshot, kind: Kind, names: usize, hosts: usize) -> Asker<'s> {
        let packets = (0..names).map(|i| packet(&kind.name(i * 7919 % hosts))).collect();
        let scratch = Scratch::default();
        let mut asker = Asker { snapshot, packets, next: 0, scratch, out: [0; 1232] };
        for _ in 0..3 * names {
            asker.ask();
            let got = (asker.out[3] & 15, asker.out[7]);
            assert_eq!(got, kind.expected(), "RCODE and number of answers for {kind:?}");
        }
        asker
    }

    /// One question and its answer.
    #[inline]
    pub fn ask(&mut self) -> Option<Reply> {
        let client = Client { address: Ipv4Addr::LOCALHOST.into(), transport: Transport::Udp };
        let packet = &self.packets[self.next];
        self.next = if self.next + 1 == self.packets.len() { 0 } else { self.next + 1 };
        respond(self.snapshot, packet, client, UnixTime(1), &mut self.scratch, &mut self.out)
    }
}
