//! An answer to octets: sections, compression, truncation, OPT and extended error.
//!
//! RRsets are copied as they are stored. Only what depends on the message is written over them: owners that are not
//! the query name, the place of the apex, capped TTLs.

use std::fmt::Write;
use std::net::IpAddr;

use crate::base::limits::{EDE_TEXT_MAX, NAME_MAX, UDP_ANSWER_MAX};
use crate::base::name::{self, Text};
use crate::base::name_buf::NameBuf;
use crate::base::rtype;
use crate::base::time::UnixTime;
use crate::engine::answer::{Answer, Body, Ede, EdeText, Item, Names, Section};
use crate::model::question::{Client, Transport};
use crate::model::snapshot::Snapshot;
use crate::model::zone::{RR_HEAD, RrSet, ZoneData};
use crate::policy::verdict;
use crate::wire::parse::Query;
use crate::wire::{cookie, edns};

const HEADER: usize = 12;
/// Pointers have 14 bits (RFC 1035 §4.1.4).
const POINTER_MAX: usize = 0x3FFF;
/// Octets of an OPT without options.
const OPT_LEN: usize = 11;

/// What an answer is encoded for.
pub struct Context<'a> {
    pub snapshot: &'a Snapshot,
    pub query: &'a Query,
    pub names: &'a Names,
    pub client: Client,
    pub now: UnixTime,
    /// The message's id: with `flatten.rotate` it chooses the first of several addresses.
    pub turn: u16,
}

impl Context<'_> {
    fn name(&self, i: usize) -> &NameBuf {
        self.names.of(&self.query.question.name, i)
    }
}

/// Writes the answer to `packet` into `out`, whose length is the largest the answer may have. Returns the octets
/// written; `None` if not even header and question fit.
pub fn answer(
    answer: &Answer<'_>,
    context: &Context<'_>,
    packet: &[u8],
    out: &mut [u8],
) -> Option<usize> {
    let question_len = context.query.question_len;
    let mut w = Writer { out, len: 0, limit: 0 };
    w.limit = w.out.len();
    let id_and_flags = packet.get(..4)?;
    w.put(id_and_flags).ok()?;
    w.put(&[0; 8]).ok()?;
    w.put(packet.get(HEADER..HEADER + question_len)?).ok()?;
    let options = Options::of(answer, context, w.limit - w.len);
    w.limit = w.limit.checked_sub(options.len())?;

    let mut body =
        Encoder { w, context, places: [Place::default(); PLACES], ns_at: None, counts: [0; 3] };
    body.places[0] = Place {
        head: HEADER as u16,
        head_len: context.name(0).wire_len() as u8,
        tail: 0,
        total: context.name(0).wire_len() as u8,
    };
    let truncated = answer.items.iter().any(|item| body.item(item).is_err());
    let counts = body.counts;
    let mut w = body.w;

    w.limit = w.out.len();
    let mut additional = counts[2];
    if context.query.edns.is_some() {
        options.write(answer, context, &mut w);
        additional += 1;
    }
    let flags = &mut w.out[2..4];
    // Opcode, RD and CD come back; AD and RA are never ours to set (RFC 1035 §4.1.1, RFC 4035 §3.1.6).
    let high =
        0x80 | (flags[0] & 0x79) | u8::from(answer.authoritative) << 2 | u8::from(truncated) << 1;
    let low = (flags[1] & 0x10) | (answer.rcode as u16 & 0x0F) as u8;
    flags.copy_from_slice(&[high, low]);
    let question_count = u16::from(question_len > 0);
    for (i, count) in [question_count, counts[0], counts[1], additional].into_iter().enumerate() {
        w.out[4 + i * 2..6 + i * 2].copy_from_slice(&count.to_be_bytes());
    }
    Some(w.len)
}

/// What does not fit.
struct Full;

struct Writer<'o> {
    out: &'o mut [u8],
    len: usize,
    limit: usize,
}

impl Writer<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let end = self.len + bytes.len();
        if end > self.limit {
            return Err(Full);
        }
        self.out[self.len..end].copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }
}

/// Names of a chain that can stand in a message: the query name, and what up to ten hops lead to.
const PLACES: usize = crate::base::limits::HOPS_MAX + 1;

