//! `config.toml` to [`Settings`]: unknown keys, wrong types and impossible values are all reported at once.
//!
//! The tables are walked by hand, and not by serde, because serde stops at the first error and knows no places inside
//! a value.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::finding::ConfigFinding;
use super::hostnames::Claimed;
use super::keys;
use super::settings::{DATA, Hold, Log, LogFormat, Overrides, Settings};
use super::syntax::{self, Table};
use super::walk::{Item, Walk};
use crate::model::settings::OnViolation;

/// Settings with warnings, or all findings if one of them is an error.
pub type Read = Result<(Settings, Vec<ConfigFinding>), Vec<ConfigFinding>>;

pub(super) const ON_VIOLATION: [(&str, OnViolation); 5] = [
    ("refuse", OnViolation::Refuse),
    ("nodata", OnViolation::NoData),
    ("nxdomain", OnViolation::NxDomain),
    ("sinkhole", OnViolation::Sinkhole),
    ("report", OnViolation::Report),
];
const FORMATS: [(&str, LogFormat); 2] = [("text", LogFormat::Text), ("json", LogFormat::Json)];

/// Reads a config.
pub fn read(path: &Path) -> Read {
    read_with(path, &Overrides::default())
}

/// Reads a config and puts what the command line says over it.
pub fn read_with(path: &Path, overrides: &Overrides) -> Read {
    let text = text_of(path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    interpret(&text, folder, &path.display().to_string(), overrides)
}

/// Reads the text of a config that lies in `folder`.
pub fn from_text(text: &str, folder: &Path) -> Read {
    interpret(text, folder, "config.toml", &Overrides::default())
}

/// The text of a config.
pub fn text_of(path: &Path) -> Result<String, Vec<ConfigFinding>> {
    let shown = path.display().to_string();
    let octets = std::fs::read(path).map_err(|error| {
        let message = format!("cannot read the config: {error}");
        let mut finding = ConfigFinding::of_file(&shown, "unreadable", message);
        if error.kind() == std::io::ErrorKind::NotFound {
            finding.finding.help = Some("name the config with --config FILE".to_owned());
        }
        vec![finding]
    })?;
    String::from_utf8(octets).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|&&b| b == b'\n').count() + 1;
        vec![ConfigFinding::of_file(&shown, "not-utf8", format!("line {line} is not UTF-8"))]
    })
}

/// `server.data` of a config, whatever else is wrong with it; the error is that the file cannot be read.
pub fn data_folder(path: &Path) -> Result<PathBuf, Vec<ConfigFinding>> {
    Ok(data_in(&text_of(path)?, path.parent().unwrap_or(Path::new(""))))
}

fn data_in(text: &str, folder: &Path) -> PathBuf {
    let (mended, _) = syntax::mend(text);
    let (tables, _) = syntax::tables(&mended);
    let server = tables.get_ref().get("server");
    let data = server.and_then(|server| server.get_ref().get("data")?.get_ref().as_str());
    folder.join(data.unwrap_or(DATA))
}

fn interpret(text: &str, folder: &Path, file: &str, overrides: &Overrides) -> Read {
    let (mended, broken) = syntax::mend(text);
    let (tables, twice) = syntax::tables(&mended);
    let mut reader = Reader::new(Walk::new(text, file), folder);
    for error in broken.iter().chain(&twice) {
        reader.walk.syntax_error(text, error);
    }
    let mut settings = reader.top(tables.get_ref());
    overrides.apply(&mut settings);
    if broken.is_empty() {
        reader.across(&settings, tables.get_ref());
        reader.across_flatten(&settings, tables.get_ref());
        reader.across_prefixes();
    }
    settings.source = reader.walk.source.clone();
    let findings = reader.walk.finish();
    if findings.iter().any(ConfigFinding::is_error) {
        Err(findings)
    } else {
        Ok((settings, findings))
    }
}

/// The walk, and what can be judged only at its end.
pub(super) struct Reader<'t> {
    pub(super) walk: Walk,
    /// Relative paths start here.
    pub(super) folder: &'t Path,
    /// Where `on_violation = "sinkhole"` stands.
    sinkholes: Vec<(String, Range<usize>)>,
    /// Address prefixes of all accounts.
    pub(super) prefixes: Vec<Claimed>,
}

