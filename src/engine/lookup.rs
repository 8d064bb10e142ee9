//! One name in one zone (RFC 1034 §4.3.2 step 3, RFC 4592): a node, a wildcard's node, a cut, a DNAME, or nothing.

use crate::base::hash::HashKey;
use crate::base::name_buf::NameBuf;
use crate::model::zone::{Node, NodeFlags, ZoneData};

/// What a zone has at a name.
pub enum Found<'z> {
    /// The name exists; it may be an empty non-terminal.
    Node(Node<'z>),
    /// The name does not exist and the `*` at its closest encloser stands for it.
    Wildcard(Node<'z>),
    /// The name is at or below this delegation.
    Cut(Node<'z>),
    /// The name is below this DNAME.
    Dname(Node<'z>),
    /// Neither the name nor a wildcard for it.
    NxDomain,
}

/// Finds `name`, which lies in `zone`; the zone has data.
#[inline]
pub fn find<'z>(zone: &'z ZoneData, name: &NameBuf, key: &HashKey) -> Found<'z> {
    let labels = name.labels();
    let here = zone.find(name, labels);
    if let Some(node) = here.filter(|n| !n.flags().has(NodeFlags::OCCLUDED)) {
        return if node.flags().has(NodeFlags::CUT) { Found::Cut(node) } else { Found::Node(node) };
    }
    // Every ancestor of a name that exists is a node, so the walk down from the apex ends at the closest encloser.
    let mut encloser = zone.apex_labels();
    let mut node = zone.find(name, encloser);
    while let Some(n) = node {
        if n.flags().has(NodeFlags::CUT) {
            return Found::Cut(n);
        }
        if n.flags().has(NodeFlags::DNAME) && encloser < labels {
            return Found::Dname(n);
        }
        if encloser == labels {
            break;
        }
        let below = zone.find(name, encloser + 1);
        if below.is_none() {
            let has_wildcard = n.flags().has(NodeFlags::HAS_WILDCARD);
            let wildcard =
                if has_wildcard { zone.find_wildcard(name, encloser, key) } else { None };
            return wildcard.map_or(Found::NxDomain, Found::Wildcard);
        }
        node = below;
        encloser += 1;
    }
    Found::NxDomain
}
