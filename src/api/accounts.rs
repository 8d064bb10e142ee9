//! `accounts`: a tenant sees its own, an operator all of them, and makes them.

use axum::Router;
use axum::extract::{Json, Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::Sent;
use super::envelope::{Answer, Reply};
use super::error::ApiError;
use super::page::Params;
use super::{Account, Api, Caller, found};
use crate::control::directory::AccountRow;
use crate::control::world::accounts::AccountError;
use crate::store::state::scope::Verb;

pub fn routes() -> Router<Api> {
    Router::new()
        .route("/accounts", get(list).post(create))
        .route("/accounts/{account}", get(show).put(rename).patch(rename).delete(delete))
}

/// How an account is called to people.
pub fn title(row: &AccountRow) -> String {
    if !row.title.is_empty() {
        return row.title.to_string();
    }
    let settings: Value = serde_json::from_str(&row.settings).unwrap_or_default();
    settings["name"].as_str().unwrap_or(&row.name).to_owned()
}

fn object(api: &Api, row: &AccountRow) -> Value {
    json!({
        "id": api.ids.account(row.id),
        "name": title(row),
        "folder": row.name,
        "type": "standard",
        "settings": { "enforce_twofactor": false, "abuse_contact_email": null },
        "created_on": row.created_at.to_string(),
    })
}

async fn list(State(api): State<Api>, caller: Caller, params: Params) -> Answer {
    caller.may(Verb::Read)?;
    let page = params.page(5..=50, 20)?;
    let name = params.get("name");
    let rows = api.directory.rows();
    // A tenant sees its own alone: the others are not even looked at.
    let all: Box<dyn Iterator<Item = &Account>> = match caller.token.account {
        Some(own) => Box::new(rows.account(own).into_iter()),
        None => Box::new(rows.accounts()),
    };
    let seen: Vec<&Account> = all
        .filter(|row| name.is_none_or(|name| title(row) == name || &*row.name == name))
        .collect();
    let all = seen.len();
    let mut shown = seen;
    if params.is_descending()? {
        shown.reverse();
    }
    let items = shown.into_iter().skip(page.skip()).take(page.size);
    Ok(Reply::page(items.map(|row| object(&api, row)).collect(), &page, all))
}

async fn show(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Answer {
    let row = caller.account(&id, Verb::Read)?;
    found(object(&api, &row))
}

#[derive(Deserialize)]
struct Wanted {
    name: String,
}

fn body(wanted: Sent) -> Result<Wanted, ApiError> {
    let Json(value) = wanted.map_err(|e| ApiError::body(e.body_text()))?;
    serde_json::from_value(value).map_err(ApiError::body)
}

async fn create(State(api): State<Api>, caller: Caller, wanted: Sent) -> Answer {
    caller.operator(Verb::Accounts)?;
    let wanted = body(wanted)?;
    let actor = caller.actor();
    let work = move |world: &mut crate::control::world::World, now| {
        world.create_account(&wanted.name, &actor, now).map_err(error)
    };
    let id = api.change(work).await?;
    let row = api.directory.account(id).ok_or_else(ApiError::internal)?;
    Ok(Reply::of(object(&api, &row)).with_status(StatusCode::CREATED))
}

async fn rename(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    wanted: Sent,
) -> Answer {
    let row = caller.account(&id, Verb::Accounts)?;
    let wanted = body(wanted)?;
    let (id, actor) = (row.id, caller.actor());
    api.change(move |world, now| {
        world.rename_account(id, &wanted.name, &actor, now).map_err(error)
    })
    .await?;
    let row = api.directory.account(id).ok_or_else(ApiError::internal)?;
    found(object(&api, &row))
}

async fn delete(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Answer {
    let row = caller.account(&id, Verb::Accounts)?;
    caller.operator(Verb::Accounts)?;
    let actor = caller.actor();
    let account = row.id;
    api.change(move |world, now| world.delete_account(account, &actor, now).map_err(error)).await?;
    found(json!({ "id": id }))
}

fn error(error: AccountError) -> ApiError {
    match error {
        AccountError::Unknown => ApiError::unknown("account"),
        AccountError::Name => {
            ApiError::bad(1001, "The name has 1 to 120 characters, letters or digits among them")
        }
        AccountError::Exists => {
            ApiError::new(StatusCode::CONFLICT, 1002, "There is an account of that name already")
        }
        AccountError::InConfig => ApiError::new(
            StatusCode::CONFLICT,
            1003,
            "The operator's files or config make this account what it is: it is changed there",
        ),
        AccountError::Store(why) => ApiError::unavailable(&why),
    }
}
