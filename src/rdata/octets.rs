//! Fields that are plain octets in some notation: hexadecimal, base64, digests, EUI addresses.

use super::check::{WireError, fixed};
use super::encode::{Base64, base32hex};
use super::scan::Scanner;
use super::table::{Field, Part};
use super::token::{FieldError, Token, Tokens, shown};
use super::value::hex_digit;

/// Takes the words of one such field.
pub(super) fn scan<'a, T: Tokens<'a>>(
    scanner: &mut Scanner<'_, 'a, T>,
    part: &Part,
) -> Result<(), FieldError> {
    match part.1 {
        Field::Hex(least) => {
            let token = hex_to_end(scanner, part, least)?;
            debug_assert!(least == 0 || token.is_some());
            Ok(())
        }
        Field::Digest(at, lengths) => digest(scanner, part, at, lengths),
        Field::Base64(least) => base64_to_end(scanner, part, least),
        Field::Base64Maybe => {
            let token = scanner.bare(part)?;
            if token.text == b"-" {
                return Ok(());
            }
            scanner.hold(token);
            base64_to_end(scanner, part, 1)
        }
        Field::KeyByFlags if no_key(&scanner.out[scanner.start..]) => Ok(()),
        Field::KeyByFlags => base64_to_end(scanner, part, 1),
        Field::KeyByAlgorithm(at) => {
            let algorithm = scanner.out[scanner.start + at];
            base64_to_end(scanner, part, usize::from(algorithm != 0))
        }
        Field::Salt => salt(scanner, part),
        Field::Hash => hash(scanner, part),
        Field::Groups => groups(scanner, part),
        Field::Eui(length) => eui(scanner, part, length),
        _ => unreachable!("only the fields above are octets"),
    }
}

/// Where such a field ends, once it is found valid.
pub(super) fn measure(field: &Field, rdata: &[u8], at: usize) -> Result<usize, WireError> {
    match *field {
        Field::KeyByFlags if no_key(rdata) => Ok(at),
        Field::KeyByAlgorithm(by) if rdata.get(by) == Some(&0) => Ok(rdata.len()),
        Field::KeyByFlags | Field::KeyByAlgorithm(_) => fixed(rdata, at, 1).map(|_| rdata.len()),
        Field::Digest(by, lengths) => {
            let length = rdata.len() - at;
            match wanted_length(rdata, by, lengths) {
                Some(wanted) if length != wanted => {
                    Err(WireError::value(at, "the digest does not have the length of its type"))
                }
                Some(_) => Ok(rdata.len()),
                None => fixed(rdata, at, least_length(by)).map(|_| rdata.len()),
            }
        }
        Field::Salt | Field::Hash => {
            let length = usize::from(*rdata.get(at).ok_or(WireError::short(at))?);
            if length == 0 && matches!(field, Field::Hash) {
                return Err(WireError::value(at, "an empty hash"));
            }
            fixed(rdata, at, 1 + length)
        }
        _ => unreachable!("only the fields above need more than their length"),
    }
}

/// The flags of KEY say that there is no key (RFC 2535 §3.1.2).
fn no_key(rdata: &[u8]) -> bool {
    rdata.first().is_some_and(|flags| flags & 0xC0 == 0xC0)
}

fn wanted_length(rdata: &[u8], by: usize, lengths: &[(u8, usize)]) -> Option<usize> {
    let kind = *rdata.get(by)?;
    lengths.iter().find(|(of, _)| *of == kind).map(|&(_, length)| length)
}

/// Octets of a digest of unknown kind: 12 for ZONEMD (RFC 8976 §2.2.4), whose kind stands at 5,
/// else one.
fn least_length(by: usize) -> usize {
    if by == 5 { 12 } else { 1 }
}

