//! Lists among a million: how long the first page takes, the last one, and what clients ask for most.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use super::http::Client;
use super::world::{Home, apex, make_zone, size, timed};
use super::{Run, percentile};
use crate::Outcome;

/// Requests of each kind; the first ones are not counted.
const ASKED: usize = 40;
const WARM: usize = 3;
const RECORDS: &str = "records.large.test";
const HOSTNAMES: &str = "hostnames.large.test";

/// Makes everything, and asks.
pub fn measure(run: &Run, home: &Home) -> Outcome<Value> {
    let made = home.folder.join("made.json");
    if !(run.keep && made.exists()) {
        fs::write(&made, make(run, home)?.to_string())?;
    }
    let made: Value = serde_json::from_str(&fs::read_to_string(&made)?)?;
    let text = |key: &str| made[key].as_str().unwrap_or_default().to_owned();
    let [operator, big, few, records, hostnames] =
        ["operator", "big", "few", "records", "hostnames"].map(text);
    let (process, again) = home.start()?;
    let mib = process.footprint().mib;
    process.pin(run.server_core);
    let mut found = json!({
        "start": made["start"], "start_again": started(again), "mib": mib,
        "database_mib": size(&home.folder.join("data/bailiwick.db")) >> 20, "lists": {},
    });
    let zones = "/client/v4/zones?per_page=50";
    let last = |count: usize, size: usize| count.div_ceil(size).max(1);
    let of_zones = |what: &str| format!("{zones}{what}");
    let of_records = |what: &str| format!("/client/v4/zones/{records}/dns_records?{what}");
    let of_hostnames = |what: &str| format!("/client/v4/zones/{hostnames}/{what}");
    let end = last(run.zones + 2, 50);
    let of_big = last(run.zones / 2 - 2, 50);
    let asked: Vec<(&str, &str, String)> = vec![
        ("zones, page 1", &operator, of_zones("")),
        ("zones, page 1 of a tenant with half of them", &big, of_zones("")),
        ("zones, page 1 of a tenant with three", &few, of_zones("")),
        ("zones, middle page", &operator, of_zones(&format!("&page={}", end / 2))),
        ("zones, last page", &operator, of_zones(&format!("&page={end}"))),
        ("zones, last page of the large tenant", &big, of_zones(&format!("&page={of_big}"))),
        ("zones by name", &operator, of_zones(&format!("&name={}", apex(run.zones / 2)))),
        ("zones, order name, descending", &operator, of_zones("&order=name&direction=desc")),
        ("zones, order account.name", &operator, of_zones("&order=account.name")),
        ("zones, order status", &operator, of_zones("&order=status")),
        ("zones, name contains", &operator, of_zones("&name=contains:z77")),
        ("zones, status active", &operator, of_zones("&status=active")),
        ("records, page 1", &operator, of_records("per_page=100")),
        ("records, last page", &operator, of_records(&format!("page={}", last(run.records, 100)))),
        ("records, middle page", &operator, of_records(&format!("page={}", run.records / 200))),
        ("records, order name", &operator, of_records("order=name")),
        ("records of a type", &operator, of_records("type=AAAA")),
        ("records of a name", &operator, of_records(&format!("name=h77.{RECORDS}"))),
        ("hostnames, page 1", &operator, of_hostnames("custom_hostnames?per_page=50")),
        ("hostnames, last page", &operator, {
            let page = last(run.hostnames, 50);
            of_hostnames(&format!("custom_hostnames?per_page=50&page={page}"))
        }),
        ("hostname by name", &operator, {
            of_hostnames("custom_hostnames?hostname=shop.customer-77.net")
        }),
        ("hostnames, pending", &operator, of_hostnames("custom_hostnames?hostname_status=pending")),
        ("hostnames, quota", &operator, of_hostnames("custom_hostnames/quota")),
        ("fallback origin", &operator, of_hostnames("custom_hostnames/fallback_origin")),
        ("hold", &operator, of_hostnames("hold")),
        ("violations", &big, "/api/v1/violations".to_owned()),
        ("requests", &big, "/api/v1/requests".to_owned()),
        ("audit log of a tenant", &few, "/api/v1/audit".to_owned()),
    ];
    for (title, token, path) in asked {
        let row = ask(home, token, &path)?;
        eprintln!("{title}: {row}");
        found["lists"][title] = row;
    }
    found["writes"] = writes(home, &operator, &records)?;
    Ok(found)
}

/// Makes everything there is to list; tokens, and the ids of the two large zones.
fn make(run: &Run, home: &Home) -> Outcome<Value> {
    home.make()?;
    timed("zone files", || Ok(home.link_zones(run.zones)?))?;
    let (process, first) = home.start()?;
    let [operator, big, few] =
        [home.token(None)?, home.token(Some("big"))?, home.token(Some("few"))?];
    let mut client = Client::open(home.api(), &operator)?;
    let records = make_zone(&mut client, "records", RECORDS)?;
    let hostnames = make_zone(&mut client, "provider", HOSTNAMES)?;
    drop((client, process));
    timed("records", || home.fill_records(RECORDS, run.records))?;
    timed("hostnames", || home.fill_hostnames(HOSTNAMES, run.hostnames))?;
    Ok(json!({
        "start": started(first), "operator": operator, "big": big, "few": few,
        "records": records, "hostnames": hostnames,
    }))
}

fn ask(home: &Home, token: &str, path: &str) -> Outcome<Value> {
    let mut client = Client::open(home.api(), token)?;
    let mut millis = Vec::new();
    let mut first = 0.0;
    let mut shown = json!({});
    for n in 0..WARM + ASKED {
        let answer = client.ask("GET", path, None)?;
        let took = answer.took.as_secs_f64() * 1e3;
        match n {
            0 => {
                first = took;
                shown = json!({
                    "status": answer.status, "total": answer.body["result_info"]["total_count"],
                });
            }
            n if n >= WARM => millis.push(took),
            _ => {}
        }
        // What takes seconds need not be asked forty times.
        if millis.iter().sum::<f64>() > 5_000.0 {
            break;
        }
    }
    millis.sort_by(f64::total_cmp);
    shown["first_ms"] = json!(first);
    shown["median_ms"] = json!(percentile(&millis, 0.50));
    shown["p99_ms"] = json!(percentile(&millis, 0.99));
    Ok(shown)
}

/// How long a start took: until questions are answered, and requests.
fn started([answers, api]: [Duration; 2]) -> Value {
    json!({ "answers_s": answers.as_secs_f64(), "api_s": api.as_secs_f64() })
}

/// Single writes to the zone with all the records: each costs the size of its zone.
fn writes(home: &Home, operator: &str, zone: &str) -> Outcome<Value> {
    let mut client = Client::open(home.api(), operator)?;
    let path = format!("/client/v4/zones/{zone}/dns_records");
    let some = client.get("GET", &format!("{path}?per_page=8"), None)?;
    let mut millis = Vec::new();
    for record in some.as_array().into_iter().flatten() {
        let id = record["id"].as_str().unwrap_or_default();
        let change = json!({ "ttl": 600 });
        let answer = client.ask("PATCH", &format!("{path}/{id}"), Some(&change))?;
        if answer.status != 200 {
            return Err(answer.body.to_string().into());
        }
        millis.push(answer.took.as_secs_f64() * 1e3);
    }
    let first = millis.remove(0);
    millis.sort_by(f64::total_cmp);
    Ok(json!({ "first_ms": first, "median_ms": percentile(&millis, 0.50) }))
}
