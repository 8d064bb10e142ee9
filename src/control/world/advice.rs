//! What a client is told of a record that leads somewhere: denied, in a circle, too far or to nothing. It names the
//! rule and the remedy, and never whose the other zone is.

use crate::base::name::{Name, Text};
use crate::base::name_buf::NameBuf;
use crate::base::rtype::{self, CLASS_IN, RType};
use crate::base::time::UnixTime;
use crate::engine::answer::Names;
use crate::engine::follow::{self, Chain, Ending};
use crate::model::question::Question;
use crate::model::snapshot::Snapshot;
use crate::policy::verdict::{self, Reason};
use crate::records::{Problem, Record, rules};

/// Codes of messages beside the one of the rule.
const LOOP: u32 = 9039;
const TOO_LONG: u32 = 1018;
const DANGLING: u32 = 1016;

/// A remark on a record.
pub struct Advice {
    pub problem: Problem,
    /// The answer would be refused: a denied edge, a circle, a chain too long.
    pub is_violation: bool,
}

/// Whether records of this type lead somewhere (SPEC §5).
pub fn leads(rtype: RType) -> bool {
    matches!(rtype, rtype::CNAME | rtype::ALIAS | rtype::DNAME | rtype::HTTPS | rtype::SVCB)
}

/// What is to be said of a record that `snapshot` serves in the zone `apex`.
pub fn on(snapshot: &Snapshot, record: &Record, apex: &Name, now: UnixTime) -> Option<Advice> {
    let mut question = Question { qclass: CLASS_IN, ..Question::default() };
    question.name.set(record.name.as_wire(), &snapshot.key).ok()?;
    question.qtype = match rules::served_type(record, apex) {
        rtype::CNAME | rtype::ALIAS => rtype::A,
        other => other,
    };
    let mut names = Names::default();
    let chain = follow::walk(snapshot, &question, None, now, &mut names);
    Walked { snapshot, question: &question, names: &names, chain: &chain }.advice()
}

struct Walked<'a, 's> {
    snapshot: &'s Snapshot,
    question: &'a Question,
    names: &'a Names,
    chain: &'a Chain<'s>,
}

impl Walked<'_, '_> {
    fn name(&self, i: usize) -> &NameBuf {
        if i == 0 { &self.question.name } else { self.names.at(i) }
    }

    fn text(&self, i: usize) -> String {
        Text(self.name(i).wire()).to_string()
    }

    /// Whether two names of the chain are of one account here.
    fn is_own(&self, i: usize) -> bool {
        let account = |i| self.snapshot.catalog.zone_for(self.name(i)).map(|zone| zone.account);
        account(i).is_some() && account(i) == account(0)
    }

    fn advice(&self) -> Option<Advice> {
        let first = self.text(0);
        let last = self.chain.hops.len();
        let violation = |code, message: String| {
            let problem = Problem::new(code, message);
            Some(Advice { problem, is_violation: true })
        };
        let remark = |code, message: String| {
            let problem = Problem::new(code, message);
            Some(Advice { problem, is_violation: false })
        };
        let cross_user = verdict::CODE.parse().expect("the code is a number");
        match self.chain.ending {
            Ending::Denied(edge) => {
                violation(cross_user, self.denied(edge.owner, edge.denial.reason))
            }
            Ending::Loop => violation(
                LOOP,
                format!(
                    "{first} leads in a circle: answers are SERVFAIL. Remedy: one of the names \
                     must have addresses, or leave the chain."
                ),
            ),
            Ending::TooLong => violation(
                TOO_LONG,
                format!(
                    "{first} needs more than {last} hops, the most that are followed: \
                     answers are SERVFAIL. Remedy: point it nearer to the end."
                ),
            ),
            Ending::NxDomain if last > 0 => remark(
                DANGLING,
                format!(
                    "{first} leads to a name on this server that does not exist. \
                     Remedy: make the target, or correct the name."
                ),
            ),
            Ending::NoData(Some(node)) if last > 0 && node.is_empty() => remark(
                DANGLING,
                format!(
                    "{first} leads to a name on this server that has no records. \
                     Remedy: add addresses there, or correct the name."
                ),
            ),
            Ending::Unready if last > 0 => remark(
                DANGLING,
                format!("{first} leads to a name on this server that cannot be answered now."),
            ),
            _ => {
                let reason = self.chain.reported?.denial.reason;
                remark(cross_user, self.denied(0, reason))
            }
        }
    }

    /// Both names only where the denied edge starts in the account of the first.
    fn denied(&self, owner: usize, reason: Reason) -> String {
        let first = self.text(0);
        let rule = match reason {
            Reason::NotGranted => "no grant lets it in",
            Reason::Blocked => "the hostname is blocked there",
            Reason::Withdrawn => "the grant was withdrawn",
        };
        if self.is_own(owner) {
            let (from, to) = (self.text(owner), self.text(owner + 1));
            return format!(
                "CNAME cross-user banned: {from} -> {to} leads into a zone of another account, and \
                 {rule}: questions are refused. Remedy: the provider of {to} adds the custom \
                 hostname {from}, or the record points elsewhere."
            );
        }
        format!(
            "CNAME cross-user banned: the chain of {first} leads on into a zone of another \
             account, and {rule}: questions are refused. Remedy: ask the provider that {first} \
             points to, or point it elsewhere."
        )
    }
}
