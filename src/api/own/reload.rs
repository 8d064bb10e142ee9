//! `POST /api/v1/reload`: reads the config and all zone files again, like `bailiwick reload`.

use axum::Router;
use axum::extract::State;
use axum::routing::post;

use crate::api::Api;
use crate::api::auth::Caller;
use crate::api::envelope::{Answer, Reply};
use crate::api::error::ApiError;
use crate::control::command::{Command, reply};
use crate::store::state::scope::Verb;

pub fn routes() -> Router<Api> {
    Router::new().route("/reload", post(reload))
}

async fn reload(State(api): State<Api>, caller: Caller) -> Answer {
    caller.operator(Verb::Operate)?;
    let publisher = api.publisher.clone();
    let done = tokio::task::spawn_blocking(move || {
        let (reply, answer) = reply();
        publisher.send(Command::Reload(Some(reply))).ok()?;
        answer.recv().ok()
    });
    match done.await {
        Ok(Some(Ok(report))) => Ok(Reply::of(report)),
        Ok(Some(Err(problem))) => Err(ApiError::unavailable(&problem)),
        Ok(None) => Err(ApiError::ending()),
        Err(_) => Err(ApiError::internal()),
    }
}
