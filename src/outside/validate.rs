//! `flatten.validate`: signatures are checked here, from the anchors down, and no upstream is taken at its word.
//!
//! The AD bit of an upstream would do only on a path that nobody else can write to, which a config cannot promise. So
//! hickory's validator asks for keys and DS records through the same upstreams, with CD set: what does not hold is seen
//! here and not hidden behind SERVFAIL. A zone that is proved to be unsigned passes; one that only looks so does not.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use futures_util::stream::{self, Stream, StreamExt};
use hickory_net::dnssec::DnssecDnsHandle;
use hickory_net::runtime::TokioRuntimeProvider;
use hickory_net::xfer::DnsHandle;
use hickory_net::{DnsError, NetError};
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS};
use hickory_proto::dnssec::{Algorithm, DigestType, Proof, PublicKeyBuf, TrustAnchors};
use hickory_proto::op::{DnsRequest, DnsRequestOptions, DnsResponse, Message, Query, ResponseCode};
use hickory_proto::rr::{Name as ProtoName, RData, RecordType};
use tokio::sync::OnceCell;
use tokio::time::timeout_at;

use super::chain::from_proto;
use super::exchange::Ask;
use super::upstream::{Answer, Failed, Upstreams};
use crate::base::name;
use crate::base::rtype::{self, RType};
use crate::config::settings::{TrustAnchor, anchor_set};
use crate::model::flattened::{AnchorSet, FailureKind};

/// Validates against trust anchors. What it has checked once it remembers for its TTL.
#[derive(Clone)]
pub struct Validator {
    handle: Handle,
    keys: TrustAnchors,
    anchors: AnchorSet,
    /// Anchors that are digests: their keys have to be asked for first.
    digests: Arc<[Digests]>,
    /// With all keys, once they are there.
    checked: Arc<OnceCell<DnssecDnsHandle<Handle>>>,
}

/// The DS records of a zone.
struct Digests {
    zone: ProtoName,
    ds: Vec<DS>,
}

/// How the validator asks.
#[derive(Clone)]
struct Handle {
    upstreams: Arc<Upstreams>,
}

/// What hickory's results have no place for, of the question at hand.
struct Context {
    until: Instant,
    upstream: Option<SocketAddr>,
    failed: Option<Failed>,
}

tokio::task_local! {
    static CONTEXT: RefCell<Context>;
}

impl Validator {
    /// With these anchors; with none, the keys of the root that hickory-proto knows.
    pub fn new(upstreams: Arc<Upstreams>, anchors: &[TrustAnchor]) -> Validator {
        if anchors.is_empty() {
            return Validator::with_anchors(upstreams, TrustAnchors::default());
        }
        let set = anchor_set(anchors);
        let mut keys = TrustAnchors::empty();
        let mut digests: Vec<Digests> = Vec::new();
        for anchor in anchors {
            let zone = to_proto(anchor.zone.as_wire());
            let Some((&[a, b, c, d], rest)) = anchor.rdata.split_first_chunk() else { continue };
            if anchor.rtype == rtype::DNSKEY {
                // Flags and protocol were checked when the config was read.
                let key = PublicKeyBuf::new(rest.to_vec(), Algorithm::from_u8(d));
                keys.insert_with_name(&key, zone.into());
                continue;
            }
            let (tag, algorithm) = (u16::from_be_bytes([a, b]), Algorithm::from_u8(c));
            let ds = DS::new(tag, algorithm, DigestType::from(d), rest.to_vec());
            match digests.iter_mut().find(|known| known.zone == zone) {
                Some(known) => known.ds.push(ds),
                None => digests.push(Digests { zone, ds: vec![ds] }),
            }
        }
        let digests = digests.into();
        Validator { digests, anchors: set, ..Validator::with_anchors(upstreams, keys) }
    }

    /// With keys alone, which nothing was kept of.
    pub fn with_anchors(upstreams: Arc<Upstreams>, keys: TrustAnchors) -> Validator {
        let handle = Handle { upstreams };
        let anchors = anchor_set(&[]);
        Validator { handle, keys, anchors, digests: [].into(), checked: Arc::default() }
    }

    /// What it proves holds by these.
    pub fn anchors(&self) -> AnchorSet {
        self.anchors
    }

    /// What checks an answer about `name`. The keys of a zone that only has digests are asked for until all are known;
    /// as long as some are not, only what lies in their zones has to wait.
    async fn checked(&self, name: &ProtoName) -> Result<DnssecDnsHandle<Handle>, Failed> {
        if let Some(checked) = self.checked.get() {
            return Ok(checked.clone());
        }
        let mut keys = self.keys.clone();
        let found = join_all(self.digests.iter().map(|zone| self.keys_of(zone))).await;
        let mut all = true;
        for (digests, found) in self.digests.iter().zip(found) {
            match found {
                Ok(found) => found.iter().for_each(|key| {
                    keys.insert_with_name(key.public_key(), (&digests.zone).into());
                }),
                Err(failed) if digests.zone.zone_of(name) => return Err(failed),
                Err(_) => all = false,
            }
        }
        let checked = DnssecDnsHandle::with_trust_anchor(self.handle.clone(), Arc::new(keys));
        if all {
            // Whoever came first found the same.
            let _ = self.checked.set(checked.clone());
        }
        Ok(checked)
    }

