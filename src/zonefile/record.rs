//! What the parser makes of a text: flat records over one arena, with the place of each.

use super::finding::{Finding, Place, Source};
use crate::base::rtype::RType;

/// One record. Owner and rdata are slices of the arena; the owner is lower-cased, names in rdata keep their case and
/// are never compressed.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// Keyed hash of the owner (`HashKey::name`).
    pub owner_hash: u64,
    pub owner_at: u32,
    pub owner_len: u8,
    /// The record asks for flattening: `; bw-flatten`, `cf_tags=cf-flatten-cname`.
    pub flatten: bool,
    pub rtype: RType,
    pub ttl: u32,
    pub rdata_at: u32,
    pub rdata_len: u16,
    /// Of the owner or, where the owner is inherited, of the type.
    pub place: Place,
}

/// A parsed zone text. Usable as a zone only if no finding is an error.
#[derive(Debug, Default)]
pub struct Parsed {
    pub arena: Vec<u8>,
    pub records: Vec<Record>,
    pub findings: Vec<Finding>,
    /// Findings beyond `limits::FINDINGS_MAX`, which were counted and not kept.
    pub findings_left_out: usize,
    pub sources: Vec<Source>,
}

impl Parsed {
    pub fn owner(&self, r: &Record) -> &[u8] {
        &self.arena[r.owner_at as usize..][..usize::from(r.owner_len)]
    }

    pub fn rdata(&self, r: &Record) -> &[u8] {
        &self.arena[r.rdata_at as usize..][..usize::from(r.rdata_len)]
    }
}
