//! The load: questions over several connected sockets, as fast as answers come or at a fixed rate, and what came of it.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::sets::{Dice, Load, Set};
use crate::sockets::{BATCH, Batch, Peers, widen};

const SOCKETS: usize = 4;
/// Questions under way on one socket, when they are sent as fast as answers come. All together fit into the receive
/// buffer that a server's socket has by default.
const WINDOW: usize = 64;
/// An answer that takes longer is lost.
const LOST: Duration = Duration::from_millis(300);
/// Longest time that is told apart, in µs.
const LONGEST: usize = 200_000;
/// Time before the measured window.
const WARM: Duration = Duration::from_millis(250);

/// Questions as packets, made beforehand.
pub struct Questions {
    octets: Vec<u8>,
    ends: Vec<u32>,
}

impl Questions {
    /// `count` questions of a load. Different `seed`s give different ones.
    pub fn new(set: Set, load: Load, count: usize, seed: u64) -> Questions {
        let mut dice = Dice(seed << 40 ^ load as u64);
        let mut questions = Questions { octets: Vec::with_capacity(count * 48), ends: Vec::new() };
        for n in 0..count {
            let (name, qtype) = set.question(load, seed as usize * count + n, &mut dice);
            packet(&name, qtype, &mut questions.octets);
            questions.ends.push(questions.octets.len() as u32);
        }
        questions
    }

