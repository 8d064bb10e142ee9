//! SPEC §3 and §3.2 over time: edits, holds, last good versions, restarts, signals.

use crate::support::client::{self, Ask, Transport};
use crate::support::message::Message;
use crate::support::server::{STANDARD, Server, World, poll};
use serde_json::Value;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Longer than the five seconds after which a vanished file counts as removed.
const VANISHED: Duration = Duration::from_secs(7);

fn text_of(answer: &Message) -> String {
    answer.answer.iter().map(|record| record.show()).collect::<Vec<_>>().join("\n")
}

fn says<'a>(text: &'a str) -> impl Fn(&Message) -> bool + 'a {
    move |answer| text_of(answer).contains(text)
}

fn refused(answer: &Message) -> bool {
    answer.rcode_text() == "REFUSED"
}

fn version(number: u32) -> String {
    format!("%std%@ TXT \"version {number}\"\nv CNAME t-{number}\nt-{number} TXT \"{number}\"\n")
}

fn hosts(count: usize) -> String {
    let hosts: String = (0..count).map(|at| format!("h{at} A 192.0.2.1\n")).collect();
    format!("%std%@ TXT \"{count} hosts\"\n{hosts}")
}

/// Wait until the server has surely seen everything written before now: a marker zone appears.
fn settle(server: &Server, marker: &str) {
    server.world.zone(&format!("marker/{marker}.test"), "%std%");
    server.wait_for(&format!("{marker}.test"), "SOA", |answer| answer.rcode == 0);
}

#[test]
fn an_edit_is_seen_whole_or_not_at_all() {
    let world = World::new();
    world.zone("acct/a.test", &version(0));
    let server = world.start();
    let stop = AtomicBool::new(false);
    let address = server.address(Transport::Udp);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut asked = 0;
            while !stop.load(Ordering::Relaxed) {
                let ask = Ask::new("v.a.test", "TXT");
                let answer = client::ask(address, Transport::Udp, &ask).expect("an answer");
                assert_eq!(answer.answer.len(), 2, "half an edit:\n{}", answer.show());
                asked += 1;
            }
            asked
        });
        for number in 1..=20 {
            server.world.zone("acct/a.test", &version(number));
            server.wait_for("a.test", "TXT", says(&format!("\"version {number}\"")));
        }
        stop.store(true, Ordering::Relaxed);
        assert!(asking.join().expect("every answer was whole") > 100);
    });
}

#[test]
fn an_edit_in_place_is_seen_too() {
    let world = World::new();
    world.zone("acct/a.test", &version(1));
    let server = world.start();
    let text = version(2).replace("%std%", STANDARD);
    std::fs::write(server.world.path("zones/acct/a.test.zone"), text).expect("written");
    server.wait_for("a.test", "TXT", says("version 2"));
}

#[test]
fn a_bad_edit_keeps_the_last_good_version_over_a_restart() {
    let world = World::new();
    world.zone("acct/a.test", &version(1));
    world.zone("acct/b.test", &version(1));
    let mut server = world.start();
    server.world.zone("acct/a.test", &format!("{}oops A nonsense\n", version(2)));
    server.world.zone("acct/b.test", &version(2));
    server.wait_for("b.test", "TXT", says("version 2"));
    server.logged(&["a.test.zone"]);
    assert!(text_of(&server.query("a.test", "TXT")).contains("version 1"));
    server.restart();
    assert!(text_of(&server.query("a.test", "TXT")).contains("version 1"));
    server.crash();
    assert!(text_of(&server.query("a.test", "TXT")).contains("version 1"));
    assert!(text_of(&server.query("v.a.test", "TXT")).contains("t-1.a.test."));
    server.world.zone("acct/a.test", &version(3));
    server.wait_for("a.test", "TXT", says("version 3"));
}

#[test]
fn after_a_kill_at_any_moment_there_is_one_whole_version() {
    let world = World::new();
    world.config("", "[[grants]]\nhostname = \"v.a.test\"\nzone = \"b.test\"\n");
    world.zone("acct/a.test", &version(0));
    world.zone("other/b.test", "%std%");
    let mut server = world.start();
    for round in 1..=25_u32 {
        server.world.zone("acct/a.test", &version(round));
        if round % 3 == 0 {
            // A grant comes and goes: the memory of it is written at the same time.
            let grant = "[[grants]]\nhostname = \"v.a.test\"\nzone = \"b.test\"\n";
            server.world.config("", if round % 2 == 0 { grant } else { "" });
            server.hangup();
        }
        std::thread::sleep(Duration::from_micros(u64::from(round) * 400));
        if round % 4 == 0 {
            // Killed in the middle, and the file is broken by now: the last good version must be whole. It is put
            // on disk a moment after it was first served.
            std::thread::sleep(Duration::from_millis(300));
            server.world.zone("acct/a.test", "%std%broken A here\n");
        }
        server.crash();
        let answer = server.query("v.a.test", "TXT");
        assert_eq!(answer.answer.len(), 2, "round {round}:\n{}", answer.show());
        let number = text_of(&answer);
        let fits = (0..=round).rev().take(2).any(|have| number.contains(&format!("\"{have}\"")));
        assert!(fits, "round {round}: an older version than the last two:\n{number}");
    }
}

