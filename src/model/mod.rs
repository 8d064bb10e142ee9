//! Floor 2: what the server knows: plain data with look-ups, no decisions.

pub mod question;
pub mod settings;
