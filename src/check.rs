//! Floor 9: `bailiwick check`: everything that can be said of config, zone files and policy without serving them.

mod outside;
mod stored;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::base::count::count;
use crate::base::name::Name;
use crate::config::finding::ConfigFinding;
use crate::config::settings::Settings;
use crate::control::command::{ZoneRow, ZoneState};
use crate::control::files::{Stray, ZonesFolder};
use crate::control::loader;
use crate::control::offline::{self, Offline};
use crate::control::review::{has_record_for, review};
use crate::control::scan::{self, AccountScan, FoundZone, Scan};
use crate::control::world::{Now, StartError};
use crate::model::catalog::Zone;
use crate::model::grant::GrantState;
use crate::store::folder;
use crate::zonefile::finding::{Finding, Severity};
use crate::zonefile::{Colour, Renderer};

/// One finding, ready to be shown.
pub struct Remark {
    /// Where: file, then octet offset. Remarks are shown in this order.
    order: (String, u32),
    pub is_error: bool,
    /// For people, with a line feed at the end.
    pub text: String,
    /// For machines: file, line, column, severity, code, message, expected, help, text.
    pub json: Value,
}

/// All findings, and what they are about.
#[derive(Default)]
pub struct Report {
    pub remarks: Vec<Remark>,
    pub accounts: usize,
    pub zones: usize,
    pub records: usize,
    pub grants: usize,
}

impl Report {
    pub fn errors(&self) -> usize {
        self.remarks.iter().filter(|r| r.is_error).count()
    }

    pub fn warnings(&self) -> usize {
        self.remarks.len() - self.errors()
    }
}

/// Checks the world of `settings`.
pub fn check(settings: &Settings, colour: Colour) -> Result<Report, StartError> {
    let mut offline = offline::load(settings)?;
    let in_store = offline.world.check_stored(Now::read().unix);
    let snapshot = &offline.snapshot;
    let mut report = Report {
        accounts: offline.world.account_ids().count(),
        zones: snapshot.catalog.len(),
        records: snapshot.catalog.iter().map(|z| z.data.record_count()).sum(),
        grants: snapshot.grants.iter().filter(|g| g.state == GrantState::Active).count(),
        remarks: Vec::new(),
    };
    if let Some(problem) = &offline.problem {
        let path = settings.server.data.display().to_string();
        report.remarks.push(of_file(&path, Severity::Warning, "data-unreadable", problem));
    }
    for finding in config_findings(settings, &offline) {
        report.remarks.push(of_config(&finding, colour));
    }
    match outside::problem(snapshot, &settings.flatten, Now::read().unix) {
        Ok(None) => {}
        Ok(Some(message)) => {
            let path = &settings.source.path;
            report.remarks.push(of_file(path, Severity::Warning, "no-resolver", &message));
        }
        Err(error) => {
            let message = format!("cannot ask resolvers: {error}");
            let path = &settings.source.path;
            report.remarks.push(of_file(path, Severity::Warning, "no-resolver", &message));
        }
    }
    zone_files(settings, &offline, &stored::keys(&in_store), colour, &mut report);
    let database = settings.server.data.join(folder::DATABASE);
    report.remarks.extend(stored::remarks(&in_store, &database));
    report.remarks.sort_by(|a, b| a.order.cmp(&b.order));
    Ok(report)
}

/// A finding about the config as a remark.
pub fn of_config(finding: &ConfigFinding, colour: Colour) -> Remark {
    let mut text = String::new();
    finding.write(colour, &mut text);
    // The config comes first, whatever its path.
    let order = (String::new(), finding.finding.place.at);
    Remark { order, is_error: finding.is_error(), text, json: json!(finding.show()) }
}

/// A finding about a file as a whole.
fn of_file(path: &str, severity: Severity, code: &'static str, message: &str) -> Remark {
    let is_error = severity == Severity::Error;
    let word = if is_error { "error" } else { "warning" };
    Remark {
        order: (path.to_owned(), 0),
        is_error,
        text: format!("{path}: {word}[{code}]: {message}\n"),
        json: json!({
            "file": path, "line": null, "column": null, "severity": word, "code": code,
            "message": message, "expected": null, "help": null, "text": null,
        }),
    }
}

