//! `data` of a record: the parts of its data by name, both ways.

use serde_json::{Map, Value, json};

use super::content::{self, CERT, Data, LOC, SMIMEA, SSHFP, URI};
use super::{Problem, Record};
use crate::base::name::{self, Text};
use crate::base::rtype::{self, RType};
use crate::rdata;

/// How a part of the data is written in a line.
#[derive(Clone, Copy)]
enum Part {
    /// A number or a word.
    Word(&'static str),
    /// Any octets.
    Quoted(&'static str),
    /// Words that stand at the end as they are.
    Rest(&'static str),
}

use Part::{Quoted, Rest, Word};

/// The parts of a type in the order of its text. LOC is its own affair.
fn parts(rtype: RType) -> Option<&'static [Part]> {
    Some(match rtype {
        rtype::CAA => &[Word("flags"), Word("tag"), Quoted("value")],
        CERT => &[Word("type"), Word("key_tag"), Word("algorithm"), Rest("certificate")],
        rtype::DNSKEY => &[Word("flags"), Word("protocol"), Word("algorithm"), Rest("public_key")],
        rtype::DS => &[Word("key_tag"), Word("algorithm"), Word("digest_type"), Rest("digest")],
        rtype::HTTPS | rtype::SVCB => &[Word("priority"), Word("target"), Rest("value")],
        rtype::NAPTR => &[
            Word("order"),
            Word("preference"),
            Quoted("flags"),
            Quoted("service"),
            Quoted("regex"),
            Word("replacement"),
        ],
        SMIMEA | rtype::TLSA => {
            &[Word("usage"), Word("selector"), Word("matching_type"), Rest("certificate")]
        }
        rtype::SRV => &[Word("priority"), Word("weight"), Word("port"), Word("target")],
        SSHFP => &[Word("algorithm"), Word("type"), Rest("fingerprint")],
        URI => &[Word("priority"), Word("weight"), Quoted("target")],
        rtype::MX => &[Word("priority"), Word("target")],
        _ => return None,
    })
}

/// The data that its parts say. `priority` stands beside them for some types.
pub fn read(
    rtype: RType,
    data: &Map<String, Value>,
    priority: Option<u16>,
) -> Result<Data, Problem> {
    if rtype == LOC {
        return content::from_line(rtype, &location_line(data)?);
    }
    let Some(parts) = parts(rtype) else {
        let message = format!("{} records have `content`, not `data`.", rdata::type_text(rtype));
        return Err(Problem::new(Problem::DATA, message));
    };
    let mut line = String::new();
    for part in parts {
        let (Word(key) | Quoted(key) | Rest(key)) = *part;
        let found = data.get(key).filter(|value| !value.is_null());
        let text = match (found, key, priority) {
            (None, "priority", Some(priority)) => priority.to_string(),
            (Some(value), ..) => plain(key, value)?,
            // What may be missing at the end.
            (None, "value", _) if rtype != rtype::CAA => String::new(),
            (None, "regex" | "flags" | "service", _) if rtype == rtype::NAPTR => String::new(),
            (None, ..) => return Err(missing(rtype, key)),
        };
        match part {
            Word(_) if text.split_ascii_whitespace().count() != 1 => {
                return Err(missing(rtype, key));
            }
            Word(_) => line.push_str(text.trim()),
            Quoted(_) => quote(text.as_bytes(), &mut line),
            Rest(_) => line.push_str(text.trim()),
        }
        line.push(' ');
    }
    content::from_line(rtype, line.trim_end())
}

/// SRV records of older clients have their name in parts.
pub fn name_of(data: &Map<String, Value>) -> Option<String> {
    let text = |key| data.get(key).and_then(Value::as_str);
    let (service, proto) = (text("service")?, text("proto")?);
    Some(format!("{service}.{proto}.{}", text("name")?.trim_end_matches('.')))
}

fn plain(key: &str, value: &Value) -> Result<String, Problem> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        _ => {
            let message = format!("data.{key} must be a text or a number.");
            Err(Problem::new(Problem::DATA, message))
        }
    }
}

fn missing(rtype: RType, key: &str) -> Problem {
    let message = format!("data.{key} is needed for {} records.", rdata::type_text(rtype));
    Problem::new(Problem::DATA, message)
}

/// A text between quotes, with escapes.
pub fn quote(octets: &[u8], out: &mut String) {
    out.push('"');
    for &b in octets {
        match b {
            b'"' | b'\\' => out.extend(['\\', char::from(b)]),
            b' '..=b'~' => out.push(char::from(b)),
            _ => out.push_str(&format!("\\{b:03}")),
        }
    }
    out.push('"');
}

/// The parts of a record's data; `None`: the type has `content` alone.
pub fn of(record: &Record) -> Option<Value> {
    object(record.rtype, &record.rdata, record.spelling.as_deref())
}

