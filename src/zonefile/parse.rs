//! Entries of a master file to records (RFC 1035 §5): owner, TTL, class, type, data.
//!
//! An entry that cannot be read is reported and left out, and reading goes on behind it, so that
//! all findings of a file come out at once.

use std::sync::Arc;

use super::finding::{Finding, Findings, Place, Source};
use super::head::{Head, NO_TYPE, advice_on_type, head};
use super::include::Include;
use super::lexer::{Lexer, Pairs, Start};
use super::parts::HEAD;
use super::record::{Parsed, Record};
use crate::base::hash::HashKey;
use crate::base::limits;
use crate::base::name::{self, Name, NameError};
use crate::base::rtype::{self, RType};
use crate::base::time::MAX_TTL;
use crate::rdata::{self, FieldError, Token, Tokens};

pub(super) struct Parser<'c> {
    pub(super) key: &'c HashKey,
    pub(super) include: &'c mut dyn Include,
    pub(super) out: Parsed,
    pub(super) findings: Findings,
    pub(super) state: State,
    /// Paths of the texts being read: the zone file, then what includes what.
    pub(super) open: Vec<String>,
    /// Octets of all texts read so far.
    pub(super) text_octets: usize,
    /// Records made by `$GENERATE` so far.
    pub(super) generated: usize,
    /// MINIMUM of the first SOA.
    pub(super) soa_minimum: Option<u32>,
    /// The zone is larger than it may be; the rest is not read.
    pub(super) stopped: bool,
    pub(super) broken: Broken,
}

/// What an entry may leave out, because it was said before.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub origin: Vec<u8>,
    pub owner: Owner,
    /// From `$TTL`.
    pub default_ttl: Option<u32>,
    /// The TTL last written at a record.
    pub last_ttl: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Owner {
    /// No record was there yet.
    Unsaid,
    /// The last owner could not be read: records that inherit it are checked, but belong nowhere.
    Broken,
    Known {
        at: u32,
        len: u8,
        hash: u64,
    },
}

/// Types with an entry that could not be read: what seems to be missing may be just that.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Broken {
    pub soa: bool,
    pub ns: bool,
}

/// TTL of a record that waits for the SOA minimum.
const TTL_UNKNOWN: u32 = u32::MAX;