/// What is wrong with settings only in view of the zones.
fn config_findings(settings: &Settings, offline: &Offline) -> Vec<ConfigFinding> {
    let warn = |i: usize, code, message: String| {
        let place = settings.grants[i].place;
        let key = format!("grants[{i}].hostname");
        ConfigFinding::new(&settings.source, &key, Finding::warning(code, place, message))
    };
    let mut found = offline.world.dangling();
    for (i, grant) in settings.grants.iter().enumerate() {
        let Some(zone) = offline.snapshot.catalog.zone_at(&grant.zone) else { continue };
        let wildcard = grant.hostname.is_wildcard();
        let parent = grant.hostname.parent().filter(|_| wildcard);
        let hostname = parent.as_ref().unwrap_or(&grant.hostname);
        let key = &offline.snapshot.key;
        let buf = crate::base::name_buf::NameBuf::of(hostname, key);
        let (name, to) = (&grant.hostname, &grant.zone);
        match offline.snapshot.catalog.zone_for(&buf) {
            Some(own) if own.account == zone.account => {
                let message = format!(
                    "{name} lies in a zone of the account that holds {to}: nothing has to be granted"
                );
                found.push(warn(i, "grant-useless", message));
            }
            // Of a file with errors nobody can say what is in it.
            Some(own) if !is_as_its_file(own, offline) => {}
            _ if !has_record_for(&offline.snapshot, hostname, wildcard) => {
                let message =
                    format!("{name} is granted for {to}, but nothing here leads from it anywhere");
                found.push(warn(i, "grant-unused", message));
            }
            _ => {}
        }
    }
    found
}

/// Whether a zone is served as its file says.
fn is_as_its_file(zone: &Zone, offline: &Offline) -> bool {
    let row = Name::from_wire(zone.apex()).ok().and_then(|apex| offline.world.zone_row(&apex));
    row.is_some_and(|row| row.state == ZoneState::Served)
}

/// One zone file to look at.
struct Job {
    account: String,
    zone: FoundZone,
}

