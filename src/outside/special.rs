//! Special-purpose addresses (IANA registries, RFC 6890): what no answer from outside may lead to.
//!
//! An outside target is chosen by a tenant. Addresses of loopback, of private networks and the like would turn names
//! served here into doors to whatever the client can reach ("DNS rebinding").

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 blocks: address, length of the prefix. Those of the registry that are not globally reachable, and multicast.
const V4: [([u8; 4], u32); 15] = [
    ([0, 0, 0, 0], 8),       // this network
    ([10, 0, 0, 0], 8),      // private
    ([100, 64, 0, 0], 10),   // shared (carrier-grade NAT)
    ([127, 0, 0, 0], 8),     // loopback
    ([169, 254, 0, 0], 16),  // link-local
    ([172, 16, 0, 0], 12),   // private
    ([192, 0, 0, 0], 24),    // protocol assignments
    ([192, 0, 2, 0], 24),    // documentation
    ([192, 88, 99, 0], 24),  // 6to4 relays, withdrawn
    ([192, 168, 0, 0], 16),  // private
    ([198, 18, 0, 0], 15),   // benchmarking
    ([198, 51, 100, 0], 24), // documentation
    ([203, 0, 113, 0], 24),  // documentation
    ([224, 0, 0, 0], 4),     // multicast
    ([240, 0, 0, 0], 4),     // reserved, broadcast
];

/// IPv6 blocks within 2000::/3.
const V6: [(u128, u32); 4] = [
    (0x2001_0000 << 96, 23), // protocol assignments; Teredo is looked into before
    (0x2001_0db8 << 96, 32), // documentation
    (0x2001_0010 << 96, 28), // ORCHID, withdrawn
    (0x3fff_0000 << 96, 20), // documentation
];

/// Whether the address is no place on the public Internet.
pub fn is_special(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_special_v4(v4),
        IpAddr::V6(v6) => is_special_v6(v6),
    }
}

fn is_special_v4(address: Ipv4Addr) -> bool {
    let within = |(block, len): ([u8; 4], u32)| {
        (u32::from(address) ^ u32::from_be_bytes(block)) >> (32 - len) == 0
    };
    V4.into_iter().any(within)
}

fn is_special_v6(address: Ipv6Addr) -> bool {
    let bits = u128::from(address);
    let within = |(block, len): (u128, u32)| (bits ^ block) >> (128 - len) == 0;
    // The 32 bits that end `shift` bits before the end of the address.
    let inner = |shift: u32| Ipv4Addr::from((bits >> shift) as u32);
    if within((0x0064_ff9b << 96, 96)) {
        return is_special_v4(inner(0)); // NAT64
    }
    if within((0x2002 << 112, 16)) {
        return is_special_v4(inner(80)); // 6to4
    }
    if within((0x2001_0000 << 96, 32)) {
        // Teredo: the server, and the client with its bits turned over.
        return is_special_v4(inner(64)) || is_special_v4(Ipv4Addr::from(!(bits as u32)));
    }
    // Only 2000::/3 is global unicast: mapped IPv4, local, multicast and all the rest lie outside.
    !within((0x2000 << 112, 3)) || V6.into_iter().any(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_from_end_to_end() {
        let special = [
            "0.0.0.0",
            "0.255.255.255",
            "10.1.2.3",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.9",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::8.8.8.8",
            "100::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "3fff::1",
            "5f00::1",
            "4000::1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2002:0a00:0001::1",
            "2001:0:7f00:1::1",
            "2001:0:808:808::80ff:fffe",
            "2001:2::1",
            "2001:10::1",
            "2001:1ff::1",
        ];
        for text in special {
            assert!(is_special(text.parse().unwrap()), "{text}");
        }
        let public = [
            "1.0.0.0",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.0.1",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.0.3.1",
            "192.169.0.0",
            "198.17.0.1",
            "198.20.0.0",
            "223.255.255.255",
            "2000::1",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2606:4700::1",
            "2a00::1",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
            "2001:0:808:808::f7f7:f7f7",
        ];
        for text in public {
            assert!(!is_special(text.parse().unwrap()), "{text}");
        }
    }
}
