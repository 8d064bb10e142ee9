//! What only a server with tenants can find in a zone: edges that would be denied, loops, chains too long, dangling
//! targets. Asks the engine, so that it says what a query would meet.

use crate::base::name::{Name, Text, is_within};
use crate::base::name_buf::NameBuf;
use crate::base::rtype::{self, CLASS_IN, RType};
use crate::base::time::UnixTime;
use crate::engine::answer::Names;
use crate::engine::follow::{self, Chain, DeniedEdge, Ending, Link};
use crate::engine::lookup::{Found, find};
use crate::model::catalog::Zone;
use crate::model::question::Question;
use crate::model::settings::OnViolation;
use crate::model::snapshot::Snapshot;
use crate::policy::judge::EdgeKind;
use crate::policy::verdict::{self, Reason, Verdict};
use crate::zonefile::finding::{Finding, Place};
use crate::zonefile::record::Parsed;

/// Warnings on the chains that start in `parsed`, which `snapshot` serves.
pub fn review(snapshot: &Snapshot, parsed: &Parsed, now: UnixTime) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut names = Names::default();
    let mut question = Question { qclass: CLASS_IN, ..Question::default() };
    let mut last: Option<(&[u8], RType)> = None;
    for record in &parsed.records {
        let owner = parsed.owner(record);
        if !leads(record.rtype) || last == Some((owner, record.rtype)) {
            continue;
        }
        last = Some((owner, record.rtype));
        if question.name.set(owner, &snapshot.key).is_err() {
            continue;
        }
        // A CNAME and an alias are walked as a client would; the others are edges by themselves.
        question.qtype = match record.rtype {
            rtype::CNAME | rtype::ALIAS => rtype::A,
            other => other,
        };
        let chain = follow::walk(snapshot, &question, None, now, &mut names);
        let walked = Walked { snapshot, question: &question, names: &names, chain: &chain };
        findings.extend(walked.remark().map(|remark| remark.at(parsed.target_place(record))));
    }
    findings
}

/// What is to be said of a chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remark {
    pub code: &'static str,
    pub message: String,
    pub expected: Option<&'static str>,
    pub help: String,
}

impl Remark {
    fn at(self, place: Place) -> Finding {
        let finding = Finding::warning(self.code, place, self.message).help(self.help);
        match self.expected {
            Some(expected) => finding.expected(expected),
            None => finding,
        }
    }
}

/// Whether records of this type are edges (SPEC §5).
pub(super) fn leads(rtype: RType) -> bool {
    matches!(rtype, rtype::CNAME | rtype::ALIAS | rtype::DNAME | rtype::HTTPS | rtype::SVCB)
}

pub(super) struct Walked<'a, 's> {
    pub snapshot: &'s Snapshot,
    pub question: &'a Question,
    pub names: &'a Names,
    pub chain: &'a Chain<'s>,
}

impl Walked<'_, '_> {
    pub fn name(&self, i: usize) -> &NameBuf {
        if i == 0 { &self.question.name } else { self.names.at(i) }
    }

    pub fn text(&self, i: usize) -> String {
        Text(self.name(i).wire()).to_string()
    }

    fn apex_of(&self, i: usize) -> String {
        let zone = self.snapshot.catalog.zone_for(self.name(i));
        zone.map_or(String::new(), |z| Text(z.apex()).to_string())
    }

