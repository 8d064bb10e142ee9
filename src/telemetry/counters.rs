//! Counters of answers: each worker writes its own, whoever asks sums them. Once per query, at the door.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::noted::Recorder;
use super::violations::Violations;
use crate::base::rtype::{self, RType};
use crate::base::time::UnixTime;
use crate::engine::answer::{EdeCode, Outcome, Rcode};
use crate::model::question::Transport;
use crate::model::settings::OnViolation;
use crate::policy::verdict::Reason;
use crate::wire::{Asked, Reply};

/// Words of the transports, by their number.
pub const TRANSPORTS: [(Transport, &str); 2] = [(Transport::Udp, "udp"), (Transport::Tcp, "tcp")];

/// Types that are counted by themselves; all others together as `other`.
const TYPES: [RType; 19] = [
    rtype::A,
    rtype::NS,
    rtype::CNAME,
    rtype::SOA,
    rtype::PTR,
    rtype::MX,
    rtype::TXT,
    rtype::AAAA,
    rtype::SRV,
    rtype::NAPTR,
    rtype::DNAME,
    rtype::DS,
    rtype::DNSKEY,
    rtype::TLSA,
    rtype::SVCB,
    rtype::HTTPS,
    rtype::AXFR,
    rtype::ANY,
    rtype::CAA,
];
/// Place of a counter: of a type of `TYPES`, of another type, of a message whose question could not be read.
const OTHER_TYPE: usize = TYPES.len();
const NO_TYPE: usize = OTHER_TYPE + 1;
const TYPE_PLACES: usize = NO_TYPE + 1;
/// Place of each type; one octet, since the types that are counted are below.
const PLACE_OF_TYPE: [u8; 512] = {
    let mut places = [OTHER_TYPE as u8; 512];
    let mut i = 0;
    while i < TYPES.len() {
        places[TYPES[i] as usize] = i as u8;
        i += 1;
    }
    places
};

/// RCODEs and extended errors that are sent, in the order of their counters.
pub const RCODES: [(Rcode, &str); 10] = [
    (Rcode::NoError, "NOERROR"),
    (Rcode::FormErr, "FORMERR"),
    (Rcode::ServFail, "SERVFAIL"),
    (Rcode::NxDomain, "NXDOMAIN"),
    (Rcode::NotImp, "NOTIMP"),
    (Rcode::Refused, "REFUSED"),
    (Rcode::YxDomain, "YXDOMAIN"),
    (Rcode::NotAuth, "NOTAUTH"),
    (Rcode::BadVers, "BADVERS"),
    (Rcode::BadCookie, "BADCOOKIE"),
];
pub const EDES: [EdeCode; 10] = [
    EdeCode::Other,
    EdeCode::StaleAnswer,
    EdeCode::DnssecBogus,
    EdeCode::NotReady,
    EdeCode::Blocked,
    EdeCode::Prohibited,
    EdeCode::NotAuthoritative,
    EdeCode::NotSupported,
    EdeCode::NoReachableAuthority,
    EdeCode::NetworkError,
];
/// Place of an RCODE's or an extended error's number; what is not sent has none.
const RCODE_PLACES: [u8; 32] = {
    let mut places = [0; 32];
    let mut i = 0;
    while i < RCODES.len() {
        places[RCODES[i].0 as usize] = i as u8;
        i += 1;
    }
    places
};
const EDE_PLACES: [u8; 32] = {
    let mut places = [0; 32];
    let mut i = 0;
    while i < EDES.len() {
        places[EDES[i] as usize] = 1 + i as u8;
        i += 1;
    }
    places
};
/// One more than there are extended errors: first, none.
const EDE_COUNT: usize = EDES.len() + 1;

pub const OUTCOMES: [(Outcome, &str); 16] = [
    (Outcome::Rejected, "rejected"),
    (Outcome::Answered, "answered"),
    (Outcome::NoData, "nodata"),
    (Outcome::NxDomain, "nxdomain"),
    (Outcome::Referral, "referral"),
    (Outcome::LeavesUs, "leaves"),
    (Outcome::Flattened, "flattened"),
    (Outcome::Stale, "stale"),
    (Outcome::OutsideFailed, "outside-failed"),
    (Outcome::NoZone, "no-zone"),
    (Outcome::Unready, "not-ready"),
    (Outcome::Loop, "loop"),
    (Outcome::TooLong, "too-long"),
    (Outcome::NameTooLong, "name-too-long"),
    (Outcome::Denied, "denied"),
    (Outcome::NotServed, "not-served"),
];
pub const REASONS: [Reason; 3] = [Reason::NotGranted, Reason::Blocked, Reason::Withdrawn];
pub const MODES: [OnViolation; 5] = [
    OnViolation::Refuse,
    OnViolation::NoData,
    OnViolation::NxDomain,
    OnViolation::Sinkhole,
    OnViolation::Report,
];

