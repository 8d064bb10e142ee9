//! Fields of types that only old zones have: WKS ports, NSAP and ATM addresses, A6.

use super::check::{WireError, a_name, fixed};
use super::scan::Scanner;
use super::table::{Field, NameKind, Part};
use super::token::{FieldError, Token, Tokens, shown};
use super::value::{self, hex_digit};
use super::words;
use super::wrong::bad_ipv6;

/// Octets of a bitmap of all ports.
const PORTS: usize = 8192;
/// Formats of an ATM address.
const AESA: u8 = 0;
const E164: u8 = 1;

/// Takes the words of one such field.
pub(super) fn scan<'a, T: Tokens<'a>>(
    scanner: &mut Scanner<'_, 'a, T>,
    part: &Part,
) -> Result<(), FieldError> {
    match part.1 {
        Field::Ports => ports(scanner, part),
        Field::A6 => a6(scanner),
        Field::Nsap => {
            let token = scanner.bare(part)?;
            let digits = token.text.strip_prefix(b"0x").or(token.text.strip_prefix(b"0X"));
            let digits = digits.ok_or_else(|| {
                bad_address(part, &token).help("an NSAP address begins with `0x`")
            })?;
            dotted_hex(digits, scanner.out).ok_or_else(|| bad_address(part, &token))
        }
        _ => {
            let token = scanner.bare(part)?;
            atma(token.text, scanner.out).ok_or_else(|| bad_address(part, &token))
        }
    }
}

#[cold]
fn bad_address(part: &Part, token: &Token) -> FieldError {
    let message = format!("{} is no address of this kind", shown(token.text));
    FieldError::new(token, "bad-address", message, part.1.wanted())
}

/// Pairs of hexadecimal digits, dots anywhere but at the ends; at least one pair.
fn dotted_hex(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut half = None;
    for &b in text.iter().filter(|b| **b != b'.') {
        let digit = hex_digit(b)?;
        match half.take() {
            None => half = Some(digit),
            Some(high) => out.push(high << 4 | digit),
        }
    }
    let dot_at_end = text.starts_with(b".") || text.ends_with(b".");
    (half.is_none() && !text.is_empty() && !dot_at_end).then_some(())
}

fn atma(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    match text.strip_prefix(b"+") {
        Some(digits) => {
            out.push(E164);
            out.extend_from_slice(digits);
            (!digits.is_empty() && digits.iter().all(u8::is_ascii_digit)).then_some(())
        }
        None => {
            out.push(AESA);
            dotted_hex(text, out)
        }
    }
}

fn ports<'a, T: Tokens<'a>>(
    scanner: &mut Scanner<'_, 'a, T>,
    part: &Part,
) -> Result<(), FieldError> {
    let at = scanner.out.len();
    while let Some(token) = scanner.next() {
        scanner.hold(token);
        let port = scanner.number(part, words::SERVICES, 65_535)? as usize;
        let place = at + port / 8;
        if scanner.out.len() <= place {
            scanner.out.resize(place + 1, 0);
        }
        scanner.out[place] |= 0x80 >> (port % 8);
    }
    Ok(())
}

/// Octets of the address suffix behind a prefix of so many bits.
fn suffix_length(prefix: u8) -> usize {
    16 - usize::from(prefix / 8)
}

fn a6<'a, T: Tokens<'a>>(scanner: &mut Scanner<'_, 'a, T>) -> Result<(), FieldError> {
    let length_part: Part = ("prefix length", Field::A6);
    let suffix_part: Part = ("address suffix", Field::Ipv6);
    let name_part: Part = ("prefix name", Field::Name(NameKind::Folded));
    let prefix = scanner.number(&length_part, words::NONE, 128)? as u8;
    scanner.out.push(prefix);
    if prefix < 128 {
        let token = scanner.bare(&suffix_part)?;
        let mut octets = value::ipv6(token.text).ok_or_else(|| bad_ipv6(&token))?;
        let from = 16 - suffix_length(prefix);
        octets[from] &= 0xFF >> (prefix % 8);
        scanner.out.extend_from_slice(&octets[from..]);
    }
    if prefix > 0 {
        let token = scanner.bare(&name_part)?;
        scanner.name(&token)?;
    }
    Ok(())
}

/// Where the prefix name of A6 begins, if there is one.
pub(super) fn prefix_name_at(rdata: &[u8]) -> Option<usize> {
    let prefix = *rdata.first().filter(|prefix| (1..=128).contains(*prefix))?;
    Some(1 + suffix_length(prefix))
}

/// Where such a field ends, once it is found valid.
pub(super) fn measure(field: &Field, rdata: &[u8], at: usize) -> Result<usize, WireError> {
    let rest = rdata.get(at..).unwrap_or(&[]);
    match field {
        Field::Ports if rest.len() > PORTS => {
            Err(WireError::value(at + PORTS, "there are only 65536 ports"))
        }
        Field::Ports if rest.last() == Some(&0) => {
            Err(WireError::value(rdata.len() - 1, "the ports end in a zero octet"))
        }
        Field::Ports => Ok(rdata.len()),
        Field::Nsap => fixed(rdata, at, 1).map(|_| rdata.len()),
        Field::A6 => {
            let prefix = *rdata.get(at).ok_or(WireError::short(at))?;
            if prefix > 128 {
                return Err(WireError::value(at, "a prefix of more than 128 bits"));
            }
            let end = fixed(rdata, at + 1, suffix_length(prefix))?;
            if prefix % 8 != 0 && rdata[at + 1] & !(0xFF >> (prefix % 8)) != 0 {
                return Err(WireError::value(at + 1, "bits of the prefix are set in the suffix"));
            }
            if prefix == 0 { Ok(end) } else { a_name(rdata, end) }
        }
        _ => match rest {
            [] | [_] => Err(WireError::short(at)),
            [E164, digits @ ..] if !digits.iter().all(u8::is_ascii_digit) => {
                Err(WireError::value(at + 1, "an E.164 address has digits only"))
            }
            _ => Ok(rdata.len()),
        },
    }
}

/// Appends such a field of checked rdata. `None`: it has no text form.
pub(super) fn print(field: &Field, rdata: &[u8], at: usize, out: &mut String) -> Option<()> {
    use super::encode::push_hex;
    use super::print::{push_ipv6, push_name, push_number};
    let rest = rdata.get(at..)?;
    match field {
        Field::Ports => {
            let ports = (0..rest.len() * 8).filter(|p| rest[p / 8] & (0x80 >> (p % 8)) != 0);
            for (i, port) in ports.enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                push_number(port as u64, out);
            }
        }
        Field::Nsap => {
            out.push_str("0x");
            push_hex(rest, out);
        }
        Field::A6 => {
            let prefix = *rest.first()?;
            push_number(u64::from(prefix), out);
            let suffix = rest.get(1..1 + suffix_length(prefix))?;
            if prefix < 128 {
                let mut octets = [0u8; 16];
                octets[16 - suffix.len()..].copy_from_slice(suffix);
                out.push(' ');
                push_ipv6(&octets, out);
            }
            if prefix > 0 {
                out.push(' ');
                push_name(&rest[1 + suffix.len()..], out);
            }
        }
        _ => match rest {
            [AESA, octets @ ..] => push_hex(octets, out),
            [E164, digits @ ..] => {
                out.push('+');
                out.extend(digits.iter().map(|b| char::from(*b)));
            }
            _ => return None,
        },
    }
    Some(())
}
