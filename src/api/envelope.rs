//! What an answer is wrapped in: `success`, `errors`, `messages`, `result`, `result_info`.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};

use super::error::{ApiError, Problem};

/// What a handler hands back.
pub type Answer = Result<Reply, ApiError>;

/// A request that was carried out.
#[derive(Clone, PartialEq, Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub result: Value,
    /// Remarks, such as a policy warning.
    pub messages: Vec<Problem>,
    pub info: Option<Info>,
    /// A field beside the result that some clients look for.
    pub beside: Option<(&'static str, Value)>,
}

/// Where a list stands among its pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Info {
    pub page: usize,
    pub per_page: usize,
    pub count: usize,
    pub total_count: usize,
    pub total_pages: usize,
}

impl Reply {
    pub fn of(result: Value) -> Reply {
        Reply { status: StatusCode::OK, result, messages: Vec::new(), info: None, beside: None }
    }

    pub fn with_status(mut self, status: StatusCode) -> Reply {
        self.status = status;
        self
    }

    pub fn with_messages(mut self, messages: Vec<Problem>) -> Reply {
        self.messages = messages;
        self
    }

    /// One page of a list.
    pub fn page(items: Vec<Value>, page: &super::page::Page, total_count: usize) -> Reply {
        let info = Info {
            page: page.number,
            per_page: page.size,
            count: items.len(),
            total_count,
            total_pages: total_count.div_ceil(page.size),
        };
        Reply { info: Some(info), ..Reply::of(Value::Array(items)) }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut body = json!({
            "success": true, "errors": [], "messages": self.messages, "result": self.result,
        });
        if let Some((key, value)) = self.beside {
            body[key] = value;
        }
        if let Some(info) = self.info {
            body["result_info"] = json!(info);
        }
        (self.status, axum::Json(body)).into_response()
    }
}
