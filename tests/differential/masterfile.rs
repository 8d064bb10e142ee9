//! Master-file text as BIND reads it: which lines are wrong, and what the others are on the wire.

use crate::random::Random;
use bailiwick::base::hash::HashKey;
use bailiwick::base::name::Name;
use bailiwick::zonefile::finding::{Severity, Source};
use bailiwick::zonefile::{NoIncludes, read};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// A record by owner in lower case, type, TTL and data.
pub type Record = (Vec<u8>, u16, u32, Vec<u8>);

/// What somebody makes of a text: its records, and the lines with errors.
#[derive(Default)]
pub struct Reading {
    pub records: BTreeSet<Record>,
    pub wrong: BTreeMap<usize, String>,
}

impl Reading {
    /// The records of one owner.
    pub fn of(&self, owner: &[u8]) -> Vec<&Record> {
        self.records.iter().filter(|(have, ..)| have == owner).collect()
    }
}

/// What we make of a zone text of `example`.
pub fn ours(text: &str) -> Reading {
    let source = Source { path: "example.zone".to_owned(), text: text.as_bytes().into() };
    let key = HashKey::new(*b"differences here");
    let apex = Name::from_text("example").expect("a name");
    let parsed = read(&apex, source, &mut NoIncludes, &key);
    assert_eq!(parsed.findings_left_out, 0, "too much text for one reading");
    let mut out = Reading::default();
    for record in &parsed.records {
        let owner = parsed.owner(record).to_ascii_lowercase();
        out.records.insert((owner, record.rtype, record.ttl, parsed.rdata(record).to_vec()));
    }
    for finding in parsed.findings.iter().filter(|f| f.severity == Severity::Error) {
        let before = &text.as_bytes()[..finding.place.at as usize];
        let line = 1 + before.iter().filter(|octet| **octet == b'\n').count();
        out.wrong.entry(line).or_insert(finding.message.clone());
    }
    out
}

/// What BIND says about lines that it takes.
const BIND_WARNS: [&str; 3] = ["warning", "inherited owner", "TTL set to prior"];

/// What BIND makes of it.
pub fn bind(text: &str) -> Reading {
    let dir = tempfile::tempdir().expect("a folder");
    let mut wrong = BTreeMap::new();
    // It lists the wrong lines, but no records unless all are right.
    for _ in 0..20 {
        let right: String = text
            .lines()
            .enumerate()
            .map(
                |(i, line)| {
                    if wrong.contains_key(&(i + 1)) { "\n".into() } else { format!("{line}\n") }
                },
            )
            .collect();
        std::fs::write(dir.path().join("zone"), right).expect("a zone file");
        let said = compile(dir.path());
        if let Ok(raw) = std::fs::read(dir.path().join("raw")) {
            return Reading { records: raw_records(&raw), wrong };
        }
        let before = wrong.len();
        for line in said.lines() {
            if let Some((_, rest)) = line.split_once("zone:")
                && let Some((number, why)) = rest.split_once(':')
                && let Ok(number) = number.parse()
                && !BIND_WARNS.iter().any(|warning| why.contains(warning))
            {
                wrong.insert(number, why.trim().to_owned());
            }
        }
        assert!(wrong.len() > before, "BIND takes nothing and says no line:\n{said}");
    }
    panic!("BIND goes on finding wrong lines");
}

