//! A small strict decoder of DNS messages: whatever is not exactly as the RFCs say is an error.

use super::{name, rdata};
use std::collections::BTreeSet;

/// What is wrong with a message, for people.
pub type Wrong = String;

/// A question as it stands in the message, case kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    pub name: Vec<u8>,
    pub qtype: u16,
    pub class: u16,
}

/// A record, names unpacked, case kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub owner: Vec<u8>,
    pub rtype: u16,
    pub class: u16,
    pub ttl: u32,
    pub rdata: Vec<u8>,
}

impl Record {
    /// The record as a line of a master file.
    pub fn show(&self) -> String {
        let class = if self.class == 1 { String::new() } else { format!("CLASS{} ", self.class) };
        let rtype = rdata::type_text(self.rtype);
        let owner = name::show(&self.owner);
        format!("{owner} {} {class}{rtype} {}", self.ttl, rdata::show(self.rtype, &self.rdata))
    }
}

/// The OPT record of a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Opt {
    pub size: u16,
    pub version: u8,
    pub dnssec_ok: bool,
    pub options: Vec<(u16, Vec<u8>)>,
}

/// A whole message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub id: u16,
    pub flags: u16,
    pub rcode: u16,
    pub question: Vec<Question>,
    pub answer: Vec<Record>,
    pub authority: Vec<Record>,
    pub additional: Vec<Record>,
    pub opt: Option<Opt>,
    /// Owner and error of the TSIG.
    pub signature: Option<(Vec<u8>, u16)>,
    pub len: usize,
}

/// RCODEs the tests name.
pub const RCODES: &[(&str, u16)] = &[
    ("NOERROR", 0),
    ("FORMERR", 1),
    ("SERVFAIL", 2),
    ("NXDOMAIN", 3),
    ("NOTIMP", 4),
    ("REFUSED", 5),
    ("YXDOMAIN", 6),
    ("NOTAUTH", 9),
    ("BADVERS", 16),
    ("BADCOOKIE", 23),
];

/// Header bits the tests name.
pub const FLAGS: &[(&str, u16)] =
    &[("aa", 0x400), ("tc", 0x200), ("rd", 0x100), ("ra", 0x80), ("ad", 0x20), ("cd", 0x10)];

impl Message {
    /// Decode a response, refusing everything irregular; hickory-proto must be able to read it too.
    pub fn decode(packet: &[u8]) -> Result<Message, Wrong> {
        if packet.len() < 12 {
            return Err(format!("{} octets are no message", packet.len()));
        }
        let word = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
        let flags = word(2);
        if flags & 0x8000 == 0 {
            return Err("QR is not set in a response".to_string());
        }
        if flags & 0x40 != 0 {
            return Err("the Z bit is set".to_string());
        }
        let mut names = Names::default();
        let mut at = 12;
        let mut question = Vec::new();
        for _ in 0..word(4) {
            let (name, next) = names.read(packet, at, packet.len(), false)?;
            let tail = packet.get(next..next + 4).ok_or("the question is cut off")?;
            let pair = |from: usize| u16::from_be_bytes([tail[from], tail[from + 1]]);
            question.push(Question { name, qtype: pair(0), class: pair(2) });
            at = next + 4;
        }
        let answer = section(packet, &mut at, word(6), &mut names, "answer")?;
        let authority = section(packet, &mut at, word(8), &mut names, "authority")?;
        let mut additional = section(packet, &mut at, word(10), &mut names, "additional")?;
        if at != packet.len() {
            return Err(format!("{} octets after the last record", packet.len() - at));
        }
        let is_opt = |record: &Record| record.rtype == 41;
        if answer.iter().chain(&authority).any(is_opt) {
            return Err("an OPT outside the additional section".to_string());
        }
        let signature = additional.pop_if(|record| record.rtype == 250);
        if additional.iter().any(|record| record.rtype == 250) {
            return Err("a TSIG that is not the last record".to_string());
        }
        let mut rcode = flags & 0xf;
        let mut opt = None;
        if let Some(at) = additional.iter().position(is_opt) {
            let record = additional.remove(at);
            rcode |= u16::try_from(record.ttl >> 24).expect("8 bits") << 4;
            opt = Some(read_opt(&record)?);
        }
        if additional.iter().any(is_opt) {
            return Err("two OPT records".to_string());
        }
        let id = word(0);
        let len = packet.len();
        let signature = signature.map(|record| read_tsig(&record, id)).transpose()?;
        let message = Message {
            id,
            flags,
            rcode,
            question,
            answer,
            authority,
            additional,
            opt,
            signature,
            len,
        };
        message.agree_with_hickory(packet)?;
        Ok(message)
    }

