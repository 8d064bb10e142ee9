//! Questions against small worlds, decoded by `explain`'s reader: the engine and the encoder together.

use std::net::Ipv4Addr;

use bailiwick::base::hash::HashKey;
use bailiwick::base::id::{AccountId, ZoneId};
use bailiwick::base::name::Name;
use bailiwick::base::rtype;
use bailiwick::base::time::UnixTime;
use bailiwick::explain::{self, Reply};
use bailiwick::model::catalog::{Catalog, Zone};
use bailiwick::model::grant::{Grant, GrantState, GrantTable, Trusts};
use bailiwick::model::question::{Client, Transport};
use bailiwick::model::settings::{CrossAccount, FlattenMode, OnViolation};
use bailiwick::model::snapshot::Snapshot;
use bailiwick::model::zone::ZoneBuilder;
use bailiwick::rdata;
use bailiwick::wire::{Scratch, respond};
use hickory_proto::op::Message;

const NOW: UnixTime = UnixTime(1_800_000_000);

fn name(text: &str) -> Name {
    Name::from_text(text).unwrap()
}

/// A zone from lines `owner ttl type rdata`, with SOA (TTL 300, minimum 60) and NS added.
fn zone(key: &HashKey, id: u32, account: u32, apex: &str, lines: &[&str]) -> Zone {
    let apex = name(apex);
    let mut all = vec!["@ 300 SOA ns1 hostmaster 7 7200 900 1209600 60", "@ 3600 NS ns1"];
    all.extend(lines);
    let mut records: Vec<(Vec<u8>, u16, u32, Vec<u8>)> = Vec::new();
    for line in all {
        let mut words = line.split(' ');
        let owner = match words.next().unwrap() {
            "@" => apex.clone(),
            front => name(&format!("{front}.{apex}")),
        };
        let ttl = words.next().unwrap().parse().unwrap();
        let mut rtype = rdata::type_from_text(words.next().unwrap().as_bytes()).unwrap();
        let mut wire = Vec::new();
        let rest = words.collect::<Vec<_>>().join(" ");
        rdata::from_line(rtype, rest.as_bytes(), apex.as_wire(), &mut wire).unwrap();
        if rtype == rtype::CNAME && owner == apex {
            rtype = rtype::ALIAS;
        }
        records.push((owner.as_wire().to_vec(), rtype, ttl, wire));
    }
    records.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    let mut builder = ZoneBuilder::new(&apex, key);
    for (owner, rtype, ttl, wire) in &records {
        builder.push(owner, key.name(owner), *rtype, *ttl, wire);
    }
    Zone {
        id: ZoneId(id),
        account: AccountId(account),
        on_violation: OnViolation::Refuse,
        cross_account: CrossAccount::Granted,
        flatten: FlattenMode::Apex,
        data: builder.finish().unwrap(),
    }
}

fn world(zones: &[(u32, &str, &[&str])]) -> Snapshot {
    let key = HashKey::new([5; 16]);
    let mut snapshot = Snapshot::empty(key);
    let zones = zones.iter().zip(1..);
    let zones = zones.map(|(&(account, apex, lines), id)| zone(&key, id, account, apex, lines));
    snapshot.catalog = Catalog::build(key, zones.collect());
    snapshot
}

fn grant(snapshot: &mut Snapshot, hostname: &str, zone: u32, state: GrantState) {
    let wildcard = hostname.starts_with("*.");
    let hostname = name(hostname.trim_start_matches("*."));
    let hash = snapshot.key.name(hostname.as_wire());
    snapshot.grants.put(hash, &Grant { hostname, wildcard, zone: ZoneId(zone), state });
}

fn ask(snapshot: &Snapshot, owner: &str, rtype: &str) -> Reply {
    let rtype = rdata::type_from_text(rtype.as_bytes()).unwrap();
    explain::explain(snapshot, &name(owner), rtype, NOW, &|a| a.to_string()).answer.unwrap()
}

