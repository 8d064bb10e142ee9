//! A remark on a config, shown as those on zone files are: place, line with a caret, advice.

use std::fmt;

use serde::Serialize;

use crate::zonefile::finding::{Finding, Place, Severity, Source};
use crate::zonefile::{Colour, Renderer, Shown};

/// One finding, with the text it is about.
#[derive(Clone, Debug)]
pub struct ConfigFinding {
    /// The key in full, e.g. `server.listen[1]`; empty for findings about syntax.
    pub key: String,
    pub finding: Finding,
    source: Source,
}

/// A finding as JSON: the keys of a finding on a zone file, and `key`.
#[derive(Serialize, Clone, PartialEq, Eq, Debug)]
pub struct ShownConfig<'f> {
    pub key: &'f str,
    #[serde(flatten)]
    pub finding: Shown<'f>,
}

impl ConfigFinding {
    pub fn new(source: &Source, key: &str, finding: Finding) -> ConfigFinding {
        ConfigFinding { key: key.to_owned(), finding, source: source.clone() }
    }

    /// An error about the file as a whole, e.g. that it cannot be read.
    pub fn of_file(path: &str, code: &'static str, message: String) -> ConfigFinding {
        let source = Source { path: path.to_owned(), text: [].into() };
        ConfigFinding::new(&source, "", Finding::error(code, Place::default(), message))
    }

    pub fn is_error(&self) -> bool {
        self.finding.severity == Severity::Error
    }

    /// Appends the finding as text for people, with a line feed at the end.
    pub fn write(&self, colour: Colour, out: &mut String) {
        if self.source.text.is_empty() {
            let (path, Finding { code, message, .. }) = (&self.source.path, &self.finding);
            out.push_str(&format!("{path}: error[{code}]: {message}\n"));
            for (word, advice) in
                [("expected", &self.finding.expected), ("help", &self.finding.help)]
            {
                out.extend(advice.iter().map(|advice| format!("  {word}: {advice}\n")));
            }
            return;
        }
        let sources = std::slice::from_ref(&self.source);
        Renderer::new(sources).write(&self.finding, colour, out);
    }

    /// The finding for programs.
    pub fn show(&self) -> ShownConfig<'_> {
        let sources = std::slice::from_ref(&self.source);
        ShownConfig { key: &self.key, finding: Renderer::new(sources).show(&self.finding) }
    }
}

impl fmt::Display for ConfigFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write(Colour::Plain, &mut text);
        f.write_str(text.trim_end())
    }
}
