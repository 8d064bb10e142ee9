//! `user/tokens`: whether a token is good.

use axum::Router;
use axum::routing::get;
use serde_json::json;

use super::envelope::{Answer, Reply};
use super::error::Problem;
use super::{Api, Caller};

pub fn routes() -> Router<Api> {
    Router::new().route("/user/tokens/verify", get(verify))
}

async fn verify(caller: Caller) -> Answer {
    let token = &caller.token;
    let mut result = json!({ "id": token.id.to_string(), "status": "active" });
    if let Some(end) = token.expires_at {
        result["expires_on"] = json!(end.to_string());
    }
    if let Some(start) = token.scope.not_before {
        result["not_before"] = json!(crate::base::time::UnixTime(start).to_string());
    }
    let message = Problem::new(10000, "This API Token is valid and active");
    Ok(Reply::of(result).with_messages(vec![message]))
}
