//! Custom hostnames outside this server, as they are proved and as somebody tries to get them without being let: by
//! proofs of before or of somebody else, out of zones that nobody proved, and on ways around by a third account.

use crate::alone::{self, is_alone};
use crate::api::API;
use crate::records;
use crate::support::http::Client;
use crate::support::message::Message;
use crate::support::server::{PATIENCE, Server, World, poll};
use resolver::FakeResolver;
use serde_json::{Value, json};
use std::time::Instant;
use web::Web;

#[path = "../support/resolver.rs"]
mod resolver;
mod web;

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

/// Each provider has networks, and may have apexes there.
const NETWORKS: &str = "[accounts.saas]\napex_proxying = true\n\
    ip_prefixes = [\"198.51.100.0/24\", \"2001:db8:53::/48\"]\n\
    [accounts.cdn]\napex_proxying = true\nip_prefixes = [\"192.0.2.128/25\", \"20.0.1.0/24\"]\n";

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

fn create(server: &Server, hostname: &str, zone: &str) -> Value {
    run(&server.world, &format!("hostname create {hostname} --zone {zone}"))
}

/// What its owner has to write as TXT, and where.
fn text(made: &Value) -> [String; 2] {
    let text = &made["ownership_verification"];
    ["name", "value"].map(|key| text[key].as_str().expect("a token").to_owned())
}

#[test]
fn names_outside_are_proved_by_cname_addresses_or_text() {
    let resolver = FakeResolver::start();
    let server = world(&resolver, "", NETWORKS).start();
    resolver.cname("www.one.org", "origin.saas.test");
    resolver.cname("far.two.org", "hop.elsewhere.org");
    resolver.cname("hop.elsewhere.org", "origin.saas.test");
    resolver.address("three.org", "198.51.100.7");
    resolver.address("three.org", "2001:db8:53::7");
    resolver.address("four.org", "198.51.100.8");
    resolver.address("www.five.org", "192.0.2.80");
    for (hostname, method) in [
        ("www.one.org", "cname"),
        ("far.two.org", "cname"),
        ("three.org", "address"),
        ("four.org", "address"),
        ("www.five.org", "txt"),
    ] {
        let [place, token] = text(&create(&server, hostname, "saas.test"));
        if method == "txt" {
            resolver.txt(&place, &token);
            looked_at(&server, hostname, "saas.test", "TXT: the token");
        }
        let shown = looked_at(&server, hostname, "saas.test", "TXT: ");
        let last = &shown["last_check"];
        assert_eq!((&shown["status"], &last["method"]), (&"active".into(), &method.into()));
    }
}

#[test]
fn addresses_that_are_not_there_or_not_all_its_own_prove_nothing() {
    let resolver = FakeResolver::start();
    let server = world(&resolver, "", NETWORKS).start();
    // None at all; one beside its own; those of the other provider; of one family nobody knows.
    resolver.txt("one.org", "something else is here");
    resolver.address("two.org", "198.51.100.8");
    resolver.address("two.org", "192.0.2.80");
    resolver.address("three.org", "192.0.2.130");
    resolver.address("four.org", "198.51.100.8");
    resolver.address("four.org", "2001:db8:54::1");
    resolver.address("*.five.org", "198.51.100.8");
    for (hostname, saw) in [
        ("one.org", "no A; no AAAA"),
        ("two.org", "192.0.2.80"),
        ("three.org", "192.0.2.130"),
        ("four.org", "2001:db8:54::1"),
        ("*.five.org", "TXT: "),
    ] {
        create(&server, hostname, "saas.test");
        let shown = looked_at(&server, hostname, "saas.test", saw);
        assert_eq!(shown["status"], "pending", "{shown:#}");
    }
}

#[test]
fn a_text_that_a_wildcard_makes_is_no_proof() {
    let resolver = FakeResolver::start();
    let server = world(&resolver, "", "").start();
    let [_, token] = text(&create(&server, "shop.customer.org", "saas.test"));
    resolver.address("shop.customer.org", "192.0.2.80");
    resolver.txt("*.customer.org", &token);
    let saw = "TXT: reached through a CNAME, a DNAME or a wildcard";
    let shown = looked_at(&server, "shop.customer.org", "saas.test", saw);
    assert_eq!(shown["status"], "pending", "{shown:#}");
}

