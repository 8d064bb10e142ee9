//! A name prepared for look-ups: wire form, where its labels start, and the hash of every suffix.

use super::hash::HashKey;
use super::limits::{LABELS_MAX, NAME_MAX};
use super::name::{Name, NameError, Text};

/// A lower-cased name with all its suffixes hashed. Reused from question to question: filling it allocates nothing.
#[derive(Clone)]
pub struct NameBuf {
    len: u8,
    labels: u8,
    wire: [u8; NAME_MAX],
    /// `starts[k]`: offset of the suffix that has `k` labels.
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
            wire: [0; NAME_MAX],
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
        let len = self.copy(bytes)?;
        self.hash(0, key);
        Ok(len)
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
        let mut joined = [0u8; NAME_MAX];
        joined[..front.len()].copy_from_slice(front);
        joined[front.len()..len].copy_from_slice(suffix);
        self.set(&joined[..len], key).map(|_| ())
    }

    #[inline]
    fn copy(&mut self, bytes: &[u8]) -> Result<usize, NameError> {
        let mut at = 0;
        let mut count = 0;
        loop {
            let len = usize::from(*bytes.get(at).ok_or(NameError::BadWire)?);
            if len == 0 {
                break;
            }
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
        let total = at + 1;
        self.wire[..total].copy_from_slice(bytes.get(..total).ok_or(NameError::BadWire)?);
        self.wire[..total].make_ascii_lowercase();
        self.starts[count] = at as u8;
        // Found front to back; wanted by number of labels, which counts from the back.
        self.starts[..=count].reverse();
        self.labels = count as u8;
        self.len = total as u8;
        Ok(total)
    }

    /// Hashes the suffixes with more than `known` labels, whose own hash is already there (0: the root's is set too).
    #[inline]
    fn hash(&mut self, known: usize, key: &HashKey) {
        if known == 0 {
            self.hashes[0] = key.root();
        }
        let mut h = self.hashes[known];
        for k in known + 1..=usize::from(self.labels) {
            let start = usize::from(self.starts[k]);
            let end = usize::from(self.starts[k - 1]);
            h = key.push(h, &self.wire[start + 1..end]);
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

    /// The suffix that has `k` labels (`k` ≤ `labels()`).
    pub fn suffix(&self, k: usize) -> &[u8] {
        &self.wire[usize::from(self.starts[k])..usize::from(self.len)]
    }

    /// What stands before the suffix of `above` octets, within the suffix that has `k` labels.
    pub fn relative(&self, k: usize, above: usize) -> &[u8] {
        &self.wire[usize::from(self.starts[k])..usize::from(self.len) - above]
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
        (1..=self.labels()).any(|k| self.wire[usize::from(self.starts[k]) + 1] == b'_')
    }

    pub fn to_name(&self) -> Name {
        Name::from_wire(self.wire()).expect("a NameBuf holds a valid wire name")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
