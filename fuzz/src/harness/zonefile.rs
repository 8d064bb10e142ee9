//! Target `zonefile`: any text as a zone.
//!
//! Lines `;;;` part the input into texts: the first is the zone, `$INCLUDE` opens the others. A first line
//! `; apex NAME` names the zone, else it is `example.com`.

use std::collections::BTreeMap;

use bailiwick::base::hash::HashKey;
use bailiwick::base::name::{self, Name, Text};
use bailiwick::rdata;
use bailiwick::zonefile::finding::{Finding, Place, Severity, Source};
use bailiwick::zonefile::record::Parsed;
use bailiwick::zonefile::{self, Colour, Include, NoIncludes, Renderer};

/// Includes of one input: the server's own bound would take seconds.
const OPENS: usize = 30;
/// Records made by one input, for the same reason.
const GENERATED: usize = 5_000;

const KEY: &[u8; 16] = b"another hash key";

/// Texts that are included by any path, the same one by the same.
struct Texts<'a> {
    texts: &'a [&'a [u8]],
    opened: usize,
}

impl Include for Texts<'_> {
    fn open(&mut self, path: &str, from: &str) -> Result<Source, String> {
        self.opened += 1;
        if self.texts.is_empty() || path.starts_with('!') || self.opened > OPENS {
            return Err("no such file\u{1b}[31m".to_owned());
        }
        let number = path.bytes().chain(from.bytes().take(1)).map(usize::from).sum::<usize>();
        let text = self.texts[number % self.texts.len()].into();
        Ok(Source { path: path.to_owned(), text })
    }
}

/// Checks all that must hold for one input.
pub fn check(input: &[u8]) {
    let texts = parts(input);
    if generates_too_much(input) {
        return;
    }
    let Some(apex) = apex(texts[0]) else { return };
    let key = HashKey::new(*KEY);
    let source = Source { path: "zones/a\u{1b}/z.zone".to_owned(), text: texts[0].into() };
    let mut include = Texts { texts: &texts[1..], opened: 0 };
    let parsed = zonefile::read(&apex, source, &mut include, &key);
    findings(&parsed);
    records(&parsed, &apex, &key);
    if !parsed.has_errors() {
        builds(&parsed, &apex, &key);
        reads_back(&parsed, &apex, &key);
    }
}

/// The input cut at lines `;;;`.
fn parts(input: &[u8]) -> Vec<&[u8]> {
    let mark = b"\n;;;\n";
    let mut parts = Vec::new();
    let mut rest = input;
    while let Some(at) = rest.windows(mark.len()).position(|w| w == mark) {
        // The line feed ends the last line of the part.
        parts.push(&rest[..at + 1]);
        rest = &rest[at + mark.len()..];
    }
    parts.push(rest);
    parts
}

fn apex(text: &[u8]) -> Option<Name> {
    let line = text.split(|b| *b == b'\n').next()?;
    match line.strip_prefix(b"; apex ") {
        Some(name) => Name::from_text(std::str::from_utf8(name).ok()?.trim()).ok(),
        None => Name::from_text("example.com").ok(),
    }
}

/// Whether `$GENERATE` may make more records than a fuzzer has time for.
fn generates_too_much(input: &[u8]) -> bool {
    let lower = input.to_ascii_lowercase();
    let directives = lower.windows(9).filter(|w| w == b"$generate").count();
    let digits = lower.split(|b| !b.is_ascii_digit()).map(<[u8]>::len).max().unwrap_or(0);
    // A run of digits of this length may be the end of a range.
    let most = if digits >= 5 && long_range(&lower) { usize::MAX } else { 9_999 };
    directives > 0 && directives.saturating_mul(most) > GENERATED * 4
}

/// Whether five digits in a row stand close behind a `$GENERATE`.
fn long_range(lower: &[u8]) -> bool {
    let starts = (0..lower.len()).filter(|&at| lower[at..].starts_with(b"$generate"));
    starts.into_iter().any(|at| {
        let behind = &lower[at..lower.len().min(at + 64)];
        behind.split(|b| !b.is_ascii_digit()).any(|run| run.len() >= 5)
    })
}

