//! SPEC §7 over HTTP: a custom hostname is asked for, earned, seen by `dig`, and taken back.

use crate::support::http::Client;
use crate::support::server::World;
use serde_json::json;

const CONFIG: &str = "[api]\nlisten = \"127.0.0.1:0\"\n";

#[test]
fn asked_for_earned_and_taken_back() {
    let world = World::new();
    world.zone("saas/saas.test", "%std%proxy A 203.0.113.10\n");
    world.zone("client/client.test", "%std%shop CNAME proxy.saas.test.\n");
    world.config("", CONFIG);
    let server = world.start();
    let saas = Client::new(&server, Some("saas"));
    let zone = saas.get("/client/v4/zones").result()[0]["id"].as_str().unwrap().to_owned();
    let base = format!("/client/v4/zones/{zone}");
    let all = format!("{base}/custom_hostnames");
    let origin = format!("{all}/fallback_origin");
    assert_eq!(saas.get(&origin).status, 404);
    let shop = json!({ "hostname": "shop.client.test", "ssl": { "method": "http", "type": "dv" } });
    let made = saas.post(&all, &shop);
    assert_eq!(made.status, 201);
    let made = made.result();
    assert_eq!(made["status"], "pending");
    assert_eq!(made["verification_errors"][0], "Zone does not have a fallback origin set.");
    assert_eq!(server.query("shop.client.test", "A").rcode_text(), "REFUSED");
    let set = saas.ask("PUT", &origin, Some(&json!({ "origin": "proxy.saas.test" }))).result();
    assert_eq!(
        (set["origin"].as_str(), set["status"].as_str()),
        (Some("proxy.saas.test"), Some("active"))
    );
    let one = format!("{all}/{}", made["id"].as_str().unwrap());
    let refreshed = saas.ask("PATCH", &one, Some(&json!({})));
    assert_eq!(refreshed.status, 202);
    assert_eq!(refreshed.result()["status"], "active");
    assert_eq!(server.query("shop.client.test", "A").rcode_text(), "NOERROR");
    let twice = saas.post(&all, &shop);
    assert_eq!((twice.status, twice.code()), (409, 1406));
    assert_eq!(twice.json()["errors"][0]["message"], "Duplicate custom hostname found.");
    let listed = saas.get(&format!("{all}?hostname.contain=shop&hostname_status=active")).json();
    assert_eq!(listed["result_info"]["total_count"], 1);
    assert_eq!(saas.get(&format!("{all}?hostname=other.test")).json()["result_info"]["count"], 0);
    assert_eq!(saas.get(&format!("{all}/quota")).result()["used"], 1);
    assert_eq!(saas.ask("PATCH", &one, Some(&json!({ "hostname": "x.test" }))).code(), 1439);
    assert_eq!(saas.get(&format!("{all}/nothing")).code(), 1435);
    let hold = format!("{base}/hold?include_subdomains=true");
    assert_eq!(saas.ask("POST", &hold, None).result()["hold"], true);
    assert_eq!(saas.get(&format!("{base}/hold")).result()["include_subdomains"], "true");
    assert_eq!(saas.ask("DELETE", &format!("{base}/hold"), None).result()["hold"], false);
    let gone = saas.ask("DELETE", &one, None);
    assert_eq!(gone.json()["id"], made["id"]);
    assert!(server.query("shop.client.test", "A").answer.is_empty());
    assert_eq!((saas.get(&one).status, saas.get(&one).code()), (404, 1436));
    assert_eq!(saas.ask("DELETE", &origin, None).status, 200);
}
