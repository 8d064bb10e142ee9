//! What an explanation shows of the outside: what was said about a target, by whom, and how old it is.

use std::fmt;

use serde::Serialize;

use crate::base::time::UnixTime;
use crate::model::flattened::{Outcome, Standing};
use crate::model::outside::Known;

/// What is known of one target. The field names are the JSON's keys.
#[derive(Debug, Serialize)]
pub struct Outside {
    /// `fresh`, `stale`, `expired`, `failed` or `unknown`.
    pub state: &'static str,
    /// Names behind the target, as the resolver saw them.
    pub hops: Vec<OutsideStep>,
    pub addresses: Vec<String>,
    /// Seconds since it was said.
    pub age: Option<u64>,
    /// Seconds it is still fresh.
    pub ttl: Option<u32>,
    /// Seconds it may still be served if the outside fails.
    pub stale: Option<u64>,
    /// The resolver that answered.
    pub upstream: Option<String>,
    pub took_ms: Option<u32>,
    /// Why the last look-up failed.
    pub failure: Option<&'static str>,
    /// Its signatures were checked and hold.
    pub validated: bool,
    /// Special-purpose addresses that were left out.
    pub dropped: u8,
}

/// One CNAME outside.
#[derive(Debug, Serialize)]
pub struct OutsideStep {
    pub target: String,
    pub ttl: u32,
}

impl Outside {
    /// Nothing is known.
    pub fn unknown() -> Outside {
        Outside {
            state: "unknown",
            hops: Vec::new(),
            addresses: Vec::new(),
            age: None,
            ttl: None,
            stale: None,
            upstream: None,
            took_ms: None,
            failure: None,
            validated: false,
            dropped: 0,
        }
    }

    /// What `known` is worth at `now`.
    pub fn of(known: &Known, now: UnixTime) -> Outside {
        let entry = known.entry();
        let standing = entry.standing(now);
        let (state, ttl) = match standing {
            Standing::Fresh(ttl) => ("fresh", Some(ttl)),
            Standing::Stale(_) => ("stale", None),
            Standing::Expired => ("expired", None),
            Standing::Failed(_) => ("failed", None),
            Standing::Gone => ("unknown", None),
        };
        let is_good = !matches!(entry.outcome, Outcome::Failed(_));
        let hop = |h: &crate::model::flattened::OutsideHop| OutsideStep {
            target: h.name.to_string(),
            ttl: h.ttl,
        };
        Outside {
            state,
            hops: entry.hops.iter().map(hop).collect(),
            addresses: entry.addresses.iter().map(|a| a.to_string()).collect(),
            age: is_good.then(|| now.since(entry.fetched)),
            ttl,
            stale: is_good.then(|| entry.stale_until.since(now)),
            upstream: entry.upstream.map(|u| u.to_string()),
            took_ms: entry.upstream.map(|_| entry.took_ms),
            failure: entry.failure.map(|f| f.kind.word()),
            validated: entry.validated.is_some(),
            dropped: entry.dropped,
        }
    }
}

/// Lines under the step of the target.
impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for hop in &self.hops {
            writeln!(f, "      CNAME {} -> {}  (outside)", hop.ttl, hop.target)?;
        }
        write!(f, "      {}", self.state)?;
        if let Some(age) = self.age {
            write!(f, ", {age} s old")?;
        }
        if let Some(ttl) = self.ttl {
            write!(f, ", {ttl} s left")?;
        }
        if let (Some(upstream), Some(took)) = (&self.upstream, self.took_ms) {
            write!(f, ", from {upstream} in {took} ms")?;
        }
        if self.validated {
            f.write_str(", validated")?;
        }
        if self.dropped > 0 {
            write!(f, ", {} special-purpose addresses left out", self.dropped)?;
        }
        if let Some(failure) = self.failure {
            write!(f, ", last look-up failed: {failure}")?;
        }
        writeln!(f)
    }
}
