//! A name prepared for look-ups: wire form, where its labels start, and the hash of every suffix.

use super::hash::HashKey;
use super::limits::{LABELS_MAX, NAME_MAX};
use super::name::{Name, NameError, Text};

/// A name is copied and hashed in whole words of eight octets.
const PADDED: usize = NAME_MAX + 9;

/// A lower-cased name with all its suffixes hashed. Reused from question to question: filling it allocates nothing.
#[derive(Clone)]
pub struct NameBuf {
    len: u8,
    labels: u8,
    /// Behind `len` octets lies anything.
    wire: [u8; PADDED],
    /// Where each label begins, from the first one to the root's.
    starts: [u8; LABELS_MAX + 1],
    /// `hashes[k]`: hash of the suffix that has `k` labels.
    hashes: [u64; LABELS_MAX + 1],
}

impl Default for NameBuf {
    /// The root, unhashed.
    fn default() -> NameBuf {
        NameBuf {
            len: 1,
            labels: 0,
            wire: [0; PADDED],
            starts: [0; LABELS_MAX + 1],
            hashes: [0; LABELS_MAX + 1],
        }
    }
}

impl std::fmt::Debug for NameBuf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&Text(self.wire()), f)
    }
}

impl NameBuf {
    /// A prepared copy of `name`.
    pub fn of(name: &Name, key: &HashKey) -> NameBuf {
        let mut buf = NameBuf::default();
        buf.set(name.as_wire(), key).expect("a Name is a valid wire name");
        buf
    }

    /// Takes the uncompressed name at the start of `bytes` and returns its length; upper case is folded.
    pub fn set(&mut self, bytes: &[u8], key: &HashKey) -> Result<usize, NameError> {
        let (count, end) = self.scan(bytes)?;
        if end >= bytes.len() {
            return Err(NameError::BadWire);
        }
        self.copy(bytes, end + 1);
        self.starts[count] = end as u8;
        self.labels = count as u8;
        self.len = (end + 1) as u8;
        self.hash(0, key);
        Ok(end + 1)
    }

    /// Takes `front` (labels without the root label) followed by the suffix of `tail` that has `labels` labels.
    pub fn set_joined(
        &mut self,
        front: &[u8],
        tail: &NameBuf,
        labels: usize,
        key: &HashKey,
    ) -> Result<(), NameError> {
        let suffix = tail.suffix(labels);
        let len = front.len() + suffix.len();
        if len > NAME_MAX {
            return Err(NameError::LongName);
        }
        let (count, end) = self.scan(front)?;
        if end != front.len() {
            return Err(NameError::BadWire);
        }
        self.copy(front, end);
        self.wire[end..len].copy_from_slice(suffix);
        let known = &tail.starts[usize::from(tail.labels) - labels..=usize::from(tail.labels)];
        let moved = end.wrapping_sub(usize::from(known[0])) as u8;
        for (start, at) in self.starts[count..].iter_mut().zip(known) {
            *start = at.wrapping_add(moved);
        }
        self.labels = (count + labels) as u8;
        self.len = len as u8;
        self.hashes[..=labels].copy_from_slice(&tail.hashes[..=labels]);
        self.hash(labels, key);
        Ok(())
    }

    /// Notes where the labels at the start of `bytes` begin, up to the root label or the end. Returns how many there
    /// are, and where the scan ended.
    #[inline]
    fn scan(&mut self, bytes: &[u8]) -> Result<(usize, usize), NameError> {
        let mut at = 0;
        let mut count = 0;
        while let Some(&len) = bytes.get(at).filter(|len| **len != 0) {
            let len = usize::from(len);
            if len > super::limits::LABEL_MAX {
                return Err(NameError::BadWire);
            }
            // One octet must remain for the root label.
            if at + 1 + len >= NAME_MAX {
                return Err(NameError::LongName);
            }
            self.starts[count] = at as u8;
            count += 1;
            at += 1 + len;
        }
        Ok((count, at))
    }

    /// Copies `len` octets in lower case, and what follows up to a whole word. Lengths of labels are no letters.
    #[inline]
    fn copy(&mut self, bytes: &[u8], len: usize) {
        let mut at = 0;
        while at < len {
            let word = match bytes.get(at..at + 8) {
                Some(word) => word.try_into().expect("eight octets"),
                None => {
                    let rest = &bytes[at..];
                    let mut word = [0; 8];
                    word[..rest.len()].copy_from_slice(rest);
                    word
                }
            };
            let lower = lower_case(u64::from_le_bytes(word));
            self.wire[at..at + 8].copy_from_slice(&lower.to_le_bytes());
            at += 8;
        }
    }

    /// Hashes the suffixes with more than `known` labels, whose own hash is already there (0: the root's is set too).
    #[inline]
    fn hash(&mut self, known: usize, key: &HashKey) {
        if known == 0 {
            self.hashes[0] = key.root();
        }
        let labels = usize::from(self.labels);
        let mut h = self.hashes[known];
        for k in known + 1..=labels {
            let start = usize::from(self.starts[labels - k]);
            h = key.push_padded(h, &self.wire, start + 1, usize::from(self.wire[start]));
            self.hashes[k] = h;
        }
    }

    pub fn wire(&self) -> &[u8] {
        &self.wire[..usize::from(self.len)]
    }

