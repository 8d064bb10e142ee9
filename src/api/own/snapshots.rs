//! `/api/v1/snapshots`: earlier versions of a zone, what differs from now, and the way back for its records.
//!
//! A rollback is a write like others: judged, stored, told in the audit log. Grants, tokens, holds and ownership are
//! no records, so they never go back.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::{SIZE, SIZES};
use crate::api::auth::Caller;
use crate::api::envelope::{Answer, Reply};
use crate::api::error::ApiError;
use crate::api::page::Params;
use crate::api::records::{problems, refusal};
use crate::api::{Api, Zone};
use crate::base::name::Name;
use crate::control::world::records::Ask;
use crate::records::write::Outcome;
use crate::records::{Record, object};
use crate::store::state::history::{Undo, Version};
use crate::store::state::scope::Verb;

pub fn routes() -> Router<Api> {
    Router::new()
        .route("/snapshots", get(list))
        .route("/snapshots/{zone_id}/{serial}/diff", get(diff))
        .route("/snapshots/{zone_id}/{serial}/rollback", post(rollback))
}

/// The versions of a zone, newest first. Of a zone from a file there is the one that is served.
async fn list(State(api): State<Api>, caller: Caller, params: Params) -> Answer {
    let id = params.get("zone_id");
    let id = id.ok_or_else(|| ApiError::bad(1004, "The parameter zone_id is needed"))?;
    let zone = caller.zone(id, Verb::Read)?;
    let page = params.page(SIZES, SIZE)?;
    let number = zone.id;
    let stored = api.read(move |store| Ok((store.content(number)?, store.versions(number)?)));
    let (content, versions) = stored.await?;
    let shown = match &content {
        Some(content) => {
            let current = content.serial;
            versions.iter().map(|version| of_store(version, current)).collect()
        }
        None => of_file(&api, &zone),
    };
    let (shown, total): (Vec<Value>, usize) =
        (shown, if content.is_some() { versions.len() } else { 1 });
    let shown: Vec<Value> = shown.into_iter().skip(page.skip()).take(page.size).collect();
    Ok(Reply::page(shown, &page, total))
}

fn of_store(version: &Version, current: u32) -> Value {
    let is_signed = version.at.0 > 0;
    json!({
        "serial": version.serial,
        "current": version.serial == current,
        "source": "api",
        "at": is_signed.then(|| version.at.to_string()),
        "actor": is_signed.then_some(&version.actor),
        "action": is_signed.then_some(&version.action),
        "changes": version.changes,
    })
}

fn of_file(api: &Api, zone: &Zone) -> Vec<Value> {
    let snapshot = api.published.load();
    let served = Name::from_text(&zone.name).ok();
    let served = served.and_then(|apex| snapshot.catalog.zone_at(&apex));
    let served = served.filter(|served| served.id == zone.id && served.data.is_ready());
    let version = served.map(|served| {
        json!({
            "serial": served.data.serial(), "current": true, "source": "file", "at": null,
            "actor": null, "action": null, "changes": served.data.record_count(),
        })
    });
    version.into_iter().collect()
}

/// What takes a zone back to a version. A zone from a file has none.
async fn undo_of(api: &Api, zone: &Zone, serial: u32) -> Result<Option<Undo>, ApiError> {
    let id = zone.id;
    let read =
        api.read(move |store| store.content(id)?.map(|_| store.undo(id, serial)).transpose());
    match read.await? {
        Some(Some(undo)) => Ok(Some(undo)),
        Some(None) => Err(ApiError::unknown("version")),
        None => Ok(None),
    }
}

/// The serial of a path. What is no number names no version.
fn number(serial: &str) -> Result<u32, ApiError> {
    serial.parse().map_err(|_| ApiError::unknown("version"))
}

/// What differs from now, as a rollback would change it: `removed` goes, `added` comes, `changed` is put back.
async fn diff(
    State(api): State<Api>,
    caller: Caller,
    Path((zone_id, serial)): Path<(String, String)>,
) -> Answer {
    let zone = caller.zone(&zone_id, Verb::Read)?;
    let serial = number(&serial)?;
    let undo = undo_of(&api, &zone, serial).await?;
    let Some(undo) = undo else {
        let known = of_file(&api, &zone);
        if known.iter().any(|version| version["serial"] == serial) {
            return Ok(Reply::of(json!({
                "zone": { "id": zone_id, "name": zone.name }, "serial": serial,
                "added": [], "removed": [], "changed": [],
            })));
        }
        return Err(ApiError::unknown("version"));
    };
    let apex = Name::from_text(&zone.name).map_err(|_| ApiError::internal())?;
    let id = zone.id;
    let now = api.read(move |store| {
        let each = undo.into_iter().map(|(record, then)| Ok((store.record(id, record)?, then)));
        each.collect::<Result<Vec<_>, _>>()
    });
    let show = |record: &Record| object::record(record, &zone_id, &apex);
    let (mut added, mut removed, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    for (now, then) in now.await? {
        match (&now, &then) {
            (None, Some(then)) => added.push(show(then)),
            (Some(now), None) => removed.push(show(now)),
            (Some(now), Some(then)) if now != then => {
                changed.push(json!({ "from": show(now), "to": show(then) }));
            }
            _ => {}
        }
    }
    Ok(Reply::of(json!({
        "zone": { "id": zone_id, "name": zone.name }, "serial": serial,
        "added": added, "removed": removed, "changed": changed,
    })))
}

async fn rollback(
    State(api): State<Api>,
    caller: Caller,
    Path((zone_id, serial)): Path<(String, String)>,
    params: Params,
) -> Answer {
    let zone = caller.zone(&zone_id, Verb::Operate)?;
    caller.may(Verb::Records)?;
    let serial = number(&serial)?;
    let dry_run = params.flag("dry_run")?.unwrap_or(false);
    let ask = Ask { dry_run, actor: caller.actor() };
    let id = zone.id;
    // A zone from a file is refused by the write itself, which names the file.
    let written = api.change(move |world, now| {
        let written = world.restore_records(id, serial, &ask, now).map_err(refusal)?;
        written.ok_or_else(|| ApiError::unknown("version"))
    });
    let written = written.await?;
    let changes = match written.outcome {
        Outcome::Restored { changed } => changed,
        _ => 0,
    };
    let result = json!({
        "zone": { "id": zone_id, "name": zone.name }, "serial": serial, "changes": changes,
        "dry_run": dry_run,
    });
    Ok(Reply::of(result).with_messages(problems(written.messages)))
}
