//! SPEC §5 as a table: every kind of edge, every relation of accounts, every mode at every level.

use crate::support::client::{self, Ask, Transport};
use crate::support::message::Message;
use crate::support::name;
use crate::support::server::{Server, World};

const MODES: [&str; 5] = ["refuse", "nodata", "nxdomain", "sinkhole", "report"];
const LEVELS: [&str; 3] = ["server", "account", "zone"];

/// How owner and target stand to each other, with the target's zone.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Relation {
    Same,
    Other,
    Exact,
    Wildcard,
    Trusted,
    Anyone,
}

const RELATIONS: [(Relation, &str, &str); 6] = [
    (Relation::Same, "same", "second.test"),
    (Relation::Other, "other", "stranger.test"),
    (Relation::Exact, "exact", "provider.test"),
    (Relation::Wildcard, "wildcard", "provider.test"),
    (Relation::Trusted, "trusted", "friend.test"),
    (Relation::Anyone, "anyone", "open.test"),
];

/// What kind of edge leads out.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Cname,
    Star,
    Dname,
    Alias,
    Aname,
    Tagged,
    Everything,
    Apex,
    Hidden,
    Https,
    Svcb,
}

const KINDS: [Kind; 11] = [
    Kind::Cname,
    Kind::Star,
    Kind::Dname,
    Kind::Alias,
    Kind::Aname,
    Kind::Tagged,
    Kind::Everything,
    Kind::Apex,
    Kind::Hidden,
    Kind::Https,
    Kind::Svcb,
];

