//! `/metrics`: all figures as Prometheus reads them. No tenant has a label of its own here.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Api;
use super::error::ApiError;
use crate::base::id::Generation;
use crate::base::time::UnixTime;
use crate::control::world::Now;
use crate::model::grant::GrantState;
use crate::model::snapshot::Snapshot;
use crate::outside::service::Service;
use crate::telemetry::families;
use crate::telemetry::page::{Kind, Page};
use crate::telemetry::process::Process;

/// The format (Prometheus text 0.0.4).
const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Looks at everything take at most this share of the time.
const SHARE: u32 = 20;

pub fn routes() -> Router<Api> {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(State(api): State<Api>) -> Response {
    // Counting what a million zones hold takes its time.
    let written = tokio::task::spawn_blocking(move || write(&api)).await;
    match written {
        Ok(text) => ([(header::CONTENT_TYPE, TYPE)], text).into_response(),
        Err(_) => ApiError::internal().into_response(),
    }
}

fn write(api: &Api) -> String {
    let now = Now::read().unix;
    let snapshot = api.published.load_full();
    let mut page = Page::default();
    let help = "Which version runs.";
    let labels = [("version", env!("CARGO_PKG_VERSION"))];
    page.family("bailiwick_build_info", Kind::Gauge, help).sample(&labels, 1u64);
    families::answers(&mut page, &api.doors.counters.totals());
    families::violations(&mut page, api.doors.counters.violations.counts());
    families::connections(&mut page, &api.doors.connections);
    world(&mut page, api, &snapshot, now);
    if let Some(outside) = &api.doors.outside {
        self::outside(&mut page, outside);
    }
    families::process(&mut page, &Process::read());
    page.finish()
}

fn world(page: &mut Page, api: &Api, snapshot: &Snapshot, now: UnixTime) {
    let (figures, counted) = (api.figures.world(), api.survey.look(snapshot));
    let help = "The generation of what is answered from; it grows with every change.";
    page.one("bailiwick_policy_version", Kind::Gauge, help, snapshot.generation.0);
    let help = "Seconds since zones, grants or settings changed last.";
    let age = now.since(api.figures.published_at());
    page.one("bailiwick_policy_age_seconds", Kind::Gauge, help, age);
    let help = "Accounts.";
    page.one("bailiwick_accounts", Kind::Gauge, help, figures.accounts);
    let help = "Zones by how they stand: answered from, without a good version (SERVFAIL), with a \
                change that waits to be accepted, not served since the name may not be held.";
    let mut family = page.family("bailiwick_zones", Kind::Gauge, help);
    for (state, count) in [
        ("served", counted.served),
        ("not-ready", counted.not_ready),
        ("held", figures.held),
        ("refused", figures.refused),
    ] {
        family.sample(&[("state", state)], count);
    }
    let help = "Records of all zones that are answered from.";
    page.one("bailiwick_records", Kind::Gauge, help, counted.records);
    let help = "Octets of all zones in memory.";
    page.one("bailiwick_zone_bytes", Kind::Gauge, help, counted.octets);
    let help = "Custom hostnames and asserted grants that say something about an edge, by state.";
    let mut family = page.family("bailiwick_grant_state", Kind::Gauge, help);
    for (state, count) in ["active", "blocked", "withdrawn"].into_iter().zip(counted.grants) {
        family.sample(&[("state", state)], count);
    }
    let help = "Whether a part of the data folder can be used and written.";
    page.family("bailiwick_store_up", Kind::Gauge, help)
        .sample(&[("store", "logs")], !figures.logs_failing)
        .sample(&[("store", "database")], !figures.database_failing);
    let help = "Reloads, by whether the config was valid.";
    let mut family = page.family("bailiwick_reloads_total", Kind::Counter, help);
    for (config, count) in api.figures.reloads() {
        family.sample(&[("config", config)], count);
    }
}

/// Look-ups outside, for aliases.
fn outside(page: &mut Page, outside: &Service) {
    let c = outside.counters();
    let counters = [
        ("bailiwick_flatten_asked_total", &c.asked, "Questions that needed the outside."),
        ("bailiwick_flatten_hits_total", &c.hits, "Of those: known when they were looked at."),
        ("bailiwick_flatten_misses_total", &c.misses, "Of those: a look-up was begun or joined."),
        ("bailiwick_flatten_refused_total", &c.refused, "Of those: turned away at a bound."),
        ("bailiwick_flatten_overdue_total", &c.overdue, "Questions answered at their deadline."),
        ("bailiwick_flatten_lookups_total", &c.lookups, "Look-ups begun."),
        ("bailiwick_flatten_refreshes_total", &c.refreshes, "Of those: ahead of an entry's end."),
        ("bailiwick_flatten_failures_total", &c.failures, "Look-ups that failed."),
        ("bailiwick_flatten_stale_total", &c.stale, "Of those: an older answer is served on."),
        ("bailiwick_flatten_dropped_total", &c.dropped, "Special-purpose addresses left out."),
        ("bailiwick_flatten_evicted_total", &c.evicted, "Answers forgotten to make room."),
    ];
    for (name, counter, help) in counters {
        page.one(name, Kind::Counter, help, counter.load(Ordering::Relaxed));
    }
    let gauges = [
        ("bailiwick_flatten_entries", &c.entries, "Answers from outside that are remembered."),
        ("bailiwick_flatten_bytes", &c.octets, "Octets of these."),
        ("bailiwick_flatten_in_flight", &c.in_flight, "Look-ups on their way."),
        ("bailiwick_flatten_waiting", &c.waiting, "Questions that wait for one."),
    ];
    for (name, gauge, help) in gauges {
        page.one(name, Kind::Gauge, help, gauge.load(Ordering::Relaxed));
    }
    let upstreams = outside.upstreams();
    let each = || upstreams.iter().map(|upstream| (upstream.address.to_string(), upstream));
    let help = "How long upstream resolvers took to answer.";
    let mut family = page.family("bailiwick_flatten_lookup_seconds", Kind::Summary, help);
    for (address, upstream) in each() {
        let seconds = upstream.micros.load(Ordering::Relaxed) as f64 / 1e6;
        let answers = upstream.answers.load(Ordering::Relaxed);
        family.summary(&[("upstream", &address)], seconds, answers);
    }
    let help = "Questions sent to an upstream resolver.";
    let mut family = page.family("bailiwick_flatten_upstream_sent_total", Kind::Counter, help);
    for (address, upstream) in each() {
        family.sample(&[("upstream", &address)], upstream.sent.load(Ordering::Relaxed));
    }
    let help = "Of those: without a useful answer.";
    let mut family = page.family("bailiwick_flatten_upstream_failures_total", Kind::Counter, help);
    for (address, upstream) in each() {
        family.sample(&[("upstream", &address)], upstream.failures.load(Ordering::Relaxed));
    }
    let help = "Whether an upstream resolver is asked; 0 while it is passed over.";
    let mut family = page.family("bailiwick_flatten_upstream_up", Kind::Gauge, help);
    for (address, upstream) in each() {
        family.sample(&[("upstream", &address)], upstream.is_up());
    }
}

/// What only a look at everything tells.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    served: usize,
    not_ready: usize,
    records: usize,
    octets: usize,
    /// Active, blocked, withdrawn.
    grants: [usize; 3],
}

/// Counts of everything, made when somebody asks and the last ones are old.
#[derive(Debug, Default)]
pub struct Survey(Mutex<Option<(Generation, Instant, Counted)>>);

impl Survey {
    fn look(&self, snapshot: &Snapshot) -> Counted {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let began = Now::read().at;
        if let Some((generation, until, counted)) = *last
            && (generation == snapshot.generation || began < until)
        {
            return counted;
        }
        let mut counted = Counted::default();
        for zone in snapshot.catalog.iter() {
            match zone.data.is_ready() {
                true => counted.served += 1,
                false => counted.not_ready += 1,
            }
            counted.records += zone.data.record_count();
            counted.octets += zone.data.octets();
        }
        for grant in snapshot.grants.iter() {
            counted.grants[match grant.state {
                GrantState::Active => 0,
                GrantState::Blocked => 1,
                GrantState::Withdrawn(_) => 2,
            }] += 1;
        }
        let until = began + began.elapsed().min(Duration::from_secs(60)) * SHARE;
        *last = Some((snapshot.generation, until, counted));
        counted
    }
}
