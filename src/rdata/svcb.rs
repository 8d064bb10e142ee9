//! SvcParams of SVCB and HTTPS (RFC 9460 §2.1, §7; RFC 9461 dohpath; RFC 9540 ohttp).

use super::check::{WireError, fixed};
use super::octets::{base64_word, push_base64};
use super::print::{push_ipv4, push_ipv6, push_number, push_octet, push_quoted};
use super::scan::{Scanner, bad_escape, unescaped};
use super::table::{Field, Part};
use super::token::{FieldError, Token, Tokens, shown};
use super::value;
use super::words::Words;

const MANDATORY: u16 = 0;
const ALPN: u16 = 1;
const NO_DEFAULT_ALPN: u16 = 2;
const PORT: u16 = 3;
const IPV4_HINT: u16 = 4;
const ECH: u16 = 5;
const IPV6_HINT: u16 = 6;
const DOH_PATH: u16 = 7;
const OHTTP: u16 = 8;
const GROUPS: u16 = 9;

/// Names of keys; the rest are written `keyNNNNN`.
const KEYS: Words = &[
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

/// One parameter as read: its key, its word, and where its value lies in the output.
struct Param<'a> {
    key: u16,
    token: Token<'a>,
    at: usize,
    end: usize,
}

/// Takes parameters up to the end of the record, in any order; on the wire they are sorted by key.
pub(super) fn scan<'a, T: Tokens<'a>>(scanner: &mut Scanner<'_, 'a, T>) -> Result<(), FieldError> {
    let start = scanner.out.len();
    let mut params: Vec<Param> = Vec::new();
    while let Some(token) = scanner.next() {
        if token.quoted {
            return Err(bad(&token, "a parameter begins with its key, not with quotes"));
        }
        let (key_text, value) = split(scanner, &token);
        let key = key_of(key_text).ok_or_else(|| unknown_key(&token, key_text))?;
        let at = scanner.out.len();
        scanner.out.extend_from_slice(&key.to_be_bytes());
        scanner.out.extend_from_slice(&[0, 0]);
        let by_number = key_text.starts_with(b"key");
        put(key, by_number, &token, value, scanner.out)?;
        let length = scanner.out.len() - at - 4;
        let length = u16::try_from(length).map_err(|_| bad(&token, "at most 65535 octets"))?;
        scanner.out[at + 2..at + 4].copy_from_slice(&length.to_be_bytes());
        params.push(Param { key, token, at, end: scanner.out.len() });
    }
    for param in &params {
        one(&scanner.out[param.at..param.end], 0).map_err(|error| invalid(&param.token, &error))?;
    }
    sort(&mut params, &mut scanner.out[start..], start)?;
    together(&scanner.out[start..]).map_err(|error| {
        let mut lengths = params.iter().map(|param| param.end - param.at);
        let mut at = 0;
        let behind = lengths.position(|length| {
            at += length;
            at > error.at
        });
        let blamed = behind.expect("only a parameter that is there can be wrong");
        invalid(&params[blamed].token, &error)
    })
}

/// Sorts parameters and their octets, which begin at `start` of the output.
fn sort(params: &mut [Param], written: &mut [u8], start: usize) -> Result<(), FieldError> {
    if !params.is_sorted_by_key(|param| param.key) {
        params.sort_by_key(|param| param.key);
        let of = |param: &Param| param.at - start..param.end - start;
        let sorted: Vec<u8> = params.iter().flat_map(|p| &written[of(p)]).copied().collect();
        written.copy_from_slice(&sorted);
    }
    match params.array_windows().find(|[one, other]| one.key == other.key) {
        Some([_, twice]) => {
            let message = format!("the key of {} stands here twice", shown(twice.token.text));
            Err(FieldError::new(&twice.token, "duplicate-key", message, "each key once"))
        }
        None => Ok(()),
    }
}

/// Key and value of a parameter. Quotes around the value may stand in the word or make a word of
/// their own.
fn split<'a, T: Tokens<'a>>(
    scanner: &mut Scanner<'_, 'a, T>,
    token: &Token<'a>,
) -> (&'a [u8], Option<&'a [u8]>) {
    let text = token.text;
    let Some(equals) = text.iter().position(|b| *b == b'=') else { return (text, None) };
    let (key, value) = (&text[..equals], &text[equals + 1..]);
    if let [b'"', inner @ .., b'"'] = value {
        return (key, Some(inner));
    }
    if value.is_empty()
        && let Some(next) = scanner.next()
    {
        if next.quoted && next.at == token.at + token.len {
            return (key, Some(next.text));
        }
        scanner.hold(next);
    }
    (key, Some(value))
}

/// Keys are in lower case (RFC 9460 §2.1); numbers have no leading zeros.
fn key_of(text: &[u8]) -> Option<u16> {
    if let Some(&(_, key)) = KEYS.iter().find(|(name, _)| name.as_bytes() == text) {
        return Some(key);
    }
    let digits = text.strip_prefix(b"key")?;
    if digits.len() > 1 && digits[0] == b'0' {
        return None;
    }
    value::number(digits, u64::from(u16::MAX)).ok().map(|key| key as u16)
}

