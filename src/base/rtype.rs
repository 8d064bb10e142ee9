//! RR types by number (IANA registry). Names and rdata layouts are in `rdata`; here are those that decide something.

/// An RR type or QTYPE.
pub type RType = u16;

pub const A: RType = 1;
pub const NS: RType = 2;
pub const CNAME: RType = 5;
pub const SOA: RType = 6;
pub const PTR: RType = 12;
pub const MX: RType = 15;
pub const TXT: RType = 16;
pub const AAAA: RType = 28;
pub const SRV: RType = 33;
pub const NAPTR: RType = 35;
pub const DNAME: RType = 39;
pub const OPT: RType = 41;
pub const DS: RType = 43;
pub const RRSIG: RType = 46;
pub const NSEC: RType = 47;
pub const DNSKEY: RType = 48;
pub const TLSA: RType = 52;
pub const SVCB: RType = 64;
pub const HTTPS: RType = 65;
pub const TKEY: RType = 249;
pub const TSIG: RType = 250;
pub const IXFR: RType = 251;
pub const AXFR: RType = 252;
pub const MAILB: RType = 253;
pub const MAILA: RType = 254;
pub const ANY: RType = 255;
pub const CAA: RType = 257;
/// ALIAS (65401): "flatten here". ANAME and a CNAME at the apex become this too. Never on the wire.
pub const ALIAS: RType = 65401;

/// Class IN; zones of other classes do not exist here.
pub const CLASS_IN: u16 = 1;
pub const CLASS_CH: u16 = 3;
pub const CLASS_ANY: u16 = 255;
