//! Floor 5: octets in, octets out. Every door hands raw messages to `respond`.

pub mod cookie;
mod direct;
pub mod edns;
pub mod encode;
pub mod parse;
pub mod tsig;

use crate::base::limits;
use crate::base::limits::GROUP_MAX;
use crate::base::name_buf::NameBuf;
use crate::base::rtype::RType;
use crate::base::time::UnixTime;
use crate::engine::answer::{Answer, Denied, EdeCode, Names, Need, Outcome, Rcode};
use crate::engine::{self, ahead};
use crate::model::catalog::Zone;
use crate::model::flattened::Key;
use crate::model::note::Room;
use crate::model::question::{Client, Transport};
use crate::model::snapshot::Snapshot;
use parse::{Parse, Query};

/// What one worker reuses from question to question, so that answering allocates nothing.
#[derive(Default)]
pub struct Scratch {
    query: Query,
    names: Names,
}

/// Up to [`GROUP_MAX`] messages that are answered side by side.
pub struct Group {
    parsed: Box<[(Parse, Query)]>,
    names: Box<[Names]>,
    count: usize,
}

/// What is known of a group before its messages are answered.
pub struct Ahead<'s> {
    snapshot: &'s Snapshot,
    zones: ahead::Zones<'s>,
}

/// What was sent, for counters.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    /// Octets written.
    pub len: usize,
    pub rcode: Rcode,
    pub outcome: Outcome,
    pub ede: Option<EdeCode>,
    /// The denied edge, also one that was only reported.
    pub denial: Option<Denied>,
    /// What the outside should be asked for a better answer than this one.
    pub needs: Option<Need>,
}

impl Scratch {
    /// What `needs` of the last reply means.
    pub fn key(&self, need: Need) -> Key {
        let question = &self.query.question;
        let target = self.names.of(&question.name, need.name.into()).to_name();
        Key { target, rtype: question.qtype }
    }

    /// What was asked last.
    pub fn asked(&self) -> Asked<'_> {
        Asked { query: &self.query, names: &self.names }
    }
}

/// A message that was answered, for counters and lists.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    query: &'a Query,
    names: &'a Names,
}

impl Asked<'_> {
    /// The type asked for, if that could be read.
    pub fn qtype(&self) -> Option<RType> {
        (self.query.question_len != 0).then_some(self.query.question.qtype)
    }

    /// Owner and target of its denied edge.
    pub fn edge(&self, denied: &Denied) -> (&NameBuf, &NameBuf) {
        let name = |i: u8| self.names.of(&self.query.question.name, i.into());
        (name(denied.owner), name(denied.target))
    }
}

/// Answers one message into `out`. `None`: say nothing (too short, a response, or `out` cannot hold a header).
///
/// `out` bounds the answer too; give it at least `limits::UDP_ANSWER_MAX` octets, for TCP `limits::MESSAGE_MAX`.
pub fn respond(
    snapshot: &Snapshot,
    packet: &[u8],
    client: Client,
    now: UnixTime,
    scratch: &mut Scratch,
    out: &mut [u8],
) -> Option<Reply> {
    let Scratch { query, names } = scratch;
    let parse = parse::query(packet, &snapshot.key, query);
    let zone = match parse {
        Parse::Question => snapshot.catalog.zone_for(&query.question.name),
        _ => None,
    };
    let message = Message { packet, parse, query, zone, client, now };
    message.directly(snapshot, out).or_else(|| message.at_length(snapshot, names, out))
}

/// The same answer without any short way: what the short ways are compared with.
pub fn respond_at_length(
    snapshot: &Snapshot,
    packet: &[u8],
    client: Client,
    now: UnixTime,
    scratch: &mut Scratch,
    out: &mut [u8],
) -> Option<Reply> {
    let Scratch { query, names } = scratch;
    let parse = parse::query(packet, &snapshot.key, query);
    Message { packet, parse, query, zone: None, client, now }.at_length(snapshot, names, out)
}

impl Group {
    /// Forgets the messages before.
    pub fn clear(&mut self) {
        self.count = 0;
    }

    /// Takes one more message, and tells whether there was room for it.
    pub fn push(&mut self, snapshot: &Snapshot, packet: &[u8]) -> bool {
        let Some((parse, query)) = self.parsed.get_mut(self.count) else { return false };
        *parse = parse::query(packet, &snapshot.key, query);
        self.count += 1;
        true
    }

