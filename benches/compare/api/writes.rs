//! Records written over many connections while questions are answered: how many a second, how long each took, and what
//! that does to the answers.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::Client;
use super::world::{Home, make_zone};
use super::{Run, percentile};
use crate::Outcome;
use crate::load::{Generator, Pace, Questions, Shown};

const ACCOUNTS: usize = 8;
const ZONES: usize = 16;
const HOSTS: usize = 50;
/// Records of one batch.
const BATCH: usize = 100;

/// Numbers for names.
static FRESH: AtomicUsize = AtomicUsize::new(0);

/// A zone that is written to.
struct Zone {
    apex: String,
    id: String,
    token: String,
}

/// How records are written.
#[derive(Clone, Copy, PartialEq)]
enum How {
    /// One by one: made, changed, deleted.
    Single,
    /// A hundred made by one request, and deleted by the next.
    Batch,
}

/// What one connection did.
#[derive(Default)]
struct Done {
    records: usize,
    failed: usize,
    millis: Vec<f64>,
}

/// Measures: questions alone, then with writes of each kind at a rate, then writes as fast as they are answered.
pub fn measure(run: &Run, home: &Home) -> Outcome<Value> {
    home.make()?;
    let (process, _) = home.start()?;
    let operator = home.token(None)?;
    let zones = make(home, &operator)?;
    process.pin(run.server_core);
    let questions = questions(&zones);
    let mut table = Vec::new();
    let length = Duration::from_secs_f64(run.seconds);
    let mark = process.mark();
    let alone = Generator::new(home.dns(), &questions)?.run(Pace::Rate(run.rate), length, || {});
    let mut first = row("questions alone", None, &alone, run.rate);
    first["server_cpu"] = json!(process.since(&mark) as f64 / 1e9 / run.seconds);
    table.push(first);
    for (title, how, rate) in [
        ("single writes", How::Single, Some(run.writes)),
        ("batches of 100", How::Batch, Some(run.writes)),
        ("single writes, as many as go", How::Single, None),
        ("batches of 100, as many as go", How::Batch, None),
    ] {
        let mark = process.mark();
        let (done, shown) = both(run, home, &zones, &questions, how, rate)?;
        let mut row = row(title, Some((&done, run.seconds)), &shown, run.rate);
        row["server_cpu"] = json!(process.since(&mark) as f64 / 1e9 / run.seconds);
        eprintln!("{row}");
        table.push(row);
    }
    Ok(Value::Array(table))
}

fn make(home: &Home, operator: &str) -> Outcome<Vec<Zone>> {
    let mut client = Client::open(home.api(), operator)?;
    let mut zones = Vec::new();
    for account in 0..ACCOUNTS {
        let name = format!("tenant-{account}");
        let mut token = String::new();
        for zone in 0..ZONES {
            let apex = format!("z{zone}.t{account}.test");
            let id = make_zone(&mut client, &name, &apex)?;
            if token.is_empty() {
                token = home.token(Some(&name))?;
            }
            let posts: Vec<Value> =
                (0..HOSTS).map(|n| record(&format!("h{n}.{apex}"), n)).collect();
            let path = format!("/client/v4/zones/{id}/dns_records/batch");
            client.get("POST", &path, Some(&json!({ "posts": posts })))?;
            zones.push(Zone { apex, id, token: token.clone() });
        }
    }
    Ok(zones)
}

fn record(name: &str, n: usize) -> Value {
    let content = format!("10.0.{}.{}", n >> 8 & 255, n & 255);
    json!({ "type": "A", "name": name, "content": content, "ttl": 300 })
}

/// Names in the zones that are written to.
fn questions(zones: &[Zone]) -> Questions {
    let names = (0..HOSTS).flat_map(|n| zones.iter().map(move |z| format!("h{n}.{}", z.apex)));
    Questions::of(names.map(|name| (name, 1)))
}

/// Asks and writes at once.
fn both(
    run: &Run,
    home: &Home,
    zones: &[Zone],
    questions: &Questions,
    how: How,
    rate: Option<f64>,
) -> Outcome<(Vec<Done>, Shown)> {
    let connections = match how {
        How::Single => run.connections,
        How::Batch => ACCOUNTS,
    };
    let per_request = if how == How::Batch { BATCH as f64 } else { 1.0 };
    let period =
        rate.map(|rate| Duration::from_secs_f64(connections as f64 * per_request / rate.max(1.0)));
    let stop = AtomicBool::new(false);
    let (stop, api) = (&stop, home.api());
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..connections)
            .map(|n| scope.spawn(move || write(n, api, zones, how, period, stop)))
            .collect();
        let length = Duration::from_secs_f64(run.seconds);
        let generator = Generator::new(home.dns(), questions);
        let shown = generator.map(|g| g.run(Pace::Rate(run.rate), length, || {}));
        stop.store(true, Ordering::Relaxed);
        let mut done = Vec::new();
        for writer in writers {
            done.push(writer.join().map_err(|_| "a writer failed")??);
        }
        Ok((done, shown?))
    })
}

