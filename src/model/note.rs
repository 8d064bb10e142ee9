//! Notes: what an alias was last answered with out of what is known from outside lies beside its record, until that
//! changes. The way through the table of all targets reads five more places than an address does; a note is one.
//!
//! A table of what is known has a number for each part of all hashes, and draws a new one for a part whenever something
//! in it changes, as a table of grants does for its seals (`seal.rs`); numbers only grow. A note holds that number, the
//! mark of the set of apexes that the target was found to be clear of, and the addresses. So it says what the table
//! says, or nothing. It is written by whoever was answered the long way, one at a time and never back to an older
//! number; who reads while somebody writes takes the long way.

use std::array;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use crate::base::rtype::{self, CLASS_IN, RType};
use crate::base::time::UnixTime;
use crate::model::flattened::{self, Addresses};
use crate::model::zone::{RR_HEAD, RrSet};

/// Parts of all hashes. More would outlive more changes, and would take longer to copy at each.
const PARTS: usize = 8192;
/// Addresses that a note has room for: of most targets there are no more.
const V4_MAX: usize = 4;
const V6_MAX: usize = 2;
/// Words of a note: number, mark, times and count, and two or four words of addresses.
const V4_WORDS: usize = 3 + V4_MAX / 2;
const V6_WORDS: usize = 3 + V6_MAX * 2;
/// Words beside the record of an alias: a note for each family.
pub const WORDS: usize = V4_WORDS + V6_WORDS;
/// In the place of the number: somebody writes. Greater than all of them.
const BUSY: u64 = u64::MAX;
/// TTL and count share half a word.
const TTL_BITS: u32 = 29;

/// The next number; 0 is that of no table. There are more than can be drawn.
static NEXT: AtomicU64 = AtomicU64::new(1);

fn draw() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Words beside the record of an alias, for one family of addresses.
#[derive(Clone, Copy, Debug)]
pub struct Note<'z> {
    words: &'z [AtomicU64; V4_WORDS],
    /// Those that only the longer addresses need.
    more: &'z [AtomicU64],
    /// Of the alias's target.
    hash: u64,
}

/// What a note says.
#[derive(Clone, Copy, Debug)]
pub struct Noted {
    expires: UnixTime,
    ttl: u32,
    count: u16,
    /// One after the other, as many as there are.
    addresses: [u64; 4],
}

/// Room for the records of a note, as they go on the wire.
#[derive(Clone, Copy, Debug)]
pub struct Room([u8; V4_MAX * V4_LEN]);

/// Octets of one address record.
const V4_LEN: usize = RR_HEAD + 4;
const V6_LEN: usize = RR_HEAD + 16;

/// The numbers of a table. Cloning shares them.
#[derive(Clone, Debug)]
pub(super) struct Numbers(Arc<[u64; PARTS]>);

impl Default for Numbers {
    fn default() -> Numbers {
        Numbers(Arc::new([draw(); PARTS]))
    }
}

impl Numbers {
    /// What is known under this hash is not what it was.
    pub fn change(&mut self, hash: u64) {
        Arc::make_mut(&mut self.0)[part(hash)] = draw();
    }

    #[inline]
    pub fn of(&self, hash: u64) -> u64 {
        self.0[part(hash)]
    }
}

#[inline]
fn part(hash: u64) -> usize {
    (hash >> 24) as usize % PARTS
}

impl<'z> Note<'z> {
    /// Where the words of a note begin and end among [`WORDS`].
    #[inline]
    pub(super) fn place(qtype: RType) -> (usize, usize) {
        if qtype == rtype::A { (0, V4_WORDS) } else { (V4_WORDS, WORDS) }
    }

