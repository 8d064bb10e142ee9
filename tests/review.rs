//! Findings that need more than one zone.

use std::sync::Arc;

use bailiwick::base::hash::HashKey;
use bailiwick::base::id::{AccountId, ZoneId};
use bailiwick::base::name::Name;
use bailiwick::base::time::UnixTime;
use bailiwick::control::review::review;
use bailiwick::model::catalog::{Catalog, Zone};
use bailiwick::model::settings::{CrossAccount, FlattenMode, OnViolation};
use bailiwick::model::snapshot::Snapshot;
use bailiwick::zonefile::finding::Source;
use bailiwick::zonefile::record::Parsed;
use bailiwick::zonefile::{self, NoIncludes, build};

fn read(key: &HashKey, apex: &str, records: &str) -> Parsed {
    let text = format!(
        "@ 300 SOA ns1 host 1 7200 900 1209600 60\n@ 300 NS ns1\nns1 300 A 192.0.2.1\n{records}"
    );
    let text: Arc<[u8]> = text.into_bytes().into();
    let source = Source { path: format!("{apex}.zone"), text };
    zonefile::read(&Name::from_text(apex).unwrap(), source, &mut NoIncludes, key)
}

#[test]
fn chains_of_a_zone() {
    let key = HashKey::new([1; 16]);
    let one = read(
        &key,
        "example.com",
        "ok 300 CNAME ns1\nout 300 CNAME www.example.org.\nrogue 300 CNAME t.example.net.\n\
         l1 300 CNAME l2\nl2 300 CNAME l1\ndangling 300 CNAME nothing\n@ 300 CNAME t.example.net.\n\
         a 300 ALIAS www.example.org.\nsvc 300 HTTPS 1 t.example.net.\ndn 300 DNAME example.net.\n\
         viarogue 300 CNAME rogue\n",
    );
    let two = read(&key, "example.net", "t 300 A 192.0.2.2\n");
    assert_eq!((one.errors, two.errors), (0, 0), "{:?}", one.findings);
    let zones = [("example.com", &one), ("example.net", &two)].into_iter().zip(1..);
    let zones = zones.map(|((apex, parsed), id)| Zone {
        id: ZoneId(id),
        account: AccountId(id),
        on_violation: OnViolation::Refuse,
        cross_account: CrossAccount::Granted,
        flatten: FlattenMode::Apex,
        data: build::build(&Name::from_text(apex).unwrap(), parsed, &key).unwrap(),
    });
    let mut snapshot = Snapshot::empty(key);
    snapshot.catalog = Catalog::build(key, zones.collect());
    let findings = review(&snapshot, &one, UnixTime(1));
    let help: Vec<_> = findings.iter().filter_map(|f| f.help.as_deref()).collect();
    // A grant of its owner alone opens no DNAME.
    assert!(help.iter().any(|h| h.contains("hostname = \"*.dn.example.com\"")), "{help:?}");
    assert!(help.iter().any(|h| h.contains("hostname = \"svc.example.com\"")), "{help:?}");
    let mut found: Vec<_> = findings
        .into_iter()
        .map(|f| (f.message.split([' ', ',']).next().unwrap().to_owned(), f.code))
        .collect();
    found.sort();
    let mut want = [
        ("dangling.example.com", "dangling-target"),
        ("dn.example.com", "edge-denied"),
        ("example.com", "edge-denied"),
        ("l1.example.com", "cname-loop"),
        ("l2.example.com", "cname-loop"),
        ("rogue.example.com", "edge-denied"),
        // The edge at fault is that of `rogue`, met twice.
        ("rogue.example.com", "edge-denied"),
        ("svc.example.com", "edge-denied"),
    ]
    .map(|(owner, code)| (owner.to_owned(), code))
    .to_vec();
    want.sort();
    assert_eq!(found, want);
    assert!(review(&snapshot, &two, UnixTime(1)).is_empty());
}
