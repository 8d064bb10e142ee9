//! Directives: `$ORIGIN`, `$TTL`, `$INCLUDE`; `$GENERATE` has a file of its own.

use super::head::ttl_too_large;
use super::lexer::Lexer;
use super::parse::{self, Broken, Parser, error, shown};
use super::ttl::{self, TtlText};
use crate::base::limits;
use crate::rdata::{FieldError, Token, Tokens};

const KNOWN: [&str; 4] = ["$ORIGIN", "$TTL", "$INCLUDE", "$GENERATE"];

impl Parser<'_> {
    /// Reads an entry that starts with `$`.
    pub(super) fn directive(
        &mut self,
        lexer: &mut Lexer<'_>,
        source: u16,
    ) -> Result<(), FieldError> {
        let Some(token) = lexer.next() else { return Ok(()) };
        let is = |word: &str| token.text.eq_ignore_ascii_case(word.as_bytes());
        match KNOWN.into_iter().find(|word| is(word)) {
            Some("$ORIGIN") => self.origin(lexer),
            Some("$TTL") => self.ttl(lexer),
            Some("$INCLUDE") => self.include(lexer),
            Some("$GENERATE") => self.generate(lexer, &token, source),
            _ => {
                let message = format!("{} is no directive", shown(token.text));
                let mut error = error(token.at, token.len, "unknown-directive", message);
                error.expected = KNOWN.join(", ");
                let similar =
                    KNOWN.into_iter().find(|known| is_similar(token.text, known.as_bytes()));
                error.help = Some(match similar {
                    Some(known) => format!("did you mean `{known}`?"),
                    None => "an owner name that starts with `$` is written `\\$`".to_owned(),
                });
                Err(error)
            }
        }
    }

    fn origin(&mut self, lexer: &mut Lexer<'_>) -> Result<(), FieldError> {
        let token = argument(lexer, "a domain name")?;
        let mut origin = Vec::with_capacity(limits::NAME_MAX);
        parse::push_name(&token, &self.state.origin, &mut origin)?;
        last(lexer)?;
        self.state.origin = origin;
        Ok(())
    }

    fn ttl(&mut self, lexer: &mut Lexer<'_>) -> Result<(), FieldError> {
        const EXPECTED: &str = "seconds, or numbers with units such as 1h30m";
        let token = argument(lexer, EXPECTED)?;
        match ttl::read(token.text) {
            TtlText::Ttl(ttl) => {
                last(lexer)?;
                self.state.default_ttl = Some(ttl);
                Ok(())
            }
            TtlText::TooLarge => Err(ttl_too_large(&token)),
            TtlText::Not => {
                let message = format!("{} is no TTL", shown(token.text));
                let mut error = error(token.at, token.len, "bad-ttl", message);
                error.expected = EXPECTED.to_owned();
                Err(error)
            }
        }
    }

    fn include(&mut self, lexer: &mut Lexer<'_>) -> Result<(), FieldError> {
        let token = argument(lexer, "a file name")?;
        let path = file_name(&token)?;
        let mut origin = self.state.origin.clone();
        if let Some(token) = lexer.next() {
            origin.clear();
            parse::push_name(&token, &self.state.origin, &mut origin)?;
            last(lexer)?;
        }
        if lexer.has_fault() {
            return Ok(());
        }
        let fail = |code, message: String| Err(error(token.at, token.len, code, message));
        if self.open.len() > limits::INCLUDE_DEPTH {
            let most = limits::INCLUDE_DEPTH;
            return fail("include-too-deep", format!("more than {most} files include each other"));
        }
        if self.out.sources.len() >= limits::INCLUDES_MAX {
            let most = limits::INCLUDES_MAX;
            return fail("too-many-includes", format!("a zone includes at most {most} files"));
        }
        let from = self.open.last().map_or("", String::as_str);
        let source = match self.include.open(&path, from) {
            Ok(source) => source,
            Err(why) => {
                self.broken = Broken::ALL;
                let message = format!("cannot include {}: {why}", shown(path.as_bytes()));
                return fail("include-failed", message);
            }
        };
        if self.open.contains(&source.path) {
            let path = shown(source.path.as_bytes());
            return fail("include-loop", format!("{path} would include itself"));
        }
        let before = self.state.clone();
        self.state.origin = origin;
        self.text(source);
        self.restore(before);
        Ok(())
    }
}

/// Whether two words differ in one letter, or in the order of two.
fn is_similar(a: &[u8], b: &[u8]) -> bool {
    let same = |a: &[u8], b: &[u8]| a.eq_ignore_ascii_case(b);
    let start = a.iter().zip(b).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count();
    match (&a[start..], &b[start..]) {
        ([_, a @ ..], [_, b @ ..]) if same(a, b) => true,
        ([_, a @ ..], b) if same(a, b) => true,
        (a, [_, b @ ..]) if same(a, b) => true,
        ([a, b, rest @ ..], [c, d, others @ ..]) => {
            same(&[*a, *b], &[*d, *c]) && same(rest, others)
        }
        _ => false,
    }
}

/// The argument of a directive; nothing may be missing.
pub(super) fn argument<'t>(lexer: &mut Lexer<'t>, expected: &str) -> Result<Token<'t>, FieldError> {
    lexer.next().ok_or_else(|| {
        let message = "the directive ends too early";
        let mut error = error(lexer.end_at(), 1, "missing-argument", message);
        error.expected = expected.to_owned();
        error
    })
}

/// Sees to it that nothing follows.
fn last(lexer: &mut Lexer<'_>) -> Result<(), FieldError> {
    match lexer.next() {
        None => Ok(()),
        Some(token) => {
            let message = format!("{} follows the last argument", shown(token.text));
            let mut error = error(token.at, token.len, "extra-argument", message);
            error.help = Some("remove it, or make it a comment with `;`".to_owned());
            Err(error)
        }
    }
}

/// A file name with its escapes undone.
fn file_name(token: &Token<'_>) -> Result<String, FieldError> {
    let mut octets = Vec::with_capacity(token.text.len());
    let mut rest = token.text;
    while let [first, behind @ ..] = rest {
        rest = behind;
        let mut octet = *first;
        if octet == b'\\'
            && let Some((value, used)) = crate::base::name::unescape(behind)
        {
            octet = value;
            rest = &behind[used..];
        }
        octets.push(octet);
    }
    let name = String::from_utf8(octets).ok().filter(|name| !name.is_empty());
    name.filter(|name| !name.contains('\0')).ok_or_else(|| {
        let message = format!("{} is no file name", shown(token.text));
        error(token.at, token.len, "bad-file-name", message)
    })
}
