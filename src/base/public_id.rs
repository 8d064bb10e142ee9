//! Ids as the outside sees them: 32 hexadecimal digits that tell nothing about each other, and need no table.
//!
//! A number and what it numbers make one block of 16 octets, permuted under a key of this data folder: eight Feistel
//! rounds of SipHash-2-4. What does not come out of it whole is nobody's id, so nobody finds one by counting.

use std::fmt;
use std::hash::Hasher;

use siphasher::sip::SipHasher24;

use super::id::{AccountId, ZoneId};

/// Rounds: four make a permutation that looks random, the rest is margin.
const ROUNDS: u8 = 8;
/// What the ids number.
const ACCOUNT: u64 = 0x6163_636f;
const ZONE: u64 = 0x7a6f_6e65;

/// The key of the permutation. The same ids under another key are other ids.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicIds {
    key: [u8; 16],
}

impl fmt::Debug for PublicIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicIds(secret)")
    }
}

impl PublicIds {
    pub fn new(key: [u8; 16]) -> PublicIds {
        PublicIds { key }
    }

    pub fn account(&self, id: AccountId) -> String {
        self.seal(ACCOUNT, id.0)
    }

    pub fn zone(&self, id: ZoneId) -> String {
        self.seal(ZONE, id.0)
    }

    /// The account that a text names, whether or not it exists. `None`: the text is no id of an account.
    pub fn read_account(&self, text: &str) -> Option<AccountId> {
        self.open(ACCOUNT, text).map(AccountId)
    }

    /// Likewise for zones.
    pub fn read_zone(&self, text: &str) -> Option<ZoneId> {
        self.open(ZONE, text).map(ZoneId)
    }

    fn seal(&self, kind: u64, id: u32) -> String {
        let (mut left, mut right) = (kind, u64::from(id));
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ self.mix(round, right));
        }
        format!("{left:016x}{right:016x}")
    }

    fn open(&self, kind: u64, text: &str) -> Option<u32> {
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() != 32 || !text.bytes().all(is_hex) {
            return None;
        }
        let word = |text: &str| u64::from_str_radix(text, 16).ok();
        let (mut left, mut right) = (word(&text[..16])?, word(&text[16..])?);
        for round in (0..ROUNDS).rev() {
            (left, right) = (right ^ self.mix(round, left), left);
        }
        if left != kind {
            return None;
        }
        u32::try_from(right).ok()
    }

    fn mix(&self, round: u8, half: u64) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write_u8(round);
        hasher.write_u64(half);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_and_nothing_else() {
        let ids = PublicIds::new([7; 16]);
        for n in [0, 1, 2, 77, u32::MAX] {
            let zone = ids.zone(ZoneId(n));
            assert_eq!(zone.len(), 32);
            assert_eq!(ids.read_zone(&zone), Some(ZoneId(n)));
            assert_eq!(ids.read_account(&zone), None);
            assert_eq!(ids.read_account(&ids.account(AccountId(n))), Some(AccountId(n)));
            assert_eq!(PublicIds::new([8; 16]).read_zone(&zone), None);
        }
        let zone = ids.zone(ZoneId(1));
        let upper = zone.to_ascii_uppercase();
        for bad in ["", &zone[1..], "00000000000000000000000000000001", &upper, "ä"] {
            assert!(bad == zone || ids.read_zone(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn neighbours_share_nothing() {
        let ids = PublicIds::new([7; 16]);
        let octets = |n| u128::from_str_radix(&ids.zone(ZoneId(n)), 16).unwrap();
        for n in 0..100 {
            let differing = (octets(n) ^ octets(n + 1)).count_ones();
            assert!((30..=98).contains(&differing), "{n}: {differing} of 128 bits");
        }
    }
}
