//! What a scenario expects of one answer, and how the answer differs from it.

use super::message::{FLAGS, Message, RCODES, Record, Wrong};
use super::{name, rdata};
use std::collections::BTreeSet;

/// One expected record.
#[derive(Clone, Debug)]
pub struct Line {
    pub text: String,
    owner: Vec<u8>,
    ttl: u32,
    /// The TTL may be lower.
    at_most: bool,
    class: u16,
    rtype: u16,
    rdata: Vec<u8>,
}

/// What is expected about extended errors (RFC 8914).
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Ede {
    #[default]
    None,
    Any,
    Code(u16),
    Text(u16, String),
    Part(u16, String),
}

/// What is expected of one answer. Sections that are not named are empty.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    pub text: String,
    rcodes: Vec<u16>,
    flags: Vec<(String, bool)>,
    answer: Vec<Line>,
    /// The answer is any one RRset of `answer` (RFC 8482).
    one_of: bool,
    authority: Vec<Line>,
    additional: Vec<Line>,
    /// The additional section may be any part of `additional`.
    additional_may: bool,
    /// Names must have exactly this case.
    exact_case: bool,
    ede: Ede,
    /// Options that must be there (code, data), and codes that must not.
    options: Vec<(u16, Vec<u8>)>,
    absent: Vec<u16>,
    cookie: bool,
    /// The error of a TSIG, which has no MAC.
    tsig: Option<u16>,
}

#[derive(Clone, Copy)]
enum Section {
    Answer,
    Authority,
    Additional,
}

impl Expect {
    /// Read the indented lines below a question.
    pub fn parse(lines: &[&str]) -> Expect {
        let mut out = Expect { text: lines.join("\n"), ..Expect::default() };
        let (first, rest) = lines.split_first().expect("an expectation begins with the RCODE");
        let mut words = first.split_whitespace();
        let rcodes = words.next().expect("an RCODE");
        out.rcodes = rcodes.split('|').map(rcode).collect();
        for word in words {
            let must = !word.ends_with('?');
            let flag = word.trim_end_matches('?');
            assert!(FLAGS.iter().any(|(known, _)| *known == flag), "no flag {flag}");
            out.flags.push((flag.to_string(), must));
        }
        let mut section = Section::Answer;
        for line in rest {
            out.line(line.trim(), &mut section);
        }
        out
    }

