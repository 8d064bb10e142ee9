//! Upstream resolvers that are slow, silent, lying or broken, all on the loopback, and what is made of their answers.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use bailiwick::base::id::AccountId;
use bailiwick::base::name::Name;
use bailiwick::config::settings::Flatten;
use bailiwick::model::flattened::{Entry, FailureKind, Key, News, Outcome};
use bailiwick::outside::resolve::{Found, Resolve, Resolver};
use bailiwick::outside::service::{Service, Started};
use bailiwick::outside::upstream::Upstreams;
use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME};
use hickory_proto::rr::{Name as ProtoName, RData, Record};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

const PATIENCE: Duration = Duration::from_secs(20);

/// What an upstream sends for one datagram (octets as they are), and what by TCP; `None`: nothing.
type Script = Arc<dyn Fn(&Message, &[u8], bool) -> Vec<Vec<u8>> + Send + Sync>;

struct Fake {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

async fn fake(script: Script) -> Fake {
    let (udp, tcp) = loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            break (udp, tcp);
        }
    };
    let address = udp.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let (by_udp, seen) = (script.clone(), asked.clone());
    tokio::spawn(async move {
        let mut octets = [0; 4096];
        while let Ok((len, from)) = udp.recv_from(&mut octets).await {
            seen.fetch_add(1, Ordering::Relaxed);
            let question = Message::from_vec(&octets[..len]).unwrap();
            for answer in by_udp(&question, &octets[..len], false) {
                let _ = udp.send_to(&answer, from).await;
            }
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let Ok(len) = stream.read_u16().await else { continue };
            let mut octets = vec![0; usize::from(len)];
            if stream.read_exact(&mut octets).await.is_err() {
                continue;
            }
            let question = Message::from_vec(&octets).unwrap();
            for answer in script(&question, &octets, true) {
                let _ = stream.write_u16(answer.len() as u16).await;
                let _ = stream.write_all(&answer).await;
            }
        }
    });
    Fake { address, asked }
}

fn script(f: impl Fn(&Message, &[u8], bool) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Script {
    Arc::new(f)
}

fn name(text: &str) -> ProtoName {
    ProtoName::from_ascii(text).unwrap()
}

fn cname(owner: &str, to: &str) -> Record {
    Record::from_rdata(name(owner), 300, RData::CNAME(CNAME(name(to))))
}

fn a(owner: &str, address: [u8; 4]) -> Record {
    Record::from_rdata(name(owner), 120, RData::A(A(address.into())))
}

/// An answer with these records; the question as it came.
fn reply(question: &Message, records: Vec<Record>) -> Message {
    let mut message = Message::query();
    message.metadata = question.metadata;
    message.metadata.message_type = MessageType::Response;
    message.queries = question.queries.clone();
    message.answers = records;
    message
}

fn octets(message: &Message) -> Vec<u8> {
    message.to_vec().unwrap()
}

fn good(question: &Message) -> Vec<u8> {
    octets(&reply(question, vec![a("t.example.", [8, 8, 8, 8])]))
}

async fn find(upstreams: &[&Fake], limit_ms: u64) -> Found {
    let addresses: Vec<SocketAddr> = upstreams.iter().map(|fake| fake.address).collect();
    let set = Arc::new(Upstreams::new(&addresses));
    Resolver::new(set, None, Duration::from_millis(limit_ms)).resolve(&key(0)).await
}

/// `t.example A`; other numbers are other targets.
fn key(n: u32) -> Key {
    let target = if n == 0 { "t.example".to_owned() } else { format!("t{n}.example") };
    Key { target: Name::from_text(&target).unwrap(), rtype: 1 }
}

fn failed(found: &Found) -> Option<FailureKind> {
    if let Outcome::Failed(kind) = found.outcome { Some(kind) } else { None }
}

const LONG: u64 = 10_000;

#[tokio::test]
async fn answers_to_other_questions_are_not_heard() {
    let fake = fake(script(|question, sent, _| {
        let right = good(question);
        let evil = || octets(&reply(question, vec![a("t.example.", [6, 6, 6, 6])]));
        let mut wrong_id = evil();
        wrong_id[0] ^= 0xFF;
        let mut wrong_name = evil();
        wrong_name[13] = b'x';
        let mut wrong_type = evil();
        let end = 12 + "t.example.".len() + 1;
        wrong_type[end + 1] = 28;
        let short = evil()[..11].to_vec();
        vec![sent.to_vec(), wrong_id, wrong_name, wrong_type, short, Vec::new(), right]
    }))
    .await;
    let found = find(&[&fake], LONG).await;
    assert_eq!(found.addresses, [IpAddr::from([8, 8, 8, 8])]);
    assert_eq!((found.ttl, found.upstream), (120, Some(fake.address)));
}

#[tokio::test]
async fn an_answer_from_another_port_is_not_heard() {
    let fake = fake(script(|_, _, _| Vec::new())).await;
    // The same answer, good in itself, from a socket beside the upstream's.
    let listener = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut octets = [0; 4096];
        while let Ok((len, from)) = listener.recv_from(&mut octets).await {
            let question = Message::from_vec(&octets[..len]).unwrap();
            let _ = stranger.send_to(&good(&question), from).await;
        }
    });
    let set = Arc::new(Upstreams::new(&[upstream, fake.address]));
    let found = Resolver::new(set, None, Duration::from_millis(600)).resolve(&key(0)).await;
    assert_eq!(failed(&found), Some(FailureKind::Timeout));
}

