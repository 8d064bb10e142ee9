//! The command line: exit codes, messages for people, JSON for programs.

use crate::support::client::Transport;
use crate::support::server::{PATIENCE, World, poll, repository};
use serde_json::Value;
use std::process::Output;

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).to_string()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).to_string()
}

/// Run, and require what holds for every run: no panic, no debug-printed struct, no colour in a pipe.
fn run(world: &World, arguments: &[&str]) -> Output {
    let output = world.run(arguments);
    let both = out(&output) + &err(&output);
    for sign in ["panicked", "RUST_BACKTRACE", "\u{1b}["] {
        assert!(!both.contains(sign), "{arguments:?} printed {sign:?}:\n{both}");
    }
    output
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("ended by itself")
}

fn good_world() -> World {
    let world = World::new();
    world.zone("acct/a.test", "%std%www A 192.0.2.1\n");
    world
}

#[test]
fn check_says_how_bad_it_is_by_its_exit_code() {
    let world = good_world();
    let good = run(&world, &["check"]);
    assert_eq!(code(&good), 0, "{good:?}");
    assert_eq!(code(&run(&world, &["check", "--strict"])), 0);
    // A warning: a grant into a zone that is not here.
    world.config("", "[[grants]]\nhostname = \"x.a.test\"\nzone = \"nowhere.test\"\n");
    assert_eq!(code(&run(&world, &["check"])), 0);
    assert_eq!(code(&run(&world, &["check", "--strict"])), 3);
    world.zone("acct/b.test", "%std%www A nonsense\nx A 1.2.3\n");
    let bad = run(&world, &["check"]);
    assert_eq!(code(&bad), 1);
    assert_eq!(code(&run(&world, &["check", "--strict"])), 1);
    assert_eq!(code(&run(&world, &["check", "--no-such-option"])), 2);
    assert_eq!(code(&run(&world, &["no-such-command"])), 2);
}

#[test]
fn a_finding_has_its_place_and_a_caret() {
    let world = good_world();
    world.file(
        "zones/acct/b.test.zone",
        "$TTL 300\n@ SOA ns1 host 1 2 3 4 5\n@ NS ns1\nns1 A 192.0.2.1\nwww A nonsense\nx MX mail\n",
    );
    let output = run(&world, &["check"]);
    let said = out(&output) + &err(&output);
    assert!(said.contains("b.test.zone:5:7"), "{said}");
    assert!(said.contains("b.test.zone:6:6"), "all findings of a file at once:\n{said}");
    assert!(said.contains("www A nonsense") && said.contains('^'), "{said}");
}

