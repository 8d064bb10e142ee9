//! `GET /api/v1/explain`: the decision trace of one question, by the functions that answer it.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde_json::json;

use crate::api::Api;
use crate::api::auth::Caller;
use crate::api::envelope::{Answer, Reply};
use crate::api::error::ApiError;
use crate::api::page::Params;
use crate::base::id::AccountId;
use crate::base::name::Name;
use crate::base::name_buf::NameBuf;
use crate::base::rtype;
use crate::explain::{explain, tenant};
use crate::rdata;
use crate::store::state::scope::Verb;

pub fn routes() -> Router<Api> {
    Router::new().route("/explain", get(trace))
}

async fn trace(State(api): State<Api>, caller: Caller, params: Params) -> Answer {
    caller.may(Verb::Read)?;
    let wrong = |text: &str| ApiError::bad(1004, text);
    let name = params.get("name").ok_or_else(|| wrong("The parameter name is needed"))?;
    let name = Name::from_text(name).map_err(|e| wrong(&format!("name is no domain name: {e}")))?;
    let rtype = match params.get("type").unwrap_or("A") {
        "ANY" | "any" => Some(rtype::ANY),
        text => rdata::type_from_text(text.as_bytes()),
    };
    let rtype = rtype.ok_or_else(|| wrong("type is no RR type, e.g. A, AAAA, HTTPS or TYPE65"))?;
    let snapshot = api.published.load_full();
    let own = match caller.token.account {
        None => None,
        Some(account) => {
            // Names of others and names of nobody are not told from each other.
            let zone = snapshot.catalog.zone_for(&NameBuf::of(&name, &snapshot.key));
            let seen = zone.filter(|zone| caller.sees_zone(zone.id, zone.account));
            seen.ok_or_else(|| ApiError::unknown("name"))?;
            Some(account)
        }
    };
    let account_name = |id: AccountId| match api.directory.account(id) {
        Some(row) => row.name.to_string(),
        None => id.to_string(),
    };
    let mut explanation = explain(&snapshot, &name, rtype, caller.now, &account_name);
    if let Some(own) = own {
        tenant::redact(&mut explanation, &account_name(own));
    }
    Ok(Reply::of(json!(explanation)))
}
