//! What users of other servers suffered from with aliases that lead outside, each as a test:
//!
//! - 3: one alias without an answer ended the transfer of its zone:
//!   `an_alias_that_fails_takes_nothing_else_with_it` (no transfers are offered yet: REFUSED, and nothing half)
//! - 4: secondaries never learnt that a target had changed: `a_target_that_changes_is_followed`, with the serial as
//!   the file has it (no secondaries yet)
//! - 5: each server spells aliases in its own way: `outside::every_way_to_write_an_alias_leads_outside`
//! - 6: NXDOMAIN of the target blanked the apex:
//!   `outside::what_the_target_lacks_never_becomes_what_the_owner_lacks`
//! - 7: no answer after a time-out, until a restart: `outside::a_silent_target_is_answered_in_time_and_recovers`,
//!   `storm`
//! - 8: no answer over TCP: all of `outside`: each question goes over UDP and TCP
//! - 9: "there is none" was asked for each time: `outside::what_the_target_lacks_…`,
//!   `outside_cache::none_and_no_such_name_…`
//! - 10: no resolver, and nobody said so:
//!   `outside_life::check_warns_when_aliases_lead_outside_and_no_resolver_answers`
//! - 11: the resolver was the server itself; loops were NOERROR:
//!   `outside_life::a_resolver_that_is_this_server_is_no_loop`, `outside::nobody_is_led_inside_by_the_outside`
//! - 12: tenants made the server ask what they liked: `nobody_but_the_owner_of_an_alias_chooses_what_is_asked`,
//!   `storm`, `outside_cache::one_account_…`
//! - 13: an answer for one client's place served all: `nobody_but_the_owner_of_an_alias_chooses_what_is_asked`: no
//!   client subnet goes out
//! - 14: TTLs that surprise: `the_ttl_is_the_least_of_all_and_counts_down`
//! - 15: aliases at the apex only, or with nothing beside them:
//!   `an_alias_stands_beside_everything_but_addresses_and_cnames`
//! - 16: a wildcard alias gave each address three times: `a_wildcard_alias_is_a_wildcard_like_any_other`
//! - 17: two aliases at one name: who wins?: `two_aliases_at_one_name_are_an_error`
//! - 18: flattening broke names that exist to be verified:
//!   `outside::under_flatten_all_names_with_an_underscore_stay`, `one_record_can_ask_to_be_flattened`

use super::elsewhere::{Elsewhere, Say};
use crate::support::client::{self, Ask, Transport};
use crate::support::message::Message;
use crate::support::server::{Server, World};

fn elsewhere() -> Elsewhere {
    let elsewhere = Elsewhere::start();
    elsewhere
        .chain("cdn.example.net", &["edge.example.org"], &["45.0.113.7", "2a00:db8:7::7"])
        .chain("twice.example.net", &[], &["45.0.113.8", "45.0.113.8", "45.0.113.8"])
        .says("dead.example.net", Say::Silence);
    elsewhere
}

fn start(elsewhere: &Elsewhere, more: &str, zone: &str) -> Server {
    let world = World::new();
    let upstream = elsewhere.address;
    world.config("", &format!("[flatten]\nupstream = [\"{upstream}\"]\n{more}"));
    world.zone("one/one.test", zone);
    world.start()
}

/// RCODE, rdata, extended errors.
fn line(answer: &Message) -> String {
    let last = |text: String| text.rsplit(' ').next().unwrap_or_default().to_owned();
    let shown = answer.answer.iter().map(|r| last(r.show()));
    let codes = answer.extended_errors().into_iter().map(|(code, _)| format!("ede {code}"));
    [answer.rcode_text()].into_iter().chain(shown).chain(codes).collect::<Vec<_>>().join(" ")
}

