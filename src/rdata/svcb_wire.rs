//! SvcParams on the wire (RFC 9460 §7; RFC 9461 dohpath; RFC 9540 ohttp): checks and text.

use super::check::{WireError, fixed};
use super::encode::push_base64;
use super::print::{push_ipv4, push_ipv6, push_number, push_octet, push_quoted};
use super::words::Words;

pub(super) const MANDATORY: u16 = 0;
pub(super) const ALPN: u16 = 1;
pub(super) const NO_DEFAULT_ALPN: u16 = 2;
pub(super) const PORT: u16 = 3;
pub(super) const IPV4_HINT: u16 = 4;
pub(super) const ECH: u16 = 5;
pub(super) const IPV6_HINT: u16 = 6;
pub(super) const DOH_PATH: u16 = 7;
pub(super) const OHTTP: u16 = 8;
pub(super) const GROUPS: u16 = 9;

/// Names of keys; the rest are written `keyNNNNN`.
pub(super) const KEYS: Words = &[
    ("mandatory", MANDATORY),
    ("alpn", ALPN),
    ("no-default-alpn", NO_DEFAULT_ALPN),
    ("port", PORT),
    ("ipv4hint", IPV4_HINT),
    ("ech", ECH),
    ("ipv6hint", IPV6_HINT),
    ("dohpath", DOH_PATH),
    ("ohttp", OHTTP),
    ("tls-supported-groups", GROUPS),
];

/// Where the parameters end (always at the end), once they are found valid: keys ascend, each value
/// fits its key, and they fit together.
pub(super) fn measure(rdata: &[u8], at: usize) -> Result<usize, WireError> {
    let mut next = at;
    let mut before = None;
    while next < rdata.len() {
        let end = one(rdata, next)?;
        let key = u16::from_be_bytes([rdata[next], rdata[next + 1]]);
        if before.is_some_and(|before| before >= key) {
            return Err(WireError::value(next, "keys in ascending order, each once"));
        }
        before = Some(key);
        next = end;
    }
    together(&rdata[at..]).map_err(|error| WireError { at: error.at + at, ..error })?;
    Ok(next)
}

/// One parameter: where it ends, once its value is found valid for its key.
pub(super) fn one(rdata: &[u8], at: usize) -> Result<usize, WireError> {
    let from = fixed(rdata, at, 4)?;
    let key = u16::from_be_bytes([rdata[at], rdata[at + 1]]);
    let length = usize::from(u16::from_be_bytes([rdata[at + 2], rdata[at + 3]]));
    let end = fixed(rdata, from, length)?;
    let value = &rdata[from..end];
    let many = |size: usize| !value.is_empty() && value.len().is_multiple_of(size);
    let (valid, wanted) = match key {
        MANDATORY => (
            many(2) && ascending(value) && value[..2] != [0, 0],
            "at least one key, each once and not `mandatory` itself",
        ),
        ALPN => (texts(value), "protocols such as `h2,h3`, each of 1 to 255 octets"),
        NO_DEFAULT_ALPN | OHTTP => (value.is_empty(), "this key without a value"),
        PORT => (value.len() == 2, "one port, two octets"),
        IPV4_HINT => (many(4), "at least one IPv4 address"),
        IPV6_HINT => (many(16), "at least one IPv6 address"),
        ECH => (!value.is_empty(), "an ECHConfigList"),
        DOH_PATH => (doh_path(value), "a URI template such as `/dns-query{?dns}`"),
        GROUPS => (many(2) && distinct(value), "at least one group, each once"),
        _ => (true, ""),
    };
    if valid { Ok(end) } else { Err(WireError::value(from, wanted)) }
}

fn ascending(value: &[u8]) -> bool {
    value.as_chunks::<2>().0.is_sorted_by(|a, b| a < b)
}

fn distinct(value: &[u8]) -> bool {
    let mut groups = value.as_chunks::<2>().0.to_vec();
    groups.sort_unstable();
    groups.is_sorted_by(|a, b| a < b)
}

