//! Names of zone files and account folders (SPEC §3): which zone is in which file.

use std::fmt;
use std::fmt::Write;

use crate::base::name::{self, Name, NameError};

/// Ending of zone files.
const ENDING: &str = ".zone";
/// Stem of the file of the root zone, whose name has no text without the final dot.
const ROOT: &str = "root";

/// Why a file whose name ends like that of a zone file is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileNameError {
    /// The stem is no domain name.
    Name(NameError),
    /// The stem ends with a dot.
    FinalDot,
    /// An octet that must be written `\DDD`.
    Unescaped(u8),
}

impl fmt::Display for FileNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileNameError::Name(error) => {
                write!(f, "the file name is no domain name followed by .zone: {error}")
            }
            FileNameError::FinalDot => f.write_str("the file name has a dot too many before .zone"),
            FileNameError::Unescaped(octet) => {
                write!(f, "the file name has an octet that must be written \\{octet:03}")
            }
        }
    }
}

impl std::error::Error for FileNameError {}

/// The apex of the zone in the file of this name; `None` if files of such names are ignored.
pub fn apex(file_name: &[u8]) -> Option<Result<Name, FileNameError>> {
    if file_name.starts_with(b".") {
        return None;
    }
    let stem = file_name.strip_suffix(ENDING.as_bytes())?;
    Some(stem_to_apex(stem))
}

fn stem_to_apex(stem: &[u8]) -> Result<Name, FileNameError> {
    if stem.eq_ignore_ascii_case(ROOT.as_bytes()) {
        return Ok(Name::root());
    }
    if let Some(&octet) = stem.iter().find(|b| !matches!(b, b' '..=b'~')) {
        return Err(FileNameError::Unescaped(octet));
    }
    let text = str::from_utf8(stem).expect("printable ASCII was checked");
    let apex = Name::from_text(text).map_err(FileNameError::Name)?;
    if !text.ends_with('.') {
        return Ok(apex);
    }
    // A dot that ends the text and is not escaped adds nothing to the name.
    let with_dot = Name::from_text(&format!("{text}."));
    match with_dot {
        Ok(with_dot) if with_dot == apex => Ok(apex),
        _ => Err(FileNameError::FinalDot),
    }
}

/// The canonical name of the file of a zone: lower case, other octets than `a-z0-9._-` as `\DDD`.
pub fn file_name(apex: &Name) -> String {
    if apex.is_root() {
        return format!("{ROOT}{ENDING}");
    }
    let mut text = String::with_capacity(apex.as_wire().len() + ENDING.len());
    for (at, label) in name::labels(apex.as_wire()) {
        if at > 0 {
            text.push('.');
        }
        for &b in label {
            match b {
                b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => text.push(char::from(b)),
                _ => write!(text, "\\{b:03}").expect("writing to a String cannot fail"),
            }
        }
    }
    if text == ROOT {
        text = "\\114oot".to_owned();
    }
    text + ENDING
}

/// Whether the name of a zone file is surely the canonical one of its zone: it has nothing that could be written
/// otherwise.
pub fn is_plain(file_name: &str) -> bool {
    file_name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
}

/// Whether a folder may be an account's: `[a-z0-9][a-z0-9._-]*`.
pub fn is_account_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    name.bytes().next().is_some_and(plain) && name.bytes().all(|b| plain(b) || b"._-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(file_name: &str) -> String {
        match apex(file_name.as_bytes()) {
            None => "ignored".to_owned(),
            Some(Ok(name)) => name.to_string(),
            Some(Err(error)) => format!("{error:?}"),
        }
    }

    #[test]
    fn file_names_to_zones() {
        assert_eq!(text("example.com.zone"), "example.com");
        assert_eq!(text("Example.COM.zone"), "example.com");
        assert_eq!(text("root.zone"), ".");
        assert_eq!(text("ROOT.zone"), ".");
        assert_eq!(text("\\114oot.zone"), "root");
        assert_eq!(text("0\\04725.2.0.192.in-addr.arpa.zone"), "0/25.2.0.192.in-addr.arpa");
        assert_eq!(text("a*b.example.zone"), "a*b.example");
        assert_eq!(text("a\\.b.example.zone"), "a\\.b.example");
        assert_eq!(text("zone.zone"), "zone");
        for ignored in [".example.com.zone", "example.com", "example.com.zone~", "a.ZONE", ""] {
            assert_eq!(text(ignored), "ignored", "{ignored}");
        }
        assert_eq!(text("example.com..zone"), "FinalDot");
        assert_eq!(text("a..b.zone"), "Name(EmptyLabel)");
        assert_eq!(text("a\\9.zone"), "Name(BadEscape)");
        assert_eq!(text("bücher.example.zone"), "Unescaped(195)");
        assert_eq!(text("a\nb.zone"), "Unescaped(10)");
        assert_eq!(text("a\\\\.zone"), "a\\\\");
        assert_eq!(text("a\\..zone"), "a\\.");
    }

    #[test]
    fn zones_to_file_names_and_back() {
        for (name, file) in [
            ("example.com", "example.com.zone"),
            (".", "root.zone"),
            ("root", "\\114oot.zone"),
            ("0/25.2.0.192.in-addr.arpa", "0\\04725.2.0.192.in-addr.arpa.zone"),
            ("a\\.b.\\000\\\\", "a\\046b.\\000\\092.zone"),
        ] {
            let name = Name::from_text(name).unwrap();
            assert_eq!(file_name(&name), file);
            assert_eq!(apex(file.as_bytes()), Some(Ok(name)));
        }
    }

    #[test]
    fn account_names() {
        for good in ["a", "0", "customer-1", "a.b_c"] {
            assert!(is_account_name(good), "{good}");
        }
        for bad in ["", ".a", "-a", "_a", "A", "a b", "a/b", "ä"] {
            assert!(!is_account_name(bad), "{bad}");
        }
    }
}
