//! Many custom hostnames: how long a start takes, what they take in memory, what the questions about one of them cost.
//!
//! `cargo bench --bench hostnames` takes a million; `HOSTNAMES=10000000` as many as that. The world is made in a
//! folder of its own, `HOSTNAMES_DIR` keeps it for the next run. The rows are put into the database with nothing
//! flushed between; everything after that is what the server does, in its own code.

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bailiwick::base::id::ZoneId;
use bailiwick::base::name::Name;
use bailiwick::base::name_buf::NameBuf;
use bailiwick::base::time::UnixTime;
use bailiwick::base::uuid::Uuid;
use bailiwick::config::file;
use bailiwick::config::settings::Settings;
use bailiwick::control::world::{Now, World};
use bailiwick::hostname::object::Hostname;
use bailiwick::store::state::hostname_page::Wanted;
use bailiwick::store::state::readers::Readers;
use rusqlite::{Connection, params};

const APEX: &str = "saasprovider.com";
/// Rows between two lines of progress.
const STEP: u64 = 1_000_000;
/// The id of the n-th begins with n, so that one that was made is found again.
const SALT: u64 = 0x9E37_79B9_7F4A_7C15;

/// Numbers from a seed.
fn mix(n: u64) -> u64 {
    let z = n.wrapping_mul(SALT);
    let z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB) ^ z >> 31
}

fn text(n: u64) -> String {
    format!("{:x}.customer-{n}.net", mix(n) & 0xFFFFF)
}

fn uuid(n: u64, salt: u64) -> [u8; 16] {
    let halves = [mix(n ^ salt << 40), mix(n ^ salt << 41)];
    std::array::from_fn(|i| halves[i / 8].to_le_bytes()[i % 8])
}

fn apex() -> Name {
    Name::from_text(APEX).unwrap()
}

/// One account with one zone, whose fallback origin is active.
fn settings(folder: &Path) -> Settings {
    let config = folder.join("config.toml");
    if !config.exists() {
        let zones = folder.join("zones/saas");
        fs::create_dir_all(&zones).unwrap();
        let zone = "@ 300 SOA ns1 host 1 7200 900 1209600 60\n@ 300 NS ns1\nns1 300 A 192.0.2.1\n\
                    origin 300 A 203.0.113.10\n";
        fs::write(zones.join(format!("{APEX}.zone")), zone).unwrap();
        let text = format!(
            "server.listen = [\"127.0.0.1:0\"]\nflatten.upstream = [\"127.0.0.1:9\"]\n\
             [zones.\"{APEX}\"]\nfallback_origin = \"origin.{APEX}\"\n"
        );
        fs::write(&config, text).unwrap();
    }
    file::read(&config).unwrap().0
}

fn start(settings: &Settings) -> World {
    let mut world = World::start(settings.clone(), Now::read()).unwrap();
    world.publish(Now::read());
    world
}

/// Puts active hostnames beside the one that was made for its ids. Each is due at its own second of the day to come.
fn fill(database: &Path, count: u64) {
    let connection = Connection::open(database).unwrap();
    let fast = [("journal_mode", "OFF"), ("synchronous", "OFF"), ("cache_size", "-3000000")];
    for (pragma, value) in fast {
        // Some of them answer.
        connection.execute_batch(&format!("PRAGMA {pragma} = {value}")).unwrap();
    }
    let ids = "SELECT zone, account FROM hostnames LIMIT 1";
    let (zone, account): (u32, u32) =
        connection.query_row(ids, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let now = Now::read().unix.0 as i64;
    let begin = Instant::now();
    connection.execute_batch("BEGIN").unwrap();
    let mut put = connection
        .prepare(
            "INSERT INTO hostnames (id, hostname, downward, zone, account, status, since, created_at,
                txt_token, http_token, revision, attempts, next_check_at, due_at, proof, proved_at,
                sequence, errors, check_method, check_saw, check_at, sum)
             VALUES (?1, ?2, ?3, ?4, ?5, 'active', ?6, ?6, ?7, ?8, 1, 0, ?9, ?9, 'cname', ?6,
                ?10, '', 'cname', ?11, ?6, ?12)",
        )
        .unwrap();
    for n in 0..count {
        let hostname = text(n);
        let labels: Vec<&str> = hostname.rsplit('.').collect();
        let saw = format!("CNAME {hostname} -> origin.{APEX}; A 203.0.113.10; no AAAA; TXT: none");
        // As the store sums it: name, status, provider, and no owner.
        let mut sum = crc32fast::Hasher::new();
        sum.update(hostname.as_bytes());
        sum.update(b"\0active");
        [zone, account, u32::MAX, u32::MAX].iter().for_each(|id| sum.update(&id.to_le_bytes()));
        let due = now + 60 + (mix(n) % 86_400) as i64;
        let row = params![
            &uuid(n, 1)[..],
            hostname,
            labels.join("."),
            zone,
            account,
            now,
            &uuid(n, 2)[..],
            &uuid(n, 3)[..],
            due,
            n as i64,
            saw,
            sum.finalize(),
        ];
        put.execute(row).unwrap();
        if n % STEP == STEP - 1 {
            println!("  {} rows after {:.0} s", n + 1, begin.elapsed().as_secs_f64());
        }
    }
    drop(put);
    connection.execute_batch("COMMIT").unwrap();
}

/// A line of /proc/self/status, in octets.
fn memory(line: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with(line)).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

/// Median and worst of some runs.
fn times(what: &str, runs: u64, mut run: impl FnMut(u64)) {
    let mut times: Vec<Duration> = (0..runs)
        .map(|n| {
            let begin = Instant::now();
            run(n);
            begin.elapsed()
        })
        .collect();
    times.sort_unstable();
    let us = |t: Duration| t.as_secs_f64() * 1e6;
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    println!("{what}: median {:.1} µs, worst of {runs} {:.1} µs", us(median), us(worst));
}

