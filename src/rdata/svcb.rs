//! Text of SvcParams to wire (RFC 9460 §2.1, appendix A): any order, quotes and escapes undone.

use super::check::{WireError, WireFault};
use super::octets::base64_word;
use super::scan::{Scanner, unescaped};
use super::svcb_wire::{
    ALPN, DOH_PATH, ECH, IPV4_HINT, IPV6_HINT, KEYS, MANDATORY, NO_DEFAULT_ALPN, OHTTP, PORT, one,
    together,
};
use super::table::{Field, Part};
use super::token::{FieldError, Token, Tokens, shown};
use super::value;
use super::wrong::bad_escape;

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
        if token.is_quoted() {
            return Err(bad(&token, "a parameter begins with its key, not with quotes"));
        }
        let (key_text, value) = split(scanner, &token);
        if let Some([b'"', ..]) = value {
            return Err(bad(&token, "a blank or the end behind the closing quote"));
        }
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
        if next.is_quoted() && next.at == token.at + token.len {
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
        WireFault::Value(what) => what,
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
        // RFC 9460 §7.2, §7.3, §8: escapes are allowed in texts only.
        _ if text.contains(&b'\\') => Err(bad(token, "a value without escapes")),
        _ => items(key, text, token, out),
    }
}

/// Values that are plain words with commas between them.
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
