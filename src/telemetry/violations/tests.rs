//! What is listed of denied edges, asked for as workers answer them.

use super::*;
use crate::base::hash::HashKey;
use crate::base::limits::NOTED_EDGES_PER_ACCOUNT;
use crate::model::catalog::Catalog;
use crate::model::question::{Client, Transport};
use crate::model::settings::{CrossAccount, FlattenMode};
use crate::telemetry::counters::{Counters, Witness};
use crate::wire;
use crate::zonefile::build::build;
use crate::zonefile::finding::Source;
use crate::zonefile::{self, NoIncludes};

const SAAS: AccountId = AccountId(1);
const CLIENT: AccountId = AccountId(2);
const OTHER: AccountId = AccountId(3);

fn zone(id: u32, account: AccountId, apex: &str, text: &str, mode: OnViolation) -> Zone {
    let apex = Name::from_text(apex).unwrap();
    let text = format!("@ 300 SOA ns. m. 1 2 3 4 300\n@ 300 NS ns.\n{text}");
    let source = Source { path: "zone".to_owned(), text: text.as_bytes().into() };
    let parsed = zonefile::read(&apex, source, &mut NoIncludes, &key());
    let data = build(&apex, &parsed, &key()).unwrap();
    let (cross_account, flatten) = (CrossAccount::Granted, FlattenMode::Apex);
    Zone { id: ZoneId(id), account, on_violation: mode, cross_account, flatten, data }
}

fn key() -> HashKey {
    HashKey::new([5; 16])
}

fn world() -> Snapshot {
    let many: String = (0..500).map(|i| format!("h{i} 60 CNAME app.saas.test.\n")).collect();
    let records = "www 60 CNAME app.saas.test.\n* 60 CNAME app.saas.test.\nd 60 DNAME saas.test.\n\
                   s 60 HTTPS 1 app.saas.test.\ns 60 HTTPS 2 ns.\n";
    let zones = vec![
        zone(1, SAAS, "saas.test", "app 60 A 192.0.2.1\n", OnViolation::Refuse),
        zone(2, CLIENT, "client.test", records, OnViolation::Refuse),
        zone(3, CLIENT, "soft.test", records, OnViolation::Report),
        zone(4, OTHER, "other.test", &many, OnViolation::Refuse),
    ];
    let mut snapshot = Snapshot::empty(key());
    snapshot.catalog = Catalog::build(key(), zones);
    snapshot
}

struct Asking<'s> {
    snapshot: &'s Snapshot,
    witness: Witness,
    scratch: wire::Scratch,
}

impl Asking<'_> {
    fn ask(&mut self, name: &str, qtype: u16, now: u64) {
        let mut packet = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0".to_vec();
        packet.extend(Name::from_text(name).unwrap().as_wire());
        packet.extend(qtype.to_be_bytes());
        packet.extend([0, 1]);
        let client = Client { address: [127, 0, 0, 1].into(), transport: Transport::Udp };
        let (now, mut out) = (UnixTime(now), [0; 1232]);
        self.witness.turn(now);
        let scratch = &mut self.scratch;
        let reply = wire::respond(self.snapshot, &packet, client, now, scratch, &mut out);
        let asked = self.scratch.asked();
        self.witness.saw(Transport::Udp, &packet, asked, reply.as_ref(), now);
    }
}

fn asking<'s>(snapshot: &'s Snapshot, counters: &Counters) -> Asking<'s> {
    Asking { snapshot, witness: counters.witness(), scratch: wire::Scratch::default() }
}

fn all(counters: &Counters, snapshot: &Snapshot) -> Vec<Violation> {
    let filter = Filter { account: None, keep: &|_| true };
    counters.violations.list(filter, 0, usize::MAX, snapshot).violations
}

#[test]
fn both_sides_see_records_with_counts_and_times() {
    let (snapshot, counters) = (world(), Counters::default());
    let mut asking = asking(&snapshot, &counters);
    for (name, qtype, at) in [
        ("www.client.test", 1, 100),
        ("WWW.client.test", 28, 101),
        ("a.client.test", 1, 101),
        ("b.client.test", 5, 101),
        ("x.d.client.test", 1, 101),
        ("s.client.test", 65, 102),
        ("www.soft.test", 1, 102),
        ("s.soft.test", 65, 103),
        ("app.saas.test", 1, 104),
    ] {
        asking.ask(name, qtype, at);
        counters.violations.collect(&snapshot);
    }
    asking.witness.rest();
    counters.violations.collect(&snapshot);
    let shown = |v: &Violation| {
        let names = format!("{} {} {}", v.record, v.owner, v.target);
        (names, v.mode.word(), v.count, v.first.0, v.last.0)
    };
    let mut rows: Vec<_> = all(&counters, &snapshot).iter().map(shown).collect();
    rows.sort();
    let row = |names: &str, mode, count, first, last| (names.to_owned(), mode, count, first, last);
    assert_eq!(
        rows,
        [
            row("*.client.test a.client.test app.saas.test", "refuse", 2, 101, 101),
            row("d.client.test x.d.client.test x.saas.test", "refuse", 1, 101, 101),
            row("s.client.test s.client.test app.saas.test", "refuse", 1, 102, 102),
            row("s.soft.test s.soft.test app.saas.test", "report", 1, 103, 103),
            row("www.client.test www.client.test app.saas.test", "refuse", 2, 100, 101),
            row("www.soft.test www.soft.test app.saas.test", "report", 1, 102, 102),
        ]
    );
    let of = |account, side, zone: Option<u32>| {
        let keep = |v: &Violation| zone.is_none_or(|zone| v.from.0 == ZoneId(zone));
        let filter = Filter { account: Some((account, side)), keep: &keep };
        counters.violations.list(filter, 1, 2, &snapshot)
    };
    let page = of(SAAS, Side::Target, None);
    assert_eq!((page.total, page.violations.len(), page.violations[0].last.0), (6, 2, 102));
    assert_eq!(of(CLIENT, Side::Owner, Some(3)).total, 2);
    assert_eq!(of(CLIENT, Side::Owner, Some(1)).total, 0);
    assert_eq!(of(SAAS, Side::Owner, None).total + of(CLIENT, Side::Target, None).total, 0);
    let totals = counters.totals();
    assert_eq!(totals.denied(Reason::NotGranted, OnViolation::Refuse), 6);
    assert_eq!(totals.denied(Reason::NotGranted, OnViolation::Report), 2);
}

