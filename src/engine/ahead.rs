//! Looking ahead for a group of questions: memory that one of them waits for is fetched while the others are served.
//!
//! A look-up in many zones reads four places that depend on one another, and none of them is likely to be in a cache.
//! One question after the other, the server would mostly wait. So each step is done for the whole group, and ends by
//! asking for the memory of the next step. Nothing is decided here but which zone encloses a name.

use arrayvec::ArrayVec;

use crate::base::limits::GROUP_MAX;
use crate::base::name_buf::NameBuf;
use crate::base::rtype::{self, RType};
use crate::engine::answer::Names;
use crate::model::catalog::Zone;
use crate::model::question::Question;
use crate::model::settings::FlattenMode;
use crate::model::snapshot::Snapshot;
use crate::model::zone::RrSet;

/// The zone that encloses each name, where that is known; `None` says nothing.
pub type Zones<'s> = [Option<&'s Zone>; GROUP_MAX];

/// Finds the zones of up to [`GROUP_MAX`] questions and asks for the memory of their nodes. `question(i)` is `None`
/// where there is nothing to look up; `names[i]` is what question `i` will be walked with.
pub fn look<'s, 'n>(
    snapshot: &'s Snapshot,
    names: &mut [Names],
    question: impl Fn(usize) -> Option<&'n Question>,
) -> Zones<'s> {
    let mut zones: Zones<'s> = [None; GROUP_MAX];
    let count = names.len().min(GROUP_MAX);
    let named = || (0..count).filter_map(|i| Some((i, &question(i)?.name)));
    for (_, name) in named() {
        snapshot.catalog.prefetch_page(name);
    }
    for (_, name) in named() {
        snapshot.catalog.prefetch_slot(name);
    }
    for (i, name) in named() {
        zones[i] = snapshot.catalog.likely_zone_for(name);
        if let Some(zone) = zones[i] {
            zone.data.prefetch_head();
        }
    }
    for (i, name) in named() {
        // Only now the apex can be read: a hash alone proves nothing.
        zones[i] = zones[i].filter(|zone| name.ends_in(zone.apex()));
        if let Some(zone) = zones[i] {
            zone.data.prefetch_index(name.hash_value());
        }
    }
    for (i, name) in named() {
        if let Some(zone) = zones[i] {
            zone.data.prefetch_node(name.hash_value());
        }
    }
    let mut links: Links<'s, 'n> = [None; GROUP_MAX];
    for (i, names) in names.iter_mut().enumerate().take(count) {
        names.forget();
        if let (Some(question), Some(zone)) = (question(i), zones[i])
            && let Some(set) = zone.data.likely_link(question.name.hash_value())
        {
            zone.data.prefetch_beside(set, question.qtype);
            links[i] = Some((question, zone, set));
        }
    }
    if links.iter().any(Option::is_some) {
        look_behind(snapshot, names, links);
    }
    zones
}

/// The first links of the questions' chains, most likely.
type Links<'s, 'n> = [Option<(&'n Question, &'s Zone, RrSet<'s>)>; GROUP_MAX];

/// Asks for the memory of what the links lead to: an answer from outside, or another name here.
fn look_behind<'s>(snapshot: &'s Snapshot, names: &mut [Names], mut links: Links<'s, '_>) {
    let mut outside = Outside::new();
    let table = &snapshot.outside;
    for (i, link) in links.iter_mut().enumerate() {
        if let Some((question, zone, set)) = *link
            && is_flattened(zone, set, question)
        {
            let note = zone.data.note(set, question.qtype);
            if note.is_some_and(|note| table.is_noted(note, question.qtype)) {
                *link = None;
            } else if let Some((_, hash)) = set.target_outside(&snapshot.key) {
                outside.push((i, hash, question.qtype));
            }
        }
    }
    outside.iter().for_each(|(_, hash, rtype)| table.prefetch_page(*hash, *rtype));
    outside.iter().for_each(|(_, hash, rtype)| table.prefetch_slot(*hash, *rtype));
    outside.retain(|(_, hash, rtype)| table.prefetch_known(*hash, *rtype));
    // What the outside has told of leads out of the server.
    outside.iter().for_each(|(i, ..)| links[*i] = None);
    let mut edges = Edges::new();
    for (names, link) in names.iter_mut().zip(links) {
        if let Some((question, zone, set)) = link
            && let Some(target) = names.make_ready(&question.name, set, &zone.data, &snapshot.key)
        {
            let inside = target.ends_in(zone.apex());
            let mut sought = None;
            if !inside {
                let hash = question.name.hash_value();
                let seal = zone.data.seal(set);
                if !seal.is_some_and(|seal| snapshot.grants.is_recent(seal, hash)) {
                    // The way is longest to a grant: it begins before the next name is made.
                    snapshot.grants.prefetch_page(hash);
                    sought = Some(hash);
                }
                snapshot.catalog.prefetch_page(target);
            }
            let zone = inside.then_some(zone);
            edges.push(Edge { sought, target, zone, inside });
        }
    }
    if !edges.is_empty() {
        follow(snapshot, &mut edges);
    }
}

/// Questions whose aliases may lead outside, with hashes and types of the targets.
type Outside = ArrayVec<(usize, u64, RType), GROUP_MAX>;

/// Whether addresses stand for `set`, an alias or a CNAME.
fn is_flattened(zone: &Zone, set: RrSet<'_>, question: &Question) -> bool {
    matches!(question.qtype, rtype::A | rtype::AAAA)
        && (set.rtype == rtype::ALIAS || zone.flatten == FlattenMode::All)
}

/// The first edge of a walk, as far as it can be guessed.
struct Edge<'s, 'n> {
    /// Hash of the owner, if a grant for it has to be looked for.
    sought: Option<u64>,
    target: &'n NameBuf,
    /// Zone of the target.
    zone: Option<&'s Zone>,
    /// It stays in the zone, most likely.
    inside: bool,
}

type Edges<'s, 'n> = ArrayVec<Edge<'s, 'n>, GROUP_MAX>;

/// Asks for what the first edges need: their targets, and for those that leave the zone a grant. Memory is asked for,
/// nothing else: of a denied target nothing is read.
fn follow<'s>(snapshot: &'s Snapshot, edges: &mut Edges<'s, '_>) {
    let leaving = |edges: &Edges<'s, '_>, each: &dyn Fn(&Edge<'s, '_>)| {
        edges.iter().filter(|e| !e.inside).for_each(each);
    };
    leaving(edges, &|e| {
        if let Some(hash) = e.sought {
            snapshot.grants.prefetch_slot(hash);
        }
        snapshot.catalog.prefetch_slot(e.target);
    });
    for e in edges.iter_mut().filter(|e| !e.inside) {
        if let Some(hash) = e.sought {
            snapshot.grants.prefetch_hostname(hash);
        }
        e.zone = snapshot.catalog.likely_zone_for(e.target);
        if let Some(zone) = e.zone {
            zone.data.prefetch_head();
        }
    }
    let targets = || edges.iter().filter_map(|e| Some((e.zone?, e.target.hash_value())));
    targets().for_each(|(zone, hash)| zone.data.prefetch_index(hash));
    targets().for_each(|(zone, hash)| zone.data.prefetch_node(hash));
}
