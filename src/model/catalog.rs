//! All zones served here, found by the longest apex that encloses a name. (Not a "catalog zone" of RFC 9432.)

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::hash::{HashKey, Hashed};
use crate::base::id::{AccountId, ZoneId};
use crate::base::name::{self, Name};
use crate::base::name_buf::NameBuf;
use crate::base::pages::Pages;
use crate::model::settings::{CrossAccount, FlattenMode, OnViolation};
use crate::model::zone::ZoneData;

/// One active zone: who holds it, how it behaves, and its data.
#[derive(Clone)]
pub struct Zone {
    pub id: ZoneId,
    pub account: AccountId,
    /// Resolved: of the zone, else its account, else the server.
    pub on_violation: OnViolation,
    pub cross_account: CrossAccount,
    pub flatten: FlattenMode,
    /// Not ready (`ZoneData::unready`) while no good version was ever seen.
    pub data: ZoneData,
}

impl Zone {
    pub fn apex(&self) -> &[u8] {
        self.data.apex()
    }
}

/// Zones below an ancestor name that one account holds.
#[derive(Clone)]
struct Beneath {
    count: u32,
}

/// See the file's head. Cloning shares everything; a change copies a page.
#[derive(Clone)]
pub struct Catalog {
    key: HashKey,
    zones: Pages<Zone>,
    /// Bit k: some apex has k labels.
    depths: u128,
    /// Apexes by number of labels, to know when a bit of `depths` falls.
    by_depth: Arc<[u32; 128]>,
    /// Zones strictly below a name, by its hash.
    beneath: Pages<Beneath>,
    /// The same for one account, by the hash mixed with the account.
    beneath_own: Pages<Beneath>,
    apexes: Arc<Apexes>,
}

/// Some of the zones that a catalog is to have, counted already: each thread that makes zones at a start has its own.
pub struct Share {
    key: HashKey,
    zones: Vec<(u64, Zone)>,
    beneath: HashMap<u64, u32, Hashed>,
    beneath_own: HashMap<u64, u32, Hashed>,
    by_depth: [u32; 128],
}

impl Share {
    pub fn new(key: HashKey) -> Share {
        let (beneath, beneath_own) = Default::default();
        Share { key, zones: Vec::new(), beneath, beneath_own, by_depth: [0; 128] }
    }

    /// Adds a zone; no other has its apex.
    pub fn add(&mut self, zone: Zone) {
        let Share { key, beneath, beneath_own, .. } = self;
        let (mut whole, mut labels) = (None, 0);
        key.suffixes(zone.apex(), |hash| {
            if let Some(above) = whole.replace(hash) {
                labels += 1;
                *beneath.entry(above).or_insert(0) += 1;
                *beneath_own.entry(own_hash(above, zone.account)).or_insert(0) += 1;
            }
        });
        self.by_depth[labels] += 1;
        self.zones.push((whole.expect("the root is a suffix of every name"), zone));
    }

    /// Makes room for as many zones.
    pub fn reserve(&mut self, zones: usize) {
        self.zones.reserve(zones);
    }

    /// Zones there are.
    pub fn len(&self) -> usize {
        self.zones.len()
    }

    pub fn is_empty(&self) -> bool {
        self.zones.is_empty()
    }

    /// Takes the zones out again.
    pub fn into_zones(self) -> impl Iterator<Item = Zone> {
        self.zones.into_iter().map(|(_, zone)| zone)
    }
}

/// What all catalogs with the same apexes share.
#[derive(Default)]
struct Apexes {
    /// Set by whoever publishes; 0: not yet.
    mark: AtomicU64,
}

impl Catalog {
    pub fn new(key: HashKey) -> Catalog {
        Catalog {
            key,
            zones: Pages::default(),
            depths: 0,
            by_depth: Arc::new([0; 128]),
            beneath: Pages::default(),
            beneath_own: Pages::default(),
            apexes: Arc::default(),
        }
    }

    /// What tells this set of apexes from every other one that was published; `None`: it was not.
    #[inline]
    pub fn mark(&self) -> Option<u64> {
        Some(self.apexes.mark.load(Ordering::Relaxed)).filter(|mark| *mark != 0)
    }

