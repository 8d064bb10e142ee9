//! Pages of lists as the database makes them, beside the same pages made of everything in memory.

use bailiwick::base::id::{AccountId, Generation, ZoneId};
use bailiwick::base::name::Name;
use bailiwick::base::time::UnixTime;
use bailiwick::base::uuid::Uuid;
use bailiwick::hostname::lifecycle::{self, New};
use bailiwick::hostname::object::{CustomHostname, Hostname, Owner, Status};
use bailiwick::hostname::proof::Tokens;
use bailiwick::records::filter::Query;
use bailiwick::records::{Content, Record};
use bailiwick::store::state::change::{Account, AuditEntry, Change, Zone};
use bailiwick::store::state::hostname_page::Wanted;
use bailiwick::store::state::memory::Memory;
use bailiwick::store::state::sqlite::Sqlite;
use bailiwick::store::state::{AuditFilter, Store};

const ZONE: ZoneId = ZoneId(10);
const OTHER: ZoneId = ZoneId(11);
const OWNER: Owner = Owner { zone: ZONE, account: AccountId(1) };

fn name(text: &str) -> Name {
    Name::from_text(text).unwrap()
}

/// Both stores, with the same in them.
struct Pair {
    memory: Memory,
    sqlite: Sqlite,
    _folder: tempfile::TempDir,
}

impl Pair {
    fn new() -> Pair {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = Sqlite::open(&folder.path().join("state.db")).unwrap();
        let mut pair = Pair { memory: Memory::default(), sqlite, _folder: folder };
        let (created_at, settings) = (UnixTime(1), "{}".to_owned());
        let id = AccountId(1);
        let account = Account { id, name: "one".into(), created_at, settings: settings.clone() };
        let mut changes = vec![Change::Account(account)];
        for (id, apex) in [(ZONE, "zone.example"), (OTHER, "other.example")] {
            let (apex, settings) = (name(apex), settings.clone());
            changes.push(Change::Zone(Zone {
                id,
                apex,
                account: AccountId(1),
                created_at,
                settings,
            }));
            changes.push(Change::Content(Box::new(Content::new(id, Vec::new(), UnixTime(1)))));
        }
        pair.commit(&changes);
        pair
    }

    fn commit(&mut self, changes: &[Change]) {
        let Generation(number) = self.memory.generation().unwrap();
        for store in [&mut self.memory as &mut dyn Store, &mut self.sqlite] {
            store.commit(changes, Generation(number)).unwrap();
        }
    }

    /// The same page of records from both.
    fn records(&mut self, query: &str) -> usize {
        let pairs: Vec<(String, String)> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let query = Query::read(&pairs).unwrap();
        for zone in [OTHER, ZONE] {
            let expected = self.memory.records_page(zone, &query).unwrap();
            let found = self.sqlite.records_page(zone, &query).unwrap();
            let ids = |page: &[Record]| page.iter().map(|r| r.id).collect::<Vec<_>>();
            assert_eq!((ids(&found.0), found.1), (ids(&expected.0), expected.1), "{query:?}");
            assert_eq!(found.0, expected.0);
            if zone == ZONE {
                return found.1;
            }
        }
        0
    }
}

fn record(n: u8, owner: &str, rtype: u16, rdata: &[u8]) -> Record {
    Record {
        id: Uuid([n; 16]),
        name: name(owner),
        rtype,
        rdata: rdata.into(),
        spelling: None,
        ttl: 60 + u32::from(n),
        flatten: false,
        comment: if n.is_multiple_of(3) { "third".into() } else { "".into() },
        tags: Vec::new(),
        created_at: UnixTime(6),
        modified_at: UnixTime(7),
        comment_at: None,
        tags_at: None,
    }
}

#[test]
fn pages_of_records_in_every_order() {
    let mut pair = Pair::new();
    let put = |zone, record: &Record| Change::Record { zone, record: Box::new(record.clone()) };
    let mut changes = Vec::new();
    for n in 0..40u8 {
        let owner = format!("h{}.zone.example", n % 13);
        let (rtype, rdata): (u16, Vec<u8>) = match n % 3 {
            0 => (1, vec![192, 0, 2, n]),
            1 => (28, [[0x20, 1, 0x0D, 0xB8].as_slice(), &[n; 12]].concat()),
            _ => (16, vec![1, b'a' + n % 26]),
        };
        changes.push(put(ZONE, &record(n, &owner, rtype, &rdata)));
    }
    changes.push(put(OTHER, &record(99, "x.other.example", 1, &[192, 0, 2, 1])));
    pair.commit(&changes);
    // One becomes of another type, one is another of the same, some go.
    pair.commit(&[
        put(ZONE, &record(3, "h3.zone.example", 28, &[7; 16])),
        put(ZONE, &record(6, "changed.zone.example", 1, &[192, 0, 2, 200])),
        Change::RecordRemoved { zone: ZONE, id: Uuid([9; 16]) },
        Change::RecordRemoved { zone: ZONE, id: Uuid([250; 16]) },
    ]);
    for order in ["", "order=type&", "order=name&", "order=proxied&", "order=ttl&"] {
        for direction in ["", "direction=desc&"] {
            for filter in ["", "type=A&", "type=AAAA&", "type=MX&", "comment=third&", "search=h1&"]
            {
                for page in ["per_page=7&page=1", "per_page=7&page=3", "per_page=7&page=6"] {
                    pair.records(&format!("{order}{direction}{filter}{page}"));
                }
            }
        }
    }
    assert_eq!(pair.records("per_page=100000"), 39);
    assert_eq!(pair.records("page=99999999999"), 39);
    assert_eq!(pair.records("name=h3.zone.example"), 3);
    pair.commit(&[Change::ZoneRemoved(ZONE)]);
    assert_eq!(pair.records(""), 0);
}

