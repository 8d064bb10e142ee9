//! Address prefixes of APL (RFC 3123): `[!]FAMILY:ADDRESS/PREFIX`.

use super::check::{WireError, fixed};
use super::scan::Scanner;
use super::table::Field;
use super::token::{FieldError, Token, Tokens, shown};
use super::value;

const IPV4: u16 = 1;
const IPV6: u16 = 2;

/// Takes prefixes up to the end of the record.
pub(super) fn scan<'a, T: Tokens<'a>>(scanner: &mut Scanner<'_, 'a, T>) -> Result<(), FieldError> {
    while let Some(token) = scanner.next() {
        item(&token, scanner.out).ok_or_else(|| bad_prefix(&token))?;
    }
    Ok(())
}

fn item(token: &Token, out: &mut Vec<u8>) -> Option<()> {
    if token.is_quoted() {
        return None;
    }
    let (negated, text) = match token.text.strip_prefix(b"!") {
        Some(rest) => (0x80, rest),
        None => (0, token.text),
    };
    let colon = text.iter().position(|b| *b == b':')?;
    let slash = text.iter().rposition(|b| *b == b'/').filter(|slash| *slash > colon)?;
    let family = value::number(&text[..colon], u64::from(IPV6)).ok()? as u16;
    let address = &text[colon + 1..slash];
    let prefix = value::number(&text[slash + 1..], 128).ok()? as u8;
    let (octets, length) = match family {
        IPV4 => {
            let mut octets = [0; 16];
            octets[..4].copy_from_slice(&value::ipv4(address)?);
            (octets, 4)
        }
        IPV6 => (value::ipv6(address)?, 16),
        _ => return None,
    };
    if usize::from(prefix) > length * 8 {
        return None;
    }
    // Zero octets at the end are left out (RFC 3123 §4).
    let kept = octets[..length].iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    out.extend_from_slice(&family.to_be_bytes());
    out.extend_from_slice(&[prefix, negated | kept as u8]);
    out.extend_from_slice(&octets[..kept]);
    Some(())
}

#[cold]
fn bad_prefix(token: &Token) -> FieldError {
    let message = format!("{} is no address prefix", shown(token.text));
    FieldError::new(token, "bad-prefix", message, Field::Prefixes.wanted())
        .help("1 is IPv4, 2 is IPv6; the prefix length fits the address")
}

/// Where one prefix ends, once it is found valid. Those of other families are taken as they are.
pub(super) fn measure(rdata: &[u8], at: usize) -> Result<usize, WireError> {
    let start = fixed(rdata, at, 4)?;
    let family = u16::from_be_bytes([rdata[at], rdata[at + 1]]);
    let length = usize::from(rdata[at + 3] & 0x7F);
    let end = fixed(rdata, start, length)?;
    let most = match family {
        IPV4 => 4,
        IPV6 => 16,
        _ => return Ok(end),
    };
    if usize::from(rdata[at + 2]) > most * 8 || length > most {
        return Err(WireError::value(at, "the prefix is longer than its address family allows"));
    }
    if length > 0 && rdata[end - 1] == 0 {
        return Err(WireError::value(end - 1, "a prefix ends in a zero octet"));
    }
    Ok(end)
}

/// Appends all prefixes of checked rdata. `None`: one is of a family without text form.
pub(super) fn print(rdata: &[u8], out: &mut String) -> Option<()> {
    use super::print::{push_ipv4, push_ipv6, push_number};
    let mut rest = rdata;
    while let [high, low, prefix, length, behind @ ..] = rest {
        let (octets, behind) = behind.split_at_checked(usize::from(length & 0x7F))?;
        if rest.len() < rdata.len() {
            out.push(' ');
        }
        if length & 0x80 != 0 {
            out.push('!');
        }
        let family = u16::from_be_bytes([*high, *low]);
        let mut address = [0; 16];
        address.get_mut(..octets.len())?.copy_from_slice(octets);
        push_number(u64::from(family), out);
        out.push(':');
        match family {
            IPV4 => push_ipv4(&address[..4], out),
            IPV6 => push_ipv6(&address, out),
            _ => return None,
        }
        out.push('/');
        push_number(u64::from(*prefix), out);
        rest = behind;
    }
    Some(())
}
