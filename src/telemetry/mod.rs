//! Floor 6: what the server counts, and what it says of itself.

pub mod counters;
pub mod log;
