//! Large texts, read in parts at once where that comes to the same as reading them from the beginning to the end.
//!
//! A part begins at a line that begins like an owner, and knows the origin and `$TTL` that were said before. It counts
//! only if it has no directive and nothing in it is wrong: then no parenthesis was open at its end, so that the next
//! part does begin with an entry, which names its owner itself. Whatever is in doubt is read again, one entry after
//! the other.

use std::sync::OnceLock;

use super::finding::Findings;
use super::include::NoIncludes;
use super::lexer::{Lexer, Start};
use super::parse::{Owner, Parser, State};
use super::record::Parsed;
use crate::base::hash::HashKey;
use crate::base::limits::ZONE_ARENA_MAX;

/// Octets that are read before the rest may be read in parts: what is said once is said here.
pub(super) const HEAD: usize = 1 << 14;
/// Octets of text that are worth being spread.
pub const LARGE: usize = 1 << 20;
/// Parts for each core: one may be harder to read than the others.
const FOR_EACH: usize = 4;

/// What a part of a text comes to.
struct Part {
    out: Parsed,
    findings: Findings,
    owner: Owner,
    last_ttl: Option<u32>,
    soa_minimum: Option<u32>,
}

impl Parser<'_> {
    /// At the owner of an entry: reads all that is left of a text. Returns whether it did; else nothing has changed.
    pub(super) fn rest_in_parts(&mut self, text: &[u8], at: usize, source: u16) -> bool {
        if text.len() - at < LARGE || self.state.default_ttl.is_none() {
            return false;
        }
        let cores = self.include.cores();
        if cores < 2 {
            return false;
        }
        let starts = starts(text, at, cores * FOR_EACH);
        let parts: Vec<OnceLock<Option<Part>>> = starts.iter().map(|_| OnceLock::new()).collect();
        let (key, state) = (self.key, &self.state);
        self.include.spread(starts.len(), &|n| {
            let end = starts.get(n + 1).copied().unwrap_or(text.len());
            // Nobody else sets it.
            let _ = parts[n].set(Part::read(&text[..end], starts[n], source, key, state));
        });
        let parts: Option<Vec<Part>> = parts.into_iter().map(|part| part.into_inner()?).collect();
        let octets = |parts: &Vec<Part>| parts.iter().map(|p| p.out.arena.len()).sum::<usize>();
        let whole = parts.filter(|parts| octets(parts) + self.out.arena.len() <= ZONE_ARENA_MAX);
        let Some(parts) = whole else { return false };
        self.out.arena.reserve(octets(&parts));
        self.out.records.reserve(parts.iter().map(|part| part.out.records.len()).sum());
        parts.into_iter().for_each(|part| self.take_in(part));
        true
    }

    /// Appends what was read behind everything before.
    fn take_in(&mut self, part: Part) {
        let base = self.out.arena.len() as u32;
        // An owner that was the last one before is not another one.
        let first = part.out.records.first().map(|first| (first.owner_at, part.out.owner(first)));
        let same = match (self.state.owner, first) {
            (Owner::Known { at, len, .. }, Some((first, owner)))
                if self.out.arena[at as usize..][..usize::from(len)] == *owner =>
            {
                Some((first, at))
            }
            _ => None,
        };
        let place = |owner_at: u32| match same {
            Some((first, at)) if first == owner_at => at,
            _ => owner_at + base,
        };
        self.out.arena.extend_from_slice(&part.out.arena);
        self.out.records.extend(part.out.records.iter().map(|record| {
            let mut record = *record;
            (record.owner_at, record.rdata_at) = (place(record.owner_at), record.rdata_at + base);
            record
        }));
        self.findings.absorb(part.findings);
        if let Owner::Known { at, len, hash } = part.owner {
            self.state.owner = Owner::Known { at: place(at), len, hash };
        }
        self.state.last_ttl = part.last_ttl.or(self.state.last_ttl);
        self.soa_minimum = self.soa_minimum.or(part.soa_minimum);
    }
}

impl Part {
    /// Reads the text from `at` to its end; `None` if that is not all there is to it.
    fn read(text: &[u8], at: usize, source: u16, key: &HashKey, state: &State) -> Option<Part> {
        let mut nothing = NoIncludes;
        let mut parser = Parser::within(state, &mut nothing, key, text.len() - at);
        let mut lexer = Lexer::at(text, at);
        loop {
            let start = lexer.begin();
            match start {
                Start::End => break,
                Start::Word if lexer.starts_with(b'$') => return None,
                Start::Word | Start::Blank => parser.one(&mut lexer, start, text, source),
            }
            if parser.findings.errors > 0 || parser.stopped {
                return None;
            }
        }
        let Parser { out, findings, state, soa_minimum, .. } = parser;
        let State { owner, last_ttl, .. } = state;
        Some(Part { out, findings, owner, last_ttl, soa_minimum })
    }
}

