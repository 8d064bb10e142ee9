//! Aliases whose chains leave the server, without sockets: what the outside said against what may be answered.

#[path = "support/said.rs"]
mod said;
#[path = "support/small.rs"]
mod small;

use std::sync::Arc;

use bailiwick::base::hash::HashKey;
use bailiwick::base::id::ZoneId;
use bailiwick::base::rtype;
use bailiwick::base::time::UnixTime;
use bailiwick::explain::{self, Reply};
use bailiwick::model::catalog::{Catalog, Zone};
use bailiwick::model::flattened::{Addresses, Entry, Failure, FailureKind, Key, Outcome};
use bailiwick::model::grant::{Grant, GrantState};
use bailiwick::model::settings::OnViolation;
use bailiwick::model::snapshot::Snapshot;
use bailiwick::rdata;
use small::{name, zone};

const NOW: UnixTime = UnixTime(1_800_000_000);
/// Accounts: 1 holds `one.test`, 2 `two.test`, 3 `three.test`.
const ZONES: [(u32, &str, &[&str]); 3] = [
    (
        1,
        "one.test",
        &[
            "@ 300 ALIAS cdn.example.net.",
            "@ 300 MX 10 mail",
            "inner 300 CNAME inner2",
            "inner2 300 CNAME cdn.example.net.",
            "hidden 300 ALIAS inner",
            "detour 300 ALIAS detour.example.net.",
            "home 300 ALIAS home.example.net.",
            "www 300 A 192.0.2.1",
            "www 300 AAAA 2001:db8::1",
            "away 60 ALIAS dn.below.one.test.",
            "below 60 DNAME outside.example.",
            "loop 300 ALIAS loop.example.net.",
            "to2 300 CNAME alias.two.test.",
            "cut 300 NS ns.elsewhere.test.",
            "delegated 300 ALIAS host.cut",
        ],
    ),
    (
        2,
        "two.test",
        &[
            "@ 300 A 192.0.2.2",
            "secret 300 A 192.0.2.99",
            "alias 300 ALIAS cdn.example.net.",
            "onward 40 CNAME cdn.example.net.",
        ],
    ),
    (3, "three.test", &["@ 300 A 192.0.2.3"]),
];

struct World(Snapshot);

impl World {
    fn new() -> World {
        let key = HashKey::new([5; 16]);
        let mut snapshot = Snapshot::empty(key);
        let zones = ZONES.iter().map(|(id, apex, lines)| zone(&key, *id, apex, lines));
        snapshot.catalog = Catalog::build(key, zones.collect());
        World(snapshot)
    }

    fn knows(&mut self, target: &str, entry: Entry) -> &mut World {
        let rtype = match entry.addresses {
            Addresses::V4(_) => rtype::A,
            Addresses::V6(_) => rtype::AAAA,
        };
        let update = (Key { target: name(target), rtype }, Some(Arc::new(entry)));
        let key = self.0.key;
        self.0.outside.update(vec![update], &key);
        self
    }

    fn grant(&mut self, hostname: &str, zone: u32) -> &mut World {
        let hostname = name(hostname);
        let hash = self.0.key.name(hostname.as_wire());
        let (zone, state) = (ZoneId(zone), GrantState::Active);
        self.0.grants.put(hash, &Grant { hostname, wildcard: false, zone, state });
        self
    }

    fn at(&self, now: UnixTime, owner: &str, rtype: &str) -> Reply {
        let rtype = rdata::type_from_text(rtype.as_bytes()).unwrap();
        explain::explain(&self.0, &name(owner), rtype, now, &|a| a.to_string()).answer.unwrap()
    }

    /// `RCODE [aa] | answer | EDE`.
    fn line(&self, owner: &str, rtype: &str) -> String {
        line(&self.at(NOW, owner, rtype))
    }
}

fn line(reply: &Reply) -> String {
    let rrs = reply.answer.iter().map(|r| format!("{} {} {} {}", r.name, r.ttl, r.rtype, r.data));
    let answer = rrs.collect::<Vec<_>>().join(", ");
    let aa = if reply.flags.contains(&"aa") { " aa" } else { "" };
    let ede = reply.ede.as_ref().map(|e| format!("{} {}", e.code, e.text)).unwrap_or_default();
    let shown = format!("{}{aa} | {answer} | {ede}", reply.rcode);
    shown.trim_end().to_owned()
}

fn good(hops: &[&str], addresses: &[[u8; 4]]) -> Entry {
    said::good(NOW, hops, addresses)
}