/// What one connection does until it is stopped.
fn write(
    number: usize,
    api: SocketAddr,
    zones: &[Zone],
    how: How,
    period: Option<Duration>,
    stop: &AtomicBool,
) -> Result<Done, String> {
    let mut done = Done::default();
    // Each account's connections go over its zones; each connection begins at another moment.
    let own: Vec<&Zone> = zones.iter().skip(number % ACCOUNTS * ZONES).take(ZONES).collect();
    let mut client = Client::open(api, &own[0].token).map_err(|e| e.to_string())?;
    let mut next = Instant::now() + period.unwrap_or_default().mul_f64(number as f64 / 64.0);
    let mut turn = 0;
    let mut ids: Vec<String> = Vec::new();
    // Names that were never used: a window may end between a record's making and its deletion.
    let mut fresh = 0;
    while !stop.load(Ordering::Relaxed) {
        if let Some(period) = period {
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            next += period;
        }
        let steps = if how == How::Single { 3 } else { 2 };
        let zone = own[(turn / steps + number) % ZONES];
        if turn % steps == 0 {
            fresh = FRESH.fetch_add(1, Ordering::Relaxed);
        }
        let (method, path, body) = request(how, turn % steps, zone, fresh, &ids);
        let asked = client.ask(method, &path, body.as_ref());
        let answer = asked.map_err(|e| format!("{method} {path}: {e}"))?;
        let records = if how == How::Single { 1 } else { BATCH };
        match answer.status {
            200 => done.records += records,
            _ => done.failed += 1,
        }
        done.millis.push(answer.took.as_secs_f64() * 1e3);
        if turn % steps == 0 {
            ids = made(&answer.body["result"]);
        }
        turn += 1;
    }
    Ok(done)
}

/// The ids of records that were made.
fn made(result: &Value) -> Vec<String> {
    let id = |record: &Value| record["id"].as_str().map(str::to_owned);
    match result["posts"].as_array() {
        Some(posts) => posts.iter().filter_map(id).collect(),
        None => id(result).into_iter().collect(),
    }
}

fn request(
    how: How,
    step: usize,
    zone: &Zone,
    fresh: usize,
    ids: &[String],
) -> (&'static str, String, Option<Value>) {
    let records = format!("/client/v4/zones/{}/dns_records", zone.id);
    let name = |n: usize| format!("w{fresh}-{n}.{}", zone.apex);
    let one = || format!("{records}/{}", ids.first().map_or("none", String::as_str));
    match (how, step) {
        (How::Single, 0) => ("POST", records, Some(record(&name(0), fresh))),
        (How::Single, 1) => ("PATCH", one(), Some(json!({ "content": "10.9.9.9" }))),
        (How::Single, _) => ("DELETE", one(), None),
        (How::Batch, 0) => {
            let posts: Vec<Value> = (0..BATCH).map(|n| record(&name(n), n)).collect();
            ("POST", records + "/batch", Some(json!({ "posts": posts })))
        }
        (How::Batch, _) => {
            let deletes: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
            ("POST", records + "/batch", Some(json!({ "deletes": deletes })))
        }
    }
}

/// One line of the table.
fn row(title: &str, done: Option<(&[Done], f64)>, shown: &Shown, rate: f64) -> Value {
    let asked = shown.answered + shown.lost;
    let mut row = json!({
        "what": title,
        "questions_a_second": rate,
        "answered_a_second": shown.answered as f64 / shown.seconds,
        "unanswered": shown.lost as f64 / asked.max(1) as f64,
        "answer_p50_us": shown.p50_us,
        "answer_p99_us": shown.p99_us,
        "errors": shown.answered - shown.rcodes[0].min(shown.answered),
    });
    if let Some((done, seconds)) = done {
        let mut millis: Vec<f64> =
            done.iter().flat_map(|done| done.millis.iter().copied()).collect();
        millis.sort_by(f64::total_cmp);
        row["writes_a_second"] =
            json!(done.iter().map(|done| done.records).sum::<usize>() as f64 / seconds);
        row["failed"] = json!(done.iter().map(|done| done.failed).sum::<usize>());
        row["write_p50_ms"] = json!(percentile(&millis, 0.50));
        row["write_p99_ms"] = json!(percentile(&millis, 0.99));
    }
    row
}
