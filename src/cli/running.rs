//! `bailiwick reload`, `zone list` and `zone accept`: over the control socket of the running server; the latter two
//! also when none runs.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::hostname::running_or_not;
use super::{Output, Over, print};
use crate::base::count::count;
use crate::base::name::Name;
use crate::config::file;
use crate::control::command::{ZoneRow, ZoneState};
use crate::control::socket::{Request, request};
use crate::control::world::Now;

/// `bailiwick reload`
pub fn reload(over: &Over, output: &Output) -> Result<ExitCode, Box<dyn Error>> {
    let result = request(&data(over)?, &Request::Reload)?;
    if output.json {
        print(&format!("{result:#}\n"))?;
    } else {
        print(&reloaded(&result))?;
    }
    let failed = result["config"] == "invalid";
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// `bailiwick zone list`
pub fn zone_list(over: &Over, output: &Output) -> Result<ExitCode, Box<dyn Error>> {
    let result = running_or_not(over, &Request::ZoneList, |world| Ok(json!(world.zone_list())))?;
    if output.json {
        print(&format!("{result:#}\n"))?;
    } else {
        print(&table(&serde_json::from_value::<Vec<ZoneRow>>(result)?))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `bailiwick zone accept NAME`
pub fn zone_accept(over: &Over, name: &str, output: &Output) -> Result<ExitCode, Box<dyn Error>> {
    let apex = Name::from_text(name).map_err(|e| format!("`{name}` is no zone name: {e}"))?;
    // Without a server it is what the next start would hold.
    let result = running_or_not(over, &Request::ZoneAccept { zone: name.to_owned() }, |world| {
        let zones = world.open_zones();
        let accepted = world.accept(zones.as_ref(), &apex, Now::read());
        world.finish_step();
        accepted.map(|row| json!(row))
    })?;
    if output.json {
        print(&format!("{result:#}\n"))?;
    } else {
        let row: ZoneRow = serde_json::from_value(result)?;
        print(&format!("accepted: {}\n", line(&row)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The data folder of the server meant: `--data`, else what the config says.
pub(super) fn data(over: &Over) -> Result<PathBuf, Box<dyn Error>> {
    if let Some(data) = &over.data {
        return Ok(data.clone());
    }
    // Also out of a config with errors: a reload reads the zones even then.
    file::data_folder(&over.config).map_err(|findings| {
        findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n").into()
    })
}

/// What a reload changed.
fn reloaded(result: &Value) -> String {
    let mut text = format!("config: {}\n", result["config"].as_str().unwrap_or("?"));
    let strings = |key: &str| {
        let list = result[key].as_array().cloned().unwrap_or_default();
        list.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    for problem in strings("problems") {
        text.push_str(&format!("{problem}\n"));
    }
    let restart = strings("restart_needed");
    if !restart.is_empty() {
        text.push_str(&format!("takes effect after a restart: {}\n", restart.join(", ")));
    }
    let zones = result["zones"].as_object().cloned().unwrap_or_default();
    let counts: Vec<_> = zones.iter().map(|(what, count)| format!("{count} {what}")).collect();
    text.push_str(&format!("zones: {}\n", counts.join(", ")));
    text
}

fn table(rows: &[ZoneRow]) -> String {
    let width = rows.iter().map(|r| r.zone.chars().count()).max().unwrap_or(0);
    let account = rows.iter().map(|r| r.account.len()).max().unwrap_or(0);
    let mut text = String::new();
    for row in rows {
        let gap = width - row.zone.chars().count();
        text.push_str(&format!(
            "{}{:gap$}  {:account$}  {}\n",
            row.zone,
            "",
            row.account,
            standing(row)
        ));
    }
    text.push_str(&format!("{}\n", count(rows.len(), "zone")));
    text
}

fn line(row: &ZoneRow) -> String {
    format!("{} (account {}), {}", row.zone, row.account, standing(row))
}

/// How a zone stands, in words.
fn standing(row: &ZoneRow) -> String {
    let state = match row.state {
        ZoneState::Served => "served",
        ZoneState::LastGood => "last good version served",
        ZoneState::Held => "change held",
        ZoneState::NotReady => "not ready",
        ZoneState::Refused => "refused",
        ZoneState::Pending => "pending",
        ZoneState::Removed => "removed",
    };
    let serial = row.serial.map_or(String::new(), |s| format!(", serial {s}"));
    let some =
        |n: usize, what| if n == 0 { String::new() } else { format!(", {}", count(n, what)) };
    let (errors, warnings) = (some(row.errors, "error"), some(row.warnings, "warning"));
    let detail = row.detail.as_ref().map_or(String::new(), |d| format!(": {d}"));
    format!("{state}{serial}, {}{errors}{warnings}{detail}", count(row.records, "record"))
}