#[test]
fn zones_and_accounts_come_and_go() {
    let world = World::new();
    world.zone("acct/a.test", &version(1));
    let server = world.start();
    assert!(refused(&server.query("b.test", "TXT")));
    server.world.zone("newcomer/b.test", &version(1));
    server.wait_for("b.test", "TXT", says("version 1"));
    server.world.zone("acct/c.test", &version(1));
    server.wait_for("c.test", "TXT", says("version 1"));
    let gone = Instant::now();
    server.world.remove("acct/c.test");
    // Editors remove and write again: a file that is away for a moment is not gone.
    while gone.elapsed() < Duration::from_secs(2) {
        assert!(text_of(&server.query("c.test", "TXT")).contains("version 1"));
        std::thread::sleep(Duration::from_millis(100));
    }
    server.wait_for("c.test", "TXT", refused);
    assert!(text_of(&server.query("a.test", "TXT")).contains("version 1"));
    std::fs::remove_dir_all(server.world.path("zones/newcomer")).expect("was there");
    server.wait_for("b.test", "TXT", refused);
}

#[test]
fn accounts_that_come_in_a_burst_are_all_seen() {
    let world = World::new();
    world.zone("acct/a.test", &version(1));
    let server = world.start();
    for number in 0..60 {
        // The server may list the folder before the file is there and watch it after: somewhere in these pauses.
        let folder = server.world.path(&format!("zones/acct{number}/inc"));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::thread::sleep(Duration::from_micros(20 * number));
        server.world.file(&format!("zones/acct{number}/inc/x.inc"), "x TXT \"one\"\n");
        let text = format!("{}$INCLUDE inc/x.inc\n", version(1));
        server.world.zone(&format!("acct{number}/b{number}.test"), &text);
        std::thread::sleep(Duration::from_micros(20 * number));
        server.world.file(&format!("zones/acct{number}/inc/x.inc"), "x TXT \"two\"\n");
    }
    for number in 0..60 {
        server.wait_for(&format!("b{number}.test"), "TXT", says("version 1"));
        server.wait_for(&format!("x.b{number}.test"), "TXT", says("two"));
    }
}

