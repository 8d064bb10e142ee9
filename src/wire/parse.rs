//! Octets to a query (RFC 1035 §4.1). Total: any octets give a query, a rejection, or silence.

use crate::base::hash::HashKey;
use crate::base::limits::NAME_MAX;
use crate::base::rtype;
use crate::engine::answer::Rcode;
use crate::model::question::Question;
use crate::wire::edns::{self, Edns};
use crate::wire::tsig::Tsig;

const HEADER: usize = 12;

/// A parsed query; reused from message to message.
#[derive(Clone, Debug, Default)]
pub struct Query {
    pub question: Question,
    /// Octets of the question section in the message, from offset 12; 0: none to repeat.
    pub question_len: usize,
    pub edns: Option<Edns>,
    /// The signature; nothing is known here that could have made it.
    pub tsig: Option<Tsig>,
}

/// What a message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parse {
    /// Not to be answered: shorter than a header, or itself a response.
    Ignore,
    /// To be answered with this RCODE and nothing else.
    Reject(Rcode),
    /// No question, but a cookie (RFC 7873 §5.4).
    CookieOnly,
    Question,
}

struct Malformed;

/// Parses `packet` into `query`.
pub fn query(packet: &[u8], key: &HashKey, query: &mut Query) -> Parse {
    query.question_len = 0;
    query.edns = None;
    query.tsig = None;
    if packet.len() < HEADER || packet[2] & 0x80 != 0 {
        return Parse::Ignore;
    }
    if packet[2] & 0x78 != 0 {
        return Parse::Reject(Rcode::NotImp);
    }
    let count = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
    let mut at = HEADER;
    match count(4) {
        0 => {}
        1 => match question(packet, key, &mut query.question) {
            Ok(len) => {
                query.question_len = len;
                at += len;
            }
            Err(Malformed) => return Parse::Reject(Rcode::FormErr),
        },
        //= RFC 9619 §4: QDCOUNT > 1 is FORMERR
        _ => return Parse::Reject(Rcode::FormErr),
    }
    let before_additional = u32::from(count(6)) + u32::from(count(8));
    match records(packet, at, before_additional, u32::from(count(10)), query) {
        Err(Malformed) => {
            query.tsig = None;
            Parse::Reject(Rcode::FormErr)
        }
        //= RFC 8945 §5.2.1: no key is known here
        Ok(()) if query.tsig.is_some() => Parse::Reject(Rcode::NotAuth),
        Ok(()) => match &query.edns {
            //= RFC 6891 §6.1.3
            Some(e) if e.version != 0 => Parse::Reject(Rcode::BadVers),
            Some(e) if query.question_len == 0 && e.cookie.is_some() => Parse::CookieOnly,
            _ if query.question_len == 0 => Parse::Reject(Rcode::FormErr),
            _ => Parse::Question,
        },
    }
}

fn question(packet: &[u8], key: &HashKey, question: &mut Question) -> Result<usize, Malformed> {
    // A pointer in the first name of a message could only point at itself or the header.
    let len = question.name.set(&packet[HEADER..], key).map_err(|_| Malformed)?;
    let fixed = packet.get(HEADER + len..HEADER + len + 4).ok_or(Malformed)?;
    question.qtype = u16::from_be_bytes([fixed[0], fixed[1]]);
    question.qclass = u16::from_be_bytes([fixed[2], fixed[3]]);
    Ok(len + 4)
}

/// Reads the records behind the question: only OPT and TSIG matter, the rest must be well formed.
fn records(
    packet: &[u8],
    mut at: usize,
    before_additional: u32,
    additional: u32,
    query: &mut Query,
) -> Result<(), Malformed> {
    for i in 0..before_additional + additional {
        let owner = at;
        at = skip_name(packet, at)?;
        let fixed = packet.get(at..at + 10).ok_or(Malformed)?;
        let rtype = u16::from_be_bytes([fixed[0], fixed[1]]);
        let len = usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
        let rdata = packet.get(at + 10..at + 10 + len).ok_or(Malformed)?;
        at += 10 + len;
        match rtype {
            rtype::OPT => {
                //= RFC 6891 §6.1.1: at most one, in the additional section, owned by the root
                if query.edns.is_some() || i < before_additional || packet[owner] != 0 {
                    return Err(Malformed);
                }
                let mut opt = Edns {
                    udp_size: u16::from_be_bytes([fixed[2], fixed[3]]),
                    version: fixed[5],
                    dnssec_ok: fixed[6] & 0x80 != 0,
                    ..Edns::default()
                };
                // What the options of another version mean is not known here.
                if opt.version == 0 {
                    edns::options(rdata, &mut opt).ok_or(Malformed)?;
                }
                query.edns = Some(opt);
            }
            rtype::TSIG => {
                //= RFC 8945 §4.2: the class is ANY
                //= RFC 8945 §5.1: the last record of the message
                let is_last = i + 1 == before_additional + additional && i >= before_additional;
                if !is_last || fixed[2..4] != rtype::CLASS_ANY.to_be_bytes() {
                    return Err(Malformed);
                }
                let tsig = Tsig::read(packet, owner, at - len, len);
                query.tsig = Some(tsig.ok_or(Malformed)?);
            }
            _ => {}
        }
    }
    if at == packet.len() { Ok(()) } else { Err(Malformed) }
}

/// The offset behind the name at `at`. Pointers must lead to earlier names, and the whole be a name.
fn skip_name(packet: &[u8], at: usize) -> Result<usize, Malformed> {
    let mut end = None;
    let mut here = at;
    let mut lowest = at;
    let mut total = 1;
    loop {
        let len = usize::from(*packet.get(here).ok_or(Malformed)?);
        match len & 0xC0 {
            0x00 if len == 0 => return Ok(end.unwrap_or(here + 1)),
            0x00 => {
                total += len + 1;
                if total > NAME_MAX {
                    return Err(Malformed);
                }
                here += 1 + len;
            }
            0xC0 => {
                let low = usize::from(*packet.get(here + 1).ok_or(Malformed)?);
                let target = (len & 0x3F) << 8 | low;
                if target >= lowest || target < HEADER {
                    return Err(Malformed);
                }
                end.get_or_insert(here + 2);
                lowest = target;
                here = target;
            }
            _ => return Err(Malformed),
        }
    }
}
