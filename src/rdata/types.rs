//! RR types by name: mnemonics of the IANA registry and `TYPEnnn` (RFC 3597 §5).
//!
//! Every record of a zone asks once, so the look-up is a hash table made at compile time.

use std::fmt;

use crate::base::rtype::{self, RType};

/// Names and numbers. ANAME is how others write ALIAS.
const NAMES: &[(&str, RType)] = &[
    ("A", 1),
    ("NS", 2),
    ("MD", 3),
    ("MF", 4),
    ("CNAME", 5),
    ("SOA", 6),
    ("MB", 7),
    ("MG", 8),
    ("MR", 9),
    ("NULL", 10),
    ("WKS", 11),
    ("PTR", 12),
    ("HINFO", 13),
    ("MINFO", 14),
    ("MX", 15),
    ("TXT", 16),
    ("RP", 17),
    ("AFSDB", 18),
    ("X25", 19),
    ("ISDN", 20),
    ("RT", 21),
    ("NSAP", 22),
    ("NSAP-PTR", 23),
    ("SIG", 24),
    ("KEY", 25),
    ("PX", 26),
    ("GPOS", 27),
    ("AAAA", 28),
    ("LOC", 29),
    ("NXT", 30),
    ("EID", 31),
    ("NIMLOC", 32),
    ("SRV", 33),
    ("ATMA", 34),
    ("NAPTR", 35),
    ("KX", 36),
    ("CERT", 37),
    ("A6", 38),
    ("DNAME", 39),
    ("SINK", 40),
    ("OPT", 41),
    ("APL", 42),
    ("DS", 43),
    ("SSHFP", 44),
    ("IPSECKEY", 45),
    ("RRSIG", 46),
    ("NSEC", 47),
    ("DNSKEY", 48),
    ("DHCID", 49),
    ("NSEC3", 50),
    ("NSEC3PARAM", 51),
    ("TLSA", 52),
    ("SMIMEA", 53),
    ("HIP", 55),
    ("NINFO", 56),
    ("RKEY", 57),
    ("TALINK", 58),
    ("CDS", 59),
    ("CDNSKEY", 60),
    ("OPENPGPKEY", 61),
    ("CSYNC", 62),
    ("ZONEMD", 63),
    ("SVCB", 64),
    ("HTTPS", 65),
    ("DSYNC", 66),
    ("HHIT", 67),
    ("BRID", 68),
    ("SPF", 99),
    ("UINFO", 100),
    ("UID", 101),
    ("GID", 102),
    ("UNSPEC", 103),
    ("NID", 104),
    ("L32", 105),
    ("L64", 106),
    ("LP", 107),
    ("EUI48", 108),
    ("EUI64", 109),
    ("NXNAME", 128),
    ("TKEY", rtype::TKEY),
    ("TSIG", rtype::TSIG),
    ("IXFR", rtype::IXFR),
    ("AXFR", rtype::AXFR),
    ("MAILB", rtype::MAILB),
    ("MAILA", rtype::MAILA),
    ("ANY", rtype::ANY),
    ("URI", 256),
    ("CAA", 257),
    ("AVC", 258),
    ("DOA", 259),
    ("AMTRELAY", 260),
    ("RESINFO", 261),
    ("WALLET", 262),
    ("CLA", 263),
    ("IPN", 264),
    ("TA", 32768),
    ("DLV", 32769),
    ("ALIAS", rtype::ALIAS),
    ("ANAME", rtype::ALIAS),
];

/// Slots of the hash of names: a power of two, at least twice the names.
const SLOTS: usize = 256;
const EMPTY: u8 = u8::MAX;

/// Index into `NAMES` by hash of the name, collisions in the next free slot.
static BY_NAME: [u8; SLOTS] = by_name();
/// Index into `NAMES` for the numbers that stand close together.
static BY_NUMBER: [u8; 320] = by_number();

const fn by_name() -> [u8; SLOTS] {
    let mut slots = [EMPTY; SLOTS];
    let mut i = 0;
    while i < NAMES.len() {
        let mut at = slot(NAMES[i].0.as_bytes());
        while slots[at] != EMPTY {
            at = (at + 1) % SLOTS;
        }
        slots[at] = i as u8;
        i += 1;
    }
    slots
}

