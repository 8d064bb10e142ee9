//! Zones made by hand, for tests that need no files.

use bailiwick::base::hash::HashKey;
use bailiwick::base::id::{AccountId, ZoneId};
use bailiwick::base::name::Name;
use bailiwick::model::catalog::Zone;
use bailiwick::model::settings::{CrossAccount, FlattenMode, OnViolation};
use bailiwick::model::zone::ZoneBuilder;
use bailiwick::rdata;

pub fn name(text: &str) -> Name {
    Name::from_text(text).unwrap()
}

/// A zone of account `id` from lines `owner ttl type rdata`, with SOA (TTL 300, minimum 60) and NS added.
pub fn zone(key: &HashKey, id: u32, apex: &str, lines: &[&str]) -> Zone {
    let apex = name(apex);
    let mut records: Vec<(Vec<u8>, u16, u32, Vec<u8>)> = Vec::new();
    let always = ["@ 300 SOA ns1 hostmaster 7 7200 900 1209600 60", "@ 3600 NS ns1"];
    for line in always.iter().chain(lines) {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let owner = match words[0] {
            "@" => apex.clone(),
            front => name(&format!("{front}.{apex}")),
        };
        let rtype = rdata::type_from_text(words[2].as_bytes()).unwrap();
        let mut wire = Vec::new();
        rdata::from_line(rtype, words[3].as_bytes(), apex.as_wire(), &mut wire).unwrap();
        records.push((owner.as_wire().to_vec(), rtype, words[1].parse().unwrap(), wire));
    }
    records.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    let mut builder = ZoneBuilder::new(&apex, key);
    for (owner, rtype, ttl, wire) in &records {
        builder.push(owner, key.name(owner), *rtype, *ttl, wire);
    }
    Zone {
        id: ZoneId(id),
        account: AccountId(id),
        on_violation: OnViolation::Refuse,
        cross_account: CrossAccount::Granted,
        flatten: FlattenMode::Apex,
        data: builder.finish().unwrap(),
    }
}
