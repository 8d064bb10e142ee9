//! Ownership tokens: where a customer places them, and whether what stands there is them.

use std::fmt;

use super::object::Hostname;
use crate::base::name::Name;
use crate::base::uuid::Uuid;

/// The two secrets of a custom hostname. Random, minted by whoever calls: nothing here makes randomness.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tokens {
    pub txt: Uuid,
    pub http: Uuid,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(secret)")
    }
}

impl Tokens {
    /// Tokens out of random octets.
    pub fn from_random(octets: [u8; 32]) -> Tokens {
        let half = |at: usize| {
            let half = octets[at..at + 16].try_into().expect("halves of 32 octets");
            Uuid::from_random(half)
        };
        Tokens { txt: half(0), http: half(16) }
    }
}

/// Where tokens are looked for; the settings of `[hostnames]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Places {
    /// The label before the hostname that has the TXT record.
    pub label_prefix: String,
    /// The path above the file with the HTTP token; begins with `/`.
    pub path_prefix: String,
}

impl Default for Places {
    fn default() -> Places {
        Places {
            label_prefix: "_cf-custom-hostname".to_owned(),
            path_prefix: "/.well-known/cf-custom-hostname-challenge".to_owned(),
        }
    }
}

impl Places {
    /// The name of the TXT record. A wildcard `*.x` is proved at `x`. `None`: the name would be too long.
    pub fn txt_name(&self, hostname: &Hostname) -> Option<Name> {
        let prefix = Name::from_text(&self.label_prefix).ok()?;
        let front = prefix.as_wire().strip_suffix(b"\0")?;
        Name::from_wire(&[front, hostname.base.as_wire()].concat()).ok()
    }

    /// The address of the file with the HTTP token. `None` for a wildcard: a page at one name says nothing about the
    /// names below it.
    pub fn http_url(&self, hostname: &Hostname, id: Uuid) -> Option<String> {
        Some(format!("http://{}{}", hostname.base, self.http_path(hostname, id)?))
    }

    /// The path in that address.
    pub fn http_path(&self, hostname: &Hostname, id: Uuid) -> Option<String> {
        (!hostname.wildcard).then(|| format!("{}/{id}", self.path_prefix))
    }
}

/// Whether the text of a TXT record, or the body of a page, is the token. A body may end in white space.
pub fn is_token(found: &[u8], token: Uuid) -> bool {
    let token = token.to_string();
    same(found.trim_ascii_end(), token.as_bytes())
}

/// Compares in a time that does not tell where two texts of one length differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    let differing = a.iter().zip(b).fold(0, |differing, (a, b)| differing | (a ^ b));
    std::hint::black_box(differing) == 0 && a.len() == b.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hostname(text: &str) -> Hostname {
        Hostname::of(&Name::from_text(text).unwrap())
    }

    #[test]
    fn places_are_those_customers_know() {
        let places = Places::default();
        let id: Uuid = "24c8c68e-bec2-49b6-868e-f06373780630".parse().unwrap();
        let app = hostname("App.example.com");
        let txt = places.txt_name(&app).unwrap();
        assert_eq!(txt.to_string(), "_cf-custom-hostname.app.example.com");
        let url = places.http_url(&app, id).unwrap();
        let path = "/.well-known/cf-custom-hostname-challenge/24c8c68e-bec2-49b6-868e-f06373780630";
        assert_eq!(url, format!("http://app.example.com{path}"));
        let wild = hostname("*.example.com");
        let txt = places.txt_name(&wild).unwrap();
        assert_eq!(txt.to_string(), "_cf-custom-hostname.example.com");
        assert_eq!(places.http_url(&wild, id), None);
        let long = hostname(&format!("{}example", "abc.".repeat(60)));
        assert_eq!(places.txt_name(&long), None);
    }

    #[test]
    fn tokens_are_compared_whole() {
        let tokens = Tokens::from_random([7; 32]);
        let text = tokens.txt.to_string();
        assert!(is_token(text.as_bytes(), tokens.txt));
        assert!(is_token(format!("{text}\r\n").as_bytes(), tokens.txt));
        for wrong in ["", " ", &text[1..], &text[..35], &format!(" {text}"), &format!("{text}x")] {
            assert!(!is_token(wrong.as_bytes(), tokens.txt), "{wrong:?}");
        }
        assert!(!is_token(text.to_uppercase().as_bytes(), Uuid([0xAB; 16])));
        assert_eq!(format!("{tokens:?}"), "Tokens(secret)");
    }
}
