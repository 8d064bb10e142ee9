//! Who asks, and whether they may: every handler finds what a request names through [`Caller`], here and nowhere else.
//!
//! What a token may not see does not exist for it: an id of nobody and an id of somebody else get the same answer, by
//! the same steps.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::{ApiError, Problem};
use super::{Api, Peer};
use crate::base::id::{AccountId, ZoneId};
use crate::base::time::UnixTime;
use crate::base::uuid::Uuid;
use crate::control::directory::{AccountRow, ZoneRow};
use crate::control::token;
use crate::control::world::Now;
use crate::store::state::change::Token;
use crate::store::state::scope::Verb;

/// Octets a token may have on the wire.
const TOKEN_MAX: usize = 200;

/// Who asks.
#[derive(Clone)]
pub struct Caller {
    pub token: Arc<Token>,
    pub now: UnixTime,
    api: Api,
}

/// An account that the caller may see.
pub type Account = Arc<AccountRow>;
/// A zone that the caller may see.
pub type Zone = Arc<ZoneRow>;

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Caller, ApiError> {
        parts.extensions.get::<Caller>().cloned().ok_or_else(ApiError::forbidden)
    }
}

/// Lets requests with a good token on, and nobody else.
pub async fn require(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    api.directory.wait().await;
    match authenticate(api, request.headers(), request.extensions().get::<Peer>().copied()) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

fn authenticate(api: Api, headers: &HeaderMap, peer: Option<Peer>) -> Result<Caller, ApiError> {
    let text = bearer(headers)?;
    let now = Now::read();
    // The table is asked for a hash of something random: how long it takes says nothing about any token.
    let hash = token::hash(text);
    let address = peer.map(|peer| peer.0.ip().to_canonical());
    let token = api.directory.token(&hash).filter(|t| token::same(&t.hash, &hash));
    let usable = token.filter(|t| t.scope.is_open(t.expires_at, now.unix, address));
    let Some(token) = usable else {
        if let Some(address) = address {
            api.limiter.wrong(address, now.at).map_err(ApiError::too_many)?;
        }
        return Err(ApiError::new(StatusCode::FORBIDDEN, 9109, "Invalid access token"));
    };
    api.limiter.ask(token.id, token.account, now.at).map_err(ApiError::too_many)?;
    Ok(Caller { token, now: now.unix, api })
}

fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let wrong = |chain: Problem| {
        let problem = Problem::new(6003, "Invalid request headers").because(chain);
        ApiError::of(StatusCode::BAD_REQUEST, problem)
    };
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        if headers.contains_key("x-auth-key") {
            let text = "API keys do not exist here: send a token, `Authorization: Bearer TOKEN`";
            return Err(wrong(Problem::new(6103, text)));
        }
        let text = "Missing \"Authorization\" header: send `Authorization: Bearer TOKEN`";
        return Err(ApiError::bad(9106, text));
    };
    let text = value.to_str().ok().and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let text = text.filter(|token| !token.is_empty() && token.len() <= TOKEN_MAX);
    text.ok_or_else(|| wrong(Problem::new(6111, "Invalid format for Authorization header")))
}

impl Caller {
    /// Whether an operator asks.
    pub fn is_operator(&self) -> bool {
        self.token.account.is_none()
    }

    /// How this caller is called in the audit log.
    pub fn actor(&self) -> String {
        actor(self.token.id)
    }

    /// For what belongs to no account or zone.
    pub fn operator(&self, verb: Verb) -> Result<(), ApiError> {
        if self.is_operator() { self.may(verb) } else { Err(ApiError::forbidden()) }
    }

    /// Whether the token has the verb.
    pub fn may(&self, verb: Verb) -> Result<(), ApiError> {
        match self.token.scope.allows(verb) && (verb == Verb::Read || !self.token.read_only) {
            true => Ok(()),
            false => Err(ApiError::forbidden()),
        }
    }

    /// Whether an account exists for this caller.
    pub fn sees_account(&self, id: AccountId) -> bool {
        self.token.account.is_none_or(|own| own == id)
    }

    /// Whether a zone does.
    pub fn sees_zone(&self, id: ZoneId, account: AccountId) -> bool {
        self.sees_account(account) && self.token.scope.covers(id)
    }

    /// The account that a public id names, for doing `verb` with it.
    pub fn account(&self, id: &str, verb: Verb) -> Result<Account, ApiError> {
        let unknown = || ApiError::unknown("account");
        // Looked up whatever the id says, so that nobody's and somebody's take the same way.
        let id = self.api.ids.read_account(id).unwrap_or(AccountId(u32::MAX));
        let row = self.api.directory.account(id);
        let row = row.filter(|row| self.sees_account(row.id)).ok_or_else(unknown)?;
        self.may(verb)?;
        Ok(row)
    }

    /// The zone that a public id names, for doing `verb` with it or something in it.
    pub fn zone(&self, id: &str, verb: Verb) -> Result<Zone, ApiError> {
        let unknown = || ApiError::unknown("zone");
        let id = self.api.ids.read_zone(id).unwrap_or(ZoneId(u32::MAX));
        let row = self.api.directory.zone(id);
        let row = row.filter(|row| self.sees_zone(row.id, row.account)).ok_or_else(unknown)?;
        self.may(verb)?;
        Ok(row)
    }
}

/// How a token is called in the audit log.
pub fn actor(id: Uuid) -> String {
    format!("token {id}")
}
