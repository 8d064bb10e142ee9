//! SPEC §9: a restore brings back records of the very zones they were taken from, judged like new writes, and nothing
//! that allows something.

use crate::support::http::Client;
use crate::support::message::Message;
use crate::support::server::{Server, World};
use serde_json::{Value, json};

const CONFIG: &str = "[api]\nlisten = \"127.0.0.1:0\"\n";
const NAMESERVERS: &str = "nameservers = [\"ns1.host.test\", \"ns2.host.test\"]\n";

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

/// A server with the API zones `shop.test` of `client` and `other.test` of `other`.
fn server(rest: &str) -> Server {
    let world = World::new();
    world.zone("saas/saas.test", "%std%proxy A 203.0.113.10\n");
    world.config(NAMESERVERS, &format!("{CONFIG}{rest}"));
    let server = world.start();
    for account in ["client", "other"] {
        run(&server.world, &format!("account create {account}")).unwrap();
        let zone = if account == "client" { "shop.test" } else { "other.test" };
        let line = format!("zone create {zone} --account {account}");
        assert_eq!(run(&server.world, &line).unwrap()["state"], "served");
    }
    server
}

struct Zone {
    client: Client,
    path: String,
}

impl Zone {
    fn of(server: &Server, account: &str) -> Zone {
        let client = Client::new(server, Some(account));
        let id = client.get("/client/v4/zones").result()[0]["id"].as_str().unwrap().to_owned();
        Zone { client, path: format!("/client/v4/zones/{id}/dns_records") }
    }

    fn put(&self, rtype: &str, name: &str, content: &str) -> String {
        let body = json!({ "type": rtype, "name": name, "content": content, "ttl": 300 });
        self.client.post(&self.path, &body).result()["id"].as_str().unwrap().to_owned()
    }

    fn delete(&self, id: &str) {
        let gone = self.client.ask("DELETE", &format!("{}/{id}", self.path), None);
        assert_eq!(gone.status, 200);
    }

    fn change(&self, id: &str, content: &str) {
        let body = json!({ "content": content });
        let done = self.client.ask("PATCH", &format!("{}/{id}", self.path), Some(&body));
        assert_eq!(done.status, 200);
    }
}

fn addresses(answer: &Message) -> String {
    let shown: Vec<String> = answer.answer.iter().map(|record| record.show()).collect();
    shown.join("\n")
}

fn of<'v>(report: &'v Value, zone: &str) -> &'v Value {
    let zones = report["records"].as_array().unwrap();
    zones.iter().find(|z| z["zone"] == zone).unwrap_or_else(|| panic!("{zone}: {report:#}"))
}

