//! What a token may do, where, until when and from where: plain data that only ever gets narrower.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::base::id::ZoneId;
use crate::base::time::UnixTime;
use crate::model::prefix::Prefix;

/// What can be done. Reading is a verb like others; an operator's verbs are for everything there is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    Read,
    /// Records and the settings of their zones that concern nobody else.
    Records,
    /// Making, pausing and deleting zones.
    Zones,
    /// Custom hostnames and fallback origins: whom a zone lets in.
    Grants,
    /// Who may lead into a zone without a grant.
    CrossAccount,
    /// Which other account may hold a zone below one.
    Delegates,
    Holds,
    /// Names and settings of accounts.
    Accounts,
    /// Minting and revoking tokens.
    Tokens,
    /// Reload, held changes, snapshots and rollback.
    Operate,
}

impl Verb {
    pub const ALL: [Verb; 10] = [
        Verb::Read,
        Verb::Records,
        Verb::Zones,
        Verb::Grants,
        Verb::CrossAccount,
        Verb::Delegates,
        Verb::Holds,
        Verb::Accounts,
        Verb::Tokens,
        Verb::Operate,
    ];

    /// The word in the API and the store.
    pub fn word(self) -> &'static str {
        match self {
            Verb::Read => "read",
            Verb::Records => "records",
            Verb::Zones => "zones",
            Verb::Grants => "grants",
            Verb::CrossAccount => "cross-account",
            Verb::Delegates => "delegates",
            Verb::Holds => "holds",
            Verb::Accounts => "accounts",
            Verb::Tokens => "tokens",
            Verb::Operate => "operate",
        }
    }
}

/// The limits of a token. What is not limited is `None`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scope {
    pub verbs: Option<Vec<Verb>>,
    /// Of its account, by id.
    #[serde(with = "zone_ids")]
    pub zones: Option<Vec<ZoneId>>,
    pub not_before: Option<u64>,
    /// Prefixes that requests come from, and that they do not come from.
    #[serde(with = "prefixes")]
    pub from: Option<Vec<Prefix>>,
    #[serde(with = "prefixes")]
    pub not_from: Option<Vec<Prefix>>,
    /// It exists and is not to be used.
    pub disabled: bool,
}

impl Scope {
    pub fn allows(&self, verb: Verb) -> bool {
        self.verbs.as_ref().is_none_or(|verbs| verbs.contains(&verb))
    }

    pub fn covers(&self, zone: ZoneId) -> bool {
        self.zones.as_ref().is_none_or(|zones| zones.contains(&zone))
    }

    /// Whether it can be used now, from there.
    pub fn is_open(
        &self,
        expires_at: Option<UnixTime>,
        now: UnixTime,
        address: Option<IpAddr>,
    ) -> bool {
        let within = |prefixes: &Vec<Prefix>| {
            address.is_some_and(|address| prefixes.iter().any(|p| p.contains(address)))
        };
        let in_time = expires_at.is_none_or(|end| now < end)
            && self.not_before.is_none_or(|start| now.0 >= start);
        let from_there = self.from.as_ref().is_none_or(within)
            && self.not_from.as_ref().is_none_or(|not| address.is_some() && !within(not));
        in_time && from_there && !self.disabled
    }

    /// What both allow.
    pub fn within(&self, other: &Scope) -> Scope {
        let both = |own: &Option<Vec<Verb>>, others: &Option<Vec<Verb>>| match (own, others) {
            (Some(own), Some(others)) => {
                Some(own.iter().copied().filter(|v| others.contains(v)).collect())
            }
            (own, others) => own.clone().or_else(|| others.clone()),
        };
        let zones = match (&self.zones, &other.zones) {
            (Some(own), Some(_)) => {
                Some(own.iter().copied().filter(|zone| other.covers(*zone)).collect())
            }
            (own, others) => own.clone().or_else(|| others.clone()),
        };
        let from = match (&self.from, &other.from) {
            (Some(own), Some(others)) => Some(common(own, others)),
            (own, others) => own.clone().or_else(|| others.clone()),
        };
        let not_from: Vec<Prefix> =
            self.not_from.iter().chain(&other.not_from).flatten().copied().collect();
        Scope {
            verbs: both(&self.verbs, &other.verbs),
            zones,
            not_before: self.not_before.max(other.not_before),
            from,
            not_from: (!not_from.is_empty()).then_some(not_from),
            disabled: self.disabled || other.disabled,
        }
    }

    /// Whether nothing is allowed by this one that the other does not allow. Times are compared by the caller, who
    /// knows the end of both.
    pub fn is_within(&self, other: &Scope) -> bool {
        let verbs = Verb::ALL.into_iter().all(|v| other.allows(v) || !self.allows(v));
        let zones = match (&self.zones, &other.zones) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(own), Some(_)) => own.iter().all(|zone| other.covers(*zone)),
        };
        let start =
            other.not_before.is_none_or(|start| self.not_before.is_some_and(|s| s >= start));
        let from = match (&self.from, &other.from) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(own), Some(others)) => {
                own.iter().all(|p| others.iter().any(|o| o.contains_prefix(p)))
            }
        };
        let not_from = match (&self.not_from, &other.not_from) {
            (_, None) => true,
            (None, Some(others)) => others.is_empty(),
            (Some(own), Some(others)) => {
                others.iter().all(|o| own.iter().any(|p| p.contains_prefix(o)))
            }
        };
        verbs && zones && start && from && not_from
    }
}

