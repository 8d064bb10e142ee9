//! What `check` is told of zones that live in the store: the same as of zone files, without lines and columns.

use super::World;
use crate::base::id::ZoneId;
use crate::base::time::UnixTime;
use crate::control::command::ZoneRow;
use crate::control::report::{Reader, Report, report};
use crate::records::compile;
use crate::zonefile::finding::Finding;

/// One zone of the store.
pub struct CheckedZone {
    pub row: ZoneRow,
    /// What is to be said of single records, and which these are.
    pub findings: Vec<(String, Finding)>,
    /// What its chains meet.
    pub report: Report,
}

/// Chains of one zone of which something is said.
const LINES: usize = 1_000;

impl World {
    /// All zones of the store.
    pub fn check_stored(&mut self, now: UnixTime) -> Vec<CheckedZone> {
        let ids: Vec<ZoneId> = self.stored.ids().collect();
        ids.into_iter().filter_map(|id| self.check_stored_zone(id, now)).collect()
    }

    fn check_stored_zone(&mut self, id: ZoneId, now: UnixTime) -> Option<CheckedZone> {
        let zone = self.stored.zone(id)?.clone();
        let row = self.stored_row(id, &zone);
        let served = self.next.snapshot().catalog.zone_at(&zone.apex);
        let served = served.filter(|served| served.id == id && served.data.is_ready());
        let report = served.map_or_else(Report::default, |served| {
            report(self.next.snapshot(), served, Reader::Operator, now, LINES)
        });
        let mut findings = Vec::new();
        if row.warnings > 0 {
            let key = self.keys.names;
            // What cannot be read is said of the zone as a whole.
            let loaded = self.load_stored(id).ok().flatten();
            let compiled = loaded.and_then(|loaded| {
                let compiled = compile::compile(&loaded.content, &loaded.set, &key, None).ok()?;
                Some((compiled.remarks, &loaded.set))
            });
            let (remarks, set) = compiled.unzip();
            for (record, finding) in remarks.into_iter().flatten() {
                let record = set.and_then(|set| set.get(record));
                let text = record.map_or_else(String::new, |record| record.name.to_string());
                findings.push((text, finding));
            }
        }
        Some(CheckedZone { row, findings, report })
    }
}