#[tokio::test]
async fn a_cut_answer_and_one_of_another_case_are_asked_by_tcp() {
    for cut in [true, false] {
        let fake = fake(script(move |question, _, tcp| {
            let mut answer = good(question);
            match (tcp, cut) {
                (true, _) => {}
                (false, true) => answer[2] |= 2,
                (false, false) => {
                    // What was asked for in turn with each letter the other way round.
                    let end = 12 + "t.example.".len() + 1;
                    let letters = answer[12..end].iter_mut().filter(|b| b.is_ascii_alphabetic());
                    letters.for_each(|b| *b ^= 0x20);
                }
            }
            vec![answer]
        }))
        .await;
        let found = find(&[&fake], LONG).await;
        assert_eq!(found.addresses, [IpAddr::from([8, 8, 8, 8])], "cut: {cut}");
    }
}

#[tokio::test]
async fn the_next_upstream_is_asked_when_one_is_silent_or_fails() {
    let silent = fake(script(|_, _, _| Vec::new())).await;
    let failing = fake(script(|question, _, _| {
        let mut message = reply(question, vec![]);
        message.metadata.response_code = ResponseCode::ServFail;
        vec![octets(&message)]
    }))
    .await;
    let refusing = fake(script(|question, _, _| {
        let mut message = reply(question, vec![]);
        message.metadata.response_code = ResponseCode::Refused;
        vec![octets(&message)]
    }))
    .await;
    let broken = fake(script(|question, _, _| {
        let mut answer = good(question);
        answer.truncate(answer.len() - 3);
        vec![answer]
    }))
    .await;
    let right = fake(script(|question, _, _| vec![good(question)])).await;
    let found = find(&[&silent, &failing, &refusing, &broken, &right], LONG).await;
    assert_eq!(found.upstream, Some(right.address));
    assert_eq!(silent.asked.load(Ordering::Relaxed), 1);

    assert_eq!(failed(&find(&[&failing, &refusing], LONG).await), Some(FailureKind::ServFail));
    assert_eq!(failed(&find(&[&refusing], LONG).await), Some(FailureKind::Refused));
    assert_eq!(failed(&find(&[&broken], LONG).await), Some(FailureKind::Garbage));
    assert_eq!(failed(&find(&[&silent], 500).await), Some(FailureKind::Timeout));
    assert_eq!(failed(&find(&[], LONG).await), Some(FailureKind::NoUpstream));
}

#[tokio::test]
async fn a_chain_in_pieces_a_loop_in_pieces_and_a_chain_without_end() {
    let pieces = fake(script(|question, _, _| {
        let asked = question.queries[0].name().to_ascii().to_lowercase();
        let record = match asked.as_str() {
            "t.example." => cname("t.example.", "u.example."),
            "u.example." => cname("u.example.", "v.example."),
            _ => a("v.example.", [9, 9, 9, 9]),
        };
        vec![octets(&reply(question, vec![record]))]
    }))
    .await;
    let found = find(&[&pieces], LONG).await;
    let hops: Vec<String> = found.hops.iter().map(|h| h.name.to_string()).collect();
    assert_eq!(hops, ["u.example", "v.example"]);
    assert_eq!((found.addresses.len(), found.ttl), (1, 120));

    let looping = fake(script(|question, _, _| {
        let asked = question.queries[0].name().to_ascii().to_lowercase();
        let to = if asked == "t.example." { "u.example." } else { "t.example." };
        vec![octets(&reply(question, vec![cname(&asked, to)]))]
    }))
    .await;
    let found = find(&[&looping], LONG).await;
    assert_eq!((failed(&found), found.hops.len()), (Some(FailureKind::Loop), 1));

    let endless = fake(script(|question, _, _| {
        let asked = question.queries[0].name().to_ascii().to_lowercase();
        vec![octets(&reply(question, vec![cname(&asked, &format!("x{asked}"))]))]
    }))
    .await;
    let found = find(&[&endless], LONG).await;
    assert_eq!((failed(&found), found.hops.len()), (Some(FailureKind::TooLong), 16));
}

