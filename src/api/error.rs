//! An error as the outside sees it: HTTP status, and codes and texts that clients of the v4 dialect know.

use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

/// One error of an answer, or one message beside a result.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Problem {
    pub code: u32,
    pub message: String,
    /// Which part of the body it is about, as a JSON pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub error_chain: Vec<Problem>,
}

/// See [`Problem::source`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Source {
    pub pointer: String,
}

impl Problem {
    pub fn new(code: u32, message: impl Into<String>) -> Problem {
        Problem { code, message: message.into(), source: None, error_chain: Vec::new() }
    }

    /// The same, about one part of the body: `/posts/0`.
    pub fn at(mut self, pointer: impl Into<String>) -> Problem {
        self.source = Some(Source { pointer: pointer.into() });
        self
    }

    /// The same, with what is behind it.
    pub fn because(mut self, cause: Problem) -> Problem {
        self.error_chain.push(cause);
        self
    }
}

/// Why a request is not carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiError {
    pub status: StatusCode,
    pub problems: Vec<Problem>,
    /// Seconds after which asking again may help.
    pub retry_after: Option<u64>,
}

impl ApiError {
    pub fn new(status: StatusCode, code: u32, message: impl Into<String>) -> ApiError {
        ApiError { status, problems: vec![Problem::new(code, message)], retry_after: None }
    }

    /// Something is wrong with what was sent.
    pub fn bad(code: u32, message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub fn of(status: StatusCode, problem: Problem) -> ApiError {
        ApiError { status, problems: vec![problem], retry_after: None }
    }

    /// No such path.
    pub fn no_route() -> ApiError {
        ApiError::new(StatusCode::NOT_FOUND, 7000, "No route for that URI")
    }

    /// There is such a path, and that is not done to it.
    pub fn wrong_method(method: &Method) -> ApiError {
        // A method may be of any length.
        let method: String = method.as_str().chars().take(32).collect();
        let text = format!("Method {method} not available for that URI");
        ApiError::new(StatusCode::METHOD_NOT_ALLOWED, 7001, text)
    }

    /// It can be done, and not be tried.
    pub fn no_trial() -> ApiError {
        let text = "dry_run is not for this: nothing was changed. The OpenAPI document says what can be tried; what \
                    is wrong with config and zone files says `bailiwick check`";
        ApiError::bad(1004, text)
    }

    /// An id that leads to nothing this caller may see: that of nobody and that of somebody else alike.
    pub fn unknown(what: &str) -> ApiError {
        let message = format!("Could not route to this {what}: the object identifier is invalid");
        ApiError::new(StatusCode::NOT_FOUND, 7003, message)
    }

    /// The token may not do that.
    pub fn forbidden() -> ApiError {
        ApiError::new(StatusCode::FORBIDDEN, 10000, "Authentication error")
    }

    /// The body is not what is wanted.
    pub fn body(detail: impl std::fmt::Display) -> ApiError {
        ApiError::bad(9208, format!("Request body is invalid: {detail}"))
    }

    /// Nothing can be stored or read now.
    pub fn unavailable(detail: &str) -> ApiError {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let mut error = ApiError::new(status, 10500, format!("Nothing was changed: {detail}"));
        error.retry_after = Some(5);
        error
    }

    pub fn busy() -> ApiError {
        ApiError::unavailable("too much is waiting to be done")
    }

    pub fn ending() -> ApiError {
        ApiError::unavailable("the server is ending")
    }

    pub fn internal() -> ApiError {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, 1500, "Internal error")
    }

    pub fn too_many(seconds: u64) -> ApiError {
        let text = "Rate limit reached: more requests than one token may make in this time";
        let mut error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, 10429, text);
        error.retry_after = Some(seconds.max(1));
        error
    }
}

impl ApiError {
    /// The proof of a zone was looked for too often.
    pub fn too_many_looks(seconds: u64) -> ApiError {
        let text = "Zones were looked at too often: this one, or all of the account; a zone that is not active is \
                    looked at by itself too";
        let mut error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, 10429, text);
        error.retry_after = Some(seconds.max(1));
        error
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({
            "success": false, "errors": self.problems, "messages": [], "result": null,
        });
        let mut response = (self.status, axum::Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
