//! All that is known of names outside, by target and type: what a flattened answer is copied from.
//!
//! The addresses of an entry lie here as they go on the wire: to copy them costs what it costs to copy an RRset of a
//! zone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::base::hash::HashKey;
use crate::base::mem;
use crate::base::name_buf::NameBuf;
use crate::base::pages::Pages;
use crate::base::rtype::{self, CLASS_IN, RType};
use crate::base::time::UnixTime;
use crate::model::catalog::Catalog;
use crate::model::flattened::{self, Addresses, Entry, Key, Outcome, Update};
use crate::model::note::{Note, Noted, Numbers};
use crate::model::zone::RrSet;

/// Octets of a target and its addresses that lie within a [`Known`]; most have no more.
const WITHIN: usize = 86;

/// An entry, prepared for answers: what a fresh one is answered with lies side by side, in two or three lines of
/// memory. The rest is for those who have the time.
#[derive(Debug)]
#[repr(C)]
pub struct Known {
    /// Target and addresses, where they do not fit `within`.
    apart: Option<Box<[u8]>>,
    /// Mark of a set of apexes none of which encloses target or hops; 0: none is known.
    clear_of: AtomicU64,
    /// Of the entry.
    expires: UnixTime,
    ttl: u32,
    rtype: RType,
    count: u16,
    /// Fresh, it is answered with addresses.
    has_addresses: bool,
    /// The entry knows that it is used.
    told: AtomicBool,
    target_len: u8,
    wire_len: u16,
    /// The target, then RRs with owner `C0 0C`.
    within: [u8; WITHIN],
    key: Key,
    entry: Arc<Entry>,
}

impl Known {
    fn new(key: Key, entry: Arc<Entry>) -> Known {
        let mut octets = key.target.as_wire().to_vec();
        let target_len = octets.len() as u8;
        write(&entry.addresses, entry.ttl, &mut octets);
        let mut within = [0; WITHIN];
        let apart = match within.get_mut(..octets.len()) {
            Some(within) => {
                within.copy_from_slice(&octets);
                None
            }
            None => Some(octets.clone().into()),
        };
        Known {
            apart,
            clear_of: AtomicU64::new(0),
            expires: entry.expires,
            ttl: entry.ttl,
            rtype: key.rtype,
            count: entry.addresses.len() as u16,
            has_addresses: entry.outcome == Outcome::Addresses,
            told: AtomicBool::new(false),
            target_len,
            wire_len: (octets.len() - usize::from(target_len)) as u16,
            within,
            key,
            entry,
        }
    }

    /// Target and addresses.
    #[inline]
    fn octets(&self) -> (&[u8], &[u8]) {
        let target_len = usize::from(self.target_len);
        let octets = self.apart.as_deref().unwrap_or(&self.within);
        octets[..target_len + usize::from(self.wire_len)].split_at(target_len)
    }

    /// The TTL of its addresses, if there are some and they are fresh: `entry().standing(now)` says the same.
    #[inline]
    pub fn fresh(&self, now: UnixTime) -> Option<u32> {
        let fresh = flattened::fresh(self.expires, self.ttl, now);
        fresh.filter(|_| self.has_addresses)
    }

    /// Says that somebody was answered with it.
    #[inline]
    pub fn mark_used(&self) {
        // The entry lies elsewhere: it is told once.
        if !self.told.load(Ordering::Relaxed) {
            self.told.store(true, Ordering::Relaxed);
            self.entry.mark_used();
        }
    }

    /// Whether it was found that neither the target nor any hop lies in a zone of `catalog`.
    #[inline]
    pub fn is_clear_of(&self, catalog: &Catalog) -> bool {
        catalog.mark().is_some_and(|mark| self.clear_of.load(Ordering::Relaxed) == mark)
    }

    /// Notes that this was found, so that it need not be looked for at every question.
    #[inline]
    pub fn set_clear_of(&self, catalog: &Catalog) {
        if let Some(mark) = catalog.mark()
            && self.clear_of.load(Ordering::Relaxed) != mark
        {
            self.clear_of.store(mark, Ordering::Relaxed);
        }
    }

    /// What was asked outside.
    pub fn key(&self) -> &Key {
        &self.key
    }

    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The addresses; their owner is the query name, as with an RRset of a zone.
    #[inline]
    pub fn addresses(&self) -> RrSet<'_> {
        RrSet::without_names(self.rtype, self.count, self.ttl, self.octets().1)
    }
}

/// Appends RRs with these addresses.
fn write(addresses: &Addresses, ttl: u32, wire: &mut Vec<u8>) {
    let rtype = match addresses {
        Addresses::V4(_) => rtype::A,
        Addresses::V6(_) => rtype::AAAA,
    };
    for at in 0..addresses.len() {
        let rdata = addresses.rdata(at);
        wire.extend([0xC0, 0x0C]);
        wire.extend(rtype.to_be_bytes());
        wire.extend(CLASS_IN.to_be_bytes());
        wire.extend(ttl.to_be_bytes());
        wire.extend((rdata.len() as u16).to_be_bytes());
        wire.extend(rdata);
    }
}

/// See the file's head. Cloning shares everything; a change copies a page.
#[derive(Clone, Default)]
pub struct Outside {
    known: Pages<Arc<Known>>,
    numbers: Numbers,
}

