//! Floor 8: the page for browsers that were sent to the sinkhole. It says why, and who can do what about it (SPEC §6).
//!
//! A request counts by its `Host` alone. The engine is asked for that name from the current snapshot, as a question
//! over DNS would be, so page and nameserver never disagree. Nothing of another account is shown: not even the target
//! of the alias.

pub mod accept;
pub mod decide;
pub mod host;
pub mod render;
pub mod serve;
pub mod words;
