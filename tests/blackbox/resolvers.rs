//! Real resolvers before the real binary: what they keep never outlives what the rule allows (SPEC §5).

use crate::support::client::{self, Ask};
use crate::support::message::Message;
use crate::support::peers::{Peer, bind_options};
use crate::support::server::{Server, World, poll};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

/// `crossing_ttl` of these worlds.
const CROSSING_TTL: Duration = Duration::from_secs(1);
/// What a resolver may add: it counts whole seconds, and PowerDNS keeps nothing for less than one.
const ROUNDING: Duration = Duration::from_secs(2);
/// How long nobody may give the address again.
const OBSERVED: Duration = Duration::from_secs(3);
const ASK_PATIENCE: Duration = Duration::from_secs(10);
const RECURSION_DESIRED: u16 = 0x100;

const HEAD: &str = "$TTL 3600\n@ 1 SOA ns1 host 1 3600 600 604800 1\n@ NS ns1\nns1 A 127.0.0.1\n";
const APEXES: [&str; 4] = ["shop.test", "saas.test", "own.test", "victim.own.test"];

/// What a resolver does with what is too old.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Stale {
    Dropped,
    /// Given at once, and asked for again behind the client's back.
    AtOnce,
    /// Given when the new answer does not come in time, or is a failure.
    OnFailure,
}

struct Resolver {
    peer: Peer,
    stale: Stale,
}

impl Resolver {
    fn ask(&self, name: &str, qtype: &str) -> Message {
        let mut ask = Ask::new(name, qtype);
        ask.flags |= RECURSION_DESIRED;
        let address = self.peer.address;
        let packet = client::udp(address, &ask.encode(7), ASK_PATIENCE);
        let packet = packet.unwrap_or_else(|| panic!("{self} is silent:\n{}", self.peer.log()));
        Message::decode(&packet).unwrap_or_else(|wrong| panic!("{self}: {wrong}"))
    }

    fn gives(&self, name: &str, address: [u8; 4]) -> bool {
        self.ask(name, "A").answer.iter().any(|rr| rr.rtype == 1 && rr.rdata == address)
    }

    /// Waits until it gives the address.
    fn learns(&self, name: &str, address: [u8; 4]) {
        let found = poll(Duration::from_secs(30), || self.gives(name, address).then_some(()));
        assert!(found.is_some(), "{self} never gives {name}: {}", self.ask(name, "A").show());
    }
}

impl std::fmt::Display for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (stale: {:?})", self.peer.name, self.stale)
    }
}

fn all(server: &Server) -> Vec<Resolver> {
    let to = server.udp[0];
    let mut all = Vec::new();
    for stale in [Stale::Dropped, Stale::AtOnce, Stale::OnFailure] {
        all.push(Resolver { peer: unbound(to, stale), stale });
        all.push(Resolver { peer: bind(to, stale), stale });
    }
    all.push(Resolver { peer: powerdns(to), stale: Stale::Dropped });
    all
}

fn unbound(to: SocketAddr, stale: Stale) -> Peer {
    let expired = match stale {
        Stale::Dropped => "serve-expired: no",
        Stale::AtOnce => "serve-expired: yes\n  serve-expired-client-timeout: 0",
        Stale::OnFailure => "serve-expired: yes\n  serve-expired-client-timeout: 1800",
    };
    Peer::start("unbound", "unbound", &["-d", "-c", "config"], |dir, port| {
        let dir = dir.display();
        let mut text = format!(
            "server:\n  interface: 127.0.0.1\n  port: {port}\n  directory: \"{dir}\"\n  \
             username: \"\"\n  chroot: \"\"\n  pidfile: \"\"\n  use-syslog: no\n  \
             logfile: \"{dir}/log\"\n  num-threads: 1\n  do-not-query-localhost: no\n  \
             module-config: \"iterator\"\n  local-zone: \"test.\" nodefault\n  {expired}\n\
             remote-control:\n  control-enable: no\n"
        );
        for apex in APEXES {
            let (ip, port) = (to.ip(), to.port());
            text += &format!("stub-zone:\n  name: \"{apex}\"\n  stub-addr: {ip}@{port}\n");
        }
        text
    })
}

