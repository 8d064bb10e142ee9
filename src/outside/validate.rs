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

use futures_util::stream::{self, Stream, StreamExt};
use hickory_net::dnssec::DnssecDnsHandle;
use hickory_net::runtime::TokioRuntimeProvider;
use hickory_net::xfer::DnsHandle;
use hickory_net::{DnsError, NetError};
use hickory_proto::dnssec::{Proof, TrustAnchors};
use hickory_proto::op::{DnsRequest, DnsRequestOptions, DnsResponse, Message, Query, ResponseCode};
use hickory_proto::rr::{Name as ProtoName, RecordType};
use tokio::time::timeout_at;

use super::chain::from_proto;
use super::exchange::Ask;
use super::upstream::{Answer, Failed, Upstreams};
use crate::base::name;
use crate::base::rtype::RType;
use crate::model::flattened::FailureKind;

/// Validates against trust anchors. What it has checked once it remembers for its TTL.
#[derive(Clone)]
pub struct Validator {
    checked: DnssecDnsHandle<Handle>,
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
    /// With the keys of the root that hickory-proto knows.
    pub fn new(upstreams: Arc<Upstreams>) -> Validator {
        Validator::with_anchors(upstreams, TrustAnchors::default())
    }

    /// With other anchors: private roots, and tests.
    pub fn with_anchors(upstreams: Arc<Upstreams>, anchors: TrustAnchors) -> Validator {
        let handle = Handle { upstreams };
        Validator { checked: DnssecDnsHandle::with_trust_anchor(handle, Arc::new(anchors)) }
    }

    /// Asks, and judges every record: its `proof` says whether it holds. What is said not to be there is proved.
    pub async fn ask(&self, name: &[u8], rtype: RType, until: Instant) -> Result<Answer, Failed> {
        let begun = Instant::now();
        let context = RefCell::new(Context { until, upstream: None, failed: None });
        CONTEXT.scope(context, self.ask_here(name, rtype, begun)).await
    }

    async fn ask_here(&self, name: &[u8], rtype: RType, begun: Instant) -> Result<Answer, Failed> {
        let until = CONTEXT.with(|c| c.borrow().until);
        let query = Query::query(to_proto(name), RecordType::from(rtype));
        let options = DnsRequestOptions::default();
        let mut answers = self.checked.lookup(query, options);
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
