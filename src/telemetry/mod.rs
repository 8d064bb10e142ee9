//! Floor 6: what the server says of itself.

pub mod log;
