//! What happens over time to aliases whose targets lie outside, with the real binary: answers expire, upstreams change
//! or go, zones come and go, settings are reloaded, the process is killed; and what `check` and `explain` say of it.

use super::elsewhere::{Elsewhere, Say};
use crate::support::client::{Ask, Transport};
use crate::support::message::Message;
use crate::support::server::{PATIENCE, Server, World, poll};
use serde_json::Value;
use std::net::SocketAddr;

const ONE: &str = "%std%
@ CNAME cdn.example.net.
deep ALIAS deep.example.net.
gone ALIAS gone.example.net.
inner ALIAS inner.example.net.
many ALIAS many.example.net.
dead ALIAS dead.example.net.
detour ALIAS detour.example.net.
www A 192.0.2.80
";

fn config(world: &World, upstream: SocketAddr, more: &str) {
    world.config("", &format!("[flatten]\nupstream = [\"{upstream}\"]\n{more}"));
}

fn elsewhere() -> Elsewhere {
    let elsewhere = Elsewhere::start();
    elsewhere
        .chain("cdn.example.net", &[], &["45.0.113.7"])
        .chain("deep.example.net", &["b.example.org", "c.example.org"], &["45.0.113.8"])
        .chain("inner.example.net", &[], &["10.0.0.1", "45.0.113.9"])
        .chain("many.example.net", &[], &["45.0.113.1", "45.0.113.2", "45.0.113.3"])
        .chain("detour.example.net", &["secret.two.test"], &["45.0.100.66"])
        .says("dead.example.net", Say::Silence);
    elsewhere
}

fn start(elsewhere: &Elsewhere, more: &str) -> Server {
    let world = World::new();
    config(&world, elsewhere.address, more);
    world.zone("one/one.test", ONE);
    world.zone("two/two.test", "%std%\nsecret A 192.0.2.99\n");
    world.start()
}

/// RCODE, addresses, extended errors.
fn line(answer: &Message) -> String {
    let last = |text: String| text.rsplit(' ').next().unwrap_or_default().to_owned();
    let shown = answer.answer.iter().map(|r| last(r.show()));
    let codes = answer.extended_errors().into_iter().map(|(code, _)| format!("ede {code}"));
    [answer.rcode_text()].into_iter().chain(shown).chain(codes).collect::<Vec<_>>().join(" ")
}

fn ask(server: &Server, name: &str, qtype: &str) -> String {
    line(&server.query(name, qtype))
}

/// Waits until that is the answer.
fn becomes(server: &Server, name: &str, wanted: &str) {
    server.wait_for(name, "A", |answer| line(answer) == wanted);
}

//= RFC 8767 §4
#[test]
fn what_expired_is_served_as_stale_while_nobody_answers_and_replaced_when_somebody_does() {
    let elsewhere = elsewhere();
    let server = start(&elsewhere, "min_ttl = 1\nmax_ttl = 1\ndeadline_ms = 200\n");
    assert_eq!(ask(&server, "one.test", "A"), "NOERROR 45.0.113.7");
    elsewhere.says("cdn.example.net", Say::Silence);
    becomes(&server, "one.test", "NOERROR 45.0.113.7 ede 3");
    let stale = server.query("one.test", "A");
    assert!((1..=30).contains(&stale.answer[0].ttl), "{}", stale.show());
    // The same from then on, and at once, since the failure is known: no look-up for each question.
    let asked = elsewhere.count("cdn.example.net", 1);
    for _ in 0..50 {
        assert_eq!(ask(&server, "one.test", "A"), "NOERROR 45.0.113.7 ede 3");
    }
    assert!(elsewhere.count("cdn.example.net", 1) <= asked + 8, "failures are remembered");
    // It answers again, and something else.
    elsewhere.chain("cdn.example.net", &[], &["45.0.113.77"]);
    becomes(&server, "one.test", "NOERROR 45.0.113.77");
}

