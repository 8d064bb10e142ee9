//! What a tenant may see of an explanation: its own world, and of others what an anonymous question would show.
//!
//! Others have no names here, and nobody learns by which of their rules or grants an edge was opened. Where a chain is
//! hidden by flattening, nothing behind the first name of somebody else is told.

use super::{EdgeView, Explanation, Step, Stop};
use crate::policy::verdict::Reason;

/// Takes out of `explanation` what is not for the account called `own`.
pub fn redact(explanation: &mut Explanation, own: &str) {
    let foreign = |step: &Step| step.account.as_deref().is_some_and(|account| account != own);
    let hidden = explanation.hops.iter().position(|step| step.hidden && foreign(step));
    if let Some(first) = hidden {
        explanation.hops.truncate(first + 1);
        let step = &mut explanation.hops[first];
        (step.record, step.edge, step.outside) = (None, None, None);
        let detail = format!("{} lies in a zone of another account", step.name);
        explanation.ending = Stop { kind: "elsewhere", detail };
    }
    for step in &mut explanation.hops {
        let is_foreign = foreign(step);
        if is_foreign {
            (step.account, step.outside) = (None, None);
        }
        if let Some(edge) = &mut step.edge {
            edge_for(edge, own);
        }
    }
    explanation.advice = advice(explanation, own);
}

fn edge_for(edge: &mut EdgeView, own: &str) {
    let leads_here = edge.target_account.as_deref() == Some(own);
    if !leads_here {
        (edge.target_account, edge.grant) = (None, None);
        edge.by = match edge.allowed {
            true => None,
            // Whether somebody blocks a hostname or never heard of it is no tenant's business.
            false => edge.by.take().map(|by| match by == Reason::Blocked.word() {
                true => Reason::NotGranted.word().to_owned(),
                false => by,
            }),
        };
    }
    if edge.account.as_deref() != Some(own) {
        edge.account = None;
    }
}

fn advice(explanation: &Explanation, own: &str) -> Vec<String> {
    let Some(remedy) = &explanation.remedy else { return Vec::new() };
    let super::Remedy { hostname, record, zone, from, to, .. } = remedy;
    if to == own {
        return vec![format!("make a custom hostname {hostname} in your zone {zone}")];
    }
    if from != own {
        let text =
            "the edge that is denied lies between zones of others: only they can change that";
        return vec![text.to_owned()];
    }
    vec![
        format!(
            "whoever holds zone {zone} can let it in: a custom hostname {hostname} in that zone"
        ),
        format!("you can point {record} at a name of your own or outside this server"),
    ]
}
