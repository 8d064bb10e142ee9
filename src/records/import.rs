//! Master-file text to records of the API: comments and `cf_tags` become fields, `$INCLUDE` is refused.

use super::input::{is_tag, read_name};
use super::{AUTOMATIC, Problem, Record};
use crate::base::count::count;
use crate::base::hash::HashKey;
use crate::base::limits::{RECORD_COMMENT_MAX, RECORD_TAGS_MAX, RECORD_TTL};
use crate::base::name::Name;
use crate::base::rtype::{self, RType};
use crate::base::time::UnixTime;
use crate::base::uuid::Uuid;
use crate::rdata;
use crate::zonefile::finding::{Finding, Place, Severity, Source};
use crate::zonefile::record::Parsed;
use crate::zonefile::{self, Include};

/// Errors that are told of one text.
const ERRORS: usize = 20;

/// One record of a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Imported {
    pub line: usize,
    pub name: Name,
    pub rtype: RType,
    pub rdata: Box<[u8]>,
    pub ttl: u32,
    pub flatten: bool,
    pub comment: Box<str>,
    pub tags: Vec<Box<str>>,
}

/// What a text says, and what should be known of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Import {
    pub lines: Vec<Imported>,
    pub messages: Vec<Problem>,
}

struct Refuses;

impl Include for Refuses {
    fn open(&mut self, _path: &str, _from: &str) -> Result<Source, String> {
        Err("$INCLUDE directive not allowed".to_owned())
    }
}

