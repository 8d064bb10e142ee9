//! The database and what can happen to it: processes killed, disks full, folders that cannot be written, damage.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bailiwick::base::id::{AccountId, Generation, ZoneId};
use bailiwick::base::name::Name;
use bailiwick::base::time::UnixTime;
use bailiwick::base::uuid::Uuid;
use bailiwick::hostname::lifecycle::{self, New};
use bailiwick::hostname::object::{CustomHostname, Hostname, Owner};
use bailiwick::hostname::proof::Tokens;
use bailiwick::store::state::change::{Account, Change, Zone};
use bailiwick::store::state::sqlite::Sqlite;
use bailiwick::store::state::{CommitError, Store, Trouble};

/// Hostnames that each commit changes together: they always agree.
const TOGETHER: u8 = 5;
/// Tells the child what to do, and where.
const CHILD: &str = "BAILIWICK_STORE_CHILD";

fn world() -> Vec<Change> {
    let (account, at) = (AccountId(1), UnixTime(1));
    let settings = "{}".to_owned();
    let name = "saas".to_owned();
    let apex = Name::from_text("saas.example").unwrap();
    let zone = Zone { id: ZoneId(1), apex, account, created_at: at, settings: settings.clone() };
    vec![
        Change::Account(Account { id: account, name, created_at: at, settings }),
        Change::Zone(zone),
    ]
}

fn hostname(n: u8, counter: u32) -> CustomHostname {
    let hostname = Hostname::of(&Name::from_text(&format!("h{n}.client.example")).unwrap());
    let provider = Owner { zone: ZoneId(1), account: AccountId(1) };
    let (id, tokens) = (Uuid([n; 16]), Tokens::from_random([n; 32]));
    let new = New { id, hostname, provider, tokens, block: None };
    let mut h = lifecycle::create(new, UnixTime(1000)).state.unwrap();
    h.attempts = counter;
    h
}

fn all(counter: u32) -> Vec<Change> {
    (0..TOGETHER).map(|n| Change::Hostname(Box::new(hostname(n, counter)))).collect()
}

/// The counter that all hostnames agree on; generation 1 is the world without them.
fn counter(store: &mut Sqlite) -> u32 {
    let generation = store.generation().unwrap();
    let found: Vec<_> = (0..TOGETHER).map(|n| store.hostname(Uuid([n; 16])).unwrap()).collect();
    let counters: Vec<_> = found.iter().map(|h| h.as_ref().map(|h| h.attempts)).collect();
    let first = counters[0];
    assert!(counters.iter().all(|c| *c == first), "half a commit: {counters:?}");
    assert_eq!(first.map_or(1, |c| u64::from(c) + 2), generation.0);
    first.map_or(0, |c| c + 1)
}

fn open(path: &Path) -> Sqlite {
    Sqlite::open(path).unwrap()
}

fn made(path: &Path) -> Sqlite {
    let mut store = open(path);
    store.commit(&world(), Generation(0)).unwrap();
    store
}

/// This very program as a process of its own, doing one of the jobs in `child`.
fn process(job: &str, path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture", "--test-threads=1"]);
    command.env(CHILD, format!("{job}:{}", path.display()));
    command
}

/// Not a test: what the processes do that the tests start.
#[test]
fn child() {
    let Ok(job) = std::env::var(CHILD) else { return };
    let (job, path) = job.split_once(':').unwrap();
    let path = PathBuf::from(path);
    match job {
        "write" => {
            let mut store = open(&path);
            let mut next = counter(&mut store);
            loop {
                let generation = store.generation().unwrap();
                store.commit(&all(next), generation).unwrap();
                println!("acknowledged {next}");
                next += 1;
            }
        }
        "fill" => fill(&path),
        "read-only" => read_only(&path),
        _ => panic!("no such job"),
    }
}

/// Deterministic, so that a failure can be seen again.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

