//! SPEC §8 from outside: who may ask the API, and what becomes of those who may not.

use crate::support::http::{self, Client};
use crate::support::server::{PATIENCE, Server, World};
use std::io::{Read, Write};
use std::net::TcpStream;

pub const API: &str = "[api]\nlisten = \"127.0.0.1:0\"\n";

fn server() -> Server {
    let world = World::new();
    world.zone("saas/saas.test", "%std%proxy A 203.0.113.10\n");
    world.zone("client/client.test", "%std%www A 192.0.2.1\n");
    world.config("", API);
    world.start()
}

#[test]
fn a_token_is_good_until_it_is_revoked() {
    let mut server = server();
    let made = http::token(&server.world, Some("saas"));
    let token = made["token"].as_str().unwrap().to_owned();
    let client = Client { address: server.http.unwrap(), token: token.clone() };
    let verified = client.get("/client/v4/user/tokens/verify");
    assert_eq!(verified.result()["status"], "active");
    assert_eq!(verified.result()["id"], made["id"]);
    let message = &verified.json()["messages"][0];
    assert_eq!(message["code"], 10000);
    assert_eq!(message["message"], "This API Token is valid and active");
    // It is on disk, and only its hash is.
    server.crash();
    let client = Client { address: server.http.unwrap(), token: token.clone() };
    assert_eq!(client.get("/client/v4/user/tokens/verify").status, 200);
    let data = server.world.path("data");
    for file in std::fs::read_dir(data).unwrap() {
        let path = file.unwrap().path();
        let octets = if path.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        let found = octets.windows(token.len()).any(|w| w == token.as_bytes());
        assert!(!found, "{} holds the token", path.display());
    }
    let id = made["id"].as_str().unwrap();
    let listed = server.world.run(&["token", "list"]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains(id) && listed.contains("account saas") && !listed.contains(&token));
    assert!(server.world.run(&["token", "revoke", id]).status.success());
    let refused = client.get("/client/v4/user/tokens/verify");
    assert_eq!((refused.status, refused.code()), (403, 9109));
    let audit = server.world.run(&["audit"]);
    let audit = String::from_utf8_lossy(&audit.stdout).into_owned();
    assert!(audit.contains("token.created") && audit.contains("token.revoked"), "{audit}");
    // Without a server the command does it itself.
    server.terminate();
    let offline = http::token(&server.world, None);
    server.start_again();
    let token = offline["token"].as_str().unwrap().to_owned();
    let client = Client { address: server.http.unwrap(), token };
    assert_eq!(client.get("/client/v4/user/tokens/verify").status, 200);
    let nowhere = client.post("/client/v4/nowhere", &serde_json::json!({ "a": 1 }));
    assert_eq!((nowhere.status, nowhere.code()), (404, 7000));
    assert!(!server.world.run(&["token", "create", "--account", "nobody"]).status.success());
    assert_eq!(server.world.run(&["token", "create"]).status.code(), Some(2));
}

#[test]
fn nobody_is_let_in_without_a_token() {
    let server = server();
    let address = server.http.unwrap();
    let path = "/client/v4/user/tokens/verify";
    let ask = |headers: &[&str]| {
        let reply = http::request(address, "GET", path, headers, None);
        assert_eq!(reply.json()["success"], false);
        assert!(reply.json()["result"].is_null());
        assert_eq!(reply.header("access-control-allow-origin"), None);
        (reply.status, reply.code())
    };
    assert_eq!(ask(&[]), (400, 9106));
    assert_eq!(ask(&["X-Auth-Key: abc"]), (400, 6003));
    assert_eq!(ask(&["Authorization: Basic YTpi"]), (400, 6003));
    assert_eq!(ask(&["Authorization: Bearer"]), (400, 6003));
    assert_eq!(ask(&["Authorization: Bearer bwk_0000"]), (403, 9109));
    // Guessing is slowed down, for everybody at that address alone.
    let until = (0..200).map(|_| ask(&["Authorization: Bearer bwk_0000"])).find(|a| a.0 == 429);
    assert_eq!(until, Some((429, 10429)));
    let good = Client::new(&server, None);
    assert_eq!(good.get(path).status, 200);
    assert_eq!(
        (good.get("/client/v4/nothing").status, good.get("/client/v4/nothing").code()),
        (404, 7000)
    );
}

#[test]
fn what_is_too_much_is_cut_off() {
    let server = server();
    let client = Client::new(&server, None);
    let token = format!("Authorization: Bearer {}", client.token);
    let head =
        format!("POST /client/v4/zones HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{token}\r\n");
    let large =
        http::raw(client.address, format!("{head}Content-Length: 99999999\r\n\r\n").as_bytes());
    assert_eq!(large.status, 413);
    // Without a token the body is not waited for.
    let unknown = "POST /client/v4/zones HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
        Content-Length: 1000\r\n\r\n";
    assert_eq!(http::raw(client.address, unknown.as_bytes()).status, 400);
    // A head that never ends.
    let mut slow = TcpStream::connect(client.address).unwrap();
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    slow.write_all(b"GET /client/v4/zones HTTP/1.1\r\nHost:").unwrap();
    let mut said = Vec::new();
    slow.read_to_end(&mut said).expect("closed by the server");
    let endless = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(100_000));
    let mut stream = TcpStream::connect(client.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = stream.write_all(endless.as_bytes());
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    assert!(!said.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&said));
}