/// `RCODE [aa] | answer | authority | additional`, each RR as `name ttl type data`.
fn line(reply: &Reply) -> String {
    let rrs = |rrs: &[explain::Rr]| {
        let rrs = rrs.iter().map(|r| format!("{} {} {} {}", r.name, r.ttl, r.rtype, r.data));
        rrs.collect::<Vec<_>>().join(", ")
    };
    let aa = if reply.flags.contains(&"aa") { " aa" } else { "" };
    let (an, ns, ar) = (rrs(&reply.answer), rrs(&reply.authority), rrs(&reply.additional));
    format!("{}{aa} | {an} | {ns} | {ar}", reply.rcode)
}

fn expect(snapshot: &Snapshot, cases: &[(&str, &str, &str)]) {
    for (owner, rtype, want) in cases {
        let got = line(&ask(snapshot, owner, rtype));
        assert_eq!(&got.replace(SOA, "SOA!"), want, "{owner} {rtype}");
    }
}

const SOA: &str =
    "example.com 60 SOA ns1.example.com. hostmaster.example.com. 7 7200 900 1209600 60";

#[test]
fn one_zone() {
    let w = world(&[(
        1,
        "example.com",
        &[
            "ns1 300 A 192.0.2.1",
            "www 300 A 192.0.2.10",
            "www 300 AAAA 2001:db8::10",
            "mail 300 MX 10 www",
            "c 100 CNAME d",
            "d 200 CNAME www",
            "*.wild 300 A 192.0.2.77",
            "txtonly.wild 300 TXT x",
            "a.b.wild 300 A 192.0.2.78",
            "sub 300 NS ns.sub",
            "sub 300 NS ns1",
            "ns.sub 300 A 192.0.2.53",
            "tosub 300 CNAME x.sub",
            "out 300 CNAME www.example.org.",
            "dn 300 DNAME www.example.org.",
            "up 300 DNAME @",
            "x 300 A 192.0.2.79",
            "dl 300 DNAME wild",
            "dt 300 DNAME et",
            "x.et 300 CNAME y.dt",
            "y.et 300 A 192.0.2.79",
            "loop1 300 CNAME loop2",
            "loop2 300 CNAME loop1",
        ],
    )]);
    expect(
        &w,
        &[
            ("www.example.com", "A", "NOERROR aa | www.example.com 300 A 192.0.2.10 |  | "),
            ("www.example.com", "TXT", "NOERROR aa |  | SOA! | "),
            ("nx.example.com", "A", "NXDOMAIN aa |  | SOA! | "),
            (
                "mail.example.com",
                "MX",
                "NOERROR aa | mail.example.com 300 MX 10 www.example.com. |  | ",
            ),
            (
                "c.example.com",
                "A",
                "NOERROR aa | c.example.com 100 CNAME d.example.com., d.example.com 200 CNAME \
                 www.example.com., www.example.com 300 A 192.0.2.10 |  | ",
            ),
            ("c.example.com", "CNAME", "NOERROR aa | c.example.com 100 CNAME d.example.com. |  | "),
            (
                "x.y.wild.example.com",
                "A",
                "NOERROR aa | x.y.wild.example.com 300 A 192.0.2.77 |  | ",
            ),
            ("txtonly.wild.example.com", "A", "NOERROR aa |  | SOA! | "),
            ("b.wild.example.com", "A", "NOERROR aa |  | SOA! | "),
            ("y.b.wild.example.com", "A", "NXDOMAIN aa |  | SOA! | "),
            (
                "under.sub.example.com",
                "A",
                "NOERROR |  | sub.example.com 300 NS ns.sub.example.com., sub.example.com 300 NS \
                 ns1.example.com. | ns.sub.example.com 300 A 192.0.2.53, ns1.example.com 300 A 192.0.2.1",
            ),
            ("sub.example.com", "DS", "NOERROR aa |  | SOA! | "),
            (
                "tosub.example.com",
                "A",
                "NOERROR aa | tosub.example.com 300 CNAME x.sub.example.com. | sub.example.com 300 \
                 NS ns.sub.example.com., sub.example.com 300 NS ns1.example.com. | \
                 ns.sub.example.com 300 A 192.0.2.53, ns1.example.com 300 A 192.0.2.1",
            ),
            (
                "out.example.com",
                "A",
                "NOERROR aa | out.example.com 300 CNAME www.example.org. |  | ",
            ),
            (
                "a.dn.example.com",
                "A",
                "NOERROR aa | dn.example.com 300 DNAME www.example.org., a.dn.example.com 300 \
                 CNAME a.www.example.org. |  | ",
            ),
            (
                "a.dl.example.com",
                "A",
                "NOERROR aa | dl.example.com 300 DNAME wild.example.com., a.dl.example.com 300 \
                 CNAME a.wild.example.com., a.wild.example.com 300 A 192.0.2.77 |  | ",
            ),
            (
                "x.up.up.example.com",
                "A",
                "NOERROR aa | up.example.com 300 DNAME example.com., x.up.up.example.com 300 CNAME \
                 x.up.example.com., x.up.example.com 300 CNAME x.example.com., x.example.com 300 \
                 A 192.0.2.79 |  | ",
            ),
            // A CNAME may have these two beside it; a name below a DNAME has nothing (RFC 6672 §3.2).
            ("c.example.com", "NSEC", "NOERROR aa |  | SOA! | "),
            (
                "b.dl.example.com",
                "RRSIG",
                "NOERROR aa | dl.example.com 300 DNAME wild.example.com., b.dl.example.com 300 \
                 CNAME b.wild.example.com. | SOA! | ",
            ),
            // A DNAME that the chain passes twice stands there once (RFC 2181 §5).
            (
                "x.dt.example.com",
                "A",
                "NOERROR aa | dt.example.com 300 DNAME et.example.com., x.dt.example.com 300 CNAME \
                 x.et.example.com., x.et.example.com 300 CNAME y.dt.example.com., y.dt.example.com \
                 300 CNAME y.et.example.com., y.et.example.com 300 A 192.0.2.79 |  | ",
            ),
            ("loop1.example.com", "A", "SERVFAIL |  |  | "),
            ("other.test", "A", "REFUSED |  |  | "),
        ],
    );
    assert_eq!(ask(&w, "loop1.example.com", "A").ede.unwrap().code, 0);
    assert_eq!(ask(&w, "other.test", "A").ede.unwrap().code, 20);
}