#[test]
fn killed_at_many_moments_it_is_the_old_or_the_new() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    drop(made(&path));
    let mut random = Random(0x9E37_79B9);
    let mut last = 0;
    for _ in 0..40 {
        let mut writer = process("write", &path).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        // Some acknowledgements, and then anywhere in the commits that follow.
        let wanted = last + random.below(20) as u32;
        let mut acknowledged = None;
        for line in &mut lines {
            let line = line.unwrap();
            let number = line.split_once("acknowledged ").map(|(_, n)| n.parse::<u32>().unwrap());
            acknowledged = number.or(acknowledged);
            if acknowledged.is_some_and(|n| n >= wanted) {
                break;
            }
        }
        for _ in 0..random.below(200) {
            std::thread::yield_now();
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            let number = line.strip_prefix("acknowledged ").and_then(|n| n.parse().ok());
            acknowledged = number.or(acknowledged);
        }
        let next = counter(&mut open(&path));
        let acknowledged = acknowledged.expect("the writer wrote");
        assert!(next > acknowledged, "acknowledged {acknowledged}, found {next} commits");
        assert!(next <= acknowledged + 2, "acknowledged {acknowledged}, found {next} commits");
        last = next;
    }
}

#[test]
fn a_commit_that_got_any_part_onto_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let wal = folder.path().join("state.db-wal");
    let mut store = made(&path);
    store.commit(&all(0), Generation(1)).unwrap();
    let before = fs::metadata(&wal).unwrap().len() as usize;
    store.commit(&all(1), Generation(2)).unwrap();
    let whole = fs::read(&wal).unwrap();
    let database = fs::read(&path).unwrap();
    assert!(whole.len() > before);
    let (mut old, mut new) = (0, 0);
    let steps = (before..whole.len()).step_by(331).chain([whole.len() - 1, whole.len()]);
    for end in steps {
        // Cut there; with what a disk may leave behind it; with one octet that did not arrive.
        let mut torn = whole[..end].to_vec();
        torn.resize(whole.len(), 0xA5);
        let mut flipped = whole.clone();
        if let Some(octet) = flipped.get_mut(end) {
            *octet ^= 0x40;
        }
        for log in [&whole[..end], &torn, &flipped] {
            let other = tempfile::tempdir().unwrap();
            let copy = other.path().join("state.db");
            fs::write(&copy, &database).unwrap();
            fs::write(other.path().join("state.db-wal"), log).unwrap();
            match counter(&mut open(&copy)) {
                1 => old += 1,
                2 => new += 1,
                other => panic!("{other} commits"),
            }
        }
    }
    assert!(old > 10 && new >= 1, "{old} old, {new} new");
}

/// Runs a job of `child` in a mount namespace where `script` made a file system at `$DIR`. Needs user namespaces.
fn in_namespace(job: &str, script: &str) {
    let folder = tempfile::tempdir().unwrap();
    let exe = std::env::current_exe().unwrap();
    let run = format!("{script}; exec \"$EXE\" --exact child --nocapture");
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-ec", &run])
        .env("DIR", folder.path())
        .env("EXE", exe)
        .env(CHILD, format!("{job}:{}", folder.path().join("state.db").display()))
        .output()
        .expect("unshare is there");
    let [text, errors] =
        [output.stdout, output.stderr].map(|o| String::from_utf8_lossy(&o).into_owned());
    assert!(text.contains("started"), "no mount namespace: {errors}");
    assert!(output.status.success(), "{text}\n{errors}");
}

#[test]
#[ignore = "needs unshare and the right to mount in a namespace of its own"]
fn a_full_disk_refuses_in_plain_words_and_loses_nothing() {
    in_namespace("fill", "mount -t tmpfs -o size=1m tmpfs \"$DIR\"");
}

