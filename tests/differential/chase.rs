//! What a server would say if it went on into every zone it has: peers end an answer where a CNAME leaves its zone, so
//! they are asked for the target too, and the answers are put together.

use crate::label::Labels;
use crate::question::{Question, number};
use crate::reply::{Reply, Rr};
use std::collections::BTreeSet;

const CNAME: u16 = 5;
const DNAME: u16 = 39;

/// The apexes here, in wire form and lower case.
pub struct Apexes(pub BTreeSet<Vec<u8>>);

impl Apexes {
    pub fn of<'a>(apexes: impl Iterator<Item = &'a Labels>) -> Apexes {
        Apexes(apexes.map(|apex| apex.wire().to_ascii_lowercase()).collect())
    }

    /// The zone that answers for a name: the deepest, for DS at an apex the one above.
    pub fn zone_of(&self, name: &[u8], qtype: u16) -> Option<&[u8]> {
        let mut found = suffixes(name).filter_map(|suffix| self.0.get(suffix));
        let deepest = found.next()?;
        let above = if qtype == number("DS") && deepest == name { found.next() } else { None };
        Some(above.unwrap_or(deepest))
    }
}

/// A name and all above it.
fn suffixes(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(name), |name| up(name))
}

/// The name without its first label; the root has nothing above it.
fn up(name: &[u8]) -> Option<&[u8]> {
    let len = usize::from(name[0]);
    (len > 0).then(|| &name[1 + len..])
}

/// The names that an answer's CNAMEs lead through, the query name first, and the records that lead. Nothing follows a
/// CNAME for types that may lie beside it.
pub struct Walk {
    pub names: Vec<Vec<u8>>,
    pub records: BTreeSet<Rr>,
    pub is_loop: bool,
}

/// Follows the CNAMEs of `answer`, as far as `go_on` says for a name and its target.
pub fn walk(
    question: &Question,
    answer: &BTreeSet<Rr>,
    mut go_on: impl FnMut(&[u8], &[u8]) -> bool,
) -> Walk {
    let mut names = vec![question.name.to_ascii_lowercase()];
    let mut records = BTreeSet::new();
    let is_one_of = |types: [&str; 2]| types.map(number).contains(&question.qtype);
    while !is_one_of(["CNAME", "ANY"]) {
        let name = names.last().expect("the query name is there");
        let Some(cname) = answer.iter().find(|rr| rr.rtype == CNAME && &rr.owner == name) else {
            break;
        };
        let made_by = |rr: &&Rr| rr.rtype == DNAME && is_below(name, &rr.owner);
        if is_one_of(["RRSIG", "NSEC"]) && !answer.iter().any(|rr| made_by(&rr)) {
            break;
        }
        records.extend(answer.iter().filter(made_by).cloned());
        records.insert(cname.clone());
        let target = cname.rdata.clone();
        if names.contains(&target) {
            return Walk { names, records, is_loop: true };
        }
        let more = go_on(name, &target);
        names.push(target);
        if !more {
            break;
        }
    }
    Walk { names, records, is_loop: false }
}

pub fn is_below(name: &[u8], above: &[u8]) -> bool {
    suffixes(name).skip(1).any(|suffix| suffix == above)
}

/// An answer that is being put together.
pub struct Chase {
    asked: BTreeSet<Vec<u8>>,
    kept: BTreeSet<Rr>,
    /// Answers that it is made of.
    pub parts: usize,
    pub reply: Reply,
}

impl Chase {
    pub fn new(question: &Question, reply: Reply) -> Chase {
        let asked = BTreeSet::from([question.name.to_ascii_lowercase()]);
        Chase { asked, kept: BTreeSet::new(), parts: 1, reply }
    }

    /// The question to ask next: for the first target in another zone here that was not asked for yet.
    pub fn next(&mut self, question: &Question, apexes: &Apexes) -> Option<Question> {
        let crosses = |name: &[u8], target: &[u8]| {
            let zone = |name| apexes.zone_of(name, question.qtype);
            zone(target).is_some() && zone(name) != zone(target) && !self.asked.contains(target)
        };
        let walk = walk(question, &self.reply.answer, |name, target| !crosses(name, target));
        let [.., name, target] = walk.names.as_slice() else { return None };
        if walk.is_loop || !crosses(name, target) {
            return None;
        }
        let target = target.clone();
        self.asked.insert(target.clone());
        self.kept = walk.records;
        Some(question.about(target))
    }

    /// Puts the answer to that question in the place of whatever stood behind the target.
    pub fn go_on(&mut self, next: Reply) {
        let (aa, tc) = (self.reply.aa, self.reply.tc);
        let answer = self.kept.union(&next.answer).cloned().collect();
        self.reply = Reply { aa, tc, answer, ..next };
        self.parts += 1;
    }
}
