//! Base64, base32hex and hexadecimal (RFC 4648): octets to text and back, strictly.

/// Reads base64 that may be spread over words (RFC 4648 §4, padding demanded, unused bits zero).
#[derive(Default)]
pub(super) struct Base64 {
    bits: u32,
    /// Characters of the group begun, padding included.
    count: u8,
    padding: u8,
    /// Padding has ended the data.
    ended: bool,
}

impl Base64 {
    /// Whether all of the word could be taken.
    pub fn word(&mut self, text: &[u8], out: &mut Vec<u8>) -> bool {
        text.iter().all(|b| self.character(*b, out).is_some())
    }

    /// Whether nothing is missing from the last group.
    pub fn is_whole(&self) -> bool {
        self.count == 0
    }

    fn character(&mut self, b: u8, out: &mut Vec<u8>) -> Option<()> {
        if self.ended {
            return None;
        }
        let value = if b == b'=' {
            if self.count < 2 {
                return None;
            }
            self.padding += 1;
            0
        } else {
            if self.padding > 0 {
                return None;
            }
            u32::from(base64_value(b)?)
        };
        self.bits = self.bits << 6 | value;
        self.count += 1;
        if self.count == 4 {
            let octets = self.bits.to_be_bytes();
            let kept = 3 - usize::from(self.padding);
            if octets[1 + kept..].iter().any(|b| *b != 0) {
                return None;
            }
            out.extend_from_slice(&octets[1..1 + kept]);
            self.ended = self.padding > 0;
            (self.bits, self.count) = (0, 0);
        }
        Some(())
    }
}

fn base64_value(b: u8) -> Option<u8> {
    match b {
        b'A'..=b'Z' => Some(b - b'A'),
        b'a'..=b'z' => Some(b - b'a' + 26),
        b'0'..=b'9' => Some(b - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

/// One word of base32hex without padding, at least one octet.
pub(super) fn base32hex(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (mut bits, mut count) = (0u32, 0);
    for &b in text {
        let value = match b {
            b'0'..=b'9' => b - b'0',
            b'a'..=b'v' => b - b'a' + 10,
            b'A'..=b'V' => b - b'A' + 10,
            _ => return None,
        };
        bits = bits << 5 | u32::from(value);
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    // What is left is less than a character, and empty.
    (count < 5 && bits == 0 && !text.is_empty()).then_some(())
}

pub(super) fn push_hex(octets: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for b in octets {
        out.push(char::from(DIGITS[usize::from(b >> 4)]));
        out.push(char::from(DIGITS[usize::from(b & 15)]));
    }
}

pub(super) fn push_base64(octets: &[u8], out: &mut String) {
    const CHARACTERS: &[u8; 64] =
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for group in octets.chunks(3) {
        let mut padded = [0u8; 4];
        padded[1..1 + group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes(padded);
        for i in 0..4 {
            if i <= group.len() {
                out.push(char::from(CHARACTERS[(bits >> (18 - 6 * i) & 63) as usize]));
            } else {
                out.push('=');
            }
        }
    }
}

pub(super) fn push_base32hex(octets: &[u8], out: &mut String) {
    const CHARACTERS: &[u8; 32] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";
    let (mut bits, mut count) = (0u32, 0);
    for &b in octets {
        bits = bits << 8 | u32::from(b);
        count += 8;
        while count >= 5 {
            count -= 5;
            out.push(char::from(CHARACTERS[(bits >> count & 31) as usize]));
        }
    }
    if count > 0 {
        out.push(char::from(CHARACTERS[(bits << (5 - count) & 31) as usize]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for length in 0..40u8 {
            let octets: Vec<u8> = (0..length).map(|i| i.wrapping_mul(73) ^ 0xA5).collect();
            let (mut text, mut back) = (String::new(), Vec::new());
            push_base64(&octets, &mut text);
            let mut reader = Base64::default();
            assert!(reader.word(text.as_bytes(), &mut back) && reader.is_whole());
            assert_eq!(back, octets);
            if length > 0 {
                text.clear();
                back.clear();
                push_base32hex(&octets, &mut text);
                assert_eq!(base32hex(text.as_bytes(), &mut back), Some(()));
                assert_eq!(back, octets);
            }
        }
    }

    #[test]
    fn vectors_of_rfc_4648() {
        for (plain, base64, base32) in [
            ("f", "Zg==", "CO"),
            ("fo", "Zm8=", "CPNG"),
            ("foo", "Zm9v", "CPNMU"),
            ("foob", "Zm9vYg==", "CPNMUOG"),
            ("fooba", "Zm9vYmE=", "CPNMUOJ1"),
            ("foobar", "Zm9vYmFy", "CPNMUOJ1E8"),
        ] {
            let mut text = String::new();
            push_base64(plain.as_bytes(), &mut text);
            assert_eq!(text, base64);
            text.clear();
            push_base32hex(plain.as_bytes(), &mut text);
            assert_eq!(text, base32);
        }
    }

    #[test]
    fn what_is_refused() {
        for text in ["A", "AQ=A", "=", "A===", "AQ====", "AR==", "AQE", "AQ==AQ==", "A-==", "A Q="]
        {
            let mut reader = Base64::default();
            let whole = reader.word(text.as_bytes(), &mut Vec::new()) && reader.is_whole();
            assert!(!whole, "{text}");
        }
        for text in ["", "0", "CP", "COW", "C*", "CO======", "01"] {
            assert_eq!(base32hex(text.as_bytes(), &mut Vec::new()), None, "{text}");
        }
    }
}
