//! The operations of accounts, zones and tokens, and their objects.

use serde_json::{Value, json};

use super::schemas::{
    Schemas, flag, list, maybe_text, number, object, or_null, some, text, time, words,
};
use super::{
    Body, DELETE, GET, Kind, Operation, PAGE, PATCH, PER_PAGE, POST, PUT, Parameter, Shape,
};

const DIRECTION: Parameter =
    Parameter("direction", Kind::Words(&["asc", "desc"]), "From which end.");
const NAME: Parameter = Parameter("name", Kind::Text, "Of this name.");

const fn get(
    path: &'static str,
    tag: &'static str,
    summary: &'static str,
    answer: Shape,
) -> Operation {
    Operation::new(GET, path, tag, summary, answer)
}

pub(super) const ZONES: &[Operation] = &[
    get(
        "/client/v4/user/tokens/permission_groups",
        "tokens",
        "What tokens can be for",
        Shape::List("Group"),
    ),
    get("/client/v4/user/tokens", "tokens", "Tokens of the account", Shape::Page("Token"))
        .query(&[PAGE, PER_PAGE, DIRECTION]),
    Operation::new(
        POST,
        "/client/v4/user/tokens",
        "tokens",
        "Make a narrower token",
        Shape::One(200, "Token"),
    )
    .body(Body::Json("NewToken")),
    get("/client/v4/user/tokens/{token}", "tokens", "One token", Shape::One(200, "Token")),
    Operation::new(
        DELETE,
        "/client/v4/user/tokens/{token}",
        "tokens",
        "End a token",
        Shape::One(200, "Id"),
    ),
    Operation::new(
        PUT,
        "/client/v4/user/tokens/{token}/value",
        "tokens",
        "Give a token a new secret",
        Shape::One(200, "Text"),
    ),
    get(
        "/client/v4/accounts/{account}/tokens",
        "tokens",
        "Tokens of an account",
        Shape::Page("Token"),
    )
    .query(&[PAGE, PER_PAGE, DIRECTION]),
    Operation::new(
        POST,
        "/client/v4/accounts/{account}/tokens",
        "tokens",
        "Make a narrower token of an account",
        Shape::One(200, "Token"),
    )
    .body(Body::Json("NewToken")),
    get(
        "/client/v4/accounts/{account}/tokens/{token}",
        "tokens",
        "One token",
        Shape::One(200, "Token"),
    ),
    Operation::new(
        DELETE,
        "/client/v4/accounts/{account}/tokens/{token}",
        "tokens",
        "End a token of an account",
        Shape::One(200, "Id"),
    ),
    get("/client/v4/accounts", "accounts", "Accounts one may see", Shape::Page("Account"))
        .query(&[NAME, PAGE, PER_PAGE, DIRECTION]),
    Operation::new(
        POST,
        "/client/v4/accounts",
        "accounts",
        "Make an account",
        Shape::One(201, "Account"),
    )
    .body(Body::Json("NewAccount")),
    get("/client/v4/accounts/{account}", "accounts", "One account", Shape::One(200, "Account")),
    Operation::new(
        PUT,
        "/client/v4/accounts/{account}",
        "accounts",
        "Rename it",
        Shape::One(200, "Account"),
    )
    .body(Body::Json("NewAccount")),
    Operation::new(
        PATCH,
        "/client/v4/accounts/{account}",
        "accounts",
        "Rename it",
        Shape::One(200, "Account"),
    )
    .body(Body::Json("NewAccount")),
    Operation::new(
        DELETE,
        "/client/v4/accounts/{account}",
        "accounts",
        "Delete it with its zones and tokens",
        Shape::One(200, "Id"),
    ),
    get("/client/v4/zones", "zones", "Zones one may see", Shape::Page("Zone")).query(&[
        NAME,
        Parameter("account.id", Kind::Text, "Of this account."),
        Parameter("account.name", Kind::Text, "Of an account so called."),
        Parameter("status", Kind::Words(&["pending", "active", "moved"]), "Of this status."),
        Parameter("type", Kind::Text, "Of these types, with commas."),
        Parameter(
            "order",
            Kind::Words(&["name", "status", "account.id", "account.name", "plan.id"]),
            "Ordered by this.",
        ),
        Parameter("match", Kind::Words(&["all", "any"]), "Whether all filters have to hold."),
        PAGE,
        PER_PAGE,
        DIRECTION,
    ]),
    Operation::new(POST, "/client/v4/zones", "zones", "Claim a zone", Shape::One(200, "Zone"))
        .body(Body::Json("NewZone")),
    get("/client/v4/zones/{zone}", "zones", "One zone", Shape::One(200, "Zone")),
    Operation::new(
        PATCH,
        "/client/v4/zones/{zone}",
        "zones",
        "Change one property",
        Shape::One(200, "Zone"),
    )
    .body(Body::Json("ZoneChange")),
    Operation::new(DELETE, "/client/v4/zones/{zone}", "zones", "Delete it", Shape::One(200, "Id")),
    Operation::new(
        PUT,
        "/client/v4/zones/{zone}/activation_check",
        "zones",
        "Look for its proof now",
        Shape::One(200, "Id"),
    ),
    get(
        "/client/v4/zones/{zone}/custom_hostnames",
        "hostnames",
        "Custom hostnames",
        Shape::Page("Hostname"),
    )
    .query(&[
        Parameter("id", Kind::Text, "Of this id."),
        Parameter("hostname", Kind::Text, "Of this name."),
        Parameter("hostname.contain", Kind::Text, "With this in the name."),
        Parameter("hostname_status", Kind::Text, "Of this status."),
        PAGE,
        PER_PAGE,
        DIRECTION,
    ]),
    Operation::new(
        POST,
        "/client/v4/zones/{zone}/custom_hostnames",
        "hostnames",
        "Let a hostname in once that is proved",
        Shape::One(201, "Hostname"),
    )
    .body(Body::Json("NewHostname")),
    get(
        "/client/v4/zones/{zone}/custom_hostnames/quota",
        "hostnames",
        "How many there may be",
        Shape::One(200, "Quota"),
    ),
    get(
        "/client/v4/zones/{zone}/custom_hostnames/{id}",
        "hostnames",
        "One custom hostname",
        Shape::One(200, "Hostname"),
    ),
    Operation::new(
        PATCH,
        "/client/v4/zones/{zone}/custom_hostnames/{id}",
        "hostnames",
        "Check it again from the beginning",
        Shape::One(202, "Hostname"),
    )
    .body(Body::Json("Document")),
    Operation::new(
        DELETE,
        "/client/v4/zones/{zone}/custom_hostnames/{id}",
        "hostnames",
        "Take it back",
        Shape::One(200, "Id"),
    ),
    get(
        "/client/v4/zones/{zone}/custom_hostnames/fallback_origin",
        "hostnames",
        "What custom hostnames lead to",
        Shape::One(200, "Origin"),
    ),
    Operation::new(
        PUT,
        "/client/v4/zones/{zone}/custom_hostnames/fallback_origin",
        "hostnames",
        "Set what custom hostnames lead to",
        Shape::One(200, "Origin"),
    )
    .body(Body::Json("NewOrigin")),
    Operation::new(
        DELETE,
        "/client/v4/zones/{zone}/custom_hostnames/fallback_origin",
        "hostnames",
        "Take the fallback origin away",
        Shape::One(200, "Origin"),
    ),
    get(
        "/client/v4/zones/{zone}/hold",
        "hold",
        "Whether the zone is held",
        Shape::One(200, "Hold"),
    ),
    Operation::new(
        POST,
        "/client/v4/zones/{zone}/hold",
        "hold",
        "Hold the zone",
        Shape::One(200, "Hold"),
    )
    .query(&[Parameter("include_subdomains", Kind::Flag, "And the names below it.")]),
    Operation::new(
        PATCH,
        "/client/v4/zones/{zone}/hold",
        "hold",
        "Change the hold",
        Shape::One(200, "Hold"),
    )
    .body(Body::Json("HoldChange")),
    Operation::new(
        DELETE,
        "/client/v4/zones/{zone}/hold",
        "hold",
        "Release it",
        Shape::One(200, "Hold"),
    )
    .query(&[Parameter("hold_after", Kind::Text, "Until this time only.")]),
];

