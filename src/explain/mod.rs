//! Floor 7: `bailiwick explain`: the decision trace of one question, by the very functions that answer it.

mod decode;
mod outside;
pub mod tenant;
mod text;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name as WireName, RecordType};
use serde::Serialize;

use crate::base::id::AccountId;
use crate::base::limits;
use crate::base::name::{Name, Text};
use crate::base::name_buf::NameBuf;
use crate::base::rtype::{CLASS_IN, RType};
use crate::base::time::UnixTime;
use crate::engine::answer::Names;
use crate::engine::follow::{self, Chain, Ending, Hop, Link};
use crate::model::catalog::Zone;
use crate::model::flattened::Key;
use crate::model::question::{Client, Question, Transport};
use crate::model::snapshot::Snapshot;
use crate::policy::judge::EdgeKind;
use crate::policy::verdict::{self, Denial, Permitted, Reason, Rule, Verdict};
use crate::rdata;
use crate::wire;

pub use decode::{Extended, Reply, Rr};
pub use outside::Outside;

/// A question and everything that decided its answer. The field names are the JSON's keys.
#[derive(Debug, Serialize)]
pub struct Explanation {
    pub name: String,
    #[serde(rename = "type")]
    pub rtype: String,
    pub hops: Vec<Step>,
    /// How the chain stops.
    pub ending: Stop,
    pub verdict: Ruling,
    /// For a denial: what would make it allowed, and who can do it.
    pub advice: Vec<String>,
    /// What goes on the wire; absent when the server would say nothing.
    pub answer: Option<Reply>,
    /// For a denial: whom it is about.
    #[serde(skip)]
    pub remedy: Option<Remedy>,
    /// What the outside would have to be asked for a better answer, and for whom.
    #[serde(skip)]
    pub needs: Option<(Key, AccountId)>,
}

/// What a denial is about, and who could change it.
#[derive(Debug)]
pub struct Remedy {
    /// What a grant would name.
    pub hostname: String,
    /// The record that leads there.
    pub record: String,
    pub zone: String,
    /// Names of the accounts of owner and target.
    pub from: String,
    pub to: String,
    pub reason: Reason,
}

/// One name of the chain.
#[derive(Debug, Serialize)]
pub struct Step {
    pub name: String,
    pub zone: Option<String>,
    pub account: Option<String>,
    /// What leads on from here.
    pub record: Option<Record>,
    pub edge: Option<EdgeView>,
    /// What the outside said about this name, if it was needed.
    pub outside: Option<Outside>,
    /// The step is followed without being shown (flattening).
    pub hidden: bool,
}

/// The record that leads on.
#[derive(Debug, Serialize)]
pub struct Record {
    #[serde(rename = "type")]
    pub rtype: String,
    pub ttl: u32,
    pub target: String,
}

/// How the edge to the next name was judged.
#[derive(Debug, Serialize)]
pub struct EdgeView {
    pub crosses: bool,
    pub allowed: bool,
    /// The account that the edge starts in: for a way back from outside, that of the last name inside.
    pub account: Option<String>,
    /// `anyone`, `trust`, `grant`; for a denial the reason.
    pub by: Option<String>,
    /// The grant that opened it.
    pub grant: Option<String>,
    pub target_zone: Option<String>,
    pub target_account: Option<String>,
}

/// How the chain stops.
#[derive(Debug, Serialize)]
pub struct Stop {
    pub kind: &'static str,
    pub detail: String,
}

/// The verdict on the whole question.
#[derive(Debug, Serialize)]
pub struct Ruling {
    pub allowed: bool,
    /// `1014` for a denial.
    pub code: Option<&'static str>,
    /// `on_violation` of the zone that owns the denied edge.
    pub mode: Option<&'static str>,
    /// An edge was denied and let pass, since its zone only reports.
    pub reported: bool,
}

