//! Whether octets are the data of a type: bounds, names uncompressed, values that have a meaning.
//!
//! Total on any octets.

use std::fmt;

use super::table::{Field, parts};
use super::{bitmap, gateway, legacy, loc, octets, prefixes, svcb_wire};
use crate::base::name::{self, NameError};
use crate::base::rtype::RType;

/// Why octets are not the data of a type, and at which octet of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WireError {
    pub at: usize,
    pub fault: WireFault,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WireFault {
    /// The data ends before the field does.
    Short,
    /// There is data behind the last field.
    Trailing,
    /// More than 65535 octets.
    TooLong,
    /// A compression pointer in a name.
    Compressed,
    Name(NameError),
    /// A value that the type does not allow.
    Value(&'static str),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at;
        match self.fault {
            WireFault::Short => write!(f, "the data ends within the field at octet {at}"),
            WireFault::Trailing => write!(f, "the data should end before octet {at}"),
            WireFault::TooLong => f.write_str("the data is longer than 65535 octets"),
            WireFault::Compressed => write!(f, "a compressed name at octet {at}"),
            WireFault::Name(error) => write!(f, "the name at octet {at}: {error}"),
            WireFault::Value(what) => write!(f, "octet {at}: {what}"),
        }
    }
}

impl std::error::Error for WireError {}

impl WireError {
    pub(super) fn value(at: usize, what: &'static str) -> WireError {
        WireError { at, fault: WireFault::Value(what) }
    }

    pub(super) fn short(at: usize) -> WireError {
        WireError { at, fault: WireFault::Short }
    }
}

/// Checks that `rdata` is whole and valid data of its type, names uncompressed. Data of unknown
/// types is always valid.
pub fn check_wire(rtype: RType, rdata: &[u8]) -> Result<(), WireError> {
    if rdata.len() > usize::from(u16::MAX) {
        return Err(WireError { at: usize::from(u16::MAX), fault: WireFault::TooLong });
    }
    let Some(parts) = parts(rtype) else { return Ok(()) };
    let mut at = 0;
    for (_, field) in parts {
        at = measure(field, rdata, at)?;
    }
    if at < rdata.len() {
        return Err(WireError { at, fault: WireFault::Trailing });
    }
    Ok(())
}

/// The field that begins at `at`: where it ends, once it is found valid.
pub(super) fn measure(field: &Field, rdata: &[u8], at: usize) -> Result<usize, WireError> {
    match *field {
        Field::U8(_) => fixed(rdata, at, 1),
        Field::U16(_) | Field::Flags(_) | Field::Type => fixed(rdata, at, 2),
        Field::U32 | Field::Period | Field::Time | Field::Ipv4 => fixed(rdata, at, 4),
        Field::U64 | Field::Groups => fixed(rdata, at, 8),
        Field::Ipv6 => fixed(rdata, at, 16),
        Field::Eui(length) => fixed(rdata, at, length),
        Field::Name(_) => a_name(rdata, at),
        Field::Names(_) => repeat(rdata, at, a_name),
        Field::Text => a_text(rdata, at),
        Field::TextMaybe if at == rdata.len() => Ok(at),
        Field::TextMaybe => a_text(rdata, at),
        Field::Texts => repeat(rdata, a_text(rdata, at)?, a_text),
        Field::Digits | Field::Tag => letters(field, rdata, at),
        Field::Rest(least) | Field::Hex(least) | Field::Base64(least) => {
            fixed(rdata, at, least)?;
            Ok(rdata.len())
        }
        Field::Base64Maybe | Field::Opaque => Ok(rdata.len()),
        Field::KeyByFlags
        | Field::KeyByAlgorithm(_)
        | Field::Digest(..)
        | Field::Salt
        | Field::Hash => octets::measure(field, rdata, at),
        Field::Bitmap(_) | Field::OldBitmap => bitmap::measure(field, rdata, at),
        Field::Ports | Field::Nsap | Field::Atma | Field::A6 => legacy::measure(field, rdata, at),
        Field::Prefixes => repeat(rdata, at, prefixes::measure),
        Field::RelayType | Field::Gateway(..) | Field::HostIdentity => {
            gateway::measure(field, rdata, at)
        }
        Field::Location => loc::measure(rdata, at),
        Field::Params => svcb_wire::measure(rdata, at),
    }
}

/// `length` octets of any value.
pub(super) fn fixed(rdata: &[u8], at: usize, length: usize) -> Result<usize, WireError> {
    let end = at + length;
    if end > rdata.len() { Err(WireError::short(at)) } else { Ok(end) }
}

/// An uncompressed name.
pub(super) fn a_name(rdata: &[u8], at: usize) -> Result<usize, WireError> {
    let fault = match name::len_at(rdata, at) {
        Ok(length) => return Ok(at + length),
        Err(NameError::BadWire) => broken_name(rdata, at),
        Err(error) => WireFault::Name(error),
    };
    Err(WireError { at, fault })
}

/// What is wrong with a name that is no name: the first length that is none tells.
fn broken_name(rdata: &[u8], mut at: usize) -> WireFault {
    while let Some(&length) = rdata.get(at) {
        match length {
            0xC0.. => return WireFault::Compressed,
            64.. => return WireFault::Name(NameError::BadWire),
            _ => at += 1 + usize::from(length),
        }
    }
    WireFault::Short
}

/// A character-string.
fn a_text(rdata: &[u8], at: usize) -> Result<usize, WireError> {
    let length = *rdata.get(at).ok_or(WireError::short(at))?;
    fixed(rdata, at, 1 + usize::from(length))
}

/// A character-string of digits, or of letters and digits.
fn letters(field: &Field, rdata: &[u8], at: usize) -> Result<usize, WireError> {
    let end = a_text(rdata, at)?;
    let text = &rdata[at + 1..end];
    let (valid, what) = match field {
        Field::Digits => {
            (text.len() >= 4 && text.iter().all(u8::is_ascii_digit), "fewer than four digits")
        }
        _ => (
            !text.is_empty() && text.iter().all(u8::is_ascii_alphanumeric),
            "a tag has at least one letter or digit, and nothing else",
        ),
    };
    if valid { Ok(end) } else { Err(WireError::value(at, what)) }
}

/// The same thing again and again up to the end.
fn repeat(
    rdata: &[u8],
    mut at: usize,
    one: fn(&[u8], usize) -> Result<usize, WireError>,
) -> Result<usize, WireError> {
    while at < rdata.len() {
        at = one(rdata, at)?;
    }
    Ok(at)
}
