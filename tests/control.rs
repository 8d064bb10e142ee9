//! The publisher on real folders: starts, edits, holds, ownership, grants and reloads, seen as a query would see them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bailiwick::base::name::Name;
use bailiwick::base::rtype::TXT;
use bailiwick::config::file;
use bailiwick::config::settings::Overrides;
use bailiwick::control::command::{Command, Reply, ZoneRow, ZoneState, reply};
use bailiwick::control::publisher::{self, Origin, Publisher};
use bailiwick::model::grant::GrantState;
use bailiwick::model::snapshot::Snapshot;
use serde_json::Value;

#[path = "control/agree.rs"]
mod agree;

const SOA: &str = "$TTL 60\n@ SOA ns hostmaster 1 2 3 4 5\n@ NS ns\n";

struct World {
    folder: tempfile::TempDir,
    config: String,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("zones")).unwrap();
        World { folder, config: "[server]\nlisten = [\"127.0.0.1:0\"]\n".to_owned() }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A zone file whose apex has a TXT record with this text.
    fn zone(&self, path: &str, text: &str) {
        self.write(&format!("zones/{path}.zone"), &zone(text));
    }

    /// The same, written beside and renamed into place.
    fn replace(&self, path: &str, text: &str) {
        let new = self.path(&format!("zones/{path}.new"));
        fs::write(&new, zone(text)).unwrap();
        fs::rename(new, self.path(&format!("zones/{path}.zone"))).unwrap();
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.path(&format!("zones/{path}.zone"))).unwrap();
    }

    fn start(&self) -> Running {
        self.write("config.toml", &self.config);
        let config = self.path("config.toml");
        let (settings, _) = file::read_with(&config, &Overrides::default()).unwrap();
        let origin = Origin { config, overrides: Overrides::default() };
        Running { publisher: Some(publisher::start(settings, origin, |_| {}).unwrap()) }
    }
}

fn zone(text: &str) -> String {
    format!("{SOA}@ TXT \"{text}\"\n")
}

struct Running {
    publisher: Option<Publisher>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.publisher.take().unwrap().stop();
    }
}

impl Running {
    fn publisher(&self) -> &Publisher {
        self.publisher.as_ref().unwrap()
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.publisher().press.published().load_full()
    }

    /// The text at the apex; `None`: no such zone, `Some("")`: not ready.
    fn text(&self, apex: &str) -> Option<String> {
        let snapshot = self.snapshot();
        let zone = snapshot.catalog.zone_at(&Name::from_text(apex).unwrap())?;
        let Some(node) = zone.data.apex_node() else { return Some(String::new()) };
        let mut text = String::new();
        node.rrset(TXT).unwrap().expanded(zone.apex(), |rdata| {
            text = String::from_utf8_lossy(&rdata[1..]).into_owned();
        });
        Some(text)
    }

    /// Waits until the zone has this text, at most 3 s; how long it took.
    fn wait(&self, apex: &str, text: Option<&str>) -> Duration {
        self.wait_for(Duration::from_secs(3), apex, text)
    }

    fn wait_for(&self, most: Duration, apex: &str, text: Option<&str>) -> Duration {
        let began = Instant::now();
        while self.text(apex).as_deref() != text {
            assert!(began.elapsed() < most, "{apex}: {:?}, not {text:?}", self.text(apex));
            std::thread::sleep(Duration::from_millis(1));
        }
        began.elapsed()
    }

    fn ask(&self, command: impl FnOnce(Reply) -> Command) -> Result<Value, String> {
        let (reply, answer) = reply();
        self.publisher().handle.send(command(reply)).unwrap();
        answer.recv().unwrap()
    }

    fn reload(&self) -> Value {
        self.ask(|reply| Command::Reload(Some(reply))).unwrap()
    }

    fn accept(&self, apex: &str) -> Result<ZoneRow, String> {
        let apex = Name::from_text(apex).unwrap();
        let row = self.ask(|reply| Command::ZoneAccept { apex, reply })?;
        Ok(serde_json::from_value(row).unwrap())
    }

    fn rows(&self) -> Vec<ZoneRow> {
        serde_json::from_value(self.ask(Command::ZoneList).unwrap()).unwrap()
    }