impl<'t> Reader<'t> {
    fn new(walk: Walk, folder: &'t Path) -> Reader<'t> {
        Reader { walk, folder, sinkholes: Vec::new(), prefixes: Vec::new() }
    }

    /// A reader whose findings nobody will see.
    pub(super) fn silent() -> Reader<'t> {
        Reader::new(Walk::new("", ""), Path::new(""))
    }

    fn top(&mut self, table: &Table<'_>) -> Settings {
        let mut settings = Settings::default();
        let server = &mut settings.server;
        server.zones = self.folder.join(&server.zones);
        server.data = self.folder.join(&server.data);
        for item in self.walk.entries("", table) {
            match item.key {
                "server" => self.server(&item, &mut settings.server),
                "policy" => self.policy(&item, &mut settings.policy),
                "hold" => self.hold(&item, &mut settings.hold),
                "log" => self.log(&item, &mut settings.log),
                "flatten" => self.flatten(&item, &mut settings.flatten),
                "api" => self.api(&item, &mut settings.api),
                "block_page" => self.block_page(&item, &mut settings.block_page),
                "hostnames" => self.hostnames(&item, &mut settings.hostnames),
                "accounts" => settings.accounts = self.accounts(&item),
                "zones" => settings.zones = self.zones(&item),
                "grants" => settings.grants = self.grants(&item),
                _ => self.walk.unknown(&item, &keys::TOP),
            }
        }
        settings
    }

    fn hold(&mut self, item: &Item<'_>, hold: &mut Hold) {
        for item in self.walk.table(item, "a table [hold]").unwrap_or_default() {
            match item.key {
                "percent" => {
                    put(&mut hold.percent, self.walk.number(&item, 0..=100).map(|n| n as u8));
                }
                "records" => {
                    let records = self.walk.number(&item, 0..=u64::from(u32::MAX));
                    put(&mut hold.records, records.map(|n| n as usize));
                }
                _ => self.walk.unknown(&item, &keys::HOLD),
            }
        }
    }

    fn log(&mut self, item: &Item<'_>, log: &mut Log) {
        for item in self.walk.table(item, "a table [log]").unwrap_or_default() {
            match item.key {
                "format" => put(&mut log.format, self.walk.word(&item, &FORMATS)),
                _ => self.walk.unknown(&item, &keys::LOG),
            }
        }
    }

    pub(super) fn on_violation(&mut self, item: &Item<'_>) -> Option<OnViolation> {
        let mode = self.walk.word(item, &ON_VIOLATION)?;
        if mode == OnViolation::Sinkhole {
            self.sinkholes.push((item.path.clone(), item.span()));
        }
        Some(mode)
    }

    /// What only the whole shows.
    fn across(&mut self, settings: &Settings, table: &Table<'_>) {
        let server = table.get("server");
        let key = |name: &str| {
            let value = server.and_then(|s| s.get_ref().get(name)).or(server);
            value.map(|v| v.span()).unwrap_or(0..0)
        };
        if settings.server.listen.is_empty() && !self.complained("server.listen") {
            let message = "no address to listen on".to_owned();
            let finding = self.walk.error("no-listen", "server.listen", key("listen"), message);
            finding.expected = Some("listen = [\"127.0.0.1:5300\"] in [server]".to_owned());
        }
        let (zones, data) = (&settings.server.zones, &settings.server.data);
        if data.starts_with(zones) {
            let message = "`server.data` lies in `server.zones`".to_owned();
            let finding = self.walk.error("bad-value", "server.data", key("data"), message);
            finding.expected = Some("a folder beside it: folders in it are accounts".to_owned());
        }
        if settings.policy.rules.sinkhole.is_empty() && !self.complained("policy.sinkhole[") {
            for (path, span) in std::mem::take(&mut self.sinkholes) {
                let message = format!("`{path}` is \"sinkhole\", but `policy.sinkhole` is empty");
                let finding = self.walk.error("empty-sinkhole", &path, span, message);
                finding.help = Some("add e.g. sinkhole = [\"192.0.2.1\"] to [policy]".to_owned());
            }
        }
    }

    pub(super) fn complained(&self, path: &str) -> bool {
        self.walk.findings.iter().any(|f| f.key.starts_with(path))
    }
}

