//! A remark on a zone file: where, what, what was expected, how to fix it.

use std::sync::Arc;

/// One text that a zone was read from: the zone file or an included file.
#[derive(Clone, Debug)]
pub struct Source {
    /// Path as shown to people: relative to the folder of the config, e.g. `zones/customer/example.com.zone`.
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

/// One finding. `code` is a stable kebab-case word for machines (`cname-and-other-data`); `message` says what is
/// wrong with the value seen; `expected` what should stand there; `help` how to fix it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    pub severity: Severity,
    pub code: &'static str,
    pub place: Place,
    pub message: String,
    pub expected: Option<String>,
    pub help: Option<String>,
}
