//! Floor 0: the words of the language. Imports nothing of ours; knows no socket, file, clock or lock.

pub mod count;
pub mod hash;
pub mod id;
pub mod limits;
pub mod mem;
pub mod name;
pub mod name_buf;
pub mod pages;
pub mod public_id;
pub mod records;
pub mod rtype;
pub mod share;
pub mod time;
pub mod uuid;