    /// `words` belong to one record of one zone, and to nothing else; all 0 at first. `hash` is that of its target.
    #[inline]
    pub(super) fn new(words: &'z [AtomicU64], qtype: RType, hash: u64) -> Option<Note<'z>> {
        let (start, end) = Note::place(qtype);
        let (words, more) = words.get(start..end)?.split_first_chunk()?;
        Some(Note { words, more, hash })
    }

    #[inline]
    pub(super) fn hash(self) -> u64 {
        self.hash
    }

    /// Whether it most likely says something.
    #[inline]
    pub(super) fn is_of(self, number: u64) -> bool {
        self.words[0].load(Ordering::Relaxed) == number
    }

    /// What it says under this number for a set of apexes with this mark.
    #[inline]
    pub(super) fn read(self, number: u64, mark: u64) -> Option<Noted> {
        let [held, of, word, first, second] = self.words;
        if held.load(Ordering::Acquire) != number || of.load(Ordering::Relaxed) != mark {
            return None;
        }
        let word = word.load(Ordering::Relaxed);
        let load = |word: &AtomicU64| word.load(Ordering::Relaxed);
        let mut addresses = [load(first), load(second), 0, 0];
        if let [third, fourth] = self.more {
            addresses[2..].copy_from_slice(&[load(third), load(fourth)]);
        }
        // All of it is of this number if it still is that: numbers do not come back.
        fence(Ordering::Acquire);
        let ttl = word as u32 & ((1 << TTL_BITS) - 1);
        let count = (word as u32 >> TTL_BITS) as u16;
        let noted = Noted { expires: UnixTime(word >> 32), ttl, count, addresses };
        (held.load(Ordering::Relaxed) == number).then_some(noted)
    }

    /// Notes it, if there is room.
    pub(super) fn write(self, number: u64, mark: u64, noted: &Noted) {
        let Some(word) = noted.word() else { return };
        let [held, of, times, behind @ ..] = self.words;
        let old = held.load(Ordering::Relaxed);
        // Under one number the rest is always the same but for the mark.
        if old > number || old == number && of.load(Ordering::Relaxed) == mark {
            return;
        }
        let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
        if held.compare_exchange(old, BUSY, success, failure).is_err() {
            return;
        }
        // Who sees one of the words below sees that somebody writes.
        fence(Ordering::Release);
        of.store(mark, Ordering::Relaxed);
        times.store(word, Ordering::Relaxed);
        for (to, from) in behind.iter().chain(self.more).zip(noted.addresses) {
            to.store(from, Ordering::Relaxed);
        }
        held.store(number, Ordering::Release);
    }
}

impl Noted {
    /// `None`: they are too many.
    pub(super) fn new(addresses: &Addresses, expires: UnixTime, ttl: u32) -> Option<Noted> {
        let most = if matches!(addresses, Addresses::V4(_)) { V4_MAX } else { V6_MAX };
        let count = addresses.len();
        if count == 0 || count > most {
            return None;
        }
        let mut octets = [0; 32];
        let size = addresses.rdata(0).len();
        for (at, room) in octets.chunks_exact_mut(size).take(count).enumerate() {
            room.copy_from_slice(addresses.rdata(at));
        }
        let word = |at: usize| array::from_fn(|i| octets[at * 8 + i]);
        let addresses = array::from_fn(|at| u64::from_le_bytes(word(at)));
        Some(Noted { expires, ttl, count: count as u16, addresses })
    }

    /// All but the addresses; `None`: they are too large for it.
    fn word(&self) -> Option<u64> {
        let expires = u32::try_from(self.expires.0).ok()?;
        let ttl = Some(self.ttl).filter(|ttl| *ttl < 1 << TTL_BITS)?;
        Some(u64::from(expires) << 32 | u64::from(u32::from(self.count) << TTL_BITS | ttl))
    }

    /// The TTL, if it is fresh.
    #[inline]
    pub fn fresh(&self, now: UnixTime) -> Option<u32> {
        flattened::fresh(self.expires, self.ttl, now)
    }

    /// Its records with this TTL, written to `room`.
    #[inline]
    pub fn records<'r>(&self, qtype: RType, ttl: u32, room: &'r mut Room) -> RrSet<'r> {
        let mut octets = [0; 32];
        for (to, from) in octets.as_chunks_mut::<8>().0.iter_mut().zip(self.addresses) {
            *to = from.to_le_bytes();
        }
        let count = usize::from(self.count);
        let wire = match qtype {
            rtype::A => records::<4, V4_LEN>(&octets, count, rtype::A, ttl, room),
            _ => records::<16, V6_LEN>(&octets, count, rtype::AAAA, ttl, room),
        };
        RrSet::without_names(qtype, self.count, ttl, wire)
    }
}

impl Default for Room {
    fn default() -> Room {
        Room([0; V4_MAX * V4_LEN])
    }
}

/// Octets of one address record.
#[inline]
pub fn record_len(qtype: RType) -> usize {
    if qtype == rtype::A { V4_LEN } else { V6_LEN }
}

