//! Many custom hostnames: how long a start reads them, what they take in memory, what a look-up among them costs.
//!
//! `cargo bench --bench hostnames` takes a million; `HOSTNAMES=10000000` as many as that. The database is made in a
//! folder of its own, `HOSTNAMES_DIR` keeps it for the next run.

use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use bailiwick::base::hash::HashKey;
use bailiwick::base::id::{AccountId, Generation, ZoneId};
use bailiwick::base::name::Name;
use bailiwick::base::name_buf::NameBuf;
use bailiwick::base::time::UnixTime;
use bailiwick::base::uuid::Uuid;
use bailiwick::hostname::grants::{Row, World};
use bailiwick::hostname::lifecycle::{self, New};
use bailiwick::hostname::object::{CustomHostname, Hostname, Method, Owner, Proof, Status};
use bailiwick::hostname::proof::Tokens;
use bailiwick::model::grant::GrantTable;
use bailiwick::store::state::Store;
use bailiwick::store::state::change::{Account, Change, Zone};
use bailiwick::store::state::sqlite::Sqlite;

const TOGETHER: u64 = 20_000;
const PROVIDER: Owner = Owner { zone: ZoneId(1), account: AccountId(1) };

/// Numbers from a seed.
fn mix(n: u64) -> u64 {
    let z = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB) ^ z >> 31
}

fn text(n: u64) -> String {
    format!("{:x}.customer-{n}.net", mix(n) & 0xFFFFF)
}

fn hostname(n: u64) -> CustomHostname {
    let octets = |salt: u64| -> [u8; 16] {
        let halves = [mix(n ^ salt << 40), mix(n ^ salt << 41)];
        std::array::from_fn(|i| halves[i / 8].to_le_bytes()[i % 8])
    };
    let hostname = Hostname::of(&Name::from_text(&text(n)).unwrap());
    let tokens = Tokens { txt: Uuid(octets(2)), http: Uuid(octets(3)) };
    let new = New { id: Uuid(octets(1)), hostname, provider: PROVIDER, tokens, block: None };
    let mut h = lifecycle::create(new, UnixTime(1000)).state.unwrap();
    h.status = Status::Active;
    h.proof = Some(Proof { method: Method::Cname, at: UnixTime(1060), sequence: n, owner: None });
    h.next_check_at = Some(UnixTime(1060 + n % 86_400));
    h
}

/// Nobody's zones but the provider's.
struct Outside;

impl World for Outside {
    fn holder(&self, zone: ZoneId) -> Option<AccountId> {
        (zone == PROVIDER.zone).then_some(PROVIDER.account)
    }

    fn owner(&self, _: &Name) -> Option<Owner> {
        None
    }
}

fn make(store: &mut Sqlite, count: u64) {
    let (created_at, settings) = (UnixTime(1), "{}".to_owned());
    let account = Account {
        id: PROVIDER.account,
        name: "saas".to_owned(),
        created_at,
        settings: settings.clone(),
    };
    let apex = Name::from_text("saasprovider.com").unwrap();
    let zone = Zone { id: PROVIDER.zone, apex, account: PROVIDER.account, created_at, settings };
    let begin = Instant::now();
    let mut generation =
        store.commit(&[Change::Account(account), Change::Zone(zone)], Generation(0)).unwrap();
    for first in (0..count).step_by(TOGETHER as usize) {
        let numbers = first..count.min(first + TOGETHER);
        let changes: Vec<_> = numbers.map(|n| Change::Hostname(Box::new(hostname(n)))).collect();
        generation = store.commit(&changes, generation).unwrap();
    }
    let seconds = begin.elapsed().as_secs_f64();
    println!("made {count} in {seconds:.1} s, {:.0} a second", count as f64 / seconds);
}

/// Octets of memory that this process has.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

fn main() {
    let count: u64 = std::env::var("HOSTNAMES").map_or(1_000_000, |n| n.parse().unwrap());
    let kept = std::env::var("HOSTNAMES_DIR").map(PathBuf::from).ok();
    let folder = tempfile::tempdir().unwrap();
    let path = kept.as_deref().unwrap_or(folder.path()).join("state.db");
    if !path.exists() {
        make(&mut Sqlite::open(&path).unwrap(), count);
    }
    println!("the database has {} MiB", fs::metadata(&path).unwrap().len() >> 20);
    let (begin, before) = (Instant::now(), resident());
    let mut store = Sqlite::open(&path).unwrap();
    let opened = begin.elapsed();
    let key = HashKey::new(*b"0123456789abcdef");
    let mut rows = Vec::new();
    let visit = &mut |row: Row| {
        rows.extend(row.grant(&Outside).map(|g| (key.name(g.hostname.as_wire()), g)));
    };
    store.grant_rows(visit).unwrap();
    let read = begin.elapsed();
    let found = rows.len();
    let grants = GrantTable::build(rows);
    println!(
        "start: opened in {:.3} s, read {found} in {:.2} s, table after {:.2} s in all",
        opened.as_secs_f64(),
        read.as_secs_f64(),
        begin.elapsed().as_secs_f64()
    );
    let taken = resident().saturating_sub(before);
    println!("memory: {} MiB more, {} octets a grant", taken >> 20, taken / found.max(1) as u64);

    let asked: Vec<NameBuf> = (0..200_000)
        .map(|n| NameBuf::of(&Name::from_text(&text(mix(n) % count)).unwrap(), &key))
        .collect();
    let begin = Instant::now();
    let hits = asked.iter().filter(|name| {
        black_box(grants.find(name.hash_value(), name.wire(), false, PROVIDER.zone)).is_some()
    });
    let hits = hits.count();
    let each = begin.elapsed().as_nanos() as usize / asked.len();
    println!("look-up: {each} ns, {hits} of {} found", asked.len());

    let begin = Instant::now();
    let mut generation = store.generation().unwrap();
    const COMMITS: u64 = 2_000;
    for n in 0..COMMITS {
        let mut h = hostname(mix(n) % count);
        h.attempts = n as u32;
        generation = store.commit(&[Change::Hostname(Box::new(h))], generation).unwrap();
    }
    let each = begin.elapsed().as_micros() as u64 / COMMITS;
    println!("commit of one: {each} µs");
    let begin = Instant::now();
    let due = store.due(UnixTime(10_000), None, 1000).unwrap().len();
    println!("the next {due} that are due: {} µs", begin.elapsed().as_micros());
    let below = Name::from_text("customer-7.net").unwrap();
    let begin = Instant::now();
    let within = store.hostnames_within(&below, None, 100).unwrap().len();
    println!("the {within} below a name: {} µs", begin.elapsed().as_micros());
}