#[test]
fn what_changed_hands_is_not_shown() {
    let (snapshot, counters) = (world(), Counters::default());
    let mut asking = asking(&snapshot, &counters);
    asking.ask("www.client.test", 1, 100);
    asking.witness.rest();
    counters.violations.collect(&snapshot);
    assert_eq!(all(&counters, &snapshot).len(), 1);
    let mut later = snapshot.clone();
    later.catalog.put(zone(9, OTHER, "client.test", "", OnViolation::Refuse));
    assert_eq!(all(&counters, &later), []);
}

#[test]
fn a_sheet_has_room_for_every_account() {
    let (snapshot, counters) = (world(), Counters::default());
    let mut asking = asking(&snapshot, &counters);
    for i in 0..500 {
        asking.ask(&format!("h{i}.other.test"), 1, 100);
    }
    asking.ask("www.client.test", 1, 100);
    asking.witness.rest();
    counters.violations.collect(&snapshot);
    let rows = all(&counters, &snapshot);
    let of = |account| rows.iter().filter(|row| row.from.1 == account).count();
    assert_eq!((of(OTHER), of(CLIENT)), (NOTED_EDGES_PER_ACCOUNT, 1));
    let left_out = 500 - NOTED_EDGES_PER_ACCOUNT as u64;
    assert_eq!(counters.violations.counts(), (NOTED_EDGES_PER_ACCOUNT + 1, left_out));
    assert_eq!(counters.totals().denied(Reason::NotGranted, OnViolation::Refuse), 501);
    // What could not be handed over in time is kept until it can.
    for at in 101..105 {
        asking.ask("www.client.test", 1, at);
    }
    asking.witness.rest();
    for _ in 0..3 {
        counters.violations.collect(&snapshot);
        asking.witness.rest();
    }
    let www = all(&counters, &snapshot).into_iter().find(|row| row.from.1 == CLIENT).unwrap();
    assert_eq!((www.count, www.last.0), (5, 104));
}

#[test]
fn the_account_with_most_loses_first() {
    let snapshot = world();
    let mut book = Book::default();
    let mut put = |account: u32, i: usize, last: u64| {
        let owner = Name::from_text(&format!("n{i}.a{account}.test")).unwrap();
        let target = Name::from_text("app.saas.test").unwrap();
        let from = (ZoneId(100 + account), AccountId(100 + account));
        let denial = Denial { reason: Reason::NotGranted, from, to: (ZoneId(1), SAAS) };
        let (first, last) = (UnixTime(1), UnixTime(last));
        let (owner, target) = (owner.as_wire(), target.as_wire());
        let mode = OnViolation::Refuse;
        book.take_in(&Noted { denial, mode, owner, target, count: 1, first, last }, &snapshot);
        let of = |a: u32| book.owners.get(&AccountId(100 + a)).map_or(0, BTreeSet::len);
        (book.rows.len(), of(account), of(0))
    };
    assert_eq!(put(0, 0, 5), (1, 1, 1));
    for i in 0..LISTED_EDGES_PER_ACCOUNT + 10 {
        put(1, i, 10);
    }
    assert_eq!(put(1, 0, 11).1, LISTED_EDGES_PER_ACCOUNT);
    let accounts = (LISTED_EDGES / LISTED_EDGES_PER_ACCOUNT + 4) as u32;
    for account in 2..accounts {
        for i in 0..LISTED_EDGES_PER_ACCOUNT {
            put(account, i, 20);
        }
    }
    let (all, _, first) = put(accounts, 0, 21);
    assert_eq!((all, first), (LISTED_EDGES, 1), "who has one keeps it");
    let (all, _, _) = put(accounts, 1, 30 + LISTED_EDGES_SECS);
    assert_eq!(all, 1, "what nobody asks for is forgotten");
    assert_eq!(book.owners.len() + book.targets.len() + book.all.len() + book.sizes.len(), 4);
}
