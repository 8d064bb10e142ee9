//! SPEC §8 from outside: what `/api/v1` tells an operator, and what the two sides of an edge.

use crate::api::API;
use crate::support::http::{self, Client, Reply};
use crate::support::server::{PATIENCE, Server, World, poll};
use serde_json::{Value, json};

/// An owner and a target that did not grant it, and somebody who has nothing to do with it.
fn server() -> Server {
    let world = World::new();
    world.zone("saas/saas.test", "%std%app A 203.0.113.10\nback CNAME app.saas.test.\n");
    let client = "%std%www CNAME app.saas.test.\n*.wild CNAME app.saas.test.\nok CNAME www2\n\
                  www2 A 192.0.2.2\nloop CNAME loop2\nloop2 CNAME loop\ngone CNAME nothing\n\
                  in CNAME back.saas.test.\n";
    world.zone("client/client.test", client);
    world.zone("other/other.test", "%std%www A 192.0.2.3\n");
    let grants = "[[grants]]\nhostname = \"in.client.test\"\nzone = \"saas.test\"\n\
                  [zones.\"saas.test\"]\nfallback_origin = \"app.saas.test\"\n";
    world.config("", &format!("{API}{grants}"));
    world.start()
}

fn violations(client: &Client, side: &str, want: usize) -> Vec<Value> {
    let mut last = Value::Null;
    let found = poll(PATIENCE, || {
        last = client.get(&format!("/api/v1/violations?side={side}")).result();
        (last.as_array()?.len() == want).then(|| last.as_array().cloned())?
    });
    found.unwrap_or_else(|| panic!("not {want}: {last:#}"))
}

#[test]
fn both_sides_see_a_violation_and_nobody_else_does() {
    let server = server();
    for name in ["www.client.test", "www.client.test", "a.wild.client.test", "b.wild.client.test"] {
        assert_eq!(server.query(name, "A").rcode_text(), "REFUSED");
    }
    let [saas, client, other] = ["saas", "client", "other"].map(|a| Client::new(&server, Some(a)));
    let two = |rows: &[Value]| rows.iter().filter_map(|r| r["count"].as_u64()).sum::<u64>() == 4;
    let owner = poll(PATIENCE, || {
        let rows = violations(&client, "owner", 2);
        two(&rows).then_some(rows)
    });
    let owner = owner.expect("all are counted");
    let of = |rows: &[Value], record: &str| {
        rows.iter().find(|row| row["record"] == record).cloned().unwrap_or_default()
    };
    let www = of(&owner, "www.client.test");
    assert_eq!(www["target"], "app.saas.test");
    assert_eq!((&www["mode"], &www["reason"]), (&json!("refuse"), &json!("not-granted")));
    assert_eq!(www["zone"]["name"], "client.test");
    assert!(www["last_seen"].as_str() >= www["first_seen"].as_str(), "{www}");
    let target = violations(&saas, "target", 2);
    let wild = of(&target, "*.wild.client.test");
    assert_eq!((&wild["zone"]["name"], &wild["count"]), (&json!("saas.test"), &json!(2)));
    let text = Value::Array(target).to_string();
    assert!(!text.contains("account") && !text.contains("\"client\""), "{text}");
    for (of, side) in [(&saas, "owner"), (&client, "target"), (&other, "owner"), (&other, "target")]
    {
        assert_eq!(violations(of, side, 0), Vec::<Value>::new());
    }
    let operator = Client::new(&server, None);
    let all = violations(&operator, "owner", 2);
    assert_eq!(of(&all, "www.client.test")["owner"]["account"]["name"], "client");
    assert_eq!(of(&all, "www.client.test")["target_side"]["account"]["name"], "saas");
    let page = operator.get("/api/v1/violations?per_page=1&page=2").json();
    assert_eq!(page["result_info"]["total_count"], 2);
    assert_eq!(page["result"].as_array().map(Vec::len), Some(1));
    server.logged(&["violation", "www.client.test"]);
}