fn fill(path: &Path) {
    println!("started");
    let mut store = made(path);
    let mut next = 0;
    let error = loop {
        let generation = store.generation().unwrap();
        match store.commit(&all(next), generation) {
            Ok(_) => next += 1,
            Err(error) => break error,
        }
        // Others fill the disk too.
        let filler = path.with_file_name(format!("filler{next}"));
        let _ = fs::write(filler, vec![1; 20_000]);
        assert!(next < 10_000, "the disk is never full");
    };
    assert!(matches!(&error, CommitError::Failed(f) if f.trouble == Trouble::Full), "{error:?}");
    assert!(error.to_string().contains("the disk is full"), "{error}");
    // What is there is still read, before and after a restart, and nothing of the failed commit.
    assert_eq!(counter(&mut store), next);
    for entry in fs::read_dir(path.parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with("filler") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    // With room again, the same store goes on.
    let generation = store.generation().unwrap();
    store.commit(&all(next), generation).unwrap();
    drop(store);
    assert_eq!(counter(&mut open(path)), next + 1);
}

#[test]
#[ignore = "needs unshare and the right to mount in a namespace of its own"]
fn a_folder_that_cannot_be_written() {
    in_namespace("read-only", "mount -t tmpfs -o size=4m tmpfs \"$DIR\"");
}

fn read_only(path: &Path) {
    println!("started");
    let mut store = made(path);
    store.commit(&all(0), Generation(1)).unwrap();
    let folder = path.parent().unwrap();
    let copy = folder.join("copy");
    fs::create_dir(&copy).unwrap();
    // As a killed process leaves it, with a log that is not in the database yet.
    for name in ["state.db", "state.db-wal"] {
        fs::copy(folder.join(name), copy.join(name)).unwrap();
    }
    drop(store);
    let remount = Command::new("mount").args(["-o", "remount,ro"]).arg(folder).status().unwrap();
    assert!(remount.success());
    for path in [path.to_owned(), copy.join("state.db")] {
        let mut store = open(&path);
        assert_eq!(counter(&mut store), 1, "{}", path.display());
        let error = store.commit(&all(1), Generation(2)).unwrap_err();
        let read_only = matches!(&error, CommitError::Failed(f) if f.trouble == Trouble::ReadOnly);
        assert!(read_only, "{error:?}");
        assert!(error.to_string().contains("cannot be written"), "{error}");
        assert_eq!(counter(&mut store), 1);
    }
}

#[test]
fn damage_is_found_before_anything_rests_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let mut store = made(&path);
    for n in 0..40 {
        let generation = store.generation().unwrap();
        store.commit(&all(n), generation).unwrap();
    }
    drop(store);
    let whole = fs::read(&path).unwrap();
    let pages = whole.len() / 4096;
    let mut found = 0;
    for page in 0..pages {
        let mut damaged = whole.clone();
        for octet in &mut damaged[page * 4096..page * 4096 + 512] {
            *octet ^= 0x55;
        }
        fs::write(&path, &damaged).unwrap();
        let Err(failure) = Sqlite::open(&path) else { continue };
        assert_eq!(failure.trouble, Trouble::Damaged, "page {page}: {failure}");
        let words = failure.to_string();
        assert!(words.contains("damaged") && words.contains("backup"), "{words}");
        assert_eq!(fs::read(&path).unwrap(), damaged, "it is left as it is");
        found += 1;
    }
    assert!(found * 10 >= pages * 9, "{found} of {pages} damaged pages were found");
    // One octet of a row that decides about a grant, in a page that is whole otherwise.
    let at = whole.windows(16).position(|w| w == b"h3.client.exampl").unwrap();
    let mut damaged = whole.clone();
    damaged[at + 1] = b'4';
    fs::write(&path, &damaged).unwrap();
    let read = Sqlite::open(&path).and_then(|mut store| {
        let mut rows = 0;
        store.grant_rows(&mut |_| rows += 1).map(|()| rows)
    });
    assert_eq!(read.unwrap_err().trouble, Trouble::Damaged);
    fs::write(&path, b"this is no database, but it is long enough to be taken for one, is it not?")
        .unwrap();
    let failure = Sqlite::open(&path).unwrap_err();
    assert_eq!(failure.trouble, Trouble::Damaged, "{failure}");
}

#[test]
fn databases_of_others_and_of_newer_versions_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let newer = folder.path().join("newer.db");
    drop(made(&newer));
    let sql = |path: &Path, sql: &str| {
        rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
    };
    sql(&newer, "PRAGMA user_version = 99");
    let failure = Sqlite::open(&newer).unwrap_err();
    assert_eq!(failure.trouble, Trouble::Newer);
    assert!(failure.to_string().contains("newer version"), "{failure}");
    let other = folder.path().join("other.db");
    sql(&other, "CREATE TABLE somebody (x)");
    let failure = Sqlite::open(&other).unwrap_err();
    assert_eq!(failure.trouble, Trouble::Damaged);
    assert!(failure.to_string().contains("something else"), "{failure}");
}
