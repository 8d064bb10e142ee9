//! `zones/{id}/dns_records` and `dns_settings`: what clients of the v4 dialect do all day.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Map, Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::envelope::{Answer, Reply};
use super::error::{ApiError, Problem};
use super::form::Form;
use super::page::{Page, Params};
use super::{Api, Caller, Zone};
use crate::base::id::ZoneId;
use crate::base::name::Name;
use crate::base::time::UnixTime;
use crate::base::uuid::Uuid;
use crate::control::world::Now;
use crate::control::world::records::{Ask, Refused, Written};
use crate::model::snapshot::Snapshot;
use crate::records::filter::Query;
use crate::records::input::Input;
use crate::records::write::{Batch, Outcome, Write};
use crate::records::{self, Content, Record, derived, export, id_from_hex, import, object};
use crate::store::state::scope::Verb;

/// Records on a page for which no zone is read as a whole.
const FEW: usize = 5_000;
/// Looks at whole zones at once, and how long one may wait for its turn.
static WHOLE: Semaphore = Semaphore::const_new(4);
const PATIENCE: Duration = Duration::from_secs(20);

pub fn routes() -> Router<Api> {
    Router::new()
        .route("/zones/{zone_id}/dns_records", get(list).post(create))
        .route("/zones/{zone_id}/dns_records/batch", post(batch))
        .route("/zones/{zone_id}/dns_records/export", get(export_text))
        .route("/zones/{zone_id}/dns_records/import", post(import_text))
        .route(
            "/zones/{zone_id}/dns_records/{dns_record_id}",
            get(show).put(replace).patch(patch).delete(delete),
        )
        .route("/zones/{zone_id}/dns_settings", get(settings).patch(patch_settings))
        .route("/zones/{zone_id}/pagerules", get(pagerules))
        .route(
            "/zones/{zone_id}/settings/cname_flattening",
            get(flattening).patch(patch_flattening),
        )
}

/// What is read of a zone.
struct Read {
    /// `None`: the zone is as its file says.
    content: Option<Content>,
    records: Vec<Record>,
}

/// All records of a zone.
async fn read(api: &Api, zone: &Zone) -> Result<Read, ApiError> {
    let (id, apex) = (zone.id, Shown::of(api, zone)?.apex);
    let snapshot = api.published.load_full();
    let _room = room().await?;
    let read = api.read(move |store| {
        Ok(match store.content(id)? {
            Some(content) => Read { records: store.records(id, None)?, content: Some(content) },
            None => Read { records: of_file(&snapshot, id, &apex), content: None },
        })
    });
    read.await
}

/// The records of a zone that is as its file says.
fn of_file(snapshot: &Snapshot, id: ZoneId, apex: &Name) -> Vec<Record> {
    let found = snapshot.catalog.zone_at(apex);
    let found = found.filter(|zone| zone.id == id && zone.data.is_ready());
    found.map_or_else(Vec::new, |zone| derived::records(id, &zone.data))
}

/// How a zone is shown beside its records.
#[derive(Clone)]
struct Shown {
    id: String,
    apex: Name,
}

impl Shown {
    fn of(api: &Api, zone: &Zone) -> Result<Shown, ApiError> {
        let apex = Name::from_text(&zone.name).map_err(|_| ApiError::internal())?;
        Ok(Shown { id: api.ids.zone(zone.id), apex })
    }

    fn record(&self, record: &Record) -> Value {
        object::record(record, &self.id, &self.apex)
    }

    fn records(&self, records: &[Record]) -> Value {
        records.iter().map(|record| self.record(record)).collect()
    }
}

