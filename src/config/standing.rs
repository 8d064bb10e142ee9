//! Which grants and trusts still stand in a config that is invalid elsewhere (SPEC §3).
//!
//! A bad config changes nothing, save that what it no longer grants or trusts is withdrawn: the operator who takes a
//! grant away must not keep it open by a slip in another line. Doubt denies: a `[[grants]]` entry with anything wrong
//! in it, a `trusts` that is no list and a section that is no TOML stand for nothing that was in them, while the other
//! sections are read as usual. But a text without any section of a config (empty, half written, another file) says
//! nothing at all, and withdraws nothing; neither does a file that cannot be read.

use std::collections::HashSet;

use toml::de::DeValue;

use super::file::Reader;
use super::keys;
use super::settings::AccountName;
use super::syntax;
use crate::base::name::Name;

/// What still stands.
#[derive(Debug, Default)]
pub struct Standing {
    grants: HashSet<(Name, Name)>,
    /// Who trusts, and who is trusted.
    trusts: HashSet<(AccountName, AccountName)>,
}

impl Standing {
    /// Whether the config still grants `hostname` for `zone`.
    pub fn grants(&self, hostname: &Name, zone: &Name) -> bool {
        self.grants.contains(&(hostname.clone(), zone.clone()))
    }

    /// Whether `account` still trusts `trusted`.
    pub fn trusts(&self, account: &AccountName, trusted: &AccountName) -> bool {
        self.trusts.contains(&(account.clone(), trusted.clone()))
    }
}

/// Grants and trusts of a text that is no valid config; `None` if it is no config at all.
pub fn withdrawn_only(text: &str) -> Option<Standing> {
    let (mended, _) = syntax::mend(text);
    let (tables, _) = syntax::tables(&mended);
    let mut reader = Reader::silent();
    let mut standing = Standing::default();
    let mut sections = 0;
    for item in reader.walk.entries("", tables.get_ref()) {
        sections +=
            usize::from(is_section(item.value.get_ref()) && keys::TOP.known.contains(&item.key));
        match item.key {
            "grants" => {
                let grants = reader.grants(&item).into_iter();
                standing.grants = grants.map(|g| (g.hostname, g.zone)).collect();
            }
            "accounts" => {
                for (name, account) in reader.accounts(&item) {
                    let trusts = account.trusts.into_iter().map(|t| (name.clone(), t.account));
                    standing.trusts.extend(trusts);
                }
            }
            _ => {}
        }
    }
    (sections > 0).then_some(standing)
}

fn is_section(value: &DeValue<'_>) -> bool {
    matches!(value, DeValue::Table(_) | DeValue::Array(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[server]
listen = ["127.0.0.1:0"]
[accounts.saas]
trusts = ["customer", "client"]
[[grants]]
hostname = "app.example.com"
zone = "saasprovider.com"
[[grants]]
hostname = "*.shop.example.com"
zone = "saasprovider.com"
"#;

    fn grants(text: &str) -> Vec<String> {
        let standing = withdrawn_only(text).unwrap();
        let mut names: Vec<_> = standing.grants.iter().map(|(h, _)| h.to_string()).collect();
        names.sort();
        names
    }

    fn trusts(text: &str) -> usize {
        withdrawn_only(text).unwrap().trusts.len()
    }

    #[test]
    fn errors_elsewhere_leave_grants_and_trusts() {
        for broken in [
            GOOD.replace("listen", "lisen"),
            GOOD.replace("[\"127.0.0.1:0\"]", "[\"127.0.0.1:0\""),
            GOOD.replace("[\"127.0.0.1:0\"]", "\"\"\"oh"),
            format!("nonsense\n{GOOD}"),
            format!("{GOOD}[log]\nformat = text\n"),
            format!("{GOOD}[server]\n"),
        ] {
            assert_eq!(grants(&broken), ["*.shop.example.com", "app.example.com"], "{broken}");
            assert_eq!(trusts(&broken), 2, "{broken}");
        }
    }

    #[test]
    fn what_cannot_be_read_stands_for_nothing() {
        let entry = |text: &str| grants(&GOOD.replace("hostname = \"app.example.com\"", text));
        for broken in ["hostname = 1", "host = \"app.example.com\"", "hostname = \"app", ""] {
            assert_eq!(entry(broken), ["*.shop.example.com"], "{broken}");
        }
        let off = "hostname = \"app.example.com\"\nenabled = false";
        assert_eq!(entry(off), ["*.shop.example.com"]);
        assert_eq!(trusts(&GOOD.replace("[\"customer\", \"client\"]", "\"customer\"")), 0);
        assert_eq!(trusts(&GOOD.replace("\"client\"", "7")), 1);
    }

    #[test]
    fn removed_is_removed() {
        let (kept, _) = GOOD.split_once("[[grants]]").unwrap();
        assert!(grants(&format!("{kept}\n[log]\nformat = 1\n")).is_empty());
    }

    #[test]
    fn no_config_withdraws_nothing() {
        for text in ["", "\n# nothing\n", "hello world", "[other]\nx = 1\n"] {
            assert!(withdrawn_only(text).is_none(), "{text}");
        }
    }
}