/// Findings are counted, in order, lie in their texts and can be shown.
fn findings(parsed: &Parsed) {
    let kept = |severity| parsed.findings.iter().filter(|f| f.severity == severity).count();
    assert!(kept(Severity::Error) <= parsed.errors && kept(Severity::Warning) <= parsed.warnings);
    assert_eq!(
        parsed.findings.len() + parsed.findings_left_out,
        parsed.errors + parsed.warnings,
        "every finding is kept or counted"
    );
    assert!(parsed.findings.is_sorted_by_key(|f| f.place));
    let renderer = Renderer::new(&parsed.sources);
    for finding in &parsed.findings {
        shown(finding, &parsed.sources, &renderer);
    }
}

/// A finding lies in its text; nothing a terminal acts on comes out.
pub fn shown(finding: &Finding, sources: &[Source], renderer: &Renderer<'_>) {
    lies_in(finding.place, sources, finding);
    if let Some(note) = &finding.note {
        lies_in(note.place, sources, finding);
    }
    let mut plain = String::new();
    renderer.write(finding, Colour::Plain, &mut plain);
    let lines = plain.lines().count();
    let advice = [&finding.expected, &finding.help].into_iter().flatten().count();
    assert_eq!(lines, 3 + advice + usize::from(finding.note.is_some()), "{plain:?}");
    assert!(plain.ends_with('\n') && !has_controls(&plain), "{plain:?}");
    let mut colour = String::new();
    renderer.write(finding, Colour::Ansi, &mut colour);
    for code in ["\x1b[1m", "\x1b[34m", "\x1b[0m", "\x1b[1;31m", "\x1b[1;33m"] {
        colour = colour.replace(code, "");
    }
    assert!(colour == plain, "{colour:?} {plain:?}");
    let json = serde_json::to_value(renderer.show(finding)).expect("a finding has a JSON form");
    assert!(!has_controls(json["text"].as_str().expect("a text")), "{json}");
}

fn has_controls(text: &str) -> bool {
    text.chars().any(|c| c.is_control() && c != '\n')
}

fn lies_in(place: Place, sources: &[Source], finding: &Finding) {
    let source = sources.get(usize::from(place.source)).expect("a source that was read");
    assert!(fits(place.at, place.len, source.text.len()), "{finding:?} in {:?}", source.path);
}

/// Whether a place lies in a text. What is missing at its end stands one octet behind it.
pub fn fits(at: u32, len: u32, text_len: usize) -> bool {
    let (at, end) = (at as usize, at as usize + len as usize);
    end <= text_len || at == text_len && len == 1
}

/// Records are grouped, unlike each other, valid, in the zone, and come back from their text.
fn records(parsed: &Parsed, apex: &Name, key: &HashKey) {
    let mut ended: BTreeMap<(&[u8], u16), ()> = BTreeMap::new();
    let mut seen = BTreeMap::new();
    let mut before = None;
    for r in &parsed.records {
        let (owner, data) = (parsed.owner(r), parsed.rdata(r));
        let wire = Name::from_wire(owner).expect("an owner is a name");
        assert!(wire.as_wire() == owner && wire.is_within(apex), "{wire:?}");
        assert_eq!(r.owner_hash, key.name(owner));
        assert!(rdata::is_data(r.rtype) && r.ttl <= 0x7FFF_FFFF);
        assert_eq!(rdata::check_wire(r.rtype, data), Ok(()), "{wire} type {}", r.rtype);
        let source = &parsed.sources[usize::from(r.place.source)];
        assert!((r.place.at + r.place.len) as usize <= source.text.len());
        lies_within(parsed.owner_place(r), r.place);
        lies_within(parsed.target_place(r), r.place);
        let set = (owner, r.rtype);
        if before != Some(set) {
            assert!(ended.insert(set, ()).is_none(), "{wire}: an RRset in two pieces");
        }
        before = Some(set);
        let ttl = *seen.entry((set, lowered(r.rtype, data))).or_insert(r.ttl);
        assert_eq!(ttl, r.ttl);
        let mut text = String::new();
        rdata::to_text(r.rtype, data, &mut text);
        assert!(text.bytes().all(|b| (b' '..=b'~').contains(&b)), "{text:?}");
        let mut back = Vec::new();
        let read = rdata::from_line(r.rtype, text.as_bytes(), b"\0", &mut back);
        assert!(read.is_ok() && back == data, "{wire} {} {text:?}: {read:?} {back:x?}", r.rtype);
    }
    assert_eq!(seen.len(), parsed.records.len(), "a record stands there twice");
}

