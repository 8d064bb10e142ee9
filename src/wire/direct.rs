//! The octets of a direct answer: header, question, one stored RRset, OPT. `encode` writes the same, and all the rest.

use crate::base::limits::UDP_ANSWER_MAX;
use crate::base::rtype;
use crate::engine::answer::{Outcome, Rcode};
use crate::engine::direct::Direct;
use crate::model::catalog::Zone;
use crate::model::note;
use crate::model::zone::RrSet;
use crate::wire::Reply;
use crate::wire::parse::Query;

const HEADER: usize = 12;
const OPT_LEN: usize = 11;

/// Whether the answer to `query` has an OPT without options, or none.
#[inline]
pub fn is_plain(query: &Query) -> bool {
    query.edns.as_ref().is_none_or(|e| !e.has_options())
}

/// Writes the answer; `None`: it does not fit, or names in it cannot be pointed at.
#[inline]
pub fn answer(
    found: Direct<'_>,
    zone: &Zone,
    query: &Query,
    packet: &[u8],
    out: &mut [u8],
) -> Option<Reply> {
    let (set, rcode, outcome) = match found {
        Direct::Data(set) => (set, Rcode::NoError, Outcome::Answered),
        Direct::NoData(soa) => (soa, Rcode::NoError, Outcome::NoData),
        Direct::NxDomain(soa) => (soa, Rcode::NxDomain, Outcome::NxDomain),
        Direct::Flattened { set, .. } => (set, Rcode::NoError, Outcome::Flattened),
    };
    let apex_len = zone.apex().len();
    // The root is shorter than a pointer to it.
    if apex_len < 2 {
        return None;
    }
    let head = HEADER + query.question_len;
    let end = head + set.wire.len();
    let len = end + if query.edns.is_some() { OPT_LEN } else { 0 };
    let out = out.get_mut(..len)?;
    out[..head].copy_from_slice(packet.get(..head)?);
    let body = &mut out[head..end];
    body.copy_from_slice(set.wire);
    let apex_at = HEADER + query.question.name.wire_len() - apex_len;
    let apex = (0xC000 | apex_at as u16).to_be_bytes();
    for hole in set.placeholders() {
        body[hole..hole + 2].copy_from_slice(&apex);
    }
    let negative = matches!(found, Direct::NoData(_) | Direct::NxDomain(_));
    if negative {
        own_by(body, &set, apex, set.ttl.min(zone.data.negative_ttl()));
    } else if let Direct::Flattened { ttl, rotate, .. } = found {
        // Addresses of one family have one length.
        let each = note::record_len(set.rtype);
        if ttl != set.ttl {
            let ttl = ttl.to_be_bytes();
            body.chunks_exact_mut(each).for_each(|rr| rr[6..10].copy_from_slice(&ttl));
        }
        if rotate && set.count > 1 {
            // As in `encode`: what the client drew at random turns them.
            let id = u16::from_be_bytes([packet[0], packet[1]]);
            body.rotate_left(each * usize::from(id % set.count));
        }
    }
    let count = u16::from(!negative) * set.count;
    let authority = u16::from(negative) * set.count;
    // Opcode 0, RD and CD come back, AA is set (RFC 1035 §4.1.1, RFC 4035 §3.1.6).
    out[2] = 0x84 | (packet[2] & 0x01);
    out[3] = (packet[3] & 0x10) | rcode as u8;
    out[4..6].copy_from_slice(&[0, 1]);
    out[6..8].copy_from_slice(&count.to_be_bytes());
    out[8..10].copy_from_slice(&authority.to_be_bytes());
    out[10..12].copy_from_slice(&[0, u8::from(query.edns.is_some())]);
    if let Some(edns) = &query.edns {
        let [t0, t1] = rtype::OPT.to_be_bytes();
        let [s0, s1] = (UDP_ANSWER_MAX as u16).to_be_bytes();
        let dnssec_ok = u8::from(edns.dnssec_ok) << 7;
        out[end..].copy_from_slice(&[0, t0, t1, s0, s1, 0, 0, dnssec_ok, 0, 0, 0]);
    }
    Some(Reply { len, rcode, outcome, ede: None, denial: None, needs: None })
}

/// Gives the records of `set`, as copied to `body`, another owner and TTL.
#[inline]
fn own_by(body: &mut [u8], set: &RrSet<'_>, owner: [u8; 2], ttl: u32) {
    let ttl = ttl.to_be_bytes();
    for (at, _) in set.records() {
        body[at..at + 2].copy_from_slice(&owner);
        body[at + 6..at + 10].copy_from_slice(&ttl);
    }
}