    /// What is to be said of it, if anything is.
    pub fn remark(&self) -> Option<Remark> {
        let first = self.text(0);
        let last = self.chain.hops.len();
        let end = self.text(last);
        let (code, message, help) = match self.chain.ending {
            Ending::Denied(edge) => {
                return Some(self.denied(edge.owner, edge.denial.reason));
            }
            Ending::Loop => (
                "cname-loop",
                format!("{first} leads in a circle: {end} points back to a name of the chain"),
                "break the circle: one of the names must own addresses or leave the chain".into(),
            ),
            Ending::TooLong => (
                "chain-too-long",
                format!("{first} needs more than {last} hops, the most that are followed"),
                format!("point {first} nearer to the end of the chain"),
            ),
            Ending::NxDomain if last > 0 => (
                "dangling-target",
                format!(
                    "{first} leads to {end}, which does not exist in zone {}",
                    self.apex_of(last)
                ),
                format!("add {end} to zone {}, or correct the target", self.apex_of(last)),
            ),
            Ending::NoData(None) if last > 0 => return None,
            Ending::NoData(Some(node)) if last > 0 && node.is_empty() => (
                "dangling-target",
                format!("{first} leads to {end}, which has no records of its own"),
                format!("add addresses at {end}, or correct the target"),
            ),
            Ending::Unready if last > 0 => (
                "target-not-ready",
                format!("{first} leads to {end}, whose zone {} did not load", self.apex_of(last)),
                format!("repair zone {}", self.apex_of(last)),
            ),
            _ => return self.reported(),
        };
        Some(Remark { code, message, expected: None, help })
    }

    fn denied(&self, owner: usize, reason: Reason) -> Remark {
        let (from, to, zone) = (self.text(owner), self.text(owner + 1), self.apex_of(owner + 1));
        let why = match reason {
            Reason::NotGranted => "which did not grant it",
            Reason::Blocked => "where the name is blocked",
            Reason::Withdrawn => "which withdrew its grant",
        };
        let own = self.snapshot.catalog.zone_for(self.name(owner));
        let mode = own.map_or(OnViolation::Refuse, |z| z.on_violation);
        let code = verdict::CODE;
        let message = format!(
            "{from} -> {to} enters zone {zone} of another account, {why}: questions are answered \
             by on_violation = {} ({code})",
            mode.word()
        );
        let hostname = self.hostname(owner);
        let expected = Some("a target in the same account or outside this server, or a grant");
        let help = format!(
            "whoever holds {zone} can grant it: hostname = \"{hostname}\", zone = \"{zone}\""
        );
        Remark { code: "edge-denied", message, expected, help }
    }

    /// The hostname of a grant that would open the edge of name number `owner`: for a DNAME a wildcard at its owner.
    fn hostname(&self, owner: usize) -> String {
        let link = self.chain.hops.get(owner).map(|hop| hop.link);
        let labels = match (self.chain.ending, link) {
            (Ending::Denied(DeniedEdge { kind: EdgeKind::Dname { owner_labels }, .. }), _)
            | (_, Some(Link::Dname { owner_labels, .. })) => owner_labels,
            _ if self.question.qtype == rtype::DNAME => self.name(owner).labels(),
            _ => return self.text(owner),
        };
        format!("*.{}", Text(self.name(owner).suffix(labels)))
    }

    /// An edge that is denied and let pass.
    fn reported(&self) -> Option<Remark> {
        self.chain.reported?;
        let crossing = self.chain.hops.iter().position(|h| matches!(h.verdict, Verdict::Deny(_)));
        let owner = crossing.unwrap_or(self.chain.hops.len());
        Some(self.denied(owner, self.chain.reported?.denial.reason))
    }
}

/// Whether `hostname`, or for a wildcard any name of its account below it, has a CNAME, DNAME, alias or service record
/// in the zones here.
pub fn has_record_for(snapshot: &Snapshot, hostname: &Name, wildcard: bool) -> bool {
    let buf = NameBuf::of(hostname, &snapshot.key);
    let Some(zone) = snapshot.catalog.zone_for(&buf) else { return false };
    let any_in = |zone: &Zone| {
        zone.data.nodes().any(|node| {
            node.rrsets().any(|set| leads(set.rtype)) && node.owner().is_within(hostname)
        })
    };
    if wildcard {
        let beneath = snapshot.catalog.has_zone_beneath(&buf, buf.labels());
        let own = |other: &&Zone| {
            other.account == zone.account && is_within(other.apex(), hostname.as_wire())
        };
        return any_in(zone) || beneath && snapshot.catalog.iter().filter(own).any(any_in);
    }
    match zone.data.is_ready().then(|| find(&zone.data, &buf, &snapshot.key)) {
        Some(Found::Node(n) | Found::Wildcard(n)) => n.rrsets().any(|s| leads(s.rtype)),
        Some(Found::Dname(_)) => true,
        _ => false,
    }
}
