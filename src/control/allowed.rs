//! What the config allows about names: the answers of the settings to `policy::ownership`.

use super::suffixes::Suffixes;
use crate::base::id::AccountId;
use crate::base::name;
use crate::config::settings::{AccountRef, Settings};
use crate::policy::ownership::Permissions;

/// Settings, list and accounts together.
pub struct Allowed<'a, F> {
    pub settings: &'a Settings,
    pub suffixes: &'a Suffixes,
    /// The account of a name, if it exists.
    pub account: F,
}

impl<F: Fn(&str) -> Option<AccountId>> Allowed<'_, F> {
    fn id(&self, of: &AccountRef) -> Option<AccountId> {
        (self.account)(of.account.as_str())
    }
}

impl<F: Fn(&str) -> Option<AccountId>> Permissions for Allowed<'_, F> {
    fn is_public_suffix(&self, name: &[u8]) -> bool {
        self.suffixes.contains(name)
    }

    fn given_to(&self, name: &[u8]) -> Option<AccountId> {
        self.settings.policy.suffixes.get(name).and_then(|to| self.id(to))
    }

    fn delegated_to(&self, upper: &[u8], name: &[u8]) -> Option<AccountId> {
        let delegates = &self.settings.zones.get(upper)?.delegates;
        let mut covering = Some(name).filter(|_| !delegates.is_empty());
        while let Some(entry) = covering.filter(|entry| *entry != upper) {
            if let Some(to) = delegates.get(entry) {
                return self.id(to);
            }
            covering = name::parent(entry);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::name::Name;
    use crate::config::file;

    #[test]
    fn settings_answer() {
        let text = r#"
            [server]
            listen = ["127.0.0.1:0"]
            [policy]
            suffixes = { "co.example" = "a", "none.example" = "nobody" }
            [zones."x.example"]
            delegates = { "sub.x.example" = "b", "d.sub.x.example" = "nobody" }
        "#;
        let (settings, _) = file::from_text(text, std::path::Path::new("")).unwrap();
        let account = |name: &str| match name {
            "a" => Some(AccountId(1)),
            "b" => Some(AccountId(2)),
            _ => None,
        };
        let allowed = Allowed { settings: &settings, suffixes: &Suffixes::BuiltIn, account };
        let wire = |text: &str| Name::from_text(text).unwrap().as_wire().to_vec();
        assert!(allowed.is_public_suffix(&wire("com")));
        assert_eq!(allowed.given_to(&wire("co.example")), Some(AccountId(1)));
        assert_eq!(allowed.given_to(&wire("none.example")), None);
        let delegated = |upper, name| allowed.delegated_to(&wire(upper), &wire(name));
        assert_eq!(delegated("x.example", "sub.x.example"), Some(AccountId(2)));
        assert_eq!(delegated("x.example", "a.b.sub.x.example"), Some(AccountId(2)));
        assert_eq!(delegated("x.example", "d.sub.x.example"), None);
        assert_eq!(delegated("x.example", "a.d.sub.x.example"), None);
        assert_eq!(delegated("x.example", "other.x.example"), None);
        assert_eq!(delegated("sub.x.example", "a.sub.x.example"), None);
        assert_eq!(delegated("example", "sub.x.example"), None);
    }
}
