//! Rdata text and wire against the `domain` crate: thousands of texts and octets, good and bad.
//!
//! Every difference must fall under a rule that says why ours is right; a rule that explains
//! nothing is an error as well.

use bailiwick::rdata;
use domain::base::iana::Rtype;
use domain::base::name::Name;
use domain::base::rdata::{ComposeRecordData, ParseAnyRecordData};
use domain::base::zonefile_fmt::{DisplayKind, ZonefileFmt};
use domain::dep::octseq::Parser;
use domain::rdata::AllRecordData;
use domain::zonefile::inplace::{Entry, Zonefile};

/// Types that `domain` knows, and one that nobody does.
const KNOWN: &[&str] = &[
    "A",
    "NS",
    "MD",
    "MF",
    "CNAME",
    "SOA",
    "MB",
    "MG",
    "MR",
    "PTR",
    "HINFO",
    "MINFO",
    "MX",
    "TXT",
    "RP",
    "AAAA",
    "SRV",
    "NAPTR",
    "DNAME",
    "DS",
    "SSHFP",
    "IPSECKEY",
    "RRSIG",
    "NSEC",
    "DNSKEY",
    "NSEC3",
    "NSEC3PARAM",
    "TLSA",
    "CDS",
    "CDNSKEY",
    "OPENPGPKEY",
    "ZONEMD",
    "SVCB",
    "HTTPS",
    "CAA",
    "TYPE65280",
];

/// Words put in place of every word of every good text.
const WORDS: &[&str] = &[
    "0",
    "1",
    "255",
    "256",
    "65535",
    "65536",
    "4294967295",
    "4294967296",
    "-1",
    "+1",
    "01",
    "x",
    "1h",
    "1h30m",
    "\"a\"",
    "\"\"",
    "a\\.b",
    ".",
    "a.",
    "a..b",
    "@",
    "\\065",
    "\\256",
    "192.0.2.1",
    "192.0.2",
    "2001:db8::1",
    "::",
    "1::2::3",
    "AQ==",
    "AQ",
    "AQID",
    "A*",
    "abc",
    "abcd",
    "00",
    "-",
    "A",
    "TYPE1",
    "TYPE65536",
    "NSEC",
    "20250101000000",
    "20250229000000",
    "RSASHA256",
    "port=1",
    "port",
    "alpn=h2",
    "alpn=",
    "alpn=h2,,h3",
    "mandatory=port",
    "mandatory=alpn",
    "no-default-alpn",
    "ipv4hint=192.0.2.1",
    "ipv4hint=",
    "ipv4hint=192.0.2.1,",
    "ipv6hint=::1",
    "ech=AQID",
    "ech=",
    "key5=a",
    "key00001=a",
    "key65280=\"a b\"",
    "key65280",
    "dohpath=/q{?dns}",
    "dohpath=/q",
    "ohttp",
    "\\#",
    "\u{e9}",
];

/// Something that the two took differently: a text, or wire.
struct Case<'a> {
    kind: &'a str,
    /// The text; of wire, what `check_wire` says of it.
    text: &'a str,
    ours: Option<&'a [u8]>,
    theirs: Option<&'a [u8]>,
}

impl Case<'_> {
    fn only_ours(&self) -> bool {
        self.ours.is_some() && self.theirs.is_none()
    }

    fn only_theirs(&self) -> bool {
        self.ours.is_none() && self.theirs.is_some()
    }

    fn is(&self, kinds: &[&str]) -> bool {
        kinds.contains(&self.kind)
    }

    fn any_word(&self, test: impl Fn(&str) -> bool) -> bool {
        self.text.split(' ').any(test)
    }

    fn has(&self, word: &str) -> bool {
        self.any_word(|w| w == word)
    }
}

