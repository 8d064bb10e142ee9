//! What a client says of one record, field by field, and the record it makes: anew, instead of one, or as a change.

use serde_json::{Map, Value};

use super::content::{self, Data};
use super::{AUTOMATIC, Problem, Record, data};
use crate::base::limits::{
    NAME_TEXT_MAX, RECORD_COMMENT_MAX, RECORD_TAG_MAX, RECORD_TAGS_MAX, RECORD_TTL,
};
use crate::base::name::Name;
use crate::base::rtype::{self, RType};
use crate::base::time::UnixTime;
use crate::base::uuid::Uuid;
use crate::rdata;

/// Fields that were said. A field that was `null` counts as not said, but for comment and tags, which it clears.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Input {
    pub name: Option<String>,
    pub rtype: Option<RType>,
    pub content: Option<String>,
    pub data: Option<Map<String, Value>>,
    pub priority: Option<u16>,
    pub ttl: Option<u32>,
    pub comment: Option<String>,
    pub tags: Option<Vec<String>>,
    pub flatten: Option<bool>,
}

/// Types that no client writes, and why.
fn refused_type(rtype: RType) -> Option<&'static str> {
    Some(match rtype {
        rtype::SOA => "the SOA record is made by the server: see dns_settings",
        rtype::RRSIG | rtype::DNSKEY => "signed zones are not supported yet",
        _ if !rdata::is_data(rtype) => "it exists in questions and messages only",
        _ => return None,
    })
}

impl Input {
    /// Reads a JSON object. Fields that clients send back as they got them (`id`, `meta`, …) say nothing.
    pub fn from_json(object: &Map<String, Value>) -> Result<Input, Problem> {
        let mut input = Input::default();
        for (key, value) in object {
            match (key.as_str(), value) {
                ("comment", Value::Null) => input.comment = Some(String::new()),
                ("tags", Value::Null) => input.tags = Some(Vec::new()),
                (_, Value::Null) => {}
                ("name", _) => input.name = Some(text(key, value)?),
                ("content", _) => input.content = Some(text(key, value)?),
                ("comment", _) => input.comment = Some(comment(value)?),
                ("type", _) => input.rtype = Some(rtype_of(value)?),
                ("ttl", _) => input.ttl = Some(ttl(value)?),
                ("priority", _) => {
                    let number = value.as_u64().and_then(|n| u16::try_from(n).ok());
                    input.priority = Some(number.ok_or_else(|| {
                        Problem::new(Problem::PRIORITY, "priority must be a number up to 65535.")
                    })?);
                }
                ("data", Value::Object(data)) => input.data = Some(data.clone()),
                ("tags", _) => input.tags = Some(tags(value)?),
                ("settings", Value::Object(settings)) => input.flatten = flatten(settings)?,
                ("proxied" | "private_routing", Value::Bool(false)) => {}
                ("proxied", Value::Bool(true)) => {
                    let message = "This record cannot be proxied: this server has no proxy. Send \
                                   \"proxied\": false.";
                    return Err(Problem::new(Problem::NOT_PROXIABLE, message));
                }
                ("private_routing", Value::Bool(true)) => {
                    let message = "This server has no private routing.";
                    return Err(Problem::new(Problem::SETTINGS, message));
                }
                ("data" | "settings", _) => return Err(must_be(key, "an object")),
                ("proxied" | "private_routing", _) => return Err(must_be(key, "true or false")),
                _ => {}
            }
        }
        Ok(input)
    }

    /// A new record.
    pub fn create(&self, apex: &Name, id: Uuid, now: UnixTime) -> Result<Record, Problem> {
        let rtype = self.rtype.ok_or_else(|| {
            Problem::new(Problem::TYPE, "DNS record type is invalid: `type` is needed.")
        })?;
        if let Some(why) = refused_type(rtype) {
            let message = format!("{} records cannot be written: {why}.", rdata::type_text(rtype));
            return Err(Problem::new(Problem::TYPE, message));
        }
        let from_data = || self.data.as_ref().and_then(data::name_of);
        let name =
            self.name.clone().or_else(from_data).ok_or_else(|| {
                Problem::new(Problem::NAME, "DNS name is invalid: `name` is needed.")
            })?;
        let name = read_name(&name, apex)?;
        let Data { rdata, spelling } = self.data(rtype, apex)?;
        let comment: Box<str> = self.comment.as_deref().unwrap_or_default().into();
        let tags: Vec<Box<str>> =
            self.tags.iter().flatten().map(|tag| tag.as_str().into()).collect();
        // Other servers' word for a CNAME that is flattened.
        let is_alias = rtype == rtype::ALIAS;
        let rtype = if is_alias { rtype::CNAME } else { rtype };
        let flatten = is_alias && name != *apex || self.flatten.unwrap_or_default();
        if flatten && rtype != rtype::CNAME {
            let message = "settings.flatten_cname is for CNAME records.";
            return Err(Problem::new(Problem::SETTINGS, message));
        }
        Ok(Record {
            id,
            name,
            rtype,
            rdata,
            spelling,
            ttl: self.ttl.unwrap_or(AUTOMATIC),
            flatten,
            comment_at: (!comment.is_empty()).then_some(now),
            tags_at: (!tags.is_empty()).then_some(now),
            comment,
            tags,
            created_at: now,
            modified_at: now,
        })
    }