fn failed(kind: FailureKind) -> Entry {
    let failure = Some(Failure { kind, since: NOW, retry: UnixTime(NOW.0 + 5) });
    Entry { outcome: Outcome::Failed(kind), failure, ..good(&[], &[]) }
}

const A: [u8; 4] = [203, 0, 113, 7];
const B: [u8; 4] = [203, 0, 113, 8];

#[test]
fn addresses_at_the_alias_counted_down() {
    let mut w = World::new();
    w.knows("cdn.example.net", good(&["edge.example.org"], &[A, B]));
    let both = "one.test 90 A 203.0.113.7, one.test 90 A 203.0.113.8";
    assert_eq!(w.line("one.test", "A"), format!("NOERROR aa | {both} |"));
    let later = line(&w.at(UnixTime(NOW.0 + 80), "one.test", "A"));
    assert_eq!(later, format!("NOERROR aa | {} |", both.replace("90", "10")));
    // In-zone CNAMEs before it are hidden behind an alias, and shown where there is none.
    let hidden = w.line("hidden.one.test", "A");
    assert!(hidden.starts_with("NOERROR aa | hidden.one.test 90 A 203.0.113.7, "), "{hidden}");
    let shown = "NOERROR aa | inner.one.test 300 CNAME inner2.one.test., \
        inner2.one.test 300 CNAME cdn.example.net. |";
    assert_eq!(w.line("inner.one.test", "A"), shown);
    // Other types are the alias's own.
    assert_eq!(w.line("one.test", "MX"), "NOERROR aa | one.test 300 MX 10 mail.one.test. |");
    assert_eq!(w.line("one.test", "CNAME"), "NOERROR aa |  |");
    // A delegated name is asked for outside like any other.
    w.knows("host.cut.one.test", good(&[], &[B]));
    let delegated = "NOERROR aa | delegated.one.test 90 A 203.0.113.8 |";
    assert_eq!(w.line("delegated.one.test", "A"), delegated);
    w.knows("dn.outside.example", good(&[], &[A]));
    assert_eq!(w.line("away.one.test", "A"), "NOERROR aa | away.one.test 60 A 203.0.113.7 |");
}

//= RFC 8767 §4
#[test]
fn stale_and_failed() {
    let mut w = World::new();
    let silent = "SERVFAIL |  | 22 no answer about the alias's target in time";
    assert_eq!(w.line("one.test", "A"), silent);
    w.knows("cdn.example.net", good(&[], &[A]));
    let expired = line(&w.at(UnixTime(NOW.0 + 500), "one.test", "A"));
    assert_eq!(expired, "NOERROR aa | one.test 30 A 203.0.113.7 | 3");
    assert_eq!(line(&w.at(UnixTime(NOW.0 + 1001), "one.test", "A")), silent);
    let failures = [
        (FailureKind::Bogus, "6 the alias's target fails DNSSEC validation"),
        (FailureKind::ServFail, "22 resolvers fail on the alias's target"),
        (FailureKind::Network, "23 no resolver can be reached for the alias's target"),
        (FailureKind::Loop, "0 CNAME loop behind the alias"),
    ];
    for (kind, ede) in failures {
        w.knows("cdn.example.net", failed(kind));
        assert_eq!(w.line("one.test", "A"), format!("SERVFAIL |  | {ede}"));
    }
    // NODATA and NXDOMAIN of the target: the alias exists.
    let empty = "NOERROR aa |  | 0 the alias's target has no such addresses";
    w.knows("cdn.example.net", good(&[], &[]));
    assert_eq!(w.line("one.test", "A"), empty);
    w.knows("cdn.example.net", Entry { outcome: Outcome::NxDomain, ..good(&["x.example"], &[]) });
    let reply = w.at(NOW, "one.test", "A");
    assert_eq!(line(&reply), empty);
    assert_eq!((reply.authority[0].rtype.as_str(), reply.authority[0].ttl), ("SOA", 60));
}

