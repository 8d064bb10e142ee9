//! The watcher of the zones folder, on real folders: what is told, and what is not. Nothing waits for a fixed time.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use bailiwick::control::watcher::{Touch, Watcher, watch};

/// Longest a report is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

struct World {
    /// Holds the folder as long as the world.
    _folder: tempfile::TempDir,
    zones: PathBuf,
    heard: Receiver<Touch>,
    _watcher: Watcher,
}

/// What was told while something was waited for.
#[derive(Default, Debug)]
struct Told {
    paths: BTreeSet<PathBuf>,
    rescans: usize,
    reports: usize,
}

impl World {
    /// A zones folder with these folders and files (those end in `.zone`), watched.
    fn new(names: &[&str]) -> World {
        let folder = tempfile::tempdir().unwrap();
        let zones = folder.path().join("zones");
        fs::create_dir(&zones).unwrap();
        for name in names {
            let path = zones.join(name);
            match name.ends_with(".zone") {
                true => fs::write(path, "before").unwrap(),
                false => fs::create_dir_all(path).unwrap(),
            }
        }
        let (sender, heard) = channel();
        let watcher = watch(&zones, move |touch| drop(sender.send(touch))).unwrap();
        World { _folder: folder, zones, heard, _watcher: watcher }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.zones.join(name)
    }

    /// Waits until `enough` was told.
    fn until(&self, enough: impl Fn(&Told) -> bool) -> Told {
        let (mut told, end) = (Told::default(), Instant::now() + PATIENCE);
        while !enough(&told) {
            let left = end.saturating_duration_since(Instant::now());
            match self.heard.recv_timeout(left) {
                Ok(Touch::Paths(paths)) => {
                    assert!(paths.is_sorted() && paths.iter().all(|path| path.is_absolute()));
                    told.paths.extend(paths);
                }
                Ok(Touch::Rescan) => told.rescans += 1,
                Err(_) => panic!("told by now: {told:?}"),
            }
            told.reports += 1;
        }
        told
    }

    /// Waits until all of these were told.
    fn expect(&self, names: &[&str]) -> Told {
        let paths: BTreeSet<PathBuf> = names.iter().map(|name| self.path(name)).collect();
        self.until(|told| told.paths.is_superset(&paths))
    }

    fn expect_rescan(&self) {
        self.until(|told| told.rescans > 0);
    }

    /// All that was told until a mark made now.
    fn before_mark(&self, account: &str) -> Told {
        let mark = format!("{account}/mark.zone");
        fs::write(self.path(&mark), "mark").unwrap();
        let mut told = self.expect(&[&mark]);
        told.paths.remove(&self.path(&mark));
        told
    }

    fn rename_into(&self, name: &str, text: &str) {
        let (temporary, path) = (self.zones.with_file_name("temporary"), self.path(name));
        fs::write(&temporary, text).unwrap();
        fs::rename(temporary, path).unwrap();
    }
}

#[test]
fn renamed_into_place() {
    let world = World::new(&["alice", "alice/a.zone"]);
    world.rename_into("alice/a.zone", "after");
    let told = world.expect(&["alice/a.zone"]);
    assert_eq!((told.paths.len(), told.rescans, told.reports), (1, 0, 1));
}

#[test]
fn renamed_away() {
    let world = World::new(&["alice", "alice/a.zone"]);
    fs::rename(world.path("alice/a.zone"), world.path("alice/b.zone")).unwrap();
    world.expect(&["alice/a.zone", "alice/b.zone"]);
}

#[test]
fn written_in_place_and_not_closed() {
    let world = World::new(&["alice", "alice/a.zone"]);
    let mut file = File::options().append(true).open(world.path("alice/a.zone")).unwrap();
    for _ in 0..10 {
        file.write_all(b"more").unwrap();
        std::thread::sleep(Duration::from_millis(3));
    }
    assert_eq!(world.expect(&["alice/a.zone"]).reports, 1);
    file.write_all(b"more").unwrap();
    drop(file);
    world.expect(&["alice/a.zone"]);
}

