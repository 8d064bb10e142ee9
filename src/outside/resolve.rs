//! One look-up: the target, then every name the chain leads to, until there are addresses or a reason why not.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::chain::{Step, Walk};
use super::exchange::Ask;
use super::upstream::{Answer, Failed, Upstreams};
use super::validate::Validator;
use crate::model::flattened::{AnchorSet, FailureKind, Key, Outcome, OutsideHop};

/// What a look-up brought home, as it was received.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    pub hops: Vec<OutsideHop>,
    pub outcome: Outcome,
    pub addresses: Vec<IpAddr>,
    /// Least of all TTLs.
    pub ttl: u32,
    /// By which anchors, if the signatures were checked and hold.
    pub validated: Option<AnchorSet>,
    pub upstream: Option<SocketAddr>,
    pub took: Duration,
}

/// Who looks things up: the real one here, scripted ones in tests.
pub trait Resolve: Send + Sync + 'static {
    /// Never fails: what went wrong is in the outcome.
    fn resolve(&self, key: &Key) -> impl Future<Output = Found> + Send;
}

/// Asks the upstream resolvers.
#[derive(Clone)]
pub struct Resolver {
    upstreams: Arc<Upstreams>,
    validator: Option<Validator>,
    /// A look-up ends by then, with all its questions.
    limit: Duration,
}

impl Resolver {
    /// With a `validator` only answers that hold are taken.
    pub fn new(
        upstreams: Arc<Upstreams>,
        validator: Option<Validator>,
        limit: Duration,
    ) -> Resolver {
        Resolver { upstreams, validator, limit }
    }

    /// Whether the records of answers were judged.
    pub fn is_validating(&self) -> bool {
        self.validator.is_some()
    }

    /// One question, about a name in wire form, whatever it leads to.
    pub async fn ask(&self, name: &[u8], rtype: u16, until: Instant) -> Result<Answer, Failed> {
        match &self.validator {
            Some(validator) => validator.ask(name, rtype, until).await,
            None => {
                let ask = Ask { name: name.into(), rtype, dnssec: false };
                self.upstreams.ask(&ask, until).await
            }
        }
    }
}

impl Resolve for Resolver {
    async fn resolve(&self, key: &Key) -> Found {
        let begun = Instant::now();
        let until = begun + self.limit;
        let checked = self.validator.is_some();
        let mut walk = Walk::new(key.target.clone(), key.rtype);
        let mut upstream = None;
        let mut addresses = Vec::new();
        // Every question brings the chain on by a hop at least, and hops are bounded.
        let outcome = loop {
            let step = match self.ask(walk.at().as_wire(), key.rtype, until).await {
                Ok(answer) => {
                    upstream = Some(answer.upstream);
                    walk.follow(&answer.message, checked)
                }
                Err(failed) => {
                    upstream = failed.upstream.or(upstream);
                    Step::Failed(failed.kind)
                }
            };
            break match step {
                Step::AskOn => continue,
                Step::Addresses(found) => {
                    addresses = found;
                    Outcome::Addresses
                }
                Step::NoData => Outcome::NoData,
                Step::NxDomain => Outcome::NxDomain,
                Step::Failed(kind) => Outcome::Failed(kind),
            };
        };
        let holds = outcome != Outcome::Failed(FailureKind::Bogus);
        let validated = self.validator.as_ref().filter(|_| holds).map(Validator::anchors);
        let (ttl, hops, took) = (walk.ttl, walk.hops, begun.elapsed());
        Found { hops, outcome, addresses, ttl, validated, upstream, took }
    }
}
