//! A zone as one immutable block: header, nodes with their RRsets in wire form, and a hash index.
//!
//! ```text
//! header   apex, flags, serial, where index, apex node and SOA are
//! node     flags, name relative to the apex, RRsets
//! RRset    type, count, TTL, then its RRs as they go on the wire, each with the owner `C0 0C`
//! index    (tag, offset) pairs, open addressing by the keyed hash of the whole name
//! ```
//! A name in rdata that RFC 1035 lets us compress and that ends in the apex ends in a placeholder `C0 00`; the
//! encoder adds the place of the apex in its message. All numbers are little-endian but those on the wire.

use crate::base::hash::HashKey;
use crate::base::mem::{self, Arena, Block};
use crate::base::name::{self, Name};
use crate::base::name_buf::NameBuf;
use crate::base::rtype::{self, RType};
use crate::rdata;

/// Octets of an RR before its rdata when the owner is a pointer: owner, type, class, TTL, rdata length.
pub const RR_HEAD: usize = 12;

const HEADER: usize = 36;
const AT_INDEX: usize = 4;
const AT_MASK: usize = 8;
const AT_NODES: usize = 12;
const AT_RECORDS: usize = 16;
const AT_SERIAL: usize = 20;
const AT_APEX_NODE: usize = 24;
const AT_NEGATIVE_TTL: usize = 28;
const AT_SOA: usize = 32;
const RRSET_HEAD: usize = 14;

/// What a node is, beside its RRsets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NodeFlags(u8);

impl NodeFlags {
    /// A delegation: NS below the apex.
    pub const CUT: NodeFlags = NodeFlags(1);
    /// Below a delegation or a DNAME: not ours to answer from, save as glue.
    pub const OCCLUDED: NodeFlags = NodeFlags(2);
    pub const DNAME: NodeFlags = NodeFlags(4);
    /// A `*` lies directly below.
    pub const HAS_WILDCARD: NodeFlags = NodeFlags(8);
    /// Some name lies below.
    pub const HAS_CHILD: NodeFlags = NodeFlags(16);
    /// A CNAME or an alias is here.
    pub const REDIRECTS: NodeFlags = NodeFlags(32);

    pub fn has(self, other: NodeFlags) -> bool {
        self.0 & other.0 != 0
    }

    fn with(self, other: NodeFlags) -> NodeFlags {
        NodeFlags(self.0 | other.0)
    }
}

/// The data of one zone. Cloning shares it.
#[derive(Clone)]
pub struct ZoneData(Block);

/// One name of a zone.
#[derive(Clone, Copy)]
pub struct Node<'z> {
    zone: &'z ZoneData,
    at: usize,
}

/// One RRset, as it goes on the wire.
#[derive(Clone, Copy, Debug)]
pub struct RrSet<'z> {
    pub rtype: RType,
    pub count: u16,
    pub ttl: u32,
    /// RRs with owner `C0 0C`.
    pub wire: &'z [u8],
    /// Offsets (u16) in `wire` of placeholders for the apex.
    fixups: &'z [u8],
}

impl std::fmt::Debug for ZoneData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ZoneData({}, {} records)", name::Text(self.apex()), self.record_count())
    }
}

impl<'z> RrSet<'z> {
    /// A set whose rdata holds no names, from RRs with owner `C0 0C`.
    pub fn without_names(rtype: RType, count: u16, ttl: u32, wire: &'z [u8]) -> RrSet<'z> {
        RrSet { rtype, count, ttl, wire, fixups: &[] }
    }

    /// Offsets in `wire` where `C0 00` stands for the apex.
    pub fn placeholders(&self) -> impl Iterator<Item = usize> + 'z {
        self.fixups.chunks_exact(2).map(|c| usize::from(u16::from_le_bytes([c[0], c[1]])))
    }

    /// The RRs: (offset in `wire`, rdata as stored).
    pub fn records(&self) -> impl Iterator<Item = (usize, &'z [u8])> + 'z {
        let wire = self.wire;
        let mut at = 0;
        std::iter::from_fn(move || {
            let len = usize::from(u16::from_be_bytes([*wire.get(at + 10)?, *wire.get(at + 11)?]));
            let rdata = &wire[at + RR_HEAD..at + RR_HEAD + len];
            let here = at;
            at += RR_HEAD + len;
            Some((here, rdata))
        })
    }

    /// Rdata of every RR with its names written out, one after the other through `buf`.
    pub fn expanded(&self, apex: &[u8], mut each: impl FnMut(&[u8])) {
        let mut buf = Vec::new();
        for (at, stored) in self.records() {
            buf.clear();
            let mut from = 0;
            for hole in self.placeholders() {
                let Some(hole) = hole.checked_sub(at + RR_HEAD).filter(|h| *h < stored.len())
                else {
                    continue;
                };
                buf.extend_from_slice(&stored[from..hole]);
                buf.extend_from_slice(apex);
                from = hole + 2;
            }
            buf.extend_from_slice(&stored[from..]);
            each(&buf);
        }
    }

    /// The single name that makes up the rdata of the first RR (CNAME, DNAME, alias): (labels before the apex,
    /// whether the apex follows). Without the apex the labels are the whole name.
    pub fn first_target(&self) -> (&'z [u8], bool) {
        let rdata = self.records().next().map_or(&[][..], |(_, r)| r);
        match rdata {
            [front @ .., 0xC0, 0x00] if !self.fixups.is_empty() => (front, true),
            _ => (rdata, false),
        }
    }
}

impl ZoneData {
    /// A zone without data: known, owned, but not ready to answer.
    pub fn unready(apex: &Name) -> ZoneData {
        let mut block = vec![0u8; HEADER];
        block[0] = apex.as_wire().len() as u8;
        block[2] = apex.label_count() as u8;
        block.extend_from_slice(apex.as_wire());
        ZoneData(Block::new(&block))
    }

