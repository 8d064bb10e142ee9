//! SPEC §3.1 through the API: what is asserted is served, what is claimed waits for proof, and what waits is nothing.

use crate::support::http::{Client, Reply};
use crate::support::server::{PATIENCE, Server, World, poll};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SERVER: &str = "nameservers = [\"a.ns.test\", \"b.ns.test\", \"c.ns.test\", \"d.ns.test\"]\n";
const REST: &str = "[api]\nlisten = \"127.0.0.1:0\"\n[accounts.one]\nname = \"One Ltd.\"\n[accounts.two]\n\
    [zones.\"parent.test\"]\ndelegates = { \"shop.parent.test\" = \"one\" }\n";

fn world() -> World {
    let world = World::new();
    world.zone("registry/parent.test", "%std%www A 192.0.2.1\n");
    world.config(SERVER, REST);
    world
}

pub fn account(client: &Client) -> String {
    client.get("/client/v4/accounts").result()[0]["id"].as_str().unwrap().to_owned()
}

pub fn create(client: &Client, name: &str, account: &str) -> Reply {
    let body = json!({ "name": name, "account": { "id": account }, "type": "full" });
    client.post("/client/v4/zones", &body)
}

pub fn zone(client: &Client, id: &Value) -> Value {
    client.get(&format!("/client/v4/zones/{}", id.as_str().unwrap())).result()
}

/// Asks for a check about once a second: more often is too often.
#[derive(Default)]
pub struct Checks {
    last: Option<Instant>,
}

impl Checks {
    /// Waits until the next one may be asked for.
    pub fn pause(&self) {
        poll(PATIENCE, || {
            self.last
                .is_none_or(|last| last.elapsed() >= Duration::from_millis(1_100))
                .then_some(())
        });
    }

    pub fn ask(&mut self, client: &Client, id: &Value) {
        if self.last.is_some_and(|last| last.elapsed() < Duration::from_millis(1_100)) {
            return;
        }
        self.last = Some(Instant::now());
        let path = format!("/client/v4/zones/{}/activation_check", id.as_str().unwrap());
        assert_eq!(client.ask("PUT", &path, None).status, 200);
    }
}

/// Asks for checks until the zone has a status.
pub fn wait(server: &Server, client: &Client, id: &Value, status: &str) -> Value {
    let mut last = Value::Null;
    let mut checks = Checks::default();
    let found = poll(PATIENCE, || {
        last = zone(client, id);
        checks.ask(client, id);
        (last["status"] == status).then(|| last.clone())
    });
    found.unwrap_or_else(|| panic!("never {status}: {last:#}\n{}", server.log()))
}

fn answer(server: &Server, name: &str) -> (String, String) {
    let answer = server.query(name, "SOA");
    (answer.rcode_text().to_owned(), answer.show())
}

#[test]
fn what_an_operator_asserts_is_served_at_once() {
    let mut server = world().start();
    let operator = Client::new(&server, None);
    let one = Client::new(&server, Some("one"));
    let created = create(&operator, "example.net", &account(&one)).result();
    assert_eq!(
        (created["status"].as_str(), created["name"].as_str()),
        (Some("active"), Some("example.net"))
    );
    assert_eq!(created["account"]["name"], "One Ltd.");
    let id = created["id"].as_str().unwrap();
    assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    assert_eq!(answer(&server, "example.net").0, "NOERROR");
    // It belongs to that account now.
    assert_eq!(zone(&one, &created["id"])["id"], created["id"]);
    assert_eq!(create(&one, "example.net", &account(&one)).code(), 1061);
    server.crash();
    let one = Client { address: server.http.unwrap(), ..one };
    let operator = Client { address: server.http.unwrap(), ..operator };
    assert_eq!(zone(&one, &created["id"])["status"], "active");
    assert_eq!(answer(&server, "example.net").0, "NOERROR");
    let path = format!("/client/v4/zones/{id}");
    let paused = one.ask("PATCH", &path, Some(&json!({ "paused": true }))).result();
    assert_eq!(paused["paused"], true);
    assert_eq!(one.ask("PATCH", &path, Some(&json!({ "type": "partial" }))).status, 400);
    assert_eq!(one.ask("DELETE", &path, None).result()["id"], id);
    let (rcode, shown) = answer(&server, "example.net");
    assert_eq!(rcode, "REFUSED", "{shown}");
    assert_eq!(one.get(&path).status, 404);
    // Made again it is another zone.
    let again = create(&operator, "example.net", &account(&one)).result();
    assert_ne!(again["id"], created["id"]);
    // A zone whose file says so is not the API's to change.
    let listed = operator.get("/client/v4/zones?name=parent.test").result();
    let file = listed[0]["id"].as_str().unwrap();
    assert_eq!(listed[0]["status"], "active");
    assert_eq!(listed[0]["name_servers"], json!(["ns1.parent.test"]));
    let refused = operator.ask("DELETE", &format!("/client/v4/zones/{file}"), None);
    assert!(refused.status == 409 && refused.json().to_string().contains("parent.test.zone"));
}