fn digest<'a, T: Tokens<'a>>(
    scanner: &mut Scanner<'_, 'a, T>,
    part: &Part,
    by: usize,
    lengths: &[(u8, usize)],
) -> Result<(), FieldError> {
    let at = scanner.out.len();
    let token = hex_to_end(scanner, part, 1)?.ok_or_else(|| scanner.missing(part))?;
    let length = scanner.out.len() - at;
    let wanted = wanted_length(&scanner.out[scanner.start..], by, lengths);
    let (fits, expected) = match wanted {
        Some(wanted) => (length == wanted, format!("{} digits", wanted * 2)),
        None => (length >= least_length(by), format!("at least {} digits", least_length(by) * 2)),
    };
    if fits {
        return Ok(());
    }
    Err(FieldError::new(
        &token,
        "digest-length",
        format!("the {} has {} digits", part.0, length * 2),
        expected,
    ))
}

/// Hexadecimal up to the end, in as many words as it likes. Gives the first word.
pub(super) fn hex_to_end<'a, T: Tokens<'a>>(
    scanner: &mut Scanner<'_, 'a, T>,
    part: &Part,
    least: usize,
) -> Result<Option<Token<'a>>, FieldError> {
    let at = scanner.out.len();
    let mut half = None;
    let mut first = None;
    let mut last = None;
    while let Some(token) = scanner.next() {
        hex_word(scanner.out, &token, part, &mut half)?;
        first = first.or(Some(token));
        last = Some(token);
    }
    if let (Some(_), Some(token)) = (half, last) {
        return Err(odd_digits(part, &token));
    }
    if scanner.out.len() - at < least {
        return Err(scanner.missing(part));
    }
    Ok(first)
}

/// The digits of one word; `half` holds the first digit of an octet that goes on in the next word.
pub(super) fn hex_word(
    out: &mut Vec<u8>,
    token: &Token,
    part: &Part,
    half: &mut Option<u8>,
) -> Result<(), FieldError> {
    let wrong = || {
        let message = format!("{} is not hexadecimal", shown(token.text));
        FieldError::new(token, "bad-hex", message, part.1.wanted())
    };
    if token.is_quoted() {
        return Err(wrong());
    }
    for &b in token.text {
        let digit = hex_digit(b).ok_or_else(wrong)?;
        match half.take() {
            None => *half = Some(digit),
            Some(high) => out.push(high << 4 | digit),
        }
    }
    Ok(())
}

#[cold]
pub(super) fn odd_digits(part: &Part, token: &Token) -> FieldError {
    FieldError::new(
        token,
        "odd-hex-digits",
        format!("the {} has an odd number of hexadecimal digits", part.0),
        "two digits for each octet",
    )
}

/// Base64 up to the end, in as many words as it likes.
fn base64_to_end<'a, T: Tokens<'a>>(
    scanner: &mut Scanner<'_, 'a, T>,
    part: &Part,
    least: usize,
) -> Result<(), FieldError> {
    let at = scanner.out.len();
    let mut reader = Base64::default();
    let mut last = None;
    while let Some(token) = scanner.next() {
        if token.is_quoted() || !reader.word(token.text, scanner.out) {
            return Err(bad_base64(part, &token));
        }
        last = Some(token);
    }
    match last {
        Some(token) if !reader.is_whole() => Err(cut_base64(part, &token)),
        _ if scanner.out.len() - at < least => Err(scanner.missing(part)),
        _ => Ok(()),
    }
}

/// Base64 in one text.
pub(super) fn base64_word(token: &Token, part: &Part, out: &mut Vec<u8>) -> Result<(), FieldError> {
    let mut reader = Base64::default();
    if !reader.word(token.text, out) {
        return Err(bad_base64(part, token));
    }
    if !reader.is_whole() { Err(cut_base64(part, token)) } else { Ok(()) }
}

#[cold]
fn bad_base64(part: &Part, token: &Token) -> FieldError {
    FieldError::new(
        token,
        "bad-base64",
        format!("{} is not base64 of the {}", shown(token.text), part.0),
        "base64: `A-Z`, `a-z`, `0-9`, `+`, `/`, and `=` at the end only",
    )
}

