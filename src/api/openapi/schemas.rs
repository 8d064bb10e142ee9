//! What answers and bodies look like (JSON Schema 2020-12).

use serde_json::{Map, Value, json};

use super::reference;

/// Schemas by their names.
pub(super) type Schemas = &'static [(&'static str, fn() -> Value)];

/// Every schema by its name.
pub(super) fn all() -> Value {
    let mut schemas = Map::new();
    let of_records = super::records::SCHEMAS;
    let tables: [Schemas; 5] =
        [COMMON, OWN, super::client::SCHEMAS, of_records, super::zones::SCHEMAS];
    for (name, make) in tables.into_iter().flatten() {
        schemas.insert((*name).to_owned(), make());
    }
    Value::Object(schemas)
}

pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

pub(super) fn maybe_text() -> Value {
    json!({ "type": ["string", "null"] })
}

pub(super) fn number() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

pub(super) fn flag() -> Value {
    json!({ "type": "boolean" })
}

pub(super) fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

pub(super) fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

pub(super) fn words(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

pub(super) fn or_null(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

/// An object that has all of these; others may come with later versions.
pub(super) fn object(properties: &[(&str, Value)]) -> Value {
    let required: Vec<&str> = properties.iter().map(|(name, _)| *name).collect();
    let mut schema = some(properties);
    schema["required"] = json!(required);
    schema
}

/// An object that may have these.
pub(super) fn some(properties: &[(&str, Value)]) -> Value {
    let properties: Map<String, Value> =
        properties.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({ "type": "object", "properties": properties })
}

const COMMON: Schemas = &[
    ("Text", text),
    ("Document", || json!({ "type": "object" })),
    ("Nothing", || json!({})),
    ("Problem", || {
        let mut problem = object(&[("code", number()), ("message", text())]);
        problem["properties"]["source"] = object(&[("pointer", text())]);
        problem["properties"]["error_chain"] = list(reference("Problem"));
        problem
    }),
    ("Errors", || {
        let mut errors = list(reference("Problem"));
        errors["minItems"] = json!(1);
        let (success, result) = (json!({ "const": false }), json!({ "type": "null" }));
        let messages = list(reference("Problem"));
        object(&[
            ("success", success),
            ("errors", errors),
            ("messages", messages),
            ("result", result),
        ])
    }),
    ("ResultInfo", || {
        object(&[
            ("page", number()),
            ("per_page", number()),
            ("count", number()),
            ("total_count", number()),
            ("total_pages", number()),
        ])
    }),
    ("Named", || object(&[("id", text()), ("name", maybe_text())])),
];

/// A setting that has one value.
fn setting(values: &[&str]) -> Value {
    let place = object(&[("file", text()), ("key", text())]);
    let from = words(&["config", "api", "account", "server", "default"]);
    object(&[("value", words(values)), ("from", from), ("config", or_null(place))])
}

const MODES: [&str; 5] = ["refuse", "nodata", "nxdomain", "sinkhole", "report"];

const OWN: Schemas = &[
    ("ZoneSettings", || {
        let from = words(&["config", "api"]);
        let delegate = object(&[("name", text()), ("account", maybe_text()), ("from", from)]);
        object(&[
            ("zone", reference("Named")),
            ("cross_account", setting(&["granted", "anyone"])),
            ("flatten", setting(&["apex", "all"])),
            ("on_violation", setting(&MODES)),
            ("delegates", list(delegate)),
        ])
    }),
    ("ZoneSettingsChange", || {
        let delegates = json!({ "type": "object", "additionalProperties": maybe_text() });
        some(&[
            ("cross_account", or_null(words(&["granted", "anyone"]))),
            ("flatten", or_null(words(&["apex", "all"]))),
            ("on_violation", or_null(words(&MODES))),
            ("delegates", delegates),
        ])
    }),
    ("AccountSettings", || {
        let from = words(&["config", "api"]);
        let trusted = object(&[("account", maybe_text()), ("from", from)]);
        object(&[("account", reference("Named")), ("trusts", list(trusted))])
    }),
    ("AccountSettingsChange", || object(&[("trusts", list(text()))])),
    ("Ready", || {
        object(&[
            ("ready", flag()),
            ("reasons", list(text())),
            ("warnings", list(text())),
            ("generation", number()),
        ])
    }),
    ("Whoami", || {
        object(&[
            ("token", object(&[("id", text()), ("name", text())])),
            ("operator", flag()),
            ("account", or_null(reference("Named"))),
            ("verbs", list(text())),
            ("zones", or_null(list(reference("Named")))),
            ("expires_on", maybe_text()),
            ("server", object(&[("version", text()), ("generation", number())])),
        ])
    }),
    ("Explanation", || {
        let edge = some(&[
            ("crosses", flag()),
            ("allowed", flag()),
            ("account", maybe_text()),
            ("by", maybe_text()),
            ("grant", maybe_text()),
            ("target_zone", maybe_text()),
            ("target_account", maybe_text()),
        ]);
        let record = object(&[("type", text()), ("ttl", number()), ("target", text())]);
        let hop = object(&[
            ("name", text()),
            ("zone", maybe_text()),
            ("account", maybe_text()),
            ("record", or_null(record)),
            ("edge", or_null(edge)),
            ("outside", json!({ "type": ["object", "null"] })),
            ("hidden", flag()),
        ]);
        object(&[
            ("name", text()),
            ("type", text()),
            ("hops", list(hop)),
            ("ending", object(&[("kind", text()), ("detail", text())])),
            (
                "verdict",
                object(&[
                    ("allowed", flag()),
                    ("code", maybe_text()),
                    ("mode", maybe_text()),
                    ("reported", flag()),
                ]),
            ),
            ("advice", list(text())),
            ("answer", json!({ "type": ["object", "null"] })),
        ])
    }),
    ("Violation", || {
        let mut violation = object(&[
            ("id", number()),
            ("code", text()),
            ("record", text()),
            ("name", text()),
            ("target", text()),
            ("reason", words(&["not-granted", "blocked", "withdrawn"])),
            ("count", number()),
            ("first_seen", time()),
            ("last_seen", time()),
        ]);
        let side = || object(&[("zone", reference("Named")), ("account", reference("Named"))]);
        for (name, schema) in [
            ("side", words(&["owner", "target"])),
            ("zone", reference("Named")),
            ("target_zone", maybe_text()),
            ("mode", text()),
            ("owner", side()),
            ("target_side", side()),
        ] {
            violation["properties"][name] = schema;
        }
        violation
    }),
    ("Request", || {
        object(&[
            ("code", text()),
            ("hostname", text()),
            ("type", text()),
            ("target", text()),
            ("zone", reference("Named")),
            ("reason", text()),
            ("custom_hostname", maybe_text()),
        ])
    }),
    ("WantedHostname", || {
        let mut wanted = object(&[("zone_id", text()), ("hostname", text())]);
        wanted["additionalProperties"] = json!(false);
        wanted
    }),
    ("MadeHostname", || {
        let mut made = object(&[("hostname", text()), ("status", text())]);
        made["properties"]["id"] = text();
        made
    }),
    ("AuditEntry", || {
        object(&[
            ("id", number()),
            ("at", time()),
            ("actor", text()),
            ("action", text()),
            ("from", maybe_text()),
            ("to", maybe_text()),
            ("evidence", text()),
            ("hostname_id", maybe_text()),
            ("zone", or_null(reference("Named"))),
            ("account", or_null(reference("Named"))),
        ])
    }),
    ("Held", || {
        object(&[
            ("zone", reference("Named")),
            ("serial", json!({ "type": ["integer", "null"] })),
            ("records", number()),
            ("held_since", maybe_text()),
            ("detail", maybe_text()),
        ])
    }),
    ("Accepted", || {
        object(&[
            ("zone", reference("Named")),
            ("state", text()),
            ("serial", json!({ "type": ["integer", "null"] })),
            ("records", number()),
            ("dry_run", flag()),
        ])
    }),
    ("Reloaded", || {
        object(&[
            ("config", words(&["valid", "invalid"])),
            ("problems", list(text())),
            ("restart_needed", list(text())),
            ("zones", json!({ "type": "object" })),
        ])
    }),
    ("Snapshot", || {
        object(&[
            ("serial", number()),
            ("current", flag()),
            ("source", words(&["api", "file"])),
            ("at", maybe_text()),
            ("actor", maybe_text()),
            ("action", maybe_text()),
            ("changes", number()),
        ])
    }),
    ("Diff", || {
        let record = || json!({ "type": "object" });
        object(&[
            ("zone", reference("Named")),
            ("serial", number()),
            ("added", list(record())),
            ("removed", list(record())),
            ("changed", list(object(&[("from", record()), ("to", record())]))),
        ])
    }),
    ("RolledBack", || {
        object(&[
            ("zone", reference("Named")),
            ("serial", number()),
            ("changes", number()),
            ("dry_run", flag()),
        ])
    }),
    ("PolicyReport", || {
        let mut report = object(&[("zone", reference("Named")), ("live", flag())]);
        let counts =
            ["total", "crossing", "denied", "reported", "loops", "too_long", "dangling", "outside"];
        let counts: Vec<(&str, Value)> = counts.into_iter().map(|name| (name, number())).collect();
        let finding = object(&[
            ("code", text()),
            ("name", text()),
            ("type", text()),
            ("target", text()),
            ("message", text()),
            ("remedy", text()),
        ]);
        for (name, schema) in [
            ("mode", text()),
            ("chains", object(&counts)),
            ("findings", list(finding)),
            ("findings_left_out", number()),
            ("grants", number()),
            ("requests", number()),
        ] {
            report["properties"][name] = schema;
        }
        report
    }),
];
