//! Text to wire: walks the parts of a type and takes one or more words for each.

use super::table::{Field, Part, parts};
use super::token::{FieldError, Token, Tokens, shown};
use super::types::type_from_text;
use super::value;
use super::words::{self, Words};
use super::wrong::{bad_escape, bad_ipv4, bad_ipv6, bad_name, in_quotes, quotes_in_name};
use super::{bitmap, gateway, legacy, loc, octets, prefixes, svcb, unknown};
use crate::base::name;
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
            && !token.is_quoted()
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
                let value = self.type_number(part, &token)?;
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
            | Field::KeyByFlags
            | Field::KeyByAlgorithm(_)
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

    #[inline]
    pub fn next(&mut self) -> Option<Token<'a>> {
        match self.held.take() {
            Some(token) => Some(token),
            None => self.tokens.next(),
        }
    }

    /// Where the record ends in its source.
    pub fn end_at(&self) -> u32 {
        self.tokens.end_at()
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
        if token.is_quoted() { Err(in_quotes(part, &token)) } else { Ok(token) }
    }

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

    /// A type by mnemonic or `TYPEnnn`; where one type stands alone or in NXT, BIND takes a bare
    /// number too, and so do we.
    pub fn type_number(&self, part: &Part, token: &Token) -> Result<RType, FieldError> {
        let number = || value::number(token.text, u64::from(u16::MAX)).ok().map(|v| v as RType);
        let found = match part.1 {
            Field::Bitmap(_) => type_from_text(token.text),
            _ => type_from_text(token.text).or_else(number),
        };
        found.filter(|_| !token.is_quoted()).ok_or_else(|| {
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
        if token.ends_in_quotes() {
            return Err(quotes_in_name(token));
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