    /// The keys of a zone that its digests are of.
    async fn keys_of(&self, digests: &Digests) -> Result<Vec<DNSKEY>, Failed> {
        let zone = from_proto(&digests.zone);
        let name = zone.as_ref().map_or(&[0][..], |zone| zone.as_wire()).into();
        let ask = Ask { name, rtype: rtype::DNSKEY, dnssec: true };
        let until = CONTEXT.with(|c| c.borrow().until);
        let answer = self.handle.upstreams.ask(&ask, until).await?;
        let keys = answer.message.answers.iter().filter_map(|record| match &record.data {
            RData::DNSSEC(DNSSECRData::DNSKEY(key)) if record.name == digests.zone => Some(key),
            _ => None,
        });
        let anchored = |key: &&DNSKEY| {
            digests.ds.iter().any(|ds| ds.covers(&digests.zone, key).unwrap_or(false))
        };
        let keys: Vec<DNSKEY> = keys.filter(anchored).cloned().collect();
        // Somebody says that the zone has other keys: what lies in it cannot hold.
        let none = Failed { kind: FailureKind::Bogus, upstream: Some(answer.upstream) };
        if keys.is_empty() { Err(none) } else { Ok(keys) }
    }

    /// Asks, and judges every record: its `proof` says whether it holds. What is said not to be there is proved.
    pub async fn ask(&self, name: &[u8], rtype: RType, until: Instant) -> Result<Answer, Failed> {
        let begun = Instant::now();
        let context = RefCell::new(Context { until, upstream: None, failed: None });
        CONTEXT.scope(context, self.ask_here(name, rtype, begun)).await
    }

    async fn ask_here(&self, name: &[u8], rtype: RType, begun: Instant) -> Result<Answer, Failed> {
        let until = CONTEXT.with(|c| c.borrow().until);
        let asked = to_proto(name);
        let checked = match timeout_at(until.into(), self.checked(&asked)).await {
            Ok(checked) => checked?,
            Err(_) => return Err(Failed { kind: FailureKind::Timeout, upstream: None }),
        };
        let query = Query::query(asked, RecordType::from(rtype));
        let mut answers = checked.lookup(query, DnsRequestOptions::default());
        let result = timeout_at(until.into(), answers.next()).await;
        let (upstream, failed) = CONTEXT.with(|c| {
            let context = c.borrow();
            (context.upstream, context.failed)
        });
        let message = match result {
            Err(_) | Ok(None) => Err(FailureKind::Timeout),
            Ok(Some(Ok(response))) => Ok(response.into_message()),
            Ok(Some(Err(NetError::Dns(DnsError::Nsec { response, proof, .. })))) => {
                unproved(name, response.into_message(), proof)
            }
            Ok(Some(Err(NetError::Dns(DnsError::DnssecBogus)))) => Err(FailureKind::Bogus),
            Ok(Some(Err(_))) => Err(FailureKind::Garbage),
        };
        match (message, upstream) {
            (Ok(message), Some(upstream)) => {
                Ok(Answer { message, upstream, took: begun.elapsed() })
            }
            (Ok(_), None) => Err(Failed { kind: FailureKind::Garbage, upstream }),
            // A question for keys that nobody answered says more than that the proof is missing.
            (Err(kind), _) => Err(failed.unwrap_or(Failed { kind, upstream })),
        }
    }
}

/// hickory wants a proof for the end of a chain beneath the name that was asked about. Where the answer leads on, its
/// end is left out and asked about by itself.
fn unproved(name: &[u8], mut message: Message, proof: Proof) -> Result<Message, FailureKind> {
    let leads_on = message.answers.iter().any(|record| {
        record.record_type() == RecordType::CNAME
            && from_proto(&record.name).is_some_and(|owner| owner.as_wire() == name)
    });
    if leads_on {
        message.authorities.clear();
        message.metadata.response_code = ResponseCode::NoError;
        Ok(message)
    } else if proof == Proof::Insecure {
        Ok(message)
    } else {
        Err(FailureKind::Bogus)
    }
}

impl DnsHandle for Handle {
    type Response = Pin<Box<dyn Stream<Item = Result<DnsResponse, NetError>> + Send>>;
    type Runtime = TokioRuntimeProvider;

    fn send(&self, request: DnsRequest) -> Self::Response {
        let upstreams = self.upstreams.clone();
        Box::pin(stream::once(async move {
            let query = request.queries.first().ok_or("a request without question")?;
            let name = from_proto(query.name()).ok_or("a name that is too long")?;
            let rtype = query.query_type().into();
            let ask = Ask { name: name.as_wire().into(), rtype, dnssec: true };
            let until = CONTEXT.with(|c| c.borrow().until);
            let result = upstreams.ask(&ask, until).await;
            CONTEXT.with(|c| {
                let mut context = c.borrow_mut();
                match &result {
                    Ok(answer) => context.upstream = Some(answer.upstream),
                    Err(failed) => context.failed = Some(*failed),
                }
            });
            let answer = result.map_err(|_| NetError::from("no upstream answered"))?;
            Ok(DnsResponse::from_message(answer.message)?)
        }))
    }
}

fn to_proto(wire: &[u8]) -> ProtoName {
    let labels = name::labels(wire).map(|(_, label)| label);
    ProtoName::from_labels(labels).unwrap_or_else(|_| ProtoName::root())
}
