//! Unbound as the resolver behind the server, with data of its own: chains, errors, cut answers, a detour back inside,
//! one that dies, and signed answers. Nothing leaves the loopback.

use crate::support::client::Transport;
use crate::support::message::Message;
use crate::support::peers::{Peer, free_port};
use crate::support::server::{Server, World};
use bailiwick::base::name::Name;
use bailiwick::model::flattened::{FailureKind, Key, Outcome};
use bailiwick::outside::resolve::{Found, Resolve, Resolver};
use bailiwick::outside::upstream::Upstreams;
use bailiwick::outside::validate::Validator;
use bailiwick::rdata;
use hickory_proto::dnssec::{Algorithm, PublicKeyBuf, TrustAnchors};
use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// A zone that Unbound knows by heart.
struct Known<'a> {
    apex: &'a str,
    text: String,
}

/// Unbound with these zones, that asks `ours` about `one.test` and `two.test`.
fn unbound(zones: &[Known<'_>], ours: Option<SocketAddr>) -> Peer {
    Peer::start("unbound", "unbound", &["-d", "-c", "config"], |dir, port| {
        let shown = dir.display();
        let mut text = format!(
            "server:\n  interface: 127.0.0.1\n  port: {port}\n  directory: \"{shown}\"\n  \
             username: \"\"\n  chroot: \"\"\n  pidfile: \"\"\n  use-syslog: no\n  \
             logfile: \"{shown}/log\"\n  num-threads: 1\n  do-not-query-localhost: no\n  \
             module-config: \"iterator\"\n  local-zone: \"test.\" nodefault\n  \
             local-zone: \"local.net.\" static\n  local-data: \"here.local.net. 77 A 45.0.113.1\"\n\
             remote-control:\n  control-enable: no\n"
        );
        for (i, zone) in zones.iter().enumerate() {
            fs::write(dir.join(format!("zone{i}")), &zone.text).expect("a zone file");
            let _ = write!(
                text,
                "auth-zone:\n  name: \"{}\"\n  zonefile: \"{shown}/zone{i}\"\n  for-downstream: no\n  \
                 for-upstream: yes\n  fallback-enabled: no\n",
                zone.apex
            );
        }
        for apex in ["one.test", "two.test"] {
            let Some(ours) = ours else { break };
            let at = format!("{}@{}", ours.ip(), ours.port());
            let _ = write!(text, "stub-zone:\n  name: \"{apex}\"\n  stub-addr: {at}\n");
        }
        text
    })
}

fn example_net(marker: u8) -> Known<'static> {
    let mut text = format!(
        "$ORIGIN example.net.\n$TTL 300\n@ SOA ns hm 1 3600 600 604800 60\n@ NS ns\nns A 127.0.0.1\n\
         marker A 45.0.113.{marker}\ncdn 200 CNAME b\nb 100 CNAME c\nc 150 A 45.0.113.7\n\
         c AAAA 2a00:db8:7::7\ndetour CNAME secret.two.test.\nhome CNAME www.one.test.\n\
         rebind A 10.1.2.3\nloop1 CNAME loop2\nloop2 CNAME loop1\n"
    );
    for i in 0..200 {
        let _ = writeln!(text, "big A 45.1.{}.{}", i / 100, i % 100);
    }
    Known { apex: "example.net", text }
}

const ONE: &str = "%std%
@ ALIAS cdn.example.net.
www A 192.0.2.80
here ALIAS here.local.net.
gone ALIAS gone.example.net.
big ALIAS big.example.net.
rebind ALIAS rebind.example.net.
loop ALIAS loop1.example.net.
detour ALIAS detour.example.net.
home ALIAS home.example.net.
marker ALIAS marker.example.net.
late ALIAS late.marker.example.net.
";
const TWO: &str = "%std%\nsecret A 192.0.2.99\n";

/// A server with these resolvers. Its own address has to be known before it starts, since Unbound asks it.
fn serve(port: u16, upstreams: &[SocketAddr], more: &str) -> Server {
    let world = World::new();
    let upstreams: Vec<String> = upstreams.iter().map(|u| format!("\"{u}\"")).collect();
    let flatten = format!("[flatten]\nupstream = [{}]\n{more}", upstreams.join(", "));
    world.config("", &flatten);
    let text = fs::read_to_string(world.path("config.toml")).expect("a config");
    world.file("config.toml", &text.replace("127.0.0.1:0", &format!("127.0.0.1:{port}")));
    world.zone("one/one.test", ONE);
    world.zone("two/two.test", TWO);
    world.start()
}

