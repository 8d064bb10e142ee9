//! SPEC §7 from outside: a custom hostname is earned, seen at once, taken back at once, and survives a restart.

use crate::support::message::Message;
use crate::support::server::{Server, World};
use serde_json::Value;

const PROVIDER: &str = "[zones.\"saas.test\"]\nfallback_origin = \"proxy.saas.test\"\n";

fn world() -> World {
    let world = World::new();
    world.zone("saas/saas.test", "%std%proxy A 203.0.113.10\n");
    world.zone(
        "client/client.test",
        "%std%shop CNAME proxy.saas.test.\nother CNAME proxy.saas.test.\n",
    );
    world
}

/// `bailiwick … --json` beside the server, or without one.
fn run(world: &World, arguments: &[&str]) -> Result<Value, String> {
    let output = world.run(&[arguments, &["--json"][..]].concat());
    match output.status.success() {
        true => Ok(serde_json::from_slice(&output.stdout).expect("JSON")),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn create(world: &World, hostname: &str) -> Value {
    run(world, &["hostname", "create", hostname, "--zone", "saas.test"]).unwrap()
}

fn status(world: &World, hostname: &str) -> String {
    let shown = run(world, &["hostname", "show", hostname]).unwrap();
    shown["status"].as_str().unwrap().to_owned()
}

fn crosses(answer: &Message) -> bool {
    answer.answer.iter().any(|record| record.show().contains("203.0.113.10"))
}

fn reload(server: &Server, rest: &str) {
    server.world.config("", rest);
    run(&server.world, &["reload"]).unwrap();
}

#[test]
fn earned_seen_and_taken_back() {
    let server = world().start();
    assert_eq!(server.query("shop.client.test", "A").rcode_text(), "REFUSED");
    // Proved by its CNAME, but the provider is not ready: pending never routes.
    let created = create(&server.world, "shop.client.test");
    assert_eq!(created["status"], "pending", "{created:#}");
    assert_eq!(created["verification_errors"][0], "Zone does not have a fallback origin set.");
    let name = &created["ownership_verification"]["name"];
    assert_eq!(name, "_cf-custom-hostname.shop.client.test");
    assert!(!crosses(&server.query("shop.client.test", "A")));
    // With the fallback origin it is active at once, and answered with the next question.
    reload(&server, PROVIDER);
    assert_eq!(status(&server.world, "shop.client.test"), "active");
    assert!(crosses(&server.query("shop.client.test", "A")));
    assert!(!crosses(&server.query("other.client.test", "A")));
    let twice = ["hostname", "create", "shop.client.test", "--zone", "saas.test"];
    assert!(run(&server.world, &twice).unwrap_err().contains("Duplicate custom hostname found."));
    // A second one, with everything there: active before the command returns.
    let other = create(&server.world, "other.client.test");
    assert_eq!(other["status"], "active", "{other:#}");
    assert_eq!(other["last_check"]["method"], "cname");
    assert!(crosses(&server.query("other.client.test", "A")));
    let listed = run(&server.world, &["hostname", "list"]).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    // Taken back: from the next question on, and NODATA for those who serve stale data.
    run(&server.world, &["hostname", "delete", "other.client.test"]).unwrap();
    let answer = server.query("other.client.test", "A");
    assert!(!crosses(&answer) && answer.rcode_text() == "NOERROR", "{}", answer.show());
    assert!(crosses(&server.query("shop.client.test", "A")));
    let audit = run(&server.world, &["audit"]).unwrap();
    let words: Vec<_> = audit.as_array().unwrap().iter().map(|e| e["to"].as_str()).collect();
    assert!(
        words.contains(&Some("active")) && words.contains(&Some("pending_deletion")),
        "{words:?}"
    );
}

#[test]
fn verified_at_once_when_the_zone_changes() {
    let world = world();
    world.config("", PROVIDER);
    let server = world.start();
    let created = create(&server.world, "new.client.test");
    assert_eq!(created["verification_errors"][0], "custom hostname does not CNAME to this zone.");
    server.world.zone("client/client.test", "%std%new CNAME proxy.saas.test.\n");
    server.wait_for("new.client.test", "A", crosses);
    assert_eq!(status(&server.world, "new.client.test"), "active");
}

#[test]
fn a_restart_keeps_what_was_earned_and_gives_nothing_to_a_new_owner() {
    let world = world();
    world.config("", PROVIDER);
    let mut server = world.start();
    assert_eq!(create(&server.world, "shop.client.test")["status"], "active");
    // Without a server the command does it itself.
    server.terminate();
    let shown = run(&server.world, &["hostname", "show", "shop.client.test"]).unwrap();
    assert_eq!(shown["status"], "active");
    server.start_again();
    assert!(crosses(&server.query("shop.client.test", "A")));
    // Killed right behind the answer, it is still there.
    assert_eq!(create(&server.world, "other.client.test")["status"], "active");
    server.crash();
    assert!(crosses(&server.query("other.client.test", "A")));
    // The zone goes to another account while the server is down.
    server.world.remove("client/client.test");
    server.wait_for("shop.client.test", "A", |answer| answer.rcode_text() == "REFUSED");
    server.terminate();
    server.world.zone("thief/client.test", "%std%shop CNAME proxy.saas.test.\n");
    server.start_again();
    let answer = server.query("shop.client.test", "A");
    assert!(!crosses(&answer), "{}", answer.show());
}

#[test]
fn a_damaged_database_is_told_and_zones_are_served() {
    let world = world();
    world.config("", PROVIDER);
    let mut server = world.start();
    assert_eq!(create(&server.world, "shop.client.test")["status"], "active");
    server.terminate();
    let database = server.world.path("data/bailiwick.db");
    let mut octets = std::fs::read(&database).unwrap();
    octets[100..600].fill(0x55);
    std::fs::write(&database, &octets).unwrap();
    server.start_again();
    assert!(!crosses(&server.query("shop.client.test", "A")));
    assert!(crosses(&server.query("proxy.saas.test", "A")));
    let why = run(&server.world, &["hostname", "list"]).unwrap_err();
    assert!(why.contains("damaged") && why.contains("backup"), "{why}");
    assert_eq!(std::fs::read(&database).unwrap(), octets);
}
