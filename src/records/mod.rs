//! Floor 4: records of zones that live in the store: what a client may say, what is kept, and the zone they make.
//!
//! Everything here is pure. A zone's records are a [`RecordSet`]; a [`Write`] changes it or says why not
//! (`rules.rs`); [`compile::compile`] makes of it the block that is served, by the same checks as those of a file.

pub mod compile;
pub mod content;
pub mod data;
pub mod derived;
pub mod export;
pub mod filter;
pub mod import;
pub mod input;
pub mod object;
pub mod problem;
pub mod rules;
pub mod set;
pub mod settings;
pub mod write;

use crate::base::id::ZoneId;
use crate::base::name::Name;
use crate::base::rtype::RType;
use crate::base::time::UnixTime;
use crate::base::uuid::Uuid;

pub use problem::Problem;
pub use set::RecordSet;
pub use settings::Settings;
pub use write::Write;

/// The TTL that stands for [`AUTOMATIC_TTL`].
pub const AUTOMATIC: u32 = 1;
/// What a TTL of 1 means.
pub const AUTOMATIC_TTL: u32 = 300;

/// One record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    pub id: Uuid,
    /// Lower case.
    pub name: Name,
    pub rtype: RType,
    /// As on the wire, names whole and their case kept.
    pub rdata: Box<[u8]>,
    /// The data as its client wrote it, where that differs from `rdata::to_text` in the case of hexadecimal digits:
    /// clients compare texts.
    pub spelling: Option<Box<str>>,
    /// 1: automatic.
    pub ttl: u32,
    /// Of a CNAME: answered with the addresses at the end of its chain.
    pub flatten: bool,
    pub comment: Box<str>,
    /// `name` or `name:value`.
    pub tags: Vec<Box<str>>,
    pub created_at: UnixTime,
    pub modified_at: UnixTime,
    /// When comment and tags were changed last, if there are any.
    pub comment_at: Option<UnixTime>,
    pub tags_at: Option<UnixTime>,
}

impl Record {
    /// The TTL that is served.
    pub fn served_ttl(&self) -> u32 {
        if self.ttl == AUTOMATIC { AUTOMATIC_TTL } else { self.ttl }
    }
}

/// What the store keeps of a zone beside its records. A zone that has this lives in the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Content {
    pub zone: ZoneId,
    /// Grows with each write.
    pub serial: u32,
    pub settings: Settings,
}

impl Content {
    /// A zone without records, made at that time.
    pub fn new(zone: ZoneId, nameservers: Vec<Name>, now: UnixTime) -> Content {
        let settings = Settings { nameservers, ..Settings::default() };
        Content { zone, serial: next_serial(0, now), settings }
    }
}

/// The serial of a version made now, after one with `serial`: seconds since 1970, or one more than before.
pub fn next_serial(serial: u32, now: UnixTime) -> u32 {
    serial.saturating_add(1).max(now.0 as u32)
}

/// 32 hexadecimal digits, as ids are written in the API.
pub fn hex(id: Uuid) -> String {
    id.0.iter().fold(String::with_capacity(32), |mut text, octet| {
        for digit in [octet >> 4, octet & 15] {
            text.push(char::from_digit(u32::from(digit), 16).expect("four bits are one digit"));
        }
        text
    })
}

/// The id that 32 hexadecimal digits stand for.
pub fn id_from_hex(text: &str) -> Option<Uuid> {
    if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(text, 16).ok().map(|n| Uuid(n.to_be_bytes()))
}
