//! Data of every RR type through a whole zone file and back: what is printed can stand in a file.

use bailiwick::base::hash::HashKey;
use bailiwick::base::name::Name;
use bailiwick::base::rtype;
use bailiwick::rdata;
use bailiwick::zonefile::finding::Source;
use bailiwick::zonefile::{NoIncludes, read};

/// Types that a zone without signatures refuses, and those whose place in a zone is watched.
const ELSEWHERE: &[u16] = &[rtype::SOA, rtype::RRSIG, rtype::DNSKEY];

/// Data of one record, as the zone parser reads it for a name of its own.
fn from_zone(rtype: u16, data: &str) -> Option<Vec<u8>> {
    let kind = rdata::type_text(rtype);
    let text = format!(
        "$TTL 60\n@ SOA ns host 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n\
         some.where {kind} {data} ; end\n"
    );
    let source = Source { path: "a.zone".to_owned(), text: text.into_bytes().into() };
    let key = HashKey::new([7; 16]);
    let parsed = read(&Name::from_text("example").unwrap(), source, &mut NoIncludes, &key);
    let owner = b"\x04some\x05where\x07example\0";
    let mut found = parsed.records.iter().filter(|record| parsed.owner(record) == owner);
    let record = found.next()?;
    assert!(found.next().is_none());
    assert_eq!(record.rtype, rtype);
    Some(parsed.rdata(record).to_vec())
}

fn from_line(rtype: u16, data: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    rdata::from_line(rtype, data.as_bytes(), b"\x07example\0", &mut out).ok().map(|()| out)
}

fn to_text(rtype: u16, wire: &[u8]) -> String {
    let mut text = String::new();
    rdata::to_text(rtype, wire, &mut text);
    text
}

fn lines(file: &'static str) -> impl Iterator<Item = (u16, &'static str)> {
    file.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut fields = line.split('\t');
        let rtype = rdata::type_from_text(fields.next()?.as_bytes())?;
        Some((rtype, fields.next()?)).filter(|_| !ELSEWHERE.contains(&rtype))
    })
}

#[test]
fn good_texts() {
    for (rtype, text) in lines(include_str!("rdata/good.txt")) {
        let kind = rdata::type_text(rtype);
        let wire = from_line(rtype, text);
        assert!(wire.is_some(), "{kind} {text}");
        assert_eq!(from_zone(rtype, text), wire, "{kind} {text}");
        let printed = to_text(rtype, &wire.unwrap());
        assert_eq!(from_zone(rtype, &printed), from_line(rtype, text), "{kind} {printed}");
    }
}

#[test]
fn bad_texts() {
    for (rtype, text) in lines(include_str!("rdata/bad.txt")) {
        if text.ends_with('\\') {
            // Here a blank follows, which is as good as any other octet behind a `\`.
            continue;
        }
        assert_eq!(from_zone(rtype, text), None, "{} {text}", rdata::type_text(rtype));
    }
}

/// Octets that mean something in a zone file, in every name and text of every type.
#[test]
fn nasty_octets() {
    const NASTY: &[u8] = b"\n\r\t \0\"\\;()@$.,='\x7F\xFFaA0";
    for (rtype, text) in lines(include_str!("rdata/good.txt")) {
        let wire = from_line(rtype, text).unwrap();
        for at in 0..wire.len() {
            for (i, &octet) in NASTY.iter().enumerate() {
                let mut changed = wire.clone();
                changed[at] = octet;
                // The octet behind it too, now and then.
                if let Some(next) = changed.get_mut(at + 1).filter(|_| i % 3 == 0) {
                    *next = NASTY[(i + at) % NASTY.len()];
                }
                if rdata::check_wire(rtype, &changed).is_ok() {
                    let printed = to_text(rtype, &changed);
                    assert!(printed.bytes().all(|b| (b' '..=b'~').contains(&b)), "{printed}");
                    let read = from_line(rtype, &printed);
                    assert_eq!(read.as_ref(), Some(&changed), "{printed}");
                    if at % 4 == 0 {
                        let read = from_zone(rtype, &printed);
                        assert_eq!(read, Some(changed), "{} {printed}", rdata::type_text(rtype));
                    }
                }
            }
        }
    }
}

/// A forgotten target must not make a name of the parameter that stands in its place.
#[test]
fn a_parameter_is_no_target() {
    assert_eq!(from_zone(rtype::HTTPS, "1 alpn=\"h2\""), None);
    assert_eq!(from_zone(rtype::HTTPS, "1 alpn=\"h2\" port=\"443\""), None);
    assert_eq!(from_zone(rtype::HTTPS, "1 . alpn=\"h2\"# port=443"), None);
    assert!(from_zone(rtype::HTTPS, "1 . alpn=\"h2\" port=\"443\"").is_some());
}
