//! The state of the world that the publisher owns, and the steps that change it. Whoever reads sees only snapshots.
//!
//! The rules of what happens when are in the parts: [`start`] reads everything once, [`edit`] takes in zone files that
//! changed, [`vanish`] those that are gone, [`names`] decides who holds what, [`reconfigure`] puts settings in force.

pub mod accounts;
mod advice;
mod barring;
pub mod checked;
mod checks;
pub mod chosen;
pub mod claims;
mod custom;
mod depends;
mod draft;
mod edit;
mod granted;
mod hostname;
mod manage;
mod names;
mod origins;
mod reading;
mod reconfigure;
pub mod records;
pub mod restore;
mod restored;
mod shown;
mod start;
mod status;
mod stored;
mod survey;
pub mod token;
mod told_zones;
mod touch;
mod unchanged;
mod vanish;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

pub use depends::Depends;
pub use edit::Touched;
pub use start::StartError;
pub use status::Status;
pub use survey::{Look, Survey};

use self::chosen::Modes;
use self::custom::Custom;
use self::draft::Draft;
use self::granted::Granted;
use self::stored::Stored;
use super::background::give_way;
use super::claims::Claims;
use super::directory::Directory;
use super::hold::Removal;
use super::keeper::Keeper;
use super::loader::{Good, Keys, Part};
use super::suffixes::Suffixes;
use serde::{Deserialize, Serialize};

use crate::base::hash::Keyed;
use crate::base::id::{AccountId, ZoneId};
use crate::base::name::Name;
use crate::base::public_id::PublicIds;
use crate::base::time::UnixTime;
use crate::config::settings::Settings;
use crate::model::catalog::Zone;
use crate::model::snapshot::Snapshot;
use crate::model::zone::ZoneData;
use crate::policy::ownership::{Refusal, Register};
use crate::store::folder::Lock;
use crate::store::grants::Grants;
use crate::store::ownership::Ownership;
use crate::store::state::chosen::Chosen;
use crate::store::zones::{Change, ContentHash, Kept};
use crate::zonefile::filename;

/// A zone file: whose, and of which zone. Two accounts may have files of one apex; one of them is refused.
pub type Key = (AccountId, Name);

/// The time, read once for a whole step.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub at: Instant,
    pub unix: UnixTime,
}

impl Now {
    /// Reads the clocks.
    pub fn read() -> Now {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Now { at: Instant::now(), unix: UnixTime(since.map_or(0, |d| d.as_secs())) }
    }
}

/// Everything that is known and served.
#[derive(Debug)]
pub struct World {
    settings: Settings,
    keys: Keys,
    ownership: Ownership,
    grants: Grants,
    custom: Custom,
    /// Zones that live in the database.
    stored: Stored,
    /// Who made them, and whether they are proved.
    claims: Claims,
    /// Settings that were made through the API.
    chosen: Chosen,
    /// What the API reads.
    directory: Option<Arc<Directory>>,
    /// Accounts came or went, or are called otherwise.
    accounts_stale: bool,
    ids: PublicIds,
    keeper: Keeper,
    suffixes: Suffixes,
    register: Register,
    accounts: BTreeMap<AccountId, Account>,
    /// Files of zones that belong to others.
    refused: BTreeSet<Key>,
    /// Zones whose files are gone and that are not removed yet.
    missing: BTreeSet<Key>,
    /// Zones of which something is held.
    held: BTreeSet<Key>,
    /// Zones removed or held because their files were gone, and when.
    vanished: VecDeque<(Instant, AccountId)>,
    depends: Depends,
    /// The snapshot that will be published next.
    next: Draft,
    /// Zones or accounts that grants or trusts speak of came or went, so that they have to be derived anew.
    grants_stale: bool,
    granted: Granted,
    mentions: Mentions,
    /// Nothing is known of the files: why `zones/` cannot be read.
    unreadable: Option<String>,
    chatter: Chatter,
    tally: Tally,
    store_failing: bool,
    /// Every zone came out of the image at the start.
    as_in_image: bool,
    cookie_secret: [u8; 16],
    _lock: Lock,
}

/// What grants and trusts speak of: nothing else can change them by coming or going.
#[derive(Debug, Default)]
struct Mentions {
    zones: HashSet<Name>,
    accounts: HashSet<Box<str>>,
}

/// One account.
#[derive(Debug)]
struct Account {
    name: Arc<str>,
    zones: HashMap<Name, ZoneState, Keyed>,
    /// Why its folder cannot be read.
    problem: Option<String>,
}

/// What is known of one zone file. Most are served as they are and need no more than this.
#[derive(Debug, Default)]
struct ZoneState {
    /// `None`: the canonical one of the apex.
    file_name: Option<Box<str>>,
    /// Of the served version.
    served: Option<ContentHash>,
    /// Fold of the file's stamp when it was read.
    stamp: Option<u64>,
    /// The file had changed so shortly before that the stamp does not say enough.
    is_young: bool,
    /// The file was seen in its folder.
    is_there: bool,
    /// Held under this id since before the start, and ever since.
    recorded: Option<ZoneId>,
    more: Option<Box<More>>,
}

