//! `custom_hostnames/fallback_origin` and `hold`: what a zone's custom hostnames lead to, and whom it keeps out.

use axum::Router;
use axum::extract::{Json, Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::{Value, json};

use super::body::Sent;
use super::envelope::Answer;
use super::error::ApiError;
use super::hostnames::{active, error, still};
use super::page::Params;
use super::{Api, Caller, found};
use crate::base::name::Name;
use crate::base::time::UnixTime;
use crate::hostname::fallback::FallbackOrigin;
use crate::hostname::hold::{Event, Hold};
use crate::store::state::scope::Verb;

pub fn routes() -> Router<Api> {
    Router::new()
        .route("/zones/{zone}/custom_hostnames/fallback_origin", get(show).put(set).delete(remove))
        .route("/zones/{zone}/hold", get(hold).post(place).patch(change).delete(release))
}

fn object(origin: &FallbackOrigin) -> Value {
    json!({
        "origin": origin.origin.to_string(),
        "status": origin.status.word(),
        "errors": [],
        "created_at": origin.created_at.to_string(),
        "updated_at": origin.updated_at.to_string(),
    })
}

async fn show(State(api): State<Api>, caller: Caller, Path(zone): Path<String>) -> Answer {
    let zone = caller.zone(&zone, Verb::Read)?;
    let number = zone.id;
    let origin = api.read(move |store| store.fallback(number)).await?;
    let none = || ApiError::new(StatusCode::NOT_FOUND, 1551, "The zone has no fallback origin.");
    found(object(&origin.ok_or_else(none)?))
}

async fn set(
    State(api): State<Api>,
    caller: Caller,
    Path(zone): Path<String>,
    wanted: Sent,
) -> Answer {
    let zone = caller.zone(&zone, Verb::Grants)?;
    let apex = active(&zone)?;
    let Json(body) = wanted.map_err(|e| ApiError::bad(1400, e.body_text()))?;
    let text = body["origin"].as_str().filter(|text| text.len() <= 255 && text.is_ascii());
    let origin = text.and_then(|text| Name::from_text(text).ok());
    let origin = origin.ok_or_else(|| ApiError::bad(1415, "The origin is no hostname."))?;
    let actor = caller.actor();
    let set = api.change(move |world, now| {
        still(world, &apex, &zone)?;
        world.set_fallback_origin(&apex, origin, &actor, now).map_err(error)
    });
    found(object(&set.await?))
}

async fn remove(State(api): State<Api>, caller: Caller, Path(zone): Path<String>) -> Answer {
    let zone = caller.zone(&zone, Verb::Grants)?;
    let (number, actor) = (zone.id, caller.actor());
    let removed = api.change(move |world, now| {
        world.remove_fallback_origin(number, &actor, now).map_err(|e| match e {
            crate::control::registrar::RequestError::Unknown => {
                ApiError::new(StatusCode::NOT_FOUND, 1551, "The zone has no fallback origin.")
            }
            other => error(other),
        })
    });
    found(object(&removed.await?))
}

fn shown(hold: Option<&Hold>, now: UnixTime) -> Value {
    let after = hold.and_then(|hold| hold.after).map(|at| at.to_string());
    json!({
        "hold": hold.is_some_and(|hold| hold.is_in_force(now)),
        "hold_after": after.unwrap_or_default(),
        // A text in the schema that clients were made from.
        "include_subdomains": hold.is_some_and(|hold| hold.include_subdomains).to_string(),
    })
}

async fn hold(State(api): State<Api>, caller: Caller, Path(zone): Path<String>) -> Answer {
    let zone = caller.zone(&zone, Verb::Read)?;
    let number = zone.id;
    let hold = api.read(move |store| store.hold(number)).await?;
    found(shown(hold.as_ref(), caller.now))
}

/// Does something to the hold of an active zone.
async fn apply(api: Api, caller: Caller, zone: &str, event: Event) -> Answer {
    let zone = caller.zone(zone, Verb::Holds)?;
    let apex = active(&zone)?;
    let actor = caller.actor();
    let changed = api.change(move |world, now| {
        still(world, &apex, &zone)?;
        world.change_hold(&apex, event, &actor, now).map_err(error)
    });
    found(shown(changed.await?.as_ref(), caller.now))
}

async fn place(
    State(api): State<Api>,
    caller: Caller,
    Path(zone): Path<String>,
    params: Params,
) -> Answer {
    let include_subdomains = params.flag("include_subdomains")?.unwrap_or(false);
    apply(api, caller, &zone, Event::Set { include_subdomains }).await
}

async fn change(
    State(api): State<Api>,
    caller: Caller,
    Path(zone): Path<String>,
    wanted: Sent,
) -> Answer {
    let Json(body) = wanted.map_err(|e| ApiError::body(e.body_text()))?;
    let include_subdomains = match &body["include_subdomains"] {
        Value::Null => None,
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text == "true" || text == "false" => Some(text == "true"),
        _ => return Err(ApiError::body("include_subdomains is true or false")),
    };
    let after = match &body["hold_after"] {
        Value::Null => None,
        // At once.
        Value::String(text) if text.is_empty() => Some(caller.now),
        Value::String(text) => Some(time(text)?),
        _ => return Err(ApiError::body("hold_after is a time")),
    };
    apply(api, caller, &zone, Event::Change { include_subdomains, after }).await
}

async fn release(
    State(api): State<Api>,
    caller: Caller,
    Path(zone): Path<String>,
    params: Params,
) -> Answer {
    let after = params.get("hold_after").map(time).transpose()?;
    apply(api, caller, &zone, Event::Release { after }).await
}

fn time(text: &str) -> Result<UnixTime, ApiError> {
    UnixTime::from_text(text)
        .ok_or_else(|| ApiError::bad(1004, "A time looks like 2026-11-21T05:04:33Z (RFC 3339)"))
}
