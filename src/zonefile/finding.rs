//! A remark on a zone file: where, what, what was expected, how to fix it.

use std::sync::Arc;

use crate::base::limits::FINDINGS_MAX;
use crate::rdata::FieldError;

/// One text that a zone was read from: the zone file or an included file.
#[derive(Clone, Debug)]
pub struct Source {
    /// Path as shown to people: relative to the folder of the config, e.g.
    /// `zones/customer/example.com.zone`.
    pub path: String,
    pub text: Arc<[u8]>,
}

/// A place in one of a zone's sources. Line and column are computed only when a finding is shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Place {
    /// Index into the zone's sources.
    pub source: u16,
    /// Octet offset in the source's text.
    pub at: u32,
    /// Octets the caret covers; at least 1 is shown.
    pub len: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// The zone does not load.
    Error,
    /// The zone loads.
    Warning,
}

/// One finding. `code` is a stable kebab-case word for machines (`cname-and-other-data`);
/// `message` says what is wrong with the value seen; `expected` what should stand there; `help` how
/// to fix it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    pub severity: Severity,
    pub code: &'static str,
    pub place: Place,
    pub message: String,
    pub expected: Option<String>,
    pub help: Option<String>,
    /// Another place that has to do with it, e.g. the record that was there first.
    pub note: Option<Note>,
}

/// A second place of a finding and what stands there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    pub place: Place,
    pub text: String,
}

impl Finding {
    pub fn error(code: &'static str, place: Place, message: impl Into<String>) -> Finding {
        Finding::new(Severity::Error, code, place, message.into())
    }

    pub fn warning(code: &'static str, place: Place, message: impl Into<String>) -> Finding {
        Finding::new(Severity::Warning, code, place, message.into())
    }

    /// An error in a record's text. Places of a record lie in one source.
    pub fn field(source: u16, e: FieldError) -> Finding {
        let place = Place { source, at: e.at, len: e.len };
        let expected = Some(e.expected).filter(|text| !text.is_empty());
        Finding { expected, help: e.help, ..Finding::error(e.code, place, e.message) }
    }

    fn new(severity: Severity, code: &'static str, place: Place, message: String) -> Finding {
        Finding { severity, code, place, message, expected: None, help: None, note: None }
    }

    /// Says what should stand there.
    pub fn expected(mut self, text: impl Into<String>) -> Finding {
        self.expected = Some(text.into());
        self
    }

    /// Says how to fix it.
    pub fn help(mut self, text: impl Into<String>) -> Finding {
        self.help = Some(text.into());
        self
    }

    /// Points at a second place.
    pub fn note(mut self, place: Place, text: impl Into<String>) -> Finding {
        self.note = Some(Note { place, text: text.into() });
        self
    }
}

/// Gathers findings and keeps of each severity the first `FINDINGS_MAX` in the file: a wrong file
/// fills no memory, and no flood of warnings hides an error.
#[derive(Debug, Default)]
pub struct Findings {
    kept: Vec<Finding>,
    pub errors: usize,
    pub warnings: usize,
}

impl Findings {
    pub fn report(&mut self, finding: Finding) {
        match finding.severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
        }
        self.kept.push(finding);
        if self.kept.len() >= 4 * FINDINGS_MAX {
            self.settle();
        }
    }

    /// Takes in what others found behind all that was found so far.
    pub fn absorb(&mut self, more: Findings) {
        self.errors += more.errors;
        self.warnings += more.warnings;
        self.kept.extend(more.kept);
        if self.kept.len() >= 4 * FINDINGS_MAX {
            self.settle();
        }
    }

    /// What was kept, by place, and how many were not.
    pub fn finish(mut self) -> (Vec<Finding>, usize) {
        self.settle();
        let left_out = self.errors + self.warnings - self.kept.len();
        (self.kept, left_out)
    }

    fn settle(&mut self) {
        self.kept.sort_by_key(|finding| (finding.place, finding.severity));
        let (mut errors, mut warnings) = (0, 0);
        self.kept.retain(|finding| {
            let count = match finding.severity {
                Severity::Error => &mut errors,
                Severity::Warning => &mut warnings,
            };
            *count += 1;
            *count <= FINDINGS_MAX
        });
    }
}