/// What few zones need.
#[derive(Debug, Default)]
struct More {
    parts: Vec<Part>,
    /// Another file of the same apex in the folder.
    twin: Option<Box<str>>,
    /// Why what the file holds now is not served.
    problem: Option<Box<str>>,
    /// Content that has that problem.
    problem_hash: Option<ContentHash>,
    held: Option<Held>,
    /// The file is gone.
    missing: Option<Instant>,
    refused: Option<Refusal>,
    /// Findings of what the file holds now.
    errors: usize,
    warnings: usize,
}

/// What waits for `bailiwick zone accept`.
#[derive(Debug)]
enum Held {
    Edit { good: Box<Good>, removal: Removal, since: UnixTime },
    Vanished { since: UnixTime },
}

impl Held {
    fn since(&self) -> UnixTime {
        match self {
            Held::Edit { since, .. } | Held::Vanished { since } => *since,
        }
    }
}

/// What happened to zones in one step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Served for the first time.
    pub loaded: usize,
    /// Served in a new version.
    pub changed: usize,
    pub removed: usize,
    pub held: usize,
    /// Files with errors that were not seen before.
    pub bad: usize,
    pub refused: usize,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, more: Tally) {
        self.loaded += more.loaded;
        self.changed += more.changed;
        self.removed += more.removed;
        self.held += more.held;
        self.bad += more.bad;
        self.refused += more.refused;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { loaded, changed, removed, held, bad, refused } = self;
        write!(
            f,
            "zones: {loaded} new, {changed} changed, {removed} removed, {held} held, {bad} with errors, {refused} \
             refused"
        )
    }
}

/// How much was already said in one step, so that a million bad files do not fill the log.
#[derive(Debug, Default)]
struct Chatter {
    said: usize,
    left_out: usize,
}

impl Chatter {
    /// Lines about single zones in one step.
    const MOST: usize = 100;

    /// Whether one more line may be said.
    fn may_speak(&mut self) -> bool {
        self.said += 1;
        let may = self.said <= Chatter::MOST;
        self.left_out += usize::from(!may);
        may
    }

    /// Ends the step; how many lines were left out.
    fn finish(&mut self) -> usize {
        std::mem::take(self).left_out
    }
}

impl ZoneState {
    fn file_name(&self, apex: &Name) -> String {
        match &self.file_name {
            Some(name) => name.to_string(),
            None => filename::file_name(apex),
        }
    }

    fn set_file_name(&mut self, apex: &Name, name: &str) {
        self.file_name = (name != filename::file_name(apex)).then(|| name.into());
    }

    fn parts(&self) -> &[Part] {
        self.more.as_ref().map_or(&[], |more| &more.parts)
    }

    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }
}

impl More {
    /// The file is served as it is, and there is nothing but warnings to say of it.
    fn is_only_warnings(&self) -> bool {
        let More { parts, twin, problem, problem_hash, held, missing, refused, errors, .. } = self;
        let is_settled = problem.is_none() && problem_hash.is_none() && held.is_none();
        let is_plain = parts.is_empty() && twin.is_none() && refused.is_none();
        is_settled && is_plain && missing.is_none() && *errors == 0
    }
}

impl World {
    /// The key of the data folder.
    pub fn key(&self) -> [u8; 16] {
        self.keys.contents
    }

    /// How accounts and zones are called outside.
    pub fn ids(&self) -> PublicIds {
        self.ids
    }

