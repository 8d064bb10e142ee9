//! What an operator does at the command line with accounts, zones, fallback origins and holds: beside a server, without
//! one, and by several at once.

use crate::support::message::Message;
use crate::support::server::{Server, World};
use serde_json::Value;

fn world() -> World {
    let world = World::new();
    world.zone("saas/saas.test", "%std%proxy A 203.0.113.10\nempty TXT none\n");
    world.zone(
        "client/client.test",
        "%std%shop CNAME proxy.saas.test.\nother CNAME proxy.saas.test.\n",
    );
    world
}

/// `bailiwick … --json` beside the server, or without one.
fn run(world: &World, line: &str) -> Result<Value, String> {
    let arguments: Vec<&str> = line.split(' ').chain(["--json"]).collect();
    let output = world.run(&arguments);
    match output.status.success() {
        true => Ok(serde_json::from_slice(&output.stdout).expect("JSON")),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// The same for people.
fn text(world: &World, line: &str) -> String {
    let arguments: Vec<&str> = line.split(' ').collect();
    let output = world.run(&arguments);
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn crosses(answer: &Message) -> bool {
    answer.answer.iter().any(|record| record.show().contains("203.0.113.10"))
}

const CREATE: &str = "hostname create shop.client.test --zone saas.test";
const SET: &str = "zone fallback set saas.test proxy.saas.test";

#[test]
fn a_fallback_origin_opens_what_waits_for_it() {
    let mut server = world().start();
    let created = text(&server.world, CREATE);
    for part in [
        "shop.client.test -> saas.test: pending",
        "because     Zone does not have a fallback origin set.",
        "to do       provider: set the name in saas.test that custom hostnames lead to: \
         bailiwick zone fallback set saas.test NAME",
        "proof       CNAME: that part is done",
        "saw         CNAME shop.client.test -> proxy.saas.test",
        "(1 of 75), and when a zone here changes",
    ] {
        assert!(created.contains(part), "{part}:\n{created}");
    }
    assert!(run(&server.world, "zone fallback show saas.test").unwrap_err().contains("has no"));
    // A name without a record: told at once, and by the hostname too.
    let origin = run(&server.world, "zone fallback set saas.test empty.saas.test").unwrap();
    assert_eq!((&origin["status"], &origin["zone"]), (&"initializing".into(), &"saas.test".into()));
    let shown = text(&server.world, "hostname show shop.client.test");
    assert!(shown.contains("Fallback origin is in a status of initializing."), "{shown}");
    assert!(shown.contains("give empty.saas.test an A, AAAA or CNAME record"), "{shown}");
    assert!(!crosses(&server.query("shop.client.test", "A")));
    assert_eq!(run(&server.world, SET).unwrap()["status"], "active");
    assert!(crosses(&server.query("shop.client.test", "A")));
    assert!(text(&server.world, "hostname show shop.client.test").contains("It is let in."));
    // It is kept over a restart, and without a server it is the same.
    server.terminate();
    assert_eq!(run(&server.world, "zone fallback show saas.test").unwrap()["status"], "active");
    server.start_again();
    assert!(crosses(&server.query("shop.client.test", "A")));
    let gone = run(&server.world, "zone fallback delete saas.test").unwrap();
    assert_eq!(gone["status"], "pending_deletion");
    let errors = run(&server.world, "hostname create other.client.test --zone saas.test").unwrap();
    let first = &errors["verification_errors"][0];
    assert_eq!(first, "Zone does not have a fallback origin set.", "{errors:#}");
    for wrong in [
        "zone fallback set saas.test proxy.client.test",
        "zone fallback set nobody.test a.nobody.test",
        "zone fallback set saas.test a..b",
        "zone fallback delete saas.test",
    ] {
        assert!(run(&server.world, wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_the_config_says_is_changed_there() {
    let world = world();
    world.config("", "[zones.\"saas.test\"]\nfallback_origin = \"proxy.saas.test\"\n");
    let server = world.start();
    let error = run(&server.world, "zone fallback set saas.test ns1.saas.test").unwrap_err();
    assert!(error.contains("config"), "{error}");
    assert!(run(&server.world, "zone fallback delete saas.test").unwrap_err().contains("config"));
    let shown = text(&server.world, "zone fallback show saas.test");
    assert_eq!(shown, "proxy.saas.test, active (set in the config)\n");
}

#[test]
fn a_hold_keeps_others_away_until_it_is_released() {
    let server = world().start();
    run(&server.world, SET).unwrap();
    assert_eq!(run(&server.world, CREATE).unwrap()["status"], "active");
    let held = run(&server.world, "zone hold client.test --subdomains").unwrap();
    assert_eq!((&held["hold"], &held["include_subdomains"]), (&true.into(), &true.into()));
    // What was let in is blocked with the next answer.
    assert!(!crosses(&server.query("shop.client.test", "A")));
    let shown = text(&server.world, "hostname show shop.client.test");
    assert!(shown.contains(": blocked\n") && shown.contains("associated with a held zone"));
    assert!(shown.contains("owner: release the hold of the zone that encloses"), "{shown}");
    let later = run(&server.world, "zone unhold client.test --until 2199-01-01").unwrap();
    assert_eq!(later["hold"], false);
    assert_eq!(later["hold_after"], "2199-01-01T00:00:00Z");
    // Blocked ends with a refresh, and not by itself.
    assert!(!crosses(&server.query("shop.client.test", "A")));
    assert_eq!(
        run(&server.world, "hostname refresh shop.client.test").unwrap()["status"],
        "active"
    );
    assert!(crosses(&server.query("shop.client.test", "A")));
    assert_eq!(run(&server.world, "zone unhold client.test").unwrap()["hold"], false);
    assert!(run(&server.world, "zone unhold client.test").unwrap_err().contains("has no hold"));
    for wrong in ["zone unhold saas.test --until yesterday", "zone hold nobody.test"] {
        assert!(run(&server.world, wrong).is_err(), "{wrong}");
    }
    run(&server.world, "zone hold saas.test").unwrap();
    let zone = run(&server.world, "zone show saas.test").unwrap();
    assert_eq!((&zone["state"], &zone["hold"]["hold"]), (&"served".into(), &true.into()));
    let past = run(&server.world, "zone unhold saas.test --until 2001-01-01").unwrap_err();
    assert!(past.contains("has passed"), "{past}");
}

#[test]
fn accounts_are_made_kept_and_removed() {
    let mut server = world().start();
    let made = run(&server.world, "account create later").unwrap();
    assert_eq!((&made["name"], &made["made_here"]), (&"later".into(), &true.into()));
    assert!(run(&server.world, "account create later").unwrap_err().contains("already"));
    assert!(run(&server.world, "account create Up.per").unwrap_err().contains("no account name"));
    server.restart();
    server.hangup();
    let names = |server: &Server| -> Vec<String> {
        let list = run(&server.world, "account list").unwrap();
        let names = list.as_array().unwrap().iter().map(|a| a["name"].as_str().unwrap().to_owned());
        names.collect()
    };
    assert_eq!(names(&server), ["client", "later", "saas"]);
    let token = run(&server.world, "token create --account later").unwrap();
    assert_eq!(run(&server.world, "token list").unwrap().as_array().unwrap().len(), 1, "{token}");
    run(&server.world, "account delete later").unwrap();
    assert_eq!(names(&server), ["client", "saas"]);
    assert_eq!(run(&server.world, "token list").unwrap().as_array().unwrap().len(), 0);
    assert!(run(&server.world, "account delete later").unwrap_err().contains("no account"));
    assert!(run(&server.world, "account delete saas").unwrap_err().contains("folder"));
    assert_eq!(text(&server.world, "account show saas"), "saas\n  zones    saas.test\n");
    server.terminate();
    run(&server.world, "account create offline").unwrap();
    server.start_again();
    assert_eq!(names(&server), ["client", "offline", "saas"]);
}

#[test]
fn a_look_beside_the_schedule() {
    let server = world().start();
    run(&server.world, SET).unwrap();
    let created = run(&server.world, "hostname create new.client.test --zone saas.test").unwrap();
    assert_eq!(created["status"], "pending", "{created:#}");
    let verified = run(&server.world, "hostname verify new.client.test").unwrap();
    assert_eq!(verified["status"], "pending");
    let kept = ["attempts", "ownership_verification", "next_check_at"];
    assert!(kept.iter().all(|key| verified[key] == created[key]), "{verified:#}\n{created:#}");
    assert_eq!(verified["advice"][0]["who"], "owner");
}

#[test]
fn commands_at_once_and_a_server_that_starts_and_ends_lose_nothing() {
    let mut server = world().start();
    run(&server.world, SET).unwrap();
    server.terminate();
    // Each either does it, or says that another has the folder; nothing is half done.
    let made: Vec<String> = std::thread::scope(|scope| {
        let world = &server.world;
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                scope.spawn(move || {
                    let mut made = Vec::new();
                    for n in 0..6 {
                        let name = format!("w{worker}n{n}.client.test");
                        let line = format!("hostname create {name} --zone saas.test");
                        match run(world, &line) {
                            Ok(_) => made.push(name),
                            Err(error) => {
                                let told = ["in use by another", "no server runs", "is ending"];
                                let told = told.iter().any(|words| error.contains(words));
                                assert!(told || error.contains("did not answer"), "{error}");
                            }
                        }
                    }
                    made
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(!made.is_empty());
    server.start_again();
    let list = run(&server.world, "hostname list").unwrap();
    let mut listed: Vec<&str> =
        list.as_array().unwrap().iter().map(|h| h["hostname"].as_str().unwrap()).collect();
    let mut made: Vec<&str> = made.iter().map(String::as_str).collect();
    listed.sort();
    made.sort();
    assert_eq!(listed, made, "what was acknowledged is there, and nothing else");
    // A second server on the folder is refused while the first one runs.
    let second = server.world.run(&["serve"]);
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("in use"));
    assert_eq!(run(&server.world, "hostname list").unwrap(), list);
}

#[test]
fn a_restore_brings_back_objects_and_no_rights() {
    let mut server = world().start();
    run(&server.world, SET).unwrap();
    let token = |created: &Value| created["ownership_verification"]["value"].clone();
    let created = run(&server.world, CREATE).unwrap();
    run(&server.world, "hostname create www.elsewhere-shop.com --zone saas.test").unwrap();
    run(&server.world, "token create --operator").unwrap();
    let backup = run(&server.world, "backup saved.db").unwrap();
    assert!(backup["octets"].as_u64().unwrap() > 4_096);
    let mode = std::fs::metadata(server.world.path("saved.db")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o600);
    assert!(run(&server.world, "backup saved.db").unwrap_err().contains("cannot write"));
    // Revoked since: that never goes back, although its CNAME stands there.
    run(&server.world, "hostname delete shop.client.test").unwrap();
    run(&server.world, "zone fallback delete saas.test").unwrap();
    let restored = run(&server.world, "restore saved.db").unwrap();
    assert_eq!((&restored["hostnames"], &restored["left_out"]), (&0.into(), &2.into()));
    assert!(run(&server.world, "hostname show shop.client.test").is_err());
    assert!(run(&server.world, "zone fallback show saas.test").is_err());
    assert!(!crosses(&server.query("shop.client.test", "A")));
    // Into a folder that is lost: zones are known by their names, and nothing is let in that is not proved again.
    server.terminate();
    std::fs::remove_dir_all(server.world.path("data")).unwrap();
    server.world.zone("a/first.test", "%std%");
    server.world.zone("client/client.test", "%std%shop A 192.0.2.1\n");
    server.start_again();
    let trial = run(&server.world, "restore saved.db --dry-run").unwrap();
    assert_eq!(run(&server.world, "hostname list").unwrap(), serde_json::json!([]));
    let restored = run(&server.world, "restore saved.db").unwrap();
    assert_eq!((&restored["hostnames"], &restored["fallback_origins"]), (&2.into(), &1.into()));
    assert_eq!((&trial["hostnames"], &trial["dry_run"]), (&2.into(), &true.into()));
    let shown = run(&server.world, "hostname show shop.client.test").unwrap();
    assert_eq!(shown["status"], "pending");
    assert_ne!(token(&shown), token(&created));
    server.world.zone("client/client.test", "%std%shop CNAME proxy.saas.test.\n");
    server.wait_for("shop.client.test", "A", crosses);
    // Taken away again, it stays away, in this store too.
    run(&server.world, "hostname delete shop.client.test").unwrap();
    assert_eq!(run(&server.world, "restore saved.db").unwrap()["hostnames"], 0);
    assert!(run(&server.world, "hostname show shop.client.test").is_err());
    assert_eq!(run(&server.world, "token list").unwrap(), serde_json::json!([]));
    let list = run(&server.world, "hostname list --zone saas.test").unwrap();
    assert_eq!(list.as_array().unwrap().len(), 1, "{list:#}");
    assert_eq!(
        run(&server.world, "hostname list --zone first.test").unwrap(),
        serde_json::json!([])
    );
    // Without a server, and what is no backup.
    server.terminate();
    let again = run(&server.world, "restore saved.db").unwrap();
    assert_eq!((&again["hostnames"], &again["left_out"]), (&0.into(), &1.into()));
    assert!(run(&server.world, "restore config.toml").unwrap_err().contains("cannot be restored"));
    assert!(run(&server.world, "restore nothing.db").unwrap_err().contains("cannot be restored"));
    for copy in ["data/restore.db", "data/restore-trial.db"] {
        assert!(!server.world.path(copy).exists());
    }
}
