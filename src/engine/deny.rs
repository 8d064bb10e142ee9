//! 1014 is shown here: a denied edge to RCODE, extended error and text (SPEC §5). Nothing of the target is in it.

use crate::base::limits::DENIAL_SOA_TTL;
use crate::base::name_buf::NameBuf;
use crate::base::rtype;
use crate::engine::answer::{Answer, Body, Ede, EdeCode, EdeText, Item, Outcome, Rcode, Section};
use crate::engine::compose::{Walked, push_soa};
use crate::engine::follow::DeniedEdge;
use crate::model::catalog::Zone;
use crate::model::settings::OnViolation;
use crate::model::zone::NodeFlags;
use crate::policy::judge::EdgeKind;
use crate::policy::verdict::Reason;

/// Fills `answer` with the denial of `edge`.
pub fn deny<'s>(walked: &Walked<'_, 's>, edge: &DeniedEdge<'s>, answer: &mut Answer<'s>) {
    let first = walked.first_zone();
    let own = first.is_some_and(|z| z.account == edge.zone.account);
    let text = EdeText::Denied(own.then_some((edge.owner as u8, edge.target as u8)));
    answer.items.clear();
    answer.outcome = Outcome::Denied;
    answer.denial = Some(edge.denied(walked.chain.judged));
    answer.crossed = false;
    answer.ede = Some(Ede { code: EdeCode::Blocked, text });
    match mode(edge) {
        OnViolation::Refuse | OnViolation::Report => {
            answer.rcode = Rcode::Refused;
            answer.zone = None;
        }
        OnViolation::NoData => no_data(first, answer),
        OnViolation::NxDomain => {
            no_data(first, answer);
            if is_plain(walked, edge) {
                answer.rcode = Rcode::NxDomain;
            }
        }
        OnViolation::Sinkhole => sinkhole(walked, first, answer),
    }
}

/// The mode of the owner's zone; but a grant withdrawn a short while ago is not refused, since resolvers that serve
/// stale data keep a refused name alive and drop it on NODATA.
fn mode(edge: &DeniedEdge<'_>) -> OnViolation {
    match (edge.zone.on_violation, edge.denial.reason) {
        (OnViolation::Refuse, Reason::Withdrawn) => OnViolation::NoData,
        (mode, _) => mode,
    }
}

fn no_data<'s>(zone: Option<&'s Zone>, answer: &mut Answer<'s>) {
    answer.authoritative = true;
    push_soa(zone, 0, DENIAL_SOA_TTL, answer);
}

fn sinkhole<'s>(walked: &Walked<'_, 's>, zone: Option<&'s Zone>, answer: &mut Answer<'s>) {
    let rules = &walked.snapshot.rules;
    let v6 = walked.question.qtype == rtype::AAAA;
    let asked = v6 || walked.question.qtype == rtype::A;
    if !asked || !rules.sinkhole.iter().any(|a| a.is_ipv6() == v6) {
        return no_data(zone, answer);
    }
    answer.authoritative = true;
    answer.items.push(Item {
        section: Section::Answer,
        hop: 0,
        owner_len: walked.name_len(0) as u8,
        zone: None,
        body: Body::Sinkhole { addresses: &rules.sinkhole, v6, ttl: rules.sinkhole_ttl },
        ttl_cap: u32::MAX,
        leads_on: false,
    });
}

/// Whether NXDOMAIN blanks nothing else (RFC 8020): the denied owner, and the query name that led to it, are CNAMEs
/// with nothing else at or below them.
fn is_plain(walked: &Walked<'_, '_>, edge: &DeniedEdge<'_>) -> bool {
    let lone = |name: &NameBuf| {
        let Some(zone) = walked.snapshot.catalog.zone_for(name) else { return false };
        let Some(node) = zone.data.find(name, name.labels()) else { return false };
        node.rrset(rtype::CNAME).is_some()
            && node.rrsets().count() == 1
            && !node.flags().has(NodeFlags::HAS_CHILD)
            && !walked.snapshot.catalog.has_zone_beneath(name, name.labels())
    };
    edge.kind == EdgeKind::Cname
        && lone(&walked.question.name)
        && (edge.owner == 0 || lone(walked.names.at(edge.owner)))
}
