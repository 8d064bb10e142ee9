//! `/api/v1/held`: edits that remove so much that they wait to be accepted.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::{SIZE, SIZES, account_of};
use crate::api::Api;
use crate::api::auth::Caller;
use crate::api::envelope::{Answer, Reply};
use crate::api::error::ApiError;
use crate::api::page::Params;
use crate::base::id::AccountId;
use crate::base::name::Name;
use crate::control::command::ZoneRow;
use crate::store::state::scope::Verb;

pub fn routes() -> Router<Api> {
    Router::new().route("/held", get(list)).route("/held/{zone_id}/accept", post(accept))
}

async fn list(State(api): State<Api>, caller: Caller, params: Params) -> Answer {
    let account = account_of(&caller, &params)?;
    let page = params.page(SIZES, SIZE)?;
    let held = api.change(|world, _| Ok(world.held_list())).await?;
    let rows: Vec<Value> = held
        .iter()
        .filter(|(of, _)| account.is_none_or(|account| *of == account))
        .filter_map(|(of, row)| shown(&api, &caller, *of, row))
        .collect();
    let total = rows.len();
    let rows = rows.into_iter().skip(page.skip()).take(page.size).collect();
    Ok(Reply::page(rows, &page, total))
}

/// One row, if the caller may see its zone.
fn shown(api: &Api, caller: &Caller, account: AccountId, row: &ZoneRow) -> Option<Value> {
    let rows = api.directory.rows();
    let zone = rows.zones_named(&row.zone).find(|zone| zone.account == account)?;
    if !caller.sees_zone(zone.id, zone.account) {
        return None;
    }
    Some(json!({
        "zone": { "id": api.ids.zone(zone.id), "name": row.zone },
        "serial": row.serial,
        "records": row.records,
        "held_since": row.held_since,
        "detail": row.detail,
    }))
}

async fn accept(
    State(api): State<Api>,
    caller: Caller,
    Path(zone_id): Path<String>,
    params: Params,
) -> Answer {
    let zone = caller.zone(&zone_id, Verb::Operate)?;
    let dry_run = params.flag("dry_run")?.unwrap_or(false);
    let apex = Name::from_text(&zone.name).map_err(|_| ApiError::internal())?;
    let account = zone.account;
    let row = api.change(move |world, now| {
        let held = world.held_list();
        let of_zone = |(of, row): &&(AccountId, ZoneRow)| *of == account && *row.zone == *zone.name;
        let Some((_, row)) = held.iter().find(of_zone) else {
            return Err(ApiError::bad(1004, "Nothing is held for this zone"));
        };
        if dry_run {
            return Ok(row.clone());
        }
        let zones = world.open_zones();
        let accepted = world.accept(zones.as_ref(), &apex, now);
        world.finish_step();
        accepted.map_err(|problem| ApiError::unavailable(&problem))
    });
    let row = row.await?;
    Ok(Reply::of(json!({
        "zone": { "id": zone_id, "name": row.zone },
        "state": row.state,
        "serial": row.serial,
        "records": row.records,
        "dry_run": dry_run,
    })))
}