#[test]
fn a_target_that_changes_is_followed() {
    let elsewhere = elsewhere();
    let server = start(&elsewhere, "min_ttl = 1\nmax_ttl = 1\n");
    for last in [7, 8, 9] {
        let address = format!("45.0.114.{last}");
        elsewhere.chain("cdn.example.net", &[], &[Box::leak(address.clone().into_boxed_str())]);
        becomes(&server, "one.test", &format!("NOERROR {address}"));
    }
    // Into nothing, and back.
    elsewhere.says("cdn.example.net", Say::NxDomain);
    becomes(&server, "one.test", "NOERROR ede 0");
    elsewhere.chain("cdn.example.net", &[], &["45.0.114.1"]);
    becomes(&server, "one.test", "NOERROR 45.0.114.1");
}

#[test]
fn the_order_of_addresses_is_stable_or_turns_as_the_setting_says() {
    let elsewhere = elsewhere();
    let server = start(&elsewhere, "");
    let orders = |server: &Server| {
        let mut seen: Vec<String> = (0..60).map(|_| ask(server, "many.one.test", "A")).collect();
        seen.sort();
        seen.dedup();
        seen
    };
    assert_eq!(orders(&server), ["NOERROR 45.0.113.1 45.0.113.2 45.0.113.3"]);
    config(&server.world, elsewhere.address, "rotate = true\n");
    server.hangup();
    poll(PATIENCE, || (orders(&server).len() == 3).then_some(())).expect("three ways to turn");
    for order in orders(&server) {
        let mut words: Vec<&str> = order.split(' ').collect();
        words.sort_unstable();
        assert_eq!(words.join(" "), "45.0.113.1 45.0.113.2 45.0.113.3 NOERROR");
    }
    assert_eq!(elsewhere.count("many.example.net", 1), 1, "a setting is no reason to ask again");
}

#[test]
fn a_reload_puts_other_resolvers_and_settings_in_force() {
    let (first, second) = (elsewhere(), elsewhere());
    second.chain("deep.example.net", &[], &["45.0.113.88"]);
    second.chain("dead.example.net", &[], &["45.0.113.66"]);
    let server = start(&first, "deadline_ms = 300\n");
    assert_eq!(ask(&server, "one.test", "A"), "NOERROR 45.0.113.7");
    assert_eq!(ask(&server, "inner.one.test", "A"), "NOERROR 45.0.113.9");
    assert_eq!(ask(&server, "dead.one.test", "A"), "SERVFAIL ede 22");
    // What is known stays; what is not is asked of the other one.
    config(&server.world, second.address, "deadline_ms = 300\nallow_special = true\n");
    server.hangup();
    becomes(&server, "inner.one.test", "NOERROR 10.0.0.1 45.0.113.9");
    assert_eq!(ask(&server, "one.test", "A"), "NOERROR 45.0.113.7");
    assert_eq!(ask(&server, "deep.one.test", "A"), "NOERROR 45.0.113.88");
    becomes(&server, "dead.one.test", "NOERROR 45.0.113.66");
    assert_eq!((second.count("cdn.example.net", 1), first.count("deep.example.net", 1)), (0, 0));
    // The inside of networks is left out again, from what is known already.
    config(&server.world, second.address, "deadline_ms = 300\n");
    server.hangup();
    becomes(&server, "inner.one.test", "NOERROR 45.0.113.9");
    // Nothing known was ever proved.
    config(&server.world, second.address, "deadline_ms = 300\nvalidate = true\n");
    server.hangup();
    server.wait_for("one.test", "A", |answer| answer.rcode == 2);
}

#[test]
fn a_zone_that_comes_or_goes_counts_for_what_is_known() {
    let elsewhere = elsewhere();
    let server = start(&elsewhere, "");
    for _ in 0..3 {
        assert_eq!(ask(&server, "one.test", "A"), "NOERROR 45.0.113.7");
        assert_eq!(ask(&server, "deep.one.test", "A"), "NOERROR 45.0.113.8");
    }
    // The target is in a zone of somebody else now; and so is a hop of the other one.
    server.world.zone("three/example.net", "%std%\ncdn A 192.0.2.33\ndeep A 192.0.2.34\n");
    becomes(&server, "one.test", "REFUSED ede 15");
    assert_eq!(ask(&server, "deep.one.test", "A"), "REFUSED ede 15");
    server.world.remove("three/example.net");
    becomes(&server, "one.test", "NOERROR 45.0.113.7");
    assert_eq!(ask(&server, "deep.one.test", "A"), "NOERROR 45.0.113.8");
    server.world.zone("four/c.example.org", "%std%\n@ A 192.0.2.35\n");
    becomes(&server, "deep.one.test", "REFUSED ede 15");
    assert_eq!(ask(&server, "one.test", "A"), "NOERROR 45.0.113.7");
    // In the alias's own account it is the zone's data that counts.
    server.world.zone("one/example.net", "%std%\ncdn A 192.0.2.44\n");
    becomes(&server, "one.test", "NOERROR 192.0.2.44");
    assert_eq!(elsewhere.count("cdn.example.net", 1), 1, "what is known was never asked again");
}

