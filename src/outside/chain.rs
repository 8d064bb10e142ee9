//! The chain in an answer: from the name asked about, CNAME by CNAME, to the addresses or to where the answer ends.
//!
//! Records are taken only where the chain leads to them, so it does not matter what else an upstream puts into an
//! answer, nor in which order.

use std::net::IpAddr;

use hickory_proto::dnssec::Proof;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{DNSClass, Name as ProtoName, RData, Record, RecordType};

use crate::base::limits::OUTSIDE_HOPS;
use crate::base::name::Name;
use crate::base::rtype::{self, RType};
use crate::base::time::MAX_TTL;
use crate::model::flattened::{FailureKind, OutsideHop};

/// What is known so far of one target.
#[derive(Debug)]
pub struct Walk {
    target: Name,
    rtype: RType,
    pub hops: Vec<OutsideHop>,
    /// Least TTL met.
    pub ttl: u32,
}

/// Where an answer leads.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// To addresses.
    Addresses(Vec<IpAddr>),
    /// The last name has no such records.
    NoData,
    /// The last name does not exist.
    NxDomain,
    /// To a name about which the answer says nothing.
    AskOn,
    Failed(FailureKind),
}

impl Walk {
    pub fn new(target: Name, rtype: RType) -> Walk {
        Walk { target, rtype, hops: Vec::new(), ttl: MAX_TTL }
    }

    /// The name the chain has come to.
    pub fn at(&self) -> &Name {
        self.hops.last().map_or(&self.target, |hop| &hop.name)
    }

    /// Follows the answer to a question about [`Walk::at`]. With `checked`, records are those that `validate` judged.
    pub fn follow(&mut self, message: &Message, checked: bool) -> Step {
        let asked = self.hops.len();
        loop {
            let here: Vec<&Record> =
                message.answers.iter().filter(|r| is_at(r, self.at())).collect();
            let mut names = here.iter().filter_map(|r| match &r.data {
                RData::CNAME(to) => Some((*r, &to.0)),
                _ => None,
            });
            let (cname, others) = (names.next(), names.count());
            let addresses: Vec<&Record> =
                here.iter().copied().filter(|r| address(r, self.rtype).is_some()).collect();
            let Some((record, to)) = cname else {
                if addresses.is_empty() {
                    return self.nothing(message, asked, checked);
                }
                if checked && !addresses.iter().all(|r| holds(r)) {
                    return Step::Failed(FailureKind::Bogus);
                }
                addresses.iter().for_each(|r| self.lower(r.ttl));
                let found = addresses.iter().filter_map(|r| address(r, self.rtype));
                return Step::Addresses(found.collect());
            };
            if others > 0 || !addresses.is_empty() {
                return Step::Failed(FailureKind::Garbage);
            }
            if checked && !holds(record) {
                return Step::Failed(FailureKind::Bogus);
            }
            if let Err(kind) = self.step(record.ttl, to) {
                return Step::Failed(kind);
            }
        }
    }

    fn step(&mut self, ttl: u32, to: &ProtoName) -> Result<(), FailureKind> {
        let name = from_proto(to).ok_or(FailureKind::Garbage)?;
        if name == self.target || self.hops.iter().any(|hop| hop.name == name) {
            return Err(FailureKind::Loop);
        }
        if self.hops.len() == OUTSIDE_HOPS {
            return Err(FailureKind::TooLong);
        }
        self.lower(ttl);
        self.hops.push(OutsideHop { name, ttl: valid_ttl(ttl) });
        Ok(())
    }

    /// The answer has no record of the name it led to.
    fn nothing(&mut self, message: &Message, asked: usize, checked: bool) -> Step {
        let soa = message.authorities.iter().find_map(|record| match &record.data {
            RData::SOA(soa) if encloses(record, self.at()) => Some((record, soa.minimum)),
            _ => None,
        });
        // Records of another zone, unsigned, prove nothing about this name.
        if checked && soa.is_some_and(|(record, _)| !holds(record)) {
            return Step::Failed(FailureKind::Bogus);
        }
        let nxdomain = message.metadata.response_code == ResponseCode::NXDomain;
        // Only what was asked about is denied by silence: a resolver that stopped halfway is asked on.
        if !nxdomain && soa.is_none() && self.hops.len() > asked {
            return Step::AskOn;
        }
        if checked && soa.is_none() {
            return Step::Failed(FailureKind::Bogus);
        }
        // RFC 2308 §5; without a SOA nothing says how long, so it is as short as the bounds allow.
        let (ttl, minimum) = soa.map_or((0, 0), |(record, minimum)| (record.ttl, minimum));
        self.lower(valid_ttl(ttl).min(valid_ttl(minimum)));
        if nxdomain { Step::NxDomain } else { Step::NoData }
    }

    fn lower(&mut self, ttl: u32) {
        self.ttl = self.ttl.min(valid_ttl(ttl));
    }
}

/// RFC 2181 §8.
fn valid_ttl(ttl: u32) -> u32 {
    if ttl > MAX_TTL { 0 } else { ttl }
}

fn is_at(record: &Record, name: &Name) -> bool {
    record.dns_class == DNSClass::IN && from_proto(&record.name).is_some_and(|owner| owner == *name)
}

fn encloses(record: &Record, name: &Name) -> bool {
    record.dns_class == DNSClass::IN
        && record.record_type() == RecordType::SOA
        && from_proto(&record.name).is_some_and(|owner| name.is_within(&owner))
}

/// The signatures hold, or the zone is proved to have none.
fn holds(record: &Record) -> bool {
    matches!(record.proof, Proof::Secure | Proof::Insecure)
}

