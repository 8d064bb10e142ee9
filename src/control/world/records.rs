//! Writes to records of zones of the store: carried out in memory, checked, stored, and served with the next snapshot.

use std::collections::BTreeSet;

use super::chosen::Modes;
use super::stored::Loaded;
use super::{Key, Now, World};
use crate::base::count::count;
use crate::base::id::ZoneId;
use crate::base::name::Name;
use crate::base::uuid::Uuid;
use crate::model::catalog::Zone;
use crate::records::compile;
use crate::records::set::Mark;
use crate::records::write::{self, Outcome, Write};
use crate::records::{Content, Problem, Record, Settings, next_serial};
use crate::store::state::Store;
use crate::store::state::change::{AuditEntry, Change};

/// How a write is meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ask {
    /// Nothing is changed; the answer is the same.
    pub dry_run: bool,
    /// Who asks, for the audit log.
    pub actor: String,
}

/// A write that was carried out.
#[derive(Clone, PartialEq, Debug)]
pub struct Written {
    pub outcome: Outcome,
    pub messages: Vec<Problem>,
    /// Of the zone, after the write.
    pub settings: Settings,
}

/// Why a write was not carried out.
#[derive(Clone, PartialEq, Debug)]
pub enum Refused {
    /// There is no such zone.
    NoZone,
    /// Something is wrong with it.
    Problems(Vec<Problem>),
    /// Nothing can be stored now.
    Store(String),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Refused {
        Refused::Problems(vec![problem])
    }
}

/// A write that stands in memory and can still be taken back.
struct Trial {
    outcome: Outcome,
    mark: Mark,
    before: Content,
}

impl World {
    /// Writes to the records or the settings of a zone of the store: all of it or nothing.
    pub fn write_records(
        &mut self,
        id: ZoneId,
        write: &Write,
        ask: &Ask,
        now: Now,
    ) -> Result<Written, Refused> {
        let Some(zone) = self.stored.zone(id) else { return Err(self.not_stored(id)) };
        let key = (zone.account, zone.apex.clone());
        let names = self.keys.names;
        let loaded = self.loaded(id)?;
        let trial = try_out(write, loaded, &names, now)?;
        let messages = match self.judge(id, &key, &trial, now) {
            Ok(messages) => messages,
            Err(refused) => {
                self.take_back(id, &trial);
                return Err(refused);
            }
        };
        let loaded = self.loaded(id)?;
        let settings = loaded.content.settings.clone();
        let is_same =
            loaded.set.changed_since(trial.mark).is_empty() && settings == trial.before.settings;
        if ask.dry_run || is_same {
            self.take_back(id, &trial);
            return Ok(Written { outcome: trial.outcome, messages, settings });
        }
        if let Err(problem) = self.store_trial(id, &key, write, &trial, ask, now) {
            self.take_back(id, &trial);
            return Err(Refused::Store(problem));
        }
        self.stored.touch(id);
        if settings.flatten_all != trial.before.settings.flatten_all {
            self.stored.set_flatten(id, settings.flatten_all);
        }
        Ok(Written { outcome: trial.outcome, messages, settings })
    }

    /// Takes the records of a zone of the store back to an earlier version, by a write like others.
    pub fn restore_records(
        &mut self,
        id: ZoneId,
        serial: u32,
        ask: &Ask,
        now: Now,
    ) -> Result<Option<Written>, Refused> {
        if self.stored.zone(id).is_none() {
            return Err(self.not_stored(id));
        }
        let open = self.custom.usable().map_err(|e| Refused::Store(e.to_string()))?;
        let undo = open.store().undo(id, serial).map_err(|f| Refused::Store(f.to_string()))?;
        let Some(records) = undo else { return Ok(None) };
        self.write_records(id, &Write::Restore { serial, records }, ask, now).map(Some)
    }

    /// Why there is nothing to write to: the zone is as its file says, or there is none.
    fn not_stored(&self, id: ZoneId) -> Refused {
        let Some((apex, file)) = self.file_of(id) else { return Refused::NoZone };
        let message =
            format!("The zone {apex} is as its file says and cannot be written here: edit {file}");
        Problem::new(Problem::FROM_FILE, message).into()
    }

    fn loaded(&mut self, id: ZoneId) -> Result<&mut Loaded, Refused> {
        let loaded = self.load_stored(id).map_err(Refused::Store)?;
        loaded.ok_or(Refused::NoZone)
    }

    fn take_back(&mut self, id: ZoneId, trial: &Trial) {
        if let Ok(loaded) = self.loaded(id) {
            loaded.set.go_back(trial.mark);
            loaded.set.keep();
            loaded.content = trial.before.clone();
        }
    }

