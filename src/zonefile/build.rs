//! Checked records to the block that queries read.

use crate::base::hash::HashKey;
use crate::base::mem::Arena;
use crate::base::name::Name;
use crate::model::zone::{BuildError, ZoneBuilder, ZoneData};
use crate::zonefile::record::Parsed;

/// Makes the zone of `parsed`, whose records are grouped by owner and type and lie in the zone.
///
/// # Errors
/// The zone has no SOA at its apex or does not fit a block; `check` finds these first and says where.
pub fn build(apex: &Name, parsed: &Parsed, key: &HashKey) -> Result<ZoneData, BuildError> {
    filled(apex, parsed, key).finish()
}

/// As [`build`], packed into `arena` beside other zones.
///
/// # Errors
/// As those of [`build`].
pub fn build_in(
    arena: &mut Arena,
    apex: &Name,
    parsed: &Parsed,
    key: &HashKey,
) -> Result<ZoneData, BuildError> {
    filled(apex, parsed, key).finish_in(arena)
}

/// A zone that has yet to be put in its place.
pub struct Prepared<'k>(ZoneBuilder<'k>);

impl Prepared<'_> {
    /// Packed into `arena` beside other zones.
    pub fn place(self, arena: &mut Arena) -> ZoneData {
        self.0.place(arena)
    }
}

/// Does all of [`build_in`] but the last step.
///
/// # Errors
/// As those of [`build`].
pub fn prepare<'k>(
    apex: &Name,
    parsed: &Parsed,
    key: &'k HashKey,
) -> Result<Prepared<'k>, BuildError> {
    let mut builder = filled(apex, parsed, key);
    builder.complete()?;
    Ok(Prepared(builder))
}

fn filled<'k>(apex: &Name, parsed: &Parsed, key: &'k HashKey) -> ZoneBuilder<'k> {
    let mut builder = ZoneBuilder::new(apex, key);
    builder.reserve(parsed.records.len(), parsed.arena.len());
    for r in &parsed.records {
        builder.push(parsed.owner(r), r.owner_hash, r.rtype, r.ttl, parsed.rdata(r));
    }
    builder
}
