//! `/openapi.json`: what can be asked of the API, for programs. It is true: a test compares it with the router.
//!
//! One table of operations (`operations.rs`) and one of schemas (`schemas.rs`) make the document, once.

mod client;
mod operations;
mod records;
mod schemas;
mod zones;

use std::sync::LazyLock;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::Api;

pub fn routes() -> Router<Api> {
    Router::new().route("/openapi.json", axum::routing::get(document))
}

static DOCUMENT: LazyLock<String> = LazyLock::new(|| make().to_string());

async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}

/// One thing that can be asked.
struct Operation {
    method: &'static str,
    /// As the router writes it: names of parameters in braces.
    path: &'static str,
    tag: &'static str,
    summary: &'static str,
    /// Parameters of the query.
    query: &'static [Parameter],
    body: Body,
    answer: Shape,
    /// Asked without a token.
    open: bool,
}

/// A parameter of the query: name, what it is, what it means.
struct Parameter(&'static str, Kind, &'static str);

enum Kind {
    Text,
    Id,
    Number,
    Flag,
    Words(&'static [&'static str]),
}

/// What is sent.
enum Body {
    None,
    /// A schema by its name.
    Json(&'static str),
    /// A form with a file.
    Form(&'static str),
}

/// What comes back when all went well.
enum Shape {
    /// One object in the envelope, with this status.
    One(u16, &'static str),
    /// A page of a list in the envelope.
    Page(&'static str),
    /// A list in the envelope, without pages.
    List(&'static str),
    /// Without envelope: a media type and a schema, also with another status if there is one.
    Plain(&'static str, &'static str, Option<u16>),
}

/// A constructor for each method.
macro_rules! methods {
    ($($method:ident)*) => {
        $(
            const fn $method(
                path: &'static str,
                tag: &'static str,
                summary: &'static str,
                answer: Shape,
            ) -> Operation {
                let (query, body, open) = (&[], Body::None, false);
                let method = stringify!($method);
                Operation { method, path, tag, summary, query, body, answer, open }
            }
        )*
    };
}

methods!(get post put patch delete);

const PAGE: Parameter = Parameter("page", Kind::Number, "Which page, from 1 on.");
const PER_PAGE: Parameter = Parameter("per_page", Kind::Number, "How many on a page.");
const DRY_RUN: Parameter =
    Parameter("dry_run", Kind::Flag, "Nothing is changed; the answer is the same.");

impl Operation {
    const fn query(self, query: &'static [Parameter]) -> Operation {
        Operation { query, ..self }
    }

    const fn body(self, body: Body) -> Operation {
        Operation { body, ..self }
    }

    const fn open(self) -> Operation {
        Operation { open: true, ..self }
    }

    /// `GET /api/v1/held` is `get_api_v1_held`.
    fn id(&self) -> String {
        let words = self.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
        std::iter::once(self.method).chain(words).collect::<Vec<_>>().join("_")
    }

    fn json(&self) -> Value {
        let mut operation = json!({
            "operationId": self.id(), "tags": [self.tag], "summary": self.summary,
            "responses": self.responses(),
        });
        let mut parameters: Vec<Value> = path_parameters(self.path).map(of_path).collect();
        parameters.extend(self.query.iter().map(Parameter::json));
        if !parameters.is_empty() {
            operation["parameters"] = Value::Array(parameters);
        }
        match self.body {
            Body::None => {}
            Body::Form(name) => {
                let content = json!({ "multipart/form-data": { "schema": reference(name) } });
                operation["requestBody"] = json!({ "required": true, "content": content });
            }
            Body::Json(name) => {
                let content = json!({ "application/json": { "schema": reference(name) } });
                operation["requestBody"] = json!({ "required": true, "content": content });
            }
        }
        if self.open {
            operation["security"] = json!([]);
        }
        operation
    }

    fn responses(&self) -> Value {
        let mut responses = Map::new();
        let mut put = |status: u16, media: &str, schema: Value| {
            let response =
                json!({ "description": "As asked.", "content": { media: { "schema": schema } } });
            responses.insert(status.to_string(), response);
        };
        let list = |name: &str| json!({ "type": "array", "items": reference(name) });
        match self.answer {
            Shape::One(status, name) => {
                put(status, "application/json", envelope(&reference(name), false));
                if self.query.iter().any(|parameter| parameter.0 == DRY_RUN.0) && status != 200 {
                    put(200, "application/json", envelope(&reference(name), false));
                }
            }
            Shape::Page(name) => put(200, "application/json", envelope(&list(name), true)),
            Shape::List(name) => put(200, "application/json", envelope(&list(name), false)),
            Shape::Plain(media, name, other) => {
                put(200, media, reference(name));
                if let Some(other) = other {
                    put(other, media, reference(name));
                }
            }
        }
        responses.insert("default".to_owned(), json!({ "$ref": "#/components/responses/Error" }));
        Value::Object(responses)
    }
}

impl Parameter {
    fn json(&self) -> Value {
        let Parameter(name, kind, description) = self;
        let schema = match kind {
            Kind::Text => json!({ "type": "string" }),
            Kind::Id => json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" }),
            Kind::Number => json!({ "type": "integer", "minimum": 1 }),
            Kind::Flag => json!({ "type": "boolean" }),
            Kind::Words(words) => json!({ "type": "string", "enum": words }),
        };
        json!({ "name": name, "in": "query", "description": description, "schema": schema })
    }
}

/// Names in braces.
fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
}

fn of_path(name: &str) -> Value {
    let schema = match name {
        "serial" => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
        _ => json!({ "type": "string", "minLength": 1 }),
    };
    json!({ "name": name, "in": "path", "required": true, "schema": schema })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// What every answer of a request that was carried out is wrapped in.
fn envelope(result: &Value, is_page: bool) -> Value {
    let mut schema = json!({
        "type": "object",
        "required": ["success", "errors", "messages", "result"],
        "properties": {
            "success": { "const": true },
            "errors": { "type": "array", "maxItems": 0 },
            "messages": { "type": "array", "items": reference("Problem") },
            "result": result,
        },
    });
    if is_page {
        schema["properties"]["result_info"] = reference("ResultInfo");
        schema["required"] = json!(["success", "errors", "messages", "result", "result_info"]);
    }
    schema
}

/// Whether an operation can be tried: its path as the router writes it.
pub(super) fn can_be_tried(method: &str, path: &str) -> bool {
    let mut same = all().filter(|o| o.path == path && o.method.eq_ignore_ascii_case(method));
    same.any(|operation| operation.query.iter().any(|parameter| parameter.0 == DRY_RUN.0))
}

/// All operations.
fn all() -> impl Iterator<Item = &'static Operation> {
    operations::OWN.iter().chain(client::V4).chain(records::V4).chain(zones::ZONES)
}

/// The whole document.
fn make() -> Value {
    let mut paths = Map::new();
    for operation in all() {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = operation.json();
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Bailiwick", "version": env!("CARGO_PKG_VERSION"),
            "description": "An authoritative DNS server for accounts that do not trust each other. `/client/v4` \
                            speaks the v4 dialect, `/api/v1` carries what is its own.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": {
                "type": "http", "scheme": "bearer",
                "description": "Made by `bailiwick token create`.",
            } },
            "responses": { "Error": {
                "description": "Why it was not carried out.",
                "content": { "application/json": { "schema": reference("Errors") } },
            } },
            "schemas": schemas::all(),
        },
    })
}
