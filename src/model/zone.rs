//! A zone as one immutable block: header, nodes with their RRsets in wire form, and a hash index.
//!
//! ```text
//! header   apex, flags, serial, where index, apex node and SOA are
//! node     flags, name relative to the apex, RRsets
//! RRset    type, count, TTL, then its RRs as they go on the wire, each with the owner `C0 0C`
//! index    (tag, offset) pairs, open addressing by the keyed hash of the whole name
//! ```
//! Behind an alias whose target lies outside the zone stands the hash of the target, in eight octets. Behind that, and
//! behind such a CNAME, stands in four where its note (`note.rs`) or seal (`seal.rs`) is among the words beside it all.
//! A name in rdata that RFC 1035 lets us compress and that ends in the apex ends in a placeholder `C0 00`; the
//! encoder adds the place of the apex in its message. All numbers are little-endian but those on the wire.

mod builder;

pub use builder::{BuildError, ZoneBuilder};

use crate::base::hash::HashKey;
use crate::base::mem::{self, Block};
use crate::base::name::{self, Name};
use crate::base::name_buf::NameBuf;
use crate::base::rtype::{self, RType};
use crate::model::note::{self, Note};
use crate::model::seal::Seal;

/// Octets of an RR before its rdata when the owner is a pointer: owner, type, class, TTL, rdata length.
pub const RR_HEAD: usize = 12;

const HEADER: usize = 40;
const AT_INDEX: usize = 4;
const AT_MASK: usize = 8;
const AT_NODES: usize = 12;
const AT_RECORDS: usize = 16;
const AT_SERIAL: usize = 20;
const AT_APEX_NODE: usize = 24;
const AT_NEGATIVE_TTL: usize = 28;
const AT_SOA: usize = 32;
const AT_BESIDE: usize = 36;
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
    /// Offsets (u16) in `wire` of placeholders for the apex; of a CNAME or alias that leads out of its zone the place
    /// (u32) of its seal or note. One within the zone has one offset, so that the length tells them apart.
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
        let fixups = if self.beside().is_some() { &[] } else { self.fixups };
        fixups.chunks_exact(2).map(|c| usize::from(u16::from_le_bytes([c[0], c[1]])))
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
            [front @ .., 0xC0, 0x00] if self.placeholders().next().is_some() => (front, true),
            _ => (rdata, false),
        }
    }
}

impl<'z> RrSet<'z> {
    /// Where its words are among those beside the block, if it has some.
    #[inline]
    fn beside(&self) -> Option<usize> {
        let place: [u8; 4] = self.fixups.try_into().ok()?;
        let leads = matches!(self.rtype, rtype::CNAME | rtype::ALIAS);
        leads.then_some(u32::from_le_bytes(place) as usize)
    }

