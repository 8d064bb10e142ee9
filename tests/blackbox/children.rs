//! SPEC §3.1: a zone of one account below or above an active zone of another is nothing, whatever its claimant shows.

use crate::elsewhere::{Elsewhere, Say};
use crate::support::http::Client;
use crate::support::server::{PATIENCE, World, poll};
use crate::zones::{Checks, account, create, wait, zone};
use serde_json::{Value, json};

const SERVER: &str = "nameservers = [\"a.ns.test\", \"b.ns.test\", \"c.ns.test\", \"d.ns.test\"]\n";
const REST: &str = "[api]\nlisten = \"127.0.0.1:0\"\n[accounts.saas]\n[accounts.client]\n\
    [zones.\"saasprovider.test\"]\nfallback_origin = \"proxy.saasprovider.test\"\n";
const PROVIDER: &str = "%std%proxy A 203.0.113.10\n*.wild A 203.0.113.11\n";

fn world() -> World {
    let world = World::new();
    world.zone("saas/saasprovider.test", PROVIDER);
    world.zone("client/client.test", "%std%www CNAME x.evil.saasprovider.test.\n");
    world.config(SERVER, REST);
    world
}

/// How often a zone was looked at.
fn checks(client: &Client, id: &Value) -> u64 {
    zone(client, id)["verification"]["checks"].as_u64().unwrap_or(0)
}

/// Waits until a zone is looked at anew.
fn looked_at(client: &Client, id: &Value) -> Value {
    // A check that is asked for counts from the beginning.
    let path = format!("/client/v4/zones/{}/activation_check", id.as_str().unwrap());
    assert_eq!(client.ask("PUT", &path, None).status, 200);
    let looked = poll(PATIENCE, || (checks(client, id) > 0).then(|| zone(client, id)));
    looked.expect("it is looked at")
}

/// A zone object without what is different for each zone.
fn plain(zone: &Value, name: &str) -> String {
    let mut zone = zone.clone();
    for key in ["id", "created_on", "modified_on", "name_servers", "verification_key"] {
        zone[key] = Value::Null;
    }
    for key in ["txt_value", "checked_at", "next_check_at"] {
        zone["verification"][key] = Value::Null;
    }
    zone.to_string().replace(name, "NAME")
}

fn proof(zone: &Value) -> String {
    let label = zone["name"].as_str().unwrap().strip_suffix(".saasprovider.test").unwrap();
    let servers = zone["name_servers"].as_array().unwrap().iter();
    let delegation = servers.map(|ns| format!("{label} NS {}.\n", ns.as_str().unwrap()));
    let token = zone["verification"]["txt_value"].as_str().unwrap();
    format!("{}_bailiwick-verify.{label} TXT \"{token}\"\n", delegation.collect::<String>())
}

