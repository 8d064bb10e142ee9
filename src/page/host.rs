//! Which name a request is for (RFC 9112 §3.2). What cannot be a hostname is told apart, and never shown.

use std::net::Ipv4Addr;

use crate::base::limits::NAME_MAX;
use crate::base::name::Name;

/// Whom a request is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Host {
    Name {
        /// As the visitor typed it, in lower case, without port and final dot.
        text: String,
        name: Name,
    },
    /// An address of this server: no name was asked for.
    Address,
    /// None, several, or something that cannot be a name.
    Wrong(Wrong),
}

/// What is wrong with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrong {
    Missing,
    Several,
    Malformed,
}

impl Host {
    /// Out of the authority of the request line, if it has one, and the values of all `Host` fields.
    pub fn of<'v>(authority: Option<&str>, fields: impl IntoIterator<Item = &'v [u8]>) -> Host {
        let mut fields = fields.into_iter();
        let field = fields.next();
        if fields.next().is_some() {
            return Host::Wrong(Wrong::Several);
        }
        //= RFC 9112 §3.2.2: the authority of an absolute request line stands above the field
        match (authority, field) {
            (Some(authority), _) => Host::read(authority.as_bytes()),
            (None, Some(field)) => Host::read(field),
            (None, None) => Host::Wrong(Wrong::Missing),
        }
    }

    fn read(field: &[u8]) -> Host {
        let field = field.trim_ascii();
        if field.is_empty() {
            return Host::Wrong(Wrong::Missing);
        }
        if field.first() == Some(&b'[') {
            return bracketed(field);
        }
        let (host, port) = match field.iter().position(|&b| b == b':') {
            Some(colon) => (&field[..colon], &field[colon + 1..]),
            None => (field, &[][..]),
        };
        let host = host.strip_suffix(b".").unwrap_or(host);
        if host.len() > NAME_MAX || !is_port(port) || !host.iter().all(|&b| may_stand(b)) {
            return Host::Wrong(Wrong::Malformed);
        }
        let Ok(text) = std::str::from_utf8(host) else { return Host::Wrong(Wrong::Malformed) };
        if text.parse::<Ipv4Addr>().is_ok() {
            return Host::Address;
        }
        match wire(host).and_then(|wire| Name::from_wire(&wire).ok()) {
            Some(name) => Host::Name { text: text.to_ascii_lowercase(), name },
            None => Host::Wrong(Wrong::Malformed),
        }
    }
}

/// An IPv6 address in brackets, with a port or without.
fn bracketed(field: &[u8]) -> Host {
    let inside = field.iter().position(|&b| b == b']').map(|end| field[1..end].is_ascii());
    let end = field.iter().rposition(|&b| b == b']').unwrap_or(0);
    let port = field.get(end + 1..).unwrap_or_default();
    let port = port.strip_prefix(b":").unwrap_or(port);
    let address = field.get(1..end).and_then(|inside| std::str::from_utf8(inside).ok());
    let good = address.is_some_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok());
    match inside == Some(true) && good && is_port(port) {
        true => Host::Address,
        false => Host::Wrong(Wrong::Malformed),
    }
}

fn is_port(port: &[u8]) -> bool {
    port.len() <= 5 && port.iter().all(u8::is_ascii_digit)
}

/// What RFC 3986 §3.2.2 lets stand in a registered name. An octet behind `%` stays as it is written: resolvers ask for
/// it so, too.
fn may_stand(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&octet)
}

/// The labels between the dots, as on the wire. `None`: an empty label, or one that is too long.
fn wire(host: &[u8]) -> Option<Vec<u8>> {
    let mut wire = Vec::with_capacity(host.len() + 2);
    for label in host.split(|&b| b == b'.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        wire.push(length);
        wire.extend_from_slice(label);
    }
    wire.push(0);
    Some(wire)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(field: &str) -> Host {
        Host::of(None, [field.as_bytes()])
    }

    fn shown(field: &str) -> Option<String> {
        match host(field) {
            Host::Name { text, .. } => Some(text),
            _ => None,
        }
    }

    #[test]
    fn names_with_case_port_and_dot() {
        for field in ["Shop.Example", "shop.example.", "shop.example:80", " shop.example.:8053 "] {
            assert_eq!(shown(field).as_deref(), Some("shop.example"), "{field}");
        }
        let Host::Name { name, .. } = host("SHOP.example:") else { panic!("a name") };
        assert_eq!(name, Name::from_text("shop.example").unwrap());
        assert_eq!(shown("xn--mnchen-3ya.example").as_deref(), Some("xn--mnchen-3ya.example"));
        // Browsers let these stand, and resolvers ask for them.
        assert_eq!(shown("a&b'.example").as_deref(), Some("a&b'.example"));
        // Escapes of zone files are none here.
        let Host::Name { name, .. } = host("a%41.example") else { panic!("a name") };
        assert_eq!(name.as_wire(), b"\x04a%41\x07example\0");
    }

    #[test]
    fn addresses() {
        for field in ["192.0.2.1", "192.0.2.1:80", "[2001:db8::1]", "[::1]:8080", "127.0.0.1."] {
            assert_eq!(host(field), Host::Address, "{field}");
        }
    }

    #[test]
    fn what_is_no_host() {
        let long = format!("{}example", "a.".repeat(130));
        let label = "a".repeat(64);
        for field in [
            "a b",
            "<script>",
            "a\"b",
            "a/b",
            "user@a",
            "a:b",
            "a:123456",
            ".",
            "..",
            "a..b",
            ".a",
            "[::1",
            "[::1]x",
            "[x]",
            "::1",
            "a\tb",
            "münchen.example",
            "a\\b",
            &long,
            &label,
        ] {
            assert_eq!(host(field), Host::Wrong(Wrong::Malformed), "{field}");
        }
        assert_eq!(host(""), Host::Wrong(Wrong::Missing));
        assert_eq!(Host::of(None, [&b"\xFF.example"[..]]), Host::Wrong(Wrong::Malformed));
        assert_eq!(Host::of(None, []), Host::Wrong(Wrong::Missing));
        let twice = [&b"a.example"[..], b"a.example"];
        assert_eq!(Host::of(None, twice), Host::Wrong(Wrong::Several));
        assert_eq!(Host::of(Some("b.example"), twice), Host::Wrong(Wrong::Several));
    }

    //= RFC 9112 §3.2.2
    #[test]
    fn the_request_line_stands_above_the_field() {
        let host = Host::of(Some("a.example:80"), [&b"b.example"[..]]);
        assert!(matches!(host, Host::Name { text, .. } if text == "a.example"));
    }
}
