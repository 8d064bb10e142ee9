//! `dns_settings` of a zone of the store: its nameservers, the numbers of its SOA, what is flattened.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Problem;
use crate::base::name::Name;
use crate::base::rtype;
use crate::rdata;

/// See the head of the file. Stored as JSON; a key that is missing has its default.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// The names that were given to the zone.
    pub nameservers: Vec<Name>,
    pub flatten_all: bool,
    /// Activate although foreign NS records are there.
    pub multi_provider: bool,
    pub ns_ttl: Number<86_400>,
    pub soa: Soa,
}

/// A number with its default.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Number<const DEFAULT: u32>(pub u32);

impl<const DEFAULT: u32> Default for Number<DEFAULT> {
    fn default() -> Self {
        Number(DEFAULT)
    }
}

/// The SOA record but for its serial.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Soa {
    /// `None`: the first of the nameservers.
    pub mname: Option<Name>,
    /// `None`: `hostmaster` below the apex.
    pub rname: Option<Name>,
    pub refresh: Number<10_000>,
    pub retry: Number<2_400>,
    pub expire: Number<604_800>,
    pub min_ttl: Number<1_800>,
    pub ttl: Number<3_600>,
}

/// As stored.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct Stored {
    nameservers: Vec<String>,
    flatten_all: bool,
    multi_provider: bool,
    ns_ttl: Option<u32>,
    mname: Option<String>,
    rname: Option<String>,
    refresh: Option<u32>,
    retry: Option<u32>,
    expire: Option<u32>,
    min_ttl: Option<u32>,
    ttl: Option<u32>,
}

impl Settings {
    /// As stored.
    pub fn to_json(&self) -> String {
        let Settings { nameservers, flatten_all, multi_provider, ns_ttl, soa } = self;
        let text = |name: &Name| name.to_string();
        let stored = Stored {
            nameservers: nameservers.iter().map(text).collect(),
            flatten_all: *flatten_all,
            multi_provider: *multi_provider,
            ns_ttl: Some(ns_ttl.0),
            mname: soa.mname.as_ref().map(text),
            rname: soa.rname.as_ref().map(text),
            refresh: Some(soa.refresh.0),
            retry: Some(soa.retry.0),
            expire: Some(soa.expire.0),
            min_ttl: Some(soa.min_ttl.0),
            ttl: Some(soa.ttl.0),
        };
        serde_json::to_string(&stored).expect("texts and numbers are JSON")
    }

    /// What was stored; `None`: it makes no sense.
    pub fn from_json(text: &str) -> Option<Settings> {
        let stored: Stored = serde_json::from_str(text).ok()?;
        let name = |text: &String| Name::from_text(text).ok();
        let maybe = |text: &Option<String>| match text {
            Some(text) => name(text).map(Some),
            None => Some(None),
        };
        fn number<const D: u32>(stored: Option<u32>) -> Number<D> {
            stored.map_or_else(Number::default, Number)
        }
        Some(Settings {
            nameservers: stored.nameservers.iter().map(name).collect::<Option<_>>()?,
            flatten_all: stored.flatten_all,
            multi_provider: stored.multi_provider,
            ns_ttl: number(stored.ns_ttl),
            soa: Soa {
                mname: maybe(&stored.mname)?,
                rname: maybe(&stored.rname)?,
                refresh: number(stored.refresh),
                retry: number(stored.retry),
                expire: number(stored.expire),
                min_ttl: number(stored.min_ttl),
                ttl: number(stored.ttl),
            },
        })
    }

    /// The names of the zone's own NS records: what it was given, else a name of its own, since no zone is without.
    pub fn served_nameservers(&self, apex: &Name) -> Vec<Name> {
        match self.nameservers.is_empty() {
            false => self.nameservers.clone(),
            true => vec![below(apex, "ns")],
        }
    }

    /// The rdata of the SOA record.
    pub fn soa_rdata(&self, apex: &Name, serial: u32) -> Vec<u8> {
        let Soa { mname, rname, refresh, retry, expire, min_ttl, .. } = &self.soa;
        let first = || self.served_nameservers(apex).swap_remove(0);
        let mname = mname.clone().unwrap_or_else(first);
        let rname = rname.clone().unwrap_or_else(|| below(apex, "hostmaster"));
        let mut rdata = [mname.as_wire(), rname.as_wire()].concat();
        for number in [serial, refresh.0, retry.0, expire.0, min_ttl.0] {
            rdata.extend_from_slice(&number.to_be_bytes());
        }
        rdata
    }

    /// The object of the API. `standing` says what the config has decided, whatever the zone says.
    pub fn object(&self, apex: &Name, flatten_all: bool) -> Value {
        let Soa { mname, rname, refresh, retry, expire, min_ttl, ttl } = &self.soa;
        let rname = rname.clone().unwrap_or_else(|| below(apex, "hostmaster"));
        json!({
            "flatten_all_cnames": flatten_all || self.flatten_all,
            "foundation_dns": false,
            "internal_dns": { "reference_zone_id": null },
            "multi_provider": self.multi_provider,
            "nameservers": { "type": "cloudflare.standard", "ns_set": null },
            "ns_ttl": self.ns_ttl.0,
            "secondary_overrides": false,
            "soa": {
                "mname": mname.as_ref().map(Name::to_string),
                "rname": rname.to_string(),
                "refresh": refresh.0, "retry": retry.0, "expire": expire.0,
                "min_ttl": min_ttl.0, "ttl": ttl.0,
            },
            "zone_mode": "standard",
        })
    }

