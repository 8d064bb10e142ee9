//! `bailiwick check` says of zones that live in the store what it says of zone files.

use crate::records;
use crate::support::http::Client;
use crate::support::server::World;
use serde_json::{Value, json};

fn check(world: &World, more: &[&str]) -> (Option<i32>, Value, String) {
    let json = world.run(&[&["check", "--json"][..], more].concat());
    let text = world.run(&[&["check"][..], more].concat());
    assert_eq!(json.status.code(), text.status.code());
    let report = serde_json::from_slice(&json.stdout).expect("JSON");
    (json.status.code(), report, String::from_utf8_lossy(&text.stdout).into_owned())
}

#[test]
fn zones_of_the_store_are_checked_as_files_are() {
    let files = [("saas/saas.test", "%std%proxy A 203.0.113.10\n")];
    let (server, ids) = records::server(&[("client", "shop.test")], &files, "");
    let client = Client::new(&server, Some("client"));
    let path = format!("/client/v4/zones/{}/dns_records", ids["shop.test"]);
    assert_eq!(check(&server.world, &["--strict"]).1["findings"], json!([]));
    for (kind, name, content) in [
        ("CNAME", "denied", "proxy.saas.test"),
        ("CNAME", "ring", "round.shop.test"),
        ("CNAME", "round", "ring.shop.test"),
        ("CNAME", "dangling", "nothing.shop.test"),
        ("A", "fine", "192.0.2.1"),
        ("CNAME", "fine-too", "fine.shop.test"),
    ] {
        let record = json!({ "type": kind, "name": name, "content": content, "ttl": 60 });
        client.post(&path, &record).result();
    }
    for (address, ttl) in [("192.0.2.1", 60), ("192.0.2.2", 120)] {
        let record = json!({ "type": "A", "name": "uneven", "content": address, "ttl": ttl });
        client.post(&path, &record).result();
    }
    let (code, report, text) = check(&server.world, &["--strict"]);
    assert_eq!(code, Some(3), "{text}");
    let findings = report["findings"].as_array().unwrap();
    let of = |code: &str| {
        let found: Vec<_> = findings.iter().filter(|f| f["code"] == code).collect();
        assert!(found.iter().all(|f| f["zone"] == "shop.test" && f["line"].is_null()), "{text}");
        found.iter().map(|f| f["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of("edge-denied"), ["denied.shop.test CNAME proxy.saas.test"]);
    assert_eq!(of("cname-loop").len(), 2);
    assert_eq!(of("dangling-target"), ["dangling.shop.test CNAME nothing.shop.test"]);
    assert_eq!(of("ttl-mismatch"), ["uneven.shop.test"]);
    assert_eq!(findings.len(), 5, "{text}");
    assert!(text.contains("bailiwick.db: zone shop.test: warning[edge-denied]: "), "{text}");
    assert!(text.contains("(1014)") && text.contains("0 errors, 5 warnings"), "{text}");
    // What nobody has proved is nothing to complain of; a file that is not read is.
    let claimed = json!({ "name": "claimed.test", "account": Value::Null });
    client.post("/client/v4/zones", &claimed).result();
    server.world.zone("client/shop.test", "%std%www CNAME proxy.saas.test.\n");
    let report = check(&server.world, &[]).1;
    let codes: Vec<_> = report["findings"].as_array().unwrap().iter().map(|f| &f["code"]).collect();
    assert_eq!(codes.len(), 6, "{codes:?}");
    assert!(codes.contains(&&json!("file-ignored")), "{codes:?}");
}