#[inline]
fn records<'r, const SIZE: usize, const LEN: usize>(
    addresses: &[u8; 32],
    count: usize,
    rtype: RType,
    ttl: u32,
    room: &'r mut Room,
) -> &'r [u8] {
    let mut head = [0xC0, 0x0C, 0, 0, 0, 0, 0, 0, 0, 0, 0, SIZE as u8];
    head[2..4].copy_from_slice(&rtype.to_be_bytes());
    head[4..6].copy_from_slice(&CLASS_IN.to_be_bytes());
    head[6..10].copy_from_slice(&ttl.to_be_bytes());
    let addresses = addresses.as_chunks::<SIZE>().0;
    for (rr, address) in room.0.as_chunks_mut::<LEN>().0.iter_mut().zip(addresses).take(count) {
        rr[..RR_HEAD].copy_from_slice(&head);
        rr[RR_HEAD..].copy_from_slice(address);
    }
    &room.0[..(LEN * count).min(V4_MAX * V4_LEN)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(count: u8) -> Addresses {
        Addresses::V4((0..count).map(|n| [192, 0, 2, n]).collect())
    }

    fn v6(count: u8) -> Addresses {
        Addresses::V6((0..count).map(|n| [n; 16]).collect())
    }

    fn words() -> [AtomicU64; WORDS] {
        [const { AtomicU64::new(0) }; WORDS]
    }

    #[test]
    fn says_what_was_noted_as_on_the_wire() {
        for (qtype, addresses) in [
            (rtype::A, v4(1)),
            (rtype::A, v4(3)),
            (rtype::A, v4(4)),
            (rtype::AAAA, v6(1)),
            (rtype::AAAA, v6(2)),
        ] {
            let words = words();
            let note = Note::new(&words, qtype, 0).unwrap();
            assert!(note.read(7, 1).is_none());
            note.write(7, 1, &Noted::new(&addresses, UnixTime(130), 60).unwrap());
            let noted = note.read(7, 1).unwrap();
            assert_eq!((noted.fresh(UnixTime(100)), noted.fresh(UnixTime(130))), (Some(30), None));
            let mut room = Room::default();
            let set = noted.records(qtype, 30, &mut room);
            assert_eq!((usize::from(set.count), set.ttl), (addresses.len(), 30));
            assert_eq!(set.wire.len(), record_len(qtype) * addresses.len());
            for (at, (place, rdata)) in set.records().enumerate() {
                assert_eq!(rdata, addresses.rdata(at));
                let kind = qtype as u8;
                let head = [0xC0, 0x0C, 0, kind, 0, 1, 0, 0, 0, 30, 0, rdata.len() as u8];
                assert_eq!(set.wire[place..place + RR_HEAD], head);
            }
            let other = if qtype == rtype::A { rtype::AAAA } else { rtype::A };
            assert!(!Note::new(&words, other, 0).unwrap().is_of(7), "each family has its own");
        }
        for (none, ttl) in [(v4(0), 9), (v4(5), 9), (v6(3), 9)] {
            assert!(Noted::new(&none, UnixTime(1), ttl).is_none(), "{none:?}");
        }
    }

    #[test]
    fn a_note_holds_for_its_number_and_its_mark() {
        let words = words();
        let note = Note::new(&words, rtype::A, 0).unwrap();
        let noted = |count| Noted::new(&v4(count), UnixTime(130), 60).unwrap();
        note.write(7, 1, &noted(1));
        assert!(
            note.read(6, 1).is_none() && note.read(8, 1).is_none() && note.read(7, 2).is_none()
        );
        note.write(7, 2, &noted(1));
        assert!(note.read(7, 1).is_none() && note.read(7, 2).is_some());
        note.write(9, 2, &noted(2));
        // Whoever still reads an older table does not bring it back.
        note.write(7, 2, &noted(1));
        assert_eq!(note.read(9, 2).map(|noted| noted.count), Some(2));
        // What does not fit is not noted.
        note.write(10, 2, &Noted::new(&v4(1), UnixTime(1 << 32), 60).unwrap());
        note.write(10, 2, &Noted::new(&v4(1), UnixTime(130), 1 << TTL_BITS).unwrap());
        assert!(note.is_of(9));
        // Somebody writes.
        words[0].store(BUSY, Ordering::Relaxed);
        note.write(11, 2, &noted(1));
        assert!(note.read(9, 2).is_none() && note.read(11, 2).is_none());
    }

    #[test]
    fn who_reads_beside_a_writer_reads_the_whole_or_nothing() {
        let words = words();
        let note = Note::new(&words, rtype::A, 0).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for number in 1..20_000_u64 {
                        let all = Addresses::V4(Box::new([(number as u32).to_le_bytes(); 4]));
                        let noted = Noted::new(&all, UnixTime(number), number as u32);
                        note.write(number, 1, &noted.unwrap());
                    }
                });
            }
            scope.spawn(|| {
                for _ in 0..20_000 {
                    let number = words[0].load(Ordering::Relaxed);
                    let Some(noted) = note.read(number, 1).filter(|_| number < BUSY) else {
                        continue;
                    };
                    let address = number << 32 | number;
                    assert_eq!((noted.expires.0, u64::from(noted.ttl)), (number, number));
                    assert_eq!(noted.addresses[..2], [address; 2]);
                }
            });
        });
        assert!(note.is_of(19_999));
    }

    #[test]
    fn numbers_are_of_one_table_and_change_by_parts() {
        let old = Numbers::default();
        let mut new = old.clone();
        new.change(7 << 24);
        assert!(new.of(7 << 24) > old.of(7 << 24));
        assert_eq!(new.of(8 << 24), old.of(8 << 24));
        assert_ne!(Numbers::default().of(0), old.of(0));
    }
}
