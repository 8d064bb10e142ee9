//! SPEC §3.1: a claim is looked up at the servers of its parent, which are not ours, and in a TXT record from the root.
//!
//! Servers of parents listen on port 53: the tests run once more in a network of their own.

use crate::alone::{self, is_alone};
use crate::elsewhere::{Elsewhere, Say};
use crate::support::http::Client;
use crate::support::server::{PATIENCE, Server, World, poll};
use crate::zones::{Checks, account, create, wait, zone};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::NS;
use hickory_proto::rr::{Name, RData, Record};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::UdpSocket;
use std::sync::{Arc, Mutex};

/// What the parent says of a name below it.
#[derive(Clone)]
enum Shows {
    Names(Vec<String>),
    Broken,
}

/// The server of `above.test`, and a resolver that knows where it is.
struct Above {
    shows: Arc<Mutex<HashMap<String, Shows>>>,
    resolver: Elsewhere,
}

impl Above {
    fn start() -> Above {
        alone::run("ip", &["link", "set", "lo", "up"]);
        let socket = UdpSocket::bind("127.0.0.1:53").expect("a network of its own");
        let shows = Arc::<Mutex<HashMap<String, Shows>>>::default();
        let known = Arc::clone(&shows);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((len, from)) = socket.recv_from(&mut buffer) {
                let Ok(asked) = Message::from_vec(&buffer[..len]) else { continue };
                let query = asked.queries[0].clone();
                let name = query.name().to_ascii().to_ascii_lowercase();
                let mut said = Message::response(asked.metadata.id, asked.metadata.op_code);
                match known.lock().expect("no panic").get(name.trim_end_matches('.')).cloned() {
                    None => {
                        said.metadata.response_code = ResponseCode::NXDomain;
                        said.metadata.authoritative = true;
                    }
                    Some(Shows::Broken) => said.metadata.response_code = ResponseCode::ServFail,
                    Some(Shows::Names(names)) => said.authorities.extend(names.iter().map(|n| {
                        let target = Name::from_ascii(format!("{n}.")).expect("a name");
                        Record::from_rdata(query.name().clone(), 60, RData::NS(NS(target)))
                    })),
                }
                said.add_query(query);
                // A client that is gone is none of its business.
                let _ = socket.send_to(&said.to_vec().expect("it is small"), from);
            }
        });
        let resolver = Elsewhere::start();
        resolver.says("above.test", Say::Server("ns.above.test"));
        resolver.chain("ns.above.test", &[], &["127.0.0.1"]);
        Above { shows, resolver }
    }

    fn shows(&self, name: &str, shows: Option<Shows>) {
        let mut all = self.shows.lock().expect("no panic");
        match shows {
            Some(shows) => all.insert(name.to_owned(), shows),
            None => all.remove(name),
        };
    }

    /// It delegates a claim's name to the set that the claim was given.
    fn delegates(&self, claim: &Value) {
        let names = claim["name_servers"].as_array().expect("names").iter();
        let names = names.map(|name| name.as_str().expect("a name").to_owned()).collect();
        self.shows(claim["name"].as_str().expect("a name"), Some(Shows::Names(names)));
    }

    /// The token of a claim stands where it should.
    fn holds_token(&self, claim: &Value) {
        let verification = &claim["verification"];
        let text = |key: &str| verification[key].as_str().expect("a text").to_owned();
        self.resolver.says(&text("txt_name"), Say::Text(text("txt_value")));
    }

    fn world(&self, nameservers: &[&str]) -> World {
        let world = World::new();
        let upstream = self.resolver.address;
        world.config(
            &format!("nameservers = {nameservers:?}\n"),
            &format!(
                "[api]\nlisten = \"127.0.0.1:0\"\n[accounts.one]\n[accounts.two]\n[accounts.three]\n\
                 [flatten]\nupstream = [\"{upstream}\"]\nallow_special = true\n"
            ),
        );
        world
    }
}

/// Waits until a claim is looked at anew.
fn looked_at(client: &Client, checks: &mut Checks, id: &Value) -> Value {
    checks.pause();
    checks.ask(client, id);
    let looked = poll(PATIENCE, || {
        let zone = zone(client, id);
        (zone["verification"]["checks"].as_u64() > Some(0)).then_some(zone)
    });
    looked.expect("it is looked at")
}

fn says(client: &Client, claim: &Value, text: &str) {
    let path = format!("/client/v4/zones/{}/dns_records", claim["id"].as_str().unwrap());
    client.post(&path, &json!({ "type": "TXT", "name": "whose", "content": text })).result();
}

fn whose(server: &Server, name: &str) -> String {
    server.query(&format!("whose.{name}"), "TXT").show()
}