    /// What is to be said of the names that the write made lead somewhere; an error if that may not be stored.
    fn judge(
        &mut self,
        id: ZoneId,
        key: &Key,
        trial: &Trial,
        now: Now,
    ) -> Result<Vec<Problem>, Refused> {
        let names = self.keys.names;
        let loaded = self.loaded(id)?;
        let changed = loaded.set.changed_since(trial.mark);
        let mut leading: Vec<Record> = Vec::new();
        for record in changed.into_iter().filter_map(|(_, now)| now) {
            let is_new =
                || leading.iter().all(|r| (&r.name, r.rtype) != (&record.name, record.rtype));
            if super::advice::leads(record.rtype) && is_new() {
                leading.push(record.clone());
            }
        }
        if leading.is_empty() {
            return Ok(Vec::new());
        }
        let compiled = compile::compile(&loaded.content, &loaded.set, &names, None)?;
        let flatten_all = loaded.content.settings.flatten_all;
        let mut snapshot = self.next.snapshot().clone();
        let Modes { cross_account, flatten, on_violation } = self.modes_with(key, id, flatten_all);
        let (account, data) = (key.0, compiled.data);
        snapshot.catalog.put(Zone { id, account, on_violation, cross_account, flatten, data });
        let mut messages = Vec::new();
        for record in &leading {
            let Some(advice) = super::advice::on(&snapshot, record, &key.1, now.unix) else {
                continue;
            };
            if advice.is_violation && self.settings.api.deny_violations {
                return Err(advice.problem.into());
            }
            messages.push(advice.problem);
        }
        Ok(messages)
    }

    /// Stores what a write changed, in one commit.
    fn store_trial(
        &mut self,
        id: ZoneId,
        key: &Key,
        write: &Write,
        trial: &Trial,
        ask: &Ask,
        now: Now,
    ) -> Result<(), String> {
        let World { stored, custom, .. } = self;
        let open = custom.usable()?;
        let Some(loaded) = stored.loaded_mut(id) else { return Ok(()) };
        loaded.content.serial = next_serial(trial.before.serial, now.unix);
        let mut changes = vec![Change::Content(Box::new(loaded.content.clone()))];
        for (record, now) in loaded.set.changed_since(trial.mark) {
            changes.push(match now {
                Some(record) => Change::Record { zone: id, record: Box::new(record.clone()) },
                None => Change::RecordRemoved { zone: id, id: record },
            });
        }
        let (action, evidence) = told(write, &trial.outcome, &key.1);
        changes.push(Change::Audit(AuditEntry {
            at: now.unix,
            actor: ask.actor.clone(),
            account: Some(key.0),
            zone: Some(id),
            action,
            evidence,
            ..AuditEntry::default()
        }));
        let store = open.store();
        let generation = store.generation().map_err(|failure| failure.to_string())?;
        store.commit(&changes, generation).map_err(|error| error.to_string())?;
        loaded.set.keep();
        Ok(())
    }
}

/// Carries a write out in memory, and checks the names that it touched. After an error nothing of it is left.
fn try_out(
    write: &Write,
    loaded: &mut Loaded,
    names: &crate::base::hash::HashKey,
    now: Now,
) -> Result<Trial, Refused> {
    loaded.set.keep();
    let (mark, before) = (loaded.set.mark(), loaded.content.clone());
    let done = write::apply(write, &mut loaded.content, &mut loaded.set, &mut new_id, now.unix);
    let checked = done.and_then(|outcome| {
        let touched: BTreeSet<Name> = loaded
            .set
            .changed_since(mark)
            .into_iter()
            .filter_map(|(_, record)| record.map(|r| r.name.clone()))
            .collect();
        compile::check(&loaded.content, &loaded.set, touched.iter(), names)?;
        Ok(outcome)
    });
    match checked {
        Ok(outcome) => Ok(Trial { outcome, mark, before }),
        Err(problem) => {
            loaded.set.go_back(mark);
            loaded.content = before;
            Err(problem.into())
        }
    }
}

fn new_id() -> Uuid {
    let mut octets = [0; 16];
    getrandom::fill(&mut octets).expect("the system gave random octets at the start");
    Uuid::from_random(octets)
}

/// What the audit log says of a write.
fn told(write: &Write, outcome: &Outcome, apex: &Name) -> (String, String) {
    let verb = match write {
        Write::Create(_) => "created",
        Write::Replace(..) => "replaced",
        Write::Patch(..) => "changed",
        Write::Delete(_) => "deleted",
        Write::Batch(_) => "batch",
        Write::Import(_) => "imported",
        Write::Restore { .. } => "rolled-back",
        Write::Settings(_) => return (format!("zone.dns-settings {apex}"), String::new()),
    };
    let of = |record: &Record| {
        let rtype = crate::rdata::type_text(record.rtype);
        format!("{rtype} {}", record.name)
    };
    match outcome {
        Outcome::Record(record) => {
            (format!("record.{verb} {}", of(record)), crate::records::content::of(record))
        }
        Outcome::Deleted(record) => {
            (format!("record.{verb} {}", of(record)), crate::records::content::of(record))
        }
        Outcome::Batch { deletes, patches, puts, posts } => {
            let evidence = format!(
                "{} deleted, {} patched, {} put, {} posted",
                deletes.len(),
                patches.len(),
                puts.len(),
                posts.len()
            );
            (format!("record.{verb} {apex}"), evidence)
        }
        Outcome::Imported { added, parsed } => {
            (format!("record.{verb} {apex}"), format!("{added} of {parsed} added"))
        }
        Outcome::Restored { changed } => {
            let to = match write {
                Write::Restore { serial, .. } => format!(" to version {serial}"),
                _ => String::new(),
            };
            (format!("record.{verb} {apex}{to}"), count(*changed, "record"))
        }
        Outcome::Settings => (format!("zone.dns-settings {apex}"), String::new()),
    }
}