    /// A second opinion: hickory-proto reads the same numbers of records and the same code.
    fn agree_with_hickory(&self, packet: &[u8]) -> Result<(), Wrong> {
        if self.records().any(|record| record.rdata.is_empty()) {
            // It takes empty rdata (RFC 3597 allows it) for an error.
            return Ok(());
        }
        let other = hickory_proto::op::Message::from_vec(packet)
            .map_err(|error| format!("hickory-proto cannot read it: {error}"))?;
        let additional = other.additionals.iter().filter(|r| u16::from(r.record_type()) != 250);
        let theirs = (other.answers.len(), other.authorities.len(), additional.count());
        let ours = (self.answer.len(), self.authority.len(), self.additional.len());
        if theirs != ours || other.edns.is_some() != self.opt.is_some() {
            return Err(format!("hickory-proto reads sections of {theirs:?}, we of {ours:?}"));
        }
        if u16::from(other.metadata.response_code) != self.rcode {
            return Err(format!("hickory-proto reads RCODE {}", other.metadata.response_code));
        }
        Ok(())
    }

    /// Is a header bit of `FLAGS` set?
    pub fn has(&self, flag: &str) -> bool {
        let (_, bit) = FLAGS.iter().find(|(name, _)| *name == flag).expect("a flag the tests know");
        self.flags & bit != 0
    }

    /// The name of the RCODE.
    pub fn rcode_text(&self) -> String {
        let known = RCODES.iter().find(|(_, code)| *code == self.rcode);
        known.map_or_else(|| format!("RCODE{}", self.rcode), |(text, _)| (*text).to_string())
    }

    /// Data of every option with this code.
    pub fn options(&self, code: u16) -> Vec<&[u8]> {
        let all = self.opt.iter().flat_map(|opt| &opt.options);
        all.filter(|(have, _)| *have == code).map(|(_, data)| data.as_slice()).collect()
    }

    /// Extended errors (RFC 8914): code and text.
    pub fn extended_errors(&self) -> Vec<(u16, String)> {
        let read = |data: &[u8]| {
            let text = std::str::from_utf8(&data[2..]).expect("EXTRA-TEXT is UTF-8");
            (u16::from_be_bytes([data[0], data[1]]), text.to_string())
        };
        self.options(15).into_iter().map(read).collect()
    }

    /// Every record of the three sections.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.answer.iter().chain(&self.authority).chain(&self.additional)
    }

    /// The whole message for people.
    pub fn show(&self) -> String {
        let mut out = format!("  {}", self.rcode_text());
        for (flag, bit) in FLAGS {
            if self.flags & bit != 0 {
                out.push_str(&format!(" {flag}"));
            }
        }
        out.push('\n');
        let sections = [("answer", &self.answer), ("authority", &self.authority)];
        for (title, records) in sections.into_iter().chain([("additional", &self.additional)]) {
            for (at, record) in records.iter().enumerate() {
                let title = if at == 0 { format!("  {title}\n") } else { String::new() };
                out.push_str(&format!("{title}  {}\n", record.show()));
            }
        }
        if let Some((_, error)) = &self.signature {
            out.push_str(&format!("  tsig {error}\n"));
        }
        for (code, text) in self.extended_errors() {
            out.push_str(&format!("  ede {code} {text:?}\n"));
        }
        for (code, data) in self.opt.iter().flat_map(|opt| &opt.options) {
            if *code != 15 {
                out.push_str(&format!("  option {code} {}\n", rdata::hex(data)));
            }
        }
        out
    }
}

fn section(
    packet: &[u8],
    at: &mut usize,
    count: u16,
    names: &mut Names,
    title: &str,
) -> Result<Vec<Record>, Wrong> {
    let mut out: Vec<Record> = Vec::new();
    for _ in 0..count {
        let (owner, next) = names.read(packet, *at, packet.len(), true)?;
        let head = packet.get(next..next + 10).ok_or(format!("{title}: a record is cut off"))?;
        let word = |from: usize| u16::from_be_bytes([head[from], head[from + 1]]);
        let (rtype, class, len) = (word(0), word(2), usize::from(word(8)));
        let ttl = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
        let start = next + 10;
        if start + len > packet.len() {
            return Err(format!("{title}: rdata crosses the end of the message"));
        }
        let rdata = rdata::decode(rtype, packet, start, len, names)?;
        *at = start + len;
        if rtype != 41 && ttl > 0x7fff_ffff {
            return Err(format!("{title}: TTL {ttl} is above 2^31-1"));
        }
        let record = Record { owner, rtype, class, ttl, rdata };
        if out.iter().any(|have| same_data(have, &record)) {
            return Err(format!("{title}: twice {}", record.show()));
        }
        out.push(record);
    }
    Ok(out)
}