/// Rdata of many addresses, octet by octet: more than any builder of messages would make.
fn huge(question: &[u8], count: u16) -> Vec<u8> {
    let end = 12 + question[12..].iter().position(|b| *b == 0).unwrap() + 5;
    let mut out = question[..end].to_vec();
    out[2..4].copy_from_slice(&[0x81, 0x80]);
    out[6..8].copy_from_slice(&count.to_be_bytes());
    out[8..12].fill(0);
    for n in 0..count {
        out.extend([0xC0, 0x0C, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 9]);
        out.extend([1, (n >> 8) as u8, n as u8]);
    }
    out
}

#[tokio::test]
async fn a_huge_answer_is_taken_whole_by_whatever_way_it_comes() {
    // Over 4 KiB by UDP, though we ask for less: asked again by TCP, where 64 KiB are the end.
    let tcp_only =
        fake(script(|_, sent, tcp| vec![huge(sent, if tcp { 4000 } else { 600 })])).await;
    let found = find(&[&tcp_only], LONG).await;
    assert_eq!((found.outcome, found.addresses.len()), (Outcome::Addresses, 4000));
    // Between what we ask for and 4 KiB: taken as it is.
    let by_udp = fake(script(|_, sent, tcp| if tcp { Vec::new() } else { vec![huge(sent, 200)] }));
    let found = find(&[&by_udp.await], LONG).await;
    assert_eq!(found.addresses.len(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_huge_answer_sixty_four_addresses_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let addresses: Vec<String> =
        (0..4000).map(|n| format!("9.1.{}.{}", n / 200, n % 200)).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let resolver = scripted(found(Outcome::Addresses, &addresses));
    resolver.gate.add_permits(1);
    let (started, news) = serve(&Flatten::default(), folder.path(), resolver);
    let (called, calls) = mpsc::channel();
    ask(&started.service, key(0), &called);
    calls.recv_timeout(PATIENCE).unwrap();
    assert_eq!(news.recv_timeout(PATIENCE).unwrap().1.unwrap().addresses.len(), 64);
    started.service.stop();
    started.task.await.unwrap();
}

#[tokio::test]
async fn what_makes_no_sense_is_garbage_and_ends_nothing_else() {
    type Broken = fn(&[u8]) -> Vec<u8>;
    let right = fake(script(|question, _, _| vec![good(question)])).await;
    let broken: [(&str, Broken); 7] = [
        ("a name that points at itself", |sent| {
            let mut out = huge(sent, 1);
            let at = out.len() - 16;
            out[at..at + 2].copy_from_slice(&[0xC0, at as u8]);
            out
        }),
        ("more records than there are", |sent| {
            let mut out = huge(sent, 3);
            out[6..8].copy_from_slice(&[0xFF, 0xFF]);
            out
        }),
        ("an address of three octets", |sent| {
            let mut out = huge(sent, 1);
            let at = out.len() - 5;
            out[at] = 3;
            out.pop();
            out
        }),
        ("octets behind the end", |sent| [huge(sent, 1), vec![1; 50]].concat()),
        ("a CNAME beside an address", |sent| {
            let mut out = huge(sent, 1);
            out[7] = 2;
            out.extend([0xC0, 0x0C, 0, 5, 0, 1, 0, 0, 0, 9, 0, 3, 1, b'x', 0]);
            out
        }),
        ("two CNAMEs", |sent| {
            let mut out = huge(sent, 0);
            out[7] = 2;
            for label in *b"xy" {
                out.extend([0xC0, 0x0C, 0, 5, 0, 1, 0, 0, 0, 9, 0, 3, 1, label, 0]);
            }
            out
        }),
        ("nothing but zeros", |sent| [&sent[..2], &[0x81, 0x80][..], &[0; 500]].concat()),
    ];
    for (what, make) in broken {
        let fake = fake(script(move |_, sent, _| vec![make(sent)])).await;
        let alone = find(&[&fake], 700).await;
        let kind = failed(&alone);
        let fine = [Some(FailureKind::Garbage), Some(FailureKind::Timeout)].contains(&kind)
            || what == "octets behind the end" && alone.addresses.len() == 1;
        assert!(fine, "{what}: {alone:?}");
        if !what.contains("CNAME") && kind.is_some() {
            assert_eq!(find(&[&fake, &right], LONG).await.upstream, Some(right.address), "{what}");
        }
    }
}

#[tokio::test]
async fn tcp_that_is_cut_silent_or_lies_about_its_length_holds_nobody() {
    let right = fake(script(|question, _, _| vec![good(question)])).await;
    let cut = |question: &Message| {
        let mut answer = good(question);
        answer[2] |= 2;
        answer
    };
    // By TCP: nothing, cut again, an answer to something else.
    let silent = script(move |q, _, tcp| if tcp { Vec::new() } else { vec![cut(q)] });
    let cut_again = script(move |q, _, _| vec![cut(q)]);
    let stranger = script(move |q, sent, tcp| {
        if !tcp {
            return vec![cut(q)];
        }
        let mut other = huge(sent, 1);
        other[0] ^= 0xFF;
        vec![other]
    });
    for (what, script) in [("silent", silent), ("cut", cut_again), ("stranger", stranger)] {
        let fake = fake(script).await;
        assert!(failed(&find(&[&fake], 600).await).is_some(), "{what}");
        let found = find(&[&fake, &right], LONG).await;
        assert_eq!(found.upstream, Some(right.address), "{what}");
    }
    // A length of 64 KiB before twenty octets, and then nothing more.
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = udp.local_addr().unwrap();
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        let mut octets = [0; 4096];
        while let Ok((len, from)) = udp.recv_from(&mut octets).await {
            let question = Message::from_vec(&octets[..len]).unwrap();
            let _ = udp.send_to(&cut(&question), from).await;
        }
    });
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(&[[0xFF; 2], [0; 2]].concat()).await;
            open.push(stream);
        }
    });
    let set = Arc::new(Upstreams::new(&[address, right.address]));
    let found = Resolver::new(set, None, Duration::from_millis(LONG)).resolve(&key(0)).await;
    assert_eq!(found.upstream, Some(right.address));
}

