//! `user/tokens` and `accounts/{id}/tokens`: whether a token is good, and tokens that mint narrower ones.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Json, Path, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use serde_json::{Value, json};

use super::body::Sent;
use super::envelope::{Answer, Reply};
use super::error::{ApiError, Problem};
use super::page::Params;
use super::permissions::{self, Policy};
use super::{Api, Caller, found};
use crate::base::id::AccountId;
use crate::base::time::UnixTime;
use crate::base::uuid::Uuid;
use crate::control::world::token::NewToken;
use crate::model::prefix::Prefix;
use crate::store::state::change::Token;
use crate::store::state::lineage;
use crate::store::state::scope::{Scope, Verb};

pub fn routes() -> Router<Api> {
    Router::new()
        .route("/user/tokens/verify", get(verify))
        .route("/user/tokens/permission_groups", get(groups))
        .route("/user/tokens", get(list).post(create))
        .route("/user/tokens/{token}", get(show).put(update).delete(delete))
        .route("/user/tokens/{token}/value", put(roll))
        .route("/accounts/{account}/tokens", get(list_of).post(create_for))
        .route("/accounts/{account}/tokens/{token}", get(show_of).put(update_of).delete(delete_of))
        .route("/accounts/{account}/tokens/{token}/value", put(roll_of))
}

async fn verify(caller: Caller) -> Answer {
    let token = &caller.token;
    let mut result = json!({ "id": token.id.to_string(), "status": "active" });
    if let Some(end) = token.expires_at {
        result["expires_on"] = json!(end.to_string());
    }
    if let Some(start) = token.scope.not_before {
        result["not_before"] = json!(UnixTime(start).to_string());
    }
    let message = Problem::new(10000, "This API Token is valid and active");
    Ok(Reply::of(result).with_messages(vec![message]))
}

async fn groups(caller: Caller) -> Answer {
    caller.may(Verb::Read)?;
    found(permissions::groups())
}

fn status(token: &Token, now: UnixTime) -> &'static str {
    match token {
        Token { scope: Scope { disabled: true, .. }, .. } => "disabled",
        Token { expires_at: Some(end), .. } if *end <= now => "expired",
        _ => "active",
    }
}

fn object(api: &Api, token: &Token, now: UnixTime) -> Value {
    let texts = |list: &Option<Vec<Prefix>>| {
        list.iter().flatten().map(ToString::to_string).collect::<Vec<_>>()
    };
    let time = |at: Option<UnixTime>| at.map(|at| at.to_string());
    json!({
        "id": token.id.to_string(),
        "name": token.name,
        "status": status(token, now),
        "issued_on": token.created_at.to_string(),
        "modified_on": token.modified_at.to_string(),
        "not_before": time(token.scope.not_before.map(UnixTime)),
        "expires_on": time(token.expires_at),
        "policies": [permissions::policy(api, token)],
        "condition": { "request_ip": {
            "in": texts(&token.scope.from), "not_in": texts(&token.scope.not_from),
        } },
    })
}

/// Whether the caller may know of a token: those of its account; an operator of all.
fn sees(caller: &Caller, token: &Token) -> bool {
    caller.token.account.is_none() || caller.token.account == token.account
}

fn page(api: &Api, caller: &Caller, params: &Params, of: Option<AccountId>) -> Answer {
    caller.may(Verb::Tokens)?;
    let page = params.page(5..=50, 20)?;
    let rows = api.directory.rows();
    let mut all: Vec<_> = rows
        .tokens()
        .filter(|token| sees(caller, token) && of.is_none_or(|of| token.account == Some(of)))
        .collect();
    all.sort_by_key(|token| (token.created_at, token.id));
    if params.is_descending()? {
        all.reverse();
    }
    let count = all.len();
    let shown = all.into_iter().skip(page.skip()).take(page.size);
    let items = shown.map(|token| object(api, &token, caller.now)).collect();
    Ok(Reply::page(items, &page, count))
}

async fn list(State(api): State<Api>, caller: Caller, params: Params) -> Answer {
    page(&api, &caller, &params, None)
}

async fn list_of(
    State(api): State<Api>,
    caller: Caller,
    Path(account): Path<String>,
    params: Params,
) -> Answer {
    let account = caller.account(&account, Verb::Tokens)?.id;
    page(&api, &caller, &params, Some(account))
}

/// The token of an id, if the caller may know of it.
fn one(
    api: &Api,
    caller: &Caller,
    id: &str,
    of: Option<AccountId>,
) -> Result<Arc<Token>, ApiError> {
    caller.may(Verb::Tokens)?;
    let unknown = || ApiError::unknown("token");
    let id: Uuid = id.parse().map_err(|_| unknown())?;
    let rows = api.directory.rows();
    let token = rows.token(id).filter(|token| sees(caller, token));
    let token = token.filter(|token| of.is_none_or(|of| token.account == Some(of)));
    token.ok_or_else(unknown)
}

