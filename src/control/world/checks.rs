//! Checks of custom hostnames: what the zones here show is looked at and judged at once; the rest is looked up
//! outside, and taken in when it comes back.

use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::{Now, World};
use crate::base::name::Name;
use crate::base::uuid::Uuid;
use crate::control::look;
use crate::control::looks::{Begun, HostnameLook};
use crate::control::registrar::{Check, RequestError};
use crate::hostname::lifecycle::Trigger;
use crate::hostname::object::CustomHostname;
use crate::hostname::seen::{Lookup, Page, Seen};
use crate::store::state::Store;

/// Hostnames looked at in one step without being asked, and the time that this may take.
const DUE: usize = 500;
const DUE_TIME: Duration = Duration::from_millis(250);

impl World {
    /// Does what is due of custom hostnames.
    pub fn custom_due(&mut self, now: Now) {
        if self.custom.open.is_err() {
            return;
        }
        let mut at = self.custom.due_at;
        let due = self.with_registrar(now, "schedule", |r, cx| r.due(cx, &mut at, DUE));
        self.custom.due_at = at;
        match due {
            Ok(done) if done.check.is_empty() => {}
            Ok(done) => {
                // One flush to disk for all of them.
                self.begin_group();
                self.check_all(&done.check, Trigger::Schedule, now);
                // It was said, and what was not stored is due still.
                let _ = self.end_group();
            }
            Err(error) => warn!(event = "hostnames-not-checked", "{error}"),
        }
        self.origins_due(now);
    }

    /// Looks at hostnames and takes in what is seen. What there is no time for is due again.
    pub(super) fn check_all(&mut self, ids: &[Uuid], trigger: Trigger, now: Now) {
        let began = Instant::now();
        for &id in ids {
            if let Err(error) = self.check_one(id, trigger, now) {
                warn!(event = "hostname-not-checked", %id, "{error}");
                return;
            }
            if trigger == Trigger::Schedule && began.elapsed() > DUE_TIME {
                return;
            }
        }
    }

    fn check_one(&mut self, id: Uuid, trigger: Trigger, now: Now) -> Result<(), RequestError> {
        let Some(h) = self.custom.usable()?.store().hostname(id)? else { return Ok(()) };
        let places = &self.settings.hostnames.places;
        let here = look::look(self.next.snapshot(), &h.hostname, places);
        let seen = match here {
            Some(seen) if seen.chain.answer().is_some() => seen,
            here => match (self.look_outside(&h, trigger, now), here) {
                (Begun::UnderWay | Begun::Later, _) => return Ok(()),
                (Begun::Nobody, Some(here)) => here,
                (Begun::Nobody, None) if trigger == Trigger::Extra => return Ok(()),
                (Begun::Nobody, None) => unseen(),
            },
        };
        self.take_check(Check { id, revision: h.revision, trigger, seen }, now)
    }

    fn look_outside(&mut self, h: &CustomHostname, trigger: Trigger, now: Now) -> Begun {
        let places = &self.settings.hostnames.places;
        let hostname = h.hostname.clone();
        let look = HostnameLook {
            id: h.id,
            revision: h.revision,
            trigger,
            tokens: h.tokens,
            txt: places.txt_name(&hostname),
            path: places.http_path(&hostname, h.id),
            hostname,
        };
        let domain = self.domain(&h.hostname.base);
        self.custom.looks.begin(look, h.provider.account, domain, now.at)
    }

    /// The part of a name that somebody registered.
    fn domain(&self, name: &Name) -> Name {
        let mut domain = name.clone();
        while let Some(above) = domain.parent() {
            if above.label_count() <= 1 || self.suffixes.contains(above.as_wire()) {
                break;
            }
            domain = above;
        }
        domain
    }

    /// What a look outside saw has come.
    pub fn seen(&mut self, check: Check, now: Now) {
        self.custom.looks.ended(check.id, check.revision);
        let id = check.id;
        let taken = match self.is_of_now(&check) {
            true => self.take_check(check, now),
            // Zones came or went meanwhile: it has to be seen again.
            false => self.check_one(id, check.trigger, now),
        };
        if let Err(error) = taken {
            warn!(event = "hostname-not-checked", %id, "{error}");
        }
    }

    /// Whether the zones here still are the ones that the check saw.
    fn is_of_now(&self, check: &Check) -> bool {
        let owner = |name: &Name| look::owner(self.next.snapshot(), name);
        let chain = check.seen.chain.answer();
        chain.is_none_or(|chain| chain.targets.iter().all(|t| t.owner == owner(&t.name)))
    }

    /// Judges what was seen, and follows.
    fn take_check(&mut self, check: Check, now: Now) -> Result<(), RequestError> {
        let id = check.id;
        let old = self.custom.usable()?.store().hostname(id)?.map(|h| h.status);
        let done = self.with_registrar(now, "schedule", |r, cx| r.checked(cx, check))?;
        if let Some(new) = self.custom.usable()?.store().hostname(id)?
            && Some(new.status) != old
        {
            info!(event = "hostname-status", hostname = %new.hostname, status = new.status.word(),
                "custom hostname {} is {}", new.hostname, new.status.word());
        }
        // It changed hands while it was looked at. Asked for once more and not at once, so that this ends.
        let again = done.check.iter().filter(|again| **again != id).copied();
        self.check_all(&again.collect::<Vec<_>>(), Trigger::Extra, now);
        Ok(())
    }
}

/// A check of a hostname outside, with nobody who could look.
fn unseen() -> Seen {
    fn no_answer<T>() -> Lookup<T> {
        Lookup::NoAnswer("it lies outside this server".to_owned())
    }
    Seen {
        owner: None,
        chain: no_answer(),
        v4: no_answer(),
        v6: no_answer(),
        texts: no_answer(),
        page: Page::NotAsked,
    }
}
