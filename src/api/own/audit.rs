//! `GET /api/v1/audit`: what was done, by whom, newest first.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde_json::{Value, json};

use super::{SIZE, SIZES, account_of};
use crate::api::Api;
use crate::api::auth::Caller;
use crate::api::envelope::{Answer, Reply};
use crate::api::page::Params;
use crate::base::uuid::Uuid;
use crate::store::state::AuditFilter;
use crate::store::state::change::AuditEntry;

pub fn routes() -> Router<Api> {
    Router::new().route("/audit", get(list))
}

/// A list that goes on with `before`, the lowest id that was seen.
async fn list(State(api): State<Api>, caller: Caller, params: Params) -> Answer {
    let account = account_of(&caller, &params)?;
    let hostname = params.parse::<Uuid>("hostname_id")?;
    let before = params.parse::<u64>("before")?;
    let most = params.page(SIZES, SIZE)?.size;
    let filter = AuditFilter { account, hostname, before, most };
    let entries = api.read(move |store| store.audit(&filter)).await?;
    let scope = &caller.token.scope;
    // A token for some zones sees what happened in them.
    let seen = |entry: &AuditEntry| match entry.zone {
        Some(zone) => scope.covers(zone),
        None => scope.zones.is_none(),
    };
    let entries = entries.iter().filter(|(_, entry)| seen(entry));
    let show = |(number, entry): &(u64, AuditEntry)| shown(&api, *number, entry, &caller);
    Ok(Reply::of(Value::Array(entries.map(show).collect())))
}

fn shown(api: &Api, number: u64, entry: &AuditEntry, caller: &Caller) -> Value {
    let account = entry.account.filter(|_| caller.is_operator());
    json!({
        "id": number,
        "at": entry.at.to_string(),
        "actor": entry.actor,
        "action": entry.action,
        "from": entry.from,
        "to": entry.to,
        "evidence": entry.evidence,
        "hostname_id": entry.hostname.map(|id| id.to_string()),
        "zone": entry.zone.map(|id| api.zone_json(id)),
        "account": account.map(|id| api.account_json(id)),
    })
}
