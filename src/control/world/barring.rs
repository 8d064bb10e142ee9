//! The abuse list in the world: what it covers is blocked, in the snapshot at once and in the database for good.
//!
//! What is taken off the list stays blocked until its provider has it checked again (SPEC §7.1).

use tracing::{info, warn};

use super::{Now, World};
use crate::base::id::ZoneId;
use crate::base::name::Name;
use crate::hostname::object::Hostname;
use crate::model::barred::Barred;
use crate::store::state::Store;

/// Hostnames read at a time.
const PAGE: usize = 500;

impl World {
    /// Blocks what the list of the settings covers; `old` is the list that was before, `None` at the start.
    pub(super) fn bar(&mut self, old: Option<&Barred>, now: Now) {
        let (list, none) = (self.settings.hostnames.blocked.clone(), Barred::default());
        if list.is_empty() || old == Some(&list) {
            return;
        }
        let (exact, below) = list.since(old.unwrap_or(&none));
        let exact = exact.map(|name| (name.clone(), false));
        let added: Vec<(Name, bool)> =
            exact.chain(below.map(|name| (name.clone(), true))).collect();
        for (base, wildcard) in added {
            self.bar_one(&base, wildcard, now);
        }
    }

    /// One entry: a name, or everything below it.
    fn bar_one(&mut self, base: &Name, wildcard: bool, now: Now) {
        let list = self.settings.hostnames.blocked.clone();
        let mut covered = match wildcard {
            true => self.hostnames_below(base),
            false => self.hostnames_at(base),
        };
        covered.retain(|(hostname, _)| list.covers(&hostname.base, hostname.wildcard));
        if covered.is_empty() {
            return;
        }
        let star = if wildcard { "*." } else { "" };
        let count = covered.len();
        info!(
            event = "hostnames-barred",
            count, "{count} custom hostnames are blocked: {star}{base} is barred"
        );
        self.begin_group();
        let done = self.with_registrar(now, "config", |r, cx| r.barred(cx, &covered));
        let ended = self.end_group();
        if let Err(error) = done.map(|_| ()).map_err(|e| e.to_string()).and(ended) {
            warn!(
                event = "hostnames-not-updated",
                "{star}{base} grants nothing, but that is not stored: {error}"
            );
        }
        self.restate(covered, now);
    }

    /// The custom hostnames of exactly this name.
    fn hostnames_at(&mut self, base: &Name) -> Vec<(Hostname, ZoneId)> {
        let Ok(open) = self.custom.usable() else { return Vec::new() };
        let hostname = Hostname { base: base.clone(), wildcard: false };
        // What cannot be read is doubtful, and grants nothing.
        let named = open.store().hostnames_named(&hostname).unwrap_or_default();
        named.into_iter().map(|h| (h.hostname, h.provider.zone)).collect()
    }

    /// The custom hostnames at or below a name.
    fn hostnames_below(&mut self, base: &Name) -> Vec<(Hostname, ZoneId)> {
        let Ok(open) = self.custom.usable() else { return Vec::new() };
        let (mut all, mut after): (Vec<(Hostname, ZoneId)>, _) = (Vec::new(), None);
        while let Ok(page) = open.store().hostnames_within(base, after.as_ref(), PAGE)
            && let Some(last) = page.last()
        {
            after = Some((last.hostname.clone(), last.provider.zone));
            all.extend(page.into_iter().map(|h| (h.hostname, h.provider.zone)));
        }
        all
    }
}
