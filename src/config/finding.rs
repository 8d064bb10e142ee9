//! A remark on a config: where, what was seen, what was expected, how to fix it; as text and as JSON.

use std::fmt;

use serde::Serialize;

use super::settings::Place;
use crate::zonefile::finding::Severity;

/// Characters of a line that are shown at the most; longer ones are cut around the caret.
const LINE_SHOWN: usize = 100;

/// One finding. `code` is a stable kebab-case word for machines.
///
/// Displays as `file:line:column: error: …`, the line with a caret, what was expected, and help. In JSON the keys are
/// `severity`, `code`, `file`, `line`, `column`, `length`, `key`, `message`, `expected`, `help`, `source`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ConfigFinding {
    #[serde(serialize_with = "severity_word")]
    pub severity: Severity,
    pub code: &'static str,
    /// Path of the config as the operator wrote it.
    pub file: String,
    /// `None` where the whole file is meant.
    #[serde(flatten)]
    pub spot: Option<Spot>,
    /// The key in full, e.g. `server.listen[1]`; empty for findings about syntax.
    pub key: String,
    pub message: String,
    pub expected: Option<String>,
    pub help: Option<String>,
}

/// A place with what is to be seen there.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Spot {
    pub line: u32,
    pub column: u32,
    /// Characters the caret covers, at least 1.
    pub length: u32,
    /// The line; secrets in it are blotted out.
    pub source: String,
}

impl Spot {
    pub fn place(&self) -> Place {
        Place { line: self.line, column: self.column }
    }
}

impl ConfigFinding {
    /// A finding about the file as a whole, e.g. that it cannot be read.
    pub fn of_file(file: &str, code: &'static str, message: String) -> ConfigFinding {
        ConfigFinding {
            severity: Severity::Error,
            code,
            file: file.into(),
            spot: None,
            key: String::new(),
            message,
            expected: None,
            help: None,
        }
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for ConfigFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if let Some(spot) = &self.spot {
            write!(f, "{}:", spot.place())?;
        }
        write!(f, " {}: {} [{}]", word(self.severity), self.message, self.code)?;
        if let Some(spot) = &self.spot {
            spot.show(f)?;
        }
        if let Some(expected) = &self.expected {
            write!(f, "\n    expected: {expected}")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n    help: {help}")?;
        }
        Ok(())
    }
}

impl Spot {
    /// The line and a caret below it. Tabs are kept before the caret, so that it stands right on any terminal.
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = self.column.max(1) as usize - 1;
        let line: Vec<char> = self.source.chars().map(printable).collect();
        let first = column.saturating_sub(LINE_SHOWN / 2);
        let first = if line.len() <= LINE_SHOWN { 0 } else { first };
        let last = line.len().min(first + LINE_SHOWN);
        let (cut_before, cut_after) = (first > 0, last < line.len());
        let shown: String = line[first.min(last)..last].iter().collect();
        let mark = |cut: bool| if cut { "…" } else { "" };
        write!(f, "\n{:>5} | {}{shown}{}", self.line, mark(cut_before), mark(cut_after))?;
        let before: String = line[first.min(last)..column.min(last)]
            .iter()
            .map(|&c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let room = last.saturating_sub(column).max(1);
        let carets = "^".repeat((self.length as usize).clamp(1, room));
        write!(f, "\n      | {}{before}{carets}", if cut_before { " " } else { "" })
    }
}

/// Control characters would act on the terminal of whoever reads the finding.
fn printable(c: char) -> char {
    if c.is_control() && c != '\t' { '\u{FFFD}' } else { c }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn severity_word<S: serde::Serializer>(severity: &Severity, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(word(*severity))
}
