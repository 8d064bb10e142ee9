//! The object of a custom hostname, as the API and the command line show it.

use serde_json::{Value, json};

use super::object::CustomHostname;
use super::proof::Places;
use crate::base::time::UnixTime;

/// The fields that clients of the v4 dialect know, and `attempts`, `next_check_at`, `last_check`.
pub fn object(h: &CustomHostname, places: &Places) -> Value {
    let time = |at: Option<UnixTime>| at.map(|at| at.to_string());
    let txt = places.txt_name(&h.hostname).map(|name| {
        json!({ "type": "txt", "name": name.to_string(), "value": h.tokens.txt.to_string() })
    });
    let http = places
        .http_url(&h.hostname, h.id)
        .map(|url| json!({ "http_url": url, "http_body": h.tokens.http.to_string() }));
    let errors: Vec<String> = h.errors.iter().map(ToString::to_string).collect();
    let last_check = h.last_check.as_ref().map(|check| {
        json!({
            "method": check.method.map(|m| m.word()),
            "saw": check.saw,
            "at": check.at.to_string(),
        })
    });
    json!({
        "id": h.id.to_string(),
        "hostname": h.hostname.to_string(),
        "status": h.status.word(),
        "verification_errors": errors,
        "ownership_verification": txt,
        "ownership_verification_http": http,
        "created_at": h.created_at.to_string(),
        "attempts": h.attempts,
        "next_check_at": time(h.next_check_at),
        "last_check": last_check,
    })
}