#[test]
fn a_child_of_anothers_zone_is_never_active_without_its_word() {
    let server = world().start();
    let client = Client::new(&server, Some("client"));
    let saas = Client::new(&server, Some("saas"));
    let before = server.query("x.evil.saasprovider.test", "A").show();
    let evil = create(&client, "evil.saasprovider.test", &account(&client));
    let elsewhere = create(&client, "evil.unknown.test", &account(&client));
    // Nobody learns from the answer that the zone above is here.
    assert_eq!((evil.status, elsewhere.status), (200, 200));
    let (evil, elsewhere) = (evil.result(), elsewhere.result());
    assert_eq!(evil["status"], "pending");
    assert_eq!(
        plain(&evil, "evil.saasprovider.test"),
        plain(&elsewhere, "evil.unknown.test"),
        "the same but for the name"
    );
    let record = json!({ "type": "A", "name": "x", "content": "192.0.2.66", "ttl": 60 });
    let path = format!("/client/v4/zones/{}/dns_records", evil["id"].as_str().unwrap());
    client.post(&path, &record).result();
    // Everything that could prove it, in the zone above: the set that it was given, and its token.
    looked_at(&client, &evil["id"]);
    let proved = format!("{PROVIDER}{}", proof(&evil));
    server.world.zone("saas/saasprovider.test", &proved);
    server.wait_for("evil.saasprovider.test", "NS", |a| !a.authority.is_empty());
    let seen = looked_at(&client, &evil["id"]);
    assert_eq!(seen["status"], "pending", "{seen:#}\n{}", server.log());
    let saw = seen["verification"]["saw"].as_str().unwrap();
    assert!(saw.contains("in its way") && !saw.contains("saas,"), "{saw}");
    // The token alone.
    let token = proof(&evil).lines().last().unwrap().to_owned();
    server.world.zone("saas/saasprovider.test", &format!("{PROVIDER}{token}\n"));
    server.wait_for("_bailiwick-verify.evil.saasprovider.test", "TXT", |a| !a.answer.is_empty());
    assert_eq!(looked_at(&client, &evil["id"])["status"], "pending");
    // It is not served, and no target of a chain: the name is that of the zone above.
    server.world.zone("saas/saasprovider.test", PROVIDER);
    server.wait_for("x.evil.saasprovider.test", "A", |a| a.show() == before);
    let chain = server.query("www.client.test", "A");
    assert_eq!(chain.rcode_text(), "REFUSED", "an edge into saas's zone: {}", chain.show());
    // It lets nobody in, and keeps nobody out.
    let own = format!("/client/v4/zones/{}", evil["id"].as_str().unwrap());
    let hostname = json!({ "hostname": "www.client.test" });
    assert_eq!(client.post(&format!("{own}/custom_hostnames"), &hostname).status, 400);
    assert_eq!(client.ask("POST", &format!("{own}/hold"), None).status, 400);
    let origin = json!({ "origin": "x.evil.saasprovider.test" });
    let path = format!("{own}/custom_hostnames/fallback_origin");
    assert_eq!(client.ask("PUT", &path, Some(&origin)).status, 400);
    let settings = format!("/api/v1/zones/{}/settings", evil["id"].as_str().unwrap());
    let anyone = json!({ "cross_account": "anyone" });
    assert_eq!(client.ask("PATCH", &settings, Some(&anyone)).status, 400);
    // The other account makes the very zone and its children as if nobody had claimed them.
    let operator = Client::new(&server, None);
    for name in ["evil.saasprovider.test", "deep.evil.saasprovider.test"] {
        let made = create(&operator, name, &account(&saas)).result();
        assert_eq!(made["status"], "active", "{name}");
    }
    assert_eq!(server.query("deep.evil.saasprovider.test", "SOA").rcode_text(), "NOERROR");
    assert_eq!(zone(&client, &evil["id"])["status"], "pending");
}

#[test]
fn a_claim_to_anothers_zone_opens_nothing_in_it() {
    let world = world();
    world.zone("client/client.test", "%std%www CNAME proxy.saasprovider.test.\n");
    let server = world.start();
    let client = Client::new(&server, Some("client"));
    let claim = create(&client, "saasprovider.test", &account(&client)).result();
    assert_eq!(claim["status"], "pending");
    let wanted = json!({ "zone_id": claim["id"], "hostname": "www.client.test" });
    for path in ["/api/v1/requests", "/api/v1/requests?dry_run=true"] {
        let refused = client.post(path, &wanted);
        assert_eq!((refused.status, refused.code()), (400, 1402), "{path}: {}", refused.json());
    }
    let own = format!("/client/v4/zones/{}", claim["id"].as_str().unwrap());
    let hostname = json!({ "hostname": "www.client.test" });
    assert_eq!(client.post(&format!("{own}/custom_hostnames"), &hostname).status, 400);
    let report =
        client.get(&format!("/api/v1/zones/{}/policy_report", claim["id"].as_str().unwrap()));
    assert!(!report.json().to_string().contains("proxy"), "{}", report.json());
    let versions =
        client.get(&format!("/api/v1/snapshots?zone_id={}", claim["id"].as_str().unwrap()));
    assert!(versions.json()["result"].as_array().is_none_or(|all| all.len() <= 1));
    assert_eq!(client.get("/api/v1/requests").result(), json!([]));
    let listed = server.world.run(&["hostname", "list"]);
    assert!(!String::from_utf8_lossy(&listed.stdout).contains("www.client.test"));
    assert_eq!(server.query("www.client.test", "A").rcode_text(), "REFUSED");
}

