//! SPEC §7.4 on the wire: names under a zone hold of somebody else are matched by no wildcard of a provider, by
//! whatever record they lead there; and what a hold blocked stays blocked until it is asked for again.

use crate::support::message::Message;
use crate::support::server::{Server, World};
use serde_json::Value;

/// Records of the client, each of which leads to the provider in another way.
const CLIENT: &str = "%std%plain CNAME proxy.saas.test.\n*.wild CNAME proxy.saas.test.\n\
    tree DNAME proxy.saas.test.\nalias ALIAS proxy.saas.test.\n\
    flat CNAME proxy.saas.test. ; bw-flatten\ninner CNAME plain\nsvc HTTPS 1 proxy.saas.test.\n";
/// A question for each of them.
const QUESTIONS: [(&str, &str); 7] = [
    ("plain.client.test", "A"),
    ("any.wild.client.test", "A"),
    ("www.tree.client.test", "A"),
    ("alias.client.test", "A"),
    ("flat.client.test", "A"),
    ("inner.client.test", "A"),
    ("svc.client.test", "HTTPS"),
];
const PROVIDER: &str = "[zones.\"saas.test\"]\nfallback_origin = \"proxy.saas.test\"\n";

fn world(grants: &[&str]) -> World {
    let world = World::new();
    world.zone("saas/saas.test", "%std%proxy A 203.0.113.10\nwww.proxy A 203.0.113.10\n");
    world.zone("client/client.test", &format!("{CLIENT}@ ALIAS proxy.saas.test.\n"));
    let grants: String = grants
        .iter()
        .map(|hostname| format!("[[grants]]\nhostname = \"{hostname}\"\nzone = \"saas.test\"\n"))
        .collect();
    world.config("", &format!("{PROVIDER}{grants}"));
    world
}

fn run(world: &World, line: &str) -> Value {
    let arguments: Vec<&str> = line.split(' ').chain(["--json"]).collect();
    let output = world.run(&arguments);
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn crosses(answer: &Message) -> bool {
    let leads = |text: &str| text.contains("203.0.113.10") || text.contains("proxy.saas.test");
    answer.answer.iter().any(|record| leads(&record.show()))
}

/// Which of the questions are answered across.
fn across(server: &Server) -> Vec<&'static str> {
    let asked = QUESTIONS.into_iter();
    asked
        .filter(|(name, qtype)| crosses(&server.query(name, qtype)))
        .map(|(name, _)| name)
        .collect()
}

fn all() -> Vec<&'static str> {
    QUESTIONS.into_iter().map(|(name, _)| name).collect()
}

const WILDCARDS: [&str; 3] = ["*.client.test", "*.wild.client.test", "*.tree.client.test"];

#[test]
fn a_hold_with_subdomains_keeps_every_kind_of_edge_from_wildcards() {
    let server = world(&WILDCARDS).start();
    assert_eq!(across(&server), all());
    run(&server.world, "zone hold client.test --subdomains");
    assert_eq!(across(&server), [""; 0]);
    // Suspended, it is as if there were none; and so when it is gone.
    run(&server.world, "zone unhold client.test --until 2199-01-01");
    assert_eq!(across(&server), all());
    run(&server.world, "zone hold client.test --subdomains");
    assert_eq!(across(&server), [""; 0]);
    run(&server.world, "zone unhold client.test");
    assert_eq!(across(&server), all());
}

#[test]
fn a_hold_without_subdomains_keeps_the_apex_alone() {
    let world = world(&WILDCARDS);
    // The apex below another zone of the same account: a wildcard above matches it.
    world.zone(
        "client/shop.client.test",
        "%std%@ ALIAS proxy.saas.test.\nin CNAME proxy.saas.test.\n",
    );
    let mut server = world.start();
    assert!(crosses(&server.query("shop.client.test", "A")));
    run(&server.world, "zone hold shop.client.test");
    assert!(!crosses(&server.query("shop.client.test", "A")));
    assert!(crosses(&server.query("in.shop.client.test", "A")), "below it nothing is held");
    assert_eq!(across(&server), all(), "nor beside it");
    server.restart();
    assert!(!crosses(&server.query("shop.client.test", "A")), "over a restart too");
    assert!(crosses(&server.query("in.shop.client.test", "A")));
    // A hold of the zone above, with subdomains, holds what lies in the zone below as well.
    run(&server.world, "zone hold client.test --subdomains");
    assert!(!crosses(&server.query("in.shop.client.test", "A")));
}

