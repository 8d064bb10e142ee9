//! The records of a zone that is as its file says, for those who read it through the API.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};

use super::Record;
use crate::base::id::ZoneId;
use crate::base::name::Name;
use crate::base::rtype::{self, RType};
use crate::base::time::UnixTime;
use crate::base::uuid::Uuid;
use crate::model::zone::ZoneData;

/// All records but the SOA. Their ids stay as long as they say the same.
pub fn records(id: ZoneId, zone: &ZoneData) -> Vec<Record> {
    let mut records = Vec::with_capacity(zone.record_count());
    for node in zone.nodes() {
        let name = node.owner();
        for set in node.rrsets().filter(|set| set.rtype != rtype::SOA) {
            set.expanded(zone.apex(), |rdata| {
                records.push(record(id, &name, zone.apex(), set.rtype, set.ttl, rdata));
            });
        }
    }
    records
}

fn record(zone: ZoneId, name: &Name, apex: &[u8], rtype: RType, ttl: u32, rdata: &[u8]) -> Record {
    let is_alias = rtype == rtype::ALIAS;
    Record {
        id: identity(zone, name, rtype, rdata),
        name: name.clone(),
        rtype: if is_alias { rtype::CNAME } else { rtype },
        rdata: rdata.into(),
        spelling: None,
        ttl,
        flatten: is_alias && name.as_wire() != apex,
        comment: "".into(),
        tags: Vec::new(),
        created_at: UnixTime(0),
        modified_at: UnixTime(0),
        comment_at: None,
        tags_at: None,
    }
}

fn identity(zone: ZoneId, name: &Name, rtype: RType, rdata: &[u8]) -> Uuid {
    let mut hasher = SipHasher24::new();
    hasher.write_u32(zone.0);
    hasher.write(name.as_wire());
    hasher.write_u16(rtype);
    hasher.write(rdata);
    Uuid(hasher.finish128().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hash::HashKey;
    use crate::zonefile::finding::Source;
    use crate::zonefile::{NoIncludes, build, read};

    #[test]
    fn records_of_a_file_are_those_it_says() {
        let apex = Name::from_text("zone.example").unwrap();
        let text = "$TTL 60\n@ SOA ns hostmaster 1 2 3 4 5\n@ NS ns\n@ CNAME t.example.\n\
            a.b MX 10 mail\nf ALIAS t.example.\n";
        let key = HashKey::new([1; 16]);
        let source = Source { path: "x".to_owned(), text: text.as_bytes().into() };
        let parsed = read(&apex, source, &mut NoIncludes, &key);
        let zone = build::build(&apex, &parsed, &key).unwrap();
        let mut shown: Vec<String> = records(ZoneId(7), &zone)
            .iter()
            .map(|r| {
                format!("{} {} {} {}", r.name, r.rtype, crate::records::content::of(r), r.flatten)
            })
            .collect();
        shown.sort();
        assert_eq!(
            shown,
            [
                "a.b.zone.example 15 mail.zone.example false",
                "f.zone.example 5 t.example true",
                "zone.example 2 ns.zone.example false",
                "zone.example 5 t.example false",
            ]
        );
        let ids = |id| records(ZoneId(id), &zone).iter().map(|r| r.id).collect::<Vec<_>>();
        assert_eq!(ids(7), ids(7));
        assert!(ids(7).iter().all(|id| !ids(8).contains(id)));
    }
}
