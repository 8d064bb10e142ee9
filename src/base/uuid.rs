//! 128-bit identifiers (RFC 9562): custom hostnames, their tokens, API tokens.

use std::fmt;
use std::str::FromStr;

/// A UUID. Printed with hyphens and in lower case, 36 characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uuid(pub [u8; 16]);

/// A text that is no UUID.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UuidError;

impl fmt::Display for UuidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a UUID has 32 hexadecimal digits: 8-4-4-4-12")
    }
}

impl std::error::Error for UuidError {}

/// Octets after which a hyphen stands.
const HYPHENS: [usize; 4] = [4, 6, 8, 10];

impl Uuid {
    /// Version 4 out of random octets: 122 of their bits stay.
    pub fn from_random(mut octets: [u8; 16]) -> Uuid {
        octets[6] = octets[6] & 0x0F | 0x40;
        octets[8] = octets[8] & 0x3F | 0x80;
        Uuid(octets)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, octet) in self.0.iter().enumerate() {
            if HYPHENS.contains(&at) {
                f.write_str("-")?;
            }
            write!(f, "{octet:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Uuid {
    type Err = UuidError;

    fn from_str(text: &str) -> Result<Uuid, UuidError> {
        let mut rest = text.as_bytes();
        let mut octets = [0; 16];
        for (at, octet) in octets.iter_mut().enumerate() {
            if HYPHENS.contains(&at) {
                rest = rest.strip_prefix(b"-").ok_or(UuidError)?;
            }
            let (&[high, low], after) = rest.split_first_chunk().ok_or(UuidError)?;
            *octet = digit(high)? << 4 | digit(low)?;
            rest = after;
        }
        if rest.is_empty() { Ok(Uuid(octets)) } else { Err(UuidError) }
    }
}

fn digit(b: u8) -> Result<u8, UuidError> {
    let digit = char::from(b).to_digit(16).ok_or(UuidError)?;
    Ok(digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let id = Uuid::from_random([0xFF; 16]);
        assert_eq!(id.to_string(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!("FFFFFFFF-ffff-4fff-bfff-ffffffffffff".parse(), Ok(id));
        for bad in [
            "",
            "ffffffff-ffff-4fff-bfff-fffffffffff",
            "ffffffff-ffff-4fff-bfff-fffffffffffff",
            "ffffffffffff4fffbfffffffffffffff",
            "fffffffff-fff-4fff-bfff-ffffffffffff",
            "gfffffff-ffff-4fff-bfff-ffffffffffff",
        ] {
            assert_eq!(bad.parse::<Uuid>(), Err(UuidError), "{bad}");
        }
    }
}
