//! Findings as people and programs read them: `path:line:column`, the line with a caret, advice.
//!
//! Columns count characters, a tab as one. Whatever a terminal might act on is shown as a sign.

use std::cell::OnceCell;
use std::ops::Range;

use serde::Serialize;

use super::finding::{Finding, Place, Severity, Source};

/// Whether the text is for a terminal that shows colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Colour {
    Plain,
    Ansi,
}

/// Characters of a line that are shown at the most: longer ones are cut around the caret.
const WINDOW: usize = 120;
/// Of these, how many stand before the caret.
const BEFORE: usize = 40;

/// Shows findings. Keeps where lines start, so that the thousandth finding costs no more than the
/// first.
pub struct Renderer<'a> {
    sources: &'a [Source],
    /// Offsets of line starts, for each source.
    lines: Vec<OnceCell<Vec<u32>>>,
}

/// A finding as JSON; the keys are a contract.
#[derive(Serialize, Clone, PartialEq, Eq, Debug)]
pub struct Shown<'f> {
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub severity: &'static str,
    pub code: &'static str,
    pub message: &'f str,
    pub expected: Option<&'f str>,
    pub help: Option<&'f str>,
    /// The line the finding is about, cut as for people where it is long.
    pub text: String,
}

/// Where something stands, and the part of the line that is shown.
struct Excerpt {
    line: usize,
    column: usize,
    text: String,
    /// Characters of `text` before the caret, and carets.
    before: usize,
    carets: usize,
}

impl<'a> Renderer<'a> {
    pub fn new(sources: &'a [Source]) -> Renderer<'a> {
        Renderer { sources, lines: sources.iter().map(|_| OnceCell::new()).collect() }
    }

    /// Appends a finding as text for people, with a line feed at the end.
    pub fn write(&self, finding: &Finding, colour: Colour, out: &mut String) {
        let paint = |code: &'static str| match colour {
            Colour::Ansi => code,
            Colour::Plain => "",
        };
        let (bold, blue, reset) = (paint("\x1b[1m"), paint("\x1b[34m"), paint("\x1b[0m"));
        let tone = match finding.severity {
            Severity::Error => paint("\x1b[1;31m"),
            Severity::Warning => paint("\x1b[1;33m"),
        };
        let excerpt = self.excerpt(finding.place);
        let (severity, code) = (severity(finding), finding.code);
        let place = self.at(finding.place, &excerpt);
        let message = visible(&finding.message);
        let mut text = format!(
            "{bold}{place}:{reset} {tone}{severity}[{code}]{reset}{bold}: {message}{reset}\n"
        );
        let number = excerpt.line.to_string();
        let gap = " ".repeat(number.len());
        let line = &excerpt.text;
        let caret = " ".repeat(excerpt.before) + tone + &"^".repeat(excerpt.carets);
        text +=
            &format!("  {blue}{number} |{reset} {line}\n  {blue}{gap} |{reset} {caret}{reset}\n");
        for (word, advice) in [("expected", &finding.expected), ("help", &finding.help)] {
            if let Some(advice) = advice {
                text += &format!("  {bold}{word}:{reset} {}\n", visible(advice));
            }
        }
        if let Some(note) = &finding.note {
            let place = self.at(note.place, &self.excerpt(note.place));
            text += &format!("  {bold}note:{reset} {place}: {}\n", visible(&note.text));
        }
        out.push_str(&text);
    }