#[test]
fn every_error_of_a_zone_is_an_error_and_every_warning_a_warning() {
    let soa = "$TTL 300\n@ SOA ns1 host 1 2 3 4 5\n";
    let head = "$TTL 300\n@ SOA ns1 host 1 2 3 4 5\n@ NS ns1\nns1 A 192.0.2.1\n";
    let errors = [
        ("no SOA", "$TTL 300\n@ NS ns1\nns1 A 192.0.2.1\n".to_string()),
        ("two SOA", format!("{head}@ SOA ns1 host 2 2 3 4 5\n")),
        ("SOA below the apex", format!("{head}x SOA ns1 host 1 2 3 4 5\n")),
        ("no NS", format!("{soa}ns1 A 192.0.2.1\n")),
        ("CNAME beside data", format!("{head}x CNAME y\nx A 192.0.2.1\n")),
        ("CNAME by number beside data", format!("{head}x TYPE5 \\# 3 017900\nx A 192.0.2.1\n")),
        ("two CNAMEs", format!("{head}x CNAME y\nx CNAME z\n")),
        ("two DNAMEs", format!("{head}x DNAME y\nx DNAME z\n")),
        ("alias beside A", format!("{head}x ALIAS y\nx A 192.0.2.1\n")),
        ("alias beside AAAA", format!("{head}x ANAME y\nx AAAA 2001:db8::1\n")),
        ("alias beside CNAME", format!("{head}x ALIAS y\nx CNAME z\n")),
        ("two aliases", format!("{head}x ALIAS y\nx ALIAS z\n")),
        ("alias to itself", format!("{head}x ALIAS x\n")),
        ("apex CNAME beside A", format!("{head}@ CNAME www\n@ A 192.0.2.1\n")),
        ("apex CNAME to itself", format!("{head}@ CNAME @\n")),
        ("RRSIG", format!("{head}x RRSIG A 13 2 300 20300101000000 20200101000000 1 x. AAAA\n")),
        ("DNSKEY", format!("{head}@ DNSKEY 257 3 13 AAAA\n")),
        ("an unknown directive", format!("{head}$NONSENSE x\n")),
        ("an open parenthesis", format!("{head}x TXT ( \"a\"\n")),
        ("an open quote", format!("{head}x TXT \"a\n")),
        ("a missing include", format!("{head}$INCLUDE nothing.inc\n")),
        ("a $GENERATE without end", format!("{head}$GENERATE 1-99999999 h$ A 192.0.2.1\n")),
        ("a label too long", format!("{head}{} A 192.0.2.1\n", "a".repeat(64))),
        ("another class", format!("{head}x CH TXT \"a\"\n")),
    ];
    for (what, text) in errors {
        let world = World::new();
        world.file("zones/acct/a.test.zone", &text);
        let output = run(&world, &["check"]);
        assert_eq!(code(&output), 1, "{what}:\n{}{}", out(&output), err(&output));
    }
    let warnings = [
        ("out of the zone", format!("{head}x.other.test. A 192.0.2.1\n")),
        ("TTLs that differ", format!("{head}x 60 A 192.0.2.1\nx 90 A 192.0.2.2\n")),
        ("missing glue", format!("{head}sub NS ns.sub\n")),
        ("NS to a CNAME", format!("{head}@ NS ns2\nns2 CNAME ns1\n")),
        ("MX to a CNAME", format!("{head}@ MX 1 m\nm CNAME ns1\n")),
        ("occluded data", format!("{head}sub NS ns1\nx.sub TXT \"a\"\n")),
        ("a loop", format!("{head}x CNAME y\ny CNAME x\n")),
        ("a dangling target", format!("{head}x CNAME nothing\n")),
    ];
    for (what, text) in warnings {
        let world = World::new();
        world.file("zones/acct/a.test.zone", &text);
        let output = run(&world, &["check"]);
        assert_eq!(code(&output), 0, "{what}:\n{}{}", out(&output), err(&output));
        assert_eq!(code(&run(&world, &["check", "--strict"])), 3, "{what} goes unseen");
    }
}

#[test]
fn check_finds_what_only_this_server_can() {
    let world = World::new();
    world.zone("acct/a.test", "%std%rogue CNAME www.b.test.\nok A 192.0.2.1\n");
    world.zone("other/b.test", "%std%www A 192.0.2.1\n");
    world.zone("other/below.a.test", "%std%");
    world.config(
        "",
        "[[grants]]\nhostname = \"ok.a.test\"\nzone = \"b.test\"\n\
         [[grants]]\nhostname = \"www.b.test\"\nzone = \"b.test\"\n",
    );
    let output = run(&world, &["check"]);
    let said = out(&output) + &err(&output);
    assert_eq!(code(&output), 1, "a zone that may not be served is an error:\n{said}");
    for words in ["rogue.a.test", "below.a.test", "ok.a.test", "www.b.test"] {
        assert!(said.contains(words), "nothing about {words}:\n{said}");
    }
}

#[test]
fn json_twins_are_json() {
    let world = good_world();
    world.zone("acct/b.test", "%std%www A nonsense\n");
    let check = run(&world, &["check", "--json"]);
    assert_eq!(code(&check), 1);
    let value: Value = serde_json::from_str(&out(&check)).expect("JSON and nothing else");
    assert!(value.to_string().contains("b.test"), "{value}");
    let explain = run(&world, &["explain", "www.a.test", "A", "--json"]);
    assert_eq!(code(&explain), 0, "{explain:?}");
    let value: Value = serde_json::from_str(&out(&explain)).expect("JSON and nothing else");
    assert!(value.to_string().contains("192.0.2.1"), "{value}");
}