#[cold]
fn unknown_key(token: &Token, text: &[u8]) -> FieldError {
    let message = format!("{} is no key of a parameter", shown(text));
    let known: Vec<&str> = KEYS.iter().map(|(name, _)| *name).collect();
    let expected = format!("one of {}, or keyNNNNN", known.join(", "));
    let error = FieldError::new(token, "unknown-key", message, expected);
    if text.iter().any(u8::is_ascii_uppercase) {
        error.help("keys are written in lower case")
    } else {
        error.help("a key without a name is written as `key` and its number, e.g. `key65280=…`")
    }
}

#[cold]
fn bad(token: &Token, expected: &str) -> FieldError {
    let message = format!("{} is no valid parameter", shown(token.text));
    FieldError::new(token, "bad-parameter", message, expected)
}

#[cold]
fn invalid(token: &Token, error: &WireError) -> FieldError {
    let what = match error.fault {
        super::check::WireFault::Value(what) => what,
        _ => "a value of the length its key has",
    };
    bad(token, what)
}

/// Appends the value of one parameter.
fn put(
    key: u16,
    by_number: bool,
    token: &Token,
    value: Option<&[u8]>,
    out: &mut Vec<u8>,
) -> Result<(), FieldError> {
    let text = value.unwrap_or(&[]);
    let escaped = text.contains(&b'\\');
    let octets = |out: &mut Vec<u8>| -> Result<(), FieldError> {
        for octet in unescaped(text) {
            out.push(octet.ok_or_else(|| bad_escape(token))?);
        }
        Ok(())
    };
    if by_number {
        return octets(out);
    }
    match key {
        ALPN => list(text, token, out),
        DOH_PATH => octets(out),
        NO_DEFAULT_ALPN | OHTTP if text.is_empty() => Ok(()),
        NO_DEFAULT_ALPN | OHTTP => Err(bad(token, "this key without a value")),
        _ if escaped => {
            // Numbers and addresses may be escaped like any text (RFC 9460 appendix A), though
            // nobody does it.
            let mut plain = Vec::new();
            octets(&mut plain)?;
            items(key, &plain, token, out)
        }
        _ => items(key, text, token, out),
    }
}

/// Values that are plain words with commas between them, escapes undone.
fn items(key: u16, text: &[u8], token: &Token, out: &mut Vec<u8>) -> Result<(), FieldError> {
    let wanted = match key {
        PORT => "a port from 0 to 65535",
        IPV4_HINT => "IPv4 addresses with commas between them",
        IPV6_HINT => "IPv6 addresses with commas between them",
        ECH => "base64",
        MANDATORY => "keys with commas between them",
        _ => "numbers from 0 to 65535 with commas between them",
    };
    let number = |item: &[u8]| value::number(item, 65_535).ok().map(|n| (n as u16).to_be_bytes());
    if key == ECH {
        let part: Part = ("ech", Field::Base64(1));
        return base64_word(&Token { text, ..*token }, &part, out);
    }
    let from = out.len();
    for item in text.split(|b| *b == b',') {
        let taken = match key {
            IPV4_HINT => value::ipv4(item).map(|octets| out.extend_from_slice(&octets)),
            IPV6_HINT => value::ipv6(item).map(|octets| out.extend_from_slice(&octets)),
            MANDATORY => key_of(item).map(|key| out.extend_from_slice(&key.to_be_bytes())),
            _ => number(item).map(|octets| out.extend_from_slice(&octets)),
        };
        taken.ok_or_else(|| bad(token, wanted))?;
    }
    if key == MANDATORY {
        // In text any order will do, on the wire the keys ascend (RFC 9460 §8).
        let mut keys: Vec<[u8; 2]> = out[from..].as_chunks().0.to_vec();
        keys.sort_unstable();
        out[from..].copy_from_slice(keys.as_flattened());
    }
    Ok(())
}

/// A list of texts with commas between them, `\,` and `\\` inside, all that escaped once more (RFC
/// 9460 appendix A.1).
fn list(text: &[u8], token: &Token, out: &mut Vec<u8>) -> Result<(), FieldError> {
    let wanted = "protocols such as `h2,h3`, each of 1 to 255 octets";
    let mut at = out.len();
    out.push(0);
    let mut octets = unescaped(text);
    loop {
        let octet = match octets.next() {
            Some(octet) => Some(octet.ok_or_else(|| bad_escape(token))?),
            None => None,
        };
        match octet {
            None | Some(b',') => {
                let length = out.len() - at - 1;
                out[at] = u8::try_from(length)
                    .ok()
                    .filter(|length| *length > 0)
                    .ok_or_else(|| bad(token, wanted))?;
                if octet.is_none() {
                    return Ok(());
                }
                at = out.len();
                out.push(0);
            }
            Some(b'\\') => match octets.next().flatten() {
                Some(escaped @ (b',' | b'\\')) => out.push(escaped),
                _ => {
                    return Err(bad(
                        token,
                        "`\\\\,` for a comma or `\\\\\\\\` for a backslash in it",
                    ));
                }
            },
            Some(octet) => out.push(octet),
        }
    }
}

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
fn one(rdata: &[u8], at: usize) -> Result<usize, WireError> {
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
fn together(params: &[u8]) -> Result<(), WireError> {
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
