//! Floor 7: what happens over time, and what is done with all zones at once.

pub mod review;
