//! Thousands of revocations, raced with questions: once one is acknowledged, no question that begins later is
//! let across, by the short way of answering, the long one, or an answer remembered from outside.

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
use said::good;

fn name(text: &str) -> Name {
    Name::from_text(text).unwrap()
}

/// `REVOCATIONS=100000` races as many as that.
const REVOCATIONS: u64 = 10_000;
const HEAD: &str = "$TTL 300\n@ SOA ns1 host 1 3600 600 604800 60\n@ NS ns1\nns1 A 192.0.2.53\n";
/// One that leads there itself, and one whose target outside does.
const HOSTNAMES: [&str; 2] = ["shop.client.com", "away.client.com"];

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
    let client = format!("{HEAD}shop CNAME proxy.saas.com.\naway ALIAS hop.elsewhere.org.\n");
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
    packets: [Vec<u8>; 2],
    crossed: u64,
    judged: u64,
}

fn packet(text: &str) -> Vec<u8> {
    let name = name(text);
    let mut packet = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    packet.extend_from_slice(name.as_wire());
    packet.extend_from_slice(&[0, 1, 0, 1]);
    packet
}

fn unix() -> UnixTime {
    UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs())
}

impl Asker {
    /// Whether an answer leads across, by the engine and by the door.
    fn crosses(&mut self, which: usize) -> [bool; 2] {
        let snapshot = self.press.published().load();
        let name = NameBuf::of(&name(HOSTNAMES[which]), &snapshot.key);
        let question = Question { name, qtype: rtype::A, qclass: rtype::CLASS_IN };
        let mut answer = Answer::default();
        let now = unix();
        bailiwick::engine::answer(&snapshot, &question, None, now, &mut self.names, &mut answer);
        let by_engine = answer.crossed && answer.outcome != Outcome::Denied;
        let client = Client { address: [127, 0, 0, 1].into(), transport: Transport::Udp };
        let mut out = [0; 1232];
        let packet = &self.packets[which];
        let reply = wire::respond(&snapshot, packet, client, now, &mut self.scratch, &mut out);
        let octets = &out[..reply.map_or(0, |reply| reply.len)];
        let by_door = octets.windows(4).any(|octets| octets == [203, 0, 113, 10]);
        [by_engine, by_door]
    }

    fn ask(&mut self, turns: &[Turn; 2], which: usize) {
        let before = turns[which].0.load(Ordering::SeqCst);
        let crosses = self.crosses(which);
        let after = turns[which].0.load(Ordering::SeqCst);
        self.crossed += u64::from(crosses[1]);
        if before == after && before.is_multiple_of(2) {
            self.judged += 1;
            assert_eq!(crosses, [false, false], "{} is revoked", HOSTNAMES[which]);
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

#[test]
fn once_acknowledged_no_later_question_crosses() {
    let folder = folder();
    let mut world = world(folder.path());
    let press = Arc::new(Press::new(world.publish(Now::read()).unwrap()));
    let entry = good(unix(), &["proxy.saas.com"], &[[198, 51, 100, 1]]);
    let forever = bailiwick::model::flattened::Entry { expires: UnixTime(u64::MAX >> 1), ..entry };
    let key = Key { target: name("hop.elsewhere.org"), rtype: rtype::A };
    press.put_outside(vec![(key, Some(Arc::new(forever)))]);
    let turns = Arc::new([Turn::default(), Turn::default()]);
    let over = Arc::new(AtomicBool::new(false));
    let askers: Vec<_> = (0..3)
        .map(|_| {
            let (press, turns, over) = (Arc::clone(&press), Arc::clone(&turns), Arc::clone(&over));
            std::thread::spawn(move || {
                let (names, scratch) = (Names::default(), wire::Scratch::default());
                let packets = HOSTNAMES.map(packet);
                let mut asker = Asker { press, names, scratch, packets, crossed: 0, judged: 0 };
                while !over.load(Ordering::Relaxed) {
                    (0..2).for_each(|which| asker.ask(&turns, which));
                }
                (asker.crossed, asker.judged)
            })
        })
        .collect();
    let zone = name("saas.com");
    let count = std::env::var("REVOCATIONS").map_or(REVOCATIONS, |n| n.parse().unwrap());
    for n in 0..count {
        let which = (n % 2) as usize;
        let turn = &turns[which].0;
        // Odd before it may be granted; even when the revocation is acknowledged.
        turn.fetch_add(1, Ordering::SeqCst);
        let created = world.create_hostname(&zone, HOSTNAMES[which], "test", Now::read()).unwrap();
        publish(&mut world, &press);
        if created.status == Status::Pending {
            let seen = seen_outside(&world);
            let (id, revision, trigger) = (created.id, created.revision, Trigger::Extra);
            world.seen(Check { id, revision, trigger, seen }, Now::read());
            publish(&mut world, &press);
        }
        world.delete_hostname(created.id, "test", Now::read()).unwrap();
        publish(&mut world, &press);
        turn.fetch_add(1, Ordering::SeqCst);
    }
    over.store(true, Ordering::Relaxed);
    let (crossed, judged) = askers
        .into_iter()
        .map(|asker| asker.join().unwrap())
        .fold((0, 0), |sum, more| (sum.0 + more.0, sum.1 + more.1));
    println!("{crossed} crossed while granted, {judged} were judged while revoked");
    assert!(crossed > 0 && judged > 0);
}
