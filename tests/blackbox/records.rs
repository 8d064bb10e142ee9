//! SPEC §8 from outside: records of zones of the store, by the API and by `dig` alike.

use crate::api::API;
use crate::support::http::{self, Client, Reply};
use crate::support::rdata;
use crate::support::server::{Server, World};
use bailiwick::base::name::Name;
use bailiwick::config::file;
use bailiwick::config::settings::Overrides;
use bailiwick::control::world::{Now, World as Inner};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A server whose database has these zones, and their ids in the API.
pub fn server(
    zones: &[(&str, &str)],
    files: &[(&str, &str)],
    rest: &str,
) -> (Server, BTreeMap<String, String>) {
    let world = World::new();
    world.config("", &format!("{API}{rest}"));
    for (path, text) in files {
        world.zone(path, text);
    }
    for (account, _) in zones {
        std::fs::create_dir_all(world.path("zones").join(account)).unwrap();
    }
    let ids = make(&world, zones);
    (world.start(), ids)
}

/// Makes zones in the database of a server that does not run.
pub fn make(world: &World, zones: &[(&str, &str)]) -> BTreeMap<String, String> {
    let config = world.path("config.toml");
    let (settings, _) = file::read_with(&config, &Overrides::default()).unwrap();
    let mut inner = Inner::start(settings, Now::read()).unwrap();
    let nameservers = ["ns1.host.test", "ns2.host.test"].map(|n| Name::from_text(n).unwrap());
    for (account, apex) in zones {
        let account = inner.account_id(account).unwrap();
        let apex = Name::from_text(apex).unwrap();
        inner.make_stored_zone(account, &apex, nameservers.to_vec(), Now::read()).unwrap();
    }
    inner.publish(Now::read());
    let ids = inner.ids();
    let zones = inner.snapshot().catalog.iter();
    zones
        .map(|zone| (Name::from_wire(zone.apex()).unwrap().to_string(), ids.zone(zone.id)))
        .collect()
}

struct Zone {
    client: Client,
    path: String,
}

impl Zone {
    fn new(server: &Server, ids: &BTreeMap<String, String>, account: &str, apex: &str) -> Zone {
        let client = Client::new(server, Some(account));
        Zone { client, path: format!("/client/v4/zones/{}", ids[apex]) }
    }

    fn get(&self, rest: &str) -> Reply {
        self.client.get(&format!("{}/dns_records{rest}", self.path))
    }

    fn ask(&self, method: &str, rest: &str, body: &Value) -> Reply {
        self.client.ask(method, &format!("{}/dns_records{rest}", self.path), Some(body))
    }

    fn post(&self, body: Value) -> Reply {
        self.ask("POST", "", &body)
    }

    fn id(&self, body: Value) -> String {
        self.post(body).result()["id"].as_str().unwrap().to_owned()
    }
}

fn answers(server: &mut Server, name: &str, qtype: &str) -> Vec<String> {
    let mut found: Vec<String> = server
        .query(name, qtype)
        .answer
        .iter()
        .map(|record| rdata::show(record.rtype, &record.rdata))
        .collect();
    found.sort();
    found
}

#[test]
fn a_write_counts_when_it_is_acknowledged_and_over_a_crash() {
    let (mut server, ids) = server(&[("a", "one.test")], &[], "");
    let zone = Zone::new(&server, &ids, "a", "one.test");
    let soa = answers(&mut server, "one.test", "SOA")[0].clone();
    let made = zone.post(json!({ "type": "A", "name": "www", "content": "192.0.2.1", "ttl": 120 }));
    let record = made.result();
    assert_eq!(answers(&mut server, "www.one.test", "A"), ["192.0.2.1"]);
    assert_ne!(answers(&mut server, "one.test", "SOA")[0], soa);
    assert_eq!(answers(&mut server, "one.test", "NS"), ["ns1.host.test.", "ns2.host.test."]);
    for (key, value) in [
        ("name", json!("www.one.test")),
        ("zone_name", json!("one.test")),
        ("zone_id", json!(ids["one.test"])),
        ("proxied", json!(false)),
        ("comment", Value::Null),
        ("tags", json!([])),
        ("ttl", json!(120)),
    ] {
        assert_eq!(record[key], value, "{key}");
    }
    let id = record["id"].as_str().unwrap();
    let path = format!("/{id}");
    assert_eq!(zone.get(&path).result(), record);
    let patched = zone.ask("PATCH", &path, &json!({ "content": "192.0.2.2" })).result();
    assert_eq!((&patched["ttl"], &patched["content"]), (&json!(120), &json!("192.0.2.2")));
    assert_eq!(answers(&mut server, "www.one.test", "A"), ["192.0.2.2"]);
    let put = json!({ "type": "AAAA", "name": "www.one.test", "content": "2001:DB8::1" });
    let replaced = zone.ask("PUT", &path, &put).result();
    assert_eq!((&replaced["ttl"], &replaced["content"]), (&json!(1), &json!("2001:db8::1")));
    server.crash();
    let zone = Zone { client: Client { address: server.http.unwrap(), ..zone.client }, ..zone };
    assert_eq!(zone.get(&path).result(), replaced);
    assert_eq!(answers(&mut server, "www.one.test", "AAAA"), ["2001:db8::1"]);
    assert_eq!(answers(&mut server, "www.one.test", "A"), [""; 0]);
    assert_eq!(
        zone.client.ask("DELETE", &format!("{}/dns_records{path}", zone.path), None).result()["id"],
        id
    );
    assert_eq!((zone.get(&path).status, zone.get(&path).code()), (404, 81044));
    assert_eq!(answers(&mut server, "www.one.test", "AAAA"), [""; 0]);
}

