//! Zones that live in the store: what is wrong with them, and why one of them is not served.

use std::collections::HashSet;
use std::path::Path;

use serde_json::json;

use super::Remark;
use crate::base::count::count;
use crate::control::command::ZoneState;
use crate::control::world::checked::CheckedZone;
use crate::zonefile::finding::Severity;

/// Accounts and zones of the store, as rows of a list call them.
pub(super) fn keys(zones: &[CheckedZone]) -> HashSet<(String, String)> {
    zones.iter().map(|zone| (zone.row.account.clone(), zone.row.zone.clone())).collect()
}

/// What is to be said of these zones, which are in this database.
pub(super) fn remarks(zones: &[CheckedZone], database: &Path) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for zone in zones {
        let mut said = Said { zone, database, remarks: &mut remarks };
        match (zone.row.state, &zone.row.detail) {
            // It waits for its proof, as its account sees.
            (ZoneState::Pending, _) | (_, None) => {}
            (_, Some(why)) => said.say(Severity::Error, "zone-not-served", why, None, "", None),
        }
        for (record, finding) in &zone.findings {
            let expected = finding.expected.as_deref();
            let help = finding.help.as_deref();
            said.say(finding.severity, finding.code, &finding.message, expected, record, help);
        }
        for line in &zone.report.lines {
            let remark = &line.remark;
            let record = format!("{} {} {}", line.name, line.rtype, line.target);
            let help = Some(remark.help.as_str());
            let expected = remark.expected;
            said.say(Severity::Warning, remark.code, &remark.message, expected, &record, help);
        }
        if zone.report.left_out > 0 {
            let message = format!("{} like these", count(zone.report.left_out, "more finding"));
            said.say(Severity::Warning, "findings-left-out", &message, None, "", None);
        }
    }
    remarks
}

struct Said<'z> {
    zone: &'z CheckedZone,
    database: &'z Path,
    remarks: &'z mut Vec<Remark>,
}

impl Said<'_> {
    fn say(
        &mut self,
        severity: Severity,
        code: &'static str,
        message: &str,
        expected: Option<&str>,
        record: &str,
        help: Option<&str>,
    ) {
        let path = self.database.display().to_string();
        let is_error = severity == Severity::Error;
        let word = if is_error { "error" } else { "warning" };
        let zone = &self.zone.row.zone;
        let mut text = format!("{path}: zone {zone}: {word}[{code}]: {message}\n");
        let lines = [("  ", (!record.is_empty()).then_some(record))];
        let lines = lines.into_iter().chain([("  expected: ", expected), ("  help: ", help)]);
        for (lead, line) in lines.filter_map(|(lead, line)| Some((lead, line?))) {
            text.push_str(&format!("{lead}{line}\n"));
        }
        self.remarks.push(Remark {
            order: (format!("{path}: {zone}"), 0),
            is_error,
            text,
            json: json!({
                "file": path, "zone": zone, "line": null, "column": null, "severity": word,
                "code": code, "message": message, "expected": expected, "help": help,
                "text": Some(record).filter(|record| !record.is_empty()),
            }),
        });
    }
}
