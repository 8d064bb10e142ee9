//! Random questions about a world: its names, what is beside, above and below them, and types of all kinds.

use crate::label::Labels;
use crate::random::Random;
use crate::world::{TYPES, ZoneText};
use std::fmt;

/// One question and how it is asked.
#[derive(Clone)]
pub struct Question {
    pub name: Vec<u8>,
    pub qtype: u16,
    /// The size in the OPT, if there is one.
    pub edns: Option<u16>,
}

impl Question {
    /// The message.
    pub fn encode(&self, id: u16) -> Vec<u8> {
        let mut out = id.to_be_bytes().to_vec();
        out.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(self.edns.is_some())]);
        out.extend_from_slice(&self.name);
        out.extend(self.qtype.to_be_bytes());
        out.extend([0, 1]);
        if let Some(size) = self.edns {
            out.extend([0, 0, 41]);
            out.extend(size.to_be_bytes());
            out.extend([0; 6]);
        }
        out
    }

    /// Octets a UDP answer may have.
    pub fn size_max(&self) -> usize {
        usize::from(self.edns.unwrap_or(512)).clamp(512, 1232)
    }

    /// The same about another name.
    pub fn about(&self, name: Vec<u8>) -> Question {
        Question { name, ..self.clone() }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = domain::base::Name::from_octets(&self.name).expect("a name");
        let rtype = domain::base::Rtype::from_int(self.qtype);
        write!(f, "{name}. {rtype} edns={:?}", self.edns)
    }
}

/// Random questions about `zones`.
pub fn make(random: &mut Random, zones: &[ZoneText], count: usize) -> Vec<Question> {
    (0..count).map(|_| one(random, zones)).collect()
}

fn one(random: &mut Random, zones: &[ZoneText]) -> Question {
    let zone = &zones[random.below(zones.len())];
    let owners: Vec<&Labels> = zone.owners.keys().collect();
    let (at, targets) = (random.pick(&owners), &zone.targets);
    let around = match random.weighted(&[40, 18, 10, 10, 8, 4]) {
        0 => at.clone(),
        1 => below(random, at),
        2 => at.parent().unwrap_or_else(|| at.clone()),
        3 => beside(random, at),
        4 if !targets.is_empty() => random.pick(targets),
        _ => overlong(random, at),
    };
    let name = if random.percent(75) { without_star(random, &around) } else { around };
    let qtype = match random.weighted(&[35, 45, 20]) {
        0 => zone.owners[at].as_slice(),
        1 => &[],
        _ => return finish(random, &name, unusual_type),
    };
    let known: Vec<String> = qtype.to_vec();
    finish(random, &name, |random| {
        if known.is_empty() { usual_type(random) } else { number(&random.pick(&known)) }
    })
}

fn finish(random: &mut Random, name: &Labels, qtype: impl FnOnce(&mut Random) -> u16) -> Question {
    let mut name = name.wire();
    if name.len() > 255 {
        name = vec![0];
    }
    if random.percent(20) {
        name.iter_mut().filter(|_| random.percent(50)).for_each(u8::make_ascii_uppercase);
    }
    let edns = [None, Some(512), Some(1232), Some(4096)][random.weighted(&[20, 10, 50, 20])];
    Question { name, qtype: qtype(random), edns }
}

fn below(random: &mut Random, name: &Labels) -> Labels {
    let mut name = name.clone();
    for _ in 0..1 + random.below(3) {
        name = name.child(random.pick(&["a", "b", "zz", "*", "ns", "www", "\\255"]));
    }
    name
}

fn beside(random: &mut Random, name: &Labels) -> Labels {
    let up = name.parent().unwrap_or_else(|| name.clone());
    up.child(random.pick(&["a", "b", "nn", "*", "www", "x1", "-"]))
}

/// As long as names can be, for what DNAMEs make of them.
fn overlong(random: &mut Random, name: &Labels) -> Labels {
    let mut name = name.clone();
    let want = 255 - random.below(80);
    while name.wire().len() + 2 <= want {
        let room = want - name.wire().len() - 1;
        name = name.child(&"l".repeat(room.min(60)));
    }
    name
}

/// A name that a wildcard of the zone stands for.
fn without_star(random: &mut Random, name: &Labels) -> Labels {
    if name.0.first().is_none_or(|label| label != "*") {
        return name.clone();
    }
    let mut out = name.parent().expect("it has a label");
    for _ in 0..1 + random.below(2) {
        out = out.child(random.pick(&["q", "a", "www", "xyz"]));
    }
    out
}

fn usual_type(random: &mut Random) -> u16 {
    number(random.pick(&["A", "A", "A", "AAAA", "MX", "TXT", "CNAME", "NS", "SOA", "HTTPS", "SRV"]))
}

fn unusual_type(random: &mut Random) -> u16 {
    let others = ["DNAME", "DS", "DS", "DNSKEY", "RRSIG", "NSEC", "NSEC3PARAM", "ANY", "ANY"];
    match random.below(4) {
        0 | 1 => number(random.pick(&others)),
        2 => number(random.pick(&TYPES)),
        _ => random.pick(&[65_280, 65_281, 65_534, 99, 10, 24, 30, 61, 62, 257]),
    }
}

/// Number of a type by its mnemonic.
pub fn number(mnemonic: &str) -> u16 {
    let rtype: domain::base::Rtype = mnemonic.parse().expect("a type");
    rtype.to_int()
}
