//! Settings through the API: in force with the next answer, each with a permission of its own, and the config wins.

use crate::support::http::{Client, Reply};
use crate::support::server::{Server, World};
use crate::zones::account;
use serde_json::{Value, json};

const REST: &str = "[api]\nlisten = \"127.0.0.1:0\"\n[policy]\non_violation = \"refuse\"\n\
    [zones.\"fixed.test\"]\ncross_account = \"granted\"\non_violation = \"refuse\"\nflatten = \"apex\"\n\
    delegates = { \"a.fixed.test\" = \"client\" }\n[accounts.fixed]\ntrusts = [\"nobody\"]\n";

fn world() -> World {
    let world = World::new();
    world.zone("saas/saas.test", "%std%app A 203.0.113.10\n");
    world.zone("fixed/fixed.test", "%std%app A 203.0.113.11\n");
    world.zone("client/client.test", "%std%www CNAME app.saas.test.\nin CNAME ns1\n");
    world.config("", REST);
    world
}

/// The path of the settings of a zone.
fn path(client: &Client, zone: &str) -> String {
    let listed = client.get(&format!("/client/v4/zones?name={zone}")).result();
    format!("/api/v1/zones/{}/settings", listed[0]["id"].as_str().expect("it is there"))
}

fn patch(client: &Client, path: &str, body: &Value) -> Reply {
    client.ask("PATCH", path, Some(body))
}

fn rcode(server: &Server, name: &str) -> String {
    server.query(name, "A").rcode_text().to_owned()
}

#[test]
fn what_a_zone_lets_in_counts_from_the_next_question_on() {
    let mut server = world().start();
    let saas = Client::new(&server, Some("saas"));
    let zone = path(&saas, "saas.test");
    let shown = saas.get(&zone).result();
    assert_eq!(
        shown["cross_account"],
        json!({ "value": "granted", "from": "default", "config": null })
    );
    assert_eq!(shown["on_violation"]["from"], "server");
    assert_eq!(rcode(&server, "www.client.test"), "REFUSED");
    let dry = format!("{zone}?dry_run=true");
    let anyone = json!({ "cross_account": "anyone" });
    assert_eq!(patch(&saas, &dry, &anyone).result()["cross_account"]["value"], "anyone");
    assert_eq!(rcode(&server, "www.client.test"), "REFUSED");
    patch(&saas, &zone, &anyone).result();
    assert_eq!(server.query("www.client.test", "A").answer.len(), 2);
    // It is stored, and stays over a crash and a reload.
    server.crash();
    let saas = Client { address: server.http.unwrap(), ..saas };
    assert_eq!(server.query("www.client.test", "A").answer.len(), 2);
    assert!(server.world.run(&["reload"]).status.success());
    assert_eq!(server.query("www.client.test", "A").answer.len(), 2);
    // What the command line says is what the server does.
    let explained = server.world.run(&["explain", "www.client.test", "--json"]);
    let explained: Value = serde_json::from_slice(&explained.stdout).expect("JSON");
    assert!(explained["verdict"].to_string().contains("allow"), "{explained:#}");
    assert_eq!(patch(&saas, &zone, &json!({ "cross_account": null })).status, 200);
    assert_eq!(rcode(&server, "www.client.test"), "REFUSED");
    let audit = saas.get("/api/v1/audit").json()["result"].clone();
    assert!(audit[0]["action"] == "zone.settings saas.test" && audit[0]["to"] == "{}", "{audit:#}");
    assert!(audit[1]["to"].as_str().unwrap().contains("anyone"), "{audit:#}");
}

