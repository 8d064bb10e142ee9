//! SPEC §9 from outside: a zone's records go back to an earlier version, and nothing else does.

use crate::records;
use crate::support::http::Client;
use serde_json::{Value, json};

fn post(client: &Client, path: &str, body: &Value) -> Value {
    client.post(&format!("{path}/dns_records"), body).result()
}

#[test]
fn records_go_back_and_the_result_is_judged_like_a_new_write() {
    let files = [
        ("saas/saas.test", "%std%app A 203.0.113.10\n"),
        ("client/file.test", "%std%www A 192.0.2.7\n"),
    ];
    let (mut server, ids) = records::server(&[("client", "client.test")], &files, "");
    let [client, saas] = ["client", "saas"].map(|account| Client::new(&server, Some(account)));
    let id = &ids["client.test"];
    let path = format!("/client/v4/zones/{id}");
    let one = post(&client, &path, &json!({ "type": "A", "name": "www", "content": "192.0.2.1" }));
    post(&client, &path, &json!({ "type": "CNAME", "name": "in", "content": "app.saas.test" }));
    post(&client, &path, &json!({ "type": "TXT", "name": "t", "content": "later" }));
    let record = format!("{path}/dns_records/{}", one["id"].as_str().unwrap());
    client.ask("PATCH", &record, Some(&json!({ "content": "192.0.2.99" }))).result();
    let list = || client.get(&format!("/api/v1/snapshots?zone_id={id}")).result();
    let versions = list();
    let serials: Vec<u64> = versions
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|version| version["serial"].as_u64())
        .collect();
    assert!(serials.len() >= 4 && serials.is_sorted_by(|a, b| a > b), "{versions:#}");
    assert_eq!((&versions[0]["current"], &versions[1]["current"]), (&json!(true), &json!(false)));
    assert!(versions[0]["actor"].as_str().unwrap().starts_with("token "), "{versions:#}");
    assert_eq!((&versions[0]["changes"], &versions[0]["source"]), (&json!(1), &json!("api")));
    // Before TXT and PATCH.
    let way = format!("/api/v1/snapshots/{id}/{}", serials[2]);
    let diff = client.get(&format!("{way}/diff")).result();
    let count = |key: &str| diff[key].as_array().map(Vec::len);
    assert_eq!((count("added"), count("removed"), count("changed")), (Some(0), Some(1), Some(1)));
    assert_eq!(diff["changed"][0]["to"]["content"], "192.0.2.1");
    assert_eq!(diff["removed"][0]["name"], "t.client.test");
    let dry = client.ask("POST", &format!("{way}/rollback?dry_run=true"), None);
    assert_eq!(dry.result()["changes"], 2);
    assert_eq!(server.query("t.client.test", "TXT").answer.len(), 1);
    let back = client.ask("POST", &format!("{way}/rollback"), None);
    assert_eq!(back.result()["changes"], 2);
    // It leads into a zone that did not grant it: said again, as for a new write.
    let again =
        client.ask("POST", &format!("/api/v1/snapshots/{id}/{}/rollback", serials[3]), None);
    assert_eq!(again.result()["changes"], 1);
    let warned = client.ask("POST", &format!("{way}/rollback"), None);
    assert!(warned.json()["messages"].to_string().contains("1014"), "{:#}", warned.json());
    let shown = |server: &crate::support::server::Server| {
        (
            server.query("www.client.test", "A").show().contains("192.0.2.1"),
            server.query("t.client.test", "TXT").rcode_text(),
            server.query("in.client.test", "A").rcode_text(),
        )
    };
    let wanted = (true, "NXDOMAIN".to_owned(), "REFUSED".to_owned());
    assert_eq!(shown(&server), wanted);
    assert!(list()[0]["action"].as_str().unwrap().contains("rolled-back"), "{:#}", list());
    // The id is the one it had.
    assert_eq!(client.get(&record).result()["content"], "192.0.2.1");
    server.crash();
    assert_eq!(shown(&server), wanted, "stored when it was answered");
    // Nobody else has such a zone, and no version is nobody's.
    let client = Client { address: server.http.unwrap(), ..client };
    let saas = Client { address: server.http.unwrap(), ..saas };
    let nobody = "0123456789abcdef0123456789abcdef";
    for (method, rest) in [("GET", "diff"), ("POST", "rollback")] {
        let foreign = saas.ask(method, &format!("{way}/{rest}"), None);
        let absent = saas.ask(method, &format!("/api/v1/snapshots/{nobody}/1/{rest}"), None);
        assert_eq!((foreign.status, foreign.body), (404, absent.body));
        let unknown = client.ask(method, &format!("/api/v1/snapshots/{id}/1/{rest}"), None);
        assert_eq!(unknown.status, 404);
    }
    // A zone from a file has the version that is served, and says where it is edited.
    let file = &ids["file.test"];
    let versions = client.get(&format!("/api/v1/snapshots?zone_id={file}")).result();
    assert_eq!(versions[0]["source"], "file");
    let way = format!("/api/v1/snapshots/{file}/{}", versions[0]["serial"]);
    assert_eq!(client.get(&format!("{way}/diff")).result()["changed"], json!([]));
    let refused = client.ask("POST", &format!("{way}/rollback"), None);
    assert_eq!(refused.status / 100, 4);
    assert!(String::from_utf8_lossy(&refused.body).contains("client/file.test.zone"));
}
