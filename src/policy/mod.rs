//! Floor 3: may this chain be answered, and who owns a name?
//!
//! The rule in ten lines (SPEC §5). A chain is a list of names, an edge one step of it. An edge crosses when both
//! of its names belong to active zones here and the zones belong to different accounts. A crossing edge is allowed
//! when the target's zone is open to anyone; or the target's account trusts the owner's; or the target's zone has an
//! active custom hostname that matches the owner as asked for (for edges that flattening hides inside the owner's
//! account: or the alias). Anything else is denied, and the whole question with it. Edges are judged one by one as
//! they are walked, before anything of the target is read; grants do not travel; doubt denies.

pub mod claims;
pub mod judge;
pub mod ownership;
pub mod tree;
pub mod verdict;