#[test]
fn records_come_back_and_what_was_written_since_stays() {
    let mut server = server("");
    let zone = Zone::of(&server, "client");
    let kept = zone.put("A", "kept", "192.0.2.1");
    let changed = zone.put("A", "changed", "192.0.2.2");
    let deleted = zone.put("A", "deleted", "192.0.2.3");
    let replaced = zone.put("A", "replaced", "192.0.2.4");
    let backup = run(&server.world, "backup saved.db").unwrap();
    assert!(backup["octets"].as_u64().unwrap() > 0);
    zone.change(&changed, "198.51.100.2");
    zone.delete(&deleted);
    zone.delete(&replaced);
    zone.put("CNAME", "replaced", "kept.shop.test");
    zone.put("A", "new", "192.0.2.9");

    let trial = run(&server.world, "restore saved.db --dry-run").unwrap();
    assert_eq!((&trial["dry_run"], &trial["same_store"]), (&true.into(), &true.into()));
    let told = of(&trial, "shop.test");
    let numbers = |told: &Value| {
        ["restored", "there", "changed_since", "left_out"].map(|key| told[key].as_u64().unwrap())
    };
    assert_eq!(numbers(told), [1, 1, 1, 1], "{told:#}");
    let left_out = &told["left_out_records"][0];
    assert_eq!((&left_out["name"], &left_out["type"]), (&"replaced.shop.test".into(), &"A".into()));
    assert!(left_out["why"].as_str().unwrap().contains("CNAME"), "{left_out}");
    assert!(server.query("deleted.shop.test", "A").answer.is_empty(), "a dry run changes nothing");

    let said = text(&server.world, "restore saved.db");
    assert!(
        said.starts_with("restored: 1 record\n  shop.test (account client): 1 restored"),
        "{said}"
    );
    assert!(addresses(&server.query("deleted.shop.test", "A")).contains("192.0.2.3"));
    assert!(addresses(&server.query("changed.shop.test", "A")).contains("198.51.100.2"));
    assert!(addresses(&server.query("new.shop.test", "A")).contains("192.0.2.9"));
    // Once more there is nothing to do; also without a server, and it is on disk.
    server.terminate();
    let again = run(&server.world, "restore saved.db").unwrap();
    assert_eq!(numbers(of(&again, "shop.test")), [0, 2, 1, 1]);
    server.start_again();
    assert!(addresses(&server.query("deleted.shop.test", "A")).contains("192.0.2.3"));

    // Exactly as it was then.
    let exact = run(&server.world, "restore saved.db --exact").unwrap();
    assert_eq!(of(&exact, "shop.test")["left_out"], 0, "{exact:#}");
    assert!(addresses(&server.query("changed.shop.test", "A")).contains("192.0.2.2"));
    assert!(addresses(&server.query("replaced.shop.test", "A")).contains("192.0.2.4"));
    assert!(server.query("new.shop.test", "A").answer.is_empty());
    assert!(addresses(&server.query("kept.shop.test", "A")).contains("192.0.2.1"));
    let listed = Zone::of(&server, "client");
    let listed = listed.client.get(&listed.path).result();
    assert!(listed.as_array().unwrap().iter().any(|r| r["id"] == kept.as_str()), "{listed:#}");
}

#[test]
fn what_comes_back_is_judged_like_a_new_write() {
    let fallback = "[zones.\"saas.test\"]\nfallback_origin = \"proxy.saas.test\"\n";
    let mut server = server(fallback);
    run(&server.world, "hostname create www.shop.test --zone saas.test").unwrap();
    let zone = Zone::of(&server, "client");
    let crossing = zone.put("CNAME", "www", "proxy.saas.test");
    let plain = zone.put("A", "plain", "192.0.2.1");
    server.wait_for("www.shop.test", "A", |a| addresses(a).contains("203.0.113.10"));
    run(&server.world, "backup saved.db").unwrap();
    // The grant is revoked, the records are deleted.
    run(&server.world, "hostname delete www.shop.test").unwrap();
    zone.delete(&crossing);
    zone.delete(&plain);
    let report = run(&server.world, "restore saved.db").unwrap();
    assert_eq!((&report["hostnames"], &report["left_out"]), (&0.into(), &1.into()), "{report:#}");
    let told = of(&report, "shop.test");
    assert_eq!(told["restored"], 2, "{told:#}");
    let message = told["messages"][0].as_str().unwrap();
    assert!(message.contains("cross-user banned"), "{message}");
    // The CNAME is there, and it is denied: what granted it does not come back.
    assert!(!addresses(&server.query("www.shop.test", "A")).contains("203.0.113.10"));
    assert!(run(&server.world, "hostname show www.shop.test").is_err());
    server.restart();
    assert!(!addresses(&server.query("www.shop.test", "A")).contains("203.0.113.10"));

    // Where denied edges are refused, that record stays out and the others come back.
    let zone = Zone::of(&server, "client");
    zone.delete(&crossing);
    zone.delete(&plain);
    let strict = CONFIG.replace("[api]\n", "[api]\ndeny_violations = true\n");
    server.world.config(NAMESERVERS, &format!("{strict}{fallback}"));
    run(&server.world, "reload").unwrap();
    let report = run(&server.world, "restore saved.db").unwrap();
    let told = of(&report, "shop.test");
    assert_eq!((&told["restored"], &told["left_out"]), (&1.into(), &1.into()), "{told:#}");
    assert_eq!(told["left_out_records"][0]["name"], "www.shop.test");
    assert!(addresses(&server.query("plain.shop.test", "A")).contains("192.0.2.1"));
    assert_eq!(server.query("www.shop.test", "A").rcode_text(), "NXDOMAIN");
}