/// Where a name stands in the message: `head_len` octets at `head`, then (unless 0) a pointer to `tail`.
#[derive(Clone, Copy, Default)]
struct Place {
    head: u16,
    head_len: u8,
    tail: u16,
    /// Octets of the name written out.
    total: u8,
}

impl Place {
    /// Where the suffix of `len` octets can be pointed at.
    #[inline]
    fn suffix(&self, len: usize) -> Option<Place> {
        let skip = usize::from(self.total).checked_sub(len)?;
        let total = len as u8;
        if skip < usize::from(self.head_len) {
            let head = self.head + skip as u16;
            let head_len = self.head_len - skip as u8;
            return Some(Place { head, head_len, tail: self.tail, total });
        }
        let at_tail = skip == usize::from(self.head_len) && self.tail != 0;
        // The apex pointed at is itself part of an earlier name; how that goes on is not needed for a pointer.
        at_tail.then_some(Place { head: self.tail, head_len: total, tail: 0, total })
    }

    fn pointer(&self) -> [u8; 2] {
        (0xC000 | self.head).to_be_bytes()
    }
}

struct Encoder<'a, 'c, 'o> {
    w: Writer<'o>,
    context: &'a Context<'c>,
    places: [Place; PLACES],
    /// Where the NS set of a referral begins, to point glue at its targets.
    ns_at: Option<usize>,
    counts: [u16; 3],
}

