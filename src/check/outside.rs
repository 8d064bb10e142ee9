//! Aliases that lead outside, and whether anybody can be asked about their targets.

use std::collections::BTreeSet;
use std::io;

use crate::base::name::{Name, Text};
use crate::base::rtype::{self, CLASS_IN};
use crate::base::time::UnixTime;
use crate::beside::Beside;
use crate::config::settings::Flatten;
use crate::engine::answer::Names;
use crate::engine::follow;
use crate::model::flattened::{FailureKind, Key, Outcome};
use crate::model::question::Question;
use crate::model::settings::FlattenMode;
use crate::model::snapshot::Snapshot;

/// Targets that are tried before no resolver is believed to answer.
const TRIES: usize = 2;

/// What is wrong with the way to the outside; `None`: nothing, or nobody needs it.
pub fn problem(
    snapshot: &Snapshot,
    settings: &Flatten,
    now: UnixTime,
) -> io::Result<Option<String>> {
    let aliases = Aliases::find(snapshot, now);
    let Some((owner, target)) = aliases.first.first() else { return Ok(None) };
    let beside = Beside::new(settings)?;
    let answers = aliases.first.iter().any(|(_, target)| {
        let key = Key { target: target.clone(), rtype: rtype::A };
        is_answer(beside.look_up(&key).outcome)
    });
    if answers {
        return Ok(None);
    }
    let whom: Vec<String> = beside.upstreams.iter().map(ToString::to_string).collect();
    let whom = match (whom.is_empty(), settings.upstream.is_empty()) {
        (true, _) => {
            "no resolver is known (flatten.upstream is empty, and so is the system's list)"
                .to_owned()
        }
        (_, true) => format!("no resolver answers (the system's: {})", whom.join(", ")),
        _ => format!("no resolver answers (flatten.upstream: {})", whom.join(", ")),
    };
    let count = aliases.count;
    let (lead, are) =
        if count == 1 { ("alias leads", "it is") } else { ("aliases lead", "they are") };
    Ok(Some(format!(
        "{count} {lead} outside this server ({owner} -> {target}), and {whom}: {are} answered with what is remembered, \
         else SERVFAIL"
    )))
}

/// Whether somebody was there. A target that fails says nothing against its resolvers.
fn is_answer(outcome: Outcome) -> bool {
    !matches!(
        outcome,
        Outcome::Failed(
            FailureKind::NoUpstream
                | FailureKind::Timeout
                | FailureKind::Network
                | FailureKind::Refused
                | FailureKind::Busy
        )
    )
}

/// Aliases that need the outside.
#[derive(Default)]
struct Aliases {
    count: usize,
    /// The first few by name, with what they need.
    first: BTreeSet<(String, Name)>,
}

impl Aliases {
    fn find(snapshot: &Snapshot, now: UnixTime) -> Aliases {
        let mut aliases = Aliases::default();
        let mut names = Names::default();
        let mut question = Question { qclass: CLASS_IN, qtype: rtype::A, ..Question::default() };
        for zone in snapshot.catalog.iter().filter(|zone| zone.data.is_ready()) {
            for node in zone.data.nodes() {
                let flattened = node.rrset(rtype::ALIAS).is_some()
                    || zone.flatten == FlattenMode::All && node.rrset(rtype::CNAME).is_some();
                if !flattened || question.name.set(node.owner().as_wire(), &snapshot.key).is_err() {
                    continue;
                }
                let chain = follow::walk(snapshot, &question, Some(zone), now, &mut names);
                let Some((i, _)) = chain.needs else { continue };
                aliases.count += 1;
                let owner = Text(question.name.wire()).to_string();
                aliases.first.insert((owner, names.of(&question.name, i).to_name()));
                if aliases.first.len() > TRIES {
                    aliases.first.pop_last();
                }
            }
        }
        aliases
    }
}
