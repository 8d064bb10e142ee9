//! What an answer shows must stand in the world, belong to the question, and be allowed to whoever asks.

use bailiwick::model::settings::OnViolation;

use super::decode::{Message, Rr};
use super::facts::{Facts, ancestors, is_below};
use super::query::Question;
use super::world::{SINKHOLE, World};

const A: u16 = 1;
const NS: u16 = 2;
const CNAME: u16 = 5;
const SOA: u16 = 6;
const AAAA: u16 = 28;
const DNAME: u16 = 39;
const DS: u16 = 43;
const SVCB: u16 = 64;
const HTTPS: u16 = 65;
const IN: u16 = 1;

const AA: u16 = 0x400;
const TC: u16 = 0x200;
const NXDOMAIN: u16 = 3;
const REFUSED: u16 = 5;
const YXDOMAIN: u16 = 6;

/// One answer to a question of class IN.
pub struct Shown<'a> {
    pub world: &'a World,
    pub message: &'a Message,
    pub question: &'a Question,
    /// The server says that the question was denied.
    pub denied: bool,
}

fn lower(name: &[u8]) -> Vec<u8> {
    name.to_ascii_lowercase()
}

impl Shown<'_> {
    fn facts(&self) -> &Facts {
        &self.world.facts
    }

    fn account(&self, name: &[u8]) -> u32 {
        let account = self.facts().account_of(name);
        account.unwrap_or_else(|| panic!("{name:x?} is in no zone here"))
    }

    /// Checks all that can be told from outside.
    pub fn check(&self) {
        let message = self.message;
        for rr in message.sections.iter().flatten() {
            assert_eq!(rr.class, IN, "{rr:x?}");
        }
        rrsets(message);
        if self.denied {
            return self.denial();
        }
        assert!(message.option(15).is_none_or(|ede| ede[..2] != [0, 15]), "blocked, not denied");
        if matches!(message.rcode(), 2 | REFUSED) {
            assert!(message.sections.iter().all(Vec::is_empty) && !message.has(AA));
            return;
        }
        let (last, crossed) = self.chain();
        self.authority(&last);
        self.additional();
        if message.rcode() == NXDOMAIN {
            assert!(!self.facts().exists(&last), "NXDOMAIN for {last:x?}, which exists");
        }
        if crossed {
            let most = self.world.snapshot.rules.crossing_ttl;
            let longest = message.sections.iter().flatten().map(|rr| rr.ttl).max();
            assert!(longest <= Some(most), "TTL {longest:?} in an answer that crosses");
        }
    }

    /// Walks the answer section from the query name. Returns the last name, and whether an edge crossed.
    fn chain(&self) -> (Vec<u8>, bool) {
        let asked = lower(&self.question.name);
        let mut name = asked.clone();
        let mut crossed = false;
        for rr in &self.message.sections[0] {
            let owner = lower(&rr.owner);
            let account = self.account(&owner);
            match rr.rtype {
                DNAME if owner != name => {
                    assert!(is_below(&name, &owner), "DNAME at {owner:x?}, chain at {name:x?}");
                    self.dname(&owner, rr);
                    continue;
                }
                DNAME => self.dname(&owner, rr),
                _ => assert_eq!(owner, name, "a record beside the chain"),
            }
            match rr.rtype {
                CNAME => {
                    let target = lower(&rr.rdata);
                    self.cname(&owner, rr);
                    let to = self.facts().account_of(&target);
                    crossed |= to.is_some_and(|to| to != account);
                    name = target;
                }
                A | AAAA if !self.has(&owner, rr) => {
                    self.flattened(&owner, rr);
                    crossed |= !self.marks(rr).contains(&account);
                }
                SVCB | HTTPS => {
                    assert!(self.has(&owner, rr), "{rr:x?} stands nowhere");
                    crossed |= self.service(&owner, rr);
                }
                _ => assert!(self.has(&owner, rr), "{rr:x?} stands nowhere"),
            }
        }
        (name, crossed)
    }

    /// Whether the record stands at its owner, in the zone that answers for it.
    fn has(&self, owner: &[u8], rr: &Rr) -> bool {
        let deepest = self.facts().zone_of(owner);
        // The DS of an apex is data of the zone above.
        let above = (rr.rtype == DS).then(|| ancestors(owner).nth(1)).flatten();
        let above = above.and_then(|name| self.facts().zone_of(name));
        let mut zones = deepest.into_iter().chain(above);
        zones.any(|zone| self.facts().has(owner, zone, rr.rtype, &rr.rdata))
    }

    /// The accounts that have such a record.
    fn marks(&self, rr: &Rr) -> Vec<u32> {
        let places = self.facts().places(rr.rtype, &rr.rdata);
        places.iter().map(|(_, zone)| self.facts().zones[*zone].account).collect()
    }

    /// An address that stands somewhere else: the end of an alias's chain.
    fn flattened(&self, owner: &[u8], rr: &Rr) {
        assert!(self.facts().is_alias(owner), "{rr:x?} stands nowhere");
        let account = self.account(owner);
        let open = |from: &u32| self.facts().reaches(account, *from);
        assert!(self.marks(rr).iter().any(open), "{rr:x?} is of an account that grants nothing");
    }

    /// A CNAME of a zone, or one made from a DNAME; its edge is allowed.
    fn cname(&self, owner: &[u8], rr: &Rr) {
        let target = lower(&rr.rdata);
        let to = self.facts().zone_of(&target);
        if self.has(owner, rr) {
            let allowed = to.is_none_or(|to| self.facts().may(owner, to));
            assert!(allowed, "the edge {owner:x?} -> {target:x?} is not allowed");
            return;
        }
        // A DNAME above the owner whose front, put before its target, makes this target.
        let makes = |above: &[u8]| {
            let front = &owner[..owner.len() - above.len()];
            target.strip_prefix(front).is_some_and(|behind| {
                let allowed = to.is_none_or(|to| self.facts().may_dname(above, to));
                self.facts().has_dname(above, behind) && allowed
            })
        };
        let made = ancestors(owner).skip(1).any(makes);
        assert!(made, "the CNAME {owner:x?} -> {target:x?} has no DNAME or is not allowed");
    }

    /// A DNAME that resolvers may keep leads them into every zone at, above or below its target.
    fn dname(&self, owner: &[u8], rr: &Rr) {
        assert!(self.facts().has_dname(owner, &rr.rdata), "no such DNAME: {rr:x?}");
        let target = lower(&rr.rdata);
        let zones = self.facts().zones.iter().enumerate();
        let touched = zones.filter(|(_, zone)| is_below(&zone.apex, &target)).map(|(i, _)| i);
        for zone in touched.chain(self.facts().zone_of(&target)) {
            let apex = &self.facts().zones[zone].apex;
            let allowed = self.facts().may_dname(owner, zone);
            assert!(allowed, "the DNAME at {owner:x?} leads into {apex:x?}");
        }
    }

    /// The TargetName of HTTPS or SVCB, judged; whether it crosses.
    fn service(&self, owner: &[u8], rr: &Rr) -> bool {
        let target = lower(&rr.rdata[2..]);
        let end = ancestors_end(&target);
        let target = &target[..end];
        let Some(to) = self.facts().zone_of(target).filter(|_| target != [0]) else { return false };
        let allowed = self.facts().may(owner, to);
        assert!(allowed, "the service {owner:x?} -> {target:x?} is not allowed");
        self.facts().zones[to].account != self.account(owner)
    }

    fn authority(&self, last: &[u8]) {
        let authority = &self.message.sections[1];
        for rr in authority {
            let owner = lower(&rr.owner);
            assert!(rr.rtype == SOA || rr.rtype == NS, "{rr:x?} in authority");
            let above = ancestors(&owner).find_map(|n| self.facts().zone_of(n));
            let zone = above.unwrap_or_else(|| panic!("{rr:x?} is in no zone"));
            assert!(self.facts().has(&owner, zone, rr.rtype, &rr.rdata), "{rr:x?} stands nowhere");
            assert!(ancestors(last).any(|n| n == owner), "{rr:x?} is not above {last:x?}");
        }
        let soas = authority.iter().filter(|rr| rr.rtype == SOA).count();
        assert!(soas <= 1 && (soas == 0 || authority.len() == 1), "{authority:x?}");
        let truncated = self.message.has(TC);
        let negative = self.message.rcode() == NXDOMAIN;
        assert!(!negative || soas == 1 || truncated, "NXDOMAIN without SOA");
        // A referral alone is not authoritative (RFC 1034 §4.3.2).
        let referral =
            self.message.sections[0].is_empty() && authority.iter().any(|r| r.rtype == NS);
        let overlong = self.message.rcode() == YXDOMAIN;
        assert!(self.message.has(AA) != referral || truncated || overlong, "AA");
    }

    /// Addresses of nameservers in authority, from the zone that has the NS.
    fn additional(&self) {
        let [_, authority, additional] = &self.message.sections;
        for rr in additional {
            let owner = lower(&rr.owner);
            let ns = authority.iter().find(|ns| ns.rtype == NS && lower(&ns.rdata) == owner);
            let ns = ns.unwrap_or_else(|| panic!("{rr:x?} is no nameserver's"));
            assert!(matches!(rr.rtype, A | AAAA), "{rr:x?}");
            let zone = self.facts().zone_of(&lower(&ns.owner));
            let places = self.facts().places(rr.rtype, &rr.rdata);
            let there = places.iter().any(|(at, z)| *at == owner && Some(*z) == zone);
            assert!(there, "the glue {rr:x?} is not of the zone that delegates");
        }
    }

    /// A denied question: nothing of anybody else, in the way its zone says it.
    fn denial(&self) {
        let asked = lower(&self.question.name);
        let account = self.account(&asked);
        let message = self.message;
        let [answer, authority, additional] = &message.sections;
        assert!(additional.is_empty());
        for rr in answer {
            let sinkhole = &self.world.snapshot.rules;
            assert!(lower(&rr.owner) == asked && rr.ttl == sinkhole.sinkhole_ttl, "{rr:x?}");
            assert!(SINKHOLE.iter().any(|a| octets(a) == rr.rdata), "{rr:x?} in a denial");
        }
        let zone = self.facts().zone_of(&asked);
        for rr in authority {
            assert!(rr.rtype == SOA && rr.ttl <= 60, "{rr:x?} in a denial");
            let apex = zone.map(|zone| &self.facts().zones[zone].apex);
            assert_eq!(apex, Some(&lower(&rr.owner)));
        }
        match message.rcode() {
            REFUSED => assert!(answer.is_empty() && authority.is_empty() && !message.has(AA)),
            rcode => {
                assert!(rcode == 0 || rcode == NXDOMAIN, "RCODE {rcode} in a denial");
                assert!(message.has(AA) && answer.is_empty() != authority.is_empty());
            }
        }
        if message.rcode() == NXDOMAIN {
            let below = self.facts().owners().iter().any(|n| is_below(n, &asked));
            assert!(!below, "NXDOMAIN blanks what is below {asked:x?}");
            let nx = |zone: &super::facts::ZoneFact| zone.mode == OnViolation::NxDomain;
            assert!(self.facts().zones.iter().any(nx));
        }
        let Some(ede) = message.option(15) else {
            assert!(message.opt.is_none(), "a denial without extended error");
            return;
        };
        let text = std::str::from_utf8(&ede[2..]).expect("EXTRA-TEXT is UTF-8");
        assert!(ede[..2] == [0, 15] && text.len() <= 200, "{ede:x?}");
        let Some(names) = text.strip_prefix("1014 CNAME cross-user banned: ") else {
            // The name may have left no room for the text.
            return assert!(text.is_empty(), "{text}");
        };
        assert!(names.bytes().all(|b| (b' '..=b'~').contains(&b) && !b.is_ascii_uppercase()));
        if let Some((owner, _)) = names.split_once(" -> ")
            && !owner.contains('\\')
        {
            assert_eq!(self.account(&super::facts::wire(owner)), account, "{text}");
        }
    }
}