    /// A finding for programs.
    pub fn show<'f>(&self, finding: &'f Finding) -> Shown<'f> {
        let excerpt = self.excerpt(finding.place);
        Shown {
            file: self.path(finding.place).to_owned(),
            line: excerpt.line,
            column: excerpt.column,
            severity: severity(finding),
            code: finding.code,
            message: &finding.message,
            expected: finding.expected.as_deref(),
            help: finding.help.as_deref(),
            text: excerpt.text,
        }
    }

    /// Line and column of a place, both from 1.
    pub fn line_and_column(&self, place: Place) -> (usize, usize) {
        let excerpt = self.excerpt(place);
        (excerpt.line, excerpt.column)
    }

    fn at(&self, place: Place, excerpt: &Excerpt) -> String {
        format!("{}:{}:{}", visible(self.path(place)), excerpt.line, excerpt.column)
    }

    fn path(&self, place: Place) -> &str {
        self.sources.get(usize::from(place.source)).map_or("", |source| &source.path)
    }

    fn excerpt(&self, place: Place) -> Excerpt {
        let source = usize::from(place.source);
        let text = self.sources.get(source).map_or(&[][..], |source| &source.text);
        let at = (place.at as usize).min(text.len());
        let (line, span) = match self.lines.get(source) {
            Some(lines) => line_of(lines.get_or_init(|| line_starts(text)), text, at),
            None => (1, 0..0),
        };
        let end = at + (place.len as usize).max(1);
        // What is about the whole text stands at 0, where there may be a byte order mark.
        let at = at.clamp(span.start, span.end);
        let end = end.clamp(at, span.end);
        let before = characters(&text[span.start..at]).count();
        let marked = characters(&text[at..end]).count().max(1);
        let fits = before + marked <= WINDOW;
        let from = if fits { 0 } else { before.saturating_sub(BEFORE) };
        let mut shown = String::new();
        let mut rest = characters(&text[span.clone()]).skip(from);
        if from > 0 && rest.next().is_some() {
            shown.push('…');
        }
        shown.extend(rest.by_ref().take(WINDOW - usize::from(from > 0)));
        if rest.next().is_some() {
            shown.push('…');
        }
        let width = before - from;
        Excerpt {
            line,
            column: before + 1,
            text: shown,
            before: width,
            carets: marked.min(WINDOW - width),
        }
    }
}

fn severity(finding: &Finding) -> &'static str {
    match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn line_starts(text: &[u8]) -> Vec<u32> {
    let ends = text.iter().enumerate().filter(|(_, b)| **b == b'\n');
    [0].into_iter().chain(ends.map(|(at, _)| at as u32 + 1)).collect()
}

/// Number of the line that `at` lies in, and the line without its end.
fn line_of(starts: &[u32], text: &[u8], at: usize) -> (usize, Range<usize>) {
    let number = starts.partition_point(|&start| start as usize <= at).max(1);
    let mut start = starts[number - 1] as usize;
    let mut end = starts.get(number).map_or(text.len(), |&next| next as usize - 1);
    while end > start && text[end - 1] == b'\r' {
        end -= 1;
    }
    if number == 1 && text.starts_with(b"\xEF\xBB\xBF") {
        start = end.min(3);
    }
    (number, start..end)
}

/// The characters of a text, each as one that is safe to show and takes one column.
fn characters(text: &[u8]) -> impl Iterator<Item = char> {
    text.utf8_chunks().flat_map(|chunk| {
        let broken = std::iter::repeat_n('\u{FFFD}', chunk.invalid().len());
        chunk.valid().chars().map(safe).chain(broken)
    })
}

fn visible(text: &str) -> String {
    text.chars().map(safe).collect()
}

/// A character as it may go to a terminal: controls as their pictures, and what would reorder or
/// hide text as a replacement.
fn safe(c: char) -> char {
    match c {
        '\t' => ' ',
        '\0'..='\x1F' => char::from_u32(0x2400 + c as u32).unwrap_or('\u{FFFD}'),
        '\x7F' => '\u{2421}',
        '\u{80}'..='\u{9F}' | '\u{AD}' | '\u{61C}' | '\u{180E}' => '\u{FFFD}',
        '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' => '\u{FFFD}',
        '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' => '\u{FFFD}',
        '\u{E0000}'..='\u{E0FFF}' => '\u{FFFD}',
        c => c,
    }
}
