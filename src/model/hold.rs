//! Zone holds as far as a question can meet them: names of which zones no wildcard of others matches (SPEC §7.4).

use std::sync::Arc;

use crate::base::id::ZoneId;
use crate::base::time::UnixTime;

/// The hold of one zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ZoneHold {
    /// All names of the zone and below it, not only its apex.
    pub subdomains: bool,
    /// In force from then on.
    pub from: UnixTime,
}

/// All of them; few, so they are one sorted list. Cloning shares it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Holds(Arc<[(ZoneId, ZoneHold)]>);

impl Holds {
    pub fn build(mut holds: Vec<(ZoneId, ZoneHold)>) -> Holds {
        holds.sort_unstable_by_key(|(zone, _)| *zone);
        Holds(holds.into())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The hold of a zone.
    pub fn of(&self, zone: ZoneId) -> Option<ZoneHold> {
        let at = self.0.binary_search_by_key(&zone, |(id, _)| *id).ok()?;
        Some(self.0[at].1)
    }
}
