//! DNS cookies (RFC 7873) in the interoperable form of RFC 9018, so that anycast nodes with one secret agree.

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

use crate::base::time::UnixTime;

/// Octets of a client cookie followed by a server cookie of ours.
pub const FULL_LEN: usize = 24;
/// A server cookie older than this is renewed, in seconds (RFC 9018 §4.3).
const RENEW_SECS: u32 = 1_800;
/// A server cookie older than this is invalid, in seconds (RFC 9018 §4.3).
const VALID_SECS: u32 = 3_600;
/// A server cookie this far ahead of our clock is still valid, in seconds (RFC 9018 §4.3).
const AHEAD_SECS: u32 = 300;

/// The COOKIE option of a query.
#[derive(Clone, Debug)]
pub struct Cookie {
    client: [u8; 8],
    server: [u8; 32],
    server_len: u8,
}

impl Cookie {
    /// 8 octets, or 16 to 40 (RFC 7873 §4).
    pub fn from_wire(value: &[u8]) -> Option<Cookie> {
        let (client, server) = value.split_first_chunk::<8>()?;
        if !(server.is_empty() || (8..=32).contains(&server.len())) {
            return None;
        }
        let mut c = Cookie { client: *client, server: [0; 32], server_len: server.len() as u8 };
        c.server[..server.len()].copy_from_slice(server);
        Some(c)
    }

    /// The server part, as received; may be empty.
    pub fn server(&self) -> &[u8] {
        &self.server[..usize::from(self.server_len)]
    }
}

/// Whether the server part was made with `secret` for this client, not too long ago.
pub fn is_valid(cookie: &Cookie, address: IpAddr, secret: &[u8; 16], now: UnixTime) -> bool {
    age(cookie, address, secret, now).is_some()
}

/// The whole option value to answer with: a good cookie is kept while it is fresh, else a new one is made.
pub fn answer(
    cookie: &Cookie,
    address: IpAddr,
    secret: &[u8; 16],
    now: UnixTime,
) -> [u8; FULL_LEN] {
    let mut value = [0u8; FULL_LEN];
    value[..8].copy_from_slice(&cookie.client);
    match age(cookie, address, secret, now) {
        Some(age) if age <= RENEW_SECS => value[8..].copy_from_slice(&cookie.server[..16]),
        _ => value[8..].copy_from_slice(&make(&cookie.client, address, secret, now.0 as u32)),
    }
    value
}

/// Seconds since a valid server cookie was made (0 for one from ahead of our clock).
fn age(cookie: &Cookie, address: IpAddr, secret: &[u8; 16], now: UnixTime) -> Option<u32> {
    let server: &[u8; 16] = cookie.server().try_into().ok()?;
    let made = u32::from_be_bytes(server[4..8].try_into().ok()?);
    if &make(&cookie.client, address, secret, made) != server {
        return None;
    }
    //= RFC 9018 §4.3: serial number arithmetic, the clock of 32 bits wraps in 2106
    let age = (now.0 as u32).wrapping_sub(made);
    match age {
        0..=VALID_SECS => Some(age),
        _ if made.wrapping_sub(now.0 as u32) <= AHEAD_SECS => Some(0),
        _ => None,
    }
}

fn make(client: &[u8; 8], address: IpAddr, secret: &[u8; 16], time: u32) -> [u8; 16] {
    let mut server = [0u8; 16];
    server[0] = 1;
    server[4..8].copy_from_slice(&time.to_be_bytes());
    let mut hash = SipHasher24::new_with_key(secret);
    hash.write(client);
    hash.write(&server[..8]);
    match address {
        IpAddr::V4(a) => hash.write(&a.octets()),
        IpAddr::V6(a) => hash.write(&a.octets()),
    }
    server[8..].copy_from_slice(&hash.finish().to_le_bytes());
    server
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
            .collect()
    }

    //= RFC 9018 Appendix A.1
    #[test]
    fn rfc_9018_vector() {
        let secret: [u8; 16] = hex("e5e973e5a6b2a43f48e7dc849e37bfcf").try_into().unwrap();
        let address: IpAddr = "198.51.100.100".parse().unwrap();
        let cookie = Cookie::from_wire(&hex("2464c4abcf10c957")).unwrap();
        let now = UnixTime(1_559_731_985);
        let full = answer(&cookie, address, &secret, now);
        assert_eq!(full.to_vec(), hex("2464c4abcf10c957010000005cf79f111f8130c3eee29480"));
        let back = Cookie::from_wire(&full).unwrap();
        assert!(is_valid(&back, address, &secret, UnixTime(now.0 + 3_600)));
        assert!(!is_valid(&back, address, &secret, UnixTime(now.0 + 3_601)));
        assert!(is_valid(&back, address, &secret, UnixTime(now.0 - 300)));
        assert!(!is_valid(&back, address, &secret, UnixTime(now.0 - 301)));
        assert!(!is_valid(&back, "198.51.100.101".parse().unwrap(), &secret, now));
        // Kept while fresh, renewed after half an hour.
        assert_eq!(answer(&back, address, &secret, UnixTime(now.0 + 1_800)), full);
        assert_ne!(answer(&back, address, &secret, UnixTime(now.0 + 1_801)), full);
    }

    #[test]
    fn wraps_with_the_clock() {
        let secret = [9; 16];
        let address: IpAddr = "2001:db8::1".parse().unwrap();
        let cookie = Cookie::from_wire(&[1; 8]).unwrap();
        let before = UnixTime(u64::from(u32::MAX) - 5);
        let full = Cookie::from_wire(&answer(&cookie, address, &secret, before)).unwrap();
        assert!(is_valid(&full, address, &secret, UnixTime(before.0 + 60)));
    }

    #[test]
    fn lengths() {
        for (len, good) in
            [(0, false), (7, false), (8, true), (15, false), (16, true), (40, true), (41, false)]
        {
            assert_eq!(Cookie::from_wire(&vec![0; len]).is_some(), good, "{len}");
        }
    }
}