async fn list(
    caller: Caller,
    State(api): State<Api>,
    Path(zone): Path<String>,
    params: Params,
) -> Answer {
    let zone = caller.zone(&zone, Verb::Read)?;
    let pairs: Vec<(String, String)> =
        params.all().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let query = Query::read(&pairs).map_err(|problem| refused(vec![problem]))?;
    let page = Page { number: query.page, size: query.per_page };
    let shown = Shown::of(&api, &zone)?;
    let _room = match query.plain() {
        Some(_) if query.per_page <= FEW => None,
        _ => Some(room().await?),
    };
    let (id, snapshot) = (zone.id, api.published.load_full());
    let listed = api.read(move |store| {
        let (records, total) = match store.content(id)? {
            Some(_) => store.records_page(id, &query)?,
            None => query.page(of_file(&snapshot, id, &shown.apex)),
        };
        let items: Vec<Value> = records.iter().map(|record| shown.record(record)).collect();
        Ok((items, total))
    });
    let (items, total) = listed.await?;
    Ok(Reply::page(items, &page, total))
}

/// A look at a zone as a whole may take a second and its size in memory: few are made at once.
async fn room() -> Result<SemaphorePermit<'static>, ApiError> {
    match timeout(PATIENCE, WHOLE.acquire()).await {
        Ok(Ok(room)) => Ok(room),
        _ => Err(ApiError::busy()),
    }
}

async fn show(
    caller: Caller,
    State(api): State<Api>,
    Path((zone, id)): Path<(String, String)>,
) -> Answer {
    let zone = caller.zone(&zone, Verb::Read)?;
    let id = record_id(&id)?;
    let number = zone.id;
    let stored = api.read(move |store| Ok((store.content(number)?, store.record(number, id)?)));
    let record = match stored.await? {
        (Some(_), record) => record,
        (None, _) => {
            let records = read(&api, &zone).await?.records;
            records.into_iter().find(|record| record.id == id)
        }
    };
    let record = record.ok_or_else(|| refused(vec![records::Problem::unknown_record()]))?;
    Ok(Reply::of(Shown::of(&api, &zone)?.record(&record)))
}

fn record_id(text: &str) -> Result<Uuid, ApiError> {
    id_from_hex(text).ok_or_else(|| refused(vec![records::Problem::unknown_record()]))
}

/// A request that may write.
struct Call {
    api: Api,
    caller: Caller,
    params: Params,
}

impl FromRequestParts<Api> for Call {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Call, ApiError> {
        let caller = Caller::from_request_parts(parts, api).await?;
        let params = Params::from_request_parts(parts, api).await?;
        Ok(Call { api: api.clone(), caller, params })
    }
}

impl Call {
    /// Carries out a write to records of the zone of that id. What is wrong with it is told only to who may write.
    async fn write(&self, zone: &str, make: impl FnOnce() -> Result<Write, ApiError>) -> Answer {
        let zone = self.caller.zone(zone, Verb::Records)?;
        write(&self.api, &self.caller, &zone, make()?, &self.params).await
    }
}

async fn create(call: Call, Path(zone): Path<String>, body: Bytes) -> Answer {
    call.write(&zone, || Ok(Write::Create(input(&body)?))).await
}

async fn replace(call: Call, Path((zone, id)): Path<(String, String)>, body: Bytes) -> Answer {
    call.write(&zone, || Ok(Write::Replace(record_id(&id)?, input(&body)?))).await
}

async fn patch(call: Call, Path((zone, id)): Path<(String, String)>, body: Bytes) -> Answer {
    call.write(&zone, || Ok(Write::Patch(record_id(&id)?, input(&body)?))).await
}

async fn delete(call: Call, Path((zone, id)): Path<(String, String)>) -> Answer {
    call.write(&zone, || Ok(Write::Delete(record_id(&id)?))).await
}

async fn batch(call: Call, Path(zone): Path<String>, body: Bytes) -> Answer {
    let read = || Batch::from_json(&object_of(&body)?).map_err(|problem| refused(vec![problem]));
    call.write(&zone, || Ok(Write::Batch(read()?))).await
}

