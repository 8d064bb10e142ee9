//! However it came about: what a running server serves in the end is what a fresh start on the same folders serves.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use bailiwick::control::command::ZoneRow;

use super::{Running, SOA, World};

/// Small random numbers from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

/// One thing that people and programs do to zone files.
fn meddle(w: &World, dice: &mut Dice, round: usize) {
    let accounts = ["a", "b", "c"];
    let names =
        ["x.example", "sub.x.example", "y.example", "example", "deep.sub.x.example", "X.example"];
    let account = accounts[dice.roll(accounts.len())];
    let name = names[dice.roll(names.len())];
    let path = format!("{account}/{name}");
    let file = w.path(&format!("zones/{path}.zone"));
    match dice.roll(9) {
        0..=2 => w.zone(&path, &format!("{account} {round}")),
        3 => {
            w.zone(&path, "old");
            w.replace(&path, &format!("{account} renamed {round}"));
        }
        4 => drop(fs::remove_file(file)),
        5 => w.write(&format!("zones/{path}.zone"), "broken\n"),
        6 => {
            let text = format!("{SOA}$INCLUDE common\n");
            w.write(&format!("zones/{path}.zone"), &text);
            w.write(&format!("zones/{account}/common"), &format!("@ TXT \"common {round}\"\n"));
        }
        7 => drop(fs::rename(w.path(&format!("zones/{account}")), w.path("zones/d"))),
        _ => drop(fs::rename(w.path("zones/d"), w.path(&format!("zones/{account}")))),
    }
}

/// All zones: how they stand, and what is answered. Of several reasons to refuse a file the first that is met is told,
/// so reasons are left out.
fn seen(r: &Running) -> Vec<String> {
    let rows = r.rows().into_iter().map(|row| {
        let ZoneRow { zone, account, state, serial, records, errors, .. } = row;
        let text = r.text(&zone);
        format!("{zone} {account} {state:?} {serial:?} {records} {errors} {text:?}")
    });
    rows.collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => copy(&path, &to),
            // Neither the control socket, nor what was renamed meanwhile.
            kind if kind.is_file() => drop(fs::copy(path, to)),
            _ => {}
        }
    }
}

/// What a start on a copy of the folders serves.
fn fresh(w: &World) -> Vec<String> {
    let beside = World { config: w.config.clone(), ..World::new() };
    copy(&w.path("zones"), &beside.path("zones"));
    copy(&w.path("data"), &beside.path("data"));
    let running = beside.start();
    seen(&running)
}

#[test]
fn a_running_server_and_a_restarted_one_agree() {
    let seed = std::env::var("BAILIWICK_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(1);
    let mut dice = Dice(seed);
    let w = World::new();
    for account in ["a", "b", "c"] {
        fs::create_dir_all(w.path(&format!("zones/{account}"))).unwrap();
    }
    let mut r = w.start();
    for round in 0..3 {
        for n in 0..40 {
            meddle(&w, &mut dice, round * 100 + n);
            std::thread::sleep(Duration::from_millis(dice.roll(8) as u64));
        }
        let until = Instant::now() + Duration::from_secs(25);
        let running = loop {
            let (running, fresh) = (seen(&r), fresh(&w));
            if running == fresh {
                break running;
            }
            assert!(
                Instant::now() < until,
                "seed {seed}, round {round}:\n{running:#?}\n{fresh:#?}"
            );
            std::thread::sleep(Duration::from_millis(100));
        };
        drop(r);
        r = w.start();
        assert_eq!(running, seen(&r), "seed {seed}, round {round}");
    }
}