#[test]
fn a_resolver_that_is_this_server_is_no_loop() {
    // Said so, it is an error; by another name of this host it cannot be seen, and leads nowhere.
    for (listen, own, starts) in
        [("127.0.0.1", [127, 0, 0, 1], false), ("0.0.0.0", [127, 0, 0, 3], true)]
    {
        let world = World::new();
        world.zone("one/one.test", ONE);
        let port = crate::support::peers::free_port();
        config(&world, SocketAddr::from((own, port)), "deadline_ms = 1000\n");
        let text = std::fs::read_to_string(world.path("config.toml")).expect("a config");
        world.file("config.toml", &text.replace("127.0.0.1:0", &format!("{listen}:{port}")));
        match world.try_start(&[]) {
            Err(said) => assert!(!starts && said.contains("names this server itself"), "{said}"),
            Ok(mut server) => {
                assert!(starts);
                server.udp[0].set_ip([127, 0, 0, 1].into());
                assert_eq!(ask(&server, "one.test", "A"), "SERVFAIL ede 22");
                assert_eq!(ask(&server, "www.one.test", "A"), "NOERROR 192.0.2.80");
            }
        }
    }
}

/// A hundred zones, each with an alias at its apex; some targets have no address, do not exist, or lead inside.
#[test]
fn all_apexes_stay_up_when_the_server_is_killed_while_no_resolver_answers() {
    let count = 100;
    let elsewhere = elsewhere();
    let world = World::new();
    config(&world, elsewhere.address, "deadline_ms = 300\n");
    world.zone("two/two.test", "%std%\nsecret A 192.0.2.99\n");
    for i in 0..count {
        world
            .zone(&format!("a{}/z{i}.test", i % 7), &format!("%std%\n@ CNAME t{i}.example.net.\n"));
        let target = format!("t{i}.example.net");
        match i % 10 {
            0 => elsewhere.says(&target, Say::NxDomain),
            1 => elsewhere.chain(&target, &["hop.example.org"], &["45.0.113.7", "2a00:db8:7::7"]),
            2 => elsewhere.chain(&target, &["secret.two.test"], &["45.0.100.66"]),
            3 => elsewhere.chain(&target, &[], &["10.0.0.1"]),
            _ => elsewhere.chain(&target, &[], &["45.0.113.7"]),
        };
    }
    let mut server = world.start();
    let all = |server: &Server| -> Vec<String> {
        let each = |i: usize| {
            let apex = format!("z{i}.test");
            ["A", "AAAA", "SOA", "MX"]
                .map(|qtype| format!("{apex} {qtype} {}", ask(server, &apex, qtype)))
        };
        (0..count).flat_map(each).collect()
    };
    let before = all(&server);
    assert_eq!(before.iter().filter(|line| line.contains("SERVFAIL")).count(), 0);
    // Promised for what is older than a second; the log says when it is there.
    let log = server.world.path("data/flattened.log");
    let written = poll(PATIENCE, || {
        let text = std::fs::read(&log).unwrap_or_default();
        (text.windows(8).filter(|w| *w == b"\"target\"").count() >= 2 * count).then_some(())
    });
    written.expect("all of it is written");
    for i in 0..count {
        elsewhere.says(&format!("t{i}.example.net"), Say::Silence);
    }
    let asked = elsewhere.asked.lock().expect("no panic").len();
    server.crash();
    let after = all(&server);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after);
    }
    assert_eq!(asked, elsewhere.asked.lock().expect("no panic").len(), "nothing had to be asked");
}

