//! `flatten.trust_anchors`: a file of DNSKEY and DS records from which validation goes down.
//!
//! It is a text like a zone file, as `dnssec-keygen`, `dnssec-signzone`, `dig` and Unbound write it. A record that the
//! validator could do nothing with is an error: it would look as if its zone were guarded.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::file::Reader;
use super::finding::ConfigFinding;
use super::settings::TrustAnchor;
use super::walk::Item;
use crate::base::hash::HashKey;
use crate::base::limits::TRUST_ANCHORS_MAX;
use crate::base::name::Name;
use crate::base::rtype;
use crate::zonefile::finding::{Finding, Severity, Source};
use crate::zonefile::{self, NoIncludes};

/// What stands for the file.
const EXPECTED: &str = "a file of DNSKEY or DS records; \"\" = the keys of the root";
/// What its records are.
const RECORDS: &str =
    "DNSKEY records (algorithm 8, 10, 13, 14 or 15) and DS records (digest type 2 or 4)";
/// Octets of such a file: room for all records there may be.
const FILE_MAX: u64 = 1 << 20;
/// Flags of a DNSKEY: the key of a zone; withdrawn (RFC 4034 §2.1.1, RFC 5011 §7).
const ZONE_KEY: u16 = 0x0100;
const REVOKED: u16 = 0x0080;
/// What the validator can compute.
const ALGORITHMS: [u8; 5] = [8, 10, 13, 14, 15];
/// Types of digests it can compute, too.
const DIGESTS: [u8; 2] = [2, 4];

impl Reader<'_> {
    pub(super) fn trust_anchors(&mut self, item: &Item<'_>) -> Vec<TrustAnchor> {
        let path = self.walk.text(item, EXPECTED).unwrap_or_default();
        if path.is_empty() {
            return Vec::new();
        }
        let text = match read(&self.folder.join(path)) {
            Ok(text) => text,
            Err(why) => {
                let message = format!("cannot read the trust anchors in \"{path}\": {why}");
                let finding = self.walk.error("bad-file", &item.path, item.span(), message);
                finding.expected = Some(EXPECTED.to_owned());
                return Vec::new();
            }
        };
        let source = Source { path: path.to_owned(), text: text.into() };
        let (anchors, findings) = parse(source.clone());
        let is_bad = findings.iter().any(|f| f.severity == Severity::Error);
        if anchors.is_empty() && !is_bad {
            let message = format!("\"{path}\" holds no trust anchor");
            let finding = self.walk.error("no-anchors", &item.path, item.span(), message);
            finding.expected = Some(RECORDS.to_owned());
        }
        for finding in findings {
            self.walk.report_of(ConfigFinding::new(&source, &item.path, finding));
        }
        anchors
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut text));
    match read {
        Ok(_) if text.len() as u64 > FILE_MAX => Err("it is larger than 1 MiB".to_owned()),
        Ok(_) => Ok(text),
        Err(error) => Err(error.to_string()),
    }
}

/// The anchors in a text, and what is wrong with it.
fn parse(source: Source) -> (Vec<TrustAnchor>, Vec<Finding>) {
    let root = Name::from_wire(&[0]).expect("the root is a name");
    // Names are only compared here, in no table: any key does.
    let parsed = zonefile::lines(&root, source, &mut NoIncludes, &HashKey::new([0; 16]));
    let mut findings: Vec<Finding> =
        parsed.findings.iter().filter(|f| f.severity == Severity::Error).cloned().collect();
    let mut anchors = Vec::new();
    for record in &parsed.records {
        let rdata = parsed.rdata(record);
        if let Some(why) = unusable(record.rtype, rdata) {
            let finding = Finding::error("bad-anchor", record.place, why);
            findings.push(finding.expected(RECORDS));
            continue;
        }
        let zone = Name::from_wire(parsed.owner(record)).expect("parsed owners are names");
        let anchor = TrustAnchor { zone, rtype: record.rtype, rdata: rdata.into() };
        if !anchors.contains(&anchor) {
            anchors.push(anchor);
        }
    }
    if anchors.len() > TRUST_ANCHORS_MAX {
        let place = parsed.records[TRUST_ANCHORS_MAX].place;
        let message = format!("more than {TRUST_ANCHORS_MAX} trust anchors");
        findings.push(Finding::error("too-long", place, message));
    }
    (anchors, findings)
}