    /// Octets, root label included.
    pub fn wire_len(&self) -> usize {
        usize::from(self.len)
    }

    /// Number of labels, root not counted.
    pub fn labels(&self) -> usize {
        usize::from(self.labels)
    }

    #[inline]
    fn start(&self, k: usize) -> usize {
        usize::from(self.starts[usize::from(self.labels) - k])
    }

    /// The suffix that has `k` labels (`k` ≤ `labels()`).
    #[inline]
    pub fn suffix(&self, k: usize) -> &[u8] {
        &self.wire[self.start(k)..usize::from(self.len)]
    }

    /// Whether `apex` (lower-cased wire form) encloses this name or is it.
    #[inline]
    pub fn ends_in(&self, apex: &[u8]) -> bool {
        let labels = super::name::label_count(apex);
        labels <= self.labels() && self.suffix(labels) == apex
    }

    /// What stands before the suffix of `above` octets, within the suffix that has `k` labels.
    pub fn relative(&self, k: usize, above: usize) -> &[u8] {
        &self.wire[self.start(k)..usize::from(self.len) - above]
    }

    /// Hash of the suffix that has `k` labels.
    pub fn suffix_hash(&self, k: usize) -> u64 {
        self.hashes[k]
    }

    /// Hash of the whole name.
    pub fn hash_value(&self) -> u64 {
        self.hashes[self.labels()]
    }

    /// Whether a label begins with an underscore: such names exist to be verified (SPEC §4.1).
    pub fn has_underscore_label(&self) -> bool {
        (1..=self.labels()).any(|k| self.wire[self.start(k) + 1] == b'_')
    }

    pub fn to_name(&self) -> Name {
        Name::from_wire(self.wire()).expect("a NameBuf holds a valid wire name")
    }
}

/// Eight octets with `A` to `Z` in lower case, all at once (RFC 4343 §3).
#[inline]
fn lower_case(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let low = word & (0x7F * EACH);
    // The high bit of each octet: at least 'A'; beyond 'Z'; below 128.
    let from_a = low + (0x80 - 0x41) * EACH;
    let past_z = low + (0x80 - 0x5B) * EACH;
    let upper = from_a & !past_z & !word & (0x80 * EACH);
    word | upper >> 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_is_folded_like_ascii() {
        for octet in 0..=255u8 {
            let word = [octet, 0, b'Z', 255, octet, b'[', 127, octet];
            let lower = lower_case(u64::from_le_bytes(word)).to_le_bytes();
            assert_eq!(lower, word.map(|o| o.to_ascii_lowercase()));
        }
    }

    #[test]
    fn joined_names_equal_names_read_whole() {
        let key = HashKey::new([9; 16]);
        let tail = Name::from_text("www.Sub.Example.COM").unwrap();
        let tail = NameBuf::of(&tail, &key);
        for labels in 0..=4 {
            for front in [&b""[..], b"\x01A", b"\x08deeplong\x03FOO", b"\x01*"] {
                let mut joined = NameBuf::of(&Name::from_text("x.y.z.before").unwrap(), &key);
                joined.set_joined(front, &tail, labels, &key).unwrap();
                let mut whole = NameBuf::default();
                whole.set(&[front, tail.suffix(labels)].concat(), &key).unwrap();
                assert_eq!(joined.wire(), whole.wire());
                assert_eq!(joined.labels(), whole.labels());
                for k in 0..=whole.labels() {
                    assert_eq!(joined.suffix(k), whole.suffix(k));
                    assert_eq!(joined.suffix_hash(k), whole.suffix_hash(k));
                }
            }
        }
        let mut b = NameBuf::default();
        assert_eq!(b.set_joined(b"\x05ab", &tail, 1, &key), Err(NameError::BadWire));
        assert_eq!(b.set_joined(b"\x01a\0\x01b", &tail, 1, &key), Err(NameError::BadWire));
    }

    #[test]
    fn suffixes_by_label_count() {
        let key = HashKey::new([7; 16]);
        let mut b = NameBuf::default();
        assert_eq!(b.set(b"\x03WwW\x07example\x00rest", &key), Ok(13));
        assert_eq!(b.labels(), 2);
        assert_eq!(b.suffix(0), b"\x00");
        assert_eq!(b.suffix(1), b"\x07example\x00");
        assert_eq!(b.suffix(2), b"\x03www\x07example\x00");
        assert_eq!(b.hash_value(), key.name(b"\x03www\x07example\x00"));
        assert_eq!(b.suffix_hash(1), key.name(b"\x07example\x00"));
        assert_eq!(b.relative(2, 9), b"\x03www");
        let mut j = NameBuf::default();
        j.set_joined(b"\x01a\x01b", &b, 1, &key).unwrap();
        assert_eq!(j.to_name().to_string(), "a.b.example");
        assert_eq!(b.set(b"\xC0\x00", &key), Err(NameError::BadWire));
        assert_eq!(b.set(b"\x03ww", &key), Err(NameError::BadWire));
        let long: Vec<u8> = b"\x01a".repeat(127).into_iter().chain([0]).collect();
        assert_eq!(b.set(&long, &key), Ok(255));
        assert_eq!(b.labels(), 127);
        let longer: Vec<u8> = b"\x01a".repeat(128).into_iter().chain([0]).collect();
        assert_eq!(b.set(&longer, &key), Err(NameError::LongName));
    }
}
