//! `custom_hostnames`: what a provider asks for, and how it stands; decided by what the command line calls.

use axum::Router;
use axum::extract::{Json, Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::{Value, json};

use super::body::Sent;
use super::envelope::{Answer, Reply};
use super::error::ApiError;
use super::page::Params;
use super::{Api, Caller, Zone, found};
use crate::base::name::Name;
use crate::base::uuid::Uuid;
use crate::control::registrar::RequestError;
use crate::control::world::World;
use crate::hostname::object::{CustomHostname, Status};
use crate::hostname::proof::Places;
use crate::hostname::shown;
use crate::policy::claims;
use crate::store::state::hostname_page::Wanted;
use crate::store::state::scope::Verb;

/// Custom hostnames a zone may have: those that a machine is planned for.
const QUOTA: usize = 10_000_000;

pub fn routes() -> Router<Api> {
    Router::new()
        .route("/zones/{zone}/custom_hostnames", get(list).post(create))
        .route("/zones/{zone}/custom_hostnames/quota", get(quota))
        .route("/zones/{zone}/custom_hostnames/{id}", get(show).patch(patch).delete(delete))
}

/// Whether it still is, in the thread where nothing changes meanwhile: the name may be another account's by now.
pub fn still(world: &World, apex: &Name, zone: &Zone) -> Result<(), ApiError> {
    match world.is_held_by(apex, zone.id) {
        true => Ok(()),
        false => Err(ApiError::bad(1402, "The zone is not active: it has to be proved first")),
    }
}

/// The apex of a zone that counts; one that is not active grants nothing and verifies nothing.
pub fn active(zone: &Zone) -> Result<Name, ApiError> {
    let is_active = zone.claim.as_ref().is_none_or(|c| c.status == claims::Status::Active);
    let apex = Name::from_text(&zone.name).map_err(|_| ApiError::internal())?;
    match is_active {
        true => Ok(apex),
        false => Err(ApiError::bad(1402, "The zone is not active: it has to be proved first")),
    }
}

/// The object of the API, with what only clients of the v4 dialect ask for.
fn object(h: &CustomHostname, places: &Places) -> Value {
    let mut object = shown::object(h, places);
    for (key, value) in [
        ("ssl", Value::Null),
        ("custom_metadata", Value::Null),
        ("custom_origin_server", json!("")),
        ("custom_origin_sni", json!("")),
    ] {
        object[key] = value;
    }
    object
}

fn unknown() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, 1436, "The custom hostname was not found.")
}

/// One of this zone, and of no other.
async fn one(api: &Api, zone: &Zone, id: &str) -> Result<CustomHostname, ApiError> {
    let id: Uuid = id
        .parse()
        .map_err(|_| ApiError::bad(1435, "The custom hostname ID is invalid: it is a UUID."))?;
    let number = zone.id;
    let h = api.read(move |store| store.hostname(id)).await?;
    h.filter(|h| h.provider.zone == number).ok_or_else(unknown)
}

async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path((zone, id)): Path<(String, String)>,
) -> Answer {
    let zone = caller.zone(&zone, Verb::Read)?;
    let h = one(&api, &zone, &id).await?;
    found(object(&h, &api.directory.rows().places))
}

async fn list(
    State(api): State<Api>,
    caller: Caller,
    Path(zone): Path<String>,
    params: Params,
) -> Answer {
    let zone = caller.zone(&zone, Verb::Read)?;
    let page = params.page(5..=50, 20)?;
    let texts = ["hostname", "hostname.exact", "hostname.contain", "hostname.startsWith"];
    let given = texts.iter().filter(|name| params.get(name).is_some()).count();
    if given + usize::from(params.get("id").is_some()) > 1 {
        return Err(ApiError::bad(1438, "id and the filters of hostname exclude each other."));
    }
    if let Some(id) = params.get("id") {
        let h = match one(&api, &zone, id).await {
            Ok(h) => vec![object(&h, &api.directory.rows().places)],
            Err(error) if error.status == StatusCode::NOT_FOUND => Vec::new(),
            Err(error) => return Err(error),
        };
        let count = h.len();
        return Ok(Reply::page(h, &page, count));
    }
    let text = |name: &str| params.get(name).map(str::to_lowercase);
    let contains = text("hostname.contain");
    if contains.as_ref().is_some_and(|c| !c.bytes().all(|b| b.is_ascii_graphic())) {
        return Err(ApiError::bad(1437, "hostname.contain has a bad value."));
    }
    params.word("order", &[("ssl", ()), ("ssl_status", ()), ("created_at", ())])?;
    // Statuses that clients know and nothing here ever has match nothing.
    let status = params.get("hostname_status").or_else(|| params.get("status"));
    let known: Option<Status> = status.and_then(|word| word.parse().ok());
    let wanted = Wanted {
        exact: text("hostname").or_else(|| text("hostname.exact")),
        contains,
        starts_with: text("hostname.startsWith"),
        status: known,
        wildcard: params.flag("wildcard")?,
        descending: params.is_descending()?,
        skip: page.skip(),
        most: page.size,
    };
    let number = zone.id;
    let without = (status.is_some() && known.is_none()) || params.get("ssl_status").is_some();
    let (all, count) = match without {
        true => (Vec::new(), 0),
        false => api.read(move |store| store.hostnames_page(number, &wanted)).await?,
    };
    let rows = api.directory.rows();
    let objects = all.iter().map(|h| object(h, &rows.places)).collect();
    Ok(Reply::page(objects, &page, count))
}

