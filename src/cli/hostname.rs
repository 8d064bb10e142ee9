//! `bailiwick hostname …` and `bailiwick audit`: asked of the running server, or done on its data folder when none
//! runs.

use std::error::Error;
use std::process::ExitCode;

use serde_json::Value;

use super::running::data;
use super::story::story;
use super::{Audit, Hostname, One, Output, Over, print};
use crate::config::file;
use crate::control::command::HostnameRequest;
use crate::control::socket::{self, Request};
use crate::control::world::{Now, World};

/// `bailiwick hostname …`
pub fn hostname(over: &Over, what: &Hostname) -> Result<ExitCode, Box<dyn Error>> {
    let one = |one: &One| (one.hostname.clone(), one.zone.clone());
    let (request, output, show): (_, _, fn(&Value) -> String) = match what {
        Hostname::Create { hostname, zone, output } => {
            let (hostname, zone) = (hostname.clone(), zone.clone());
            (HostnameRequest::Create { hostname, zone }, output, story)
        }
        Hostname::List { zone, output } => {
            (HostnameRequest::List { zone: zone.clone() }, output, table)
        }
        Hostname::Show(which) => {
            let (hostname, zone) = one(which);
            (HostnameRequest::Show { hostname, zone }, &which.output, story)
        }
        Hostname::Verify(which) => {
            let (hostname, zone) = one(which);
            (HostnameRequest::Verify { hostname, zone }, &which.output, story)
        }
        Hostname::Refresh(which) => {
            let (hostname, zone) = one(which);
            (HostnameRequest::Refresh { hostname, zone }, &which.output, story)
        }
        Hostname::Delete(which) => {
            let (hostname, zone) = one(which);
            (HostnameRequest::Delete { hostname, zone }, &which.output, deleted)
        }
    };
    answer(&ask(over, request)?, output, show)
}

/// `bailiwick audit`
pub fn audit(over: &Over, audit: &Audit) -> Result<ExitCode, Box<dyn Error>> {
    let result = ask(over, HostnameRequest::Audit { most: audit.most })?;
    answer(&result, &audit.output, entries)
}

pub(super) fn answer(
    result: &Value,
    output: &Output,
    show: fn(&Value) -> String,
) -> Result<ExitCode, Box<dyn Error>> {
    let text = if output.json { format!("{result:#}\n") } else { show(result) };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Asks the running server. When none runs, does it in its place: the folder is locked meanwhile, so that no server
/// can start on it.
fn ask(over: &Over, request: HostnameRequest) -> Result<Value, Box<dyn Error>> {
    let asked = Request::Hostname { request: request.clone() };
    running_or_not(over, &asked, |world| world.hostname(&request, Now::read()))
}

/// See [`ask`].
pub(super) fn running_or_not(
    over: &Over,
    request: &Request,
    offline: impl FnOnce(&mut World) -> Result<Value, String>,
) -> Result<Value, Box<dyn Error>> {
    let folder = data(over)?;
    let asked = socket::request(&folder, request);
    let error = match asked {
        Ok(result) => return Ok(result),
        Err(error) if !error.starts_with(socket::NOBODY) => return Err(error.into()),
        Err(error) => error,
    };
    let (settings, _) = file::read_with(&over.config, &over.overrides()).map_err(|findings| {
        let findings: Vec<_> = findings.iter().map(ToString::to_string).collect();
        format!(
            "{error}; without one the config is read, and it has errors:\n\n{}",
            findings.join("\n")
        )
    })?;
    let mut world = World::start(settings, Now::read())?;
    world.publish(Now::read());
    let result = offline(&mut world)?;
    world.publish(Now::read());
    Ok(result)
}

pub(super) fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or("-")
}

fn deleted(result: &Value) -> String {
    format!("deleted: {}\n", text(result, "id"))
}

fn table(list: &Value) -> String {
    let rows = list.as_array().map_or(&[][..], Vec::as_slice);
    let width = rows.iter().map(|r| text(r, "hostname").len()).max().unwrap_or(0);
    let zone = rows.iter().map(|r| text(r, "zone").len()).max().unwrap_or(0);
    let mut out = String::new();
    for row in rows {
        let asserted = row["asserted_by_operator"] == true;
        let by = if asserted { " (asserted in the config)" } else { "" };
        let error = row["verification_errors"][0].as_str().unwrap_or_default();
        let error = if error.is_empty() { String::new() } else { format!(": {error}") };
        out.push_str(&format!(
            "{:width$}  {:zone$}  {}{by}{error}\n",
            text(row, "hostname"),
            text(row, "zone"),
            text(row, "status")
        ));
    }
    out.push_str(&format!("{} custom hostnames\n", rows.len()));
    out
}

fn entries(list: &Value) -> String {
    let rows = list.as_array().map_or(&[][..], Vec::as_slice);
    rows.iter()
        .map(|e| {
            let arrow = match (e["from"].as_str(), e["to"].as_str()) {
                (None, None) => String::new(),
                (from, to) => format!(" {} -> {}", from.unwrap_or("-"), to.unwrap_or("gone")),
            };
            let evidence = e["evidence"].as_str().filter(|t| !t.is_empty());
            let evidence = evidence.map_or(String::new(), |t| format!("  [{t}]"));
            let (at, actor, action) = (text(e, "at"), text(e, "actor"), text(e, "action"));
            format!("{at}  {actor}  {action}{arrow}{evidence}\n")
        })
        .collect()
}