#[test]
#[ignore = "needs unshare, ip and the right to make a network"]
fn whom_the_parent_delegates_to_has_the_zone() {
    if !is_alone("parents::whom_the_parent_delegates_to_has_the_zone", "--net") {
        return;
    }
    let above = Above::start();
    let server = above.world(&["a.ns.test", "b.ns.test", "c.ns.test"]).start();
    let [one, two, three] = ["one", "two", "three"].map(|name| Client::new(&server, Some(name)));
    let shop = "shop.above.test";
    let [first, second, third] = [&one, &two, &three].map(|client| {
        let claim = create(client, shop, &account(client)).result();
        assert_eq!(claim["status"], "pending");
        says(client, &claim, claim["id"].as_str().unwrap());
        claim
    });
    assert_ne!(first["name_servers"], second["name_servers"]);
    let mut checks = Checks::default();
    for (client, claim) in [(&one, &first), (&two, &second), (&three, &third)] {
        let seen = looked_at(client, &mut checks, &claim["id"]);
        let saw = seen["verification"]["saw"].as_str().unwrap();
        assert!(saw.contains("the parent does not delegate it"), "{saw}");
        assert_eq!(seen["status"], "pending");
    }
    assert_eq!(server.query(shop, "SOA").rcode_text(), "REFUSED");
    // A part of the set is not the set, nor is the set and one more.
    let names = |claim: &Value| -> Vec<String> {
        serde_json::from_value(claim["name_servers"].clone()).unwrap()
    };
    for wrong in [&names(&first)[..1], &["a.ns.test", "b.ns.test", "c.ns.test"].map(String::from)] {
        above.shows(shop, Some(Shows::Names(wrong.to_vec())));
        assert_eq!(looked_at(&one, &mut checks, &first["id"])["status"], "pending");
    }
    above.delegates(&first);
    let active = wait(&server, &one, &first["id"], "active");
    assert_eq!(active["verification"]["proof"], "nameservers");
    assert_eq!(active["activated_on"].as_str().map(str::len), Some(20));
    assert!(whose(&server, shop).contains(first["id"].as_str().unwrap()));
    assert_eq!(looked_at(&two, &mut checks, &second["id"])["status"], "pending");
    // A parent that gives no answer proves nothing either way.
    above.shows(shop, Some(Shows::Broken));
    let seen = looked_at(&one, &mut checks, &first["id"]);
    let saw = seen["verification"]["saw"].as_str().unwrap();
    assert!(seen["status"] == "active" && saw.contains("the parent gave no answer"), "{seen:#}");
    // Another claimant has it as soon as the parent says so.
    above.delegates(&second);
    wait(&server, &two, &second["id"], "active");
    assert_eq!(zone(&one, &first["id"])["status"], "moved");
    assert!(whose(&server, shop).contains(second["id"].as_str().unwrap()));
    // A token of a third does not move who stands by the parent's word …
    above.holds_token(&third);
    let seen = looked_at(&three, &mut checks, &third["id"]);
    let saw = seen["verification"]["saw"].as_str().unwrap();
    assert!(seen["status"] == "pending" && saw.contains("in its way"), "{seen:#}");
    assert_eq!(looked_at(&two, &mut checks, &second["id"])["status"], "active");
    // … until the parent takes that back.
    above.shows(shop, None);
    let active = wait(&server, &three, &third["id"], "active");
    assert_eq!(active["verification"]["proof"], "txt");
    assert_eq!(zone(&two, &second["id"])["status"], "moved");
    assert!(whose(&server, shop).contains(third["id"].as_str().unwrap()));
}

#[test]
#[ignore = "needs unshare, ip and the right to make a network"]
fn a_zone_that_was_deleted_is_nobodys_by_the_delegation_that_stayed() {
    let test = "parents::a_zone_that_was_deleted_is_nobodys_by_the_delegation_that_stayed";
    if !is_alone(test, "--net") {
        return;
    }
    let above = Above::start();
    // One set is all there is.
    let server = above.world(&["a.ns.test", "b.ns.test"]).start();
    let [one, two] = ["one", "two"].map(|name| Client::new(&server, Some(name)));
    let shop = "shop.above.test";
    let old = create(&one, shop, &account(&one)).result();
    let mut checks = Checks::default();
    looked_at(&one, &mut checks, &old["id"]);
    above.delegates(&old);
    wait(&server, &one, &old["id"], "active");
    says(&one, &old, "the old one");
    let path = format!("/client/v4/zones/{}", old["id"].as_str().unwrap());
    one.ask("DELETE", &path, None).result();
    assert_eq!(server.query(shop, "SOA").rcode_text(), "REFUSED");
    // Its parent delegates here still, by the names of the one who left.
    let new = create(&two, shop, &account(&two)).result();
    assert_eq!((&new["status"], &new["name_servers"]), (&json!("pending"), &json!([])));
    assert_ne!(new["id"], old["id"]);
    assert_eq!(looked_at(&two, &mut checks, &new["id"])["status"], "pending");
    // Nor has it who had it before, without another proof.
    let again = create(&one, shop, &account(&one)).result();
    assert_ne!(again["verification"]["txt_value"], old["verification"]["txt_value"]);
    assert_eq!(looked_at(&one, &mut checks, &again["id"])["status"], "pending");
    // The token of what was deleted proves nothing any more.
    above.holds_token(&old);
    for (client, claim) in [(&one, &again), (&two, &new)] {
        assert_eq!(looked_at(client, &mut checks, &claim["id"])["status"], "pending");
    }
    assert_eq!(server.query(shop, "SOA").rcode_text(), "REFUSED");
    above.holds_token(&new);
    wait(&server, &two, &new["id"], "active");
    assert_eq!(server.query(&format!("whose.{shop}"), "TXT").rcode_text(), "NXDOMAIN");
    assert_eq!(zone(&one, &again["id"])["status"], "pending");
}
