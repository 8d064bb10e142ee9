//! Gateways (RFC 4025, RFC 8777) and host identities (RFC 8005): an earlier octet tells the shape.

use super::check::{WireError, a_name, fixed};
use super::octets::{base64_word, hex_word, odd_digits};
use super::scan::Scanner;
use super::table::{Field, Part};
use super::token::{FieldError, Tokens, shown};
use super::value;
use super::words;
use super::wrong::{bad_ipv4, bad_ipv6};

/// What a gateway type says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    None,
    Ipv4,
    Ipv6,
    Name,
    /// Not assigned: no text form, and where it ends is not known.
    Unknown(u8),
}

fn kind(rdata: &[u8], by: usize, mask: u8) -> Kind {
    match rdata.get(by).copied().unwrap_or(0) & mask {
        0 => Kind::None,
        1 => Kind::Ipv4,
        2 => Kind::Ipv6,
        3 => Kind::Name,
        other => Kind::Unknown(other),
    }
}

/// The type fills its octet: in IPSECKEY, not in AMTRELAY.
fn by_whole_octet(mask: u8) -> bool {
    mask == 0xFF
}

/// Whether the gateway is a name.
pub(super) fn is_name(rdata: &[u8], by: usize, mask: u8) -> bool {
    kind(rdata, by, mask) == Kind::Name
}

/// Takes the words of one such field.
pub(super) fn scan<'a, T: Tokens<'a>>(
    scanner: &mut Scanner<'_, 'a, T>,
    part: &Part,
) -> Result<(), FieldError> {
    match part.1 {
        Field::Gateway(by, mask) => gateway(scanner, part, by, mask),
        Field::RelayType => relay_type(scanner),
        _ => host_identity(scanner),
    }
}

fn gateway<'a, T: Tokens<'a>>(
    scanner: &mut Scanner<'_, 'a, T>,
    part: &Part,
    by: usize,
    mask: u8,
) -> Result<(), FieldError> {
    let token = scanner.bare(part)?;
    match kind(&scanner.out[scanner.start..], by, mask) {
        Kind::None if token.text == b"." => {}
        Kind::None => {
            let message = format!("{} where the type says 0, nothing", shown(token.text));
            return Err(FieldError::new(&token, "bad-gateway", message, "`.`"));
        }
        Kind::Ipv4 => {
            let octets = value::ipv4(token.text).ok_or_else(|| bad_ipv4(&token))?;
            scanner.out.extend_from_slice(&octets);
        }
        Kind::Ipv6 => {
            let octets = value::ipv6(token.text).ok_or_else(|| bad_ipv6(&token))?;
            scanner.out.extend_from_slice(&octets);
        }
        Kind::Name => scanner.name(&token)?,
        Kind::Unknown(other) => {
            let message = format!("the type before the {} is {other}, which is unknown", part.0);
            return Err(FieldError::new(&token, "bad-gateway", message, part.1.wanted()));
        }
    }
    Ok(())
}

/// The first word is the top bit of the octet, the second the rest.
fn relay_type<'a, T: Tokens<'a>>(scanner: &mut Scanner<'_, 'a, T>) -> Result<(), FieldError> {
    let discovery: Part = ("discovery bit", Field::RelayType);
    let relay: Part = ("relay type", Field::RelayType);
    let optional = scanner.number(&discovery, words::NONE, 1)? as u8;
    let kind = scanner.number(&relay, words::NONE, 127)? as u8;
    scanner.out.push(optional << 7 | kind);
    Ok(())
}