#[tokio::test]
async fn a_slow_upstream_is_hedged_and_still_counts_when_it_is_the_only_one() {
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let slow = udp.local_addr().unwrap();
    tokio::spawn(async move {
        let mut octets = [0; 4096];
        while let Ok((len, from)) = udp.recv_from(&mut octets).await {
            let answer = good(&Message::from_vec(&octets[..len]).unwrap());
            tokio::time::sleep(Duration::from_millis(600)).await;
            let _ = udp.send_to(&answer, from).await;
        }
    });
    let quick = fake(script(|question, _, _| vec![good(question)])).await;
    let find = |addresses: Vec<SocketAddr>| async move {
        let set = Arc::new(Upstreams::new(&addresses));
        Resolver::new(set, None, Duration::from_millis(LONG)).resolve(&key(0)).await
    };
    assert_eq!(find(vec![slow, quick.address]).await.upstream, Some(quick.address));
    assert_eq!(find(vec![slow]).await.upstream, Some(slow));
}

#[tokio::test]
async fn a_flood_of_forged_answers_is_answered_by_tcp() {
    // Whoever guesses ids and case never gets to sixteen tries.
    let fake = fake(script(|question, _, tcp| {
        if tcp {
            return vec![good(question)];
        }
        let forged = |n: u16| {
            let mut evil = octets(&reply(question, vec![a("t.example.", [6, 6, 6, 6])]));
            let id = u16::from_be_bytes([evil[0], evil[1]]).wrapping_add(n);
            evil[..2].copy_from_slice(&id.to_be_bytes());
            evil
        };
        (1..200).map(forged).collect()
    }))
    .await;
    let found = find(&[&fake], LONG).await;
    assert_eq!(found.addresses, [IpAddr::from([8, 8, 8, 8])]);
}

/// What was published: forgotten or known.
type Published = (Key, Option<Arc<Entry>>);

/// Says of every target what it is told to.
struct Scripted {
    found: Mutex<Found>,
    asked: AtomicUsize,
    gate: tokio::sync::Semaphore,
}

impl Resolve for Scripted {
    async fn resolve(&self, _: &Key) -> Found {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let pass = self.gate.acquire().await;
        drop(pass);
        self.found.lock().unwrap().clone()
    }
}

