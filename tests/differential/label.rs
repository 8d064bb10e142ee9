//! Names as lists of labels in master-file text, the leftmost first.

use std::fmt;

/// A name; the root has no labels.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Labels(pub Vec<String>);

impl Labels {
    /// Reads a name without escaped dots.
    pub fn of(text: &str) -> Labels {
        let labels = text.trim_end_matches('.').split('.').filter(|label| !label.is_empty());
        Labels(labels.map(str::to_owned).collect())
    }

    /// The name with one more label in front.
    pub fn child(&self, label: &str) -> Labels {
        let mut labels = vec![label.to_owned()];
        labels.extend_from_slice(&self.0);
        Labels(labels)
    }

    pub fn parent(&self) -> Option<Labels> {
        (!self.0.is_empty()).then(|| Labels(self.0[1..].to_vec()))
    }

    /// Whether it is `other` or below it.
    pub fn is_within(&self, other: &Labels) -> bool {
        self.0.ends_with(&other.0)
    }

    pub fn is_below(&self, other: &Labels) -> bool {
        self.0.len() > other.0.len() && self.is_within(other)
    }

    /// Octets on the wire.
    pub fn wire(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for label in &self.0 {
            let octets = unescape(label);
            out.push(u8::try_from(octets.len()).expect("a label of at most 63 octets"));
            out.extend(octets);
        }
        out.push(0);
        out
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(".");
        }
        self.0.iter().try_for_each(|label| write!(f, "{label}."))
    }
}

fn unescape(label: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut octets = label.bytes();
    while let Some(octet) = octets.next() {
        if octet != b'\\' {
            out.push(octet);
            continue;
        }
        let first = octets.next().expect("an escape is complete");
        if !first.is_ascii_digit() {
            out.push(first);
            continue;
        }
        let mut digit = || u16::from(octets.next().expect("three digits") - b'0');
        let value = u16::from(first - b'0') * 100 + digit() * 10 + digit();
        out.push(u8::try_from(value).expect("an octet"));
    }
    out
}
