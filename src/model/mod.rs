//! Floor 2: what the server knows: plain data with look-ups, no decisions.

pub mod barred;
pub mod catalog;
pub mod flattened;
pub mod grant;
pub mod hold;
pub mod note;
pub mod outside;
pub mod prefix;
pub mod question;
pub mod seal;
pub mod settings;
pub mod snapshot;
pub mod zone;
