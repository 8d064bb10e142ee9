//! Floor 3: master-file text to records, findings and zone data (RFC 1035 §5).

pub mod build;
pub mod filename;
pub mod finding;
pub mod record;
