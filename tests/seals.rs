//! What is remembered of a granted edge says what the grants say, and nothing longer than they do.

#[path = "support/small.rs"]
mod small;

use std::net::Ipv4Addr;

use bailiwick::base::hash::HashKey;
use bailiwick::base::id::ZoneId;
use bailiwick::base::time::UnixTime;
use bailiwick::model::catalog::Catalog;
use bailiwick::model::grant::{Grant, GrantState, GrantTable};
use bailiwick::model::question::{Client, Transport};
use bailiwick::model::settings::FlattenMode;
use bailiwick::model::snapshot::Snapshot;
use bailiwick::wire::{Group, Scratch, respond, respond_at_length};
use small::{name, zone};

const NOW: UnixTime = UnixTime(1_800_000_000);
/// Account 1 leads into account 2; its own names lie in zone 1.
const ONE: [&str; 6] = [
    "g 300 CNAME x.two.test.",
    "h 300 CNAME x.two.test.",
    "*.w 300 CNAME x.two.test.",
    "inside 300 CNAME g",
    "three 300 CNAME x.three.test.",
    // The last octet before the root label looks like a pointer.
    "odd 300 CNAME far.away\\192.",
];

struct World(Snapshot);

impl World {
    fn new() -> World {
        let key = HashKey::new([5; 16]);
        let mut snapshot = Snapshot::empty(key);
        let there: &[&str] = &["x 300 A 192.0.2.7"];
        let zones = vec![
            zone(&key, 1, "one.test", &ONE),
            zone(&key, 2, "two.test", there),
            zone(&key, 3, "three.test", there),
        ];
        snapshot.catalog = Catalog::build(key, zones);
        World(snapshot)
    }

    /// The next snapshot, with a grant in this state, or without it.
    fn set(&self, hostname: &str, wildcard: bool, zone: u32, state: Option<GrantState>) -> World {
        let mut next = self.0.clone();
        let hostname = name(hostname);
        let (hash, zone) = (next.key.name(hostname.as_wire()), ZoneId(zone));
        match state {
            Some(state) => next.grants.put(hash, &Grant { hostname, wildcard, zone, state }),
            None => assert!(next.grants.remove(hash, &hostname, wildcard, zone)),
        }
        World(next)
    }

    fn grant(&self, hostname: &str, zone: u32) -> World {
        self.set(hostname, false, zone, Some(GrantState::Active))
    }

    /// RCODE and number of answers of a question for A. Asked twice by each way: nothing may come of that.
    fn ask(&self, owner: &str) -> (u8, u8) {
        let mut packet = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        packet.extend(name(owner).as_wire());
        packet.extend([0, 1, 0, 1]);
        let client = Client { address: Ipv4Addr::LOCALHOST.into(), transport: Transport::Tcp };
        let (mut scratch, mut group, mut out) = (Scratch::default(), Group::default(), [0; 1232]);
        let mut seen = Vec::new();
        for _ in 0..2 {
            respond(&self.0, &packet, client, NOW, &mut scratch, &mut out).unwrap();
            seen.push((out[3] & 15, out[7]));
            respond_at_length(&self.0, &packet, client, NOW, &mut scratch, &mut out).unwrap();
            seen.push((out[3] & 15, out[7]));
            group.clear();
            assert!(group.push(&self.0, &packet));
            let ahead = group.look_ahead(&self.0);
            group.respond(0, &ahead, &packet, client, NOW, &mut out).unwrap();
            seen.push((out[3] & 15, out[7]));
        }
        assert!(seen.iter().all(|one| *one == seen[0]), "{owner}: {seen:?}");
        seen[0]
    }
}

const ALLOWED: (u8, u8) = (0, 2);
const DENIED: (u8, u8) = (5, 0);