/// Explains `name` and `rtype` as asked over TCP, so that nothing is cut. `account_name` tells an account's name.
pub fn explain(
    snapshot: &Snapshot,
    name: &Name,
    rtype: RType,
    now: UnixTime,
    account_name: &dyn Fn(AccountId) -> String,
) -> Explanation {
    let question =
        Question { name: NameBuf::of(name, &snapshot.key), qtype: rtype, qclass: CLASS_IN };
    let mut names = Names::default();
    let chain = follow::walk(snapshot, &question, None, now, &mut names);
    let view =
        View { snapshot, question: &question, names: &names, chain: &chain, now, account_name };
    let remedy = view.remedy();
    Explanation {
        name: name.to_string(),
        rtype: rdata::type_text(rtype).to_string(),
        hops: view.hops(),
        ending: view.ending(),
        verdict: view.ruling(),
        advice: remedy.as_ref().map_or_else(Vec::new, advice),
        remedy,
        answer: reply(snapshot, name, rtype, now),
        needs: chain
            .needs
            .map(|(i, zone)| (Key { target: view.name(i).to_name(), rtype }, zone.account)),
    }
}

/// The answer as it would be sent, decoded again.
fn reply(snapshot: &Snapshot, name: &Name, rtype: RType, now: UnixTime) -> Option<Reply> {
    let wire_name = WireName::from_labels(crate::base::name::labels(name.as_wire()).map(|l| l.1));
    let mut query = Query::query(wire_name.ok()?, RecordType::from(rtype));
    query.name.set_fqdn(true);
    let mut message = Message::new(0, MessageType::Query, OpCode::Query);
    message.add_query(query);
    let mut edns = Edns::new();
    edns.set_max_payload(limits::UDP_ANSWER_MAX as u16);
    message.edns = Some(edns);
    let packet = message.to_vec().ok()?;
    let client =
        Client { address: std::net::Ipv4Addr::LOCALHOST.into(), transport: Transport::Tcp };
    let mut out = vec![0u8; limits::MESSAGE_MAX];
    let mut scratch = wire::Scratch::default();
    let reply = wire::respond(snapshot, &packet, client, now, &mut scratch, &mut out)?;
    decode::reply(&out[..reply.len])
}

struct View<'a, 's> {
    snapshot: &'s Snapshot,
    question: &'a Question,
    names: &'a Names,
    chain: &'a Chain<'s>,
    now: UnixTime,
    account_name: &'a dyn Fn(AccountId) -> String,
}

