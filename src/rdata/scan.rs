//! Text to wire: walks the parts of a type and takes one or more words for each.

use super::table::{Field, Part, parts};
use super::token::{FieldError, Token, Tokens, shown};
use super::types::{is_data, type_from_text, type_text};
use super::value::{self, NumberFault};
use super::words::{self, Words};
use super::{bitmap, gateway, legacy, loc, octets, prefixes, svcb, unknown};
use crate::base::name::{self, NameError};
use crate::base::rtype::RType;

/// Reads the data of one record and appends its wire form: names uncompressed and completed with
/// `origin`, their case kept. `\# LENGTH HEX` (RFC 3597 §5) works for every type; for known types
/// it is checked like wire. On error `out` is as before.
pub fn from_text<'a>(
    rtype: RType,
    tokens: &mut impl Tokens<'a>,
    origin: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), FieldError> {
    let start = out.len();
    let mut scanner = Scanner { tokens, held: None, rtype, origin, out, start };
    let result = scanner.record();
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// Where reading stands: the words still to come, and the wire made so far.
pub(super) struct Scanner<'s, 'a, T> {
    tokens: &'s mut T,
    /// A word taken and given back.
    held: Option<Token<'a>>,
    pub rtype: RType,
    pub origin: &'s [u8],
    pub out: &'s mut Vec<u8>,
    /// Where the rdata begins in `out`.
    pub start: usize,
}

impl<'a, T: Tokens<'a>> Scanner<'_, 'a, T> {
    fn record(&mut self) -> Result<(), FieldError> {
        let first = self.tokens.next();
        if let Some(token) = first
            && token.text == b"\\#"
            && !token.quoted
        {
            unknown::scan(self, token)?;
        } else {
            self.held = first;
            let Some(parts) = parts(self.rtype) else { return Err(self.no_text()) };
            for part in parts {
                self.part(part)?;
            }
        }
        if let Some(extra) = self.next() {
            return Err(self.extra(&extra));
        }
        if self.out.len() - self.start > usize::from(u16::MAX) {
            return Err(self.too_long());
        }
        Ok(())
    }

    #[inline]
    fn part(&mut self, part: &Part) -> Result<(), FieldError> {
        match part.1 {
            Field::U8(words) => {
                let value = self.number(part, words, u64::from(u8::MAX))? as u8;
                self.out.push(value);
            }
            Field::U16(words) => {
                let value = self.number(part, words, u64::from(u16::MAX))? as u16;
                self.out.extend_from_slice(&value.to_be_bytes());
            }
            Field::U32 => {
                let value = self.number(part, &[], u64::from(u32::MAX))? as u32;
                self.out.extend_from_slice(&value.to_be_bytes());
            }
            Field::Period => {
                let token = self.bare(part)?;
                let value = value::period(token.text)
                    .map_err(|fault| self.bad_number(part, &token, fault))?;
                self.out.extend_from_slice(&value.to_be_bytes());
            }
            Field::Ipv4 => {
                let token = self.bare(part)?;
                let octets = value::ipv4(token.text).ok_or_else(|| bad_ipv4(&token))?;
                self.out.extend_from_slice(&octets);
            }
            Field::Ipv6 => {
                let token = self.bare(part)?;
                let octets = value::ipv6(token.text).ok_or_else(|| bad_ipv6(&token))?;
                self.out.extend_from_slice(&octets);
            }
            Field::Name(_) => {
                let token = self.bare(part)?;
                self.name(&token)?;
            }
            Field::Text => {
                let token = self.word(part)?;
                self.text(&token)?;
            }
            Field::Texts => {
                let first = self.word(part)?;
                self.text(&first)?;
                while let Some(token) = self.next() {
                    self.text(&token)?;
                }
            }
            _ => self.rare(part)?,
        }
        Ok(())
    }

    /// The fields no busy zone is full of.
    fn rare(&mut self, part: &Part) -> Result<(), FieldError> {
        match part.1 {
            Field::U64 => {
                let value = self.number(part, &[], u64::MAX)?;
                self.out.extend_from_slice(&value.to_be_bytes());
                Ok(())
            }
            Field::Flags(words) => self.flags(part, words),
            Field::Time => {
                let token = self.bare(part)?;
                let value = value::time(token.text)
                    .map_err(|fault| self.bad_number(part, &token, fault))?;
                self.out.extend_from_slice(&value.to_be_bytes());
                Ok(())
            }
            Field::Type => {
                let token = self.bare(part)?;
                let value = self.type_number(&token)?;
                self.out.extend_from_slice(&value.to_be_bytes());
                Ok(())
            }
            Field::Names(_) => {
                while let Some(token) = self.next() {
                    self.name(&token)?;
                }
                Ok(())
            }
            Field::TextMaybe => match self.next() {
                Some(token) => self.text(&token),
                None => Ok(()),
            },
            Field::Digits => self.digits(part),
            Field::Tag => self.tag(part),
            Field::Rest(least) => self.rest(part, least),
            Field::Hex(_)
            | Field::Base64(_)
            | Field::Base64Maybe
            | Field::KeyMaybe
            | Field::Digest(..)
            | Field::Salt
            | Field::Hash
            | Field::Groups
            | Field::Eui(_) => octets::scan(self, part),
            Field::Bitmap(_) | Field::OldBitmap => bitmap::scan(self, part),
            Field::Ports | Field::Nsap | Field::Atma | Field::A6 => legacy::scan(self, part),
            Field::Prefixes => prefixes::scan(self),
            Field::RelayType | Field::Gateway(..) | Field::HostIdentity => {
                gateway::scan(self, part)
            }
            Field::Location => loc::scan(self, part),
            Field::Params => svcb::scan(self),
            Field::Opaque => Err(self.no_text()),
            _ => unreachable!("every other field is among the busy ones"),
        }
    }

    // ---- words ----

    #[inline]
    pub fn next(&mut self) -> Option<Token<'a>> {
        match self.held.take() {
            Some(token) => Some(token),
            None => self.tokens.next(),
        }
    }

    /// Gives back the word taken last.
    pub fn hold(&mut self, token: Token<'a>) {
        self.held = Some(token);
    }

    /// The next word; that there is none is an error.
    #[inline]
    pub fn word(&mut self, part: &Part) -> Result<Token<'a>, FieldError> {
        self.next().ok_or_else(|| self.missing(part))
    }

    /// The next word, which may not stand in quotes.
    #[inline]
    pub fn bare(&mut self, part: &Part) -> Result<Token<'a>, FieldError> {
        let token = self.word(part)?;
        if token.quoted { Err(in_quotes(part, &token)) } else { Ok(token) }
    }

    // ---- values ----

    #[inline]
    pub fn number(&mut self, part: &Part, words: Words, most: u64) -> Result<u64, FieldError> {
        let token = self.bare(part)?;
        match value::number(token.text, most) {
            Ok(value) => Ok(value),
            Err(fault) => match words::find(words, token.text) {
                Some(value) => Ok(u64::from(value)),
                None => Err(self.bad_number(part, &token, fault)),
            },
        }
    }

    fn flags(&mut self, part: &Part, words: Words) -> Result<(), FieldError> {
        let token = self.bare(part)?;
        let value = match value::number(token.text, u64::from(u16::MAX)) {
            Ok(value) => value as u16,
            Err(fault) => token
                .text
                .split(|b| *b == b'|')
                .try_fold(0, |sum, word| words::find(words, word).map(|value| sum | value))
                .ok_or_else(|| self.bad_number(part, &token, fault))?,
        };
        self.out.extend_from_slice(&value.to_be_bytes());
        Ok(())
    }

    /// A type by mnemonic, `TYPEnnn` or, as BIND takes it too, bare number.
    pub fn type_number(&self, token: &Token) -> Result<RType, FieldError> {
        let number = || value::number(token.text, u64::from(u16::MAX)).ok().map(|v| v as RType);
        type_from_text(token.text).or_else(number).ok_or_else(|| {
            FieldError::new(
                token,
                "unknown-type",
                format!("{} is no RR type", shown(token.text)),
                Field::Type.wanted(),
            )
            .help("a type without a name is written as TYPE and its number")
        })
    }

    #[inline]
    pub fn name(&mut self, token: &Token) -> Result<(), FieldError> {
        if token.text == b"@" {
            self.out.extend_from_slice(self.origin);
            return Ok(());
        }
        name::push_text(token.text, Some(self.origin), self.out)
            .map_err(|error| bad_name(token, error))
    }

    /// A character-string.
    #[inline]
    pub fn text(&mut self, token: &Token) -> Result<(), FieldError> {
        let at = self.out.len();
        self.out.push(0);
        self.unescape(token)?;
        let length = self.out.len() - at - 1;
        match u8::try_from(length) {
            Ok(length) => self.out[at] = length,
            Err(_) => return Err(self.long_text(token, length)),
        }
        Ok(())
    }

    /// The octets of a word with its escapes undone.
    #[inline]
    pub fn unescape(&mut self, token: &Token) -> Result<(), FieldError> {
        if !token.text.contains(&b'\\') {
            self.out.extend_from_slice(token.text);
            return Ok(());
        }
        for octet in unescaped(token.text) {
            self.out.push(octet.ok_or_else(|| bad_escape(token))?);
        }
        Ok(())
    }

    fn digits(&mut self, part: &Part) -> Result<(), FieldError> {
        let token = self.word(part)?;
        if token.text.len() < 4 || !token.text.iter().all(u8::is_ascii_digit) {
            return Err(FieldError::new(
                &token,
                "bad-digits",
                format!("{} is no {}", shown(token.text), part.0),
                part.1.wanted(),
            ));
        }
        self.text(&token)
    }

    fn tag(&mut self, part: &Part) -> Result<(), FieldError> {
        let token = self.bare(part)?;
        if token.text.is_empty() || !token.text.iter().all(u8::is_ascii_alphanumeric) {
            return Err(FieldError::new(
                &token,
                "bad-tag",
                format!("{} has more than letters and digits", shown(token.text)),
                "a tag such as `issue`, `issuewild` or `iodef`",
            ));
        }
        self.text(&token)
    }

    fn rest(&mut self, part: &Part, least: usize) -> Result<(), FieldError> {
        let token = self.word(part)?;
        if token.text.len() < least {
            return Err(FieldError::new(
                &token,
                "empty-field",
                format!("the {} is empty", part.0),
                part.1.wanted(),
            ));
        }
        self.unescape(&token)
    }

    // ---- what can be wrong ----

    #[cold]
    pub fn missing(&self, part: &Part) -> FieldError {
        let kind = type_text(self.rtype);
        FieldError {
            at: self.tokens.end_at(),
            len: 1,
            code: "missing-field",
            message: format!("{kind} ends before its {}", part.0),
            expected: part.1.wanted().into(),
            help: self.order(),
        }
    }

    #[cold]
    fn extra(&self, token: &Token) -> FieldError {
        let kind = type_text(self.rtype);
        FieldError::new(
            token,
            "extra-field",
            format!("{} is more than {kind} takes", shown(token.text)),
            "the end of the record",
        )
        .help("another value is a record of its own; a comment begins with `;`")
    }

    #[cold]
    pub fn bad_number(&self, part: &Part, token: &Token, fault: NumberFault) -> FieldError {
        let text = shown(token.text);
        match fault {
            NumberFault::TooLarge => FieldError::new(
                token,
                "number-too-large",
                format!("{text} is too large for the {}", part.0),
                part.1.wanted(),
            ),
            NumberFault::NotANumber => {
                let mut wanted = String::from(part.1.wanted());
                if let Field::U8([(word, _), ..]) | Field::U16([(word, _), ..]) = part.1 {
                    wanted.push_str(&format!(", or a word such as `{word}`"));
                }
                let message = format!("{text} cannot be the {}", part.0);
                let error = FieldError::new(token, "not-a-number", message, wanted);
                FieldError { help: self.order(), ..error }
            }
        }
    }

    /// The parts of the type in a row, where there are several.
    #[cold]
    fn order(&self) -> Option<String> {
        let names: Vec<&str> = parts(self.rtype)?.iter().map(|part| part.0).collect();
        let kind = type_text(self.rtype);
        (names.len() > 1).then(|| format!("{kind} takes, in this order: {}", names.join(", ")))
    }

    #[cold]
    fn no_text(&mut self) -> FieldError {
        let kind = type_text(self.rtype);
        let (at, len) = match self.next() {
            Some(token) => (token.at, token.len),
            None => (self.tokens.end_at(), 1),
        };
        let (message, help) = if is_data(self.rtype) {
            (
                format!("data of {kind} has no text of its own"),
                "give the octets as RFC 3597 has it, e.g. `\\# 4 0a000001`",
            )
        } else {
            (format!("{kind} is no type of records"), "it belongs in questions and messages only")
        };
        FieldError {
            at,
            len,
            code: "no-text-form",
            message,
            expected: "`\\#`, a length, and hexadecimal digits".into(),
            help: Some(help.into()),
        }
    }

    #[cold]
    fn too_long(&self) -> FieldError {
        FieldError {
            at: self.tokens.end_at(),
            len: 1,
            code: "rdata-too-long",
            message: format!("the data has {} octets", self.out.len() - self.start),
            expected: "at most 65535 octets of data in one record".into(),
            help: None,
        }
    }

    #[cold]
    fn long_text(&self, token: &Token, length: usize) -> FieldError {
        let several = matches!(parts(self.rtype), Some([(_, Field::Texts)]));
        let error = FieldError::new(
            token,
            "text-too-long",
            format!("one text of {length} octets"),
            "at most 255 octets in one text",
        );
        if several {
            error.help(format!(
                "split it into {} texts in quotes, `\"…\" \"…\"`: readers join them again",
                length.div_ceil(255)
            ))
        } else {
            error
        }
    }
}

