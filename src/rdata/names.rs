//! Where names lie inside rdata, and what that is good for: canonical form, compression, targets.

use super::check::measure;
use super::gateway;
use super::legacy;
use super::table::{Field, NameKind, Part, parts};
use crate::base::name;
use crate::base::rtype::{self, RType};

/// A name inside rdata.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NameIn {
    /// Octet offset in the rdata.
    pub at: usize,
    /// Octets of the name, root label included.
    pub len: usize,
    /// It may be compressed in a message: of a type of RFC 1035 (RFC 3597 §4).
    pub compress: bool,
    /// It is lower-cased in canonical form (RFC 4034 §6.2).
    pub fold: bool,
}

/// The names inside checked rdata, in order. Broken rdata ends the walk early.
pub fn names(rtype: RType, rdata: &[u8]) -> NamesIter<'_> {
    NamesIter { parts: parts(rtype).unwrap_or(&[]), rdata, at: 0 }
}

/// Walk over the names inside rdata.
#[derive(Clone, Debug)]
pub struct NamesIter<'a> {
    parts: &'static [Part],
    rdata: &'a [u8],
    at: usize,
}

impl NamesIter<'_> {
    fn found(&mut self, at: usize, kind: NameKind) -> Option<NameIn> {
        let len = name::len_at(self.rdata, at).ok()?;
        self.at = at + len;
        let compress = kind == NameKind::Classic;
        Some(NameIn { at, len, compress, fold: kind != NameKind::Plain })
    }

    fn end(&mut self) -> Option<NameIn> {
        self.parts = &[];
        None
    }
}

impl Iterator for NamesIter<'_> {
    type Item = NameIn;

    fn next(&mut self) -> Option<NameIn> {
        while let Some(((_, field), rest)) = self.parts.split_first() {
            let at = match *field {
                Field::Name(kind) => {
                    self.parts = rest;
                    return self.found(self.at, kind);
                }
                Field::Names(kind) if self.at < self.rdata.len() => {
                    return self.found(self.at, kind).or_else(|| self.end());
                }
                Field::Gateway(by, mask) => {
                    self.parts = rest;
                    if gateway::is_name(self.rdata, by, mask) {
                        return self.found(self.at, NameKind::Plain);
                    }
                    self.at
                }
                Field::A6 => {
                    self.parts = rest;
                    match legacy::prefix_name_at(self.rdata) {
                        Some(at) => return self.found(at, NameKind::Folded),
                        None => return None,
                    }
                }
                _ if !rest.iter().any(|(_, field)| field.has_name()) => return self.end(),
                _ => self.at,
            };
            match measure(field, self.rdata, at) {
                Ok(next) => self.at = next,
                Err(_) => return self.end(),
            }
            self.parts = rest;
        }
        None
    }
}

/// Appends the canonical form of checked rdata (RFC 4034 §6.2 with RFC 6840 §5.1): the same octets
/// with the names of the old types in lower case.
pub fn canonical(rtype: RType, rdata: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(rdata);
    for found in names(rtype, rdata).filter(|found| found.fold) {
        out[start + found.at..start + found.at + found.len].make_ascii_lowercase();
    }
}

/// The name that a record leads to, for the types that lead to one.
pub fn target(rtype: RType, rdata: &[u8]) -> Option<&[u8]> {
    let at = match rtype {
        rtype::NS | rtype::CNAME | rtype::PTR | rtype::DNAME | rtype::ALIAS => 0,
        rtype::MX | rtype::SVCB | rtype::HTTPS => 2,
        rtype::SRV => 6,
        _ => return None,
    };
    let length = name::len_at(rdata, at).ok()?;
    Some(&rdata[at..at + length])
}