#[test]
fn a_grant_opens_its_edge_until_it_goes() {
    let none = World::new();
    assert_eq!(none.ask("g.one.test"), DENIED);
    let granted = none.grant("g.one.test", 2);
    for _ in 0..3 {
        assert_eq!(granted.ask("g.one.test"), ALLOWED);
        assert_eq!(granted.ask("h.one.test"), DENIED);
        assert_eq!(none.ask("g.one.test"), DENIED, "the snapshot before knows nothing of it");
        let revoked = granted.set("g.one.test", false, 2, None);
        assert_eq!(revoked.ask("g.one.test"), DENIED);
        assert_eq!(granted.ask("g.one.test"), ALLOWED, "whoever still reads the old one");
        let blocked = granted.set("g.one.test", false, 2, Some(GrantState::Blocked));
        assert_eq!(blocked.ask("g.one.test"), DENIED);
        assert_eq!(blocked.grant("g.one.test", 2).ask("g.one.test"), ALLOWED);
        assert_eq!(revoked.ask("g.one.test"), DENIED);
    }
    // All grants made anew, as when a config is read again.
    let other = World(Snapshot { grants: GrantTable::default(), ..granted.0.clone() });
    assert_eq!((granted.ask("g.one.test"), other.ask("g.one.test")), (ALLOWED, DENIED));
}

#[test]
fn a_grant_into_one_zone_opens_no_other() {
    let granted = World::new().grant("g.one.test", 2).grant("three.one.test", 2);
    assert_eq!((granted.ask("g.one.test"), granted.ask("three.one.test")), (ALLOWED, DENIED));
    // The target's apex goes to another zone; the grant was into the first.
    let mut moved = granted.0.clone();
    let key = moved.key;
    let mut other = zone(&key, 9, "two.test", &["x 300 A 192.0.2.9"]);
    other.account = bailiwick::base::id::AccountId(3);
    moved.catalog.put(other);
    assert_eq!(World(moved).ask("g.one.test"), DENIED);
    assert_eq!(granted.ask("g.one.test"), ALLOWED);
}

#[test]
fn what_a_wildcard_makes_is_granted_name_by_name() {
    let granted = World::new().grant("a.w.one.test", 2);
    assert_eq!(granted.ask("a.w.one.test"), ALLOWED);
    assert_eq!(granted.ask("b.w.one.test"), DENIED);
    assert_eq!(granted.ask("*.w.one.test"), DENIED);
    // A wildcard grant opens what it covers, as long as it is there.
    let covered = World::new().set("one.test", true, 2, Some(GrantState::Active));
    assert_eq!((covered.ask("g.one.test"), covered.ask("b.w.one.test")), (ALLOWED, ALLOWED));
    let blocked = covered.set("g.one.test", false, 2, Some(GrantState::Blocked));
    assert_eq!((blocked.ask("g.one.test"), blocked.ask("h.one.test")), (DENIED, ALLOWED));
    assert_eq!(covered.set("one.test", true, 2, None).ask("g.one.test"), DENIED);
}

#[test]
fn hidden_and_later_edges_are_sealed_alike() {
    let granted = World::new().grant("g.one.test", 2);
    assert_eq!(granted.ask("inside.one.test"), (0, 3));
    assert_eq!(granted.set("g.one.test", false, 2, None).ask("inside.one.test"), DENIED);
    // Flattened, the same record is an edge that nobody sees.
    let mut flat = granted.0.clone();
    let mut one = flat.catalog.zone_at(&name("one.test")).unwrap().clone();
    one.flatten = FlattenMode::All;
    flat.catalog.put(one);
    let flat = World(flat);
    assert_eq!((flat.ask("g.one.test"), flat.ask("h.one.test")), ((0, 1), DENIED));
    // The alias's own name opens what lies behind it, and not what the same record does elsewhere.
    let alias = flat.set("g.one.test", false, 2, None).grant("inside.one.test", 2);
    assert_eq!((alias.ask("inside.one.test"), alias.ask("g.one.test")), ((0, 1), DENIED));
}

#[test]
fn a_target_that_ends_like_a_pointer_is_shown_whole() {
    let world = World::new();
    assert_eq!(world.ask("odd.one.test"), (0, 1));
    let zone = world.0.catalog.zone_at(&name("one.test")).unwrap();
    let node = zone.data.find_name(name("odd.one.test").as_wire(), &world.0.key).unwrap();
    let set = node.rrset(5).unwrap();
    assert_eq!(set.first_target(), (name("far.away\\192").as_wire(), false));
    assert!(zone.data.seal(set).is_some() && set.placeholders().next().is_none());
}
