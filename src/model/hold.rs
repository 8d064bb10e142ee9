//! Zone holds as far as a question can meet them: names of which zones no wildcard of others matches (SPEC §7.4).

use std::sync::Arc;

use crate::base::id::ZoneId;
use crate::base::name_buf::NameBuf;
use crate::base::time::UnixTime;
use crate::model::barred::Barred;

/// The hold of one zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ZoneHold {
    /// All names of the zone and below it, not only its apex.
    pub subdomains: bool,
    /// In force from then on.
    pub from: UnixTime,
}

/// All of them; few, so they are one sorted list. Beside them what the operator bars. Cloning shares it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Holds {
    zones: Arc<[(ZoneId, ZoneHold)]>,
    barred: Barred,
}

impl Holds {
    pub fn build(mut holds: Vec<(ZoneId, ZoneHold)>) -> Holds {
        holds.sort_unstable_by_key(|(zone, _)| *zone);
        Holds { zones: holds.into(), barred: Barred::default() }
    }

    /// With these names barred, and no others.
    pub fn barring(self, barred: Barred) -> Holds {
        Holds { barred, ..self }
    }

    pub fn is_empty(&self) -> bool {
        self.zones.is_empty() && self.barred.is_empty()
    }

    /// Whether the operator bars the name.
    pub fn bars(&self, name: &NameBuf) -> bool {
        self.barred.has(name)
    }

    /// The hold of a zone.
    pub fn of(&self, zone: ZoneId) -> Option<ZoneHold> {
        let at = self.zones.binary_search_by_key(&zone, |(id, _)| *id).ok()?;
        Some(self.zones[at].1)
    }
}