/// Reads a text. All that is wrong with it comes back at once.
pub fn read(apex: &Name, text: &[u8], key: &HashKey) -> Result<Import, Vec<Problem>> {
    let source = Source { path: "import".to_owned(), text: text.into() };
    let parsed = zonefile::lines(apex, source, &mut Refuses, key);
    let errors = parsed.findings.iter().filter(|f| f.severity == Severity::Error);
    let mut problems: Vec<Problem> =
        errors.take(ERRORS).map(|finding| problem(text, finding)).collect();
    let mut import = Import::default();
    let mut clamped = 0;
    let mut proxied = 0;
    for record in &parsed.records {
        let line = line_of(text, record.place);
        let name = Name::from_wire(parsed.owner(record)).expect("parsed owners are names");
        if let Some(why) = refused(record.rtype, &name, apex) {
            if problems.len() < ERRORS {
                let message = format!("line {line}: {why}");
                problems.push(Problem::new(Problem::IMPORT, message));
            }
            continue;
        }
        let said = said(&parsed, record.place);
        let ttl = match record.ttl {
            AUTOMATIC => AUTOMATIC,
            ttl => ttl.clamp(*RECORD_TTL.start(), *RECORD_TTL.end()),
        };
        clamped += usize::from(ttl != record.ttl);
        proxied += usize::from(said.proxied);
        let is_alias = record.rtype == rtype::ALIAS;
        let is_cname = is_alias || record.rtype == rtype::CNAME;
        let flatten = is_cname && (record.flatten || is_alias && name != *apex);
        import.lines.push(Imported {
            line,
            rtype: if is_alias { rtype::CNAME } else { record.rtype },
            rdata: parsed.rdata(record).into(),
            ttl,
            flatten,
            comment: said.comment,
            tags: said.tags,
            name,
        });
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut tell = |records: usize, what: &str| {
        if records > 0 {
            let message = format!("{} {what}", count(records, "record"));
            import.messages.push(Problem::new(Problem::IMPORT, message));
        }
    };
    let (least, most) = (RECORD_TTL.start(), RECORD_TTL.end());
    tell(
        clamped,
        &format!("had a TTL that is not between {least} and {most}: the nearest is used"),
    );
    tell(proxied, "were proxied: they are imported as DNS only, since this server has no proxy");
    Ok(import)
}

/// Why a record cannot be imported.
fn refused(rtype: RType, name: &Name, apex: &Name) -> Option<String> {
    if !name.is_within(apex) {
        return Some(format!("{name} is not in the zone {apex}"));
    }
    if matches!(rtype, rtype::RRSIG | rtype::DNSKEY) {
        return Some("signed zones are not supported yet: import it as it was before".to_owned());
    }
    if rtype == rtype::SOA && name != apex {
        return Some("an SOA record that is not at the apex".to_owned());
    }
    if !rdata::is_data(rtype) {
        return Some(format!("{} records do not stand in zones", rdata::type_text(rtype)));
    }
    read_name(&format!("{name}."), apex).err().map(|problem| problem.message.into_owned())
}

fn problem(text: &[u8], finding: &Finding) -> Problem {
    let mut message = format!("line {}: {}", line_of(text, finding.place), finding.message);
    if let Some(expected) = &finding.expected {
        message = format!("{message}; expected {expected}");
    }
    Problem::new(Problem::IMPORT, message)
}

fn line_of(text: &[u8], place: Place) -> usize {
    let before = text.get(..place.at as usize).unwrap_or(text);
    1 + before.iter().filter(|b| **b == b'\n').count()
}

impl Imported {
    /// The record; `None` for what the server itself keeps: SOA, and NS at the apex.
    pub fn record(&self, apex: &Name, id: Uuid, now: UnixTime) -> Option<Record> {
        let own = matches!(self.rtype, rtype::SOA | rtype::NS) && self.name == *apex;
        let Imported { name, rtype, rdata, ttl, flatten, comment, tags, .. } = self;
        (!own).then(|| Record {
            id,
            name: name.clone(),
            rtype: *rtype,
            rdata: rdata.clone(),
            spelling: None,
            ttl: *ttl,
            flatten: *flatten,
            comment: comment.clone(),
            tags: tags.clone(),
            created_at: now,
            modified_at: now,
            comment_at: (!comment.is_empty()).then_some(now),
            tags_at: (!tags.is_empty()).then_some(now),
        })
    }
}

/// What the comment behind a record says.
#[derive(Default)]
struct Said {
    comment: Box<str>,
    tags: Vec<Box<str>>,
    proxied: bool,
}

fn said(parsed: &Parsed, place: Place) -> Said {
    let Some(source) = parsed.sources.get(usize::from(place.source)) else {
        return Said::default();
    };
    let end = (place.at as usize).saturating_add(place.len as usize);
    let behind = source.text.get(end..).unwrap_or_default();
    let line = behind.split(|b| *b == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let line = line.trim_start_matches([' ', '\t', ')']).trim_end();
    let Some(text) = line.strip_prefix(';') else { return Said::default() };
    let (comment, list) = match text.rfind("cf_tags=") {
        Some(at) if at == 0 || text[..at].ends_with([' ', '\t']) => {
            (&text[..at], &text[at + "cf_tags=".len()..])
        }
        _ => (text, ""),
    };
    let mut comment = comment.trim();
    if let Some(rest) = comment.strip_prefix("bw-flatten") {
        comment = rest.trim();
    }
    let mut said = Said {
        comment: comment.chars().filter(|c| !c.is_control()).take(RECORD_COMMENT_MAX).collect(),
        ..Said::default()
    };
    for tag in items(list) {
        let lower = tag.to_ascii_lowercase();
        match lower.as_str() {
            "cf-proxied:true" | "cf-proxied" => said.proxied = true,
            _ if lower.starts_with("cf-") => {}
            _ if is_tag(&tag) && said.tags.len() < RECORD_TAGS_MAX => said.tags.push(tag.into()),
            _ => {}
        }
    }
    said
}

/// The items of a list of tags; JSON texts as values are undone.
fn items(list: &str) -> Vec<String> {
    let mut items = Vec::new();
    let mut rest = list;
    while !rest.is_empty() {
        let end = rest.find([',', ' ', '\t', '"']).unwrap_or(rest.len());
        let mut item = rest[..end].to_owned();
        rest = &rest[end..];
        if rest.starts_with('"') {
            let mut texts = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            match texts.next() {
                Some(Ok(text)) => {
                    item.push_str(&text);
                    rest = &rest[texts.byte_offset()..];
                }
                _ => return items,
            }
        }
        if !item.is_empty() {
            items.push(item);
        }
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return items,
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::ZoneId;
    use crate::records::{Content, RecordSet, export, write};

    fn apex() -> Name {
        Name::from_text("zone.example").unwrap()
    }

    fn import(text: &str) -> Result<Import, Vec<Problem>> {
        read(&apex(), text.as_bytes(), &HashKey::new([1; 16]))
    }

    #[test]
    fn exported_and_imported_it_is_the_same() {
        let text = "$TTL 1\n\
            @ 3600 SOA ns hostmaster 1 2 3 4 5\n\
            @ NS ns.zone.example.\n\
            www 300 A 192.0.2.1 ; the web cf_tags=cf-proxied:false,team:dns,note:\"a, \\\"b\\\" c\"\n\
            @ CNAME target.example.\n\
            f CNAME target.example. ; cf_tags=cf-flatten-cname\n\
            g ALIAS target.example. ; bw-flatten and more\n\
            m 60 MX ( 10\n mail.example. ) ; over two lines\n\
            t TXT \"a;b\" \"c\" ; says cf_tags= here cf_tags=\n\
            $GENERATE 1-2 h$ A 192.0.2.$\n";
        let first = import(text).unwrap();
        assert_eq!((first.lines.len(), first.messages.len()), (10, 0));
        let mut set = RecordSet::new(&apex(), Vec::new());
        let mut content = Content::new(ZoneId(1), Vec::new(), UnixTime(5));
        let mut next = 0;
        let mut ids = || {
            next += 1;
            Uuid([next; 16])
        };
        let import_all = write::Write::Import(first.lines);
        let done =
            write::apply(&import_all, &mut content, &mut set, &mut ids, UnixTime(9)).unwrap();
        assert_eq!(done, write::Outcome::Imported { added: 8, parsed: 10 });
        // Again: all of it is there.
        let done =
            write::apply(&import_all, &mut content, &mut set, &mut ids, UnixTime(9)).unwrap();
        assert_eq!(done, write::Outcome::Imported { added: 0, parsed: 10 });
        let records: Vec<Record> = set.iter().cloned().collect();
        let www = records.iter().find(|r| r.name.to_string() == "www.zone.example").unwrap();
        assert_eq!((&*www.comment, www.ttl), ("the web", 300));
        assert_eq!(www.tags, ["team:dns".into(), "note:a, \"b\" c".into()]);
        let exported = export::text(&apex(), Some(&content), &records, UnixTime(9));
        let again = import(&exported).unwrap();
        let plain = |lines: Vec<Imported>| {
            let mut records: Vec<Record> = lines
                .iter()
                .filter_map(|line| line.record(&apex(), Uuid([0; 16]), UnixTime(9)))
                .collect();
            records.sort_by_key(|r| (r.name.to_string(), r.rtype, r.rdata.clone()));
            records
        };
        let nil = |r: &Record| Record { id: Uuid([0; 16]), ..r.clone() };
        let mut records: Vec<Record> = records.iter().map(nil).collect();
        records.sort_by_key(|r| (r.name.to_string(), r.rtype, r.rdata.clone()));
        assert_eq!(plain(again.lines), records, "{exported}");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let text = "a A 192.0.2.1\nb A x\n$INCLUDE /etc/passwd\nc.other.example. A 192.0.2.1\n\
            d RRSIG A 13 2 1 20300101000000 20250101000000 1 zone.example. AAAA\n";
        let problems = import(text).unwrap_err();
        let texts: Vec<&str> = problems.iter().map(|p| &*p.message).collect();
        assert_eq!(texts.len(), 4, "{texts:?}");
        assert!(texts[0].starts_with("line 2:"), "{texts:?}");
        assert!(texts[1].contains("$INCLUDE directive not allowed"), "{texts:?}");
        let import = import("a 5 A 192.0.2.1 ; cf_tags=cf-proxied:true\n").unwrap();
        assert_eq!((import.lines[0].ttl, import.messages.len()), (30, 2));
    }
}
