//! What a zone's chains would meet, all of them at once: for its owner, before and after it goes live; for `check`.
//!
//! Asks the engine like a query.

use crate::base::name_buf::NameBuf;
use crate::base::rtype::{self, CLASS_IN};
use crate::base::time::UnixTime;
use crate::control::review::{Remark, Walked, leads};
use crate::engine::answer::Names;
use crate::engine::follow::{self, Ending};
use crate::model::catalog::Zone;
use crate::model::question::Question;
use crate::model::snapshot::Snapshot;
use crate::model::zone::NodeFlags;

/// How the chains that start in a zone end. Each is counted once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Records that lead to other names.
    pub chains: usize,
    /// Of those: they cross into another account and are let in.
    pub crossing: usize,
    pub denied: usize,
    /// Denied, and let pass by `on_violation = "report"`.
    pub reported: usize,
    pub loops: usize,
    pub too_long: usize,
    pub dangling: usize,
    /// They end outside this server, or what is there is not known.
    pub outside: usize,
}

/// One record of which something is to be said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    pub name: String,
    pub rtype: String,
    pub target: String,
    pub remark: Remark,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    pub counts: Counts,
    /// Sorted by name; at most as many as were asked for.
    pub lines: Vec<Line>,
    pub left_out: usize,
}

/// Whom a report is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reader {
    /// Of zones of others only what an anonymous question shows is told.
    Owner,
    /// Everything is told, as `check` does of zone files.
    Operator,
}

/// Reports on `zone`, which is in `snapshot`.
pub fn report(
    snapshot: &Snapshot,
    zone: &Zone,
    reader: Reader,
    now: UnixTime,
    most: usize,
) -> Report {
    let mut report = Report::default();
    let mut names = Names::default();
    let mut question = Question { qclass: CLASS_IN, ..Question::default() };
    let live = |node: &crate::model::zone::Node<'_>| {
        !node.flags().has(NodeFlags::OCCLUDED) && !node.flags().has(NodeFlags::CUT)
    };
    for node in zone.data.nodes().filter(live) {
        for set in node.rrsets().filter(|set| leads(set.rtype)) {
            question.name = NameBuf::of(&node.owner(), &snapshot.key);
            question.qtype = match set.rtype {
                rtype::CNAME | rtype::ALIAS => rtype::A,
                other => other,
            };
            let chain = follow::walk(snapshot, &question, None, now, &mut names);
            let walked = Walked { snapshot, question: &question, names: &names, chain: &chain };
            report.counts.add(&walked);
            let remark = match reader {
                Reader::Owner => remark(&walked, zone),
                Reader::Operator => walked.remark(),
            };
            let Some(remark) = remark else { continue };
            if report.lines.len() == most {
                report.left_out += 1;
                continue;
            }
            let rtype = crate::rdata::type_text(set.rtype).to_string();
            let (name, target) = (walked.text(0), walked.text(1));
            report.lines.push(Line { name, rtype, target, remark });
        }
    }
    report.lines.sort_by(|a, b| (&a.name, &a.rtype).cmp(&(&b.name, &b.rtype)));
    report
}

impl Counts {
    fn add(&mut self, walked: &Walked<'_, '_>) {
        let chain = walked.chain;
        self.chains += 1;
        self.reported += usize::from(chain.reported.is_some());
        let count = match chain.ending {
            Ending::Denied(_) => &mut self.denied,
            Ending::Loop => &mut self.loops,
            Ending::TooLong => &mut self.too_long,
            Ending::NxDomain if !chain.hops.is_empty() => &mut self.dangling,
            Ending::NoData(Some(node)) if !chain.hops.is_empty() && node.is_empty() => {
                &mut self.dangling
            }
            Ending::LeavesUs | Ending::Outside(_) | Ending::Failed(_) => &mut self.outside,
            _ if chain.crossed && chain.reported.is_none() => &mut self.crossing,
            _ => return,
        };
        *count += 1;
    }
}

/// What is said of a chain to the owner of `zone`: not what lies behind the first name of somebody else.
fn remark(walked: &Walked<'_, '_>, zone: &Zone) -> Option<Remark> {
    let remark = walked.remark()?;
    let last = walked.chain.hops.len();
    let about = match walked.chain.ending {
        Ending::Denied(edge) => edge.owner,
        _ => last,
    };
    let is_own = |i: usize| {
        let here = walked.snapshot.catalog.zone_for(walked.name(i));
        here.is_none_or(|here| here.account == zone.account)
    };
    let first_foreign = (0..=last).find(|i| !is_own(*i));
    let is_denied = matches!(walked.chain.ending, Ending::Denied(_));
    match first_foreign {
        Some(first) if about > first || is_denied && about == first => Some(Remark {
            code: remark.code,
            message: format!(
                "{} leads to {}, which lies in a zone of another account, and ends badly behind it",
                walked.text(0),
                walked.text(first)
            ),
            expected: None,
            help: format!("ask whoever offers {} about it", walked.text(first)),
        }),
        _ => Some(remark),
    }
}