    /// PUT: a record in the place of `old`; what is not said has its default.
    pub fn replace(&self, apex: &Name, old: &Record, now: UnixTime) -> Result<Record, Problem> {
        let new = self.create(apex, old.id, now)?;
        Ok(follow(new, old, now))
    }

    /// PATCH: `old` with what is said.
    pub fn patch(&self, apex: &Name, old: &Record, now: UnixTime) -> Result<Record, Problem> {
        let rtype = self.rtype.unwrap_or(old.rtype);
        let same_data = self.content.is_none() && self.data.is_none();
        if same_data && rtype != old.rtype {
            let message = "another type needs other `content` or `data`.";
            return Err(Problem::new(Problem::CONTENT, message));
        }
        let mut all = Input {
            name: Some(self.name.clone().unwrap_or_else(|| format!("{}.", old.name))),
            rtype: Some(rtype),
            ttl: Some(self.ttl.unwrap_or(old.ttl)),
            comment: Some(self.comment.clone().unwrap_or_else(|| old.comment.to_string())),
            tags: Some(
                self.tags
                    .clone()
                    .unwrap_or_else(|| old.tags.iter().map(|tag| tag.to_string()).collect()),
            ),
            flatten: Some(self.flatten.unwrap_or(old.flatten && rtype == rtype::CNAME)),
            ..self.clone()
        };
        if all.priority.is_none() {
            all.priority = content::priority(old.rtype, &old.rdata);
        }
        if same_data {
            all.content = Some(content::of(old));
        }
        let mut new = all.create(apex, old.id, now)?;
        if same_data && self.priority.is_none() {
            (new.rdata, new.spelling) = (old.rdata.clone(), old.spelling.clone());
        }
        Ok(follow(new, old, now))
    }

    fn data(&self, rtype: RType, apex: &Name) -> Result<Data, Problem> {
        match (&self.content, &self.data) {
            // Clients that send back what they got send both: `content` is the older one.
            (_, Some(data)) => data::read(rtype, data, self.priority),
            (Some(content), None) => content::read(rtype, apex, content, self.priority),
            (None, None) => {
                let rtype = rdata::type_text(rtype);
                let message = format!("`content` or `data` is needed for {rtype} records.");
                Err(Problem::new(Problem::CONTENT, message))
            }
        }
    }
}

/// Takes over the times of `old` for what did not change.
fn follow(mut new: Record, old: &Record, now: UnixTime) -> Record {
    new.created_at = old.created_at;
    if new.comment == old.comment {
        new.comment_at = old.comment_at;
    }
    if new.tags == old.tags {
        new.tags_at = old.tags_at;
    }
    new.modified_at = old.modified_at;
    if new != *old {
        new.modified_at = now;
    }
    new
}

fn must_be(key: &str, what: &str) -> Problem {
    Problem::new(Problem::BODY, format!("{key} must be {what}."))
}

fn text(key: &str, value: &Value) -> Result<String, Problem> {
    value.as_str().map(str::to_owned).ok_or_else(|| must_be(key, "a text"))
}

fn rtype_of(value: &Value) -> Result<RType, Problem> {
    let text = value.as_str().unwrap_or_default();
    let rtype = rdata::type_from_text(text.as_bytes());
    rtype.ok_or_else(|| Problem::new(Problem::TYPE, "DNS record type is invalid."))
}