#[cold]
fn cut_base64(part: &Part, token: &Token) -> FieldError {
    FieldError::new(
        token,
        "bad-base64",
        format!("the base64 of the {} is cut short", part.0),
        "groups of four characters, the last filled up with `=`",
    )
}

fn salt<'a, T: Tokens<'a>>(
    scanner: &mut Scanner<'_, 'a, T>,
    part: &Part,
) -> Result<(), FieldError> {
    let token = scanner.bare(part)?;
    let at = scanner.out.len();
    scanner.out.push(0);
    if token.text != b"-" {
        let mut half = None;
        hex_word(scanner.out, &token, part, &mut half)?;
        if half.is_some() {
            return Err(odd_digits(part, &token));
        }
    }
    prefix_length(scanner.out, at, part, &token)
}

fn hash<'a, T: Tokens<'a>>(
    scanner: &mut Scanner<'_, 'a, T>,
    part: &Part,
) -> Result<(), FieldError> {
    let token = scanner.bare(part)?;
    let at = scanner.out.len();
    scanner.out.push(0);
    base32hex(token.text, scanner.out).ok_or_else(|| bad_hash(&token, part))?;
    prefix_length(scanner.out, at, part, &token)
}

#[cold]
fn bad_hash(token: &Token, part: &Part) -> FieldError {
    FieldError::new(
        token,
        "bad-base32hex",
        format!("{} is not base32hex", shown(token.text)),
        part.1.wanted(),
    )
}

/// Writes the length of what was appended behind `at` there.
fn prefix_length(out: &mut [u8], at: usize, part: &Part, token: &Token) -> Result<(), FieldError> {
    let length = out.len() - at - 1;
    out[at] = u8::try_from(length).map_err(|_| {
        FieldError::new(
            token,
            "field-too-long",
            format!("the {} has {length} octets", part.0),
            "at most 255 octets",
        )
    })?;
    Ok(())
}

fn groups<'a, T: Tokens<'a>>(
    scanner: &mut Scanner<'_, 'a, T>,
    part: &Part,
) -> Result<(), FieldError> {
    let token = scanner.bare(part)?;
    let mut count = 0;
    for group in token.text.split(|b| *b == b':') {
        let value = group.iter().try_fold(0u32, |v, b| Some(v << 4 | u32::from(hex_digit(*b)?)));
        match value {
            Some(value) if (1..=4).contains(&group.len()) && count < 4 => {
                scanner.out.extend_from_slice(&(value as u16).to_be_bytes());
            }
            _ => return Err(not_octets(&token, part)),
        }
        count += 1;
    }
    if count == 4 { Ok(()) } else { Err(not_octets(&token, part)) }
}

fn eui<'a, T: Tokens<'a>>(
    scanner: &mut Scanner<'_, 'a, T>,
    part: &Part,
    length: usize,
) -> Result<(), FieldError> {
    let token = scanner.bare(part)?;
    let mut count = 0;
    for pair in token.text.split(|b| *b == b'-') {
        let octet = match *pair {
            [high, low] => hex_digit(high).zip(hex_digit(low)).map(|(h, l)| h << 4 | l),
            _ => None,
        };
        scanner.out.push(octet.ok_or_else(|| not_octets(&token, part))?);
        count += 1;
    }
    if count == length { Ok(()) } else { Err(not_octets(&token, part)) }
}

#[cold]
fn not_octets(token: &Token, part: &Part) -> FieldError {
    let error = FieldError::new(
        token,
        "bad-address",
        format!("{} cannot be the {}", shown(token.text), part.0),
        part.1.wanted(),
    );
    if token.text.contains(&b':') && matches!(part.1, Field::Eui(_)) {
        error.help("write `-` in place of `:`")
    } else {
        error
    }
}