#[test]
fn a_claim_is_nothing_until_it_is_proved() {
    let server = world().start();
    let one = Client::new(&server, Some("one"));
    let two = Client::new(&server, Some("two"));
    let by_one = create(&one, "shop.parent.test", &account(&one)).result();
    let by_two = create(&two, "shop.parent.test", &account(&two)).result();
    for claim in [&by_one, &by_two] {
        assert_eq!(claim["status"], "pending");
        assert_eq!(claim["name_servers"].as_array().unwrap().len(), 2);
    }
    assert_ne!(by_one["name_servers"], by_two["name_servers"]);
    // The zone above answers, as if nobody had claimed anything.
    assert_eq!(answer(&server, "shop.parent.test").0, "NXDOMAIN");
    let (rcode, shown) = answer(&server, "elsewhere.test");
    let elsewhere = create(&one, "elsewhere.test", &account(&one)).result();
    assert_eq!(answer(&server, "elsewhere.test"), (rcode, shown.clone()));
    assert!(shown.contains("20"), "EDE 20: {shown}");
    assert_eq!(elsewhere["activated_on"], Value::Null);
    // Both are looked at once before what the parent shows can count.
    for (client, claim) in [(&one, &by_one), (&two, &by_two)] {
        let looked = poll(PATIENCE, || {
            let checks = zone(client, &claim["id"])["verification"]["checks"].as_u64();
            checks.filter(|checks| *checks > 0)
        });
        looked.expect("looked at");
    }
    // The parent delegates to the names that were given to the first.
    let delegation = |claim: &Value| {
        let names = claim["name_servers"].as_array().unwrap().iter();
        names.map(|n| format!("shop NS {}.\n", n.as_str().unwrap())).collect::<String>()
    };
    server.world.zone("registry/parent.test", &format!("%std%{}", delegation(&by_one)));
    let active = wait(&server, &one, &by_one["id"], "active");
    assert_eq!(active["verification"]["proof"], "nameservers");
    let answered = server.query("shop.parent.test", "SOA");
    assert!(
        answered.rcode_text() == "NOERROR" && answered.flags & 0x0400 != 0,
        "{}",
        answered.show()
    );
    assert_eq!(zone(&two, &by_two["id"])["status"], "pending");
    // To the other's: that account may not hold a zone there, whatever it proves.
    server.world.zone("registry/parent.test", &format!("%std%{}", delegation(&by_two)));
    let path = format!("/client/v4/zones/{}/activation_check", by_two["id"].as_str().unwrap());
    two.ask("PUT", &path, None).result();
    let gone = poll(PATIENCE, || (zone(&one, &by_one["id"])["status"] == "moved").then_some(()));
    gone.unwrap_or_else(|| panic!("{:#}\n{}", zone(&one, &by_one["id"]), server.log()));
    assert_eq!(zone(&two, &by_two["id"])["status"], "pending");
    assert_eq!(server.query("shop.parent.test", "SOA").flags & 0x0400, 0);
}

