//! The settings a query can meet, as values; `config` makes them from the file.

use std::net::IpAddr;

/// How a denied question looks (SPEC §5, `on_violation`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
#[repr(u8)]
pub enum OnViolation {
    #[default]
    Refuse = 0,
    NoData = 1,
    NxDomain = 2,
    Sinkhole = 3,
    Report = 4,
}

impl OnViolation {
    /// The word in config and JSON.
    pub fn word(self) -> &'static str {
        match self {
            OnViolation::Refuse => "refuse",
            OnViolation::NoData => "nodata",
            OnViolation::NxDomain => "nxdomain",
            OnViolation::Sinkhole => "sinkhole",
            OnViolation::Report => "report",
        }
    }
}

/// Which CNAMEs are flattened (SPEC §4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum FlattenMode {
    /// Apex aliases, `ALIAS`/`ANAME` and records that ask for it.
    #[default]
    Apex,
    /// Every CNAME of the zone too.
    All,
}

/// Who may lead into a zone without a grant (SPEC §5 rule 1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum CrossAccount {
    #[default]
    Granted,
    Anyone,
}

/// What holds for every question, whatever its zone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rules {
    /// 1..=10.
    pub max_hops: usize,
    /// Seconds; no record of an answer that crosses lives longer.
    pub crossing_ttl: u32,
    pub sinkhole: Vec<IpAddr>,
    /// Seconds.
    pub sinkhole_ttl: u32,
    /// The order of flattened addresses changes from answer to answer.
    pub rotate: bool,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            max_hops: 10,
            crossing_ttl: 300,
            sinkhole: Vec::new(),
            sinkhole_ttl: 60,
            rotate: false,
        }
    }
}

/// What this server says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Identity {
    /// NSID (RFC 5001); empty: none.
    pub nsid: String,
    /// CH TXT `version.bind`; empty: REFUSED.
    pub version: String,
    /// Key of the server cookies (RFC 9018).
    pub cookie_secret: [u8; 16],
    /// Seconds a TCP connection may stay idle, told to clients (RFC 7828).
    pub tcp_idle: u16,
}
