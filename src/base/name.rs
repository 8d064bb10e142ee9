//! Domain names as lower-cased, uncompressed wire form: the only place that compares, splits or prints them.
//!
//! Names are compared as wire labels with ASCII case folded (RFC 1035 §2.3.3, RFC 4343), never as text.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use super::limits::{LABEL_MAX, NAME_MAX};

/// An absolute name: lower-cased wire form, root label included. Cloning shares it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<[u8]>);

/// Why something is no name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NameError {
    /// An empty label inside the name (`a..b`), or an empty text.
    EmptyLabel,
    /// A label of more than 63 octets.
    LongLabel,
    /// More than 255 octets.
    LongName,
    /// `\` with neither three digits up to 255 nor a character behind it.
    BadEscape,
    /// Wire form that ends early, has octets behind the root label, or a label type other than 0.
    BadWire,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NameError::EmptyLabel => "a label is empty",
            NameError::LongLabel => "a label is longer than 63 octets",
            NameError::LongName => "the name is longer than 255 octets",
            NameError::BadEscape => "a `\\` needs three digits up to 255 or one character after it",
            NameError::BadWire => "the wire form of the name is broken",
        })
    }
}

impl std::error::Error for NameError {}

impl Name {
    /// The root.
    pub fn root() -> Name {
        Name(Arc::new([0]))
    }

    /// A name out of a whole uncompressed wire name; upper case is folded.
    pub fn from_wire(wire: &[u8]) -> Result<Name, NameError> {
        if len_at(wire, 0)? != wire.len() {
            return Err(NameError::BadWire);
        }
        Ok(Name(wire.to_ascii_lowercase().into()))
    }

    /// An absolute name from master-file text; the final dot may be missing. `.` is the root.
    pub fn from_text(text: &str) -> Result<Name, NameError> {
        let mut wire = Vec::with_capacity(text.len() + 2);
        push_text(text.as_bytes(), Some(&[0]), &mut wire)?;
        wire.make_ascii_lowercase();
        Ok(Name(wire.into()))
    }

    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// Number of labels, the root not counted.
    pub fn label_count(&self) -> usize {
        label_count(&self.0)
    }

    /// The name without its first label; `None` for the root.
    pub fn parent(&self) -> Option<Name> {
        parent(&self.0).map(|p| Name(p.into()))
    }

    /// Whether `self` is `other` or lies below it.
    pub fn is_within(&self, other: &Name) -> bool {
        is_within(&self.0, &other.0)
    }

    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with(b"\x01*")
    }
}

impl Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Name {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Master-file text without the final dot; `.` for the root.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Text(&self.0).fmt(f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Prints any uncompressed wire name as master-file text without the final dot (`.` for the root), case kept.
pub struct Text<'a>(pub &'a [u8]);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        if self.0 == [0] {
            return f.write_char('.');
        }
        for (at, label) in labels(self.0) {
            if at > 0 {
                f.write_char('.')?;
            }
            let mut left = label;
            while !left.is_empty() {
                let plain = left.iter().take_while(|b| is_plain(**b)).count();
                let (run, rest) = left.split_at(plain);
                f.write_str(std::str::from_utf8(run).expect("plain octets are ASCII"))?;
                let Some((&b, rest)) = rest.split_first() else { break };
                left = rest;
                match b {
                    0x21..=0x7E => write!(f, "\\{}", b as char)?,
                    _ => write!(f, "\\{b:03}")?,
                }
            }
        }
        Ok(())
    }
}

/// Whether an octet stands for itself in a master file.
const fn is_plain(b: u8) -> bool {
    matches!(b, 0x21..=0x7E) && !matches!(b, b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$')
}

/// The same, to be looked up.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut b = 0;
    while b < 256 {
        plain[b] = is_plain(b as u8);
        b += 1;
    }
    plain
};

/// Writes the text of a wire name to the beginning of `to`, as [`Text`] shows it, and tells how long it is. `None`: it
/// is the root, needs escapes or has no room. For where a text is made for each question.
pub fn write_plain(wire: &[u8], to: &mut [u8]) -> Option<usize> {
    let text = wire.get(1..wire.len().checked_sub(1)?)?;
    let to = to.get_mut(..text.len()).filter(|to| !to.is_empty())?;
    to.copy_from_slice(text);
    for (at, label) in labels(wire) {
        if !label.iter().all(|&b| PLAIN[usize::from(b)]) {
            return None;
        }
        if at > 0 {
            to[at - 1] = b'.';
        }
    }
    Some(text.len())
}