#[test]
fn crossing() {
    let mut w = world(&[
        (
            1,
            "example.com",
            &[
                "app 300 CNAME t.example.net.",
                "rogue 3600 CNAME t.example.net.",
                "@ 3600 CNAME t.example.net.",
                "far 300 CNAME mid.example.org.",
                "x.wild 300 CNAME t.example.net.",
                "h 300 HTTPS 1 t.example.net.",
                "d 300 DNAME example.net.",
            ],
        ),
        (2, "example.net", &["t 3600 A 203.0.113.10"]),
        (3, "example.org", &["mid 300 CNAME t.example.net."]),
    ]);
    let denied = "1014 CNAME cross-user banned: ";
    grant(&mut w, "app.example.com", 2, GrantState::Active);
    grant(&mut w, "far.example.com", 3, GrantState::Active);
    grant(&mut w, "*.wild.example.com", 2, GrantState::Active);
    expect(
        &w,
        &[
            (
                "app.example.com",
                "A",
                "NOERROR aa | app.example.com 300 CNAME t.example.net., t.example.net 300 A \
                 203.0.113.10 |  | ",
            ),
            ("rogue.example.com", "A", "REFUSED |  |  | "),
            ("rogue.example.com", "CNAME", "REFUSED |  |  | "),
            ("rogue.example.com", "ANY", "REFUSED |  |  | "),
            ("example.com", "A", "REFUSED |  |  | "),
            ("example.com", "MX", "NOERROR aa |  | SOA! | "),
            ("far.example.com", "A", "REFUSED |  |  | "),
            ("h.example.com", "HTTPS", "REFUSED |  |  | "),
            ("h.example.com", "A", "NOERROR aa |  | SOA! | "),
            ("t.d.example.com", "A", "REFUSED |  |  | "),
            ("d.example.com", "DNAME", "REFUSED |  |  | "),
            (
                "x.wild.example.com",
                "A",
                "NOERROR aa | x.wild.example.com 300 CNAME t.example.net., t.example.net 300 A \
                 203.0.113.10 |  | ",
            ),
        ],
    );
    let text = |w: &Snapshot, n: &str| ask(w, n, "A").ede.unwrap().text;
    assert_eq!(
        text(&w, "rogue.example.com"),
        format!("{denied}rogue.example.com -> t.example.net")
    );
    // The denied edge starts in account 3: only the query name is told.
    assert_eq!(text(&w, "far.example.com"), format!("{denied}far.example.com"));
    w.trusts = Trusts::build(vec![(AccountId(2), AccountId(3))]);
    assert_eq!(ask(&w, "far.example.com", "A").answer.len(), 3);
    // A grant for an alias opens the edges it hides.
    grant(&mut w, "example.com", 2, GrantState::Active);
    expect(&w, &[("example.com", "A", "NOERROR aa | example.com 300 A 203.0.113.10 |  | ")]);
    grant(&mut w, "example.com", 2, GrantState::Withdrawn(NOW));
    expect(&w, &[("example.com", "A", "NOERROR aa |  | SOA! | ")]);
    grant(&mut w, "example.com", 2, GrantState::Withdrawn(UnixTime(NOW.0 - 7 * 86_400)));
    expect(&w, &[("example.com", "A", "REFUSED |  |  | ")]);
    // A blocked exact name is denied under an active wildcard.
    grant(&mut w, "x.wild.example.com", 2, GrantState::Blocked);
    expect(&w, &[("x.wild.example.com", "A", "REFUSED |  |  | ")]);
    grant(&mut w, "*.d.example.com", 2, GrantState::Active);
    assert_eq!(ask(&w, "t.d.example.com", "A").answer.len(), 3);
    w.grants = GrantTable::default();
    expect(&w, &[("t.d.example.com", "A", "REFUSED |  |  | ")]);
}

