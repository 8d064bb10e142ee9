//! A hundred thousand revocations, raced with questions: once one is acknowledged, no question that begins later is
//! let across, by the short way of answering (alone and in groups), the long one, or an answer remembered from outside.
//!
//! They are stored as the publisher stores what is asked of it: one alone, or several that share a commit and are
//! acknowledged together.

#[path = "support/said.rs"]
mod said;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bailiwick::base::name::Name;
use bailiwick::base::name_buf::NameBuf;
use bailiwick::base::rtype;
use bailiwick::base::time::UnixTime;
use bailiwick::config::file;
use bailiwick::config::settings::{Grant, Settings};
use bailiwick::control::press::Press;
use bailiwick::control::registrar::Check;
use bailiwick::control::world::{Now, World};
use bailiwick::engine::answer::{Answer, Names, Outcome};
use bailiwick::hostname::lifecycle::Trigger;
use bailiwick::hostname::object::{Owner, Status};
use bailiwick::hostname::seen::{Chain, Lookup, Page, Seen, Target};
use bailiwick::model::flattened::Key;
use bailiwick::model::question::{Client, Question, Transport};
use bailiwick::wire;
use bailiwick::zonefile::finding::Place;
use said::good;

fn name(text: &str) -> Name {
    Name::from_text(text).unwrap()
}

/// `REVOCATIONS=10000` races as many as that.
const REVOCATIONS: usize = 100_000;
/// The address across the edge.
const PROXY: [u8; 4] = [203, 0, 113, 10];
const HEAD: &str = "$TTL 300\n@ SOA ns1 host 1 3600 600 604800 60\n@ NS ns1\nns1 A 192.0.2.53\n";
/// Those of even number lead there themselves; of the others their targets outside do. The upper half is granted by
/// the operator, in the config; the lower half by custom hostnames.
const HOSTNAMES: usize = 64;
const OPERATORS: usize = 32;
/// How many are revoked together, in turn.
const TOGETHER: [usize; 4] = [1, OPERATORS, 16, OPERATORS];

fn hostname(which: usize) -> String {
    let label = if which.is_multiple_of(2) { "shop" } else { "away" };
    format!("{label}{which}.client.com")
}

/// Memory, where the system has it as files: a flush to disk is not what is raced here.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}

fn write(path: PathBuf, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn world(folder: &Path) -> World {
    let links = (0..HOSTNAMES).map(|which| match which % 2 {
        0 => format!("shop{which} CNAME proxy.saas.com.\n"),
        _ => format!("away{which} ALIAS hop.elsewhere.org.\n"),
    });
    let client = HEAD.to_owned() + &links.collect::<String>();
    write(folder.join("zones/client/client.com.zone"), &client);
    write(folder.join("zones/saas/saas.com.zone"), &format!("{HEAD}proxy A 203.0.113.10\n"));
    let config = folder.join("config.toml");
    let text = "[server]\nlisten = [\"127.0.0.1:0\"]\n\
                [zones.\"saas.com\"]\nfallback_origin = \"proxy.saas.com\"\n";
    write(config.clone(), text);
    let (settings, _) = file::read(&config).unwrap();
    World::start(settings, Now::read()).unwrap()
}

/// How a hostname stands, for those who ask: even while its revocation is acknowledged, odd from before it may be
/// granted again.
#[derive(Default)]
struct Turn(AtomicU64);

struct Asker {
    press: Arc<Press>,
    names: Names,
    scratch: wire::Scratch,
    group: wire::Group,
    hostnames: Vec<(Name, Vec<u8>)>,
    crossed: u64,
    judged: u64,
}

fn packet(name: &Name) -> Vec<u8> {
    let mut packet = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    packet.extend_from_slice(name.as_wire());
    packet.extend_from_slice(&[0, 1, 0, 1]);
    packet
}

fn unix() -> UnixTime {
    UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs())
}

