//! Which hostnames a provider may ask for, and what it is told otherwise: codes that API clients know.
//!
//! Names for documentation and tests (`example.com`, `.test` …) are refused like elsewhere, unless a zone here owns
//! them: then they are what this server is about.

use std::fmt;
use std::net::IpAddr;

use super::object::Hostname;
use super::syntax::{self, HostnameError};
use crate::base::limits::NAME_MAX;
use crate::base::name::{Name, NameError};

/// Why a hostname is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The zone has it already.
    Duplicate,
    /// It is no hostname.
    Invalid(Invalid),
    NotAscii,
    /// Below `test`, `example`, `invalid` or `localhost`.
    ReservedTld,
    /// A public suffix: nobody's name.
    PublicSuffix(String),
    /// In `example.com`, `example.net` or `example.org`.
    Example,
}

/// What is wrong with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Invalid {
    Address,
    Name(NameError),
    Syntax(HostnameError),
    /// The zone's own name.
    OwnApex,
    /// With the label of the TXT record before it, it would be too long.
    NoRoom,
}

impl Refusal {
    /// The code in `errors` of the API.
    pub fn code(&self) -> u16 {
        match self {
            Refusal::Duplicate => 1406,
            Refusal::Invalid(_) => 1407,
            Refusal::NotAscii => 1408,
            Refusal::ReservedTld => 1409,
            Refusal::PublicSuffix(_) => 1410,
            Refusal::Example => 1411,
        }
    }

    /// The HTTP status that goes with it.
    pub fn http_status(&self) -> u16 {
        if *self == Refusal::Duplicate { 409 } else { 400 }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Duplicate => f.write_str("Duplicate custom hostname found."),
            Refusal::Invalid(what) => write!(f, "The custom hostname is invalid: {what}."),
            Refusal::NotAscii => f.write_str(
                "The custom hostname has characters outside ASCII: write international names as A-labels (xn--…).",
            ),
            Refusal::ReservedTld => f.write_str(
                "The custom hostname is below a reserved top-level name: test, example, invalid or localhost.",
            ),
            Refusal::PublicSuffix(name) => {
                write!(f, "publicsuffix: cannot derive eTLD+1 for domain \"{name}\"")
            }
            Refusal::Example => {
                f.write_str("The custom hostname is in example.com, example.net or example.org.")
            }
        }
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Invalid::Address => f.write_str("it is an IP address"),
            Invalid::Name(error) => error.fmt(f),
            Invalid::Syntax(error) => error.fmt(f),
            Invalid::OwnApex => f.write_str("it is the name of this zone itself"),
            Invalid::NoRoom => f.write_str("it is too long to be verified"),
        }
    }
}

/// What has to be known beside the text.
pub trait World {
    /// Whether the name lies in an active zone here.
    fn is_here(&self, name: &Name) -> bool;
    /// Whether the Public Suffix List names exactly this name.
    fn is_public_suffix(&self, name: &Name) -> bool;
}

/// Reads the hostname that a provider asks for, for the zone at `apex`.
pub fn read(text: &str, apex: &Name, world: &impl World) -> Result<Hostname, Refusal> {
    let invalid = |what| Err(Refusal::Invalid(what));
    if !text.is_ascii() {
        return Err(Refusal::NotAscii);
    }
    if text.parse::<IpAddr>().is_ok() {
        return invalid(Invalid::Address);
    }
    // Escapes are for zone files; nobody means them here.
    if let Some(&b) = text.as_bytes().iter().find(|&&b| b == b'\\') {
        return invalid(Invalid::Syntax(HostnameError::Octet(b)));
    }
    let name = match Name::from_text(text) {
        Ok(name) => name,
        Err(error) => return invalid(Invalid::Name(error)),
    };
    if let Err(error) = syntax::check(name.as_wire()) {
        return invalid(Invalid::Syntax(error));
    }
    let hostname = Hostname::of(&name);
    if hostname.base == *apex && !hostname.wildcard {
        return invalid(Invalid::OwnApex);
    }
    // Room for a label of the longest kind before it.
    if hostname.base.as_wire().len() + 32 > NAME_MAX {
        return invalid(Invalid::NoRoom);
    }
    if !world.is_here(&hostname.base) {
        check_outside(&hostname.base, world)?;
    }
    Ok(hostname)
}

fn check_outside(base: &Name, world: &impl World) -> Result<(), Refusal> {
    let within = |above: &str| Name::from_text(above).is_ok_and(|above| base.is_within(&above));
    if ["test", "example", "invalid", "localhost"].into_iter().any(within) {
        return Err(Refusal::ReservedTld);
    }
    if ["example.com", "example.net", "example.org"].into_iter().any(within) {
        return Err(Refusal::Example);
    }
    if base.label_count() < 2 || world.is_public_suffix(base) {
        return Err(Refusal::PublicSuffix(base.to_string()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Here;

    impl World for Here {
        fn is_here(&self, name: &Name) -> bool {
            name.is_within(&Name::from_text("here.example").unwrap())
        }

        fn is_public_suffix(&self, name: &Name) -> bool {
            ["com", "co.uk"].contains(&&*name.to_string())
        }
    }

    fn code(text: &str) -> u16 {
        let apex = Name::from_text("saasprovider.com").unwrap();
        read(text, &apex, &Here).err().map_or(0, |refusal| refusal.code())
    }

    #[test]
    fn codes() {
        for good in [
            "custom.myclientsite.com",
            "MyClientSite.com.",
            "*.myclientsite.com",
            "_x.myclientsite.com",
            "xn--bcher-kva.com",
            "a.here.example",
            "*.saasprovider.com",
            "a.saasprovider.com",
        ] {
            assert_eq!(code(good), 0, "{good}");
        }
        let long = format!("{}com", "abcdefg.".repeat(32));
        let no_room = format!("{}com", "abcdefg.".repeat(28));
        for (bad, want) in [
            ("192.0.2.1", 1407),
            ("2001:db8::1", 1407),
            ("", 1407),
            (".", 1407),
            ("a..b.com", 1407),
            ("a b.com", 1407),
            ("a\\.b.com", 1407),
            ("-a.com", 1407),
            ("*.*.com", 1407),
            ("a.*.com", 1407),
            ("*", 1407),
            ("saasprovider.com", 1407),
            (&long, 1407),
            (&no_room, 1407),
            ("bücher.com", 1408),
            ("a.test", 1409),
            ("localhost", 1409),
            ("a.elsewhere.example", 1409),
            ("com", 1410),
            ("*.co.uk", 1410),
            ("intranet", 1410),
            ("www.example.com", 1411),
            ("*.example.org", 1411),
        ] {
            assert_eq!(code(bad), want, "{bad}");
        }
        assert_eq!(Refusal::Duplicate.code(), 1406);
        assert_eq!(Refusal::Duplicate.http_status(), 409);
        let text = Refusal::PublicSuffix("co.uk".to_owned()).to_string();
        assert_eq!(text, "publicsuffix: cannot derive eTLD+1 for domain \"co.uk\"");
    }
}