impl<'c> Parser<'c> {
    pub fn new(apex: &Name, include: &'c mut dyn Include, key: &'c HashKey) -> Parser<'c> {
        let origin = apex.as_wire().to_vec();
        let owner = Owner::Unsaid;
        Parser::from(State { origin, owner, default_ttl: None, last_ttl: None }, include, key)
    }

    /// Reads a part of so many octets of a text, with what was said before.
    pub fn within(
        said: &State,
        include: &'c mut dyn Include,
        key: &'c HashKey,
        octets: usize,
    ) -> Parser<'c> {
        let state = State { owner: Owner::Unsaid, last_ttl: None, ..said.clone() };
        let mut parser = Parser::from(state, include, key);
        parser.expect(octets);
        parser
    }

    fn from(state: State, include: &'c mut dyn Include, key: &'c HashKey) -> Parser<'c> {
        Parser {
            key,
            include,
            out: Parsed::default(),
            findings: Findings::default(),
            state,
            open: Vec::new(),
            text_octets: 0,
            generated: 0,
            soa_minimum: None,
            stopped: false,
            broken: Broken::default(),
        }
    }

    /// Reads a text and all it includes.
    pub fn read(mut self, source: Source) -> (Parsed, Findings, Broken) {
        self.expect(source.text.len());
        self.text(source);
        let minimum = self.soa_minimum.unwrap_or(0).min(MAX_TTL);
        for record in self.out.records.iter_mut().filter(|r| r.ttl == TTL_UNKNOWN) {
            record.ttl = minimum;
        }
        (self.out, self.findings, self.broken)
    }

    /// Makes room for a text.
    fn expect(&mut self, octets: usize) {
        self.out.arena.reserve(octets.min(limits::ZONE_TEXT_MAX));
        // Lines as short as they come: room that is not used costs nothing.
        self.out.records.reserve(octets.min(limits::ZONE_TEXT_MAX) / 24);
    }

    /// Reads one text: the zone file or an included one.
    pub(super) fn text(&mut self, source: Source) {
        let text = Arc::clone(&source.text);
        let number = self.out.sources.len() as u16;
        self.open.push(source.path.clone());
        self.out.sources.push(source);
        self.text_octets = self.text_octets.saturating_add(text.len());
        let place = Place { source: number, at: 0, len: 0 };
        if self.text_octets > limits::ZONE_TEXT_MAX {
            let message = "this text makes the zone larger than 1 GiB";
            self.findings.report(Finding::error("zone-too-large", place, message));
        } else if text.starts_with(b"\xFF\xFE") || text.starts_with(b"\xFE\xFF") {
            let finding = Finding::error("utf-16", place, "the file is written in UTF-16");
            self.findings.report(finding.expected("ASCII or UTF-8").help("save it as UTF-8"));
            self.broken = Broken::ALL;
        } else {
            self.entries(&text, number);
        }
        self.open.pop();
    }

    fn entries(&mut self, text: &[u8], source: u16) {
        let mut lexer = Lexer::new(text);
        let mut may_spread = true;
        while !self.stopped {
            let start = lexer.begin();
            if start == Start::End {
                break;
            }
            // What is said once is said at the beginning.
            let is_owner = start == Start::Word && !lexer.starts_with(b'$');
            if may_spread && is_owner && lexer.pos() >= HEAD && self.findings.errors == 0 {
                may_spread = false;
                if self.rest_in_parts(text, lexer.pos(), source) {
                    break;
                }
            }
            self.one(&mut lexer, start, text, source);
        }
    }

    /// Reads an entry.
    pub(super) fn one(&mut self, lexer: &mut Lexer<'_>, start: Start, text: &[u8], source: u16) {
        let at = lexer.pos();
        let result = self.entry(lexer, start, source);
        // What is found missing after a fault is missing because of it.
        let told = lexer.has_fault();
        let fault = lexer.end();
        if let Err(mut error) = result
            && !told
            && !fault.as_ref().is_some_and(|fault| swallowed(text, fault, &error))
        {
            // Nobody reads advice on the ten thousandth error, and it takes time.
            if error.code == NO_TYPE && self.findings.errors < limits::FINDINGS_MAX {
                error.help = advice_on_type(text, &error, (start == Start::Word).then_some(at));
            }
            self.findings.report(Finding::field(source, error));
        }
        if let Some(fault) = fault {
            self.findings.report(Finding::field(source, fault));
        }
    }

    fn entry(
        &mut self,
        lexer: &mut Lexer<'_>,
        start: Start,
        source: u16,
    ) -> Result<(), FieldError> {
        if start == Start::Word && lexer.starts_with(b'$') {
            return self.directive(lexer, source);
        }
        let Some(first) = lexer.peek() else { return Ok(()) };
        let at = first.at;
        if start == Start::Word {
            lexer.next();
            if let Err(error) = self.owner(&first) {
                self.findings.report(Finding::field(source, error));
            }
        }
        let head = head(lexer)?;
        let rdata_at = self.data(lexer, &head)?;
        if lexer.has_fault() {
            self.broken.note(head.rtype);
            return Ok(());
        }
        self.comments(lexer, &head, source);
        let place = Place { source, at, len: lexer.end_at() - at };
        self.push(&head, rdata_at, lexer.tags.flatten.is_some(), place)
    }

    /// Reads an owner name and makes it that of the records to come.
    pub(super) fn owner(&mut self, token: &Token<'_>) -> Result<(), FieldError> {
        let before = std::mem::replace(&mut self.state.owner, Owner::Broken);
        let arena = &mut self.out.arena;
        let at = arena.len();
        if let Err(error) = push_name(token, &self.state.origin, arena) {
            arena.truncate(at);
            return Err(error);
        }
        arena[at..].make_ascii_lowercase();
        let wire = &arena[at..];
        if let Owner::Known { at: old, len, .. } = before
            && arena[old as usize..][..usize::from(len)] == *wire
        {
            self.state.owner = before;
            arena.truncate(at);
            return Ok(());
        }
        let (len, hash) = (wire.len() as u8, self.key.name(wire));
        self.state.owner = Owner::Known { at: at as u32, len, hash };
        Ok(())
    }

    /// Reads data to the end of the arena and gives its offset.
    pub(super) fn data(&mut self, lexer: &mut Lexer<'_>, head: &Head) -> Result<u32, FieldError> {
        if matches!(head.rtype, rtype::SVCB | rtype::HTTPS) {
            lexer.pairs = Pairs::Whole;
        }
        let at = self.out.arena.len();
        let read = rdata::from_text(head.rtype, lexer, &self.state.origin, &mut self.out.arena)
            .and_then(|()| match self.out.arena.len() - at {
                0..=0xFFFF => Ok(at as u32),
                _ => {
                    let message = "the data is longer than 65535 octets";
                    Err(error(head.at, head.len, "data-too-long", message))
                }
            });
        if read.is_err() {
            self.out.arena.truncate(at);
            self.broken.note(head.rtype);
        }
        read
    }

    /// Adds the record whose data is at the end of the arena.
    pub(super) fn push(
        &mut self,
        head: &Head,
        rdata_at: u32,
        flatten: bool,
        place: Place,
    ) -> Result<(), FieldError> {
        if head.ttl.is_some() {
            self.state.last_ttl = head.ttl;
        }
        let rdata = &self.out.arena[rdata_at as usize..];
        if head.rtype == rtype::SOA
            && self.soa_minimum.is_none()
            && let Some(minimum) = rdata.last_chunk()
        {
            self.soa_minimum = Some(u32::from_be_bytes(*minimum));
        }
        let rdata_len = rdata.len() as u16;
        let (owner_at, owner_len, owner_hash) = match self.state.owner {
            Owner::Known { at, len, hash } => (at, len, hash),
            Owner::Broken => return Ok(()),
            Owner::Unsaid => {
                let message = "the first record has no owner to inherit";
                let mut error = error(place.at, place.len, "no-owner", message);
                error.expected = "an owner name in the first column".to_owned();
                error.help = Some("write `@` for the zone's own name".to_owned());
                return Err(error);
            }
        };
        let ttl = head.ttl.or(self.state.default_ttl).or(self.state.last_ttl);
        self.out.records.push(Record {
            owner_hash,
            owner_at,
            owner_len,
            flatten,
            rtype: head.rtype,
            ttl: ttl.unwrap_or(TTL_UNKNOWN),
            rdata_at,
            rdata_len,
            place,
        });
        if self.out.arena.len() > limits::ZONE_ARENA_MAX {
            self.stopped = true;
            let message = "the zone's names and data take more than 2 GiB";
            return Err(error(place.at, place.len, "zone-too-large", message));
        }
        Ok(())
    }

    /// What the comments of a record ask for, where it makes no sense, and quotes inside words.
    pub(super) fn comments(&mut self, lexer: &Lexer<'_>, head: &Head, source: u16) {
        if let Some(at) = lexer.stray_quote() {
            let place = Place { source, at, len: 1 };
            let message = "this quote ends the word before it and starts another";
            let finding = Finding::warning("stray-quote", place, message);
            self.findings
                .report(finding.help("put a blank before it, quote the whole, or write `\\\"`"));
        }
        let tags = lexer.tags;
        if let Some((at, len)) = tags.flatten
            && !matches!(head.rtype, rtype::CNAME | rtype::ALIAS)
        {
            let place = Place { source, at, len };
            let message = format!("{} records cannot be flattened", rdata::type_text(head.rtype));
            let finding = Finding::warning("useless-tag", place, message);
            self.findings.report(finding.expected("the tag behind a CNAME"));
        }
        if let Some((at, len)) = tags.misplaced
            && tags.flatten.is_none()
        {
            let place = Place { source, at, len };
            let message = "`bw-flatten` is read only as the first word of a comment";
            let finding = Finding::warning("misplaced-tag", place, message);
            self.findings.report(finding.help("write `; bw-flatten` and your remark behind it"));
        }
    }

    /// Goes back to what was said before an included text.
    pub(super) fn restore(&mut self, mut before: State) {
        // A text that only sets `$TTL` would be of no use, were it forgotten at its end.
        before.default_ttl = before.default_ttl.or(self.state.default_ttl);
        self.state = before;
    }
}