    /// Fetches what answering the messages will read.
    pub fn look_ahead<'s>(&mut self, snapshot: &'s Snapshot) -> Ahead<'s> {
        let Group { parsed, names, count } = self;
        let zones = ahead::look(snapshot, &mut names[..*count], |i| match &parsed[i] {
            (Parse::Question, query) => Some(&query.question),
            _ => None,
        });
        Ahead { snapshot, zones }
    }

    /// Answers message number `i`, like [`respond`]; it is the one that was pushed.
    pub fn respond(
        &mut self,
        i: usize,
        ahead: &Ahead<'_>,
        packet: &[u8],
        client: Client,
        now: UnixTime,
        out: &mut [u8],
    ) -> Option<Reply> {
        let Group { parsed, names, .. } = self;
        let (parse, query) = &parsed[i];
        let message = Message { packet, parse: *parse, query, zone: ahead.zones[i], client, now };
        let snapshot = ahead.snapshot;
        message.directly(snapshot, out).or_else(|| message.at_length(snapshot, &mut names[i], out))
    }
}

impl Group {
    /// Message number `i`, once it was answered.
    pub fn asked(&self, i: usize) -> Asked<'_> {
        Asked { query: &self.parsed[i].1, names: &self.names[i] }
    }
}

impl Default for Group {
    fn default() -> Group {
        let parsed = (0..GROUP_MAX).map(|_| (Parse::Ignore, Query::default())).collect();
        let names = (0..GROUP_MAX).map(|_| Names::default()).collect();
        Group { parsed, names, count: 0 }
    }
}

/// A parsed message and who sent it.
struct Message<'m, 's> {
    packet: &'m [u8],
    parse: Parse,
    query: &'m Query,
    /// The zone that encloses the query name, if that is known.
    zone: Option<&'s Zone>,
    client: Client,
    now: UnixTime,
}

impl<'s> Message<'_, 's> {
    /// The short way, where it decides.
    #[inline]
    fn directly(&self, snapshot: &'s Snapshot, out: &mut [u8]) -> Option<Reply> {
        let (Parse::Question, Some(zone)) = (self.parse, self.zone) else { return None };
        if !direct::is_plain(self.query) {
            return None;
        }
        let question = &self.query.question;
        let mut room = Room::default();
        let found = engine::direct::find(snapshot, zone, question, self.now, &mut room)?;
        let size = size_max(self.query, self.client.transport).min(out.len());
        direct::answer(found, zone, self.query, self.packet, &mut out[..size])
    }

    /// The walk, for every question.
    fn at_length(
        &self,
        snapshot: &'s Snapshot,
        names: &mut Names,
        out: &mut [u8],
    ) -> Option<Reply> {
        let Message { packet, query, client, now, .. } = *self;
        let mut answer = Answer::default();
        match self.parse {
            Parse::Ignore => return None,
            Parse::Reject(rcode) => answer.rcode = rcode,
            Parse::CookieOnly => answer.rcode = cookie_only(snapshot, query, client, now),
            Parse::Question => {
                engine::answer(snapshot, &query.question, self.zone, now, names, &mut answer);
            }
        }
        let size = size_max(query, client.transport).min(out.len());
        let turn = u16::from_be_bytes([packet[0], packet[1]]);
        let context = encode::Context { snapshot, query, names, client, now, turn };
        let mut len = encode::answer(&answer, &context, packet, &mut out[..size])?;
        if let Some(tsig) = &query.tsig {
            len = tsig.answer(packet, &mut out[..size], len);
        }
        let Answer { rcode, outcome, denial, needs, ede, .. } = answer;
        let ede = ede.map(|ede| ede.code);
        Some(Reply { len, rcode, outcome, ede, denial, needs })
    }
}

/// Octets an answer may have (RFC 6891 §6.2.3, RFC 9715).
fn size_max(query: &Query, transport: Transport) -> usize {
    match (transport, &query.edns) {
        (Transport::Tcp, _) => limits::MESSAGE_MAX,
        (Transport::Udp, None) => limits::UDP_PLAIN_MAX,
        (Transport::Udp, Some(edns)) => {
            usize::from(edns.udp_size).clamp(limits::UDP_PLAIN_MAX, limits::UDP_ANSWER_MAX)
        }
    }
}

//= RFC 7873 §5.4: a query without question asks for a server cookie
fn cookie_only(snapshot: &Snapshot, query: &Query, client: Client, now: UnixTime) -> Rcode {
    let Some(cookie) = query.edns.as_ref().and_then(|e| e.cookie.as_ref()) else {
        return Rcode::FormErr;
    };
    let secret = &snapshot.identity.cookie_secret;
    if cookie.server().is_empty() || cookie::is_valid(cookie, client.address, secret, now) {
        Rcode::NoError
    } else {
        Rcode::BadCookie
    }
}
