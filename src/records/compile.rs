//! A zone out of its stored records: SOA and NS are added, then it goes the way of a file, without its text.

use super::{Content, Problem, Record, RecordSet};
use crate::base::hash::HashKey;
use crate::base::mem::Arena;
use crate::base::name::Name;
use crate::base::rtype::{self, RType};
use crate::base::uuid::Uuid;
use crate::model::zone::ZoneData;
use crate::zonefile::finding::{Finding, Place, Severity};
use crate::zonefile::record::{Parsed, Record as Line};
use crate::zonefile::{self, build};

/// A zone that can be served, and what is to be said of it.
#[derive(Debug)]
pub struct Compiled {
    pub data: ZoneData,
    pub warnings: usize,
    /// Warnings that belong to a record.
    pub remarks: Vec<(Uuid, Finding)>,
}

/// Makes the zone of `content` and `records`; its data goes into `arena`, if one is given.
pub fn compile(
    content: &Content,
    records: &RecordSet,
    key: &HashKey,
    arena: Option<&mut Arena>,
) -> Result<Compiled, Problem> {
    let apex = records.apex();
    let mut lines = Lines { parsed: Parsed::default(), key, ids: Vec::new() };
    lines.reserve(records.len());
    lines.head(content, apex);
    for name in records.names() {
        let mut owner = None;
        for record in name {
            let owner = *owner.get_or_insert_with(|| lines.owner(&record.name));
            lines.record(owner, record);
        }
    }
    let Lines { parsed, ids, .. } = lines;
    let parsed = zonefile::assemble(apex, parsed, key);
    refuse_errors(&parsed)?;
    let data = match arena {
        Some(arena) => build::build_in(arena, apex, &parsed, key),
        None => build::build(apex, &parsed, key),
    };
    let data = data.map_err(|error| Problem::new(Problem::NO_ZONE, error.to_string()))?;
    let remarks = parsed.findings.into_iter().filter_map(|finding| {
        let id = ids.get(finding.place.at as usize).copied().flatten()?;
        Some((id, finding))
    });
    let remarks = remarks.collect();
    Ok(Compiled { data, warnings: parsed.warnings, remarks })
}

/// Checks some names as they would stand in the zone: all errors of a zone are errors of a name.
pub fn check<'n>(
    content: &Content,
    records: &RecordSet,
    names: impl Iterator<Item = &'n Name>,
    key: &HashKey,
) -> Result<(), Problem> {
    let apex = records.apex();
    let mut lines = Lines { parsed: Parsed::default(), key, ids: Vec::new() };
    lines.head(content, apex);
    // The apex has what the server adds: it is checked with it.
    let apex_records = records.at(apex);
    let owner = lines.owner(apex);
    apex_records.for_each(|record| lines.record(owner, record));
    for name in names.filter(|name| *name != apex) {
        let owner = lines.owner(name);
        records.at(name).for_each(|record| lines.record(owner, record));
    }
    refuse_errors(&zonefile::assemble(apex, lines.parsed, key))
}

fn refuse_errors(parsed: &Parsed) -> Result<(), Problem> {
    if !parsed.has_errors() {
        return Ok(());
    }
    let errors = parsed.findings.iter().filter(|f| f.severity == Severity::Error);
    let texts: Vec<&str> = errors.take(5).map(|f| f.message.as_str()).collect();
    Err(Problem::new(Problem::NO_ZONE, format!("{}.", texts.join("; "))))
}

/// Records as they come from the parser; the place of each is its number.
struct Lines<'k> {
    parsed: Parsed,
    key: &'k HashKey,
    ids: Vec<Option<Uuid>>,
}

/// A name in the arena.
#[derive(Clone, Copy)]
struct Owner {
    at: u32,
    len: u8,
    hash: u64,
}

impl Lines<'_> {
    fn reserve(&mut self, records: usize) {
        self.parsed.records.reserve(records + 8);
        self.parsed.arena.reserve(records * 48);
        self.ids.reserve(records + 8);
    }

    fn owner(&mut self, name: &Name) -> Owner {
        let wire = name.as_wire();
        let at = self.parsed.arena.len() as u32;
        self.parsed.arena.extend_from_slice(wire);
        Owner { at, len: wire.len() as u8, hash: self.key.name(wire) }
    }

    /// What the server adds.
    fn head(&mut self, content: &Content, apex: &Name) {
        let owner = self.owner(apex);
        let settings = &content.settings;
        let soa = settings.soa_rdata(apex, content.serial);
        self.push(owner, rtype::SOA, settings.soa.ttl.0, &soa, None);
        for name in settings.served_nameservers(apex) {
            self.push(owner, rtype::NS, settings.ns_ttl.0, name.as_wire(), None);
        }
    }

    fn record(&mut self, owner: Owner, record: &Record) {
        let at = self.parsed.records.len();
        self.push(owner, record.rtype, record.served_ttl(), &record.rdata, Some(record.id));
        self.parsed.records[at].flatten = record.flatten;
    }

    fn push(&mut self, owner: Owner, rtype: RType, ttl: u32, rdata: &[u8], id: Option<Uuid>) {
        let rdata_at = self.parsed.arena.len() as u32;
        self.parsed.arena.extend_from_slice(rdata);
        let number = self.ids.len() as u32;
        self.ids.push(id);
        self.parsed.records.push(Line {
            owner_hash: owner.hash,
            owner_at: owner.at,
            owner_len: owner.len,
            flatten: false,
            rtype,
            ttl,
            rdata_at,
            rdata_len: rdata.len() as u16,
            place: Place { source: 0, at: number, len: 0 },
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::id::ZoneId;
    use crate::base::time::UnixTime;
    use crate::records::input::Input;

    #[test]
    fn a_zone_of_records_is_that_of_its_text() {
        let apex = Name::from_text("zone.example").unwrap();
        let key = HashKey::new([3; 16]);
        let mut set = RecordSet::new(&apex, Vec::new());
        for (n, value) in [
            json!({ "type": "A", "name": "@", "content": "192.0.2.1" }),
            json!({ "type": "A", "name": "w", "content": "192.0.2.1", "ttl": 60 }),
            json!({ "type": "CNAME", "name": "f", "content": "w.zone.example",
                "settings": { "flatten_cname": true } }),
            json!({ "type": "TXT", "name": "f", "content": "beside" }),
            json!({ "type": "A", "name": "w", "content": "192.0.2.2", "ttl": 120 }),
        ]
        .iter()
        .enumerate()
        {
            let input = Input::from_json(value.as_object().unwrap()).unwrap();
            let record = input.create(&apex, Uuid([n as u8; 16]), UnixTime(1)).unwrap();
            set.put(record).unwrap();
        }
        let nameservers = vec![Name::from_text("ns1.host.example").unwrap()];
        let content = Content::new(ZoneId(1), nameservers, UnixTime(77));
        let compiled = compile(&content, &set, &key, None).unwrap();
        assert_eq!((compiled.data.serial(), compiled.data.record_count()), (77, 7));
        // The two TTLs of `w`.
        assert_eq!(compiled.remarks.len(), 1);
        assert_eq!(compiled.remarks[0].1.code, "ttl-mismatch");
        let empty = RecordSet::new(&apex, Vec::new());
        assert_eq!(compile(&content, &empty, &key, None).unwrap().data.record_count(), 2);
    }
}
