//! The walk: from the query name hop by hop to an ending. Each crossing edge is judged before the target is read.

use arrayvec::ArrayVec;

use crate::base::limits::{HOPS_MAX, STALE_TTL};
use crate::base::name_buf::NameBuf;
use crate::base::rtype::{self, RType};
use crate::base::time::UnixTime;
use crate::engine::answer::{self, Denied, Names};
use crate::engine::flatten::Exit;
use crate::engine::lookup::{self, Found};
use crate::model::catalog::Zone;
use crate::model::flattened::FailureKind;
use crate::model::grant::Grants;
use crate::model::outside::Known;
use crate::model::question::Question;
use crate::model::seal::Seal;
use crate::model::settings::{FlattenMode, OnViolation};
use crate::model::snapshot::Snapshot;
use crate::model::zone::{Node, NodeFlags, RrSet};
use crate::policy::judge::{Edge, EdgeKind, judge};
use crate::policy::verdict::{Denial, Verdict};
use crate::rdata;

/// What leads from one name of a chain to the next.
#[derive(Clone, Copy, Debug)]
pub enum Link<'s> {
    Cname(RrSet<'s>),
    /// `withheld`: the DNAME itself must not be shown, since names made from it could lead where they may not.
    Dname {
        set: RrSet<'s>,
        owner_labels: usize,
        withheld: bool,
    },
    /// Followed without being shown.
    Alias(RrSet<'s>),
    /// From a name outside back to one inside, as the outside said.
    Outside(&'s Known),
}

impl<'s> Link<'s> {
    /// The record that leads on, if it is one of ours.
    pub fn rrset(&self) -> Option<RrSet<'s>> {
        match *self {
            Link::Cname(set) | Link::Alias(set) | Link::Dname { set, .. } => Some(set),
            Link::Outside(_) => None,
        }
    }

    pub(super) fn edge_kind(&self) -> EdgeKind {
        match *self {
            Link::Cname(_) | Link::Outside(_) => EdgeKind::Cname,
            Link::Alias(_) => EdgeKind::Alias,
            Link::Dname { owner_labels, .. } => EdgeKind::Dname { owner_labels },
        }
    }
}

/// One step that was followed: from the name of its own number to the next.
#[derive(Clone, Copy)]
pub struct Hop<'s> {
    /// Zone of the owner.
    pub zone: &'s Zone,
    pub link: Link<'s>,
    pub verdict: Verdict,
}

/// The edge that ended a walk. Owner and target are numbers of names; one follows the other, unless names outside lie
/// between them.
#[derive(Clone, Copy)]
pub struct DeniedEdge<'s> {
    pub owner: usize,
    pub target: usize,
    pub zone: &'s Zone,
    pub kind: EdgeKind,
    pub denial: Denial,
}

impl DeniedEdge<'_> {
    /// The same for counters and lists; `judged` is the RRset that the edge comes from.
    pub(super) fn denied(&self, judged: Option<RrSet<'_>>) -> Denied {
        Denied {
            denial: self.denial,
            owner: self.owner as u8,
            target: self.target as u8,
            mode: self.zone.on_violation,
            record: judged.map_or(0, answer::place),
        }
    }
}

