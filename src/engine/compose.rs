//! A finished chain, so a permitted one, to sections (RFC 1034 §4.3.2, RFC 2308, RFC 6604).

use crate::base::rtype;
use crate::engine::answer::{
    Answer, Body, Ede, EdeCode, EdeText, Item, Names, Need, Outcome, Rcode, Section,
};
use crate::engine::deny;
use crate::engine::follow::{Chain, Ending, Link};
use crate::model::catalog::Zone;
use crate::model::flattened::{self, FailureKind};
use crate::model::question::Question;
use crate::model::snapshot::Snapshot;
use crate::model::zone::Node;

/// The chain at hand, with the names it walked.
pub struct Walked<'a, 's> {
    pub snapshot: &'s Snapshot,
    pub question: &'a Question,
    pub names: &'a Names,
    pub chain: &'a Chain<'s>,
}

impl<'s> Walked<'_, 's> {
    /// Octets of name number `i`.
    pub fn name_len(&self, i: usize) -> usize {
        if i == 0 { self.question.name.wire_len() } else { self.names.at(i).wire_len() }
    }

    /// Zone of the query name.
    pub fn first_zone(&self) -> Option<&'s Zone> {
        self.chain.hops.first().map(|h| h.zone).or(self.chain.zone)
    }
}

/// Fills `answer` with what the chain's ending says.
pub fn compose<'s>(walked: &Walked<'_, 's>, answer: &mut Answer<'s>) {
    let chain = walked.chain;
    answer.denial = chain.reported;
    answer.crossed = chain.crossed;
    answer.zone = walked.first_zone();
    answer.needs = chain.needs.map(|(name, zone)| Need { name: name as u8, account: zone.account });
    match chain.ending {
        Ending::Denied(edge) => return deny::deny(walked, &edge, answer),
        Ending::Loop => {
            let text = EdeText::AboutQuestion("CNAME loop at");
            return fail(answer, Outcome::Loop, EdeCode::Other, text);
        }
        Ending::TooLong => {
            let text = EdeText::AboutQuestion("CNAME chain too long at");
            return fail(answer, Outcome::TooLong, EdeCode::Other, text);
        }
        Ending::Unready => {
            let text = EdeText::Plain("zone not ready");
            return fail(answer, Outcome::Unready, EdeCode::NotReady, text);
        }
        Ending::NoZone => {
            answer.rcode = Rcode::Refused;
            answer.outcome = Outcome::NoZone;
            answer.zone = None;
            let (code, text) = (EdeCode::NotAuthoritative, EdeText::Plain("not authoritative"));
            answer.ede = Some(Ede { code, text });
            return;
        }
        _ => {}
    }
    // AA belongs to the first owner name (RFC 1035 §4.1.1); a plain referral has none.
    answer.authoritative = !(chain.hops.is_empty() && matches!(chain.ending, Ending::Cut(_)));
    match chain.alias {
        Some(alias) => flattened(walked, alias, answer),
        None => {
            shown_hops(walked, chain.hops.len(), answer);
            last_name(walked, answer);
        }
    }
    if chain.crossed {
        let cap = walked.snapshot.rules.crossing_ttl;
        answer.items.iter_mut().for_each(|i| i.ttl_cap = i.ttl_cap.min(cap));
    }
}

fn fail(answer: &mut Answer<'_>, outcome: Outcome, code: EdeCode, text: EdeText) {
    answer.rcode = Rcode::ServFail;
    answer.outcome = outcome;
    answer.zone = None;
    answer.ede = Some(Ede { code, text });
}

/// The CNAMEs and DNAMEs of the first `count` hops.
fn shown_hops<'s>(walked: &Walked<'_, 's>, count: usize, answer: &mut Answer<'s>) {
    for (i, hop) in walked.chain.hops.iter().take(count).enumerate() {
        // Hops outside are hidden, as is everything behind an alias.
        let Some(set) = hop.link.rrset() else { continue };
        let item = Item {
            section: Section::Answer,
            hop: i as u8,
            owner_len: walked.name_len(i) as u8,
            zone: Some(&hop.zone.data),
            body: Body::Stored(set),
            ttl_cap: u32::MAX,
            leads_on: true,
        };
        let Link::Dname { set, owner_labels, withheld } = hop.link else {
            answer.items.push(item);
            continue;
        };
        //= RFC 2181 §5: a DNAME that the chain passes twice stands in the answer once
        let seen = walked.chain.hops.iter().take(i).any(|h| match h.link {
            Link::Dname { set: other, .. } => std::ptr::eq(other.wire, set.wire),
            _ => false,
        });
        if !withheld && !seen {
            let name = if i == 0 { &walked.question.name } else { walked.names.at(i) };
            let owner_len = name.suffix(owner_labels).len() as u8;
            answer.items.push(Item { owner_len, leads_on: false, ..item });
        }
        // An overlong name ends with the DNAME alone (RFC 6672 §2.2).
        let last = i + 1 == walked.chain.hops.len();
        if !(last && matches!(walked.chain.ending, Ending::NameTooLong)) {
            answer.items.push(Item { body: Body::Synthesised { ttl: set.ttl }, ..item });
        }
    }
}

