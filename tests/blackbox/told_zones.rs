//! `bailiwick zone create|delete|list|accept`: beside a server, and without one.

use crate::support::server::World;
use serde_json::Value;

fn run(world: &World, line: &str) -> Result<Value, String> {
    let arguments: Vec<&str> = line.split(' ').chain(["--json"]).collect();
    let output = world.run(&arguments);
    match output.status.success() {
        true => Ok(serde_json::from_slice(&output.stdout).expect("JSON")),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn text(world: &World, line: &str) -> String {
    let output = world.run(&line.split(' ').collect::<Vec<_>>());
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn world() -> World {
    let world = World::new();
    world.zone("registry/parent.test", "%std%www A 192.0.2.1\n");
    world.config("nameservers = [\"ns1.host.test\"]\n", "[accounts.one]\n");
    world
}

#[test]
fn an_operator_makes_zones_and_removes_them() {
    let mut server = world().start();
    let made = text(&server.world, "zone create Shop.Test --account one");
    assert_eq!(made, "created: shop.test (account one), served\n");
    let soa = server.query("shop.test", "SOA");
    assert_eq!((soa.rcode_text().as_str(), soa.answer.len()), ("NOERROR", 1), "{}", soa.show());
    assert_eq!(server.query("shop.test", "NS").answer.len(), 1);
    let list = run(&server.world, "zone list").unwrap();
    let rows: Vec<&str> =
        list.as_array().unwrap().iter().map(|r| r["zone"].as_str().unwrap()).collect();
    assert_eq!(rows, ["shop.test", "parent.test"]);
    for (line, why) in [
        ("zone create shop.test --account one", "already exists"),
        ("zone create shop.test --account registry", "one"),
        ("zone create sub.parent.test --account one", "parent.test"),
        ("zone create parent.test --account registry", "already exists"),
        ("zone create shop.test --account nobody", "bailiwick account create nobody"),
        ("zone create co.uk --account one", "public suffix"),
        ("zone create a..b --account one", "is no zone name"),
        ("zone delete parent.test", "parent.test.zone"),
        ("zone delete none.test", "there is no zone"),
        ("zone delete shop.test --account registry", "there is no zone"),
    ] {
        let error = run(&server.world, line).unwrap_err();
        assert!(error.contains(why), "{line}: {error}");
    }
    // Kept over a crash, and with no server they are made and removed all the same.
    server.crash();
    assert_eq!(server.query("shop.test", "SOA").rcode_text(), "NOERROR");
    server.terminate();
    let made = run(&server.world, "zone create late.test --account one").unwrap();
    assert_eq!((&made["state"], &made["account"]), (&"served".into(), &"one".into()));
    assert_eq!(made["id"].as_str().unwrap().len(), 32);
    assert_eq!(text(&server.world, "zone delete shop.test"), "deleted: shop.test (account one)\n");
    server.start_again();
    assert_eq!(server.query("late.test", "SOA").rcode_text(), "NOERROR");
    assert_eq!(server.query("shop.test", "SOA").rcode_text(), "REFUSED");
    run(&server.world, "zone delete late.test").unwrap();
    assert_eq!(server.query("late.test", "SOA").rcode_text(), "REFUSED");
    let actions = run(&server.world, "audit").unwrap();
    let actions: Vec<&str> =
        actions.as_array().unwrap().iter().map(|e| e["action"].as_str().unwrap()).collect();
    for action in ["zone.deleted late.test", "zone.created late.test", "zone.deleted shop.test"] {
        assert!(actions.contains(&action), "{actions:?}");
    }
}

#[test]
fn help_shows_how() {
    let world = world();
    for line in ["zone create --help", "zone delete --help", "restore --help"] {
        assert!(text(&world, line).contains("Examples:\n  bailiwick "), "{line}");
    }
    let output = world.run(&["zone", "create", "shop.test"]);
    assert_eq!(output.status.code(), Some(2), "--account is needed");
}

#[test]
fn zones_are_listed_and_accepted_without_a_server() {
    let many: String = (0..60).map(|n| format!("host{n} A 192.0.2.1\n")).collect();
    let world = World::new();
    world.zone("one/big.test", &format!("%std%{many}"));
    world.zone("one/small.test", "%std%www A 192.0.2.1\n");
    let mut server = world.start();
    server.terminate();
    let list = run(&server.world, "zone list").unwrap();
    assert_eq!((&list[0]["zone"], &list[0]["state"]), (&"big.test".into(), &"served".into()));
    assert!(text(&server.world, "zone list").ends_with("2 zones\n"));
    let error = run(&server.world, "zone accept big.test").unwrap_err();
    assert!(error.contains("nothing is held for big.test"), "{error}");
    assert!(run(&server.world, "zone accept none.test").unwrap_err().contains("there is no zone"));
    // An edit made while no server runs is held by the next one, and can be let in before.
    server.world.zone("one/big.test", "%std%host0 A 192.0.2.1\n");
    let list = run(&server.world, "zone list").unwrap();
    assert_eq!(list[0]["state"], "held", "{list:#}");
    let accepted = text(&server.world, "zone accept big.test");
    assert!(accepted.starts_with("accepted: big.test (account one), served"), "{accepted}");
    server.start_again();
    assert_eq!(server.query("host0.big.test", "A").rcode_text(), "NOERROR");
    assert_eq!(server.query("host1.big.test", "A").rcode_text(), "NXDOMAIN");
}
