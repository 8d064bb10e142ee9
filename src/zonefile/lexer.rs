//! Master-file text to words (RFC 1035 §5.1): one pass, no allocation, places as offsets.
//!
//! An *entry* is one directive or record: a line, or several where parentheses hold them together.
//! A fault ends the words of an entry; what is found missing because of that is not worth telling.

use super::tags::Tags;
use crate::rdata::{FieldError, Quotes, Token, Tokens};

/// How an entry starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Start {
    /// With a word in the first column: an owner or a directive.
    Word,
    /// With a blank: the owner of the last record stays.
    Blank,
    /// There is no further entry.
    End,
}

/// Whether words of the form `key="a b"` are one word, as in SVCB data (RFC 9460 §2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pairs {
    Split,
    Whole,
}

pub(super) struct Lexer<'t> {
    text: &'t [u8],
    pos: usize,
    peeked: Option<Token<'t>>,
    /// End of the last word taken.
    word_end: u32,
    /// Parentheses open, and where the outermost of them is.
    depth: u32,
    paren_at: usize,
    fault: Option<FieldError>,
    /// A quote directly behind a word of this entry.
    stray_quote: Option<u32>,
    /// An open parenthesis once swallowed the rest of the text: from then on a line that starts
    /// like an entry ends the entry before it, so that what follows is read all the same.
    suspicious: bool,
    /// Octets that may still be read a second time.
    rereads: usize,
    /// What the comments of this entry ask for.
    pub tags: Tags,
    pub pairs: Pairs,
}

/// What an octet means outside quotes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Word,
    Blank,
    Newline,
    Return,
    Comment,
    Open,
    Close,
    Quote,
    Escape,
}

static CLASS: [Class; 256] = {
    let mut table = [Class::Word; 256];
    table[b' ' as usize] = Class::Blank;
    table[b'\t' as usize] = Class::Blank;
    table[b'\n' as usize] = Class::Newline;
    table[b'\r' as usize] = Class::Return;
    table[b';' as usize] = Class::Comment;
    table[b'(' as usize] = Class::Open;
    table[b')' as usize] = Class::Close;
    table[b'"' as usize] = Class::Quote;
    table[b'\\' as usize] = Class::Escape;
    table
};

fn class(b: u8) -> Class {
    CLASS[usize::from(b)]
}

