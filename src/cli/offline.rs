//! Subcommands that read config and zones themselves: `check` and `explain`.

use std::collections::HashSet;
use std::error::Error;
use std::process::ExitCode;

use serde_json::json;

use super::{Check, Explain, Over, exit_code, print};
use crate::base::count::count;
use crate::base::name::Name;
use crate::base::name_buf::NameBuf;
use crate::beside::{self, Beside};
use crate::check::{self, Remark, Report};
use crate::config::file;
use crate::control::offline;
use crate::control::world::Now;
use crate::explain;
use crate::rdata;
use crate::telemetry::log::colour;
use crate::zonefile::Colour;

/// `bailiwick check`
pub fn check(over: &Over, check: &Check) -> Result<ExitCode, Box<dyn Error>> {
    let colour = match colour(&std::io::stdout()) && !check.json {
        true => Colour::Ansi,
        false => Colour::Plain,
    };
    let report = match file::read_with(&over.config, &over.overrides()) {
        Ok((settings, warnings)) => {
            let mut report = check::check(&settings, colour)?;
            let warnings = warnings.iter().map(|f| check::of_config(f, colour));
            report.remarks.splice(0..0, warnings);
            report
        }
        // A file that is not there has no findings.
        Err(findings) if !check.json && findings.iter().all(|f| f.finding.code == "unreadable") => {
            let problems: Vec<_> = findings.iter().map(ToString::to_string).collect();
            return Err(problems.join("\n").into());
        }
        Err(findings) => {
            let remarks = findings.iter().map(|f| check::of_config(f, colour)).collect();
            Report { remarks, ..Report::default() }
        }
    };
    let (errors, warnings) = (report.errors(), report.warnings());
    let Report { accounts, zones, records, grants, .. } = report;
    if check.json {
        let findings: Vec<_> = report.remarks.into_iter().map(|r| r.json).collect();
        let report = json!({
            "errors": errors, "warnings": warnings, "accounts": accounts, "zones": zones,
            "records": records, "grants": grants, "findings": findings,
        });
        print(&format!("{report:#}\n"))?;
    } else {
        let shown = |r: &Remark| format!("{}\n", r.text);
        let text: String = report.remarks.iter().map(shown).collect();
        let served =
            [(accounts, "account"), (zones, "zone"), (records, "record"), (grants, "grant")];
        let [served, found] = [&served[..], &[(errors, "error"), (warnings, "warning")]]
            .map(|all| all.iter().map(|&(n, what)| count(n, what)).collect::<Vec<_>>().join(", "));
        print(&format!("{text}{served}: {found}\n"))?;
    }
    Ok(exit_code(errors, warnings, check.strict))
}

/// `bailiwick explain NAME [TYPE]`
pub fn explain(over: &Over, explain: &Explain) -> Result<ExitCode, Box<dyn Error>> {
    let settings = match file::read_with(&over.config, &over.overrides()) {
        Ok((settings, _)) => settings,
        Err(findings) => {
            let problems: Vec<_> = findings.iter().map(ToString::to_string).collect();
            return Err(problems.join("\n").into());
        }
    };
    let mut offline = offline::load(&settings)?;
    let remembered = beside::remembered(&settings.server.data, &settings.flatten);
    let key = offline.snapshot.key;
    offline.snapshot.outside.update(remembered, &key);
    let names: std::collections::HashMap<_, _> = offline.world.account_ids().collect();
    let account = |id| names.get(&id).map_or_else(|| id.to_string(), |name| (*name).to_owned());
    let mut asked = HashSet::new();
    let resolvers = Beside::new(&settings.flatten)?;
    let explanation = loop {
        let (now, snapshot) = (Now::read().unix, &offline.snapshot);
        let explanation = explain::explain(snapshot, &explain.name, explain.rtype, now, &account);
        // As the server would: what is not known, or expired, is asked for. Each name once, so it ends.
        let needed = explanation.needs.clone().filter(|(needed, _)| asked.insert(needed.clone()));
        let Some((needed, _)) = needed else { break explanation };
        let entry = resolvers.look_up(&needed);
        let name = NameBuf::of(&needed.target, &key);
        let entry = beside::merged(snapshot.outside.find(&name, needed.rtype), entry);
        offline.snapshot.outside.update(vec![(needed, Some(entry))], &key);
    };
    if explain.json {
        print(&format!("{:#}\n", serde_json::to_value(&explanation)?))?;
    } else {
        print(&explanation.to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A name of the command line.
pub fn name(text: &str) -> Result<Name, String> {
    Name::from_text(text).map_err(|e| format!("expected a domain name, e.g. www.example.com: {e}"))
}

/// A type of the command line.
pub fn rtype(text: &str) -> Result<u16, String> {
    let known = match text.to_ascii_uppercase().as_str() {
        "ANY" => Some(crate::base::rtype::ANY),
        _ => rdata::type_from_text(text.as_bytes()),
    };
    known.ok_or_else(|| "expected an RR type, e.g. A, AAAA, HTTPS or TYPE65".to_owned())
}
