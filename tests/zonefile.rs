//! Zone files to records and findings: golden files, and texts nobody would write.
//!
//! `tests/golden/zonefile/{good,bad}/*.zone` are read as zones (of `example.com`, unless the first
//! line is `; apex NAME`); what comes out is compared with the `.txt` beside them. `BLESS=1`
//! rewrites those.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use bailiwick::base::hash::HashKey;
use bailiwick::base::limits::{FINDINGS_MAX, INCLUDE_DEPTH, INCLUDES_MAX};
use bailiwick::base::name::{Name, Text};
use bailiwick::base::rtype;
use bailiwick::rdata;
use bailiwick::zonefile::finding::Source;
use bailiwick::zonefile::record::Parsed;
use bailiwick::zonefile::{Colour, Include, NoIncludes, Renderer, filename, read};
use proptest::prelude::*;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/zonefile")
}

fn key() -> HashKey {
    HashKey::new(*b"0123456789abcdef")
}

/// Opens files beside the zone files.
struct Beside(PathBuf);

impl Include for Beside {
    fn open(&mut self, path: &str, _from: &str) -> Result<Source, String> {
        let text = fs::read(self.0.join(path)).map_err(|_| "no such file".to_owned())?;
        Ok(Source { path: path.to_owned(), text: text.into() })
    }
}

/// All that a person sees of a parsed text: findings, then records in the order of the file.
fn show(parsed: &Parsed) -> String {
    let mut out = String::new();
    let renderer = Renderer::new(&parsed.sources);
    for finding in &parsed.findings {
        renderer.write(finding, Colour::Plain, &mut out);
    }
    if parsed.findings_left_out > 0 {
        writeln!(out, "{} findings left out", parsed.findings_left_out).unwrap();
    }
    writeln!(out, "{} errors, {} warnings", parsed.errors, parsed.warnings).unwrap();
    let mut records = parsed.records.clone();
    records.sort_by_key(|r| (r.place, r.rdata_at));
    if records.len() > 50 {
        writeln!(out, "the first 50 of {} records:", records.len()).unwrap();
    }
    for r in records.into_iter().take(50) {
        let mut data = String::new();
        rdata::to_text(r.rtype, parsed.rdata(&r), &mut data);
        let (owner, rtype) = (Text(parsed.owner(&r)), rdata::type_text(r.rtype));
        if data.chars().count() > 120 {
            data = data.chars().take(120).chain(['…']).collect();
        }
        writeln!(out, "{owner} {} {rtype} {data}", r.ttl).unwrap();
    }
    out
}

