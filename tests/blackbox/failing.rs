//! Writes that wait together share one commit. When it fails, each of them is an error and none of them happened; what
//! comes later works again. All of it over the real database, which the test makes fail as a commit ends.

use crate::support::http::{Client, Reply};
use crate::support::server::{PATIENCE, Server, World, poll};
use rusqlite::Connection;
use serde_json::{Value, json};

const CONFIG: &str = "[api]\nlisten = \"127.0.0.1:0\"\n";

/// Everything commits that is checked as each change is made; nothing does that is checked as the transaction ends.
const SABOTAGE: &str = "BEGIN IMMEDIATE;
    CREATE TABLE sabotage_parent (id INTEGER PRIMARY KEY);
    CREATE TABLE sabotage (id INTEGER REFERENCES sabotage_parent DEFERRABLE INITIALLY DEFERRED);
    CREATE TRIGGER sabotage_all AFTER UPDATE ON meta BEGIN INSERT INTO sabotage VALUES (1); END;";
const REPAIR: &str = "BEGIN IMMEDIATE; DROP TRIGGER sabotage_all; DROP TABLE sabotage;
    DROP TABLE sabotage_parent; COMMIT;";

struct Scene {
    server: Server,
    operator: Client,
    saas: Client,
    /// Paths of things that are there.
    kept: String,
    doomed: String,
    provider: String,
    hostname: String,
    acme: String,
    empty: String,
    token: String,
}

/// One thing to ask for.
struct Wish {
    method: &'static str,
    path: String,
    body: Option<Value>,
    by_operator: bool,
}

impl Wish {
    fn ask(&self, client: &Client) -> Reply {
        client.ask(self.method, &self.path, self.body.as_ref())
    }
}

fn id(object: &Value) -> String {
    object["id"].as_str().expect("an id").to_owned()
}

impl Scene {
    fn set() -> Scene {
        let world = World::new();
        world.zone("saas/saas.test", "%std%proxy A 203.0.113.10\nnext A 203.0.113.11\n");
        let shops = "shop CNAME proxy.saas.test.\nother CNAME proxy.saas.test.\n";
        world.zone("client/client.test", &format!("%std%{shops}"));
        world.config("", CONFIG);
        let server = world.start();
        let (operator, saas) = (Client::new(&server, None), Client::new(&server, Some("saas")));
        let account = |name: &str| {
            id(&operator.post("/client/v4/accounts", &json!({ "name": name })).result())
        };
        let (acme, empty) = (account("acme"), account("empty"));
        let zone = |name: &str| {
            let wanted = json!({ "name": name, "account": { "id": acme } });
            let path = format!("/client/v4/zones/{}", id(&operator.post(ZONES, &wanted).result()));
            operator.post(&format!("{path}/dns_records"), &record("www", "192.0.2.1")).result();
            path
        };
        let (kept, doomed) = (zone("kept.test"), zone("doomed.test"));
        let listed = saas.get("/client/v4/zones?name=saas.test").result();
        let provider = format!("/client/v4/zones/{}", id(&listed[0]));
        let all = format!("{provider}/custom_hostnames");
        let origin = json!({ "origin": "proxy.saas.test" });
        saas.ask("PUT", &format!("{all}/fallback_origin"), Some(&origin)).result();
        let made = saas.post(&all, &json!({ "hostname": "shop.client.test" })).result();
        let hostname = format!("{all}/{}", id(&made));
        server.wait_for("shop.client.test", "A", |a| !a.answer.is_empty());
        let token = format!("{TOKENS}/{}", id(&saas.post(TOKENS, &token(&saas)).result()));
        Scene { server, operator, saas, kept, doomed, provider, hostname, acme, empty, token }
    }

    /// Writes of every kind.
    fn wishes(&self) -> Vec<Wish> {
        let wish = |method, path: String, body: Value, by_operator| {
            let body = Some(body).filter(|body| !body.is_null());
            Wish { method, path, body, by_operator }
        };
        let Scene { kept, doomed, provider, hostname, acme, empty, token: ended, .. } = self;
        let zone = provider.rsplit('/').next().expect("an id");
        let hostnames = format!("{provider}/custom_hostnames");
        let new_zone = json!({ "name": "new.test", "account": { "id": acme } });
        let other = json!({ "hostname": "other.client.test" });
        let origin = json!({ "origin": "next.saas.test" });
        let anyone = json!({ "cross_account": "anyone" });
        let none = Value::Null;
        vec![
            wish("POST", format!("{kept}/dns_records"), record("new", "192.0.2.2"), true),
            wish(
                "PATCH",
                format!("{kept}/dns_settings"),
                json!({ "flatten_all_cnames": true }),
                true,
            ),
            wish("POST", ZONES.to_owned(), new_zone, true),
            wish("DELETE", doomed.clone(), none.clone(), true),
            wish("POST", "/client/v4/accounts".to_owned(), json!({ "name": "fresh" }), true),
            wish("DELETE", format!("/client/v4/accounts/{empty}"), none.clone(), true),
            wish("POST", hostnames.clone(), other, false),
            wish("DELETE", hostname.clone(), none.clone(), false),
            wish("POST", format!("{provider}/hold"), none.clone(), false),
            wish("PUT", format!("{hostnames}/fallback_origin"), origin, false),
            wish("PATCH", format!("/api/v1/zones/{zone}/settings"), anyone, false),
            wish("POST", TOKENS.to_owned(), token(&self.saas), false),
            wish("DELETE", ended.clone(), none, false),
        ]
    }

