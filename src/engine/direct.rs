//! The short way for what most questions want: one RRset of one zone, or none. It meets no edge, so it judges none.
//!
//! Whatever it decides, the walk would have decided too; whatever it cannot decide alone, it leaves to the walk.
//! `tests/shortcuts.rs` compares the two.

use crate::base::hash::HashKey;
use crate::base::rtype::{self, RType};
use crate::engine::lookup::{self, Found};
use crate::model::catalog::Zone;
use crate::model::question::Question;
use crate::model::zone::{NodeFlags, RrSet};

/// What a zone has for a question that stays inside it.
#[derive(Clone, Copy, Debug)]
pub enum Direct<'s> {
    /// This RRset, owned by the query name.
    Data(RrSet<'s>),
    /// The name is there, the type is not; the SOA of the zone.
    NoData(RrSet<'s>),
    /// Neither the name nor a wildcard for it; the SOA of the zone.
    NxDomain(RrSet<'s>),
}

/// Types that lead nowhere and stand for themselves: no edge (CNAME, DNAME, HTTPS, SVCB, ALIAS), no meaning beyond the
/// node (DS, ANY, RRSIG, NSEC), no question about a question (OPT, AXFR …).
fn is_plain(qtype: RType) -> bool {
    matches!(
        qtype,
        rtype::A
            | rtype::AAAA
            | rtype::CAA
            | rtype::MX
            | rtype::NS
            | rtype::PTR
            | rtype::SOA
            | rtype::SRV
            | rtype::TLSA
            | rtype::TXT
    )
}

/// Decides `question`, whose name `zone` encloses as no other does. `None`: take the walk.
#[inline]
pub fn find<'s>(zone: &'s Zone, question: &Question, key: &HashKey) -> Option<Direct<'s>> {
    if question.qclass != rtype::CLASS_IN || !is_plain(question.qtype) {
        return None;
    }
    // A zone that is not ready has no SOA.
    let soa = zone.data.soa()?;
    match lookup::find(&zone.data, &question.name, key) {
        Found::Node(node) | Found::Wildcard(node) => {
            if node.flags().has(NodeFlags::REDIRECTS) {
                return None;
            }
            Some(node.rrset(question.qtype).map_or(Direct::NoData(soa), Direct::Data))
        }
        Found::NxDomain => Some(Direct::NxDomain(soa)),
        Found::Cut(_) | Found::Dname(_) => None,
    }
}
