//! Zone files that changed: read, compared with what is served, and served, held or refused.

use std::collections::BTreeMap;

use tracing::{error, info, warn};

use super::reading::Done;
use super::survey::Survey;
use super::{Held, Key, Now, World, ZoneState};
use crate::base::count::count;
use crate::base::id::{AccountId, ZoneId};
use crate::base::name::Name;
use crate::control::files::{AccountFolder, FileError, Stray, ZoneFile, ZonesFolder};
use crate::control::hold::Removal;
use crate::control::loader::{Bad, Good, Loaded, Outcome};
use crate::control::scan::{self, FoundZone};
use crate::model::zone::ZoneData;
use crate::zonefile::filename;

/// Zones whose files may have changed; with the file, where its name was just seen.
pub type Touched = BTreeMap<Key, Option<FoundZone>>;

impl World {
    /// Takes in files that may have changed, by their content. `zones/` was opened a moment ago.
    pub fn edit(&mut self, zones: &ZonesFolder, touched: Touched, now: Now) {
        let mut survey = Survey::default();
        self.sort_out(zones, touched, &mut survey);
        let won = if survey.new.is_empty() { Vec::new() } else { self.claim(&survey.new) };
        survey.read.extend(won);
        self.take_in(zones, survey.read, now);
    }

    /// Tells files that are not known yet from those that have to be read again.
    pub(super) fn sort_out(&mut self, zones: &ZonesFolder, touched: Touched, survey: &mut Survey) {
        for (key, found) in touched {
            if self.is_stored(&key) {
                self.say_file_ignored(&key);
                continue;
            }
            let is_known = self.state(&key).is_some();
            if let Some(found) = &found
                && (is_known || self.is_there(zones, key.0, &found.file.file_name))
            {
                self.note(&key, found);
            }
            if !is_known {
                survey.new.extend(self.state(&key).is_some().then_some(key));
            } else if !self.refused.contains(&key) {
                survey.read.push(key);
            } else if !self.is_there(zones, key.0, &self.file_name(&key)) {
                self.remove(&key);
            }
        }
    }

    /// Notes the file of a zone.
    pub(super) fn note(&mut self, key: &Key, found: &FoundZone) {
        let Some(account) = self.accounts.get_mut(&key.0) else { return };
        let state = account.zones.entry(key.1.clone()).or_insert_with(ZoneState::default);
        state.is_there = true;
        state.set_file_name(&key.1, &found.file.file_name);
        if found.twin.is_some() || state.more.is_some() {
            state.more().twin = found.twin.clone();
        }
    }

    fn is_there(&self, zones: &ZonesFolder, account: AccountId, file_name: &str) -> bool {
        let folder = zones.account(self.account_name(account));
        folder.is_ok_and(|folder| !matches!(folder.stamp(file_name), Err(FileError::Missing)))
    }

    /// Which zone a file of an account's folder is of, as far as its name says so.
    pub fn touch(
        &self,
        zones: &ZonesFolder,
        account: AccountId,
        file_name: &str,
        touched: &mut Touched,
    ) {
        let Some(Ok(apex)) = filename::apex(file_name.as_bytes()) else { return };
        let key = (account, apex.clone());
        let known = self.state(&key);
        let is_plain = |state: &ZoneState| {
            state.file_name(&apex) == file_name
                && state.more.as_ref().is_none_or(|more| more.twin.is_none())
        };
        let seen = touched.get(&key).and_then(Option::as_ref);
        let same_name = seen.is_none_or(|found| &*found.file.file_name == file_name);
        if known.is_some_and(is_plain) && same_name {
            touched.entry(key).or_insert(None);
            return;
        }
        let file = ZoneFile { apex: apex.clone(), file_name: file_name.into() };
        let mut found = Some(FoundZone { file, twin: None });
        if known.is_some() || !same_name {
            // Another spelling is or was in play: only the folder knows.
            let folder = zones.account(self.account_name(account));
            found = folder.ok().and_then(|folder| find_file(&folder, &apex));
        }
        touched.insert(key, found);
    }

    /// Takes in what was read of one zone.
    pub(super) fn apply(&mut self, done: Done, now: Now) {
        let Done { key, loaded, kept, kept_as, depends } = done;
        if let Some((data, hash)) = kept {
            self.put(&key, data);
            if let Some(state) = self.state_mut(&key) {
                state.served = Some(hash);
            }
        }
        let Loaded { outcome, stamp, parts } = loaded;
        if !matches!(outcome, Outcome::Same | Outcome::Missing) {
            self.depends.set(&key, depends);
            if let Some(state) =
                self.state_mut(&key).filter(|s| s.more.is_some() || !parts.is_empty())
            {
                state.more().parts = parts;
            }
        }
        if let Some((state, stamp)) = self.state_mut(&key).zip(stamp) {
            (state.stamp, state.is_young) = (Some(stamp.fold), stamp.is_young(now.unix));
        }
        match outcome {
            Outcome::Same => self.same(&key),
            Outcome::Good(good) => match kept_as {
                Some(zone) => self.install_kept(&key, zone, good),
                None => self.offer(&key, good, now),
            },
            Outcome::Bad(bad) => self.bad(&key, bad),
            Outcome::Missing => self.gone(&key, now),
        }
    }

