//! The snapshot that is being made, and whether it differs from the published one.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;

use crate::base::hash::{HashKey, Keyed};
use crate::base::name::Name;
use crate::model::catalog::{Catalog, Share, Zone};
use crate::model::snapshot::Snapshot;

/// Zones whose changes are told one by one, between two snapshots.
const TOUCHED: usize = 1_000;

/// The zones of a start.
#[derive(Default)]
struct Start {
    zones: HashMap<Name, Zone, Keyed>,
    /// Put by the threads that made them, some of which were removed since.
    shares: Vec<Share>,
    removed: HashSet<Name, Keyed>,
}

impl Start {
    fn build(self, key: HashKey) -> Catalog {
        let Start { zones, shares, removed } = self;
        let mut rest = Share::new(key);
        zones.into_values().for_each(|zone| rest.add(zone));
        if removed.is_empty() {
            return Catalog::join(key, shares.into_iter().chain([rest]).collect());
        }
        let stay = shares.into_iter().flat_map(Share::into_zones);
        stay.filter(|zone| !removed.contains(zone.apex())).for_each(|zone| rest.add(zone));
        Catalog::join(key, vec![rest])
    }
}

/// The next snapshot.
pub(super) struct Draft {
    snapshot: Snapshot,
    changed: bool,
    /// While everything is read at the start: the zones, for one catalog built at the end. A million single changes
    /// of a catalog cost seconds.
    start: Option<Start>,
    /// Zones that were put or removed since it was last asked; the root stands for too many to tell.
    touched: BTreeSet<Name>,
}

impl Draft {
    /// A world without zones, which will be read in a moment.
    pub fn at_start(snapshot: Snapshot) -> Draft {
        let start = Some(Start::default());
        Draft { snapshot, changed: true, start, touched: BTreeSet::new() }
    }

    /// Whether the zones of the start are being read.
    pub fn is_start(&self) -> bool {
        self.start.is_some()
    }

    /// Puts the zones of a start that one thread made. They are only looked up once all are read.
    pub fn put_share(&mut self, share: Share) {
        self.changed = true;
        self.start.get_or_insert_default().shares.push(share);
    }

    /// Every zone of the start was read.
    pub fn build(&mut self) {
        if let Some(start) = self.start.take() {
            self.snapshot.catalog = start.build(self.snapshot.key);
        }
    }

    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Takes the names of the zones that changed.
    pub fn take_touched(&mut self) -> BTreeSet<Name> {
        std::mem::take(&mut self.touched)
    }

    fn touch(&mut self, apex: &Name) {
        self.changed = true;
        if self.start.is_some() {
            return;
        }
        if self.touched.len() >= TOUCHED {
            self.touched = BTreeSet::from([Name::root()]);
        }
        let all = self.touched.first().is_some_and(Name::is_root);
        if !all {
            self.touched.insert(apex.clone());
        }
    }

    /// For changes of what is not the catalog.
    pub fn change(&mut self) -> &mut Snapshot {
        self.changed = true;
        &mut self.snapshot
    }

    pub fn zone(&self, apex: &Name) -> Option<&Zone> {
        match &self.start {
            Some(start) => start.zones.get(apex),
            None => self.snapshot.catalog.zone_at(apex),
        }
    }

    pub fn put(&mut self, apex: &Name, zone: Zone) {
        self.touch(apex);
        match &mut self.start {
            Some(start) => drop(start.zones.insert(apex.clone(), zone)),
            None => self.snapshot.catalog.put(zone),
        }
    }

    pub fn remove(&mut self, apex: &Name) {
        self.touch(apex);
        match &mut self.start {
            Some(start) => {
                start.zones.remove(apex);
                if !start.shares.is_empty() {
                    start.removed.insert(apex.clone());
                }
            }
            None => drop(self.snapshot.catalog.remove(apex.as_wire())),
        }
    }

    /// The next snapshot, if anything changed since this was last asked.
    pub fn take(&mut self) -> Option<Snapshot> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        self.build();
        Some(self.snapshot.clone())
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("changed", &self.changed).finish_non_exhaustive()
    }
}