impl Encoder<'_, '_, '_> {
    /// Writes one item whole, or nothing of it.
    fn item(&mut self, item: &Item<'_>) -> Result<(), Full> {
        let start = self.w.len;
        let written = match item.body {
            Body::Stored(set) => self.stored(item, set),
            Body::Flattened(set) => self.flattened(item, set),
            Body::Synthesised { ttl } => self.synthesised(item, ttl),
            Body::Sinkhole { addresses, v6, ttl } => self.sinkhole(addresses, v6, ttl),
            Body::Glue { ns } => self.glue(item, ns),
            Body::ChaosText(text) => self.chaos(text),
        };
        match written {
            Ok(count) => {
                self.counts[item.section as usize] += count;
                Ok(())
            }
            Err(Full) => {
                self.w.len = start;
                Err(Full)
            }
        }
    }

    #[inline]
    fn stored(&mut self, item: &Item<'_>, set: RrSet<'_>) -> Result<u16, Full> {
        let hop = usize::from(item.hop);
        // The root is shorter than a pointer to it.
        let owner = self.places[hop].suffix(usize::from(item.owner_len)).filter(|p| p.total > 1);
        let apex = item.zone.and_then(|z| self.places[hop].suffix(z.apex().len()));
        let start = self.w.len;
        let needs_apex = set.placeholders().next().is_some();
        let (Some(owner), true) = (owner, apex.is_some() || !needs_apex) else {
            return self.stored_in_full(item, set);
        };
        self.w.put(set.wire)?;
        if owner.head != HEADER as u16 || set.ttl > item.ttl_cap {
            let pointer = owner.pointer();
            let ttl = set.ttl.min(item.ttl_cap).to_be_bytes();
            for (at, _) in set.records() {
                let rr = &mut self.w.out[start + at..start + at + 10];
                rr[..2].copy_from_slice(&pointer);
                rr[6..].copy_from_slice(&ttl);
            }
        }
        if let (Some(apex), true) = (apex, needs_apex) {
            let pointer = apex.pointer();
            for hole in set.placeholders() {
                self.w.out[start + hole..start + hole + 2].copy_from_slice(&pointer);
            }
        }
        if item.section == Section::Authority {
            self.ns_at = Some(start);
        }
        if item.leads_on {
            self.lead_on(hop, start + RR_HEAD, set, apex);
        }
        Ok(set.count)
    }

    /// Addresses for an alias: as stored, or beginning with another one from question to question.
    fn flattened(&mut self, item: &Item<'_>, set: RrSet<'_>) -> Result<u16, Full> {
        let start = self.w.len;
        let count = self.stored(item, set)?;
        if self.context.snapshot.rules.rotate && count > 1 {
            // Records of one family have one length. What the client drew at random turns them.
            let written = &mut self.w.out[start..self.w.len];
            let turn = usize::from(self.context.turn) % usize::from(count);
            written.rotate_left(written.len() / usize::from(count) * turn);
        }
        Ok(count)
    }

    /// Notes where the next name of the chain stands: in the rdata written at `at`.
    fn lead_on(&mut self, hop: usize, at: usize, set: RrSet<'_>, apex: Option<Place>) {
        let total = self.context.name(hop + 1).wire_len() as u8;
        let (front, in_zone) = set.first_target();
        self.places[hop + 1] = match apex {
            Some(apex) if in_zone && front.is_empty() => apex,
            Some(apex) if in_zone => {
                Place { head: at as u16, head_len: front.len() as u8, tail: apex.head, total }
            }
            _ => Place { head: at as u16, head_len: total, tail: 0, total },
        };
    }

    /// The way without pointers, for owners or apexes that cannot be pointed at.
    fn stored_in_full(&mut self, item: &Item<'_>, set: RrSet<'_>) -> Result<u16, Full> {
        let name = self.context.name(usize::from(item.hop)).wire();
        let owner = &name[name.len().saturating_sub(usize::from(item.owner_len))..];
        let apex = item.zone.map_or(&[0][..], ZoneData::apex);
        let mut written = Ok(());
        let mut rdata_at = 0;
        set.expanded(apex, |rdata| {
            if written.is_ok() {
                rdata_at = self.w.len + owner.len() + 10;
                written =
                    self.rr(owner, set.rtype, rtype::CLASS_IN, set.ttl.min(item.ttl_cap), rdata);
            }
        });
        written?;
        if item.leads_on {
            let hop = usize::from(item.hop);
            let total = self.context.name(hop + 1).wire_len() as u8;
            self.places[hop + 1] = Place { head: rdata_at as u16, head_len: total, tail: 0, total };
        }
        Ok(set.count)
    }

    fn rr(
        &mut self,
        owner: &[u8],
        rtype: u16,
        class: u16,
        ttl: u32,
        rdata: &[u8],
    ) -> Result<(), Full> {
        self.w.put(owner)?;
        self.w.put(&rtype.to_be_bytes())?;
        self.w.put(&class.to_be_bytes())?;
        self.w.put(&ttl.to_be_bytes())?;
        self.w.put(&(rdata.len() as u16).to_be_bytes())?;
        self.w.put(rdata)
    }

    fn synthesised(&mut self, item: &Item<'_>, ttl: u32) -> Result<u16, Full> {
        let hop = usize::from(item.hop);
        let owner = self.places[hop].pointer();
        let context = self.context;
        let target = context.name(hop + 1).wire();
        self.rr(&owner, rtype::CNAME, rtype::CLASS_IN, ttl.min(item.ttl_cap), target)?;
        let (head, total) = ((self.w.len - target.len()) as u16, target.len() as u8);
        self.places[hop + 1] = Place { head, head_len: total, tail: 0, total };
        Ok(1)
    }

    fn sinkhole(&mut self, addresses: &[IpAddr], v6: bool, ttl: u32) -> Result<u16, Full> {
        let pointer = self.places[0].pointer();
        let owner: &[u8] = if self.places[0].total > 1 { &pointer } else { &[0] };
        let mut count = 0;
        for address in addresses.iter().filter(|a| a.is_ipv6() == v6) {
            match address {
                IpAddr::V4(a) => self.rr(owner, rtype::A, rtype::CLASS_IN, ttl, &a.octets())?,
                IpAddr::V6(a) => self.rr(owner, rtype::AAAA, rtype::CLASS_IN, ttl, &a.octets())?,
            }
            count += 1;
        }
        Ok(count)
    }

    //= RFC 9471 §3: all glue for in-domain name servers, or TC; other glue goes as far as there is room
    fn glue(&mut self, item: &Item<'_>, ns: RrSet<'_>) -> Result<u16, Full> {
        let Some(zone) = item.zone else { return Ok(0) };
        let whole = self.context.name(usize::from(item.hop)).wire();
        let cut = &whole[whole.len() - usize::from(item.owner_len)..];
        let mut count = 0;
        // In-domain glue first: what is only useful must not push out what is needed.
        for needed in [true, false] {
            let mut holes = ns.placeholders().peekable();
            for (at, stored) in ns.records() {
                let end = at + RR_HEAD + stored.len();
                let in_zone = holes.next_if(|&hole| hole + 2 == end).is_some();
                let front = if in_zone { &stored[..stored.len() - 2] } else { stored };
                let mut target = [0u8; NAME_MAX];
                let len = join(front, if in_zone { zone.apex() } else { &[] }, &mut target);
                let target = &target[..len];
                if name::is_within(target, cut) != needed {
                    continue;
                }
                let place = self.ns_at.map(|start| start + at + RR_HEAD);
                let Some(node) = zone.find_name(target, &self.context.snapshot.key) else {
                    continue;
                };
                for rtype in [rtype::A, rtype::AAAA] {
                    let Some(set) = node.rrset(rtype) else { continue };
                    let start = self.w.len;
                    match self.addresses(target, place, set, item.ttl_cap) {
                        Ok(written) => count += written,
                        Err(Full) if needed => return Err(Full),
                        // What comes next may be smaller.
                        Err(Full) => self.w.len = start,
                    }
                }
            }
        }
        Ok(count)
    }

    /// Addresses of `target`. `place`: where the name already stands.
    fn addresses(
        &mut self,
        target: &[u8],
        place: Option<usize>,
        set: RrSet<'_>,
        ttl_cap: u32,
    ) -> Result<u16, Full> {
        let pointer =
            place.filter(|&p| p <= POINTER_MAX).map(|p| (0xC000 | p as u16).to_be_bytes());
        let owner = pointer.as_ref().map_or(target, |p| &p[..]);
        for (_, rdata) in set.records() {
            self.rr(owner, set.rtype, rtype::CLASS_IN, set.ttl.min(ttl_cap), rdata)?;
        }
        Ok(set.count)
    }

    fn chaos(&mut self, text: &str) -> Result<u16, Full> {
        let owner = self.places[0].pointer();
        let text = &text.as_bytes()[..text.len().min(255)];
        let mut rdata = [0u8; 256];
        rdata[0] = text.len() as u8;
        rdata[1..=text.len()].copy_from_slice(text);
        self.rr(&owner, rtype::TXT, rtype::CLASS_CH, 0, &rdata[..=text.len()])?;
        Ok(1)
    }
}