impl Asker {
    fn new(press: Arc<Press>) -> Asker {
        let (names, scratch) = (Names::default(), wire::Scratch::default());
        let hostnames = (0..HOSTNAMES).map(|which| name(&hostname(which)));
        let hostnames = hostnames.map(|name| (name.clone(), packet(&name))).collect();
        let group = wire::Group::default();
        Asker { press, names, scratch, group, hostnames, crossed: 0, judged: 0 }
    }

    /// Whether an answer leads across: by the engine, by the door for one question, by the door for several.
    fn crosses(&mut self, which: usize) -> [bool; 3] {
        let (now, leads) = (unix(), |octets: &[u8]| octets.windows(4).any(|o| o == PROXY));
        let client = Client { address: [127, 0, 0, 1].into(), transport: Transport::Udp };
        let (name, packet) = &self.hostnames[which];
        let snapshot = self.press.published().load();
        let name = NameBuf::of(name, &snapshot.key);
        let question = Question { name, qtype: rtype::A, qclass: rtype::CLASS_IN };
        let mut answer = Answer::default();
        bailiwick::engine::answer(&snapshot, &question, None, now, &mut self.names, &mut answer);
        let by_engine = answer.crossed && answer.outcome != Outcome::Denied;
        let mut out = [0; 1232];
        let reply = wire::respond(&snapshot, packet, client, now, &mut self.scratch, &mut out);
        let alone = leads(&out[..reply.map_or(0, |reply| reply.len)]);
        self.group.clear();
        assert!(self.group.push(&snapshot, packet));
        let ahead = self.group.look_ahead(&snapshot);
        let reply = self.group.respond(0, &ahead, packet, client, now, &mut out);
        let in_group = leads(&out[..reply.map_or(0, |reply| reply.len)]);
        [by_engine, alone, in_group]
    }

    fn ask(&mut self, turns: &[Turn], which: usize) {
        let before = turns[which].0.load(Ordering::SeqCst);
        let crosses = self.crosses(which);
        let after = turns[which].0.load(Ordering::SeqCst);
        self.crossed += u64::from(crosses[1]);
        if before == after && before.is_multiple_of(2) {
            self.judged += 1;
            assert_eq!(crosses, [false; 3], "{} is revoked", hostname(which));
        }
    }
}

/// Publishes what a request changed, as the publisher does before it answers.
fn publish(world: &mut World, press: &Press) {
    if let Some(snapshot) = world.publish(Now::read()) {
        press.put_world(snapshot);
        press.sweep();
    }
}

/// What a look outside finds of the second hostname.
fn seen_outside(world: &World) -> Seen {
    let owner = |text: &str| {
        let zone = world.snapshot().catalog.zone_at(&name(text)).unwrap();
        Some(Owner { zone: zone.id, account: zone.account })
    };
    let hop = Target { name: name("hop.elsewhere.org"), owner: None };
    let last = Target { name: name("proxy.saas.com"), owner: owner("saas.com") };
    let no_answer = || "not asked".to_owned();
    Seen {
        owner: owner("client.com"),
        chain: Lookup::Answered(Chain { targets: vec![hop, last], is_loop: false }),
        v4: Lookup::NoAnswer(no_answer()),
        v6: Lookup::NoAnswer(no_answer()),
        texts: Lookup::NoAnswer(no_answer()),
        page: Page::NotAsked,
    }
}

/// Grants custom hostnames and deletes them, each in one commit.
fn by_commands(world: &mut World, press: &Press, chosen: &[usize]) {
    let zone = name("saas.com");
    world.begin_group();
    let mut ids = Vec::new();
    for &which in chosen {
        let text = hostname(which);
        let created = world.create_hostname(&zone, &text, "test", Now::read()).unwrap();
        if created.status == Status::Pending {
            let seen = seen_outside(world);
            let (id, revision, trigger) = (created.id, created.revision, Trigger::Extra);
            world.seen(Check { id, revision, trigger, seen }, Now::read());
        }
        ids.push(created.id);
    }
    world.end_group().unwrap();
    publish(world, press);
    world.begin_group();
    ids.into_iter().for_each(|id| world.delete_hostname(id, "test", Now::read()).unwrap());
    world.end_group().unwrap();
    publish(world, press);
}