/// Labels of a valid wire name with their offsets, the root label left out.
pub fn labels(wire: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let len = usize::from(*wire.get(at)?);
        if len == 0 {
            return None;
        }
        let label = wire.get(at + 1..at + 1 + len)?;
        let here = at;
        at += 1 + len;
        Some((here, label))
    })
}

/// Number of labels of a valid wire name or of the front part of one, the root not counted.
pub fn label_count(wire: &[u8]) -> usize {
    labels(wire).count()
}

/// The wire name without its first label; `None` for the root.
pub fn parent(wire: &[u8]) -> Option<&[u8]> {
    match wire.first() {
        None | Some(0) => None,
        Some(&len) => wire.get(1 + usize::from(len)..),
    }
}

/// Whether lower-cased wire name `name` is `above` or lies below it.
pub fn is_within(name: &[u8], above: &[u8]) -> bool {
    name.len() >= above.len()
        && name.ends_with(above)
        && labels(name)
            .map(|(at, _)| at)
            .chain([name.len() - 1])
            .any(|at| at == name.len() - above.len())
}

/// Octets of the uncompressed name that starts at `at`, root label included.
pub fn len_at(bytes: &[u8], at: usize) -> Result<usize, NameError> {
    let mut end = at;
    loop {
        let len = usize::from(*bytes.get(end).ok_or(NameError::BadWire)?);
        if len > LABEL_MAX {
            return Err(NameError::BadWire);
        }
        end += 1 + len;
        if end - at > NAME_MAX {
            return Err(NameError::LongName);
        }
        if len == 0 {
            return Ok(end - at);
        }
    }
}

/// Appends the wire form of master-file text (escapes `\DDD` and `\X`; case kept). A text without final dot is
/// completed with `origin` (wire form); without an origin that is an error of the caller's grammar, told as
/// `EmptyLabel`. On error nothing useful is in `out` behind its old end.
pub fn push_text(text: &[u8], origin: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), NameError> {
    match text {
        [] => return Err(NameError::EmptyLabel),
        // Not even of escapes only (`\DDD`, four octets for one) would it be a name.
        _ if text.len() > 4 * NAME_MAX => return Err(NameError::LongName),
        b"." => {
            out.push(0);
            return Ok(());
        }
        _ => {}
    }
    // Nearly all texts have no escape: they are copied in one piece, then each dot becomes the
    // length of the label behind it.
    let start = out.len();
    out.push(0);
    out.extend_from_slice(text);
    let wire = &mut out[start..];
    let mut label = 0;
    for (at, &b) in text.iter().enumerate() {
        if b == b'.' {
            wire[label] = label_octet(at - label)?;
            label = at + 1;
        } else if b == b'\\' {
            out.truncate(start);
            return push_escaped(text, origin, out);
        }
    }
    let last = text.len() - label;
    if last == 0 {
        wire[label] = 0;
    } else {
        wire[label] = label_octet(last)?;
        out.extend_from_slice(origin.ok_or(NameError::EmptyLabel)?);
    }
    if out.len() - start > NAME_MAX { Err(NameError::LongName) } else { Ok(()) }
}

/// `push_text` of a text with escapes, octet by octet.
fn push_escaped(text: &[u8], origin: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), NameError> {
    let start = out.len();
    let mut label = out.len();
    out.push(0);
    let mut i = 0;
    let mut absolute = false;
    while i < text.len() {
        let mut b = text[i];
        i += 1;
        if b == b'.' {
            let len = out.len() - label - 1;
            if len == 0 {
                return Err(NameError::EmptyLabel);
            }
            out[label] = len as u8;
            if i == text.len() {
                absolute = true;
                break;
            }
            label = out.len();
            out.push(0);
            continue;
        }
        if b == b'\\' {
            let (value, used) = unescape(&text[i..]).ok_or(NameError::BadEscape)?;
            b = value;
            i += used;
        }
        if out.len() - label > LABEL_MAX {
            return Err(NameError::LongLabel);
        }
        out.push(b);
    }
    if !absolute {
        let len = out.len() - label - 1;
        if len == 0 {
            return Err(NameError::EmptyLabel);
        }
        out[label] = len as u8;
    }
    match (absolute, origin) {
        (true, _) => out.push(0),
        (false, Some(origin)) => out.extend_from_slice(origin),
        (false, None) => return Err(NameError::EmptyLabel),
    }
    if out.len() - start > NAME_MAX {
        return Err(NameError::LongName);
    }
    Ok(())
}

