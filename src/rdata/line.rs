//! Data of one record in a text that holds nothing else, as programs give it.

use super::scan::from_text;
use super::token::{FieldError, Quotes, Token, Tokens};
use crate::base::rtype::RType;

/// Reads the data of one record from a text of its own, like `from_text`. Spaces, line ends and
/// quotes part the words; parentheses and comments belong to zone files and mean nothing here.
pub fn from_line(
    rtype: RType,
    text: &[u8],
    origin: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), FieldError> {
    let start = out.len();
    let mut line = Line { text, at: 0, unclosed: None };
    let result = from_text(rtype, &mut line, origin, out);
    match line.unclosed {
        Some(token) => {
            out.truncate(start);
            let message = "a quote is opened and not closed";
            Err(FieldError::new(&token, "unclosed-quote", message, "another `\"`"))
        }
        None => result,
    }
}

/// The words of one text.
#[derive(Clone)]
struct Line<'a> {
    text: &'a [u8],
    at: usize,
    /// The quote that nothing closes.
    unclosed: Option<Token<'a>>,
}

impl<'a> Line<'a> {
    /// Octets from `at` up to one that `ends` a word, or to the end; escapes end nothing.
    fn until(&self, mut at: usize, ends: impl Fn(&u8) -> bool) -> usize {
        while let Some(b) = self.text.get(at)
            && !ends(b)
        {
            at += if *b == b'\\' { 2 } else { 1 };
        }
        at.min(self.text.len())
    }
}

impl<'a> Tokens<'a> for Line<'a> {
    fn next(&mut self) -> Option<Token<'a>> {
        let text = self.text;
        let blanks = text[self.at..].iter().take_while(|b| b.is_ascii_whitespace()).count();
        let from = self.at + blanks;
        let at = from as u32;
        if *text.get(from)? != b'"' {
            self.at = self.until(from, |b| *b == b'"' || b.is_ascii_whitespace());
            let word = &text[from..self.at];
            return Some(Token { text: word, quotes: Quotes::None, at, len: word.len() as u32 });
        }
        let end = self.until(from + 1, |b| *b == b'"');
        self.at = (end + 1).min(text.len());
        let len = (self.at - from) as u32;
        let token = Token { text: &text[from + 1..end], quotes: Quotes::Around, at, len };
        if end == text.len() {
            self.unclosed = Some(token);
            return None;
        }
        Some(token)
    }

    fn peek(&mut self) -> Option<Token<'a>> {
        self.clone().next()
    }

    fn end_at(&self) -> u32 {
        self.text.len() as u32
    }
}