#[test]
fn what_is_refused_changes_nothing() {
    let (mut server, ids) = server(&[("a", "one.test")], &[], "");
    let zone = Zone::new(&server, &ids, "a", "one.test");
    zone.post(json!({ "type": "A", "name": "w", "content": "192.0.2.1" })).result();
    for (body, code) in [
        (json!({ "type": "A", "name": "w", "content": "192.0.2.1" }), 81058),
        (json!({ "type": "CNAME", "name": "w", "content": "x.test" }), 81053),
        (json!({ "type": "A", "name": "x", "content": "no address" }), 9005),
        (json!({ "type": "AAAA", "name": "x", "content": "192.0.2.1" }), 9006),
        (json!({ "type": "A", "name": "x", "content": "192.0.2.1", "ttl": 5 }), 9021),
        (json!({ "type": "A", "name": "x", "content": "192.0.2.1", "proxied": true }), 9041),
        (json!({ "type": "CNAME", "name": "x", "content": "x.one.test" }), 9039),
        (json!({ "type": "NOPE", "name": "x", "content": "x" }), 9002),
        (json!({ "type": "NS", "name": "w", "content": "ns.x.test" }), 81055),
    ] {
        let refused = zone.post(body.clone());
        assert_eq!((refused.status, refused.code()), (400, code), "{body}");
    }
    let swap = json!({
        "posts": [
            { "type": "A", "name": "y", "content": "192.0.2.3" },
            { "type": "A", "name": "w", "content": "192.0.2.1" },
        ],
    });
    let refused = zone.ask("POST", "/batch", &swap);
    assert_eq!((refused.status, refused.code()), (400, 81058));
    assert_eq!(refused.json()["errors"][0]["source"]["pointer"], "/posts/1");
    assert_eq!(zone.get("").json()["result_info"]["total_count"], 1);
    // What would be done is told and not done.
    let dry = zone.ask(
        "POST",
        "?dry_run=true",
        &json!({ "type": "A", "name": "d", "content": "192.0.2.9" }),
    );
    assert_eq!(dry.result()["name"], "d.one.test");
    assert_eq!(zone.get("").json()["result_info"]["total_count"], 1);
    assert_eq!(answers(&mut server, "d.one.test", "A"), [""; 0]);
    // Another account's zone is none.
    let other = Client::new(&server, None);
    assert_eq!(other.get(&format!("{}/dns_records", zone.path)).status, 200);
    let nobody = format!("/client/v4/zones/{}/dns_records", "0".repeat(32));
    assert_eq!(other.get(&nobody).status, 404);
}