impl<'t> Lexer<'t> {
    pub fn new(text: &'t [u8]) -> Lexer<'t> {
        Lexer::at(text, if text.starts_with(BOM) { BOM.len() } else { 0 })
    }

    /// Starts inside a text.
    pub fn at(text: &'t [u8], pos: usize) -> Lexer<'t> {
        Lexer {
            text,
            pos,
            peeked: None,
            word_end: 0,
            depth: 0,
            paren_at: 0,
            fault: None,
            stray_quote: None,
            suspicious: false,
            rereads: 2 * text.len() + 65_536,
            tags: Tags::default(),
            pairs: Pairs::Split,
        }
    }

    /// Goes to the next entry, past empty lines and comments. To be called at the start of a line.
    pub fn begin(&mut self) -> Start {
        loop {
            let line = self.pos;
            while self.text.get(self.pos).is_some_and(|&b| class(b) == Class::Blank) {
                self.pos += 1;
            }
            match self.text.get(self.pos).map(|&b| class(b)) {
                None => return Start::End,
                Some(Class::Newline) => self.pos += 1,
                Some(Class::Return) if self.skip_returns() => {}
                Some(Class::Comment) => self.pos = line_end(self.text, self.pos),
                Some(_) => {
                    self.word_end = self.pos as u32;
                    self.stray_quote = None;
                    self.tags = Tags::default();
                    self.pairs = Pairs::Split;
                    return if self.pos > line { Start::Blank } else { Start::Word };
                }
            }
        }
    }

    /// Offset of what is read next.
    pub fn pos(&self) -> usize {
        self.pos
    }

    /// Whether the entry starts with this octet.
    pub fn starts_with(&self, b: u8) -> bool {
        self.text.get(self.pos) == Some(&b)
    }

    /// A quote directly behind a word, where another word starts: most likely a slip.
    pub fn stray_quote(&self) -> Option<u32> {
        self.stray_quote
    }

    /// Whether the entry is written wrongly as far as it was read.
    pub fn has_fault(&self) -> bool {
        self.fault.is_some()
    }

    /// Ends the entry: skips what is left of it. Whatever was wrong with how it is written comes
    /// out, also when it is found only while skipping.
    pub fn end(&mut self) -> Option<FieldError> {
        while self.next().is_some() {}
        self.peeked = None;
        let mut fault = self.fault.take()?;
        if fault.code != UNCLOSED_PARENTHESIS {
            self.skip_rest();
        } else {
            self.suspicious = true;
            if self.pos == self.text.len() && !self.back_to(line_end(self.text, self.paren_at)) {
                fault.help = Some("close it first: what follows it was not read".to_owned());
            }
        }
        self.depth = 0;
        Some(fault)
    }

    /// After a fault: to the end of its line and of the parentheses that are open there. The fault
    /// may have swallowed a closing one, so the lines are read with suspicion.
    fn skip_rest(&mut self) {
        let before = std::mem::replace(&mut self.suspicious, true);
        let first_line_end = line_end(self.text, self.pos);
        self.pos = first_line_end;
        while self.depth > 0 {
            while self.scan().is_some() {}
            match self.fault.take() {
                Some(fault) if fault.code != UNCLOSED_PARENTHESIS => {
                    self.pos = line_end(self.text, self.pos);
                }
                Some(_) if self.pos == self.text.len() => {
                    self.back_to(first_line_end);
                    return;
                }
                _ => break,
            }
        }
        self.suspicious = before;
    }

    /// Reads on from an earlier line. Not without end: a text full of open parentheses would be
    /// read once for each of them.
    fn back_to(&mut self, pos: usize) -> bool {
        match self.rereads.checked_sub(self.pos - pos) {
            Some(left) => {
                self.rereads = left;
                self.pos = pos;
                true
            }
            None => false,
        }
    }

    fn fail(&mut self, at: usize, len: usize, code: &'static str, message: &str, help: &str) {
        self.fault = Some(FieldError {
            at: at as u32,
            len: len as u32,
            code,
            message: message.to_owned(),
            expected: String::new(),
            help: Some(help.to_owned()),
        });
    }

    /// The next word, or `None` at the end of the entry, where `pos` stays.
    fn scan(&mut self) -> Option<Token<'t>> {
        if self.fault.is_some() {
            return None;
        }
        loop {
            let Some(&b) = self.text.get(self.pos) else {
                if self.depth > 0 {
                    self.unclosed();
                }
                return None;
            };
            match class(b) {
                Class::Word | Class::Escape => return Some(self.word()),
                Class::Blank => self.pos += 1,
                Class::Quote => return self.quoted(),
                Class::Comment => {
                    let end = line_end(self.text, self.pos);
                    self.tags.read(&self.text[self.pos + 1..end], self.pos as u32 + 1);
                    self.pos = end;
                }
                Class::Newline if self.depth == 0 => return None,
                Class::Newline => {
                    self.pos += 1;
                    if self.suspicious && self.looks_like_entry() {
                        self.unclosed();
                        return None;
                    }
                }
                Class::Return if self.skip_returns() => {}
                Class::Return => {
                    const HELP: &str = "end lines with LF or CR LF (`dos2unix -c mac` converts)";
                    self.fail(self.pos, 1, "bare-cr", "a carriage return without line feed", HELP);
                    return None;
                }
                Class::Open => {
                    if self.depth == 0 {
                        self.paren_at = self.pos;
                    }
                    self.depth += 1;
                    self.pos += 1;
                }
                Class::Close if self.depth == 0 => {
                    const HELP: &str = "remove it, or write the `(` it belongs to";
                    let message = "a `)` closes nothing";
                    self.fail(self.pos, 1, "unopened-parenthesis", message, HELP);
                    return None;
                }
                Class::Close => {
                    self.depth -= 1;
                    self.pos += 1;
                }
            }
        }
    }

    fn word(&mut self) -> Token<'t> {
        let at = self.pos;
        let mut pos = at;
        while let Some(&b) = self.text.get(pos) {
            match class(b) {
                Class::Word => pos += 1,
                // A line end cannot be escaped: the word ends with the backslash.
                Class::Escape => {
                    let next = self.text.get(pos + 1);
                    pos += if next.is_none_or(|b| matches!(b, b'\n' | b'\r')) { 1 } else { 2 };
                }
                Class::Quote if self.pairs == Pairs::Whole && self.text[pos - 1] == b'=' => {
                    let Some(end) = closing_quote(self.text, pos) else { break };
                    pos = end + 1;
                }
                Class::Quote => {
                    self.stray_quote.get_or_insert(pos as u32);
                    break;
                }
                _ => break,
            }
        }
        self.pos = pos;
        Token {
            text: &self.text[at..pos],
            quotes: Quotes::None,
            at: at as u32,
            len: (pos - at) as u32,
        }
    }