#[test]
fn an_alias_that_fails_takes_nothing_else_with_it() {
    let elsewhere = elsewhere();
    let zone =
        "%std%\n@ CNAME dead.example.net.\n@ MX 10 mail\nmail A 192.0.2.25\nwww A 192.0.2.80\n";
    let server = start(&elsewhere, "deadline_ms = 300\n", zone);
    let ask = |name: &str, qtype: &str| line(&server.query(name, qtype));
    assert_eq!(ask("one.test", "A"), "SERVFAIL ede 22");
    assert_eq!(ask("one.test", "MX"), "NOERROR mail.one.test.");
    assert!(ask("one.test", "SOA").starts_with("NOERROR"));
    assert!(ask("one.test", "NS").starts_with("NOERROR"));
    assert_eq!(ask("www.one.test", "A"), "NOERROR 192.0.2.80");
    for qtype in ["AXFR", "IXFR"] {
        let answer = client::ask(
            server.address(Transport::Tcp),
            Transport::Tcp,
            &Ask::new("one.test", qtype),
        );
        let answer = answer.expect("an answer");
        assert_eq!((answer.rcode_text().as_str(), answer.answer.len()), ("REFUSED", 0), "{qtype}");
    }
}

#[test]
fn a_target_that_changes_is_followed() {
    let elsewhere = elsewhere();
    let server =
        start(&elsewhere, "min_ttl = 1\nmax_ttl = 1\n", "%std%\n@ CNAME cdn.example.net.\n");
    let serial = |server: &Server| server.query("one.test", "SOA").answer[0].show();
    let before = serial(&server);
    assert_eq!(line(&server.query("one.test", "A")), "NOERROR 45.0.113.7");
    elsewhere.chain("cdn.example.net", &[], &["45.0.113.99"]);
    server.wait_for("one.test", "A", |answer| line(answer) == "NOERROR 45.0.113.99");
    assert_eq!(serial(&server), before);
}

#[test]
fn nobody_but_the_owner_of_an_alias_chooses_what_is_asked() {
    let elsewhere = elsewhere();
    let server = start(&elsewhere, "", "%std%\n*.wild ALIAS cdn.example.net.\n");
    // Names, client subnet, cookies, other types: nothing that a client says goes out.
    for name in ["secret.wild.one.test", "a.b.c.wild.one.test", "wild.one.test"] {
        for qtype in ["A", "AAAA", "TXT", "MX", "ANY", "HTTPS"] {
            let subnet = [0, 1, 24, 0, 203, 0, 113];
            let ask = Ask::new(name, qtype).option(8, &subnet).option(10, &[7; 8]);
            let packet =
                client::udp(server.address(Transport::Udp), &ask.encode(1), client::PATIENCE);
            assert!(packet.is_some(), "{name} {qtype}");
        }
    }
    let asked = elsewhere.asked.lock().expect("no panic").clone();
    let mut seen: Vec<(String, u16)> = asked.iter().map(|(n, t, _)| (n.clone(), *t)).collect();
    seen.sort();
    seen.dedup();
    let [a, aaaa] = [1, 28].map(|qtype| ("cdn.example.net".to_owned(), qtype));
    assert_eq!(seen, [a, aaaa]);
    assert!(asked.iter().all(|(.., options)| options.is_empty()), "{asked:?}");
}

#[test]
fn the_ttl_is_the_least_of_all_and_counts_down() {
    // The resolver says 300 everywhere.
    let elsewhere = elsewhere();
    let zone = "%std%\nshort 20 ALIAS cdn.example.net.\nlong 9000 ALIAS cdn.example.net.\n\
                near 9000 ALIAS hop\nhop 10 CNAME cdn.example.net.\n";
    let ttl = |server: &Server, name: &str| server.query(name, "A").answer[0].ttl;
    let server = start(&elsewhere, "", zone);
    let within =
        |ttl: u32, most: u32| assert!((1..=most).contains(&ttl) && ttl + 60 > most, "{ttl}");
    assert_eq!(ttl(&server, "short.one.test"), 20);
    assert_eq!(ttl(&server, "near.one.test"), 10);
    let first = ttl(&server, "long.one.test");
    within(first, 300);
    let later = server.wait_for("long.one.test", "A", |answer| answer.answer[0].ttl < first);
    within(later.answer[0].ttl, 299);
    // The bounds of the config are for what comes from outside, not for the alias's own.
    let server = start(&elsewhere, "max_ttl = 100\n", zone);
    within(ttl(&server, "long.one.test"), 100);
    assert_eq!(ttl(&server, "short.one.test"), 20);
    let server = start(&elsewhere, "min_ttl = 500\n", zone);
    within(ttl(&server, "long.one.test"), 500);
    assert_eq!(ttl(&server, "short.one.test"), 20);
}

