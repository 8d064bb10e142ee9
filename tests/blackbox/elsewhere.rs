//! A resolver of the test's own behind the server: it says of each name what it is told to.

use crate::support::name;
use crate::support::server::{PATIENCE, poll};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};

/// What the resolver says of one name.
#[derive(Clone)]
pub enum Say {
    /// CNAMEs to these names, then these addresses.
    Chain(Vec<&'static str>, Vec<&'static str>),
    /// One TXT record of one string.
    Text(String),
    /// One NS record.
    Server(&'static str),
    NxDomain,
    ServFail,
    /// Nothing at all.
    Silence,
}

/// Name, type, and EDNS options of a question.
pub type Asked = (String, u16, Vec<u16>);

/// A resolver that says what it is told to, over UDP, with TTL 300.
pub struct Elsewhere {
    pub address: SocketAddr,
    says: Arc<Mutex<HashMap<String, Say>>>,
    pub asked: Arc<Mutex<Vec<Asked>>>,
    /// Nobody listens to TCP there.
    _tcp: TcpListener,
}

impl Elsewhere {
    pub fn start() -> Elsewhere {
        let (socket, tcp) = both_ports();
        let address = socket.local_addr().expect("an address");
        let says = Arc::<Mutex<HashMap<String, Say>>>::default();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (known, seen) = (Arc::clone(&says), Arc::clone(&asked));
        std::thread::spawn(move || {
            let mut packet = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut packet) {
                let Some((question, qtype)) = read(&packet[..length]) else { continue };
                let options = options(&packet[..length]);
                seen.lock().expect("no panic").push((question.clone(), qtype, options));
                let say = known.lock().expect("no panic").get(&question).cloned();
                if let Some(answer) =
                    answer(&packet[..length], qtype, &say.unwrap_or(Say::NxDomain))
                {
                    // A client that is gone is none of its business.
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Elsewhere { address, says, asked, _tcp: tcp }
    }

    pub fn says(&self, name: &str, say: Say) -> &Elsewhere {
        self.says.lock().expect("no panic").insert(name.to_owned(), say);
        self
    }

    pub fn chain(&self, name: &str, hops: &[&'static str], ends: &[&'static str]) -> &Elsewhere {
        self.says(name, Say::Chain(hops.to_vec(), ends.to_vec()))
    }

    /// How often a name was asked for with this type.
    pub fn count(&self, name: &str, qtype: u16) -> usize {
        let asked = self.asked.lock().expect("no panic");
        asked.iter().filter(|(n, t, _)| n == name && *t == qtype).count()
    }
}

/// A UDP port whose TCP twin is taken too, so that nobody else answers there.
fn both_ports() -> (UdpSocket, TcpListener) {
    let found = poll(PATIENCE, || {
        let socket = UdpSocket::bind("127.0.0.1:0").ok()?;
        let tcp = TcpListener::bind(socket.local_addr().ok()?).ok()?;
        Some((socket, tcp))
    });
    found.expect("a free port")
}

fn read(packet: &[u8]) -> Option<(String, u16)> {
    let end = 12 + packet.get(12..)?.iter().position(|b| *b == 0)? + 1;
    let mut wire = packet[12..end].to_vec();
    wire.make_ascii_lowercase();
    let qtype = u16::from_be_bytes([*packet.get(end)?, *packet.get(end + 1)?]);
    Some((name::show(&wire).trim_end_matches('.').to_owned(), qtype))
}

/// Codes of the EDNS options of a question that has nothing but an OPT behind it.
fn options(packet: &[u8]) -> Vec<u16> {
    let start = 12 + packet[12..].iter().position(|b| *b == 0).map_or(0, |at| at + 1) + 4;
    let mut rest = packet.get(start + 11..).unwrap_or_default();
    let mut codes = Vec::new();
    while let [c0, c1, l0, l1, more @ ..] = rest {
        codes.push(u16::from_be_bytes([*c0, *c1]));
        rest = more.get(usize::from(u16::from_be_bytes([*l0, *l1]))..).unwrap_or_default();
    }
    codes
}

fn answer(query: &[u8], qtype: u16, say: &Say) -> Option<Vec<u8>> {
    let question_end = 12 + query[12..].iter().position(|b| *b == 0)? + 5;
    let mut out = query[..question_end].to_vec();
    out[2] = 0x81;
    out[4..12].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
    let rcode = match say {
        Say::Silence => return None,
        Say::ServFail => 2,
        Say::NxDomain => 3,
        Say::Chain(..) | Say::Text(_) | Say::Server(_) => 0,
    };
    out[3] = 0x80 | rcode;
    if let Say::Text(text) = say
        && qtype == 16
    {
        out[6..8].copy_from_slice(&[0, 1]);
        out.extend(&query[12..question_end - 4]);
        out.extend([0, 16, 0, 1, 0, 0, 1, 44, 0, text.len() as u8 + 1, text.len() as u8]);
        out.extend(text.as_bytes());
    }
    if let Say::Server(server) = say
        && qtype == 2
    {
        let target = name::wire(&format!("{server}."));
        out[6..8].copy_from_slice(&[0, 1]);
        out.extend(&query[12..question_end - 4]);
        out.extend([0, 2, 0, 1, 0, 0, 1, 44]);
        out.extend((target.len() as u16).to_be_bytes());
        out.extend(target);
    }
    if let Say::Chain(hops, addresses) = say {
        let mut owner = query[12..question_end - 4].to_vec();
        let mut count = 0u16;
        let mut record = |owner: &[u8], rtype: u16, rdata: &[u8]| {
            out.extend(owner);
            out.extend(rtype.to_be_bytes());
            out.extend([0, 1, 0, 0, 1, 44]);
            out.extend((rdata.len() as u16).to_be_bytes());
            out.extend(rdata);
            count += 1;
        };
        for hop in hops {
            let target = name::wire(&format!("{hop}."));
            record(&owner, 5, &target);
            owner = target;
        }
        for address in addresses {
            match address.parse().expect("an address") {
                IpAddr::V4(a) if qtype == 1 => record(&owner, 1, &a.octets()),
                IpAddr::V6(a) if qtype == 28 => record(&owner, 28, &a.octets()),
                _ => {}
            }
        }
        out[6..8].copy_from_slice(&count.to_be_bytes());
    }
    Some(out)
}
