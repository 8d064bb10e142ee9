//! Keyed hash of names: one right-to-left pass gives the hash of every suffix.
//!
//! The key is random per data folder, since tenants choose the names (hash flooding).

use std::hash::{BuildHasher, Hasher, RandomState};

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
    ///
    /// Whole words of the label are folded in one after the other, then what is left of it beside its length: no two
    /// labels give the same row of words.
    #[inline]
    pub fn push(&self, rest: u64, label: &[u8]) -> u64 {
        let mut chunks = label.chunks_exact(8);
        let mut h = rest;
        for c in &mut chunks {
            h = fold(h ^ u64::from_le_bytes(c.try_into().expect("chunks of 8")), self.factor);
        }
        let mut last = [0u8; 8];
        let left = chunks.remainder();
        last[..left.len()].copy_from_slice(left);
        fold(h ^ u64::from_le_bytes(last) ^ (label.len() as u64) << 56, self.factor)
    }

    /// The same for the label of `len` octets at `at`, where eight more octets of anything may be read behind it: no
    /// copy is needed to get whole words.
    #[inline(always)]
    pub fn push_padded<const N: usize>(
        &self,
        rest: u64,
        padded: &[u8; N],
        at: usize,
        len: usize,
    ) -> u64 {
        let word =
            |at: usize| u64::from_le_bytes(padded[at..at + 8].try_into().expect("eight octets"));
        let (mut h, mut at, end) = (rest, at, at + len);
        while end - at >= 8 {
            h = fold(h ^ word(at), self.factor);
            at += 8;
        }
        let left = word(at) & ((1 << (8 * (end - at))) - 1);
        fold(h ^ left ^ (len as u64) << 56, self.factor)
    }

    /// Hash of a whole lower-cased wire name.
    pub fn name(&self, wire: &[u8]) -> u64 {
        let mut whole = self.root();
        self.suffixes(wire, |hash| whole = hash);
        whole
    }

    /// Tells the hash of every suffix of a lower-cased wire name: the root first, the whole name last.
    pub fn suffixes(&self, wire: &[u8], mut each: impl FnMut(u64)) {
        let mut starts = [0u8; LABELS_MAX + 1];
        let mut count = 0;
        for (at, _) in name::labels(wire) {
            starts[count] = at as u8;
            count += 1;
        }
        let mut h = self.root();
        each(h);
        for &at in starts[..count].iter().rev() {
            let at = usize::from(at);
            h = self.push(h, &wire[at + 1..at + 1 + usize::from(wire[at])]);
            each(h);
        }
    }
}

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey(secret)")
    }
}

/// Makes the hashers of maps in memory whose keys tenants choose: random for each map, and for names several times as
/// quick as those of the standard library.
#[derive(Clone, Copy, Debug)]
pub struct Keyed(HashKey);

impl Default for Keyed {
    fn default() -> Keyed {
        let random = RandomState::new();
        let mut octets = [0; 16];
        octets[..8].copy_from_slice(&random.hash_one(1u8).to_le_bytes());
        octets[8..].copy_from_slice(&random.hash_one(2u8).to_le_bytes());
        Keyed(HashKey::new(octets))
    }
}

impl Keyed {
    /// For who hashes by itself.
    pub fn key(&self) -> &HashKey {
        &self.0
    }
}

impl BuildHasher for Keyed {
    type Hasher = KeyedHasher;

    fn build_hasher(&self) -> KeyedHasher {
        KeyedHasher { key: self.0, state: self.0.root() }
    }
}

/// Makes hashers for maps whose keys are hashes of names already, under a key that nobody knows.
#[derive(Clone, Copy, Default, Debug)]
pub struct Hashed(u64);

impl BuildHasher for Hashed {
    type Hasher = Hashed;

    fn build_hasher(&self) -> Hashed {
        Hashed(0)
    }
}

impl Hasher for Hashed {
    fn write(&mut self, octets: &[u8]) {
        octets.iter().for_each(|&octet| self.0 = self.0.rotate_left(8) ^ u64::from(octet));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// See [`Keyed`].
#[derive(Clone, Copy, Debug)]
pub struct KeyedHasher {
    key: HashKey,
    state: u64,
}

impl Hasher for KeyedHasher {
    #[inline]
    fn write(&mut self, octets: &[u8]) {
        self.state = self.key.push(self.state, octets);
    }

    #[inline]
    fn write_u32(&mut self, word: u32) {
        self.state = fold(self.state ^ u64::from(word), self.key.factor);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.state
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
    fn maps_agree_on_equal_keys() {
        let keyed = Keyed::default();
        let name = |text: &str| super::super::name::Name::from_text(text).unwrap();
        assert_eq!(keyed.hash_one(name("www.Example")), keyed.hash_one(name("WWW.example")));
        // Maps of names are asked with octets.
        assert_eq!(keyed.hash_one(name("example")), keyed.hash_one(&b"\x07example\x00"[..]));
        assert_ne!(keyed.hash_one(name("example")), keyed.hash_one(name("example.org")));
        assert_ne!(keyed.hash_one(1u32), keyed.hash_one(2u32));
        assert_ne!(keyed.hash_one(1u32), Keyed::default().hash_one(1u32));
    }

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

    #[test]
    fn labels_of_every_length_hash_alike_in_place() {
        let key = HashKey::new(*b"0123456789abcdef");
        let text: [u8; 80] = std::array::from_fn(|i| b'a' + (i % 26) as u8);
        let mut seen = std::collections::HashSet::new();
        for len in 0..=63 {
            for at in [0, 5] {
                let hash = key.push(7, &text[at..at + len]);
                assert_eq!(hash, key.push_padded(7, &text, at, len), "{len} octets at {at}");
                assert!(seen.insert(hash) || len == 0, "{len} octets at {at}");
            }
        }
        // What is left of a label, with its length, must not look like a whole word of another.
        assert_ne!(key.push(7, b"ab\0\0\0\0\0\x02"), key.push(7, b"ab"));
    }
}
