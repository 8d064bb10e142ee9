//! Floor 1: RR types and their data: text to wire and back, checks, canonical form, names inside.
//!
//! One table (`table.rs`) says for each type which parts its data has; everything here is a walk
//! over those parts, so a type is added by adding its line. Rdata is kept as on the wire with names
//! uncompressed and their case kept.

mod bitmap;
mod check;
mod encode;
mod gateway;
mod legacy;
mod line;
mod loc;
mod names;
mod octets;
mod prefixes;
mod print;
mod scan;
mod svcb;
mod svcb_wire;
mod table;
mod token;
mod types;
mod unknown;
mod value;
mod words;
mod wrong;

pub use check::{WireError, WireFault, check_wire};
pub use line::from_line;
pub use names::{NameIn, NamesIter, canonical, names, target};
pub use print::to_text;
pub use scan::from_text;
pub use token::{FieldError, Quotes, Token, Tokens};
pub use types::{is_data, type_from_text, type_text};

#[cfg(test)]
mod tests;
