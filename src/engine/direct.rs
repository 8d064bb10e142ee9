//! The short way for what most questions want: one RRset of one zone, or none, or addresses known from outside. It
//! meets no edge that leads into a zone, so it judges none.
//!
//! Whatever it decides, the walk would have decided too; whatever it cannot decide alone, it leaves to the walk.
//! `tests/shortcuts.rs` compares the two.

use crate::base::rtype::{self, RType};
use crate::base::time::UnixTime;
use crate::engine::lookup::{self, Found};
use crate::model::catalog::Zone;
use crate::model::note::Room;
use crate::model::question::Question;
use crate::model::settings::FlattenMode;
use crate::model::snapshot::Snapshot;
use crate::model::zone::{Node, NodeFlags, RrSet};

/// What a zone has for a question that stays inside it.
#[derive(Clone, Copy, Debug)]
pub enum Direct<'s> {
    /// This RRset, owned by the query name.
    Data(RrSet<'s>),
    /// The name is there, the type is not; the SOA of the zone.
    NoData(RrSet<'s>),
    /// Neither the name nor a wildcard for it; the SOA of the zone.
    NxDomain(RrSet<'s>),
    /// The query name is an alias, and these are its addresses, with this TTL; `rotate`: beginning with any.
    Flattened { set: RrSet<'s>, ttl: u32, rotate: bool },
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

/// Decides `question`, whose name `zone` encloses as no other does. `None`: take the walk. What it finds may lie in
/// `room`.
#[inline]
pub fn find<'s>(
    snapshot: &'s Snapshot,
    zone: &'s Zone,
    question: &Question,
    now: UnixTime,
    room: &'s mut Room,
) -> Option<Direct<'s>> {
    if question.qclass != rtype::CLASS_IN || !is_plain(question.qtype) {
        return None;
    }
    if !zone.data.is_ready() {
        return None;
    }
    // Only a negative answer reads it. A zone that is ready has one.
    let soa = || zone.data.soa();
    match lookup::find(&zone.data, &question.name, &snapshot.key) {
        Found::Node(node) | Found::Wildcard(node) => {
            if node.flags().has(NodeFlags::REDIRECTS) {
                return flattened(snapshot, zone, node, question, now, room);
            }
            let data = node.rrset(question.qtype).map(Direct::Data);
            data.or_else(|| soa().map(Direct::NoData))
        }
        Found::NxDomain => soa().map(Direct::NxDomain),
        Found::Cut(_) | Found::Dname(_) => None,
    }
}

/// An alias whose target lies outside, if its addresses are known and fresh, and nothing on the way to them lies in a
/// zone served here: the walk has found that out, and the zones are still the same. A function of its own, so that the
/// rest stays small.
#[inline(never)]
fn flattened<'s>(
    snapshot: &'s Snapshot,
    zone: &'s Zone,
    node: Node<'s>,
    question: &Question,
    now: UnixTime,
    room: &'s mut Room,
) -> Option<Direct<'s>> {
    let link = link(zone, node, question)?;
    let Snapshot { outside, catalog, .. } = snapshot;
    let (qtype, rotate) = (question.qtype, snapshot.rules.rotate);
    let note = zone.data.note(link, qtype);
    if let Some(noted) = note.and_then(|note| outside.noted(note, qtype, catalog)) {
        let ttl = noted.fresh(now)?.min(link.ttl);
        return Some(Direct::Flattened { set: noted.records(qtype, ttl, room), ttl, rotate });
    }
    let (target, hash) = link.target_outside(&snapshot.key)?;
    let known = outside.find_wire(hash, target, qtype)?;
    if !known.is_clear_of(catalog) {
        return None;
    }
    let ttl = known.fresh(now)?.min(link.ttl);
    known.mark_used();
    if let Some(note) = note {
        outside.note(note, known, catalog);
    }
    Some(Direct::Flattened { set: known.addresses(), ttl, rotate })
}

/// The record that the walk would follow without showing it.
fn link<'s>(zone: &Zone, node: Node<'s>, question: &Question) -> Option<RrSet<'s>> {
    if !matches!(question.qtype, rtype::A | rtype::AAAA) {
        return None;
    }
    node.rrset(rtype::ALIAS).or_else(|| {
        let all = zone.flatten == FlattenMode::All && !question.name.has_underscore_label();
        node.rrset(rtype::CNAME).filter(|_| all)
    })
}
