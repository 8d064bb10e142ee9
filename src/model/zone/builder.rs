//! Makes the block of a zone out of its records.

use super::{
    AT_APEX_NODE, AT_BESIDE, AT_INDEX, AT_MASK, AT_NEGATIVE_TTL, AT_NODES, AT_RECORDS, AT_SERIAL,
    AT_SOA, HEADER, NodeFlags, RR_HEAD, RRSET_HEAD, ZoneData,
};
use crate::base::hash::HashKey;
use crate::base::mem::{Arena, Block};
use crate::base::name::{self, Name};
use crate::base::name_buf::NameBuf;
use crate::base::rtype::{self, RType};
use crate::model::note;
use crate::rdata;

/// Why records cannot become a zone block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BuildError {
    /// No SOA at the apex was pushed.
    NoSoa,
    /// The block would pass 4 GiB.
    TooLarge,
    /// Records of one owner and type did not come one after the other, or an RRset fits no message.
    BadOrder,
}

impl std::fmt::Display for BuildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            BuildError::NoSoa => "the zone has no SOA",
            BuildError::TooLarge => "the zone is larger than 4 GiB",
            BuildError::BadOrder => "an RRset is scattered or larger than a DNS message",
        })
    }
}

impl std::error::Error for BuildError {}

/// Makes a [`ZoneData`]: records come grouped by owner, and within an owner by type.
pub struct ZoneBuilder<'k> {
    key: &'k HashKey,
    apex: Name,
    block: Vec<u8>,
    /// (hash, offset) of each node.
    nodes: Vec<(u64, u32)>,
    records: u32,
    /// Words beside the block: seals and notes.
    beside: u32,
    open_rrset: Option<usize>,
    fixups: Vec<u16>,
    error: Option<BuildError>,
}

