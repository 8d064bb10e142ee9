//! Floor 7: what happens over time, and what is done with all zones at once. Files, config and commands become the
//! next snapshot here, by one writer.

pub mod command;
pub mod files;
pub mod hold;
pub mod loader;
pub mod review;
pub mod socket;
pub mod suffixes;
pub mod watcher;