fn named() -> Value {
    object(&[("id", text()), ("name", text())])
}

pub(super) const SCHEMAS: Schemas = &[
    ("Id", || object(&[("id", text())])),
    ("Group", || object(&[("id", text()), ("name", text()), ("scopes", list(text()))])),
    ("Token", || {
        let mut token = object(&[
            ("id", text()),
            ("name", text()),
            ("status", words(&["active", "disabled", "expired"])),
            ("issued_on", time()),
            ("modified_on", time()),
            ("not_before", or_null(time())),
            ("expires_on", or_null(time())),
            ("policies", list(json!({ "type": "object" }))),
            ("condition", json!({ "type": "object" })),
        ]);
        token["properties"]["value"] = text();
        token
    }),
    ("NewToken", || {
        let group = some(&[("id", text()), ("name", text())]);
        let policy = object(&[
            ("effect", words(&["allow"])),
            ("permission_groups", list(group)),
            ("resources", json!({ "type": "object" })),
        ]);
        let mut token = object(&[("name", text()), ("policies", list(policy))]);
        token["properties"]["not_before"] = time();
        token["properties"]["expires_on"] = time();
        let addresses = some(&[("in", list(text())), ("not_in", list(text()))]);
        token["properties"]["condition"] = some(&[("request_ip", addresses)]);
        token
    }),
    ("Account", || {
        object(&[
            ("id", text()),
            ("name", text()),
            ("folder", text()),
            ("type", words(&["standard"])),
            ("settings", json!({ "type": "object" })),
            ("created_on", time()),
        ])
    }),
    ("NewAccount", || object(&[("name", text())])),
    ("Zone", || {
        object(&[
            ("id", text()),
            ("name", text()),
            ("status", words(&["pending", "active", "moved"])),
            ("paused", flag()),
            ("type", words(&["full"])),
            ("development_mode", number()),
            ("name_servers", list(text())),
            ("created_on", time()),
            ("modified_on", time()),
            ("activated_on", or_null(time())),
            ("account", named()),
            ("owner", named()),
            ("verification_key", maybe_text()),
            ("verification", or_null(verification())),
            ("source", words(&["api", "file"])),
        ])
    }),
    ("NewZone", || {
        let mut zone = object(&[("name", text())]);
        zone["properties"]["account"] = some(&[("id", text())]);
        zone["properties"]["type"] = words(&["full"]);
        zone
    }),
    ("ZoneChange", || some(&[("paused", flag()), ("type", words(&["full"]))])),
    ("Hostname", hostname),
    ("NewHostname", || object(&[("hostname", text())])),
    ("Quota", || {
        object(&[
            ("allocated", number()),
            ("used", number()),
            ("exceeded", flag()),
            ("hard_cap", flag()),
        ])
    }),
    ("Origin", || {
        object(&[
            ("origin", text()),
            ("status", text()),
            ("errors", list(text())),
            ("created_at", time()),
            ("updated_at", time()),
        ])
    }),
    ("NewOrigin", || object(&[("origin", text())])),
    ("Hold", || {
        object(&[("hold", flag()), ("hold_after", text()), ("include_subdomains", text())])
    }),
    ("HoldChange", || some(&[("include_subdomains", flag()), ("hold_after", text())])),
];

fn hostname() -> Value {
    object(&[
        ("id", text()),
        ("hostname", text()),
        ("status", text()),
        ("verification_errors", list(text())),
        ("ownership_verification", json!({ "type": ["object", "null"] })),
        ("ownership_verification_http", json!({ "type": ["object", "null"] })),
        ("created_at", time()),
        ("attempts", number()),
        ("next_check_at", or_null(time())),
        ("last_check", json!({ "type": ["object", "null"] })),
    ])
}

fn verification() -> Value {
    object(&[
        ("txt_name", maybe_text()),
        ("txt_value", text()),
        ("proof", or_null(words(&["operator", "nameservers", "txt"]))),
        ("checked_at", or_null(time())),
        ("next_check_at", or_null(time())),
        ("checks", number()),
        ("saw", text()),
    ])
}