    /// Gives the set of apexes its mark, unless it has one; no two sets may get the same.
    pub fn set_mark(&self, mark: u64) {
        // Whoever came first has told everybody.
        let _ = self.apexes.mark.compare_exchange(0, mark, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub fn len(&self) -> usize {
        self.zones.len()
    }

    pub fn is_empty(&self) -> bool {
        self.zones.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Zone> {
        self.zones.iter()
    }

    /// The deepest zone that encloses the suffix of `name` with `labels` labels.
    #[inline]
    pub fn zone_for_suffix(&self, name: &NameBuf, labels: usize) -> Option<&Zone> {
        let mut left = self.depths & (u128::MAX >> (127 - labels));
        while left != 0 {
            let k = 127 - left.leading_zeros() as usize;
            let apex = name.suffix(k);
            let found = self.zones.find(name.suffix_hash(k), |z| z.apex() == apex);
            if found.is_some() {
                return found;
            }
            left &= !(1 << k);
        }
        None
    }

    /// Asks for what [`Catalog::prefetch_slot`] reads.
    #[inline]
    pub fn prefetch_page(&self, name: &NameBuf) {
        self.each_depth(name, |k| self.zones.prefetch_page(name.suffix_hash(k)));
    }

    /// Asks for what [`Catalog::likely_zone_for`] reads.
    #[inline]
    pub fn prefetch_slot(&self, name: &NameBuf) {
        self.each_depth(name, |k| self.zones.prefetch_slot(name.suffix_hash(k)));
    }

    /// What `zone_for` finds unless two names have one hash: the apex is not read.
    #[inline]
    pub fn likely_zone_for(&self, name: &NameBuf) -> Option<&Zone> {
        let mut left = self.depths & (u128::MAX >> (127 - name.labels()));
        while left != 0 {
            let k = 127 - left.leading_zeros() as usize;
            let found = self.zones.find(name.suffix_hash(k), |_| true);
            if found.is_some() {
                return found;
            }
            left &= !(1 << k);
        }
        None
    }

    /// The deepest label counts at which an apex may enclose `name`; fetching more would push out what is needed.
    #[inline]
    fn each_depth(&self, name: &NameBuf, mut each: impl FnMut(usize)) {
        let mut left = self.depths & (u128::MAX >> (127 - name.labels()));
        for _ in 0..3 {
            if left == 0 {
                return;
            }
            let k = 127 - left.leading_zeros() as usize;
            each(k);
            left &= !(1 << k);
        }
    }

    /// The deepest zone that encloses `name`: its owner (SPEC §3.1).
    #[inline]
    pub fn zone_for(&self, name: &NameBuf) -> Option<&Zone> {
        self.zone_for_suffix(name, name.labels())
    }

    /// The zone with exactly this apex.
    pub fn zone_at(&self, apex: &Name) -> Option<&Zone> {
        let wire = apex.as_wire();
        self.zones.find(self.key.name(wire), |z| z.apex() == wire)
    }

    /// Whether any zone lies strictly below the suffix of `name` with `labels` labels.
    pub fn has_zone_beneath(&self, name: &NameBuf, labels: usize) -> bool {
        self.zones_beneath(name.suffix_hash(labels)) > 0
    }

    /// Whether a zone of another account than `account` lies strictly below `name`.
    pub fn has_foreign_beneath(&self, name: &NameBuf, account: AccountId) -> bool {
        let hash = name.hash_value();
        let own = own_hash(hash, account);
        let own = self.beneath_own.find(own, |_| true).map_or(0, |b| b.count);
        self.zones_beneath(hash) > own
    }

    fn zones_beneath(&self, hash: u64) -> u32 {
        self.beneath.find(hash, |_| true).map_or(0, |b| b.count)
    }

    /// Adds a zone, or replaces the one with its apex.
    pub fn put(&mut self, zone: Zone) {
        let apex = zone.apex().to_vec();
        let account = zone.account;
        if let Some(old) = self.find_apex(&apex) {
            if old.account != account {
                self.remove(&apex);
            } else {
                self.zones.put(self.key.name(&apex), zone, |z| z.apex() == &apex[..]);
                return;
            }
        }
        self.zones.put(self.key.name(&apex), zone, |z| z.apex() == &apex[..]);
        self.count_depth(&apex, true);
        self.count_beneath(&apex, account, true);
    }

    /// Takes out the zone with this apex (lower-cased wire form). Returns whether there was one.
    pub fn remove(&mut self, apex: &[u8]) -> bool {
        let Some(account) = self.find_apex(apex).map(|z| z.account) else { return false };
        self.zones.take(self.key.name(apex), |z| z.apex() == apex);
        self.count_depth(apex, false);
        self.count_beneath(apex, account, false);
        true
    }

    fn find_apex(&self, apex: &[u8]) -> Option<&Zone> {
        self.zones.find(self.key.name(apex), |z| z.apex() == apex)
    }

    /// A catalog of all `zones`; apexes differ.
    pub fn build(key: HashKey, zones: Vec<Zone>) -> Catalog {
        let mut share = Share::new(key);
        zones.into_iter().for_each(|zone| share.add(zone));
        Catalog::join(key, vec![share])
    }

    /// A catalog of the zones of all shares, which were made under this key; apexes differ.
    pub fn join(key: HashKey, shares: Vec<Share>) -> Catalog {
        let mut catalog = Catalog::new(key);
        let mut shares = shares.into_iter();
        let mut all = shares.next().unwrap_or_else(|| Share::new(key));
        for share in shares {
            all.zones.extend(share.zones);
            for (sums, counts) in
                [(&mut all.beneath, share.beneath), (&mut all.beneath_own, share.beneath_own)]
            {
                counts
                    .into_iter()
                    .for_each(|(hash, count)| *sums.entry(hash).or_insert(0) += count);
            }
            all.by_depth.iter_mut().zip(share.by_depth).for_each(|(sum, count)| *sum += count);
        }
        let pages = |map: HashMap<u64, u32, Hashed>| {
            Pages::build(map.into_iter().map(|(hash, count)| (hash, Beneath { count })).collect())
        };
        for (labels, _) in all.by_depth.iter().enumerate().filter(|(_, count)| **count > 0) {
            catalog.depths |= 1 << labels;
        }
        catalog.by_depth = Arc::new(all.by_depth);
        catalog.zones = Pages::build(all.zones);
        catalog.beneath = pages(all.beneath);
        catalog.beneath_own = pages(all.beneath_own);
        catalog
    }

    fn count_depth(&mut self, apex: &[u8], added: bool) {
        // Not what it was: whatever was found out about the set before is forgotten.
        self.apexes = Arc::default();
        let labels = name::label_count(apex);
        let count = &mut Arc::make_mut(&mut self.by_depth)[labels];
        if added {
            *count += 1;
            self.depths |= 1 << labels;
        } else {
            *count -= 1;
            if *count == 0 {
                self.depths &= !(1 << labels);
            }
        }
    }

    fn count_beneath(&mut self, apex: &[u8], account: AccountId, added: bool) {
        let mut above = name::parent(apex);
        while let Some(a) = above {
            let hash = self.key.name(a);
            count(&mut self.beneath, hash, added);
            count(&mut self.beneath_own, own_hash(hash, account), added);
            above = name::parent(a);
        }
    }
}

fn count(pages: &mut Pages<Beneath>, hash: u64, added: bool) {
    let old = pages.find(hash, |_| true).map_or(0, |b| b.count);
    let new = if added { old + 1 } else { old.saturating_sub(1) };
    if new == 0 {
        pages.take(hash, |_| true);
    } else {
        pages.put(hash, Beneath { count: new }, |_| true);
    }
}

fn own_hash(hash: u64, account: AccountId) -> u64 {
    (hash ^ (u64::from(account.0) + 1)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29) ^ hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(apex: &str, account: u32) -> Zone {
        Zone {
            id: ZoneId(1),
            account: AccountId(account),
            on_violation: OnViolation::Refuse,
            cross_account: CrossAccount::Granted,
            flatten: FlattenMode::Apex,
            data: ZoneData::unready(&Name::from_text(apex).unwrap()),
        }
    }

    #[test]
    fn longest_apex_wins_and_counts_follow() {
        let key = HashKey::new([3; 16]);
        let buf = |t: &str| NameBuf::of(&Name::from_text(t).unwrap(), &key);
        let apex_of = |c: &Catalog, t: &str| {
            c.zone_for(&buf(t)).map(|z| Name::from_wire(z.apex()).unwrap().to_string())
        };
        let zones = [("example.com", 1), ("sub.example.com", 2), ("a.b.sub.example.com", 1)];
        let mut c = Catalog::new(key);
        for (apex, account) in zones {
            c.put(zone(apex, account));
        }
        let built = Catalog::build(key, zones.map(|(a, n)| zone(a, n)).into());
        for c in [&c, &built] {
            assert_eq!(apex_of(c, "x.example.com").as_deref(), Some("example.com"));
            assert_eq!(apex_of(c, "x.sub.example.com").as_deref(), Some("sub.example.com"));
            assert_eq!(apex_of(c, "b.sub.example.com").as_deref(), Some("sub.example.com"));
            assert_eq!(apex_of(c, "a.b.sub.example.com").as_deref(), Some("a.b.sub.example.com"));
            assert_eq!(apex_of(c, "com"), None);
            assert!(c.has_foreign_beneath(&buf("com"), AccountId(1)));
            assert!(c.has_foreign_beneath(&buf("example.com"), AccountId(1)));
            assert!(!c.has_foreign_beneath(&buf("b.sub.example.com"), AccountId(1)));
            assert!(c.has_foreign_beneath(&buf("b.sub.example.com"), AccountId(2)));
        }
        assert!(c.remove(Name::from_text("sub.example.com").unwrap().as_wire()));
        assert_eq!(apex_of(&c, "x.sub.example.com").as_deref(), Some("example.com"));
        assert!(!c.has_foreign_beneath(&buf("com"), AccountId(1)));
        // The apex goes from one account to another.
        c.put(zone("example.com", 7));
        assert!(c.has_foreign_beneath(&buf("com"), AccountId(1)));
        assert_eq!(c.len(), 2);
        c.put(zone(".", 9));
        assert_eq!(apex_of(&c, "org").as_deref(), Some("."));
    }
}
