//! What stands between the owner and the data of a record: TTL, class, type.

use super::lexer::Lexer;
use super::parse::{error, shown};
use super::ttl::{self, TtlText};
use crate::base::rtype::{self, RType};
use crate::rdata::{self, FieldError, Token, Tokens};

/// TTL and type, and where the type stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub rtype: RType,
    pub ttl: Option<u32>,
    pub at: u32,
    pub len: u32,
}

/// Code of the error on a word that should be a type.
pub(super) const NO_TYPE: &str = "unknown-type";

/// Reads TTL and class in either order, and the type.
pub(super) fn head(lexer: &mut Lexer<'_>) -> Result<Head, FieldError> {
    let mut ttl = None;
    let mut class = false;
    loop {
        let Some(token) = lexer.next() else {
            let message = "the record ends before its type";
            let mut error = error(lexer.end_at(), 1, "missing-type", message);
            error.expected = expected(ttl, class);
            return Err(error);
        };
        let Token { text, at, len, .. } = token;
        if token.is_quoted() {
            return Err(no_type(&token, ttl, class));
        }
        if ttl.is_none() {
            match ttl::read(text) {
                TtlText::Ttl(value) => {
                    ttl = Some(value);
                    continue;
                }
                TtlText::TooLarge => return Err(ttl_too_large(&token)),
                TtlText::Not => {}
            }
        }
        if !class && let Some(number) = class_from_text(text) {
            if number != rtype::CLASS_IN {
                let message = format!("class {} is not served", shown(text));
                let mut error = error(at, len, "class-not-in", message);
                error.expected = "class IN, or none".to_owned();
                return Err(error);
            }
            class = true;
            continue;
        }
        let Some(rtype) = rdata::type_from_text(text) else {
            return Err(no_type(&token, ttl, class));
        };
        if !rdata::is_data(rtype) {
            let message = format!("{} is for questions and messages only", shown(text));
            let mut error = error(at, len, "meta-type", message);
            error.expected = "a type that records can have".to_owned();
            return Err(error);
        }
        return Ok(Head { rtype, ttl, at, len });
    }
}

fn no_type(token: &Token<'_>, ttl: Option<u32>, class: bool) -> FieldError {
    let message = format!("{} is no record type", shown(token.text));
    let mut error = error(token.at, token.len, NO_TYPE, message);
    error.expected = expected(ttl, class);
    error
}

/// What may have been meant where no type was found. `owner_at` is the offset of the owner in the
/// text, where one stands in the first column.
pub(super) fn advice_on_type(
    text: &[u8],
    error: &FieldError,
    owner_at: Option<usize>,
) -> Option<String> {
    let word = Lexer::at(text, error.at as usize).next()?;
    if word.text.starts_with(b"$") {
        return Some("directives start in the first column".to_owned());
    }
    if word.is_quoted() {
        return Some("take the quotes off".to_owned());
    }
    if let Some(rtype) = similar_type(word.text) {
        return Some(format!("did you mean `{rtype}`?"));
    }
    // A type in the first column; `a` is more often a host.
    let owner = Lexer::at(text, owner_at?).next()?.text;
    let known = rdata::type_from_text(owner).is_some() || class_from_text(owner).is_some();
    (known && owner != b"a").then(|| {
        let owner = shown(owner);
        format!("{owner} in the first column is read as an owner: put a blank before it")
    })
}

fn expected(ttl: Option<u32>, class: bool) -> String {
    match (ttl.is_some(), class) {
        (false, false) => "a TTL, the class IN or a record type",
        (false, true) => "a TTL or a record type",
        (true, false) => "the class IN or a record type",
        (true, true) => "a record type",
    }
    .to_owned()
}

/// A type that differs from `text` by one letter too many, too few, wrong, or two exchanged.
fn similar_type(text: &[u8]) -> Option<String> {
    // Numbers are forgotten TTLs and addresses rather than slips of the finger.
    if text.len() > 10 || !text.iter().any(u8::is_ascii_alphabetic) {
        return None;
    }
    let mut tries: Vec<Vec<u8>> = Vec::new();
    for at in 0..=text.len() {
        let (left, right) = text.split_at(at);
        if let [a, b, rest @ ..] = right {
            tries.push([left, &[*b, *a], rest].concat());
        }
        if let [_, rest @ ..] = right {
            tries.push([left, rest].concat());
        }
        for letter in b'A'..=b'Z' {
            tries.push([left, &[letter], right].concat());
            if let [_, rest @ ..] = right {
                tries.push([left, &[letter], rest].concat());
            }
        }
    }
    // The closer in length the likelier, and numbered types are typed rarely.
    tries.sort_by_key(|t| t.len().abs_diff(text.len()));
    let found = tries.iter().filter_map(|t| rdata::type_from_text(t));
    found
        .filter(|&rtype| rdata::is_data(rtype))
        .map(|rtype| rdata::type_text(rtype).to_string())
        .find(|t| !t.starts_with("TYPE"))
}

fn class_from_text(text: &[u8]) -> Option<u16> {
    let is = |word: &str| text.eq_ignore_ascii_case(word.as_bytes());
    if text.len() == 2 {
        return match () {
            () if is("IN") => Some(rtype::CLASS_IN),
            () if is("CH") => Some(rtype::CLASS_CH),
            () if is("HS") => Some(4),
            () if is("CS") => Some(2),
            () => None,
        };
    }
    match text.split_at_checked(5) {
        Some((word, b"")) if word.eq_ignore_ascii_case(b"CHAOS") => Some(rtype::CLASS_CH),
        Some((word, digits)) if word.eq_ignore_ascii_case(b"CLASS") => {
            let digits = str::from_utf8(digits).ok()?;
            digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
        }
        _ if is("HESIOD") => Some(4),
        _ => None,
    }
}

pub(super) fn ttl_too_large(token: &Token<'_>) -> FieldError {
    let message = format!("the TTL {} is too large", shown(token.text));
    let mut error = error(token.at, token.len, "ttl-too-large", message);
    error.expected = "at most 2147483647 seconds (RFC 2181 §8)".to_owned();
    error
}
