//! `/api/v1`: what other servers do not have.

mod audit;
mod explain;
mod held;
mod reload;
mod report;
mod requests;
mod settings;
mod snapshots;
mod violations;
mod whoami;

use axum::Router;
use serde_json::{Value, json};

use super::auth::Caller;
use super::error::ApiError;
use super::page::Params;
use super::{Api, Zone};
use crate::base::id::{AccountId, ZoneId};
use crate::store::state::scope::Verb;

pub fn routes() -> Router<Api> {
    Router::new()
        .merge(audit::routes())
        .merge(explain::routes())
        .merge(held::routes())
        .merge(reload::routes())
        .merge(report::routes())
        .merge(requests::routes())
        .merge(settings::routes())
        .merge(snapshots::routes())
        .merge(violations::routes())
        .merge(whoami::routes())
}

/// Items of a page.
const SIZES: std::ops::RangeInclusive<usize> = 1..=1_000;
const SIZE: usize = 50;

/// The account whose things a list is about: an operator may name one, or mean all (`None`); a tenant has its own.
fn account_of(caller: &Caller, params: &Params) -> Result<Option<AccountId>, ApiError> {
    caller.may(Verb::Read)?;
    match params.get("account_id") {
        Some(id) => Ok(Some(caller.account(id, Verb::Read)?.id)),
        None => Ok(caller.token.account),
    }
}

/// The zone that a list is about, if one is named.
fn zone_of(caller: &Caller, params: &Params) -> Result<Option<Zone>, ApiError> {
    params.get("zone_id").map(|id| caller.zone(id, Verb::Read)).transpose()
}

impl Api {
    /// A zone as it is shown beside something else; one that is gone has no name.
    fn zone_json(&self, id: ZoneId) -> Value {
        let row = self.directory.zone(id);
        json!({ "id": self.ids.zone(id), "name": row.map(|row| row.name.clone()) })
    }

    /// Likewise an account. For operators and for itself.
    fn account_json(&self, id: AccountId) -> Value {
        let row = self.directory.account(id);
        json!({ "id": self.ids.account(id), "name": row.map(|row| row.name.clone()) })
    }
}