/// Lower-cased `front` followed by `back`, in `out`. Returns the length.
fn join(front: &[u8], back: &[u8], out: &mut [u8; NAME_MAX]) -> usize {
    let len = (front.len() + back.len()).min(NAME_MAX);
    let split = front.len().min(NAME_MAX);
    out[..split].copy_from_slice(&front[..split]);
    out[split..len].copy_from_slice(&back[..len - split]);
    out[..len].make_ascii_lowercase();
    len
}

/// The OPT record of an answer: which options, and how long they are.
struct Options<'a> {
    nsid: &'a [u8],
    cookie: Option<[u8; cookie::FULL_LEN]>,
    /// Labels of the apex and serial (RFC 9660).
    version: Option<(u8, u32)>,
    /// Idle timeout in units of 100 ms (RFC 7828).
    keepalive: Option<u16>,
    present: bool,
}

impl<'a> Options<'a> {
    /// What the query asked for, as far as `room` allows.
    fn of(answer: &Answer<'_>, context: &Context<'a>, room: usize) -> Options<'a> {
        let identity = &context.snapshot.identity;
        let mut options =
            Options { nsid: &[], cookie: None, version: None, keepalive: None, present: false };
        let Some(edns) = &context.query.edns else { return options };
        options.present = true;
        if let Some(c) = &edns.cookie {
            let (address, secret) = (context.client.address, &identity.cookie_secret);
            options.cookie = Some(cookie::answer(c, address, secret, context.now));
        }
        if edns.zoneversion {
            let zone = answer.zone.filter(|z| z.data.is_ready());
            options.version = zone.map(|z| (z.data.apex_labels() as u8, z.data.serial()));
        }
        if edns.keepalive && context.client.transport == Transport::Tcp {
            options.keepalive = Some(identity.tcp_idle.saturating_mul(10));
        }
        if edns.nsid && options.len() + 4 + identity.nsid.len() <= room {
            options.nsid = identity.nsid.as_bytes();
        }
        options
    }

    fn len(&self) -> usize {
        if !self.present {
            return 0;
        }
        let option = |there: bool, len: usize| if there { 4 + len } else { 0 };
        OPT_LEN
            + option(!self.nsid.is_empty(), self.nsid.len())
            + option(self.cookie.is_some(), cookie::FULL_LEN)
            + option(self.version.is_some(), 6)
            + option(self.keepalive.is_some(), 2)
    }

    /// Writes the OPT; there is room for it. The extended error takes what is left, its text first to go.
    fn write(&self, answer: &Answer<'_>, context: &Context<'_>, w: &mut Writer<'_>) {
        let mut text = ErrorText::default();
        let mut ede = answer.ede;
        if let Some(e) = &ede {
            text.write(e, context);
        }
        let room = w.limit.saturating_sub(w.len + self.len());
        if 6 + text.len > room {
            text.len = 0;
        }
        if 6 > room {
            ede = None;
        }
        let rdata_len = self.len() - OPT_LEN + ede.map_or(0, |_| 6 + text.len);
        let edns = context.query.edns.as_ref();
        let dnssec_ok = edns.is_some_and(|e| e.dnssec_ok);
        // `Options::of` kept what was reserved within the limit, so nothing here can be refused.
        let mut put = |bytes: &[u8]| w.put(bytes).is_ok();
        put(&[0]);
        put(&rtype::OPT.to_be_bytes());
        put(&(UDP_ANSWER_MAX as u16).to_be_bytes());
        put(&[(answer.rcode as u16 >> 4) as u8, 0, u8::from(dnssec_ok) << 7, 0]);
        put(&(rdata_len as u16).to_be_bytes());
        let mut option = |code: u16, value: &[&[u8]]| {
            put(&code.to_be_bytes());
            put(&(value.iter().map(|v| v.len()).sum::<usize>() as u16).to_be_bytes());
            value.iter().for_each(|v| _ = put(v));
        };
        if !self.nsid.is_empty() {
            option(edns::NSID, &[self.nsid]);
        }
        if let Some(cookie) = &self.cookie {
            option(edns::COOKIE, &[cookie]);
        }
        if let Some((labels, serial)) = self.version {
            option(edns::ZONEVERSION, &[&[labels, 0], &serial.to_be_bytes()]);
        }
        if let Some(timeout) = self.keepalive {
            option(edns::KEEPALIVE, &[&timeout.to_be_bytes()]);
        }
        if let Some(e) = ede {
            option(edns::EDE, &[&(e.code as u16).to_be_bytes(), &text.bytes[..text.len]]);
        }
    }
}