#[test]
fn a_file_that_comes_back_at_once_was_never_gone() {
    let world = World::new();
    world.zone("acct/a.test", &version(1));
    let server = world.start();
    server.world.remove("acct/a.test");
    std::thread::sleep(Duration::from_millis(300));
    server.world.zone("acct/a.test", &version(2));
    let until = Instant::now() + VANISHED;
    server.wait_for("a.test", "TXT", says("version 2"));
    while Instant::now() < until {
        assert!(!refused(&server.query("a.test", "TXT")));
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn an_edit_that_removes_much_is_held_until_accepted() {
    let world = World::new();
    world.zone("acct/a.test", &hosts(100));
    world.zone("acct/few.test", &hosts(18));
    world.zone("acct/half.test", &hosts(100));
    let mut server = world.start();
    // 90 of about 104 records go: more than 20, and more than half.
    server.world.zone("acct/a.test", &hosts(10));
    // 18 records are not more than 20; 40 of 104 not more than half.
    server.world.zone("acct/few.test", &hosts(0));
    server.world.zone("acct/half.test", &hosts(60));
    server.wait_for("few.test", "TXT", says("0 hosts"));
    server.wait_for("half.test", "TXT", says("60 hosts"));
    server.logged(&["a.test", "held"]);
    assert_eq!(server.query("h99.a.test", "A").rcode, 0);
    let list = server.world.run(&["zone", "list"]);
    assert!(list.status.success(), "{list:?}");
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    let json = server.world.run(&["zone", "list", "--json"]);
    let rows: Vec<Value> = serde_json::from_slice(&json.stdout).expect("JSON and nothing else");
    let row = rows.iter().find(|row| row["zone"] == "a.test").expect("every zone is listed");
    let since = row["held_since"].as_str().expect("since when it is held");
    assert!(list.contains("held") && list.contains(&format!("wait since {since}")), "{list}");
    assert!(since.len() == 20 && since.starts_with("20") && since.ends_with('Z'), "{since}");
    assert!(rows.iter().all(|row| row["held_since"].is_null() || row["zone"] == "a.test"));
    // A restart does not let it in.
    server.restart();
    assert!(text_of(&server.query("a.test", "TXT")).contains("100 hosts"));
    assert_eq!(server.query("h99.a.test", "A").rcode, 0);
    server.crash();
    server.hangup();
    settle(&server, "after");
    assert_eq!(server.query("h99.a.test", "A").rcode, 0);
    let accept = server.world.run(&["zone", "accept", "a.test"]);
    assert!(accept.status.success(), "{accept:?}");
    server.wait_for("a.test", "TXT", says("\"10 hosts\""));
    assert_eq!(server.query("h99.a.test", "A").rcode_text(), "NXDOMAIN");
    server.restart();
    assert!(text_of(&server.query("a.test", "TXT")).contains("\"10 hosts\""));
    let again = server.world.run(&["zone", "accept", "a.test"]);
    assert!(!again.status.success(), "nothing is held any more: {again:?}");
}

#[test]
fn a_held_edit_that_is_undone_is_not_held() {
    let world = World::new();
    world.zone("acct/a.test", &hosts(100));
    let server = world.start();
    server.world.zone("acct/a.test", &hosts(10));
    server.logged(&["a.test", "held"]);
    server.world.zone("acct/a.test", &hosts(99));
    server.wait_for("a.test", "TXT", says("99 hosts"));
    assert!(!server.world.run(&["zone", "accept", "a.test"]).status.success());
}

#[test]
fn hold_settings_are_the_operators() {
    let world = World::new();
    world.config("", "[hold]\npercent = 10\nrecords = 2\n");
    world.zone("acct/a.test", &hosts(20));
    let server = world.start();
    server.world.zone("acct/a.test", &hosts(16));
    server.logged(&["a.test", "held"]);
    assert!(text_of(&server.query("a.test", "TXT")).contains("20 hosts"));
    server.world.config("", "[hold]\npercent = 99\nrecords = 2\n");
    server.hangup();
    server.wait_for("a.test", "TXT", says("16 hosts"));
}

#[test]
fn many_vanishing_zones_are_held() {
    let world = World::new();
    for number in 0..10 {
        world.zone(&format!("acct/z{number}.test"), &version(1));
    }
    let mut server = world.start();
    for number in 0..6 {
        server.world.remove(&format!("acct/z{number}.test"));
    }
    std::thread::sleep(VANISHED);
    settle(&server, "later");
    for number in 0..10 {
        let answer = server.query(&format!("z{number}.test"), "TXT");
        assert!(text_of(&answer).contains("version 1"), "z{number}:\n{}", answer.show());
    }
    server.restart();
    assert!(text_of(&server.query("z0.test", "TXT")).contains("version 1"));
    let accept = server.world.run(&["zone", "accept", "z0.test"]);
    assert!(accept.status.success(), "{accept:?}");
    server.wait_for("z0.test", "TXT", refused);
    assert!(text_of(&server.query("z1.test", "TXT")).contains("version 1"));
}

#[test]
fn an_unreadable_zones_folder_takes_nothing_down() {
    let world = World::new();
    for number in 0..3 {
        world.zone(&format!("acct/z{number}.test"), &version(1));
    }
    let mut server = world.start();
    std::fs::rename(server.world.path("zones"), server.world.path("away")).expect("moved");
    server.hangup();
    std::thread::sleep(VANISHED);
    assert!(text_of(&server.query("z0.test", "TXT")).contains("version 1"));
    server.restart();
    assert!(text_of(&server.query("z0.test", "TXT")).contains("version 1"));
    std::fs::rename(server.world.path("away"), server.world.path("zones")).expect("moved back");
    server.world.zone("acct/z1.test", &version(2));
    server.hangup();
    server.wait_for("z1.test", "TXT", says("version 2"));
}

#[test]
fn an_edit_of_an_include_is_an_edit_of_its_zones() {
    let world = World::new();
    world.file("zones/acct/common.inc", "inc TXT \"one\"\n");
    world.zone("acct/a.test", "%std%$INCLUDE common.inc\n");
    world.zone("acct/b.test", "%std%$INCLUDE common.inc\n");
    let server = world.start();
    assert!(text_of(&server.query("inc.a.test", "TXT")).contains("one"));
    server.world.file("zones/acct/common.inc", "inc TXT \"two\"\n");
    server.wait_for("inc.a.test", "TXT", says("two"));
    server.wait_for("inc.b.test", "TXT", says("two"));
}

#[test]
fn the_swap_of_a_mounted_volume_counts() {
    let world = World::new();
    for (folder, number) in [("..v1", 1), ("..v2", 2)] {
        let text = version(number).replace("%std%", STANDARD);
        world.file(&format!("zones/acct/{folder}/a.test.zone"), &text);
    }
    let inside = |name: &str| world.path(&format!("zones/acct/{name}"));
    symlink("..v1", inside("..data")).expect("linked");
    symlink("..data/a.test.zone", inside("a.test.zone")).expect("linked");
    let server = world.start();
    assert!(text_of(&server.query("a.test", "TXT")).contains("version 1"));
    let inside = |name: &str| server.world.path(&format!("zones/acct/{name}"));
    symlink("..v2", inside("..tmp")).expect("linked");
    std::fs::rename(inside("..tmp"), inside("..data")).expect("swapped");
    server.wait_for("a.test", "TXT", says("version 2"));
}

#[test]
fn nothing_outside_the_accounts_folder_is_read_or_quoted() {
    let world = World::new();
    world.file("secret.txt", "topsecret topsecret topsecret\n");
    world.zone("victim/victim.test", "%std%@ TXT \"private to victim\"\n");
    world.file("zones/victim/part.inc", "stolen TXT \"private to victim\"\n");
    world.zone("thief/up.test", "%std%$INCLUDE ../victim/part.inc\n");
    world.zone("thief/abs.test", "%std%$INCLUDE /etc/hostname\n");
    world.zone("thief/out.test", "%std%$INCLUDE ../../secret.txt\n");
    let link = |target: &str, name: &str| {
        symlink(target, world.path(&format!("zones/thief/{name}"))).expect("linked");
    };
    link("../victim/victim.test.zone", "linked.test.zone");
    link("../../secret.txt", "secret.test.zone");
    link("../victim/part.inc", "part.inc");
    world.zone("thief/vialink.test", "%std%$INCLUDE part.inc\n");
    world.zone("thief/fifo.test", "%std%$INCLUDE pipe\n");
    let pipe = world.path("zones/thief/pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
    let check = world.run(&["check"]);
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&check.stdout),
        String::from_utf8_lossy(&check.stderr)
    );
    assert_eq!(check.status.code(), Some(1), "{said}");
    assert!(!said.contains("topsecret") && !said.contains("private"), "quoted:\n{said}");
    let server = world.start();
    for zone in ["up", "abs", "out", "linked", "secret", "vialink", "fifo"] {
        let answer = server.query(&format!("stolen.{zone}.test"), "TXT");
        assert!(answer.answer.is_empty(), "{zone}:\n{}", answer.show());
        assert!(matches!(answer.rcode_text().as_str(), "SERVFAIL" | "REFUSED"), "{zone}");
    }
    assert!(!server.log().contains("topsecret"), "{}", server.log());
}

#[test]
fn a_config_reload_is_all_or_nothing() {
    let world = World::new();
    world.zone("acct/a.test", "%std%rogue CNAME www.b.test.\n");
    world.zone("other/b.test", "%std%www A 192.0.2.1\n");
    let server = world.start();
    assert!(refused(&server.query("rogue.a.test", "A")));
    server.world.config("", "[policy]\non_violation = \"nodata\"\n");
    server.hangup();
    server.wait_for("rogue.a.test", "A", |answer| answer.rcode == 0);
    // One wrong key: nothing of the config counts, the zones are still read.
    server.world.config("", "[policy]\non_violation = \"report\"\nmax_hopps = 3\n");
    server.world.zone("other/b.test", "%std%www A 192.0.2.2\nx TXT \"new\"\n");
    let reload = server.world.run(&["reload"]);
    assert!(!reload.status.success(), "a bad config is no success: {reload:?}");
    server.wait_for("x.b.test", "TXT", says("new"));
    assert!(server.query("rogue.a.test", "A").answer.is_empty());
    // `reload` does what SIGHUP does, and says when it is done.
    server.world.config("", "[zones.\"b.test\"]\ncross_account = \"anyone\"\n");
    let reload = server.world.run(&["reload"]);
    assert!(reload.status.success(), "{reload:?}");
    server.wait_for("rogue.a.test", "A", says("192.0.2.2"));
}

#[test]
fn what_reload_has_said_holds_for_the_next_query() {
    let world = World::new();
    world.zone("cust/a.test", "%std%app CNAME www.b.test.\n@ TXT \"version 0\"\n");
    world.zone("prov/b.test", "%std%www A 192.0.2.1\n");
    let grant = "[[grants]]\nhostname = \"app.a.test\"\nzone = \"b.test\"\n";
    world.config("", grant);
    let server = world.start();
    for round in 1..=10 {
        assert_eq!(server.query("app.a.test", "A").answer.len(), 2, "round {round}");
        // Withdrawn: the very next answer is a denial, whatever was answered a moment ago.
        server.world.config("", "");
        assert!(server.world.run(&["reload"]).status.success());
        let denied = server.query("app.a.test", "A");
        assert!(denied.answer.is_empty(), "round {round}:\n{}", denied.show());
        server.world.config("", grant);
        let text = format!("%std%app CNAME www.b.test.\n@ TXT \"version {round}\"\n");
        server.world.zone("cust/a.test", &text);
        assert!(server.world.run(&["reload"]).status.success());
        let answer = text_of(&server.query("a.test", "TXT"));
        assert!(answer.contains(&format!("version {round}\"")), "{answer}");
    }
}

#[test]
fn settings_that_need_a_restart_are_named() {
    let world = World::new();
    world.zone("acct/a.test", &version(1));
    let server = world.start();
    let text = std::fs::read_to_string(server.world.path("config.toml")).expect("a config");
    server.world.file("config.toml", &text.replace("workers = 1", "workers = 2"));
    server.hangup();
    server.logged(&["workers", "restart"]);
    assert!(text_of(&server.query("a.test", "TXT")).contains("version 1"));
}

#[test]
fn content_that_changed_under_the_same_serial_is_loaded_with_a_warning() {
    let world = World::new();
    world.zone("acct/a.test", &version(1));
    let server = world.start();
    server.world.zone("acct/a.test", &version(2));
    server.wait_for("a.test", "TXT", says("version 2"));
    server.logged(&["WARN", "serial"]);
}

#[test]
fn sigterm_ends_within_a_second_and_loses_no_answer() {
    let world = World::new();
    world.zone("acct/a.test", &version(1));
    let mut server = world.start();
    let mut idle = client::tcp_stream(server.address(Transport::Tcp)).expect("a connection");
    let ask = Ask::new("a.test", "TXT").encode(9);
    let message =
        [&u16::try_from(ask.len()).expect("short").to_be_bytes(), ask.as_slice()].concat();
    std::io::Write::write_all(&mut idle, &message).expect("sent");
    let (status, took) = server.terminate();
    assert!(status.success(), "{status:?}\n{}", server.log());
    assert!(took < Duration::from_millis(1_500), "{took:?}");
    let reply = client::tcp_receive(&mut idle).expect("the answer in progress");
    assert_eq!(Message::decode(&reply).expect("whole").answer.len(), 1);
}

#[test]
fn sigint_ends_it_as_well() {
    let world = World::new();
    let mut server = world.start();
    server.signal(nix::sys::signal::Signal::SIGINT);
    let ended = poll(Duration::from_secs(3), || (!server.alive()).then_some(()));
    assert!(ended.is_some());
}

#[test]
fn the_control_socket_is_for_its_owner_alone() {
    let world = World::new();
    world.zone("acct/a.test", &version(1));
    let server = world.start();
    let socket = std::fs::metadata(server.world.path("data/control.sock")).expect("a socket");
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    let list = server.world.run(&["zone", "list"]);
    assert!(list.status.success() && String::from_utf8_lossy(&list.stdout).contains("a.test"));
    let json = server.world.run(&["zone", "list", "--json"]);
    let text = String::from_utf8_lossy(&json.stdout);
    assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
    let unknown = server.world.run(&["zone", "accept", "nothing.test"]);
    assert!(!unknown.status.success());
}

#[test]
fn a_chain_of_ten_thousand_names_is_cut_short() {
    let mut text = String::from("%std%");
    for at in 0..10_000 {
        text.push_str(&format!("c{at} CNAME c{}\n", at + 1));
    }
    let world = World::new();
    world.zone("acct/a.test", &text);
    let server = world.start();
    let answer = server.query("c0.a.test", "A");
    assert_eq!(answer.rcode_text(), "SERVFAIL");
    assert_eq!(
        server.query("c9990.a.test", "A").rcode_text(),
        "NXDOMAIN",
        "ten hops, then nothing"
    );
}
