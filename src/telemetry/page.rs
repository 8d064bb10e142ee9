//! Metrics as text (Prometheus exposition format 0.0.4): families with their help and type, and their samples.

use std::fmt::{Display, Write};

/// What a value means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Only grows while the process runs; its name ends in `_total`.
    Counter,
    Gauge,
    /// Samples `_sum` and `_count`: how much in all, and in how many parts.
    Summary,
}

/// A page of metrics that is being written.
#[derive(Default)]
pub struct Page {
    text: String,
}

/// One family: its samples follow its head.
pub struct Family<'p> {
    text: &'p mut String,
    name: &'static str,
}

impl Page {
    /// Begins a family. Names are of `[a-z_]`; one that is of this server begins with `bailiwick_`.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let word = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Summary => "summary",
        };
        let text = &mut self.text;
        // A String takes all; so below.
        let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} {word}", HelpText(help));
        Family { text, name }
    }

    /// A family of one sample without labels.
    pub fn one(&mut self, name: &'static str, kind: Kind, help: &str, value: impl Into<Value>) {
        self.family(name, kind, help).sample(&[], value);
    }

    pub fn finish(self) -> String {
        self.text
    }
}

impl Family<'_> {
    /// One sample, with its labels in the order given.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Into<Value>) -> &mut Self {
        self.part("", labels, value)
    }

    /// The two samples of a summary.
    pub fn summary(&mut self, labels: &[(&str, &str)], sum: f64, count: u64) -> &mut Self {
        self.part("_sum", labels, sum).part("_count", labels, count)
    }

    fn part(
        &mut self,
        suffix: &str,
        labels: &[(&str, &str)],
        value: impl Into<Value>,
    ) -> &mut Self {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        for (i, (label, value)) in labels.iter().enumerate() {
            let before = if i == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{before}{label}=\"{}\"", LabelText(value));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let Value(value) = value.into();
        let _ = writeln!(self.text, "{end} {value}");
        self
    }
}

/// A number as it is written.
pub struct Value(String);

impl From<u64> for Value {
    fn from(n: u64) -> Value {
        Value(n.to_string())
    }
}

impl From<usize> for Value {
    fn from(n: usize) -> Value {
        Value(n.to_string())
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Value {
        Value(u8::from(b).to_string())
    }
}

impl From<f64> for Value {
    fn from(n: f64) -> Value {
        // Names of the format; numbers are written without exponent.
        Value(match n {
            _ if n.is_nan() => "NaN".to_owned(),
            f64::INFINITY => "+Inf".to_owned(),
            f64::NEG_INFINITY => "-Inf".to_owned(),
            _ => n.to_string(),
        })
    }
}

struct HelpText<'t>(&'t str);

impl Display for HelpText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

struct LabelText<'t>(&'t str);

impl Display for LabelText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '"' => f.write_str("\\\"")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_escapes() {
        let mut page = Page::default();
        page.family("a_total", Kind::Counter, "Of\\all\nthings.")
            .sample(&[("x", "1"), ("y", "a\"b\\c\nd")], 3u64)
            .sample(&[("x", "2"), ("y", "")], 0.25);
        page.one("b", Kind::Gauge, "B.", true);
        page.family("c", Kind::Summary, "C.").summary(&[("x", "1")], 0.5, 2);
        assert_eq!(
            page.finish(),
            "# HELP a_total Of\\\\all\\nthings.\n# TYPE a_total counter\n\
             a_total{x=\"1\",y=\"a\\\"b\\\\c\\nd\"} 3\na_total{x=\"2\",y=\"\"} 0.25\n\
             # HELP b B.\n# TYPE b gauge\nb 1\n# HELP c C.\n# TYPE c summary\n\
             c_sum{x=\"1\"} 0.5\nc_count{x=\"1\"} 2\n"
        );
    }
}
