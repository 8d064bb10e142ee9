//! Tests of reading beneath the account's folder: what tenants can do with links, pipes and races.

use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::*;

/// How long something that must happen is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

struct World {
    _folder: tempfile::TempDir,
    root: PathBuf,
}

impl World {
    /// `zones/a` and `zones/b`, a dot folder, and a secret outside.
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for path in ["zones/a/sub", "zones/b", "zones/.store/shared", "outside"] {
            std::fs::create_dir_all(root.join(path)).unwrap();
        }
        let world = World { _folder: folder, root };
        world.write("zones/a/x.example.zone", "of a");
        world.write("zones/a/sub/inc", "sub of a");
        world.write("zones/b/y.example.zone", "of b");
        world.write("zones/.store/shared/common", "shared");
        world.write("outside/secret", "secret");
        world
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn write(&self, path: &str, text: &str) {
        std::fs::write(self.path(path), text).unwrap();
    }

    fn link(&self, at: &str, to: &str) {
        symlink(to, self.path(at)).unwrap();
    }

    fn zones(&self) -> ZonesFolder {
        ZonesFolder::open(&self.path("zones")).unwrap()
    }

    fn read(&self, account: &str, path: &str) -> Result<String, FileError> {
        let zones = self.zones();
        let text = zones.account(account)?.read(path, ZONE_TEXT_MAX)?;
        Ok(String::from_utf8(text.octets.to_vec()).unwrap())
    }

    /// The same file by both ways of opening.
    fn read_checked(&self, account: &str, path: &str) -> Result<String, FileError> {
        let zones = self.zones();
        let (file, real) = zones.account(account)?.open_checked(path)?;
        let text = read_opened(file, real, ZONE_TEXT_MAX)?;
        Ok(String::from_utf8(text.octets.to_vec()).unwrap())
    }
}

#[test]
fn own_files_are_read_and_others_are_not() {
    let w = World::new();
    let absolute = |path: &str| shown(&w.path(path));
    for path in ["x.example.zone", "sub/inc", "sub/../x.example.zone", &absolute("zones/a/sub/inc")]
    {
        assert!(w.read("a", path).is_ok(), "{path}");
        assert!(w.read_checked("a", path).is_ok(), "{path}");
    }
    assert!(matches!(w.read("a", "none"), Err(FileError::Missing)));
    assert!(matches!(w.read("a", "none/none"), Err(FileError::Missing)));
    for path in [
        "../b/y.example.zone",
        "../../outside/secret",
        "/etc/passwd",
        "/etc/there-is-no-such-file",
        "/proc/self/environ",
        "/dev/null",
        &absolute("outside/secret"),
        &absolute("zones/b/y.example.zone"),
        "sub/../../b/y.example.zone",
    ] {
        assert!(matches!(w.read("a", path), Err(FileError::Outside)), "{path}");
        assert!(matches!(w.read_checked("a", path), Err(FileError::Outside)), "{path}");
    }
    assert!(matches!(w.read("a", "sub"), Err(FileError::NotAFile)));
    assert!(matches!(w.zones().account("none"), Err(FileError::Missing)));
}

#[test]
fn links_lead_within_the_folder_or_into_dot_folders() {
    let w = World::new();
    w.link("zones/a/rel.zone", "sub/inc");
    w.link("zones/a/abs.zone", &shown(&w.path("zones/a/sub/inc")));
    w.link("zones/a/dot.zone", "../.store/shared/common");
    w.link("zones/a/twice.zone", "rel.zone");
    for (path, text) in [
        ("rel.zone", "sub of a"),
        ("abs.zone", "sub of a"),
        ("dot.zone", "shared"),
        ("twice.zone", "sub of a"),
        ("../.store/shared/common", "shared"),
    ] {
        assert_eq!(w.read("a", path).unwrap(), text, "{path}");
        assert_eq!(w.read_checked("a", path).unwrap(), text, "{path}");
    }
    let zones = w.zones();
    let text = zones.account("a").unwrap().read("dot.zone", 100).unwrap();
    assert_eq!(text.real.unwrap(), w.path("zones/.store/shared/common"));

    w.link("zones/a/other.zone", "../b/y.example.zone");
    w.link("zones/a/out.zone", "../../outside/secret");
    w.link("zones/a/etc.zone", "/etc/passwd");
    w.link("zones/a/nowhere.zone", "/outside/none");
    w.link("zones/a/loop.zone", "loop.zone");
    w.link("zones/a/dir", "../b");
    w.link("zones/a/proc", "/proc/self/root");
    w.link("zones/a/sub/up", "../../../outside");
    for path in [
        "other.zone",
        "out.zone",
        "etc.zone",
        "nowhere.zone",
        "loop.zone",
        "dir/y.example.zone",
        "proc/etc/passwd",
        "sub/up/secret",
        "sub/up/none",
    ] {
        assert!(matches!(w.read("a", path), Err(FileError::Outside)), "{path}");
        assert!(matches!(w.read_checked("a", path), Err(FileError::Outside)), "{path}");
    }
    // A folder whose name begins like the account's is another folder.
    std::fs::create_dir(w.path("zones/ab")).unwrap();
    w.write("zones/ab/z", "of ab");
    assert!(matches!(w.read_checked("a", "../ab/z"), Err(FileError::Outside)));
}