    /// Takes in what a PATCH says.
    pub fn patch(&mut self, patch: &Map<String, Value>) -> Result<(), Problem> {
        for (key, value) in patch {
            match key.as_str() {
                "flatten_all_cnames" => self.flatten_all = boolean(key, value)?,
                "multi_provider" => self.multi_provider = boolean(key, value)?,
                "ns_ttl" => self.ns_ttl.0 = number(key, value, 30, 86_400)?,
                "soa" => {
                    let soa = value.as_object().ok_or_else(|| wrong(key, "an object"))?;
                    self.soa.patch(soa)?;
                }
                // What there is no choice about may be said as it is.
                "foundation_dns" | "secondary_overrides" => {
                    if boolean(key, value)? {
                        return Err(wrong(key, "false: this server has no such feature"));
                    }
                }
                "zone_mode" if value == "standard" || value == "dns_only" => {}
                "zone_mode" => return Err(wrong(key, "\"standard\"")),
                "nameservers" => {
                    let kind = value.get("type").and_then(Value::as_str);
                    if kind != Some("cloudflare.standard") {
                        return Err(wrong(key, "the type \"cloudflare.standard\""));
                    }
                }
                "internal_dns" => {
                    if value.get("reference_zone_id").is_some_and(|id| !id.is_null()) {
                        return Err(wrong(key, "no reference zone: there are no internal zones"));
                    }
                }
                _ => return Err(Problem::new(Problem::BODY, format!("unknown setting `{key}`"))),
            }
        }
        Ok(())
    }
}

impl Soa {
    fn patch(&mut self, patch: &Map<String, Value>) -> Result<(), Problem> {
        let mut new = self.clone();
        for (key, value) in patch {
            match key.as_str() {
                "mname" => new.mname = maybe_name(key, value)?,
                "rname" => new.rname = maybe_name(key, value)?,
                "refresh" => new.refresh.0 = number(key, value, 600, 86_400)?,
                "retry" => new.retry.0 = number(key, value, 600, 3_600)?,
                "expire" => new.expire.0 = number(key, value, 86_400, 2_419_200)?,
                "min_ttl" => new.min_ttl.0 = number(key, value, 60, 86_400)?,
                "ttl" => new.ttl.0 = number(key, value, 1_800, 3_600)?,
                _ => {
                    let message = format!("unknown setting `soa.{key}`");
                    return Err(Problem::new(Problem::BODY, message));
                }
            }
        }
        if new.retry.0 > new.refresh.0 {
            return Err(wrong("soa.retry", "at most soa.refresh"));
        }
        if new.expire.0 < new.refresh.0 {
            return Err(wrong("soa.expire", "at least soa.refresh"));
        }
        *self = new;
        Ok(())
    }
}

fn wrong(key: &str, expected: &str) -> Problem {
    Problem::new(Problem::BODY, format!("{key} must be {expected}"))
}

fn boolean(key: &str, value: &Value) -> Result<bool, Problem> {
    value.as_bool().ok_or_else(|| wrong(key, "true or false"))
}

fn number(key: &str, value: &Value, least: u32, most: u32) -> Result<u32, Problem> {
    let number = value.as_u64().and_then(|n| u32::try_from(n).ok());
    number
        .filter(|n| (least..=most).contains(n))
        .ok_or_else(|| wrong(key, &format!("a number from {least} to {most}")))
}

fn maybe_name(key: &str, value: &Value) -> Result<Option<Name>, Problem> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => {
            let name = Name::from_text(text).map_err(|_| wrong(key, "a name"))?;
            Ok(Some(name))
        }
        _ => Err(wrong(key, "a name or null")),
    }
}

/// The name one label below the apex; the apex itself where there is no room.
fn below(apex: &Name, label: &str) -> Name {
    let mut wire = vec![label.len() as u8];
    wire.extend_from_slice(label.as_bytes());
    wire.extend_from_slice(apex.as_wire());
    let is_name = rdata::check_wire(rtype::NS, &wire).is_ok();
    if is_name { Name::from_wire(&wire).unwrap_or_else(|_| apex.clone()) } else { apex.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_and_back() {
        let mut settings = Settings::default();
        assert_eq!(Settings::from_json("{}"), Some(settings.clone()));
        settings.nameservers = vec![Name::from_text("ns1.host.example").unwrap()];
        let patch = json!({
            "flatten_all_cnames": true, "ns_ttl": 300,
            "soa": { "mname": "a.example", "rname": "b.a.example", "refresh": 700, "retry": 650 },
        });
        settings.patch(patch.as_object().unwrap()).unwrap();
        assert_eq!(Settings::from_json(&settings.to_json()), Some(settings.clone()));
        let apex = Name::from_text("zone.example").unwrap();
        let object = settings.object(&apex, false);
        assert_eq!(object["soa"]["refresh"], 700);
        assert_eq!(object["flatten_all_cnames"], true);
        for bad in [
            json!({ "ns_ttl": 10 }),
            json!({ "flatten_all_cnames": 1 }),
            json!({ "what": 1 }),
            json!({ "soa": { "retry": 3000 } }),
            json!({ "soa": [] }),
            json!({ "foundation_dns": true }),
        ] {
            assert!(settings.patch(bad.as_object().unwrap()).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_zone_is_without_nameservers() {
        let apex = Name::from_text("zone.example").unwrap();
        let settings = Settings::default();
        assert_eq!(settings.served_nameservers(&apex)[0].to_string(), "ns.zone.example");
        assert!(rdata::check_wire(rtype::SOA, &settings.soa_rdata(&apex, 7)).is_ok());
    }
}
