//! Asks real questions over real sockets and judges what every answer has in common.

use super::message::{Message, Opt, Wrong};
use super::{name, rdata};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// How long an answer may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// Octets a UDP answer may have, whatever the client offers (SPEC §4).
const UDP_MAX: usize = 1232;
/// Octets EXTRA-TEXT may have (SPEC §5).
const EXTRA_TEXT_MAX: usize = 200;

/// A question and everything that may stand beside it.
#[derive(Clone, Debug)]
pub struct Ask {
    pub name: Vec<u8>,
    pub qtype: u16,
    pub class: u16,
    pub opcode: u8,
    /// Further header bits, as `message::FLAGS`.
    pub flags: u16,
    /// How often the question stands in the message.
    pub questions: u16,
    pub edns: Option<Opt>,
    /// How often the OPT stands in the message.
    pub opts: u16,
    /// How many TSIG records, of a key nobody has, come last.
    pub signatures: u16,
}

impl Ask {
    /// A plain question of class IN with EDNS and 1232 octets.
    pub fn new(name: &str, qtype: &str) -> Ask {
        let edns = Opt { size: 1232, ..Opt::default() };
        Ask {
            name: name::wire(name),
            qtype: rdata::type_number(qtype).unwrap_or_else(|| panic!("no type {qtype}")),
            class: 1,
            opcode: 0,
            flags: 0,
            questions: 1,
            edns: Some(edns),
            opts: 1,
            signatures: 0,
        }
    }

    /// The same without EDNS.
    pub fn plain(mut self) -> Ask {
        self.edns = None;
        self
    }

    /// The same with one more EDNS option.
    pub fn option(mut self, code: u16, data: &[u8]) -> Ask {
        self.edns.as_mut().expect("has EDNS").options.push((code, data.to_vec()));
        self
    }

    /// The octets to send.
    pub fn encode(&self, id: u16) -> Vec<u8> {
        let opts = if self.edns.is_some() { self.opts } else { 0 };
        let mut out = Vec::new();
        let flags = u16::from(self.opcode) << 11 | self.flags;
        for word in [id, flags, self.questions, 0, 0, opts + self.signatures] {
            out.extend(word.to_be_bytes());
        }
        for _ in 0..self.questions {
            out.extend_from_slice(&self.name);
            out.extend(self.qtype.to_be_bytes());
            out.extend(self.class.to_be_bytes());
        }
        for _ in 0..opts {
            encode_opt(self.edns.as_ref().expect("counted"), &mut out);
        }
        for _ in 0..self.signatures {
            encode_signature(id, &mut out);
        }
        out
    }

    /// Octets an answer over UDP may have.
    pub fn size_max(&self) -> usize {
        let offered = self.edns.as_ref().map_or(512, |opt| usize::from(opt.size));
        offered.clamp(512, UDP_MAX)
    }

    /// What holds for the answer to any question: identity, question, EDNS, bits never set.
    pub fn judge(&self, id: u16, answer: &Message) -> Result<(), Wrong> {
        if answer.id != id {
            return Err(format!("the answer has id {}, the question {id}", answer.id));
        }
        if (answer.flags >> 11) & 0xf != u16::from(self.opcode) {
            return Err("the answer has another opcode".to_string());
        }
        if answer.has("ra") || answer.has("ad") {
            return Err("RA or AD is set by an authoritative server".to_string());
        }
        if answer.has("rd") != (self.flags & 0x100 != 0) {
            return Err("RD is not copied".to_string());
        }
        let lenient = matches!(answer.rcode_text().as_str(), "FORMERR" | "NOTIMP");
        let echoed = answer.question.len() == usize::from(self.questions)
            && answer.question.iter().all(|have| {
                (&have.name, have.qtype, have.class) == (&self.name, self.qtype, self.class)
            });
        let missing = lenient && answer.question.is_empty();
        if !(echoed || missing) {
            return Err("the question does not come back octet by octet".to_string());
        }
        match (&self.edns, &answer.opt) {
            (None, Some(_)) => Err("an OPT for a question without one".to_string()),
            (Some(_), None) if !lenient => Err("no OPT for a question with one".to_string()),
            (Some(asked), Some(have)) => judge_opt(asked, have),
            _ => Ok(()),
        }
    }
}

