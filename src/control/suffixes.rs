//! Public suffixes: the list shipped with the server, or a newer one from `server.public_suffixes`.
//!
//! Only listed rules of the ICANN section count. Names here are wire labels, so the rules are looked up as A-labels.

use std::fmt;
use std::path::{Path, PathBuf};

use arrayvec::ArrayVec;
use psl::{Psl, Type};

use crate::base::limits::LABELS_MAX;
use crate::base::name;

/// A Public Suffix List.
#[derive(Debug, Default)]
pub enum Suffixes {
    /// The one shipped with the server.
    #[default]
    BuiltIn,
    File(Box<publicsuffix::IcannList>),
}

/// Why the file cannot be used.
#[derive(Debug)]
pub struct SuffixesError {
    path: PathBuf,
    what: String,
}

impl fmt::Display for SuffixesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        write!(f, "cannot use the Public Suffix List {path}: {}", self.what)
    }
}

impl std::error::Error for SuffixesError {}

impl Suffixes {
    /// Reads the list at `path`; without one, the built-in list.
    pub fn read(path: Option<&Path>) -> Result<Suffixes, SuffixesError> {
        let Some(path) = path else { return Ok(Suffixes::BuiltIn) };
        let failed = |what: String| SuffixesError { path: path.to_owned(), what };
        let octets = std::fs::read(path).map_err(|e| failed(e.to_string()))?;
        let list = publicsuffix::IcannList::from_bytes(&octets)
            .map_err(|e| failed(format!("it is no such list: {e}")))?;
        Ok(Suffixes::File(Box::new(list)))
    }

    /// Whether a rule of the list names exactly this name (lower-cased wire form).
    pub fn contains(&self, wire: &[u8]) -> bool {
        let labels: ArrayVec<&[u8], LABELS_MAX> = name::labels(wire).map(|(_, l)| l).collect();
        let reversed = labels.iter().rev().copied();
        let info = match self {
            Suffixes::BuiltIn => psl::List.find(reversed),
            Suffixes::File(list) => publicsuffix::Psl::find(&**list, reversed),
        };
        // Octets of the text without final dot: all labels and the dots between them.
        info.typ == Some(Type::Icann) && info.len == wire.len().saturating_sub(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::name::Name;

    fn listed(suffixes: &Suffixes, name: &str) -> bool {
        suffixes.contains(Name::from_text(name).unwrap().as_wire())
    }

    #[test]
    fn the_built_in_list() {
        let list = Suffixes::read(None).unwrap();
        for suffix in
            ["com", "CO.UK", "de", "xn--p1ai", "xn--55qx5d.cn", "foo.ck", "x.kawasaki.jp", "arpa"]
        {
            assert!(listed(&list, suffix), "{suffix}");
        }
        // Names below, exceptions, the private section, and what is not listed at all.
        for name in [
            "example.com",
            "www.ck",
            "city.kawasaki.jp",
            "github.io",
            "blogspot.com",
            "example",
            "invalid",
            ".",
            "a\\.com",
        ] {
            assert!(!listed(&list, name), "{name}");
        }
    }

    #[test]
    fn a_list_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.dat");
        let text = "// ===BEGIN ICANN DOMAINS===\nexample\nco.example\n*.any.example\n\
                    !but.any.example\nрф\n// ===END ICANN DOMAINS===\n\
                    // ===BEGIN PRIVATE DOMAINS===\nhost.example\n";
        std::fs::write(&path, text).unwrap();
        let list = Suffixes::read(Some(&path)).unwrap();
        for suffix in ["example", "co.example", "x.any.example", "xn--p1ai"] {
            assert!(listed(&list, suffix), "{suffix}");
        }
        for name in ["com", "host.example", "but.any.example", "x.co.example"] {
            assert!(!listed(&list, name), "{name}");
        }
        std::fs::write(&path, "no list").unwrap();
        assert!(Suffixes::read(Some(&path)).unwrap_err().to_string().contains("list.dat"));
        assert!(Suffixes::read(Some(&folder.path().join("none"))).is_err());
    }
}
