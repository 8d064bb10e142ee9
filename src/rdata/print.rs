//! Wire to text: walks the parts of a type and appends one or more words for each.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::check::{check_wire, measure};
use super::encode::{push_base32hex, push_base64, push_hex};
use super::table::{Field, parts};
use super::types::type_text;
use super::{bitmap, gateway, legacy, loc, prefixes, svcb_wire, unknown, value};
use crate::base::name;
use crate::base::rtype::RType;

/// Appends the data as master-file text on one line, names absolute with their final dot.
/// `from_text` makes the same octets of it. Data without a text form of its own, or not valid for
/// its type, becomes `\# LENGTH HEX`.
pub fn to_text(rtype: RType, rdata: &[u8], out: &mut String) {
    let start = out.len();
    if check_wire(rtype, rdata).is_err() || print(rtype, rdata, out).is_none() {
        out.truncate(start);
        unknown::print(rdata, out);
    }
}

fn print(rtype: RType, rdata: &[u8], out: &mut String) -> Option<()> {
    let start = out.len();
    let mut at = 0;
    for (_, field) in parts(rtype)? {
        let end = measure(field, rdata, at).ok()?;
        let octets = rdata.get(at..end)?;
        let before = out.len();
        if before > start {
            out.push(' ');
        }
        let after_space = out.len();
        part(field, rdata, octets, at, out)?;
        if out.len() == after_space {
            // A part that is empty at the end of the data leaves no word.
            out.truncate(before);
        }
        at = end;
    }
    Some(())
}

fn part(field: &Field, rdata: &[u8], octets: &[u8], at: usize, out: &mut String) -> Option<()> {
    match field {
        Field::U8(_)
        | Field::U16(_)
        | Field::U32
        | Field::U64
        | Field::Flags(_)
        | Field::Period => {
            let value = octets.iter().fold(0, |value, octet| value << 8 | u64::from(*octet));
            push_number(value, out);
        }
        Field::Time => {
            let [year, month, day, hour, minute, second] =
                value::date(u32::from_be_bytes(octets.try_into().ok()?));
            write!(out, "{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}").ok()?;
        }
        Field::Type => {
            let rtype = u16::from_be_bytes(octets.try_into().ok()?);
            write!(out, "{}", type_text(rtype)).ok()?;
        }
        Field::Ipv4 => push_ipv4(octets, out),
        Field::Ipv6 => push_ipv6(octets, out),
        Field::Name(_) => push_name(octets, out),
        Field::Names(_) => {
            push_all(pieces(octets, |rest| name::len_at(rest, 0).ok()), push_name, out);
        }
        Field::Text | Field::TextMaybe | Field::Texts | Field::Digits => {
            let one = |rest: &[u8]| rest.first().map(|length| 1 + usize::from(*length));
            push_all(pieces(octets, one), |text, out| push_quoted(&text[1..], out), out);
        }
        Field::Tag => out.extend(octets[1..].iter().map(|b| char::from(*b))),
        Field::Rest(_) => push_quoted(octets, out),
        Field::Hex(_) | Field::Digest(..) => push_hex(octets, out),
        Field::Base64(_) | Field::KeyByFlags | Field::KeyByAlgorithm(_) => push_base64(octets, out),
        Field::Salt if octets == [0] => out.push('-'),
        Field::Base64Maybe if octets.is_empty() => out.push('-'),
        Field::Base64Maybe => push_base64(octets, out),
        Field::Salt => push_hex(&octets[1..], out),
        Field::Hash => push_base32hex(&octets[1..], out),
        Field::Groups => {
            for (i, group) in octets.chunks(2).enumerate() {
                let colon = if i > 0 { ":" } else { "" };
                let value = group.iter().fold(0, |value, octet| value << 8 | u32::from(*octet));
                write!(out, "{colon}{value:x}").ok()?;
            }
        }
        Field::Eui(_) => {
            for (i, octet) in octets.iter().enumerate() {
                let dash = if i > 0 { "-" } else { "" };
                write!(out, "{dash}{octet:02x}").ok()?;
            }
        }
        Field::Bitmap(_) | Field::OldBitmap => bitmap::print(field, octets, out)?,
        Field::Ports | Field::Nsap | Field::Atma | Field::A6 => {
            legacy::print(field, rdata, at, out)?;
        }
        Field::Prefixes => prefixes::print(octets, out)?,
        Field::RelayType | Field::Gateway(..) | Field::HostIdentity => {
            gateway::print(field, rdata, at, out)?;
        }
        Field::Location => loc::print(octets, out)?,
        Field::Params => svcb_wire::print(octets, out)?,
        Field::Opaque => return None,
    }
    Some(())
}

/// Octets cut into pieces, each as long as `length` says of what is left.
fn pieces(octets: &[u8], length: impl Fn(&[u8]) -> Option<usize>) -> impl Iterator<Item = &[u8]> {
    let mut rest = octets;
    std::iter::from_fn(move || {
        let (piece, behind) = rest.split_at_checked(length(rest)?)?;
        rest = behind;
        Some(piece)
    })
}

/// Pieces with spaces between them.
fn push_all<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    push: impl Fn(&'a [u8], &mut String),
    out: &mut String,
) {
    for (i, piece) in pieces.enumerate() {
        if i > 0 {
            out.push(' ');
        }
        push(piece, out);
    }
}

pub(super) fn push_number(value: u64, out: &mut String) {
    write!(out, "{value}").expect("a String takes all writes");
}

pub(super) fn push_ipv4(octets: &[u8], out: &mut String) {
    let octets: [u8; 4] = octets.try_into().expect("four octets by the table");
    write!(out, "{}", Ipv4Addr::from(octets)).expect("a String takes all writes");
}

pub(super) fn push_ipv6(octets: &[u8], out: &mut String) {
    let octets: [u8; 16] = octets.try_into().expect("sixteen octets by the table");
    write!(out, "{}", Ipv6Addr::from(octets)).expect("a String takes all writes");
}

pub(super) fn push_name(wire: &[u8], out: &mut String) {
    write!(out, "{}", name::Text(wire)).expect("a String takes all writes");
    if wire != [0] {
        out.push('.');
    }
}

/// A text in quotes, with everything escaped that needs it.
pub(super) fn push_quoted(text: &[u8], out: &mut String) {
    out.push('"');
    for &b in text {
        push_octet(b, out);
    }
    out.push('"');
}

/// One octet of a text in quotes.
pub(super) fn push_octet(b: u8, out: &mut String) {
    match b {
        b'"' | b'\\' => {
            out.push('\\');
            out.push(char::from(b));
        }
        b' '..=b'~' => out.push(char::from(b)),
        _ => write!(out, "\\{b:03}").expect("a String takes all writes"),
    }
}