fn judge_opt(asked: &Opt, have: &Opt) -> Result<(), Wrong> {
    if have.version != 0 || have.size < 512 {
        return Err(format!("the OPT says version {}, size {}", have.version, have.size));
    }
    if have.dnssec_ok != asked.dnssec_ok && asked.version == 0 {
        return Err("DO is not copied (RFC 3225 §3)".to_string());
    }
    for (code, data) in &have.options {
        if *code == 15 && data.len() > 2 + EXTRA_TEXT_MAX {
            return Err(format!("EXTRA-TEXT of {} octets", data.len() - 2));
        }
        let asked_for = asked.options.iter().any(|(have, _)| have == code);
        if *code != 15 && !asked_for {
            return Err(format!("option {code} was not asked for"));
        }
    }
    Ok(())
}

fn encode_opt(opt: &Opt, out: &mut Vec<u8>) {
    let mut data = Vec::new();
    for (code, value) in &opt.options {
        data.extend(code.to_be_bytes());
        data.extend(u16::try_from(value.len()).expect("short").to_be_bytes());
        data.extend_from_slice(value);
    }
    out.extend([0, 0, 41]);
    out.extend(opt.size.to_be_bytes());
    out.extend([0, opt.version, if opt.dnssec_ok { 0x80 } else { 0 }, 0]);
    out.extend(u16::try_from(data.len()).expect("short").to_be_bytes());
    out.append(&mut data);
}

/// A TSIG record (RFC 8945 §4.2).
fn encode_signature(id: u16, out: &mut Vec<u8>) {
    let mut data = name::wire("hmac-sha256");
    data.extend([0, 0, 0x6a, 0, 0, 0, 1, 0x2c, 0, 32]);
    data.extend([0x14; 32]);
    data.extend(id.to_be_bytes());
    data.extend([0; 4]);
    out.extend(name::wire("key.elsewhere.test"));
    out.extend([0, 250, 0, 255, 0, 0, 0, 0]);
    out.extend(u16::try_from(data.len()).expect("short").to_be_bytes());
    out.append(&mut data);
}

/// How a question travels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Transport {
    Udp,
    Tcp,
}

/// Ask once; the answer is decoded and judged.
pub fn ask(address: SocketAddr, transport: Transport, ask: &Ask) -> Result<Message, Wrong> {
    static IDS: AtomicU16 = AtomicU16::new(0x1014);
    let id = IDS.fetch_add(0x3557, Ordering::Relaxed);
    let packet = ask.encode(id);
    let reply = match transport {
        Transport::Udp => udp(address, &packet, PATIENCE),
        Transport::Tcp => tcp(address, &[&packet]).map(|mut all| all.remove(0)),
    };
    let reply = reply.ok_or(format!("no answer over {transport:?}"))?;
    if transport == Transport::Udp && reply.len() > ask.size_max() {
        return Err(format!("{} octets over UDP, {} allowed", reply.len(), ask.size_max()));
    }
    let message = Message::decode(&reply)?;
    ask.judge(id, &message).map_err(|wrong| format!("{wrong}\n{}", message.show()))?;
    if transport == Transport::Tcp && message.has("tc") {
        return Err("TC over TCP".to_string());
    }
    Ok(message)
}

/// Send one datagram and wait for one.
pub fn udp(address: SocketAddr, packet: &[u8], patience: Duration) -> Option<Vec<u8>> {
    let socket = udp_socket(address);
    socket.send(packet).expect("the datagram leaves");
    receive(&socket, patience)
}

/// A socket that talks to one address only.
pub fn udp_socket(address: SocketAddr) -> UdpSocket {
    let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).expect("a local port is free");
    socket.connect(address).expect("the address is reachable");
    socket
}

/// Wait for one datagram.
pub fn receive(socket: &UdpSocket, patience: Duration) -> Option<Vec<u8>> {
    socket.set_read_timeout(Some(patience)).expect("a timeout can be set");
    let mut buffer = vec![0; 65_535];
    let len = socket.recv(&mut buffer).ok()?;
    buffer.truncate(len);
    Some(buffer)
}

/// Send messages over one connection at once and read as many answers.
pub fn tcp(address: SocketAddr, packets: &[&[u8]]) -> Option<Vec<Vec<u8>>> {
    let mut stream = tcp_stream(address)?;
    let mut bytes = Vec::new();
    for packet in packets {
        bytes.extend(u16::try_from(packet.len()).expect("fits").to_be_bytes());
        bytes.extend_from_slice(packet);
    }
    stream.write_all(&bytes).ok()?;
    packets.iter().map(|_| tcp_receive(&mut stream)).collect()
}

/// A connection with bounded reads and writes.
pub fn tcp_stream(address: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    stream.set_nodelay(true).ok()?;
    Some(stream)
}

/// Read one message with its length before it.
pub fn tcp_receive(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut len = [0; 2];
    stream.read_exact(&mut len).ok()?;
    let mut packet = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut packet).ok()?;
    Some(packet)
}
