//! Data of any type as octets: `\# LENGTH HEX` (RFC 3597 §5).

use super::check::{WireFault, check_wire};
use super::encode::push_hex;
use super::octets::{hex_word, odd_digits};
use super::scan::Scanner;
use super::table::{Field, Part};
use super::token::{FieldError, Token, Tokens, shown};
use super::types::{is_data, type_text};
use super::value;

const LENGTH: Part = ("length", Field::U16(&[]));
const DATA: Part = ("data", Field::Hex(0));

/// Takes what stands behind `\#`. Data of a known type must be valid for it.
pub(super) fn scan<'a, T: Tokens<'a>>(
    scanner: &mut Scanner<'_, 'a, T>,
    mark: Token<'a>,
) -> Result<(), FieldError> {
    if !is_data(scanner.rtype) {
        return Err(FieldError::new(
            &mark,
            "no-text-form",
            format!("{} is no type of records", type_text(scanner.rtype)),
            "a type that can stand in a zone",
        ));
    }
    let Some(length) = scanner.next() else { return Err(no_length(&mark)) };
    let count = value::number(length.text, u64::from(u16::MAX))
        .map_err(|fault| scanner.bad_number(&LENGTH, &length, fault))?;
    let mut half = None;
    let mut last = length;
    while let Some(token) = scanner.next() {
        hex_word(scanner.out, &token, &DATA, &mut half)?;
        last = token;
    }
    if half.is_some() {
        return Err(odd_digits(&DATA, &last));
    }
    let data = &scanner.out[scanner.start..];
    if data.len() as u64 != count {
        return Err(FieldError::new(
            &length,
            "unknown-length",
            format!("the length is {}, the number of octets {}", shown(length.text), data.len()),
            "the number of octets, half the number of digits",
        ));
    }
    check_wire(scanner.rtype, data).map_err(|error| {
        let kind = type_text(scanner.rtype);
        let wrong = FieldError::new(
            &mark,
            "invalid-rdata",
            format!("these octets are no data of {kind}: {error}"),
            format!("valid data of {kind}"),
        );
        match error.fault {
            WireFault::Compressed => wrong.help("write out the whole name"),
            _ => wrong,
        }
    })
}

#[cold]
fn no_length(mark: &Token) -> FieldError {
    FieldError::new(
        mark,
        "missing-field",
        "nothing stands behind `\\#`",
        "the number of octets, then the octets in hexadecimal",
    )
    .help("no octets at all are written `\\# 0`")
}

/// Appends octets as `\# LENGTH HEX`.
pub(super) fn print(rdata: &[u8], out: &mut String) {
    out.push_str("\\# ");
    out.push_str(&rdata.len().to_string());
    if !rdata.is_empty() {
        out.push(' ');
        push_hex(rdata, out);
    }
}
