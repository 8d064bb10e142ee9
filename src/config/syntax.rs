//! Text to TOML tables, with what can still be read of a text that is broken somewhere.
//!
//! A TOML error spoils what follows it: an unclosed list swallows the next tables. Therefore a broken text is cut at
//! the lines that begin with `[`, each section is tried alone, and the broken ones are blanked out. One error is
//! reported for each, and the others are read as if nothing had happened.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub type Table<'a> = DeTable<'a>;
pub type Value<'a> = Spanned<DeValue<'a>>;

/// What the parser calls a key that stands there twice; it goes on with the first.
const TWICE: &str = "duplicate key";

/// One error of syntax.
pub struct SyntaxError {
    pub span: Range<usize>,
    pub message: String,
}

/// The text with broken sections blanked out (same length, same lines), and the errors found.
pub fn mend(text: &str) -> (Cow<'_, str>, Vec<SyntaxError>) {
    if DeTable::parse(text).is_ok() {
        return (Cow::Borrowed(text), Vec::new());
    }
    let mut mended = String::with_capacity(text.len());
    let mut errors = Vec::new();
    for section in sections(text) {
        let part = &text[section.clone()];
        match first_error(part) {
            None => mended.push_str(part),
            Some(mut error) => {
                error.span = error.span.start + section.start..error.span.end + section.start;
                errors.push(error);
                mended.extend(part.bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }));
            }
        }
    }
    (Cow::Owned(mended), errors)
}

/// Tables of a mended text. What is left are keys and tables that stand there twice: the first counts.
pub fn tables(mended: &str) -> (Spanned<Table<'_>>, Vec<SyntaxError>) {
    let (tables, errors) = DeTable::parse_recoverable(mended);
    (tables, errors.iter().map(syntax_error).collect())
}

fn first_error(part: &str) -> Option<SyntaxError> {
    let (_, errors) = DeTable::parse_recoverable(part);
    let breaking = errors.iter().filter(|e| e.message() != TWICE);
    breaking.map(syntax_error).min_by_key(|e| e.span.start)
}

fn syntax_error(error: &toml::de::Error) -> SyntaxError {
    SyntaxError { span: error.span().unwrap_or(0..0), message: error.message().to_owned() }
}

/// Cuts a text before each line that begins with `[`.
fn sections(text: &str) -> impl Iterator<Item = Range<usize>> {
    let heads = text.match_indices("\n[").map(|(at, _)| at + 1);
    let ends = heads.chain([text.len()]);
    ends.scan(0, |start, end| Some(std::mem::replace(start, end)..end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_section_spoils_no_other() {
        let text = "[server]\nlisten = [\"a\"\n[log]\nformat = \"text\"\n[hold]\npercent = much\n";
        let (mended, errors) = mend(text);
        assert_eq!(mended.len(), text.len());
        let seen: Vec<_> = errors.iter().map(|e| &text[e.span.clone()]).collect();
        assert_eq!(seen, ["", "much"]);
        let (tables, errors) = tables(&mended);
        assert!(errors.is_empty());
        let keys: Vec<_> = tables.get_ref().keys().map(|k| k.get_ref().to_string()).collect();
        assert_eq!(keys, ["log"]);
    }

    #[test]
    fn sound_text_is_left_alone() {
        let (mended, errors) = mend("[log]\nformat = \"text\"\n");
        assert!(matches!(mended, Cow::Borrowed(_)) && errors.is_empty());
    }

    #[test]
    fn what_stands_twice_is_an_error() {
        for text in ["[log]\n[hold]\n[log]\n", "[hold]\npercent = 1\npercent = 2\n"] {
            let (mended, errors) = mend(text);
            assert!(errors.is_empty());
            let (tables, errors) = tables(&mended);
            assert_eq!(errors.len(), 1);
            assert!(tables.get_ref().contains_key("hold"));
        }
    }
}
