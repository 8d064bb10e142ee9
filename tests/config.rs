//! Configs against what the reader says of them: `tests/golden/config/NAME.toml` and `.txt`; `BLESS=1` rewrites.

use std::fmt::Write;
use std::path::Path;

use bailiwick::config::file;
use bailiwick::config::finding::ConfigFinding;
use bailiwick::config::standing::withdrawn_only;

fn shown(text: &str) -> String {
    let (head, findings) = match file::from_text(text, Path::new("folder")) {
        Ok((_, warnings)) => ("accepted", warnings),
        Err(findings) => ("refused", findings),
    };
    let mut shown = format!("{head}\n");
    for finding in &findings {
        writeln!(shown, "\n{finding}").unwrap();
    }
    shown
}

#[test]
fn findings_are_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config");
    let mut cases: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    cases.sort();
    assert!(cases.len() >= 8, "{cases:?}");
    for case in cases {
        let golden = case.with_extension("txt");
        let is = shown(&std::fs::read_to_string(&case).unwrap());
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&golden, &is).unwrap();
        }
        let want = std::fs::read_to_string(&golden).unwrap_or_default();
        assert!(is == want, "{}: BLESS=1 rewrites it\n{is}", golden.display());
    }
}

#[test]
fn json_keys_are_stable() {
    let findings = file::from_text("[server]\nlisen = 1\n", Path::new("")).unwrap_err();
    let json: Vec<_> = findings.iter().map(|f| serde_json::to_value(f.show()).unwrap()).collect();
    let unknown = json.iter().find(|f| f["code"] == "unknown-key").unwrap();
    let keys: Vec<_> = unknown.as_object().unwrap().keys().cloned().collect();
    let stable = "code column expected file help key line message severity text";
    assert_eq!(keys.join(" "), stable);
    assert_eq!(unknown["severity"], "error");
    assert_eq!((&unknown["line"], &unknown["column"]), (&2.into(), &1.into()));
}

#[test]
fn a_config_that_is_not_there() {
    let findings = file::read(Path::new("/nonexistent/config.toml")).unwrap_err();
    let shown = findings.iter().map(ConfigFinding::to_string).collect::<String>();
    assert!(shown.contains("cannot read the config"), "{shown}");
    assert!(shown.contains("--config"), "{shown}");
}

/// Whatever stands in the file, it is read or refused in words.
#[test]
fn mangled_configs_are_read_or_refused() {
    let sample = include_str!("../config.toml");
    let pieces =
        ["[", "]", "\"", "\"\"\"", "=", "\n", "{", "}", "é", "#", "'", ",", "\\u12", "9e9"];
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    for _ in 0..1000 {
        let mut text = sample.to_owned();
        for _ in 0..1 + random(4) {
            let from = text.floor_char_boundary(random(text.len().max(1)));
            let to = text.ceil_char_boundary((from + random(12)).min(text.len()));
            text.replace_range(from..to, pieces[random(pieces.len())]);
        }
        let standing = withdrawn_only(&text);
        match file::from_text(&text, Path::new("")) {
            // What the reader takes as granted and trusted stands for the withdrawal too.
            Ok((settings, _)) => {
                let standing = standing.expect("a valid config has sections");
                assert!(settings.grants.iter().all(|g| standing.grants(&g.hostname, &g.zone)));
                assert!(settings.accounts.iter().all(|(name, account)| {
                    account.trusts.iter().all(|t| standing.trusts(name, &t.account))
                }));
            }
            Err(findings) => assert!(findings.iter().all(|f| f.to_string().contains(": "))),
        }
    }
}