    fn state(&self, zone: &str, account: &str) -> Option<ZoneState> {
        let rows = self.rows();
        rows.iter().find(|r| r.zone == zone && r.account == account).map(|row| row.state)
    }

    /// Waits until the zone list says so.
    fn wait_state(&self, zone: &str, account: &str, state: ZoneState) {
        let began = Instant::now();
        while self.state(zone, account) != Some(state) {
            assert!(began.elapsed() < Duration::from_secs(8), "{:?}", self.rows());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn edits_are_seen_by_themselves() {
    let w = World::new();
    w.zone("a/x.example", "one");
    let r = w.start();
    assert_eq!(r.text("x.example").as_deref(), Some("one"));
    w.zone("a/x.example", "two");
    r.wait("x.example", Some("two"));
    w.replace("a/x.example", "three");
    r.wait("x.example", Some("three"));
    // A new zone, a new account, a new spelling.
    w.zone("a/y.example", "y");
    r.wait("y.example", Some("y"));
    w.zone("b/z.example", "z");
    r.wait("z.example", Some("z"));
    w.zone("b/z.example", "z2");
    r.wait("z.example", Some("z2"));
    fs::rename(w.path("zones/a/y.example.zone"), w.path("zones/a/Y.Example.zone")).unwrap();
    w.replace("a/Y.Example", "y2");
    r.wait("y.example", Some("y2"));
    let generation = r.snapshot().generation;
    // Nothing that changes nothing makes a snapshot.
    w.zone("b/z.example", "z2");
    w.write("zones/b/notes.txt", "");
    assert_eq!(r.reload()["zones"]["changed"], 0);
    std::thread::sleep(Duration::from_millis(100));
    let more = r.snapshot().generation.0 - generation.0;
    assert!(more <= 1, "{more}");
}

#[test]
fn one_file_that_vanishes_is_gone_after_five_seconds() {
    let w = World::new();
    w.zone("a/x.example", "x");
    w.zone("a/y.example", "y");
    let r = w.start();
    w.remove("a/x.example");
    w.remove("a/y.example");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(r.text("x.example").as_deref(), Some("x"));
    // Editors delete a file and write it again.
    w.zone("a/y.example", "y2");
    r.wait("y.example", Some("y2"));
    let took = r.wait_for(Duration::from_secs(10), "x.example", None);
    assert!(took > Duration::from_secs(1), "{took:?}");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(r.text("y.example").as_deref(), Some("y2"));
}

#[test]
fn a_bad_file_takes_nothing_down_and_survives_a_restart() {
    let w = World::new();
    w.zone("a/x.example", "good");
    w.zone("a/y.example", "y");
    w.write("zones/a/never.example.zone", "nonsense\n");
    let r = w.start();
    assert_eq!(r.text("never.example").as_deref(), Some(""));
    assert_eq!(r.state("never.example", "a"), Some(ZoneState::NotReady));
    w.write("zones/a/x.example.zone", &format!("{SOA}broken\n"));
    r.wait_state("x.example", "a", ZoneState::LastGood);
    assert_eq!(r.text("x.example").as_deref(), Some("good"));
    w.zone("a/y.example", "y2");
    r.wait("y.example", Some("y2"));
    drop(r);
    let r = w.start();
    assert_eq!(r.text("x.example").as_deref(), Some("good"));
    assert_eq!(r.state("x.example", "a"), Some(ZoneState::LastGood));
    let row = r.rows().into_iter().find(|row| row.zone == "x.example").unwrap();
    assert!(row.detail.unwrap().contains("x.example.zone:4:"), "{:?}", r.rows());
    assert_eq!(r.text("y.example").as_deref(), Some("y2"));
    // Two files of one apex are an error; with one of them gone all is well.
    w.zone("a/Y.Example", "other");
    r.wait_state("y.example", "a", ZoneState::LastGood);
    assert_eq!(r.text("y.example").as_deref(), Some("y2"));
    w.remove("a/y.example");
    r.wait("y.example", Some("other"));
    assert_eq!(r.state("y.example", "a"), Some(ZoneState::Served));
    w.zone("a/x.example", "good again");
    r.wait("x.example", Some("good again"));
    w.zone("a/never.example", "at last");
    r.wait("never.example", Some("at last"));
}

#[test]
fn names_belong_to_who_came_first() {
    let mut w = World::new();
    w.zone("b/x.example", "of b");
    let r = w.start();
    w.zone("a/x.example", "of a");
    w.zone("a/sub.x.example", "sub of a");
    w.zone("a/example", "above");
    r.wait_state("sub.x.example", "a", ZoneState::Refused);
    r.wait_state("x.example", "a", ZoneState::Refused);
    assert_eq!(r.text("x.example").as_deref(), Some("of b"));
    assert_eq!(r.text("sub.x.example"), None);
    drop(r);
    // Over a restart too, although `a` comes before `b`.
    let r = w.start();
    assert_eq!(r.text("x.example").as_deref(), Some("of b"));
    assert_eq!(r.state("example", "a"), Some(ZoneState::Refused));
    // A file that cannot be read holds its name.
    w.write("zones/b/x.example.zone", "broken\n");
    r.wait_state("x.example", "b", ZoneState::LastGood);
    assert_eq!(r.text("x.example").as_deref(), Some("of b"));
    // Allowed, and not any more.
    w.config += "[zones.\"x.example\"]\ndelegates = { \"sub.x.example\" = \"a\" }\n";
    w.write("config.toml", &w.config);
    r.reload();
    assert_eq!(r.text("sub.x.example").as_deref(), Some("sub of a"));
    w.config = w.config.replace("\"sub.x.example\" = \"a\"", "");
    w.write("config.toml", &w.config);
    r.reload();
    assert_eq!(r.text("sub.x.example"), None);
    assert_eq!(r.state("sub.x.example", "a"), Some(ZoneState::Refused));
    // When the holder goes, who waits gets the name: the upper one first.
    w.remove("b/x.example");
    r.wait_for(Duration::from_secs(8), "x.example", Some("of a"));
    assert_eq!(r.text("sub.x.example").as_deref(), Some("sub of a"));
    assert_eq!(r.text("example").as_deref(), Some("above"));
}

#[test]
fn public_suffixes_are_refused_unless_given() {
    let mut w = World::new();
    w.zone("a/co.uk", "suffix");
    w.zone("a/x.co.uk", "below");
    let r = w.start();
    assert_eq!((r.text("co.uk"), r.text("x.co.uk").as_deref()), (None, Some("below")));
    w.config += "[policy]\nsuffixes = { \"co.uk\" = \"a\" }\n";
    w.write("config.toml", &w.config);
    r.reload();
    assert_eq!(r.text("co.uk").as_deref(), Some("suffix"));
}

/// Lines of a zone with so many TXT records.
fn many(records: usize) -> String {
    let lines: String = (0..records).map(|n| format!("n{n} TXT \"{n}\"\n")).collect();
    format!("{}{lines}", zone(&records.to_string()))
}

#[test]
fn edits_that_remove_much_are_held() {
    let w = World::new();
    w.write("zones/a/x.example.zone", &many(100));
    w.write("zones/a/y.example.zone", &many(19));
    let r = w.start();
    w.write("zones/a/x.example.zone", "broken\n");
    r.wait_state("x.example", "a", ZoneState::LastGood);
    w.write("zones/a/x.example.zone", &many(10));
    w.write("zones/a/y.example.zone", &many(0));
    r.wait_state("x.example", "a", ZoneState::Held);
    let held = r.rows().into_iter().find(|row| row.zone == "x.example").unwrap();
    assert_eq!((held.errors, held.records), (0, 103), "what is held has no errors");
    // Not more than 20 records.
    r.wait("y.example", Some("0"));
    assert_eq!(r.text("x.example").as_deref(), Some("100"));
    assert_eq!(r.accept("y.example").unwrap_err(), "nothing is held for y.example");
    assert_eq!(r.accept("none.example").unwrap_err(), "there is no zone none.example");
    drop(r);
    // Served version and hold survive a restart.
    let r = w.start();
    assert_eq!(r.text("x.example").as_deref(), Some("100"));
    assert_eq!(r.state("x.example", "a"), Some(ZoneState::Held));
    let row = r.accept("x.example").unwrap();
    assert_eq!((row.state, row.records), (ZoneState::Served, 13));
    assert_eq!(r.text("x.example").as_deref(), Some("10"));
    assert!(r.accept("x.example").is_err());
    drop(r);
    let r = w.start();
    assert_eq!(r.text("x.example").as_deref(), Some("10"));
    // What is held is replaced by the next edit, and dropped when the file goes back.
    w.write("zones/a/x.example.zone", &many(100));
    r.wait("x.example", Some("100"));
    w.write("zones/a/x.example.zone", &many(1));
    r.wait_state("x.example", "a", ZoneState::Held);
    w.write("zones/a/x.example.zone", &many(100));
    r.wait_state("x.example", "a", ZoneState::Served);
    assert!(r.accept("x.example").is_err());
}

#[test]
fn many_files_that_vanish_at_once_are_held() {
    let w = World::new();
    for n in 0..10 {
        w.zone(&format!("a/z{n}.example"), "z");
    }
    for n in 0..100 {
        w.zone(&format!("b/y{n}.example"), "y");
    }
    let r = w.start();
    (0..6).for_each(|n| w.remove(&format!("a/z{n}.example")));
    (0..20).for_each(|n| w.remove(&format!("b/y{n}.example")));
    r.wait_state("z0.example", "a", ZoneState::Held);
    // 20 % of an account are not too many, and 26 of 110 are of all.
    r.wait_state("y3.example", "b", ZoneState::Held);
    assert_eq!(r.text("z0.example").as_deref(), Some("z"));
    assert_eq!(r.accept("z0.example").unwrap().state, ZoneState::Removed);
    assert_eq!(r.text("z0.example"), None);
    w.zone("a/z1.example", "back");
    r.wait("z1.example", Some("back"));
    drop(r);
    let r = w.start();
    assert_eq!(r.text("z0.example"), None);
    assert_eq!(r.text("z2.example").as_deref(), Some("z"));
    assert_eq!(r.text("y2.example").as_deref(), Some("y"));
    drop(r);
    // Gone while the server was down: few are removed, an unreadable `zones/` removes nothing.
    fs::rename(w.path("zones"), w.path("elsewhere")).unwrap();
    let r = w.start();
    assert_eq!(r.text("y50.example").as_deref(), Some("y"));
    assert_eq!(r.text("z5.example").as_deref(), Some("z"));
    fs::rename(w.path("elsewhere"), w.path("zones")).unwrap();
    w.zone("b/y50.example", "again");
    r.reload();
    assert_eq!(r.text("y50.example").as_deref(), Some("again"));
}

#[test]
fn a_file_removed_while_the_server_was_down_is_gone() {
    let w = World::new();
    w.zone("a/x.example", "x");
    w.zone("a/y.example", "y");
    drop(w.start());
    w.remove("a/x.example");
    w.zone("b/x.example", "of b");
    let r = w.start();
    assert_eq!(r.text("x.example").as_deref(), Some("of b"));
}

#[test]
fn includes_and_links_are_followed() {
    let w = World::new();
    let text = |n: u32| format!("@ TXT \"{n}\"\n");
    w.write("zones/a/inc/common", &text(1));
    w.write("zones/a/x.example.zone", &format!("{SOA}$INCLUDE inc/common\n"));
    w.write("zones/a/y.example.zone", &format!("{SOA}$INCLUDE later/part\n"));
    // As Kubernetes mounts a volume over an account's folder.
    w.write("zones/k/..v1/z.example.zone", &zone("v1"));
    w.write("zones/k/..v2/z.example.zone", &zone("v2"));
    symlink("..v1", w.path("zones/k/..data")).unwrap();
    symlink("..data/z.example.zone", w.path("zones/k/z.example.zone")).unwrap();
    // And over all of `zones/`.
    w.write("zones/..m1/m/q.example.zone", &zone("m1"));
    w.write("zones/..m2/m/q.example.zone", &zone("m2"));
    symlink("..m1", w.path("zones/..data")).unwrap();
    symlink("..data/m", w.path("zones/m")).unwrap();
    let r = w.start();
    assert_eq!(r.text("x.example").as_deref(), Some("1"));
    assert_eq!(r.text("y.example").as_deref(), Some(""));
    assert_eq!(r.text("z.example").as_deref(), Some("v1"));
    assert_eq!(r.text("q.example").as_deref(), Some("m1"));
    w.write("zones/a/inc/common", &text(2));
    r.wait("x.example", Some("2"));
    let swap = |at: &str, to: &str| {
        symlink(to, w.path(&format!("{at}_tmp"))).unwrap();
        fs::rename(w.path(&format!("{at}_tmp")), w.path(at)).unwrap();
    };
    swap("zones/k/..data", "..v2");
    r.wait("z.example", Some("v2"));
    swap("zones/..data", "..m2");
    r.wait("q.example", Some("m2"));
    w.write("zones/..m2/m/q.example.zone", &zone("m3"));
    r.wait("q.example", Some("m3"));
    w.write("zones/a/later/part", &text(7));
    r.wait("y.example", Some("7"));
}

/// Folders and files that come faster than anybody can watch them.
#[test]
fn new_accounts_are_seen_however_fast_they_come() {
    let w = World::new();
    w.zone("a/x.example", "x");
    let r = w.start();
    for n in 0..200 {
        w.zone(&format!("n{n}/z{n}.example"), "new");
        w.write(&format!("zones/n{n}/inc/deep/part"), "@ TXT \"part\"\n");
        let with_part = format!("{SOA}$INCLUDE inc/deep/part\n");
        w.write(&format!("zones/n{n}/p{n}.example.zone"), &with_part);
    }
    for n in 0..200 {
        r.wait(&format!("z{n}.example"), Some("new"));
        r.wait(&format!("p{n}.example"), Some("part"));
        w.write(&format!("zones/n{n}/inc/deep/part"), "@ TXT \"part2\"\n");
    }
    for n in 0..200 {
        r.wait(&format!("p{n}.example"), Some("part2"));
    }
    // A file beside the accounts is none, and an account that goes takes its zones along.
    w.write("zones/readme", "");
    fs::remove_dir_all(w.path("zones/n7")).unwrap();
    r.wait_for(Duration::from_secs(10), "z7.example", None);
    assert!(r.rows().iter().all(|row| row.account != "n7"));
    w.zone("n7/z7.example", "back");
    r.wait("z7.example", Some("back"));
}

#[test]
fn zones_that_cannot_be_read_change_nothing() {
    let w = World::new();
    w.zone("a/x.example", "x");
    let r = w.start();
    fs::rename(w.path("zones"), w.path("elsewhere")).unwrap();
    std::thread::sleep(Duration::from_millis(6500));
    assert_eq!(r.text("x.example").as_deref(), Some("x"));
    w.write("elsewhere/a/x.example.zone", &zone("y"));
    fs::rename(w.path("elsewhere"), w.path("zones")).unwrap();
    r.wait("x.example", Some("y"));
    w.zone("a/x.example", "z");
    r.wait("x.example", Some("z"));
    // Another folder in its place.
    w.write("next/a/x.example.zone", &zone("next"));
    fs::rename(w.path("zones"), w.path("old")).unwrap();
    fs::rename(w.path("next"), w.path("zones")).unwrap();
    r.wait("x.example", Some("next"));
    w.zone("a/x.example", "after");
    r.wait("x.example", Some("after"));
}

fn grants(r: &Running) -> Vec<(String, bool)> {
    let snapshot = r.snapshot();
    let mut all: Vec<_> = snapshot
        .grants
        .iter()
        .map(|g| (g.hostname.to_string(), g.state == GrantState::Active))
        .collect();
    all.sort();
    all
}

#[test]
fn grants_and_trusts_follow_the_config() {
    let mut w = World::new();
    w.zone("customer/x.example", "x");
    w.zone("saas/s.example", "s");
    let plain = w.config.clone();
    w.config = format!(
        "{plain}[accounts.saas]\ntrusts = [\"customer\"]\n\
         [[grants]]\nhostname = \"app.x.example\"\nzone = \"s.example\"\n\
         [[grants]]\nhostname = \"*.x.example\"\nzone = \"none.example\"\n"
    );
    let r = w.start();
    let row = |name: &str, active| (name.to_owned(), active);
    assert_eq!(grants(&r), [row("app.x.example", true)]);
    assert_eq!(r.snapshot().trusts.len(), 1);
    // A zone that comes makes its grant.
    w.zone("saas/none.example", "n");
    r.wait("none.example", Some("n"));
    assert_eq!(grants(&r), [row("app.x.example", true), row("x.example", true)]);
    // An invalid config changes nothing, but what it does not give any more is withdrawn.
    w.write(
        "config.toml",
        "[server\nlisten = 5\n[[grants]]\nhostname = \"*.x.example\"\nzone = \"none.example\"\n",
    );
    let report = r.reload();
    assert_eq!(report["config"], "invalid");
    assert!(!report["problems"].as_array().unwrap().is_empty());
    assert_eq!(grants(&r), [row("app.x.example", false), row("x.example", true)]);
    assert_eq!(r.snapshot().trusts.len(), 0);
    drop(r);
    // Withdrawn is kept over a restart, and seen when it happened while the server was down.
    w.config = plain;
    let r = w.start();
    assert_eq!(grants(&r), [row("app.x.example", false), row("x.example", false)]);
}

#[test]
fn settings_change_while_running() {
    let mut w = World::new();
    w.zone("a/x.example", "x");
    let r = w.start();
    w.config += "[zones.\"x.example\"]\ncross_account = \"anyone\"\n[zones.\"n.example\"]\n\
                 [policy]\ncrossing_ttl = 77\n";
    w.config = w.config.replace(":0", ":1");
    w.write("config.toml", &w.config);
    let report = r.reload();
    assert_eq!(report["config"], "valid");
    assert_eq!(report["restart_needed"][0], "server.listen");
    assert!(report["problems"][0].as_str().unwrap().contains("n.example"));
    let snapshot = r.snapshot();
    let zone = snapshot.catalog.zone_at(&Name::from_text("x.example").unwrap()).unwrap();
    assert_eq!(zone.cross_account, bailiwick::model::settings::CrossAccount::Anyone);
    assert_eq!(snapshot.rules.crossing_ttl, 77);
}

#[test]
fn a_data_folder_that_cannot_be_written_does_not_stop_serving() {
    let mut w = World::new();
    w.zone("a/x.example", "x");
    // Where also root cannot make a folder.
    w.config += "data = \"/proc/self/none\"\n";
    let r = w.start();
    assert_eq!(r.text("x.example").as_deref(), Some("x"));
    w.zone("a/x.example", "x2");
    r.wait("x.example", Some("x2"));
    w.write("zones/a/x.example.zone", &many(100));
    r.wait("x.example", Some("100"));
    w.write("zones/a/x.example.zone", &many(1));
    r.wait_state("x.example", "a", ZoneState::Held);
    assert!(r.accept("x.example").unwrap_err().contains("cannot be written"));
    assert_eq!(r.text("x.example").as_deref(), Some("100"));
}

#[test]
fn two_servers_do_not_share_a_data_folder() {
    let w = World::new();
    let _r = w.start();
    let config = w.path("config.toml");
    let (settings, _) = file::read(Path::new(&config)).unwrap();
    let origin = Origin { config, overrides: Overrides::default() };
    let error = publisher::start(settings, origin, |_| {}).err().unwrap().to_string();
    assert!(error.contains("in use by another server"), "{error}");
}

/// What replaces `zones/` makes no event in the folder that was watched.
#[test]
fn another_folder_in_the_place_of_zones_is_seen() {
    let w = World::new();
    w.zone("a/x.example", "one");
    let r = w.start();
    r.wait("x.example", Some("one"));
    std::fs::rename(w.path("zones"), w.path("old")).unwrap();
    w.zone("a/x.example", "two");
    r.wait("x.example", Some("two"));
    w.zone("a/x.example", "three");
    r.wait("x.example", Some("three"));
    // The same by a symbolic link.
    std::fs::rename(w.path("zones"), w.path("newer")).unwrap();
    std::os::unix::fs::symlink("old", w.path("zones")).unwrap();
    r.wait_for(Duration::from_secs(10), "x.example", Some("one"));
}
