//! One question to one upstream: UDP from a fresh port, TCP when the answer is cut; only what was asked is answered.
//!
//! hickory-resolver was weighed and left. It gives the chain and its TTLs, but not who answered and how long it took,
//! nor the extended errors; it ends a chain after eight names and cannot tell a loop from "no records"; it asks a
//! second upstream only when the first has failed, or always both at once. Its parts are used: hickory-proto reads the
//! messages, hickory-net validates (`validate.rs`).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hickory_proto::op::{Message, ResponseCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use crate::base::limits::UDP_ANSWER_MAX;
use crate::base::name;
use crate::base::rtype::{CLASS_IN, OPT, RType};

/// Octets of a header (RFC 1035 §4.1.1).
const HEADER: usize = 12;
/// Octets of a datagram taken: more than we ask for, since some upstreams do not look.
const DATAGRAM: usize = 4096;
/// Datagrams that are no answer, after which somebody is guessing: the question is asked again by TCP.
const STRAYS_MAX: usize = 16;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Wire form, lower case.
    pub name: Box<[u8]>,
    pub rtype: RType,
    /// Signatures are wanted, and the upstream's own verdict is not (DO and CD).
    pub dnssec: bool,
}

/// Why one upstream gave no answer.
#[derive(Debug)]
pub enum Fault {
    /// It cannot be reached.
    Network(io::Error),
    /// What it sent is no DNS message, or none to this question.
    Garbage(&'static str),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        Fault::Network(error)
    }
}

/// Asks `upstream`. Without an answer this never ends: the caller sets the time.
pub async fn exchange(upstream: SocketAddr, ask: &Ask) -> Result<Message, Fault> {
    let sent = Sent::new(ask)?;
    match by_udp(upstream, &sent).await? {
        Some(message) => Ok(message),
        None => by_tcp(upstream, &Sent::new(ask)?).await,
    }
}

/// A question as it was sent.
struct Sent {
    octets: Vec<u8>,
    /// Where the question section ends.
    question: usize,
}

impl Sent {
    fn new(ask: &Ask) -> Result<Sent, Fault> {
        let mut random = [0; 2 + 32];
        getrandom::fill(&mut random).map_err(|e| Fault::Network(io::Error::other(e)))?;
        let (id, case) = random.split_at(2);
        let mut octets = Vec::with_capacity(HEADER + ask.name.len() + 4 + 11);
        octets.extend_from_slice(id);
        // RD, and CD where we judge ourselves.
        octets.extend_from_slice(&[0x01, if ask.dnssec { 0x10 } else { 0 }]);
        octets.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, 1]);
        octets.extend_from_slice(&with_random_case(&ask.name, case));
        octets.extend_from_slice(&ask.rtype.to_be_bytes());
        octets.extend_from_slice(&CLASS_IN.to_be_bytes());
        let question = octets.len();
        octets.push(0);
        octets.extend_from_slice(&OPT.to_be_bytes());
        octets.extend_from_slice(&(UDP_ANSWER_MAX as u16).to_be_bytes());
        octets.extend_from_slice(&[0, 0, if ask.dnssec { 0x80 } else { 0 }, 0, 0, 0]);
        Ok(Sent { octets, question })
    }

    /// What a datagram is to this question.
    fn judge(&self, answer: &[u8]) -> Reply {
        let ours = &self.octets[HEADER..self.question];
        if answer.len() < HEADER || answer[..2] != self.octets[..2] || answer[2] & 0xF8 != 0x80 {
            return Reply::Stray;
        }
        let counts = &answer[4..6];
        let error = answer[3] & 0x0F != 0;
        // Who cannot read a question may answer without it.
        if counts == [0, 0] && error && answer.len() == HEADER {
            return Reply::Answer;
        }
        let Some(theirs) = answer.get(HEADER..self.question).filter(|_| counts == [0, 1]) else {
            return Reply::Stray;
        };
        if theirs == ours {
            // Cut, so what is in it counts for nothing.
            if answer[2] & 0x02 != 0 { Reply::AskByTcp } else { Reply::Answer }
        } else if theirs.eq_ignore_ascii_case(ours) {
            // It does not keep the case, so nothing proves that it saw the question: TCP does.
            Reply::AskByTcp
        } else {
            Reply::Stray
        }
    }
}

#[derive(PartialEq, Debug)]
enum Reply {
    Answer,
    AskByTcp,
    /// Not to this question: a late answer, or a forged one.
    Stray,
}

