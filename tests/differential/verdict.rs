//! Whether a difference counts: by majority of the peers, and by the rules of `docs/DIFFERENCES.md`.

use crate::chase::{self, Apexes};
use crate::question::{Question, number};
use crate::reply::Reply;
use std::collections::{BTreeMap, BTreeSet};

/// Hops that an answer of ours may have.
const MAX_HOPS: usize = 10;
const SERVFAIL: u8 = 2;

/// One question and what all say to it.
#[derive(Clone)]
pub struct Case<'a> {
    pub question: &'a Question,
    pub ours: Reply,
    /// Octets of our answer over TCP.
    pub len: usize,
    /// Of the peers whose answer could be read.
    pub theirs: Vec<Reply>,
}

/// What the rules need to know about the zones.
pub struct World {
    pub apexes: Apexes,
    /// Owner names as written, in wire form and lower case.
    pub owners: BTreeSet<Vec<u8>>,
}

/// A reason why we differ, with its name in `docs/DIFFERENCES.md`. It takes out of the answers what it explains, and
/// nothing if it does not apply.
pub struct Rule {
    pub name: &'static str,
    apply: fn(&mut Case<'_>, &World),
}

pub const RULES: [Rule; 8] = [
    Rule { name: "truncation", apply: truncation },
    Rule { name: "additional-data", apply: additional_data },
    Rule { name: "obsolete-sig", apply: obsolete_sig },
    Rule { name: "minimal-any", apply: minimal_any },
    Rule { name: "any-below-dname", apply: any_below_dname },
    Rule { name: "loop-or-limit", apply: loop_or_limit },
    Rule { name: "ds-without-delegation", apply: ds_without_delegation },
    Rule { name: "glue-from-wildcards", apply: glue_from_wildcards },
];

/// How a case ended.
pub enum Verdict {
    /// As most of the peers, or as one where they all differ.
    Agrees,
    /// After this rule it does.
    Explained(&'static str),
    Differs,
}

/// Judges one case.
pub fn judge(case: &Case<'_>, world: &World) -> Verdict {
    if agrees(case) {
        return Verdict::Agrees;
    }
    let mut case = case.clone();
    for rule in &RULES {
        (rule.apply)(&mut case, world);
        if agrees(&case) {
            return Verdict::Explained(rule.name);
        }
    }
    Verdict::Differs
}

/// Whether no majority stands against us, and somebody with us.
fn agrees(case: &Case<'_>) -> bool {
    let with_us = case.theirs.iter().filter(|reply| **reply == case.ours).count();
    let mut against = 0;
    for reply in case.theirs.iter().filter(|reply| **reply != case.ours) {
        against = against.max(case.theirs.iter().filter(|other| *other == reply).count());
    }
    with_us >= against && with_us > 0
}

fn all<'a>(case: &'a mut Case<'_>) -> impl Iterator<Item = &'a mut Reply> {
    std::iter::once(&mut case.ours).chain(&mut case.theirs)
}

fn is_referral(reply: &Reply) -> bool {
    reply.rcode == 0 && reply.authority.iter().any(|rr| rr.rtype == number("NS"))
}

/// How well names are compressed decides what still fits, and which glue that is not needed.
fn truncation(case: &mut Case<'_>, _: &World) {
    let limit = case.question.size_max();
    if !(limit * 2 / 3..limit * 3 / 2).contains(&case.len) {
        return;
    }
    for reply in all(case) {
        reply.tc = false;
        let servers = reply.authority.iter().filter(|rr| rr.rtype == number("NS"));
        let cuts: Vec<Vec<u8>> = servers.map(|rr| rr.owner.clone()).collect();
        let is_needed =
            |name: &Vec<u8>| cuts.iter().any(|cut| name == cut || chase::is_below(name, cut));
        reply.additional.retain(|rr| is_needed(&rr.owner));
    }
}

/// Only referrals have additional records with us.
fn additional_data(case: &mut Case<'_>, _: &World) {
    if !is_referral(&case.ours) {
        assert!(case.ours.additional.is_empty(), "additional data without a referral");
        all(case).for_each(|reply| reply.additional.clear());
    }
}

/// A CNAME leads on for the type SIG of RFC 2535 as for others.
fn obsolete_sig(case: &mut Case<'_>, _: &World) {
    if case.question.qtype == number("SIG") && case.theirs.contains(&case.ours) {
        case.theirs.fill(case.ours.clone());
    }
}

/// To ANY, any one RRset of the name is an answer.
fn minimal_any(case: &mut Case<'_>, _: &World) {
    let types: BTreeSet<u16> = case.ours.answer.iter().map(|rr| rr.rtype).collect();
    if case.question.qtype != number("ANY") || types.len() != 1 {
        return;
    }
    let ours = case.ours.clone();
    let known = case.theirs.iter().any(|reply| ours.answer.is_subset(&reply.answer));
    for reply in case.theirs.iter_mut().filter(|_| known) {
        if !reply.answer.is_empty() && (reply.rcode, reply.aa) == (ours.rcode, ours.aa) {
            reply.answer.clone_from(&ours.answer);
        }
    }
}

/// To ANY below a DNAME, the DNAME and its CNAME are an answer; the chain may go on or not.
fn any_below_dname(case: &mut Case<'_>, _: &World) {
    let has = |rtype: &str| case.ours.answer.iter().any(|rr| rr.rtype == number(rtype));
    if case.question.qtype != number("ANY") || !has("DNAME") || !has("CNAME") {
        return;
    }
    let ours = case.ours.clone();
    for reply in &mut case.theirs {
        if ours.answer.is_subset(&reply.answer) {
            reply.clone_from(&ours);
        }
    }
}

/// A chain that loops or needs more than `max_hops` is SERVFAIL with us, not a part of a chain.
fn loop_or_limit(case: &mut Case<'_>, _: &World) {
    if case.ours.rcode != SERVFAIL {
        return;
    }
    assert!(case.ours.answer.is_empty() && case.ours.authority.is_empty(), "more than SERVFAIL");
    let is_endless = |reply: &Reply| {
        let walk = chase::walk(case.question, &reply.answer, |_, _| true);
        walk.is_loop || walk.names.len() > MAX_HOPS
    };
    if case.theirs.iter().any(is_endless) {
        case.theirs.fill(case.ours.clone());
    }
}

/// The DS of a zone here that the zone above does not delegate: NODATA, since the name exists.
fn ds_without_delegation(case: &mut Case<'_>, world: &World) {
    let walk = chase::walk(case.question, &case.ours.answer, |_, _| true);
    let last = walk.names.last().expect("the query name is there");
    let has_soa = case.ours.authority.iter().any(|rr| rr.rtype == number("SOA"));
    if case.question.qtype == number("DS")
        && world.apexes.0.contains(last)
        && (case.ours.rcode, has_soa) == (0, true)
    {
        case.theirs.fill(case.ours.clone());
    }
}

/// Addresses that a wildcard would make are no glue: only names that are written have some.
fn glue_from_wildcards(case: &mut Case<'_>, world: &World) {
    if is_referral(&case.ours) {
        for reply in &mut case.theirs {
            reply.additional.retain(|rr| world.owners.contains(&rr.owner));
        }
    }
}

/// What came of all cases.
#[derive(Default)]
pub struct Report {
    pub agreed: usize,
    pub explained: BTreeMap<&'static str, usize>,
    pub differing: Vec<String>,
}

impl Report {
    pub fn add(&mut self, verdict: &Verdict, show: impl FnOnce() -> String) {
        match verdict {
            Verdict::Agrees => self.agreed += 1,
            Verdict::Explained(rule) => *self.explained.entry(rule).or_default() += 1,
            Verdict::Differs => self.differing.push(show()),
        }
    }
}

#[test]
fn every_rule_is_documented() {
    let text = std::fs::read_to_string("docs/DIFFERENCES.md").expect("the document");
    for rule in &RULES {
        assert!(text.contains(&format!("| `{}` |", rule.name)), "{} is not listed", rule.name);
    }
    let listed = text.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(listed, RULES.len(), "a difference is listed that no rule knows");
}
