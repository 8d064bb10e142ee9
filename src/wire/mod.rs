//! Floor 5: octets in, octets out. Every door hands raw messages to `respond`.

pub mod cookie;
pub mod edns;
pub mod encode;
pub mod parse;

use crate::base::limits;
use crate::base::time::UnixTime;
use crate::engine;
use crate::engine::answer::{Answer, Names, Outcome, Rcode};
use crate::model::question::{Client, Transport};
use crate::model::snapshot::Snapshot;
use crate::policy::verdict::Denial;
use parse::{Parse, Query};

/// What one worker reuses from question to question, so that answering allocates nothing.
#[derive(Default)]
pub struct Scratch {
    query: Query,
    names: Names,
}

/// What was sent, for counters.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    /// Octets written.
    pub len: usize,
    pub rcode: Rcode,
    pub outcome: Outcome,
    /// The denied edge, also one that was only reported.
    pub denial: Option<Denial>,
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
    let mut answer = Answer::default();
    match parse::query(packet, &snapshot.key, query) {
        Parse::Ignore => return None,
        Parse::Reject(rcode) => answer.rcode = rcode,
        Parse::CookieOnly => answer.rcode = cookie_only(snapshot, query, client, now),
        Parse::Question => {
            engine::answer(snapshot, &query.question, now, names, &mut answer);
        }
    }
    let size = size_max(query, client.transport).min(out.len());
    let context = encode::Context { snapshot, query, names, client, now };
    let len = encode::answer(&answer, &context, packet, &mut out[..size])?;
    Some(Reply { len, rcode: answer.rcode, outcome: answer.outcome, denial: answer.denial })
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
