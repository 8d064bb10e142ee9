//! A storm: ten thousand aliases to targets that nobody answers for, asked for at twenty thousand questions a second,
//! while other names are asked for. Nobody is left without an answer, nobody waits beyond the deadline.
//!
//! What the kernel dropped for want of room (on a busy machine, or with small buffers) is counted, not forgiven: each
//! question that reached the server is answered once. Times are printed, and only bounded where a machine that is
//! busy cannot break the bound; docs/PERFORMANCE.md has measured ones. `STORM_ROUNDS` makes it longer.

use super::elsewhere::{Elsewhere, Say};
use crate::support::client::{self, Ask, Transport};
use crate::support::name;
use crate::support::server::{PATIENCE, World};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};
use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::ops::Range;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const DEAD: usize = 10_000;
/// Aliases of another account, whose targets live.
const LIVING: usize = 200;
const PER_SECOND: u32 = 20_000;
/// Clients; each its own socket, so that one small buffer does not lose what all are answered.
const CLIENTS: usize = 64;
/// `flatten.deadline_ms` of the server, which is the default, and what a busy machine may add.
const DEADLINE: Duration = Duration::from_millis(1500);
const BUSY: Duration = Duration::from_secs(10);

/// What became of the questions of a storm.
struct Storm {
    sent: usize,
    /// Time from question to answer.
    answers: Vec<Duration>,
    /// Answers by RCODE.
    rcodes: HashMap<u8, usize>,
    /// Answers that nobody waited for any more: second ones.
    strays: usize,
    dropped: usize,
}

/// A question with the name of number `n`, without EDNS.
fn question(template: &str, n: usize, id: u16) -> Vec<u8> {
    let mut packet = id.to_be_bytes().to_vec();
    packet.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    packet.extend(name::wire(&template.replace('#', &n.to_string())));
    packet.extend([0, 1, 0, 1]);
    packet
}

/// Asks for the names that `template` makes of 0 to `names`, `count` questions in all, and takes what comes back.
fn storm(server: SocketAddr, template: &str, names: usize, count: usize) -> Storm {
    let clients: Vec<UdpSocket> = (0..CLIENTS).map(|_| client::udp_socket(server)).collect();
    for client in &clients {
        client.set_nonblocking(true).expect("a socket that does not block");
        // As much as the kernel gives without asking for more rights.
        setsockopt(client, sockopt::RcvBuf, &(4 << 20)).expect("a buffer");
    }
    let packets: Vec<Vec<u8>> = (0..count)
        .map(|i| question(template, i % names, u16::try_from(i / CLIENTS).expect("few questions")))
        .collect();
    let mut waiting: HashMap<(usize, u16), Instant> = HashMap::new();
    let mut storm =
        Storm { sent: 0, answers: vec![], rcodes: HashMap::new(), strays: 0, dropped: 0 };
    let dropped_before = drops(&[server.port()]);
    let begun = Instant::now();
    let mut last = begun;
    let mut buffer = [0; 2048];
    while storm.sent < count || (!waiting.is_empty() && last.elapsed() < DEADLINE + BUSY) {
        let due = (begun.elapsed().as_secs_f64() * f64::from(PER_SECOND)) as usize;
        for i in storm.sent..due.min(count) {
            let id = u16::from_be_bytes([packets[i][0], packets[i][1]]);
            // What a full buffer of ours keeps back was not sent.
            if clients[i % CLIENTS].send(&packets[i]).is_ok() {
                waiting.insert((i % CLIENTS, id), Instant::now());
            }
            storm.sent += 1;
        }
        let mut fds: Vec<PollFd> =
            clients.iter().map(|c| PollFd::new(c.as_fd(), PollFlags::POLLIN)).collect();
        poll(&mut fds, PollTimeout::from(1u8)).expect("poll");
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        for at in (0..CLIENTS).filter(|at| ready[*at]) {
            while let Ok(length) = clients[at].recv(&mut buffer) {
                assert!(length >= 12, "an answer has a header");
                last = Instant::now();
                let id = u16::from_be_bytes([buffer[0], buffer[1]]);
                *storm.rcodes.entry(buffer[3] & 15).or_default() += 1;
                match waiting.remove(&(at, id)) {
                    Some(asked) => storm.answers.push(last - asked),
                    None => storm.strays += 1,
                }
            }
        }
    }
    let ours = clients.iter().map(|client| client.local_addr().expect("an address").port());
    let ports: Vec<u16> = ours.chain([server.port()]).collect();
    storm.dropped = drops(&ports) - dropped_before;
    storm.sent = storm.answers.len() + waiting.len();
    storm
}