/// How a chain stops.
#[derive(Clone, Copy)]
pub enum Ending<'s> {
    /// The type asked for, at the last name.
    Data(RrSet<'s>),
    /// The last name exists without that type.
    NoData(Option<Node<'s>>),
    NxDomain,
    /// The last name is at or below this delegation.
    Cut(Node<'s>),
    /// The query name is in no zone here.
    NoZone,
    /// The last name is in no zone here.
    LeavesUs,
    /// The last name's zone has no data yet.
    Unready,
    Loop,
    TooLong,
    /// A DNAME made a name of more than 255 octets.
    NameTooLong,
    /// The last hop's synthesised CNAME is the answer.
    Synthesised,
    /// What the outside said about the last name: addresses, or that there are none.
    Outside(&'s Known),
    /// Nothing that can be used is known from outside about the last name.
    Failed(FailureKind),
    Denied(DeniedEdge<'s>),
}

/// A finished walk. Every hop in it was judged and may be followed.
pub struct Chain<'s> {
    pub hops: ArrayVec<Hop<'s>, HOPS_MAX>,
    /// Zone of the last name, if it has one.
    pub zone: Option<&'s Zone>,
    pub ending: Ending<'s>,
    /// Number of the first name that is flattened: hops from there on are hidden.
    pub alias: Option<usize>,
    /// Least TTL of the hidden hops.
    pub hidden_ttl: u32,
    /// Some edge crossed.
    pub crossed: bool,
    /// The first edge that was denied and let pass by `on_violation = "report"`.
    pub reported: Option<Denied>,
    /// Verdict on the last RRset's own edge (CNAME, DNAME, HTTPS, SVCB asked for by type).
    pub last_verdict: Verdict,
    /// The RRset whose edge was judged last.
    pub judged: Option<RrSet<'s>>,
    /// The first name of which the outside should be asked, and the zone that leads there: nothing is known of it, or
    /// what is known is expired. The chain is the best that can be said without.
    pub needs: Option<(usize, &'s Zone)>,
    /// Something expired was used.
    pub stale: bool,
}

impl<'s> Chain<'s> {
    /// Notes that the outside should be asked about name number `i`.
    pub(super) fn ask(&mut self, i: usize, zone: &'s Zone) {
        self.needs.get_or_insert((i, zone));
    }

    //= RFC 8767 §4: stale data has a TTL of 30 seconds
    /// Notes that something expired is used.
    pub(super) fn take_stale(&mut self) {
        self.stale = true;
        self.hidden_ttl = self.hidden_ttl.min(STALE_TTL);
    }
}

/// Walks from the query name. `names` receives the names behind it.
pub fn walk<'s>(
    snapshot: &'s Snapshot,
    question: &Question,
    first: Option<&'s Zone>,
    now: UnixTime,
    names: &mut Names,
) -> Chain<'s> {
    let chain = Chain {
        hops: ArrayVec::new(),
        zone: None,
        ending: Ending::NoZone,
        alias: None,
        hidden_ttl: u32::MAX,
        crossed: false,
        reported: None,
        last_verdict: Verdict::Inside,
        judged: None,
        needs: None,
        stale: false,
    };
    let mut walk = Walk { snapshot, question, first, now, names, chain, alias_inside: true };
    loop {
        if let Err(ending) = walk.step() {
            walk.chain.ending = ending;
            return walk.chain;
        }
    }
}

pub(super) struct Walk<'s, 'q> {
    pub(super) snapshot: &'s Snapshot,
    pub(super) question: &'q Question,
    /// Zone of the query name, if known.
    first: Option<&'s Zone>,
    pub(super) now: UnixTime,
    pub(super) names: &'q mut Names,
    pub(super) chain: Chain<'s>,
    /// Since the alias the chain has not left the alias's account.
    alias_inside: bool,
}

pub(super) type Step<'s> = Result<(), Ending<'s>>;

impl<'s> Walk<'s, '_> {
    pub(super) fn name(&self, i: usize) -> &NameBuf {
        name_of(self.question, self.names, i)
    }

    /// Reads the current name: follows a link (`Ok`) or ends the chain.
    fn step(&mut self) -> Step<'s> {
        let i = self.chain.hops.len();
        let name = name_of(self.question, self.names, i);
        let qtype = self.question.qtype;
        let known = self.first.take();
        let Some(zone) = known.or_else(|| self.snapshot.catalog.zone_for(name)) else {
            return self.leave();
        };
        if qtype == rtype::DS && zone.data.apex_labels() == name.labels() && name.labels() > 0 {
            let parent = self.snapshot.catalog.zone_for_suffix(name, name.labels() - 1);
            if let Some(parent) = parent {
                return self.at_apex_for_ds(parent, zone);
            }
        }
        self.chain.zone = Some(zone);
        if !zone.data.is_ready() {
            return Err(Ending::Unready);
        }
        match lookup::find(&zone.data, name, &self.snapshot.key) {
            Found::Node(node) | Found::Wildcard(node) => self.at_node(zone, node),
            //= RFC 4035 §3.1.4.1: the DS of a delegation is the parent's own data
            Found::Cut(node) if qtype == rtype::DS && node.owner_len() == name.wire_len() => {
                self.at_node(zone, node)
            }
            // Delegated to nameservers elsewhere: the name belongs to the zone all the same.
            Found::Cut(_) if self.chain.alias.is_some() => {
                self.outside(Exit { owner: i, zone, kind: EdgeKind::Cname })
            }
            Found::Cut(node) => Err(Ending::Cut(node)),
            Found::Dname(node) => self.at_dname(zone, node),
            Found::NxDomain => Err(Ending::NxDomain),
        }
    }

    //= RFC 4035 §3.1.4.1: the DS of a zone is in the zone above it
    /// The name is the apex of `child`. It exists, so what else `parent` has for it (no delegation, a CNAME, a
    /// wildcard, a DNAME) says nothing; resolvers would take it for the whole name.
    fn at_apex_for_ds(&mut self, parent: &'s Zone, child: &'s Zone) -> Step<'s> {
        self.chain.zone = Some(parent);
        let name = self.name(self.chain.hops.len());
        if !parent.data.is_ready() {
            return Err(Ending::Unready);
        }
        match lookup::find(&parent.data, name, &self.snapshot.key) {
            Found::Cut(node) | Found::Node(node) if node.owner_len() == name.wire_len() => {
                let set = node.rrset(rtype::DS);
                Err(set.map_or(Ending::NoData(Some(node)), Ending::Data))
            }
            // The zone right above is elsewhere: this server has the child only.
            Found::Cut(_) => {
                self.chain.zone = Some(child);
                Err(if child.data.is_ready() { Ending::NoData(None) } else { Ending::Unready })
            }
            _ => Err(Ending::NoData(None)),
        }
    }

    fn at_node(&mut self, zone: &'s Zone, node: Node<'s>) -> Step<'s> {
        let qtype = self.question.qtype;
        if node.flags().has(NodeFlags::REDIRECTS) {
            let addresses = matches!(qtype, rtype::A | rtype::AAAA);
            if addresses && let Some(alias) = node.rrset(rtype::ALIAS) {
                return self.follow(zone, Link::Alias(alias));
            }
            if let Some(cname) = node.rrset(rtype::CNAME) {
                let name = self.name(self.chain.hops.len());
                if zone.flatten == FlattenMode::All && !name.has_underscore_label() {
                    return if addresses {
                        self.follow(zone, Link::Alias(cname))
                    } else {
                        Err(Ending::NoData(Some(node)))
                    };
                }
                return match qtype {
                    rtype::CNAME | rtype::ANY => self.end_with(zone, cname),
                    // These two may lie beside a CNAME and belong to the owner (RFC 4035 §2.5).
                    rtype::RRSIG | rtype::NSEC => Err(Ending::NoData(Some(node))),
                    _ => self.follow(zone, Link::Cname(cname)),
                };
            }
        }
        let found = match qtype {
            rtype::ANY => any(node),
            rtype::ALIAS => None,
            _ => node.rrset(qtype),
        };
        match found {
            Some(set) => self.end_with(zone, set),
            None => Err(Ending::NoData(Some(node))),
        }
    }

    /// Ends with `set`, once the edges that it itself is have been judged.
    fn end_with(&mut self, zone: &'s Zone, set: RrSet<'s>) -> Step<'s> {
        match set.rtype {
            // Stored rdata is checked, so a target is always there; if not, nothing is shown.
            rtype::CNAME | rtype::DNAME if !self.take_target(zone, set) => {
                return Err(Ending::NoData(None));
            }
            rtype::CNAME => self.judge_last(zone, EdgeKind::Cname)?,
            rtype::DNAME => {
                let owner_labels = self.name(self.chain.hops.len()).labels();
                self.judge_last(zone, EdgeKind::Dname { owner_labels })?;
                if self.leads_above_others(zone) {
                    return Err(Ending::NoData(None));
                }
            }
            rtype::HTTPS | rtype::SVCB => {
                self.chain.judged = Some(set);
                for (_, stored) in set.records() {
                    let i = self.chain.hops.len();
                    let target = rdata::target(set.rtype, stored).unwrap_or_default();
                    //= RFC 9460 §2.5: the root stands for the owner itself, or for no service
                    if target == [0] {
                        continue;
                    }
                    let (_, next) = self.names.step(&self.question.name, i);
                    if next.set(target, &self.snapshot.key).is_err() {
                        return Err(Ending::NoData(None));
                    }
                    self.judge_last(zone, EdgeKind::Service)?;
                    if self.chain.reported.is_some() {
                        // Its target stays at hand; what else the RRset leads to would only be reported too.
                        break;
                    }
                }
            }
            _ => {}
        }
        Err(Ending::Data(set))
    }

    /// Writes the target of a stored CNAME, DNAME or alias as the next name.
    fn take_target(&mut self, zone: &Zone, set: RrSet<'s>) -> bool {
        self.chain.judged = Some(set);
        let i = self.chain.hops.len();
        self.names.take_target(&self.question.name, i, set, &zone.data, &self.snapshot.key)
    }

    /// Judges the edge from the current name to the next one, which is in `names`.
    fn judge_next(&self, zone: &'s Zone, kind: EdgeKind) -> Verdict {
        let owner = self.chain.hops.len();
        // The RRset that the edge comes from was taken from this zone a moment ago.
        let seal = self.chain.judged.and_then(|set| zone.data.seal(set));
        self.judge(Exit { owner, zone, kind }, owner + 1, seal)
    }

    /// Judges the edge to name number `target`, which is in `names`.
    pub(super) fn judge(&self, from: Exit<'s>, target: usize, seal: Option<Seal<'_>>) -> Verdict {
        let hidden = self.chain.alias.filter(|_| self.alias_inside);
        let next = self.names.at(target);
        let target_zone = self.snapshot.catalog.zone_for(next);
        if let Some(zone) = target_zone {
            // Only asked for: nothing of the target is read before the verdict.
            zone.data.prefetch_index(next.hash_value());
        }
        let edge = Edge {
            owner: self.name(from.owner),
            owner_zone: from.zone,
            kind: from.kind,
            alias: hidden.map(|a| self.name(a)),
            target_zone,
            seal,
        };
        let grants = Grants {
            table: &self.snapshot.grants,
            trusts: &self.snapshot.trusts,
            holds: &self.snapshot.holds,
            catalog: &self.snapshot.catalog,
        };
        judge(&edge, &grants, self.now)
    }

    /// Takes a verdict into the chain: a denial ends it unless the owner's zone only reports.
    pub(super) fn enforce(&mut self, from: Exit<'s>, target: usize, verdict: Verdict) -> Step<'s> {
        let Exit { owner, zone, kind } = from;
        let denied = |denial| DeniedEdge { owner, target, zone, kind, denial };
        match verdict {
            Verdict::Inside => Ok(()),
            Verdict::Allow(_) => {
                self.chain.crossed = true;
                Ok(())
            }
            Verdict::Deny(denial) if zone.on_violation == OnViolation::Report => {
                self.chain.crossed = true;
                let judged = self.chain.judged;
                self.chain.reported.get_or_insert_with(|| denied(denial).denied(judged));
                Ok(())
            }
            Verdict::Deny(denial) => Err(Ending::Denied(denied(denial))),
        }
    }

    fn judge_last(&mut self, zone: &'s Zone, kind: EdgeKind) -> Step<'s> {
        let verdict = self.judge_next(zone, kind);
        if !matches!(verdict, Verdict::Inside) {
            self.chain.last_verdict = verdict;
        }
        self.enforce_next(zone, kind, verdict)
    }

    fn enforce_next(&mut self, zone: &'s Zone, kind: EdgeKind, verdict: Verdict) -> Step<'s> {
        let owner = self.chain.hops.len();
        self.enforce(Exit { owner, zone, kind }, owner + 1, verdict)
    }

    fn follow(&mut self, zone: &'s Zone, link: Link<'s>) -> Step<'s> {
        let i = self.chain.hops.len();
        if matches!(link, Link::Alias(_)) && self.chain.alias.is_none() {
            self.chain.alias = Some(i);
        }
        if link.rrset().is_none_or(|set| !self.take_target(zone, set)) {
            // Data in a zone block is checked; without a target there is nothing to follow.
            return Err(Ending::NoData(None));
        }
        self.judge_and_push(zone, link)
    }

    //= RFC 6672 §3.2: the owner's suffix is replaced by the target
    fn at_dname(&mut self, zone: &'s Zone, node: Node<'s>) -> Step<'s> {
        let i = self.chain.hops.len();
        let Some(set) = node.rrset(rtype::DNAME) else { return Err(Ending::NxDomain) };
        let owner_len = node.owner_len();
        let owner_labels =
            zone.data.apex_labels() + crate::base::name::label_count(node.relative());
        let kind = EdgeKind::Dname { owner_labels };
        // The DNAME's own target first: what it may make beyond this name decides whether it is shown.
        if !self.take_target(zone, set) {
            return Err(Ending::NxDomain);
        }
        let own = self.judge_next(zone, kind);
        let denied = matches!(own, Verdict::Deny(_)) && zone.on_violation != OnViolation::Report;
        let withheld = denied || self.leads_above_others(zone);
        let (name, next) = self.names.step(&self.question.name, i);
        let front = name.relative(name.labels(), owner_len);
        let target = next.clone();
        if next.set_joined(front, &target, target.labels(), &self.snapshot.key).is_err() {
            self.enforce_next(zone, kind, own)?;
            let link = Link::Dname { set, owner_labels, withheld };
            self.chain.hops.try_push(Hop { zone, link, verdict: own }).ok();
            return Err(Ending::NameTooLong);
        }
        self.judge_and_push(zone, Link::Dname { set, owner_labels, withheld })?;
        // The synthesised CNAME is what was asked for. Nothing lies beside it that RRSIG or NSEC could mean.
        match self.question.qtype {
            rtype::CNAME | rtype::ANY => Err(Ending::Synthesised),
            _ => Ok(()),
        }
    }

    /// Whether zones of other accounts lie below the next name, the target of a DNAME: each of them is another zone to
    /// be let into. Resolvers that keep such a DNAME would lead names there without asking again, whatever was judged
    /// for this name: so it is not shown, and each name is answered by its own CNAME. A TTL of 0 would not do: BIND and
    /// PowerDNS make names from it within the same second.
    fn leads_above_others(&self, zone: &Zone) -> bool {
        let next = self.names.at(self.chain.hops.len() + 1);
        zone.on_violation != OnViolation::Report
            && self.snapshot.catalog.has_foreign_beneath(next, zone.account)
    }

    /// Judges the edge to the next name, then goes there.
    fn judge_and_push(&mut self, zone: &'s Zone, link: Link<'s>) -> Step<'s> {
        let kind = link.edge_kind();
        let verdict = self.judge_next(zone, kind);
        self.enforce_next(zone, kind, verdict)?;
        self.push(Hop { zone, link, verdict })
    }

    /// Looks for loop and limit, then goes to the next name. The edge there was judged.
    pub(super) fn push(&mut self, hop: Hop<'s>) -> Step<'s> {
        let i = self.chain.hops.len();
        let next = self.names.at(i + 1);
        if (0..=i).any(|k| same(self.name(k), next)) {
            return Err(Ending::Loop);
        }
        if i >= self.snapshot.rules.max_hops {
            return Err(Ending::TooLong);
        }
        if self.chain.alias.is_some() {
            let ttl = hop.link.rrset().map_or(u32::MAX, |set| set.ttl);
            self.chain.hidden_ttl = self.chain.hidden_ttl.min(ttl);
            self.alias_inside &= hop.verdict == Verdict::Inside;
        }
        self.chain.hops.try_push(hop).map_err(|_| Ending::TooLong)
    }
}

/// Name number `i` of the chain.
fn name_of<'n>(question: &'n Question, names: &'n Names, i: usize) -> &'n NameBuf {
    if i == 0 { &question.name } else { names.at(i) }
}

fn same(a: &NameBuf, b: &NameBuf) -> bool {
    a.hash_value() == b.hash_value() && a.wire() == b.wire()
}

//= RFC 8482 §4.1: ANY is answered with one RRset
fn any(node: Node<'_>) -> Option<RrSet<'_>> {
    let leads = |t: RType| matches!(t, rtype::DNAME | rtype::HTTPS | rtype::SVCB | rtype::CNAME);
    let shown = || node.rrsets().filter(|s| s.rtype != rtype::ALIAS);
    shown().find(|s| !leads(s.rtype)).or_else(|| shown().next())
}
