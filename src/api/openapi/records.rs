//! The operations of records and of the settings of their zones, and their objects.

use serde_json::json;

use super::schemas::{
    Schemas, flag, list, maybe_text, number, object, or_null, some, text, time, words,
};
use super::{
    Body, DRY_RUN, Kind, Operation, PAGE, PER_PAGE, Parameter, Shape, delete, get, patch, post,
    put, reference,
};

const ORDERS: &[&str] = &["type", "name", "content", "ttl", "proxied"];
const ANY_OR_ALL: &[&str] = &["any", "all"];

const FILTERS: &[Parameter] = &[
    Parameter("name", Kind::Text, "Exactly; `name.contains` and the like ask for parts."),
    Parameter("name.contains", Kind::Text, "Part of the name."),
    Parameter("name.startswith", Kind::Text, "Start of the name."),
    Parameter("name.endswith", Kind::Text, "End of the name."),
    Parameter("content", Kind::Text, "Exactly; TXT also without quotes."),
    Parameter("content.contains", Kind::Text, "Part of the content."),
    Parameter("content.startswith", Kind::Text, "Start of the content."),
    Parameter("content.endswith", Kind::Text, "End of the content."),
    Parameter("comment", Kind::Text, "Exactly."),
    Parameter("comment.contains", Kind::Text, "Part of the comment."),
    Parameter("comment.present", Kind::Text, "Records with a comment."),
    Parameter("comment.absent", Kind::Text, "Records without one."),
    Parameter("tag", Kind::Text, "`name` or `name:value`."),
    Parameter("tag.present", Kind::Text, "Records with a tag of this name."),
    Parameter("tag.absent", Kind::Text, "Records without one."),
    Parameter("type", Kind::Text, "A record type."),
    Parameter("proxied", Kind::Flag, "No record is."),
    Parameter("search", Kind::Text, "In name, content, comment or tags."),
    Parameter("match", Kind::Words(ANY_OR_ALL), "Whether one filter is enough."),
    Parameter("tag_match", Kind::Words(ANY_OR_ALL), "Whether one tag is enough."),
    Parameter("order", Kind::Words(ORDERS), "By what the list is sorted."),
    Parameter("direction", Kind::Words(&["asc", "desc"]), "Which end comes first."),
    PAGE,
    PER_PAGE,
];

const RECORDS: &str = "/client/v4/zones/{zone_id}/dns_records";
const RECORD: &str = "/client/v4/zones/{zone_id}/dns_records/{dns_record_id}";
const SETTINGS: &str = "/client/v4/zones/{zone_id}/dns_settings";
const FLATTENING: &str = "/client/v4/zones/{zone_id}/settings/cname_flattening";

/// That answers with one object of a schema.
const fn one(schema: &'static str) -> Shape {
    Shape::One(200, schema)
}

pub(super) const V4: &[Operation] = &[
    get(RECORDS, "records", "The records of a zone", Shape::Page("Record")).query(FILTERS),
    post(RECORDS, "records", "Makes a record", one("Record"))
        .query(&[DRY_RUN])
        .body(Body::Json("NewRecord")),
    post(
        "/client/v4/zones/{zone_id}/dns_records/batch",
        "records",
        "Several changes, or none",
        one("Batched"),
    )
    .query(&[DRY_RUN])
    .body(Body::Json("Batch")),
    get(
        "/client/v4/zones/{zone_id}/dns_records/export",
        "records",
        "The zone as a master file",
        Shape::Plain("text/plain; charset=utf-8", "Text", None),
    ),
    post(
        "/client/v4/zones/{zone_id}/dns_records/import",
        "records",
        "Adds the records of a master file",
        one("Imported"),
    )
    .query(&[DRY_RUN])
    .body(Body::Form("File")),
    get(RECORD, "records", "One record", one("Record")),
    put(RECORD, "records", "Writes a record anew", one("Record"))
        .query(&[DRY_RUN])
        .body(Body::Json("NewRecord")),
    patch(RECORD, "records", "Changes parts of a record", one("Record"))
        .query(&[DRY_RUN])
        .body(Body::Json("RecordPatch")),
    delete(RECORD, "records", "Deletes a record", one("Deleted")).query(&[DRY_RUN]),
    get(SETTINGS, "records", "The DNS settings of a zone", one("DnsSettings")),
    patch(SETTINGS, "records", "Changes them", one("DnsSettings"))
        .query(&[DRY_RUN])
        .body(Body::Json("DnsSettingsPatch")),
    get(
        "/client/v4/zones/{zone_id}/pagerules",
        "records",
        "Page rules: there are none",
        Shape::List("Nothing"),
    ),
    get(FLATTENING, "records", "The older name of `flatten_all_cnames`", one("Flattening")),
    patch(FLATTENING, "records", "Changes it", one("Flattening"))
        .query(&[DRY_RUN])
        .body(Body::Json("FlatteningPatch")),
];