/// A DNAME above somebody else's zone must not be shown: resolvers would make names from it without asking.
#[test]
fn dname_over_foreign_zones_is_withheld() {
    let w = world(&[
        (1, "example.com", &["d 300 DNAME test."]),
        (1, "own.test", &["www 300 A 192.0.2.1"]),
        (2, "victim.test", &["www 300 A 203.0.113.1"]),
    ]);
    expect(
        &w,
        &[
            (
                "www.own.d.example.com",
                "A",
                "NOERROR aa | www.own.d.example.com 300 CNAME www.own.test., www.own.test 300 A \
                 192.0.2.1 |  | ",
            ),
            ("www.victim.d.example.com", "A", "REFUSED |  |  | "),
            ("d.example.com", "DNAME", "NOERROR aa |  | SOA! | "),
        ],
    );
    // The same below a zone that the DNAME may lead into: who holds the zone beneath was not asked.
    let mut w = world(&[
        (1, "example.com", &["d 300 DNAME provider.test.", "own 300 DNAME example.net."]),
        (2, "provider.test", &["www 300 A 203.0.113.1"]),
        (3, "victim.provider.test", &["www 300 A 203.0.113.2"]),
        (1, "example.net", &["www 300 A 192.0.2.1"]),
        (3, "victim.example.net", &["www 300 A 203.0.113.3"]),
    ]);
    grant(&mut w, "*.d.example.com", 2, GrantState::Active);
    expect(
        &w,
        &[
            (
                "www.d.example.com",
                "A",
                "NOERROR aa | www.d.example.com 300 CNAME www.provider.test., www.provider.test 300 \
                 A 203.0.113.1 |  | ",
            ),
            ("www.victim.d.example.com", "A", "REFUSED |  |  | "),
            (
                "www.own.example.com",
                "A",
                "NOERROR aa | www.own.example.com 300 CNAME www.example.net., www.example.net 300 A \
                 192.0.2.1 |  | ",
            ),
            ("www.victim.own.example.com", "A", "REFUSED |  |  | "),
        ],
    );
}