/// Addresses that lie in both.
fn common(own: &[Prefix], others: &[Prefix]) -> Vec<Prefix> {
    let smaller = |a: &Prefix, b: &Prefix| match (a.contains_prefix(b), b.contains_prefix(a)) {
        (true, _) => Some(*b),
        (_, true) => Some(*a),
        _ => None,
    };
    let mut common: Vec<Prefix> =
        own.iter().flat_map(|a| others.iter().filter_map(|b| smaller(a, b))).collect();
    common.dedup();
    common
}

mod zone_ids {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::base::id::ZoneId;

    pub fn serialize<S: Serializer>(ids: &Option<Vec<ZoneId>>, s: S) -> Result<S::Ok, S::Error> {
        ids.as_ref().map(|ids| ids.iter().map(|id| id.0).collect::<Vec<u32>>()).serialize(s)
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(d: D) -> Result<Option<Vec<ZoneId>>, D::Error> {
        let ids = Option::<Vec<u32>>::deserialize(d)?;
        Ok(ids.map(|ids| ids.into_iter().map(ZoneId).collect()))
    }
}

mod prefixes {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::model::prefix::Prefix;

    pub fn serialize<S: Serializer>(list: &Option<Vec<Prefix>>, s: S) -> Result<S::Ok, S::Error> {
        list.as_ref().map(|l| l.iter().map(ToString::to_string).collect::<Vec<_>>()).serialize(s)
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(d: D) -> Result<Option<Vec<Prefix>>, D::Error> {
        let texts = Option::<Vec<String>>::deserialize(d)?;
        let parse = |text: String| text.parse().map_err(D::Error::custom);
        texts.map(|texts| texts.into_iter().map(parse).collect()).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrower_or_not() {
        let all = Scope::default();
        let some = Scope {
            verbs: Some(vec![Verb::Read, Verb::Records]),
            zones: Some(vec![ZoneId(1), ZoneId(2)]),
            not_before: Some(10),
            from: Some(vec!["192.0.2.0/24".parse().unwrap()]),
            not_from: Some(vec!["192.0.2.128/25".parse().unwrap()]),
            disabled: false,
        };
        assert!(some.is_within(&all) && some.is_within(&some) && !all.is_within(&some));
        let wider = [
            Scope { verbs: Some(vec![Verb::Grants]), ..some.clone() },
            Scope { zones: None, ..some.clone() },
            Scope { zones: Some(vec![ZoneId(3)]), ..some.clone() },
            Scope { not_before: Some(9), ..some.clone() },
            Scope { from: Some(vec!["192.0.0.0/16".parse().unwrap()]), ..some.clone() },
            Scope { not_from: None, ..some.clone() },
            Scope { not_from: Some(vec!["192.0.2.128/26".parse().unwrap()]), ..some.clone() },
        ];
        for wider in wider {
            assert!(!wider.is_within(&some), "{wider:?}");
        }
    }

    #[test]
    fn what_both_allow_is_within_both() {
        let from = |list: &[&str]| Some(list.iter().map(|p| p.parse().unwrap()).collect());
        let one = Scope {
            verbs: Some(vec![Verb::Read, Verb::Records]),
            zones: Some(vec![ZoneId(1), ZoneId(2)]),
            from: from(&["192.0.2.0/24", "2001:db8::/32"]),
            ..Scope::default()
        };
        let other = Scope {
            verbs: Some(vec![Verb::Read, Verb::Zones]),
            zones: Some(vec![ZoneId(2), ZoneId(3)]),
            not_before: Some(5),
            from: from(&["192.0.0.0/16", "2001:db8:1::/48", "198.51.100.0/24"]),
            not_from: from(&["192.0.2.9/32"]),
            disabled: true,
        };
        for both in [one.within(&other), other.within(&one)] {
            assert!(both.is_within(&one) && both.is_within(&other), "{both:?}");
            assert_eq!((both.verbs, both.zones), (Some(vec![Verb::Read]), Some(vec![ZoneId(2)])));
            assert_eq!(both.from, from(&["192.0.2.0/24", "2001:db8:1::/48"]));
            assert!(both.disabled);
        }
        assert_eq!(one.within(&Scope::default()), one);
        assert_eq!(Scope::default().within(&one), one);
    }

    #[test]
    fn times_and_places() {
        let scope = Scope {
            not_before: Some(10),
            from: Some(vec!["192.0.2.0/24".parse().unwrap()]),
            not_from: Some(vec!["192.0.2.7/32".parse().unwrap()]),
            ..Scope::default()
        };
        let open =
            |at, from: &str| scope.is_open(Some(UnixTime(20)), UnixTime(at), from.parse().ok());
        assert!(open(10, "192.0.2.1") && !open(9, "192.0.2.1") && !open(20, "192.0.2.1"));
        assert!(!open(10, "192.0.2.7") && !open(10, "192.0.3.1") && !open(10, "::1"));
        assert!(!open(10, "nowhere"));
        assert!(!Scope { disabled: true, ..Scope::default() }.is_open(None, UnixTime(0), None));
    }

    #[test]
    fn stored_and_read() {
        let text = r#"{"verbs":["read","cross-account"],"zones":[7],"from":["2001:db8::/32"]}"#;
        let scope: Scope = serde_json::from_str(text).unwrap();
        let again: Scope = serde_json::from_str(&serde_json::to_string(&scope).unwrap()).unwrap();
        assert_eq!(scope, again);
        assert!(serde_json::from_str::<Scope>(r#"{"verb":[]}"#).is_err());
    }
}