#[test]
fn what_expired_meanwhile_is_served_as_stale_after_a_crash() {
    let elsewhere = elsewhere();
    let mut server = start(&elsewhere, "min_ttl = 1\nmax_ttl = 1\ndeadline_ms = 200\n");
    assert_eq!(ask(&server, "one.test", "A"), "NOERROR 45.0.113.7");
    let log = server.world.path("data/flattened.log");
    let written = poll(PATIENCE, || {
        let octets = std::fs::read(&log).unwrap_or_default();
        String::from_utf8_lossy(&octets).contains("cdn.example.net").then_some(())
    });
    written.expect("it is written");
    elsewhere.says("cdn.example.net", Say::Silence);
    server.crash();
    becomes(&server, "one.test", "NOERROR 45.0.113.7 ede 3");
}

#[test]
fn explain_shows_hops_ages_and_who_answered() {
    let elsewhere = elsewhere();
    let server = start(&elsewhere, "deadline_ms = 300\n");
    assert_eq!(ask(&server, "deep.one.test", "A"), "NOERROR 45.0.113.8");
    let said = |name: &str, options: &[&str]| {
        let output = server.world.run(&[&["explain", name], options].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let text = said("deep.one.test", &[]);
    for words in ["-> b.example.org", "-> c.example.org", "fresh, ", " s left", " in "] {
        assert!(text.contains(words), "{words}:\n{text}");
    }
    assert!(text.contains(&format!("from {}", elsewhere.address)), "{text}");
    let json: Value = serde_json::from_str(&said("deep.one.test", &["--json"])).expect("JSON");
    let outside = json["hops"].as_array().expect("hops").iter().find_map(|hop| hop.get("outside"));
    let outside = outside.filter(|outside| !outside.is_null()).or_else(|| {
        json["hops"].as_array()?.iter().map(|hop| &hop["outside"]).find(|o| !o.is_null())
    });
    let outside = outside.unwrap_or_else(|| panic!("{json:#}"));
    assert_eq!(outside["state"], "fresh", "{outside:#}");
    assert_eq!(outside["upstream"], elsewhere.address.to_string());
    assert_eq!(outside["addresses"][0], "45.0.113.8");
    assert_eq!(outside["hops"][1]["target"], "c.example.org");
    assert!(outside["age"].is_u64() && outside["ttl"].is_u64() && outside["took_ms"].is_u64());
    // A failure says so.
    assert!(said("dead.one.test", &[]).contains("last look-up failed: timeout"));
    // The edge that the outside leads over is judged there too.
    let denied = said("detour.one.test", &[]);
    assert!(denied.contains("secret.two.test") && denied.contains("1014"), "{denied}");
}

#[test]
fn check_warns_when_aliases_lead_outside_and_no_resolver_answers() {
    let elsewhere = elsewhere();
    let world = World::new();
    config(&world, elsewhere.address, "deadline_ms = 300\n");
    world.zone("one/one.test", "%std%\n@ CNAME cdn.example.net.\n");
    let check = |strict: bool| {
        let options: &[&str] = if strict { &["check", "--strict"] } else { &["check", "--json"] };
        let output = world.run(options);
        let text = String::from_utf8(output.stdout).expect("text");
        (output.status.code(), text)
    };
    let warned = |text: &str| text.contains("no-resolver");
    let (code, text) = check(false);
    assert!(code == Some(0) && !warned(&text), "{text}");
    // An error about the target is an answer of the resolver.
    for say in [Say::NxDomain, Say::ServFail] {
        elsewhere.says("cdn.example.net", say);
        assert!(!warned(&check(false).1));
    }
    elsewhere.says("cdn.example.net", Say::Silence);
    let (code, text) = check(false);
    assert!(code == Some(0) && warned(&text), "{text}");
    assert!(text.contains(&elsewhere.address.to_string()) && text.contains("one.test"), "{text}");
    assert_eq!(check(true).0, Some(3));
    // Who has no alias needs no resolver.
    world.zone("one/one.test", "%std%\n");
    assert!(!warned(&check(false).1));
}

#[test]
fn a_client_that_wants_no_recursion_is_answered_all_the_same_over_both_transports() {
    let elsewhere = elsewhere();
    let server = start(&elsewhere, "");
    for transport in [Transport::Tcp, Transport::Udp] {
        let ask = Ask::new("deep.one.test", "A").plain();
        let answer = crate::support::client::ask(server.address(transport), transport, &ask);
        assert_eq!(line(&answer.expect("an answer")), "NOERROR 45.0.113.8");
    }
}