#[test]
fn all_problems_of_a_config_are_told_at_once() {
    let world = good_world();
    world.config(
        "nsid = 5\nno_such_key = 1",
        "[policy]\nmax_hops = 11\non_violation = \"maybe\"\n[hold]\npercent = \"x\"\n\
         [no_such_table]\nx = 1\n[[grants]]\nhostname = \"a..b\"\nzone = \"a.test\"\n",
    );
    for command in [&["check"][..], &["serve"], &["explain", "www.a.test"]] {
        let output = run(&world, command);
        let said = out(&output) + &err(&output);
        assert_eq!(code(&output), 1, "{command:?}:\n{said}");
        for words in
            ["nsid", "no_such_key", "max_hops", "on_violation", "percent", "no_such_table", "a..b"]
        {
            assert!(said.contains(words), "{command:?} says nothing about {words}:\n{said}");
        }
        assert!(said.contains("config.toml:"), "no place:\n{said}");
    }
}

#[test]
fn wrong_configs_are_errors() {
    let wrong = [
        ("", "[policy]\non_violation = \"sinkhole\"\n"),
        ("", "[accounts.acct]\non_violation = \"sinkhole\"\n"),
        ("", "[policy]\nmax_hops = 0\n"),
        ("", "[policy]\nmax_hops = 11\n"),
        ("", "[policy]\ncrossing_ttl = -1\n"),
        ("", "[policy]\nsinkhole = [\"not an address\"]\n"),
        ("", "[zones.\"a.test\"]\ncross_account = \"everyone\"\n"),
        ("", "[zones.\"a.test\"]\nflatten = \"some\"\n"),
        ("", "[flatten]\nmode = \"none\"\n"),
        ("", "[flatten]\nupstream = [\"resolver.test:53\"]\n"),
        ("", "[flatten]\nmin_ttl = 100\nmax_ttl = 10\n"),
        ("", "[log]\nformat = \"xml\"\n"),
        ("cookie_secret = \"xyz\"", ""),
        ("", "[[grants]]\nhostname = \"a.test\"\n"),
        ("", "[[grants]]\nhostname = \"x.*.a.test\"\nzone = \"a.test\"\n"),
        ("", "[accounts.\"Upper Case\"]\nname = \"x\"\n"),
        ("tcp_max = \"many\"", ""),
        ("user = \"no-such-user-here\"", ""),
        ("", "[api]\ntls_key = \"key.pem\"\n"),
        ("", "[block_page]\nlisten = \"localhost:8080\"\n"),
        ("", "[block_page]\nstatus = 200\n"),
        ("", "[zones.\"a.test\"]\ntype = \"half\"\n"),
        ("nap_us = 1001", ""),
        ("nameservers = [\"ns1..example\"]", ""),
        ("", "[hostnames]\nlabel_prefix = \"a b\"\n"),
        ("", "[accounts.acct]\nip_prefixes = [\"192.0.2.0/33\"]\n"),
        ("", "not toml at all\n"),
    ];
    for (server, rest) in wrong {
        let world = good_world();
        world.config(server, rest);
        let output = run(&world, &["check"]);
        let said = out(&output) + &err(&output);
        assert_eq!(code(&output), 1, "{server}{rest}:\n{said}");
        assert!(said.contains("config.toml"), "{server}{rest} has no place:\n{said}");
    }
}

#[test]
fn only_listen_is_needed() {
    let world = good_world();
    world.file("config.toml", "[server]\nlisten = [\"127.0.0.1:0\"]\n");
    let server = world.start();
    assert_eq!(server.query("www.a.test", "A").answer.len(), 1);
}

#[test]
fn no_config_is_said_in_plain_words() {
    let world = good_world();
    std::fs::remove_file(world.path("config.toml")).expect("was there");
    for command in [&["serve"][..], &[], &["check"], &["explain", "www.a.test"]] {
        let output = run(&world, command);
        assert_eq!(code(&output), 1, "{command:?}");
        let said = out(&output) + &err(&output);
        assert!(said.contains("config.toml"), "{command:?}: {said}");
    }
}

