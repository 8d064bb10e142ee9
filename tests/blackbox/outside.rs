//! Aliases whose targets lie outside, with a resolver of the test's own behind the server: what users of other servers
//! suffered from (targets that fail, lie, loop, detour), over UDP and TCP, and over a restart.

use super::elsewhere::{Elsewhere, Say};
use crate::support::client::{self, Ask, Transport};
use crate::support::message::Message;
use crate::support::server::{Server, World};

const ONE: &str = "%std%
@ CNAME cdn.example.net.
@ MX 10 mail
mail A 192.0.2.25
www A 192.0.2.80
alias 60 ALIAS cdn.example.net.
aname ANAME cdn.example.net.
tagged CNAME cdn.example.net. ; bw-flatten
*.wild ALIAS cdn.example.net.
gone ALIAS gone.example.net.
dead ALIAS dead.example.net.
fails ALIAS fails.example.net.
inner ALIAS special.example.net.
detour ALIAS detour.example.net.
home ALIAS home.example.net.
loop ALIAS loop.example.net.
twice ALIAS twice.example.net.
";
const TWO: &str = "%std%\nsecret A 192.0.2.99\n";

struct Scene {
    server: Server,
    elsewhere: Elsewhere,
}

impl Scene {
    fn start(more: &str) -> Scene {
        let elsewhere = Elsewhere::start();
        elsewhere
            .chain("cdn.example.net", &["edge.example.org"], &["45.0.113.7", "2a00:db8:7::7"])
            .chain("detour.example.net", &["mid.example.org", "secret.two.test"], &["45.0.100.66"])
            .chain("home.example.net", &["www.one.test"], &["45.0.100.66"])
            .chain("loop.example.net", &["loop.one.test"], &["45.0.100.66"])
            .chain("special.example.net", &[], &["127.0.0.1", "10.1.2.3", "192.168.7.7"])
            .chain("twice.example.net", &[], &["45.0.113.9", "45.0.113.8", "45.0.113.9"])
            .says("fails.example.net", Say::ServFail)
            .says("dead.example.net", Say::Silence);
        let world = World::new();
        let upstream = elsewhere.address;
        world.config("", &format!("[flatten]\nupstream = [\"{upstream}\"]\n{more}"));
        world.zone("one/one.test", ONE);
        world.zone("two/two.test", TWO);
        Scene { server: world.start(), elsewhere }
    }

    /// The same answer over UDP and TCP, decoded.
    fn ask(&self, name: &str, qtype: &str) -> Message {
        let mut last = None;
        for transport in [Transport::Tcp, Transport::Udp] {
            let answer =
                client::ask(self.server.address(transport), transport, &Ask::new(name, qtype));
            last = Some(answer.unwrap_or_else(|w| panic!("{name} {qtype} {transport:?}: {w}")));
        }
        last.expect("two were asked")
    }

    /// RCODE, rdata of the answer section, and codes of extended errors.
    fn line(&self, name: &str, qtype: &str) -> String {
        let answer = self.ask(name, qtype);
        let shown = answer.answer.iter().map(|r| r.show());
        let last = shown.map(|r| r.rsplit(' ').next().unwrap_or_default().to_owned());
        let codes = answer.extended_errors().into_iter().map(|(code, _)| format!("ede {code}"));
        let parts: Vec<String> =
            [answer.rcode_text()].into_iter().chain(last).chain(codes).collect();
        parts.join(" ")
    }
}

#[test]
fn every_way_to_write_an_alias_leads_outside() {
    let scene = Scene::start("");
    for owner in
        ["one.test", "alias.one.test", "aname.one.test", "tagged.one.test", "x.y.wild.one.test"]
    {
        assert_eq!(scene.line(owner, "A"), "NOERROR 45.0.113.7", "{owner}");
        assert_eq!(scene.line(owner, "AAAA"), "NOERROR 2a00:db8:7::7", "{owner}");
        // Aliases never appear, and the target's other types are not the owner's.
        assert_eq!(scene.line(owner, "CNAME"), "NOERROR", "{owner}");
    }
    assert_eq!(scene.line("one.test", "MX"), "NOERROR mail.one.test.");
    // One look-up for all of them, and only for the target: no client chooses what is asked.
    assert_eq!(scene.elsewhere.count("cdn.example.net", 1), 1);
    let asked = scene.elsewhere.asked.lock().expect("no panic").clone();
    for (name, qtype, options) in &asked {
        assert!(["cdn.example.net", "edge.example.org"].contains(&name.as_str()), "{name}");
        assert!([1, 28].contains(qtype), "{qtype}");
        assert!(!options.contains(&8), "no client subnet");
    }
    // The least TTL of the chain: the alias's own.
    let answer = scene.server.query("alias.one.test", "A");
    assert!(answer.answer[0].ttl <= 60, "{}", answer.show());
}

