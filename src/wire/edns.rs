//! The OPT record of a query (RFC 6891): size, version, DO and the options known here.

use crate::wire::cookie::Cookie;

/// Option codes (IANA "DNS EDNS0 Option Codes").
pub const NSID: u16 = 3;
pub const COOKIE: u16 = 10;
pub const KEEPALIVE: u16 = 11;
pub const EDE: u16 = 15;
pub const ZONEVERSION: u16 = 19;

/// What a query's OPT says.
#[derive(Clone, Debug, Default)]
pub struct Edns {
    pub udp_size: u16,
    pub version: u8,
    pub dnssec_ok: bool,
    pub nsid: bool,
    pub zoneversion: bool,
    pub keepalive: bool,
    pub cookie: Option<Cookie>,
}

impl Edns {
    /// Whether the answer has options of its own to carry.
    #[inline]
    pub fn has_options(&self) -> bool {
        self.nsid || self.zoneversion || self.keepalive || self.cookie.is_some()
    }
}

/// Reads the options of an OPT; `None`: they are malformed.
pub fn options(mut rdata: &[u8], edns: &mut Edns) -> Option<()> {
    while !rdata.is_empty() {
        let [c0, c1, l0, l1, rest @ ..] = rdata else { return None };
        let len = usize::from(u16::from_be_bytes([*l0, *l1]));
        if rest.len() < len {
            return None;
        }
        let (value, next) = rest.split_at(len);
        rdata = next;
        match u16::from_be_bytes([*c0, *c1]) {
            NSID => edns.nsid = true,
            //= RFC 7873 §5.2: a cookie of no allowed length is FORMERR
            COOKIE => edns.cookie = Some(Cookie::from_wire(value)?),
            //= RFC 9660 §3.1: in a query the option is empty
            ZONEVERSION if !value.is_empty() => return None,
            ZONEVERSION => edns.zoneversion = true,
            KEEPALIVE => edns.keepalive = true,
            //= RFC 6891 §6.1.2: unknown options are ignored
            _ => {}
        }
    }
    Some(())
}
