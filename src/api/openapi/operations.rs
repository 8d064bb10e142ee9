//! The operations of `/api/v1`, and those without a token.

use super::{Body, DRY_RUN, Kind, Operation, PAGE, PER_PAGE, Parameter, Shape, get, patch, post};

const ACCOUNT: Parameter = Parameter("account_id", Kind::Id, "Of which account; for operators.");
const ZONE: Parameter = Parameter("zone_id", Kind::Id, "Of which zone.");

pub(super) const OWN: &[Operation] = &[
    get(
        "/healthz",
        "health",
        "Whether the process lives",
        Shape::Plain("text/plain; charset=utf-8", "Text", None),
    )
    .open(),
    get(
        "/readyz",
        "health",
        "Whether questions are answered",
        Shape::Plain("application/json", "Ready", Some(503)),
    )
    .open(),
    get(
        "/metrics",
        "health",
        "Figures for Prometheus",
        Shape::Plain("text/plain; version=0.0.4; charset=utf-8", "Text", None),
    )
    .open(),
    get(
        "/openapi.json",
        "health",
        "This document",
        Shape::Plain("application/json", "Document", None),
    )
    .open(),
    get(
        "/api/v1/whoami",
        "own",
        "What the token is and what may be done with it",
        Shape::One(200, "Whoami"),
    ),
    get(
        "/api/v1/explain",
        "own",
        "The decision trace of one question",
        Shape::One(200, "Explanation"),
    )
    .query(&[
        Parameter("name", Kind::Text, "The name asked for; in a zone of one's own."),
        Parameter("type", Kind::Text, "The type asked for; A without it."),
    ]),
    get(
        "/api/v1/violations",
        "own",
        "Denied edges that were asked for, newest first",
        Shape::Page("Violation"),
    )
    .query(&[
        Parameter(
            "side",
            Kind::Words(&["owner", "target"]),
            "Names of one's own that lead elsewhere, or names of others that lead here.",
        ),
        ACCOUNT,
        ZONE,
        PAGE,
        PER_PAGE,
    ]),
    get(
        "/api/v1/requests",
        "own",
        "Stored names that lead into one's zones and are not let in",
        Shape::Page("Request"),
    )
    .query(&[ACCOUNT, ZONE, PAGE, PER_PAGE]),
    post(
        "/api/v1/requests",
        "own",
        "Makes a custom hostname of a request, pending until it is proved",
        Shape::One(201, "MadeHostname"),
    )
    .query(&[DRY_RUN])
    .body(Body::Json("WantedHostname")),
    get(
        "/api/v1/audit",
        "own",
        "What was done and by whom, newest first",
        Shape::List("AuditEntry"),
    )
    .query(&[
        ACCOUNT,
        Parameter("hostname_id", Kind::Text, "Of one custom hostname."),
        Parameter("before", Kind::Number, "Only entries with a lower id."),
        PER_PAGE,
    ]),
    get("/api/v1/held", "own", "Edits that remove so much that they wait", Shape::Page("Held"))
        .query(&[ACCOUNT, PAGE, PER_PAGE]),
    post(
        "/api/v1/held/{zone_id}/accept",
        "own",
        "Lets in what is held for a zone",
        Shape::One(200, "Accepted"),
    )
    .query(&[DRY_RUN]),
    post(
        "/api/v1/reload",
        "own",
        "Reads the config and all zone files again",
        Shape::One(200, "Reloaded"),
    ),
    get(
        "/api/v1/snapshots",
        "own",
        "The versions of a zone, newest first",
        Shape::Page("Snapshot"),
    )
    .query(&[ZONE, PAGE, PER_PAGE]),
    get(
        "/api/v1/snapshots/{zone_id}/{serial}/diff",
        "own",
        "What a rollback to a version would change",
        Shape::One(200, "Diff"),
    ),
    post(
        "/api/v1/snapshots/{zone_id}/{serial}/rollback",
        "own",
        "Takes the records of a zone back to a version, by a write like others",
        Shape::One(200, "RolledBack"),
    )
    .query(&[DRY_RUN]),
    get(
        "/api/v1/zones/{zone_id}/policy_report",
        "own",
        "What all chains of a zone would meet",
        Shape::One(200, "PolicyReport"),
    ),
    get(
        "/api/v1/zones/{zone_id}/settings",
        "own",
        "Settings of a zone that is active, and where each comes from",
        Shape::One(200, "ZoneSettings"),
    ),
    patch(
        "/api/v1/zones/{zone_id}/settings",
        "own",
        "Change some of them; each needs its own permission",
        Shape::One(200, "ZoneSettings"),
    )
    .query(&[DRY_RUN])
    .body(Body::Json("ZoneSettingsChange")),
    get(
        "/api/v1/accounts/{account_id}/settings",
        "own",
        "Whom an account trusts",
        Shape::One(200, "AccountSettings"),
    ),
    patch(
        "/api/v1/accounts/{account_id}/settings",
        "own",
        "Say whom an account trusts, beside those that the config names",
        Shape::One(200, "AccountSettings"),
    )
    .query(&[DRY_RUN])
    .body(Body::Json("AccountSettingsChange")),
];
