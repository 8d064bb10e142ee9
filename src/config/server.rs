//! `[server]` and `[policy]`.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::file::{Reader, put};
use super::keys;
use super::settings::{Policy, Server};
use super::walk::Item;
use crate::base::limits::{
    CONNECTIONS_MAX, HOPS_MAX, NAMESERVERS_MAX, NAP_MAX_US, NSID_MAX, TCP_IDLE_MAX, WORKERS_MAX,
};
use crate::base::time::MAX_TTL;
use crate::hostname::syntax;

/// What stands for a path.
const PATH: &str = "a path in quotes; a relative one starts in the folder of the config";
/// Octets of one string of a TXT record.
const VERSION_MAX: usize = 255;

impl Reader<'_> {
    pub(super) fn server(&mut self, item: &Item<'_>, server: &mut Server) {
        for item in self.walk.table(item, "a table [server]").unwrap_or_default() {
            match item.key {
                "listen" => self.listen(&item, server),
                "zones" => put(&mut server.zones, self.path(&item)),
                "data" => put(&mut server.data, self.path(&item)),
                "workers" => server.workers = self.size(&item, 0..=WORKERS_MAX).filter(|&n| n > 0),
                "user" => server.user = self.user(&item),
                "nsid" => put(&mut server.nsid, self.walk.short_text(&item, NSID_MAX)),
                "version" => put(&mut server.version, self.walk.short_text(&item, VERSION_MAX)),
                "cookie_secret" => server.cookie_secret = self.cookie_secret(&item),
                "tcp_max" => put(&mut server.tcp_max, self.size(&item, 1..=CONNECTIONS_MAX)),
                "tcp_per_address" => {
                    put(&mut server.tcp_per_address, self.size(&item, 1..=CONNECTIONS_MAX));
                }
                "tcp_idle" => {
                    let seconds = self.walk.number(&item, 1..=u64::from(TCP_IDLE_MAX));
                    put(&mut server.tcp_idle, seconds.map(|n| n as u16));
                }
                "public_suffixes" => {
                    let path = self.walk.text(&item, PATH).filter(|path| !path.is_empty());
                    server.public_suffixes = path.map(|path| self.folder.join(path));
                }
                "nap_us" => {
                    let micros = self.walk.number(&item, 0..=u64::from(NAP_MAX_US));
                    put(&mut server.nap_us, micros.map(|n| n as u32));
                }
                "nameservers" => self.nameservers(&item, server),
                _ => self.walk.unknown(&item, &keys::SERVER),
            }
        }
    }

    fn size(&mut self, item: &Item<'_>, range: RangeInclusive<usize>) -> Option<usize> {
        let range = *range.start() as u64..=*range.end() as u64;
        self.walk.number(item, range).map(|n| n as usize)
    }

    fn listen(&mut self, item: &Item<'_>, server: &mut Server) {
        let expected = "a list of addresses with ports, e.g. [\"127.0.0.1:5300\", \"[::1]:5300\"]";
        for item in self.walk.list(item, expected).unwrap_or_default() {
            let Some(address) = self.walk.listen_address(&item) else { continue };
            if server.listen.contains(&address) {
                self.walk.twice(&item, item.span(), &address.to_string());
            } else {
                server.listen.push(address);
            }
        }
    }

    fn nameservers(&mut self, item: &Item<'_>, server: &mut Server) {
        let expected = "a list of names, e.g. [\"ns1.example.net\", \"ns2.example.net\"]";
        for item in self.walk.list(item, expected).unwrap_or_default() {
            let Some(text) = self.walk.text(&item, "a name, e.g. \"ns1.example.net\"") else {
                continue;
            };
            let Some(name) = self.walk.name(text, &item.path, item.span()) else { continue };
            let valid = syntax::check(name.as_wire()).is_ok() && !name.is_wildcard();
            if !valid {
                self.walk.bad_value(&item, "the name of a host, e.g. \"ns1.example.net\"");
            } else if server.nameservers.contains(&name) {
                self.walk.twice(&item, item.span(), &name.to_string());
            } else if server.nameservers.len() >= NAMESERVERS_MAX {
                self.walk.bad_value(&item, "one of 64 names at the most");
            } else {
                server.nameservers.push(name);
            }
        }
    }

    fn path(&mut self, item: &Item<'_>) -> Option<PathBuf> {
        let path = self.walk.text(item, PATH)?;
        if path.is_empty() || path.contains('\0') {
            self.walk.bad_value(item, PATH);
            return None;
        }
        Some(self.folder.join(path))
    }

    fn user(&mut self, item: &Item<'_>) -> Option<String> {
        let expected = "the name of a user of this system; \"\" keeps the one who started it";
        let user = self.walk.text(item, expected)?;
        let valid = |c: char| c.is_ascii_alphanumeric() || "_.-$".contains(c);
        if !user.chars().all(valid) || user.starts_with('-') {
            self.walk.bad_value(item, expected);
            return None;
        }
        // Asked of the system here, so that `check` finds it and not the start.
        if !user.is_empty() && matches!(nix::unistd::User::from_name(user), Ok(None)) {
            self.walk.bad_value(item, expected);
            return None;
        }
        (!user.is_empty()).then(|| user.to_owned())
    }

    /// The value is never quoted: findings go to logs.
    fn cookie_secret(&mut self, item: &Item<'_>) -> Option<[u8; 16]> {
        let expected = "32 hexadecimal digits (16 octets), in quotes";
        let digits = self.walk.secret_text(item, expected)?;
        if digits.is_empty() {
            return None;
        }
        let secret = hex16(digits);
        if secret.is_none() {
            let message = format!("`{}` is not 16 octets in hexadecimal", item.path);
            let finding = self.walk.error("bad-value", &item.path, item.span(), message);
            finding.expected = Some(expected.to_owned());
            finding.help = Some("make one with: openssl rand -hex 16".to_owned());
        }
        secret
    }

    pub(super) fn policy(&mut self, item: &Item<'_>, policy: &mut Policy) {
        let rules = &mut policy.rules;
        for item in self.walk.table(item, "a table [policy]").unwrap_or_default() {
            match item.key {
                "on_violation" => put(&mut policy.on_violation, self.on_violation(&item)),
                "max_hops" => put(&mut rules.max_hops, self.size(&item, 1..=HOPS_MAX)),
                "crossing_ttl" => put(&mut rules.crossing_ttl, self.ttl(&item)),
                "sinkhole" => rules.sinkhole = self.sinkhole(&item),
                "sinkhole_ttl" => put(&mut rules.sinkhole_ttl, self.ttl(&item)),
                "suffixes" => {
                    let expected =
                        "a table of suffixes and accounts: { \"co.example\" = \"acct\" }";
                    policy.suffixes = self.holders(&item, expected, |_| None);
                }
                _ => self.walk.unknown(&item, &keys::POLICY),
            }
        }
    }

    fn ttl(&mut self, item: &Item<'_>) -> Option<u32> {
        self.walk.number(item, 0..=u64::from(MAX_TTL)).map(|ttl| ttl as u32)
    }

    fn sinkhole(&mut self, item: &Item<'_>) -> Vec<IpAddr> {
        let expected = "a list of addresses, e.g. [\"192.0.2.1\", \"2001:db8::1\"]";
        let mut addresses = Vec::new();
        for item in self.walk.list(item, expected).unwrap_or_default() {
            let expected = "an address without port, e.g. \"192.0.2.1\"";
            let Some(text) = self.walk.text(&item, expected) else { continue };
            match text.parse::<IpAddr>() {
                Ok(address) if addresses.contains(&address) => {
                    self.walk.twice(&item, item.span(), &address.to_string());
                }
                Ok(address) => addresses.push(address),
                Err(_) => {
                    self.walk.bad_value(&item, expected);
                }
            }
        }
        addresses
    }
}

fn hex16(digits: &str) -> Option<[u8; 16]> {
    let hex = digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    hex.then(|| u128::from_str_radix(digits, 16).ok().map(u128::to_be_bytes)).flatten()
}
