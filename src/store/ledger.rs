//! A copy of what `ownership.log` comes to (`ownership.index`), so that a start need not read a log that is as the last
//! stop left it.
//!
//! Like `zones.index` it is believed only if the log is the very file it was made of, with the size and times it had
//! then. A copy that is damaged, or that is not what a log could come to, is none: the log is read.
//!
//! ```text
//! file      "BWOWNER1", stamp of the log, records in it, ids never used, accounts, zones, CRC-32 of all of that
//! accounts  how many; each with id, octets of its name, name
//! zones     how many; each with id, account, given or not, octets of its apex, apex; in the order of accounts and ids
//! ```

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::index::STAMP;
use super::ownership::Held;
use crate::base::id::{AccountId, ZoneId};
use crate::base::name::Name;

const MAGIC: &[u8; 8] = b"BWOWNER1";
const CRC: usize = 4;

/// What a log comes to.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Ledger {
    /// Records in the log.
    pub written: u64,
    /// The first ids that were never used.
    pub next_account: u32,
    pub next_zone: u32,
    pub accounts: Vec<(Box<str>, AccountId)>,
    pub zones: Vec<(Name, Held)>,
}

/// Puts a copy at `path`. Not flushed: one that a crash damages is none.
pub(super) fn write(path: &Path, stamp: &[u8; STAMP], ledger: &Ledger) -> io::Result<()> {
    let octets = encode(stamp, ledger);
    let new = path.with_extension("index.new");
    let _ = std::fs::remove_file(&new);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(&octets)?;
    std::fs::rename(&new, path)
}

/// What the copy at `path` holds, if it is whole, and of the log with this stamp.
pub(super) fn read(path: &Path, stamp: &[u8; STAMP]) -> Option<Ledger> {
    let octets = std::fs::read(path).ok()?;
    let (whole, crc) = octets.split_last_chunk::<CRC>()?;
    let rest = whole.strip_prefix(MAGIC)?.strip_prefix(stamp)?;
    if crc32fast::hash(whole) != u32::from_le_bytes(*crc) {
        return None;
    }
    decode(rest)
}

fn encode(stamp: &[u8; STAMP], ledger: &Ledger) -> Vec<u8> {
    let Ledger { written, next_account, next_zone, accounts, zones } = ledger;
    let mut octets = Vec::with_capacity(128 + 32 * accounts.len() + 40 * zones.len());
    octets.extend_from_slice(MAGIC);
    octets.extend_from_slice(stamp);
    octets.extend_from_slice(&written.to_le_bytes());
    for word in [*next_account, *next_zone, accounts.len() as u32] {
        octets.extend_from_slice(&word.to_le_bytes());
    }
    for (name, id) in accounts {
        octets.extend_from_slice(&id.0.to_le_bytes());
        octets.extend_from_slice(&(name.len() as u16).to_le_bytes());
        octets.extend_from_slice(name.as_bytes());
    }
    octets.extend_from_slice(&(zones.len() as u32).to_le_bytes());
    for (apex, held) in zones {
        octets.extend_from_slice(&held.id.0.to_le_bytes());
        octets.extend_from_slice(&held.account.0.to_le_bytes());
        octets.extend_from_slice(&[u8::from(held.given), apex.as_wire().len() as u8]);
        octets.extend_from_slice(apex.as_wire());
    }
    let crc = crc32fast::hash(&octets);
    octets.extend_from_slice(&crc.to_le_bytes());
    octets
}

fn decode(mut rest: &[u8]) -> Option<Ledger> {
    let rest = &mut rest;
    let written = u64::from_le_bytes(take(rest, 8)?.try_into().ok()?);
    let (next_account, next_zone) = (word(rest)?, word(rest)?);
    let count = word(rest)? as usize;
    let mut accounts = Vec::with_capacity(count.min(rest.len()));
    for _ in 0..count {
        let id = AccountId(word(rest)?);
        let len = u16::from_le_bytes(take(rest, 2)?.try_into().ok()?);
        let name = str::from_utf8(take(rest, usize::from(len))?).ok()?;
        accounts.push((name.into(), id));
    }
    let count = word(rest)? as usize;
    let mut zones = Vec::with_capacity(count.min(rest.len()));
    for _ in 0..count {
        let (id, account) = (ZoneId(word(rest)?), AccountId(word(rest)?));
        let &[given @ 0..=1, len] = take(rest, 2)? else { return None };
        let apex = Name::from_wire(take(rest, usize::from(len))?).ok()?;
        zones.push((apex, Held { id, account, given: given == 1 }));
    }
    let ledger = Ledger { written, next_account, next_zone, accounts, zones };
    (rest.is_empty() && is_sound(&ledger)).then_some(ledger)
}

/// Ids are below those never used, and every zone is of an account that is there.
fn is_sound(ledger: &Ledger) -> bool {
    let mut ids: Vec<AccountId> = ledger.accounts.iter().map(|(_, id)| *id).collect();
    ids.sort_unstable();
    let mut last = None;
    ledger.zones.iter().all(|(_, held)| {
        let is_known = last == Some(held.account) || ids.binary_search(&held.account).is_ok();
        last = Some(held.account);
        is_known && held.id.0 < ledger.next_zone
    }) && ids.last().is_none_or(|id| id.0 < ledger.next_account)
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(len)?;
    *rest = left;
    Some(taken)
}

fn word(rest: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(take(rest, 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        let held =
            |id, account| Held { id: ZoneId(id), account: AccountId(account), given: id == 7 };
        let zone = |apex, id, account| (Name::from_text(apex).unwrap(), held(id, account));
        Ledger {
            written: 12,
            next_account: 4,
            next_zone: 9,
            accounts: vec![("one".into(), AccountId(0)), ("two".into(), AccountId(3))],
            zones: vec![zone("a.example", 2, 0), zone(".", 7, 3), zone("\\000\\..b", 8, 3)],
        }
    }

    #[test]
    fn damage_anywhere_and_another_log_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ownership.index");
        let stamp = [7; STAMP];
        assert_eq!(read(&path, &stamp), None);
        write(&path, &stamp, &ledger()).unwrap();
        assert_eq!(read(&path, &stamp), Some(ledger()));
        assert_eq!(read(&path, &[8; STAMP]), None);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            for damaged in [&flipped[..], &whole[..at]] {
                std::fs::write(&path, damaged).unwrap();
                assert_eq!(read(&path, &stamp), None, "octet {at} of {}", whole.len());
            }
        }
    }

    #[test]
    fn what_no_log_comes_to_is_none() {
        let changed = |change: fn(&mut Ledger)| {
            let mut ledger = ledger();
            change(&mut ledger);
            let octets = encode(&[7; STAMP], &ledger);
            decode(&octets[MAGIC.len() + STAMP..octets.len() - CRC])
        };
        assert_eq!(changed(|_| {}), Some(ledger()));
        assert_eq!(changed(|ledger| ledger.next_zone = 8), None);
        assert_eq!(changed(|ledger| ledger.next_account = 3), None);
        assert_eq!(changed(|ledger| ledger.zones[1].1.account = AccountId(1)), None);
    }
}