#[test]
fn batches_lists_and_all_types() {
    let (mut server, ids) = server(&[("a", "one.test")], &[], "");
    let zone = Zone::new(&server, &ids, "a", "one.test");
    let old = zone.id(json!({ "type": "CNAME", "name": "w", "content": "x.example" }));
    let kept =
        zone.id(json!({ "type": "MX", "name": "@", "content": "mail.example", "priority": 10 }));
    let batch = json!({
        "deletes": [{ "id": old }],
        "patches": [{ "id": kept, "priority": 20 }],
        "posts": [
            { "type": "A", "name": "w", "content": "192.0.2.1", "tags": ["team:dns"] },
            { "type": "SRV", "name": "_sip._tcp", "data":
                { "priority": 1, "weight": 2, "port": 3, "target": "w.one.test" } },
            { "type": "CAA", "name": "@", "data": { "flags": 0, "tag": "issue", "value": "ca.test" } },
            { "type": "TXT", "name": "@", "content": "v=spf1 -all" },
            { "type": "HTTPS", "name": "@", "data":
                { "priority": 1, "target": ".", "value": "alpn=\"h2\"" } },
            { "type": "CNAME", "name": "f", "content": "w.one.test",
                "settings": { "flatten_cname": true } },
        ],
    });
    let done = zone.ask("POST", "/batch", &batch).result();
    assert_eq!(done["deletes"][0]["id"], old);
    assert_eq!(done["patches"][0]["priority"], 20);
    assert_eq!(done["posts"].as_array().unwrap().len(), 6);
    assert_eq!(answers(&mut server, "one.test", "MX"), ["20 mail.example."]);
    assert_eq!(answers(&mut server, "f.one.test", "A"), ["192.0.2.1"]);
    let listed = zone.get("?type=TXT&content=v%3Dspf1%20-all&per_page=5").json();
    assert_eq!(listed["result"][0]["content"], "\"v=spf1 -all\"");
    assert_eq!(
        listed["result_info"],
        json!({
            "page": 1, "per_page": 5, "count": 1, "total_count": 1, "total_pages": 1,
        })
    );
    assert_eq!(zone.get("?name=w.one.test").result()[0]["content"], "192.0.2.1");
    assert_eq!(zone.get("?tag=team:dns").result().as_array().unwrap().len(), 1);
    let ordered = zone.get("?order=name&direction=desc&per_page=1").result();
    assert_eq!(ordered[0]["name"], "w.one.test");
    assert_eq!(zone.get("?page=0").status, 400);
}

#[test]
fn exported_and_imported() {
    let (mut server, ids) = server(&[("a", "one.test"), ("a", "two.test")], &[], "");
    let zone = Zone::new(&server, &ids, "a", "one.test");
    let body = json!({ "type": "A", "name": "w", "content": "192.0.2.1", "ttl": 600,
        "comment": "the web", "tags": ["team:dns"] });
    zone.post(body).result();
    let exported = zone.get("/export");
    assert!(exported.header("content-type").unwrap().starts_with("text/plain"));
    let text = String::from_utf8(exported.body).unwrap();
    assert!(
        text.contains(
            "w.one.test.\t600\tIN\tA\t192.0.2.1 ; the web cf_tags=cf-proxied:false,team:dns"
        ),
        "{text}"
    );
    let two = Zone::new(&server, &ids, "a", "two.test");
    let form = |text: &str| {
        format!(
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"z\"\r\n\r\n{text}\r\n\
             --b\r\nContent-Disposition: form-data; name=\"proxied\"\r\n\r\nfalse\r\n--b--\r\n"
        )
    };
    let import = |text: &str| {
        let headers = [
            format!("Authorization: Bearer {}", two.client.token),
            "Content-Type: multipart/form-data; boundary=b".to_owned(),
        ];
        let headers = headers.each_ref().map(String::as_str);
        let path = format!("{}/dns_records/import", two.path);
        http::request(two.client.address, "POST", &path, &headers, Some(&form(text)))
    };
    let done = import(&text.replace("one.test", "two.test"));
    assert_eq!(done.result(), json!({ "recs_added": 1, "total_records_parsed": 4 }));
    assert!(done.json()["timing"]["process_time"].is_number());
    assert_eq!(answers(&mut server, "w.two.test", "A"), ["192.0.2.1"]);
    let record = &two.get("").result()[0];
    assert_eq!((&record["comment"], &record["tags"]), (&json!("the web"), &json!(["team:dns"])));
    let refused = import("$INCLUDE /etc/passwd\na A 192.0.2.1\n");
    assert_eq!(refused.status, 400);
    assert!(refused.json()["errors"][0]["message"].as_str().unwrap().contains("not allowed"));
    assert_eq!(two.get("").json()["result_info"]["total_count"], 1);
}

#[test]
fn zones_of_files_are_read_and_not_written() {
    let file = ("a/file.test", "%std%www A 192.0.2.1\nf ALIAS www\n");
    let (server, ids) = server(&[], &[file], "");
    let zone = Zone::new(&server, &ids, "a", "file.test");
    let listed = zone.get("?order=name").result();
    let names: Vec<&str> =
        listed.as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["f.file.test", "file.test", "ns1.file.test", "www.file.test"]);
    let id = listed[3]["id"].as_str().unwrap();
    assert_eq!(zone.get(&format!("/{id}")).result(), listed[3]);
    assert!(String::from_utf8(zone.get("/export").body).unwrap().contains("www.file.test."));
    let refused = zone.post(json!({ "type": "A", "name": "x", "content": "192.0.2.1" }));
    assert_eq!((refused.status, refused.code()), (403, 81060));
    let message = refused.json()["errors"][0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("zones/a/file.test.zone"), "{message}");
}