#[test]
fn an_account_folder_may_be_a_link_into_a_dot_folder_only() {
    let w = World::new();
    for path in ["zones/..2026/c", "zones/..2026/d"] {
        std::fs::create_dir_all(w.path(path)).unwrap();
        w.write(&format!("{path}/z.example.zone"), path);
    }
    w.link("zones/..data", "..2026");
    w.link("zones/c", "..data/c");
    w.link("zones/d", "..data/d");
    assert_eq!(w.read("c", "z.example.zone").unwrap(), "zones/..2026/c");
    assert!(w.zones().account("c").unwrap().linked);
    // What is another account's folder stays so when it lies in a dot folder.
    for path in ["../d/z.example.zone", "../../..data/d/z.example.zone"] {
        assert!(matches!(w.read("c", path), Err(FileError::Outside)), "{path}");
    }
    w.link("zones/a/theirs.zone", "../..data/d/z.example.zone");
    assert!(matches!(w.read("a", "theirs.zone"), Err(FileError::Outside)));

    w.link("zones/e", "a");
    w.link("zones/f", "../outside");
    w.link("zones/g", "/etc");
    w.link("zones/h", ".");
    for account in ["e", "f", "g", "h"] {
        assert!(matches!(w.zones().account(account), Err(FileError::Outside)), "{account}");
    }
    w.write("zones/i", "a file");
    assert!(w.zones().account("i").is_err());
}

/// As Kubernetes mounts a ConfigMap over an account's folder.
#[test]
fn the_data_swaps_of_mounted_volumes() {
    let w = World::new();
    for (version, text) in [("..1", "one"), ("..2", "two")] {
        std::fs::create_dir(w.path("zones/b").join(version)).unwrap();
        w.write(&format!("zones/b/{version}/k.example.zone"), text);
    }
    w.link("zones/b/..data", "..1");
    w.link("zones/b/k.example.zone", "..data/k.example.zone");
    assert_eq!(w.read("b", "k.example.zone").unwrap(), "one");
    w.link("zones/b/..data_tmp", "..2");
    std::fs::rename(w.path("zones/b/..data_tmp"), w.path("zones/b/..data")).unwrap();
    assert_eq!(w.read("b", "k.example.zone").unwrap(), "two");
    let zones = w.zones();
    let files = zones.account("b").unwrap().zone_files().unwrap().found;
    let names: Vec<&str> = files.iter().map(|f| &*f.file_name).collect();
    assert_eq!(names, ["k.example.zone", "y.example.zone"]);
}

#[test]
fn pipes_sockets_and_devices_are_never_read() {
    let w = World::new();
    nix::unistd::mkfifo(&w.path("zones/a/fifo.zone"), Mode::S_IRUSR).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(w.path("zones/a/sock.zone")).unwrap();
    w.link("zones/a/linked.zone", "fifo.zone");
    for path in ["fifo.zone", "sock.zone", "linked.zone", "sub"] {
        assert!(matches!(w.read("a", path), Err(FileError::NotAFile)), "{path}");
        assert!(matches!(w.read_checked("a", path), Err(FileError::NotAFile)), "{path}");
    }
    drop(socket);
}