async fn write(api: &Api, caller: &Caller, zone: &Zone, write: Write, params: &Params) -> Answer {
    let shown = Shown::of(api, zone)?;
    let Written { outcome, messages, .. } = carry_out(api, caller, zone, write, params).await?;
    let result = match &outcome {
        Outcome::Record(record) => shown.record(record),
        Outcome::Deleted(record) => json!({ "id": records::hex(record.id) }),
        Outcome::Batch { deletes, patches, puts, posts } => json!({
            "deletes": shown.records(deletes), "patches": shown.records(patches),
            "puts": shown.records(puts), "posts": shown.records(posts),
        }),
        Outcome::Imported { added, parsed } => {
            json!({ "recs_added": added, "total_records_parsed": parsed })
        }
        Outcome::Restored { .. } | Outcome::Settings => Value::Null,
    };
    Ok(Reply::of(result).with_messages(problems(messages)))
}

async fn carry_out(
    api: &Api,
    caller: &Caller,
    zone: &Zone,
    write: Write,
    params: &Params,
) -> Result<Written, ApiError> {
    let dry_run = params.flag("dry_run")?.unwrap_or_default();
    let ask = Ask { dry_run, actor: caller.actor() };
    let id = zone.id;
    api.change(move |world, now| world.write_records(id, &write, &ask, now).map_err(refusal)).await
}