#[test]
fn settings_are_served() {
    let (mut server, ids) = server(&[("a", "one.test")], &[], "");
    let zone = Zone::new(&server, &ids, "a", "one.test");
    zone.post(json!({ "type": "A", "name": "w", "content": "192.0.2.1" })).result();
    zone.post(json!({ "type": "CNAME", "name": "c", "content": "w.one.test" })).result();
    let path = format!("{}/dns_settings", zone.path);
    assert_eq!(zone.client.get(&path).result()["flatten_all_cnames"], false);
    assert_eq!(answers(&mut server, "c.one.test", "CNAME"), ["w.one.test."]);
    let patch =
        json!({ "flatten_all_cnames": true, "soa": { "rname": "me.one.test" }, "ns_ttl": 300 });
    let patched = zone.client.ask("PATCH", &path, Some(&patch)).result();
    assert_eq!(patched["flatten_all_cnames"], true);
    assert_eq!(answers(&mut server, "c.one.test", "CNAME"), [""; 0]);
    assert_eq!(answers(&mut server, "c.one.test", "A"), ["192.0.2.1"]);
    assert!(answers(&mut server, "one.test", "SOA")[0].contains("me.one.test."));
    server.crash();
    assert_eq!(answers(&mut server, "c.one.test", "CNAME"), [""; 0]);
    let client = Client { address: server.http.unwrap(), ..zone.client };
    assert_eq!(client.get(&path).result(), patched);
    let wrong = client.ask("PATCH", &path, Some(&json!({ "soa": { "retry": 1 } })));
    assert_eq!(wrong.status, 400);
}

#[test]
fn a_write_that_is_denied_is_told_and_does_not_say_whose() {
    let zones = [("a", "one.test"), ("secret-account", "two.test")];
    let (mut server, ids) = server(&zones, &[], "");
    let one = Zone::new(&server, &ids, "a", "one.test");
    let two = Zone::new(&server, &ids, "secret-account", "two.test");
    two.post(json!({ "type": "A", "name": "proxy", "content": "192.0.2.1" })).result();
    let denied = json!({ "type": "CNAME", "name": "app", "content": "proxy.two.test" });
    let made = one.post(denied.clone());
    made.result();
    let message = &made.json()["messages"][0];
    assert_eq!(message["code"], 1014);
    let text = message["message"].as_str().unwrap();
    assert!(text.contains("app.one.test -> proxy.two.test") && text.contains("Remedy"), "{text}");
    assert!(!made.json().to_string().contains("secret"), "{text}");
    assert_eq!(server.query("app.one.test", "A").rcode, 5);
    let circle = json!({ "type": "CNAME", "name": "x", "content": "x2.one.test" });
    assert_eq!(one.post(circle).json()["messages"][0]["code"], 1016);
    let circle = json!({ "type": "CNAME", "name": "x2", "content": "x.one.test" });
    assert_eq!(one.post(circle).json()["messages"][0]["code"], 9039);
    server.terminate();
    server.world.config("", &format!("{API}deny_violations = true\n"));
    server.start_again();
    let client = Client { address: server.http.unwrap(), ..one.client };
    let one = Zone { client, ..one };
    let refused = one.post(json!({ "type": "CNAME", "name": "b", "content": "proxy.two.test" }));
    assert_eq!((refused.status, refused.code()), (400, 1014));
    assert_eq!(one.get("?name=b.one.test").json()["result_info"]["total_count"], 0);
}

#[test]
fn one_apex_one_zone_and_the_incumbent_stays() {
    let (mut server, _) = server(&[("a", "one.test")], &[], "");
    server.world.zone("a/one.test", "%std%www A 192.0.2.7\n");
    server.world.zone("b/one.test", "%std%www A 192.0.2.8\n");
    server.world.zone("b/sub.one.test", "%std%www A 192.0.2.8\n");
    assert!(server.world.run(&["reload"]).status.success());
    assert_eq!(answers(&mut server, "www.one.test", "A"), [""; 0]);
    let list = String::from_utf8(server.world.run(&["zone", "list", "--json"]).stdout).unwrap();
    let list: Value = serde_json::from_str(&list).unwrap();
    let state = |account: &str, zone: &str| {
        let rows = list.as_array().unwrap().iter();
        let mut found = rows.filter(|r| r["account"] == account && r["zone"] == zone);
        found.next().map(|row| row["state"].clone()).unwrap_or_default()
    };
    assert_eq!(state("a", "one.test"), "served", "{list}");
    assert_eq!(state("b", "one.test"), "refused");
    assert_eq!(state("b", "sub.one.test"), "refused");
    server.crash();
    assert_eq!(answers(&mut server, "www.one.test", "A"), [""; 0]);
    assert_eq!(answers(&mut server, "one.test", "NS").len(), 2);
}