/// Octets of a text with escapes undone; `None` for a bad escape.
pub(super) fn unescaped(text: &[u8]) -> impl Iterator<Item = Option<u8>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (&first, behind) = rest.split_first()?;
        if first != b'\\' {
            rest = behind;
            return Some(Some(first));
        }
        let found = name::unescape(behind);
        rest = found.map_or(&[], |(_, used)| &behind[used..]);
        Some(found.map(|(octet, _)| octet))
    })
}

#[cold]
fn in_quotes(part: &Part, token: &Token) -> FieldError {
    FieldError::new(
        token,
        "unexpected-quotes",
        format!("the {} stands in quotes", part.0),
        part.1.wanted(),
    )
    .help("leave the quotes out")
}

#[cold]
pub(super) fn bad_escape(token: &Token) -> FieldError {
    FieldError::new(
        token,
        "bad-escape",
        format!("{}: {}", shown(token.text), NameError::BadEscape),
        "`\\DDD` with three digits up to 255, or `\\` and one character",
    )
    .help("a `\\` itself is written `\\\\`")
}

#[cold]
pub(super) fn bad_name(token: &Token, error: NameError) -> FieldError {
    if error == NameError::BadEscape {
        return bad_escape(token);
    }
    let text = shown(token.text);
    let wrong = FieldError::new(
        token,
        "bad-name",
        format!("{text} is no domain name: {error}"),
        Field::Name(super::table::NameKind::Plain).wanted(),
    );
    match error {
        NameError::LongName => {
            wrong.help("a name without a final dot is completed with the origin")
        }
        _ => wrong,
    }
}

#[cold]
pub(super) fn bad_ipv4(token: &Token) -> FieldError {
    let error = FieldError::new(
        token,
        "bad-address",
        format!("{} is no IPv4 address", shown(token.text)),
        Field::Ipv4.wanted(),
    );
    let zero = |part: &[u8]| part.len() > 1 && part[0] == b'0';
    if value::ipv6(token.text).is_some() {
        error.help("this is an IPv6 address: its type is AAAA")
    } else if token.text.split(|b| *b == b'.').any(zero) {
        error.help("write the numbers without leading zeros: some programs read those as octal")
    } else if token.text.iter().any(u8::is_ascii_alphabetic) {
        error.help("to point at a name use CNAME, or ALIAS beside other records")
    } else {
        error
    }
}

#[cold]
pub(super) fn bad_ipv6(token: &Token) -> FieldError {
    let error = FieldError::new(
        token,
        "bad-address",
        format!("{} is no IPv6 address", shown(token.text)),
        Field::Ipv6.wanted(),
    );
    if value::ipv4(token.text).is_some() {
        error.help("this is an IPv4 address: its type is A")
    } else {
        error
    }
}
