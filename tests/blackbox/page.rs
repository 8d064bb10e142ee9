//! SPEC §6 from outside: the page for browsers that were sent to the sinkhole, octet by octet over real sockets.

use crate::support::server::{PATIENCE, Server, World, poll};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// A world in which `www.client.test` is denied and sent to the page.
pub fn world(page: &str) -> World {
    let world = World::new();
    world.zone("saas/saas.test", "%std%proxy A 203.0.113.10\n");
    world.zone(
        "client/client.test",
        "%std%www CNAME proxy.saas.test.\n*.wild CNAME proxy.saas.test.\nfine A 192.0.2.7\n\
         granted CNAME proxy.saas.test.\ngone CNAME nothing.client.test.\ntext TXT only\n\
         ring1 CNAME ring2\nring2 CNAME ring1\naway CNAME www.elsewhere.example.\n\
         v6 AAAA 2001:db8::1\nxn--mnchen-3ya CNAME proxy.saas.test.\n\
         alias ALIAS nobody-answers.example.\n",
    );
    world.zone("broken/broken.test", "@ SOA nonsense\n");
    let rest = format!(
        "[policy]\non_violation = \"sinkhole\"\nsinkhole = [\"127.0.0.1\"]\nsinkhole_ttl = 7\n\
         [block_page]\nlisten = \"127.0.0.1:0\"\n{page}\n\
         [[grants]]\nhostname = \"granted.client.test\"\nzone = \"saas.test\"\n"
    );
    world.config("", &rest);
    world
}

/// Where the page is served, as the log tells.
pub fn address(server: &Server) -> SocketAddr {
    let line = server.logged(&["serving the block page"]);
    let line: Value = serde_json::from_str(&line).unwrap();
    let page = line.get("page").or_else(|| line["fields"].get("page")).unwrap();
    page.as_str().unwrap().parse().unwrap()
}

/// One answer over HTTP.
struct Page {
    status: u16,
    /// The status line and the fields, as they came.
    head: String,
    body: String,
}