#[test]
fn a_port_in_use_is_said_with_the_address() {
    let server = good_world().start();
    let taken = server.address(Transport::Udp);
    let world = good_world();
    world.file("config.toml", &format!("[server]\nlisten = [\"{taken}\"]\n"));
    let output = run(&world, &["serve"]);
    assert_eq!(code(&output), 1);
    assert!(err(&output).contains(&taken.to_string()), "{}", err(&output));
}

#[test]
fn what_the_config_names_outside_is_said_when_it_is_not_there() {
    for (line, words) in [
        ("user = \"no-such-user-here\"", "no-such-user-here"),
        ("public_suffixes = \"no-such-file\"", "no-such-file"),
        ("zones = \"no-such-folder\"", "no-such-folder"),
    ] {
        let world = good_world();
        let config = format!("[server]\nlisten = [\"127.0.0.1:0\"]\n{line}\n");
        world.file("config.toml", &config);
        for command in ["check", "serve"] {
            if command == "serve" && line.starts_with("zones") {
                // It serves what was good last; an unreadable folder takes nothing down.
                continue;
            }
            let output = run(&world, &[command]);
            let said = out(&output) + &err(&output);
            assert_eq!(code(&output), 1, "{line} {command}: {said}");
            assert!(said.contains(words), "{line} {command}: {said}");
        }
    }
}

#[test]
fn two_servers_do_not_share_a_data_folder() {
    let server = good_world().start();
    let output = server.world.run(&["serve"]);
    let said = err(&output);
    assert_eq!(code(&output), 1, "{said}");
    assert!(said.contains("data"), "{said}");
    assert_eq!(server.query("www.a.test", "A").answer.len(), 1);
}

#[test]
fn options_override_the_config() {
    let world = good_world();
    world
        .file("elsewhere/acct/c.test.zone", "$TTL 1\n@ SOA a b 1 2 3 4 5\n@ NS a\na A 192.0.2.1\n");
    let arguments = [
        "--zones",
        "elsewhere",
        "--data",
        "state",
        "--listen",
        "127.0.0.1:0",
        "--listen",
        "[::1]:0",
    ];
    let server = world.try_start(&arguments).unwrap_or_else(|said| panic!("{said}"));
    assert_eq!(server.query("a.c.test", "A").answer.len(), 1);
    assert_eq!(server.query("www.a.test", "A").rcode_text(), "REFUSED");
    assert!(server.world.path("state").is_dir() && !server.world.path("data").exists());
    assert_eq!((server.udp.len(), server.tcp.len()), (2, 2), "{:?}", server.udp);
}

#[test]
fn control_commands_without_a_server_say_so_or_work_on_what_it_left() {
    let world = good_world();
    let reload = run(&world, &["reload"]);
    assert_eq!(code(&reload), 1);
    assert!(err(&reload).contains("no server runs"), "{reload:?}");
    let list = run(&world, &["zone", "list"]);
    assert_eq!(code(&list), 0, "{list:?}");
    assert!(out(&list).contains("a.test") && out(&list).contains("acct"), "{list:?}");
    let accept = run(&world, &["zone", "accept", "a.test"]);
    assert_eq!(code(&accept), 1, "{accept:?}");
    assert!(err(&accept).contains("a.test"), "{accept:?}");
    world.config("", "[flaten]\n");
    for command in [&["zone", "list"][..], &["zone", "accept", "a.test"]] {
        let output = run(&world, command);
        assert_eq!(code(&output), 1, "{command:?}");
        let said = err(&output);
        assert!(said.contains("no server runs") && said.contains("flaten"), "{said}");
    }
}

