//! Floor 7: what happens over time, and what is done with all zones at once.

pub mod files;
pub mod hold;
pub mod review;
//! Floor 7: what changes the world: files, config and commands become the next snapshot, by one writer.