#[test]
fn closing_is_told_at_once_and_once() {
    let world = World::new(&["alice"]);
    fs::write(world.path("alice/a.zone"), "new").unwrap();
    assert!(world.expect(&["alice/a.zone"]).reports <= 2);
    assert_eq!(world.before_mark("alice").paths, BTreeSet::new());
}

#[test]
fn deleted() {
    let world = World::new(&["alice", "alice/a.zone"]);
    fs::remove_file(world.path("alice/a.zone")).unwrap();
    world.expect(&["alice/a.zone"]);
}

#[test]
fn deleted_folder() {
    let world = World::new(&["alice", "alice/sub", "alice/sub/a.zone", "bob"]);
    fs::remove_dir_all(world.path("alice")).unwrap();
    world.expect(&["alice", "alice/sub/a.zone"]);
    // It is watched when it comes again.
    fs::create_dir(world.path("alice")).unwrap();
    world.expect(&["alice"]);
    world.rename_into("alice/b.zone", "new");
    world.expect(&["alice/b.zone"]);
}

#[test]
fn new_folder_with_files_already_inside() {
    let world = World::new(&[]);
    let outside = world.zones.with_file_name("outside");
    fs::create_dir_all(outside.join("sub/deep")).unwrap();
    fs::write(outside.join("a.zone"), "new").unwrap();
    fs::write(outside.join("sub/deep/b.zone"), "new").unwrap();
    fs::rename(&outside, world.path("alice")).unwrap();
    world.expect(&["alice", "alice/a.zone", "alice/sub/deep/b.zone"]);
    world.rename_into("alice/sub/deep/b.zone", "after");
    world.expect(&["alice/sub/deep/b.zone"]);
}