/// One edge of the table: the record, the name to ask for, the edge as the rule sees it.
struct Case {
    kind: Kind,
    relation: Relation,
    zone: String,
    record: String,
    asked: String,
    owner: String,
    target: String,
    grant: Option<(String, &'static str)>,
}

fn case(kind: Kind, (relation, word, target_zone): (Relation, &str, &'static str)) -> Case {
    let label = format!("{kind:?}-{word}").to_lowercase();
    let zone = match kind {
        Kind::Apex => format!("{label}.up-{word}.test"),
        Kind::Everything => "all.test".to_string(),
        _ => "mine.test".to_string(),
    };
    let base = format!("x.{label}.{zone}");
    let host = format!("www.{target_zone}");
    let (record, asked, owner, target) = match kind {
        Kind::Cname | Kind::Everything => {
            (format!("{base}. CNAME {host}."), base.clone(), base.clone(), host)
        }
        Kind::Star => {
            let asked = format!("q.{base}");
            (format!("*.{base}. CNAME {host}."), asked.clone(), asked, host)
        }
        Kind::Dname => {
            let asked = format!("www.{base}");
            let record = format!("{base}. DNAME {target_zone}.");
            (record, asked.clone(), asked, host)
        }
        Kind::Alias => (format!("{base}. ALIAS {host}."), base.clone(), base.clone(), host),
        Kind::Aname => (format!("{base}. ANAME {host}."), base.clone(), base.clone(), host),
        Kind::Tagged => {
            (format!("{base}. CNAME {host}. ; bw-flatten"), base.clone(), base.clone(), host)
        }
        Kind::Apex => (format!("{zone}. CNAME {host}."), zone.clone(), zone.clone(), host),
        Kind::Hidden => {
            let middle = format!("mid.{label}.hide.test");
            let record = format!("{base}. ALIAS {middle}.");
            (record, base.clone(), middle, host)
        }
        Kind::Https => {
            (format!("{base}. HTTPS 1 {host}. alpn=h2"), base.clone(), base.clone(), host)
        }
        Kind::Svcb => (format!("{base}. SVCB 0 {host}."), base.clone(), base.clone(), host),
    };
    let parent = if kind == Kind::Apex { format!("up-{word}.test") } else { base.clone() };
    let grant = match relation {
        Relation::Exact => Some((asked.clone(), target_zone)),
        Relation::Wildcard => {
            let above = match kind {
                Kind::Star | Kind::Dname => base.clone(),
                Kind::Apex => parent,
                _ => base.split_once('.').expect("has labels").1.to_string(),
            };
            Some((format!("*.{above}"), target_zone))
        }
        _ => None,
    };
    Case { kind, relation, zone, record, asked, owner, target, grant }
}

impl Case {
    /// May the edge be walked? A DNAME is opened by a wildcard grant only, never by an exact one.
    fn allowed(&self) -> bool {
        match self.relation {
            Relation::Other => false,
            Relation::Exact => self.kind != Kind::Dname,
            _ => true,
        }
    }

    /// Does flattening hide the edge?
    fn hidden(&self) -> bool {
        use Kind::{Alias, Aname, Apex, Everything, Hidden, Tagged};
        matches!(self.kind, Alias | Aname | Tagged | Everything | Apex | Hidden)
    }

    /// Is the edge walked for this type, and if so is its record what is asked for?
    fn walks(&self, qtype: &str) -> Walk {
        let record = match self.kind {
            Kind::Https => "HTTPS",
            Kind::Svcb => "SVCB",
            _ => "CNAME",
        };
        match qtype {
            "A" | "AAAA" if matches!(self.kind, Kind::Https | Kind::Svcb) => Walk::No,
            "A" | "AAAA" => Walk::Yes,
            "ANY" if self.kind == Kind::Apex => Walk::Perhaps,
            "ANY" | "CNAME" if self.hidden() => Walk::Perhaps,
            "ANY" => Walk::Yes,
            _ if self.hidden() => Walk::No,
            _ if qtype == record => Walk::Yes,
            _ if matches!(self.kind, Kind::Https | Kind::Svcb) => Walk::No,
            _ => Walk::Yes,
        }
    }

    /// TTL of the records of an allowed answer: 3600 in all zones, capped where the edge crosses.
    fn ttl(&self) -> u32 {
        if self.relation == Relation::Same { 3600 } else { 300 }
    }
}

#[derive(PartialEq)]
enum Walk {
    Yes,
    No,
    /// The text leaves room: an answer without the edge, or its denial.
    Perhaps,
}

fn cases() -> Vec<Case> {
    let all = KINDS.iter().flat_map(|kind| RELATIONS.iter().map(|at| case(*kind, *at)));
    all.collect()
}

const HEAD: &str = "$TTL 3600\n@ SOA ns1 host 1 3600 600 604800 600\n@ NS ns1\nns1 A 192.0.2.53\n";

fn world(mode: &str, level: &str, cases: &[Case]) -> World {
    let world = World::new();
    world.zone("cust/second.test", &format!("{HEAD}www A 192.0.2.80\nwww AAAA 2001:db8::80\n"));
    for (account, zone, host) in [
        ("stranger", "stranger.test", 81),
        ("provider", "provider.test", 82),
        ("friend", "friend.test", 83),
        ("open", "open.test", 84),
    ] {
        let hosts = format!("www A 192.0.2.{host}\nwww AAAA 2001:db8::{host}\n");
        world.zone(&format!("{account}/{zone}"), &format!("{HEAD}{hosts}"));
    }
    let mut hide = HEAD.to_string();
    let mut zones = vec!["mine.test", "all.test", "hide.test"];
    for (word, relation) in RELATIONS.iter().map(|(relation, word, _)| (word, relation)) {
        let case = cases.iter().find(|case| (case.kind, case.relation) == (Kind::Apex, *relation));
        let case = case.expect("every kind has every relation");
        world.zone(&format!("cust/up-{word}.test"), HEAD);
        world.zone(&format!("cust/{}", case.zone), &format!("{HEAD}{}\n", case.record));
        zones.push(&case.zone);
    }
    for zone in ["mine.test", "all.test"] {
        let here = cases.iter().filter(|case| case.zone == zone);
        let records: String = here.map(|case| format!("{}\n", case.record)).collect();
        world.zone(&format!("cust/{zone}"), &format!("{HEAD}{records}"));
    }
    for case in cases.iter().filter(|case| case.kind == Kind::Hidden) {
        hide.push_str(&format!("{}. CNAME {}.\n", case.owner, case.target));
    }
    world.zone("cust/hide.test", &hide);
    world.config("", &config(mode, level, cases, &zones));
    world
}

/// The mode stands at one level; the levels above it and the target's own say something else.
fn config(mode: &str, level: &str, cases: &[Case], zones: &[&str]) -> String {
    let at = MODES.iter().position(|have| *have == mode).expect("a mode");
    let (second, third) = (MODES[(at + 1) % 5], MODES[(at + 2) % 5]);
    let (server, account, zone) = match level {
        "server" => (mode, None, None),
        "account" => (second, Some(mode), None),
        _ => (second, Some(third), Some(mode)),
    };
    let mut out = format!(
        "[policy]\non_violation = \"{server}\"\nsinkhole_ttl = 45\n\
         sinkhole = [\"198.51.100.1\", \"198.51.100.2\", \"2001:db8:14::1\"]\n\
         [accounts.stranger]\non_violation = \"{third}\"\n\
         [accounts.friend]\ntrusts = [\"cust\"]\n\
         [zones.\"open.test\"]\ncross_account = \"anyone\"\n"
    );
    if let Some(account) = account {
        out.push_str(&format!("[accounts.cust]\non_violation = \"{account}\"\n"));
    }
    for name in zones {
        out.push_str(&format!("[zones.\"{name}\"]\n"));
        if let Some(zone) = zone {
            out.push_str(&format!("on_violation = \"{zone}\"\n"));
        }
        if *name == "all.test" {
            out.push_str("flatten = \"all\"\n");
        }
    }
    for (hostname, zone) in cases.iter().filter_map(|case| case.grant.as_ref()) {
        out.push_str(&format!("[[grants]]\nhostname = \"{hostname}\"\nzone = \"{zone}\"\n"));
    }
    out
}

#[test]
fn every_edge_relation_mode_and_level() {
    let cases = cases();
    let mut failures = Vec::new();
    for mode in MODES {
        for level in LEVELS {
            let server = world(mode, level, &cases).start();
            for case in &cases {
                for qtype in ["A", "AAAA", "TXT", "CNAME", "HTTPS", "SVCB", "ANY"] {
                    if let Err(wrong) = judge(&server, case, qtype, mode) {
                        let what = format!("{mode} at {level}: {} {qtype}", case.asked);
                        failures.push(format!("{what} ({})\n{wrong}", case.record));
                    }
                }
            }
        }
    }
    let some = failures.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
    assert!(failures.is_empty(), "{} wrong:\n{some}", failures.len());
}

fn judge(server: &Server, case: &Case, qtype: &str, mode: &str) -> Result<(), String> {
    let ask = Ask::new(&case.asked, qtype);
    let udp = client::ask(server.address(Transport::Udp), Transport::Udp, &ask)?;
    let tcp = client::ask(server.address(Transport::Tcp), Transport::Tcp, &ask)?;
    if (udp.show(), &udp.question) != (tcp.show(), &tcp.question) {
        return Err(format!("UDP:\n{}TCP:\n{}", udp.show(), tcp.show()));
    }
    let wrong = |what: &str| Err(format!("{what}; got:\n{}", udp.show()));
    let shown = case.allowed() || mode == "report";
    let denied = !udp.extended_errors().iter().all(|(code, _)| *code != 15);
    match case.walks(qtype) {
        Walk::No if denied => wrong("denied though no edge is walked"),
        Walk::No => own(case, &udp),
        Walk::Perhaps if shown && denied => wrong("denied though allowed"),
        Walk::Perhaps if !denied => own(case, &udp),
        _ if shown => answered(case, qtype, &udp),
        _ => refused(case, qtype, mode, &udp),
    }
}

/// Nothing of the target's zone may be in an answer that does not walk the edge.
fn own(case: &Case, got: &Message) -> Result<(), String> {
    let zone = case.target.split_once('.').expect("has labels").1;
    if got.rcode != 0 || !got.has("aa") || got.show().contains(zone) {
        return Err(format!("not a plain answer of the own zone:\n{}", got.show()));
    }
    Ok(())
}

fn answered(case: &Case, qtype: &str, got: &Message) -> Result<(), String> {
    let last = RELATIONS.iter().position(|(relation, ..)| *relation == case.relation);
    let host = [80, 81, 82, 82, 83, 84][last.expect("of the table")];
    let ttl = case.ttl();
    let Case { asked, target, .. } = case;
    let data = match qtype {
        "A" => Some(format!("A 192.0.2.{host}")),
        "AAAA" => Some(format!("AAAA 2001:db8::{host}")),
        _ => None,
    };
    let mut want = Vec::new();
    match case.kind {
        Kind::Https => want.push(format!("{asked}. {ttl} HTTPS 1 {target}. 0001000302683")),
        Kind::Svcb => want.push(format!("{asked}. {ttl} SVCB 0 {target}. ")),
        _ if case.hidden() => {
            want.extend(data.map(|data| format!("{asked}. {ttl} {data}")));
        }
        _ => {
            if case.kind == Kind::Dname {
                let (base, zone) = (after_label(asked), after_label(target));
                want.push(format!("{base}. {ttl} DNAME {zone}."));
            }
            // RFC 6672: below a DNAME every type goes on, at the owner ANY and CNAME stop.
            want.push(format!("{asked}. {ttl} CNAME {target}."));
            want.extend(data.map(|data| format!("{target}. {ttl} {data}")));
        }
    }
    let have: Vec<String> = got.answer.iter().map(|record| record.show()).collect();
    let same = want.len() <= have.len()
        && want.iter().zip(&have).all(|(want, have)| have.starts_with(want.as_str()));
    // ANY below a DNAME goes on to one RRset of the target, whichever that is.
    let exact = have.len() == want.len() || (case.kind == Kind::Dname && qtype == "ANY");
    let capped = case.relation == Relation::Same || got.records().all(|record| record.ttl <= 300);
    if got.rcode != 0 || !got.has("aa") || !same || !exact || !capped {
        return Err(format!("expected {want:#?}\ngot:\n{}", got.show()));
    }
    if !got.extended_errors().is_empty() {
        return Err(format!("an extended error in an allowed answer:\n{}", got.show()));
    }
    Ok(())
}

fn after_label(name: &str) -> &str {
    name.split_once('.').expect("has labels").1
}

fn refused(case: &Case, qtype: &str, mode: &str, got: &Message) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{what}; got:\n{}", got.show()));
    let text = format!("1014 CNAME cross-user banned: {} -> {}", case.owner, case.target);
    if got.extended_errors() != [(15, text.clone())] {
        return wrong(&format!("expected EDE 15 {text:?}"));
    }
    if mode == "refuse" {
        let empty = got.records().next().is_none();
        let good = got.rcode_text() == "REFUSED" && !got.has("aa") && empty;
        return if good { Ok(()) } else { wrong("expected REFUSED, no AA, no records") };
    }
    let rcode = got.rcode_text();
    let fits = match (mode, case.kind) {
        ("nxdomain", Kind::Cname) => rcode == "NXDOMAIN",
        // Nothing but the crossing CNAME stands there either; the text leaves room.
        ("nxdomain", Kind::Star | Kind::Tagged | Kind::Everything | Kind::Hidden) => {
            matches!(rcode.as_str(), "NXDOMAIN" | "NOERROR")
        }
        _ => rcode == "NOERROR",
    };
    if !fits || !got.has("aa") {
        return wrong("RCODE or AA");
    }
    let want: &[&str] = match (mode, qtype) {
        ("sinkhole", "A") => &["A 198.51.100.1", "A 198.51.100.2"],
        ("sinkhole", "AAAA") => &["AAAA 2001:db8:14::1"],
        _ => &[],
    };
    let mut want: Vec<String> =
        want.iter().map(|data| format!("{}. 45 {data}", case.asked)).collect();
    let mut have: Vec<String> = got.answer.iter().map(|record| record.show()).collect();
    want.sort();
    have.sort();
    if want != have || !got.additional.is_empty() {
        return wrong(&format!("expected the answer {want:?}"));
    }
    if !want.is_empty() {
        return if got.authority.is_empty() { Ok(()) } else { wrong("authority in the sinkhole") };
    }
    let soa = |record: &crate::support::message::Record| {
        record.rtype == 6 && record.owner == name::wire(&case.zone) && record.ttl <= 60
    };
    match got.authority.as_slice() {
        [record] if soa(record) => Ok(()),
        _ => wrong("expected the SOA of the query name's zone with a TTL of at most 60"),
    }
}
