//! One kept connection to the API, as a client of the v4 dialect has it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Outcome;

/// See the head of the file.
pub struct Client {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
    token: String,
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub body: Value,
    /// From the first octet sent to the last one received.
    pub took: Duration,
}

impl Client {
    pub fn open(address: SocketAddr, token: &str) -> io::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        Ok(Client { stream: BufReader::new(stream), address, token: token.to_owned() })
    }

    /// Sends a request and reads its answer.
    pub fn ask(&mut self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Answer> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let Client { address, token, .. } = self;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let began = Instant::now();
        self.stream.get_mut().write_all(request.as_bytes())?;
        let (status, octets) = self.read()?;
        let took = began.elapsed();
        Ok(Answer { status, body: serde_json::from_slice(&octets).unwrap_or_default(), took })
    }

    /// The same, where anything but success is an error.
    pub fn get(&mut self, method: &str, path: &str, body: Option<&Value>) -> Outcome<Value> {
        let answer = self.ask(method, path, body)?;
        match answer.status {
            200..300 => Ok(answer.body["result"].clone()),
            status => Err(format!("{method} {path}: {status} {}", answer.body).into()),
        }
    }

    fn read(&mut self) -> io::Result<(u16, Vec<u8>)> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no status: {line:?}")))?;
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        let mut octets = vec![0; length];
        self.stream.read_exact(&mut octets)?;
        Ok((status, octets))
    }
}
