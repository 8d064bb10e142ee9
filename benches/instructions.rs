//! Instructions of user space per answer, packet in to packet out, counted by valgrind. No figure may grow.
//!
//! `cargo bench --bench instructions` compares with `benches/instructions.txt`; with `-- --accept` it writes that file.
//! The bench runs itself under callgrind, which counts only inside `counted`. A count does not depend on the machine's
//! speed or load, but on the compiler; so each list names its compiler, and for another one the tolerance is wider.

#[allow(dead_code, reason = "the other bench uses the rest")]
mod world;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use world::{Asker, Kind};

const LIST: &str = "benches/instructions.txt";
/// Says to the process that runs under valgrind that it is the one that asks.
const ASK: &str = "--ask";
/// Questions of one row, all counted together.
const QUESTIONS: u64 = 2_000;
/// Names of each kind in a zone.
const HOSTS: usize = 4_001;
const MANY_GRANTS: usize = 1_000_000;
/// How much more than the list a figure may be, in percent: with the list's compiler, with another one. The same
/// source built in two folders differed by 2.7 %: how the linker cuts the crate up depends on the folder's name.
const TOLERANCE: (f64, f64) = (5.0, 25.0);

/// Title, kind, number of names that are asked for in turn, number of grants.
const ROWS: [(&str, Kind, usize, usize); 13] = [
    ("hot hit", Kind::Hit, 1, 1),
    ("cold hit", Kind::Hit, HOSTS, 1),
    ("NXDOMAIN", Kind::Missing, HOSTS, 1),
    ("wildcard", Kind::Wildcard, HOSTS, 1),
    ("CNAME in the zone", Kind::InZone, 1, 1),
    ("chain of 3", Kind::Chain, HOSTS, 1),
    ("crossing, 1 grant", Kind::Granted, 1, 1),
    ("alias inside", Kind::AliasInside, HOSTS, 1),
    ("hot alias outside", Kind::AliasOutside, 1, 1),
    ("cold alias outside", Kind::AliasOutside, HOSTS, 1),
    ("crossing, 1 M grants", Kind::Granted, HOSTS, MANY_GRANTS),
    ("denied (1014)", Kind::Denied, HOSTS, MANY_GRANTS),
    ("unknown zone (REFUSED)", Kind::Unknown, HOSTS, MANY_GRANTS),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|a| a == ASK) {
        ask_all();
        return ExitCode::SUCCESS;
    }
    let accept = arguments.iter().any(|a| a == "--accept");
    match count_all().and_then(|counts| judge(&counts, accept)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("instructions: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// The part that runs under valgrind: row after row, each in one call of `counted`.
fn ask_all() {
    for many in [1, MANY_GRANTS] {
        let mut snapshot = world::snapshot(HOSTS, many);
        let key = snapshot.key;
        snapshot.outside.update((0..HOSTS).map(world::known).collect(), &key);
        for (_, kind, names, _) in ROWS.into_iter().filter(|row| row.3 == many) {
            counted(&mut Asker::new(&snapshot, kind, names, HOSTS));
        }
    }
}

/// All that is counted. Valgrind knows it by its name.
#[inline(never)]
fn counted(asker: &mut Asker<'_>) {
    for _ in 0..QUESTIONS {
        black_box(asker.ask());
    }
}

/// Instructions per answer, by row.
fn count_all() -> Result<BTreeMap<&'static str, f64>, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("instructions");
    // What an earlier run left.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(|e| format!("cannot make {folder:?}: {e}"))?;
    let me = std::env::current_exe().map_err(|e| format!("cannot find this program: {e}"))?;
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}/counts", folder.display()))
        .args(["--collect-atstart=no", "--toggle-collect=instructions::counted"])
        .arg("--dump-after=instructions::counted")
        .arg(me)
        .arg(ASK)
        .output()
        .map_err(|e| format!("cannot run valgrind: {e}; Debian's package is `valgrind`"))?;
    if !output.status.success() {
        return Err(format!("valgrind failed:\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    let mut counts = BTreeMap::new();
    for (i, (title, ..)) in ROWS.into_iter().enumerate() {
        // One file for each call of `counted`, numbered from 1.
        let total = total(&folder.join(format!("counts.{}", i + 1)))?;
        counts.insert(title, total as f64 / QUESTIONS as f64);
    }
    Ok(counts)
}

fn total(file: &PathBuf) -> Result<u64, String> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("cannot read {file:?}: {e}"))?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok());
    total.filter(|count| *count > QUESTIONS).ok_or_else(|| format!("{file:?} counted nothing"))
}

/// Compares with the list, or writes it.
fn judge(counts: &BTreeMap<&'static str, f64>, accept: bool) -> Result<(), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(LIST);
    let compiler = compiler()?;
    if accept {
        let mut text = format!("{compiler}\n");
        for (title, ..) in ROWS {
            writeln!(text, "{title:<24}{:>8.1}", counts[title]).expect("a String takes all");
        }
        std::fs::write(&path, &text).map_err(|e| format!("cannot write {LIST}: {e}"))?;
        print!("{text}");
        return Ok(());
    }
    let text = std::fs::read_to_string(&path).map_err(|e| format!("cannot read {LIST}: {e}"))?;
    let mut lines = text.lines();
    let same = lines.next() == Some(&compiler);
    let tolerance = if same { TOLERANCE.0 } else { TOLERANCE.1 };
    let listed: BTreeMap<&str, f64> = lines
        .filter_map(|line| {
            let (title, count) = line.rsplit_once(' ')?;
            Some((title.trim(), count.parse().ok()?))
        })
        .collect();
    let mut grown = Vec::new();
    println!("instructions per answer  counted    listed");
    for (title, ..) in ROWS {
        let (count, list) = (counts[title], listed.get(title).copied());
        let list_text = list.map_or("-".into(), |list| format!("{list:.1}"));
        println!("{title:<24}{count:>8.1}{list_text:>10}");
        if list.is_none_or(|list| count > list * (1.0 + tolerance / 100.0)) {
            grown.push(title);
        } else if list.is_some_and(|list| same && count < list * (1.0 - tolerance / 100.0)) {
            println!("  fewer than listed: `-- --accept` keeps it so");
        }
    }
    if grown.is_empty() {
        return Ok(());
    }
    Err(format!(
        "more than {tolerance} % above {LIST}: {}. If that is the price of something needed: \
         cargo bench --bench instructions -- --accept, and say in the commit what it buys",
        grown.join(", ")
    ))
}

/// The compiler and what it compiles for.
fn compiler() -> Result<String, String> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let output = Command::new(rustc).arg("-V").output().map_err(|e| format!("no rustc: {e}"))?;
    let version = String::from_utf8_lossy(&output.stdout);
    Ok(format!("{} for {}", version.trim(), std::env::consts::ARCH))
}
