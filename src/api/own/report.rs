//! `GET /api/v1/zones/{id}/policy_report`: what all chains of a zone would meet, and who leads into it.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use serde_json::{Value, json};

use crate::api::auth::Caller;
use crate::api::envelope::{Answer, Reply};
use crate::api::error::ApiError;
use crate::api::{Api, Zone};
use crate::base::id::ZoneId;
use crate::base::name::Name;
use crate::control::report::{self, Line, Reader};
use crate::model::catalog::Zone as Served;
use crate::model::grant::GrantState;
use crate::model::settings::{CrossAccount, FlattenMode, OnViolation};
use crate::model::snapshot::Snapshot;
use crate::records::compile::compile;
use crate::records::{Content, Record, RecordSet};
use crate::store::state::scope::Verb;
use crate::store::state::{Failure, Store};

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
    let (now, number) = (caller.now, zone.id);
    let snapshot = api.published.load_full();
    let served = snapshot.catalog.zone_at(&apex).filter(|served| served.id == number);
    let live = served.is_some_and(|served| served.data.is_ready());
    let stored = match live {
        true => None,
        false => api.read(move |store| stored(store, number)).await?,
    };
    let made = tokio::task::spawn_blocking(move || {
        let world = match live {
            true => Some(Snapshot::clone(&snapshot)),
            false => stored.and_then(|(content, records)| {
                as_if_live(&snapshot, &zone, &apex, &content, records)
            }),
        };
        let named = json!({ "id": zone_id, "name": zone.name });
        let Some(world) = world else { return json!({ "zone": named, "live": false }) };
        let Some(judged) = world.catalog.zone_at(&apex) else {
            return json!({ "zone": named, "live": false });
        };
        let report = report::report(&world, judged, Reader::Owner, now, LINES);
        let requests = api.inbox.look(&snapshot, now);
        let (into, _) = requests.of(zone.account);
        let grants = snapshot.grants.iter().filter(|grant| grant.zone == zone.id);
        let active = grants.filter(|grant| grant.state == GrantState::Active).count();
        let counts = report.counts;
        json!({
            "zone": named,
            "live": live,
            "mode": judged.on_violation.word(),
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

/// What the database says of a zone that lives there.
fn stored(store: &mut dyn Store, zone: ZoneId) -> Result<Option<(Content, Vec<Record>)>, Failure> {
    let Some(content) = store.content(zone)? else { return Ok(None) };
    Ok(Some((content, store.records(zone, None)?)))
}

/// The world as it would be if a zone that is not answered from yet were: with the modes that zones have by themselves.
fn as_if_live(
    snapshot: &Snapshot,
    zone: &Zone,
    apex: &Name,
    content: &Content,
    records: Vec<Record>,
) -> Option<Snapshot> {
    let set = RecordSet::new(apex, records);
    let data = compile(content, &set, &snapshot.key, None).ok()?.data;
    let flatten = match content.settings.flatten_all {
        true => FlattenMode::All,
        false => FlattenMode::Apex,
    };
    let (on_violation, cross_account) = (OnViolation::default(), CrossAccount::default());
    let (id, account) = (zone.id, zone.account);
    let mut world = snapshot.clone();
    world.catalog.put(Served { id, account, on_violation, cross_account, flatten, data });
    Some(world)
}

fn line(line: &Line) -> Value {
    json!({
        "code": line.remark.code, "name": line.name, "type": line.rtype, "target": line.target,
        "message": line.remark.message, "remedy": line.remark.help,
    })
}
