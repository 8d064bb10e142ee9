//! Looking ahead for a group of questions: memory that one of them waits for is fetched while the others are served.
//!
//! A look-up in many zones reads four places that depend on one another, and none of them is likely to be in a cache.
//! One question after the other, the server would mostly wait. So each step is done for the whole group, and ends by
//! asking for the memory of the next step. Nothing is decided here but which zone encloses a name.

use arrayvec::ArrayVec;

use crate::base::limits::GROUP_MAX;
use crate::base::name_buf::NameBuf;
use crate::model::catalog::Zone;
use crate::model::snapshot::Snapshot;

/// The zone that encloses each name, where that is known; `None` says nothing.
pub type Zones<'s> = [Option<&'s Zone>; GROUP_MAX];

/// Finds the zones of up to [`GROUP_MAX`] names and asks for the memory of their nodes. `name(i)` is `None` where there
/// is nothing to look up.
pub fn look<'s, 'n>(
    snapshot: &'s Snapshot,
    count: usize,
    name: impl Fn(usize) -> Option<&'n NameBuf>,
) -> Zones<'s> {
    let mut zones: Zones<'s> = [None; GROUP_MAX];
    let named = || (0..count.min(GROUP_MAX)).filter_map(|i| Some((i, name(i)?)));
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
    // An edge that leaves its zone may be judged by a grant, and grants are many too.
    let mut leading_out = ArrayVec::<&NameBuf, GROUP_MAX>::new();
    for (i, name) in named() {
        if zones[i].is_some_and(|zone| zone.data.likely_leads_out(name.hash_value())) {
            snapshot.grants.prefetch_page(name.hash_value());
            leading_out.push(name);
        }
    }
    leading_out.iter().for_each(|name| snapshot.grants.prefetch_slot(name.hash_value()));
    leading_out.iter().for_each(|name| snapshot.grants.prefetch_hostname(name.hash_value()));
    zones
}