fn address(record: &Record, rtype: RType) -> Option<IpAddr> {
    match (&record.data, rtype) {
        (RData::A(a), rtype::A) => Some(IpAddr::V4(a.0)),
        (RData::AAAA(aaaa), rtype::AAAA) => Some(IpAddr::V6(aaaa.0)),
        _ => None,
    }
}

/// A name as the house keeps it.
pub fn from_proto(name: &ProtoName) -> Option<Name> {
    let mut wire = Vec::with_capacity(64);
    for label in name.iter() {
        wire.push(u8::try_from(label.len()).ok()?);
        wire.extend_from_slice(label);
    }
    wire.push(0);
    Name::from_wire(&wire).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::rr::rdata::{A, CNAME, SOA};
    use std::net::Ipv4Addr;

    fn name(text: &str) -> ProtoName {
        ProtoName::from_ascii(text).unwrap()
    }

    fn cname(from: &str, ttl: u32, to: &str) -> Record {
        Record::from_rdata(name(from), ttl, RData::CNAME(CNAME(name(to))))
    }

    fn a(owner: &str, ttl: u32, last: u8) -> Record {
        Record::from_rdata(name(owner), ttl, RData::A(A(Ipv4Addr::new(198, 51, 100, last))))
    }

    fn soa(owner: &str, ttl: u32, minimum: u32) -> Record {
        let soa = SOA::new(name("ns."), name("host."), 1, 1, 1, 1, minimum);
        Record::from_rdata(name(owner), ttl, RData::SOA(soa))
    }

    fn message(answers: Vec<Record>, authorities: Vec<Record>) -> Message {
        let mut message = Message::query();
        message.answers = answers;
        message.authorities = authorities;
        message
    }

    fn walk() -> Walk {
        Walk::new(Name::from_text("t.example").unwrap(), rtype::A)
    }

    fn shown(walk: &Walk) -> Vec<String> {
        walk.hops.iter().map(|h| format!("{} {}", h.name, h.ttl)).collect()
    }

    #[test]
    fn the_chain_is_followed_in_any_order_and_strangers_count_for_nothing() {
        let answers = vec![
            a("c.example.", 60, 1),
            a("evil.example.", 1, 66),
            cname("B.example.", 120, "C.example."),
            cname("t.Example.", 300, "b.example."),
            a("c.example.", 50, 2),
        ];
        let mut walk = walk();
        let step = walk.follow(&message(answers, vec![]), false);
        let expected = ["198.51.100.1", "198.51.100.2"].map(|a| a.parse().unwrap());
        assert_eq!(step, Step::Addresses(expected.to_vec()));
        assert_eq!(shown(&walk), ["b.example 300", "c.example 120"]);
        assert_eq!(walk.ttl, 50);
    }

    #[test]
    fn a_part_of_a_chain_is_asked_on() {
        let mut walk = walk();
        let first = message(vec![cname("t.example.", 300, "b.example.")], vec![]);
        assert_eq!(walk.follow(&first, false), Step::AskOn);
        assert_eq!(walk.at().to_string(), "b.example");
        // Nothing about what was asked: that is an answer.
        assert_eq!(walk.follow(&message(vec![], vec![]), false), Step::NoData);
        assert_eq!(walk.ttl, 0);
    }

    #[test]
    fn the_soa_says_how_long_nothing_stays_nothing() {
        let answers = vec![cname("t.example.", 300, "b.example.")];
        let (mut walk_1, mut walk_2) = (walk(), walk());
        let no = message(answers.clone(), vec![soa("example.", 900, 200)]);
        assert_eq!(walk_1.follow(&no, false), Step::NoData);
        assert_eq!(walk_1.ttl, 200);
        let mut no = message(answers.clone(), vec![soa("other.", 900, 200)]);
        assert_eq!(walk_2.follow(&no, false), Step::AskOn);
        no.metadata.response_code = ResponseCode::NXDomain;
        assert_eq!(walk().follow(&no, false), Step::NxDomain);
    }

    #[test]
    fn loops_bombs_and_contradictions() {
        let pair = vec![cname("t.example.", 1, "b.example."), cname("b.example.", 1, "t.example.")];
        let mut looping = walk();
        assert_eq!(looping.follow(&message(pair, vec![]), false), Step::Failed(FailureKind::Loop));
        assert_eq!(shown(&looping), ["b.example 1"]);
        let own = vec![cname("t.example.", 1, "t.example.")];
        assert_eq!(walk().follow(&message(own, vec![]), false), Step::Failed(FailureKind::Loop));

        let mut bomb = vec![cname("t.example.", 1, "n0.example.")];
        bomb.extend(
            (0..500).map(|n| cname(&format!("n{n}.example."), 1, &format!("n{}.example.", n + 1))),
        );
        let mut long = walk();
        assert_eq!(long.follow(&message(bomb, vec![]), false), Step::Failed(FailureKind::TooLong));
        assert_eq!(long.hops.len(), OUTSIDE_HOPS);

        let two = vec![cname("t.example.", 1, "b.example."), cname("t.example.", 1, "c.example.")];
        assert_eq!(walk().follow(&message(two, vec![]), false), Step::Failed(FailureKind::Garbage));
        let both = vec![cname("t.example.", 1, "b.example."), a("t.example.", 1, 1)];
        assert_eq!(
            walk().follow(&message(both, vec![]), false),
            Step::Failed(FailureKind::Garbage)
        );
    }

    #[test]
    fn a_ttl_with_the_top_bit_is_none() {
        let mut walk = walk();
        walk.follow(&message(vec![a("t.example.", 0x8000_0001, 1)], vec![]), false);
        assert_eq!(walk.ttl, 0);
    }
}