#[test]
fn new_folders_made_in_place() {
    let world = World::new(&[]);
    for account in 0..20 {
        let folder = world.path(&format!("account{account}/one/two"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("a.zone"), "new").unwrap();
    }
    let names: Vec<String> = (0..20).map(|i| format!("account{i}/one/two/a.zone")).collect();
    world.expect(&names.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn folder_moved_within() {
    let world = World::new(&["alice", "alice/sub", "alice/sub/a.zone"]);
    fs::rename(world.path("alice"), world.path("bob")).unwrap();
    world.expect(&["alice", "bob", "bob/sub/a.zone"]);
    world.rename_into("bob/sub/a.zone", "after");
    let told = world.expect(&["bob/sub/a.zone"]);
    assert!(!told.paths.contains(&world.path("alice/sub/a.zone")), "{told:?}");
}

#[test]
fn two_folders_exchanged() {
    let world = World::new(&["alice", "alice/a.zone", "bob", "bob/b.zone"]);
    let (old, alice) = (world.path("old"), world.path("alice"));
    fs::rename(&alice, &old).unwrap();
    fs::rename(world.path("bob"), &alice).unwrap();
    fs::rename(&old, world.path("bob")).unwrap();
    world.expect(&["alice/b.zone", "bob/a.zone"]);
    world.rename_into("alice/b.zone", "after");
    world.expect(&["alice/b.zone"]);
    world.rename_into("bob/a.zone", "after");
    world.expect(&["bob/a.zone"]);
}

#[test]
fn data_link_is_swapped() {
    for below in ["", "alice/"] {
        let first = format!("{below}..first");
        let world = World::new(&["alice", &first, &format!("{first}/a.zone")]);
        let data = world.path(&format!("{below}..data"));
        symlink("..first", &data).unwrap();
        world.expect(&[&format!("{below}..data")]);
        symlink("..data/a.zone", world.path("alice/a.zone")).unwrap();
        world.expect(&["alice/a.zone"]);

        let second = world.path(&format!("{below}..second"));
        fs::create_dir(&second).unwrap();
        fs::write(second.join("a.zone"), "after").unwrap();
        let temporary = world.path(&format!("{below}..data_tmp"));
        symlink("..second", &temporary).unwrap();
        fs::rename(&temporary, &data).unwrap();
        fs::remove_dir_all(world.path(&first)).unwrap();
        world.expect(&[
            &format!("{below}..data"),
            &format!("{below}..second/a.zone"),
            &format!("{first}/a.zone"),
        ]);
        // Where the links lead is watched as well.
        fs::write(second.join("a.zone"), "later").unwrap();
        world.expect(&[&format!("{below}..second/a.zone")]);
    }
}

#[test]
fn links_out_of_the_folder_are_not_followed() {
    let world = World::new(&["alice"]);
    let outside = world.zones.with_file_name("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, world.path("alice/link")).unwrap();
    world.expect(&["alice/link"]);
    fs::write(outside.join("a.zone"), "new").unwrap();
    assert_eq!(world.before_mark("alice").paths, BTreeSet::new());
}

#[test]
fn rights_are_told() {
    let world = World::new(&["alice", "alice/a.zone", "alice/b.zone"]);
    fs::set_permissions(world.path("alice/a.zone"), Permissions::from_mode(0o600)).unwrap();
    assert_eq!(world.expect(&["alice/a.zone"]).paths.len(), 1);
    // Of a folder: all that is in it may be read now.
    fs::set_permissions(world.path("alice"), Permissions::from_mode(0o711)).unwrap();
    world.expect(&["alice", "alice/a.zone", "alice/b.zone"]);
}

#[test]
fn times_of_a_folder_are_not_told() {
    let world = World::new(&["alice", "alice/a.zone"]);
    for folder in ["", "alice"] {
        File::open(world.path(folder)).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        assert!(Command::new("touch").arg(world.path(folder)).status().unwrap().success());
    }
    let told = world.before_mark("alice");
    assert_eq!((told.paths, told.rescans), (BTreeSet::new(), 0));
}

#[test]
fn reading_is_not_told() {
    let world = World::new(&["alice", "alice/sub", "alice/sub/a.zone", "alice/b.zone"]);
    for _ in 0..1000 {
        for folder in ["", "alice", "alice/sub"] {
            assert!(fs::read_dir(world.path(folder)).unwrap().count() > 0);
        }
        for file in ["alice/sub/a.zone", "alice/b.zone"] {
            assert_eq!(fs::read(world.path(file)).unwrap(), b"before");
        }
    }
    // Opened for writing is no change either, but nobody can tell.
    let told = world.before_mark("alice");
    assert_eq!((told.paths, told.rescans), (BTreeSet::new(), 0));
}

#[test]
fn folders_of_tools_are_not_watched() {
    let world = World::new(&["alice", "alice/.git"]);
    fs::create_dir_all(world.path("alice/.git/objects/ab")).unwrap();
    fs::write(world.path("alice/.git/objects/ab/cd"), "object").unwrap();
    assert_eq!(world.before_mark("alice").paths, BTreeSet::new());
}

#[test]
fn a_burst_is_told_completely() {
    let world = World::new(&["alice", "bob"]);
    let names: Vec<String> =
        (0..1000).map(|i| format!("{}/{i}.zone", ["alice", "bob"][i % 2])).collect();
    for name in &names {
        world.rename_into(name, "new");
    }
    world.expect(&names.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn more_than_can_be_told_becomes_a_rescan() {
    let world = World::new(&["alice"]);
    let outside = world.zones.with_file_name("outside");
    fs::create_dir(&outside).unwrap();
    for i in 0..12_000 {
        File::create(outside.join(format!("{i}.zone"))).unwrap();
    }
    fs::rename(outside, world.path("bob")).unwrap();
    world.expect_rescan();
    world.rename_into("bob/1.zone", "after");
    world.expect(&["bob/1.zone"]);
}

/// Whoever is told may be slow: nothing may be lost, nor wait for ever, nor grow.
#[test]
fn lost_events_become_a_rescan() {
    let folder = tempfile::tempdir().unwrap();
    let zones = folder.path();
    fs::create_dir(zones.join("alice")).unwrap();
    let (sender, heard) = channel();
    let (go, wait) = channel::<()>();
    let slow = move |touch| {
        sender.send(touch).unwrap();
        let _ = wait.recv();
    };
    let watcher = watch(zones, slow).unwrap();
    let path = zones.join("alice/a.zone");
    fs::write(&path, "first").unwrap();
    heard.recv_timeout(PATIENCE).unwrap();
    for _ in 0..40_000 {
        fs::write(&path, "again").unwrap();
    }
    fs::create_dir(zones.join("bob")).unwrap();
    drop(go);
    let deadline = Instant::now() + PATIENCE;
    while heard.recv_timeout(PATIENCE).unwrap() != Touch::Rescan {
        assert!(Instant::now() < deadline);
    }
    // What came unseen is watched after it.
    let path = zones.join("bob/b.zone");
    fs::write(&path, "new").unwrap();
    loop {
        match heard.recv_timeout(PATIENCE).unwrap() {
            Touch::Paths(paths) if paths.contains(&path) => break,
            _ => assert!(Instant::now() < deadline),
        }
    }
    drop(watcher);
    // The thread ends, and its report with it.
    while heard.recv_timeout(PATIENCE) != Err(std::sync::mpsc::RecvTimeoutError::Disconnected) {
        assert!(Instant::now() < deadline + PATIENCE);
    }
}

#[test]
fn zones_folder_goes_and_comes_back() {
    let world = World::new(&["alice", "alice/a.zone"]);
    let away = world.zones.with_file_name("away");
    fs::rename(&world.zones, &away).unwrap();
    world.expect_rescan();
    fs::rename(&away, &world.zones).unwrap();
    world.expect_rescan();
    world.rename_into("alice/a.zone", "after");
    world.expect(&["alice/a.zone"]);
}

#[test]
fn zones_folder_is_replaced() {
    let world = World::new(&["alice"]);
    let other = world.zones.with_file_name("other");
    fs::create_dir_all(other.join("bob")).unwrap();
    fs::rename(&world.zones, world.zones.with_file_name("old")).unwrap();
    fs::rename(&other, &world.zones).unwrap();
    world.expect_rescan();
    // If looked at in between, it was absent first; then another rescan tells of this.
    fs::write(world.path("bob/b.zone"), "new").unwrap();
    world.until(|told| told.rescans + told.paths.len() > 0);
    fs::write(world.path("bob/c.zone"), "new").unwrap();
    world.expect(&["bob/c.zone"]);
}

#[test]
fn zones_folder_is_absent_at_first_and_a_link_later() {
    let folder = tempfile::tempdir().unwrap();
    let zones = folder.path().join("zones");
    let (sender, heard) = channel();
    let watcher = watch(&zones, move |touch| drop(sender.send(touch))).unwrap();
    fs::create_dir_all(folder.path().join("real/alice")).unwrap();
    symlink("real", &zones).unwrap();
    let world = World { _folder: folder, zones, heard, _watcher: watcher };
    world.expect_rescan();
    world.rename_into("alice/a.zone", "new");
    world.expect(&["alice/a.zone"]);
}

/// Times of this machine; printed, since they depend on what else it does.
#[test]
fn latency_and_set_up_are_measured() {
    let world = World::new(&["alice", "alice/a.zone"]);
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..50 {
        let temporary = world.zones.with_file_name("temporary");
        fs::write(&temporary, "after").unwrap();
        let start = Instant::now();
        fs::rename(&temporary, world.path("alice/a.zone")).unwrap();
        world.expect(&["alice/a.zone"]);
        times.push(start.elapsed());
    }
    times.sort_unstable();
    println!("rename to report: median {:?}, longest {:?}", times[25], times[49]);

    let folder = tempfile::tempdir().unwrap();
    let files = make(folder.path(), 500, 20);
    let start = Instant::now();
    let watcher = watch(folder.path(), |_| {}).unwrap();
    println!("set-up with 500 folders and {files} files: {:?}", start.elapsed());
    drop(watcher);
}

fn make(zones: &Path, folders: usize, files: usize) -> usize {
    for folder in 0..folders {
        let folder = zones.join(format!("account{folder}"));
        fs::create_dir(&folder).unwrap();
        for file in 0..files {
            File::create(folder.join(format!("{file}.zone"))).unwrap();
        }
    }
    folders * files
}