#[test]
fn an_alias_stands_beside_everything_but_addresses_and_cnames() {
    let elsewhere = elsewhere();
    let server = start(
        &elsewhere,
        "",
        "%std%\nx ALIAS cdn.example.net.\nx TXT hello\nx MX 5 m.x\nx CAA 0 issue \"ca.test\"\n",
    );
    for (qtype, wanted) in [("A", "NOERROR 45.0.113.7"), ("MX", "NOERROR m.x.one.test.")] {
        assert_eq!(line(&server.query("x.one.test", qtype)), wanted);
    }
    assert!(line(&server.query("x.one.test", "TXT")).contains("hello"));
    assert_eq!(line(&server.query("x.one.test", "NS")), "NOERROR");
    for beside in ["x A 192.0.2.1", "x AAAA 2001:db8::1", "x CNAME www"] {
        let world = World::new();
        world.zone("one/one.test", &format!("%std%\nx ALIAS cdn.example.net.\n{beside}\n"));
        let output = world.run(&["check"]);
        assert_eq!(output.status.code(), Some(1), "{beside}: {output:?}");
    }
}

#[test]
fn a_wildcard_alias_is_a_wildcard_like_any_other() {
    let elsewhere = elsewhere();
    let zone = "%std%\n*.w ALIAS twice.example.net.\na.ent.w TXT x\nhere.w TXT y\n*.c CNAME cdn.example.net.\n";
    let server = start(&elsewhere, "", zone);
    let ask = |name: &str| line(&server.query(name, "A"));
    for name in ["x.w.one.test", "y.x.w.one.test", "b.x.w.one.test"] {
        assert_eq!(ask(name), "NOERROR 45.0.113.8", "once, however often it was said");
    }
    // What exists, empty non-terminals included, and what is below it, is no wildcard's.
    assert_eq!(ask("ent.w.one.test"), "NOERROR");
    assert_eq!(ask("here.w.one.test"), "NOERROR");
    assert_eq!(ask("b.ent.w.one.test"), "NXDOMAIN");
    assert_eq!(ask("w.one.test"), "NOERROR");
    assert_eq!(ask("z.c.one.test"), "NOERROR cdn.example.net.", "a CNAME is shown");
    assert_eq!(elsewhere.count("twice.example.net", 1), 1);
}

#[test]
fn two_aliases_at_one_name_are_an_error() {
    for (first, second) in [("ALIAS a.test.", "ALIAS b.test."), ("ANAME a.test.", "ALIAS b.test.")]
    {
        let world = World::new();
        world.zone("one/one.test", &format!("%std%\nx {first}\nx {second}\n"));
        let output = world.run(&["check"]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
    }
    let world = World::new();
    world.zone("one/one.test", "%std%\n@ CNAME a.test.\n@ CNAME b.test.\n");
    assert_eq!(world.run(&["check"]).status.code(), Some(1));
}

#[test]
fn one_record_can_ask_to_be_flattened() {
    let elsewhere = elsewhere();
    let zone = "%std%\nplain CNAME cdn.example.net.\n_v CNAME cdn.example.net. ; bw-flatten\n\
                one CNAME cdn.example.net. ; bw-flatten\ntwo CNAME cdn.example.net. ; cf_tags=cf-flatten-cname\n";
    let server = start(&elsewhere, "", zone);
    assert_eq!(line(&server.query("plain.one.test", "A")), "NOERROR cdn.example.net.");
    for name in ["one.one.test", "two.one.test", "_v.one.test"] {
        assert_eq!(line(&server.query(name, "A")), "NOERROR 45.0.113.7", "{name}");
    }
}
