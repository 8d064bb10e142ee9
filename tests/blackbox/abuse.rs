//! SPEC §7.1: the operator's abuse list (`hostnames.blocked`) blocks custom hostnames with the next answer.

use crate::support::message::Message;
use crate::support::server::{Server, World};
use serde_json::Value;

const SAAS: &str = "[zones.\"saas.test\"]\nfallback_origin = \"proxy.saas.test\"\n";

fn world(rest: &str) -> World {
    let world = World::new();
    world.zone("saas/saas.test", "%std%proxy A 203.0.113.10\n");
    let client = "%std%shop CNAME proxy.saas.test.\nother CNAME proxy.saas.test.\n\
                  *.wild CNAME proxy.saas.test.\n";
    world.zone("client/client.test", client);
    world.config("", &format!("{SAAS}{rest}"));
    world
}

fn run(world: &World, line: &str) -> Result<Value, String> {
    let arguments: Vec<&str> = line.split(' ').chain(["--json"]).collect();
    let output = world.run(&arguments);
    match output.status.success() {
        true => Ok(serde_json::from_slice(&output.stdout).expect("JSON")),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn crosses(answer: &Message) -> bool {
    answer.answer.iter().any(|record| record.show().contains("203.0.113.10"))
}

fn create(server: &Server, hostname: &str) -> Value {
    run(&server.world, &format!("hostname create {hostname} --zone saas.test")).unwrap()
}

fn show(server: &Server, hostname: &str) -> Value {
    run(&server.world, &format!("hostname show {hostname}")).unwrap()
}

fn reload(server: &Server, rest: &str) {
    server.world.config("", &format!("{SAAS}{rest}"));
    run(&server.world, "reload").unwrap();
}

#[test]
fn what_is_on_the_list_is_blocked_until_it_is_off_and_refreshed() {
    let mut server = world("").start();
    for hostname in ["shop.client.test", "other.client.test", "*.wild.client.test"] {
        assert_eq!(create(&server, hostname)["status"], "active", "{hostname}");
    }
    assert!(crosses(&server.query("shop.client.test", "A")));
    assert!(crosses(&server.query("a.wild.client.test", "A")));

    reload(&server, "[hostnames]\nblocked = [\"Shop.client.test\"]\n");
    let denied = server.query("shop.client.test", "A");
    assert!(!crosses(&denied) && denied.answer.is_empty(), "{}", denied.show());
    assert!(crosses(&server.query("other.client.test", "A")));
    let shown = show(&server, "shop.client.test");
    assert_eq!((&shown["status"], &shown["next_check_at"]), (&"blocked".into(), &Value::Null));
    let advice = shown["advice"][0].as_object().unwrap();
    assert_eq!(advice["who"], "operator");
    assert!(advice["what"].as_str().unwrap().contains("abuse list"), "{advice:?}");
    let audit = run(&server.world, "audit").unwrap();
    assert_eq!(
        (&audit[0]["actor"], &audit[0]["to"], &audit[0]["evidence"]),
        (&"config".into(), &"blocked".into(), &"abuse".into()),
        "{audit:#}"
    );
    // As long as it is listed, neither a refresh nor a new one helps.
    run(&server.world, "hostname refresh shop.client.test").unwrap();
    assert_eq!(show(&server, "shop.client.test")["status"], "blocked");
    run(&server.world, "hostname delete shop.client.test").unwrap();
    assert_eq!(create(&server, "shop.client.test")["status"], "blocked");
    assert!(!crosses(&server.query("shop.client.test", "A")));
    // Off the list it stays blocked until somebody has it checked again.
    reload(&server, "");
    assert_eq!(show(&server, "shop.client.test")["status"], "blocked");
    assert!(!crosses(&server.query("shop.client.test", "A")));
    let refreshed = run(&server.world, "hostname refresh shop.client.test").unwrap();
    assert_eq!(refreshed["status"], "active");
    assert!(crosses(&server.query("shop.client.test", "A")));

    // The list grows while the server is down.
    server.terminate();
    server.world.config("", &format!("{SAAS}[hostnames]\nblocked = [\"*.client.test\"]\n"));
    server.start_again();
    for name in ["shop.client.test", "other.client.test", "a.wild.client.test"] {
        assert!(!crosses(&server.query(name, "A")), "{name}");
    }
    for hostname in ["shop.client.test", "other.client.test", "*.wild.client.test"] {
        assert_eq!(show(&server, hostname)["status"], "blocked", "{hostname}");
    }
}

#[test]
fn a_name_under_a_wildcard_is_barred_and_the_others_are_not() {
    let server = world("").start();
    assert_eq!(create(&server, "*.wild.client.test")["status"], "active");
    let two = "[hostnames]\nblocked = [\"bad.wild.client.test\", \"*.worse.wild.client.test\"]\n";
    reload(&server, two);
    assert_eq!(show(&server, "*.wild.client.test")["status"], "active");
    assert!(crosses(&server.query("a.wild.client.test", "A")));
    assert!(!crosses(&server.query("bad.wild.client.test", "A")));
    assert!(!crosses(&server.query("a.worse.wild.client.test", "A")));
    assert!(crosses(&server.query("worse.wild.client.test", "A")));
    assert!(crosses(&server.query("a.bad.wild.client.test", "A")));
    // Nothing is stored of it: off the list it is open again.
    reload(&server, "");
    assert!(crosses(&server.query("bad.wild.client.test", "A")));
}

#[test]
fn the_word_of_the_operator_in_grants_stands_and_a_bad_list_changes_nothing() {
    let grant = "[hostnames]\nblocked = [\"*.client.test\"]\n\
                 [[grants]]\nhostname = \"shop.client.test\"\nzone = \"saas.test\"\n";
    let server = world(grant).start();
    assert!(crosses(&server.query("shop.client.test", "A")));
    assert_eq!(create(&server, "other.client.test")["status"], "blocked");
    for bad in
        ["blocked = \"x.test\"", "blocked = [\"a..b\"]", "blocked = [\".\"]", "blocked = [1]"]
    {
        server.world.config("", &format!("{SAAS}[hostnames]\n{bad}\n"));
        assert_eq!(run(&server.world, "check").unwrap_err(), "", "{bad}");
        assert!(crosses(&server.query("shop.client.test", "A")), "{bad}");
    }
}