fn check_folder(folder: &str) {
    let folder = golden().join(folder);
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "zone"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    for path in files {
        let text = fs::read(&path).unwrap();
        let first_line = text.split(|&b| b == b'\n').next().unwrap();
        let first_line = String::from_utf8_lossy(first_line).into_owned();
        let apex = first_line.strip_prefix("; apex ").map_or("example.com", str::trim);
        let apex = Name::from_text(apex).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let source = Source { path: name.clone(), text: text.into() };
        let parsed = read(&apex, source, &mut Beside(folder.clone()), &key());
        let is_bad = folder.ends_with("bad");
        assert_eq!(parsed.has_errors(), is_bad, "{name}:\n{}", show(&parsed));
        let shown = show(&parsed);
        let expected = path.with_extension("txt");
        if bless {
            fs::write(&expected, &shown).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != shown {
            wrong.push(format!("{name} gives:\n{shown}"));
        }
    }
    assert!(wrong.is_empty(), "{}\nBLESS=1 accepts this", wrong.join("\n"));
}

#[test]
fn good_files() {
    check_folder("good");
}

#[test]
fn bad_files() {
    check_folder("bad");
}

/// The zones that come with the program are without a fault.
#[test]
fn sample_world() {
    let zones = Path::new(env!("CARGO_MANIFEST_DIR")).join("zones");
    let mut count = 0;
    for account in fs::read_dir(zones).unwrap().map(|entry| entry.unwrap().path()) {
        for path in fs::read_dir(&account).unwrap().map(|entry| entry.unwrap().path()) {
            let file_name = path.file_name().unwrap().as_encoded_bytes();
            let Some(apex) = filename::apex(file_name) else { continue };
            let source =
                Source { path: path.display().to_string(), text: fs::read(&path).unwrap().into() };
            let parsed = read(&apex.unwrap(), source, &mut Beside(account.clone()), &key());
            assert!(parsed.findings.is_empty(), "{}", show(&parsed));
            count += 1;
        }
    }
    assert!(count > 0);
}

/// What the zone builder relies on.
#[test]
fn records_come_grouped() {
    let text = b"$TTL 300\n@ SOA ns1 h 1 7200 3600 1209600 300\nb A 192.0.2.1\na TXT x\n\
        @ NS ns1\nb TXT y\na A 192.0.2.2\nns1 A 192.0.2.3\na TXT z\nb 60 A 192.0.2.4\n\
        b A 192.0.2.1\n@ CNAME a\n";
    let parsed = read_text(text);
    let shape: Vec<(String, u16, u32)> = parsed
        .records
        .iter()
        .map(|r| (Text(parsed.owner(r)).to_string(), r.rtype, r.ttl))
        .collect();
    let example = |name: &str, rtype, ttl| (format!("{name}example.com"), rtype, ttl);
    assert_eq!(
        shape,
        [
            example("", rtype::NS, 300),
            example("", rtype::SOA, 300),
            example("", rtype::ALIAS, 300),
            example("b.", rtype::A, 60),
            example("b.", rtype::A, 60),
            example("b.", rtype::TXT, 300),
            example("a.", rtype::A, 300),
            example("a.", rtype::TXT, 300),
            example("a.", rtype::TXT, 300),
            example("ns1.", rtype::A, 300),
        ]
    );
    assert!(parsed.records.iter().all(|r| r.owner_hash == key().name(parsed.owner(r))));
}

/// Of many findings the first are kept, and errors are not lost among warnings.
#[test]
fn findings_are_bounded() {
    let mut text = "@ 300 SOA ns1 h 1 7200 3600 1209600 300\n@ 300 NS ns1\n".to_owned();
    for i in 0..3 * FINDINGS_MAX {
        text += &format!("a{i}.example.org. 300 A 192.0.2.1\n");
    }
    text += "ns1 300 A 192.0.2.256\n";
    let parsed = read_text(text.as_bytes());
    assert_eq!((parsed.errors, parsed.warnings), (1, 3 * FINDINGS_MAX));
    assert_eq!(parsed.findings.len(), FINDINGS_MAX + 1);
    assert_eq!(parsed.findings_left_out, 2 * FINDINGS_MAX);
    assert_eq!(parsed.findings[0].place.at as usize, text.find("a0.").unwrap());
    assert!(parsed.has_errors());
}

/// Text that would be read once for each of its lines if it were read again without end.
#[test]
fn hostile_texts_take_no_time() {
    for line in [" (\n", " ( \"\n", "(\n", "\r", "a ( \"\n\n", "(a \"\n)"] {
        let text = line.repeat(400_000 / line.len());
        let start = std::time::Instant::now();
        let parsed = read_text(text.as_bytes());
        assert!(parsed.has_errors());
        assert!(start.elapsed().as_secs() < 5, "{line:?} took {:?}", start.elapsed());
    }
}

#[test]
fn text_without_a_file_includes_nothing() {
    let parsed = read_text(b"$INCLUDE /etc/passwd\n");
    let finding = parsed.findings.iter().find(|f| f.code == "include-failed").unwrap();
    assert!(finding.message.contains("only zone files may include"), "{}", finding.message);
}

/// Gives a text for any path.
struct Everywhere(&'static str);

impl Include for Everywhere {
    fn open(&mut self, path: &str, from: &str) -> Result<Source, String> {
        Ok(Source { path: format!("{from}/{path}"), text: self.0.as_bytes().into() })
    }
}

#[test]
fn includes_are_bounded() {
    let apex = Name::from_text("example.com").unwrap();
    let count = |text: &str, include: &'static str| {
        let source = Source { path: "zone".to_owned(), text: text.as_bytes().into() };
        let parsed = read(&apex, source, &mut Everywhere(include), &key());
        let codes = parsed.findings.iter().map(|f| f.code).collect::<Vec<_>>();
        (parsed.sources.len(), codes)
    };
    let (sources, codes) = count("$INCLUDE x\n", "$INCLUDE x\n");
    assert_eq!(sources, INCLUDE_DEPTH + 1);
    assert!(codes.contains(&"include-too-deep"), "{codes:?}");
    // Each of the texts includes three: without a bound there would be 3^10.
    let (sources, codes) = count("$INCLUDE x\n", "$INCLUDE x\n$INCLUDE y\n$INCLUDE z\n");
    assert_eq!(sources, INCLUDES_MAX);
    assert!(codes.contains(&"too-many-includes"), "{codes:?}");
}

#[test]
fn findings_as_json() {
    let parsed = read_text("@ 300 SOA ns1 h 1 7200 3600 1209600\n\tü\u{1b} A x\n".as_bytes());
    let finding = parsed.findings.iter().find(|f| f.code == "unknown-type").unwrap();
    let shown = Renderer::new(&parsed.sources).show(finding);
    let json = serde_json::to_value(shown).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "file": "example.com.zone", "line": 2, "column": 2, "severity": "error",
            "code": "unknown-type", "message": "`ü\u{1b}` is no record type",
            "expected": "a TTL, the class IN or a record type", "help": null,
            "text": " ü␛ A x",
        })
    );
}