    fn u32_at(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.0[at..at + 4].try_into().expect("four octets"))
    }

    fn u16_at(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.0[at], self.0[at + 1]])
    }

    /// Lower-cased wire form.
    pub fn apex(&self) -> &[u8] {
        &self.0[HEADER..HEADER + usize::from(self.0[0])]
    }

    pub fn apex_labels(&self) -> usize {
        usize::from(self.0[2])
    }

    /// Whether there is data to answer from.
    pub fn is_ready(&self) -> bool {
        self.u32_at(AT_APEX_NODE) != 0
    }

    /// SOA serial; 0 for a zone that is not ready.
    pub fn serial(&self) -> u32 {
        self.u32_at(AT_SERIAL)
    }

    pub fn record_count(&self) -> usize {
        self.u32_at(AT_RECORDS) as usize
    }

    pub fn node_count(&self) -> usize {
        self.u32_at(AT_NODES) as usize
    }

    /// Octets of the block.
    pub fn octets(&self) -> usize {
        self.0.len()
    }

    /// min(SOA TTL, SOA minimum): the TTL of negative answers (RFC 2308 §5).
    pub fn negative_ttl(&self) -> u32 {
        self.u32_at(AT_NEGATIVE_TTL)
    }

    /// The SOA of a ready zone.
    pub fn soa(&self) -> Option<RrSet<'_>> {
        let at = self.u32_at(AT_SOA) as usize;
        (at != 0).then(|| self.rrset_at(at))
    }

    pub fn apex_node(&self) -> Option<Node<'_>> {
        let at = self.u32_at(AT_APEX_NODE) as usize;
        (at != 0).then_some(Node { zone: self, at })
    }

    /// The node of the suffix of `name` that has `labels` labels; the caller knows that it lies in this zone.
    #[inline]
    pub fn find(&self, name: &NameBuf, labels: usize) -> Option<Node<'_>> {
        self.find_relative(name.suffix_hash(labels), name.relative(labels, usize::from(self.0[0])))
    }

    /// The `*` below the suffix of `name` that has `labels` labels.
    pub fn find_wildcard(&self, name: &NameBuf, labels: usize, key: &HashKey) -> Option<Node<'_>> {
        let above = name.relative(labels, usize::from(self.0[0]));
        let mut relative = [0u8; crate::base::limits::NAME_MAX + 2];
        relative[..2].copy_from_slice(b"\x01*");
        relative[2..2 + above.len()].copy_from_slice(above);
        let hash = key.push(name.suffix_hash(labels), b"*");
        self.find_relative(hash, &relative[..2 + above.len()])
    }

    /// The node of a whole lower-cased wire name, hashed here: for callers off the query path.
    pub fn find_name(&self, wire: &[u8], key: &HashKey) -> Option<Node<'_>> {
        if !name::is_within(wire, self.apex()) {
            return None;
        }
        self.find_relative(key.name(wire), &wire[..wire.len() - self.apex().len()])
    }

    #[inline]
    fn find_relative(&self, hash: u64, relative: &[u8]) -> Option<Node<'_>> {
        let index = self.u32_at(AT_INDEX) as usize;
        if index == 0 {
            return None;
        }
        let mask = self.u32_at(AT_MASK) as usize;
        let tag = (hash >> 32) as u32;
        let mut slot = hash as usize & mask;
        loop {
            let entry = index + slot * 8;
            let at = self.u32_at(entry + 4) as usize;
            if at == 0 {
                return None;
            }
            if self.u32_at(entry) == tag {
                let node = Node { zone: self, at };
                if node.relative() == relative {
                    return Some(node);
                }
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Asks for header and apex.
    #[inline]
    pub fn prefetch_head(&self) {
        self.0.prefetch();
    }

    /// Asks for the place in the index of a name with this hash. Reads the header.
    #[inline]
    pub fn prefetch_index(&self, hash: u64) {
        mem::prefetch(&self.0, self.index_entry(hash));
    }

    /// Asks for the node of a name with this hash, or for the SOA if there is none. Reads header and index.
    #[inline]
    pub fn prefetch_node(&self, hash: u64) {
        let entry = self.index_entry(hash);
        let known = self.is_ready() && self.u32_at(entry) == (hash >> 32) as u32;
        let at = self.u32_at(if known { entry + 4 } else { AT_SOA }) as usize;
        mem::prefetch(&self.0, at);
        mem::prefetch(&self.0, at + 64);
    }

    #[inline]
    fn index_entry(&self, hash: u64) -> usize {
        let slot = hash as usize & self.u32_at(AT_MASK) as usize;
        self.u32_at(AT_INDEX) as usize + slot * 8
    }

    fn rrset_at(&self, at: usize) -> RrSet<'_> {
        let len = self.u32_at(at + 8) as usize;
        let fixups = usize::from(self.u16_at(at + 12)) * 2;
        let wire = at + RRSET_HEAD;
        RrSet {
            rtype: self.u16_at(at),
            count: self.u16_at(at + 2),
            ttl: self.u32_at(at + 4),
            wire: &self.0[wire..wire + len],
            fixups: &self.0[wire + len..wire + len + fixups],
        }
    }

    /// All nodes, empty non-terminals included, in no order.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        let mut at = HEADER + usize::from(self.0[0]);
        (0..self.node_count()).map(move |_| {
            let node = Node { zone: self, at };
            at = node.end();
            node
        })
    }
}