/// Puts a value where there is one; else the default stays.
pub(super) fn put<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zonefile::finding::Place;

    const SAMPLE: &str = include_str!("../../config.toml");

    #[test]
    fn the_sample_is_valid_and_its_server_has_the_defaults() {
        let (sample, warnings) = from_text(SAMPLE, Path::new("")).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        let least = "server.listen = [\"127.0.0.1:5300\", \"[::1]:5300\"]";
        let (least, _) = from_text(least, Path::new("")).unwrap();
        assert_eq!(sample.server, least.server);
        assert_eq!(
            (sample.hold, sample.log, sample.flatten, sample.hostnames),
            (least.hold, least.log, least.flatten, least.hostnames)
        );
        let mut rules = sample.policy.rules.clone();
        rules.sinkhole.clear();
        assert_eq!(rules, least.policy.rules);
    }

    #[test]
    fn the_sample_shows_every_key() {
        let lines: Vec<_> = SAMPLE.lines().collect();
        let shown = |key: &str| {
            // Also as a comment: what is left for the reader to set.
            let assigned = |line: &&str| {
                let line = line.strip_prefix("# ").unwrap_or(line);
                line.strip_prefix(key).is_some_and(|r| r.starts_with(" ="))
            };
            let headed = |line: &&str| line.trim_matches(['[', ']']).split('.').next() == Some(key);
            lines.iter().any(|line| assigned(line) || headed(line))
        };
        for key in keys::ALL.iter().flat_map(|table| table.known) {
            assert!(shown(key), "{key}");
        }
        assert!(!shown("nameserver"));
    }

    #[test]
    fn paths_start_in_the_folder_of_the_config() {
        let text =
            "[server]\nlisten = [\"[::]:0\"]\nzones = \"z\"\ndata = \"/var/lib/bailiwick\"\n";
        let (settings, _) = from_text(text, Path::new("/etc/bailiwick")).unwrap();
        assert_eq!(settings.server.zones, Path::new("/etc/bailiwick/z"));
        assert_eq!(settings.server.data, Path::new("/var/lib/bailiwick"));
        assert_eq!(settings.server.listen, ["[::]:0".parse().unwrap()]);
    }

    #[test]
    fn the_command_line_counts_before_anything_is_judged() {
        let listen = vec!["127.0.0.1:0".parse().unwrap()];
        let overrides = Overrides { listen: listen.clone(), ..Overrides::default() };
        let (settings, _) = interpret("", Path::new(""), "config.toml", &overrides).unwrap();
        assert_eq!(settings.server.listen, listen);
    }

    #[test]
    fn the_data_folder_is_found_in_a_broken_config_too() {
        let folder = |text| data_in(text, Path::new("/etc"));
        assert_eq!(folder("[server]\ndata = \"d\"\n[log\nx ="), Path::new("/etc/d"));
        assert_eq!(folder("[server]\ndata = 1\n"), Path::new("/etc/data"));
        assert_eq!(folder("server = \"/var\""), Path::new("/etc/data"));
    }

    #[test]
    fn values_arrive() {
        let text = r#"
server = { listen = ["127.0.0.1:1"], cookie_secret = "000102030405060708090A0b0c0d0e0f", workers = 2 }
policy.suffixes = { "." = "acct", "Co.Example" = "acct" }
zones."Example.com." = { delegates = { "b.example.com" = "acct" }, on_violation = "report" }
"#;
        let (settings, _) = from_text(text, Path::new("")).unwrap();
        let secret: [u8; 16] = std::array::from_fn(|i| i as u8);
        assert_eq!(settings.server.cookie_secret, Some(secret));
        assert_eq!(settings.server.workers, Some(2));
        assert_eq!(settings.policy.suffixes.len(), 2);
        let (name, zone) = settings.zones.iter().next().unwrap();
        assert_eq!(name.to_string(), "example.com");
        let shown = |place: Place| &text[place.at as usize..][..place.len as usize];
        assert_eq!(shown(zone.place), "\"Example.com.\"");
        let holder = zone.delegates.values().next().unwrap();
        assert_eq!((holder.account.as_str(), shown(holder.place)), ("acct", "\"acct\""));
    }
}