#[test]
fn trust_is_by_id_and_lasts_as_long_as_it_is_wanted() {
    let server = world().start();
    let [saas, client] = ["saas", "client"].map(|name| Client::new(&server, Some(name)));
    let operator = Client::new(&server, None);
    let own = format!("/api/v1/accounts/{}/settings", account(&saas));
    assert_eq!(saas.get(&own).result()["trusts"], json!([]));
    // An id of nobody is answered like one of somebody; names are for operators.
    let nobody = "0123456789abcdef0123456789abcdef";
    let shown = |id: &str| {
        let body = json!({ "trusts": [id] });
        patch(&saas, &own, &body).json().to_string().replace(id, "ID")
    };
    assert_eq!(shown(nobody), shown(&account(&client)));
    assert_eq!(server.query("www.client.test", "A").answer.len(), 2);
    assert_eq!(patch(&saas, &own, &json!({ "trusts": ["client"] })).status, 400);
    assert_eq!(patch(&saas, &own, &json!({ "trusts": [nobody] })).status, 200);
    assert_eq!(rcode(&server, "www.client.test"), "REFUSED");
    let named = patch(&operator, &own, &json!({ "trusts": ["client"] })).result();
    assert_eq!(named["trusts"][0]["account_name"], "client");
    assert_eq!(server.query("www.client.test", "A").answer.len(), 2);
    patch(&saas, &own, &json!({ "trusts": [] })).result();
    assert_eq!(rcode(&server, "www.client.test"), "REFUSED");
    // Somebody else's account is nobody's.
    let body = json!({ "trusts": [account(&client)] });
    assert_eq!(patch(&client, &own, &body).status, 404);
    // A tenant does not see whom the config names.
    let fixed = Client::new(&server, Some("fixed"));
    let own = format!("/api/v1/accounts/{}/settings", account(&fixed));
    assert_eq!(fixed.get(&own).result()["trusts"], json!([{ "account": null, "from": "config" }]));
}

#[test]
fn the_config_wins_and_is_named() {
    let server = world().start();
    let fixed = Client::new(&server, Some("fixed"));
    let zone = path(&fixed, "fixed.test");
    let shown = fixed.get(&zone).result();
    assert_eq!(shown["cross_account"]["from"], "config");
    assert_eq!(
        shown["delegates"][0],
        json!({ "name": "a.fixed.test", "account": null, "from": "config" })
    );
    for (body, key) in [
        (json!({ "cross_account": "anyone" }), "zones.\"fixed.test\".cross_account"),
        (json!({ "on_violation": "nodata" }), "zones.\"fixed.test\".on_violation"),
        (json!({ "flatten": "all" }), "zones.\"fixed.test\".flatten"),
        (
            json!({ "delegates": { "a.fixed.test": null } }),
            "zones.\"fixed.test\".delegates.\"a.fixed.test\"",
        ),
    ] {
        let refused = patch(&fixed, &zone, &body);
        let text = refused.json()["errors"][0]["message"].as_str().unwrap().to_owned();
        assert_eq!((refused.status, refused.code()), (409, 1003), "{body}");
        assert!(text.contains(key) && text.contains("config.toml"), "{text}");
    }
    // Beside the config's entries there is room.
    let whom = "0123456789abcdef0123456789abcdef";
    let more = json!({ "delegates": { "b.fixed.test": whom } });
    assert_eq!(patch(&fixed, &zone, &more).result()["delegates"].as_array().unwrap().len(), 2);
    // Taken out of the config, the setting is the account's to make.
    let rest = REST.replace("cross_account = \"granted\"\n", "");
    server.world.config("", &rest);
    assert!(server.world.run(&["reload"]).status.success());
    patch(&fixed, &zone, &json!({ "cross_account": "anyone" })).result();
    server.world.config("", REST);
    assert!(server.world.run(&["reload"]).status.success());
    let shown = fixed.get(&zone).result();
    assert_eq!(
        (shown["cross_account"]["value"].as_str(), shown["cross_account"]["from"].as_str()),
        (Some("granted"), Some("config"))
    );
}

