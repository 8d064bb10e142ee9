//! A start with an image of the zones, and with the copies of what logs come to, ends in the same state as one that
//! reads all logs and files, whatever happened between.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bailiwick::config::file;
use bailiwick::config::settings::Overrides;
use bailiwick::control::command::{Command, reply};
use bailiwick::control::publisher::{self, Origin, Publisher};
use bailiwick::store::image::IMAGE;

/// What a start may take short ways with. Without them it reads everything.
const SHORT: [&str; 3] = [IMAGE, "ownership.index", "zones.index"];

struct World {
    folder: tempfile::TempDir,
    seed: u64,
}

/// All that can be seen of a world: every zone that is served, every zone file, who holds what.
#[derive(PartialEq, Debug)]
struct Seen {
    zones: Vec<String>,
    list: serde_json::Value,
    ownership: String,
}

impl World {
    fn new(seed: u64) -> World {
        let world = World { folder: tempfile::tempdir().unwrap(), seed };
        for account in ["one", "two", "three"] {
            fs::create_dir_all(world.path("zones").join(account)).unwrap();
        }
        world.write("zones/..data/linked.zone", &text(0, ""));
        world.configure("");
        world
    }

    fn configure(&self, more: &str) {
        let text = format!("[server]\nlisten = [\"127.0.0.1:0\"]\n{more}");
        fs::write(self.path("config.toml"), text).unwrap();
    }

    /// Some zones allow others below them, and some are asked otherwise.
    fn configure_randomly(&mut self) {
        let mut text = String::new();
        for zone in (1..24).step_by(5) {
            let account = ["one", "two", "three"][self.random(3) as usize];
            let delegates = match self.random(2) {
                0 => format!("delegates = {{ \"s.z{zone}.example\" = \"{account}\" }}\n"),
                _ => "cross_account = \"anyone\"\n".to_owned(),
            };
            text += &format!("[zones.\"z{zone}.example\"]\n{delegates}");
        }
        let mode = ["refuse", "nodata"][self.random(2) as usize];
        text += &format!("[accounts.two]\non_violation = \"{mode}\"\n");
        self.configure(&text);
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // A link would be written through.
        let _ = fs::remove_file(&path);
        fs::write(path, text).unwrap();
    }

    fn random(&mut self, below: u64) -> u64 {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below
    }

    /// Something happens to a zone file.
    fn edit(&mut self) {
        let account = ["one", "two", "three"][self.random(3) as usize];
        let zone = self.random(24);
        let apex = if zone.is_multiple_of(5) {
            format!("s.z{}.example", zone + 1)
        } else {
            format!("z{zone}.example")
        };
        let path = format!("zones/{account}/{apex}.zone");
        let records = self.random(40);
        let old = fs::read_to_string(self.path(&path)).unwrap_or_default();
        match self.random(12) {
            0 => drop(fs::remove_file(self.path(&path))),
            1 => self.write(&path, "broken\n"),
            2 => self.write(&path, &text(records, "www A not-an-address\n")),
            3 => {
                self.write(&path, &text(records, "x TXT \"v=spf1 -all\"\nx TXT \"v=spf1 ~all\"\n"))
            }
            4 => self.write(&path, &text(records, &format!("$INCLUDE parts/{account}\n"))),
            5 => self.write(
                &format!("zones/{account}/parts/{account}"),
                &format!("part{records} A 192.0.2.1\n"),
            ),
            6 => {
                let _ = fs::remove_file(self.path(&path));
                let to =
                    ["../..data/linked.zone", "nowhere", "/etc/passwd"][self.random(3) as usize];
                symlink(to, self.path(&path)).unwrap();
            }
            7 => self.write(
                &path
                    .to_uppercase()
                    .replace("ZONES", "zones")
                    .replace(&account.to_uppercase(), account)
                    .replace(".ZONE", ".zone"),
                &text(records, ""),
            ),
            // The same size, written in place, and the times put back as far as anybody can.
            8 if old.contains("192.0.2.") => {
                let times = fs::metadata(self.path(&path)).unwrap().modified().unwrap();
                fs::write(self.path(&path), old.replace("192.0.2.", "192.0.3.")).unwrap();
                let file = fs::File::options().write(true).open(self.path(&path)).unwrap();
                file.set_modified(times).unwrap();
            }
            _ => self.write(&path, &text(records, "")),
        }
    }

    fn start(&self) -> Publisher {
        let config = self.path("config.toml");
        let (settings, _) = file::read_with(&config, &Overrides::default()).unwrap();
        let origin = Origin { config, overrides: Overrides::default() };
        publisher::start(settings, origin, |_| {}).unwrap()
    }

    fn seen(&self, publisher: &Publisher) -> Seen {
        let snapshot = publisher.press.published().load_full();
        let mut zones: Vec<String> = snapshot
            .catalog
            .iter()
            .map(|zone| {
                let settings = (zone.on_violation, zone.cross_account, zone.flatten);
                let data = &zone.data.block()[..];
                format!("{:?} {:?} {settings:?} {data:?}", zone.id, zone.account)
            })
            .collect();
        zones.sort();
        let (sender, answer) = reply();
        publisher.handle.send(Command::ZoneList(sender)).unwrap();
        let list = answer.recv().unwrap().unwrap();
        let ownership = fs::read_to_string(self.path("data/ownership.log")).unwrap_or_default();
        Seen { zones, list, ownership }
    }