fn body(wanted: Sent) -> Result<Value, ApiError> {
    let undecodable = |detail: &str| {
        ApiError::bad(1400, format!("Unable to decode the JSON request body. {detail}"))
    };
    let Json(value) = wanted.map_err(|e| undecodable(&e.body_text()))?;
    match value.is_object() {
        true => Ok(value),
        false => Err(undecodable("It is no object.")),
    }
}

/// What this server does not do must not look as if it did.
fn refuse_foreign(body: &Value) -> Result<(), ApiError> {
    let given =
        |key: &str| body.get(key).is_some_and(|v| !v.is_null() && v != "" && *v != json!({}));
    if given("custom_origin_server") || given("custom_origin_sni") {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            1414,
            "There are no custom origins here.",
        ));
    }
    if given("custom_metadata") {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            1413,
            "There is no custom metadata here.",
        ));
    }
    let Some(ssl) = body.get("ssl").filter(|ssl| !ssl.is_null()) else { return Ok(()) };
    let Some(ssl) = ssl.as_object() else {
        return Err(ApiError::bad(1434, "The ssl attribute is invalid."));
    };
    let text = |key: &str| ssl.get(key).and_then(Value::as_str);
    if text("method").is_some_and(|m| !["http", "txt", "email"].contains(&m)) {
        return Err(ApiError::bad(1432, "The validation method is one of http, txt, email."));
    }
    if text("type").is_some_and(|t| t != "dv") {
        return Err(ApiError::bad(1433, "The certificate type is dv."));
    }
    if text("method").is_some() != text("type").is_some() {
        return Err(ApiError::bad(1440, "Both type and method are required."));
    }
    Ok(())
}

async fn create(
    State(api): State<Api>,
    caller: Caller,
    Path(zone): Path<String>,
    wanted: Sent,
) -> Answer {
    let zone = caller.zone(&zone, Verb::Grants)?;
    let body = body(wanted)?;
    let apex = active(&zone)?;
    refuse_foreign(&body)?;
    let text = body["hostname"].as_str();
    let text =
        text.ok_or_else(|| ApiError::bad(1407, "The custom hostname is invalid: it is missing."))?;
    let (text, actor) = (text.to_owned(), caller.actor());
    let made = api.change(move |world, now| {
        still(world, &apex, &zone)?;
        world.create_hostname(&apex, &text, &actor, now).map_err(error)
    });
    let h = made.await?;
    let reply = Reply::of(object(&h, &api.directory.rows().places));
    Ok(reply.with_status(StatusCode::CREATED))
}

async fn patch(
    State(api): State<Api>,
    caller: Caller,
    Path((zone, id)): Path<(String, String)>,
    wanted: Sent,
) -> Answer {
    let zone = caller.zone(&zone, Verb::Grants)?;
    let h = one(&api, &zone, &id).await?;
    let body = body(wanted)?;
    active(&zone)?;
    if body.get("hostname").and_then(Value::as_str).is_some_and(|n| n != h.hostname.to_string()) {
        let text = "The hostname of a custom hostname cannot be changed.";
        return Err(ApiError::new(StatusCode::CONFLICT, 1439, text));
    }
    refuse_foreign(&body)?;
    let (id, actor) = (h.id, caller.actor());
    let done = api.change(move |world, now| world.refresh_hostname(id, &actor, now).map_err(error));
    let h = done.await?;
    let reply = Reply::of(object(&h, &api.directory.rows().places));
    Ok(reply.with_status(StatusCode::ACCEPTED))
}

async fn delete(
    State(api): State<Api>,
    caller: Caller,
    Path((zone, id)): Path<(String, String)>,
) -> Answer {
    let zone = caller.zone(&zone, Verb::Grants)?;
    let h = one(&api, &zone, &id).await?;
    let (number, actor) = (h.id, caller.actor());
    api.change(move |world, now| world.delete_hostname(number, &actor, now).map_err(error)).await?;
    let mut reply = Reply::of(json!({ "id": id }));
    // Some clients look for it outside the envelope.
    reply.beside = Some(("id", json!(id)));
    Ok(reply)
}

async fn quota(State(api): State<Api>, caller: Caller, Path(zone): Path<String>) -> Answer {
    let zone = caller.zone(&zone, Verb::Read)?;
    let (number, wanted) = (zone.id, Wanted::default());
    let (_, used) = api.read(move |store| store.hostnames_page(number, &wanted)).await?;
    found(json!({
        "allocated": QUOTA, "used": used, "exceeded": used >= QUOTA, "hard_cap": true,
    }))
}

/// How a request that was not carried out looks.
pub fn error(error: RequestError) -> ApiError {
    let text = error.to_string();
    match error {
        RequestError::Unknown => unknown(),
        RequestError::Refused(refusal) => {
            let status = StatusCode::from_u16(refusal.http_status());
            ApiError::new(status.unwrap_or(StatusCode::BAD_REQUEST), refusal.code().into(), text)
        }
        RequestError::InConfig(_) => ApiError::new(StatusCode::CONFLICT, 1439, text),
        RequestError::NotInZone => ApiError::bad(1421, text),
        RequestError::Unusable(_) | RequestError::Store(_) => ApiError::unavailable(&text),
    }
}