/// One worker's counts. Only that worker writes, so no addition has to be atomic as a whole.
#[repr(align(128))]
struct Worker {
    /// By transport and type, for OPCODE QUERY.
    queries: [[AtomicU64; TYPE_PLACES]; 2],
    /// By transport and OPCODE; those of QUERY are above.
    opcodes: [[AtomicU64; 16]; 2],
    silent: [AtomicU64; 2],
    responses: [[AtomicU64; EDE_COUNT]; RCODES.len()],
    outcomes: [AtomicU64; OUTCOMES.len()],
    denied: [[AtomicU64; MODES.len()]; REASONS.len()],
}

/// A sum over all workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    queries: [[u64; TYPE_PLACES]; 2],
    opcodes: [[u64; 16]; 2],
    silent: [u64; 2],
    responses: [[u64; EDE_COUNT]; RCODES.len()],
    outcomes: [u64; OUTCOMES.len()],
    denied: [[u64; MODES.len()]; REASONS.len()],
}

impl Default for Worker {
    fn default() -> Worker {
        fn zeros<const N: usize>() -> [AtomicU64; N] {
            std::array::from_fn(|_| AtomicU64::new(0))
        }
        Worker {
            queries: std::array::from_fn(|_| zeros()),
            opcodes: std::array::from_fn(|_| zeros()),
            silent: zeros(),
            responses: std::array::from_fn(|_| zeros()),
            outcomes: zeros(),
            denied: std::array::from_fn(|_| zeros()),
        }
    }
}

impl Totals {
    /// Messages that came over `transport`.
    pub fn messages(&self, transport: Transport) -> u64 {
        let t = transport as usize;
        self.queries[t].iter().chain(&self.opcodes[t]).sum()
    }

    /// Messages that got no answer.
    pub fn silent(&self, transport: Transport) -> u64 {
        self.silent[transport as usize]
    }

    /// Questions over `transport`: each type with its count; `None`: no type could be read. `other` are all types
    /// that are not counted by themselves.
    pub fn queries(&self, transport: Transport) -> impl Iterator<Item = (QType, u64)> {
        let counts = &self.queries[transport as usize];
        let named = TYPES.iter().zip(counts).map(|(t, n)| (QType::One(*t), *n));
        named.chain([(QType::Other, counts[OTHER_TYPE]), (QType::None, counts[NO_TYPE])])
    }

    /// Messages with an OPCODE other than QUERY.
    pub fn opcodes(&self, transport: Transport) -> impl Iterator<Item = (u8, u64)> {
        (0u8..).zip(self.opcodes[transport as usize])
    }

    /// Answers by RCODE and extended error.
    pub fn responses(&self) -> impl Iterator<Item = (&'static str, Option<EdeCode>, u64)> + '_ {
        RCODES.iter().zip(&self.responses).flat_map(|((_, rcode), counts)| {
            let edes = std::iter::once(None).chain(EDES.into_iter().map(Some));
            edes.zip(counts).map(|(ede, n)| (*rcode, ede, *n))
        })
    }

    /// Answers of this outcome.
    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// Denied questions for this reason in this mode.
    pub fn denied(&self, reason: Reason, mode: OnViolation) -> u64 {
        self.denied[reason as usize][mode as usize]
    }

    /// All answers.
    pub fn answers(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    fn add(&mut self, w: &Worker) {
        fn sum(sums: &mut [u64], counters: &[AtomicU64]) {
            sums.iter_mut().zip(counters).for_each(|(sum, c)| *sum += c.load(Ordering::Relaxed));
        }
        for t in 0..TRANSPORTS.len() {
            sum(&mut self.queries[t], &w.queries[t]);
            sum(&mut self.opcodes[t], &w.opcodes[t]);
        }
        sum(&mut self.silent, &w.silent);
        self.responses.iter_mut().zip(&w.responses).for_each(|(s, c)| sum(s, c));
        sum(&mut self.outcomes, &w.outcomes);
        self.denied.iter_mut().zip(&w.denied).for_each(|(s, c)| sum(s, c));
    }
}

/// A type as it is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QType {
    One(RType),
    Other,
    None,
}

impl Worker {
    #[inline]
    fn count(&self, transport: Transport, opcode: u8, asked: Asked<'_>, reply: Option<&Reply>) {
        let t = transport as usize;
        match opcode {
            0 => {
                let qtype = asked.qtype().map_or(NO_TYPE, |qtype| {
                    PLACE_OF_TYPE.get(usize::from(qtype)).map_or(OTHER_TYPE, |p| usize::from(*p))
                });
                bump(&self.queries[t][qtype]);
            }
            other => bump(&self.opcodes[t][usize::from(other & 15)]),
        }
        let Some(reply) = reply else { return bump(&self.silent[t]) };
        let rcode = usize::from(RCODE_PLACES[reply.rcode as usize & 31]);
        let ede = reply.ede.map_or(0, |ede| usize::from(EDE_PLACES[ede as usize & 31]));
        bump(&self.responses[rcode][ede]);
        bump(&self.outcomes[reply.outcome as usize]);
        if let Some(denied) = reply.denial {
            bump(&self.denied[denied.denial.reason as usize][denied.mode as usize]);
        }
    }
}

#[inline]
fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// What a worker tells of its answers: numbers for all, and which edges were denied.
pub struct Witness {
    counts: Arc<Worker>,
    denied: Recorder,
}

impl Witness {
    /// Notes one message and what was said to it.
    #[inline]
    pub fn saw(
        &mut self,
        transport: Transport,
        packet: &[u8],
        asked: Asked<'_>,
        reply: Option<&Reply>,
        now: UnixTime,
    ) {
        let opcode = packet.get(2).map_or(0, |octet| octet >> 3 & 15);
        self.counts.count(transport, opcode, asked, reply);
        if let Some(denied) = reply.and_then(|reply| reply.denial.as_ref()) {
            self.denied.note(denied, asked, now);
        }
    }