/// Where parts begin, the first one at `at`.
fn starts(text: &[u8], at: usize, parts: usize) -> Vec<usize> {
    let mut starts = vec![at];
    let step = (text.len() - at) / parts;
    for n in 1..parts {
        let from = (at + n * step).max(starts[starts.len() - 1]);
        let lines = text[from..].iter().enumerate().filter(|(_, octet)| **octet == b'\n');
        let mut begins = lines.map(|(n, _)| from + n + 1);
        let is_owner = |octet: &u8| octet.is_ascii_alphanumeric() || b"*_-@\\".contains(octet);
        if let Some(start) = begins.find(|&start| text.get(start).is_some_and(is_owner)) {
            starts.push(start);
        }
    }
    starts.dedup();
    starts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::name::Name;
    use crate::zonefile::finding::Source;
    use crate::zonefile::include::Include;
    use crate::zonefile::{self, build};

    /// One that has cores, and one that has none.
    struct Cores(usize);

    impl Include for Cores {
        fn open(&mut self, _: &str, _: &str) -> Result<Source, String> {
            Ok(Source { path: "part".to_owned(), text: b"inc A 192.0.2.9\n"[..].into() })
        }

        fn cores(&self) -> usize {
            self.0
        }
    }

    const HEAD_TEXT: &str = "$TTL 60\n@ SOA ns host (\n 1 2 3 4 5 ) ; (\n@ NS ns\nns A 192.0.2.1\n";

    /// Lines of every kind, from a seed.
    fn text(mut seed: u64, more: &[&str]) -> String {
        let mut text = HEAD_TEXT.to_owned();
        let mut n = 0;
        while text.len() < LARGE + 2 * HEAD {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
            let kind = (seed >> 33) as usize;
            let line = match kind % 12 {
                0 => {
                    format!("h{n} 300 A 192.0.2.{}\n  A 192.0.2.{}\n", kind % 256, kind / 256 % 256)
                }
                1 => format!("t{n} TXT ( \"a (b\" ; )\n  \"c\"\n )\n"),
                2 => format!("m{n} MX 10 h{n}\n\n; a comment (\n"),
                3 => format!("sub{n} NS ns.sub{n}\nns.sub{n} A 192.0.2.7\n"),
                4 => format!("h{n} A 192.0.2.1\nh{} AAAA 2001:db8::1\n", n / 2),
                5 => format!("a.b.c{n} TXT \"x\"y\n"),
                6 => format!("*.w{n} CNAME h{n} ; bw-flatten\n"),
                7 => format!("H{n} IN 1h TXT x\nh{n} TXT x\n"),
                8 => format!("other{n}.test. A 192.0.2.1\n"),
                9 => more[n % more.len()].to_owned(),
                _ => format!("h{n} A 10.{}.0.1\n", kind % 256),
            };
            n += 1;
            text += &line;
        }
        text
    }

    fn compare(text: &str) {
        let apex = Name::from_text("x.example").unwrap();
        let key = HashKey::new([5; 16]);
        let read = |cores| {
            let source = Source { path: "x".to_owned(), text: text.as_bytes().into() };
            let (parsed, block) = zonefile::read_built(&apex, source, &mut Cores(cores), &key);
            let of = |r: &super::super::record::Record| {
                (
                    parsed.owner(r).to_vec(),
                    r.rtype,
                    r.ttl,
                    r.flatten,
                    parsed.rdata(r).to_vec(),
                    r.place,
                )
            };
            let records: Vec<_> = parsed.records.iter().map(of).collect();
            let arena = &mut crate::base::mem::Arena::apart();
            let data = match block {
                Some(block) => block.map(|block| block.place(arena)),
                None => build::build_in(arena, &apex, &parsed, &key),
            };
            let counts = (parsed.errors, parsed.warnings, parsed.findings_left_out);
            let block = data.map(|data| data.block().to_vec());
            // Of a zone with errors nobody wants a block.
            let block = (parsed.errors == 0).then_some(block);
            (records, counts, parsed.findings, block)
        };
        let (one, many) = (read(1), read(3));
        assert!(one.0 == many.0 && one.1 == many.1 && one.3 == many.3);
        assert_eq!(one.2, many.2);
    }

    #[test]
    fn parts_come_to_the_whole() {
        for seed in 0..6 {
            compare(&text(seed, &[""]));
        }
    }

    #[test]
    fn what_is_in_doubt_is_read_from_the_beginning_to_the_end() {
        for more in [
            "x A ( 192.0.2.1\n",
            "x A 192.0.2.1 )\n",
            "x TXT \"open\n",
            "$ORIGIN sub.x.example.\n",
            "$TTL 5\n",
            "$INCLUDE part\n",
            "$GENERATE 1-3 g$ A 192.0.2.$\n",
            "x A nonsense\n",
            "bad..name A 192.0.2.1\n",
            "x SOA ns host 1 2 3 4 5\n",
            "x TXT a\rb\n",
        ] {
            compare(&text(1, &[more]));
            let once = text(2, &[""]);
            let at = once[once.len() / 2..].find('\n').unwrap() + once.len() / 2 + 1;
            compare(&[&once[..at], more, &once[at..]].concat());
        }
        // No `$TTL`: what a record leaves out is said by the one before it.
        compare(&text(3, &[""]).replacen("$TTL 60\n", "", 1));
    }

    #[test]
    fn parts_begin_at_owners() {
        let text = b"a A 1\n b\n\n(c\n$d\nz A 2\nlast";
        assert_eq!(starts(text, 0, 8), [0, 16, 22]);
        assert_eq!(starts(b"a", 0, 4), [0]);
    }
}
