//! The resolvers of the system, out of `/etc/resolv.conf`.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use crate::base::limits::UPSTREAMS_MAX;

/// Where systems say which resolvers to ask.
pub const RESOLV_CONF: &str = "/etc/resolv.conf";

/// The resolvers named in the file at `path`; none if it cannot be read.
pub fn resolvers(path: &Path) -> Vec<SocketAddr> {
    std::fs::read_to_string(path).map(|text| parse(&text)).unwrap_or_default()
}

fn parse(text: &str) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some("nameserver"), Some(address)) = (words.next(), words.next()) else { continue };
        // A scoped address (`fe80::1%eth0`) would need the number of its interface: left out.
        let Ok(ip) = address.parse::<IpAddr>() else { continue };
        // 0.0.0.0 means this host, as the C library has it.
        let ip = match ip {
            IpAddr::V4(v4) if v4.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
            other => other,
        };
        let resolver = SocketAddr::new(ip, 53);
        if !found.contains(&resolver) && found.len() < UPSTREAMS_MAX {
            found.push(resolver);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_name_a_resolver() {
        let text = "# x\nsearch example\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 # y\n\
            nameserver 192.0.2.1\nnameserver fe80::1%eth0\nnameserver\nnameserver 0.0.0.0\n";
        let shown: Vec<String> = parse(text).iter().map(SocketAddr::to_string).collect();
        assert_eq!(shown, ["192.0.2.1:53", "[2001:db8::1]:53", "127.0.0.1:53"]);
        assert!(resolvers(Path::new("/nonexistent")).is_empty());
    }
}