    /// Starts twice from the same data folder, with the image and the copies and without them.
    fn compare(&self, what: &str) {
        copy(&self.path("data"), &self.path("before"));
        let with = self.started();
        fs::remove_dir_all(self.path("data")).unwrap();
        fs::rename(self.path("before"), self.path("data")).unwrap();
        SHORT.iter().for_each(|short| drop(fs::remove_file(self.path("data").join(short))));
        assert_eq!(with, self.started(), "{what}");
    }

    fn started(&self) -> Seen {
        let publisher = self.start();
        let seen = self.seen(&publisher);
        publisher.stop();
        seen
    }
}

fn text(records: u64, more: &str) -> String {
    let mut text =
        "$TTL 60\n@ SOA ns hostmaster 1 7200 900 1209600 300\n@ NS ns\nns A 192.0.2.1\n".to_owned();
    (0..records).for_each(|n| text += &format!("h{n} A 192.0.2.{n}\n"));
    text + more
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Files that were just written do not count as settled at once, so images are written until one has them all.
fn image_of(publisher: &Publisher, zones: usize) {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let written = publisher.imager.write().unwrap().unwrap();
        if written.zones >= zones {
            return;
        }
        assert!(Instant::now() < end, "{written:?} of {zones}");
        std::thread::yield_now();
    }
}

#[test]
fn random_edits_while_the_server_is_down() {
    let mut world = World::new(7);
    (0..60).for_each(|_| world.edit());
    for round in 0..6 {
        let publisher = world.start();
        let settled = |list: &serde_json::Value| {
            let rows = list.as_array().unwrap();
            rows.iter().filter(|row| row["state"] == "served").count()
        };
        // Those with links or includes are read anew at every start.
        let served = settled(&world.seen(&publisher).list);
        image_of(&publisher, served / 2);
        if round % 2 == 1 {
            // Some edits come after the image and before the end.
            (0..5).for_each(|_| world.edit());
        }
        publisher.stop();
        (0..12).for_each(|_| world.edit());
        if round > 2 {
            world.configure_randomly();
        }
        world.compare(&format!("round {round}"));
    }
}

#[test]
fn every_zone_comes_out_of_the_image() {
    let world = World::new(1);
    for zone in 0..10 {
        world.write(&format!("zones/one/z{zone}.example.zone"), &text(zone, ""));
    }
    let publisher = world.start();
    image_of(&publisher, 10);
    publisher.stop();
    world.compare("nothing changed");
}

#[test]
fn a_file_that_is_young_is_not_believed() {
    let world = World::new(1);
    world.write("zones/one/z.example.zone", &text(1, ""));
    let publisher = world.start();
    image_of(&publisher, 1);
    // Changed in the same moment in which it was read, so that the stamp may be the same: out of the image until it is
    // read again later.
    world.write("zones/one/z.example.zone", &text(2, ""));
    let end = Instant::now() + Duration::from_secs(30);
    while publisher
        .press
        .published()
        .load()
        .catalog
        .iter()
        .all(|zone| zone.data.record_count() != 5)
    {
        assert!(Instant::now() < end);
        std::thread::yield_now();
    }
    assert_eq!(publisher.imager.write().unwrap().unwrap().zones, 0);
    image_of(&publisher, 1);
    publisher.stop();
    world.compare("read again");
}

#[test]
fn what_is_damaged_stale_or_of_another_config_is_not_believed() {
    let world = World::new(3);
    world.configure("[zones.\"z1.example\"]\ndelegates = { \"s.z1.example\" = \"two\" }\n");
    for zone in 0..10 {
        world.write(&format!("zones/one/z{zone}.example.zone"), &text(zone, ""));
    }
    world.write("zones/two/s.z1.example.zone", &text(3, ""));
    let publisher = world.start();
    image_of(&publisher, 11);
    publisher.stop();
    copy(&world.path("data"), &world.path("whole"));
    let again = || {
        fs::remove_dir_all(world.path("data")).unwrap();
        copy(&world.path("whole"), &world.path("data"));
    };
    for short in SHORT {
        assert!(world.path("data").join(short).exists(), "{short}");
        for at in [0, 3, 5, 7] {
            again();
            let path = world.path("data").join(short);
            let mut octets = fs::read(&path).unwrap();
            let at = octets.len() * at / 8;
            octets[at] ^= 4;
            fs::write(&path, octets).unwrap();
            world.compare(&format!("octet {at} of {short}"));
        }
        again();
        let path = world.path("data").join(short);
        let octets = fs::read(&path).unwrap();
        fs::write(&path, &octets[..octets.len() / 2]).unwrap();
        // What a server leaves that is killed while it writes.
        fs::write(format!("{}.new", path.display()), &octets[..octets.len() / 3]).unwrap();
        world.compare(&format!("half of {short}"));
    }
    // What the lower zone rests on is gone, and comes back.
    again();
    world.configure("");
    world.compare("nothing is delegated");
    again();
    world.configure("[accounts.one]\non_violation = \"nodata\"\n[policy]\nmax_hops = 3\n");
    world.write("zones/one/z3.example.zone", &text(9, ""));
    fs::remove_file(world.path("zones/one/z5.example.zone")).unwrap();
    world.write("zones/three/new.example.zone", &text(1, ""));
    world.compare("a zone changed, one went, one came, and the config is another");
}
