//! The object of a record as the API shows it.

use serde_json::{Map, Value, json};

use super::{Record, content, data, hex};
use crate::base::name::Name;
use crate::base::rtype;
use crate::base::time::UnixTime;
use crate::rdata;

/// Microseconds are zero: times are kept in seconds.
fn time(at: UnixTime) -> Value {
    json!(at.to_string().replace('Z', ".000000Z"))
}

/// The object of one record. `zone` is the id of its zone as the API writes it.
pub fn record(record: &Record, zone: &str, apex: &Name) -> Value {
    let Record { id, name, rtype, ttl, flatten, comment, tags, .. } = record;
    let mut object = Map::new();
    object.insert("id".to_owned(), json!(hex(*id)));
    object.insert("zone_id".to_owned(), json!(zone));
    object.insert("zone_name".to_owned(), json!(apex.to_string()));
    object.insert("name".to_owned(), json!(name.to_string()));
    object.insert("type".to_owned(), json!(rdata::type_text(*rtype).to_string()));
    object.insert("content".to_owned(), json!(content::of(record)));
    if let Some(priority) = content::priority(*rtype, &record.rdata) {
        object.insert("priority".to_owned(), json!(priority));
    }
    if let Some(data) = data::of(record) {
        object.insert("data".to_owned(), data);
    }
    let settings = match *rtype {
        rtype::CNAME => json!({ "flatten_cname": flatten }),
        _ => json!({}),
    };
    for (key, value) in [
        ("proxiable", json!(false)),
        ("proxied", json!(false)),
        ("ttl", json!(ttl)),
        ("settings", settings),
        ("meta", json!({})),
        ("comment", if comment.is_empty() { Value::Null } else { json!(comment) }),
        ("tags", json!(tags)),
        ("created_on", time(record.created_at)),
        ("modified_on", time(record.modified_at)),
    ] {
        object.insert(key.to_owned(), value);
    }
    if let Some(at) = record.comment_at {
        object.insert("comment_modified_on".to_owned(), time(at));
    }
    if let Some(at) = record.tags_at {
        object.insert("tags_modified_on".to_owned(), time(at));
    }
    Value::Object(object)
}