impl<'k> ZoneBuilder<'k> {
    pub fn new(apex: &Name, key: &'k HashKey) -> ZoneBuilder<'k> {
        let mut block = vec![0u8; HEADER];
        block[0] = apex.as_wire().len() as u8;
        block[2] = apex.label_count() as u8;
        block.extend_from_slice(apex.as_wire());
        ZoneBuilder {
            key,
            apex: apex.clone(),
            block,
            nodes: Vec::new(),
            records: 0,
            beside: 0,
            open_rrset: None,
            fixups: Vec::new(),
            error: None,
        }
    }

    /// Makes room for what that many records with so many octets of names and data will take.
    pub fn reserve(&mut self, records: usize, octets: usize) {
        // Each with an RRset and a node of its own, and two slots of the index.
        self.block.reserve(octets + records * (RRSET_HEAD + RR_HEAD + 4 + 16));
        self.nodes.reserve(records);
    }

    /// Adds a record. `owner` is lower-cased and lies in the zone, `hash` is its hash, `rdata` has whole names.
    pub fn push(&mut self, owner: &[u8], hash: u64, rtype: RType, ttl: u32, rdata: &[u8]) {
        let relative = &owner[..owner.len() - self.apex.as_wire().len()];
        let same_node = self.nodes.last().is_some_and(|&(h, at)| {
            let at = at as usize;
            let len = usize::from(self.block[at + 1]);
            h == hash && &self.block[at + 4..at + 4 + len] == relative
        });
        if !same_node {
            self.close_rrset();
            self.open_node(hash, relative);
        }
        let same_set = self
            .open_rrset
            .is_some_and(|at| u16::from_le_bytes([self.block[at], self.block[at + 1]]) == rtype);
        if !same_set {
            self.close_rrset();
            self.open_rrset(rtype, ttl);
        }
        self.put_rr(rtype, ttl, rdata);
        self.records += 1;
    }

    fn open_node(&mut self, hash: u64, relative: &[u8]) {
        let Ok(at) = u32::try_from(self.block.len()) else {
            self.error = Some(BuildError::TooLarge);
            return;
        };
        self.nodes.push((hash, at));
        self.block.extend_from_slice(&[0, relative.len() as u8, 0, 0]);
        self.block.extend_from_slice(relative);
    }

    fn open_rrset(&mut self, rtype: RType, ttl: u32) {
        let (_, node) = *self.nodes.last().expect("a node was opened");
        let node = node as usize;
        let count = u16::from_le_bytes([self.block[node + 2], self.block[node + 3]]);
        self.block[node + 2..node + 4].copy_from_slice(&count.saturating_add(1).to_le_bytes());
        let at_apex = self.block[node + 1] == 0;
        let flag = match rtype {
            rtype::NS if !at_apex => NodeFlags::CUT,
            rtype::DNAME => NodeFlags::DNAME,
            rtype::CNAME | rtype::ALIAS => NodeFlags::REDIRECTS,
            _ => NodeFlags::default(),
        };
        self.block[node] |= flag.0;
        let at = self.block.len();
        self.block.extend_from_slice(&rtype.to_le_bytes());
        self.block.extend_from_slice(&[0, 0]);
        self.block.extend_from_slice(&ttl.to_le_bytes());
        self.block.extend_from_slice(&[0; 6]);
        self.open_rrset = Some(at);
        if rtype == rtype::SOA && at_apex {
            self.block[AT_SOA..AT_SOA + 4].copy_from_slice(&(at as u32).to_le_bytes());
        }
    }

    fn put_rr(&mut self, rtype: RType, ttl: u32, rdata: &[u8]) {
        let set = self.open_rrset.expect("an RRset was opened");
        let count = u16::from_le_bytes([self.block[set + 2], self.block[set + 3]]);
        self.block[set + 2..set + 4].copy_from_slice(&count.saturating_add(1).to_le_bytes());
        self.block.extend_from_slice(&[0xC0, 0x0C]);
        self.block.extend_from_slice(&rtype.to_be_bytes());
        self.block.extend_from_slice(&rtype::CLASS_IN.to_be_bytes());
        self.block.extend_from_slice(&ttl.to_be_bytes());
        let len_at = self.block.len();
        self.block.extend_from_slice(&[0, 0]);
        let start = self.block.len();
        let wire = set + RRSET_HEAD;
        let apex = self.apex.as_wire();
        let mut from = 0;
        for n in rdata::names(rtype, rdata) {
            let name = &rdata[n.at..n.at + n.len];
            // The root has nothing to gain: a pointer is longer than its one octet.
            if !(n.compress || rtype == rtype::ALIAS) || apex.len() < 2 || !ends_in(name, apex) {
                continue;
            }
            let hole = n.at + n.len - apex.len();
            self.block.extend_from_slice(&rdata[from..hole]);
            let Ok(place) = u16::try_from(self.block.len() - wire) else {
                // So far into an RRset names stay whole.
                from = hole;
                continue;
            };
            self.fixups.push(place);
            self.block.extend_from_slice(&[0xC0, 0x00]);
            from = n.at + n.len;
        }
        self.block.extend_from_slice(&rdata[from..]);
        match u16::try_from(self.block.len() - start) {
            Ok(len) => self.block[len_at..len_at + 2].copy_from_slice(&len.to_be_bytes()),
            Err(_) => self.error = Some(BuildError::BadOrder),
        }
    }

    fn close_rrset(&mut self) {
        let Some(set) = self.open_rrset.take() else { return };
        self.put_target_hash(set);
        let wire = self.block.len() - set - RRSET_HEAD;
        if wire > crate::base::limits::MESSAGE_MAX {
            self.error = Some(BuildError::BadOrder);
        }
        self.block[set + 8..set + 12].copy_from_slice(&(wire as u32).to_le_bytes());
        self.make_room_beside(set);
        let fixups = self.fixups.len() as u16;
        self.block[set + 12..set + 14].copy_from_slice(&fixups.to_le_bytes());
        for f in self.fixups.drain(..) {
            self.block.extend_from_slice(&f.to_le_bytes());
        }
    }

    /// Puts the hash of an alias's target behind it, unless the target lies in the zone.
    fn put_target_hash(&mut self, set: usize) {
        let head = |at: usize| u16::from_le_bytes([self.block[set + at], self.block[set + at + 1]]);
        if head(0) == rtype::ALIAS && head(2) == 1 && self.fixups.is_empty() {
            let target = self.block[set + RRSET_HEAD + RR_HEAD..].to_ascii_lowercase();
            self.block.extend_from_slice(&self.key.name(&target).to_le_bytes());
        }
    }

    /// Gives a CNAME a seal and an alias a note, unless its target lies in the zone; no seal if a wildcard gives it to
    /// many names.
    fn make_room_beside(&mut self, set: usize) {
        let head = |at: usize| u16::from_le_bytes([self.block[set + at], self.block[set + at + 1]]);
        if head(2) != 1 || !self.fixups.is_empty() {
            return;
        }
        let (_, node) = *self.nodes.last().expect("an RRset has a node");
        let is_wildcard = self.block[node as usize + 4..].starts_with(b"\x01*");
        let words = match head(0) {
            rtype::CNAME if !is_wildcard => 1,
            rtype::ALIAS => note::WORDS as u32,
            _ => return,
        };
        self.fixups.extend([self.beside as u16, (self.beside >> 16) as u16]);
        self.beside += words;
    }

    /// The zone of all records pushed, in an allocation of its own.
    pub fn finish(mut self) -> Result<ZoneData, BuildError> {
        self.complete()?;
        Ok(ZoneData::from_block(Block::new(&self.block)))
    }

    /// The zone of all records pushed, packed into `arena` beside others.
    pub fn finish_in(mut self, arena: &mut Arena) -> Result<ZoneData, BuildError> {
        self.complete()?;
        Ok(self.place(arena))
    }

    /// The zone that was completed.
    pub fn place(self, arena: &mut Arena) -> ZoneData {
        ZoneData::from_block(arena.place(&self.block))
    }

    /// Makes the block whole. Nothing may be pushed from then on.
    ///
    /// # Errors
    /// The records make no zone.
    pub fn complete(&mut self) -> Result<(), BuildError> {
        self.close_rrset();
        if let Some(error) = self.error {
            return Err(error);
        }
        let mut index = Index::new(self.nodes.len());
        for &(hash, at) in &self.nodes {
            index.put(hash, at);
        }
        self.add_ancestors(&mut index);
        self.mark_occluded(&index);
        let soa_at = u32_of(&self.block, AT_SOA) as usize;
        if soa_at == 0 {
            return Err(BuildError::NoSoa);
        }
        let apex_at = index.find(&self.block, self.key.name(self.apex.as_wire()), &[]);
        let apex_at = apex_at.ok_or(BuildError::NoSoa)?;
        let index_at = self.block.len();
        if u32::try_from(index_at + index.slots.len() * 8).is_err() {
            return Err(BuildError::TooLarge);
        }
        self.block.reserve_exact(index.slots.len() * 8);
        for (hash, at) in &index.slots {
            self.block.extend_from_slice(&((hash >> 32) as u32).to_le_bytes());
            self.block.extend_from_slice(&at.to_le_bytes());
        }
        let soa = &self.block[soa_at + RRSET_HEAD..];
        let soa_ttl = u32::from_be_bytes(soa[6..10].try_into().expect("an RR has a TTL"));
        let soa_len = usize::from(u16::from_be_bytes([soa[10], soa[11]]));
        let soa = &soa[RR_HEAD..RR_HEAD + soa_len];
        let Some(numbers) = soa.len().checked_sub(20).map(|at| &soa[at..]) else {
            return Err(BuildError::NoSoa);
        };
        let number =
            |i: usize| u32::from_be_bytes(numbers[i..i + 4].try_into().expect("20 octets"));
        let (serial, minimum) = (number(0), number(16));
        for (at, value) in [
            (AT_INDEX, index_at as u32),
            (AT_MASK, index.mask as u32),
            (AT_NODES, self.nodes.len() as u32),
            (AT_RECORDS, self.records),
            (AT_SERIAL, serial),
            (AT_BESIDE, self.beside),
            (AT_APEX_NODE, apex_at),
            (AT_NEGATIVE_TTL, soa_ttl.min(minimum)),
        ] {
            self.block[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        Ok(())
    }

    /// Adds the empty non-terminals and marks parents.
    fn add_ancestors(&mut self, index: &mut Index) {
        let apex_len = self.apex.as_wire().len();
        let apex = index.find(&self.block, self.key.name(self.apex.as_wire()), &[]);
        let mut name = NameBuf::default();
        let mut whole = Vec::with_capacity(crate::base::limits::NAME_MAX);
        // Nodes added on the way have their own ancestors added in the same walk.
        for i in 0..self.nodes.len() {
            let at = self.nodes[i].1 as usize;
            let len = usize::from(self.block[at + 1]);
            if len == 0 {
                continue;
            }
            // Most names lie right below the apex.
            if let Some(apex) = apex
                && self.is_one_label(at)
            {
                let wildcard = self.block[at + 4..at + 4 + len] == *b"\x01*";
                let more = if wildcard { NodeFlags::HAS_WILDCARD } else { NodeFlags::HAS_CHILD };
                self.block[apex as usize] |= NodeFlags::HAS_CHILD.with(more).0;
                continue;
            }
            whole.clear();
            whole.extend_from_slice(&self.block[at + 4..at + 4 + len]);
            let mut wildcard = whole.starts_with(b"\x01*");
            whole.extend_from_slice(self.apex.as_wire());
            name.set(&whole, self.key).expect("owners are valid names");
            for labels in (self.apex.label_count()..name.labels()).rev() {
                let hash = name.suffix_hash(labels);
                let relative = name.relative(labels, apex_len);
                let mut known = true;
                let parent = index.find(&self.block, hash, relative).unwrap_or_else(|| {
                    known = false;
                    self.block.len() as u32
                });
                if !known {
                    self.open_node(hash, relative);
                    index.put(hash, parent);
                }
                let flags = &mut self.block[parent as usize];
                let mut new = NodeFlags(*flags).with(NodeFlags::HAS_CHILD);
                if wildcard {
                    new = new.with(NodeFlags::HAS_WILDCARD);
                }
                // Whoever marked this parent before also marked those above it.
                let done = known && *flags & NodeFlags::HAS_CHILD.0 != 0;
                *flags = new.0;
                if done {
                    break;
                }
                wildcard = relative.starts_with(b"\x01*");
            }
        }
    }

    /// Whether the name of a node has one label more than the apex.
    fn is_one_label(&self, at: usize) -> bool {
        let len = usize::from(self.block[at + 1]);
        len > 0 && usize::from(self.block[at + 4]) + 1 == len
    }

    /// Marks what lies below a delegation or a DNAME.
    fn mark_occluded(&mut self, index: &Index) {
        let apex_len = self.apex.as_wire().len();
        let stops = NodeFlags::CUT.with(NodeFlags::DNAME);
        let hides = |at: u32| NodeFlags(self.block[at as usize]).has(stops);
        if !self.nodes.iter().any(|&(_, at)| hides(at)) {
            return;
        }
        let apex = index.find(&self.block, self.key.name(self.apex.as_wire()), &[]);
        let is_open = !apex.is_some_and(hides);
        let mut name = NameBuf::default();
        let mut whole = Vec::new();
        for i in 0..self.nodes.len() {
            let at = self.nodes[i].1 as usize;
            let len = usize::from(self.block[at + 1]);
            if is_open && self.is_one_label(at) {
                continue;
            }
            whole.clear();
            whole.extend_from_slice(&self.block[at + 4..at + 4 + len]);
            whole.extend_from_slice(self.apex.as_wire());
            name.set(&whole, self.key).expect("owners are valid names");
            let occluded = (self.apex.label_count()..name.labels()).any(|labels| {
                let hash = name.suffix_hash(labels);
                index
                    .find(&self.block, hash, name.relative(labels, apex_len))
                    .is_some_and(|a| NodeFlags(self.block[a as usize]).has(stops))
            });
            if occluded {
                self.block[at] |= NodeFlags::OCCLUDED.0;
            }
        }
    }
}

/// Whether wire name `name` (any case) is the lower-cased `above` or lies below it.
fn ends_in(name: &[u8], above: &[u8]) -> bool {
    name.len() >= above.len()
        && name[name.len() - above.len()..].eq_ignore_ascii_case(above)
        && (name.len() == above.len()
            || name::labels(name).any(|(at, _)| at == name.len() - above.len()))
}

fn u32_of(block: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(block[at..at + 4].try_into().expect("four octets"))
}

/// The hash index while it grows.
struct Index {
    mask: usize,
    used: usize,
    slots: Vec<(u64, u32)>,
}

impl Index {
    fn new(nodes: usize) -> Index {
        let size = (nodes * 4 / 3 + 2).next_power_of_two();
        Index { mask: size - 1, used: 0, slots: vec![(0, 0); size] }
    }

    fn put(&mut self, hash: u64, at: u32) {
        if (self.used + 1) * 4 > self.slots.len() * 3 {
            let old = std::mem::replace(self, Index::new(self.slots.len()));
            for (h, a) in old.slots {
                if a != 0 {
                    self.put(h, a);
                }
            }
        }
        let mut slot = hash as usize & self.mask;
        while self.slots[slot].1 != 0 {
            slot = (slot + 1) & self.mask;
        }
        self.slots[slot] = (hash, at);
        self.used += 1;
    }

    fn find(&self, block: &[u8], hash: u64, relative: &[u8]) -> Option<u32> {
        let mut slot = hash as usize & self.mask;
        loop {
            let (h, at) = self.slots[slot];
            if at == 0 {
                return None;
            }
            let node = at as usize;
            let len = usize::from(block[node + 1]);
            if h == hash && &block[node + 4..node + 4 + len] == relative {
                return Some(at);
            }
            slot = (slot + 1) & self.mask;
        }
    }
}