/// Algorithm, tag in hexadecimal, key in base64; on the wire the lengths of both come first.
fn host_identity<'a, T: Tokens<'a>>(scanner: &mut Scanner<'_, 'a, T>) -> Result<(), FieldError> {
    let tag_part: Part = ("host identity tag", Field::Hex(1));
    let key_part: Part = ("public key", Field::Base64(1));
    let algorithm = scanner.number(&("algorithm", Field::U8(words::NONE)), words::NONE, 255)? as u8;
    let at = scanner.out.len();
    scanner.out.extend_from_slice(&[0, algorithm, 0, 0]);
    let tag = scanner.bare(&tag_part)?;
    let mut half = None;
    hex_word(scanner.out, &tag, &tag_part, &mut half)?;
    if half.is_some() {
        return Err(odd_digits(&tag_part, &tag));
    }
    let tag_length = scanner.out.len() - at - 4;
    let key = scanner.bare(&key_part)?;
    base64_word(&key, &key_part, scanner.out)?;
    let key_length = scanner.out.len() - at - 4 - tag_length;
    let (Ok(tag_octet), Ok(key_octets)) = (u8::try_from(tag_length), u16::try_from(key_length))
    else {
        return Err(FieldError::new(
            &key,
            "field-too-long",
            format!("a tag of {tag_length} octets and a key of {key_length}"),
            "a tag of at most 255 octets, a key of at most 65535",
        ));
    };
    scanner.out[at] = tag_octet;
    scanner.out[at + 2..at + 4].copy_from_slice(&key_octets.to_be_bytes());
    Ok(())
}

/// Where such a field ends, once it is found valid.
pub(super) fn measure(field: &Field, rdata: &[u8], at: usize) -> Result<usize, WireError> {
    match *field {
        Field::Gateway(by, mask) => match kind(rdata, by, mask) {
            Kind::None => Ok(at),
            Kind::Ipv4 => fixed(rdata, at, 4),
            Kind::Ipv6 => fixed(rdata, at, 16),
            Kind::Name => a_name(rdata, at),
            // Behind an unknown gateway the key of IPSECKEY could not be found.
            Kind::Unknown(_) if by_whole_octet(mask) => {
                Err(WireError::value(by, "an unknown gateway type"))
            }
            Kind::Unknown(_) => Ok(rdata.len()),
        },
        Field::RelayType => fixed(rdata, at, 1),
        _ => {
            let (tag, key) = identity(rdata, at)?;
            Ok(at + 4 + tag.len() + key.len())
        }
    }
}

/// Tag and key of a host identity.
fn identity(rdata: &[u8], at: usize) -> Result<(&[u8], &[u8]), WireError> {
    let tag_at = fixed(rdata, at, 4)?;
    let tag_length = usize::from(rdata[at]);
    let key_length = usize::from(u16::from_be_bytes([rdata[at + 2], rdata[at + 3]]));
    if tag_length == 0 || key_length == 0 {
        return Err(WireError::value(at, "an empty tag or key"));
    }
    let key_at = fixed(rdata, tag_at, tag_length)?;
    let end = fixed(rdata, key_at, key_length)?;
    Ok((&rdata[tag_at..key_at], &rdata[key_at..end]))
}

/// Appends such a field of checked rdata. `None`: it has no text form.
pub(super) fn print(field: &Field, rdata: &[u8], at: usize, out: &mut String) -> Option<()> {
    use super::encode::{push_base64, push_hex};
    use super::print::{push_ipv4, push_ipv6, push_name, push_number};
    match *field {
        Field::Gateway(by, mask) => match kind(rdata, by, mask) {
            Kind::None => out.push('.'),
            Kind::Ipv4 => push_ipv4(rdata.get(at..at + 4)?, out),
            Kind::Ipv6 => push_ipv6(rdata.get(at..at + 16)?, out),
            Kind::Name => push_name(rdata.get(at..a_name(rdata, at).ok()?)?, out),
            Kind::Unknown(_) => return None,
        },
        Field::RelayType => {
            let octet = *rdata.get(at)?;
            push_number(u64::from(octet >> 7), out);
            out.push(' ');
            push_number(u64::from(octet & 0x7F), out);
        }
        _ => {
            let (tag, key) = identity(rdata, at).ok()?;
            push_number(u64::from(*rdata.get(at + 1)?), out);
            out.push(' ');
            push_hex(tag, out);
            out.push(' ');
            push_base64(key, out);
        }
    }
    Some(())
}