impl<'s> View<'_, 's> {
    fn name(&self, i: usize) -> &NameBuf {
        if i == 0 { &self.question.name } else { self.names.at(i) }
    }

    fn text(&self, i: usize) -> String {
        Text(self.name(i).wire()).to_string()
    }

    fn owner_of(&self, i: usize) -> Option<&'s Zone> {
        self.snapshot.catalog.zone_for(self.name(i))
    }

    fn account(&self, zone: &Zone) -> String {
        (self.account_name)(zone.account)
    }

    fn hops(&self) -> Vec<Step> {
        let last = self.chain.hops.len();
        let mut steps: Vec<Step> = (0..last).map(|i| self.followed(i)).collect();
        let zone = self.owner_of(last);
        let (record, edge) = self.last_edge(last);
        steps.push(Step {
            name: self.text(last),
            zone: zone.map(apex),
            account: zone.map(|z| self.account(z)),
            record,
            edge,
            outside: self.outside(last),
            hidden: self.chain.alias.is_some_and(|a| last >= a),
        });
        steps
    }

    /// What is known of name number `i`, where a hidden chain needed it.
    fn outside(&self, i: usize) -> Option<Outside> {
        let last = self.chain.hops.len();
        let was_used = match self.chain.hops.get(i).map(|hop| hop.link) {
            Some(link) => matches!(link, Link::Outside(_)),
            None => {
                let denied = matches!(self.chain.ending, Ending::Denied(edge) if edge.owner < last);
                denied || matches!(self.chain.ending, Ending::Outside(_) | Ending::Failed(_))
            }
        };
        let known = self.snapshot.outside.find(self.name(i), self.question.qtype);
        let view = || known.map_or_else(Outside::unknown, |known| Outside::of(known, self.now));
        was_used.then(view)
    }

    fn followed(&self, i: usize) -> Step {
        let hop = &self.chain.hops[i];
        if let Link::Outside(_) = hop.link {
            return self.way_back(i, hop);
        }
        let rtype = match hop.link {
            Link::Cname(_) => "CNAME".to_owned(),
            Link::Dname { .. } => "DNAME".to_owned(),
            Link::Alias(set) => format!("{} (flattened)", rdata::type_text(set.rtype)),
            Link::Outside(_) => "CNAME".to_owned(),
        };
        let target = self.text(i + 1);
        Step {
            name: self.text(i),
            zone: Some(apex(hop.zone)),
            account: Some(self.account(hop.zone)),
            record: Some(Record { rtype, ttl: hop.link.rrset().map_or(0, |set| set.ttl), target }),
            edge: Some(self.edge(i, Some(hop.zone), hop.verdict)),
            outside: None,
            hidden: self.chain.alias.is_some_and(|a| i >= a),
        }
    }

    /// A name outside, from which the chain comes back.
    fn way_back(&self, i: usize, hop: &Hop<'_>) -> Step {
        let zone = self.owner_of(i);
        Step {
            name: self.text(i),
            zone: zone.map(apex),
            account: zone.map(|z| self.account(z)),
            record: None,
            edge: Some(self.edge(i, Some(hop.zone), hop.verdict)),
            outside: self.outside(i),
            hidden: true,
        }
    }

    /// The edge that ended the walk, or that the last RRset itself is.
    fn last_edge(&self, last: usize) -> (Option<Record>, Option<EdgeView>) {
        let (verdict, zone) = match self.chain.ending {
            Ending::Denied(denied) => (Verdict::Deny(denied.denial), Some(denied.zone)),
            Ending::Data(_) if self.chain.last_verdict != Verdict::Inside => {
                (self.chain.last_verdict, self.chain.zone)
            }
            _ => return (None, None),
        };
        // What leads on from a name outside is told with what the outside said.
        let is_inside = self.inside(last) == last;
        let record = self.chain.judged.filter(|_| is_inside).map(|set| Record {
            rtype: rdata::type_text(set.rtype).to_string(),
            ttl: set.ttl,
            target: self.text(last + 1),
        });
        (record, Some(self.edge(last, zone, verdict)))
    }

    /// The last name inside, up to number `i`: from there edges are judged.
    fn inside(&self, i: usize) -> usize {
        if i > 0 && self.owner_of(i).is_none() { i - 1 } else { i }
    }

    fn edge(&self, i: usize, zone: Option<&Zone>, verdict: Verdict) -> EdgeView {
        let target = self.owner_of(i + 1);
        let (allowed, by, grant) = match verdict {
            Verdict::Inside => (true, None, None),
            Verdict::Allow(permit) => {
                (true, Some(rule_word(permit.rule())), self.grant(self.inside(i), permit, target))
            }
            Verdict::Deny(denial) => (false, Some(denial.reason.word()), None),
        };
        EdgeView {
            crosses: verdict != Verdict::Inside,
            allowed,
            account: zone.map(|z| self.account(z)),
            by: by.map(str::to_owned),
            grant,
            target_zone: target.map(apex),
            target_account: target.map(|z| self.account(z)),
        }
    }

    fn grant(&self, i: usize, permit: Permitted, target: Option<&Zone>) -> Option<String> {
        let holder = match permit.rule() {
            Rule::Grant => self.name(i),
            Rule::AliasGrant => self.name(self.chain.alias?),
            Rule::Anyone | Rule::Trust => return None,
        };
        let hostname = match permit.wildcard() {
            Some(labels) => format!("*.{}", Text(holder.suffix(labels))),
            None => Text(holder.wire()).to_string(),
        };
        Some(format!("{hostname} -> {}", target.map(apex)?))
    }

    fn ending(&self) -> Stop {
        let name = self.text(self.chain.hops.len());
        let (kind, detail) = match self.chain.ending {
            Ending::Data(set) => {
                let (count, rtype) = (set.count, rdata::type_text(set.rtype));
                ("answer", format!("{count} {rtype} at {name}, TTL {}", set.ttl))
            }
            Ending::Synthesised => ("answer", "the CNAME made from the DNAME".to_owned()),
            Ending::NoData(_) => ("nodata", format!("{name} exists without this type")),
            Ending::NxDomain => ("nxdomain", format!("{name} does not exist")),
            Ending::Cut(node) => ("referral", format!("{name} is delegated at {}", node.owner())),
            Ending::NoZone => ("no-zone", format!("no zone here encloses {name}")),
            Ending::LeavesUs => ("leaves", format!("{name} is outside this server")),
            Ending::Unready => ("unready", format!("the zone of {name} has no good version")),
            Ending::Loop => ("loop", format!("{name} leads to a name met before")),
            Ending::TooLong => {
                let hops = self.snapshot.rules.max_hops;
                ("too-long", format!("{name} would lead beyond {hops} hops"))
            }
            Ending::NameTooLong => {
                let detail = "the DNAME makes a name of more than 255 octets";
                ("name-too-long", detail.to_owned())
            }
            Ending::Outside(known) => {
                let rtype = rdata::type_text(self.question.qtype);
                match known.entry().addresses.len() {
                    0 => ("nodata", format!("{name} has no {rtype} outside")),
                    count => ("answer", format!("{count} {rtype} of {name}, from outside")),
                }
            }
            Ending::Failed(_) if self.chain.needs.is_some() => {
                ("unknown", format!("nothing is known of {name} outside"))
            }
            Ending::Failed(kind) => ("failed", format!("{name} outside: {}", kind.word())),
            Ending::Denied(edge) => {
                let owner = self.text(edge.owner);
                ("denied", format!("the edge from {owner} is not allowed"))
            }
        };
        Stop { kind, detail }
    }

    fn ruling(&self) -> Ruling {
        let denied = match self.chain.ending {
            Ending::Denied(d) => Some(d.zone.on_violation.word()),
            _ => None,
        };
        let reported = self.chain.reported.is_some();
        Ruling {
            allowed: denied.is_none(),
            code: (denied.is_some() || reported).then_some(verdict::CODE),
            mode: denied.or(reported.then_some("report")),
            reported,
        }
    }

    fn remedy(&self) -> Option<Remedy> {
        let Ending::Denied(edge) = self.chain.ending else { return None };
        let Denial { reason, .. } = edge.denial;
        let (hostname, record) = match edge.kind {
            EdgeKind::Dname { owner_labels } => {
                let owner = Text(self.name(edge.owner).suffix(owner_labels));
                (format!("*.{owner}"), format!("the DNAME at {owner}"))
            }
            _ => (self.text(edge.owner), self.text(edge.owner)),
        };
        let target = self.owner_of(edge.target)?;
        let (zone, to) = (apex(target), self.account(target));
        Some(Remedy { hostname, record, zone, from: self.account(edge.zone), to, reason })
    }
}

