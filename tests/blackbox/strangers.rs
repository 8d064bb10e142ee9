//! Two accounts attack each other through every endpoint: what belongs to the other is answered like what is nobody's.

use crate::support::http::{Client, Reply};
use crate::support::server::{PATIENCE, Server, World, poll};
use serde_json::{Value, json};

const CONFIG: &str = "[api]\nlisten = \"127.0.0.1:0\"\n[accounts.one]\n[accounts.two]\n\
    [zones.\"two.test\"]\nfallback_origin = \"proxy.two.test\"\n";

/// What somebody has: by the names of parameters in paths.
struct Things {
    client: Client,
    ids: Vec<(&'static str, String)>,
}

impl Things {
    fn id(&self, name: &str) -> &str {
        &self.ids.iter().find(|(n, _)| *n == name).expect("there is one").1
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// An account with everything it can have.
fn things(server: &Server, account: &str, apex: &str) -> Things {
    let operator = Client::new(server, None);
    let client = Client::new(server, Some(account));
    let account = text(&client.get("/client/v4/accounts").result()[0]["id"]);
    let body = json!({ "name": apex, "account": { "id": account } });
    let zone = text(&operator.post("/client/v4/zones", &body).result()["id"]);
    let record = json!({ "type": "A", "name": "www", "content": "192.0.2.1", "ttl": 300 });
    let path = format!("/client/v4/zones/{zone}/dns_records");
    let record = text(&client.post(&path, &record).result()["id"]);
    let token = text(&client.get("/client/v4/user/tokens/verify").result()["id"]);
    let ids = vec![("account", account), ("zone", zone), ("record", record), ("token", token)];
    Things { client, ids }
}

/// Ids that look like those of things, of nothing.
fn nothing(server: &Server) -> Things {
    let things = things(server, "two", "gone.example.net");
    let zone = things.id("zone").to_owned();
    things.client.ask("DELETE", &format!("/client/v4/zones/{zone}"), None).result();
    let ids = vec![
        ("account", "0123456789abcdef0123456789abcdef".to_owned()),
        ("zone", zone),
        ("record", "fedcba9876543210fedcba9876543210".to_owned()),
        ("token", "01234567-89ab-4def-8123-456789abcdef".to_owned()),
    ];
    Things { client: things.client, ids }
}

/// The path with the ids of somebody.
fn path(template: &str, of: &Things, own: &Things, strange: &str) -> String {
    let mut path = template.to_owned();
    while let Some(at) = path.find('{') {
        let end = path[at..].find('}').expect("it ends") + at;
        let name = path[at + 1..end].to_owned();
        let kind = match name.as_str() {
            "id" if template.contains("custom_hostnames") => "token",
            "id" if template.contains("dns_records") => "record",
            "id" => "zone",
            "account" | "account_id" => "account",
            "zone" | "zone_id" => "zone",
            "token" => "token",
            _ => "record",
        };
        // The stranger's thing stands at one place, own things at those before it.
        let whose = if kind == strange || strange == "all" { of } else { own };
        path.replace_range(at..=end, whose.id(kind));
    }
    path
}

/// An answer without what differs from request to request, and without the ids that were asked for.
fn seen(reply: &Reply, of: &Things) -> (u16, String) {
    let mut body = String::from_utf8_lossy(&reply.body).into_owned();
    for (name, id) in &of.ids {
        body = body.replace(id.as_str(), name);
    }
    (reply.status, body)
}

fn bodies(of: &Things) -> Vec<Value> {
    let (zone, account) = (of.id("zone"), of.id("account"));
    let resource =
        |kind: &str, id: &str| json!({ format!("com.cloudflare.api.account.{kind}{id}"): "*" });
    let token = |resources: Value| {
        let groups = json!([{ "name": "DNS Read" }]);
        json!({ "name": "t", "policies": [
            { "effect": "allow", "permission_groups": groups, "resources": resources },
        ] })
    };
    vec![
        json!({}),
        json!({ "name": "x.example.org", "account": { "id": account }, "type": "full" }),
        json!({ "type": "A", "name": "x", "content": "192.0.2.9", "ttl": 300 }),
        json!({ "deletes": [{ "id": of.id("record") }] }),
        json!({ "paused": true }),
        json!({ "hostname": "www.one.example.net" }),
        token(resource("", account)),
        token(resource("zone.", zone)),
    ]
}

#[test]
fn every_answer_about_others_equals_the_answer_about_nothing() {
    let world = World::new();
    world.config("", CONFIG);
    let server = world.start();
    let one = things(&server, "one", "one.example.net");
    let two = things(&server, "two", "two.example.net");
    let none = nothing(&server);
    let document = one.client.get("/openapi.json").json();
    let paths = document["paths"].as_object().expect("paths");
    let mut asked = 0;
    // What is asked without a token is about nobody.
    let closed = |path: &&String| path.starts_with("/client/") || path.starts_with("/api/");
    for (template, operations) in paths.iter().filter(|(path, _)| closed(path)) {
        let kinds: &[&str] = if template.contains('{') {
            &["all", "zone", "record", "token", "account"]
        } else {
            &["all"]
        };
        for method in operations.as_object().expect("operations").keys().map(|m| m.to_uppercase()) {
            for kind in kinds {
                let about = |things: &Things| path(template, things, &one, kind);
                let (theirs, nobodys) = (about(&two), about(&none));
                if theirs == nobodys && template.contains('{') {
                    // Nothing of a stranger in it.
                    continue;
                }
                let queries = |things: &Things| {
                    let (zone, account) = (things.id("zone"), things.id("account"));
                    [
                        "".to_owned(),
                        format!("?account_id={account}"),
                        format!("?zone_id={zone}"),
                        format!("?account.id={account}"),
                        format!("?id={}", things.id("record")),
                    ]
                };
                for (q, (their_query, no_query)) in
                    queries(&two).iter().zip(queries(&none)).enumerate()
                {
                    if method != "GET" && q > 0 {
                        continue;
                    }
                    let with_body = matches!(method.as_str(), "POST" | "PUT" | "PATCH");
                    let sent = if with_body { bodies(&two) } else { vec![Value::Null] };
                    for (n, body) in sent.iter().enumerate() {
                        if with_body
                            && !template.contains('{')
                            && !body.to_string().contains(two.id("account"))
                            && !body.to_string().contains(two.id("zone"))
                        {
                            continue;
                        }
                        let other = if with_body { bodies(&none)[n].clone() } else { Value::Null };
                        let ask = |path: &str, query: &str, body: &Value| {
                            let body = (!body.is_null()).then_some(body);
                            one.client.ask(&method, &format!("{path}{query}"), body)
                        };
                        let their = seen(&ask(&theirs, their_query, body), &two);
                        let nobody = seen(&ask(&nobodys, &no_query, &other), &none);
                        asked += 1;
                        assert_eq!(
                            without_times(their),
                            without_times(nobody),
                            "{method} {theirs}{their_query} {body}"
                        );
                    }
                }
            }
        }
    }
    assert!(asked > 100, "{asked}");
    // Nothing of the other was harmed.
    let zone = two.client.get(&format!("/client/v4/zones/{}", two.id("zone"))).result();
    assert!(zone["status"] == "active" && zone["paused"] == false, "{zone:#}");
    let path = format!("/client/v4/zones/{}/dns_records/{}", two.id("zone"), two.id("record"));
    assert_eq!(two.client.get(&path).result()["content"], "192.0.2.1");
    let alive = poll(PATIENCE, || Some(server.query("www.two.example.net", "A")));
    assert!(alive.expect("an answer").answer.len() == 1);
    // The lists of one show nothing of two.
    for path in
        ["/client/v4/zones", "/client/v4/accounts", "/client/v4/user/tokens", "/api/v1/audit"]
    {
        let listed = String::from_utf8_lossy(&one.client.get(path).body).into_owned();
        for (_, id) in &two.ids {
            assert!(!listed.contains(id.as_str()), "{path} shows {id}: {listed}");
        }
        assert!(!listed.contains("two.example.net"), "{path}: {listed}");
    }
}

/// Times and figures that differ from moment to moment.
fn without_times((status, body): (u16, String)) -> (u16, String) {
    let stamp = |text: &str| text.len() >= 20 && text.as_bytes()[4] == b'-' && text.ends_with('Z');
    let words = body.split('"').map(|word| if stamp(word) { "TIME" } else { word });
    (status, words.collect::<Vec<_>>().join("\""))
}

#[test]
fn a_token_makes_only_narrower_ones() {
    let world = World::new();
    world.config("", CONFIG);
    let server = world.start();
    let one = things(&server, "one", "one.example.net");
    let two = things(&server, "two", "two.example.net");
    let mint = |client: &Client, groups: &[&str], resources: Value, more: Value| {
        let groups: Vec<Value> = groups.iter().map(|name| json!({ "name": name })).collect();
        let policy =
            json!({ "effect": "allow", "permission_groups": groups, "resources": resources });
        let mut body = json!({ "name": "made by a test", "policies": [policy] });
        for (key, value) in more.as_object().expect("an object") {
            body[key] = value.clone();
        }
        client.post("/client/v4/user/tokens", &body)
    };
    let whole = json!({ format!("com.cloudflare.api.account.{}", one.id("account")): "*" });
    let of_zone = json!({ format!("com.cloudflare.api.account.zone.{}", one.id("zone")): "*" });
    let dns =
        mint(&one.client, &["DNS Write", "API Tokens Write"], of_zone.clone(), json!({})).result();
    let dns = Client { token: text(&dns["value"]), ..one.client.clone() };
    let zone = format!("/client/v4/zones/{}", one.id("zone"));
    assert_eq!(dns.get(&zone).status, 200);
    let record = json!({ "type": "A", "name": "b", "content": "192.0.2.2", "ttl": 300 });
    assert_eq!(dns.post(&format!("{zone}/dns_records"), &record).status, 200);
    // What needs a verb of its own.
    for (method, path, body) in [
        ("PATCH", zone.clone(), json!({ "paused": true })),
        ("DELETE", zone.clone(), Value::Null),
        ("POST", "/client/v4/zones".to_owned(), json!({ "name": "x.example.org" })),
        ("PUT", format!("/client/v4/accounts/{}", one.id("account")), json!({ "name": "x" })),
    ] {
        let body = (!body.is_null()).then_some(&body);
        let reply = dns.ask(method, &path, body);
        assert_eq!((reply.status, reply.code()), (403, 10000), "{method} {path}");
    }
    // No wider, no longer, not elsewhere.
    assert_eq!(mint(&dns, &["Zone Write"], of_zone.clone(), json!({})).status, 403);
    assert_eq!(mint(&dns, &["DNS Write"], whole.clone(), json!({})).status, 200);
    let soon = json!({ "expires_on": "2999-01-01T00:00:00Z" });
    let short = mint(&one.client, &["DNS Read", "API Tokens Write"], whole.clone(), soon).result();
    let short = Client { token: text(&short["value"]), ..one.client.clone() };
    let later = json!({ "expires_on": "2999-01-02T00:00:00Z" });
    assert_eq!(mint(&short, &["DNS Read"], whole.clone(), later).status, 403);
    let elsewhere = json!({ format!("com.cloudflare.api.account.{}", two.id("account")): "*" });
    assert_eq!(mint(&one.client, &["DNS Read"], elsewhere, json!({})).status, 400);
    // What it makes without a word about zones is for its own ones.
    let made = mint(&dns, &["DNS Read"], whole.clone(), json!({})).result();
    assert!(made["policies"][0]["resources"].to_string().contains(one.id("zone")), "{made:#}");
    // From elsewhere, expired, or not yet: as if there were no token.
    for more in [
        json!({ "condition": { "request_ip": { "in": ["192.0.2.0/24"] } } }),
        json!({ "condition": { "request_ip": { "not_in": ["127.0.0.1"] } } }),
        json!({ "expires_on": "2020-01-01T00:00:00Z" }),
        json!({ "not_before": "2999-01-01T00:00:00Z" }),
    ] {
        let made = mint(&one.client, &["DNS Read"], whole.clone(), more.clone()).result();
        let client = Client { token: text(&made["value"]), ..one.client.clone() };
        assert_eq!((client.get(&zone).status, client.get(&zone).code()), (403, 9109), "{more}");
    }
    // What a token made never does more than it, and ends with it.
    let made = mint(&dns, &["DNS Write", "API Tokens Write"], whole.clone(), json!({})).result();
    let child = Client { token: text(&made["value"]), ..one.client.clone() };
    let made = mint(&child, &["DNS Write"], whole.clone(), json!({})).result();
    let grandchild = Client { token: text(&made["value"]), ..one.client.clone() };
    let records = format!("{zone}/dns_records");
    let write = |client: &Client, name: &str| {
        let record = json!({ "type": "A", "name": name, "content": "192.0.2.3", "ttl": 300 });
        client.post(&records, &record).status
    };
    assert_eq!((write(&child, "c"), write(&grandchild, "d")), (200, 200));
    let id = text(&dns.get("/client/v4/user/tokens/verify").result()["id"]);
    let path = format!("/client/v4/user/tokens/{id}");
    let say = |client: &Client, groups: &[&str], more: Value| {
        let groups: Vec<Value> = groups.iter().map(|name| json!({ "name": name })).collect();
        let mut body = json!({ "name": "changed", "policies": [{ "effect": "allow",
            "permission_groups": groups, "resources": of_zone }] });
        for (key, value) in more.as_object().expect("an object") {
            body[key] = value.clone();
        }
        client.ask("PUT", &path, Some(&body))
    };
    // Nobody makes itself or its maker more than it is.
    assert_eq!(say(&dns, &["DNS Write", "Zone Write"], json!({})).status, 403);
    assert_eq!(say(&grandchild, &["DNS Read"], json!({})).status, 403);
    let changed = say(&one.client, &["DNS Read", "API Tokens Write"], json!({})).result();
    assert_eq!(
        (changed["name"].as_str(), changed["status"].as_str()),
        (Some("changed"), Some("active"))
    );
    assert_eq!((write(&dns, "e"), write(&child, "e"), write(&grandchild, "e")), (403, 403, 403));
    assert_eq!((child.get(&zone).status, grandchild.get(&zone).status), (200, 200));
    let off = json!({ "status": "disabled" });
    assert_eq!(
        say(&one.client, &["DNS Write", "API Tokens Write"], off).result()["status"],
        "disabled"
    );
    assert_eq!(
        (dns.get(&zone).status, child.get(&zone).status, grandchild.get(&zone).status),
        (403, 403, 403)
    );
    let on = json!({ "status": "active" });
    say(&one.client, &["DNS Write", "API Tokens Write"], on).result();
    assert_eq!((write(&child, "f"), write(&grandchild, "g")), (200, 200));
    let listed = one.client.get("/client/v4/user/tokens?per_page=50").json()["result_info"].clone();
    one.client.ask("DELETE", &path, None).result();
    assert_eq!((child.get(&zone).status, grandchild.get(&zone).status), (403, 403));
    let left = one.client.get("/client/v4/user/tokens?per_page=50").json()["result_info"].clone();
    let count = |info: &Value| info["total_count"].as_u64().unwrap();
    // With what it made before, four of them.
    assert_eq!(count(&listed) - count(&left), 5);
    // A new secret ends the old one.
    let mine = one.client.get("/client/v4/user/tokens/verify").result();
    let path = format!("/client/v4/user/tokens/{}/value", text(&mine["id"]));
    let rolled = text(&one.client.ask("PUT", &path, None).result());
    assert_eq!(one.client.get(&zone).status, 403);
    assert_eq!(Client { token: rolled, ..one.client.clone() }.get(&zone).status, 200);
}