#[test]
fn a_text_takes_no_name_that_leads_elsewhere_here() {
    let resolver = FakeResolver::start();
    let world = world(&resolver, "", NETWORKS);
    let zone =
        |text: &str| world.zone("client/client.test", &format!("%std%own A 192.0.2.9\n{text}"));
    zone("");
    resolver.cname("www.one.org", "edge.cdn.test");
    resolver.address("two.org", "192.0.2.130");
    let place = "_cf-custom-hostname.own.client.test";
    let names = ["www.one.org", "two.org", "own.client.test"];
    let server = world.start();
    for hostname in names {
        let [at, token] = text(&create(&server, hostname, "saas.test"));
        if at == place {
            let more = format!("%std%own A 192.0.2.9\n_cf-custom-hostname.own TXT \"{token}\"\n");
            server.world.zone("client/client.test", &more);
            server.wait_for(place, "TXT", |answer| !answer.answer.is_empty());
        } else {
            resolver.txt(&at, &token);
        }
        // The token is there, and seen.
        let shown = looked_at(&server, hostname, "saas.test", "TXT: the token");
        assert_eq!(shown["status"], "pending", "{shown:#}");
    }
}

#[test]
fn a_hostname_whose_zone_changed_hands_is_earned_anew() {
    let resolver = FakeResolver::start();
    let world = world(&resolver, "", "");
    let names = "%std%shop CNAME origin.saas.test.\nlate CNAME origin.saas.test.\n";
    world.zone("client/client.test", names);
    let server = world.start();
    let made = ["shop", "late"].map(|label| {
        let made = create(&server, &format!("{label}.client.test"), "saas.test");
        assert_eq!(made["status"], "active", "{made:#}");
        text(&made)
    });
    assert!(crosses(&server.query("shop.client.test", "A")));
    server.world.remove("client/client.test");
    server.wait_for("shop.client.test", "A", |answer| answer.rcode_text() == "REFUSED");
    // Whoever has it next leads no hostname there, and keeps what the one before had to write as TXT.
    let old = &made[0][1];
    let new = format!(
        "%std%shop A 192.0.2.9\n_cf-custom-hostname.shop TXT \"{old}\"\n\
         other CNAME origin.saas.test.\nhere A 192.0.2.9\n"
    );
    server.world.zone("thief/client.test", &new);
    server.wait_for("here.client.test", "A", |answer| !answer.answer.is_empty());
    let shop = looked_at(&server, "shop.client.test", "saas.test", "192.0.2.9");
    let late = looked_at(&server, "late.client.test", "saas.test", "no CNAME");
    for (shown, old) in [shop, late].iter().zip(&made) {
        assert_eq!(shown["status"], "pending", "{shown:#}");
        assert_ne!(text(shown)[1], old[1], "tokens of before");
    }
    let audit = run(&server.world, "audit").to_string();
    assert!(audit.contains("hostname.owner_changed"), "{audit}");
    // What was granted to the one before opens nothing to this one.
    let again = format!("{new}late CNAME origin.cdn.test.\n");
    server.world.zone("thief/client.test", &again);
    server.wait_for("late.client.test", "A", |answer| answer.rcode_text() != "NXDOMAIN");
    for label in ["shop", "late", "other"] {
        assert!(!crosses(&server.query(&format!("{label}.client.test"), "A")), "{label}");
    }
}