fn bind(to: SocketAddr, stale: Stale) -> Peer {
    let kept = match stale {
        Stale::Dropped => "stale-cache-enable no; stale-answer-enable no;",
        Stale::AtOnce => {
            "stale-cache-enable yes; stale-answer-enable yes; stale-answer-client-timeout 0; \
             stale-refresh-time 0;"
        }
        Stale::OnFailure => {
            "stale-cache-enable yes; stale-answer-enable yes; stale-answer-client-timeout off; \
             stale-refresh-time 1;"
        }
    };
    Peer::start("bind", "named", &["-f", "-n", "1", "-c", "config"], |dir, port| {
        // The port of the options is also the one that is asked.
        let (ip, asked) = (to.ip(), to.port());
        let more = format!("port {asked}; recursion yes; empty-zones-enable no; {kept}");
        let mut text = bind_options(dir, port, &more);
        for apex in APEXES {
            text += &format!(
                "zone \"{apex}\" {{ type static-stub; server-addresses {{ {ip}; }}; }};\n"
            );
        }
        text
    })
}

fn powerdns(to: SocketAddr) -> Peer {
    let arguments = ["--config-dir=."];
    Peer::start("powerdns", "pdns_recursor", &arguments, |dir, port| {
        let zones = APEXES.map(|apex| format!("{apex}={to}")).join(",");
        let text = format!(
            "local-address=127.0.0.1\nlocal-port={port}\nsocket-dir={}\ndaemon=no\n\
             disable-syslog=yes\nthreads=1\ndont-query=\ndnssec=off\nhint-file=no\n\
             security-poll-suffix=\nexport-etc-hosts=no\nforward-zones={zones}\n",
            dir.display()
        );
        write_for_powerdns(dir, &text);
        text
    })
}

/// The config under the names of old versions and, as they are said there, of new ones.
fn write_for_powerdns(dir: &Path, text: &str) {
    fs::write(dir.join("recursor.conf"), text).expect("a config");
}

fn world(grants: &[&str]) -> World {
    let world = World::new();
    world.zone(
        "customer/shop.test",
        &format!(
            "{HEAD}app CNAME origin.saas.test.\nrogue CNAME origin.saas.test.\n\
             *.wild CNAME origin.saas.test.\nd DNAME saas.test.\nhop CNAME app\n\
             up DNAME own.test.\nwww A 192.0.2.10\n"
        ),
    );
    world.zone(
        "saas/saas.test",
        &format!(
            "{HEAD}origin A 203.0.113.10\n       AAAA 2001:db8:53::10\nother A 203.0.113.11\n"
        ),
    );
    world.zone(
        "customer/own.test",
        &format!("{HEAD}www A 192.0.2.20\nvictim NS ns1.victim\nns1.victim A 127.0.0.1\n"),
    );
    world.zone("saas/victim.own.test", &format!("{HEAD}www A 203.0.113.20\n"));
    configure(&world, grants);
    world
}

fn configure(world: &World, grants: &[&str]) {
    let mut rest = format!(
        "[policy]\ncrossing_ttl = {}\n\
         [zones.\"own.test\"]\ndelegates = {{ \"victim.own.test\" = \"saas\" }}\n",
        CROSSING_TTL.as_secs()
    );
    for hostname in grants {
        rest += &format!("[[grants]]\nhostname = \"{hostname}\"\nzone = \"saas.test\"\n");
    }
    world.config("", &rest);
}

const ORIGIN: [u8; 4] = [203, 0, 113, 10];
const OTHER: [u8; 4] = [203, 0, 113, 11];

/// Whether anything of the other account is in an answer.
fn leaks(answer: &Message) -> bool {
    let foreign = |rdata: &[u8]| {
        rdata.starts_with(&[203, 0, 113]) || rdata.starts_with(&[0x20, 1, 0x0d, 0xb8, 0, 0x53])
    };
    answer.records().any(|rr| matches!(rr.rtype, 1 | 28) && foreign(&rr.rdata))
}

