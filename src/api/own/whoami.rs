//! `GET /api/v1/whoami`: what a token is, and what may be done with it.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde_json::json;

use crate::api::Api;
use crate::api::auth::Caller;
use crate::api::envelope::{Answer, Reply};
use crate::store::state::scope::Verb;

pub fn routes() -> Router<Api> {
    Router::new().route("/whoami", get(whoami))
}

async fn whoami(State(api): State<Api>, caller: Caller) -> Answer {
    let token = &caller.token;
    let verbs: Vec<&str> =
        Verb::ALL.into_iter().filter(|verb| caller.may(*verb).is_ok()).map(Verb::word).collect();
    let zones = token.scope.zones.as_ref();
    let zones = zones.map(|zones| zones.iter().map(|id| api.zone_json(*id)).collect::<Vec<_>>());
    Ok(Reply::of(json!({
        "token": { "id": token.id.to_string(), "name": token.name },
        "operator": caller.is_operator(),
        "account": token.account.map(|id| api.account_json(id)),
        "verbs": verbs,
        "zones": zones,
        "expires_on": token.expires_at.map(|at| at.to_string()),
        "server": {
            "version": env!("CARGO_PKG_VERSION"),
            "generation": api.published.load().generation.0,
        },
    })))
}
