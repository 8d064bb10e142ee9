//! The snapshot that is being made, and whether it differs from the published one.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use crate::base::hash::Keyed;
use crate::base::name::Name;
use crate::model::catalog::{Catalog, Zone};
use crate::model::snapshot::Snapshot;

/// Zones whose changes are told one by one, between two snapshots.
const TOUCHED: usize = 1_000;

/// The next snapshot.
pub(super) struct Draft {
    snapshot: Snapshot,
    changed: bool,
    /// While everything is read at the start: the zones, for one catalog built at the end. A million single changes
    /// of a catalog cost seconds.
    start: Option<HashMap<Name, Zone, Keyed>>,
    /// Zones that were put or removed since it was last asked; the root stands for too many to tell.
    touched: BTreeSet<Name>,
}

impl Draft {
    /// A world without zones, which will be read in a moment.
    pub fn at_start(snapshot: Snapshot) -> Draft {
        let start = Some(HashMap::default());
        Draft { snapshot, changed: true, start, touched: BTreeSet::new() }
    }

    /// Whether the zones of the start are being read.
    pub fn is_start(&self) -> bool {
        self.start.is_some()
    }

    /// Makes room for as many zones at the start.
    pub fn expect(&mut self, zones: usize) {
        if let Some(start) = &mut self.start {
            start.reserve(zones);
        }
    }

    /// Every zone of the start was read.
    pub fn build(&mut self) {
        if let Some(zones) = self.start.take() {
            let zones = zones.into_values().collect();
            self.snapshot.catalog = Catalog::build(self.snapshot.key, zones);
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
            Some(zones) => zones.get(apex),
            None => self.snapshot.catalog.zone_at(apex),
        }
    }

    pub fn put(&mut self, apex: &Name, zone: Zone) {
        self.touch(apex);
        match &mut self.start {
            Some(zones) => drop(zones.insert(apex.clone(), zone)),
            None => self.snapshot.catalog.put(zone),
        }
    }

    pub fn remove(&mut self, apex: &Name) {
        self.touch(apex);
        match &mut self.start {
            Some(zones) => drop(zones.remove(apex)),
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
