//! The names of a grouped zone, to be looked up: what is at a name, and what lies above it.

use super::index::Index;
use super::record::{Parsed, Record};
use crate::base::hash::HashKey;
use crate::base::limits::LABELS_MAX;
use crate::base::name;
use crate::base::rtype::{self, RType};

/// All names of a zone that have records, in the order of their records.
pub(super) struct Names<'p> {
    pub parsed: &'p Parsed,
    pub apex: &'p [u8],
    key: &'p HashKey,
    apex_hash: u64,
    groups: Vec<Group>,
    index: &'p Index,
    /// Whether there is a DNAME, or NS below the apex.
    has_cuts: bool,
    /// Whether the zone gives names to addresses.
    pub is_reverse: bool,
}

#[derive(Clone, Copy)]
struct Group {
    start: u32,
    end: u32,
}

/// A name with its records, grouped by type.
#[derive(Clone, Copy)]
pub(super) struct Node<'p> {
    pub name: &'p [u8],
    pub records: &'p [Record],
}

/// What keeps data below a name from being answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hides {
    Delegation,
    Dname,
}

impl<'p> Names<'p> {
    pub fn new(
        parsed: &'p Parsed,
        index: &'p Index,
        apex: &'p [u8],
        key: &'p HashKey,
    ) -> Names<'p> {
        let mut groups = Vec::with_capacity(parsed.records.len() / 2);
        let mut has_cuts = false;
        let mut start = 0;
        for node in parsed.records.chunk_by(super::normal::same_owner) {
            let end = start + node.len() as u32;
            groups.push(Group { start, end });
            let below = parsed.owner(&node[0]) != apex;
            let cuts = |r: &Record| r.rtype == rtype::DNAME || r.rtype == rtype::NS && below;
            has_cuts = has_cuts || node.iter().any(cuts);
            start = end;
        }
        let reverse = [&b"\x07in-addr\x04arpa\0"[..], b"\x03ip6\x04arpa\0"];
        let is_reverse = reverse.iter().any(|zone| name::is_within(apex, zone));
        Names { parsed, apex, key, apex_hash: key.name(apex), groups, index, has_cuts, is_reverse }
    }

    /// Whether data may be hidden at all.
    pub fn has_cuts(&self) -> bool {
        self.has_cuts
    }

    pub fn iter(&self) -> impl Iterator<Item = Node<'p>> {
        self.groups.iter().map(|group| self.node(group))
    }

    fn node(&self, group: &Group) -> Node<'p> {
        let records = &self.parsed.records[group.start as usize..group.end as usize];
        Node { name: self.parsed.owner(&records[0]), records }
    }

    /// The records of a lower-cased name.
    pub fn find(&self, name: &[u8]) -> Option<Node<'p>> {
        self.find_hashed(self.key.name(name), name)
    }

    fn find_hashed(&self, hash: u64, name: &[u8]) -> Option<Node<'p>> {
        let found = self.index.find(hash, |number| self.node(&self.groups[number]).name == name);
        found.map(|number| self.node(&self.groups[number]))
    }

    /// The name nearest to the apex, above `name` and below the apex, that hides what is below it.
    /// A DNAME at the apex hides everything.
    pub fn hidden_by(&self, name: &[u8]) -> Option<(Node<'p>, Hides)> {
        if !self.has_cuts {
            return None;
        }
        let mut starts = [0u8; LABELS_MAX];
        let mut count = 0;
        for (at, _) in name::labels(&name[..name.len() - self.apex.len()]) {
            starts[count] = at as u8;
            count += 1;
        }
        if count == 0 {
            return None;
        }
        let mut hash = self.apex_hash;
        if let Some(node) = self.find_hashed(hash, self.apex)
            && node.has(rtype::DNAME)
        {
            return Some((node, Hides::Dname));
        }
        for &at in starts[1..count].iter().rev() {
            let at = usize::from(at);
            hash = self.key.push(hash, &name[at + 1..at + 1 + usize::from(name[at])]);
            if let Some(node) = self.find_hashed(hash, &name[at..]) {
                if node.has(rtype::NS) {
                    return Some((node, Hides::Delegation));
                }
                if node.has(rtype::DNAME) {
                    return Some((node, Hides::Dname));
                }
            }
        }
        None
    }

    /// Whether a wildcard above `name` may answer for it.
    pub fn has_wildcard(&self, name: &[u8]) -> bool {
        let mut wildcard = Vec::with_capacity(name.len());
        let mut above = name;
        while above.len() > self.apex.len()
            && let Some(parent) = name::parent(above)
        {
            wildcard.clear();
            wildcard.extend_from_slice(b"\x01*");
            wildcard.extend_from_slice(parent);
            if self.find(&wildcard).is_some() {
                return true;
            }
            above = parent;
        }
        false
    }
}

impl<'p> Node<'p> {
    /// The records of one type.
    pub fn of(&self, rtype: RType) -> &'p [Record] {
        let start = self.records.partition_point(|r| r.rtype < rtype);
        let rest = &self.records[start..];
        &rest[..rest.partition_point(|r| r.rtype == rtype)]
    }

    pub fn has(&self, rtype: RType) -> bool {
        !self.of(rtype).is_empty()
    }

    /// Whether the name has addresses of its own or through an alias.
    pub fn has_address(&self) -> bool {
        [rtype::A, rtype::AAAA, rtype::ALIAS].into_iter().any(|rtype| self.has(rtype))
    }

    /// The RRsets of the name.
    pub fn rrsets(&self) -> impl Iterator<Item = &'p [Record]> {
        self.records.chunk_by(|a, b| a.rtype == b.rtype)
    }
}
