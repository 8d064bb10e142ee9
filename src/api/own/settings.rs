//! `/api/v1/zones/{id}/settings` and `/api/v1/accounts/{id}/settings`: whom a zone or an account lets in without a
//! grant, who may hold names below a zone, what is flattened, and how its denied questions look.
//!
//! Each setting needs the verb of what it opens. A tenant calls other accounts by their ids alone, and an id of nobody
//! is answered like one of somebody.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::{Map, Value};

use crate::api::Api;
use crate::api::auth::Caller;
use crate::api::envelope::{Answer, Reply};
use crate::api::error::ApiError;
use crate::api::hostnames::active;
use crate::api::page::Params;
use crate::base::name::Name;
use crate::control::world::chosen::{ChoiceError, ZoneWish};
use crate::control::world::records::Ask;
use crate::model::settings::OnViolation;
use crate::store::state::chosen::{self, Whom};
use crate::store::state::scope::Verb;

pub fn routes() -> Router<Api> {
    Router::new()
        .route("/zones/{zone_id}/settings", get(of_zone).patch(change_zone))
        .route("/accounts/{account_id}/settings", get(of_account).patch(change_account))
}

async fn of_zone(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Answer {
    let zone = caller.zone(&id, Verb::Read)?;
    let apex = active(&zone)?;
    let number = zone.id;
    let shown = api.change(move |world, _| world.shown_choice(number, &apex).map_err(error));
    let mut shown = shown.await?;
    shown["zone"] = api.zone_json(zone.id);
    Ok(Reply::of(for_caller(&api, &caller, shown, "delegates")))
}

async fn change_zone(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    params: Params,
    body: axum::body::Bytes,
) -> Answer {
    let zone = caller.zone(&id, Verb::Read)?;
    let apex = active(&zone)?;
    let wanted: Map<String, Value> = serde_json::from_slice(&body).map_err(ApiError::body)?;
    let wish = wish(&api, &caller, &wanted)?;
    let ask = ask(&caller, &params)?;
    let number = zone.id;
    let changed = api.change(move |world, now| {
        world.choose_zone(number, &apex, &wish, &ask, now).map_err(error)
    });
    let mut shown = changed.await?;
    shown["zone"] = api.zone_json(zone.id);
    Ok(Reply::of(for_caller(&api, &caller, shown, "delegates")))
}

fn ask(caller: &Caller, params: &Params) -> Result<Ask, ApiError> {
    Ok(Ask { dry_run: params.flag("dry_run")?.unwrap_or(false), actor: caller.actor() })
}

/// What is wanted of a zone, as far as the caller may.
fn wish(api: &Api, caller: &Caller, wanted: &Map<String, Value>) -> Result<ZoneWish, ApiError> {
    let mut wish = ZoneWish::default();
    if wanted.is_empty() {
        return Err(ApiError::body("it names no setting"));
    }
    for (key, value) in wanted {
        let verb = match key.as_str() {
            "cross_account" => Verb::CrossAccount,
            "delegates" => Verb::Delegates,
            "flatten" => Verb::Records,
            "on_violation" => Verb::Zones,
            _ => return Err(ApiError::body(format!("{key} is no setting of a zone"))),
        };
        caller.may(verb)?;
        match key.as_str() {
            "cross_account" => {
                let read = word(key, value, "granted or anyone", chosen::cross_account)?;
                wish.cross_account = Some(read);
            }
            "flatten" => wish.flatten = Some(word(key, value, "apex or all", chosen::flatten)?),
            "on_violation" => {
                let known = "refuse, nodata, nxdomain, sinkhole or report";
                let read = word(key, value, known, chosen::on_violation)?;
                // It would open every zone of others to the names of this one.
                if read == Some(OnViolation::Report) && !caller.is_operator() {
                    let text =
                        "Only an operator sets on_violation to report: then nothing is denied";
                    return Err(ApiError::new(StatusCode::FORBIDDEN, 10000, text));
                }
                wish.on_violation = Some(read);
            }
            _ => wish.delegates = delegates(api, caller, value)?,
        }
    }
    Ok(wish)
}

/// A word, or `null` for what holds without one.
fn word<T>(
    key: &str,
    value: &Value,
    known: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, ApiError> {
    let wrong = || ApiError::body(format!("{key} is {known}, or null"));
    match value {
        Value::Null => Ok(None),
        Value::String(word) => read(word).map(Some).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

/// Names and the accounts that may hold them; `null` takes an entry back.
fn delegates(
    api: &Api,
    caller: &Caller,
    value: &Value,
) -> Result<std::collections::BTreeMap<Name, Option<Whom>>, ApiError> {
    let wrong = || ApiError::body("delegates is an object of names and ids of accounts, or nulls");
    let entries = value.as_object().ok_or_else(wrong)?.iter().map(|(name, whom)| {
        let is_plain = name.is_ascii() && !name.contains('\\');
        let name = Name::from_text(name).ok().filter(|_| is_plain).ok_or_else(wrong)?;
        let whom = match whom {
            Value::Null => None,
            whom => Some(read_whom(api, caller, whom)?),
        };
        Ok((name, whom))
    });
    entries.collect()
}

/// An account by its id; for operators by its name too.
fn read_whom(api: &Api, caller: &Caller, value: &Value) -> Result<Whom, ApiError> {
    let wrong = || ApiError::body("an account is named by its id, 32 hexadecimal digits");
    let text = value.as_str().ok_or_else(wrong)?;
    if caller.is_operator() {
        let rows = api.directory.rows();
        let known = api.ids.read_account(text).and_then(|id| rows.account(id));
        let known = known.or_else(|| rows.accounts().find(|row| &*row.name == text));
        let none = || ApiError::body(format!("there is no account {text}"));
        return known.map(|row| Whom::of(row.id, &api.ids)).ok_or_else(none);
    }
    Whom::read(text, &api.ids).ok_or_else(wrong)
}

async fn of_account(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Answer {
    let account = caller.account(&id, Verb::Read)?.id;
    let mut shown = api.change(move |world, _| Ok(world.trusts_of(account))).await?;
    shown["account"] = api.account_json(account);
    Ok(Reply::of(for_caller(&api, &caller, shown, "trusts")))
}

async fn change_account(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    params: Params,
    body: axum::body::Bytes,
) -> Answer {
    let account = caller.account(&id, Verb::CrossAccount)?.id;
    if caller.token.scope.zones.is_some() {
        // It is for some zones, and trust is for all of them.
        return Err(ApiError::forbidden());
    }
    let wanted: Map<String, Value> = serde_json::from_slice(&body).map_err(ApiError::body)?;
    let wrong = || ApiError::body("trusts is a list of ids of accounts, and the only setting");
    let list = wanted.get("trusts").filter(|_| wanted.len() == 1).and_then(Value::as_array);
    let mut trusts: Vec<Whom> = Vec::new();
    for whom in list.ok_or_else(wrong)? {
        let whom = read_whom(&api, &caller, whom)?;
        if !trusts.contains(&whom) {
            trusts.push(whom);
        }
    }
    let ask = ask(&caller, &params)?;
    let changed = api
        .change(move |world, now| world.choose_trusts(account, trusts, &ask, now).map_err(error));
    let mut shown = changed.await?;
    shown["account"] = api.account_json(account);
    Ok(Reply::of(for_caller(&api, &caller, shown, "trusts")))
}

/// Operators see names of accounts beside their ids; tenants do not see whom the config speaks of.
fn for_caller(api: &Api, caller: &Caller, mut shown: Value, list: &str) -> Value {
    for entry in shown[list].as_array_mut().into_iter().flatten() {
        if caller.is_operator() {
            let id = entry["account"].as_str().and_then(|id| api.ids.read_account(id));
            let row = id.and_then(|id| api.directory.account(id));
            entry["account_name"] = row.map(|row| row.name.to_string()).into();
        } else if entry["from"] == "config" {
            entry["account"] = Value::Null;
        }
    }
    shown
}

fn error(error: ChoiceError) -> ApiError {
    match error {
        ChoiceError::Unknown => ApiError::unknown("zone"),
        ChoiceError::InConfig { file, key } => {
            let text =
                format!("The operator's config says it: {key} in {file}. It is changed there.");
            ApiError::new(StatusCode::CONFLICT, 1003, text)
        }
        ChoiceError::Invalid(why) => ApiError::body(why),
        ChoiceError::Store(why) => ApiError::unavailable(&why),
    }
}