/// What the last name of a shown chain adds.
fn last_name<'s>(walked: &Walked<'_, 's>, answer: &mut Answer<'s>) {
    let last = walked.chain.hops.len();
    let zone = walked.chain.zone;
    match walked.chain.ending {
        Ending::Data(set) => {
            answer.outcome = Outcome::Answered;
            answer.items.push(Item {
                section: Section::Answer,
                hop: last as u8,
                owner_len: walked.name_len(last) as u8,
                zone: zone.map(|z| &z.data),
                body: Body::Stored(set),
                ttl_cap: u32::MAX,
                leads_on: false,
            });
        }
        Ending::NoData(_) => {
            answer.outcome = Outcome::NoData;
            push_soa(zone, last, u32::MAX, answer);
        }
        Ending::NxDomain => {
            //= RFC 6604 §3: the RCODE is that of the last name
            answer.rcode = Rcode::NxDomain;
            answer.outcome = Outcome::NxDomain;
            push_soa(zone, last, u32::MAX, answer);
        }
        Ending::Cut(node) => referral(zone, last, node, answer),
        Ending::NameTooLong => {
            answer.rcode = Rcode::YxDomain;
            answer.outcome = Outcome::NameTooLong;
        }
        Ending::LeavesUs => answer.outcome = Outcome::LeavesUs,
        _ => answer.outcome = Outcome::Answered,
    }
}

/// The SOA of `zone` for a negative answer: its owner is a suffix of name number `hop`.
pub fn push_soa<'s>(zone: Option<&'s Zone>, hop: usize, ttl_cap: u32, answer: &mut Answer<'s>) {
    let Some(zone) = zone else { return };
    let Some(soa) = zone.data.soa() else { return };
    answer.items.push(Item {
        section: Section::Authority,
        hop: hop as u8,
        owner_len: zone.apex().len() as u8,
        zone: Some(&zone.data),
        body: Body::Stored(soa),
        ttl_cap: ttl_cap.min(zone.data.negative_ttl()),
        leads_on: false,
    });
}

fn referral<'s>(zone: Option<&'s Zone>, hop: usize, cut: Node<'s>, answer: &mut Answer<'s>) {
    answer.outcome = Outcome::Referral;
    let (Some(zone), Some(ns)) = (zone, cut.rrset(rtype::NS)) else { return };
    let item = Item {
        section: Section::Authority,
        hop: hop as u8,
        owner_len: cut.owner_len() as u8,
        zone: Some(&zone.data),
        body: Body::Stored(ns),
        ttl_cap: u32::MAX,
        leads_on: false,
    };
    answer.items.push(item);
    let glue = Item { section: Section::Additional, body: Body::Glue { ns }, ..item };
    answer.items.push(glue);
}

/// Addresses at the end of a hidden chain, owned by the alias (SPEC §4.1).
fn flattened<'s>(walked: &Walked<'_, 's>, alias: usize, answer: &mut Answer<'s>) {
    let chain = walked.chain;
    let outside = chain.stale || matches!(chain.ending, Ending::Outside(_));
    answer.outcome = match (chain.stale, outside) {
        (true, _) => Outcome::Stale,
        (_, true) => Outcome::Flattened,
        _ => Outcome::Answered,
    };
    let set = match chain.ending {
        Ending::Data(set) => Some(set),
        Ending::Outside(known) => {
            (known.entry().outcome == flattened::Outcome::Addresses).then(|| known.addresses())
        }
        Ending::NoData(_) | Ending::NxDomain | Ending::NameTooLong => None,
        Ending::Failed(kind) => return outside_failed(kind, answer),
        _ => return outside_failed(FailureKind::Garbage, answer),
    };
    shown_hops(walked, alias, answer);
    let alias_zone = chain.hops.get(alias).map(|h| h.zone).or(chain.zone);
    if chain.stale {
        answer.ede = Some(Ede { code: EdeCode::StaleAnswer, text: EdeText::None });
    }
    let Some(set) = set else {
        // The target's RCODE never becomes the owner's: the owner exists.
        if answer.outcome == Outcome::Answered {
            answer.outcome = Outcome::NoData;
        }
        push_soa(alias_zone, alias, chain.hidden_ttl, answer);
        let code = if chain.stale { EdeCode::StaleAnswer } else { EdeCode::Other };
        answer.ede = Some(Ede { code, text: EdeText::Plain(no_addresses(chain)) });
        return;
    };
    answer.items.push(Item {
        section: Section::Answer,
        hop: alias as u8,
        owner_len: walked.name_len(alias) as u8,
        zone: alias_zone.map(|z| &z.data),
        body: Body::Flattened(set),
        ttl_cap: chain.hidden_ttl,
        leads_on: false,
    });
}

/// Why there is nothing to copy.
fn no_addresses(chain: &Chain<'_>) -> &'static str {
    match chain.ending {
        Ending::Outside(known) if known.entry().dropped > 0 => {
            "the alias's target has special-purpose addresses only"
        }
        _ => "the alias's target has no such addresses",
    }
}

/// Neither a fresh nor a stale answer from outside. The target's RCODE is not shown.
fn outside_failed(kind: FailureKind, answer: &mut Answer<'_>) {
    let code = match kind.ede() {
        6 => EdeCode::DnssecBogus,
        22 => EdeCode::NoReachableAuthority,
        23 => EdeCode::NetworkError,
        _ => EdeCode::Other,
    };
    let text = match kind {
        FailureKind::NoUpstream => "no resolver for the alias's target",
        FailureKind::Timeout => "no answer about the alias's target in time",
        FailureKind::Network => "no resolver can be reached for the alias's target",
        FailureKind::ServFail => "resolvers fail on the alias's target",
        FailureKind::Refused => "resolvers refuse the alias's target",
        FailureKind::Bogus => "the alias's target fails DNSSEC validation",
        FailureKind::Loop => "CNAME loop behind the alias",
        FailureKind::TooLong => "CNAME chain too long behind the alias",
        FailureKind::Garbage => "no usable answer about the alias's target",
        FailureKind::Busy => "too many look-ups are waiting",
    };
    answer.items.clear();
    answer.authoritative = false;
    fail(answer, Outcome::OutsideFailed, code, EdeText::Plain(text));
}