fn hostname(n: u8, text: &str) -> CustomHostname {
    let hostname = Hostname::of(&name(text));
    let (id, tokens) = (Uuid([n; 16]), Tokens::from_random([n; 32]));
    let new = New { id, hostname, provider: OWNER, tokens, block: None };
    let mut h = lifecycle::create(new, UnixTime(1000)).state.unwrap();
    if n.is_multiple_of(3) {
        h.status = Status::Moved;
    }
    h
}

#[test]
fn pages_of_hostnames_by_every_filter() {
    let mut pair = Pair::new();
    let mut all: Vec<CustomHostname> = (0..30)
        .map(|n| hostname(n, &format!("{}h{n}.customer.example", if n == 7 { "*." } else { "" })))
        .collect();
    let put = |h: &CustomHostname| Change::Hostname(Box::new(h.clone()));
    pair.commit(&all.iter().map(put).collect::<Vec<_>>());
    // Statuses change, and one goes.
    all[4].status = Status::Blocked;
    all[6].status = Status::Pending;
    pair.commit(&[put(&all[4]), put(&all[6]), Change::HostnameRemoved(all[10].id)]);
    let text = |text: &str| Some(text.to_owned());
    let plain = Wanted::default();
    for wanted in [
        plain.clone(),
        Wanted { status: Some(Status::Pending), ..plain.clone() },
        Wanted { status: Some(Status::Active), ..plain.clone() },
        Wanted { status: Some(Status::Moved), ..plain.clone() },
        Wanted { exact: text("h3.customer.example"), ..plain.clone() },
        Wanted { exact: text("*.h7.customer.example"), ..plain.clone() },
        Wanted { exact: text("h7.customer.example"), ..plain.clone() },
        Wanted { exact: text("no name..at all"), ..plain.clone() },
        Wanted { contains: text("1"), ..plain.clone() },
        Wanted { starts_with: text("h2"), status: Some(Status::Pending), ..plain.clone() },
        Wanted { wildcard: Some(true), ..plain.clone() },
        Wanted { wildcard: Some(false), contains: text("8"), ..plain.clone() },
    ] {
        for (skip, most) in [(0, 5), (5, 5), (24, 5), (26, 5), (900, 5), (0, 0), (0, 100)] {
            for descending in [false, true] {
                let wanted = Wanted { skip, most, descending, ..wanted.clone() };
                let expected = pair.memory.hostnames_page(ZONE, &wanted).unwrap();
                assert_eq!(pair.sqlite.hostnames_page(ZONE, &wanted), Ok(expected), "{wanted:?}");
                let other = pair.sqlite.hostnames_page(OTHER, &wanted);
                assert_eq!(other, Ok((Vec::new(), 0)));
            }
        }
    }
}

#[test]
fn the_audit_log_of_one() {
    let mut pair = Pair::new();
    let entry = |n: u32| {
        Change::Audit(AuditEntry {
            at: UnixTime(n.into()),
            actor: "somebody".to_owned(),
            account: (!n.is_multiple_of(5)).then_some(AccountId(n % 2)),
            hostname: n.is_multiple_of(3).then_some(Uuid([(n % 4) as u8; 16])),
            action: format!("action {n}"),
            ..AuditEntry::default()
        })
    };
    pair.commit(&(0..40).map(entry).collect::<Vec<_>>());
    for account in [None, Some(AccountId(0)), Some(AccountId(1)), Some(AccountId(9))] {
        for hostname in [None, Some(Uuid([1; 16])), Some(Uuid([9; 16]))] {
            for before in [None, Some(20)] {
                let filter = AuditFilter { account, hostname, before, most: 7 };
                let expected = pair.memory.audit(&filter);
                assert_eq!(pair.sqlite.audit(&filter), expected, "{filter:?}");
            }
        }
    }
}
