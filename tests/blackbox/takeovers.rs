//! Custom hostnames that somebody tries to get without being let: proofs of before, proofs out of zones that nobody
//! proved, and ways around by a third account.

use crate::api::API;
use crate::support::http::Client;
use crate::support::message::Message;
use crate::support::server::{PATIENCE, Server, World, poll};
use resolver::FakeResolver;
use serde_json::{Value, json};

#[path = "../support/resolver.rs"]
mod resolver;

const ORIGINS: &str = "[zones.\"saas.test\"]\nfallback_origin = \"origin.saas.test\"\n\
    [zones.\"cdn.test\"]\nfallback_origin = \"origin.cdn.test\"\n";

fn crosses(answer: &Message) -> bool {
    answer.answer.iter().any(|record| record.show().contains("203.0.113.10"))
}

fn run(world: &World, line: &str) -> Value {
    let arguments: Vec<&str> = line.split(' ').chain(["--json"]).collect();
    let output = world.run(&arguments);
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Two providers, and a resolver for what lies outside.
fn world(resolver: &FakeResolver, saas: &str, more: &str) -> World {
    let world = World::new();
    world.zone("saas/saas.test", &format!("%std%origin A 203.0.113.10\n{saas}"));
    world.zone("cdn/cdn.test", "%std%origin A 203.0.113.10\nedge A 203.0.113.10\n");
    let upstream = format!("[flatten]\nupstream = [\"{}\"]\n", resolver.address);
    world.config("", &format!("{API}{ORIGINS}{upstream}{more}"));
    world
}

/// Has a hostname looked at until a look found something to say: how it stands then.
fn looked_at(server: &Server, hostname: &str, zone: &str, saw: &str) -> Value {
    let mut last = Value::Null;
    let found = poll(PATIENCE, || {
        run(&server.world, &format!("hostname verify {hostname} --zone {zone}"));
        last = run(&server.world, &format!("hostname show {hostname} --zone {zone}"));
        let says = last["last_check"]["saw"].as_str().unwrap_or_default();
        says.contains(saw).then(|| last.clone())
    });
    found.unwrap_or_else(|| panic!("never saw {saw}: {last:#}\n{}", server.log()))
}

#[test]
fn an_old_text_is_no_proof_for_a_provider_of_before() {
    let resolver = FakeResolver::start();
    let server = world(&resolver, "", "").start();
    let name = "shop.customer.org";
    let create = |zone: &str| run(&server.world, &format!("hostname create {name} --zone {zone}"));
    let place = |made: &Value| {
        let value = made["ownership_verification"]["value"].as_str().expect("a token");
        resolver.txt(&format!("_cf-custom-hostname.{name}"), value);
        value.to_owned()
    };
    resolver.address(name, "192.0.2.80");
    let first = place(&create("saas.test"));
    assert_eq!(looked_at(&server, name, "saas.test", "TXT: the token")["status"], "active");
    // The customer goes to another provider, and leaves the old record where it is.
    let second = create("cdn.test");
    assert_eq!(looked_at(&server, name, "cdn.test", "not the token")["status"], "pending");
    place(&second);
    assert_eq!(looked_at(&server, name, "cdn.test", "TXT: the token")["status"], "active");
    let lost = run(&server.world, &format!("hostname show {name} --zone saas.test"));
    assert_eq!(lost["status"], "moved");
    // The old provider asks again, by a refresh, and by making it anew: the old record proves nothing for it.
    run(&server.world, &format!("hostname refresh {name} --zone saas.test"));
    assert_eq!(looked_at(&server, name, "saas.test", "not the token")["status"], "pending");
    run(&server.world, &format!("hostname delete {name} --zone saas.test"));
    let anew = create("saas.test");
    assert_ne!(anew["ownership_verification"]["value"], first);
    assert_eq!(looked_at(&server, name, "saas.test", "not the token")["status"], "pending");
    // Nor does a record that a CNAME leads to, which whoever runs the target could write.
    let record = format!("_cf-custom-hostname.{name}");
    resolver.forget(&record);
    resolver.cname(&record, "tokens.provider.org");
    let token = anew["ownership_verification"]["value"].as_str().expect("a token");
    resolver.txt("tokens.provider.org", token);
    let by_cname = looked_at(&server, name, "saas.test", "reached through a CNAME");
    assert_eq!(by_cname["status"], "pending");
    let stays = run(&server.world, &format!("hostname show {name} --zone cdn.test"));
    assert_eq!(stays["status"], "active");
}

#[test]
fn a_proxy_that_is_a_cname_into_another_account_lets_nobody_in() {
    let resolver = FakeResolver::start();
    let grant = "[[grants]]\nhostname = \"granted.client.test\"\nzone = \"saas.test\"\n";
    let world = world(&resolver, "proxy CNAME edge.cdn.test.\n", grant);
    let names = "%std%shop CNAME proxy.saas.test.\ngranted CNAME proxy.saas.test.\n";
    world.zone("client/client.test", names);
    let server = world.start();
    // It ends in no zone of the one provider, and enters the other's only by way of the first.
    for zone in ["saas.test", "cdn.test"] {
        let made = run(&server.world, &format!("hostname create shop.client.test --zone {zone}"));
        assert_eq!(made["status"], "pending", "{zone}: {made:#}");
    }
    assert!(!crosses(&server.query("shop.client.test", "A")));
    // A grant does not travel: the second edge is the provider's own, and it was let into nothing.
    let answer = server.query("granted.client.test", "A");
    assert!(!crosses(&answer) && answer.rcode_text() == "REFUSED", "{}", answer.show());
    // What the provider itself is let into opens its own edge, and for those behind it that one alone.
    let made = run(&server.world, "hostname create proxy.saas.test --zone cdn.test");
    assert_eq!(made["status"], "active");
    assert!(crosses(&server.query("granted.client.test", "A")));
    assert!(!crosses(&server.query("shop.client.test", "A")));
}

#[test]
fn a_zone_that_nobody_proved_proves_no_hostname() {
    let resolver = FakeResolver::start();
    let server = world(&resolver, "", "[accounts.thief]\n").start();
    let thief = Client::new(&server, Some("thief"));
    let account = thief.get("/client/v4/accounts").result()[0]["id"].clone();
    let body = json!({ "name": "victim.org", "account": { "id": account }, "type": "full" });
    let claim = thief.post("/client/v4/zones", &body).result();
    assert_eq!(claim["status"], "pending");
    let made = run(&server.world, "hostname create www.victim.org --zone saas.test");
    let token = made["ownership_verification"]["value"].as_str().expect("a token");
    let records = format!("/client/v4/zones/{}/dns_records", claim["id"].as_str().unwrap());
    for record in [
        json!({ "type": "CNAME", "name": "www", "content": "origin.saas.test" }),
        json!({ "type": "TXT", "name": "_cf-custom-hostname.www", "content": token }),
    ] {
        thief.post(&records, &record).result();
    }
    // Looked for outside, where the victim's name really is.
    resolver.address("www.victim.org", "192.0.2.80");
    let shown = looked_at(&server, "www.victim.org", "saas.test", "192.0.2.80");
    assert_eq!(shown["status"], "pending", "{shown:#}");
    assert!(shown["last_check"]["saw"].as_str().unwrap().contains("TXT: none"), "{shown:#}");
    assert!(resolver.count("www.victim.org") > 0);
    let answer = server.query("www.victim.org", "A");
    assert!(!crosses(&answer) && answer.rcode_text() == "REFUSED", "{}", answer.show());
}