/// The parts of data.
pub fn object(rtype: RType, rdata: &[u8], spelling: Option<&str>) -> Option<Value> {
    if !matches!(rtype, LOC) && parts(rtype).is_none() || rtype == rtype::MX {
        return None;
    }
    let mut octets = Octets(rdata);
    let whole = content::whole(rtype, rdata, spelling);
    let last = || whole.rsplit(' ').next().unwrap_or_default().to_owned();
    Some(match rtype {
        LOC => location(rdata)?,
        rtype::CAA => json!({
            "flags": octets.u8()?, "tag": octets.string()?, "value": octets.rest(),
        }),
        CERT => json!({
            "type": octets.u16()?, "key_tag": octets.u16()?, "algorithm": octets.u8()?,
            "certificate": last(),
        }),
        rtype::DNSKEY => json!({
            "flags": octets.u16()?, "protocol": octets.u8()?, "algorithm": octets.u8()?,
            "public_key": last(),
        }),
        rtype::DS => json!({
            "key_tag": octets.u16()?, "algorithm": octets.u8()?, "digest_type": octets.u8()?,
            "digest": last(),
        }),
        rtype::HTTPS | rtype::SVCB => {
            let (priority, target) = (octets.u16()?, octets.dotted()?);
            let value = whole.splitn(3, ' ').nth(2).unwrap_or_default();
            json!({ "priority": priority, "target": target, "value": value })
        }
        rtype::NAPTR => json!({
            "order": octets.u16()?, "preference": octets.u16()?, "flags": octets.string()?,
            "service": octets.string()?, "regex": octets.string()?,
            "replacement": octets.dotted()?,
        }),
        SMIMEA | rtype::TLSA => json!({
            "usage": octets.u8()?, "selector": octets.u8()?, "matching_type": octets.u8()?,
            "certificate": last(),
        }),
        rtype::SRV => json!({
            "priority": octets.u16()?, "weight": octets.u16()?, "port": octets.u16()?,
            "target": octets.name()?,
        }),
        SSHFP => json!({
            "algorithm": octets.u8()?, "type": octets.u8()?, "fingerprint": last(),
        }),
        URI => {
            octets.u16()?;
            json!({ "weight": octets.u16()?, "target": octets.rest() })
        }
        _ => return None,
    })
}

/// Data read from its start.
struct Octets<'a>(&'a [u8]);

impl Octets<'_> {
    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|octets| octets[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(content::number)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4).map(|o| o.iter().fold(0, |value, octet| value << 8 | u32::from(*octet)))
    }

    fn string(&mut self) -> Option<String> {
        let len = self.u8()?;
        self.take(usize::from(len)).map(|octets| String::from_utf8_lossy(octets).into_owned())
    }

    fn rest(&mut self) -> String {
        String::from_utf8_lossy(self.0).into_owned()
    }

    fn name(&mut self) -> Option<String> {
        let len = name::len_at(self.0, 0).ok()?;
        self.take(len).map(|wire| Text(wire).to_string())
    }

    /// With its final dot.
    fn dotted(&mut self) -> Option<String> {
        self.name().map(|name| if name == "." { name } else { name + "." })
    }
}

/// LOC as text: `33 40 31.000 N 106 28 29.000 W 10.00m 1m 10000m 10m`.
fn location_line(data: &Map<String, Value>) -> Result<String, Problem> {
    let number = |key: &str, default: Option<f64>| -> Result<f64, Problem> {
        let value = data.get(key).filter(|value| !value.is_null());
        let number = match value {
            Some(Value::String(text)) => text.parse().ok(),
            Some(other) => other.as_f64(),
            None => default,
        };
        number.filter(|n: &f64| n.is_finite()).ok_or_else(|| missing(LOC, key))
    };
    let text = |key: &str| -> Result<&str, Problem> {
        data.get(key).and_then(Value::as_str).ok_or_else(|| missing(LOC, key))
    };
    Ok(format!(
        "{} {} {:.3} {} {} {} {:.3} {} {:.2}m {:.2}m {:.2}m {:.2}m",
        number("lat_degrees", None)?,
        number("lat_minutes", Some(0.0))?,
        number("lat_seconds", Some(0.0))?,
        text("lat_direction")?,
        number("long_degrees", None)?,
        number("long_minutes", Some(0.0))?,
        number("long_seconds", Some(0.0))?,
        text("long_direction")?,
        number("altitude", Some(0.0))?,
        number("size", Some(1.0))?,
        number("precision_horz", Some(10_000.0))?,
        number("precision_vert", Some(10.0))?,
    ))
}