/// Why such a record anchors nothing.
fn unusable(rtype: u16, rdata: &[u8]) -> Option<String> {
    match (rtype, rdata) {
        (rtype::DNSKEY, &[high, low, protocol, algorithm, ref key @ ..]) => {
            let flags = u16::from_be_bytes([high, low]);
            if flags & ZONE_KEY == 0 || protocol != 3 || key.is_empty() {
                Some("this is not the key of a zone".to_owned())
            } else if flags & REVOKED != 0 {
                Some("this key is revoked".to_owned())
            } else {
                (!ALGORITHMS.contains(&algorithm))
                    .then(|| format!("algorithm {algorithm} is not known here"))
            }
        }
        (rtype::DS, &[_, _, algorithm, kind, ..]) => {
            if !DIGESTS.contains(&kind) {
                Some(format!("digest type {kind} is not known here"))
            } else {
                (!ALGORITHMS.contains(&algorithm))
                    .then(|| format!("algorithm {algorithm} is not known here"))
            }
        }
        _ => Some("this record is no trust anchor".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::from_text;

    /// The anchors of a config in a folder with this file, or the codes of what is wrong.
    fn anchors(text: &str) -> Result<Vec<String>, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("keys"), text).unwrap();
        let config =
            "server.listen = [\"[::1]:0\"]\n[flatten]\nvalidate = true\ntrust_anchors = \"keys\"\n";
        let shown = |a: &TrustAnchor| format!("{} {} {}", a.zone, a.rtype, a.rdata.len());
        from_text(config, folder.path())
            .map(|(settings, _)| settings.flatten.trust_anchors.iter().map(shown).collect())
            .map_err(|findings| findings.iter().map(ToString::to_string).collect())
    }

    const KEY: &str = "DNSKEY 257 3 15 QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";

    #[test]
    fn keys_and_digests_are_read_as_tools_write_them() {
        let digest = "0".repeat(64);
        let text = format!(
            "; This is a key-signing key\n. IN {KEY} ; state=2\n. 172800 IN {KEY}\n\
             Corp.Internal.\t3600\tIN\tDS 1 13 2 ( {digest} )\n"
        );
        assert_eq!(anchors(&text).unwrap(), [". 48 39", "corp.internal 43 36"]);
    }

    #[test]
    fn what_anchors_nothing_is_an_error_with_its_place() {
        let bad = |text: &str, what: &str| {
            let findings = anchors(text).unwrap_err();
            assert!(findings.iter().any(|f| f.contains(what)), "{what}: {findings:?}");
        };
        bad("; nothing\n", "holds no trust anchor");
        bad("\n. A 192.0.2.1\n", "keys:2:");
        bad(". A 192.0.2.1\n", "this record is no trust anchor");
        bad(&format!(". {}", KEY.replace("257", "256").replace("256 3", "0 3")), "not the key of");
        bad(&format!(". {}", KEY.replace("257", "385")), "revoked");
        bad(&format!(". {}", KEY.replace(" 15 ", " 5 ")), "algorithm 5 is not known here");
        bad(". DS 1 13 1 0000000000000000000000000000000000000000\n", "digest type 1");
        bad(". DS 1 13 2 00\n", "the digest has 2 digits");
        bad(". DNSKEY 257 3\n", "keys:1:");
        bad("$INCLUDE /etc/hostname\n", "include");
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error_and_one_without_use_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let read = |more: &str| {
            let text = format!("server.listen = [\"[::1]:0\"]\n[flatten]\n{more}");
            from_text(&text, folder.path())
        };
        let findings = read("trust_anchors = \"none\"\n").unwrap_err();
        assert!(findings[0].to_string().contains("cannot read the trust anchors in \"none\""));
        std::fs::write(folder.path().join("keys"), format!(". {KEY}\n")).unwrap();
        let (_, warnings) = read("trust_anchors = \"keys\"\n").unwrap();
        assert!(warnings[0].to_string().contains("`flatten.validate` is false"));
        let (settings, warnings) = read("trust_anchors = \"\"\n").unwrap();
        assert!(settings.flatten.trust_anchors.is_empty() && warnings.is_empty());
    }
}
