//! Questions to a server: many at a time over UDP, one after another over TCP.

use crate::question::Question;
use crate::reply::Reply;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

/// Questions under way at once: what a socket buffer surely holds.
const WINDOW: usize = 50;
const PATIENCE: Duration = Duration::from_secs(2);
/// A question is asked again when its answer is lost.
const ATTEMPTS: usize = 5;

/// Asks everything over UDP. An answer that cannot be read is an error with the reason.
pub fn udp(server: SocketAddr, questions: &[Question]) -> Vec<Result<Reply, String>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a local port is free");
    socket.connect(server).expect("the loopback is reachable");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    let mut out = Vec::with_capacity(questions.len());
    for (batch, questions) in questions.chunks(WINDOW).enumerate() {
        let id = |i: usize| u16::try_from((batch * WINDOW + i) % 65_536).expect("16 bits");
        let mut replies = HashMap::new();
        for _ in 0..ATTEMPTS {
            let missing: Vec<usize> =
                (0..questions.len()).filter(|&i| !replies.contains_key(&id(i))).collect();
            for &i in &missing {
                socket.send(&questions[i].encode(id(i))).expect("the datagram leaves");
            }
            let mut packet = [0; 4096];
            while replies.len() < questions.len() {
                let Ok(len) = socket.recv(&mut packet) else { break };
                if len >= 12 {
                    let id = u16::from_be_bytes([packet[0], packet[1]]);
                    replies.insert(id, packet[..len].to_vec());
                }
            }
            if replies.len() == questions.len() {
                break;
            }
        }
        for (i, question) in questions.iter().enumerate() {
            let packet = replies.get(&id(i)).ok_or_else(|| "no answer".to_owned());
            out.push(packet.and_then(|packet| read(packet, question)));
        }
    }
    out
}

/// Asks one question over TCP.
pub fn tcp(server: SocketAddr, question: &Question) -> Result<Reply, String> {
    let wrong = |e: std::io::Error| e.to_string();
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE).map_err(wrong)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(wrong)?;
    let packet = question.encode(1);
    let len = u16::try_from(packet.len()).expect("short").to_be_bytes();
    stream.write_all(&[&len, packet.as_slice()].concat()).map_err(wrong)?;
    let mut len = [0; 2];
    stream.read_exact(&mut len).map_err(wrong)?;
    let mut packet = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut packet).map_err(wrong)?;
    read(&packet, question)
}

/// Reads the answer to a question.
pub fn read(packet: &[u8], question: &Question) -> Result<Reply, String> {
    Reply::decode(packet, &question.name)
}