#[test]
fn a_hold_is_no_denial_of_what_was_granted_by_name_or_to_oneself() {
    let exact = ["plain.client.test", "alias.client.test", "client.test"];
    let mut grants = exact.to_vec();
    grants.push("*.saas.test");
    let world = world(&grants);
    world.zone("other/other.test", "%std%www CNAME proxy.saas.test.\n");
    let server = world.start();
    run(&server.world, "zone hold client.test --subdomains");
    for name in exact {
        assert!(crosses(&server.query(name, "A")), "{name} is the operator's word, and exact");
    }
    // Hidden behind an alias or a CNAME, the edge is the granted name's own.
    assert!(crosses(&server.query("inner.client.test", "A")));
    assert!(!crosses(&server.query("flat.client.test", "A")));
    // The provider's own hold keeps nobody from its own names.
    run(&server.world, "zone hold saas.test --subdomains");
    assert!(crosses(&server.query("plain.client.test", "A")));
    assert!(!crosses(&server.query("www.other.test", "A")));
}

fn status(server: &Server, hostname: &str) -> String {
    let shown = run(&server.world, &format!("hostname show {hostname}"));
    shown["status"].as_str().unwrap().to_owned()
}

#[test]
fn a_wildcard_custom_hostname_against_a_held_name() {
    let world = world(&[]);
    world
        .zone("client/client.test", "%std%* CNAME proxy.saas.test.\nshop CNAME proxy.saas.test.\n");
    let mut server = world.start();
    let create = |server: &Server, hostname: &str| {
        let line = format!("hostname create {hostname} --zone saas.test");
        run(&server.world, &line)["status"].as_str().unwrap().to_owned()
    };
    let crossing = |server: &Server, name: &str| crosses(&server.query(name, "A"));
    assert_eq!(create(&server, "*.client.test"), "active");
    assert_eq!(create(&server, "shop.client.test"), "active");
    assert!(crossing(&server, "shop.client.test") && crossing(&server, "x.client.test"));
    // Held: what was active is blocked, from the next question on, and nothing new begins.
    run(&server.world, "zone hold client.test --subdomains");
    assert_eq!(status(&server, "*.client.test"), "blocked");
    assert_eq!(status(&server, "shop.client.test"), "blocked");
    assert_eq!(create(&server, "new.client.test"), "blocked");
    let none = |server: &Server| {
        ["shop.client.test", "x.client.test", "new.client.test"].map(|n| crossing(server, n))
    };
    assert_eq!(none(&server), [false; 3]);
    server.crash();
    assert_eq!(none(&server), [false; 3]);
    // Released, a blocked hostname waits until it is asked for again.
    run(&server.world, "zone unhold client.test");
    assert_eq!(none(&server), [false; 3]);
    assert_eq!(run(&server.world, "hostname refresh *.client.test")["status"], "active");
    // An exact name that is blocked is denied under the active wildcard, over a restart too.
    assert_eq!(none(&server), [false, true, false]);
    server.restart();
    assert_eq!(none(&server), [false, true, false]);
    assert_eq!(run(&server.world, "hostname refresh shop.client.test")["status"], "active");
    assert_eq!(none(&server), [true, true, false]);
}

#[test]
fn a_name_that_was_withdrawn_before_is_what_it_is_now_after_a_restart() {
    let world = world(&[]);
    world.zone("client/client.test", "%std%* CNAME proxy.saas.test.\n");
    let mut server = world.start();
    let say = |server: &Server, what: &str| run(&server.world, &format!("hostname {what}"));
    let crossing = |server: &Server| crosses(&server.query("shop.client.test", "A"));
    say(&server, "create *.client.test --zone saas.test");
    for _ in 0..2 {
        say(&server, "create shop.client.test --zone saas.test");
        say(&server, "delete shop.client.test");
    }
    // Withdrawn: the wildcard lets it across again.
    assert!(crossing(&server));
    run(&server.world, "zone hold client.test --subdomains");
    let made = say(&server, "create shop.client.test --zone saas.test");
    assert_eq!(made["status"], "blocked");
    run(&server.world, "zone unhold client.test");
    assert_eq!(say(&server, "refresh *.client.test")["status"], "active");
    for _ in 0..2 {
        assert!(!crossing(&server), "blocked by its exact name");
        server.restart();
    }
    assert_eq!(say(&server, "refresh shop.client.test")["status"], "active");
    say(&server, "delete *.client.test");
    for _ in 0..2 {
        assert!(crossing(&server), "granted by its exact name");
        server.restart();
    }
}
