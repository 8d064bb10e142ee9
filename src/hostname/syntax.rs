//! Hostnames as grants, custom hostnames and the API take them: A-labels of letters, digits and hyphens (SPEC §3.1).
//!
//! Underscores are taken too (`_acme-challenge` leads to providers), and `/` in reverse zones (RFC 2317). Zone files
//! may hold other octets; there this check only warns.

use std::fmt;

use crate::base::name;

/// Why a name is no hostname.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HostnameError {
    /// The root, or a lone `*`.
    Bare,
    /// `*` elsewhere than as the whole first label.
    Star,
    /// An octet that is no letter, digit, hyphen or underscore.
    Octet(u8),
    /// A label that begins or ends with a hyphen.
    Hyphen,
    /// `xn--` with nothing behind it.
    Punycode,
}

impl fmt::Display for HostnameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostnameError::Bare => f.write_str("it has no label"),
            HostnameError::Star => f.write_str("a `*` may only be the whole first label"),
            HostnameError::Octet(b @ 0x21..=0x7E) => write!(f, "`{}` may not be in it", *b as char),
            HostnameError::Octet(b) => write!(f, "the octet {b} may not be in it"),
            HostnameError::Hyphen => f.write_str("a label begins or ends with `-`"),
            HostnameError::Punycode => f.write_str("a label is only `xn--`"),
        }
    }
}

impl std::error::Error for HostnameError {}

/// Checks a lower-cased wire name; a first label `*` makes it a wildcard and is fine.
pub fn check(wire: &[u8]) -> Result<(), HostnameError> {
    let host = match wire.strip_prefix(b"\x01*") {
        Some(below) => below,
        None => wire,
    };
    if matches!(host, [] | [0]) {
        return Err(HostnameError::Bare);
    }
    let reverse = [&b"\x07in-addr\x04arpa\x00"[..], b"\x03ip6\x04arpa\x00"];
    let reverse = reverse.iter().any(|zone| name::is_within(host, zone));
    name::labels(host).try_for_each(|(_, label)| check_label(label, reverse))
}

fn check_label(label: &[u8], reverse: bool) -> Result<(), HostnameError> {
    for &b in label {
        match b {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => {}
            b'/' if reverse => {}
            b'*' => return Err(HostnameError::Star),
            _ => return Err(HostnameError::Octet(b)),
        }
    }
    if label == b"xn--" {
        return Err(HostnameError::Punycode);
    }
    if label.starts_with(b"-") || label.ends_with(b"-") {
        return Err(HostnameError::Hyphen);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::name::Name;

    fn checked(text: &str) -> Result<(), HostnameError> {
        check(Name::from_text(text).unwrap().as_wire())
    }

    #[test]
    fn hostnames() {
        for good in [
            "app.example.com",
            "*.App.example.com.",
            "_x.a-b.example",
            "xn--bcher-kva.example",
            "0/25.2.0.192.in-addr.arpa",
            "com",
        ] {
            assert_eq!(checked(good), Ok(()), "{good}");
        }
        for (bad, error) in [
            (".", HostnameError::Bare),
            ("*", HostnameError::Bare),
            ("a.*.example", HostnameError::Star),
            ("*.*.example", HostnameError::Star),
            ("a*.example", HostnameError::Star),
            ("a/b.example", HostnameError::Octet(b'/')),
            ("a\\.b.example", HostnameError::Octet(b'.')),
            ("a\\000.example", HostnameError::Octet(0)),
            ("-a.example", HostnameError::Hyphen),
            ("a-.example", HostnameError::Hyphen),
            ("xn--.example", HostnameError::Punycode),
        ] {
            assert_eq!(checked(bad), Err(error), "{bad}");
        }
    }
}
