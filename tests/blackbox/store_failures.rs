//! The store and what can happen to it, with the whole server around it: killed in the middle of writes, disks that are
//! full, folders that cannot be written, pages that are damaged. Serving goes on, writes are refused in plain words,
//! what was acknowledged is there, and nothing crosses that should not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::alone::{self, is_alone};
use crate::api::API;
use crate::records;
use crate::support::http::Client;
use crate::support::message::Message;
use crate::support::rdata;
use crate::support::server::{PATIENCE, Server, World, poll};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

const PROVIDER: &str = "[zones.\"saas.test\"]\nfallback_origin = \"proxy.saas.test\"\n";
const SAAS: &str = "%std%proxy A 203.0.113.10\n";
/// Every name of the client leads to the provider.
const CLIENT: &str = "%std%* CNAME proxy.saas.test.\n";

fn crosses(answer: &Message) -> bool {
    answer.answer.iter().any(|record| record.show().contains("203.0.113.10"))
}

fn run(world: &World, line: &str) -> Result<Value, String> {
    let arguments: Vec<&str> = line.split(' ').chain(["--json"]).collect();
    let output = world.run(&arguments);
    match output.status.success() {
        true => Ok(serde_json::from_slice(&output.stdout).expect("JSON")),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn create(label: &str) -> String {
    format!("hostname create {label}.client.test --zone saas.test")
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

// --- Killed ---------------------------------------------------------------------------------------------------------

/// What one writer knows when nobody answers any more.
struct Known {
    /// The last write that was acknowledged.
    acknowledged: u64,
    /// The last one that was asked for.
    asked: u64,
    /// Hostnames that must be there, must be gone, or may be either.
    hostnames: Vec<(String, Option<bool>)>,
}

struct Writers<'w> {
    world: &'w World,
    client: Client,
    zone: String,
    provider: String,
    /// The records: one alone, and two that are always written together.
    ids: [String; 3],
    over: AtomicBool,
    acknowledged: AtomicU64,
}

fn address(n: u64) -> String {
    format!("10.{}.{}.{}", n >> 16 & 255, n >> 8 & 255, n & 255)
}

impl Writers<'_> {
    fn patch(&self, path: &str, body: &Value) -> bool {
        let method = if path.ends_with("batch") { "POST" } else { "PATCH" };
        let path = format!("/client/v4/zones/{}/dns_records/{path}", self.zone);
        let reply = self.client.try_ask(method, &path, Some(body));
        self.is_done(reply.is_some_and(|reply| reply.status == 200))
    }

    fn is_done(&self, done: bool) -> bool {
        self.acknowledged.fetch_add(u64::from(done), Ordering::SeqCst);
        done && !self.over.load(Ordering::SeqCst)
    }

    /// Writes numbers as addresses, one after the other.
    fn count(&self, from: u64, write: impl Fn(&str) -> bool) -> Known {
        let mut known = Known { acknowledged: from, asked: from, hostnames: Vec::new() };
        loop {
            known.asked += 1;
            if !write(&address(known.asked)) {
                return known;
            }
            known.acknowledged = known.asked;
        }
    }

    fn alone(&self, from: u64) -> Known {
        self.count(from, |to| self.patch(&self.ids[0], &json!({ "content": to })))
    }

    fn together(&self, from: u64) -> Known {
        let patch = |id: &str, to: &str| json!({ "id": id, "content": to });
        self.count(from, |to| {
            let patches = [patch(&self.ids[1], to), patch(&self.ids[2], to)];
            self.patch("batch", &json!({ "patches": patches }))
        })
    }

    /// Creates hostnames over HTTP, and deletes some of them again.
    fn hostnames(&self, round: u64) -> Known {
        let mut hostnames = Vec::new();
        let path = format!("/client/v4/zones/{}/custom_hostnames", self.provider);
        for n in 0.. {
            let name = format!("h{round}-{n}.client.test");
            let body = json!({ "hostname": name });
            let made = self.client.try_ask("POST", &path, Some(&body));
            let made = made.filter(|reply| reply.status == 201);
            hostnames.push((name, made.is_some().then_some(true)));
            let Some(made) = made else { break };
            if !self.is_done(true) {
                break;
            }
            if n % 3 == 0 {
                let id = made.result()["id"].as_str().expect("an id").to_owned();
                let gone = self.client.try_ask("DELETE", &format!("{path}/{id}"), None);
                let gone = gone.is_some_and(|reply| reply.status == 200);
                hostnames.last_mut().expect("pushed").1 = gone.then_some(false);
                if !self.is_done(gone) {
                    break;
                }
            }
        }
        Known { acknowledged: 0, asked: 0, hostnames }
    }

    /// Creates hostnames at the command line. Without a server it does so itself.
    fn commands(&self, round: u64) -> Known {
        let mut hostnames = Vec::new();
        for n in 0.. {
            let label = format!("c{round}-{n}");
            let made = run(self.world, &create(&label)).is_ok();
            hostnames.push((format!("{label}.client.test"), made.then_some(true)));
            if !self.is_done(made) {
                break;
            }
        }
        Known { acknowledged: 0, asked: 0, hostnames }
    }
}

/// A number that was written as an address.
fn number(server: &Server, name: &str) -> u64 {
    let answer = server.query(name, "A");
    let texts: Vec<String> =
        answer.answer.iter().map(|record| rdata::show(record.rtype, &record.rdata)).collect();
    assert_eq!(texts.len(), 1, "{}", answer.show());
    let octets = texts[0].strip_prefix("10.").expect("one of ours").split('.');
    octets.fold(0, |n, octet| n << 8 | octet.parse::<u64>().expect("an octet"))
}

/// What is found lies between what was acknowledged and what was asked for; and the API says the same as `dig`.
fn between(server: &Server, client: &Client, path: &str, name: &str, known: &Known) -> u64 {
    let found = number(server, name);
    let range = known.acknowledged..=known.asked;
    assert!(range.contains(&found), "{name}: {found} is not in {range:?}");
    let shown = client.get(path).result();
    assert_eq!(shown["content"], address(found), "{name}");
    found
}

fn expect_hostnames(server: &Server, known: &[&Known]) {
    let listed = run(&server.world, "hostname list").unwrap();
    let listed = listed.as_array().unwrap();
    for (name, wanted) in known.iter().flat_map(|known| &known.hostnames) {
        let found = listed.iter().find(|h| h["hostname"] == *name);
        let is_active = found.is_some_and(|h| h["status"] == "active");
        assert_eq!(crosses(&server.query(name, "A")), is_active, "{name}: {found:?}");
        match wanted {
            Some(true) => assert!(is_active, "{name} was acknowledged: {found:?}"),
            Some(false) => assert!(found.is_none(), "{name} was deleted: {found:?}"),
            // Stored, and perhaps not yet looked at: old or new all the same.
            None => {}
        }
    }
}

#[test]
fn killed_while_writes_go_on_it_is_the_old_or_the_new() {
    let files = [("saas/saas.test", SAAS), ("client/client.test", CLIENT)];
    let (mut server, ids) = records::server(&[("saas", "store.test")], &files, PROVIDER);
    let mut client = Client::new(&server, Some("saas"));
    let zone = ids["store.test"].clone();
    let records = format!("/client/v4/zones/{zone}/dns_records");
    let made = ["alone", "left", "right"].map(|name| {
        let body = json!({ "type": "A", "name": name, "content": address(0) });
        client.post(&records, &body).result()["id"].as_str().expect("an id").to_owned()
    });
    let mut random = Random(0x9E37_79B9);
    let (mut alone, mut together) = (0, 0);
    for round in 0..10 {
        let writers = Writers {
            world: &server.world,
            client: client.clone(),
            zone: zone.clone(),
            provider: ids["saas.test"].clone(),
            ids: made.clone(),
            over: AtomicBool::new(false),
            acknowledged: AtomicU64::new(0),
        };
        let wanted = 5 + random.below(40);
        let known = std::thread::scope(|scope| {
            let writers = &writers;
            let all = [
                scope.spawn(move || writers.alone(alone)),
                scope.spawn(move || writers.together(together)),
                scope.spawn(move || writers.hostnames(round)),
                scope.spawn(move || writers.commands(round)),
            ];
            let enough = || writers.acknowledged.load(Ordering::SeqCst) >= wanted;
            poll(PATIENCE, || enough().then_some(())).expect("the writers write");
            (0..random.below(2000)).for_each(|_| std::thread::yield_now());
            writers.over.store(true, Ordering::SeqCst);
            server.signal(Signal::SIGKILL);
            all.map(|writer| writer.join().expect("a writer does not fail"))
        });
        server.crash();
        client.address = server.http.expect("the API is on");
        let path = |n: usize| format!("{records}/{}", made[n]);
        alone = between(&server, &client, &path(0), "alone.store.test", &known[0]);
        together = between(&server, &client, &path(1), "left.store.test", &known[1]);
        let right = between(&server, &client, &path(2), "right.store.test", &known[1]);
        assert_eq!(together, right, "half a batch");
        expect_hostnames(&server, &[&known[2], &known[3]]);
    }
    assert!(alone > 10 && together > 10, "{alone} and {together} writes");
}

// --- In a file system of its own ------------------------------------------------------------------------------------

const FULL_DISK: &str = "store_failures::a_full_disk_refuses_writes_and_serves_on";

/// A provider and a client, and an empty `data/`.
fn world(server: &str) -> World {
    let world = World::new();
    world.zone("saas/saas.test", SAAS);
    world.zone("client/client.test", CLIENT);
    world.config(server, &format!("{API}{PROVIDER}"));
    fs::create_dir(world.path("data")).expect("the data folder");
    world
}

fn activate(server: &Server, labels: &[&str]) {
    for label in labels {
        assert_eq!(run(&server.world, &create(label)).unwrap()["status"], "active");
    }
}

/// Zones are served from memory: an edit is answered.
fn expect_edits(server: &Server) {
    server.world.zone("saas/saas.test", "%std%proxy A 203.0.113.10\nnew A 192.0.2.7\n");
    server.wait_for("new.saas.test", "A", |answer| !answer.answer.is_empty());
}

/// Takes all room there is.
fn fill(data: &Path) {
    use std::io::Write;
    let mut filler =
        fs::OpenOptions::new().create(true).append(true).open(data.join("filler")).expect("a file");
    for size in [65536, 4096, 512, 1] {
        while filler.write_all(&vec![1; size]).is_ok() {}
    }
}

#[test]
#[ignore = "needs unshare and the right to mount"]
fn a_full_disk_refuses_writes_and_serves_on() {
    if !is_alone(FULL_DISK, "--mount") {
        return;
    }
    let world = world("");
    let data = world.path("data");
    let folder = data.to_str().expect("a path of ours");
    alone::run("mount", &["-t", "tmpfs", "-o", "size=3m", "tmpfs", folder]);
    let mut server = world.start();
    activate(&server, &["one", "two", "three"]);
    let saas = Client::new(&server, Some("saas"));
    let zone = saas.get("/client/v4/zones").result()[0]["id"].as_str().unwrap().to_owned();
    let hostnames = format!("/client/v4/zones/{zone}/custom_hostnames");
    // Until the log of the database has no room in what it has already.
    let mut made = Vec::new();
    let refused = (0..200).find_map(|n| {
        fill(&data);
        let label = format!("more{n}");
        run(&server.world, &create(&label)).map(|_| made.push(label)).err()
    });
    let refused = refused.expect("no room is left");
    assert!(refused.contains("the disk is full"), "{refused}");
    assert!(!crosses(&server.query(&format!("more{}.client.test", made.len()), "A")));
    let over_http = saas.post(&hostnames, &json!({ "hostname": "web.client.test" }));
    assert!(over_http.status >= 500, "{over_http:?}");
    assert!(over_http.json()["errors"][0]["message"].to_string().contains("full"), "{over_http:?}");
    assert!(!crosses(&server.query("web.client.test", "A")));
    // What was refused did not happen, nor did half of it.
    let gone = run(&server.world, "hostname delete one.client.test");
    assert!(gone.unwrap_err().contains("the disk is full"));
    assert!(crosses(&server.query("one.client.test", "A")));
    // Edits count, and who owns a name does at once.
    expect_edits(&server);
    server.world.remove("client/client.test");
    server.wait_for("two.client.test", "A", |answer| answer.rcode_text() == "REFUSED");
    server.world.zone("thief/client.test", &format!("{CLIENT}here A 192.0.2.8\n"));
    server.wait_for("here.client.test", "A", |answer| !answer.answer.is_empty());
    for label in ["one", "two", "three"].into_iter().chain(made.iter().map(String::as_str)) {
        let answer = server.query(&format!("{label}.client.test"), "A");
        assert!(!crosses(&answer), "{label} was granted to somebody else: {}", answer.show());
    }
    // With room again, writes work again, here and over a restart.
    fs::remove_file(data.join("filler")).unwrap();
    let again = poll(PATIENCE, || run(&server.world, &create("again")).ok());
    assert_eq!(again.expect("there is room")["status"], "active");
    assert!(crosses(&server.query("again.client.test", "A")));
    server.restart();
    assert!(crosses(&server.query("again.client.test", "A")));
    assert!(!crosses(&server.query("two.client.test", "A")));
}

// --- Where it may not write -----------------------------------------------------------------------------------------

/// How large the files may be that it writes, for a server that runs.
fn limit_files(server: &Server, soft: &str) {
    let process = server.id().to_string();
    alone::run("prlimit", &["--pid", &process, &format!("--fsize={soft}:")]);
}

#[test]
fn files_that_may_not_grow_refuse_writes_and_are_served_from() {
    let mut server = world("").start();
    activate(&server, &["one", "two"]);
    limit_files(&server, "4096");
    // Until the log of the database has no room in what it has already.
    let mut made = Vec::new();
    let refused = (0..200).find_map(|n| {
        let label = format!("more{n}");
        run(&server.world, &create(&label)).map(|_| made.push(label)).err()
    });
    let refused = refused.expect("nothing may grow");
    assert!(server.alive(), "the file that is too large ended it: {refused}");
    assert!(refused.contains("the database cannot be used"), "{refused}");
    assert!(!crosses(&server.query(&format!("more{}.client.test", made.len()), "A")));
    let kept = run(&server.world, "hostname delete one.client.test");
    assert!(kept.unwrap_err().contains("the database cannot be used"));
    assert!(crosses(&server.query("one.client.test", "A")));
    expect_edits(&server);
    // What was refused did not happen, nor did half of it; and writes work again once there is room.
    limit_files(&server, "unlimited");
    let again = poll(PATIENCE, || run(&server.world, &create("again")).ok());
    assert_eq!(again.expect("there is room")["status"], "active");
    run(&server.world, "hostname delete two.client.test").unwrap();
    for _ in 0..2 {
        for (label, wanted) in [("one", true), ("again", true), ("two", false), ("never", false)] {
            let answer = server.query(&format!("{label}.client.test"), "A");
            assert_eq!(crosses(&answer), wanted, "{label}: {}", answer.show());
        }
        server.crash();
    }
}

/// Whether somebody who is not root may write in the folder and the files there.
fn allow_writes(folder: &Path, allowed: bool) {
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    for entry in fs::read_dir(folder).expect("the data folder") {
        let entry = entry.expect("a file");
        if entry.file_type().expect("a file").is_file() {
            set(&entry.path(), if allowed { 0o600 } else { 0o400 }).expect("a mode");
        }
    }
    set(folder, if allowed { 0o700 } else { 0o500 }).expect("a mode");
}

#[test]
fn a_folder_that_cannot_be_written_is_served_from() {
    // Root may write everywhere, so as root the server is somebody else.
    let nobody = nix::unistd::User::from_name("nobody").expect("users").expect("nobody");
    let is_root = nix::unistd::Uid::effective().is_root();
    let world = world(if is_root { "user = \"nobody\"" } else { "" });
    let data = world.path("data");
    if is_root {
        let (user, group) = (nobody.uid.as_raw(), nobody.gid.as_raw());
        std::os::unix::fs::chown(&data, Some(user), Some(group)).expect("root may");
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(world.path(""), open).expect("its own folder");
    }
    let mut server = world.start();
    activate(&server, &["one"]);
    let saas = Client::new(&server, Some("saas"));
    server.terminate();
    allow_writes(&data, false);
    server.start_again();
    let saas = Client { address: server.http.expect("the API is on"), ..saas };
    assert!(crosses(&server.query("one.client.test", "A")));
    let zones = saas.get("/client/v4/zones").result();
    let zone = zones[0]["id"].as_str().expect("an account sees its zone");
    let body = json!({ "hostname": "two.client.test" });
    let refused = saas.post(&format!("/client/v4/zones/{zone}/custom_hostnames"), &body);
    assert!(refused.status >= 500, "{refused:?}");
    let said = refused.json()["errors"][0]["message"].to_string();
    assert!(said.contains("cannot be written"), "{said}");
    assert!(!crosses(&server.query("two.client.test", "A")));
    expect_edits(&server);
    server.terminate();
    allow_writes(&data, true);
    server.start_again();
    activate(&server, &["two"]);
    assert!(crosses(&server.query("one.client.test", "A")));
}

// --- Damaged --------------------------------------------------------------------------------------------------------

fn damaged_world() -> Server {
    let server = world("").start();
    for n in 0..30 {
        assert_eq!(run(&server.world, &create(&format!("h{n}"))).unwrap()["status"], "active");
    }
    server
}

/// What is served while nothing of the database can be believed.
fn expect_no_grants(server: &Server) {
    for n in 0..30 {
        let answer = server.query(&format!("h{n}.client.test"), "A");
        assert!(!crosses(&answer), "h{n}: {}", answer.show());
    }
    assert!(crosses(&server.query("proxy.saas.test", "A")), "zones are served");
    let why = run(&server.world, &create("late")).unwrap_err();
    assert!(why.contains("damaged") && why.contains("backup"), "{why}");
    assert!(!crosses(&server.query("late.client.test", "A")));
}

#[test]
fn a_damaged_page_under_a_running_server() {
    let mut server = damaged_world();
    // Everything into the database itself.
    server.restart();
    let database = server.world.path("data/bailiwick.db");
    let whole = fs::read(&database).unwrap();
    let mut damaged = whole.clone();
    for page in damaged.chunks_mut(4096).skip(1) {
        page[..512].iter_mut().for_each(|octet| *octet ^= 0x55);
    }
    fs::write(&database, &damaged).unwrap();
    // The last good state is in memory, and is served. Whoever writes is told, or it is done: nothing between.
    let crossing =
        |server: &Server, label: &str| crosses(&server.query(&format!("{label}.client.test"), "A"));
    assert!((0..30).all(|n| crossing(&server, &format!("h{n}"))));
    for n in 0..5 {
        let label = format!("new{n}");
        let made = run(&server.world, &create(&label));
        match &made {
            Ok(made) => assert_eq!(made["status"] == "active", crossing(&server, &label)),
            Err(why) => {
                assert!(why.contains("damaged") && why.contains("backup"), "{why}");
                assert!(!crossing(&server, &label), "{label} was refused");
            }
        }
    }
    assert!(!crossing(&server, "nobody"));
    assert!(server.alive());
    // At the start it is found, and grants nothing.
    server.terminate();
    fs::write(&database, &damaged).unwrap();
    let _ = fs::remove_file(server.world.path("data/bailiwick.db-wal"));
    server.start_again();
    expect_no_grants(&server);
    server.logged(&["database-unusable", "damaged"]);
    // With the good one back everything is as it was.
    server.terminate();
    fs::write(&database, &whole).unwrap();
    server.start_again();
    assert!((0..30).all(|n| crossing(&server, &format!("h{n}"))));
}

#[test]
fn a_row_that_was_changed_silently_is_no_grant() {
    let mut server = damaged_world();
    server.terminate();
    let database = server.world.path("data/bailiwick.db");
    let mut octets = fs::read(&database).unwrap();
    // One letter of a hostname, wherever it stands, in pages that are whole otherwise: it would open another name.
    let from = b"h7.client.test";
    let places: Vec<usize> =
        (0..octets.len() - from.len()).filter(|&at| octets[at..].starts_with(from)).collect();
    assert!(!places.is_empty());
    for at in places {
        octets[at + 1] = b'x';
    }
    fs::write(&database, &octets).unwrap();
    server.start_again();
    assert!(!crosses(&server.query("hx.client.test", "A")));
    expect_no_grants(&server);
}

#[test]
fn a_zone_that_changes_hands_gives_nobody_what_cannot_be_read() {
    let mut server = world("").start();
    activate(&server, &["one", "two", "three"]);
    // A row that makes no sense: what lies behind it is not found any more, by names.
    let database = rusqlite::Connection::open(server.world.path("data/bailiwick.db")).unwrap();
    database.busy_timeout(PATIENCE).unwrap();
    let damage = "UPDATE hostnames SET revision = -1 WHERE hostname = 'one.client.test'";
    assert_eq!(database.execute(damage, []).unwrap(), 1);
    drop(database);
    server.world.remove("client/client.test");
    server.wait_for("two.client.test", "A", |answer| answer.rcode_text() == "REFUSED");
    server.world.zone("thief/client.test", &format!("{CLIENT}here A 192.0.2.8\n"));
    server.wait_for("here.client.test", "A", |answer| !answer.answer.is_empty());
    for label in ["one", "two", "three"] {
        let answer = server.query(&format!("{label}.client.test"), "A");
        assert!(!crosses(&answer), "{label} was granted to somebody else: {}", answer.show());
    }
    assert!(server.alive());
}