/// Datagrams that the kernel dropped at sockets with these ports, since nobody took them in time.
fn drops(ports: &[u16]) -> usize {
    let table = std::fs::read_to_string("/proc/net/udp").expect("Linux says");
    let of_ours = table.lines().skip(1).filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let port = u16::from_str_radix(words.get(1)?.rsplit_once(':')?.1, 16).ok()?;
        ports.contains(&port).then(|| words.last()?.parse::<usize>().ok()).flatten()
    });
    of_ours.sum()
}

/// Asks for `www.one.test`, one question after the other: how long each took. Now and then, as long as there are some,
/// also for an alias of another account whose target lives outside, and that nobody asked for before.
fn others(server: SocketAddr, fresh: Range<usize>, done: impl Fn(usize) -> bool) -> Vec<Duration> {
    let socket = client::udp_socket(server);
    let mut took = Vec::new();
    let mut fresh = fresh;
    let ask = |name: &str, id: usize| {
        let begun = Instant::now();
        let id = id as u16;
        socket.send(&Ask::new(name, "A").encode(id)).expect("a question");
        let answer = client::receive(&socket, PATIENCE).expect("an answer about another name");
        assert_eq!((&answer[..2], answer[3] & 15), (&id.to_be_bytes()[..], 0), "{name}");
        assert_eq!(answer[6..8], [0, 1], "{name}: one address");
        begun.elapsed()
    };
    while !done(took.len()) {
        took.push(ask("www.one.test", took.len()));
        if took.len() % 8 == 0
            && let Some(n) = fresh.next()
        {
            ask(&format!("f{n}.two.test"), n);
        }
        std::thread::sleep(Duration::from_micros(300));
    }
    took
}

/// Both at once.
fn both(server: SocketAddr, template: &str, count: usize) -> (Storm, Vec<Duration>) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let fresh = if template.starts_with('a') { 0..LIVING } else { 0..0 };
        let calm = scope.spawn(|| others(server, fresh, |_| stop.load(Ordering::Relaxed)));
        let storm = storm(server, template, DEAD, count);
        stop.store(true, Ordering::Relaxed);
        (storm, calm.join().expect("others are answered"))
    })
}

fn quantile(all: &[Duration], part: f64) -> Duration {
    let mut all = all.to_vec();
    all.sort_unstable();
    all[((all.len() - 1) as f64 * part) as usize]
}

fn times(all: &[Duration]) -> String {
    let [p50, p99, most] = [0.5, 0.99, 1.0].map(|part| quantile(all, part));
    format!("{} answers, p50 {p50:?}, p99 {p99:?}, most {most:?}", all.len())
}

fn show(what: &str, storm: &Storm, calm: &[Duration]) {
    let Storm { sent, answers, rcodes, strays, dropped } = storm;
    println!(
        "{what}: {sent} asked, {dropped} dropped by the kernel, {strays} answered twice, RCODEs {rcodes:?}"
    );
    println!("  {}\n  others: {}", times(answers), times(calm));
}

