//! Which addresses a page may be fetched from. What a tenant's DNS says must not make this server knock at doors that
//! are only open from where it stands (SSRF), nor at its own, nor at somebody's again and again.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::base::limits::{FETCHES_BURST, FETCHES_PER_SECOND};
use crate::control::looks::Budget;
use crate::outside::special::is_special;

/// Whether special-purpose addresses may be asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Special {
    Refused,
    Allowed,
}

/// How often each network was asked lately.
#[derive(Debug, Default)]
pub struct Guard {
    networks: Mutex<Budget<IpAddr>>,
}

impl Guard {
    /// Whether a connection to `address` may be made now. It is asked about the very address that is connected to.
    pub fn admit(
        &self,
        address: SocketAddr,
        special: Special,
        now: Instant,
    ) -> Result<(), &'static str> {
        if special == Special::Refused && is_special(address.ip()) {
            return Err("it has a special-purpose address");
        }
        let mut networks = self.networks.lock().unwrap_or_else(PoisonError::into_inner);
        let network = network(address.ip());
        if !networks.has(&network, FETCHES_BURST, FETCHES_PER_SECOND, now) {
            return Err("too many pages were fetched from its network lately");
        }
        networks.take(network, FETCHES_BURST, FETCHES_PER_SECOND, now);
        Ok(())
    }
}

/// Whether a connection leads to a door of this very server: `own` are the addresses it listens on.
pub fn is_own(peer: SocketAddr, local: IpAddr, own: &[SocketAddr]) -> bool {
    let here = peer.ip() == local || peer.ip().is_loopback() || peer.ip().is_unspecified();
    own.iter().any(|o| {
        o.port() == peer.port() && (o.ip() == peer.ip() || here && o.ip().is_unspecified())
    })
}

/// An IPv4 /24 or IPv6 /48: what usually is one operator's.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::from((v4.to_bits() & !0xFF).to_be_bytes()),
        IpAddr::V6(v6) => IpAddr::from((v6.to_bits() >> 80 << 80).to_be_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn special_addresses_are_refused_unless_allowed() {
        let guard = Guard::default();
        let now = Instant::now();
        for text in ["127.0.0.1:80", "169.254.169.254:80", "[::1]:443", "[::ffff:10.0.0.1]:80"] {
            let refused = guard.admit(socket(text), Special::Refused, now);
            assert_eq!(refused, Err("it has a special-purpose address"), "{text}");
            assert_eq!(guard.admit(socket(text), Special::Allowed, now), Ok(()));
        }
        assert_eq!(guard.admit(socket("8.8.8.8:80"), Special::Refused, now), Ok(()));
    }

    #[test]
    fn ten_thousand_pages_of_one_network() {
        let guard = Guard::default();
        let now = Instant::now();
        let fetched = (0..10_000u32).filter(|n| {
            let address = IpAddr::from([8, 8, 8, (n % 256) as u8]);
            guard.admit(SocketAddr::new(address, 80), Special::Refused, now).is_ok()
        });
        assert_eq!(fetched.count(), FETCHES_BURST as usize);
        assert_eq!(guard.admit(socket("8.8.9.1:80"), Special::Refused, now), Ok(()));
    }

    #[test]
    fn own_doors() {
        let own = [socket("0.0.0.0:80"), socket("[2a00::5]:443")];
        let local = |text: &str| text.parse().unwrap();
        assert!(is_own(socket("127.0.0.7:80"), local("127.0.0.1"), &own));
        assert!(is_own(socket("8.8.4.4:80"), local("8.8.4.4"), &own));
        assert!(is_own(socket("[2a00::5]:443"), local("2a00::5"), &own));
        assert!(!is_own(socket("8.8.4.4:80"), local("8.8.8.8"), &own));
        assert!(!is_own(socket("8.8.4.4:443"), local("8.8.4.4"), &own));
    }
}