#[test]
fn a_token_proves_and_a_set_that_was_there_before_does_not() {
    let server = world().start();
    let one = Client::new(&server, Some("one"));
    // Somebody delegated it to this server before anybody was given names.
    let all = ["a", "b", "c", "d"].map(|n| format!("shop NS {n}.ns.test.\n"));
    server.world.zone("registry/parent.test", &format!("%std%{}", all[..2].concat()));
    server.wait_for("shop.parent.test", "NS", |a| !a.authority.is_empty());
    let claim = create(&one, "shop.parent.test", &account(&one)).result();
    // The first look finds that, and another set is given.
    let looked = poll(PATIENCE, || {
        let zone = zone(&one, &claim["id"]);
        (zone["verification"]["checks"].as_u64() > Some(0)).then_some(())
    });
    looked.expect("looked at");
    let pending = zone(&one, &claim["id"]);
    assert_eq!(pending["status"], "pending");
    assert_ne!(pending["name_servers"], json!(["a.ns.test", "b.ns.test"]));
    let verification = &pending["verification"];
    assert_eq!(verification["txt_name"], "_bailiwick-verify.shop.parent.test");
    let token = verification["txt_value"].as_str().unwrap();
    assert_eq!(pending["verification_key"], token);
    // Without the delegation, so that the name lies in the zone above.
    server
        .world
        .zone("registry/parent.test", &format!("%std%_bailiwick-verify.shop TXT \"{token}\"\n"));
    let active = wait(&server, &one, &claim["id"], "active");
    assert_eq!(active["verification"]["proof"], "txt");
    assert_eq!(answer(&server, "shop.parent.test").0, "NOERROR");
}