fn found(outcome: Outcome, addresses: &[&str]) -> Found {
    Found {
        hops: Vec::new(),
        outcome,
        addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        ttl: 100,
        validated: None,
        upstream: None,
        took: Duration::ZERO,
    }
}

fn scripted(found: Found) -> Arc<Scripted> {
    let gate = tokio::sync::Semaphore::new(0);
    Arc::new(Scripted { found: Mutex::new(found), asked: AtomicUsize::new(0), gate })
}

/// Starts a service; its news call their waiters at once and are handed on.
fn serve(
    settings: &Flatten,
    data: &std::path::Path,
    resolver: Arc<Scripted>,
) -> (Started, mpsc::Receiver<Published>) {
    let (send, receive) = mpsc::channel();
    let publish = move |news: News| {
        news.updates.into_iter().for_each(|update| send.send(update).unwrap_or_default());
        news.waiters.into_iter().for_each(|waiter| waiter());
    };
    let runtime = tokio::runtime::Handle::current();
    (Service::start_with(settings, data, &runtime, publish, resolver).unwrap(), receive)
}

fn ask(service: &Service, key: Key, called: &mpsc::Sender<()>) {
    let called = called.clone();
    let waiter = Box::new(move || called.send(()).unwrap_or_default());
    assert!(service.ask(key, AccountId(1), waiter).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_look_up_for_all_who_wait_and_it_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let addresses = ["8.8.8.8", "10.0.0.1", "8.8.4.4", "8.8.8.8", "127.0.0.1"];
    let resolver = scripted(found(Outcome::Addresses, &addresses));
    let settings = Flatten::default();
    let (started, news) = serve(&settings, folder.path(), resolver.clone());
    assert!(started.remembered.is_empty());
    let (called, calls) = mpsc::channel();
    for _ in 0..50 {
        ask(&started.service, key(0), &called);
    }
    resolver.gate.add_permits(1);
    for _ in 0..50 {
        calls.recv_timeout(PATIENCE).unwrap();
    }
    assert_eq!(resolver.asked.load(Ordering::Relaxed), 1);
    let (_, entry) = news.recv_timeout(PATIENCE).unwrap();
    let entry = entry.unwrap();
    let kept: Vec<String> = entry.addresses.iter().map(|a| a.to_string()).collect();
    assert_eq!(
        (kept, entry.dropped, entry.ttl),
        (vec!["8.8.4.4".into(), "8.8.8.8".into()], 2, 100)
    );
    started.service.stop();
    started.task.await.unwrap();

    // The next start finds it while nobody answers; other settings may not want it.
    let silent = || scripted(found(Outcome::Failed(FailureKind::Timeout), &[]));
    let (started, _news) = serve(&settings, folder.path(), silent());
    assert_eq!(started.remembered.len(), 1);
    let again = started.remembered[0].1.as_ref().unwrap();
    assert_eq!((&again.addresses, again.expires), (&entry.addresses, entry.expires));
    started.service.stop();
    started.task.await.unwrap();
    let strict = Flatten { validate: true, ..settings };
    let (started, _news) = serve(&strict, folder.path(), silent());
    assert!(started.remembered.is_empty());
    started.service.stop();
    started.task.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_called_by_the_deadline_and_a_failure_is_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let resolver = scripted(found(Outcome::Failed(FailureKind::Timeout), &[]));
    let settings = Flatten { deadline_ms: 50, ..Flatten::default() };
    let (started, news) = serve(&settings, folder.path(), resolver.clone());
    let (called, calls) = mpsc::channel();
    ask(&started.service, key(0), &called);
    calls.recv_timeout(PATIENCE).unwrap();
    assert!(news.try_recv().is_err(), "called before anything was known");
    resolver.gate.add_permits(1);
    let entry = news.recv_timeout(PATIENCE).unwrap().1.unwrap();
    assert_eq!(entry.outcome, Outcome::Failed(FailureKind::Timeout));
    // Asked again within the pause: known, and nobody is asked.
    ask(&started.service, key(0), &called);
    calls.recv_timeout(PATIENCE).unwrap();
    assert_eq!(resolver.asked.load(Ordering::Relaxed), 1);
    // Who waits at the end is not forgotten.
    resolver.gate.forget_permits(1);
    ask(&started.service, key(1), &called);
    started.service.stop();
    calls.recv_timeout(PATIENCE).unwrap();
    started.task.await.unwrap();
}
