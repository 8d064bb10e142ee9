//! Clients of the API that are slow, huge or many: they are cut off or refused in the envelope, and others are served.

use crate::api::API;
use crate::support::http::{self, Client};
use crate::support::server::{PATIENCE, Server, World, poll};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than the server waits for anything.
const LONG: Duration = Duration::from_secs(90);
/// Connections that one address may have.
const PER_ADDRESS: usize = 128;
/// Octets of a body at the most.
const BODY: usize = 8 << 20;

fn server() -> Server {
    let world = World::new();
    world.zone("saas/saas.test", "%std%proxy A 203.0.113.10\n");
    world.config("", API);
    world.start()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the API takes connections");
    stream.set_read_timeout(Some(LONG)).expect("a timeout");
    stream
}

/// The same from another address of the loopback.
fn connect_from(from: &str, address: SocketAddr) -> TcpStream {
    let from: SocketAddr = format!("{from}:0").parse().expect("an address");
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let socket = socket.expect("a socket");
    socket.bind(&from.into()).expect("the loopback has many addresses");
    socket.connect(&address.into()).expect("the API takes connections");
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(LONG)).expect("a timeout");
    stream
}

fn head(client: &Client, more: &str) -> String {
    format!(
        "POST /client/v4/zones HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Content-Type: application/json\r\nAuthorization: Bearer {}\r\n{more}\r\n\r\n",
        client.token
    )
}

/// Status and body of what comes until the server closes.
fn answer(stream: &mut TcpStream) -> (u16, Value) {
    let mut octets = Vec::new();
    // What was not taken of a request may end the connection behind the answer.
    let _ = stream.read_to_end(&mut octets);
    let text = String::from_utf8_lossy(&octets).into_owned();
    let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status.unwrap_or(0), serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {text}")))
}

fn assert_envelope(said: &Value, code: u64) {
    assert_eq!(said["success"], false, "{said}");
    assert_eq!(said["errors"][0]["code"], code, "{said}");
    assert!(said["messages"].is_array() && said["result"].is_null(), "{said}");
}

#[test]
fn a_body_that_comes_too_slowly_is_given_up() {
    let server = server();
    let client = Client::new(&server, None);
    let mut slow = connect(client.address);
    slow.write_all(head(&client, "Content-Length: 100").as_bytes()).unwrap();
    slow.write_all(b"{\"name\":").unwrap();
    // Large ones may be there a few at a time, and these wait for their octets.
    let large: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = connect(client.address);
            let head = head(&client, &format!("Content-Length: {}", 1 << 20));
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(b"{").unwrap();
            stream
        })
        .collect();
    // Nobody else waits for any of them.
    let listed = client.get("/client/v4/zones").result();
    let account = listed[0]["account"]["id"].as_str().unwrap().to_owned();
    let wanted = json!({ "name": "quick.test", "account": { "id": account } });
    assert_eq!(client.post("/client/v4/zones", &wanted).result()["status"], "active");
    let (status, said) = answer(&mut slow);
    assert_eq!(status, 408);
    assert_envelope(&said, 1408);
    for mut stream in large {
        let (status, said) = answer(&mut stream);
        // Given up waiting for octets, or for a place.
        assert!(status == 408 || status == 503, "{status}: {said}");
        assert_eq!(said["success"], false);
    }
    // A large one finds a place again.
    let padded =
        json!({ "name": "large.test", "account": { "id": account }, "x": "y".repeat(1 << 20) });
    assert_eq!(client.post("/client/v4/zones", &padded).result()["name"], "large.test");
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let server = server();
    let client = Client::new(&server, None);
    let mut stream = connect(client.address);
    stream.write_all(head(&client, &format!("Content-Length: {}", BODY + 1)).as_bytes()).unwrap();
    let (status, said) = answer(&mut stream);
    assert_eq!(status, 413);
    assert_envelope(&said, 1413);
    // One that does not say how long it is.
    let mut stream = connect(client.address);
    stream.write_all(head(&client, "Transfer-Encoding: chunked").as_bytes()).unwrap();
    let part = [&b"10000\r\n"[..], &[b' '; 1 << 16], b"\r\n"].concat();
    for _ in 0..BODY >> 16 {
        stream.write_all(&part).unwrap();
    }
    stream.write_all(b"1\r\n \r\n").unwrap();
    let (status, said) = answer(&mut stream);
    assert_eq!(status, 413);
    assert_envelope(&said, 1413);
    // One that breaks off.
    let mut stream = connect(client.address);
    stream.write_all(head(&client, "Content-Length: 100").as_bytes()).unwrap();
    stream.write_all(b"{").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(!rest.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&rest));
    assert_eq!(client.get("/client/v4/zones").status, 200);
}

#[test]
fn many_idle_connections_of_one_address_keep_nobody_else_out() {
    let server = server();
    let client = Client::new(&server, None);
    let idle: Vec<TcpStream> = (0..PER_ADDRESS + 40).map(|_| connect(client.address)).collect();
    // Those above the bound are closed at once.
    let closed = poll(PATIENCE, || {
        let gone = idle.iter().filter(|stream| {
            stream.set_nonblocking(true).expect("a socket");
            !matches!(stream.peek(&mut [0]), Err(e) if e.kind() == std::io::ErrorKind::WouldBlock)
        });
        (gone.count() >= 40).then_some(())
    });
    closed.expect("too many are cut off");
    let mut other = connect_from("127.0.0.7", client.address);
    let get = "GET /client/v4/zones HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    write!(other, "{get}Authorization: Bearer {}\r\n\r\n", client.token).unwrap();
    let (status, said) = answer(&mut other);
    assert!(status == 200 && said["success"] == true, "{said}");
    // The first address is served again, since those that ask for nothing are cut off.
    let again = poll(LONG, || {
        let mut stream = connect(client.address);
        write!(stream, "{get}Authorization: Bearer {}\r\n\r\n", client.token).ok()?;
        let mut octets = Vec::new();
        stream.read_to_end(&mut octets).ok()?;
        octets.starts_with(b"HTTP/1.1 200 ").then_some(())
    });
    again.expect("served again");
}

#[test]
fn a_method_that_does_not_exist_is_an_error_like_others() {
    let server = server();
    let client = Client::new(&server, None);
    let long = "Z".repeat(5_000);
    for method in ["PURGE", "OPTIONS", "TRACE", "get", long.as_str()] {
        let refused = client.ask(method, "/client/v4/zones", None);
        assert_eq!(refused.status, 405, "{method}");
        assert_envelope(&refused.json(), 7001);
        assert!(refused.body.len() < 300, "{method}: {}", refused.json());
        let allowed = refused.header("allow").unwrap_or_default().to_owned();
        assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
        let own = client.ask(method, "/api/v1/whoami", None);
        assert_eq!((own.status, own.code()), (405, 7001), "{method}");
        let open = http::request(client.address, method, "/healthz", &[], None);
        assert_eq!((open.status, open.code()), (405, 7001), "{method}");
        // Who has no token learns nothing of it.
        let unknown = http::request(client.address, method, "/client/v4/zones", &[], None);
        assert_eq!((unknown.status, unknown.code()), (400, 9106), "{method}");
        assert_eq!(client.ask(method, "/client/v4/nothing", None).code(), 7000, "{method}");
    }
    let head = client.ask("HEAD", "/client/v4/zones", None);
    assert_eq!((head.status, head.body.len()), (200, 0));
}
