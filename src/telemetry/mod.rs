//! Floor 6: what the server counts, and what it says of itself.

pub mod connections;
pub mod counters;
pub mod families;
pub mod figures;
pub mod log;
pub mod noted;
pub mod page;
pub mod process;
pub mod violations;
