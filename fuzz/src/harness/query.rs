//! A second opinion on queries: what a message asks, or that it is no query.

/// How a message is to be taken.
pub enum Query {
    /// No answer: shorter than a header, or a response.
    Silence,
    /// An opcode that is not QUERY.
    OtherOpcode,
    /// FORMERR, whatever else it says.
    Malformed,
    /// Well-formed.
    Asked(Asked),
}

/// What a well-formed query says.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The question, as it stands there.
    pub question: Option<Question>,
    pub edns: Option<Edns>,
    /// The TSIG that is the last record: its owner, its data up to the fudge.
    pub tsig: Option<(Vec<u8>, Vec<u8>)>,
}

#[derive(Clone, Debug)]
pub struct Question {
    /// Case kept.
    pub name: Vec<u8>,
    pub qtype: u16,
    pub qclass: u16,
}

#[derive(Clone, Debug, Default)]
pub struct Edns {
    pub udp_size: u16,
    pub version: u8,
    /// Of an OPT of version 0: the codes that are there, and of a cookie its length.
    pub codes: Vec<u16>,
    pub cookie: Option<usize>,
}

/// Reads a message.
pub fn query(packet: &[u8]) -> Query {
    if packet.len() < 12 || packet[2] & 0x80 != 0 {
        return Query::Silence;
    }
    if packet[2] & 0x78 != 0 {
        return Query::OtherOpcode;
    }
    asked(packet).map_or(Query::Malformed, Query::Asked)
}

fn asked(packet: &[u8]) -> Option<Asked> {
    let count = |i: usize| u16_at(packet, 4 + 2 * i).map(usize::from);
    let mut asked = Asked::default();
    let mut at = 12;
    match count(0)? {
        0 => {}
        1 => {
            let end = plain_name(packet, at)?;
            let (qtype, qclass) = (u16_at(packet, end)?, u16_at(packet, end + 2)?);
            let name = packet[at..end].to_vec();
            asked.question = Some(Question { name, qtype, qclass });
            at = end + 4;
        }
        _ => return None,
    }
    let (before, additional) = (count(1)? + count(2)?, count(3)?);
    for i in 0..before + additional {
        let owner = at;
        at = any_name(packet, at)?;
        let (rtype, class) = (u16_at(packet, at)?, u16_at(packet, at + 2)?);
        let length = usize::from(u16_at(packet, at + 8)?);
        let rdata = packet.get(at + 10..at + 10 + length)?;
        match rtype {
            41 => {
                if i < before || packet[owner] != 0 || asked.edns.is_some() {
                    return None;
                }
                asked.edns = Some(edns(class, packet[at + 5], rdata)?);
            }
            250 if i < before || i + 1 < before + additional => return None,
            250 if class != 255 => return None,
            250 => asked.tsig = Some((expanded(packet, owner), tsig(rdata)?)),
            _ => {}
        }
        at += 10 + length;
    }
    (at == packet.len()).then_some(asked)
}

fn edns(udp_size: u16, version: u8, mut rdata: &[u8]) -> Option<Edns> {
    let mut edns = Edns { udp_size, version, ..Edns::default() };
    while version == 0 && !rdata.is_empty() {
        let (code, length) = (u16_at(rdata, 0)?, usize::from(u16_at(rdata, 2)?));
        let value = rdata.get(4..4 + length)?;
        rdata = &rdata[4 + length..];
        match code {
            10 if length != 8 && !(16..=40).contains(&length) => return None,
            10 => edns.cookie = Some(length),
            19 if !value.is_empty() => return None,
            _ => {}
        }
        edns.codes.push(code);
    }
    Some(edns)
}

/// Algorithm, time and fudge of a TSIG without an octet too few or too many.
fn tsig(rdata: &[u8]) -> Option<Vec<u8>> {
    let fudge_end = plain_name(rdata, 0)? + 8;
    let mac = usize::from(u16_at(rdata, fudge_end)?);
    let other = usize::from(u16_at(rdata, fudge_end + 2 + mac + 4)?);
    (rdata.len() == fudge_end + 8 + mac + other).then(|| rdata[..fudge_end].to_vec())
}

/// The name at a place, its pointers followed.
fn expanded(packet: &[u8], at: usize) -> Vec<u8> {
    match usize::from(packet[at]) {
        0 => vec![0],
        high @ 192.. => expanded(packet, (high & 63) * 256 + usize::from(packet[at + 1])),
        length => {
            let label = &packet[at..=at + length];
            [label, &expanded(packet, at + 1 + length)].concat()
        }
    }
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*octets.get(at)?, *octets.get(at + 1)?]))
}

/// The end of an uncompressed name.
fn plain_name(packet: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        let length = usize::from(*packet.get(at)?);
        at += 1 + length;
        if length > 63 || at - start > 255 {
            return None;
        }
        if length == 0 {
            return Some(at);
        }
    }
}

/// The end of a name that may be compressed; its pointers go back, and back again.
fn any_name(packet: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut end, mut length, mut lowest) = (start, None, 1, start);
    loop {
        let octet = usize::from(*packet.get(at)?);
        match octet {
            0 => return Some(end.unwrap_or(at + 1)),
            1..=63 => {
                at += 1 + octet;
                length += 1 + octet;
            }
            192.. => {
                let target = (octet & 63) * 256 + usize::from(*packet.get(at + 1)?);
                end = end.or(Some(at + 2));
                if target < 12 || target >= lowest {
                    return None;
                }
                lowest = target;
                at = target;
            }
            _ => return None,
        }
        if length > 255 {
            return None;
        }
    }
}