    /// The target of a CNAME or alias, if it lies outside the zone, and its hash.
    #[inline]
    pub fn target_outside(&self, key: &HashKey) -> Option<(&'z [u8], u64)> {
        let (target, in_zone) = self.first_target();
        if in_zone {
            return None;
        }
        let behind = self.wire.get(RR_HEAD + target.len()..)?;
        let known = behind.try_into().ok().filter(|_| self.rtype == rtype::ALIAS);
        Some((target, known.map_or_else(|| key.name(target), u64::from_le_bytes)))
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

    /// The octets of the block, to be written and read again by the same program.
    pub fn block(&self) -> &Block {
        &self.0
    }

    /// A zone from such octets.
    pub fn from_block(block: Block) -> ZoneData {
        let zone = ZoneData(block);
        zone.0.put_beside(zone.u32_at(AT_BESIDE) as usize);
        zone
    }

    /// The seal of `set`, which is an RRset of this zone: of a CNAME that leads out of it and that no wildcard makes.
    #[inline]
    pub fn seal(&self, set: RrSet<'_>) -> Option<Seal<'_>> {
        let place = set.beside().filter(|_| set.rtype == rtype::CNAME)?;
        self.0.beside().get(place).map(Seal::new)
    }

    /// The note of `set`, which is an RRset of this zone, for addresses of this type: of an alias that leads out of it.
    #[inline]
    pub fn note(&self, set: RrSet<'_>, qtype: RType) -> Option<Note<'_>> {
        let place = set.beside().filter(|_| set.rtype == rtype::ALIAS)?;
        // The hash of the target stands behind the record.
        let hash = u64::from_le_bytes(*set.wire.last_chunk()?);
        Note::new(self.0.beside().get(place..place + note::WORDS)?, qtype, hash)
    }

    /// Asks for its seal, or for its note.
    #[inline]
    pub fn prefetch_beside(&self, set: RrSet<'_>, qtype: RType) {
        let Some(place) = set.beside() else { return };
        if set.rtype == rtype::CNAME {
            return mem::prefetch(self.0.beside(), place);
        }
        let (start, end) = Note::place(qtype);
        mem::prefetch(self.0.beside(), place + start);
        mem::prefetch(self.0.beside(), place + end - 1);
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
            let (found, at) = self.slot_at(index + slot * 8);
            if at == 0 {
                return None;
            }
            if found == tag {
                let node = Node { zone: self, at };
                if node.relative() == relative {
                    return Some(node);
                }
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Tag and offset of one slot of the index.
    #[inline]
    fn slot_at(&self, entry: usize) -> (u32, usize) {
        let slot = u64::from_le_bytes(self.0[entry..entry + 8].try_into().expect("eight octets"));
        (slot as u32, (slot >> 32) as usize)
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
        if self.is_ready() {
            let at = self.likely_node(hash).unwrap_or(self.u32_at(AT_SOA) as usize);
            mem::prefetch(&self.0, at);
            mem::prefetch(&self.0, at + 64);
        }
    }

    /// The CNAME or alias of a name with this hash, unless two names have one tag. Reads header, index and node.
    #[inline]
    pub fn likely_link(&self, hash: u64) -> Option<RrSet<'_>> {
        if !self.is_ready() {
            return None;
        }
        let node = Node { zone: self, at: self.likely_node(hash)? };
        if !node.flags().has(NodeFlags::REDIRECTS) {
            return None;
        }
        node.rrsets().find(|set| matches!(set.rtype, rtype::CNAME | rtype::ALIAS))
    }

    /// Where the first node with the tag of this hash is. The zone is ready. Does not stop at the first slot: of a
    /// full index a third of the names lie behind theirs, most in the same line.
    #[inline]
    fn likely_node(&self, hash: u64) -> Option<usize> {
        let index = self.u32_at(AT_INDEX) as usize;
        let mask = self.u32_at(AT_MASK) as usize;
        let tag = (hash >> 32) as u32;
        let mut slot = hash as usize & mask;
        loop {
            let (found, at) = self.slot_at(index + slot * 8);
            if at == 0 || found == tag {
                return (at != 0).then_some(at);
            }
            slot = (slot + 1) & mask;
        }
    }

    #[inline]
    fn index_entry(&self, hash: u64) -> usize {
        let slot = hash as usize & self.u32_at(AT_MASK) as usize;
        self.u32_at(AT_INDEX) as usize + slot * 8
    }

    fn rrset_at(&self, at: usize) -> RrSet<'_> {
        // Each slice is a check of bounds: there are as few as can be.
        let (head, behind) = self.0[at..].split_at(RRSET_HEAD);
        let u16_at = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        let u32_at = |at: usize| u32::from(u16_at(at)) | u32::from(u16_at(at + 2)) << 16;
        let (wire, behind) = behind.split_at(u32_at(8) as usize);
        let fixups = &behind[..usize::from(u16_at(12)) * 2];
        RrSet { rtype: u16_at(0), count: u16_at(2), ttl: u32_at(4), wire, fixups }
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