#[test]
fn accounts_and_lists_show_what_belongs_to_whom() {
    let server = world().start();
    let operator = Client::new(&server, None);
    let one = Client::new(&server, Some("one"));
    let made = operator.post("/client/v4/accounts", &json!({ "name": "ACME Inc." }));
    assert_eq!((made.status, made.json()["result"]["folder"].as_str()), (201, Some("acme-inc")));
    let acme = made.json()["result"]["id"].as_str().unwrap().to_owned();
    assert_eq!(one.post("/client/v4/accounts", &json!({ "name": "x" })).status, 403);
    assert_eq!(operator.post("/client/v4/accounts", &json!({ "name": "ACME Inc" })).status, 409);
    for n in 0..7 {
        create(&operator, &format!("z{n}.example.net"), &acme).result();
    }
    let page =
        operator.get(&format!("/client/v4/zones?account.id={acme}&per_page=5&page=2")).json();
    assert_eq!(
        page["result_info"],
        json!({
            "page": 2, "per_page": 5, "count": 2, "total_count": 7, "total_pages": 2,
        })
    );
    let names = |query: &str| -> Vec<String> {
        let listed = operator.get(&format!("/client/v4/zones?{query}")).result();
        listed.as_array().unwrap().iter().map(|z| z["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("name=z3.example.net"), ["z3.example.net"]);
    assert_eq!(names("name=starts_with:z&direction=desc&per_page=5")[0], "z6.example.net");
    assert_eq!(names("account.name=contains:acme").len(), 7);
    assert_eq!(names("status=pending").len(), 0);
    assert_eq!(names("match=any&name=contains:z1&status=pending"), ["z1.example.net"]);
    assert_eq!(operator.get("/client/v4/zones?order=shoe").status, 400);
    assert_eq!(one.get("/client/v4/zones").result(), json!([]));
    // With the account go its zones; and a token of it.
    let client = Client::new(&server, Some("acme-inc"));
    assert_eq!(client.get("/client/v4/zones").json()["result_info"]["total_count"], 7);
    let path = format!("/client/v4/accounts/{acme}");
    assert_eq!(client.ask("DELETE", &path, None).status, 403);
    assert_eq!(answer(&server, "z1.example.net").0, "NOERROR");
    operator.ask("DELETE", &path, None).result();
    assert_eq!(client.get("/client/v4/zones").status, 403);
    assert_eq!(answer(&server, "z1.example.net").0, "REFUSED");
    let registry = operator.get("/client/v4/accounts?name=registry").result();
    let path = format!("/client/v4/accounts/{}", registry[0]["id"].as_str().unwrap());
    assert_eq!(operator.ask("DELETE", &path, None).status, 409);
}

#[test]
fn a_zone_is_partial_where_the_config_says_so() {
    let world = world();
    let partial = "[zones.\"cdn.example.net\"]\ntype = \"partial\"\n";
    world.config(SERVER, &format!("{REST}{partial}"));
    let server = world.start();
    let operator = Client::new(&server, None);
    let one = Client::new(&server, Some("one"));
    let wanted = |client: &Client, name: &str| {
        let account = json!({ "id": account(&one) });
        client.post(
            "/client/v4/zones",
            &json!({ "name": name, "account": account, "type": "partial" }),
        )
    };
    // Nothing tells a tenant what the config says of a name that is not its own.
    let [here, elsewhere] = ["cdn.example.net", "other.example.net"].map(|n| wanted(&one, n));
    assert_eq!((here.status, here.code()), (400, 1004));
    assert_eq!(here.body, elsewhere.body);
    assert_eq!(wanted(&operator, "other.example.net").code(), 1004);
    let made = wanted(&operator, "CDN.example.net").result();
    assert_eq!((&made["type"], &made["status"]), (&json!("partial"), &json!("active")));
    assert_eq!(made["cname_suffix"], "cdn.bailiwick.invalid");
    let full = create(&operator, "full.example.net", &account(&one)).result();
    assert_eq!((&full["type"], &full["cname_suffix"]), (&json!("full"), &Value::Null));
    let listed = |kind: &str| {
        let listed = one.get(&format!("/client/v4/zones?type={kind}")).result();
        let names = listed.as_array().unwrap().iter();
        names.map(|zone| zone["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed("partial"), ["cdn.example.net"]);
    assert_eq!(listed("full"), ["full.example.net"]);
    assert_eq!(listed("full,partial").len(), 2);
    let path = format!("/client/v4/zones/{}", made["id"].as_str().unwrap());
    let change = |kind: &str| one.ask("PATCH", &path, Some(&json!({ "type": kind }))).status;
    assert_eq!((change("partial"), change("full"), change("secondary")), (200, 400, 400));
    // The config says otherwise: so it is.
    server.world.config(SERVER, REST);
    assert!(server.world.run(&["reload"]).status.success());
    assert_eq!(zone(&one, &made["id"])["type"], "full");
}

#[test]
fn public_suffixes_are_nobodys_unless_the_config_gives_one() {
    let world = world();
    world.config(
        SERVER,
        &format!("{REST}[policy]\nsuffixes = {{ \"com.test\" = \"one\", \"co.uk\" = \"one\" }}\n"),
    );
    let server = world.start();
    let operator = Client::new(&server, None);
    let [one, two] = ["one", "two"].map(|name| Client::new(&server, Some(name)));
    for name in ["com", "CO.UK", "co.jp", "test", "xn--p1ai", "gov.uk"] {
        for client in [&two, &operator] {
            let refused = create(client, name, &account(&two));
            assert_eq!((refused.status, refused.code()), (400, 1099), "{name}");
        }
    }
    for name in [".", "*.example.net", "a b.example.net", "\\046.example.net", "ü.example.net", ""]
    {
        let refused = create(&two, name, &account(&two));
        assert_eq!((refused.status, refused.code()), (400, 1049), "{name}");
    }
    // Given to one, and still to be proved by it.
    assert_eq!(create(&one, "co.uk", &account(&one)).result()["status"], "pending");
    assert_eq!(server.query("co.uk", "SOA").rcode_text(), "REFUSED");
    assert_eq!(create(&operator, "co.uk", &account(&two)).code(), 1099);
}

#[test]
fn what_cannot_be_tried_is_not_done() {
    let server = world().start();
    let operator = Client::new(&server, None);
    let one = Client::new(&server, Some("one"));
    let zone = create(&operator, "example.net", &account(&one)).result();
    let path = format!("/client/v4/zones/{}", zone["id"].as_str().unwrap());
    let before = operator.get("/client/v4/zones").result();
    for value in ["true", "1", "yes"] {
        for (method, path) in [
            ("DELETE", path.clone()),
            ("PATCH", path.clone()),
            ("POST", "/client/v4/zones".to_owned()),
            ("POST", format!("{path}/hold")),
            ("POST", "/client/v4/accounts".to_owned()),
            ("POST", "/client/v4/user/tokens".to_owned()),
            ("POST", "/api/v1/reload".to_owned()),
        ] {
            let tried = format!("{path}?dry_run={value}");
            let refused = operator.ask(method, &tried, Some(&json!({ "name": "other.net" })));
            assert_eq!((refused.status, refused.code()), (400, 1004), "{method} {tried}");
        }
    }
    assert_eq!(operator.get("/client/v4/zones?dry_run=true").result(), before);
    let record = json!({ "type": "A", "name": "www", "content": "192.0.2.1", "ttl": 60 });
    let records = format!("{path}/dns_records");
    one.post(&format!("{records}?dry_run=true"), &record).result();
    assert_eq!(one.get(&records).result(), json!([]));
    assert_eq!(one.post(&format!("{records}?dry_run=false"), &record).status, 200);
    assert_eq!(one.ask("DELETE", &format!("{path}?dry_run=false"), None).status, 200);
}