    fn line(&mut self, line: &str, section: &mut Section) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "authority" => *section = Section::Authority,
            "additional" => *section = Section::Additional,
            "additional-may" => {
                *section = Section::Additional;
                self.additional_may = true;
            }
            "one-of" => self.one_of = true,
            "exact-case" => self.exact_case = true,
            "cookie" => self.cookie = true,
            "ede" => self.ede = ede(rest),
            "1014" => {
                let text = format!("1014 CNAME cross-user banned: {rest}");
                self.ede = Ede::Text(15, text);
            }
            "nsid" => {
                let text = rdata::tokens(rest).remove(0);
                self.options.push((3, text));
            }
            "zoneversion" => {
                let numbers: Vec<u32> =
                    rest.split_whitespace().map(|word| word.parse().expect("a number")).collect();
                let mut data = vec![u8::try_from(numbers[0]).expect("labels"), 0];
                data.extend(numbers[1].to_be_bytes());
                self.options.push((19, data));
            }
            "option" => {
                let (code, data) = rest.split_once(' ').unwrap_or((rest, ""));
                self.options.push((code.parse().expect("a code"), rdata::unhex(data)));
            }
            "tsig" => self.tsig = Some(rest.parse().expect("a TSIG error")),
            "no-option" => self.absent.push(rest.parse().expect("a code")),
            "neg" => self.records(*section).push(Line::negative(rest)),
            _ => self.records(*section).push(Line::parse(line)),
        }
    }

    fn records(&mut self, section: Section) -> &mut Vec<Line> {
        match section {
            Section::Answer => &mut self.answer,
            Section::Authority => &mut self.authority,
            Section::Additional => &mut self.additional,
        }
    }

    /// A truncated answer is expected, so the transports must differ.
    pub fn truncated(&self) -> bool {
        self.flags.iter().any(|(flag, must)| flag == "tc" && *must)
    }

    /// Compare an answer with what is expected; every difference is named.
    pub fn check(&self, got: &Message) -> Result<(), Wrong> {
        let mut wrong = Vec::new();
        if !self.rcodes.contains(&got.rcode) {
            wrong.push(format!("RCODE {}", got.rcode_text()));
        }
        self.check_flags(got, &mut wrong);
        if self.truncated() {
            // RFC 2181 §9: what is there besides TC says nothing, as long as it is true.
            return self.check_part(got, wrong);
        }
        if self.one_of {
            self.check_one_of(got, &mut wrong);
        } else if self.groups(&got.answer) != groups_of(&self.answer, self.exact_case) {
            wrong.push("answer section".to_string());
        } else {
            ttls(&self.answer, &got.answer, &mut wrong);
        }
        let want = set_of(&self.authority, self.exact_case);
        if self.set(&got.authority) != want {
            wrong.push("authority section".to_string());
        }
        ttls(&self.authority, &got.authority, &mut wrong);
        let have = self.set(&got.additional);
        let want = set_of(&self.additional, self.exact_case);
        if if self.additional_may { !have.is_subset(&want) } else { have != want } {
            wrong.push("additional section".to_string());
        }
        ttls(&self.additional, &got.additional, &mut wrong);
        self.verdict(got, wrong)
    }

    fn check_part(&self, got: &Message, mut wrong: Vec<String>) -> Result<(), Wrong> {
        let sections = [
            (&got.answer, &self.answer),
            (&got.authority, &self.authority),
            (&got.additional, &self.additional),
        ];
        for (have, may) in sections {
            if !may.is_empty() && !self.set(have).is_subset(&set_of(may, self.exact_case)) {
                wrong.push("a record that does not belong there".to_string());
            }
        }
        self.verdict(got, wrong)
    }

    fn verdict(&self, got: &Message, mut wrong: Vec<String>) -> Result<(), Wrong> {
        self.check_options(got, &mut wrong);
        if wrong.is_empty() {
            return Ok(());
        }
        let wrong = wrong.join(", ");
        Err(format!("wrong: {wrong}\nexpected:\n{}\ngot:\n{}", self.text, got.show()))
    }

    fn check_flags(&self, got: &Message, wrong: &mut Vec<String>) {
        for flag in ["aa", "tc"] {
            let want = self.flags.iter().find(|(name, _)| name == flag);
            let fits = match want {
                Some((_, true)) => got.has(flag),
                Some((_, false)) => true,
                None => !got.has(flag),
            };
            if !fits {
                wrong.push(format!("flag {flag}"));
            }
        }
    }

    fn check_one_of(&self, got: &Message, wrong: &mut Vec<String>) {
        let have = self.groups(&got.answer);
        let want = groups_of(&self.answer, self.exact_case);
        if have.len() != 1 || !want.contains(&have[0]) {
            wrong.push("answer is not one whole RRset of those".to_string());
        }
    }

    fn check_options(&self, got: &Message, wrong: &mut Vec<String>) {
        let errors = got.extended_errors();
        let fits = match (&self.ede, errors.as_slice()) {
            (Ede::Any, _) => true,
            (Ede::None, found) => found.is_empty(),
            (Ede::Code(code), [(have, _)]) => have == code,
            (Ede::Text(code, text), [(have, said)]) => have == code && said == text,
            (Ede::Part(code, part), [(have, said)]) => have == code && said.contains(part.as_str()),
            _ => false,
        };
        if !fits {
            wrong.push("extended error".to_string());
        }
        for (code, data) in &self.options {
            if got.options(*code) != [data.as_slice()] {
                wrong.push(format!("option {code} is not {}", rdata::hex(data)));
            }
        }
        for code in &self.absent {
            if !got.options(*code).is_empty() {
                wrong.push(format!("option {code} is there"));
            }
        }
        if got.signature.as_ref().map(|(_, error)| *error) != self.tsig {
            wrong.push(format!("TSIG error {:?}", got.signature));
        }
        if self.cookie && got.options(10).first().is_none_or(|cookie| cookie.len() != 24) {
            wrong.push("no server cookie of 16 octets (RFC 9018 §4)".to_string());
        }
    }

    /// RRsets in their order; the order inside an RRset says nothing.
    fn groups(&self, records: &[Record]) -> Vec<Group> {
        groups(records.iter().map(|record| key(record, self.exact_case)))
    }

    fn set(&self, records: &[Record]) -> BTreeSet<Key> {
        records.iter().map(|record| key(record, self.exact_case)).collect()
    }
}