const fn by_number() -> [u8; 320] {
    let mut numbers = [EMPTY; 320];
    let mut i = 0;
    while i < NAMES.len() {
        let number = NAMES[i].1 as usize;
        if number < numbers.len() {
            numbers[number] = i as u8;
        }
        i += 1;
    }
    numbers
}

/// Hash of a mnemonic in any case: clearing bit 5 folds letters and keeps digits apart.
const fn slot(text: &[u8]) -> usize {
    let mut key = 0u64;
    let mut i = 0;
    while i < text.len() {
        key = key << 8 ^ (text[i] & 0xDF) as u64 ^ key >> 56;
        i += 1;
    }
    (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as usize % SLOTS
}

/// The type a mnemonic or `TYPEnnn` stands for, in any case. Also knows the types that exist in
/// questions only.
#[inline]
pub fn type_from_text(text: &[u8]) -> Option<RType> {
    if text.len() > 10 {
        return None;
    }
    let mut at = slot(text);
    while BY_NAME[at] != EMPTY {
        let (name, number) = NAMES[usize::from(BY_NAME[at])];
        if name.as_bytes().eq_ignore_ascii_case(text) {
            return Some(number);
        }
        at = (at + 1) % SLOTS;
    }
    numbered(text)
}

fn numbered(text: &[u8]) -> Option<RType> {
    let (word, digits) = text.split_at_checked(4)?;
    if !word.eq_ignore_ascii_case(b"TYPE") || digits.is_empty() {
        return None;
    }
    let mut value = 0u32;
    for &b in digits {
        if !b.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u32::from(b - b'0');
    }
    RType::try_from(value).ok()
}

/// Mnemonic of a type, if it has one.
pub(super) fn name(rtype: RType) -> Option<&'static str> {
    match BY_NUMBER.get(usize::from(rtype)) {
        Some(&EMPTY) => None,
        Some(&i) => Some(NAMES[usize::from(i)].0),
        None => NAMES.iter().find(|(_, number)| *number == rtype).map(|(name, _)| *name),
    }
}

/// Number of a type that has this mnemonic; that there is none shows when the program is compiled.
pub(super) const fn number(name: &str) -> RType {
    let mut i = 0;
    while !same(NAMES[i].0.as_bytes(), name.as_bytes()) {
        i += 1;
    }
    NAMES[i].1
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}

/// Mnemonic of a type, or `TYPEnnn`.
pub fn type_text(rtype: RType) -> impl fmt::Display {
    TypeText(rtype)
}

struct TypeText(RType);

impl fmt::Display for TypeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match name(self.0) {
            Some(name) => f.pad(name),
            None => f.pad(&format!("TYPE{}", self.0)),
        }
    }
}

/// Whether records of this type can stand in a zone. The rest are for questions and messages only
/// (RFC 6895 §3.1).
pub fn is_data(rtype: RType) -> bool {
    !matches!(rtype, 0 | rtype::OPT | 128..=255 | 65535)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_its_number_and_back() {
        for &(name, number) in NAMES {
            assert_eq!(type_from_text(name.as_bytes()), Some(number), "{name}");
            assert_eq!(type_from_text(name.to_ascii_lowercase().as_bytes()), Some(number));
            if name != "ANAME" {
                assert_eq!(type_text(number).to_string(), name);
            }
        }
        for number in 0..=u16::MAX {
            let text = format!("TYPE{number}");
            assert_eq!(type_from_text(text.as_bytes()), Some(number));
            assert_eq!(type_from_text(type_text(number).to_string().as_bytes()), Some(number));
        }
    }

    #[test]
    fn what_is_no_type() {
        for text in ["", "TYPE", "TYPE65536", "TYPE-1", "TYPE999999", "AA", "A ", "\u{11}", "IN"] {
            assert_eq!(type_from_text(text.as_bytes()), None, "{text}");
        }
        // Clearing bit 5 alone would take control characters for digits.
        assert_eq!(type_from_text(b"EUI\x14\x18"), None);
        assert!(is_data(1) && is_data(65280) && is_data(rtype::ALIAS));
        assert!(!is_data(0) && !is_data(rtype::OPT) && !is_data(rtype::ANY) && !is_data(128));
    }
}