/// RFC 1876 §2: sizes are a digit and a power of ten in centimetres, angles thousandths of a second from 2^31.
fn location(rdata: &[u8]) -> Option<Value> {
    let mut octets = Octets(rdata);
    if octets.u8()? != 0 {
        return None;
    }
    let mut size = || {
        let octet = octets.u8()?;
        Some(f64::from(octet >> 4) * 10f64.powi(i32::from(octet & 15)) / 100.0)
    };
    let (size, horizontal, vertical) = (size()?, size()?, size()?);
    let (latitude, longitude, altitude) = (octets.u32()?, octets.u32()?, octets.u32()?);
    let angle = |angle: u32| {
        let thousandths = i64::from(angle) - (1 << 31);
        let (degrees, rest) = (thousandths.abs() / 3_600_000, thousandths.abs() % 3_600_000);
        (degrees, rest / 60_000, (rest % 60_000) as f64 / 1000.0, thousandths >= 0)
    };
    let (lat_degrees, lat_minutes, lat_seconds, north) = angle(latitude);
    let (long_degrees, long_minutes, long_seconds, east) = angle(longitude);
    Some(json!({
        "lat_degrees": lat_degrees, "lat_minutes": lat_minutes, "lat_seconds": lat_seconds,
        "lat_direction": if north { "N" } else { "S" },
        "long_degrees": long_degrees, "long_minutes": long_minutes,
        "long_seconds": long_seconds, "long_direction": if east { "E" } else { "W" },
        "altitude": (i64::from(altitude) - 10_000_000) as f64 / 100.0,
        "size": size, "precision_horz": horizontal, "precision_vert": vertical,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_as_they_were() {
        for (rtype, data) in [
            ("CAA", json!({ "flags": 128, "tag": "issue", "value": "ca.example; a=\"b\\c\"" })),
            ("CERT", json!({ "type": 9, "key_tag": 1, "algorithm": 1, "certificate": "AQIDBA==" })),
            (
                "DS",
                json!({ "key_tag": 1, "algorithm": 13, "digest_type": 1,
                "digest": "abCDef0000000000000000000000000000000000" }),
            ),
            ("HTTPS", json!({ "priority": 1, "target": ".", "value": "alpn=\"h3,h2\"" })),
            ("HTTPS", json!({ "priority": 0, "target": "svc.example.", "value": "" })),
            (
                "NAPTR",
                json!({ "order": 100, "preference": 10, "flags": "U", "service": "SIP+D2U",
                "regex": "!^.*$!sip:\\1@a.example!", "replacement": "." }),
            ),
            (
                "SMIMEA",
                json!({ "usage": 3, "selector": 0, "matching_type": 0,
                "certificate": "ab01" }),
            ),
            (
                "TLSA",
                json!({ "usage": 3, "selector": 1, "matching_type": 0,
                "certificate": "AB01" }),
            ),
            ("SRV", json!({ "priority": 1, "weight": 2, "port": 3, "target": "host.example" })),
            (
                "SSHFP",
                json!({ "algorithm": 1, "type": 1,
                "fingerprint": "abcdef0000000000000000000000000000000000" }),
            ),
            (
                "LOC",
                json!({ "lat_degrees": 33, "lat_minutes": 40, "lat_seconds": 31.5,
                "lat_direction": "N", "long_degrees": 106, "long_minutes": 28,
                "long_seconds": 29.001, "long_direction": "W", "altitude": -10.5, "size": 1.0,
                "precision_horz": 20.0, "precision_vert": 10.0 }),
            ),
        ] {
            let number = rdata::type_from_text(rtype.as_bytes()).unwrap();
            let read = read(number, data.as_object().unwrap(), None).unwrap();
            let back = object(number, &read.rdata, read.spelling.as_deref()).unwrap();
            assert_eq!(back, data, "{rtype}");
        }
        let uri = json!({ "weight": 20, "target": "https://a.example/\"b\"" });
        let read = read(URI, uri.as_object().unwrap(), Some(10)).unwrap();
        assert_eq!(content::priority(URI, &read.rdata), Some(10));
        assert_eq!(object(URI, &read.rdata, None).unwrap(), uri);
    }

    #[test]
    fn what_is_missing_or_makes_no_sense_is_said() {
        for (rtype, data) in [
            (rtype::CAA, json!({ "flags": 0, "tag": "issue" })),
            (rtype::CAA, json!({ "flags": [], "tag": "issue", "value": "x" })),
            (rtype::SRV, json!({ "priority": 1, "weight": 2, "port": 3, "target": "a b" })),
            (rtype::SRV, json!({ "priority": 70000, "weight": 2, "port": 3, "target": "a" })),
            (rtype::A, json!({ "address": "192.0.2.1" })),
            (LOC, json!({ "lat_degrees": 33, "lat_direction": "Q" })),
            (URI, json!({ "weight": 20, "target": "x" })),
        ] {
            assert!(read(rtype, data.as_object().unwrap(), None).is_err(), "{data}");
        }
    }
}
