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
