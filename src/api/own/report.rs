//! `GET /api/v1/zones/{id}/policy_report`: what all chains of a zone would meet, and who leads into it.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use serde_json::{Value, json};

use crate::api::Api;
use crate::api::auth::Caller;
use crate::api::envelope::{Answer, Reply};
use crate::api::error::ApiError;
use crate::base::name::Name;
use crate::control::report::{self, Line};
use crate::model::grant::GrantState;
use crate::store::state::scope::Verb;

/// Lines of one report.
const LINES: usize = 1_000;

pub fn routes() -> Router<Api> {
    Router::new().route("/zones/{zone_id}/policy_report", get(policy_report))
}

async fn policy_report(
    State(api): State<Api>,
    caller: Caller,
    Path(zone_id): Path<String>,
) -> Answer {
    let zone = caller.zone(&zone_id, Verb::Read)?;
    let apex = Name::from_text(&zone.name).map_err(|_| ApiError::internal())?;
    let now = caller.now;
    let made = tokio::task::spawn_blocking(move || {
        let snapshot = api.published.load_full();
        let served = snapshot.catalog.zone_at(&apex).filter(|served| served.id == zone.id);
        let Some(served) = served.filter(|served| served.data.is_ready()) else {
            return json!({ "zone": { "id": zone_id, "name": zone.name }, "live": false });
        };
        let report = report::report(&snapshot, served, now, LINES);
        let requests = api.inbox.look(&snapshot, now);
        let (into, _) = requests.of(zone.account);
        let grants = snapshot.grants.iter().filter(|grant| grant.zone == zone.id);
        let active = grants.filter(|grant| grant.state == GrantState::Active).count();
        let counts = report.counts;
        json!({
            "zone": { "id": zone_id, "name": zone.name },
            "live": true,
            "mode": served.on_violation.word(),
            "chains": {
                "total": counts.chains, "crossing": counts.crossing, "denied": counts.denied,
                "reported": counts.reported, "loops": counts.loops, "too_long": counts.too_long,
                "dangling": counts.dangling, "outside": counts.outside,
            },
            "findings": report.lines.iter().map(line).collect::<Vec<_>>(),
            "findings_left_out": report.left_out,
            "grants": active,
            "requests": into.iter().filter(|request| request.to == zone.id).count(),
        })
    });
    made.await.map(Reply::of).map_err(|_| ApiError::internal())
}

fn line(line: &Line) -> Value {
    json!({
        "code": line.remark.code, "name": line.name, "type": line.rtype, "target": line.target,
        "message": line.remark.message, "remedy": line.remark.help,
    })
}