/// One or more texts, each with its length and none empty.
fn texts(mut value: &[u8]) -> bool {
    let any = !value.is_empty();
    while let [length, behind @ ..] = value {
        let Some(rest) = behind.get(usize::from(*length)..).filter(|_| *length > 0) else {
            return false;
        };
        value = rest;
    }
    any
}

/// A relative URI template in UTF-8 that has a variable `dns` (RFC 9461 §5).
fn doh_path(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let has_dns =
        text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).any(|(inside, _)| {
            let names = inside.trim_start_matches(['+', '#', '.', '/', ';', '?', '&']);
            names.split(',').any(|name| name.split([':', '*']).next() == Some("dns"))
        });
    text.starts_with('/') && has_dns
}

/// What must hold between valid parameters in order: mandatory keys are there, and a default is
/// only given up when there is something else.
pub(super) fn together(params: &[u8]) -> Result<(), WireError> {
    let mut rest = params;
    let mut mandatory: (usize, &[u8]) = (0, &[]);
    let (mut alpn, mut no_default) = (false, None);
    let mut found = 0;
    while let [high, low, length_high, length_low, behind @ ..] = rest {
        let key = u16::from_be_bytes([*high, *low]);
        let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
        let at = params.len() - rest.len();
        let (value, behind) = behind.split_at_checked(length).ok_or(WireError::short(at))?;
        match key {
            MANDATORY => mandatory = (at, value),
            ALPN => alpn = true,
            NO_DEFAULT_ALPN => no_default = Some(at),
            _ => {}
        }
        // Both ascend, so one pass finds all of the one in the other.
        if mandatory.1.get(found..found + 2) == Some(&[*high, *low]) {
            found += 2;
        }
        rest = behind;
    }
    if found < mandatory.1.len() {
        return Err(WireError::value(
            mandatory.0,
            "every key that `mandatory` names, each present",
        ));
    }
    match no_default {
        Some(at) if !alpn => Err(WireError::value(at, "`alpn` beside `no-default-alpn`")),
        _ => Ok(()),
    }
}

/// Appends valid parameters, a space between them.
pub(super) fn print(params: &[u8], out: &mut String) -> Option<()> {
    let mut rest = params;
    while let [high, low, length_high, length_low, behind @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
        let (value, behind) = behind.split_at_checked(length)?;
        if rest.len() < params.len() {
            out.push(' ');
        }
        let key = u16::from_be_bytes([*high, *low]);
        push_key(key, out);
        if !value.is_empty() {
            out.push('=');
            push_value(key, value, out)?;
        }
        rest = behind;
    }
    Some(())
}

fn push_key(key: u16, out: &mut String) {
    match KEYS.iter().find(|(_, number)| *number == key) {
        Some((name, _)) => out.push_str(name),
        None => {
            out.push_str("key");
            push_number(u64::from(key), out);
        }
    }
}

fn push_value(key: u16, value: &[u8], out: &mut String) -> Option<()> {
    let size = match key {
        ALPN => return push_list(value, out),
        ECH => {
            push_base64(value, out);
            return Some(());
        }
        IPV4_HINT => 4,
        IPV6_HINT => 16,
        MANDATORY | PORT | GROUPS => 2,
        _ => {
            push_quoted(value, out);
            return Some(());
        }
    };
    for (i, item) in value.chunks(size).enumerate() {
        if i > 0 {
            out.push(',');
        }
        match *item {
            [high, low] if key == MANDATORY => push_key(u16::from_be_bytes([high, low]), out),
            [high, low] => push_number(u64::from(u16::from_be_bytes([high, low])), out),
            _ if size == 4 => push_ipv4(item, out),
            _ => push_ipv6(item, out),
        }
    }
    Some(())
}

/// The reverse of `list`.
fn push_list(value: &[u8], out: &mut String) -> Option<()> {
    out.push('"');
    let mut rest = value;
    while let [length, behind @ ..] = rest {
        let (text, behind) = behind.split_at_checked(usize::from(*length))?;
        if rest.len() < value.len() {
            out.push(',');
        }
        for &b in text {
            if matches!(b, b',' | b'\\') {
                push_octet(b'\\', out);
            }
            push_octet(b, out);
        }
        rest = behind;
    }
    out.push('"');
    Some(())
}