type Rule = (&'static str, fn(&Case) -> bool);

const SIGNED: &[&str] = &["DS", "CDS", "DNSKEY", "CDNSKEY", "RRSIG"];
const DIGESTS: &[&str] = &["DS", "CDS", "SSHFP", "ZONEMD"];
const PARAMS: &[&str] = &["SVCB", "HTTPS"];

/// Why a text is taken differently.
const TEXT_RULES: &[Rule] = &[
    ("RFC 1035 §5.1: `@` is the origin, in rdata too", |c| c.has("@")),
    ("RFC 1035 §2.3.1: no label but the root is empty", |c| c.only_theirs() && c.has("a..b")),
    ("RFC 1035 §5.1: only character-strings stand in quotes", |c| {
        c.only_theirs() && c.text.contains('"')
    }),
    ("RFC 1035 §5.1: any octet may stand in a name or text; BIND takes it too", |c| {
        c.only_ours() && !c.text.is_ascii()
    }),
    ("RFC 1035 §5.1: numbers are decimal integers, without a sign", |c| {
        c.only_theirs() && c.has("+1")
    }),
    ("SPEC §3: periods may have units", |c| {
        c.only_ours()
            && c.is(&["SOA", "RRSIG"])
            && c.any_word(|w| w.starts_with('1') && w.ends_with(['h', 'm', 'w', 'W', 'S']))
    }),
    (
        "RFC 4034 §2.2, §3.2, §5.3: algorithms have mnemonics; BIND has them for digests too",
        |c| {
            c.only_ours()
                && c.is(SIGNED)
                && c.any_word(|w| matches!(w, "RSASHA256" | "ECDSAP256SHA256" | "SHA-256"))
        },
    ),
    ("BIND takes a bare number for the type covered, and prints none", |c| {
        let first = c.text.split(' ').next().unwrap_or_default();
        c.only_ours() && c.is(&["RRSIG"]) && first.bytes().all(|b| b.is_ascii_digit())
    }),
    (
        "RFC 4034 §5.1.4, RFC 4255 §3.1.3, RFC 8976 §2.2.4: a digest has the length of its type",
        |c| c.only_theirs() && c.is(DIGESTS),
    ),
    ("RFC 4034 §2.1.4, §3.1.8, RFC 6698 §2.1.4: key, signature and data are there", |c| {
        let least = match c.kind {
            "RRSIG" => 9,
            _ => 4,
        };
        let kinds = ["DNSKEY", "CDNSKEY", "RRSIG", "TLSA"];
        c.only_theirs() && c.is(&kinds) && c.text.split(' ').count() < least
    }),
    ("RFC 4648 §3.5: bits that base64 does not use are zero", |c| {
        c.only_theirs() && (c.has("ech=") || c.has("AR==")) && !c.is(PARAMS)
    }),
    ("RFC 4648 §7: base32hex ends within an octet", |c| c.only_theirs() && c.is(&["NSEC3"])),
    ("RFC 3597 §5: types are mnemonics, which have no escapes", |c| {
        c.only_theirs() && c.is(&["NSEC", "NSEC3", "RRSIG", "CAA"]) && c.has("\\065")
    }),
    ("RFC 4034 §4.1.2: NSEC exists, so its types are not none", |c| {
        c.only_theirs() && c.is(&["NSEC"])
    }),
    ("RFC 3597 §5: `\\#` data of a known type is checked; meta types have none", |c| {
        c.only_theirs() && c.text.starts_with("\\#")
    }),
    ("RFC 9460 §7.1.1: no-default-alpn stands beside alpn", |c| {
        c.only_theirs() && c.is(PARAMS) && c.text.contains("no-default-alpn")
    }),
    ("RFC 9460 appendix A.1: no item of a list is empty", |c| {
        c.only_theirs()
            && c.is(PARAMS)
            && (c.text.contains(",,") || c.any_word(|w| w.ends_with(',')))
    }),
    ("RFC 9460 §7.2, §7.3, §8: no escapes in ports, addresses and keys", |c| {
        let plain = ["port=", "ipv4hint=", "ipv6hint=", "mandatory="];
        let is_escaped = |w: &str| w.contains('\\') && plain.iter().any(|key| w.starts_with(key));
        c.only_theirs() && c.is(PARAMS) && c.any_word(is_escaped)
    }),
    ("RFC 9461 §5: a path template is relative and has `dns`", |c| {
        c.only_theirs() && c.is(PARAMS) && c.text.contains("dohpath=")
    }),
    ("RFC 9460 §2.1: a key's number has no leading zeros", |c| {
        c.only_theirs() && c.is(PARAMS) && c.text.contains("key0000")
    }),
    ("RFC 9460 §2.1: the value of keyNNNNN is opaque octets, also of numbers with a name", |c| {
        !c.only_theirs()
            && c.is(PARAMS)
            && c.any_word(|w| ["key1=", "key3=", "key5="].iter().any(|key| w.starts_with(key)))
    }),
    ("RFC 9460 §2.1: an empty value is no value; BIND takes it too", |c| {
        c.only_ours() && c.is(PARAMS) && c.text.contains("key9999=")
    }),
    ("RFC 9460 appendix D.2, figures 8 and 9: `\\` and `,` inside an item", |c| {
        c.only_ours() && c.is(PARAMS) && c.text.contains("oo\\")
    }),
];

/// Why text printed by the one is not read as the same by the other.
const PRINT_RULES: &[Rule] = &[
    ("RFC 4025 §3.1: no gateway is written `.`", |c| c.is(&["IPSECKEY"])),
    ("RFC 9460 §2.1, appendix A: values are escaped, keys have the names of the registry", |c| {
        c.is(PARAMS)
    }),
    ("IANA: the mnemonic of type 23 is NSAP-PTR", |c| {
        c.text.contains("NSAPPTR") || c.text.contains("NSAP-PTR")
    }),
    ("SPEC §3: type 65401 is ALIAS", |c| c.has("ALIAS")),
];

/// Why wire is taken differently: what `check_wire` says, and where that is written.
const WIRE_RULES: &[Rule] = &[
    ("RFC 4034 §5.1.4, RFC 4255 §3.1.3, RFC 8976 §2.2.4", |c| {
        c.is(DIGESTS) && (c.text.contains("length of its type") || c.text.contains("ends within"))
    }),
    ("RFC 9460 §8: mandatory keys ascend, are present, and not `mandatory`", |c| {
        c.is(PARAMS) && c.text.contains("`mandatory`")
    }),
    (
        "RFC 9460 §7.1.1: no protocol id is empty, no-default-alpn has no value but alpn beside",
        |c| {
            let said = ["protocols", "without a value", "`alpn` beside"];
            c.is(PARAMS) && said.iter().any(|what| c.text.contains(what))
        },
    ),
    ("RFC 9461 §5: a path template is relative, in UTF-8, and has `dns`", |c| {
        c.is(PARAMS) && c.text.contains("template")
    }),
    ("RFC 9460 §7.2: a port has two octets", |c| c.is(PARAMS) && c.text.contains("one port")),
    ("RFC 4034 §4.1.2: windows ascend, without zero octets at the end, and are there", |c| {
        c.is(&["NSEC", "NSEC3"])
    }),
    ("RFC 8659 §4.1: a tag has at least one letter or digit", |c| c.is(&["CAA"])),
    ("RFC 1035 §3.3.14: TXT has at least one character-string", |c| c.is(&["TXT"])),
    ("RFC 4034 §2.1.4, §3.1.8, RFC 6698 §2.1.4, RFC 7929 §2.1: the last field is there", |c| {
        c.is(&["DNSKEY", "CDNSKEY", "RRSIG", "TLSA", "OPENPGPKEY"])
    }),
];

/// Differences, each under its rule.
struct Ledger {
    rules: &'static [Rule],
    used: Vec<usize>,
    compared: usize,
    unexplained: Vec<String>,
}

impl Ledger {
    fn new(rules: &'static [Rule]) -> Ledger {
        Ledger { rules, used: vec![0; rules.len()], compared: 0, unexplained: Vec::new() }
    }

    fn compare(&mut self, case: Case) {
        self.compared += 1;
        if case.ours == case.theirs {
            return;
        }
        match self.rules.iter().position(|(_, applies)| applies(&case)) {
            Some(rule) => self.used[rule] += 1,
            None => {
                let Case { kind, text, ours, theirs } = case;
                self.unexplained.push(format!(
                    "{kind} {text}\n    ours   {ours:02x?}\n    theirs {theirs:02x?}"
                ));
            }
        }
    }

    fn close(self, least: usize) {
        assert!(self.unexplained.is_empty(), "{}", self.unexplained.join("\n"));
        for ((reason, _), used) in self.rules.iter().zip(self.used) {
            assert!(used > 0, "no difference is left under: {reason}");
        }
        assert!(self.compared >= least, "only {} compared", self.compared);
    }
}

fn number(kind: &str) -> u16 {
    rdata::type_from_text(kind.as_bytes()).unwrap()
}

fn ours(kind: &str, text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    rdata::from_line(number(kind), text.as_bytes(), b"\x07example\0", &mut out).ok().map(|()| out)
}

fn theirs(kind: &str, text: &str) -> Option<Vec<u8>> {
    let mut zone = Zonefile::new();
    zone.extend_from_slice(format!("x.example. 3600 IN {kind} {text}\n\n").as_bytes());
    zone.set_origin(Name::bytes_from_str("example.").unwrap());
    let Ok(Some(Entry::Record(record))) = zone.next_entry() else { return None };
    if !matches!(zone.next_entry(), Ok(None)) {
        return None;
    }
    let mut wire = Vec::new();
    record.data().compose_rdata(&mut wire).ok().map(|()| wire)
}

/// What `domain` makes of wire: its text.
fn their_text(kind: &str, wire: &[u8]) -> Option<String> {
    let rtype = Rtype::from(number(kind));
    let mut parser = Parser::from_ref(wire);
    let data = AllRecordData::parse_any_rdata(rtype, &mut parser).ok()?;
    (parser.remaining() == 0).then(|| data.display_zonefile(DisplayKind::Simple).to_string())
}

fn good_texts() -> impl Iterator<Item = (&'static str, &'static str)> {
    lines(include_str!("rdata/good.txt"))
}

fn lines(file: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    file.lines().filter_map(|line| {
        let mut fields = line.split('\t');
        let (kind, text) = (fields.next()?, fields.next()?);
        KNOWN.contains(&kind).then_some((kind, text))
    })
}

/// Good texts, bad texts, and good texts with a word left out, doubled, or put in place of another.
fn many_texts() -> Vec<(&'static str, String)> {
    let mut texts = Vec::new();
    for (kind, text) in good_texts() {
        texts.push((kind, text.to_string()));
        let words: Vec<&str> = text.split(' ').collect();
        for at in 0..words.len() {
            let with = |put: &[&str]| [&words[..at], put, &words[at + 1..]].concat().join(" ");
            texts.push((kind, with(&[])));
            texts.push((kind, with(&[words[at], words[at]])));
            texts.extend(WORDS.iter().map(|word| (kind, with(&[*word]))));
        }
    }
    texts.extend(lines(include_str!("rdata/bad.txt")).map(|(kind, text)| (kind, text.to_string())));
    // A quote that was cut open is the matter of whoever cuts words.
    texts.retain(|(_, text)| text.replace("\\\"", "").matches('"').count() % 2 == 0);
    texts
}

#[test]
fn texts() {
    let mut ledger = Ledger::new(TEXT_RULES);
    for (kind, text) in many_texts() {
        let (ours, theirs) = (ours(kind, &text), theirs(kind, &text));
        ledger.compare(Case {
            kind,
            text: &text,
            ours: ours.as_deref(),
            theirs: theirs.as_deref(),
        });
    }
    ledger.close(20_000);
}

/// Wire of all good texts, cut short, with octets changed, put in and taken out.
fn many_wires() -> Vec<(&'static str, Vec<u8>)> {
    let mut wires = Vec::new();
    for (kind, text) in good_texts() {
        let wire = ours(kind, text).expect(text);
        wires.extend((0..=wire.len()).map(|cut| (kind, wire[..cut].to_vec())));
        for at in 0..wire.len() {
            let with = |put: &[u8]| (kind, [&wire[..at], put, &wire[at + 1..]].concat());
            let octets = [0, 1, 2, 3, 0x20, 0x3F, 0x40, 0x80, 0xC0, 0xFF];
            wires.extend(octets.iter().map(|octet| with(&[*octet])));
            wires.push(with(&[]));
            wires.push(with(&[0, wire[at]]));
        }
    }
    wires
}

#[test]
fn wires() {
    let mut ledger = Ledger::new(WIRE_RULES);
    for (kind, wire) in many_wires() {
        let check = rdata::check_wire(number(kind), &wire);
        let text = check.map_or_else(|error| error.to_string(), |()| String::new());
        let theirs = their_text(kind, &wire).map(|_| &wire[..]);
        ledger.compare(Case { kind, text: &text, ours: check.ok().map(|()| &wire[..]), theirs });
    }
    ledger.close(20_000);
}

#[test]
fn printed() {
    let mut ledger = Ledger::new(PRINT_RULES);
    for (kind, wire) in many_wires() {
        if rdata::check_wire(number(kind), &wire).is_err() {
            continue;
        }
        // Ours, read by both.
        let mut text = String::new();
        rdata::to_text(number(kind), &wire, &mut text);
        assert_eq!(ours(kind, &text).as_deref(), Some(&wire[..]), "{kind} {text}");
        let theirs = theirs(kind, &text);
        ledger.compare(Case { kind, text: &text, ours: Some(&wire), theirs: theirs.as_deref() });
        // Theirs, read by us.
        let text = their_text(kind, &wire).expect("our check is the stricter one");
        let read = ours(kind, &text);
        ledger.compare(Case { kind, text: &text, ours: read.as_deref(), theirs: Some(&wire) });
    }
    ledger.close(20_000);
}
