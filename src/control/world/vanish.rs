//! Zone files that are gone: removed after a while, or held if too many went at once (SPEC §3.2).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::edit::Touched;
use super::{Held, Key, Now, World};
use crate::base::id::AccountId;
use crate::base::name::Name;
use crate::base::time::UnixTime;
use crate::control::command::{ZoneRow, ZoneState};
use crate::control::files::{FileError, ZonesFolder};
use crate::control::hold::{self, Removal, VanishHold, Vanishing};
use crate::control::loader::Good;

/// A file that is gone for so long is removed: editors and copies delete a file and write it again.
pub const GRACE: Duration = Duration::from_secs(5);
/// Files that go within this time go at once.
const AT_ONCE: Duration = Duration::from_secs(30);

impl World {
    /// The file of a zone is not there.
    pub(super) fn gone(&mut self, key: &Key, now: Now) {
        let Some(state) = self.state_mut(key) else { return };
        let more = state.more();
        if more.missing.is_none() && !matches!(more.held, Some(Held::Vanished { .. })) {
            more.missing = Some(now.at);
            // An edit that waited is gone with its file.
            more.held = None;
            self.held.remove(key);
            self.missing.insert(key.clone());
        }
    }

    /// When the next file that is gone counts as removed.
    pub fn next_vanish(&self) -> Option<Instant> {
        let since = |key| self.state(key)?.more.as_ref()?.missing;
        self.missing.iter().filter_map(since).min().map(|since| since + GRACE)
    }

    /// Removes or holds zones whose files have been gone for long enough.
    pub fn vanish(&mut self, zones: &ZonesFolder, now: Now) {
        if self.next_vanish().is_none_or(|due| due > now.at) {
            return;
        }
        // Files that came back without an event.
        let back: Touched = self
            .missing
            .iter()
            .filter(|key| self.is_back(zones, key))
            .map(|key| (key.clone(), None))
            .collect();
        self.edit(zones, back, now);
        self.decide_missing(now, GRACE);
        let touched = self.claim_refused().into_iter().map(|key| (key, None)).collect();
        self.edit(zones, touched, now);
        self.drop_empty_accounts(zones);
    }

    fn is_back(&self, zones: &ZonesFolder, key: &Key) -> bool {
        let folder = zones.account(self.account_name(key.0));
        let file_name = self.file_name(key);
        // A folder that cannot be read says nothing.
        match folder {
            Ok(folder) => !matches!(folder.stamp(&file_name), Err(FileError::Missing)),
            Err(FileError::Missing) => false,
            Err(_) => true,
        }
    }

    /// Holds all that vanished at once, removes what has been gone for `grace`.
    pub(super) fn decide_missing(&mut self, now: Now, grace: Duration) {
        let hold = self.judge_missing(now);
        let missing: Vec<Key> = self.missing.iter().cloned().collect();
        for key in missing {
            let since = self.state(&key).and_then(|s| s.more.as_ref()?.missing);
            if hold.holds(key.0) {
                self.hold_vanished(&key, now);
            } else if since.is_some_and(|since| now.at.duration_since(since) >= grace) {
                self.remove_vanished(&key, now);
            }
        }
    }

    fn judge_missing(&mut self, now: Now) -> VanishHold {
        while self.vanished.front().is_some_and(|(at, _)| now.at.duration_since(*at) > AT_ONCE) {
            self.vanished.pop_front();
        }
        let mut accounts: BTreeMap<AccountId, Vanishing> = BTreeMap::new();
        for key in &self.missing {
            accounts.entry(key.0).or_default().gone += 1;
        }
        for (_, account) in &self.vanished {
            accounts.entry(*account).or_default().gone += 1;
        }
        let mut others = 0;
        for (id, account) in &self.accounts {
            let refused = self.refused.range((*id, Name::root())..);
            let refused = refused.take_while(|key| key.0 == *id).count();
            let there = account.zones.len() - refused;
            match accounts.get_mut(id) {
                Some(vanishing) => vanishing.of += there,
                None => others += there,
            }
        }
        // Zones that were removed a short while ago are not among the accounts' zones any more; those held are.
        for (_, account) in &self.vanished {
            accounts.entry(*account).or_default().of += 1;
        }
        let accounts: Vec<(AccountId, Vanishing)> = accounts.into_iter().collect();
        hold::vanishing(&accounts, others)
    }