type Key = (Vec<u8>, u16, u16, Vec<u8>);
type Group = BTreeSet<Key>;

fn key(record: &Record, exact: bool) -> Key {
    make_key(&record.owner, record.class, record.rtype, &record.rdata, exact)
}

fn make_key(owner: &[u8], class: u16, rtype: u16, data: &[u8], exact: bool) -> Key {
    if exact {
        return (owner.to_vec(), class, rtype, data.to_vec());
    }
    (name::lower(owner), class, rtype, rdata::folded(rtype, data))
}

fn groups(keys: impl Iterator<Item = Key>) -> Vec<Group> {
    let mut out: Vec<Group> = Vec::new();
    for key in keys {
        let same = |group: &&mut Group| {
            let first = group.first().expect("groups have members");
            (&first.0, first.2) == (&key.0, key.2)
        };
        match out.last_mut().filter(same) {
            Some(group) => {
                group.insert(key);
            }
            None => out.push(Group::from([key])),
        }
    }
    out
}

fn groups_of(lines: &[Line], exact: bool) -> Vec<Group> {
    groups(lines.iter().map(|line| line.key(exact)))
}

fn set_of(lines: &[Line], exact: bool) -> BTreeSet<Key> {
    lines.iter().map(|line| line.key(exact)).collect()
}

fn ttls(lines: &[Line], records: &[Record], wrong: &mut Vec<String>) {
    for record in records {
        let line = lines.iter().find(|line| line.key(false) == key(record, false));
        let Some(line) = line else { continue };
        if record.ttl != line.ttl && !(line.at_most && record.ttl < line.ttl) {
            wrong.push(format!("TTL {} in place of {}", record.ttl, line.text));
        }
    }
}

impl Line {
    /// Read `owner TTL [CH] TYPE rdata`; a TTL of `<=60` is an upper bound.
    fn parse(text: &str) -> Line {
        let mut parts = text.splitn(3, char::is_whitespace);
        let owner = parts.next().expect("an owner");
        let ttl = parts.next().unwrap_or_else(|| panic!("no TTL: {text}"));
        let rest = parts.next().unwrap_or_else(|| panic!("no type: {text}")).trim();
        let (class, rest) = rest.strip_prefix("CH ").map_or((1, rest), |rest| (3, rest));
        let (rtype, data) = rest.split_once(' ').unwrap_or_else(|| panic!("no rdata: {text}"));
        let rtype = rdata::type_number(rtype).unwrap_or_else(|| panic!("no type {rtype}"));
        let at_most = ttl.starts_with("<=");
        let ttl = ttl.trim_start_matches("<=");
        Line {
            text: text.to_string(),
            owner: name::wire(owner),
            ttl: ttl.parse().unwrap_or_else(|_| panic!("no TTL {ttl}: {text}")),
            at_most,
            class,
            rtype,
            rdata: rdata::from_text(rtype, data),
        }
    }

    /// The SOA of a zone with the usual head, as negative answers carry it: `neg ZONE [TTL]`.
    fn negative(rest: &str) -> Line {
        let (zone, ttl) = rest.split_once(' ').unwrap_or((rest, "60"));
        let zone = zone.trim_end_matches('.');
        let soa = format!("ns1.{zone}. host.{zone}. 1 3600 600 604800 60");
        Line::parse(&format!("{zone}. {ttl} SOA {soa}"))
    }

    fn key(&self, exact: bool) -> Key {
        make_key(&self.owner, self.class, self.rtype, &self.rdata, exact)
    }
}

fn rcode(text: &str) -> u16 {
    let known = RCODES.iter().find(|(name, _)| *name == text);
    known.unwrap_or_else(|| panic!("no RCODE {text}")).1
}

fn ede(rest: &str) -> Ede {
    if rest == "*" {
        return Ede::Any;
    }
    let (code, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let code = code.parse().expect("the code of an extended error");
    let unquoted = |text: &str| {
        let octets = rdata::tokens(text).remove(0);
        String::from_utf8(octets).expect("text")
    };
    match text.strip_prefix('~') {
        Some(part) => Ede::Part(code, unquoted(part)),
        None if text.is_empty() => Ede::Code(code),
        None => Ede::Text(code, unquoted(text)),
    }
}