fn main() {
    let count: u64 = std::env::var("HOSTNAMES").map_or(1_000_000, |n| n.parse().unwrap());
    let kept = std::env::var("HOSTNAMES_DIR").map(PathBuf::from).ok();
    let temporary = tempfile::tempdir().unwrap();
    let folder = kept.as_deref().unwrap_or(temporary.path());
    fs::create_dir_all(folder).unwrap();
    let settings = settings(folder);
    let database = settings.server.data.join("bailiwick.db");
    if !database.exists() {
        let mut world = start(&settings);
        world.create_hostname(&apex(), "first.customer.net", "bench", Now::read()).unwrap();
        drop(world);
        fill(&database, count);
    }
    println!("the database has {} MiB", fs::metadata(&database).unwrap().len() >> 20);
    let (begin, before) = (Instant::now(), memory("VmRSS"));
    let mut world = start(&settings);
    let found = world.snapshot().grants.len();
    println!("start: {:.2} s, {found} grants", begin.elapsed().as_secs_f64());
    assert_eq!(found as u64, count);
    let (taken, most) = (memory("VmRSS") - before, memory("VmHWM") - before);
    println!(
        "memory: {} MiB, {} octets a hostname; most during the start: {} MiB",
        taken >> 20,
        taken / count,
        most >> 20
    );
    asked(&world, count);
    read(&Readers::new(&database), world.snapshot().grants.iter().next().unwrap().zone, count);
    written(&mut world, count);
}

/// What a question costs.
fn asked(world: &World, count: u64) {
    let (snapshot, apex) = (world.snapshot(), apex());
    let zone = snapshot.grants.iter().next().unwrap().zone;
    let asked: Vec<NameBuf> = (0..200_000)
        .map(|n| NameBuf::of(&Name::from_text(&text(mix(n) % count)).unwrap(), &snapshot.key))
        .collect();
    let begin = Instant::now();
    let hits = asked.iter().filter(|name| {
        black_box(snapshot.grants.find(name.hash_value(), name.wire(), false, zone)).is_some()
    });
    let hits = hits.count();
    let each = begin.elapsed().as_nanos() as usize / asked.len();
    println!("grant of a question: {each} ns, {hits} of {} found, into {apex}", asked.len());
}

/// What the API reads.
fn read(readers: &Readers, zone: ZoneId, count: u64) {
    let name = |n| Hostname::of(&Name::from_text(&text(mix(n) % count)).unwrap());
    times("by zone and hostname", 2_000, |n| {
        let found = readers.with(|store| store.hostnames_named(&name(n))).unwrap();
        assert!(found.iter().any(|h| h.provider.zone == zone));
    });
    times("by id", 2_000, |n| {
        let id = Uuid(uuid(mix(n) % count, 1));
        assert!(readers.with(|store| store.hostname(id)).unwrap().is_some());
    });
    let page = |what: &str, wanted: Wanted| {
        times(what, 5, |_| {
            let (page, all) = readers.with(|s| s.hostnames_page(zone, &wanted)).unwrap();
            assert!(!page.is_empty() && all > 0);
        });
    };
    let fifty = || Wanted { most: 50, ..Wanted::default() };
    page("first page of the list", fifty());
    page("newest page of the list", Wanted { descending: true, ..fifty() });
    // An earlier run may have deleted some.
    let (_, all) = readers.with(|s| s.hostnames_page(zone, &fifty())).unwrap();
    page("last page of the list", Wanted { skip: all.saturating_sub(50), ..fifty() });
    page("page in the middle", Wanted { skip: all / 2, ..fifty() });
    let exact = Some(text(count / 2));
    page("page of one hostname", Wanted { exact, ..fifty() });
    let status = Some(bailiwick::hostname::object::Status::Active);
    page("page of a status", Wanted { status, ..fifty() });
    page(
        "page of what contains a text",
        Wanted { contains: Some("customer-77".to_owned()), ..fifty() },
    );
    let below = |name: &str| Name::from_text(name).unwrap();
    times("100 below a name that has one", 50, |_| {
        let found = readers.with(|s| s.hostnames_within(&below("customer-7.net"), None, 100));
        assert_eq!(found.unwrap().len(), 1);
    });
    times("100 below a name that has all", 5, |_| {
        let found = readers.with(|s| s.hostnames_within(&below("net"), None, 100)).unwrap();
        assert_eq!(found.len(), 100);
    });
}

/// What one change costs, and a tick of the schedule.
fn written(world: &mut World, count: u64) {
    let mut made = Vec::new();
    times("create, stored and published", 200, |n| {
        let text = format!("new-{n}.customer-{}.net", mix(n) % count);
        made.push(world.create_hostname(&apex(), &text, "bench", Now::read()).unwrap().id);
        world.publish(Now::read());
    });
    times("delete of one not proved", 200, |n| {
        world.delete_hostname(made[n as usize], "bench", Now::read()).unwrap();
        world.publish(Now::read());
    });
    let active = |n: u64| Uuid(uuid(n + 1, 1));
    times("delete of one active: revoked", 200, |n| {
        world.delete_hostname(active(n), "bench", Now::read()).unwrap();
        world.publish(Now::read());
    });
    let tick = |at: u64| Now { unix: UnixTime(Now::read().unix.0 + at), ..Now::read() };
    times("a tick with little due", 20, |_| world.custom_due(tick(0)));
    times("a tick with everything due", 20, |_| world.custom_due(tick(86_500)));
}