    /// Whether the start took every zone from the image.
    pub fn is_as_in_image(&self) -> bool {
        self.as_in_image
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// As published next.
    pub fn snapshot(&self) -> &Snapshot {
        self.next.snapshot()
    }

    /// Files elsewhere that zones depend on.
    pub fn depends(&self) -> &Depends {
        &self.depends
    }

    pub fn depends_mut(&mut self) -> &mut Depends {
        &mut self.depends
    }

    /// The account of a folder name.
    pub fn account_id(&self, name: &str) -> Option<AccountId> {
        self.ownership.account(name)
    }

    fn account_name(&self, id: AccountId) -> &str {
        self.accounts.get(&id).map_or("", |account| &account.name)
    }

    fn add_account(&mut self, name: &str) -> AccountId {
        let id = self.ownership.add_account(name);
        self.accounts.entry(id).or_insert_with(|| {
            self.grants_stale |= self.mentions.accounts.contains(name);
            self.accounts_stale |= !self.custom.tell_account(id);
            Account { name: name.into(), zones: HashMap::default(), problem: None }
        });
        id
    }

    fn state(&self, key: &Key) -> Option<&ZoneState> {
        self.accounts.get(&key.0)?.zones.get(&key.1)
    }

    fn state_mut(&mut self, key: &Key) -> Option<&mut ZoneState> {
        self.accounts.get_mut(&key.0)?.zones.get_mut(&key.1)
    }

    fn file_name(&self, key: &Key) -> String {
        self.state(key).map_or_else(String::new, |state| state.file_name(&key.1))
    }

    /// `zones/ACCOUNT/FILE` as shown to people.
    fn shown(&self, key: &Key) -> String {
        let file = self.file_name(key);
        let path: PathBuf = self.settings.server.zones.join(self.account_name(key.0)).join(file);
        path.to_string_lossy().into_owned()
    }

    /// The served version of a zone, if the account holds it and it is ready.
    fn served(&self, key: &Key) -> Option<&ZoneData> {
        let zone = self.next.zone(&key.1)?;
        (zone.account == key.0 && zone.data.is_ready()).then_some(&zone.data)
    }

    /// Puts data of a zone into the next snapshot. The account holds the apex.
    fn put(&mut self, key: &Key, data: ZoneData) {
        let held = self.ownership.zone(key.1.as_wire()).filter(|h| h.account == key.0);
        if let Some(held) = held {
            self.put_held(key, held.id, data);
        }
    }

    /// The same for a zone that the account is known to hold under this id.
    fn put_held(&mut self, key: &Key, id: ZoneId, data: ZoneData) {
        let Modes { cross_account, flatten, on_violation } = self.modes(key, id);
        let zone = Zone { id, account: key.0, on_violation, cross_account, flatten, data };
        self.next.put(&key.1, zone);
    }

    /// Serves a new version from the next snapshot on, and keeps its text.
    fn install(&mut self, key: &Key, good: Good) {
        if let Some(kept) = self.kept(key, &good) {
            self.keeper.send(Change::Keep(kept));
        }
        self.serve(key, good);
    }

    /// Serves a version whose text is kept.
    fn serve(&mut self, key: &Key, good: Good) {
        let Good { data, hash, remarks, .. } = good;
        self.put(key, data);
        if let Some(state) = self.state_mut(key) {
            state.served = Some(hash);
            if remarks.warnings > 0 || state.more.is_some() {
                state.more().warnings = remarks.warnings;
            }
        }
        self.settle(key);
    }

    /// What is to be kept of a version.
    fn kept(&self, key: &Key, good: &Good) -> Option<Kept> {
        let held = self.ownership.zone(key.1.as_wire()).filter(|h| h.account == key.0)?;
        let (apex, sources) = (key.1.clone(), good.sources.clone());
        Some(Kept { zone: held.id, account: key.0, apex, hash: good.hash, sources })
    }

    /// The file and what is served agree: nothing is held, missing or wrong any more.
    fn settle(&mut self, key: &Key) {
        self.missing.remove(key);
        self.held.remove(key);
        let Some(state) = self.state_mut(key) else { return };
        if let Some(more) = &mut state.more {
            (more.problem, more.problem_hash, more.held, more.missing) = (None, None, None, None);
            more.errors = 0;
            let More { parts, twin, refused, warnings, .. } = &**more;
            if parts.is_empty() && twin.is_none() && refused.is_none() && *warnings == 0 {
                state.more = None;
            }
        }
    }

    /// Forgets a zone file. If the account held the zone, the name is free from then on.
    fn remove(&mut self, key: &Key) {
        self.settle(key);
        self.refused.remove(key);
        self.depends.remove(key);
        if let Some(account) = self.accounts.get_mut(&key.0) {
            account.zones.remove(&key.1);
        }
        self.release(key);
    }

    /// Makes the next snapshot, if it differs from the last one: everything it rests on is on disk, or was said loudly
    /// not to be.
    pub fn publish(&mut self, now: Now) -> Option<Snapshot> {
        self.serve_changed();
        give_way();
        self.take_in_zone_changes(now);
        if std::mem::take(&mut self.grants_stale) {
            self.derive_grants(now);
        }
        give_way();
        self.save();
        give_way();
        self.sync_directory();
        self.next.take()
    }

    /// Puts ownership and grants on disk. Says once that it fails, and once that it works again.
    fn save(&mut self) {
        let saved = self.ownership.save().and_then(|()| self.grants.save());
        match saved {
            Ok(()) if self.store_failing => {
                self.store_failing = false;
                tracing::info!(event = "store-works-again", "the data folder can be written again");
            }
            Ok(()) => {}
            Err(error) if !self.store_failing => {
                self.store_failing = true;
                tracing::error!(event = "store-failed", %error,
                    "cannot write to the data folder: serving goes on; who holds which zone and which grants were \
                     withdrawn is known in memory only");
            }
            Err(_) => {}
        }
    }

    /// Leaves copies of what the next start would find out by reading logs.
    pub fn leave(&mut self) {
        self.keeper.copy_index();
        if let Err(error) = self.ownership.copy() {
            tracing::warn!(event = "index-failed", %error,
                "cannot write ownership.index: the next start reads ownership.log");
        }
    }

    /// Whether something could not be put on disk.
    pub fn is_store_behind(&self) -> bool {
        self.ownership.is_behind() || self.grants.is_behind()
    }
}