#[test]
#[ignore = "needs unbound, named, pdns_recursor"]
fn what_was_never_granted_never_resolves() {
    let server = world(&[]).start();
    for resolver in all(&server) {
        // The target itself is everybody's to know, and so it is in the cache.
        resolver.learns("origin.saas.test", ORIGIN);
        for name in ["rogue.shop.test", "x.wild.shop.test", "origin.d.shop.test", "hop.shop.test"] {
            for qtype in ["CNAME", "A", "AAAA", "A", "HTTPS", "CNAME", "A"] {
                let answer = resolver.ask(name, qtype);
                assert!(!leaks(&answer), "{resolver} {name} {qtype}:\n{}", answer.show());
            }
        }
        let answer = resolver.ask("d.shop.test", "DNAME");
        assert!(answer.answer.is_empty(), "{resolver} d DNAME:\n{}", answer.show());
        assert!(resolver.gives("www.shop.test", [192, 0, 2, 10]), "{resolver}");
    }
}

#[test]
#[ignore = "needs unbound, named, pdns_recursor"]
fn a_withdrawn_grant_is_forgotten() {
    let granted = ["app.shop.test", "*.wild.shop.test", "*.d.shop.test"];
    let names = [
        ("app.shop.test", ORIGIN),
        ("x.wild.shop.test", ORIGIN),
        ("origin.d.shop.test", ORIGIN),
        ("other.d.shop.test", OTHER),
    ];
    let server = world(&granted).start();
    let resolvers = all(&server);
    for resolver in &resolvers {
        resolver.learns("origin.saas.test", ORIGIN);
        for (name, address) in names {
            resolver.ask(name, "CNAME");
            resolver.learns(name, address);
        }
        resolver.ask("d.shop.test", "DNAME");
    }
    configure(&server.world, &[]);
    server.hangup();
    for (name, _) in names {
        server.wait_for(name, "A", |answer| answer.answer.is_empty());
    }
    let withdrawn = Instant::now();
    for resolver in &resolvers {
        forgets(resolver, withdrawn, &names);
    }
    // And a grant that comes again is seen again.
    configure(&server.world, &granted);
    server.hangup();
    for resolver in &resolvers {
        names.iter().for_each(|(name, address)| resolver.learns(name, *address));
    }
}

/// Asks on and on: the address is gone once its TTL is over, for good.
fn forgets(resolver: &Resolver, withdrawn: Instant, names: &[(&str, [u8; 4])]) {
    let mut stale_given = vec![0; names.len()];
    let until = withdrawn + CROSSING_TTL + ROUNDING;
    let observed = until.max(Instant::now()) + OBSERVED;
    while Instant::now() < observed {
        for (i, (name, _)) in names.iter().enumerate() {
            let asked = Instant::now();
            let answer = resolver.ask(name, "A");
            if !leaks(&answer) || asked < until {
                continue;
            }
            stale_given[i] += 1;
            // Who gives stale answers at once gives one before it asks again.
            let allowed = if resolver.stale == Stale::AtOnce { 1 } else { 0 };
            assert!(
                stale_given[i] <= allowed,
                "{resolver} still gives {name} {:?} after it was withdrawn:\n{}",
                withdrawn.elapsed(),
                answer.show()
            );
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A DNAME above a zone of somebody else: a resolver that keeps it makes names in that zone without asking.
#[test]
#[ignore = "needs unbound, named, pdns_recursor"]
fn nobody_makes_names_in_a_foreign_zone_from_a_dname() {
    let server = world(&[]).start();
    for resolver in all(&server) {
        resolver.learns("www.victim.own.test", [203, 0, 113, 20]);
        for _ in 0..5 {
            resolver.ask("up.shop.test", "DNAME");
            assert!(resolver.gives("www.up.shop.test", [192, 0, 2, 20]), "{resolver}");
            let answer = resolver.ask("www.victim.up.shop.test", "A");
            assert!(!leaks(&answer), "{resolver}:\n{}", answer.show());
        }
    }
}