/// Upper and lower case by the bits of `random` (0x20): who guesses answers must guess these too.
fn with_random_case(wire: &[u8], random: &[u8]) -> Vec<u8> {
    let mut mixed = wire.to_vec();
    for (at, label) in name::labels(wire) {
        for (i, octet) in label.iter().enumerate() {
            let bit = at + 1 + i;
            if random[bit / 8 % random.len()] >> (bit % 8) & 1 == 1 {
                mixed[bit] = octet.to_ascii_uppercase();
            }
        }
    }
    mixed
}

/// The answer; `None`: ask by TCP.
async fn by_udp(upstream: SocketAddr, sent: &Sent) -> Result<Option<Message>, Fault> {
    let any: IpAddr = match upstream {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    // The kernel draws the port at random. A connected socket receives from this upstream alone.
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(upstream).await?;
    socket.send(&sent.octets).await?;
    let mut answer = vec![0; DATAGRAM];
    for _ in 0..STRAYS_MAX {
        let len = socket.recv(&mut answer).await?;
        match sent.judge(&answer[..len]) {
            Reply::Answer if len < DATAGRAM => return parse(&answer[..len]).map(Some),
            Reply::Answer | Reply::AskByTcp => return Ok(None),
            Reply::Stray => {}
        }
    }
    Ok(None)
}

async fn by_tcp(upstream: SocketAddr, sent: &Sent) -> Result<Message, Fault> {
    let mut stream = TcpStream::connect(upstream).await?;
    let mut framed = (sent.octets.len() as u16).to_be_bytes().to_vec();
    framed.extend_from_slice(&sent.octets);
    stream.write_all(&framed).await?;
    let len = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(len)];
    stream.read_exact(&mut answer).await?;
    let ours = &sent.octets[HEADER..sent.question];
    let theirs = answer.get(HEADER..sent.question).unwrap_or(&[]);
    match sent.judge(&answer) {
        Reply::Answer => parse(&answer),
        // By TCP the case proves nothing more.
        Reply::AskByTcp if answer[2] & 0x02 == 0 && theirs.eq_ignore_ascii_case(ours) => {
            parse(&answer)
        }
        Reply::AskByTcp => Err(Fault::Garbage("cut, though it came by TCP")),
        Reply::Stray => Err(Fault::Garbage("an answer to another question")),
    }
}

fn parse(octets: &[u8]) -> Result<Message, Fault> {
    // Only the header, as an answer without question has it.
    if octets.len() == HEADER {
        let mut message = Message::query();
        message.metadata.response_code = ResponseCode::from(0, octets[3] & 0x0F);
        return Ok(message);
    }
    Message::from_vec(octets).map_err(|_| Fault::Garbage("not a DNS message"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::name::Name;

    fn sent(text: &str) -> Sent {
        let name = Name::from_text(text).unwrap().as_wire().into();
        Sent::new(&Ask { name, rtype: 1, dnssec: false }).unwrap()
    }

    #[test]
    fn only_the_answer_to_the_question_counts() {
        let sent = sent("a-long-name-with-many-letters.target.example");
        let mut answer = sent.octets.clone();
        answer[2] |= 0x80;
        assert_eq!(sent.judge(&answer), Reply::Answer);
        assert_eq!(sent.judge(&sent.octets), Reply::Stray, "the question itself");
        for (at, with, is) in [
            (0, answer[0] ^ 1, Reply::Stray),
            (1, answer[1] ^ 1, Reply::Stray),
            (2, answer[2] | 0x02, Reply::AskByTcp),
            (2, answer[2] | 0x08, Reply::Stray),
            (5, 2, Reply::Stray),
            (13, b'x', Reply::Stray),
            (13, answer[13] ^ 0x20, Reply::AskByTcp),
            (sent.question - 1, 3, Reply::Stray),
        ] {
            let mut other = answer.clone();
            other[at] = with;
            assert_eq!(sent.judge(&other), is, "octet {at}");
        }
        assert_eq!(sent.judge(&answer[..20]), Reply::Stray);
        assert_eq!(sent.judge(&[]), Reply::Stray);
        let error = [answer[0], answer[1], 0x80, 0x01, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(sent.judge(&error), Reply::Answer);
    }

    #[test]
    fn ids_and_case_are_random() {
        let name = "abcdefghijklmnopqrstuvwxyz.abcdefghijklmnopqrstuvwxyz";
        let (a, b) = (sent(name), sent(name));
        assert_ne!(a.octets, b.octets);
        assert_ne!(a.octets[HEADER..], b.octets[HEADER..]);
        assert!(a.octets[HEADER..].eq_ignore_ascii_case(&b.octets[HEADER..]));
    }
}
