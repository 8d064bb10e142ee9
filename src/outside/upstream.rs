//! The set of upstream resolvers: who is asked first, when a second one is asked too, and who is left in peace.
//!
//! The first healthy one in the order of the config is asked. If it has not answered after what its answers usually
//! take, the next one is asked as well, and the first good answer counts. One that fails is followed by the next at
//! once. One that keeps failing goes to the end of the row for a while.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};

use super::exchange::{Ask, Fault, exchange};
use crate::model::flattened::FailureKind;

/// Before an upstream has answered once, and as bounds of what its times tell.
const HEDGE_FIRST: Duration = Duration::from_millis(200);
const HEDGE: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(20)..=Duration::from_millis(500);
/// Times that one upstream is asked one question: a datagram may be lost.
const ROUNDS: usize = 2;
/// Questions in a row without an answer, after which an upstream goes to the end of the row.
const STRIKES: u32 = 3;
/// How long it stays there.
const OUT_FOR: Duration = Duration::from_secs(10);

/// The set.
#[derive(Debug)]
pub struct Upstreams {
    all: Box<[Upstream]>,
}

/// One resolver and what is known of it.
#[derive(Debug)]
pub struct Upstream {
    pub address: SocketAddr,
    health: Mutex<Health>,
    /// Questions sent, answers, questions without a useful answer, microseconds of all answers.
    pub sent: AtomicU64,
    pub answers: AtomicU64,
    pub failures: AtomicU64,
    pub micros: AtomicU64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Health {
    /// Smoothed time of an answer and how far times lie from it, in seconds (RFC 6298).
    usual: Option<(f64, f64)>,
    strikes: u32,
    out_until: Option<Instant>,
}

/// What a question to the set came to.
pub struct Answer {
    pub message: Message,
    pub upstream: SocketAddr,
    pub took: Duration,
}

/// Nobody gave a useful answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failed {
    pub kind: FailureKind,
    /// Who said so, if anybody did.
    pub upstream: Option<SocketAddr>,
}

impl Health {
    fn hedge(&self) -> Duration {
        let Some((usual, spread)) = self.usual else { return HEDGE_FIRST };
        Duration::from_secs_f64(usual + 4.0 * spread).clamp(*HEDGE.start(), *HEDGE.end())
    }

    fn answered(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        self.usual = Some(match self.usual {
            None => (took, took / 2.0),
            Some((usual, spread)) => {
                (usual + (took - usual) / 8.0, spread + ((took - usual).abs() - spread) / 4.0)
            }
        });
        self.strikes = 0;
        self.out_until = None;
    }

    fn silent(&mut self, now: Instant) {
        self.strikes = self.strikes.saturating_add(1);
        if self.strikes >= STRIKES {
            self.out_until = Some(now + OUT_FOR);
        }
    }

    fn is_out(&self, now: Instant) -> bool {
        self.out_until.is_some_and(|until| now < until)
    }
}

impl Upstream {
    fn new(address: SocketAddr) -> Upstream {
        Upstream {
            address,
            health: Mutex::default(),
            sent: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            micros: AtomicU64::new(0),
        }
    }

    /// Whether it has answered lately, or has not been asked: `false` while it is passed over.
    pub fn is_up(&self) -> bool {
        !self.health().is_out(Instant::now())
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One attempt. Dropped before its end (somebody else was faster, or time was up) it counts as silence.
    async fn ask(&self, ask: &Ask) -> Result<Answer, FailureKind> {
        let begun = Instant::now();
        self.sent.fetch_add(1, Ordering::Relaxed);
        let mut watch = Watch { upstream: self, begun, hedge: self.health().hedge(), done: false };
        let result = exchange(self.address, ask).await;
        watch.done = true;
        let took = begun.elapsed();
        let kind = match result {
            Ok(message) => {
                self.answers.fetch_add(1, Ordering::Relaxed);
                self.micros.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
                self.health().answered(took);
                match trouble(&message) {
                    None => return Ok(Answer { message, upstream: self.address, took }),
                    Some(kind) => kind,
                }
            }
            Err(fault) => {
                self.health().silent(Instant::now());
                match fault {
                    Fault::Network(_) => FailureKind::Network,
                    Fault::Garbage(_) => FailureKind::Garbage,
                }
            }
        };
        self.failures.fetch_add(1, Ordering::Relaxed);
        Err(kind)
    }
}

/// Counts an attempt that was given up.
struct Watch<'a> {
    upstream: &'a Upstream,
    begun: Instant,
    hedge: Duration,
    done: bool,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        // Given up before its usual time it has done nothing wrong.
        if !self.done && self.begun.elapsed() > self.hedge {
            self.upstream.failures.fetch_add(1, Ordering::Relaxed);
            self.upstream.health().silent(Instant::now());
        }
    }
}

