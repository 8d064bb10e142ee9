//! Nanoseconds per answer in one thread, no sockets: packet in, answer out. `cargo bench --bench answer`.
//!
//! Rows are asked in turns, round after round, and each is compared with its base inside the same round: single figures
//! of a shared machine move, ratios move less. What is printed are medians over the rounds.

mod world;

use std::hint::black_box;
use std::time::Instant;

use bailiwick::model::snapshot::Snapshot;
use world::{Asker, Kind};

/// Names of each kind in a zone; far more than caches hold.
const HOSTS: usize = 100_003;
const ROUNDS: usize = 15;
const QUESTIONS: usize = 100_000;
const MANY: [usize; 3] = [1, 1_000_000, 10_000_000];
/// What the largest world takes while it is built, in KiB.
const NEEDED_KIB: u64 = 6 << 20;

/// One row: its title, whom it asks, and the row it is compared with.
struct Row<'s> {
    title: String,
    asker: Asker<'s>,
    base: usize,
    ns: Vec<f64>,
}

fn main() {
    let enough = available_kib().is_none_or(|kib| kib > NEEDED_KIB);
    if !enough {
        println!("less than {} GiB free: without 10 M grants", NEEDED_KIB >> 20);
    }
    let worlds: Vec<(usize, Snapshot)> = worlds(if enough { &MANY } else { &MANY[..2] });
    let mut rows = rows(&worlds);
    for _ in 0..ROUNDS {
        for row in &mut rows {
            let start = Instant::now();
            for _ in 0..QUESTIONS {
                black_box(row.asker.ask());
            }
            row.ns.push(start.elapsed().as_nanos() as f64 / QUESTIONS as f64);
        }
    }
    println!("{:<36}     ns   ratio", "one thread, no sockets");
    for (i, row) in rows.iter().enumerate() {
        let base = &rows[row.base];
        let ratio = median(row.ns.iter().zip(&base.ns).map(|(ns, base)| ns / base).collect());
        let against = match row.base == i {
            true => String::new(),
            false => format!(" {ratio:>7.2} of {}", base.title),
        };
        println!("{:<36}{:>7.1}{against}", row.title, median(row.ns.clone()));
    }
}

/// The same zones with each number of grants.
fn worlds(many: &[usize]) -> Vec<(usize, Snapshot)> {
    let first = world::snapshot(HOSTS, many[0]);
    let more = many[1..].iter().map(|&count| {
        let mut snapshot = first.clone();
        snapshot.grants = world::grants(HOSTS, count);
        (count, snapshot)
    });
    let more: Vec<_> = more.collect();
    [(many[0], first)].into_iter().chain(more).collect()
}

fn rows(worlds: &[(usize, Snapshot)]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    let mut add = |title: String, snapshot, kind, names, base: Option<usize>| {
        let asker = Asker::new(snapshot, kind, names, HOSTS);
        let base = base.unwrap_or(rows.len());
        rows.push(Row { title, asker, base, ns: Vec::new() });
        rows.len() - 1
    };
    let (_, few) = &worlds[0];
    let (_, many) = &worlds[1];
    let all = HOSTS - 3;
    let hot = add("A, one name".into(), few, Kind::Hit, 1, None);
    let cold = add("A, 100 k names".into(), many, Kind::Hit, all, None);
    add("wildcard".into(), many, Kind::Wildcard, all, Some(cold));
    add("random NXDOMAIN".into(), many, Kind::Missing, all, Some(cold));
    add("denied (1014)".into(), many, Kind::Denied, all, Some(cold));
    add("unknown zone (REFUSED)".into(), many, Kind::Unknown, all, Some(cold));
    add("denied, one name".into(), many, Kind::Denied, 1, Some(hot));
    add("unknown zone, one name".into(), many, Kind::Unknown, 1, Some(hot));
    let hot = add("CNAME in the zone, one name".into(), few, Kind::InZone, 1, None);
    let cold = add("CNAME in the zone, 100 k names".into(), many, Kind::InZone, all, None);
    add("chain of 3".into(), many, Kind::Chain, all, Some(cold));
    for (count, snapshot) in worlds {
        let title = format!("crossing, one name, {} grants", short(*count));
        add(title, snapshot, Kind::Granted, 1, Some(hot));
    }
    for (count, snapshot) in &worlds[1..] {
        let title = format!("crossing, 100 k names, {} grants", short(*count));
        add(title, snapshot, Kind::Granted, all, Some(cold));
    }
    rows
}

fn short(count: usize) -> String {
    if count < 1_000_000 { count.to_string() } else { format!("{} M", count / 1_000_000) }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn available_kib() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
