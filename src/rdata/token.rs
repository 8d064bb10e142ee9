//! The words of a record's text as the caller cut them, and what is said of a wrong one.

use std::fmt::Write;

/// One word of a record's text.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    /// Octets as written: escapes still in place, enclosing quotes taken off.
    pub text: &'a [u8],
    /// Whether the whole word stood in quotes.
    pub quotes: Quotes,
    /// Octet offset of the word in its source, its opening quote included.
    pub at: u32,
    /// Octets of the word in its source, quotes included.
    pub len: u32,
}

/// Whether a word stood in quotes. As wide as a machine word, since with a `bool` there would be
/// padding in `Token`, copied in overlapping pieces: that alone doubled the time of a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Quotes {
    None,
    Around,
}

impl Token<'_> {
    #[inline]
    pub fn is_quoted(&self) -> bool {
        self.quotes == Quotes::Around
    }

    /// Whether the word has a quoted part, as a parameter's value is (`alpn="h2"`).
    #[inline]
    pub fn ends_in_quotes(&self) -> bool {
        matches!(self.text, [.., before, b'"'] if *before != b'\\')
    }
}

/// The words of the rest of one record, comments and parentheses already taken out.
///
/// A `"` directly behind a `=` inside a word opens a quoted part (`alpn="h2,h3"`, RFC 9460 §2.1).
/// It may be given as one word with the quotes left in `text` and `quotes` none, or as two words
/// without a gap between them. Text that cannot be cut into words (a quote never closed) ends the
/// words; the caller reports that in place of whatever is found missing then.
pub trait Tokens<'a> {
    /// Takes the next word.
    fn next(&mut self) -> Option<Token<'a>>;
    /// Looks at the next word without taking it.
    fn peek(&mut self) -> Option<Token<'a>>;
    /// Offset where the record ends: there a missing word is reported.
    fn end_at(&self) -> u32;
}

/// What is wrong with a record's data and where. `code` is a stable kebab-case word for machines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldError {
    pub at: u32,
    pub len: u32,
    pub code: &'static str,
    /// What is wrong, with the value seen.
    pub message: String,
    /// What should stand there.
    pub expected: String,
    /// How to put it right, where that can be told.
    pub help: Option<String>,
}

impl FieldError {
    /// Something wrong with one word.
    #[cold]
    pub(super) fn new(
        token: &Token,
        code: &'static str,
        message: impl Into<String>,
        expected: impl Into<String>,
    ) -> FieldError {
        FieldError {
            at: token.at,
            len: token.len,
            code,
            message: message.into(),
            expected: expected.into(),
            help: None,
        }
    }

    #[cold]
    pub(super) fn help(self, help: impl Into<String>) -> FieldError {
        FieldError { help: Some(help.into()), ..self }
    }
}

/// A word as messages quote it: in backquotes, cut when long, without octets that could disturb a
/// terminal.
#[cold]
pub(super) fn shown(text: &[u8]) -> String {
    const MOST: usize = 60;
    let mut shown = String::from("`");
    // A word may be as long as its file; what is not shown need not be looked at.
    let whole = String::from_utf8_lossy(&text[..text.len().min(8 * MOST)]);
    for c in whole.chars().take(MOST) {
        if c.is_control() {
            write!(shown, "\\{:03}", u32::from(c)).expect("a String takes all writes");
        } else {
            shown.push(c);
        }
    }
    if whole.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown.push('`');
    shown
}