#[test]
fn sizes_are_bounded() {
    let w = World::new();
    let zones = w.zones();
    let a = zones.account("a").unwrap();
    assert!(a.read("x.example.zone", 4).is_ok());
    assert!(matches!(a.read("x.example.zone", 3), Err(FileError::TooLarge)));
    let file = File::create(w.path("zones/a/huge.zone")).unwrap();
    file.set_len(ZONE_TEXT_MAX as u64 + 1).unwrap();
    assert!(matches!(a.read("huge.zone", usize::MAX), Err(FileError::TooLarge)));
}

#[test]
fn listings_tell_what_is_misplaced() {
    let w = World::new();
    w.write("zones/lost.example.zone", "");
    w.write("zones/README", "");
    std::fs::create_dir(w.path("zones/Upper")).unwrap();
    w.write("zones/a/a..b.zone", "");
    w.write("zones/a/notes.txt", "");
    w.write("zones/a/.x.example.zone.swp", "");
    w.write("zones/a/.hidden.zone", "");
    w.write("zones/a/X.Example.zone", "");
    let zones = w.zones();
    let accounts = zones.accounts().unwrap();
    assert_eq!(accounts.found, ["a", "b"]);
    let strays: Vec<_> =
        accounts.strays.iter().map(|s| s.path.rsplit('/').next().unwrap()).collect();
    assert_eq!(strays, ["Upper", "lost.example.zone"]);
    let files = zones.account("a").unwrap().zone_files().unwrap();
    let names: Vec<&str> = files.found.iter().map(|f| &*f.file_name).collect();
    assert_eq!(names, ["X.Example.zone", "x.example.zone"]);
    assert_eq!(files.strays.len(), 1);
    assert!(files.strays[0].path.ends_with("zones/a/a..b.zone"));
}

#[test]
fn stamps_change_with_the_file() {
    let w = World::new();
    let zones = w.zones();
    let a = zones.account("a").unwrap();
    let read = a.read("x.example.zone", 100).unwrap().stamp;
    assert_eq!(a.stamp("x.example.zone").unwrap(), read);
    w.write("zones/a/new", "of a");
    std::fs::rename(w.path("zones/a/new"), w.path("zones/a/x.example.zone")).unwrap();
    assert_ne!(a.stamp("x.example.zone").unwrap(), read);
    assert!(matches!(a.stamp("none"), Err(FileError::Missing)));
}

/// A tenant who swaps a file with a link as fast as the disk allows never gets another's text read.
#[test]
fn a_race_of_renames_never_leads_outside() {
    let w = World::new();
    w.write("zones/a/good", "of a");
    w.link("zones/a/bad", "../b/y.example.zone");
    w.link("zones/a/worse", "../../outside/secret");
    w.link("zones/a/fine", "sub/inc");
    let stop = AtomicBool::new(false);
    let names = ["good", "bad", "worse", "fine"];
    let (mut read, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for name in names {
                    let copy = w.path("zones/a/copy");
                    let from = w.path(&format!("zones/a/{name}"));
                    let _ = std::fs::remove_file(&copy);
                    match std::fs::read_link(&from) {
                        Ok(target) => symlink(target, &copy).unwrap(),
                        Err(_) => drop(std::fs::copy(&from, &copy).unwrap()),
                    }
                    std::fs::rename(&copy, w.path("zones/a/race.zone")).unwrap();
                }
            }
        });
        let zones = w.zones();
        let a = zones.account("a").unwrap();
        let started = Instant::now();
        // However late the other thread gets its turn, both outcomes are waited for.
        for round in 0_u64.. {
            let seen_both = read > 0 && refused > 0;
            if round >= 20_000 && (seen_both || started.elapsed() > PATIENCE) {
                break;
            }
            let result = match round % 2 {
                0 => a.read("race.zone", 100),
                _ => a
                    .open_checked("race.zone")
                    .and_then(|(file, real)| read_opened(file, real, 100)),
            };
            match result {
                Ok(text) => {
                    let text = String::from_utf8(text.octets.to_vec()).unwrap();
                    assert!(text.is_empty() || text.ends_with("of a"), "{text}");
                    read += 1;
                }
                Err(FileError::Outside | FileError::Missing) => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(read > 0 && refused > 0, "{read} {refused}");
}
