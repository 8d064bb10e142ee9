//! Settings that name an account or a zone which does not exist: warnings (SPEC §3), since a zone may come later.

use super::finding::ConfigFinding;
use super::settings::{AccountRef, Settings};
use crate::base::name::Name;
use crate::zonefile::finding::{Finding, Place};

/// Warnings on what does not exist, in the order of the file. An account with a table of its own exists.
pub fn dangling(
    settings: &Settings,
    account_exists: impl Fn(&str) -> bool,
    zone_exists: impl Fn(&Name) -> bool,
) -> Vec<ConfigFinding> {
    let mut found = Vec::new();
    let mut warn = |code, place: Place, key: String, message: String| {
        let finding = Finding::warning(code, place, message);
        found.push(ConfigFinding::new(&settings.source, &key, finding));
    };
    let unknown = |holder: &AccountRef| {
        let name = holder.account.as_str();
        !settings.accounts.contains_key(name) && !account_exists(name)
    };
    let no_account = |holder: &AccountRef| format!("there is no account {}", holder.account);
    let trusts = settings.accounts.iter().flat_map(|(name, account)| {
        account.trusts.iter().map(move |trusted| (format!("accounts.{name}.trusts"), trusted))
    });
    let delegates = settings.zones.iter().flat_map(|(apex, zone)| {
        let key = move |name| format!("zones.\"{apex}\".delegates.\"{name}\"");
        zone.delegates.iter().map(move |(name, holder)| (key(name), holder))
    });
    let suffixes = settings.policy.suffixes.iter();
    let suffixes = suffixes.map(|(name, holder)| (format!("policy.suffixes.\"{name}\""), holder));
    for (key, holder) in trusts.chain(delegates).chain(suffixes).filter(|(_, h)| unknown(h)) {
        warn("no-such-account", holder.place, key, no_account(holder));
    }
    for (apex, zone) in settings.zones.iter().filter(|(apex, _)| !zone_exists(apex)) {
        let message = format!("there is no zone {apex}");
        warn("no-such-zone", zone.place, format!("zones.\"{apex}\""), message);
    }
    for (i, grant) in settings.grants.iter().enumerate().filter(|(_, g)| !zone_exists(&g.zone)) {
        let message = format!("there is no zone {}", grant.zone);
        warn("no-such-zone", grant.zone_place, format!("grants[{i}].zone"), message);
    }
    found.sort_by_key(|f| f.finding.place);
    found
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::file::from_text;

    #[test]
    fn what_does_not_exist_is_named_with_its_place() {
        let text = r#"
server.listen = ["127.0.0.1:0"]
policy.suffixes = { "co.example" = "gone" }
accounts.here.trusts = ["folder", "nobody"]
zones."a.example".delegates = { "b.a.example" = "here", "c.a.example" = "nobody" }
zones."z.example".cross_account = "anyone"
grants = [{ hostname = "x.example", zone = "a.example" }, { hostname = "y.example", zone = "n.example" }]
"#;
        let (settings, _) = from_text(text, Path::new("")).unwrap();
        let zones = |name: &Name| name.to_string() == "a.example";
        let found = dangling(&settings, |account| account == "folder", zones);
        let seen: Vec<_> = found
            .iter()
            .map(|f| {
                let place = f.finding.place;
                (f.key.as_str(), &text[place.at as usize..][..place.len as usize])
            })
            .collect();
        let expected = [
            ("policy.suffixes.\"co.example\"", "\"gone\""),
            ("accounts.here.trusts", "\"nobody\""),
            ("zones.\"a.example\".delegates.\"c.a.example\"", "\"nobody\""),
            ("zones.\"z.example\"", "\"z.example\""),
            ("grants[1].zone", "\"n.example\""),
        ];
        assert_eq!(seen, expected);
        assert!(found.iter().all(|f| !f.is_error()));
    }
}
