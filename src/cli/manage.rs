//! `bailiwick account …`, `bailiwick zone show|hold|unhold|fallback`: asked of the running server, or done on its data
//! folder when none runs.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::hostname::{answer, running_or_not, text};
use super::restored::restored;
use super::running::data;
use super::{Output, Over};
use crate::base::count::count;
use crate::control::manage::ManageRequest;
use crate::control::socket::Request;
use crate::control::world::Now;
use crate::control::world::restore::write_backup;

const ACCOUNT_EXAMPLES: &str = "\
Examples:
  bailiwick account list
  bailiwick account create agency        an account without a folder in zones/
  bailiwick account show agency --json
  bailiwick account delete agency";

const FALLBACK_EXAMPLES: &str = "\
Examples:
  bailiwick zone fallback set saasprovider.com proxy-fallback.saasprovider.com
  bailiwick zone fallback show saasprovider.com --json
  bailiwick zone fallback delete saasprovider.com";

const HOLD_EXAMPLES: &str = "\
Examples:
  bailiwick zone hold example.com --subdomains
  bailiwick zone unhold example.com --until 2026-12-01T12:00:00Z
  bailiwick zone unhold example.com";

#[derive(Subcommand, Debug)]
#[command(after_help = ACCOUNT_EXAMPLES)]
pub enum Account {
    /// List all accounts
    List(Output),
    /// One account and its zones
    Show(Named),
    /// Make an account that needs neither a folder in zones/ nor a table in the config
    Create(Named),
    /// Remove an account that was made so and has no zones; its tokens and rights are gone
    Delete(Named),
}

#[derive(Args, Debug)]
pub struct Named {
    /// Lower-case letters, digits, `.`, `_` and `-`
    pub name: String,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Args, Debug)]
pub struct OneZone {
    /// The zone, e.g. example.com
    pub zone: String,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Args, Debug)]
#[command(after_help = HOLD_EXAMPLES)]
pub struct Hold {
    /// The zone, e.g. example.com
    pub zone: String,
    /// Also all names below it
    #[arg(long)]
    pub subdomains: bool,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Args, Debug)]
#[command(after_help = HOLD_EXAMPLES)]
pub struct Unhold {
    /// The zone, e.g. example.com
    pub zone: String,
    /// In force again from then on: 2026-12-01T12:00:00Z, or a day
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Subcommand, Debug)]
#[command(after_help = FALLBACK_EXAMPLES)]
pub enum Fallback {
    /// Set the name in the zone that custom hostnames lead to
    Set {
        /// The zone, e.g. saasprovider.com
        zone: String,
        /// A name in it that has A, AAAA or CNAME
        origin: String,
        #[command(flatten)]
        output: Output,
    },
    /// Show it and whether it is ready
    Show(OneZone),
    /// Take it away: no further custom hostname of the zone becomes active
    Delete(OneZone),
}

const ZONE_EXAMPLES: &str = "\
The account has to be there: a folder in zones/, a table in the config, or `account create`.
What a file in zones/ says is made and removed there.

Examples:
  bailiwick zone create example.com --account agency
  bailiwick zone create example.com --account agency --json
  bailiwick zone delete example.com";

#[derive(Args, Debug)]
#[command(after_help = ZONE_EXAMPLES)]
pub struct NewZone {
    /// The zone, e.g. example.com
    pub zone: String,
    /// Whose it is
    #[arg(long)]
    pub account: String,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Args, Debug)]
#[command(after_help = ZONE_EXAMPLES)]
pub struct DeletedZone {
    /// The zone, e.g. example.com
    pub zone: String,
    /// Whose, if several accounts claim it and none has proved it
    #[arg(long)]
    pub account: Option<String>,
    #[command(flatten)]
    pub output: Output,
}

const BACKUP_HELP: &str = "\
A backup holds the records of zones made through the API, custom hostnames, fallback origins and
holds. Keep it secret: tokens are in it. Zone files and config.toml are not part of it.

Examples:
  bailiwick backup /var/backups/bailiwick.db
  bailiwick restore /var/backups/bailiwick.db --dry-run";

const RESTORE_HELP: &str = "\
Records come back to the zones they were taken from, each judged like a new write. A zone that was
deleted and made anew is another one and inherits nothing. What grants, authenticates or reserves
never goes back: custom hostnames, tokens, holds and zones that were taken away stay away.
Into another store, since the first one was lost, custom hostnames come back pending, with new
tokens, and have to be proved again; API zones are filled once you made them anew, for the same
accounts, with `zone create`.