#[test]
fn hostnames_aimed_at_one_victim_are_looked_at_one_by_one() {
    const HOSTNAMES: usize = 250;
    let resolver = FakeResolver::start();
    let server = world(&resolver, "", "").start();
    let saas = Client::new(&server, Some("saas"));
    let zone = saas.get("/client/v4/zones").result()[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/client/v4/zones/{zone}/custom_hostnames");
    let names: Vec<_> = (0..HOSTNAMES).map(|n| format!("h{n}.victim.org")).collect();
    let begun = Instant::now();
    let made = names.iter().map(|name| saas.post(&path, &json!({ "hostname": name })).result());
    let ids: Vec<_> = made.map(|made| made["id"].as_str().unwrap().to_owned()).collect();
    // To ask again is no way around.
    for id in &ids {
        saas.ask("PATCH", &format!("{path}/{id}"), Some(&json!({}))).result();
    }
    // Whoever else is asked for is looked at meanwhile.
    resolver.cname("www.customer.org", "origin.saas.test");
    create(&server, "www.customer.org", "saas.test");
    looked_at(&server, "www.customer.org", "saas.test", "TXT: ");
    // Twenty at once, and one a second.
    let looked_at = names.iter().filter(|name| resolver.count(name) > 0).count();
    let most = 20 + begun.elapsed().as_secs() as usize + 1;
    assert!((1..=most).contains(&looked_at), "{looked_at} of {HOSTNAMES}, at most {most}");
}

/// The name of its test, for that.
const UPLOADED: &str = "takeovers::a_page_proves_only_who_answers_where_the_name_leads";

#[test]
#[ignore = "needs unshare and ip, and the right to make a network"]
fn a_page_proves_only_who_answers_where_the_name_leads() {
    if !is_alone(UPLOADED, "--net") {
        return;
    }
    alone::run("ip", &["link", "set", "lo", "up"]);
    // Public addresses that are nobody's in this network: a web server's, and one of a provider's here.
    for address in ["20.0.0.80/32", "20.0.1.80/32"] {
        alone::run("ip", &["address", "add", address, "dev", "lo"]);
    }
    let (resolver, web) = (FakeResolver::start(), Web::start());
    let server = world(&resolver, "", NETWORKS).start();
    let body = |made: &Value| {
        let page = &made["ownership_verification_http"];
        page["http_body"].as_str().expect("a token").to_owned()
    };
    resolver.address("www.one.org", "20.0.0.80");
    resolver.address("files.two.org", "20.0.1.80");
    resolver.address("inner.three.org", "127.0.0.1");
    resolver.turns("turn.four.org", &["20.0.0.80", "127.0.0.1", "127.0.0.1"]);
    // Whoever may upload files there gives the token at once, except at the address a name turns away from.
    let upload = |hostname: &str, at: &str| {
        web.give(hostname, at, &body(&create(&server, hostname, "saas.test")));
    };
    upload("www.one.org", "20.0.0.80");
    upload("files.two.org", "20.0.1.80");
    upload("inner.three.org", "127.0.0.1");
    upload("turn.four.org", "127.0.0.1");
    let one = looked_at(&server, "www.one.org", "saas.test", "HTTP: the token");
    assert_eq!((&one["status"], &one["last_check"]["method"]), (&"active".into(), &"http".into()));
    let head = web.head("www.one.org").to_lowercase();
    assert!(head.contains("user-agent: bailiwick custom hostname verification"), "{head}");
    // It lies in the other provider's network: that its visitors may write there proves nothing.
    let files = looked_at(&server, "files.two.org", "saas.test", "HTTP: the token");
    assert_eq!(files["status"], "pending", "{files:#}");
    // Neither at once nor by a name that turns is anything asked that is not public.
    let inner = looked_at(&server, "inner.three.org", "saas.test", "special-purpose address");
    assert_eq!(inner["status"], "pending", "{inner:#}");
    let turn = looked_at(&server, "turn.four.org", "saas.test", "HTTP: ");
    assert_eq!(turn["status"], "pending", "{turn:#}");
    assert_eq!(web.count("127.0.0.1"), 0);
    assert!(web.count("20.0.0.80") > 0);
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

#[test]
fn a_rollback_brings_the_record_back_and_not_the_grant() {
    let files = [("saas/saas.test", "%std%origin A 203.0.113.10\n")];
    let provider = "[zones.\"saas.test\"]\nfallback_origin = \"origin.saas.test\"\n";
    let (mut server, ids) = records::server(&[("client", "client.test")], &files, provider);
    let client = Client::new(&server, Some("client"));
    let id = &ids["client.test"];
    let records = format!("/client/v4/zones/{id}/dns_records");
    let cname = json!({ "type": "CNAME", "name": "shop", "content": "origin.saas.test" });
    let record = client.post(&records, &cname).result();
    let record = format!("{records}/{}", record["id"].as_str().unwrap());
    assert_eq!(create(&server, "shop.client.test", "saas.test")["status"], "active");
    assert!(crosses(&server.query("shop.client.test", "A")));
    let versions = client.get(&format!("/api/v1/snapshots?zone_id={id}")).result();
    let back = format!("/api/v1/snapshots/{id}/{}/rollback", versions[0]["serial"]);
    // Both sides part.
    run(&server.world, "hostname delete shop.client.test");
    client.ask("PATCH", &record, Some(&json!({ "content": "www.elsewhere.org" }))).result();
    let rolled = client.ask("POST", &back, None);
    assert!(rolled.json()["messages"].to_string().contains("1014"), "{:#}", rolled.json());
    assert_eq!(client.get(&record).result()["content"], "origin.saas.test");
    for _ in 0..2 {
        assert!(!crosses(&server.query("shop.client.test", "A")));
        assert_eq!(run(&server.world, "hostname list"), json!([]));
        server.restart();
    }
}