    /// A batch begins: what was noted before this second may be read.
    #[inline]
    pub fn turn(&mut self, now: UnixTime) {
        self.denied.turn(now);
    }

    /// Nothing is asked for a while: all that was noted may be read.
    pub fn rest(&mut self) {
        self.denied.hand_over();
    }
}

/// The counters of all workers there ever were. The lock is taken when a worker starts and when someone sums.
#[derive(Default)]
pub struct Counters {
    workers: Mutex<Vec<Arc<Worker>>>,
    pub violations: Violations,
}

impl Counters {
    /// Counters for one more worker.
    pub fn witness(&self) -> Witness {
        let counts = Arc::<Worker>::default();
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&counts));
        Witness { counts, denied: self.violations.recorder() }
    }

    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.iter().for_each(|w| totals.add(w));
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hash::HashKey;
    use crate::model::question::Client;
    use crate::model::snapshot::Snapshot;
    use crate::wire;

    #[test]
    fn places_are_numbers_of_their_enums() {
        for (i, (transport, _)) in TRANSPORTS.into_iter().enumerate() {
            assert_eq!(transport as usize, i);
        }
        for (i, (outcome, _)) in OUTCOMES.into_iter().enumerate() {
            assert_eq!(outcome as usize, i);
        }
        for (i, reason) in REASONS.into_iter().enumerate() {
            assert_eq!(reason as usize, i);
        }
        for (i, mode) in MODES.into_iter().enumerate() {
            assert_eq!(mode as usize, i);
        }
    }

    #[test]
    fn sums_over_workers() {
        let counters = Counters::default();
        let (mut a, mut b) = (counters.witness(), counters.witness());
        let snapshot = Snapshot::empty(HashKey::new([1; 16]));
        let mut scratch = wire::Scratch::default();
        let mut out = [0; 512];
        let client = Client { address: [127, 0, 0, 1].into(), transport: Transport::Udp };
        let now = UnixTime(7);
        let mut ask = |witness: &mut Witness, transport, packet: &[u8]| {
            let reply = wire::respond(&snapshot, packet, client, now, &mut scratch, &mut out);
            witness.saw(transport, packet, scratch.asked(), reply.as_ref(), now);
        };
        let query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x04test\0\0\x1c\0\x01";
        ask(&mut a, Transport::Udp, query);
        ask(&mut b, Transport::Tcp, query);
        ask(&mut b, Transport::Udp, b"\x12\x34\x29\0\0\x01\0\0\0\0\0\0\x04test\0\0\x1c\0\x01");
        ask(&mut b, Transport::Udp, b"\x12\x34");
        let t = counters.totals();
        let transport = |transport| (t.messages(transport), t.silent(transport));
        assert_eq!((transport(Transport::Udp), transport(Transport::Tcp)), ((3, 1), (1, 0)));
        let aaaa = |transport| {
            t.queries(transport).find(|(q, _)| *q == QType::One(rtype::AAAA)).map(|(_, n)| n)
        };
        assert_eq!((aaaa(Transport::Udp), aaaa(Transport::Tcp)), (Some(1), Some(1)));
        assert_eq!(t.opcodes(Transport::Udp).find(|(code, _)| *code == 5), Some((5, 1)));
        let refused = ("REFUSED", Some(EdeCode::NotAuthoritative), 2);
        assert!(t.responses().any(|r| r == refused), "{t:?}");
        assert!(t.responses().any(|r| r == ("NOTIMP", None, 1)), "{t:?}");
        assert_eq!((t.outcome(Outcome::NoZone), t.answers()), (2, 3));
        assert_eq!(t.denied(Reason::NotGranted, OnViolation::Refuse), 0);
    }
}
