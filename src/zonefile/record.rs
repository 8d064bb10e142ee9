//! What the parser makes of a text: flat records over one arena, with the place of each.

use super::finding::{Finding, Place, Source};
use super::lexer::{BOM, Lexer};
use crate::base::rtype::{self, RType};
use crate::rdata::{Tokens, type_from_text};

/// One record. Owner and rdata are slices of the arena; the owner is lower-cased, names in rdata
/// keep their case and are never compressed.
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
    /// Of the whole record, from the owner (or what follows it, where it is inherited) to the last
    /// word; of a generated one that of the directive.
    pub place: Place,
}

/// A parsed zone text. Usable as a zone only if no finding is an error.
///
/// After `zonefile::read` the records are those of the zone and no others, grouped: by owner, in it
/// by type, in that in file order; the records of an RRset differ and share one TTL; a CNAME that
/// means "flatten here" has become an ALIAS.
#[derive(Debug, Default)]
pub struct Parsed {
    pub arena: Vec<u8>,
    pub records: Vec<Record>,
    /// By place.
    pub findings: Vec<Finding>,
    /// Findings beyond `limits::FINDINGS_MAX` of their severity, which were counted and not kept.
    pub findings_left_out: usize,
    /// All errors and warnings, kept or not.
    pub errors: usize,
    pub warnings: usize,
    pub sources: Vec<Source>,
}

impl Parsed {
    pub fn owner(&self, r: &Record) -> &[u8] {
        &self.arena[r.owner_at as usize..][..usize::from(r.owner_len)]
    }

    pub fn rdata(&self, r: &Record) -> &[u8] {
        &self.arena[r.rdata_at as usize..][..usize::from(r.rdata_len)]
    }

    /// Where the owner of a record is written, or the record if the owner is not written there.
    pub fn owner_place(&self, r: &Record) -> Place {
        let text = self.text_until_end(r);
        let at = r.place.at as usize;
        let before = text.get(..at).unwrap_or_default();
        let line_start = before.last().is_none_or(|&b| b == b'\n') || before == BOM;
        match Lexer::at(text, at).next() {
            Some(word) if line_start && !word.text.starts_with(b"$") => {
                Place { len: word.len, ..r.place }
            }
            _ => r.place,
        }
    }

    /// Where the name that a record points to is written.
    pub fn target_place(&self, r: &Record) -> Place {
        let mut lexer = Lexer::at(self.text_until_end(r), r.place.at as usize);
        let owner_words = usize::from(self.owner_place(r) != r.place);
        let words = std::iter::from_fn(|| lexer.next()).skip(owner_words);
        let word = match r.rtype {
            // The name follows the priority, which follows the type.
            rtype::SVCB | rtype::HTTPS => words
                .skip_while(|word| type_from_text(word.text) != Some(r.rtype))
                .nth(2)
                .filter(|word| !word.text.starts_with(b"\\#")),
            _ => words.last(),
        };
        word.map_or(r.place, |word| Place { at: word.at, len: word.len, ..r.place })
    }

    /// The text of a record's source up to the end of the record.
    fn text_until_end(&self, r: &Record) -> &[u8] {
        let source = self.sources.get(usize::from(r.place.source));
        let text = source.map_or(&[][..], |source| &source.text);
        let end = r.place.at as usize + r.place.len as usize;
        text.get(..end).unwrap_or_default()
    }

    /// Whether the zone must not be loaded.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }
}
