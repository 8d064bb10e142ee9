//! Address prefixes that belong to accounts (`ip_prefixes`): which account's is an address?

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::base::id::AccountId;

/// Addresses that share their first bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    first: IpAddr,
    bits: u8,
}

/// Why a text is no prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PrefixError {
    /// No `/`, no address before it or no number after it.
    Form,
    /// More bits than the address has.
    Bits,
    /// Bits behind the prefix are set: the text means something else than it says.
    Host(Prefix),
}

impl fmt::Display for PrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PrefixError::Form => f.write_str("a prefix is an address, `/` and a number of bits"),
            PrefixError::Bits => f.write_str("the address has fewer bits"),
            PrefixError::Host(meant) => {
                write!(f, "bits behind the prefix are set; is {meant} meant?")
            }
        }
    }
}

impl std::error::Error for PrefixError {}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Prefix, PrefixError> {
        let (address, bits) = text.split_once('/').ok_or(PrefixError::Form)?;
        let address: IpAddr = address.parse().map_err(|_| PrefixError::Form)?;
        let digits =
            !bits.is_empty() && bits.len() <= 3 && bits.bytes().all(|b| b.is_ascii_digit());
        let bits: u16 = bits.parse().ok().filter(|_| digits).ok_or(PrefixError::Form)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        if bits > most {
            return Err(PrefixError::Bits);
        }
        let prefix = Prefix { first: first(address, bits as u8), bits: bits as u8 };
        if prefix.first == address { Ok(prefix) } else { Err(PrefixError::Host(prefix)) }
    }
}

/// `address` with all but its first `bits` bits cleared.
fn first(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    }
}

impl Prefix {
    pub fn contains(&self, address: IpAddr) -> bool {
        self.first.is_ipv4() == address.is_ipv4() && first(address, self.bits) == self.first
    }

    /// Whether every address of the other lies in this one.
    pub fn contains_prefix(&self, other: &Prefix) -> bool {
        self.bits <= other.bits && self.contains(other.first)
    }

    /// Whether any address lies in both.
    pub fn overlaps(&self, other: &Prefix) -> bool {
        self.contains(other.first) || other.contains(self.first)
    }
}

/// The prefixes of all accounts; those of different accounts do not overlap.
#[derive(Clone, Default, Debug)]
pub struct Prefixes(Vec<(Prefix, AccountId)>);

impl Prefixes {
    /// Prefixes that overlap one of another account count for neither: doubt denies.
    pub fn build(mut all: Vec<(Prefix, AccountId)>) -> Prefixes {
        all.sort_unstable();
        all.dedup();
        let lone = |(at, (prefix, account)): (usize, &(Prefix, AccountId))| {
            let rest = all.iter().enumerate().filter(|&(other, _)| other != at);
            rest.into_iter().all(|(_, (p, a))| a == account || !p.overlaps(prefix))
        };
        let kept: Vec<_> =
            all.iter().enumerate().filter(|&pair| lone(pair)).map(|(_, &p)| p).collect();
        Prefixes(kept)
    }

    /// The account in whose prefixes `address` lies.
    pub fn owner(&self, address: IpAddr) -> Option<AccountId> {
        self.0.iter().find(|(prefix, _)| prefix.contains(address)).map(|&(_, account)| account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn texts() {
        for good in ["203.0.113.0/24", "0.0.0.0/0", "::/0", "192.0.2.1/32", "2001:db8:53::/48"] {
            assert_eq!(p(good).to_string(), good);
        }
        for bad in ["", "192.0.2.0", "192.0.2.0/", "192.0.2.0/+8", "x/8", "192.0.2.0/ 8", "1.1/8"] {
            assert_eq!(bad.parse::<Prefix>(), Err(PrefixError::Form), "{bad}");
        }
        assert_eq!("192.0.2.0/33".parse::<Prefix>(), Err(PrefixError::Bits));
        assert_eq!("::/129".parse::<Prefix>(), Err(PrefixError::Bits));
        assert_eq!("192.0.2.1/24".parse::<Prefix>(), Err(PrefixError::Host(p("192.0.2.0/24"))));
    }

    #[test]
    fn whose_an_address_is() {
        let (a, b) = (AccountId(1), AccountId(2));
        let all = Prefixes::build(vec![
            (p("203.0.113.0/24"), a),
            (p("203.0.113.128/25"), a),
            (p("2001:db8:53::/48"), a),
            (p("198.51.100.0/24"), b),
            (p("198.51.100.64/26"), a),
        ]);
        let owner = |text: &str| all.owner(text.parse().unwrap());
        assert_eq!(owner("203.0.113.200"), Some(a));
        assert_eq!(owner("2001:db8:53::1"), Some(a));
        assert_eq!(owner("2001:db8:54::1"), None);
        assert_eq!(owner("::ffff:203.0.113.1"), None);
        // Two accounts claim it: it is nobody's.
        assert_eq!(owner("198.51.100.65"), None);
        assert_eq!(owner("198.51.100.1"), None);
    }
}
