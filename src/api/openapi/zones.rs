//! The operations of accounts, zones and tokens, and their objects.

use serde_json::{Value, json};

use super::Body::Json;
use super::Shape::{List, One, Page};
use super::schemas::{
    Schemas, flag, list, maybe_text, number, object, or_null, some, text, time, words,
};
use super::{Kind, Operation, PAGE, PER_PAGE, Parameter, delete, get, patch, post, put};

const DIRECTION: Parameter =
    Parameter("direction", Kind::Words(&["asc", "desc"]), "From which end.");
const NAME: Parameter = Parameter("name", Kind::Text, "Of this name.");

const TOKENS: &str = "/client/v4/user/tokens";
const TOKEN: &str = "/client/v4/user/tokens/{token}";
const ACCOUNT_TOKENS: &str = "/client/v4/accounts/{account}/tokens";
const ACCOUNT_TOKEN: &str = "/client/v4/accounts/{account}/tokens/{token}";
const ACCOUNTS: &str = "/client/v4/accounts";
const ACCOUNT: &str = "/client/v4/accounts/{account}";
const ZONE_LIST: &str = "/client/v4/zones";
const ZONE: &str = "/client/v4/zones/{zone}";
const HOSTNAMES: &str = "/client/v4/zones/{zone}/custom_hostnames";
const HOSTNAME: &str = "/client/v4/zones/{zone}/custom_hostnames/{id}";
const ORIGIN: &str = "/client/v4/zones/{zone}/custom_hostnames/fallback_origin";
const HOLD: &str = "/client/v4/zones/{zone}/hold";

pub(super) const ZONES: &[Operation] = &[
    get(
        "/client/v4/user/tokens/permission_groups",
        "tokens",
        "What tokens can be for",
        List("Group"),
    ),
    get(TOKENS, "tokens", "Tokens of the account", Page("Token"))
        .query(&[PAGE, PER_PAGE, DIRECTION]),
    post(TOKENS, "tokens", "Make a narrower token", One(200, "Token")).body(Json("NewToken")),
    get(TOKEN, "tokens", "One token", One(200, "Token")),
    put(TOKEN, "tokens", "Say anew what a token is for", One(200, "Token"))
        .body(Json("TokenChange")),
    delete(TOKEN, "tokens", "End a token", One(200, "Id")),
    put(
        "/client/v4/user/tokens/{token}/value",
        "tokens",
        "Give a token a new secret",
        One(200, "Text"),
    ),
    get(ACCOUNT_TOKENS, "tokens", "Tokens of an account", Page("Token"))
        .query(&[PAGE, PER_PAGE, DIRECTION]),
    post(ACCOUNT_TOKENS, "tokens", "Make a narrower token of an account", One(200, "Token"))
        .body(Json("NewToken")),
    get(ACCOUNT_TOKEN, "tokens", "One token", One(200, "Token")),
    put(ACCOUNT_TOKEN, "tokens", "Say anew what a token of an account is for", One(200, "Token"))
        .body(Json("TokenChange")),
    put(
        "/client/v4/accounts/{account}/tokens/{token}/value",
        "tokens",
        "Give a token of an account a new secret",
        One(200, "Text"),
    ),
    delete(ACCOUNT_TOKEN, "tokens", "End a token of an account", One(200, "Id")),
    get(ACCOUNTS, "accounts", "Accounts one may see", Page("Account"))
        .query(&[NAME, PAGE, PER_PAGE, DIRECTION]),
    post(ACCOUNTS, "accounts", "Make an account", One(201, "Account")).body(Json("NewAccount")),
    get(ACCOUNT, "accounts", "One account", One(200, "Account")),
    put(ACCOUNT, "accounts", "Rename it", One(200, "Account")).body(Json("NewAccount")),
    patch(ACCOUNT, "accounts", "Rename it", One(200, "Account")).body(Json("NewAccount")),
    delete(ACCOUNT, "accounts", "Delete it with its zones and tokens", One(200, "Id")),
    get(ZONE_LIST, "zones", "Zones one may see", Page("Zone")).query(&[
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
    post(ZONE_LIST, "zones", "Claim a zone", One(200, "Zone")).body(Json("NewZone")),
    get(ZONE, "zones", "One zone", One(200, "Zone")),
    patch(ZONE, "zones", "Change one property", One(200, "Zone")).body(Json("ZoneChange")),
    delete(ZONE, "zones", "Delete it", One(200, "Id")),
    put(
        "/client/v4/zones/{zone}/activation_check",
        "zones",
        "Look for its proof now",
        One(200, "Id"),
    ),
    get(HOSTNAMES, "hostnames", "Custom hostnames", Page("Hostname")).query(&[
        Parameter("id", Kind::Text, "Of this id."),
        Parameter("hostname", Kind::Text, "Of this name."),
        Parameter("hostname.contain", Kind::Text, "With this in the name."),
        Parameter("hostname_status", Kind::Text, "Of this status."),
        PAGE,
        PER_PAGE,
        DIRECTION,
    ]),
    post(HOSTNAMES, "hostnames", "Let a hostname in once that is proved", One(201, "Hostname"))
        .body(Json("NewHostname")),
    get(
        "/client/v4/zones/{zone}/custom_hostnames/quota",
        "hostnames",
        "How many there may be",
        One(200, "Quota"),
    ),
    get(HOSTNAME, "hostnames", "One custom hostname", One(200, "Hostname")),
    patch(HOSTNAME, "hostnames", "Check it again from the beginning", One(202, "Hostname"))
        .body(Json("Document")),
    delete(HOSTNAME, "hostnames", "Take it back", One(200, "Id")),
    get(ORIGIN, "hostnames", "What custom hostnames lead to", One(200, "Origin")),
    put(ORIGIN, "hostnames", "Set what custom hostnames lead to", One(200, "Origin"))
        .body(Json("NewOrigin")),
    delete(ORIGIN, "hostnames", "Take the fallback origin away", One(200, "Origin")),
    get(HOLD, "hold", "Whether the zone is held", One(200, "Hold")),
    post(HOLD, "hold", "Hold the zone", One(200, "Hold")).query(&[Parameter(
        "include_subdomains",
        Kind::Flag,
        "And the names below it.",
    )]),
    patch(HOLD, "hold", "Change the hold", One(200, "Hold")).body(Json("HoldChange")),
    delete(HOLD, "hold", "Release it", One(200, "Hold")).query(&[Parameter(
        "hold_after",
        Kind::Text,
        "Until this time only.",
    )]),
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
    ("NewToken", new_token),
    ("TokenChange", || {
        let mut token = new_token();
        token["properties"]["status"] = words(&["active", "disabled"]);
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
            ("type", words(&["full", "partial"])),
            ("cname_suffix", maybe_text()),
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
        zone["properties"]["type"] = words(&["full", "partial"]);
        zone
    }),
    ("ZoneChange", || some(&[("paused", flag()), ("type", words(&["full", "partial"]))])),
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

fn new_token() -> Value {
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
}

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
