//! A web server at every address of its network, plain, at port 80.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct State {
    /// Bodies by host and address.
    bodies: HashMap<(String, String), String>,
    /// The last head of a host.
    heads: HashMap<String, String>,
    /// Addresses of those that were connected to.
    connections: Vec<String>,
}

/// See the head of the file.
#[derive(Clone, Default)]
pub struct Web(Arc<Mutex<State>>);

impl Web {
    pub fn start() -> Web {
        let listener = TcpListener::bind("0.0.0.0:80").expect("a network of its own");
        let web = Web::default();
        let serving = web.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Who hangs up is none of its business.
                let _ = serving.serve(stream);
            }
        });
        web
    }

    /// From now on it gives this for whatever is asked of the host at that address.
    pub fn give(&self, host: &str, address: &str, body: &str) {
        let key = (host.to_owned(), address.to_owned());
        self.0.lock().unwrap().bodies.insert(key, body.to_owned());
    }

    /// What was asked of a host last.
    pub fn head(&self, host: &str) -> String {
        self.0.lock().unwrap().heads[host].clone()
    }

    /// Connections to an address.
    pub fn count(&self, address: &str) -> usize {
        let state = self.0.lock().unwrap();
        state.connections.iter().filter(|to| *to == address).count()
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let to = stream.local_addr()?.ip().to_string();
        self.0.lock().unwrap().connections.push(to.clone());
        let mut head = String::new();
        let mut lines = BufReader::new(stream.try_clone()?);
        while lines.read_line(&mut head)? > 2 {}
        let host = head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case("host").then(|| value.trim().to_owned())
        });
        let host = host.unwrap_or_default();
        let mut state = self.0.lock().unwrap();
        state.heads.insert(host.clone(), head);
        let (status, body) = match state.bodies.get(&(host, to)) {
            Some(body) => (200, body.as_str()),
            None => (404, ""),
        };
        let length = body.len();
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(answer.as_bytes())
    }
}