fn ttl(value: &Value) -> Result<u32, Problem> {
    let number = value.as_u64().ok_or_else(|| must_be("ttl", "a number"))?;
    let ttl =
        u32::try_from(number).ok().filter(|ttl| *ttl == AUTOMATIC || RECORD_TTL.contains(ttl));
    ttl.ok_or_else(|| {
        let (least, most) = (RECORD_TTL.start(), RECORD_TTL.end());
        let message =
            format!("Invalid TTL. Must be between {least} and {most} seconds, or 1 for Automatic.");
        Problem::new(Problem::TTL, message)
    })
}

/// A comment is one line.
fn comment(value: &Value) -> Result<String, Problem> {
    let comment = text("comment", value)?;
    if comment.chars().count() > RECORD_COMMENT_MAX || comment.chars().any(char::is_control) {
        let message = format!(
            "A comment is one line of at most {RECORD_COMMENT_MAX} characters, without control \
             characters."
        );
        return Err(Problem::new(Problem::COMMENT, message));
    }
    Ok(comment)
}

fn tags(value: &Value) -> Result<Vec<String>, Problem> {
    let all = value.as_array().ok_or_else(|| must_be("tags", "a list"))?;
    let mut tags = Vec::new();
    for tag in all {
        let tag = text("tags", tag)?;
        if !is_tag(&tag) {
            let message = format!(
                "A tag is `name` or `name:value`, its name of letters, digits, `-` and `_`, at most \
                 {RECORD_TAG_MAX} characters together."
            );
            return Err(Problem::new(Problem::TAGS, message));
        }
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    if tags.len() > RECORD_TAGS_MAX {
        let message = format!("A record has at most {RECORD_TAGS_MAX} tags.");
        return Err(Problem::new(Problem::TAGS, message));
    }
    Ok(tags)
}

/// Whether a text is a tag.
pub fn is_tag(tag: &str) -> bool {
    let name = tag.split(':').next().unwrap_or_default();
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    is_name(name)
        && tag.chars().count() <= RECORD_TAG_MAX
        && !tag.chars().any(char::is_control)
        // Those of an export, which say other things.
        && !name.to_ascii_lowercase().starts_with("cf-")
}

fn flatten(settings: &Map<String, Value>) -> Result<Option<bool>, Problem> {
    let mut flatten = None;
    for (key, value) in settings {
        match (key.as_str(), value) {
            ("flatten_cname", Value::Bool(on)) => flatten = Some(*on),
            ("ipv4_only" | "ipv6_only", Value::Bool(true)) => {
                let message = format!("settings.{key} is for proxied records.");
                return Err(Problem::new(Problem::SETTINGS, message));
            }
            (_, Value::Null | Value::Bool(false)) => {}
            ("flatten_cname" | "ipv4_only" | "ipv6_only", _) => {
                return Err(must_be(&format!("settings.{key}"), "true or false"));
            }
            _ => {
                let message = format!("unknown setting `settings.{key}`.");
                return Err(Problem::new(Problem::SETTINGS, message));
            }
        }
    }
    Ok(flatten)
}

/// The owner that a text names: the apex (`@`), a whole name, or one that the apex completes.
pub fn read_name(text: &str, apex: &Name) -> Result<Name, Problem> {
    let invalid = |why: &str| Problem::new(Problem::NAME, format!("DNS name is invalid: {why}."));
    let text = text.trim();
    if text == "@" {
        return Ok(apex.clone());
    }
    let (plain, is_whole) = match text.strip_suffix('.') {
        Some(plain) => (plain, true),
        None => (text, false),
    };
    if plain.is_empty() || plain.len() > NAME_TEXT_MAX {
        return Err(invalid("it has 1 to 253 characters"));
    }
    for (at, label) in plain.split('.').enumerate() {
        let is_ldh = |b: u8| b.is_ascii_alphanumeric() || b"-_/".contains(&b);
        let is_wildcard = at == 0 && label == "*";
        if !is_wildcard && (label.is_empty() || !label.bytes().all(is_ldh)) {
            return Err(invalid(
                "labels have letters, digits, `-` and `_`; others are written in Punycode; `*` is \
                 the first label alone",
            ));
        }
    }
    let name = Name::from_text(plain).map_err(|error| invalid(&error.to_string()))?;
    if name.is_within(apex) {
        return Ok(name);
    }
    if is_whole {
        return Err(invalid(&format!("{plain} is not in the zone {apex}")));
    }
    let whole = if apex.is_root() { plain.to_owned() } else { format!("{plain}.{apex}") };
    Name::from_text(&whole).map_err(|error| invalid(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn apex() -> Name {
        Name::from_text("zone.example").unwrap()
    }

    fn input(value: Value) -> Result<Input, Problem> {
        Input::from_json(value.as_object().unwrap())
    }

    fn create(value: Value) -> Result<Record, Problem> {
        input(value)?.create(&apex(), Uuid([1; 16]), UnixTime(100))
    }

    #[test]
    fn names_are_whole_or_completed() {
        for (text, name) in [
            ("@", "zone.example"),
            ("www", "www.zone.example"),
            ("WWW.Zone.Example", "www.zone.example"),
            ("zone.example.", "zone.example"),
            ("*.a", "*.a.zone.example"),
            ("_acme-challenge.zone.example", "_acme-challenge.zone.example"),
            ("www.other.example", "www.other.example.zone.example"),
        ] {
            assert_eq!(read_name(text, &apex()).unwrap().to_string(), name);
        }
        let long = "a".repeat(64);
        for bad in ["", ".", "a..b", "a b", "a.*", "a*", "ä", "www.other.example.", "a\\.b", &long]
        {
            assert_eq!(read_name(bad, &apex()).unwrap_err().code, Problem::NAME, "{bad}");
        }
    }

    #[test]
    fn put_forgets_and_patch_keeps() {
        let old = create(json!({
            "type": "MX", "name": "@", "content": "mail.example", "priority": 10, "ttl": 600,
            "comment": "moved", "tags": ["team:dns"],
        }))
        .unwrap();
        let later = UnixTime(200);
        let new = input(json!({ "priority": 20 })).unwrap().patch(&apex(), &old, later).unwrap();
        assert_eq!(content::priority(new.rtype, &new.rdata), Some(20));
        assert_eq!((new.ttl, &*new.comment, new.comment_at), (600, "moved", Some(UnixTime(100))));
        assert_eq!((new.created_at, new.modified_at), (UnixTime(100), later));
        let same = input(json!({})).unwrap().patch(&apex(), &old, later).unwrap();
        assert_eq!(same, old);
        let put = input(json!({ "type": "A", "name": "@", "content": "192.0.2.1" }));
        let put = put.unwrap().replace(&apex(), &old, later).unwrap();
        assert_eq!((put.ttl, &*put.comment, put.tags.len()), (AUTOMATIC, "", 0));
        let cleared = input(json!({ "comment": null, "tags": null })).unwrap();
        let cleared = cleared.patch(&apex(), &old, later).unwrap();
        assert_eq!((&*cleared.comment, cleared.tags.len(), cleared.comment_at), ("", 0, None));
    }

    #[test]
    fn fields_that_make_no_sense_have_their_codes() {
        for (value, code) in [
            (json!({ "type": "A", "content": "192.0.2.1" }), Problem::NAME),
            (json!({ "name": "a", "content": "192.0.2.1" }), Problem::TYPE),
            (json!({ "type": "WHAT", "name": "a", "content": "x" }), Problem::TYPE),
            (json!({ "type": "SOA", "name": "@", "content": "x" }), Problem::TYPE),
            (json!({ "type": "DNSKEY", "name": "@", "content": "x" }), Problem::TYPE),
            (json!({ "type": "ANY", "name": "@", "content": "x" }), Problem::TYPE),
            (json!({ "type": "A", "name": "a" }), Problem::CONTENT),
            (json!({ "type": "A", "name": "a", "content": 5 }), Problem::BODY),
            (json!({ "type": "A", "name": "a", "content": "192.0.2.1", "ttl": 5 }), Problem::TTL),
            (
                json!({ "type": "A", "name": "a", "content": "192.0.2.1", "ttl": "x" }),
                Problem::BODY,
            ),
            (
                json!({ "type": "A", "name": "a", "content": "192.0.2.1", "proxied": true }),
                Problem::NOT_PROXIABLE,
            ),
            (
                json!({ "type": "A", "name": "a", "content": "192.0.2.1", "comment": "a\nb" }),
                Problem::COMMENT,
            ),
            (
                json!({ "type": "A", "name": "a", "content": "192.0.2.1", "tags": ["a b"] }),
                Problem::TAGS,
            ),
            (
                json!({ "type": "A", "name": "a", "content": "192.0.2.1",
                "settings": { "flatten_cname": true } }),
                Problem::SETTINGS,
            ),
        ] {
            assert_eq!(create(value.clone()).unwrap_err().code, code, "{value}");
        }
    }
}
