//! Floor 6: what survives a restart: ownership, withdrawn grants, last good zone texts, the hash key, and a database.

pub mod folder;
pub mod format;
pub mod grants;
pub mod image;
mod index;
pub mod journal;
mod ledger;
pub mod log;
pub mod ownership;
pub mod state;
pub mod zones;