    /// These questions: name and type.
    pub fn of(all: impl Iterator<Item = (String, u16)>) -> Questions {
        let mut questions = Questions { octets: Vec::new(), ends: Vec::new() };
        for (name, qtype) in all {
            packet(&name, qtype, &mut questions.octets);
            questions.ends.push(questions.octets.len() as u32);
        }
        questions
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn get(&self, i: usize) -> &[u8] {
        let start = if i == 0 { 0 } else { self.ends[i - 1] as usize };
        &self.octets[start..self.ends[i] as usize]
    }
}

/// One question as resolvers send it: with EDNS, 1232 octets.
pub fn packet(name: &str, qtype: u16, out: &mut Vec<u8>) {
    out.extend([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
    for label in name.split('.') {
        out.push(label.len() as u8);
        out.extend(label.as_bytes());
    }
    out.push(0);
    out.extend(qtype.to_be_bytes());
    out.extend([0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
}

/// What one measured window showed.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    pub seconds: f64,
    pub answered: u64,
    pub lost: u64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub octets_asked: f64,
    pub octets_answered: f64,
    pub rcodes: [u64; 16],
}

/// As fast as answers come, or so many questions a second.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Pace {
    Saturate,
    Rate(f64),
}

/// One socket with its questions under way.
struct Lane {
    socket: UdpSocket,
    /// When the question of each id was sent, in ns from the start; 0: none is under way.
    sent_at: Vec<u64>,
    next: u16,
    oldest: u16,
    under_way: usize,
}

/// Sends questions and takes answers; `mark` is called where the measured window begins and where it ends.
pub struct Generator<'q> {
    lanes: Vec<Lane>,
    questions: &'q Questions,
    at: usize,
    began: Instant,
    out: Batch,
    back: Batch,
    times: Vec<u32>,
    shown: Shown,
}

impl<'q> Generator<'q> {
    pub fn new(server: SocketAddr, questions: &'q Questions) -> std::io::Result<Generator<'q>> {
        let lane = |_| {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.connect(server)?;
            socket.set_nonblocking(true)?;
            widen(&socket)?;
            Ok(Lane { socket, sent_at: vec![0; 1 << 16], next: 0, oldest: 0, under_way: 0 })
        };
        Ok(Generator {
            lanes: (0..SOCKETS).map(lane).collect::<std::io::Result<_>>()?,
            questions,
            at: 0,
            began: Instant::now(),
            out: Batch::new(Peers::One),
            back: Batch::new(Peers::One),
            times: vec![0; LONGEST + 1],
            shown: Shown::default(),
        })
    }

    /// Runs for a short while, and then for `length` that is measured.
    pub fn run(mut self, pace: Pace, length: Duration, mut mark: impl FnMut()) -> Shown {
        self.began = Instant::now();
        let end = WARM + length;
        let mut issued = 0u64;
        let mut from: Option<Duration> = None;
        loop {
            let now = self.began.elapsed();
            if from.is_none() && now >= WARM {
                from = Some(now);
                self.shown = Shown::default();
                self.times.fill(0);
                mark();
            }
            if now >= end {
                break;
            }
            let mut progress = false;
            for lane in 0..SOCKETS {
                progress |= self.take(lane);
                self.give_up_on(lane, now);
            }
            for turn in 0..SOCKETS {
                let due = match pace {
                    Pace::Saturate => WINDOW,
                    Pace::Rate(rate) => {
                        ((now.as_secs_f64() * rate) as u64).saturating_sub(issued) as usize
                    }
                };
                // At a rate one question after the other goes by another socket.
                let (lane, most) = match pace {
                    Pace::Saturate => (turn, BATCH),
                    Pace::Rate(_) => (issued as usize % SOCKETS, due.div_ceil(SOCKETS)),
                };
                let sent = self.send(lane, due.min(most).min(BATCH), pace);
                issued += sent as u64;
                progress |= sent > 0;
            }
            if !progress {
                std::thread::yield_now();
            }
        }
        mark();
        self.shown.seconds = (self.began.elapsed() - from.unwrap_or(WARM)).as_secs_f64();
        self.finish()
    }

    fn take(&mut self, lane: usize) -> bool {
        let lane = &mut self.lanes[lane];
        if lane.under_way == 0 {
            return false;
        }
        let count = self.back.receive(&lane.socket, false);
        let now = self.began.elapsed().as_nanos() as u64;
        for i in 0..count {
            let len = self.back.len(i);
            let answer = &self.back.room(i)[..len];
            if len < 12 {
                continue;
            }
            let id = usize::from(u16::from_be_bytes([answer[0], answer[1]]));
            let sent_at = std::mem::take(&mut lane.sent_at[id]);
            if sent_at == 0 {
                continue;
            }
            lane.under_way -= 1;
            self.shown.answered += 1;
            self.shown.octets_answered += len as f64;
            self.shown.rcodes[usize::from(answer[3] & 15)] += 1;
            self.times[((now.saturating_sub(sent_at) / 1000) as usize).min(LONGEST)] += 1;
        }
        count > 0
    }

    fn give_up_on(&mut self, lane: usize, now: Duration) {
        let lane = &mut self.lanes[lane];
        let limit = now.saturating_sub(LOST).as_nanos() as u64;
        while lane.oldest != lane.next {
            let sent_at = &mut lane.sent_at[usize::from(lane.oldest)];
            if *sent_at > limit {
                return;
            }
            if *sent_at > 0 {
                *sent_at = 0;
                lane.under_way -= 1;
                self.shown.lost += 1;
            }
            lane.oldest = lane.oldest.wrapping_add(1);
        }
    }

    fn send(&mut self, lane: usize, most: usize, pace: Pace) -> usize {
        let lane = &mut self.lanes[lane];
        let ids = 60_000 - usize::from(lane.next.wrapping_sub(lane.oldest)).min(60_000);
        let room = match pace {
            Pace::Saturate => WINDOW - lane.under_way,
            Pace::Rate(_) => ids,
        };
        let count = most.min(room).min(ids);
        // Under saturation whole batches go out, as they come from many clients at once.
        if count == 0 || (pace == Pace::Saturate && count < WINDOW / 4) {
            return 0;
        }
        for i in 0..count {
            let question = self.questions.get((self.at + i) % self.questions.len());
            let room = self.out.room(i);
            room[..question.len()].copy_from_slice(question);
            room[..2].copy_from_slice(&lane.next.wrapping_add(i as u16).to_be_bytes());
            self.out.set_len(i, question.len());
        }
        let sent = self.out.send(&lane.socket, count);
        let now = self.began.elapsed().as_nanos() as u64;
        for _ in 0..sent {
            lane.sent_at[usize::from(lane.next)] = now.max(1);
            lane.next = lane.next.wrapping_add(1);
        }
        lane.under_way += sent;
        self.at = (self.at + sent) % self.questions.len();
        sent
    }

    fn finish(mut self) -> Shown {
        let answered = self.shown.answered.max(1) as f64;
        self.shown.octets_answered /= answered;
        self.shown.p50_us = self.percentile(0.50);
        self.shown.p99_us = self.percentile(0.99);
        let asked = self.questions.octets.len() as f64;
        self.shown.octets_asked = asked / self.questions.len().max(1) as f64;
        self.shown
    }

    fn percentile(&self, part: f64) -> f64 {
        let total: u64 = self.times.iter().map(|n| u64::from(*n)).sum();
        let want = (total as f64 * part) as u64;
        let mut seen = 0;
        let at = self.times.iter().position(|n| {
            seen += u64::from(*n);
            seen > want
        });
        at.unwrap_or(LONGEST) as f64
    }
}