Examples:
  bailiwick restore /var/backups/bailiwick.db --dry-run     what would come back, and what not
  bailiwick restore /var/backups/bailiwick.db               what was deleted since comes back
  bailiwick restore /var/backups/bailiwick.db --exact       changes and additions go back, too";

#[derive(Args, Debug)]
#[command(after_help = RESTORE_HELP)]
pub struct Restore {
    /// The backup
    pub file: PathBuf,
    /// Change nothing, and say what would be
    #[arg(long)]
    pub dry_run: bool,
    /// Zones say what they said then: records changed or added since go back as well
    #[arg(long)]
    pub exact: bool,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Args, Debug)]
#[command(after_help = BACKUP_HELP)]
pub struct File {
    /// The file; a backup overwrites none
    pub file: PathBuf,
    #[command(flatten)]
    pub output: Output,
}

/// How a result is shown to people.
type Show = fn(&Value) -> String;

/// `bailiwick account …`
pub fn account(over: &Over, what: &Account) -> Result<ExitCode, Box<dyn Error>> {
    let (request, output, show): (_, _, Show) = match what {
        Account::List(output) => (ManageRequest::AccountList, output, accounts),
        Account::Show(Named { name, output }) => {
            (ManageRequest::AccountShow { name: name.clone() }, output, one_account)
        }
        Account::Create(Named { name, output }) => {
            (ManageRequest::AccountCreate { name: name.clone() }, output, |a| {
                format!("created: {}\n", text(a, "name"))
            })
        }
        Account::Delete(Named { name, output }) => {
            (ManageRequest::AccountDelete { name: name.clone() }, output, |a| {
                format!("deleted: {}\n", text(a, "name"))
            })
        }
    };
    ask(over, request, output, show)
}

/// `bailiwick zone create ZONE --account ACCOUNT`
pub fn zone_create(over: &Over, new: &NewZone) -> Result<ExitCode, Box<dyn Error>> {
    let (zone, account) = (new.zone.clone(), new.account.clone());
    ask(over, ManageRequest::ZoneCreate { zone, account }, &new.output, |zone| {
        let (name, account, state) =
            (text(zone, "zone"), text(zone, "account"), text(zone, "state"));
        let detail = zone["detail"].as_str().map_or(String::new(), |why| format!(": {why}"));
        format!("created: {name} (account {account}), {state}{detail}\n")
    })
}

/// `bailiwick zone delete ZONE`
pub fn zone_delete(over: &Over, zone: &DeletedZone) -> Result<ExitCode, Box<dyn Error>> {
    let request =
        ManageRequest::ZoneDelete { zone: zone.zone.clone(), account: zone.account.clone() };
    ask(over, request, &zone.output, |zone| {
        format!("deleted: {} (account {})\n", text(zone, "zone"), text(zone, "account"))
    })
}

/// `bailiwick zone show ZONE`
pub fn zone_show(over: &Over, one: &OneZone) -> Result<ExitCode, Box<dyn Error>> {
    ask(over, ManageRequest::ZoneShow { zone: one.zone.clone() }, &one.output, one_zone)
}

/// `bailiwick zone hold ZONE`
pub fn hold(over: &Over, hold: &Hold) -> Result<ExitCode, Box<dyn Error>> {
    let (zone, include_subdomains) = (hold.zone.clone(), hold.subdomains);
    ask(over, ManageRequest::Hold { zone, include_subdomains }, &hold.output, held)
}

/// `bailiwick zone unhold ZONE`
pub fn unhold(over: &Over, unhold: &Unhold) -> Result<ExitCode, Box<dyn Error>> {
    let (zone, after) = (unhold.zone.clone(), unhold.until.clone());
    ask(over, ManageRequest::Unhold { zone, after }, &unhold.output, held)
}

/// `bailiwick zone fallback …`
pub fn fallback(over: &Over, what: &Fallback) -> Result<ExitCode, Box<dyn Error>> {
    let (request, output, show): (_, _, Show) = match what {
        Fallback::Set { zone, origin, output } => {
            let (zone, origin) = (zone.clone(), origin.clone());
            (ManageRequest::FallbackSet { zone, origin }, output, origin_line)
        }
        Fallback::Show(OneZone { zone, output }) => {
            (ManageRequest::FallbackShow { zone: zone.clone() }, output, origin_line)
        }
        Fallback::Delete(OneZone { zone, output }) => {
            (ManageRequest::FallbackDelete { zone: zone.clone() }, output, |f| {
                format!("deleted: {}\n", text(f, "origin"))
            })
        }
    };
    ask(over, request, output, show)
}