    fn client(&self, wish: &Wish) -> Client {
        if wish.by_operator { self.operator.clone() } else { self.saas.clone() }
    }

    fn ask(&self, wish: &Wish) -> Reply {
        wish.ask(&self.client(wish))
    }

    /// All that the writes would change, as everybody sees it.
    fn seen(&self) -> Value {
        let names = ["shop.client.test", "other.client.test", "www.kept.test", "new.kept.test"];
        let zones = ["new.test", "doomed.test", "kept.test"];
        let told = |arguments: &[&str]| {
            let output = self.server.world.run(arguments);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
        };
        let hostnames = format!("{}/custom_hostnames", self.provider);
        json!({
            "names": names.map(|name| self.server.query(name, "A").show()),
            "zones": zones.map(|name| self.server.query(name, "SOA").show()),
            "records": self.operator.get(&format!("{}/dns_records", self.kept)).result(),
            "settings": self.operator.get(&format!("{}/dns_settings", self.kept)).result(),
            "accounts": self.operator.get("/client/v4/accounts").result(),
            "listed": self.operator.get(ZONES).result(),
            "told": [told(&["zone", "list", "--json"]), told(&["account", "list", "--json"])],
            "hostnames": self.saas.get(&hostnames).result(),
            "origin": self.saas.get(&format!("{hostnames}/fallback_origin")).result(),
            "hold": self.saas.get(&format!("{}/hold", self.provider)).result(),
            "tokens": self.saas.get(TOKENS).result(),
        })
    }
}

const ZONES: &str = "/client/v4/zones";
const TOKENS: &str = "/client/v4/user/tokens";

fn record(name: &str, address: &str) -> Value {
    json!({ "type": "A", "name": name, "content": address, "ttl": 60 })
}

fn token(client: &Client) -> Value {
    let account = id(&client.get("/client/v4/accounts").result()[0]);
    let resource = json!({ format!("com.cloudflare.api.account.{account}"): "*" });
    let policy = json!({ "effect": "allow", "permission_groups": [{ "name": "DNS Write" }],
        "resources": resource });
    json!({ "name": "narrow", "policies": [policy] })
}

#[test]
fn writes_that_fail_together_did_not_happen() {
    let mut scene = Scene::set();
    let wishes = scene.wishes();
    let before = scene.seen();
    let path = scene.server.world.path("data/bailiwick.db");
    let database = Connection::open(path).unwrap();
    database.busy_timeout(PATIENCE).unwrap();
    // While this is open nothing is stored: whatever is asked for meanwhile waits together.
    database.execute_batch(SABOTAGE).unwrap();
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let asked: Vec<_> = wishes
            .iter()
            .map(|wish| {
                let client = scene.client(wish);
                scope.spawn(move || wish.ask(&client))
            })
            .collect();
        // Those that come later fail alike; most should wait, which nothing outside can see.
        std::thread::sleep(std::time::Duration::from_millis(300));
        database.execute_batch("COMMIT").unwrap();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (wish, reply) in wishes.iter().zip(&replies) {
        let said = reply.json();
        assert_eq!(
            (reply.status, reply.code()),
            (503, 10500),
            "{} {}: {said}",
            wish.method,
            wish.path
        );
        assert!(reply.header("retry-after").is_some() && said["result"].is_null(), "{said}");
    }
    scene.server.logged(&["commit-failed"]);
    assert_same(&before, &scene.seen(), "while nothing can be stored");
    // A command fails as well, and a change of a zone file is served all the same.
    assert!(!scene.server.world.run(&["account", "create", "told"]).status.success());
    scene.server.world.zone("saas/edited.test", "%std%www A 192.0.2.9\n");
    scene.server.wait_for("www.edited.test", "A", |a| !a.answer.is_empty());
    scene.server.world.remove("saas/edited.test");
    scene.server.wait_for("www.edited.test", "A", |a| a.answer.is_empty());
    database.execute_batch(REPAIR).unwrap();
    let gone = poll(PATIENCE, || (scene.seen() == before).then_some(()));
    gone.unwrap_or_else(|| assert_same(&before, &scene.seen(), "once it can be stored again"));
    // Nothing of it is found by the next start either.
    scene.server.crash();
    let address = scene.server.http.unwrap();
    (scene.operator.address, scene.saas.address) = (address, address);
    assert_same(&before, &scene.seen(), "after a crash");
    for wish in &wishes {
        let reply = scene.ask(wish);
        let said = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(reply.status < 300, "{} {}: {}: {said}", wish.method, wish.path, reply.status);
    }
    let names = [("new.kept.test", "A"), ("new.test", "SOA"), ("other.client.test", "A")];
    for (name, kind) in names {
        assert!(!scene.server.query(name, kind).answer.is_empty(), "{name}");
    }
    assert_eq!(scene.server.query("doomed.test", "SOA").rcode_text(), "REFUSED");
}

fn assert_same(before: &Value, after: &Value, when: &str) {
    for (what, old) in before.as_object().expect("an object") {
        assert_eq!(&after[what], old, "{what} {when}");
    }
}