impl Broken {
    /// A whole text could not be read.
    pub const ALL: Broken = Broken { soa: true, ns: true };

    fn note(&mut self, rtype: RType) {
        self.soa |= rtype == rtype::SOA;
        self.ns |= rtype == rtype::NS;
    }
}

/// Whether an error lies in a line that a parenthesis never closed has swallowed.
fn swallowed(text: &[u8], fault: &FieldError, error: &FieldError) -> bool {
    let between = text.get(fault.at as usize..error.at as usize).unwrap_or_default();
    fault.code == super::lexer::UNCLOSED_PARENTHESIS && between.contains(&b'\n')
}

/// Appends the wire form of a name, `@` being the origin.
pub(super) fn push_name(
    token: &Token<'_>,
    origin: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), FieldError> {
    if token.is_quoted() {
        let mut error = error(token.at, token.len, "quoted-name", "a name is not quoted");
        error.help = Some("take the quotes off".to_owned());
        return Err(error);
    }
    if token.text == b"@" {
        out.extend_from_slice(origin);
        return Ok(());
    }
    name::push_text(token.text, Some(origin), out).map_err(|e| {
        let message = format!("{} is no name: {e}", shown(token.text));
        let mut error = error(token.at, token.len, "bad-name", message);
        error.help = match e {
            NameError::EmptyLabel => Some("remove the dot too many".to_owned()),
            NameError::LongName if !token.text.ends_with(b".") => {
                let origin = name::Text(origin);
                Some(format!(
                    "the origin `{origin}` is appended; end the name with a dot if it is complete"
                ))
            }
            _ => None,
        };
        error
    })
}

pub(super) fn error(
    at: u32,
    len: u32,
    code: &'static str,
    message: impl Into<String>,
) -> FieldError {
    let message = message.into();
    FieldError { at, len, code, message, expected: String::new(), help: None }
}

/// A word of the text for a message: in backticks, cut where it is long.
pub(super) fn shown(text: &[u8]) -> String {
    const MOST: usize = 40;
    let text = String::from_utf8_lossy(text);
    let mut out = String::from("`");
    out.extend(text.chars().take(MOST));
    if text.chars().nth(MOST).is_some() {
        out.push('…');
    }
    out.push('`');
    out
}