/// What makes an answer useless.
fn trouble(message: &Message) -> Option<FailureKind> {
    match message.metadata.response_code {
        ResponseCode::NoError => {
            // A referral: it does not resolve for us.
            let referral = message.answers.is_empty()
                && message.authorities.iter().any(|r| r.record_type() == RecordType::NS)
                && message.authorities.iter().all(|r| r.record_type() != RecordType::SOA);
            referral.then_some(FailureKind::Refused)
        }
        ResponseCode::NXDomain => None,
        ResponseCode::ServFail if is_bogus(message) => Some(FailureKind::Bogus),
        ResponseCode::ServFail => Some(FailureKind::ServFail),
        _ => Some(FailureKind::Refused),
    }
}

/// Whether the upstream says that it validated and the answer does not hold (EDE 6 to 9, RFC 8914).
fn is_bogus(message: &Message) -> bool {
    let option = message.edns.as_ref().and_then(|edns| edns.option(EdnsCode::Unknown(15)));
    matches!(option, Some(EdnsOption::Unknown(_, data)) if matches!(data[..], [0, 6..=9, ..]))
}

impl Upstreams {
    pub fn new(addresses: &[SocketAddr]) -> Upstreams {
        Upstreams { all: addresses.iter().copied().map(Upstream::new).collect() }
    }

    /// Every one, in the order of the config.
    pub fn iter(&self) -> impl Iterator<Item = &Upstream> {
        self.all.iter()
    }

    /// Who is asked, in order: the healthy ones, then the others, each `ROUNDS` times.
    fn row(&self) -> Vec<usize> {
        let mut once: Vec<usize> = (0..self.all.len()).collect();
        once.sort_by_key(|&at| !self.all[at].is_up());
        once.repeat(ROUNDS)
    }

    /// Asks until somebody gives a useful answer, all have failed, or it is `until`.
    pub async fn ask(&self, ask: &Ask, until: Instant) -> Result<Answer, Failed> {
        if self.all.is_empty() {
            return Err(Failed { kind: FailureKind::NoUpstream, upstream: None });
        }
        let mut row = self.row().into_iter();
        let mut failed = vec![false; self.all.len()];
        let mut worst: Option<Failed> = None;
        let mut running = FuturesUnordered::new();
        let mut hedge_at = Instant::now();
        let mut exhausted = false;
        loop {
            if !exhausted && Instant::now() >= hedge_at {
                match row.find(|&at| !failed[at]) {
                    Some(at) => {
                        let upstream = &self.all[at];
                        hedge_at = Instant::now() + upstream.health().hedge();
                        running.push(async move { (at, upstream.ask(ask).await) });
                    }
                    None => exhausted = true,
                }
            }
            if exhausted && running.is_empty() {
                return Err(worst.unwrap_or(TIMEOUT));
            }
            let wake = if exhausted { until } else { hedge_at.min(until) };
            tokio::select! {
                Some((at, result)) = running.next(), if !running.is_empty() => match result {
                    Ok(answer) => return Ok(answer),
                    Err(kind) => {
                        failed[at] = true;
                        let this = Failed { kind, upstream: Some(self.all[at].address) };
                        worst = Some(worst.map_or(this, |other| telling(other, this)));
                        hedge_at = Instant::now();
                    }
                },
                () = tokio::time::sleep_until(wake.into()) => {
                    if wake == until {
                        return Err(worst.unwrap_or(TIMEOUT));
                    }
                }
            }
        }
    }
}

const TIMEOUT: Failed = Failed { kind: FailureKind::Timeout, upstream: None };

/// Of two failures the one that tells more about the target.
fn telling(a: Failed, b: Failed) -> Failed {
    let rank = |failed: &Failed| match failed.kind {
        FailureKind::Bogus => 0,
        FailureKind::ServFail => 1,
        FailureKind::Refused => 2,
        FailureKind::Garbage => 3,
        _ => 4,
    };
    if rank(&b) < rank(&a) { b } else { a }
}