/// What would make it allowed, and who can do it.
fn advice(remedy: &Remedy) -> Vec<String> {
    let Remedy { hostname, record, zone, from, to, reason } = remedy;
    let setting = format!("[[grants]] hostname = \"{hostname}\", zone = \"{zone}\"");
    let grant = match reason {
        Reason::NotGranted => format!("account {to} (zone {zone}) can grant it: {setting}"),
        Reason::Blocked => {
            format!("account {to} (zone {zone}) can release {hostname}, which it blocks")
        }
        Reason::Withdrawn => format!(
            "account {to} (zone {zone}) can grant it again, as it did until less than 7 days ago: \
             {setting}"
        ),
    };
    vec![
        grant,
        format!("account {to} can trust the other account: [accounts.{to}] trusts = [\"{from}\"]"),
        format!(
            "account {to} can open the zone to anyone: [zones.\"{zone}\"] cross_account = \"anyone\""
        ),
        format!("account {from} can point {record} at a name of its own or outside this server"),
    ]
}

fn apex(zone: &Zone) -> String {
    Text(zone.apex()).to_string()
}

fn rule_word(rule: Rule) -> &'static str {
    match rule {
        Rule::Anyone => "anyone",
        Rule::Trust => "trust",
        Rule::Grant => "grant",
        Rule::AliasGrant => "alias-grant",
    }
}
