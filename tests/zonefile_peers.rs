//! The golden zone files as BIND reads them: the same records, but where we differ on purpose.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files that BIND refuses although they are good here, with the reason.
const GOOD_HERE: [(&str, &str); 8] = [
    ("aliases", "aliases are ours"),
    ("bom", "BIND knows no byte order mark"),
    ("delegation", "DS at the apex is a warning here"),
    ("dname", "NS at a wildcard is a warning here"),
    ("duplicates", "aliases are ours"),
    ("generate", "BIND takes one word for data in $GENERATE, we take the rest of the line"),
    ("naptr", "a bad regular expression is a warning here"),
    ("targets", "aliases are ours"),
];
/// Files of which BIND reads other TTLs.
const OTHER_TTLS: [(&str, &str); 2] = [
    ("ttl-last", "BIND takes the SOA minimum before the last TTL, SPEC §3 after it"),
    ("ttl-mismatch", "BIND takes the first TTL of an RRset, we take the lowest"),
];
/// Files that BIND takes although they are bad here.
const BAD_HERE: [(&str, &str); 2] = [
    ("carriage-return", "BIND takes a lone CR for a line end"),
    ("signed", "signed zones are not supported yet"),
];

fn files(folder: &str) -> Vec<PathBuf> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/zonefile").join(folder);
    let paths = fs::read_dir(golden).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|p| p.extension().is_some_and(|e| e == "zone")).collect();
    paths.sort();
    paths
}

fn stem(path: &Path) -> &str {
    path.file_stem().unwrap().to_str().unwrap()
}

fn listed(list: &[(&str, &str)], path: &Path) -> bool {
    list.iter().any(|(name, _)| *name == stem(path))
}

/// What BIND makes of a file, as text, or its complaints.
fn compile(path: &Path) -> Result<String, String> {
    let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    let first_line = text.lines().next().unwrap_or("");
    let apex = first_line.strip_prefix("; apex ").map_or("example.com", str::trim);
    let mut command = Command::new("named-compilezone");
    for check in ["-k", "-n", "-m", "-M", "-S", "-r", "-T", "-W"] {
        command.args([check, "ignore"]);
    }
    command.args(["-i", "none", "-F", "text", "-s", "full", "-o", "-", apex]).arg(path);
    let output = command.current_dir(path.parent().unwrap()).output().unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// A line of a listing as (owner, TTL, type, data); `None` for lines that are no records.
fn record(line: &str, class: Option<&str>) -> Option<(String, u32, String, String)> {
    let mut words = line.split_whitespace();
    let owner = words.next()?.trim_end_matches('.').to_ascii_lowercase();
    let ttl = words.next()?.parse().ok()?;
    if class.is_some() && words.next() != class {
        return None;
    }
    let rtype = words.next()?.to_owned();
    Some((owner, ttl, rtype, words.collect::<Vec<_>>().join(" ")))
}

#[test]
#[ignore = "needs named-compilezone"]
fn good_files_give_the_same_records() {
    for path in files("good") {
        let theirs = match compile(&path) {
            Ok(theirs) => theirs,
            Err(complaint) => {
                assert!(listed(&GOOD_HERE, &path), "{}: {complaint}", path.display());
                continue;
            }
        };
        assert!(!listed(&GOOD_HERE, &path), "{}: BIND takes it too", path.display());
        let ours = fs::read_to_string(path.with_extension("txt")).unwrap();
        let (_, ours) = ours.split_once(" errors, ").unwrap();
        let with_ttl = !listed(&OTHER_TTLS, &path);
        let set = |text: &str, class| -> BTreeSet<_> {
            let records = text.lines().filter_map(|line| record(line, class));
            records.map(|r| (r.0, r.1 * u32::from(with_ttl), r.2, r.3)).collect()
        };
        assert_eq!(set(ours, None), set(&theirs, Some("IN")), "{}", path.display());
    }
}

#[test]
#[ignore = "needs named-compilezone"]
fn bad_files_are_refused() {
    for path in files("bad") {
        assert_eq!(compile(&path).is_ok(), listed(&BAD_HERE, &path), "{}", path.display());
    }
}