/// What a client may say of a record.
fn fields() -> serde_json::Value {
    some(&[
        ("name", text()),
        ("type", text()),
        ("content", text()),
        ("data", json!({ "type": "object" })),
        ("priority", json!({ "type": "integer", "minimum": 0, "maximum": 65_535 })),
        ("ttl", number()),
        ("proxied", flag()),
        ("comment", maybe_text()),
        ("tags", list(text())),
        ("settings", json!({ "type": "object" })),
    ])
}

pub(super) const SCHEMAS: Schemas = &[
    ("Record", || {
        let mut record = object(&[
            ("id", text()),
            ("zone_id", text()),
            ("zone_name", text()),
            ("name", text()),
            ("type", text()),
            ("content", text()),
            ("proxiable", flag()),
            ("proxied", flag()),
            ("ttl", number()),
            ("settings", json!({ "type": "object" })),
            ("meta", json!({ "type": "object" })),
            ("comment", maybe_text()),
            ("tags", list(text())),
            ("created_on", time()),
            ("modified_on", time()),
        ]);
        record["properties"]["priority"] = number();
        record["properties"]["data"] = json!({ "type": "object" });
        record["properties"]["comment_modified_on"] = time();
        record["properties"]["tags_modified_on"] = time();
        record
    }),
    ("NewRecord", || {
        let mut record = fields();
        record["required"] = json!(["name", "type"]);
        record
    }),
    ("RecordPatch", fields),
    ("Deleted", || object(&[("id", text())])),
    ("Batch", || {
        let named = |extra: &[&str]| {
            let mut record = fields();
            record["properties"]["id"] = text();
            record["required"] = json!([&["id"], extra].concat());
            list(record)
        };
        some(&[
            ("deletes", list(object(&[("id", text())]))),
            ("patches", named(&[])),
            ("puts", named(&["name", "type"])),
            ("posts", list(reference("NewRecord"))),
        ])
    }),
    ("Batched", || {
        let records = || list(reference("Record"));
        object(&[
            ("deletes", records()),
            ("patches", records()),
            ("puts", records()),
            ("posts", records()),
        ])
    }),
    ("File", || {
        let mut file = some(&[("file", text()), ("proxied", words(&["false", "true"]))]);
        file["required"] = json!(["file"]);
        file
    }),
    ("Imported", || object(&[("recs_added", number()), ("total_records_parsed", number())])),
    ("Soa", || {
        object(&[
            ("mname", or_null(text())),
            ("rname", text()),
            ("refresh", number()),
            ("retry", number()),
            ("expire", number()),
            ("min_ttl", number()),
            ("ttl", number()),
        ])
    }),
    ("DnsSettings", || {
        object(&[
            ("flatten_all_cnames", flag()),
            ("foundation_dns", flag()),
            ("multi_provider", flag()),
            ("nameservers", json!({ "type": "object" })),
            ("ns_ttl", number()),
            ("secondary_overrides", flag()),
            ("soa", reference("Soa")),
            ("zone_mode", text()),
        ])
    }),
    ("DnsSettingsPatch", || {
        some(&[
            ("flatten_all_cnames", flag()),
            ("multi_provider", flag()),
            ("ns_ttl", number()),
            ("soa", json!({ "type": "object" })),
        ])
    }),
    ("Flattening", || {
        object(&[
            ("id", text()),
            ("value", words(&["flatten_at_root", "flatten_all"])),
            ("editable", flag()),
            ("modified_on", maybe_text()),
        ])
    }),
    ("FlatteningPatch", || object(&[("value", words(&["flatten_at_root", "flatten_all"]))])),
];
