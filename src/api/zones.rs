//! `zones`: listed out of the directory, made and deleted by jobs; what is not proved is pending.

use axum::Router;
use axum::extract::{Json, Path, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use serde_json::{Value, json};

use super::body::Sent;
use super::envelope::{Answer, Reply};
use super::error::ApiError;
use super::page::Params;
use super::zone_filter::Filter;
use super::{Api, Caller, Zone, accounts, found};
use crate::base::name::Name;
use crate::base::rtype;
use crate::base::time::UnixTime;
use crate::control::directory::{Rows, ZoneRow};
use crate::control::world::Now;
use crate::control::world::claims::{ClaimError, NewZone};
use crate::policy::claims::Status;
use crate::store::state::scope::Verb;

/// Names of such a zone are served below a suffix of the operator's.
const PARTIAL: &str = "partial";

pub fn routes() -> Router<Api> {
    Router::new()
        .route("/zones", get(list).post(create))
        .route("/zones/{zone}", get(show).patch(patch).delete(delete))
        .route("/zones/{zone}/activation_check", put(check))
}

/// The status of a zone, as the API calls it.
pub fn status(zone: &ZoneRow) -> &'static str {
    zone.claim.as_ref().map_or(Status::Active, |claim| claim.status).word()
}

/// The type of a zone. What it would be by the config is nobody's business before it is somebody's.
pub fn kind(rows: &Rows, zone: &ZoneRow) -> &'static str {
    match status(zone) == Status::Active.word() && rows.partial.contains_key(&zone.name) {
        true => PARTIAL,
        false => "full",
    }
}

/// The object of the API.
pub fn object(api: &Api, rows: &Rows, zone: &ZoneRow) -> Value {
    let account = rows.account(zone.account);
    let account_id = api.ids.account(zone.account);
    let account_name = account.map(|row| accounts::title(row)).unwrap_or_default();
    let claim = zone.claim.as_deref();
    let created = claim.map(|c| c.created_at).or(account.map(|a| a.created_at));
    let created = created.unwrap_or_default();
    let time = |at: Option<UnixTime>| at.map(|at| at.to_string());
    let servers: Vec<String> = match claim {
        Some(claim) => claim.nameservers.iter().map(ToString::to_string).collect(),
        None => own_nameservers(api, zone),
    };
    let verification = claim.map(|claim| {
        json!({
            "txt_name": claim.txt_name().map(|name| name.to_string()),
            "txt_value": claim.token,
            "proof": claim.proof.map(|proof| proof.word()),
            "checked_at": time(claim.checked_at),
            "next_check_at": time(claim.next_check_at),
            "checks": claim.checks,
            "saw": claim.saw,
        })
    });
    let kind = kind(rows, zone);
    let suffix = rows.partial.get(&zone.name).filter(|_| kind == PARTIAL);
    json!({
        "id": api.ids.zone(zone.id),
        "name": &*zone.name,
        "status": status(zone),
        "paused": claim.is_some_and(|c| c.paused),
        "type": kind,
        "cname_suffix": suffix,
        "development_mode": 0,
        "name_servers": servers,
        "original_name_servers": null,
        "original_registrar": null,
        "original_dnshost": null,
        "created_on": created.to_string(),
        "modified_on": claim.map_or(created, |c| c.modified_at).to_string(),
        "activated_on": match claim {
            Some(claim) => time(claim.activated_at),
            None => Some(created.to_string()),
        },
        "account": { "id": account_id, "name": account_name },
        "owner": { "id": account_id, "type": "organization", "name": account_name },
        "plan": {
            "id": "0feeeeeeeeeeeeeeeeeeeeeeeeeeeeee", "name": "Free Website", "price": 0,
            "currency": "USD", "frequency": "", "is_subscribed": false, "can_subscribe": false,
            "legacy_id": "free", "legacy_discount": false, "externally_managed": false,
        },
        "permissions": ["#dns_records:read", "#dns_records:edit", "#zone:read", "#zone:edit"],
        "meta": {
            "step": 4, "page_rule_quota": 0, "custom_certificate_quota": 0,
            "phishing_detected": false, "cdn_only": false, "dns_only": true,
            "foundation_dns": false,
        },
        "tenant": { "id": null, "name": null },
        "tenant_unit": { "id": null },
        "vanity_name_servers": [],
        "verification_key": claim.map(|c| c.token.clone()),
        "verification": verification,
        "source": if claim.is_some() { "api" } else { "file" },
    })
}

/// The names at the apex of a zone whose file says so.
fn own_nameservers(api: &Api, zone: &ZoneRow) -> Vec<String> {
    let snapshot = api.published.load();
    let Ok(apex) = Name::from_text(&zone.name) else { return Vec::new() };
    let served = snapshot.catalog.zone_at(&apex).filter(|z| z.id == zone.id && z.data.is_ready());
    let node = served.and_then(|served| served.data.apex_node());
    let mut names = Vec::new();
    if let Some(set) = node.and_then(|node| node.rrset(rtype::NS)) {
        set.expanded(apex.as_wire(), |rdata| {
            names.extend(Name::from_wire(rdata).map(|name| name.to_string()));
        });
    }
    names
}

async fn list(State(api): State<Api>, caller: Caller, params: Params) -> Answer {
    caller.may(Verb::Read)?;
    let page = params.page(5..=50, 20)?;
    let filter = Filter::read(&api, &params)?;
    // With conditions it is a look at all zones that the caller may see.
    let listed = tokio::task::spawn_blocking(move || {
        let rows = api.directory.rows();
        let (items, all) = filter.page(&rows, &caller, &page);
        let items = items.iter().map(|zone| object(&api, &rows, zone)).collect();
        Reply::page(items, &page, all)
    });
    listed.await.map_err(|_| ApiError::internal())
}

