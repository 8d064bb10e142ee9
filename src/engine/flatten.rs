//! A flattened chain that leaves the server: what the outside said about the name it leaves to enters the same chain.
//!
//! Every hop that the resolver saw is judged in order, before anything behind it is used. One that leads into a zone
//! served here is an edge from the last name inside, and the walk goes on in zone data: what the resolver had to say
//! about names of ours is never believed. Hops that stay outside are the resolver's to count; each way back inside is
//! one hop of ours.

use crate::engine::follow::{Ending, Hop, Link, Step, Walk};
use crate::model::catalog::Zone;
use crate::model::flattened::{FailureKind, Outcome, Standing};
use crate::model::outside::Known;
use crate::policy::judge::EdgeKind;

/// The last name inside, from which an edge leads out and maybe back in.
#[derive(Clone, Copy)]
pub(super) struct Exit<'s> {
    /// Its number in the chain.
    pub owner: usize,
    pub zone: &'s Zone,
    pub kind: EdgeKind,
}

impl<'s> Walk<'s, '_> {
    /// The current name has no data here: it is in no zone.
    pub(super) fn leave(&mut self) -> Step<'s> {
        let Some(hop) = self.chain.hops.last() else { return Err(Ending::NoZone) };
        if self.chain.alias.is_none() {
            return Err(Ending::LeavesUs);
        }
        let owner = self.chain.hops.len() - 1;
        self.outside(Exit { owner, zone: hop.zone, kind: hop.link.edge_kind() })
    }

    /// Ends with what the outside said about the current name, or goes on where that leads back inside.
    pub(super) fn outside(&mut self, exit: Exit<'s>) -> Step<'s> {
        let i = self.chain.hops.len();
        let snapshot = self.snapshot;
        let Some(known) = snapshot.outside.find(self.name(i), self.question.qtype) else {
            self.chain.ask(i, exit.zone);
            return Err(Ending::Failed(FailureKind::Timeout));
        };
        let entry = known.entry();
        let standing = entry.standing(self.now);
        // Also what failed: it is asked for again when its pause is over, before anybody has to wait for that.
        if !matches!(standing, Standing::Expired | Standing::Gone) {
            known.mark_used();
        }
        match standing {
            Standing::Fresh(ttl) => self.chain.hidden_ttl = self.chain.hidden_ttl.min(ttl),
            Standing::Stale(_) => self.chain.take_stale(),
            Standing::Expired => {
                self.chain.ask(i, exit.zone);
                self.chain.take_stale();
            }
            // Hops that were seen before it failed are hops; those of an answer that is too old are not.
            Standing::Failed(_) if matches!(entry.outcome, Outcome::Failed(_)) => {}
            Standing::Failed(kind) => return Err(Ending::Failed(kind)),
            Standing::Gone => {
                self.chain.ask(i, exit.zone);
                return Err(Ending::Failed(FailureKind::Timeout));
            }
        }
        for hop in &entry.hops {
            let (_, next) = self.names.step(&self.question.name, i);
            // A `Name` is a valid wire name.
            let set = next.set(hop.name.as_wire(), &snapshot.key);
            if set.is_ok() && snapshot.catalog.zone_for(next).is_some() {
                return self.come_back(exit, known);
            }
        }
        // A name below a delegation is in a zone of ours.
        if exit.owner < i {
            known.set_clear_of(&snapshot.catalog);
        }
        Err(match entry.outcome {
            Outcome::Failed(kind) => Ending::Failed(kind),
            Outcome::Addresses | Outcome::NoData | Outcome::NxDomain => Ending::Outside(known),
        })
    }

    /// The next name is in a zone here, and the outside leads to it.
    fn come_back(&mut self, exit: Exit<'s>, known: &'s Known) -> Step<'s> {
        let next = self.chain.hops.len() + 1;
        let verdict = self.judge(exit, next, None);
        self.enforce(exit, next, verdict)?;
        self.push(Hop { zone: exit.zone, link: Link::Outside(known), verdict })
    }
}
