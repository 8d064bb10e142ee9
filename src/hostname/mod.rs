//! Floor 3: the life of a custom hostname: a grant that has to be earned (SPEC §7).
//!
//! A provider names somebody else's hostname that may lead into its zone. Whoever runs that name has to show that
//! this is meant: by a CNAME, by addresses, by a TXT record or by a page. What was seen is a value ([`seen`]), what
//! it proves is a function of it ([`verify`]), and what follows is one step of a state machine ([`lifecycle`]). Only
//! an active custom hostname is a grant, and the grants are derived ([`grants`]), never stored: state and grant
//! cannot disagree.

pub mod advice;
pub mod create;
pub mod errors;
pub mod fallback;
pub mod grants;
pub mod hold;
pub mod lifecycle;
pub mod object;
pub mod priority;
pub mod proof;
pub mod schedule;
pub mod seen;
pub mod shown;
pub mod syntax;
pub mod verify;