    fn hold_vanished(&mut self, key: &Key, now: Now) {
        let (account, file) = (self.account_name(key.0).to_owned(), self.shown(key));
        self.missing.remove(key);
        self.held.insert(key.clone());
        self.tally.held += 1;
        if let Some(state) = self.state_mut(key) {
            let more = state.more();
            more.missing = None;
            more.held = Some(Held::Vanished { since: now.unix });
        }
        if self.chatter.may_speak() {
            warn!(event = "zone-held", zone = %key.1, account, file,
                "held: the file is gone, and so are too many others at once; the zone stays. To let it go: \
                 bailiwick zone accept {}", key.1);
        }
    }

    fn remove_vanished(&mut self, key: &Key, now: Now) {
        if self.chatter.may_speak() {
            info!(event = "zone-removed", zone = %key.1, account = self.account_name(key.0),
                "zone removed: its file is gone");
        }
        self.tally.removed += 1;
        self.vanished.push_back((now.at, key.0));
        self.remove(key);
    }

    /// Lets in what is held for a zone, exactly that. A new text must be on disk before it counts.
    pub fn accept(
        &mut self,
        zones: Option<&ZonesFolder>,
        apex: &Name,
        now: Now,
    ) -> Result<ZoneRow, String> {
        let of_apex = |key: &&Key| key.1 == *apex;
        let key = self.held.iter().find(of_apex).cloned();
        let held = key.as_ref().and_then(|key| self.state_mut(key)?.more.as_mut()?.held.take());
        match (key, held) {
            (Some(key), Some(Held::Edit { good, removal, since })) => {
                self.accept_edit(&key, good, removal, since)
            }
            (Some(key), Some(Held::Vanished { .. })) => Ok(self.accept_removal(zones, &key, now)),
            _ => Err(match self.ownership.zone(apex.as_wire()) {
                Some(_) => format!("nothing is held for {apex}"),
                None => format!("there is no zone {apex}"),
            }),
        }
    }

    fn accept_edit(
        &mut self,
        key: &Key,
        good: Box<Good>,
        removal: Removal,
        since: UnixTime,
    ) -> Result<ZoneRow, String> {
        let kept = self.kept(key, &good);
        if let Err(error) = kept.map_or(Ok(()), |kept| self.keeper.send_now(kept)) {
            if let Some(state) = self.state_mut(key) {
                state.more().held = Some(Held::Edit { good, removal, since });
            }
            return Err(format!(
                "the new version cannot be written to the data folder, so it stays held: {error}"
            ));
        }
        info!(event = "zone-accepted", zone = %key.1, account = self.account_name(key.0),
            serial = good.data.serial(), records = good.data.record_count(), "held edit accepted");
        self.tally.changed += 1;
        self.serve(key, *good);
        self.zone_row(&key.1).ok_or_else(|| format!("there is no zone {}", key.1))
    }

    fn accept_removal(&mut self, zones: Option<&ZonesFolder>, key: &Key, now: Now) -> ZoneRow {
        info!(event = "zone-accepted", zone = %key.1, account = self.account_name(key.0),
            "removal accepted");
        let row = ZoneRow {
            zone: key.1.to_string(),
            account: self.account_name(key.0).to_owned(),
            state: ZoneState::Removed,
            serial: None,
            records: 0,
            errors: 0,
            warnings: 0,
            held_since: None,
            detail: None,
        };
        self.tally.removed += 1;
        self.remove(key);
        let waiting = self.claim_refused().into_iter().map(|key| (key, None)).collect();
        if let Some(zones) = zones {
            self.edit(zones, waiting, now);
            self.drop_empty_accounts(zones);
        }
        row
    }
}
