//! An explanation as text for people.

use std::fmt;

use super::{EdgeView, Explanation, Rr, Step};

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}", self.name, self.rtype)?;
        for (i, step) in self.hops.iter().enumerate() {
            write_step(f, i, step)?;
        }
        writeln!(f, "ending:  {}: {}", self.ending.kind, self.ending.detail)?;
        let ruling = &self.verdict;
        let code = ruling.code.map_or(String::new(), |c| format!(" ({c})"));
        match (ruling.allowed, ruling.mode) {
            (false, mode) => {
                let mode = mode.unwrap_or("refuse");
                let edge = self.hops.last().and_then(|step| step.edge.as_ref());
                let withdrawn = edge.is_some_and(|edge| edge.by.as_deref() == Some("withdrawn"));
                let shown = match withdrawn && mode == "refuse" {
                    true => ", shown as nodata for 7 days after the grant was withdrawn",
                    false => "",
                };
                writeln!(f, "verdict: denied{code}, on_violation = {mode}{shown}")?;
            }
            (true, _) if ruling.reported => {
                writeln!(f, "verdict: allowed, a denied edge{code} is only reported")?;
            }
            (true, _) => writeln!(f, "verdict: allowed")?,
        }
        for (i, advice) in self.advice.iter().enumerate() {
            let head = if i == 0 { "to allow it:" } else { "         or:" };
            writeln!(f, "{head} {advice}")?;
        }
        let Some(reply) = &self.answer else { return writeln!(f, "answer:  none") };
        writeln!(f, "answer:  {} ({})", reply.rcode, reply.flags.join(" "))?;
        if let Some(ede) = &reply.ede {
            writeln!(f, "  ; EDE {}: {}", ede.code, ede.text)?;
        }
        write_section(f, "answer", &reply.answer)?;
        write_section(f, "authority", &reply.authority)?;
        write_section(f, "additional", &reply.additional)
    }
}

fn write_step(f: &mut fmt::Formatter<'_>, i: usize, step: &Step) -> fmt::Result {
    let hidden = if step.hidden && step.record.is_some() { "  (not shown)" } else { "" };
    match (&step.zone, &step.account) {
        (Some(zone), Some(account)) => {
            writeln!(f, "  {i:>2}  {}  zone {zone}, account {account}{hidden}", step.name)?;
        }
        _ => writeln!(f, "  {i:>2}  {}  outside this server", step.name)?,
    }
    if let Some(record) = &step.record {
        writeln!(f, "      {} {} -> {}", record.rtype, record.ttl, record.target)?;
    }
    if let Some(outside) = &step.outside {
        write!(f, "{outside}")?;
    }
    if let Some(edge) = step.edge.as_ref().filter(|e| e.crosses) {
        write_edge(f, edge)?;
    }
    Ok(())
}

fn write_edge(f: &mut fmt::Formatter<'_>, edge: &EdgeView) -> fmt::Result {
    let unknown = || "?".to_owned();
    let from = edge.account.clone().unwrap_or_else(unknown);
    let to = edge.target_account.clone().unwrap_or_else(unknown);
    let zone = edge.target_zone.clone().unwrap_or_else(unknown);
    let word = if edge.allowed { "allowed by" } else { "DENIED:" };
    let by = edge.by.as_deref().unwrap_or_default();
    let grant = edge.grant.as_ref().map_or(String::new(), |g| format!(" ({g})"));
    writeln!(f, "      crosses from account {from} to {to} (zone {zone}): {word} {by}{grant}")
}

fn write_section(f: &mut fmt::Formatter<'_>, title: &str, rrs: &[Rr]) -> fmt::Result {
    if !rrs.is_empty() {
        writeln!(f, "  ; {title}")?;
    }
    for rr in rrs {
        let dot = if rr.name == "." { "" } else { "." };
        writeln!(f, "  {}{dot} {} IN {} {}", rr.name, rr.ttl, rr.rtype, rr.data)?;
    }
    Ok(())
}