fn octets(address: &str) -> Vec<u8> {
    match address.parse() {
        Ok(std::net::IpAddr::V4(a)) => a.octets().to_vec(),
        Ok(std::net::IpAddr::V6(a)) => a.octets().to_vec(),
        Err(_) => panic!("{address} is written by hand"),
    }
}

/// Octets of the name that `octets` begin with.
fn ancestors_end(octets: &[u8]) -> usize {
    let mut at = 0;
    while octets[at] != 0 {
        at += 1 + usize::from(octets[at]);
    }
    at + 1
}

/// An RRset stands in one section, in one piece, with one TTL and without doubles (RFC 2181 §5).
fn rrsets(message: &Message) {
    for section in &message.sections {
        for (i, rr) in section.iter().enumerate() {
            let same =
                |other: &Rr| other.owner.eq_ignore_ascii_case(&rr.owner) && other.rtype == rr.rtype;
            for (j, other) in section[..i].iter().enumerate().filter(|(_, other)| same(other)) {
                assert!(other.rdata != rr.rdata, "{rr:x?} twice");
                assert_eq!(other.ttl, rr.ttl, "{rr:x?}: two TTLs");
                assert!(section[j..i].iter().all(same), "{rr:x?}: an RRset in two pieces");
            }
        }
    }
}
