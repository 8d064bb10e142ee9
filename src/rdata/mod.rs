//! Floor 1: RR types and their data: text to wire and back, checks, canonical form, and where names lie.

mod token;
mod types;

pub use token::{FieldError, Token, Tokens};
pub use types::{is_data, type_from_text, type_text};