/// `bailiwick backup FILE`: read beside whoever writes.
pub fn backup(over: &Over, what: &File) -> Result<ExitCode, Box<dyn Error>> {
    let written = write_backup(&data(over)?, &what.file)?;
    answer(&written, &what.output, |w| {
        let octets = w["octets"].as_u64().unwrap_or(0);
        format!("{}: {}\n", text(w, "file"), count(octets as usize, "octet"))
    })
}

/// `bailiwick restore FILE`
pub fn restore(over: &Over, what: &Restore) -> Result<ExitCode, Box<dyn Error>> {
    // The server may have another current folder.
    let file = std::path::absolute(&what.file)?;
    let request = ManageRequest::Restore { file, dry_run: what.dry_run, exact: what.exact };
    ask(over, request, &what.output, restored)
}

fn ask(
    over: &Over,
    request: ManageRequest,
    output: &Output,
    show: Show,
) -> Result<ExitCode, Box<dyn Error>> {
    let asked = Request::Manage { request: request.clone() };
    let result = running_or_not(over, &asked, |world| world.manage(&request, Now::read()))?;
    answer(&result, output, show)
}

fn accounts(list: &Value) -> String {
    let rows = list.as_array().map_or(&[][..], Vec::as_slice);
    let width = rows.iter().map(|row| text(row, "name").len()).max().unwrap_or(0);
    let mut out = String::new();
    for row in rows {
        let zones = count(row["zone_count"].as_u64().unwrap_or(0) as usize, "zone");
        let title = row["title"].as_str().filter(|title| !title.is_empty());
        let title = title.map_or(String::new(), |title| format!("  {title}"));
        out.push_str(&format!("{:width$}  {zones}{title}\n", text(row, "name")));
    }
    out.push_str(&format!("{}\n", count(rows.len(), "account")));
    out
}

fn one_account(account: &Value) -> String {
    let mut out = format!("{}\n", text(account, "name"));
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() && value != "-" {
            out.push_str(&format!("  {name:<8} {value}\n"));
        }
    };
    line("title", text(account, "title"));
    line("created", text(account, "created_at"));
    let words = |key: &str| {
        let list = account[key].as_array().map_or(&[][..], Vec::as_slice);
        list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
    };
    line("trusts", &words("trusts"));
    let zones = words("zones");
    line("zones", if zones.is_empty() { "none" } else { &zones });
    out
}

fn one_zone(zone: &Value) -> String {
    let mut out = format!("{}\n", text(zone, "zone"));
    let mut line = |name: &str, value: &str| {
        if value != "-" {
            out.push_str(&format!("  {name:<8} {value}\n"));
        }
    };
    line("account", text(zone, "account"));
    line("state", text(zone, "state"));
    for number in ["serial", "records", "errors", "warnings"] {
        line(number, &zone[number].as_u64().map_or("-".to_owned(), |n| n.to_string()));
    }
    line("detail", text(zone, "detail"));
    let fallback = &zone["fallback_origin"];
    let origin = fallback.is_object().then(|| origin_line(fallback));
    line("fallback", origin.as_deref().map_or("none", str::trim_end));
    line("hold", &hold_words(&zone["hold"]));
    out
}

fn origin_line(fallback: &Value) -> String {
    let by = if fallback["asserted_by_operator"] == true { " (set in the config)" } else { "" };
    let why = match text(fallback, "status") {
        "initializing" => ": it has no A, AAAA or CNAME record in the zone",
        "pending_deployment" => ": it has a record, which does not lead to an address yet",
        "deployment_timed_out" => ": it led to no address for a day; that is looked at again",
        _ => "",
    };
    format!("{}, {}{by}{why}\n", text(fallback, "origin"), text(fallback, "status"))
}

fn held(hold: &Value) -> String {
    format!("{}: {}\n", text(hold, "zone"), hold_words(hold))
}

fn hold_words(hold: &Value) -> String {
    let names = match hold["include_subdomains"] == true {
        true => "its name and all names below it",
        false => "its name",
    };
    match (hold["hold"] == true, hold["hold_after"].as_str()) {
        (true, _) => format!("others are kept from {names}"),
        (false, Some(after)) => format!("none until {after}, then others are kept from {names}"),
        (false, None) => "none".to_owned(),
    }
}