#[inline]
fn label_octet(len: usize) -> Result<u8, NameError> {
    match len {
        0 => Err(NameError::EmptyLabel),
        1..=LABEL_MAX => Ok(len as u8),
        _ => Err(NameError::LongLabel),
    }
}

/// What stands behind a `\`: three digits up to 255, or one other character. Returns the octet and how many were used.
pub fn unescape(rest: &[u8]) -> Option<(u8, usize)> {
    match *rest {
        [a, b, c, ..] if a.is_ascii_digit() => {
            if !(b.is_ascii_digit() && c.is_ascii_digit()) {
                return None;
            }
            let v = u32::from(a - b'0') * 100 + u32::from(b - b'0') * 10 + u32::from(c - b'0');
            u8::try_from(v).ok().map(|v| (v, 3))
        }
        [a, ..] if a.is_ascii_digit() => None,
        [a, ..] => Some((a, 1)),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n(text: &str) -> Name {
        Name::from_text(text).unwrap()
    }

    #[test]
    fn plain_text_is_the_same_text() {
        for name in
            ["www.example", "a", "x-1._tcp.*.b.example", ".", "a\\.b.c", "a\\000.c", "a\\@.b"]
        {
            let (name, mut to) = (n(name), [7; 30]);
            let text = name.to_string();
            let is_plain = !text.contains('\\') && text != ".";
            let written = write_plain(name.as_wire(), &mut to);
            assert_eq!(written, is_plain.then_some(text.len()), "{text}");
            assert!(
                !is_plain
                    || to[..text.len()] == *text.as_bytes()
                        && to[text.len()..] == [7; 30][text.len()..]
            );
            assert_eq!(write_plain(name.as_wire(), &mut to[..text.len() - 1]), None);
            if is_plain {
                assert_eq!(write_plain(name.as_wire(), &mut to[..text.len()]), written);
            }
        }
    }

    #[test]
    fn text_and_wire() {
        assert_eq!(n("Www.Example.").as_wire(), b"\x03www\x07example\x00");
        assert_eq!(n("www.example"), n("WWW.EXAMPLE."));
        assert_eq!(n(".").as_wire(), b"\x00");
        assert_eq!(n("a\\.b.c").as_wire(), b"\x03a.b\x01c\x00");
        assert_eq!(n("\\065b.c"), n("ab.c"));
        assert_eq!(n("a\\.b\\000.c").to_string(), "a\\.b\\000.c");
        assert_eq!(Name::root().to_string(), ".");
        for (text, error) in [
            ("a..b", NameError::EmptyLabel),
            ("", NameError::EmptyLabel),
            (".a", NameError::EmptyLabel),
            ("a\\25", NameError::BadEscape),
            ("a\\256", NameError::BadEscape),
            ("a\\", NameError::BadEscape),
        ] {
            assert_eq!(Name::from_text(text), Err(error), "{text}");
        }
        assert_eq!(Name::from_text(&"a".repeat(64)), Err(NameError::LongLabel));
        assert_eq!(Name::from_text(&"a.".repeat(128)), Err(NameError::LongName));
        assert_eq!(n(&"a.".repeat(127)).label_count(), 127);
    }

    #[test]
    fn within_splits_at_labels_only() {
        assert!(n("a.example").is_within(&n("example")));
        assert!(n("example").is_within(&n("example")));
        assert!(n("example").is_within(&Name::root()));
        assert!(!n("badexample").is_within(&n("example")));
        // The octets of "example" inside another label must not count.
        let tricky = Name::from_wire(b"\x09x\x07example\x00").unwrap();
        assert!(!tricky.is_within(&n("example")));
    }

    #[test]
    fn wire_is_checked() {
        assert!(Name::from_wire(b"\x03www").is_err());
        assert!(Name::from_wire(b"\x00\x00").is_err());
        assert!(Name::from_wire(b"\xC0\x0C").is_err());
        assert!(Name::from_wire(b"").is_err());
        assert_eq!(Name::from_wire(b"\x01A\x00").unwrap(), n("a"));
    }
}
