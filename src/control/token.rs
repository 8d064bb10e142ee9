//! The text of an API token, and the hash that is kept of it.

use sha2::{Digest, Sha256};

/// How a token begins, so that people and scanners know one when they see it.
const PREFIX: &str = "bwk_";

/// A new token out of random octets: 160 bits, shown once.
pub fn text(random: [u8; 20]) -> String {
    let digits = random.iter().map(|octet| format!("{octet:02x}"));
    PREFIX.chars().chain(digits.flat_map(|d| d.chars().collect::<Vec<_>>())).collect()
}

/// What is stored of it. The text is random, so nothing slower is needed against guessing.
pub fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Whether two hashes are equal, in the same time wherever they differ.
pub fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let differing = a.iter().zip(b).fold(0u8, |all, (x, y)| all | (x ^ y));
    std::hint::black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_hashes() {
        let token = text([0xAB; 20]);
        assert_eq!(token.len(), 44);
        assert!(token.starts_with("bwk_abab"));
        assert!(same(&hash(&token), &hash(&token)) && !same(&hash(&token), &hash("bwk_")));
        // The first octets of SHA-256 of "abc", from the standard.
        assert_eq!(hash("abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
    }
}
