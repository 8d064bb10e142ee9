//! Everything a query may read, immutable.

use crate::base::hash::HashKey;
use crate::base::id::Generation;
use crate::model::catalog::Catalog;
use crate::model::grant::{GrantTable, Trusts};
use crate::model::hold::Holds;
use crate::model::outside::Outside;
use crate::model::settings::{Identity, Rules};

/// One state of the world. The publisher makes the next one by cloning (which shares) and changing its clone.
#[derive(Clone)]
pub struct Snapshot {
    pub generation: Generation,
    pub key: HashKey,
    pub catalog: Catalog,
    pub grants: GrantTable,
    pub trusts: Trusts,
    /// Names that no wildcard of others matches.
    pub holds: Holds,
    /// What is known of targets outside.
    pub outside: Outside,
    pub rules: Rules,
    pub identity: Identity,
}

impl Snapshot {
    /// A world without zones.
    pub fn empty(key: HashKey) -> Snapshot {
        Snapshot {
            generation: Generation(0),
            key,
            catalog: Catalog::new(key),
            grants: GrantTable::default(),
            trusts: Trusts::default(),
            holds: Holds::default(),
            outside: Outside::default(),
            rules: Rules::default(),
            identity: Identity::default(),
        }
    }
}