#[test]
fn what_the_target_lacks_never_becomes_what_the_owner_lacks() {
    let scene = Scene::start("");
    for _ in 0..3 {
        assert_eq!(scene.line("gone.one.test", "A"), "NOERROR ede 0");
        assert_eq!(scene.line("gone.one.test", "AAAA"), "NOERROR ede 0");
        assert_eq!(scene.line("fails.one.test", "A"), "SERVFAIL ede 22");
    }
    // "There is none" and "it fails" are remembered too.
    assert_eq!(scene.elsewhere.count("gone.example.net", 28), 1);
    // Others are as before.
    assert_eq!(scene.line("www.one.test", "A"), "NOERROR 192.0.2.80");
}

#[test]
fn a_silent_target_is_answered_in_time_and_recovers() {
    let scene = Scene::start("deadline_ms = 300\n");
    assert_eq!(scene.line("dead.one.test", "A"), "SERVFAIL ede 22");
    assert_eq!(scene.line("www.one.test", "A"), "NOERROR 192.0.2.80");
    scene.elsewhere.chain("dead.example.net", &[], &["45.0.113.5"]);
    scene.server.wait_for("dead.one.test", "A", |answer| answer.rcode == 0);
    assert_eq!(scene.line("dead.one.test", "A"), "NOERROR 45.0.113.5");
}

#[test]
fn nobody_is_led_inside_by_the_outside() {
    let scene = Scene::start("");
    // Denied like a direct edge: nothing of the target, and nothing of what the resolver said of it.
    assert_eq!(scene.line("detour.one.test", "A"), "REFUSED ede 15");
    let text = "1014 CNAME cross-user banned: detour.one.test -> secret.two.test";
    let denied = scene.server.query("detour.one.test", "A");
    assert_eq!(denied.extended_errors(), [(15, text.to_owned())]);
    assert!(!denied.has("aa"));
    // Names served here are answered from their zone.
    assert_eq!(scene.line("home.one.test", "A"), "NOERROR 192.0.2.80");
    assert_eq!(scene.line("loop.one.test", "A"), "SERVFAIL ede 0");
    // Addresses of the inside of networks do not come from outside, and no address twice.
    assert_eq!(scene.line("inner.one.test", "A"), "NOERROR ede 0");
    assert_eq!(scene.ask("twice.one.test", "A").answer.len(), 2);
}

#[test]
fn a_grant_counts_from_the_next_question_on_whatever_is_cached() {
    let mut scene = Scene::start("");
    assert_eq!(scene.line("detour.one.test", "A"), "REFUSED ede 15");
    let config = |grants: &str| {
        let upstream = scene.elsewhere.address;
        scene.server.world.config("", &format!("[flatten]\nupstream = [\"{upstream}\"]\n{grants}"));
        scene.server.hangup();
    };
    config("[[grants]]\nhostname = \"detour.one.test\"\nzone = \"two.test\"\n");
    scene.server.wait_for("detour.one.test", "A", |answer| answer.rcode == 0);
    assert_eq!(scene.line("detour.one.test", "A"), "NOERROR 192.0.2.99");
    config("");
    // Withdrawn a moment ago: NODATA, so that stale caches drop it.
    scene.server.wait_for("detour.one.test", "A", |answer| answer.answer.is_empty());
    assert_eq!(scene.line("detour.one.test", "A"), "NOERROR ede 15");
    assert_eq!(scene.elsewhere.count("detour.example.net", 1), 1, "judged again, not asked again");
    assert!(scene.server.alive());
}

#[test]
fn under_flatten_all_names_with_an_underscore_stay() {
    let elsewhere = Elsewhere::start();
    elsewhere.chain("cdn.example.net", &[], &["45.0.113.7"]);
    let world = World::new();
    let upstream = elsewhere.address;
    world.config("", &format!("[flatten]\nmode = \"all\"\nupstream = [\"{upstream}\"]\n"));
    world
        .zone("one/one.test", "%std%\nshop CNAME cdn.example.net.\n_acme CNAME cdn.example.net.\n");
    let scene = Scene { server: world.start(), elsewhere };
    assert_eq!(scene.line("shop.one.test", "A"), "NOERROR 45.0.113.7");
    assert_eq!(scene.line("_acme.one.test", "A"), "NOERROR cdn.example.net.");
}