#[test]
fn an_inbox_shows_who_wants_in_and_one_call_lets_it_in() {
    let server = server();
    let [saas, client, other] = ["saas", "client", "other"].map(|a| Client::new(&server, Some(a)));
    let requests = saas.get("/api/v1/requests").result();
    let names: Vec<&str> =
        requests.as_array().unwrap().iter().filter_map(|r| r["hostname"].as_str()).collect();
    assert_eq!(names, ["*.wild.client.test", "www.client.test"]);
    for nobody in [&client, &other] {
        assert_eq!(nobody.get("/api/v1/requests").result(), json!([]));
    }
    assert_eq!(Client::new(&server, None).get("/api/v1/requests").status, 400);
    assert_eq!(requests[1]["custom_hostname"], Value::Null);
    let zone = &requests[1]["zone"]["id"];
    let wanted = json!({ "zone_id": zone, "hostname": "www.client.test" });
    // Not with somebody else's zone, and not by trying.
    let foreign = client.post("/api/v1/requests", &wanted);
    let nobody =
        json!({ "zone_id": "0123456789abcdef0123456789abcdef", "hostname": "www.client.test" });
    let unknown = client.post("/api/v1/requests", &nobody);
    assert_eq!((foreign.status, &foreign.body), (404, &unknown.body));
    let tried = saas.post("/api/v1/requests?dry_run=true", &wanted).result();
    assert_eq!((&tried["status"], &tried["dry_run"]), (&json!("pending"), &json!(true)));
    assert_eq!(server.query("www.client.test", "A").rcode_text(), "REFUSED");
    let made = saas.post("/api/v1/requests", &wanted);
    assert_eq!(made.status, 201);
    assert_eq!(made.result()["hostname"], "www.client.test");
    server.wait_for("www.client.test", "A", |message| message.rcode_text() == "NOERROR");
    let again = saas.post("/api/v1/requests", &wanted);
    assert_eq!((again.status, again.code()), (409, 1406));
    let refused = |name: &str| {
        let wanted = json!({ "zone_id": zone, "hostname": name });
        let dry = saas.post("/api/v1/requests?dry_run=true", &wanted);
        let reply = saas.post("/api/v1/requests", &wanted);
        assert_eq!((dry.status, dry.code()), (reply.status, reply.code()), "{name}");
        (reply.status, reply.code())
    };
    assert_eq!(refused("no..name"), (400, 1407));
    assert_eq!(refused("saas.test"), (400, 1407));
    assert_eq!(refused("b\u{fc}cher.client.test"), (400, 1408));
    assert_eq!(refused("elsewhere.test"), (400, 1409));
    assert_eq!(refused("co.uk"), (400, 1410));
    assert_eq!(saas.post("/api/v1/requests", &json!({ "zone_id": zone })).code(), 9208);
    let left = saas.get("/api/v1/requests").result();
    assert_eq!(left.as_array().map(Vec::len), Some(1));
    let audit = saas.get("/api/v1/audit").result();
    let made = audit.as_array().unwrap().iter().find(|entry| {
        entry["action"].as_str().is_some_and(|action| action == "hostname.created www.client.test")
    });
    let actor = made.and_then(|entry| entry["actor"].as_str()).unwrap_or_default();
    assert!(actor.starts_with("token "), "{audit:#}");
    let others = client.get("/api/v1/audit").result().to_string();
    assert!(!others.contains("hostname."), "{others}");
    let before = audit[0]["id"].as_u64().unwrap();
    let older = saas.get(&format!("/api/v1/audit?before={before}&per_page=1")).result();
    assert!(older.as_array().unwrap().len() <= 1 && older[0]["id"] != before);
}

#[test]
fn a_tenant_is_explained_its_own_names() {
    let server = server();
    let [saas, client] = ["saas", "client"].map(|a| Client::new(&server, Some(a)));
    let denied = client.get("/api/v1/explain?name=www.client.test").result();
    assert_eq!(denied["verdict"]["allowed"], false);
    assert_eq!(denied["hops"][0]["account"], "client");
    assert_eq!(denied["hops"][0]["edge"]["target_account"], Value::Null);
    assert_eq!(denied["hops"][0]["edge"]["by"], "not-granted");
    assert!(denied["advice"][0].as_str().unwrap().contains("custom hostname www.client.test"));
    assert!(!denied.to_string().contains("\"saas\""), "{denied:#}");
    let through = client.get("/api/v1/explain?name=in.client.test&type=AAAA").result();
    assert_eq!(through["hops"][0]["edge"]["allowed"], true);
    assert_eq!(
        through["hops"][0]["edge"]["grant"],
        Value::Null,
        "whose rule it is, is told to nobody"
    );
    assert!(!through.to_string().contains("\"saas\""), "{through:#}");
    // Names of others, of nobody, and of this server's zones look alike.
    let unknown = client.get("/api/v1/explain?name=www.nowhere.test");
    for name in ["app.saas.test", "www.other.test", "nothing.saas.test", "."] {
        let foreign = client.get(&format!("/api/v1/explain?name={name}"));
        assert_eq!((foreign.status, &foreign.body), (404, &unknown.body), "{name}");
    }
    assert_eq!(saas.get("/api/v1/explain?name=app.saas.test").result()["verdict"]["allowed"], true);
    assert_eq!(saas.get("/api/v1/explain?name=a..b").status, 400);
    assert_eq!(saas.get("/api/v1/explain").status, 400);
    let whole = Client::new(&server, None).get("/api/v1/explain?name=www.client.test").result();
    assert_eq!(whole["hops"][0]["edge"]["target_account"], "saas");
    let told = server.world.run(&["explain", "www.client.test", "--json"]);
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told["advice"], whole["advice"], "as the command line says it");
}

