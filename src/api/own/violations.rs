//! `GET /api/v1/violations`: denied edges that were asked for, for the side of the owner and that of the target.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde_json::{Value, json};

use super::{SIZE, SIZES, account_of, zone_of};
use crate::api::Api;
use crate::api::auth::Caller;
use crate::api::envelope::{Answer, Reply};
use crate::api::page::Params;
use crate::base::name_buf::NameBuf;
use crate::model::snapshot::Snapshot;
use crate::policy::verdict::{self, Reason};
use crate::telemetry::violations::{Filter, Side, Violation};

pub fn routes() -> Router<Api> {
    Router::new().route("/violations", get(list))
}

const SIDES: [(&str, Side); 2] = [("owner", Side::Owner), ("target", Side::Target)];

async fn list(State(api): State<Api>, caller: Caller, params: Params) -> Answer {
    let account = account_of(&caller, &params)?;
    let zone = zone_of(&caller, &params)?.map(|zone| zone.id);
    let page = params.page(SIZES, SIZE)?;
    let side = params.word("side", &SIDES)?.unwrap_or(Side::Owner);
    let snapshot = api.published.load_full();
    let violations = &api.doors.counters.violations;
    violations.collect(&snapshot);
    let keep = |violation: &Violation| match account {
        None => zone.is_none_or(|zone| violation.from.0 == zone || violation.to.0 == zone),
        Some(_) => {
            let own = match side {
                Side::Owner => violation.from.0,
                Side::Target => violation.to.0,
            };
            caller.token.scope.covers(own) && zone.is_none_or(|zone| own == zone)
        }
    };
    let filter = Filter { account: account.map(|account| (account, side)), keep: &keep };
    let found = violations.list(filter, page.skip(), page.size, &snapshot);
    let show = |violation: &Violation| match caller.is_operator() {
        true => whole(&api, violation),
        false => of_side(&api, violation, side, &snapshot),
    };
    Ok(Reply::page(found.violations.iter().map(show).collect(), &page, found.total))
}

/// What a tenant sees: its own side, and of the other what an anonymous question shows.
fn of_side(api: &Api, violation: &Violation, side: Side, snapshot: &Snapshot) -> Value {
    let mut shown = common(violation);
    match side {
        Side::Owner => {
            let target = NameBuf::of(&violation.target, &snapshot.key);
            let zone = snapshot.catalog.zone_for(&target);
            let zone = zone.map(|zone| crate::base::name::Text(zone.apex()).to_string());
            shown["side"] = json!("owner");
            shown["zone"] = api.zone_json(violation.from.0);
            shown["target_zone"] = json!(zone);
            shown["mode"] = json!(violation.mode.word());
            // Whether somebody blocks a hostname or never heard of it is no tenant's business.
            if violation.reason == Reason::Blocked {
                shown["reason"] = json!(Reason::NotGranted.word());
            }
        }
        Side::Target => {
            shown["side"] = json!("target");
            shown["zone"] = api.zone_json(violation.to.0);
        }
    }
    shown
}

/// What an operator sees.
fn whole(api: &Api, violation: &Violation) -> Value {
    let mut shown = common(violation);
    shown["mode"] = json!(violation.mode.word());
    for (key, (zone, account)) in [("owner", violation.from), ("target_side", violation.to)] {
        shown[key] = json!({ "zone": api.zone_json(zone), "account": api.account_json(account) });
    }
    shown
}

fn common(violation: &Violation) -> Value {
    json!({
        "id": violation.number,
        "code": verdict::CODE,
        "record": violation.record.to_string(),
        "name": violation.owner.to_string(),
        "target": violation.target.to_string(),
        "reason": violation.reason.word(),
        "count": violation.count,
        "first_seen": violation.first.to_string(),
        "last_seen": violation.last.to_string(),
    })
}
