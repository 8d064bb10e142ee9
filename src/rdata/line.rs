//! Words of a text that holds the data of one record and nothing else, as programs give it.

use super::token::{Quotes, Token, Tokens};

/// The words of one text: spaces and line ends part them, quotes join, `\` takes the next octet as
/// it is. Parentheses and comments are a matter of zone files and mean nothing here.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Line<'a> {
    pub fn new(text: &'a [u8]) -> Line<'a> {
        Line { text, at: 0 }
    }

    /// Octets up to the quote that closes, or to the end.
    fn quoted(&self, from: usize) -> usize {
        let mut at = from;
        while at < self.text.len() && self.text[at] != b'"' {
            at += if self.text[at] == b'\\' { 2 } else { 1 };
        }
        at.min(self.text.len())
    }
}

impl<'a> Tokens<'a> for Line<'a> {
    fn next(&mut self) -> Option<Token<'a>> {
        let text = self.text;
        while text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        let from = self.at;
        if *text.get(from)? == b'"' {
            let end = self.quoted(from + 1);
            self.at = (end + 1).min(text.len());
            let len = (self.at - from) as u32;
            return Some(Token {
                text: &text[from + 1..end],
                quotes: Quotes::Around,
                at: from as u32,
                len,
            });
        }
        let mut at = from;
        while at < text.len() && !text[at].is_ascii_whitespace() {
            at += match text[at] {
                b'\\' => 2,
                b'"' if text[at - 1] == b'=' => self.quoted(at + 1) + 1 - at,
                b'"' => break,
                _ => 1,
            };
        }
        self.at = at.min(text.len());
        let word = &text[from..self.at];
        Some(Token { text: word, quotes: Quotes::None, at: from as u32, len: word.len() as u32 })
    }

    fn peek(&mut self) -> Option<Token<'a>> {
        self.clone().next()
    }

    fn end_at(&self) -> u32 {
        self.text.len() as u32
    }
}