fn same_data(one: &Record, other: &Record) -> bool {
    one.rtype == other.rtype
        && name::lower(&one.owner) == name::lower(&other.owner)
        && rdata::folded(one.rtype, &one.rdata) == rdata::folded(other.rtype, &other.rdata)
}

/// Owner and error of a TSIG without MAC (RFC 8945 §5.3.2).
fn read_tsig(record: &Record, id: u16) -> Result<(Vec<u8>, u16), Wrong> {
    let algorithm = record.rdata.iter().position(|octet| *octet == 0).ok_or("no algorithm")?;
    let rest = record.rdata.get(algorithm + 1 + 8..).ok_or("a TSIG is cut off")?;
    let [0, 0, id_high, id_low, high, low, 0, 0] = *rest else {
        return Err(format!("a TSIG with MAC or other data: {rest:x?}"));
    };
    if (record.class, record.ttl, u16::from_be_bytes([id_high, id_low])) != (255, 0, id) {
        return Err(format!("a TSIG of class {}, TTL {}", record.class, record.ttl));
    }
    Ok((record.owner.clone(), u16::from_be_bytes([high, low])))
}

fn read_opt(record: &Record) -> Result<Opt, Wrong> {
    if record.owner != [0] {
        return Err("the OPT is not owned by the root".to_string());
    }
    let [_, version, high, low] = record.ttl.to_be_bytes();
    if high & 0x7f != 0 || low != 0 {
        return Err("unknown EDNS flags are set".to_string());
    }
    let mut options = Vec::new();
    let mut rest = record.rdata.as_slice();
    while !rest.is_empty() {
        let head = rest.get(..4).ok_or("an option is cut off")?;
        let code = u16::from_be_bytes([head[0], head[1]]);
        let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let data = rest.get(4..4 + len).ok_or("an option crosses the OPT")?;
        if code == 15 && (len < 2 || std::str::from_utf8(&data[2..]).is_err()) {
            return Err("an extended error that is no code and UTF-8 text".to_string());
        }
        options.push((code, data.to_vec()));
        rest = &rest[4 + len..];
    }
    Ok(Opt { size: record.class, version, dnssec_ok: high & 0x80 != 0, options })
}

/// Where labels began so far: a compression pointer may only lead to one of them.
#[derive(Default)]
pub struct Names {
    starts: BTreeSet<usize>,
}

impl Names {
    /// Read a name at `at` that must end before `end`; gives it unpacked, and the place after it.
    pub fn read(
        &mut self,
        packet: &[u8],
        at: usize,
        end: usize,
        packed: bool,
    ) -> Result<(Vec<u8>, usize), Wrong> {
        let mut out = Vec::new();
        let mut mine = Vec::new();
        let mut here = at;
        let mut after = None;
        loop {
            let limit = if after.is_some() { packet.len() } else { end };
            if here >= limit {
                return Err("a name runs over its end".to_string());
            }
            let len = usize::from(packet[here]);
            if len >= 0xc0 {
                if !packed {
                    return Err("a compressed name where none may be".to_string());
                }
                if here + 2 > limit {
                    return Err("a pointer is cut off".to_string());
                }
                let target = (len & 0x3f) << 8 | usize::from(packet[here + 1]);
                if target >= here || !self.starts.contains(&target) {
                    return Err(format!("a pointer to {target}, where no earlier label begins"));
                }
                after.get_or_insert(here + 2);
                here = target;
            } else if len > 63 {
                return Err(format!("label type {len:#x}"));
            } else if len == 0 {
                out.push(0);
                break;
            } else {
                if here + 1 + len > limit {
                    return Err("a label runs over its end".to_string());
                }
                if after.is_none() {
                    mine.push(here);
                }
                out.extend_from_slice(&packet[here..here + 1 + len]);
                here += 1 + len;
            }
        }
        if out.len() > 255 {
            return Err("a name longer than 255 octets".to_string());
        }
        self.starts.extend(mine);
        Ok((out, after.unwrap_or(here + 1)))
    }
}
