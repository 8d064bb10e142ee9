//! Sets of RR types: windows (RFC 4034 §4.1.2), and the one window of NXT (RFC 2535 §5.2).

use std::fmt::Write;

use super::check::{WireError, fixed};
use super::scan::Scanner;
use super::table::{Field, Part};
use super::token::{FieldError, Token, Tokens, shown};
use super::types::type_text;
use crate::base::rtype::RType;

/// Octets of a window: 256 types.
const WINDOW: usize = 32;

/// Takes the types up to the end of the record, in any order.
pub(super) fn scan<'a, T: Tokens<'a>>(
    scanner: &mut Scanner<'_, 'a, T>,
    part: &Part,
) -> Result<(), FieldError> {
    let at = scanner.out.len();
    while let Some(token) = scanner.next() {
        let rtype = scanner.type_number(part, &token)?;
        match part.1 {
            Field::OldBitmap => {
                if !(1..128).contains(&rtype) {
                    return Err(beyond(&token, part));
                }
                let place = usize::from(rtype / 8);
                if scanner.out.len() <= at + place {
                    scanner.out.resize(at + place + 1, 0);
                }
                scanner.out[at + place] |= 0x80 >> (rtype % 8);
            }
            _ => insert(scanner.out, at, rtype),
        }
    }
    if matches!(part.1, Field::Bitmap(1..)) && scanner.out.len() == at {
        return Err(scanner.missing(part));
    }
    Ok(())
}

/// Adds a type to the windows that begin at `at` and go up to the end.
fn insert(out: &mut Vec<u8>, mut at: usize, rtype: RType) {
    let [window, low] = rtype.to_be_bytes();
    let place = usize::from(low / 8);
    while at < out.len() && out[at] < window {
        at += 2 + usize::from(out[at + 1]);
    }
    if at == out.len() || out[at] != window {
        out.splice(at..at, [window, 0]);
    }
    let length = usize::from(out[at + 1]);
    if length <= place {
        let end = at + 2 + length;
        out.splice(end..end, std::iter::repeat_n(0, place + 1 - length));
        out[at + 1] = place as u8 + 1;
    }
    out[at + 2 + place] |= 0x80 >> (low % 8);
}

#[cold]
fn beyond(token: &Token, part: &Part) -> FieldError {
    FieldError::new(
        token,
        "type-out-of-range",
        format!("{} has no place in the types of NXT", shown(token.text)),
        part.1.wanted(),
    )
}

/// Where the bitmap ends (always at the end), once it is found valid.
pub(super) fn measure(field: &Field, rdata: &[u8], at: usize) -> Result<usize, WireError> {
    match field {
        Field::OldBitmap => old(rdata, at),
        Field::Bitmap(1..) if at == rdata.len() => Err(WireError::short(at)),
        _ => windows(rdata, at),
    }
}

fn windows(rdata: &[u8], mut at: usize) -> Result<usize, WireError> {
    let mut before = None;
    while at < rdata.len() {
        let block = fixed(rdata, at, 2)?;
        let (window, length) = (rdata[at], usize::from(rdata[at + 1]));
        if before.is_some_and(|before| before >= window) {
            return Err(WireError::value(at, "the windows of types are out of order"));
        }
        if length == 0 || length > WINDOW {
            return Err(WireError::value(at + 1, "a window of types has 1 to 32 octets"));
        }
        let end = fixed(rdata, block, length)?;
        if rdata[end - 1] == 0 {
            return Err(WireError::value(end - 1, "a window of types ends in a zero octet"));
        }
        before = Some(window);
        at = end;
    }
    Ok(at)
}

fn old(rdata: &[u8], at: usize) -> Result<usize, WireError> {
    let bits = rdata.get(at..).unwrap_or(&[]);
    match bits {
        [] => Ok(at),
        // Bit 0 announces a format that was never described.
        [first, ..] if first & 0x80 != 0 => Ok(rdata.len()),
        _ if bits.len() > 16 => {
            Err(WireError::value(at, "the types of NXT take at most 16 octets"))
        }
        [.., 0] => Err(WireError::value(rdata.len() - 1, "the types end in a zero octet")),
        _ => Ok(rdata.len()),
    }
}

/// Appends the types of a valid bitmap. `None`: it has no text form.
pub(super) fn print(field: &Field, bitmap: &[u8], out: &mut String) -> Option<()> {
    if matches!(field, Field::OldBitmap) {
        if bitmap.first().is_some_and(|first| first & 0x80 != 0) {
            return None;
        }
        push_types(0, bitmap, out);
        return Some(());
    }
    let mut rest = bitmap;
    while let [window, length, behind @ ..] = rest {
        let (bits, behind) = behind.split_at_checked(usize::from(*length))?;
        push_types(*window, bits, out);
        rest = behind;
    }
    Some(())
}

fn push_types(window: u8, bits: &[u8], out: &mut String) {
    for (at, octet) in bits.iter().enumerate() {
        for bit in (0..8).filter(|bit| octet & (0x80 >> bit) != 0) {
            let rtype = u16::from(window) << 8 | (at as u16) << 3 | bit;
            let space = if out.ends_with(' ') || out.is_empty() { "" } else { " " };
            write!(out, "{space}{}", type_text(rtype)).expect("a String takes all writes");
        }
    }
}