impl Outside {
    pub fn len(&self) -> usize {
        self.known.len()
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Known> {
        self.known.iter().map(|known| &**known)
    }

    /// What is known of `target` for this type. Allocates nothing.
    #[inline]
    pub fn find(&self, target: &NameBuf, rtype: RType) -> Option<&Known> {
        self.find_wire(target.hash_value(), target.wire(), rtype)
    }

    /// The same for the lower-cased wire form and its hash.
    #[inline]
    pub fn find_wire(&self, hash: u64, target: &[u8], rtype: RType) -> Option<&Known> {
        let is = |k: &Arc<Known>| k.rtype == rtype && k.octets().0 == target;
        self.known.find(slot_hash(hash, rtype), is).map(|known| &**known)
    }

    /// Asks for what [`Outside::prefetch_slot`] reads, for the name with this hash.
    #[inline]
    pub fn prefetch_page(&self, hash: u64, rtype: RType) {
        self.known.prefetch_page(slot_hash(hash, rtype));
    }

    /// Asks for what [`Outside::prefetch_known`] reads.
    #[inline]
    pub fn prefetch_slot(&self, hash: u64, rtype: RType) {
        self.known.prefetch_slot(slot_hash(hash, rtype));
    }

    /// Asks for what is known of the name; returns whether there most likely is something.
    #[inline]
    pub fn prefetch_known(&self, hash: u64, rtype: RType) -> bool {
        let known = self.known.find(slot_hash(hash, rtype), |_| true);
        if let Some(known) = known {
            mem::prefetch_value(&**known);
        }
        known.is_some()
    }

    /// What the note of an alias says, if that is what is known of its target for this type, and `catalog` has no zone
    /// on the way there.
    #[inline]
    pub fn noted(&self, note: Note<'_>, rtype: RType, catalog: &Catalog) -> Option<Noted> {
        note.read(self.numbers.of(slot_hash(note.hash(), rtype)), catalog.mark()?)
    }

    /// Whether it most likely says something.
    #[inline]
    pub fn is_noted(&self, note: Note<'_>, rtype: RType) -> bool {
        note.is_of(self.numbers.of(slot_hash(note.hash(), rtype)))
    }

    /// Notes what is known of the target, which is clear of `catalog`.
    pub fn note(&self, note: Note<'_>, known: &Known, catalog: &Catalog) {
        let Entry { addresses, expires, ttl, .. } = known.entry();
        if let (Some(mark), Some(noted)) = (catalog.mark(), Noted::new(addresses, *expires, *ttl)) {
            note.write(self.numbers.of(slot_hash(note.hash(), known.rtype)), mark, &noted);
        }
    }

    /// Takes in what is new, and forgets what is to be forgotten.
    pub fn update(&mut self, updates: Vec<Update>, key: &HashKey) {
        for (what, entry) in updates {
            let hash = slot_hash(key.name(what.target.as_wire()), what.rtype);
            self.numbers.change(hash);
            match entry {
                Some(entry) => {
                    let known = Arc::new(Known::new(what.clone(), entry));
                    self.known.put(hash, known, |k| k.key == what);
                }
                None => drop(self.known.take(hash, |k| k.key == what)),
            }
        }
    }
}

/// A and AAAA of one name lie far apart, so that neither lengthens the other's way.
#[inline]
fn slot_hash(name: u64, rtype: RType) -> u64 {
    if rtype == rtype::AAAA { name.rotate_left(32) } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::name::Name;

    fn entry(last: u8) -> Arc<Entry> {
        Arc::new(Entry {
            hops: Box::default(),
            outcome: Outcome::Addresses,
            addresses: Addresses::V4(Box::new([[192, 0, 2, 1], [192, 0, 2, last]])),
            dropped: 0,
            validated: None,
            ttl: 77,
            fetched: UnixTime(1),
            expires: UnixTime(78),
            stale_until: UnixTime(99),
            failure: None,
            upstream: None,
            took_ms: 0,
            used: AtomicBool::new(false),
        })
    }

    #[test]
    fn found_by_name_and_type_replaced_and_forgotten() {
        let hash_key = HashKey::new([6; 16]);
        let key =
            |n: u32, rtype| Key { target: Name::from_text(&format!("t{n}.test")).unwrap(), rtype };
        let mut outside = Outside::default();
        let all = (0..1000).map(|n| (key(n, rtype::A), Some(entry(n as u8)))).collect();
        outside.update(all, &hash_key);
        let old = outside.clone();
        outside.update(
            vec![
                (key(5, rtype::A), Some(entry(200))),
                (key(6, rtype::A), None),
                (key(7, rtype::AAAA), Some(entry(9))),
            ],
            &hash_key,
        );
        let find = |table: &Outside, n: u32, rtype| {
            let name = NameBuf::of(&key(n, rtype).target, &hash_key);
            table.find(&name, rtype).map(|k| k.entry().addresses.rdata(1)[3])
        };
        assert_eq!(find(&outside, 5, rtype::A), Some(200));
        assert_eq!(find(&outside, 6, rtype::A), None);
        assert_eq!(find(&outside, 7, rtype::A), Some(7));
        assert_eq!(find(&outside, 7, rtype::AAAA), Some(9));
        assert_eq!((outside.len(), old.len()), (1000, 1000));
        assert_eq!(find(&old, 6, rtype::A), Some(6), "an old snapshot stays as it was");
    }

    #[test]
    fn addresses_as_on_the_wire() {
        let known = Known::new(
            Key { target: Name::from_text("t.test").unwrap(), rtype: rtype::A },
            entry(2),
        );
        let set = known.addresses();
        assert_eq!((set.count, set.ttl, set.wire.len()), (2, 77, 32));
        let rdata: Vec<&[u8]> = set.records().map(|(_, rdata)| rdata).collect();
        assert_eq!(rdata, [[192, 0, 2, 1], [192, 0, 2, 2]]);
    }
}