impl<'z> Node<'z> {
    pub fn flags(&self) -> NodeFlags {
        NodeFlags(self.zone.0[self.at])
    }

    /// The labels before the apex; empty at the apex.
    pub fn relative(&self) -> &'z [u8] {
        let len = usize::from(self.zone.0[self.at + 1]);
        &self.zone.0[self.at + 4..self.at + 4 + len]
    }

    /// Octets of the whole owner name.
    pub fn owner_len(&self) -> usize {
        usize::from(self.zone.0[self.at + 1]) + usize::from(self.zone.0[0])
    }

    /// The owner as a name, for callers off the query path.
    pub fn owner(&self) -> Name {
        let wire = [self.relative(), self.zone.apex()].concat();
        Name::from_wire(&wire).expect("a zone holds valid names")
    }

    pub fn is_apex(&self) -> bool {
        self.zone.0[self.at + 1] == 0
    }

    /// No RRset here, only names below (RFC 4592 §2.2.2).
    pub fn is_empty(&self) -> bool {
        self.zone.u16_at(self.at + 2) == 0
    }

    #[inline]
    pub fn rrsets(&self) -> impl Iterator<Item = RrSet<'z>> + 'z {
        let zone = self.zone;
        let mut at = self.first_rrset();
        (0..zone.u16_at(self.at + 2)).map(move |_| {
            let set = zone.rrset_at(at);
            at += RRSET_HEAD + set.wire.len() + set.fixups.len();
            set
        })
    }

    #[inline]
    pub fn rrset(&self, rtype: RType) -> Option<RrSet<'z>> {
        self.rrsets().find(|s| s.rtype == rtype)
    }

    fn first_rrset(&self) -> usize {
        self.at + 4 + usize::from(self.zone.0[self.at + 1])
    }

    fn end(&self) -> usize {
        let mut end = self.first_rrset();
        for s in self.rrsets() {
            end += RRSET_HEAD + s.wire.len() + s.fixups.len();
        }
        end
    }
}

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
            open_rrset: None,
            fixups: Vec::new(),
            error: None,
        }
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
        let wire = self.block.len() - set - RRSET_HEAD;
        if wire > crate::base::limits::MESSAGE_MAX {
            self.error = Some(BuildError::BadOrder);
        }
        self.block[set + 8..set + 12].copy_from_slice(&(wire as u32).to_le_bytes());
        let fixups = self.fixups.len() as u16;
        self.block[set + 12..set + 14].copy_from_slice(&fixups.to_le_bytes());
        for f in self.fixups.drain(..) {
            self.block.extend_from_slice(&f.to_le_bytes());
        }
    }

    /// The zone of all records pushed, in an allocation of its own.
    pub fn finish(mut self) -> Result<ZoneData, BuildError> {
        self.complete()?;
        Ok(ZoneData(Block::new(&self.block)))
    }

    /// The zone of all records pushed, packed into `arena` beside others.
    pub fn finish_in(mut self, arena: &mut Arena) -> Result<ZoneData, BuildError> {
        self.complete()?;
        Ok(ZoneData(arena.place(&self.block)))
    }

    fn complete(&mut self) -> Result<(), BuildError> {
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
        let mut name = NameBuf::default();
        let mut whole = Vec::with_capacity(crate::base::limits::NAME_MAX);
        // Nodes added on the way have their own ancestors added in the same walk.
        for i in 0..self.nodes.len() {
            let at = self.nodes[i].1 as usize;
            let len = usize::from(self.block[at + 1]);
            if len == 0 {
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

    /// Marks what lies below a delegation or a DNAME.
    fn mark_occluded(&mut self, index: &Index) {
        let apex_len = self.apex.as_wire().len();
        let stops = NodeFlags::CUT.with(NodeFlags::DNAME);
        let mut name = NameBuf::default();
        let mut whole = Vec::new();
        for i in 0..self.nodes.len() {
            let at = self.nodes[i].1 as usize;
            let len = usize::from(self.block[at + 1]);
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
