//! Floor 7: what happens over time, and what is done with all zones at once. Files, config and commands become the
//! next snapshot here, by one writer.

pub mod allowed;
pub mod background;
pub mod claims;
pub mod command;
pub mod cores;
pub mod directory;
pub mod files;
pub mod hold;
pub mod imager;
pub mod inbox;
pub mod keeper;
pub mod known;
pub mod loader;
pub mod look;
pub mod looks;
pub mod manage;
pub mod news;
pub mod offline;
pub mod press;
pub mod publisher;
pub mod registrar;
pub mod report;
pub mod review;
pub mod scan;
pub mod socket;
pub mod suffixes;
pub mod token;
pub mod watcher;
pub mod watches;
pub mod world;