#[test]
fn only_the_zone_above_opens_a_child_and_closes_it() {
    let server = world().start();
    let client = Client::new(&server, Some("client"));
    let saas = Client::new(&server, Some("saas"));
    let child = create(&client, "shop.saasprovider.test", &account(&client)).result();
    looked_at(&client, &child["id"]);
    server.world.zone("saas/saasprovider.test", &format!("{PROVIDER}{}", proof(&child)));
    server.wait_for("shop.saasprovider.test", "NS", |a| !a.authority.is_empty());
    assert_eq!(looked_at(&client, &child["id"])["status"], "pending");
    let listed = saas.get("/client/v4/zones?name=saasprovider.test").result();
    let settings = format!("/api/v1/zones/{}/settings", listed[0]["id"].as_str().unwrap());
    let delegate = |whom: Value| json!({ "delegates": { "shop.saasprovider.test": whom } });
    let to_client = delegate(json!(account(&client)));
    let dry = saas.ask("PATCH", &format!("{settings}?dry_run=true"), Some(&to_client)).result();
    assert_eq!(dry["delegates"][0]["name"], "shop.saasprovider.test");
    assert_eq!(saas.get(&settings).result()["delegates"], json!([]));
    assert_eq!(looked_at(&client, &child["id"])["status"], "pending");
    saas.ask("PATCH", &settings, Some(&to_client)).result();
    let active = wait(&server, &client, &child["id"], "active");
    assert_eq!(active["status"], "active");
    let served = server.query("shop.saasprovider.test", "SOA");
    assert!(served.rcode_text() == "NOERROR" && served.flags & 0x0400 != 0, "{}", served.show());
    // Taken back: the name is that of the zone above at once, and the claim waits again.
    saas.ask("PATCH", &settings, Some(&delegate(Value::Null))).result();
    assert_eq!(server.query("shop.saasprovider.test", "SOA").flags & 0x0400, 0);
    assert_eq!(zone(&client, &child["id"])["status"], "pending");
    assert_eq!(looked_at(&client, &child["id"])["status"], "pending");
    let audit = saas.get("/api/v1/audit").json()["result"].to_string();
    assert!(audit.contains("zone.settings saasprovider.test"), "{audit}");
}

#[test]
fn nobody_gets_the_zone_above_anothers_child() {
    let world = world();
    world.zone("saas/a.parent.test", "%std%");
    let server = world.start();
    let client = Client::new(&server, Some("client"));
    let operator = Client::new(&server, None);
    let claim = create(&client, "parent.test", &account(&client)).result();
    assert_eq!(claim["status"], "pending");
    // An operator's word does not do it either, and says why to operators alone.
    let asserted = create(&operator, "parent.test", &account(&client));
    assert_eq!(asserted.code(), 1061, "the account claims it already");
    let other = Client::new(&server, Some("saas"));
    let refused = create(&operator, "saasprovider.test", &account(&client));
    assert_eq!(refused.status, 409, "{}", refused.json());
    assert_eq!(create(&other, "parent.test", &account(&other)).result()["status"], "pending");
    assert_eq!(server.query("a.parent.test", "SOA").rcode_text(), "NOERROR");
    assert_eq!(server.query("b.parent.test", "SOA").rcode_text(), "REFUSED");
}

#[test]
fn a_hold_keeps_others_from_the_zone_and_its_children() {
    let server = world().start();
    let client = Client::new(&server, Some("client"));
    let saas = Client::new(&server, Some("saas"));
    let listed = saas.get("/client/v4/zones?name=saasprovider.test").result();
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    let hold = format!("/client/v4/zones/{id}/hold");
    saas.ask("POST", &format!("{hold}?include_subdomains=true"), None).result();
    for name in ["saasprovider.test", "evil.saasprovider.test", "a.b.saasprovider.test"] {
        let refused = create(&client, name, &account(&client));
        assert_eq!((refused.status, refused.code()), (400, 1224), "{name}");
        assert!(!refused.json().to_string().contains("saas\""), "{}", refused.json());
    }
    // Who holds it makes what it likes.
    let own = create(&saas, "mine.saasprovider.test", &account(&saas));
    assert_eq!(own.result()["status"], "pending");
    saas.ask("DELETE", &hold, None).result();
    assert_eq!(create(&client, "evil.saasprovider.test", &account(&client)).status, 200);
    let audit = saas.get("/api/v1/audit").json()["result"].to_string();
    assert!(audit.contains("hold.set") && audit.contains("hold.released"), "{audit}");
}