/// Every code in the tables of `docs/ZONE-FILES.md` is shown by a golden file.
#[test]
fn documented_codes_are_tested() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ZONE-FILES.md");
    let docs = fs::read_to_string(docs).unwrap();
    let mut shown = String::new();
    for folder in ["good", "bad"] {
        for path in fs::read_dir(golden().join(folder)).unwrap().map(|entry| entry.unwrap().path())
        {
            if path.extension().is_some_and(|e| e == "txt") {
                shown += &fs::read_to_string(path).unwrap();
            }
        }
    }
    // These need a gigabyte of text or ten thousand files.
    let untested = ["zone-too-large", "too-many-includes"];
    let rows = docs.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let codes: Vec<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(codes.len() > 30);
    for code in codes.into_iter().filter(|code| !untested.contains(code)) {
        assert!(shown.contains(&format!("[{code}]: ")), "no golden file shows {code}");
    }
}

fn read_text(text: &[u8]) -> Parsed {
    let apex = Name::from_text("example.com").unwrap();
    let source = Source { path: "example.com.zone".to_owned(), text: text.into() };
    let parsed = read(&apex, source, &mut NoIncludes, &key());
    show(&parsed);
    let renderer = Renderer::new(&parsed.sources);
    for finding in &parsed.findings {
        renderer.write(finding, Colour::Ansi, &mut String::new());
        serde_json::to_string(&renderer.show(finding)).unwrap();
    }
    parsed
}

/// Pieces that texts are made of, so that random ones get somewhere.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "@",
        "www",
        "a.b",
        "*",
        "example.com.",
        ".",
        "\\065",
        "\\",
        "\\.",
        "_sip._tcp",
        "IN",
        "CH",
        "300",
        "1h30m",
        "99999999999",
        "A",
        "AAAA",
        "NS",
        "CNAME",
        "DNAME",
        "ALIAS",
        "MX",
        "SOA",
        "TXT",
        "SRV",
        "HTTPS",
        "TYPE65280",
        "TYPE5",
        "RRSIG",
        "\\#",
        "4",
        "c0000201",
        "192.0.2.1",
        "2001:db8::1",
        "10",
        "0",
        "alpn=\"h2,h3\"",
        "alpn=\"",
        "$ORIGIN",
        "$TTL",
        "$INCLUDE",
        "$GENERATE",
        "1-3",
        "0-10/2",
        "$",
        "${0,3,x}",
        "host${1,2,n}",
        "$X",
        "; bw-flatten",
        "; cf_tags=a:\"b,cf-flatten-cname",
        "ns hostmaster 1 2 3 4 5",
    ];
    prop_oneof![
        8 => proptest::sample::select(words.to_vec()).prop_map(|w| w.as_bytes().to_vec()),
        6 => proptest::sample::select(vec![" ", "\n", "\t", "\r\n", "(", ")", "\"", "\n "])
            .prop_map(|w| w.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..8),
    ]
}

proptest! {
    #[test]
    fn any_octets_are_read(text in proptest::collection::vec(any::<u8>(), 0..400)) {
        read_text(&text);
    }

    #[test]
    fn any_words_are_read(pieces in proptest::collection::vec(piece(), 0..120)) {
        let mut text = Vec::new();
        for piece in pieces {
            text.extend(piece);
            if text.len() % 3 > 0 {
                text.push(b' ');
            }
        }
        let parsed = read_text(&text);
        for r in &parsed.records {
            prop_assert!(parsed.owner(r).ends_with(b"\x07example\x03com\0"));
            prop_assert!(rdata::check_wire(r.rtype, parsed.rdata(r)).is_ok());
        }
        prop_assert!(parsed.errors + parsed.warnings >= parsed.findings.len());
    }
}