#[test]
fn a_zone_that_was_made_anew_inherits_nothing() {
    let server = server("");
    Zone::of(&server, "client").put("A", "secret", "192.0.2.1");
    Zone::of(&server, "other").put("A", "gone", "192.0.2.2");
    run(&server.world, "hostname create www.client.net --zone shop.test").unwrap();
    run(&server.world, "backup saved.db").unwrap();
    let deleted = run(&server.world, "zone delete shop.test").unwrap();
    assert_eq!((&deleted["zone"], &deleted["account"]), (&"shop.test".into(), &"client".into()));
    run(&server.world, "zone delete other.test").unwrap();
    run(&server.world, "account delete client").unwrap();
    // By another account, and by one that is called as before.
    run(&server.world, "zone create shop.test --account other").unwrap();
    run(&server.world, "zone create other.test --account other").unwrap();
    let report = run(&server.world, "restore saved.db --exact").unwrap();
    for (zone, why) in [("shop.test", "another one now"), ("other.test", "made anew")] {
        let told = of(&report, zone);
        assert_eq!((&told["restored"], &told["left_out"]), (&0.into(), &1.into()), "{told:#}");
        assert!(told["why"].as_str().unwrap().contains(why), "{told:#}");
    }
    assert_eq!(server.query("secret.shop.test", "A").rcode_text(), "NXDOMAIN");
    run(&server.world, "zone delete shop.test").unwrap();
    run(&server.world, "account create client").unwrap();
    run(&server.world, "zone create shop.test --account client").unwrap();
    let report = run(&server.world, "restore saved.db").unwrap();
    assert!(of(&report, "shop.test")["why"].as_str().unwrap().contains("made anew"), "{report:#}");
    assert_eq!(server.query("secret.shop.test", "A").rcode_text(), "NXDOMAIN");
    assert_eq!(run(&server.world, "hostname list").unwrap(), json!([]));
    // A zone that is not there at all.
    run(&server.world, "zone delete other.test").unwrap();
    let said = text(&server.world, "restore saved.db");
    assert!(
        said.contains(
            "other.test (account other): 0 restored, 1 not restored: the zone is not there"
        )
    );
}

#[test]
fn a_lost_store_is_filled_again_once_the_operator_made_its_zones() {
    let mut server = server("");
    Zone::of(&server, "client").put("A", "www", "192.0.2.1");
    Zone::of(&server, "other").put("A", "www", "192.0.2.2");
    run(&server.world, "hostname create app.elsewhere-shop.com --zone saas.test").unwrap();
    run(&server.world, "backup saved.db").unwrap();
    server.terminate();
    std::fs::remove_dir_all(server.world.path("data")).unwrap();
    let report = run(&server.world, "restore saved.db").unwrap();
    assert_eq!((&report["same_store"], &report["hostnames"]), (&false.into(), &1.into()));
    assert_eq!(of(&report, "shop.test")["restored"], 0);
    for line in [
        "account create client",
        "zone create shop.test --account client",
        "account create stranger",
        "zone create other.test --account stranger",
    ] {
        run(&server.world, line).unwrap();
    }
    let report = run(&server.world, "restore saved.db").unwrap();
    assert_eq!(of(&report, "shop.test")["restored"], 1, "{report:#}");
    assert_eq!(of(&report, "other.test")["restored"], 0, "{report:#}");
    server.start_again();
    assert!(addresses(&server.query("www.shop.test", "A")).contains("192.0.2.1"));
    assert_eq!(server.query("www.other.test", "A").rcode_text(), "NXDOMAIN");
}
