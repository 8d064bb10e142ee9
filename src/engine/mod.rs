//! Floor 4: one question in, one answer out. Pure: same snapshot, same question, same time, same answer.

pub mod ahead;
pub mod answer;
pub mod compose;
pub mod deny;
pub mod direct;
mod flatten;
pub mod follow;
pub mod lookup;

use crate::base::name;
use crate::base::rtype;
use crate::base::time::UnixTime;
use crate::model::catalog::Zone;
use crate::model::question::Question;
use crate::model::snapshot::Snapshot;
use answer::{Answer, Body, Ede, EdeCode, EdeText, Item, Names, Outcome, Rcode, Section};

/// Answers `question` from `snapshot`. `names` is scratch space that must live as long as the answer is encoded: it
/// holds the names of the chain. `zone`: the one that encloses the query name, if the caller knows it already.
pub fn answer<'s>(
    snapshot: &'s Snapshot,
    question: &Question,
    zone: Option<&'s Zone>,
    now: UnixTime,
    names: &mut Names,
    answer: &mut Answer<'s>,
) {
    if question.qclass == rtype::CLASS_CH {
        return chaos(snapshot, question, answer);
    }
    if question.qclass != rtype::CLASS_IN {
        return not_served(answer, Rcode::Refused, EdeCode::NotSupported, "class not served");
    }
    match question.qtype {
        rtype::AXFR | rtype::IXFR => {
            let text = "zone transfers are not offered";
            return not_served(answer, Rcode::Refused, EdeCode::Prohibited, text);
        }
        rtype::OPT | rtype::TSIG => {
            return not_served(answer, Rcode::FormErr, EdeCode::Other, "not a type to ask for");
        }
        rtype::TKEY | rtype::MAILA | rtype::MAILB => {
            return not_served(answer, Rcode::NotImp, EdeCode::NotSupported, "type not supported");
        }
        _ => {}
    }
    let chain = follow::walk(snapshot, question, zone, now, names);
    compose::compose(&compose::Walked { snapshot, question, names, chain: &chain }, answer);
}

fn not_served(answer: &mut Answer<'_>, rcode: Rcode, code: EdeCode, text: &'static str) {
    answer.rcode = rcode;
    answer.outcome = Outcome::NotServed;
    answer.ede = Some(Ede { code, text: EdeText::Plain(text) });
}

/// `version.bind` and `id.server` (RFC 4892), where the operator set them.
fn chaos<'s>(snapshot: &'s Snapshot, question: &Question, answer: &mut Answer<'s>) {
    let wire = question.name.wire();
    let text = match wire {
        b"\x07version\x04bind\x00" | b"\x07version\x06server\x00" => &snapshot.identity.version,
        b"\x02id\x06server\x00" | b"\x08hostname\x04bind\x00" => &snapshot.identity.nsid,
        _ => return not_served(answer, Rcode::Refused, EdeCode::NotSupported, "class not served"),
    };
    if text.is_empty() {
        return not_served(answer, Rcode::Refused, EdeCode::NotSupported, "class not served");
    }
    answer.authoritative = true;
    if !matches!(question.qtype, rtype::TXT | rtype::ANY) {
        answer.outcome = Outcome::NoData;
        return;
    }
    answer.outcome = Outcome::Answered;
    answer.items.push(Item {
        section: Section::Answer,
        hop: 0,
        owner_len: name::len_at(wire, 0).unwrap_or(1) as u8,
        zone: None,
        body: Body::ChaosText(text),
        ttl_cap: u32::MAX,
        leads_on: false,
    });
}