#[test]
fn a_detour_through_the_outside_is_judged() {
    let mut w = World::new();
    // What the resolver says of the target behind the edge must not matter: 198.51.100.66 is a lie.
    let lie = [198, 51, 100, 66];
    let through = ["mid.example.org", "secret.two.test", "behind.example.org"];
    w.knows("detour.example.net", good(&through, &[lie]));
    let denied = "REFUSED |  | 15 1014 CNAME cross-user banned: detour.one.test -> secret.two.test";
    assert_eq!(w.line("detour.one.test", "A"), denied);
    // A name outside is no owner: its grant opens nothing.
    w.grant("mid.example.org", 2).grant("detour.example.net", 2);
    assert_eq!(w.line("detour.one.test", "A"), denied);
    // The alias's own does; and the answer is the zone's, not the resolver's.
    w.grant("detour.one.test", 2);
    let granted = "NOERROR aa | detour.one.test 90 A 192.0.2.99 |";
    assert_eq!(w.line("detour.one.test", "A"), granted);
    // An expired entry is judged as a fresh one is.
    let expired = line(&w.at(UnixTime(NOW.0 + 500), "detour.one.test", "A"));
    assert_eq!(expired, "NOERROR aa | detour.one.test 30 A 192.0.2.99 | 3");

    // Reached by another account's CNAME, the chain's names are not told.
    let mut w = World::new();
    w.grant("to2.one.test", 2).knows("cdn.example.net", good(&["three.test"], &[lie]));
    let named = "REFUSED |  | 15 1014 CNAME cross-user banned: to2.one.test";
    assert_eq!(w.line("to2.one.test", "A"), named);
    w.grant("alias.two.test", 3);
    assert_eq!(
        w.line("to2.one.test", "A"),
        "NOERROR aa | to2.one.test 300 CNAME alias.two.test., alias.two.test 90 A 192.0.2.3 |"
    );
}

#[test]
fn back_home_loops_and_limits() {
    let mut w = World::new();
    w.knows("home.example.net", good(&["www.one.test"], &[B]));
    assert_eq!(w.line("home.one.test", "A"), "NOERROR aa | home.one.test 90 A 192.0.2.1 |");
    w.knows("loop.example.net", good(&["a.example", "loop.one.test"], &[B]));
    let circle = "SERVFAIL |  | 0 CNAME loop at loop.one.test";
    assert_eq!(w.line("loop.one.test", "A"), circle);
    // Out, in, and out to the same name again.
    w.knows("loop.example.net", good(&["inner.one.test"], &[B]));
    w.knows("cdn.example.net", good(&["home.one.test"], &[B]));
    w.knows("home.example.net", good(&["loop.one.test"], &[B]));
    assert_eq!(w.line("loop.one.test", "A"), circle);
    // A way back is one hop: alias, way back, CNAME, CNAME.
    let mut w = World::new();
    w.knows("loop.example.net", good(&["x.example", "inner.one.test"], &[B]));
    w.knows("cdn.example.net", good(&[], &[A]));
    for (max_hops, answer) in [
        (4, "NOERROR aa | loop.one.test 90 A 203.0.113.7 |"),
        (3, "SERVFAIL |  | 0 CNAME chain too long at loop.one.test"),
    ] {
        w.0.rules.max_hops = max_hops;
        assert_eq!(w.line("loop.one.test", "A"), answer, "{max_hops}");
    }
}

#[test]
fn what_crosses_is_capped_and_what_only_reports_passes() {
    let mut w = World::new();
    w.0.rules.crossing_ttl = 20;
    w.knows("detour.example.net", good(&["secret.two.test"], &[B]));
    w.grant("detour.one.test", 2);
    let capped = "NOERROR aa | detour.one.test 20 A 192.0.2.99 |";
    assert_eq!(w.line("detour.one.test", "A"), capped);
    let key = w.0.key;
    let zone_of_one = zone(&key, 1, ZONES[0].1, ZONES[0].2);
    let mut w = World::new();
    w.0.catalog.put(Zone { on_violation: OnViolation::Report, ..zone_of_one });
    w.knows("detour.example.net", good(&["secret.two.test"], &[B]));
    assert_eq!(w.line("detour.one.test", "A"), "NOERROR aa | detour.one.test 90 A 192.0.2.99 |");
}

#[test]
fn whoever_is_answered_says_that_the_entry_is_in_use() {
    // Also with what is stale or failed: so it is asked for again before somebody has to wait for that.
    let used = |entry: Entry, after: u64| {
        let mut w = World::new();
        let entry = Arc::new(entry);
        let key = Key { target: name("cdn.example.net"), rtype: rtype::A };
        let hash_key = w.0.key;
        w.0.outside.update(vec![(key, Some(entry.clone()))], &hash_key);
        w.at(UnixTime(NOW.0 + after), "one.test", "A");
        entry.used.load(std::sync::atomic::Ordering::Relaxed)
    };
    assert!(used(good(&[], &[A]), 0));
    assert!(used(failed(FailureKind::Timeout), 0));
    let retry = UnixTime(NOW.0 + 500);
    let failure = Some(Failure { kind: FailureKind::Timeout, since: NOW, retry });
    assert!(used(Entry { failure, ..good(&[], &[A]) }, 200));
    assert!(!used(good(&[], &[A]), 200), "expired: who asks makes it be looked up");
}
