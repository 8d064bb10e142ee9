//! An answer of ours back from octets to text, as `dig` would show it.

use serde::Serialize;

use crate::base::limits::NAME_MAX;
use crate::base::name::Text;
use crate::base::rtype;
use crate::rdata;
use crate::wire::edns;

/// A decoded answer. The field names are the JSON's keys.
#[derive(Debug, Serialize)]
pub struct Reply {
    pub rcode: &'static str,
    /// Header flags that are set, as `dig` writes them.
    pub flags: Vec<&'static str>,
    pub answer: Vec<Rr>,
    pub authority: Vec<Rr>,
    pub additional: Vec<Rr>,
    /// Extended error (RFC 8914).
    pub ede: Option<Extended>,
}

#[derive(Debug, Serialize)]
pub struct Rr {
    pub name: String,
    pub ttl: u32,
    #[serde(rename = "type")]
    pub rtype: String,
    pub data: String,
}

#[derive(Debug, Serialize)]
pub struct Extended {
    pub code: u16,
    pub text: String,
}

/// Decodes a whole answer; `None` if it is broken.
pub fn reply(packet: &[u8]) -> Option<Reply> {
    let mut reader = Reader { packet, at: 12, extended: 0, ede: None };
    let count = |i: usize| Some(u16::from_be_bytes([*packet.get(i)?, *packet.get(i + 1)?]));
    for _ in 0..count(4)? {
        reader.name()?;
        reader.at += 4;
    }
    let answer = reader.section(count(6)?)?;
    let authority = reader.section(count(8)?)?;
    let additional = reader.section(count(10)?)?;
    let flags = [(2, 0x80, "qr"), (2, 4, "aa"), (2, 2, "tc"), (2, 1, "rd"), (3, 0x80, "ra")];
    let set = |(at, bit, word): (usize, u8, &'static str)| {
        packet.get(at).filter(|b| **b & bit != 0).map(|_| word)
    };
    let code = reader.extended << 4 | u16::from(packet.get(3)? & 0x0F);
    let flags = flags.into_iter().filter_map(set).collect();
    Some(Reply { rcode: rcode(code), flags, answer, authority, additional, ede: reader.ede })
}

fn rcode(code: u16) -> &'static str {
    match code {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        9 => "NOTAUTH",
        16 => "BADVERS",
        _ => "OTHER",
    }
}

struct Reader<'p> {
    packet: &'p [u8],
    at: usize,
    extended: u16,
    ede: Option<Extended>,
}

impl Reader<'_> {
    fn section(&mut self, count: u16) -> Option<Vec<Rr>> {
        let mut rrs = Vec::new();
        for _ in 0..count {
            let name = self.name()?;
            let fixed: [u8; 10] = self.packet.get(self.at..self.at + 10)?.try_into().ok()?;
            let rtype = u16::from_be_bytes([fixed[0], fixed[1]]);
            let len = usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
            self.at += 10;
            let end = self.at + len;
            if rtype == rtype::OPT {
                self.extended = u16::from(fixed[4]);
                self.options(end)?;
            } else {
                let mut data = String::new();
                rdata::to_text(rtype, &self.rdata(rtype, end)?, &mut data);
                let ttl = u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
                let name = Text(&name).to_string();
                rrs.push(Rr { name, ttl, rtype: rdata::type_text(rtype).to_string(), data });
            }
            self.at = end;
        }
        Some(rrs)
    }

    /// Rdata with its names written out.
    fn rdata(&mut self, rtype: u16, end: usize) -> Option<Vec<u8>> {
        // Of the types compressed here (RFC 1035 §3.3), names stand first, but for MX; the rest follows.
        let (skip, names) = match rtype {
            rtype::NS | rtype::CNAME | rtype::PTR => (0, 1),
            rtype::MX => (2, 1),
            rtype::SOA => (0, 2),
            _ => return Some(self.packet.get(self.at..end)?.to_vec()),
        };
        let mut data = self.packet.get(self.at..self.at + skip)?.to_vec();
        self.at += skip;
        for _ in 0..names {
            data.extend(self.name()?);
        }
        data.extend(self.packet.get(self.at..end)?);
        Some(data)
    }

    fn options(&mut self, end: usize) -> Option<()> {
        let mut rest = self.packet.get(self.at..end)?;
        while let [c0, c1, l0, l1, more @ ..] = rest {
            let value = more.get(..usize::from(u16::from_be_bytes([*l0, *l1])))?;
            if u16::from_be_bytes([*c0, *c1]) == edns::EDE {
                let (code, text) = value.split_first_chunk::<2>()?;
                let text = String::from_utf8_lossy(text).into_owned();
                self.ede = Some(Extended { code: u16::from_be_bytes(*code), text });
            }
            rest = &more[value.len()..];
        }
        Some(())
    }

    /// The name at the current place, written out.
    fn name(&mut self) -> Option<Vec<u8>> {
        let mut name = Vec::new();
        let mut here = self.at;
        let mut end = None;
        loop {
            let len = usize::from(*self.packet.get(here)?);
            if len & 0xC0 == 0xC0 {
                let target = (len & 0x3F) << 8 | usize::from(*self.packet.get(here + 1)?);
                end.get_or_insert(here + 2);
                if target >= here {
                    return None;
                }
                here = target;
                continue;
            }
            name.extend(self.packet.get(here..=here + len)?);
            here += 1 + len;
            if len == 0 || name.len() > NAME_MAX {
                self.at = end.unwrap_or(here);
                return (name.len() <= NAME_MAX).then_some(name);
            }
        }
    }
}
