//! Target `config`: any text as `config.toml`.

use std::path::Path;

use bailiwick::config::file;
use bailiwick::config::finding::ConfigFinding;
use bailiwick::config::standing::withdrawn_only;
use bailiwick::zonefile::Renderer;
use bailiwick::zonefile::finding::Source;

use super::zonefile::shown;

/// Checks all that must hold for one input.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let standing = withdrawn_only(text);
    match file::from_text(text, Path::new("folder")) {
        // What is granted and trusted in a valid config stands for the withdrawal too.
        Ok((settings, warnings)) => {
            assert!(warnings.iter().all(|f| !f.is_error()));
            findings(text, &warnings);
            let rules = &settings.policy.rules;
            assert!((1..=10).contains(&rules.max_hops), "{rules:?}");
            let standing = standing.expect("a valid config has sections");
            assert!(settings.grants.iter().all(|g| standing.grants(&g.hostname, &g.zone)));
            assert!(settings.accounts.iter().all(|(name, account)| {
                account.trusts.iter().all(|trust| standing.trusts(name, &trust.account))
            }));
        }
        Err(problems) => {
            assert!(problems.iter().any(ConfigFinding::is_error), "refused without a reason");
            findings(text, &problems);
        }
    }
}

fn findings(text: &str, findings: &[ConfigFinding]) {
    let sources = [Source { path: "config.toml".to_owned(), text: text.as_bytes().into() }];
    let renderer = Renderer::new(&sources);
    for finding in findings {
        assert!(!finding.to_string().is_empty());
        shown(&finding.finding, &sources, &renderer);
        let json = serde_json::to_value(finding.show()).expect("a finding has a JSON form");
        assert!(json["key"].is_string());
    }
}