    fn quoted(&mut self) -> Option<Token<'t>> {
        let at = self.pos;
        let Some(end) = closing_quote(self.text, at) else {
            const HELP: &str = "close it on the same line; write a line feed in text as `\\010`";
            let len = visible_line_end(self.text, at) - at;
            self.fail(at, len, "unclosed-quote", "a quoted text is not closed on its line", HELP);
            return None;
        };
        self.pos = end + 1;
        let len = (end + 1 - at) as u32;
        Some(Token { text: &self.text[at + 1..end], quotes: Quotes::Around, at: at as u32, len })
    }

    /// At a CR: skips it if only further CRs stand between it and a line feed or the end.
    fn skip_returns(&mut self) -> bool {
        let rest = &self.text[self.pos..];
        let returns = rest.iter().take_while(|&&b| b == b'\r').count();
        let ends_line = matches!(rest.get(returns), None | Some(b'\n'));
        if ends_line {
            self.pos += returns;
        }
        ends_line
    }

    fn unclosed(&mut self) {
        const HELP: &str = "close it with `)` where the record ends";
        let message = "this `(` is never closed";
        self.fail(self.paren_at, 1, UNCLOSED_PARENTHESIS, message, HELP);
    }

    /// At the start of a line: whether it starts like an entry rather than going on with one.
    fn looks_like_entry(&self) -> bool {
        let first = self.text.get(self.pos).map(|&b| class(b));
        matches!(first, Some(Class::Word | Class::Escape))
    }
}

/// What some editors put before a text in UTF-8.
pub(super) const BOM: &[u8] = b"\xEF\xBB\xBF";

pub(super) const UNCLOSED_PARENTHESIS: &str = "unclosed-parenthesis";

impl<'t> Tokens<'t> for Lexer<'t> {
    fn next(&mut self) -> Option<Token<'t>> {
        let token = match self.peeked.take() {
            Some(token) => token,
            None => self.scan()?,
        };
        self.word_end = token.at + token.len;
        Some(token)
    }

    fn peek(&mut self) -> Option<Token<'t>> {
        if self.peeked.is_none() {
            self.peeked = self.scan();
        }
        self.peeked
    }

    fn end_at(&self) -> u32 {
        self.word_end
    }
}

/// Offset of the line feed that ends the line of `at`, or the end of the text.
fn line_end(text: &[u8], at: usize) -> usize {
    text[at..].iter().position(|&b| b == b'\n').map_or(text.len(), |n| at + n)
}

/// The same without the CR and blanks before the line feed.
fn visible_line_end(text: &[u8], at: usize) -> usize {
    let line = &text[at..line_end(text, at)];
    at + line.trim_ascii_end().len()
}

/// Offset of the quote that closes the one at `at`, on the same line.
fn closing_quote(text: &[u8], at: usize) -> Option<usize> {
    let mut pos = at + 1;
    loop {
        match *text.get(pos)? {
            b'"' => return Some(pos),
            b'\n' => return None,
            b'\\' if text.get(pos + 1).is_some_and(|&b| b != b'\n') => pos += 2,
            _ => pos += 1,
        }
    }
}