#[test]
fn explain_tells_every_hop_and_why() {
    let world = World::new();
    world.zone("cust/a.test", "%std%q CNAME app\napp CNAME www.b.test.\nrogue CNAME www.b.test.\n");
    world.zone("prov/b.test", "%std%www 77 A 192.0.2.44\n");
    world.config("", "[[grants]]\nhostname = \"app.a.test\"\nzone = \"b.test\"\n");
    let allowed = run(&world, &["explain", "q.a.test", "A"]);
    assert_eq!(code(&allowed), 0, "{allowed:?}");
    let said = out(&allowed);
    for words in
        ["q.a.test", "app.a.test", "www.b.test", "cust", "prov", "grant", "192.0.2.44", "77"]
    {
        assert!(said.contains(words), "nothing about {words}:\n{said}");
    }
    let denied = run(&world, &["explain", "rogue.a.test"]);
    assert_eq!(code(&denied), 0, "{denied:?}");
    let said = out(&denied);
    for words in ["1014", "rogue.a.test", "www.b.test", "REFUSED", "grant"] {
        assert!(said.contains(words), "nothing about {words}:\n{said}");
    }
    assert!(!said.contains("192.0.2.44"), "explain shows what was denied:\n{said}");
    for arguments in [&["explain"][..], &["explain", "a..b"], &["explain", "a.test", "NOTYPE"]] {
        assert_eq!(code(&run(&world, arguments)), 2, "{arguments:?}");
    }
    assert_eq!(code(&run(&world, &["explain", "www.elsewhere.test", "MX"])), 0);
}

#[test]
fn the_repositorys_own_world_is_clean() {
    let world = World::new();
    let config = repository().join("config.toml").to_string_lossy().to_string();
    let data = world.path("data").to_string_lossy().to_string();
    let output = run(&world, &["check", "--config", &config, "--data", &data]);
    assert_eq!(code(&output), 0, "{}{}", out(&output), err(&output));
}

/// A grant's hostname may well be in the file that cannot be read now.
#[test]
fn a_grant_is_called_unused_only_if_its_zone_is_as_its_file() {
    let world = World::new();
    world.zone("prov/b.test", "%std%www A 192.0.2.44\n");
    world.config("", "[[grants]]\nhostname = \"app.a.test\"\nzone = \"b.test\"\n");
    let unused = |text: &str| {
        world.zone("cust/a.test", text);
        out(&run(&world, &["check"])).contains("grant-unused")
    };
    assert!(unused("%std%www A 192.0.2.1\n"));
    assert!(!unused("%std%app CNAME www.b.test.\n"));
    assert!(!unused("%std%app CNAME www.b.test.\nwww A nonsense\n"), "it never was good");
    world.zone("cust/a.test", "%std%www A 192.0.2.1\n");
    let mut server = world.start();
    server.terminate();
    let world = &server.world;
    world.zone("cust/a.test", "%std%app CNAME www.b.test.\nwww A nonsense\n");
    let said = out(&run(world, &["check"]));
    assert!(!said.contains("grant-unused"), "the version before had no CNAME:\n{said}");
    // A wildcard grant is used by a zone of the same account below it.
    world.config("", "[[grants]]\nhostname = \"*.a.test\"\nzone = \"b.test\"\n");
    world.zone("cust/a.test", "%std%sub NS ns1.sub\nns1.sub A 192.0.2.1\n");
    world.zone("cust/sub.a.test", "%std%app CNAME www.b.test.\n");
    let said = out(&run(world, &["check"]));
    assert!(!said.contains("grant-unused"), "{said}");
}

#[test]
fn counts_are_good_english() {
    let world = good_world();
    let said = out(&run(&world, &["check"]));
    assert!(
        said.contains("1 account, 1 zone, 4 records, 0 grants: 0 errors, 0 warnings"),
        "{said}"
    );
    let server = world.start();
    let said = out(&server.world.run(&["zone", "list"]));
    assert_eq!(said, "a.test  acct  served, serial 1, 4 records\n1 zone\n");
    server.world.zone("acct/a.test", "%std%www A nonsense\n");
    let listed = || {
        let said = out(&server.world.run(&["zone", "list"]));
        said.contains("last good version").then_some(said)
    };
    let said = poll(PATIENCE, listed).expect("the edit is seen");
    assert!(said.contains("last good version served, serial 1, 4 records, 1 error"), "{said}");
}