#[test]
fn a_storm_on_dead_targets_drowns_nobody() {
    let rounds = std::env::var("STORM_ROUNDS").map_or(2, |text| text.parse().expect("a number"));
    let elsewhere = Elsewhere::start();
    let mut one = String::from("%std%\nwww A 192.0.2.80\n");
    for i in 0..DEAD {
        one.push_str(&format!("a{i} ALIAS t{i}.example.net.\ns{i} A 192.0.2.1\n"));
        elsewhere.says(&format!("t{i}.example.net"), Say::Silence);
    }
    let mut two = String::from("%std%\n");
    for i in 0..LIVING {
        two.push_str(&format!("f{i} ALIAS l{i}.example.net.\n"));
        elsewhere.chain(&format!("l{i}.example.net"), &[], &["45.0.113.7"]);
    }
    let world = World::new();
    let upstream = elsewhere.address;
    world.config("", &format!("[flatten]\nupstream = [\"{upstream}\"]\n"));
    world.zone("one/one.test", &one);
    world.zone("two/two.test", &two);
    let server = world.start();
    let address = server.address(Transport::Udp);
    println!("others, alone: {}", times(&others(address, 0..0, |count| count >= 500 * rounds)));
    // The same load of questions that need nobody, for comparison.
    let (known, calm) = both(address, "s#.one.test.", DEAD * rounds);
    show("known names", &known, &calm);
    let (storm, calm) = both(address, "a#.one.test.", DEAD * rounds);
    show("dead targets", &storm, &calm);
    assert!(storm.sent > 0 && !calm.is_empty());
    assert_eq!(storm.rcodes.keys().copied().collect::<Vec<u8>>(), [2], "SERVFAIL");
    assert_eq!(storm.strays, 0, "one answer for one question");
    let unanswered = storm.sent - storm.answers.len();
    assert!(unanswered <= storm.dropped, "{unanswered} unanswered, {} dropped", storm.dropped);
    let longest = quantile(&storm.answers, 1.0);
    assert!(longest <= DEADLINE + BUSY, "an answer after {longest:?}");
}

/// Nanoseconds that all threads of a process have been on a processor.
fn processor(id: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{id}/task")).expect("Linux says");
    let each = tasks.flatten().filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    each.sum()
}

#[test]
fn an_alias_out_of_the_cache_costs_what_an_address_costs() {
    let rounds = std::env::var("STORM_ROUNDS").map_or(2, |text| text.parse().expect("a number"));
    let elsewhere = Elsewhere::start();
    let mut zone = String::from("%std%\n");
    for i in 0..LIVING {
        zone.push_str(&format!("f{i} ALIAS l{i}.example.net.\ns{i} A 192.0.2.1\n"));
        elsewhere.chain(&format!("l{i}.example.net"), &["edge.example.org"], &["45.0.113.7"]);
    }
    let world = World::new();
    let upstream = elsewhere.address;
    world.config("", &format!("[flatten]\nupstream = [\"{upstream}\"]\n"));
    world.zone("two/two.test", &zone);
    let server = world.start();
    for i in 0..LIVING {
        assert_eq!(server.query(&format!("f{i}.two.test"), "A").answer.len(), 1);
    }
    let asked = elsewhere.asked.lock().expect("no panic").len();
    let mut ratios = Vec::new();
    for _ in 0..rounds {
        let costs = ["s#.two.test.", "f#.two.test."].map(|template| {
            let before = processor(server.id());
            let storm = storm(server.address(Transport::Udp), template, LIVING, 20_000);
            assert_eq!(storm.rcodes.keys().copied().collect::<Vec<u8>>(), [0]);
            assert!(storm.sent - storm.answers.len() <= storm.dropped);
            (processor(server.id()) - before) as f64 / storm.answers.len() as f64
        });
        ratios.push(costs[1] / costs[0]);
        println!("nanoseconds an answer: {:.0} static, {:.0} flattened", costs[0], costs[1]);
    }
    ratios.sort_by(f64::total_cmp);
    println!("flattened / static: {:.3}", ratios[ratios.len() / 2]);
    assert_eq!(asked, elsewhere.asked.lock().expect("no panic").len(), "all out of the cache");
}