impl Page {
    fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON:\n{}", self.body))
    }
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends octets and reads all that comes back. The server may stop reading before everything is sent.
fn raw(to: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = connect(to);
    let _ = stream.write_all(request);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

fn page(to: SocketAddr, request: &[u8]) -> Page {
    let answer = String::from_utf8(raw(to, request)).expect("UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("none: {answer}"));
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
    Page { status, head: head.to_owned(), body: body.to_owned() }
}

fn get(to: SocketAddr, host: &str, fields: &str) -> Page {
    page(to, format!("GET / HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n").as_bytes())
}

const JSON: &str = "Accept: application/json\r\n";

#[test]
fn a_denied_name_is_told_and_nothing_of_the_other_account() {
    let server = world("").start();
    let to = address(&server);
    let answer = get(to, "www.client.test", "Accept: text/html\r\n");
    assert_eq!(answer.status, 409, "{}", answer.head);
    assert!(answer.head.starts_with("HTTP/1.1 409 Conflict\r\n"), "{}", answer.head);
    for part in [
        "<!doctype html>",
        "<title>www.client.test | Error 1014</title>",
        "<h1>Error 1014: CNAME cross-user banned</h1>",
        "The target account must authorize this connection",
        "custom hostname",
        "Ray ID: <code>",
        "<time datetime=\"20",
        "name=\"viewport\"",
        "prefers-color-scheme: dark",
    ] {
        assert!(answer.body.contains(part), "{part}:\n{}", answer.body);
    }
    for other in ["saas", "proxy", "203.0.113.10", "http://", "https://", "url(", "<script"] {
        assert!(!answer.body.contains(other), "{other}:\n{}", answer.body);
    }
    assert_eq!(answer.field("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    assert_eq!(answer.field("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.field("set-cookie"), None);
    assert_eq!(answer.field("connection"), Some("close"));
    let policy = answer.field("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'nonce-"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert!(answer.body.contains(&format!("<style nonce=\"{nonce}\">")));
    let again = get(to, "www.client.test", "");
    assert_ne!(again.body, answer.body, "ray and nonce are of one answer");
    let length = answer.body.len().to_string();
    assert_eq!(answer.field("content-length"), Some(length.as_str()));
}

//= RFC 9110 §15.5.20: 421 for what this server does not answer for
#[test]
fn how_other_names_stand() {
    let server = world("").start();
    let to = address(&server);
    for (host, status, code, word) in [
        ("www.client.test", 409, Some(1014), "cname_cross_user_banned"),
        ("any.thing.wild.client.test", 409, Some(1014), "cname_cross_user_banned"),
        ("xn--mnchen-3ya.client.test", 409, Some(1014), "cname_cross_user_banned"),
        ("nobody.test", 409, Some(1001), "dns_resolution_error"),
        ("missing.client.test", 409, Some(1001), "dns_resolution_error"),
        ("gone.client.test", 530, Some(1016), "origin_dns_error"),
        ("text.client.test", 530, Some(1016), "origin_dns_error"),
        ("ring1.client.test", 530, Some(1016), "origin_dns_error"),
        ("www.broken.test", 530, Some(1016), "origin_dns_error"),
        ("alias.client.test", 530, Some(1016), "origin_dns_error"),
        ("fine.client.test", 421, None, "not_blocked"),
        ("v6.client.test", 421, None, "not_blocked"),
        ("away.client.test", 421, None, "not_blocked"),
        ("granted.client.test", 421, None, "not_blocked"),
        ("127.0.0.1", 409, Some(1001), "dns_resolution_error"),
        ("[::1]:8080", 409, Some(1001), "dns_resolution_error"),
    ] {
        let answer = get(to, host, JSON);
        let json = answer.json();
        assert_eq!(answer.status, status, "{host}: {}", answer.head);
        assert_eq!(json["status"], status, "{host}: {json:#}");
        assert_eq!(json["error_code"].as_i64(), code, "{host}: {json:#}");
        assert_eq!(json["error_name"], word, "{host}");
        assert_eq!(json["instance"], json["ray_id"]);
        assert_eq!(answer.field("retry-after").is_some(), json["retryable"] == true, "{host}");
    }
    let gone = get(to, "gone.client.test", "");
    assert!(gone.head.starts_with("HTTP/1.1 530 Origin DNS Error\r\n"), "{}", gone.head);
    let fine = get(to, "fine.client.test", "");
    assert_eq!(fine.field("retry-after"), Some("7"));
    assert!(fine.body.contains("<title>fine.client.test | This name is not blocked</title>"));
}

#[test]
fn a_grant_and_a_status_count_from_the_next_request() {
    let server = world("status = 403").start();
    let to = address(&server);
    assert_eq!(get(to, "www.client.test", "").status, 403);
    assert_eq!(get(to, "nobody.test", "").status, 409, "the setting is for denied names alone");
    let config = std::fs::read_to_string(server.world.path("config.toml")).unwrap();
    let grant = "\n[[grants]]\nhostname = \"www.client.test\"\nzone = \"saas.test\"\n";
    let other = config.replace("status = 403", "status = 409");
    server.world.file("config.toml", &format!("{other}{grant}"));
    server.hangup();
    poll(PATIENCE, || (get(to, "www.client.test", "").status == 421).then_some(())).unwrap();
    server.world.file("config.toml", &other);
    server.hangup();
    poll(PATIENCE, || (get(to, "www.client.test", "").status == 409).then_some(())).unwrap();
}

#[test]
fn the_form_follows_accept() {
    let server = world("").start();
    let to = address(&server);
    for (accept, content_type) in [
        ("*/*", "text/html; charset=utf-8"),
        ("application/problem+json", "application/problem+json; charset=utf-8"),
        ("application/json;q=0.9, text/html;q=0.1", "application/json; charset=utf-8"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("text/html;q=0.4, text/plain;q=0.5", "text/plain; charset=utf-8"),
    ] {
        let answer = get(to, "www.client.test", &format!("Accept: {accept}\r\n"));
        assert_eq!(answer.field("content-type"), Some(content_type), "{accept}");
        assert_eq!((answer.status, answer.field("vary")), (409, Some("Accept")));
    }
    let text = get(to, "www.client.test", "Accept: text/plain\r\n").body;
    assert!(text.starts_with("error code: 1014\nError 1014: CNAME cross-user banned\n"), "{text}");
    let json = get(to, "www.client.test", "Accept: application/problem+json\r\n").json();
    assert_eq!(json["type"], "urn:bailiwick:error:1014");
    assert_eq!(json["title"], "Error 1014: CNAME cross-user banned");
    assert_eq!(json["host"], "www.client.test");
    assert_eq!(json["owner_action_required"], true);
    assert!(!json.to_string().contains("saas"), "{json:#}");
}

#[test]
fn hostile_hosts_get_a_sane_answer() {
    let server = world("").start();
    let to = address(&server);
    let huge = "a".repeat(20_000);
    let long = format!("{}client.test", "a.".repeat(200));
    for (fields, status) in [
        ("Host: www.client.test:80\r\n", 409),
        ("Host: WWW.Client.Test.\r\n", 409),
        ("Host:\r\n", 400),
        ("", 400),
        ("Host: www.client.test\r\nHost: www.client.test\r\n", 400),
        ("Host: <script>alert(1)</script>\r\n", 400),
        ("Host: a\"onload=\"x.client.test\r\n", 400),
        ("Host: www.client.test/../x\r\n", 400),
        ("Host: user@www.client.test\r\n", 400),
        ("Host: www.client.test\\evil\r\n", 400),
        ("Host: www client.test\r\n", 400),
        ("Host: münchen.client.test\r\n", 400),
        ("Host: [::1\r\n", 400),
        ("Host: ..\r\n", 400),
        (&format!("Host: {long}\r\n"), 400),
        (&format!("Host: {huge}\r\n"), 400),
        ("Host: a&b'c.wild.client.test\r\n", 409),
        ("Host: x;y=$(z).wild.client.test\r\n", 409),
    ] {
        let answer = page(to, format!("GET / HTTP/1.1\r\n{fields}\r\n").as_bytes());
        assert_eq!(answer.status, status, "{fields}: {}", answer.head);
        for bad in ["<script", "onload=\"", "a&b", "b'c", "evil", "aaaaaaaa", "user@"] {
            assert!(!answer.body.contains(bad), "{fields}: {bad}");
        }
    }
    let escaped = get(to, "a&b'c.wild.client.test", "").body;
    assert!(escaped.contains("<title>a&amp;b&#39;c.wild.client.test | Error 1014</title>"));
    // Control characters never get as far as a page.
    for host in ["www.client.test\0", "www.client.test\x01", "\x7F.client.test"] {
        let answer = raw(to, format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    assert_eq!(get(to, "www.client.test", "").status, 409);
}

#[test]
fn old_and_strange_requests() {
    let server = world("").start();
    let to = address(&server);
    let old = page(to, b"GET / HTTP/1.0\r\nHost: www.client.test\r\n\r\n");
    assert_eq!(old.status, 409, "{}", old.head);
    assert_eq!(page(to, b"GET / HTTP/1.0\r\n\r\n").status, 400);
    // The authority of an absolute request line counts (RFC 9112 §3.2.2).
    let absolute = b"GET http://www.client.test/x?y HTTP/1.1\r\nHost: fine.client.test\r\n\r\n";
    assert_eq!(page(to, absolute).status, 409);
    let head = page(to, b"HEAD / HTTP/1.1\r\nHost: www.client.test\r\n\r\n");
    assert_eq!((head.status, head.body.as_str()), (409, ""));
    // A body is neither needed nor waited for.
    let body = format!(
        "POST /a HTTP/1.1\r\nHost: www.client.test\r\nContent-Length: 300000\r\n\r\n{}",
        "x".repeat(300_000)
    );
    assert_eq!(page(to, body.as_bytes()).status, 409);
    for nonsense in
        ["\r\n\r\n", "GET\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00", "PRI * HTTP/2.0\r\n\r\n"]
    {
        let answer = raw(to, nonsense.as_bytes());
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{nonsense:?}: {answer}");
    }
    let fields: String = (0..500).map(|n| format!("X-{n}: y\r\n")).collect();
    assert_eq!(get(to, "www.client.test", &fields).status, 431);
    let cookie = format!("Cookie: {}\r\n", "x".repeat(100_000));
    assert_eq!(get(to, "www.client.test", &cookie).status, 431);
    assert_eq!(get(to, "www.client.test", "").status, 409);
}

#[test]
fn who_is_slow_is_cut_off_and_keeps_nobody_out() {
    let server = world("").start();
    let to = address(&server);
    // Nothing, half a request, and a drop at a time.
    let mut idle = connect(to);
    let mut half = connect(to);
    half.write_all(b"GET / HTTP/1.1\r\nHost: www.client").unwrap();
    let mut slow = connect(to);
    let dripping = std::thread::spawn(move || {
        let mut written = 0;
        while slow.write_all(b"G").is_ok() && written < 1_000 {
            written += 1;
            std::thread::sleep(Duration::from_millis(50));
        }
        written
    });
    assert_eq!(get(to, "www.client.test", "").status, 409);
    let mut rest = Vec::new();
    for stream in [&mut idle, &mut half] {
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        // An end or an answer, but not silence.
        let ended = stream.read_to_end(&mut rest);
        assert!(
            ended.is_ok() || ended.unwrap_err().kind() != std::io::ErrorKind::WouldBlock,
            "still open"
        );
    }
    assert!(dripping.join().unwrap() < 1_000);
    assert_eq!(get(to, "www.client.test", "").status, 409);
}

#[test]
fn one_client_cannot_take_all_places() {
    let server = world("").start();
    let to = address(&server);
    let held: Vec<TcpStream> = (0..100).map(|_| connect(to)).collect();
    // Those above the bound are closed at once.
    let closed = poll(PATIENCE, || {
        let gone = held.iter().filter(|stream| {
            stream.set_nonblocking(true).unwrap();
            !matches!(stream.peek(&mut [0]), Err(e) if e.kind() == std::io::ErrorKind::WouldBlock)
        });
        (gone.count() >= 60).then_some(())
    });
    assert!(closed.is_some());
    // Another address of the loopback is another client.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let from: SocketAddr = "127.0.0.9:0".parse().unwrap();
    socket.bind(&from.into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let mut stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: www.client.test\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 409 "), "{answer}");
}

#[test]
fn a_port_in_use_does_not_stop_the_nameserver() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let world = world("");
    let config = std::fs::read_to_string(world.path("config.toml")).unwrap();
    let config = config.replace(
        "[block_page]\nlisten = \"127.0.0.1:0\"",
        &format!("[block_page]\nlisten = \"127.0.0.1:{port}\""),
    );
    world.file("config.toml", &config);
    let server = world.start();
    server.logged(&["page-not-served", "block_page.listen"]);
    assert_eq!(server.query("fine.client.test", "A").rcode_text(), "NOERROR");
}