#[test]
fn the_ds_of_an_apex_is_all_that_the_zone_above_says_of_it() {
    let child: &[&str] = &["ns1 300 A 192.0.2.1"];
    let mut zones: Vec<(u32, &str, &[&str])> = vec![(
        1,
        "example.com",
        &[
            "with 300 NS ns1",
            "with 300 DS 1 13 2 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
            "alias 300 CNAME www",
            "* 300 CNAME www",
            "dn 300 DNAME www",
            "cut 300 NS ns1",
        ],
    )];
    let names = ["with", "alias", "star", "x.dn", "x.cut"].map(|n| format!("{n}.example.com"));
    zones.extend(names.iter().map(|n| (1, n.as_str(), child)));
    let w = world(&zones);
    assert!(line(&ask(&w, "with.example.com", "DS")).contains(" 300 DS 1 13 2 "));
    // No delegation above, but the zone is here: the name exists, and nothing above it is followed.
    expect(
        &w,
        &[
            ("alias.example.com", "DS", "NOERROR aa |  | SOA! | "),
            ("star.example.com", "DS", "NOERROR aa |  | SOA! | "),
            ("x.dn.example.com", "DS", "NOERROR aa |  | SOA! | "),
        ],
    );
    // The zone right above is elsewhere.
    let soa = line(&ask(&w, "x.cut.example.com", "DS"));
    assert!(soa.starts_with("NOERROR aa |  | x.cut.example.com 60 SOA "), "{soa}");
}

/// Glue that does not fit does not keep out other glue that does (RFC 9471 §3: all that is needed, or TC).
#[test]
fn glue_goes_as_far_as_there_is_room() {
    let mut lines = vec![
        "sub 300 NS big".to_owned(),
        "sub 300 NS ns.sub".to_owned(),
        "sub 300 NS small".to_owned(),
        "ns.sub 300 A 192.0.2.53".to_owned(),
        "small 300 A 192.0.2.54".to_owned(),
        "big 300 A 192.0.2.55".to_owned(),
        "sub2 300 NS ns.sub2".to_owned(),
    ];
    lines.extend((0..60).map(|i| format!("big 300 AAAA 2001:db8::{i:x}")));
    lines.extend((0..60).map(|i| format!("ns.sub2 300 AAAA 2001:db8::{i:x}")));
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let w = world(&[(1, "example.com", &lines)]);
    let ask = |text: &str| {
        let mut packet = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        packet.extend(name(text).as_wire());
        packet.extend([0, 1, 0, 1]);
        let client = Client { address: Ipv4Addr::LOCALHOST.into(), transport: Transport::Udp };
        let mut out = [0; 1232];
        let reply = respond(&w, &packet, client, NOW, &mut Scratch::default(), &mut out).unwrap();
        Message::from_vec(&out[..reply.len]).unwrap()
    };
    let fits = ask("www.sub.example.com");
    let mut glue: Vec<String> = fits.additionals.iter().map(|r| r.data.to_string()).collect();
    glue.sort();
    assert_eq!(
        (glue.join(" ").as_str(), fits.truncation),
        ("192.0.2.53 192.0.2.54 192.0.2.55", false)
    );
    assert!(ask("www.sub2.example.com").truncation);
}
