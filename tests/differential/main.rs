//! The same zones in Knot, NSD, BIND and here: tens of thousands of random questions, compared section by section.

#[path = "../support/peers.rs"]
mod peers;

mod ask;
mod chase;
mod label;
mod masterfile;
mod ours;
mod question;
mod random;
mod reply;
mod servers;
mod verdict;
mod world;

use bailiwick::model::question::Transport;
use bailiwick::model::snapshot::Snapshot;
use bailiwick::wire::Scratch;
use chase::{Apexes, Chase};
use label::Labels;
use peers::Peer;
use question::Question;
use random::Random;
use reply::Reply;
use servers::ZoneFile;
use std::fmt::Write;
use std::path::PathBuf;
use verdict::{Case, Report, World};
use world::ZoneText;

/// Zones `w0.test`, `w1.test` … with children, and one above them all if `top` says so.
fn worlds(random: &mut Random, count: usize, top: Option<&str>) -> Vec<ZoneText> {
    let bases: Vec<Labels> = (0..count).map(|i| Labels::of(&format!("w{i}.test"))).collect();
    let mut families: Vec<Vec<Labels>> = Vec::new();
    for base in &bases {
        let mut apexes = vec![base.clone()];
        for _ in 0..random.below(4) {
            let mut apex = random.pick(&apexes);
            for _ in 0..1 + random.below(2) {
                apex = apex.child(random.pick(&["a", "b", "c", "www"]));
            }
            if !apexes.contains(&apex) {
                apexes.push(apex);
            }
        }
        families.push(apexes);
    }
    if let Some(top) = top {
        let all = std::iter::once(Labels::of(top)).chain(families.concat()).collect();
        families = vec![all];
    }
    families.iter().flat_map(|apexes| world::make(random, apexes, &bases)).collect()
}

struct Peers {
    all: Vec<Peer>,
    _dir: tempfile::TempDir,
}