/// EXTRA-TEXT while it is written: what passes the limit is cut off.
struct ErrorText {
    bytes: [u8; EDE_TEXT_MAX],
    len: usize,
}

impl Default for ErrorText {
    fn default() -> ErrorText {
        ErrorText { bytes: [0; EDE_TEXT_MAX], len: 0 }
    }
}

impl std::fmt::Write for ErrorText {
    fn write_str(&mut self, s: &str) -> std::fmt::Result {
        let take = s.len().min(EDE_TEXT_MAX - self.len);
        self.bytes[self.len..self.len + take].copy_from_slice(&s.as_bytes()[..take]);
        self.len += take;
        Ok(())
    }
}

impl ErrorText {
    fn write(&mut self, ede: &Ede, context: &Context<'_>) {
        // Cutting never fails, so neither does writing. No format string: a flood may be of denied names.
        match ede.text {
            EdeText::None => {}
            EdeText::Plain(text) => self.put(text),
            EdeText::AboutQuestion(text) => {
                self.put(text);
                self.put(" ");
                self.name(context.name(0));
            }
            EdeText::Denied(edge) => {
                self.put(verdict::CODE);
                self.put(" CNAME cross-user banned: ");
                self.name(context.name(edge.map_or(0, |(owner, _)| owner.into())));
                if let Some((_, target)) = edge {
                    self.put(" -> ");
                    self.name(context.name(target.into()));
                }
            }
        }
    }

    fn put(&mut self, text: &str) {
        let _ = self.write_str(text);
    }

    fn name(&mut self, name: &NameBuf) {
        match name::write_plain(name.wire(), &mut self.bytes[self.len..]) {
            Some(len) => self.len += len,
            None => {
                let _ = write!(self, "{}", Text(name.wire()));
            }
        }
    }
}
