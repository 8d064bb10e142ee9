//! Keyed hash of names: one right-to-left pass gives the hash of every suffix.
//!
//! The key is random per data folder, since tenants choose the names (hash flooding).

use super::limits::LABELS_MAX;
use super::name;

/// Secret of the name hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HashKey {
    start: u64,
    factor: u64,
}

impl HashKey {
    /// A key from 16 random octets.
    pub fn new(random: [u8; 16]) -> HashKey {
        let (a, b) = random.split_at(8);
        let word = |b: &[u8]| u64::from_le_bytes(b.try_into().expect("halves of 16 octets"));
        // An odd factor with high bits set: multiplication by it loses nothing.
        HashKey { start: word(a), factor: word(b) | 0x8000_0000_0000_0001 }
    }

    /// Hash of the root name.
    pub fn root(&self) -> u64 {
        self.start
    }

    /// Hash of the name made of `label` (lower case, no length octet) before a name hashed `rest`.
    #[inline]
    pub fn push(&self, rest: u64, label: &[u8]) -> u64 {
        let mut h = fold(rest ^ label.len() as u64, self.factor);
        let mut chunks = label.chunks_exact(8);
        for c in &mut chunks {
            h = fold(h ^ u64::from_le_bytes(c.try_into().expect("chunks of 8")), self.factor);
        }
        let tail = chunks.remainder();
        if !tail.is_empty() {
            let mut last = [0u8; 8];
            last[..tail.len()].copy_from_slice(tail);
            h = fold(h ^ u64::from_le_bytes(last), self.factor);
        }
        h
    }

    /// Hash of a whole lower-cased wire name.
    pub fn name(&self, wire: &[u8]) -> u64 {
        let mut starts = [0u8; LABELS_MAX + 1];
        let mut count = 0;
        for (at, _) in name::labels(wire) {
            starts[count] = at as u8;
            count += 1;
        }
        let mut h = self.root();
        for &at in starts[..count].iter().rev() {
            let at = usize::from(at);
            h = self.push(h, &wire[at + 1..at + 1 + usize::from(wire[at])]);
        }
        h
    }
}

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey(secret)")
    }
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a ^ 0x9E37_79B9_7F4A_7C15) * u128::from(b);
    (wide as u64) ^ ((wide >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffix_hashes_agree_with_whole_name() {
        let key = HashKey::new(*b"0123456789abcdef");
        let example = key.push(key.root(), b"example");
        let www = key.push(example, b"www");
        assert_eq!(www, key.name(b"\x03www\x07example\x00"));
        assert_eq!(example, key.name(b"\x07example\x00"));
        assert_ne!(key.name(b"\x01a\x01b\x00"), key.name(b"\x02ab\x00"));
        assert_ne!(key.name(b"\x01a\x00"), key.name(b"\x02a\x00\x00"));
        let other = HashKey::new(*b"0123456789abcdeX");
        assert_ne!(www, other.name(b"\x03www\x07example\x00"));
    }
}