fn compile(dir: &Path) -> String {
    let mut command = Command::new("named-compilezone");
    for check in ["-k", "-n", "-m", "-M", "-S", "-r", "-T", "-W"] {
        command.args([check, "ignore"]);
    }
    command.args(["-i", "none", "-F", "raw", "-o", "raw", "example", "zone"]);
    let output = command.current_dir(dir).output().expect("named-compilezone is installed");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// Reads BIND's raw format, version 1: a header, then one block for each RRset.
fn raw_records(raw: &[u8]) -> BTreeSet<Record> {
    let number = |at: usize, len: usize| {
        raw[at..at + len].iter().fold(0usize, |sum, octet| sum << 8 | usize::from(*octet))
    };
    assert_eq!((number(0, 4), number(4, 4)), (2, 1), "another format");
    let mut out = BTreeSet::new();
    let mut at = 24;
    while at < raw.len() {
        let end = at + number(at, 4);
        let rtype = u16::try_from(number(at + 6, 2)).expect("16 bits");
        let ttl = u32::try_from(number(at + 10, 4)).expect("32 bits");
        let count = number(at + 14, 4);
        let owner_len = number(at + 18, 2);
        let owner = raw[at + 20..at + 20 + owner_len].to_ascii_lowercase();
        at += 20 + owner_len;
        for _ in 0..count {
            let len = number(at, 2);
            out.insert((owner.clone(), rtype, ttl, raw[at + 2..at + 2 + len].to_vec()));
            at += 2 + len;
        }
        assert_eq!(at, end, "an RRset fills its block");
    }
    out
}

/// Head of a zone of `example`.
pub const HEAD: &str =
    "$ORIGIN example.\n$TTL 300\n@ SOA ns host 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n";

/// Types and texts of data that are right.
pub fn good() -> Vec<(&'static str, &'static str)> {
    let lines = include_str!("../rdata/good.txt").lines();
    lines
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .filter_map(|line| {
            let mut fields = line.split('\t');
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(rtype, _)| !["SOA", "RRSIG", "DNSKEY", "SIG"].contains(rtype))
        .collect()
}

/// Whether parentheses, quotes and comments reach no other line.
pub fn stays_on_its_line(data: &str) -> bool {
    let quotes = data.matches('"').count();
    !data.contains(['(', ')', ';']) && !data.contains("\\\"") && quotes.is_multiple_of(2)
}

/// A text that is a little wrong, or still right.
pub fn mutated(random: &mut Random, text: &str) -> String {
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    let at = random.below(words.len());
    match random.below(6) {
        0 => drop(words.remove(at)),
        1 => words.insert(at, words[at].clone()),
        2 => {
            words[at] = random
                .pick(&[
                    "0",
                    "1",
                    "256",
                    "65536",
                    "4294967296",
                    "-1",
                    "@",
                    ".",
                    "\"\"",
                    "a",
                    "\\#",
                    "\\# 0",
                    "01",
                    "1.2.3.4",
                    "::",
                    "0x1",
                    "1h",
                    "AQID",
                    "=",
                    "key1=a",
                    "00",
                    "A",
                ])
                .to_owned()
        }
        _ => {
            let mut octets: Vec<char> = words[at].chars().collect();
            let place = random.below(octets.len() + 1);
            let new =
                random.pick(&"0123456789abfgzAFZ.:-_/\\=,+@*#$%'~".chars().collect::<Vec<_>>());
            match random.below(3) {
                0 if place < octets.len() => drop(octets.remove(place)),
                1 if place < octets.len() => octets[place] = new,
                _ => octets.insert(place, new),
            }
            words[at] = octets.into_iter().collect();
        }
    }
    words.join(" ")
}

/// Why one of us takes a line that the other refuses.
pub struct Latitude {
    #[expect(dead_code, reason = "for readers")]
    why: &'static str,
    is: fn(&Line<'_>) -> bool,
}

/// A line that only one of us takes, and what the other says.
pub struct Line<'a> {
    pub rtype: &'a str,
    pub data: &'a str,
    pub refusal: &'a str,
}

/// Lines that only we take.
pub const TAKEN: [Latitude; 8] = [
    Latitude {
        why: "a type that BIND does not know, or refuses for its age",
        is: |line| {
            ["unknown RR type", "obsolete", "old style DNSSEC"]
                .iter()
                .any(|why| line.refusal.contains(why))
        },
    },
    Latitude {
        why: "a parameter newer than BIND's (RFC 9461, 9540)",
        is: |line| {
            ["tls-supported-groups", "ohttp", "dohpath", "key7", "key8", "key9"]
                .iter()
                .any(|key| line.data.contains(key))
        },
    },
    Latitude { why: "a URI without quotes", is: |line| line.rtype == "URI" },
    Latitude {
        why: "no key, of the algorithm that means no key (RFC 4025 §2.4)",
        is: |line| line.rtype == "IPSECKEY" && line.refusal.contains("end of input"),
    },
    Latitude {
        why: "what a regular expression means is for its readers (RFC 3403 §4.1)",
        is: |line| line.rtype == "NAPTR" && line.refusal.contains("syntax error"),
    },
    Latitude {
        why: "flags that are not yet defined",
        is: |line| line.rtype == "RKEY" && line.refusal.contains("FORMERR"),
    },
    Latitude {
        why: "dots in an address are only for reading (ATM Name System §5.2.1)",
        is: |line| line.rtype == "ATMA",
    },
    Latitude {
        why: "a hash may have any length (RFC 5155 §3.1.7)",
        is: |line| line.rtype == "NSEC3" && line.refusal.contains("out of range"),
    },
];

/// Lines that only BIND takes.
pub const REFUSED: [Latitude; 11] = [
    Latitude {
        why: "no fingerprint (RFC 4255 §3.1)",
        is: |line| line.rtype == "SSHFP" && line.refusal.contains("before its fingerprint"),
    },
    Latitude {
        why: "a number has digits on both sides of its point, and no plus (RFC 1876 §3)",
        is: |line| line.rtype == "LOC",
    },
    Latitude {
        why: "two digits for each octet (RFC 7043 §3.2, §4.2)",
        is: |line| ["EUI48", "EUI64"].contains(&line.rtype),
    },
    Latitude {
        why: "what begins with \\# is generic data (RFC 3597 §5)",
        is: |line| line.data.starts_with("\\#"),
    },
    Latitude { why: "an alias is ours", is: |line| line.rtype == "TYPE65401" },
    Latitude {
        why: "in a list only commas and backslashes are escaped (RFC 9460 §A.1)",
        is: |line| line.data.contains("alpn=") && line.data.contains('\\'),
    },
    Latitude {
        why: "a digest has the length of its algorithm",
        is: |line| line.refusal.contains("the digest has"),
    },
    Latitude {
        why: "numbers are decimal (RFC 1035 §5.1)",
        is: |line| line.refusal.contains("cannot be the flags"),
    },
    Latitude {
        why: "octets and numbers without decoration",
        is: |line| ["NSAP", "ATMA", "WKS"].contains(&line.rtype),
    },
    Latitude {
        why: "a parameter newer than BIND's has a form too (RFC 9461 §5, RFC 9540 §4)",
        is: |line| ["key7", "key8", "key9"].iter().any(|key| line.data.contains(key)),
    },
    Latitude {
        why: "no target (RFC 7553 §4.4), no family (RFC 3123 §5)",
        is: |line| ["URI", "APL"].contains(&line.rtype),
    },
];

/// Whether a line may be taken by one only.
pub fn explained(latitudes: &[Latitude], line: &Line<'_>) -> bool {
    latitudes.iter().any(|latitude| (latitude.is)(line))
}

/// The good data that BIND knows as well.
pub fn good_for_both() -> Vec<(&'static str, &'static str)> {
    let mut text = HEAD.to_owned();
    let head = text.lines().count();
    let all = good();
    for (i, (rtype, data)) in all.iter().enumerate() {
        text.push_str(&format!("g{i} {rtype} {data}\n"));
    }
    let refused = bind(&text).wrong;
    let knows = |i: &usize| !refused.contains_key(&(head + i + 1));
    (0..all.len()).filter(knows).map(|i| all[i]).collect()
}

/// A zone with these kinds of data, written in every way that master files allow.
pub fn any_layout(random: &mut Random, good: &[(&str, &str)], count: usize) -> String {
    let mut text = HEAD.to_owned();
    // Types that may have another beside them, and one to put there.
    let mut last = None;
    for i in 0..count {
        match random.below(20) {
            0 => text.push_str(random.pick(&[
                "$ORIGIN sub.example.\n",
                "$ORIGIN a.b\n",
                "$ORIGIN example. ; back\n",
                "$ORIGIN @\n",
            ])),
            1 => text.push_str(random.pick(&["$TTL 1h\n", "$TTL 600\n", "$ttl 1W2D3h4m5S ; x\n"])),
            2 => text.push_str(random.pick(&["\n", "  \t \n", "; a comment ( \" \n", " ;\r\n"])),
            _ => {}
        }
        if let Some(owner_is_free) = last.take()
            && owner_is_free
            && random.percent(40)
        {
            let more = random.pick(&["URI 10 1 \"x:\"", "SPF \"b\"", "TYPE65280 \\# 1 0a"]);
            text.push_str(&format!(
                "{}{more}\n",
                random.pick(&[" ", "\t", " 60 IN ", "\tin\t2h\t"])
            ));
            continue;
        }
        let (rtype, data) = random.pick(good);
        // BIND takes neither delegations nor NSEC3 at a wildcard.
        let wild = if ["NS", "NSEC3"].contains(&rtype) { "w" } else { "*.w" };
        let name = random.pick(&["l", "L.m", "\\108", "x\\.y", wild, "_t._u", "\\000\\255"]);
        let owner =
            if random.percent(30) { format!("{name}{i}.example.") } else { format!("{name}{i}") };
        let between = random.pick(&[
            " ",
            "\t\t",
            " IN ",
            " in 300 ",
            " 300 IN ",
            " 5m ",
            " 1h30m CLASS1 ",
            " ( ",
            " 0 ",
            " 2147483647 ",
        ]);
        let rtype_text = if random.percent(30) { rtype.to_lowercase() } else { rtype.to_owned() };
        let open = between.contains('(');
        let data = spread(random, data, open);
        let end = random.pick(&["\n", "\r\n", " ; end\n", "\t\n"]);
        text.push_str(&format!(
            "{owner}{between}{rtype_text} {data}{}{end}",
            if open { " )" } else { "" }
        ));
        last = Some(!["CNAME", "DNAME", "NS", "TYPE5", "URI", "SPF", "TYPE65280"].contains(&rtype));
    }
    text
}

/// Puts words of data on lines of their own.
fn spread(random: &mut Random, data: &str, mut open: bool) -> String {
    if data.contains(['"', '\\', '(', ';']) || random.percent(50) {
        return data.to_owned();
    }
    let closes = !open;
    let mut out = String::new();
    for word in data.split(' ') {
        if random.percent(30) {
            if !open {
                out.push_str("( ");
                open = true;
            }
            out.push_str(random.pick(&["\n", "\r\n  ", " ; ) a comment\n", "\n\n\t", "\t"]));
        }
        out.push_str(word);
        out.push(' ');
    }
    if open && closes {
        out.push(')');
    }
    out
}