#[test]
fn a_report_tells_what_a_zone_would_meet() {
    let server = server();
    let client = Client::new(&server, Some("client"));
    let operator = Client::new(&server, None);
    server.query("www.client.test", "A");
    let zone = violations(&client, "owner", 1)[0]["zone"]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/zones/{zone}/policy_report");
    let report = client.get(&path).result();
    let chains = &report["chains"];
    assert_eq!((&chains["total"], &chains["denied"]), (&json!(7), &json!(2)), "{report:#}");
    assert_eq!((&chains["loops"], &chains["crossing"]), (&json!(2), &json!(1)), "{report:#}");
    assert_eq!(chains["dangling"], 1, "{report:#}");
    let codes: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|finding| finding["code"].as_str())
        .collect();
    let wanted = ["edge-denied", "dangling-target", "cname-loop", "cname-loop", "edge-denied"];
    assert_eq!(codes, wanted, "{report:#}");
    assert!(!report.to_string().contains("\"saas\""), "{report:#}");
    assert_eq!(operator.get(&path).result()["chains"], *chains);
    let other = Client::new(&server, Some("other")).get(&path);
    let nobody = Client::new(&server, Some("other"))
        .get("/api/v1/zones/0123456789abcdef0123456789abcdef/policy_report");
    assert_eq!((other.status, other.body), (404, nobody.body));
}

#[test]
fn a_report_is_there_before_a_zone_goes_live() {
    let files = [("saas/saas.test", "%std%app A 203.0.113.10\n")];
    let (mut server, ids) = crate::records::server(&[("client", "new.test")], &files, "");
    let client = Client::new(&server, Some("client"));
    let zone = &ids["new.test"];
    let record = json!({ "type": "CNAME", "name": "www", "content": "app.saas.test" });
    client.post(&format!("/client/v4/zones/{zone}/dns_records"), &record).result();
    let path = format!("/api/v1/zones/{zone}/policy_report");
    let live = client.get(&path).result();
    assert_eq!((&live["live"], &live["chains"]["denied"]), (&json!(true), &json!(1)), "{live:#}");
    server.terminate();
}

#[test]
fn held_edits_are_accepted_by_whom_they_belong_to() {
    let many: String = (0..60).map(|i| format!("h{i} A 192.0.2.{i}\n")).collect();
    let world = World::new();
    world.zone("saas/saas.test", "%std%app A 203.0.113.10\n");
    world.zone("client/client.test", &format!("%std%{many}"));
    world.config("", API);
    let server = world.start();
    assert_eq!(server.query("h5.client.test", "A").rcode_text(), "NOERROR");
    server.world.zone("client/client.test", "%std%www A 192.0.2.1\n");
    server.logged(&["held", "client.test"]);
    let [saas, client] = ["saas", "client"].map(|a| Client::new(&server, Some(a)));
    let held = client.get("/api/v1/held").result();
    assert_eq!(held[0]["zone"]["name"], "client.test");
    assert!(held[0]["detail"].as_str().unwrap().contains("removes"), "{held:#}");
    assert_eq!(saas.get("/api/v1/held").result(), json!([]));
    let path = format!("/api/v1/held/{}/accept", held[0]["zone"]["id"].as_str().unwrap());
    assert_eq!(saas.ask("POST", &path, None).status, 404);
    let dry = client.ask("POST", &format!("{path}?dry_run=true"), None).result();
    assert_eq!((&dry["state"], &dry["dry_run"]), (&json!("held"), &json!(true)));
    assert_eq!(server.query("h5.client.test", "A").rcode_text(), "NOERROR");
    assert_eq!(client.ask("POST", &path, None).result()["state"], "served");
    assert_eq!(server.query("h5.client.test", "A").rcode_text(), "NXDOMAIN");
    assert_eq!(client.ask("POST", &path, None).status, 400);
    assert_eq!(client.get("/api/v1/held").result(), json!([]));
}

#[test]
fn who_one_is_and_what_only_an_operator_may() {
    let server = server();
    let [client, operator] = [Some("client"), None].map(|a| Client::new(&server, a));
    let me = client.get("/api/v1/whoami").result();
    assert_eq!((&me["account"]["name"], &me["operator"]), (&json!("client"), &json!(false)));
    assert!(me["verbs"].as_array().unwrap().contains(&json!("read")), "{me:#}");
    assert_eq!(operator.get("/api/v1/whoami").result()["account"], Value::Null);
    assert_eq!(client.ask("POST", "/api/v1/reload", None).status, 403);
    server.world.zone("client/client.test", "%std%new A 192.0.2.9\n");
    let reloaded = operator.ask("POST", "/api/v1/reload", None).result();
    assert_eq!(reloaded["config"], "valid");
    assert_eq!(server.query("new.client.test", "A").answer.len(), 1);
}