fn zone_files(
    settings: &Settings,
    offline: &Offline,
    in_store: &HashSet<(String, String)>,
    colour: Colour,
    report: &mut Report,
) {
    let path = settings.server.zones.display().to_string();
    let unreadable = |error: &std::io::Error| {
        of_file(&path, Severity::Error, "zones-unreadable", &format!("cannot be read: {error}"))
    };
    let folder = match ZonesFolder::open(&settings.server.zones) {
        Ok(folder) => folder,
        Err(error) => return report.remarks.push(unreadable(&error)),
    };
    let found = match scan::scan(&folder) {
        Ok(found) => found,
        Err(error) => return report.remarks.push(unreadable(&error)),
    };
    for Stray { path, message } in &found.strays {
        report.remarks.push(of_file(path, Severity::Warning, "misplaced-file", message));
    }
    let mut rows: HashMap<(String, String), ZoneRow> = HashMap::new();
    for row in offline.world.zone_list() {
        rows.insert((row.account.clone(), row.zone.clone()), row);
    }
    rows.retain(|key, _| !in_store.contains(key));
    let mut jobs = jobs(settings, found, &mut report.remarks);
    leave_out(settings, in_store, &mut jobs, &mut report.remarks);
    let seen = |job: &Job| (job.account.clone(), job.zone.file.apex.to_string());
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let (jobs, rows_ref, next) = (&jobs, &rows, &next);
    let work = move || {
        let mut remarks = Vec::new();
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            zone_file(
                &folder_of(settings),
                offline,
                job,
                rows_ref.get(&seen(job)),
                colour,
                &mut remarks,
            );
        }
        remarks
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            match thread.join() {
                Ok(remarks) => report.remarks.extend(remarks),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    for job in jobs {
        rows.remove(&seen(job));
    }
    // What is left has no file: it is served from what was kept.
    for row in rows.values().filter(|row| row.detail.is_some()) {
        let file = format!("{}.zone", row.zone);
        let path = settings.server.zones.join(&row.account).join(file).display().to_string();
        report.remarks.push(standing(&path, row));
    }
}

/// Files that are not read, since their zones live in the store.
fn leave_out(
    settings: &Settings,
    in_store: &HashSet<(String, String)>,
    jobs: &mut Vec<Job>,
    remarks: &mut Vec<Remark>,
) {
    let is_read =
        |job: &Job| !in_store.contains(&(job.account.clone(), job.zone.file.apex.to_string()));
    for job in jobs.iter().filter(|job| !is_read(job)) {
        let path = settings.server.zones.join(&job.account).join(&*job.zone.file.file_name);
        let message = "the zone was made through the API: its file is not read";
        let path = path.display().to_string();
        remarks.push(of_file(&path, Severity::Warning, "file-ignored", message));
    }
    jobs.retain(is_read);
}

/// The zone files of all accounts whose folders can be read.
fn jobs(settings: &Settings, found: Scan, remarks: &mut Vec<Remark>) -> Vec<Job> {
    let mut jobs = Vec::new();
    for AccountScan { name, zones } in found.accounts {
        match zones {
            Ok(zones) => {
                jobs.extend(zones.into_iter().map(|zone| Job { account: name.clone(), zone }));
            }
            Err(error) => {
                let path = settings.server.zones.join(&name).display().to_string();
                let text = error.to_string();
                remarks.push(of_file(&path, Severity::Error, "account-unreadable", &text));
            }
        }
    }
    jobs
}

fn folder_of(settings: &Settings) -> Option<ZonesFolder> {
    ZonesFolder::open(&settings.server.zones).ok()
}

fn zone_file(
    zones: &Option<ZonesFolder>,
    offline: &Offline,
    job: &Job,
    row: Option<&ZoneRow>,
    colour: Colour,
    remarks: &mut Vec<Remark>,
) {
    // The folder was there a moment ago; if it went, so did its files.
    let Some(Ok(folder)) = zones.as_ref().map(|z| z.account(&job.account)) else { return };
    let FoundZone { file, twin } = &job.zone;
    let path = folder.shown(&file.file_name);
    if let Some(twin) = twin {
        let message =
            format!("{} is a file of the same zone: keep one of them", folder.shown(twin));
        remarks.push(of_file(&path, Severity::Error, "two-files-of-one-zone", &message));
    }
    if let Some(row) = row.filter(|r| matches!(r.state, ZoneState::Refused | ZoneState::Held)) {
        remarks.push(standing(&path, row));
    }
    let snapshot = &offline.snapshot;
    let parsed = match loader::parse(&folder, &file.file_name, &file.apex, &snapshot.key) {
        Ok(parsed) => parsed,
        Err(error) => {
            let text = error.to_string();
            return remarks.push(of_file(&path, Severity::Error, "file-unreadable", &text));
        }
    };
    let mut findings = parsed.findings.clone();
    let is_served = row.is_some_and(|r| r.state == ZoneState::Served);
    if is_served && !parsed.has_errors() {
        findings.extend(review(snapshot, &parsed, Now::read().unix));
    }
    let renderer = Renderer::new(&parsed.sources);
    for finding in &findings {
        let mut text = String::new();
        renderer.write(finding, colour, &mut text);
        remarks.push(Remark {
            order: (path.clone(), finding.place.at),
            is_error: finding.severity == Severity::Error,
            text,
            json: json!(renderer.show(finding)),
        });
    }
    if parsed.findings_left_out > 0 {
        let message = format!("{} like these", count(parsed.findings_left_out, "more finding"));
        let severity = if parsed.has_errors() { Severity::Error } else { Severity::Warning };
        remarks.push(of_file(&path, severity, "findings-left-out", &message));
    }
}

/// Why a zone is not simply served.
fn standing(path: &str, row: &ZoneRow) -> Remark {
    let detail = row.detail.as_deref().unwrap_or_default();
    match row.state {
        ZoneState::Refused => of_file(path, Severity::Error, "zone-refused", detail),
        ZoneState::Held => {
            let message = format!("{detail}; `bailiwick zone accept {}` lets it in", row.zone);
            of_file(path, Severity::Warning, "change-held", &message)
        }
        _ => of_file(path, Severity::Warning, "zone-not-as-its-file", detail),
    }
}