async fn export_text(
    caller: Caller,
    State(api): State<Api>,
    Path(zone): Path<String>,
) -> Result<Response, ApiError> {
    let zone = caller.zone(&zone, Verb::Read)?;
    let Read { content, records } = read(&api, &zone).await?;
    let (apex, now) = (Shown::of(&api, &zone)?.apex, caller.now);
    let made =
        tokio::task::spawn_blocking(move || export::text(&apex, content.as_ref(), &records, now));
    let text = made.await.map_err(|_| ApiError::internal())?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

async fn import_text(
    call: Call,
    Path(zone): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let Call { api, caller, params } = &call;
    let zone = caller.zone(&zone, Verb::Records)?;
    let start = Now::read();
    let form = Form::read(&headers, body).map_err(ApiError::body)?;
    let text = form.get("file").ok_or_else(|| ApiError::body("the part `file` is missing"))?;
    if form.get("proxied").is_some_and(|value| value.trim_ascii() == b"true") {
        let problem = records::Problem::new(
            records::Problem::NOT_PROXIABLE,
            "Records cannot be proxied: this server has no proxy. Send proxied=false.",
        );
        return Err(refused(vec![problem]));
    }
    let (apex, key) = (Shown::of(api, &zone)?.apex, api.published.load().key);
    let parsed = tokio::task::spawn_blocking(move || import::read(&apex, &text, &key));
    let parsed = parsed.await.map_err(|_| ApiError::internal())?.map_err(refused)?;
    let mut reply = write(api, caller, &zone, Write::Import(parsed.lines), params).await?;
    reply.messages.splice(0..0, problems(parsed.messages));
    let end = Now::read();
    let seconds = end.at.saturating_duration_since(start.at).as_secs_f64();
    let time = |at: UnixTime| at.to_string();
    let body = json!({
        "success": true, "errors": [], "messages": reply.messages, "result": reply.result,
        "timing": {
            "start_time": time(start.unix), "end_time": time(end.unix), "process_time": seconds,
        },
    });
    Ok((StatusCode::OK, axum::Json(body)).into_response())
}

async fn settings(caller: Caller, State(api): State<Api>, Path(zone): Path<String>) -> Answer {
    let zone = caller.zone(&zone, Verb::Read)?;
    Ok(Reply::of(settings_object(&api, &zone, None).await?))
}

/// The settings of a zone; those that are given, or those that are stored.
async fn settings_object(
    api: &Api,
    zone: &Zone,
    given: Option<records::Settings>,
) -> Result<Value, ApiError> {
    let (id, shown) = (zone.id, Shown::of(api, zone)?);
    let stored = match given {
        Some(settings) => Some(settings),
        None => api.read(move |store| store.content(id)).await?.map(|content| content.settings),
    };
    let snapshot = api.published.load();
    let flattens = snapshot.catalog.zone_at(&shown.apex).is_some_and(|zone| {
        zone.id == id && zone.flatten == crate::model::settings::FlattenMode::All
    });
    // Of a zone of the store the snapshot may be older than what was just written.
    let from_config = flattens && stored.is_none();
    Ok(stored.unwrap_or_default().object(&shown.apex, from_config))
}

impl Call {
    /// Changes settings; gives the object of all of them, and what is to be said.
    async fn set(
        &self,
        zone: &str,
        make: impl FnOnce() -> Result<Map<String, Value>, ApiError>,
    ) -> Result<(Value, Vec<Problem>), ApiError> {
        let Call { api, caller, params } = self;
        let zone = caller.zone(zone, Verb::Records)?;
        let written = carry_out(api, caller, &zone, Write::Settings(make()?), params).await?;
        let object = settings_object(api, &zone, Some(written.settings)).await?;
        Ok((object, problems(written.messages)))
    }
}

async fn patch_settings(call: Call, Path(zone): Path<String>, body: Bytes) -> Answer {
    let (settings, messages) = call.set(&zone, || object_of(&body)).await?;
    Ok(Reply::of(settings).with_messages(messages))
}

/// The older name of one of the settings.
async fn flattening(caller: Caller, State(api): State<Api>, Path(zone): Path<String>) -> Answer {
    let zone = caller.zone(&zone, Verb::Read)?;
    let settings = settings_object(&api, &zone, None).await?;
    Ok(Reply::of(flattening_object(&settings)))
}

fn flattening_object(settings: &Value) -> Value {
    let all = settings["flatten_all_cnames"] == true;
    let value = if all { "flatten_all" } else { "flatten_at_root" };
    json!({ "id": "cname_flattening", "value": value, "editable": true, "modified_on": null })
}

async fn patch_flattening(call: Call, Path(zone): Path<String>, body: Bytes) -> Answer {
    let read = || {
        let all = match object_of(&body)?.get("value").and_then(Value::as_str) {
            Some("flatten_all") => true,
            Some("flatten_at_root") => false,
            _ => return Err(ApiError::body("value must be flatten_at_root or flatten_all")),
        };
        Ok(Map::from_iter([("flatten_all_cnames".to_owned(), json!(all))]))
    };
    let (settings, messages) = call.set(&zone, read).await?;
    Ok(Reply::of(flattening_object(&settings)).with_messages(messages))
}

/// There are none; octoDNS asks.
async fn pagerules(caller: Caller, Path(zone): Path<String>) -> Answer {
    caller.zone(&zone, Verb::Read)?;
    Ok(Reply::of(json!([])))
}

fn object_of(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    serde_json::from_slice(body).map_err(ApiError::body)
}

fn input(body: &[u8]) -> Result<Input, ApiError> {
    Input::from_json(&object_of(body)?).map_err(|problem| refused(vec![problem]))
}

pub(super) fn problems(all: Vec<records::Problem>) -> Vec<Problem> {
    let one = |problem: records::Problem| {
        let shown = Problem::new(problem.code, problem.message);
        match problem.pointer {
            Some(pointer) => shown.at(pointer),
            None => shown,
        }
    };
    all.into_iter().map(one).collect()
}

/// Why a write was not carried out.
pub(super) fn refusal(refusal: Refused) -> ApiError {
    match refusal {
        Refused::Problems(problems) => refused(problems),
        Refused::NoZone => ApiError::unknown("zone"),
        Refused::Store(why) => ApiError::unavailable(&why),
    }
}

/// The error of a write that was refused.
fn refused(all: Vec<records::Problem>) -> ApiError {
    let status = match all.first().map(records::Problem::status) {
        Some(records::problem::Status::NotFound) => StatusCode::NOT_FOUND,
        Some(records::problem::Status::Forbidden) => StatusCode::FORBIDDEN,
        _ => StatusCode::BAD_REQUEST,
    };
    ApiError { problems: problems(all), ..ApiError::new(status, 0, "") }
}