fn open(server: &Server, path: &str) -> Reply {
    http::request(server.http.expect("the API is on"), "GET", path, &[], None)
}

#[test]
fn machines_are_told_whether_it_lives_and_answers() {
    let server = server();
    let live = open(&server, "/healthz");
    assert_eq!((live.status, live.body.as_slice()), (200, b"ok\n".as_slice()));
    let ready = open(&server, "/readyz");
    assert_eq!(ready.status, 200);
    assert_eq!((&ready.json()["ready"], &ready.json()["reasons"]), (&json!(true), &json!([])));
}

#[test]
fn metrics_are_what_prometheus_reads() {
    let server = server();
    server.query("www.client.test", "A");
    server.query("in.client.test", "AAAA");
    server.query("in.client.test", "TYPE4711");
    let text = || {
        let reply = open(&server, "/metrics");
        assert_eq!(reply.status, 200);
        assert!(reply.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
        String::from_utf8(reply.body).unwrap()
    };
    let samples = read_metrics(&text());
    let value = |name: &str| samples.iter().find(|(n, _)| n == name).map(|(_, value)| *value);
    let udp = |rest: &str| {
        format!("bailiwick_queries_total{{transport=\"udp\",opcode=\"QUERY\",{rest}}}")
    };
    assert_eq!(value(&udp("qtype=\"A\"")), Some(1.0));
    assert_eq!(value(&udp("qtype=\"other\"")), Some(1.0));
    assert_eq!(value("bailiwick_responses_total{rcode=\"REFUSED\",ede=\"15\"}"), Some(1.0));
    let denied = "bailiwick_policy_denied_total{reason=\"not-granted\",mode=\"refuse\"}";
    assert_eq!(value(denied), Some(1.0));
    assert_eq!(value("bailiwick_zones{state=\"served\"}"), Some(3.0));
    assert_eq!(value("bailiwick_accounts"), Some(3.0));
    assert_eq!(value("bailiwick_grant_state{state=\"active\"}"), Some(1.0));
    assert_eq!(value("bailiwick_store_up{store=\"database\"}"), Some(1.0));
    assert!(value("process_resident_memory_bytes").unwrap() > 1e6);
    assert!(value("bailiwick_policy_version").unwrap() >= 1.0);
    for tenant in ["saas", "client", "other."] {
        assert!(!text().contains(tenant), "a tenant has a label");
    }
}

/// Reads every line as Prometheus would, and holds the page to what `promtool check metrics` asks for.
fn read_metrics(text: &str) -> Vec<(String, f64)> {
    let mut samples: Vec<(String, f64)> = Vec::new();
    let mut families = std::collections::HashSet::new();
    let (mut family, mut kind, mut help) = (String::new(), String::new(), String::new());
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, words) = rest.split_once(' ').expect("a help text");
            assert!(families.insert(name.to_owned()), "{name} comes twice");
            assert!(!words.is_empty(), "{line}");
            help = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, word) = rest.split_once(' ').expect("a type");
            assert_eq!(name, help, "TYPE follows HELP");
            assert_eq!(word == "counter", name.ends_with("_total"), "{line}");
            (family, kind) = (name.to_owned(), word.to_owned());
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let (name, labels) = match series.split_once('{') {
                Some((name, rest)) => (name, rest.strip_suffix('}').expect("labels end")),
                None => (series, ""),
            };
            let suffix = name.strip_prefix(&family).expect("samples follow their family");
            assert!(suffix.is_empty() || kind == "summary" && ["_sum", "_count"].contains(&suffix));
            let is_word = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(name.chars().all(is_word), "{line}");
            assert!(name.starts_with("bailiwick_") || name.starts_with("process_"), "{line}");
            for label in labels.split("\",").filter(|label| !label.is_empty()) {
                let (key, value) = label.split_once("=\"").expect("a label");
                assert!(key.chars().all(is_word), "{line}");
                assert!(!value.trim_end_matches('"').contains('"'), "{line}");
            }
            let value: f64 = value.parse().expect("a number");
            assert!(value.is_finite() && value >= 0.0, "{line}");
            assert!(!samples.iter().any(|(other, _)| other == series), "{series} comes twice");
            samples.push((series.to_owned(), value));
        }
    }
    assert!(samples.len() > 100, "{text}");
    samples
}