fn start(zones: &[ZoneText], servers: &[fn(&[ZoneFile<'_>]) -> Peer]) -> Peers {
    let dir = tempfile::tempdir().expect("a folder for zones");
    let files: Vec<(String, PathBuf)> = zones
        .iter()
        .enumerate()
        .map(|(i, zone)| {
            let path = dir.path().join(format!("{i}.zone"));
            std::fs::write(&path, &zone.text).expect("a zone file");
            (zone.apex.to_string(), path)
        })
        .collect();
    let files: Vec<ZoneFile<'_>> =
        files.iter().map(|(apex, path)| ZoneFile { apex, path }).collect();
    let all: Vec<Peer> = servers.iter().map(|start| start(&files)).collect();
    let apexes: Vec<Question> = zones
        .iter()
        .map(|zone| Question { name: zone.apex.wire(), qtype: 6, edns: None })
        .collect();
    for peer in &all {
        if let Some(missing) = wait_until_loaded(peer, &apexes) {
            panic!("{} lacks {missing}\n{}", peer.name, peer.log());
        }
    }
    Peers { all, _dir: dir }
}

/// The first apex that a peer does not serve after a while.
fn wait_until_loaded(peer: &Peer, apexes: &[Question]) -> Option<String> {
    let mut missing = None;
    for _ in 0..100 {
        let replies = ask::udp(peer.address, apexes);
        let lacks = |reply: &Result<Reply, String>| !reply.as_ref().is_ok_and(|r| r.aa);
        missing = replies.iter().position(lacks);
        missing?;
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    missing.map(|at| apexes[at].to_string())
}

/// An answer and the number of answers that it was put together from, or why there is none.
type Said = Result<(Reply, usize), String>;

/// What a peer says to each question, put together over its zones.
fn chased(peer: &Peer, questions: &[Question], apexes: &Apexes) -> Vec<Said> {
    let mut chases: Vec<Result<Chase, String>> = questions
        .iter()
        .zip(ask::udp(peer.address, questions))
        .map(|(question, reply)| {
            let reply = match reply {
                Ok(udp) if udp.tc => {
                    ask::tcp(peer.address, question).map(|tcp| Reply { tc: true, ..tcp })
                }
                reply => reply,
            };
            Ok(Chase::new(question, reply?))
        })
        .collect();
    loop {
        let mut at = Vec::new();
        let mut next = Vec::new();
        for (i, chase) in chases.iter_mut().enumerate() {
            if let Ok(chase) = chase
                && let Some(question) = chase.next(&questions[i], apexes)
            {
                at.push(i);
                next.push(question);
            }
        }
        if at.is_empty() {
            return chases
                .into_iter()
                .map(|chase| chase.map(|chase| (chase.reply, chase.parts)))
                .collect();
        }
        let replies = ask::udp(peer.address, &next);
        for ((i, question), reply) in at.into_iter().zip(next).zip(replies) {
            let reply = match reply {
                Ok(reply) if reply.tc => ask::tcp(peer.address, &question),
                reply => reply,
            };
            match (reply, &mut chases[i]) {
                (Ok(reply), Ok(chase)) => chase.go_on(reply),
                (Err(wrong), chase) => *chase = Err(wrong),
                (_, Err(_)) => {}
            }
        }
    }
}

/// Ours, as a client would see it that asks again over TCP, and its length there.
fn ours(snapshot: &Snapshot, scratch: &mut Scratch, question: &Question) -> (Reply, usize) {
    let mut ask = |transport| ours::answer(snapshot, scratch, question, transport);
    let (udp, udp_len) = ask(Transport::Udp);
    let (tcp, tcp_len) = ask(Transport::Tcp);
    let (udp, tcp) = match (udp, tcp) {
        (Ok(udp), Ok(tcp)) => (udp, tcp),
        (udp, tcp) => panic!("{question}: {udp:?} {tcp:?}"),
    };
    truncation(question, (&udp, udp_len), (&tcp, tcp_len));
    (if udp.tc { Reply { tc: true, ..tcp } } else { udp }, tcp_len)
}

/// UDP says what TCP says, or a part of it with TC, and only if there is no room.
fn truncation(question: &Question, udp: (&Reply, usize), tcp: (&Reply, usize)) {
    let ((udp, udp_len), (tcp, tcp_len)) = (udp, tcp);
    assert!(udp_len <= question.size_max(), "{question}: {udp_len} octets over UDP");
    assert!(!tcp.tc, "{question}: TC over TCP");
    assert_eq!((udp.rcode, udp.aa), (tcp.rcode, tcp.aa), "{question}");
    let is_part = udp.answer.is_subset(&tcp.answer)
        && udp.authority.is_subset(&tcp.authority)
        && udp.additional.is_subset(&tcp.additional);
    assert!(is_part, "{question}:\n{udp}\n{tcp}");
    let is_whole = udp.answer == tcp.answer && udp.authority == tcp.authority;
    assert!(is_whole || udp.tc, "{question}: not whole and no TC\n{udp}");
    assert!(!udp.tc || tcp_len > question.size_max(), "{question}: TC for {tcp_len} octets");
}

/// Asks everybody and judges what they say.
fn compare(zones: &[ZoneText], questions: &[Question]) -> Report {
    let peers = start(zones, &[servers::knot, servers::nsd, servers::bind]);
    let snapshot = ours::snapshot(zones);
    let owners = zones.iter().flat_map(|zone| zone.owners.keys());
    let world = World {
        apexes: Apexes::of(zones.iter().map(|zone| &zone.apex)),
        owners: owners.map(|owner| owner.wire().to_ascii_lowercase()).collect(),
    };
    let mut scratch = Scratch::default();
    let mut theirs: Vec<_> =
        peers.all.iter().map(|peer| chased(peer, questions, &world.apexes).into_iter()).collect();
    let mut report = Report::default();
    for question in questions {
        let (mut ours, len) = ours(&snapshot, &mut scratch, question);
        let mut said: Vec<Said> =
            theirs.iter_mut().map(|all| all.next().expect("one for each question")).collect();
        // Whether an answer in parts would have been cut as a whole says nothing.
        if said.iter().flatten().any(|(_, parts)| *parts > 1) {
            ours.tc = false;
            said.iter_mut().flatten().for_each(|(reply, _)| reply.tc = false);
        }
        let readable = said.iter().flatten().map(|(reply, _)| reply.clone()).collect();
        let case = Case { question, ours, len, theirs: readable };
        report.add(&verdict::judge(&case, &world), || {
            let mut shown = format!("{question}\n  ours {}", case.ours);
            for (peer, reply) in peers.all.iter().zip(&said) {
                let reply =
                    reply.as_ref().map_or_else(Clone::clone, |(reply, _)| reply.to_string());
                shown.push_str(&format!("\n  {} {reply}", peer.name));
            }
            shown
        });
    }
    report
}

fn expect_no_difference(name: &str, zones: &[ZoneText], questions: &[Question]) {
    let report = compare(zones, questions);
    println!(
        "{name}: {} questions about {} zones, {} agree, explained {:?}, {} differ",
        questions.len(),
        zones.len(),
        report.agreed,
        report.explained,
        report.differing.len()
    );
    let few: Vec<String> = report.differing.iter().take(10).cloned().collect();
    assert!(few.is_empty(), "{name}:\n{}", few.join("\n\n"));
}

/// `SEED=… cargo test --test differential -- --ignored` tries other worlds.
fn seed() -> u64 {
    std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1014)
}

fn run(name: &str, worlds_and_top: (usize, Option<&str>), questions: usize) {
    let mut random = Random(seed());
    let (count, top) = worlds_and_top;
    let zones = worlds(&mut random, count, top);
    let questions = question::make(&mut random, &zones, questions);
    expect_no_difference(name, &zones, &questions);
}

#[test]
#[ignore = "needs knot, nsd, named"]
fn zones_without_a_parent() {
    run("zones without a parent", (60, None), 40_000);
}

#[test]
#[ignore = "needs knot, nsd, named"]
fn zones_with_their_parent() {
    run("zones with their parent", (12, Some("test")), 20_000);
}

#[test]
#[ignore = "needs knot, nsd, named"]
fn zones_below_the_root() {
    run("zones below the root", (6, Some(".")), 20_000);
}

/// What was compared above came from a function; the doors say the same.
#[test]
fn the_binary_says_the_same() {
    let mut random = Random(seed());
    let zones = worlds(&mut random, 20, None);
    let questions = question::make(&mut random, &zones, 5000);
    let server = start(&zones, &[servers::bailiwick]);
    let address = server.all[0].address;
    let snapshot = ours::snapshot(&zones);
    let mut scratch = Scratch::default();
    let over_udp = ask::udp(address, &questions);
    for (i, (question, udp)) in questions.iter().zip(over_udp).enumerate() {
        assert_eq!(udp, ours::answer(&snapshot, &mut scratch, question, Transport::Udp).0);
        if i % 10 == 0 || udp.is_ok_and(|reply| reply.tc) {
            let tcp = ask::tcp(address, question);
            assert_eq!(tcp, ours::answer(&snapshot, &mut scratch, question, Transport::Tcp).0);
        }
    }
}

/// Texts of data of every type, changed at random: BIND finds the same lines wrong, and reads the others as the same
/// octets.
#[test]
#[ignore = "needs named-compilezone"]
fn data_of_all_types() {
    let mut random = Random(seed());
    let good = masterfile::good();
    let mut wrong = Vec::new();
    for _ in 0..10 {
        let lines: Vec<(&str, String)> = (0..1000)
            .map(|_| {
                let (rtype, data) = random.pick(&good);
                (rtype, masterfile::mutated(&mut random, data))
            })
            .filter(|(_, data)| masterfile::stays_on_its_line(data))
            .collect();
        compare_lines(&lines, &mut wrong);
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn compare_lines(lines: &[(&str, String)], wrong: &mut Vec<String>) {
    let mut text = masterfile::HEAD.to_owned();
    let head = text.lines().count();
    for (i, (rtype, data)) in lines.iter().enumerate() {
        writeln!(text, "m{i} {rtype} {data}").expect("a string grows");
    }
    let (ours, bind) = (masterfile::ours(&text), masterfile::bind(&text));
    for (i, (rtype, data)) in lines.iter().enumerate() {
        let number = head + i + 1;
        let (latitudes, refusal) = match (ours.wrong.get(&number), bind.wrong.get(&number)) {
            (None, Some(why)) => (masterfile::TAKEN.as_slice(), why),
            (Some(why), None) => (masterfile::REFUSED.as_slice(), why),
            (Some(_), Some(_)) => continue,
            (None, None) => {
                let owner = Labels::of(&format!("m{i}.example")).wire();
                let (ours, bind) = (ours.of(&owner), bind.of(&owner));
                if ours != bind || ours.is_empty() {
                    wrong.push(format!("{rtype} {data}: {ours:?}, BIND {bind:?}"));
                }
                continue;
            }
        };
        let line = masterfile::Line { rtype, data, refusal };
        if !masterfile::explained(latitudes, &line) {
            let who = if ours.wrong.contains_key(&number) { "refused" } else { "refused by BIND" };
            wrong.push(format!("{rtype} {data}: {who}: {refusal}"));
        }
    }
}

/// Directives, owners left out, TTLs, classes, parentheses, comments and line ends in every order: BIND reads the same
/// records.
#[test]
#[ignore = "needs named-compilezone"]
fn any_layout() {
    let mut random = Random(seed());
    let good = masterfile::good_for_both();
    assert!(good.len() > 100, "BIND knows most of the types");
    for _ in 0..10 {
        let text = masterfile::any_layout(&mut random, &good, 1000);
        let (ours, bind) = (masterfile::ours(&text), masterfile::bind(&text));
        assert!(
            ours.wrong.is_empty() && bind.wrong.is_empty(),
            "{:?} {:?}",
            ours.wrong,
            bind.wrong
        );
        let differing: Vec<_> = ours.records.symmetric_difference(&bind.records).take(5).collect();
        assert!(differing.is_empty(), "{differing:?}");
        assert!(ours.records.len() > 900, "most lines are records");
    }
}
