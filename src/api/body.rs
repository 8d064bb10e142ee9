//! Bodies are read whole before a handler sees them: bounded in size and in time, large ones few at once.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Json, Request};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::error::ApiError;

/// A body that should be JSON; what else it is, the handler says once it is known who asks.
pub type Sent = Result<Json<Value>, JsonRejection>;

/// Octets of a body: a zone of 3,500 records and more to import.
const MOST: usize = 8 << 20;
/// From this size on a body is a large one, and so many may be there at once.
const LARGE: u64 = 64 << 10;
const LARGE_AT_ONCE: usize = 16;
/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

static ROOM: Semaphore = Semaphore::const_new(LARGE_AT_ONCE);

/// Reads the body.
pub async fn whole(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let length = parts.headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    let expects = parts.headers.contains_key(header::TRANSFER_ENCODING);
    if length.unwrap_or(0) == 0 && !expects {
        return next.run(Request::from_parts(parts, Body::empty())).await;
    }
    if length.is_some_and(|length| length > MOST as u64) {
        return too_large();
    }
    // Without a length it may be a large one. Held until the handler is done with it.
    let _room = match length {
        Some(length) if length < LARGE => None,
        _ => match timeout(PATIENCE, ROOM.acquire()).await {
            Ok(Ok(room)) => Some(room),
            _ => return ApiError::busy().into_response(),
        },
    };
    match timeout(PATIENCE, to_bytes(body, MOST)).await {
        Ok(Ok(octets)) => next.run(Request::from_parts(parts, Body::from(octets))).await,
        Ok(Err(_)) => too_large(),
        Err(_) => {
            let status = StatusCode::REQUEST_TIMEOUT;
            ApiError::new(status, 1408, "The body took too long to arrive").into_response()
        }
    }
}

fn too_large() -> Response {
    let text = format!("The body is larger than {MOST} octets, or broke off");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, 1413, text).into_response()
}