/// Has the operator's config grant them, and grant them no more.
fn by_config(world: &mut World, press: &Press, chosen: &[usize]) {
    let place = Place::default;
    let grants = chosen.iter().map(|&which| Grant {
        hostname: name(&hostname(which)),
        zone: name("saas.com"),
        place: place(),
        zone_place: place(),
    });
    let without = world.settings().clone();
    let with = Settings { grants: grants.collect(), ..without.clone() };
    for settings in [with, without] {
        world.reconfigure(settings, Now::read()).unwrap();
        publish(world, press);
    }
}

/// Lets hostnames across, and takes it back.
fn turn(world: &mut World, press: &Press, turns: &[Turn], chosen: &[usize]) {
    // Odd before any may be granted; even when all revocations are acknowledged.
    let turn_all = || chosen.iter().for_each(|&n| _ = turns[n].0.fetch_add(1, Ordering::SeqCst));
    turn_all();
    match chosen[0] < OPERATORS {
        true => by_commands(world, press, chosen),
        false => by_config(world, press, chosen),
    }
    turn_all();
}

#[test]
fn once_acknowledged_no_later_question_crosses() {
    let folder = folder();
    let mut world = world(folder.path());
    let press = Arc::new(Press::new(world.publish(Now::read()).unwrap()));
    let entry = good(unix(), &["proxy.saas.com"], &[[198, 51, 100, 1]]);
    let forever = bailiwick::model::flattened::Entry { expires: UnixTime(u64::MAX >> 1), ..entry };
    let key = Key { target: name("hop.elsewhere.org"), rtype: rtype::A };
    press.put_outside(vec![(key, Some(Arc::new(forever)))]);
    let turns: Arc<Vec<Turn>> = Arc::new((0..HOSTNAMES).map(|_| Turn::default()).collect());
    let over = Arc::new(AtomicBool::new(false));
    // One core is left for the revocations.
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let askers: Vec<_> = (0..(cores - 1).clamp(1, 3))
        .map(|first| {
            let (press, turns, over) = (Arc::clone(&press), Arc::clone(&turns), Arc::clone(&over));
            std::thread::spawn(move || {
                let mut asker = Asker::new(press);
                let all = (0..HOSTNAMES).cycle().skip(first * HOSTNAMES / 3);
                all.take_while(|_| !over.load(Ordering::Relaxed))
                    .for_each(|n| asker.ask(&turns, n));
                (asker.crossed, asker.judged)
            })
        })
        .collect();
    let count = std::env::var("REVOCATIONS").map_or(REVOCATIONS, |n| n.parse().unwrap());
    let mut halves = [(0..OPERATORS).cycle(), (OPERATORS..HOSTNAMES).cycle()];
    let (mut revoked, mut sizes) = (0, TOGETHER.into_iter().cycle());
    while revoked < count {
        let together = sizes.next().expect("they come again");
        // The config is quicker to write than a database, so it has three turns of four.
        for half in [0, 1, 1, 1] {
            let half = &mut halves[half];
            let chosen: Vec<usize> = half.by_ref().take(together).collect();
            turn(&mut world, &press, &turns, &chosen);
            revoked += together;
        }
    }
    over.store(true, Ordering::Relaxed);
    let (crossed, judged) = askers
        .into_iter()
        .map(|asker| asker.join().unwrap())
        .fold((0, 0), |sum, more| (sum.0 + more.0, sum.1 + more.1));
    println!("{revoked} revoked, {crossed} crossed while granted, {judged} judged while revoked");
    assert!(crossed > 0 && judged > 0);
}