/// RCODE, rdata and least TTL of the answer, extended errors.
fn line(answer: &Message) -> String {
    let mut parts = vec![answer.rcode_text()];
    parts.extend(
        answer.answer.iter().map(|r| r.show().rsplit(' ').next().unwrap_or_default().to_owned()),
    );
    parts.extend(answer.extended_errors().into_iter().map(|(code, _)| format!("ede {code}")));
    parts.join(" ")
}

#[test]
#[ignore = "needs unbound"]
fn what_unbound_knows_is_answered_and_what_it_leads_to_inside_is_judged() {
    let port = free_port();
    let ours = SocketAddr::from(([127, 0, 0, 1], port));
    let resolver = unbound(&[example_net(1)], Some(ours));
    let server = serve(port, &[resolver.address], "");
    let ask = |name: &str, qtype: &str| server.query(name, qtype);
    assert_eq!(line(&ask("one.test", "A")), "NOERROR 45.0.113.7");
    assert_eq!(line(&ask("one.test", "AAAA")), "NOERROR 2a00:db8:7::7");
    let ttl = ask("one.test", "A").answer[0].ttl;
    assert!((1..=100).contains(&ttl), "the least of the chain, counted down: {ttl}");
    assert_eq!(line(&ask("here.one.test", "A")), "NOERROR 45.0.113.1");
    // No such name, none of this type, a loop: what the owner answers is its own.
    assert_eq!(line(&ask("gone.one.test", "A")), "NOERROR ede 0");
    assert_eq!(line(&ask("marker.one.test", "AAAA")), "NOERROR ede 0");
    assert!(line(&ask("loop.one.test", "A")).starts_with("SERVFAIL ede"));
    assert_eq!(line(&ask("rebind.one.test", "A")), "NOERROR ede 0");
    // Too long for UDP: Unbound says so, and is asked by TCP. Of two hundred addresses 64 are kept.
    let tcp = crate::support::client::Ask::new("big.one.test", "A");
    let address = server.address(Transport::Tcp);
    let big = crate::support::client::ask(address, Transport::Tcp, &tcp).expect("an answer");
    assert_eq!((big.rcode, big.answer.len()), (0, 64));
    // Unbound follows the CNAME into our own zones; what it saw there is not believed.
    let denied = ask("detour.one.test", "A");
    assert_eq!(line(&denied), "REFUSED ede 15");
    assert_eq!(line(&ask("home.one.test", "A")), "NOERROR 192.0.2.80");
    // Nothing of Unbound's is left when it dies; what is known still is.
    drop(resolver);
    assert_eq!(line(&ask("one.test", "A")), "NOERROR 45.0.113.7");
    assert!(line(&ask("late.one.test", "A")).starts_with("SERVFAIL ede 2"));
}

#[test]
#[ignore = "needs unbound"]
fn when_one_unbound_dies_the_other_answers() {
    let (first, second) = (unbound(&[example_net(1)], None), unbound(&[example_net(2)], None));
    let server = serve(free_port(), &[first.address, second.address], "");
    assert_eq!(line(&server.query("one.test", "A")), "NOERROR 45.0.113.7");
    drop(first);
    assert_eq!(line(&server.query("marker.one.test", "A")), "NOERROR 45.0.113.2");
}

