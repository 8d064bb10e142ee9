//! Backup and restore of what is in no file, at an operator's word.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::custom::tokens;
use super::restored::Backup;
pub use super::restored::Wish;
use super::{Now, World};
use crate::control::registrar::Done;
use crate::hostname::object::Owner;
use crate::store::folder::DATABASE;
use crate::store::state::Store;
use crate::store::state::backup::{self, Restored};
use crate::store::state::change::Zone;
use crate::store::state::sqlite::Sqlite;

/// The copy of a backup that is read, so that the backup itself is not touched.
const COPY: &str = "restore.db";

/// Writes the state in the data folder to `file`, where nothing is yet. A server may use the folder meanwhile.
pub fn write_backup(data: &Path, file: &Path) -> Result<Value, String> {
    let database = data.join(DATABASE);
    if !database.exists() {
        return Err(format!("there is nothing to back up: {} is not there", database.display()));
    }
    // Made here, so that nobody else can read it.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    made.map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    let copied = Sqlite::open(&database).and_then(|database| database.copy_to(file));
    if let Err(failure) = copied {
        // What is there is not a backup.
        let _ = std::fs::remove_file(file);
        return Err(failure.to_string());
    }
    let octets = std::fs::metadata(file).map_or(0, |metadata| metadata.len());
    Ok(json!({ "file": file.display().to_string(), "octets": octets }))
}

/// The copy of what is there that a restore is tried on.
const TRIAL: &str = "restore-trial.db";

impl World {
    /// Puts back what a backup has and the store has not. Nothing comes back active: of the store itself only records
    /// come back; into another one hostnames do, to be proved again, and tokens do not at all.
    pub fn restore(&mut self, file: &Path, wish: &Wish, now: Now) -> Result<Value, String> {
        let data = self.settings.server.data.clone();
        let restored = self.restore_by_way_of(file, &data.join(COPY), wish, now);
        for copy in [COPY, TRIAL] {
            for ending in ["", "-wal", "-shm"] {
                // Left behind, it is written over the next time.
                let _ = std::fs::remove_file(data.join(format!("{copy}{ending}")));
            }
        }
        let (done, records) = restored?;
        if !wish.dry_run {
            self.grants_stale = true;
            self.finish_step();
        }
        Ok(json!({
            "zones": done.zones, "hostnames": done.hostnames, "fallback_origins": done.fallbacks,
            "holds": done.holds, "left_out": done.left_out, "same_store": done.is_own,
            "records": records, "dry_run": wish.dry_run,
        }))
    }

    fn restore_by_way_of(
        &mut self,
        file: &Path,
        copy: &Path,
        wish: &Wish,
        now: Now,
    ) -> Result<(Restored, Value), String> {
        let wrong = |error: String| format!("{} cannot be restored: {error}", file.display());
        std::fs::copy(file, copy).map_err(|error| wrong(error.to_string()))?;
        let mut old = Sqlite::open(copy).map_err(|failure| wrong(failure.to_string()))?;
        let control = old.load().map_err(|failure| wrong(failure.to_string()))?;
        let done = self.restore_control(&mut old, wish, now)?;
        let is_own = done.is_own;
        let backup = Backup { store: &mut old, control: &control, is_own };
        let records = self.restore_all_records(backup, wish, now)?;
        Ok((done, records))
    }

    /// Everything but records.
    fn restore_control(
        &mut self,
        old: &mut Sqlite,
        wish: &Wish,
        now: Now,
    ) -> Result<Restored, String> {
        // Where nothing was ever stored, no zone was removed and made anew: there a name is enough.
        let control = self.custom.usable()?.registrar.control();
        let is_new = control.zones.is_empty() && control.used.zones == 0;
        let held = &self.ownership;
        let owners: std::collections::HashMap<Vec<u8>, (Owner, String)> = held
            .zones()
            .map(|(apex, held)| {
                let owner = Owner { zone: held.id, account: held.account };
                let name = self.accounts.get(&held.account).map_or("", |account| &account.name);
                (apex.as_wire().to_vec(), (owner, name.to_owned()))
            })
            .collect();
        let place = |zone: &Zone, account: &str| {
            let (owner, name) = owners.get(zone.apex.as_wire())?;
            let same = owner.zone == zone.id && owner.account == zone.account;
            (name == account && (same || is_new)).then_some(*owner)
        };
        if wish.dry_run {
            let trial = self.settings.server.data.join(TRIAL);
            // One that a crash left behind.
            let _ = std::fs::remove_file(&trial);
            self.custom.usable()?.store().copy_to(&trial).map_err(|f| f.to_string())?;
            let mut trial = Sqlite::open(&trial).map_err(|f| f.to_string())?;
            let done = backup::restore(old, &mut trial, &place, &mut tokens, now.unix);
            return done.map_err(|error| error.to_string());
        }
        let mut done = Restored::default();
        self.with_registrar(now, "operator", |registrar, cx| {
            done = backup::restore(old, cx.store, &place, &mut tokens, cx.now)?;
            // What is kept in memory is read anew.
            registrar.read_again(cx.store)?;
            Ok(Done::default())
        })?;
        Ok(done)
    }
}
