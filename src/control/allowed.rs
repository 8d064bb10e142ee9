//! What config and API allow about names: the answers of the settings to `policy::ownership`.
//!
//! Of the delegations of a zone the most specific one decides; of two for the same name that of the config.

use super::suffixes::Suffixes;
use crate::base::id::AccountId;
use crate::base::name;
use crate::config::settings::{AccountRef, Settings};
use crate::policy::ownership::Permissions;
use crate::store::ownership::Ownership;
use crate::store::state::chosen::{Chosen, ZoneChoice};

/// Settings, list and accounts together.
pub struct Allowed<'a, F> {
    pub settings: &'a Settings,
    pub suffixes: &'a Suffixes,
    /// What was chosen through the API, and who holds the zones that it is about.
    pub chosen: &'a Chosen,
    pub held: &'a Ownership,
    /// The account of a name, if it exists.
    pub account: F,
}

impl<F: Fn(&str) -> Option<AccountId>> Allowed<'_, F> {
    fn id(&self, of: &AccountRef) -> Option<AccountId> {
        (self.account)(of.account.as_str())
    }
}

impl<F> Allowed<'_, F> {
    /// What was chosen for the zone that is held there now.
    fn chosen_for(&self, apex: &[u8]) -> Option<&ZoneChoice> {
        if self.chosen.zones.is_empty() {
            return None;
        }
        self.chosen.zone(self.held.zone(apex)?.id)
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
        let config = self.settings.zones.get(upper).map(|zone| &zone.delegates);
        let config = config.filter(|delegates| !delegates.is_empty());
        let chosen = self.chosen_for(upper).map(|choice| &choice.delegates);
        let chosen = chosen.filter(|delegates| !delegates.is_empty());
        let mut covering = Some(name).filter(|_| config.is_some() || chosen.is_some());
        while let Some(entry) = covering.filter(|entry| *entry != upper) {
            if let Some(to) = config.and_then(|delegates| delegates.get(entry)) {
                return self.id(to);
            }
            if let Some(to) = chosen.and_then(|delegates| delegates.get(entry)) {
                return to.account();
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
    use crate::base::public_id::PublicIds;
    use crate::config::file;
    use crate::store::state::chosen::Whom;

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
        let folder = tempfile::tempdir().unwrap();
        let mut held = Ownership::open(&folder.path().join("ownership.log")).unwrap();
        let (x, ids) = (Name::from_text("x.example").unwrap(), PublicIds::new([7; 16]));
        let zone = held.add_zone(&x, AccountId(1), false);
        let chosen = ["sub.x.example", "by.x.example", "e.d.sub.x.example"];
        let chosen =
            chosen.map(|name| (Name::from_text(name).unwrap(), Whom::of(AccountId(3), &ids)));
        let choice = ZoneChoice { delegates: chosen.into(), ..ZoneChoice::default() };
        let mut of_zones = Chosen::default();
        of_zones.zones.insert(zone, choice);
        let (chosen, held) = (&of_zones, &held);
        let suffixes = &Suffixes::BuiltIn;
        let allowed = Allowed { settings: &settings, suffixes, chosen, held, account };
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
        // What was chosen stands beside it; where both speak of one name, the config does.
        assert_eq!(delegated("x.example", "a.by.x.example"), Some(AccountId(3)));
        assert_eq!(delegated("x.example", "e.d.sub.x.example"), Some(AccountId(3)));
    }
}