#[test]
fn how_a_denial_looks_is_the_owners_but_for_no_denial_at_all() {
    let server = world().start();
    let client = Client::new(&server, Some("client"));
    let zone = path(&client, "client.test");
    patch(&client, &zone, &json!({ "on_violation": "nodata" })).result();
    assert_eq!(rcode(&server, "www.client.test"), "NOERROR");
    patch(&client, &zone, &json!({ "on_violation": "nxdomain" })).result();
    assert_eq!(rcode(&server, "www.client.test"), "NXDOMAIN");
    // Whoever could set this would be let in everywhere.
    let report = json!({ "on_violation": "report" });
    let refused = patch(&client, &zone, &report);
    assert_eq!((refused.status, refused.code()), (403, 10000));
    assert_eq!(rcode(&server, "www.client.test"), "NXDOMAIN");
    let sinkhole = patch(&client, &zone, &json!({ "on_violation": "sinkhole" }));
    assert_eq!(sinkhole.status, 400, "the server has no addresses for it");
    let operator = Client::new(&server, None);
    patch(&operator, &zone, &report).result();
    assert_eq!(server.query("www.client.test", "A").answer.len(), 2);
    patch(&client, &zone, &json!({ "on_violation": null })).result();
    assert_eq!(rcode(&server, "www.client.test"), "REFUSED");
    // Flattening: of a zone of a file, and of one of the store, where another path shows it too.
    assert_eq!(server.query("in.client.test", "A").answer.len(), 2);
    patch(&client, &zone, &json!({ "flatten": "all" })).result();
    assert_eq!(server.query("in.client.test", "A").answer.len(), 1);
    let body = json!({ "name": "store.test", "account": { "id": account(&client) } });
    let made = operator.post("/client/v4/zones", &body).result();
    let id = made["id"].as_str().unwrap();
    let own = format!("/api/v1/zones/{id}/settings");
    patch(&client, &own, &json!({ "flatten": "all" })).result();
    let other = client.get(&format!("/client/v4/zones/{id}/dns_settings")).result();
    assert_eq!(other["flatten_all_cnames"], true);
}

#[test]
fn each_setting_needs_its_own_permission() {
    let server = world().start();
    let saas = Client::new(&server, Some("saas"));
    let zone = path(&saas, "saas.test");
    let resource = json!({ format!("com.cloudflare.api.account.{}", account(&saas)): "*" });
    let mint = |group: &str| {
        let policy = json!({ "effect": "allow", "permission_groups": [{ "name": group }],
            "resources": resource });
        let body = json!({ "name": group, "policies": [policy] });
        let made = saas.post("/client/v4/user/tokens", &body).result();
        Client { token: made["value"].as_str().unwrap().to_owned(), ..saas.clone() }
    };
    let whom = "0123456789abcdef0123456789abcdef";
    let bodies = [
        ("Bailiwick Cross-Account Write", json!({ "cross_account": "anyone" })),
        ("Bailiwick Delegates Write", json!({ "delegates": { "x.saas.test": whom } })),
        ("DNS Write", json!({ "flatten": "all" })),
        ("Zone Write", json!({ "on_violation": "nodata" })),
    ];
    for (group, _) in &bodies {
        let client = mint(group);
        assert_eq!(client.get(&zone).status, 200);
        for (needed, body) in &bodies {
            let reply = patch(&client, &zone, body);
            let wanted = if needed == group { 200 } else { 403 };
            assert_eq!(reply.status, wanted, "{group}: {body}");
        }
        let all: Value = bodies.iter().fold(json!({}), |mut all, (_, body)| {
            all.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
            all
        });
        assert_eq!(patch(&client, &zone, &all).status, 403, "{group}: all or nothing");
        let trusts = format!("/api/v1/accounts/{}/settings", account(&saas));
        let wanted = if *group == "Bailiwick Cross-Account Write" { 200 } else { 403 };
        assert_eq!(patch(&client, &trusts, &json!({ "trusts": [] })).status, wanted, "{group}");
    }
    for wrong in [
        json!({}),
        json!({ "cross_account": "everybody" }),
        json!({ "paint": "red" }),
        json!({ "delegates": { "saas.test": whom } }),
        json!({ "delegates": { "x.client.test": whom } }),
        json!({ "delegates": { "*.saas.test": whom } }),
        json!({ "delegates": { "x.saas.test": "client" } }),
        json!({ "delegates": [] }),
    ] {
        assert_eq!(patch(&saas, &zone, &wrong).status, 400, "{wrong}");
    }
}
