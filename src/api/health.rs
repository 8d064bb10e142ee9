//! `/healthz` and `/readyz`: whether the process lives, and whether it answers questions. They need no token.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use super::Api;
use crate::control::world::Now;

/// Seconds after which a publisher that does not come to an end is told of.
const SILENT: u64 = 60;

pub fn routes() -> Router<Api> {
    Router::new().route("/healthz", get(live)).route("/readyz", get(ready))
}

async fn live() -> Response {
    ([(header::CACHE_CONTROL, "no-store")], "ok\n").into_response()
}

/// 200 while questions are answered, 503 while not. What only hinders changes is told, and no reason to send clients
/// elsewhere.
async fn ready(State(api): State<Api>) -> Response {
    let snapshot = api.published.load();
    let mut reasons = Vec::new();
    if snapshot.generation.0 == 0 {
        reasons.push("no zones have been read yet");
    }
    if !api.figures.are_doors_open() {
        reasons.push("not every worker answers: the server is ending, or has failed");
    }
    let mut warnings = Vec::new();
    let world = api.figures.world();
    if world.logs_failing {
        warnings.push("the data folder cannot be written");
    }
    if world.database_failing {
        warnings.push("the database cannot be used: no custom hostname grants anything");
    }
    let silent = Now::read().unix.since(api.figures.turned_at());
    if api.figures.turned_at().0 > 0 && silent > SILENT {
        warnings.push("the publisher has been busy for more than a minute: changes wait");
    }
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "ready": reasons.is_empty(), "reasons": reasons, "warnings": warnings,
        "generation": snapshot.generation.0,
    });
    (status, [(header::CACHE_CONTROL, "no-store")], axum::Json(body)).into_response()
}