#[test]
fn a_zone_that_somebody_else_proves_loses_what_it_let_in() {
    let resolver = Elsewhere::start();
    let world = World::new();
    let upstream = format!("[flatten]\nupstream = [\"{}\"]\n", resolver.address);
    world.config(
        SERVER,
        &format!("[api]\nlisten = \"127.0.0.1:0\"\n[accounts.one]\n[accounts.two]\n{upstream}"),
    );
    let server = world.start();
    let [one, two] = ["one", "two"].map(|name| Client::new(&server, Some(name)));
    let claims = [&one, &two].map(|c| create(c, "shop.test", &account(c)).result());
    let publish = |claim: &Value| {
        let token = claim["verification"]["txt_value"].as_str().unwrap();
        resolver.says("_bailiwick-verify.shop.test", Say::Text(token.to_owned()));
    };
    publish(&claims[0]);
    wait(&server, &one, &claims[0]["id"], "active");
    let own = format!("/client/v4/zones/{}", claims[0]["id"].as_str().unwrap());
    let proxy = json!({ "type": "A", "name": "proxy", "content": "203.0.113.9", "ttl": 60 });
    one.post(&format!("{own}/dns_records"), &proxy).result();
    let origin = json!({ "origin": "proxy.shop.test" });
    let path = format!("{own}/custom_hostnames/fallback_origin");
    one.ask("PUT", &path, Some(&origin)).result();
    let hostname = json!({ "hostname": "www.customer.com" });
    one.post(&format!("{own}/custom_hostnames"), &hostname).result();
    one.ask("POST", &format!("{own}/hold"), None).result();
    let settings = format!("/api/v1/zones/{}/settings", claims[0]["id"].as_str().unwrap());
    let anyone = json!({ "cross_account": "anyone" });
    one.ask("PATCH", &settings, Some(&anyone)).result();
    // Whoever proves it now has it: what stood there has to show its proof, and cannot.
    publish(&claims[1]);
    let mut checks = Checks::default();
    let taken = poll(PATIENCE, || {
        checks.ask(&two, &claims[1]["id"]);
        (zone(&two, &claims[1]["id"])["status"] == "active").then_some(())
    });
    taken.unwrap_or_else(|| panic!("{:#}\n{}", zone(&two, &claims[1]["id"]), server.log()));
    assert_eq!(zone(&one, &claims[0]["id"])["status"], "moved");
    assert_eq!(server.query("proxy.shop.test", "A").rcode_text(), "NXDOMAIN");
    assert_eq!(one.get(&path).status, 404);
    assert_eq!(one.get(&format!("{own}/hold")).result()["hold"], false);
    assert_eq!(one.ask("PATCH", &settings, Some(&anyone)).status, 400);
    // Proved again, it begins with nothing but its records.
    publish(&claims[0]);
    wait(&server, &one, &claims[0]["id"], "active");
    assert_eq!(zone(&two, &claims[1]["id"])["status"], "moved");
    assert_eq!(one.get(&settings).result()["cross_account"]["from"], "default");
    assert_eq!(one.get(&format!("{own}/custom_hostnames")).result(), json!([]));
    assert_eq!(server.query("proxy.shop.test", "A").answer.len(), 1);
    let audit = one.get("/api/v1/audit").json()["result"].to_string();
    for action in ["fallback.set", "hold.set", "zone.settings", "zone.evicted"] {
        assert!(audit.contains(action), "{action}: {audit}");
    }
}

#[test]
fn looks_that_are_asked_for_are_bounded() {
    let server = world().start();
    let client = Client::new(&server, Some("client"));
    let claim = create(&client, "evil.unknown.test", &account(&client)).result();
    let path = format!("/client/v4/zones/{}/activation_check", claim["id"].as_str().unwrap());
    let refused = (0..50).map(|_| client.ask("PUT", &path, None)).find(|r| r.status != 200);
    let refused = refused.expect("fifty in a row are too many");
    assert_eq!((refused.status, refused.code()), (429, 10429));
    assert!(refused.header("retry-after").is_some_and(|s| s.parse::<u64>().unwrap() <= 30));
    // Another zone has checks of its own.
    let other = create(&client, "other.unknown.test", &account(&client)).result();
    Checks::default().ask(&client, &other["id"]);
}
