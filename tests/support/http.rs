//! A plain HTTP client for the API: one request a connection, JSON in and out.

use super::server::{PATIENCE, Server, World};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// An answer of the API.
#[derive(Clone, PartialEq, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// `result` of an answer that must be a success.
    pub fn result(&self) -> Value {
        let json = self.json();
        assert!(json["success"] == true && self.status < 300, "{}: {json:#}", self.status);
        json["result"].clone()
    }

    /// The code of the first error.
    pub fn code(&self) -> u64 {
        self.json()["errors"][0]["code"].as_u64().unwrap_or(0)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }
}

/// Whoever asks: an address and a token.
#[derive(Clone)]
pub struct Client {
    pub address: SocketAddr,
    pub token: String,
}

impl Client {
    /// With a token made by the command line: of an account, or an operator's.
    pub fn new(server: &Server, account: Option<&str>) -> Client {
        let token = token(&server.world, account)["token"].as_str().expect("a token").to_owned();
        Client { address: server.http.expect("the API is on"), token }
    }

    pub fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, None)
    }

    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let authorization = format!("Authorization: Bearer {}", self.token);
        let body = body.map(ToString::to_string);
        request(self.address, method, path, &[&authorization], body.as_deref())
    }

    /// The same, of a server that may die meanwhile: nothing if it does not answer.
    pub fn try_ask(&self, method: &str, path: &str, body: Option<&Value>) -> Option<Reply> {
        let authorization = format!("Authorization: Bearer {}", self.token);
        let body = body.map(ToString::to_string);
        let text = text(self.address, method, path, &[&authorization], body.as_deref());
        try_raw(self.address, text.as_bytes())
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.ask("POST", path, Some(body))
    }
}

/// `bailiwick token create`.
pub fn token(world: &World, account: Option<&str>) -> Value {
    let whose = match account {
        Some(account) => vec!["--account", account],
        None => vec!["--operator"],
    };
    let output = world.run(&[&["token", "create", "--json"][..], &whose].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// One request with these header lines.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[&str],
    body: Option<&str>,
) -> Reply {
    raw(address, text(address, method, path, headers, body).as_bytes())
}

fn text(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[&str],
    body: Option<&str>,
) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for header in headers {
        text.push_str(&format!("{header}\r\n"));
    }
    if let Some(body) = body {
        let typed = headers.iter().any(|h| h.to_ascii_lowercase().starts_with("content-type"));
        if !typed {
            text.push_str("Content-Type: application/json\r\n");
        }
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body.unwrap_or_default());
    text
}

fn try_raw(address: SocketAddr, octets: &[u8]) -> Option<Reply> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(octets).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    parse(&answer)
}

/// Sends octets and reads until the server closes.
pub fn raw(address: SocketAddr, octets: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(address).expect("the API takes connections");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    // Whoever is refused early may not take all of it.
    let _ = stream.write_all(octets);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    parse(&answer).unwrap_or_else(|| panic!("no answer: {}", String::from_utf8_lossy(&answer)))
}

fn parse(answer: &[u8]) -> Option<Reply> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut body = answer[end + 4..].to_vec();
    let chunked =
        headers.iter().any(|(n, v)| n.eq_ignore_ascii_case("transfer-encoding") && v == "chunked");
    if chunked {
        body = unchunk(&body)?;
    }
    Some(Reply { status, headers, body })
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    loop {
        let line = rest.windows(2).position(|w| w == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        rest = rest.get(line + 2..)?;
        if size == 0 {
            return Some(out);
        }
        out.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}