/// Data as they are compared: names without regard to case.
fn lowered(rtype: u16, data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    let names: Vec<_> = rdata::names(rtype, &data).map(|n| n.at..n.at + n.len).collect();
    names.into_iter().for_each(|name| data[name].make_ascii_lowercase());
    data
}

fn lies_within(inner: Place, outer: Place) {
    assert!(
        inner.source == outer.source
            && inner.at >= outer.at
            && inner.at + inner.len <= outer.at + outer.len,
        "{inner:?} in {outer:?}"
    );
}

/// A zone without errors can be served: every RRset is found, with its data.
fn builds(parsed: &Parsed, apex: &Name, key: &HashKey) {
    let data = zonefile::build::build(apex, parsed, key).expect("a zone without errors");
    assert!(data.is_ready() && data.soa().is_some());
    assert_eq!(data.record_count(), parsed.records.len());
    for set in parsed.records.chunk_by(|a, b| a.rtype == b.rtype && a.owner_at == b.owner_at) {
        let owner = parsed.owner(&set[0]);
        let node = data.find_name(owner, key).expect("every owner is a node");
        let stored = node.rrset(set[0].rtype).expect("every RRset is at its node");
        let mut written = Vec::new();
        stored.expanded(apex.as_wire(), |rdata| written.push(rdata.to_ascii_lowercase()));
        for r in set {
            assert_eq!(stored.ttl, r.ttl);
            let data = parsed.rdata(r).to_ascii_lowercase();
            assert!(written.contains(&data), "{:?}: {data:x?}", Text(owner).to_string());
        }
    }
    // Every name above an owner is there too.
    for r in &parsed.records {
        let mut above = Some(parsed.owner(r));
        while let Some(name) = above.filter(|n| name::is_within(n, apex.as_wire())) {
            assert!(data.find_name(name, key).is_some(), "{} is missing", Text(name));
            above = name::parent(name);
        }
    }
}

/// The zone printed record by record is the same zone.
fn reads_back(parsed: &Parsed, apex: &Name, key: &HashKey) {
    let mut text = String::new();
    for r in &parsed.records {
        let owner = parsed.owner(r);
        let dot = if owner == [0] { "" } else { "." };
        let rtype = rdata::type_text(r.rtype);
        text += &format!("{}{dot} {} IN {rtype} ", Text(owner), r.ttl);
        rdata::to_text(r.rtype, parsed.rdata(r), &mut text);
        text.push('\n');
    }
    let source = Source { path: "printed".to_owned(), text: text.as_bytes().into() };
    let again = zonefile::read(apex, source, &mut NoIncludes, key);
    assert!(!again.has_errors(), "{text}\n{:#?}", again.findings);
    let all = |parsed: &Parsed| {
        let each = parsed.records.iter();
        let mut all: Vec<_> = each
            .map(|r| (parsed.owner(r).to_vec(), r.rtype, r.ttl, parsed.rdata(r).to_vec()))
            .collect();
        all.sort();
        all
    };
    assert!(all(&again) == all(parsed), "another zone than the one printed:\n{text}");
}
