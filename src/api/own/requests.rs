//! `/api/v1/requests`: stored names that lead into zones of an account and are not let in; one call lets one in.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{SIZE, SIZES, zone_of};
use crate::api::Api;
use crate::api::auth::Caller;
use crate::api::envelope::{Answer, Reply};
use crate::api::error::ApiError;
use crate::api::hostnames::{active, error, still};
use crate::api::page::Params;
use crate::base::name::Name;
use crate::control::inbox::Request;
use crate::hostname::object::{Hostname, Status};
use crate::policy::verdict;
use crate::rdata;
use crate::store::state::scope::Verb;
use crate::store::state::{Failure, Store};

pub fn routes() -> Router<Api> {
    Router::new().route("/requests", get(list).post(accept))
}

async fn list(State(api): State<Api>, caller: Caller, params: Params) -> Answer {
    let zone = zone_of(&caller, &params)?;
    caller.may(Verb::Read)?;
    let account = match (&zone, caller.token.account, params.get("account_id")) {
        (Some(zone), _, _) => zone.account,
        (None, Some(own), None) => own,
        (None, _, Some(id)) => caller.account(id, Verb::Read)?.id,
        (None, None, None) => {
            let text =
                "An operator says whose inbox: the parameter account_id or zone_id is needed";
            return Err(ApiError::bad(1004, text));
        }
    };
    let page = params.page(SIZES, SIZE)?;
    let now = caller.now;
    let reader = api.clone();
    let looked = tokio::task::spawn_blocking(move || {
        let snapshot = reader.published.load_full();
        reader.inbox.look(&snapshot, now)
    });
    let requests = looked.await.map_err(|_| ApiError::internal())?;
    let (all, _) = requests.of(account);
    let wanted = |request: &&Request| {
        zone.as_ref().is_none_or(|zone| zone.id == request.to)
            && caller.token.scope.covers(request.to)
    };
    let all: Vec<&Request> = all.iter().filter(wanted).collect();
    let part = all.iter().skip(page.skip()).take(page.size);
    let part: Vec<Request> = part.map(|request| (*request).clone()).collect();
    let part = api.read(move |store| {
        let with_status = part.into_iter().map(|request| {
            let status = status(store, &request)?;
            Ok((request, status))
        });
        with_status.collect::<Result<Vec<_>, Failure>>()
    });
    let shown = part.await?.iter().map(|(request, status)| show(&api, request, *status)).collect();
    Ok(Reply::page(shown, &page, all.len()))
}

/// How the custom hostname stands that would let a request in, if there is one already.
fn status(store: &mut dyn Store, request: &Request) -> Result<Option<Status>, Failure> {
    let Ok(name) = Name::from_text(&request.hostname) else { return Ok(None) };
    let named = store.hostnames_named(&Hostname::of(&name))?;
    let own = named.iter().find(|hostname| hostname.provider.zone == request.to);
    Ok(own.map(|hostname| hostname.status))
}

fn show(api: &Api, request: &Request, status: Option<Status>) -> Value {
    json!({
        "custom_hostname": status.map(Status::word),
        "code": verdict::CODE,
        "hostname": request.hostname,
        "type": rdata::type_text(request.rtype).to_string(),
        "target": request.target.to_string(),
        "zone": api.zone_json(request.to),
        "reason": request.reason.word(),
    })
}

/// Which hostname is to be let into which zone.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    zone_id: String,
    hostname: String,
}

/// Makes a custom hostname of a request: pending, until its owner's DNS proves that this is meant.
async fn accept(
    State(api): State<Api>,
    caller: Caller,
    params: Params,
    body: axum::body::Bytes,
) -> Answer {
    let wanted: Wanted = serde_json::from_slice(&body).map_err(ApiError::body)?;
    let zone = caller.zone(&wanted.zone_id, Verb::Grants)?;
    let apex = active(&zone)?;
    let dry_run = params.flag("dry_run")?.unwrap_or(false);
    let actor = caller.actor();
    let made = api.change(move |world, now| {
        still(world, &apex, &zone)?;
        let hostname = &wanted.hostname;
        let made = match dry_run {
            true => world.judge_hostname(hostname, &apex, now),
            false => {
                let made = world.create_hostname(&apex, hostname, &actor, now);
                made.map(|made| world.object(&made))
            }
        };
        made.map_err(error)
    });
    let status = if dry_run { StatusCode::OK } else { StatusCode::CREATED };
    Ok(Reply::of(made.await?).with_status(status))
}