    /// The file holds what is served.
    fn same(&mut self, key: &Key) {
        let more = self.state(key).and_then(|state| state.more.as_ref());
        let was_open =
            more.is_some_and(|m| m.problem.is_some() || m.held.is_some() || m.missing.is_some());
        if was_open && self.chatter.may_speak() {
            info!(event = "zone-settled", zone = %key.1, account = self.account_name(key.0),
                "the file holds the served version again");
        }
        self.settle(key);
    }

    /// At the start: the content that was served before, which is on disk already.
    fn install_kept(&mut self, key: &Key, zone: ZoneId, good: Good) {
        self.put_held(key, zone, good.data);
        if let Some(state) = self.state_mut(key) {
            state.served = Some(good.hash);
            if good.remarks.warnings > 0 {
                state.more().warnings = good.remarks.warnings;
            }
        }
    }

    /// A good version: served, unless it removes too much.
    fn offer(&mut self, key: &Key, good: Good, now: Now) {
        let Some(served) = self.served(key) else {
            self.say_loaded(key, None, &good);
            self.install(key, good);
            return;
        };
        let removal = Removal::between(served, &good.data, &self.keys.names);
        if removal.is_held(&self.settings.hold) {
            self.hold_edit(key, good, removal, now);
            return;
        }
        let served = served.clone();
        self.say_loaded(key, Some(&served), &good);
        self.install(key, good);
    }

    fn hold_edit(&mut self, key: &Key, good: Good, removal: Removal, now: Now) {
        let account = self.account_name(key.0).to_owned();
        let file = self.shown(key);
        let Some(state) = self.state_mut(key) else { return };
        let more = state.more();
        (more.problem, more.problem_hash, more.missing) = (None, None, None);
        (more.errors, more.warnings) = (0, good.remarks.warnings);
        if let Some(Held::Edit { good: held, .. }) = &more.held
            && held.hash == good.hash
        {
            return;
        }
        more.held = Some(Held::Edit { good: Box::new(good), removal, since: now.unix });
        self.missing.remove(key);
        self.held.insert(key.clone());
        self.tally.held += 1;
        if self.chatter.may_speak() {
            warn!(event = "zone-held", zone = %key.1, account, file, removed = removal.removed, of = removal.of,
                "held: the edit removes {} of {} records; the served version stays. To let it in: bailiwick zone \
                 accept {}", removal.removed, removal.of, key.1);
        }
    }

    fn bad(&mut self, key: &Key, bad: Bad) {
        let serves = self.served(key).is_some();
        let account = self.account_name(key.0).to_owned();
        let Some(state) = self.state_mut(key) else { return };
        let more = state.more();
        let is_news = more.problem.is_none() || bad.hash.is_none() || more.problem_hash != bad.hash;
        more.problem = Some(bad.problem.as_str().into());
        more.problem_hash = bad.hash;
        (more.errors, more.warnings) = (bad.remarks.errors, bad.remarks.warnings);
        (more.held, more.missing) = (None, None);
        self.missing.remove(key);
        self.held.remove(key);
        if !serves {
            self.put(key, ZoneData::unready(&key.1));
        }
        self.tally.bad += usize::from(is_news);
        if is_news && self.chatter.may_speak() {
            let what = if serves { "the last good version stays" } else { "not served (SERVFAIL)" };
            error!(event = "zone-bad", zone = %key.1, account, errors = bad.remarks.errors,
                warnings = bad.remarks.warnings, "{what}: {}\n{}",
                count(bad.remarks.errors, "error"), bad.remarks.shown.join("\n"));
        }
    }

    fn say_loaded(&mut self, key: &Key, served: Option<&ZoneData>, good: &Good) {
        match served {
            Some(_) => self.tally.changed += 1,
            None => self.tally.loaded += 1,
        }
        // At the start it is the whole that is told.
        let is_quiet = served.is_none() && self.next.is_start();
        if is_quiet && good.remarks.warnings == 0 || !self.chatter.may_speak() {
            return;
        }
        let account = self.account_name(key.0);
        let (zone, serial, records) = (&key.1, good.data.serial(), good.data.record_count());
        match served {
            None if is_quiet => {}
            None => info!(event = "zone-loaded", %zone, account, serial, records, "zone loaded"),
            Some(old) => {
                info!(event = "zone-changed", %zone, account, serial, records,
                    serial_before = old.serial(), records_before = old.record_count(),
                    "zone changed");
                // RFC 1982: ahead by less than half of the circle.
                if !(1..1 << 31).contains(&serial.wrapping_sub(old.serial())) {
                    warn!(event = "zone-serial", %zone, account, serial,
                        serial_before = old.serial(),
                        "the content changed, and the serial did not grow: secondaries will not see it");
                }
            }
        }
        if good.remarks.warnings > 0 {
            warn!(event = "zone-warnings", %zone, account, warnings = good.remarks.warnings,
                "{}\n{}", count(good.remarks.warnings, "warning"), good.remarks.shown.join("\n"));
        }
    }
}

/// Says what lies in `zones/` and is none of ours.
pub(super) fn say_strays(strays: &[Stray]) {
    for stray in strays.iter().take(20) {
        warn!(event = "stray-file", path = stray.path, "ignored: {}", stray.message);
    }
}

/// The file of a zone in its account's folder, whatever the spelling of its name.
fn find_file(folder: &AccountFolder<'_>, apex: &Name) -> Option<FoundZone> {
    let mut strays = Vec::new();
    let found = scan::account(folder, &mut strays).ok()?;
    found.into_iter().find(|found| found.file.apex == *apex)
}
