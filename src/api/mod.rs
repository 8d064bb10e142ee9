//! Floor 8: the HTTP API: a door for tenants, platforms and operators. It carries; what happens is decided below.
//!
//! Every request takes one way: connection (`server`), address and token (`auth`), body (`body`), handler. A handler
//! finds what a request names only through [`Caller`], so that what belongs to others does not exist; it reads from
//! the [`Directory`], the snapshot or a read-only connection to the database, and changes something only by a job in
//! the publisher's thread ([`Api::change`]), which answers when the change is stored and published.

mod accounts;
mod auth;
mod body;
pub mod envelope;
pub mod error;
mod form;
mod health;
mod hostnames;
mod metrics;
mod openapi;
mod origins;
mod own;
pub mod page;
mod permissions;
pub mod prover;
mod rate;
mod records;
pub mod server;
mod stream;
mod tls;
mod tokens;
mod zone_filter;
mod zones;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::TrySendError;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};

pub use self::auth::{Account, Caller, Zone};
use self::envelope::{Answer, Reply};
use self::error::ApiError;
use self::metrics::Survey;
use self::page::Params;
use self::rate::Limiter;
use crate::base::public_id::PublicIds;
use crate::control::command::{Command, Handle, Job};
use crate::control::directory::Directory;
use crate::control::inbox::Inbox;
use crate::control::press::Published;
use crate::control::world::{Now, World};
use crate::outside::service::Service;
use crate::store::state::readers::Readers;
use crate::store::state::{Failure, Store};
use crate::telemetry::connections::Connections;
use crate::telemetry::counters::Counters;
use crate::telemetry::figures::Figures;

/// What all handlers share; cloning it copies a pointer.
#[derive(Clone)]
pub struct Api(Arc<Shared>);

/// See [`Api`].
pub struct Shared {
    /// The way to the one writer.
    pub publisher: Handle,
    /// What questions are answered from.
    pub published: Arc<Published>,
    /// Who there is: accounts, zones, tokens.
    pub directory: Arc<Directory>,
    pub ids: PublicIds,
    /// Connections to the database that only read.
    pub readers: Readers,
    /// What the doors count, and what they and the publisher tell.
    pub doors: Doors,
    pub figures: Arc<Figures>,
    pub inbox: Inbox,
    /// Figures that cost a look at everything.
    pub survey: Survey,
    limiter: Limiter,
}

/// What an [`Api`] is made of, but for what only the doors have.
pub struct Inputs {
    pub publisher: Handle,
    pub published: Arc<Published>,
    pub directory: Arc<Directory>,
    pub ids: PublicIds,
    pub readers: Readers,
    pub figures: Arc<Figures>,
}

/// What only the doors have.
pub struct Doors {
    pub counters: Arc<Counters>,
    pub connections: Arc<Connections>,
    /// Who looks things up outside.
    pub outside: Option<Service>,
}

/// Whom a request comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer(pub SocketAddr);

impl std::ops::Deref for Api {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// Pause before a full queue is tried again, and how often.
const QUEUE_PAUSE: Duration = Duration::from_millis(2);
const QUEUE_TRIES: usize = 1_000;

impl Api {
    pub fn new(inputs: Inputs, doors: Doors) -> Api {
        let Inputs { publisher, published, directory, ids, readers, figures } = inputs;
        let (limiter, inbox, survey) = (Limiter::default(), Inbox::default(), Survey::default());
        Api(Arc::new(Shared {
            publisher,
            published,
            directory,
            ids,
            readers,
            doors,
            figures,
            inbox,
            survey,
            limiter,
        }))
    }

    /// Does something in the publisher's thread. Its answer comes when what it did is on disk and in the snapshot that
    /// questions are answered from.
    pub async fn change<T, F>(&self, work: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&mut World, Now) -> Result<T, ApiError> + Send + 'static,
    {
        let (tell, told) = tokio::sync::oneshot::channel();
        let mut command = Command::Job(Job::new(work, move |done| {
            // Who asked may have gone away.
            let _ = tell.send(done);
        }));
        for _ in 0..QUEUE_TRIES {
            match self.publisher.try_send(command) {
                Ok(()) => {
                    return match told.await {
                        Ok(Ok(done)) => done,
                        Ok(Err(failure)) => Err(ApiError::unavailable(&failure)),
                        Err(_) => Err(ApiError::ending()),
                    };
                }
                Err(TrySendError::Full(back)) => command = back,
                Err(TrySendError::Disconnected(_)) => return Err(ApiError::ending()),
            }
            tokio::time::sleep(QUEUE_PAUSE).await;
        }
        Err(ApiError::busy())
    }

    /// Reads from the database, on a thread where that may take its time.
    pub async fn read<T, F>(&self, work: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Store) -> Result<T, Failure> + Send + 'static,
    {
        let shared = Arc::clone(&self.0);
        let read = tokio::task::spawn_blocking(move || shared.readers.with(work)).await;
        match read {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(failure)) => Err(ApiError::unavailable(&failure.to_string())),
            Err(_) => Err(ApiError::internal()),
        }
    }
}

/// Everything that is answered. Each part brings its own routes.
pub fn router(api: Api) -> Router {
    let client = Router::new()
        .merge(tokens::routes())
        .merge(accounts::routes())
        .merge(zones::routes())
        .merge(hostnames::routes())
        .merge(origins::routes())
        .merge(records::routes())
        .method_not_allowed_fallback(wrong_method)
        .fallback(nothing);
    let own = own::routes().method_not_allowed_fallback(wrong_method).fallback(nothing);
    let with_token = Router::new()
        .nest("/client/v4", client)
        .nest("/api/v1", own)
        .layer(axum::middleware::from_fn(trial))
        // From the inside out: who asks is known before a body is read.
        .layer(axum::middleware::from_fn(body::whole))
        .layer(from_fn_with_state(api.clone(), auth::require));
    let open = health::routes().merge(metrics::routes()).merge(openapi::routes());
    let open = open.method_not_allowed_fallback(wrong_method);
    with_token.merge(open).fallback(nothing).with_state(api)
}

async fn nothing() -> Answer {
    Err(ApiError::no_route())
}

/// What is only to be tried, and cannot be, is not done.
async fn trial(params: Params, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let wanted = !matches!(params.flag("dry_run"), Ok(None | Some(false)));
    let method = request.method();
    if wanted && !method.is_safe() && !openapi::can_be_tried(method.as_str(), path) {
        return ApiError::no_trial().into_response();
    }
    next.run(request).await
}

/// The header `Allow` says which methods there are.
async fn wrong_method(method: Method) -> Answer {
    Err(ApiError::wrong_method(&method))
}

/// For handlers that answer with one object.
pub fn found(result: serde_json::Value) -> Answer {
    Ok(Reply::of(result))
}
