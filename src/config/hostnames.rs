//! `[hostnames]`, and what accounts and zones say about proofs: address prefixes, apex proxying, partial zones.

use std::ops::Range;

use super::file::{Reader, put};
use super::keys;
use super::settings::{AccountName, Hostnames};
use super::walk::Item;
use crate::base::name::Name;
use crate::model::barred::Barred;
use crate::model::prefix::{Prefix, PrefixError};

/// Octets of a User-Agent and of a path: more than any that servers are seen to send.
const TEXT_MAX: usize = 200;

/// A prefix, whose it is, and where that stands.
pub(super) struct Claimed {
    prefix: Prefix,
    account: AccountName,
    path: String,
    span: Range<usize>,
}

impl Reader<'_> {
    pub(super) fn hostnames(&mut self, item: &Item<'_>, hostnames: &mut Hostnames) {
        for item in self.walk.table(item, "a table [hostnames]").unwrap_or_default() {
            match item.key {
                "label_prefix" => {
                    put(&mut hostnames.places.label_prefix, self.label_prefix(&item));
                }
                "path_prefix" => put(&mut hostnames.places.path_prefix, self.path_prefix(&item)),
                "user_agent" => put(&mut hostnames.user_agent, self.user_agent(&item)),
                "partial_suffix" => put(&mut hostnames.partial_suffix, self.partial_suffix(&item)),
                "allow_special" => put(&mut hostnames.allow_special, self.walk.flag(&item)),
                "blocked" => hostnames.blocked = self.blocked(&item),
                _ => self.walk.unknown(&item, &keys::HOSTNAMES),
            }
        }
    }

    fn label_prefix(&mut self, item: &Item<'_>) -> Option<String> {
        let expected = "a label, e.g. \"_cf-custom-hostname\"";
        let text = self.walk.text(item, expected)?;
        let name = self.walk.name(text, &item.path, item.span())?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if name.label_count() != 1 || !text.bytes().all(plain) {
            self.walk.bad_value(item, expected);
            return None;
        }
        Some(text.to_ascii_lowercase())
    }

    fn path_prefix(&mut self, item: &Item<'_>) -> Option<String> {
        let expected = "a path that begins with `/` and does not end with it, of letters, digits \
                        and `-._~/`";
        let text = self.walk.text(item, expected)?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
        let segments = text.split('/').skip(1).all(|s| !matches!(s, "" | "." | ".."));
        let good = text.len() <= TEXT_MAX && text.starts_with('/') && text.bytes().all(plain);
        if !good || !segments {
            self.walk.bad_value(item, expected);
            return None;
        }
        Some(text.to_owned())
    }

    fn user_agent(&mut self, item: &Item<'_>) -> Option<String> {
        let expected = "a line of visible ASCII characters, at most 200";
        let text = self.walk.text(item, expected)?;
        let visible = text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        if !visible || text.trim().is_empty() || text.len() > TEXT_MAX {
            self.walk.bad_value(item, expected);
            return None;
        }
        Some(text.to_owned())
    }

    fn partial_suffix(&mut self, item: &Item<'_>) -> Option<Name> {
        let expected = "a name, e.g. \"cdn.example.net\"";
        let text = self.walk.text(item, expected)?;
        let name = self.walk.name(text, &item.path, item.span())?;
        if name.is_root() {
            self.walk.bad_value(item, expected);
            return None;
        }
        Some(name)
    }

    fn blocked(&mut self, item: &Item<'_>) -> Barred {
        let expected = "a list of hostnames, e.g. [\"bad.example\", \"*.bad.example\"]";
        let mut names: Vec<Name> = Vec::new();
        for item in self.walk.list(item, expected).unwrap_or_default() {
            let expected = "a hostname, e.g. \"bad.example\"; \"*.bad.example\" for all below it";
            let Some(text) = self.walk.text(&item, expected) else { continue };
            let Some(name) = self.walk.name(text, &item.path, item.span()) else { continue };
            if name.is_root() {
                self.walk.bad_value(&item, expected);
            } else if names.contains(&name) {
                self.walk.twice(&item, item.span(), &name.to_string());
            } else {
                names.push(name);
            }
        }
        Barred::build(names)
    }

    /// `ip_prefixes` of an account.
    pub(super) fn ip_prefixes(
        &mut self,
        item: &Item<'_>,
        account: Option<&AccountName>,
    ) -> Vec<Prefix> {
        let expected = "a list of prefixes, e.g. [\"203.0.113.0/24\", \"2001:db8:53::/48\"]";
        let mut prefixes = Vec::new();
        for item in self.walk.list(item, expected).unwrap_or_default() {
            let expected = "a prefix, e.g. \"203.0.113.0/24\" or \"2001:db8:53::/48\"";
            let Some(text) = self.walk.text(&item, expected) else { continue };
            match text.parse::<Prefix>() {
                Ok(prefix) if prefixes.contains(&prefix) => {
                    self.walk.twice(&item, item.span(), &prefix.to_string());
                }
                Ok(prefix) => {
                    prefixes.push(prefix);
                    let Some(account) = account.cloned() else { continue };
                    let (path, span) = (item.path.clone(), item.span());
                    self.prefixes.push(Claimed { prefix, account, path, span });
                }
                Err(error) => {
                    let finding = self.walk.bad_value(&item, expected);
                    finding.help = match error {
                        PrefixError::Host(meant) => Some(format!("did you mean \"{meant}\"?")),
                        other => Some(other.to_string()),
                    };
                }
            }
        }
        prefixes
    }

    /// An address belongs to one account: what overlaps is said where it stands second.
    pub(super) fn across_prefixes(&mut self) {
        let mut all = std::mem::take(&mut self.prefixes);
        all.sort_by_key(|claimed| claimed.span.start);
        for (at, later) in all.iter().enumerate() {
            let earlier = all[..at]
                .iter()
                .find(|e| e.account != later.account && e.prefix.overlaps(&later.prefix));
            let Some(earlier) = earlier else { continue };
            let message = format!(
                "{} of account {} overlaps {} of account {}",
                later.prefix, later.account, earlier.prefix, earlier.account
            );
            let finding = self.walk.error("overlap", &later.path, later.span.clone(), message);
            finding.expected = Some("prefixes of different accounts that share no address".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::base::name::Name;
    use crate::config::file::from_text;

    #[test]
    fn values_arrive() {
        let text = r#"
server.listen = ["[::1]:0"]
[hostnames]
label_prefix = "_Verify"
path_prefix = "/.well-known/verify"
user_agent = "Verifier/1.0 (+https://host.example)"
partial_suffix = "cdn.host.example"
allow_special = true
blocked = ["Bad.example", "*.worse.example"]
[accounts.saas]
ip_prefixes = ["203.0.113.0/24", "203.0.113.128/25", "2001:db8::/32"]
apex_proxying = true
[zones."saas.com"]
type = "partial"
"#;
        let (settings, warnings) = from_text(text, Path::new("")).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        let hostnames = &settings.hostnames;
        assert_eq!(hostnames.places.label_prefix, "_verify");
        assert_eq!(hostnames.places.path_prefix, "/.well-known/verify");
        assert_eq!(hostnames.user_agent, "Verifier/1.0 (+https://host.example)");
        assert!(hostnames.allow_special);
        let barred = |text| hostnames.blocked.covers(&Name::from_text(text).unwrap(), false);
        assert!(barred("bad.example") && barred("a.worse.example") && !barred("a.bad.example"));
        let account = settings.accounts.values().next().unwrap();
        assert!(account.apex_proxying);
        assert_eq!(account.ip_prefixes.len(), 3);
        let name = |text| Name::from_text(text).unwrap();
        assert_eq!(settings.partial(&name("saas.com")), Some(name("saas.com.cdn.host.example")));
        assert_eq!(settings.partial(&name("other.com")), None);
    }
}