/// A root zone signed with a key of its own: as it is, and with one address changed after that.
fn signed_root(dir: &Path) -> (String, String, TrustAnchors) {
    let run = |command: &str, arguments: &[&str]| {
        let output = Command::new(command).args(arguments).current_dir(dir).output();
        let output = output.unwrap_or_else(|e| panic!("{command}: {e}: see tests/run"));
        assert!(output.status.success(), "{command}: {output:?}");
        String::from_utf8(output.stdout).expect("a file name")
    };
    let keygen = ["-q", "-a", "ED25519", "-f", "KSK", "-n", "ZONE", "."];
    let base = run("dnssec-keygen", &keygen).trim().to_owned();
    let key = fs::read_to_string(dir.join(format!("{base}.key"))).expect("a key");
    let key = key.lines().find(|line| !line.starts_with(';')).expect("a record").to_owned();
    let zone = format!(
        "$TTL 300\n. SOA ns.example. hm.example. 1 3600 600 604800 60\n. NS ns.example.\n\
         ns.example. A 127.0.0.1\nt.example. CNAME u.example.\nu.example. A 45.0.113.7\n{key}\n"
    );
    fs::write(dir.join("root"), zone).expect("a zone");
    run("dnssec-signzone", &["-q", "-z", "-P", "-o", ".", "-f", "signed", "root"]);
    fs::write(dir.join("key"), &key).expect("a key file");
    let signed = fs::read_to_string(dir.join("signed")).expect("a signed zone");
    let changed = signed.replace("45.0.113.7", "45.0.113.66");
    let (_, text) = key.split_once("DNSKEY ").expect("a key");
    let mut wire = Vec::new();
    rdata::from_line(48, text.as_bytes(), &[0], &mut wire).expect("a key");
    let mut anchors = TrustAnchors::empty();
    anchors.insert(&PublicKeyBuf::new(wire[4..].to_vec(), Algorithm::ED25519));
    (signed, changed, anchors)
}

fn look_up(upstream: SocketAddr, anchors: TrustAnchors, target: &str) -> Found {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let upstreams = Arc::new(Upstreams::new(&[upstream]));
    let validator = Validator::with_anchors(upstreams.clone(), anchors);
    let resolver = Resolver::new(upstreams, Some(validator), Duration::from_secs(20));
    let key = Key { target: Name::from_text(target).expect("a name"), rtype: 1 };
    runtime.expect("a runtime").block_on(resolver.resolve(&key))
}

#[test]
#[ignore = "needs unbound, dnssec-keygen and dnssec-signzone"]
fn signed_answers_hold_changed_ones_do_not() {
    let dir = tempfile::tempdir().expect("a folder");
    let (signed, changed, anchors) = signed_root(dir.path());
    let root = |text: &str| unbound(&[Known { apex: ".", text: text.to_owned() }], None);
    let (honest, lying) = (root(&signed), root(&changed));
    // With the test's own root as the anchor, first the look-ups alone.
    let found = look_up(honest.address, anchors.clone(), "t.example");
    assert_eq!((found.outcome, found.validated.is_some()), (Outcome::Addresses, true));
    assert_eq!((found.addresses.len(), found.hops.len()), (1, 1));
    let none = look_up(honest.address, anchors.clone(), "none.example");
    assert_eq!((none.outcome, none.validated.is_some()), (Outcome::NxDomain, true));
    let found = look_up(lying.address, anchors, "t.example");
    assert_eq!(found.outcome, Outcome::Failed(FailureKind::Bogus));
    // The server with this root, as a key or as the digest of one: both files as tools leave them.
    for (i, anchors) in ["key", "dsset-."].into_iter().enumerate() {
        let more = format!(
            "validate = true\ntrust_anchors = \"{}\"\n",
            dir.path().join(anchors).display()
        );
        let server = serve(free_port(), &[honest.address], &more);
        let world = "%std%\nproved ALIAS t.example.\nnone ALIAS none.example.\n";
        server.world.zone("three/three.test", world);
        server.wait_for("proved.three.test", "A", |answer| !answer.answer.is_empty());
        assert_eq!(line(&server.query("proved.three.test", "A")), "NOERROR 45.0.113.7", "{i}");
        assert_eq!(line(&server.query("none.three.test", "A")), "NOERROR ede 0");
        let server = serve(free_port(), &[lying.address], &more);
        server.world.zone("three/three.test", world);
        server.wait_for("proved.three.test", "A", |answer| {
            answer.extended_errors().iter().any(|(code, _)| *code == 6)
        });
    }
    // For a server with the real root, all of this is forged.
    let server = serve(free_port(), &[honest.address], "validate = true\n");
    let world = "%std%\nforged ALIAS t.example.\n";
    server.world.zone("three/three.test", world);
    server.wait_for("forged.three.test", "A", |answer| {
        answer.extended_errors().iter().any(|(code, _)| *code == 6)
    });
    assert_eq!(line(&server.query("forged.three.test", "A")), "SERVFAIL ede 6");
    // One that does not ask for proofs believes it.
    let server = serve(free_port(), &[honest.address], "");
    server.world.zone("three/three.test", world);
    server.wait_for("forged.three.test", "A", |answer| !answer.answer.is_empty());
}