/// The same, of one account.
fn one_of(api: &Api, caller: &Caller, account: &str, id: &str) -> Result<Arc<Token>, ApiError> {
    let account = caller.account(account, Verb::Tokens)?.id;
    one(api, caller, id, Some(account))
}

async fn show(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Answer {
    let token = one(&api, &caller, &id, None)?;
    found(object(&api, &token, caller.now))
}

async fn show_of(
    State(api): State<Api>,
    caller: Caller,
    Path((account, id)): Path<(String, String)>,
) -> Answer {
    let token = one_of(&api, &caller, &account, &id)?;
    found(object(&api, &token, caller.now))
}

async fn remove(api: Api, caller: Caller, token: &Token) -> Answer {
    let (id, actor) = (token.id, caller.actor());
    let gone = api.change(move |world, now| {
        world.revoke_token(id, &actor, now).map_err(|why| ApiError::unavailable(&why))
    });
    gone.await?;
    found(json!({ "id": id.to_string() }))
}

async fn delete(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Answer {
    let token = one(&api, &caller, &id, None)?;
    remove(api, caller, &token).await
}

async fn delete_of(
    State(api): State<Api>,
    caller: Caller,
    Path((account, id)): Path<(String, String)>,
) -> Answer {
    let token = one_of(&api, &caller, &account, &id)?;
    remove(api, caller, &token).await
}

/// A new secret for a token: the old one is refused from now on.
async fn roll(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Answer {
    let token = one(&api, &caller, &id, None)?;
    give_secret(api, caller, &token).await
}

async fn roll_of(
    State(api): State<Api>,
    caller: Caller,
    Path((account, id)): Path<(String, String)>,
) -> Answer {
    let account = caller.account(&account, Verb::Tokens)?.id;
    let token = one(&api, &caller, &id, Some(account))?;
    give_secret(api, caller, &token).await
}

async fn give_secret(api: Api, caller: Caller, token: &Token) -> Answer {
    check(&caller, token.account, token.expires_at, &token.scope, token.read_only)?;
    let (id, actor) = (token.id, caller.actor());
    let rolled = api.change(move |world, now| {
        world.roll_token(id, &actor, now).map_err(|why| ApiError::unavailable(&why))
    });
    found(json!(rolled.await?))
}

async fn create(State(api): State<Api>, caller: Caller, wanted: Sent) -> Answer {
    caller.may(Verb::Tokens)?;
    mint(api, caller, None, wanted).await
}

async fn create_for(
    State(api): State<Api>,
    caller: Caller,
    Path(account): Path<String>,
    wanted: Sent,
) -> Answer {
    let account = caller.account(&account, Verb::Tokens)?.id;
    mint(api, caller, Some(account), wanted).await
}

async fn update(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    wanted: Sent,
) -> Answer {
    let token = one(&api, &caller, &id, None)?;
    change(api, caller, &token, wanted).await
}

async fn update_of(
    State(api): State<Api>,
    caller: Caller,
    Path((account, id)): Path<(String, String)>,
    wanted: Sent,
) -> Answer {
    let account = caller.account(&account, Verb::Tokens)?.id;
    let token = one(&api, &caller, &id, Some(account))?;
    change(api, caller, &token, wanted).await
}

/// Says anew what a token is for. Who changes one may do at least as much, before and after.
async fn change(api: Api, caller: Caller, token: &Token, wanted: Sent) -> Answer {
    let Json(body) = wanted.map_err(|e| ApiError::body(e.body_text()))?;
    let old = Scope { disabled: false, ..token.scope.clone() };
    check(&caller, token.account, token.expires_at, &old, token.read_only)?;
    let mut new = read(&api, &caller, token.account, &body)?;
    if new.account != token.account {
        return Err(ApiError::body("the resources belong to another account"));
    }
    new.scope.disabled = match &body["status"] {
        Value::Null => token.scope.disabled,
        Value::String(status) if status == "active" => false,
        Value::String(status) if status == "disabled" => true,
        _ => return Err(ApiError::body("status is active or disabled")),
    };
    let (id, actor) = (token.id, caller.actor());
    let changed = api.change(move |world, now| {
        world.change_token(id, new, &actor, now).map_err(|why| ApiError::unavailable(&why))
    });
    changed.await?;
    let token = api.directory.rows().token(id).ok_or_else(ApiError::internal)?;
    found(object(&api, &token, caller.now))
}

async fn mint(api: Api, caller: Caller, account: Option<AccountId>, wanted: Sent) -> Answer {
    let Json(body) = wanted.map_err(|e| ApiError::body(e.body_text()))?;
    if api.depth(&caller.token) >= lineage::MOST {
        return Err(ApiError::body("tokens make tokens only so many times over"));
    }
    let new = read(&api, &caller, account, &body)?;
    let actor = caller.actor();
    let made = api.change(move |world, now| {
        world.create_token(new, &actor, now).map_err(|why| ApiError::unavailable(&why))
    });
    let (token, text) = made.await?;
    let mut result = object(&api, &token, caller.now);
    result["value"] = json!(text);
    found(result)
}

/// What a body says of a token, as far as the caller may give that away.
fn read(
    api: &Api,
    caller: &Caller,
    account: Option<AccountId>,
    body: &Value,
) -> Result<NewToken, ApiError> {
    let name = body["name"].as_str().filter(|name| !name.is_empty() && name.len() <= 120);
    let name = name.ok_or_else(|| ApiError::body("name has 1 to 120 characters"))?;
    let policy = Policy::read(api, caller, &body["policies"])?;
    let account = account.or(policy.account).or(caller.token.account);
    if policy.account.is_some_and(|of| Some(of) != account) {
        return Err(ApiError::body("the resources belong to another account"));
    }
    let time = |key: &str| match &body[key] {
        Value::Null => Ok(None),
        Value::String(text) => UnixTime::from_text(text)
            .map(Some)
            .ok_or_else(|| ApiError::body(format!("{key} is no time as in RFC 3339"))),
        _ => Err(ApiError::body(format!("{key} is no time"))),
    };
    let condition = &body["condition"]["request_ip"];
    let scope = Scope {
        verbs: Some(policy.verbs),
        zones: policy.zones,
        not_before: time("not_before")?.map(|at| at.0),
        from: prefixes(&condition["in"])?,
        not_from: prefixes(&condition["not_in"])?,
        disabled: false,
    };
    let expires_at = time("expires_on")?;
    let scope = inherited(caller, scope);
    check(caller, account, expires_at.or(caller.token.expires_at), &scope, false)?;
    let expires_at = expires_at.or(caller.token.expires_at);
    let (name, read_only) = (name.to_owned(), false);
    let parent = Some(caller.token.id);
    Ok(NewToken { name, account, read_only, expires_at, scope, parent })
}

impl Api {
    /// How many tokens stand above one.
    fn depth(&self, token: &Token) -> usize {
        let rows = self.directory.rows();
        let mut parent = token.parent;
        let mut depth = 0;
        while let Some(id) = parent.filter(|_| depth < lineage::MOST) {
            depth += 1;
            parent = rows.token(id).and_then(|token| token.parent);
        }
        depth
    }
}

/// What was not asked for is as narrow as the token that mints.
fn inherited(caller: &Caller, mut scope: Scope) -> Scope {
    let own = &caller.token.scope;
    scope.zones = scope.zones.or_else(|| own.zones.clone());
    scope.not_before = scope.not_before.or(own.not_before);
    scope.from = scope.from.or_else(|| own.from.clone());
    scope.not_from = scope.not_from.or_else(|| own.not_from.clone());
    scope
}

/// A token mints only what it may do itself, for its own account, and no longer than it lives.
fn check(
    caller: &Caller,
    account: Option<AccountId>,
    expires_at: Option<UnixTime>,
    scope: &Scope,
    read_only: bool,
) -> Result<(), ApiError> {
    let own = &caller.token;
    let in_account = own.account.is_none() || own.account == account;
    let in_time = own.expires_at.is_none_or(|end| expires_at.is_some_and(|at| at <= end));
    let changes = Verb::ALL.into_iter().any(|v| v != Verb::Read && scope.allows(v) && !read_only);
    let in_verbs = !own.read_only || !changes;
    match in_account && in_time && in_verbs && scope.is_within(&own.scope) {
        true => Ok(()),
        false => Err(ApiError::new(
            StatusCode::FORBIDDEN,
            10000,
            "Authentication error: a token makes only tokens that may do less than itself",
        )),
    }
}

fn prefixes(list: &Value) -> Result<Option<Vec<Prefix>>, ApiError> {
    let wrong = || ApiError::body("request_ip holds lists of prefixes, e.g. [\"192.0.2.0/24\"]");
    match list {
        Value::Null => Ok(None),
        Value::Array(list) if list.is_empty() => Ok(None),
        Value::Array(list) => {
            let prefix = |text: &Value| {
                let text = text.as_str()?;
                let whole = match text.contains('/') {
                    true => text.to_owned(),
                    false if text.contains(':') => format!("{text}/128"),
                    false => format!("{text}/32"),
                };
                whole.parse().ok()
            };
            list.iter().map(prefix).collect::<Option<Vec<_>>>().map(Some).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}