async fn show(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Answer {
    let zone = caller.zone(&id, Verb::Read)?;
    answer(&api, &zone)
}

fn answer(api: &Api, zone: &Zone) -> Answer {
    let rows = api.directory.rows();
    let zone = rows.zone(zone.id).unwrap_or(zone);
    found(object(api, &rows, zone))
}

async fn create(State(api): State<Api>, caller: Caller, wanted: Sent) -> Answer {
    let Json(wanted) = wanted.map_err(|e| ApiError::body(e.body_text()))?;
    let name = wanted["name"].as_str().ok_or_else(|| ApiError::body("name is missing"))?;
    let account = match (wanted["account"]["id"].as_str(), caller.token.account) {
        (Some(id), _) => caller.account(id, Verb::Zones)?.id,
        (None, Some(own)) => {
            caller.may(Verb::Zones)?;
            own
        }
        (None, None) => return Err(ApiError::body("account.id is missing")),
    };
    if caller.token.scope.zones.is_some() {
        // It is for some zones, of which this is none.
        return Err(ApiError::forbidden());
    }
    let apex = Name::from_text(name).ok().filter(|_| name.is_ascii() && !name.contains('\\'));
    let apex = apex.ok_or_else(|| ApiError::bad(1049, format!("{name:?} is not a domain name")))?;
    match &wanted["type"] {
        Value::Null => {}
        Value::String(kind) if kind == "full" => {}
        Value::String(kind) if kind == PARTIAL && is_partial_for(&api, &caller, &apex) => {}
        _ => return Err(no_such_type()),
    }
    let asserted = caller.is_operator();
    if !asserted {
        let counted = api.limiter.look(None, account, Now::read().at);
        counted.map_err(ApiError::too_many_looks)?;
    }
    let new = NewZone { apex, account, asserted, actor: caller.actor() };
    let claim = api.change(move |world, now| world.claim_zone(&new, now).map_err(error)).await?;
    let rows = api.directory.rows();
    let zone = rows.zone(claim.zone).ok_or_else(ApiError::internal)?;
    found(object(&api, &rows, zone))
}

/// A tenant's zone is full until it is proved, whatever the config says of its name.
fn is_partial_for(api: &Api, caller: &Caller, apex: &Name) -> bool {
    caller.is_operator() && api.directory.rows().partial.contains_key(&*apex.to_string())
}

fn no_such_type() -> ApiError {
    let text = "type is \"full\", or what it is already: a zone is partial where the operator's config says so \
                ([zones.\"NAME\"] type = \"partial\"), and then an operator makes it as such";
    ApiError::bad(1004, text)
}

async fn check(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Answer {
    let zone = caller.zone(&id, Verb::Zones)?;
    let number = zone.id;
    let counted = api.limiter.look(Some(number), zone.account, Now::read().at);
    counted.map_err(ApiError::too_many_looks)?;
    let checked = api.change(move |world, now| {
        match world.check_zone(number, now) {
            // What a file says needs no check.
            Err(ClaimError::FromFile(_)) => Ok(()),
            other => other.map_err(error),
        }
    });
    checked.await?;
    found(json!({ "id": id }))
}

async fn patch(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    wanted: Sent,
) -> Answer {
    let zone = caller.zone(&id, Verb::Zones)?;
    let Json(wanted) = wanted.map_err(|e| ApiError::body(e.body_text()))?;
    let wanted = wanted.as_object().ok_or_else(|| ApiError::body("it is no object"))?;
    let [(key, value)] = &wanted.iter().collect::<Vec<_>>()[..] else {
        return Err(ApiError::body("one property is changed at a time: paused or type"));
    };
    match (key.as_str(), value) {
        ("paused", Value::Bool(paused)) => {
            let (number, paused, actor) = (zone.id, *paused, caller.actor());
            api.change(move |world, now| {
                world.pause_zone(number, paused, &actor, now).map_err(error)
            })
            .await?;
        }
        ("type", Value::String(wanted)) if wanted == kind(&api.directory.rows(), &zone) => {}
        ("type", _) => return Err(no_such_type()),
        ("vanity_name_servers", Value::Array(names)) if names.is_empty() => {}
        _ => return Err(ApiError::bad(1004, format!("{key} cannot be changed to that"))),
    }
    answer(&api, &zone)
}

async fn delete(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Answer {
    let zone = caller.zone(&id, Verb::Zones)?;
    let (number, actor) = (zone.id, caller.actor());
    api.change(move |world, now| world.delete_zone(number, &actor, now).map_err(error)).await?;
    found(json!({ "id": id }))
}

/// How a refused claim looks.
fn error(error: ClaimError) -> ApiError {
    let text = error.to_string();
    match error {
        ClaimError::Unknown => ApiError::unknown("zone"),
        ClaimError::Exists(_) => ApiError::bad(1061, text),
        ClaimError::Invalid(_) => ApiError::bad(1049, text),
        ClaimError::PublicSuffix(_) => ApiError::bad(1099, text),
        ClaimError::Held => ApiError::bad(1224, text),
        ClaimError::TooMany => ApiError::bad(1105, text),
        ClaimError::FromFile(_) => ApiError::new(StatusCode::CONFLICT, 1224, text),
        ClaimError::Refused(_) => ApiError::new(StatusCode::CONFLICT, 1116, text),
        ClaimError::Store(why) => ApiError::unavailable(&why),
    }
}
