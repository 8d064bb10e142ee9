//! Records of zones of the store come back from a backup, each zone by a write like others (SPEC §9).
//!
//! Only records: who holds a zone, what it grants and how it is set up stays as it is. They come back to the very zone
//! they were taken from. A zone that was deleted and made anew is another one and inherits nothing, whoever has it;
//! but where the whole store was lost, an empty zone that the operator made anew for the same account is filled.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::records::{Ask, Refused};
use super::{Now, World};
use crate::base::id::ZoneId;
use crate::base::name::Name;
use crate::base::uuid::Uuid;
use crate::rdata;
use crate::records::{Problem, Record, Write};
use crate::store::state::change::Zone;
use crate::store::state::{Control, Store};

/// Records of a zone that are named one by one, of those that could not come back, and remarks on those that did.
const NAMED: usize = 50;

/// How a restore is meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wish {
    /// Nothing is changed; the report is the same.
    pub dry_run: bool,
    /// Records that were changed or added since go back too.
    pub exact: bool,
}

/// What came of one zone.
#[derive(Debug, Default)]
struct Report {
    restored: usize,
    /// As they were in the backup.
    there: usize,
    /// Changed since, and left as they are.
    changed: usize,
    /// What could not come back, and why.
    left_out: Vec<Value>,
    messages: Vec<String>,
}

impl Report {
    fn leave_out(&mut self, record: &Record, why: &str) {
        self.left_out.push(json!({
            "name": record.name.to_string(),
            "type": rdata::type_text(record.rtype).to_string(),
            "content": crate::records::content::of(record),
            "why": why,
        }));
    }

    fn value(mut self, zone: &Zone, account: &str) -> Value {
        let left_out = self.left_out.len();
        self.left_out.truncate(NAMED);
        self.messages.truncate(NAMED);
        json!({
            "zone": zone.apex.to_string(), "account": account, "restored": self.restored,
            "there": self.there, "changed_since": self.changed, "left_out": left_out,
            "left_out_records": self.left_out, "messages": self.messages, "why": null,
        })
    }
}

/// The zones of a backup, one after the other.
pub(super) struct Backup<'b> {
    pub store: &'b mut dyn Store,
    pub control: &'b Control,
    /// It was made of the store that is there.
    pub is_own: bool,
}

impl World {
    /// Brings back records of all zones that still are the ones they were.
    pub(super) fn restore_all_records(
        &mut self,
        backup: Backup<'_>,
        wish: &Wish,
        now: Now,
    ) -> Result<Value, String> {
        let Backup { store, control, is_own } = backup;
        let zones: BTreeMap<ZoneId, &Zone> = control.zones.iter().map(|z| (z.id, z)).collect();
        let mut told = Vec::new();
        for content in store.contents().map_err(|f| f.to_string())? {
            let Some(&zone) = zones.get(&content.zone) else { continue };
            let records = store.records(zone.id, None).map_err(|f| f.to_string())?;
            let account = control.accounts.iter().find(|a| a.id == zone.account);
            let account = account.map_or("", |account| &account.name);
            told.push(match self.same_zone(zone, account, is_own)? {
                Ok(id) => {
                    let serial = content.serial;
                    self.restore_zone(id, serial, records, wish, now)?.value(zone, account)
                }
                Err(why) => json!({
                    "zone": zone.apex.to_string(), "account": account, "restored": 0, "there": 0,
                    "changed_since": 0, "left_out": records.len(), "left_out_records": [],
                    "messages": [], "why": why,
                }),
            });
        }
        Ok(told.into())
    }

    /// The zone that is there now for one of a backup, or why there is none.
    fn same_zone(
        &mut self,
        zone: &Zone,
        account: &str,
        is_own: bool,
    ) -> Result<Result<ZoneId, &'static str>, String> {
        let there = self.stored.zone(zone.id);
        let is_same = there.is_some_and(|there| {
            there.apex == zone.apex
                && there.account == zone.account
                && self.account_name(there.account) == account
        });
        if is_same {
            return Ok(Ok(zone.id));
        }
        let key = self.ownership.account(account).map(|id| (id, zone.apex.clone()));
        let other = key.and_then(|key| self.stored.id(&key));
        let is_held = self.ownership.zone(zone.apex.as_wire()).is_some();
        let Some(other) = other else {
            return Ok(Err(match is_held {
                true => "the zone is another one now: it inherits nothing",
                false => "the zone is not there any more",
            }));
        };
        let is_empty = self.load_stored(other)?.is_some_and(|loaded| loaded.set.is_empty());
        Ok(match (is_own, is_empty) {
            (true, _) => Err("the zone was deleted and made anew: it inherits nothing"),
            (false, false) => Err("the backup is of another store, and the zone has records"),
            (false, true) => Ok(other),
        })
    }

    fn restore_zone(
        &mut self,
        id: ZoneId,
        serial: u32,
        old: Vec<Record>,
        wish: &Wish,
        now: Now,
    ) -> Result<Report, String> {
        let mut report = Report::default();
        let wanted = match wish.exact {
            true => self.as_it_was(id, old, &mut report)?,
            false => self.what_is_missing(id, old, &mut report)?,
        };
        if wanted.is_empty() {
            return Ok(report);
        }
        let ask = Ask { dry_run: wish.dry_run, actor: "restore".to_owned() };
        let count = wanted.len();
        let whole = Write::Restore { serial, records: wanted.clone() };
        match self.write_records(id, &whole, &ask, now) {
            Ok(written) => {
                report.restored = count;
                report.messages.extend(written.messages.into_iter().map(said));
            }
            Err(Refused::Problems(_)) => {
                self.restore_by_name(id, serial, wanted, &ask, &mut report, now)?;
            }
            Err(Refused::NoZone) => return Err("a zone went away meanwhile".to_owned()),
            Err(Refused::Store(why)) => return Err(why),
        }
        Ok(report)
    }

    /// What is not allowed at one name keeps nothing from the others.
    fn restore_by_name(
        &mut self,
        id: ZoneId,
        serial: u32,
        wanted: Vec<(Uuid, Option<Record>)>,
        ask: &Ask,
        report: &mut Report,
        now: Now,
    ) -> Result<(), String> {
        let mut names: BTreeMap<Name, Vec<(Uuid, Option<Record>)>> = BTreeMap::new();
        for (record, then) in wanted {
            let there = self.load_stored(id)?.and_then(|l| Some(l.set.get(record)?.name.clone()));
            let name = then.as_ref().map(|then| then.name.clone()).or(there);
            names.entry(name.unwrap_or_else(Name::root)).or_default().push((record, then));
        }
        for records in names.into_values() {
            let write = Write::Restore { serial, records: records.clone() };
            match self.write_records(id, &write, ask, now) {
                Ok(written) => {
                    report.restored += records.len();
                    report.messages.extend(written.messages.into_iter().map(said));
                }
                Err(Refused::Problems(problems)) => {
                    let why: Vec<String> = problems.into_iter().map(said).collect();
                    let records = records.iter().filter_map(|(_, then)| then.as_ref());
                    records.for_each(|record| report.leave_out(record, &why.join("; ")));
                }
                Err(Refused::NoZone) => return Err("a zone went away meanwhile".to_owned()),
                Err(Refused::Store(why)) => return Err(why),
            }
        }
        Ok(())
    }

    /// Everything that is not as it was then.
    fn as_it_was(
        &mut self,
        id: ZoneId,
        old: Vec<Record>,
        report: &mut Report,
    ) -> Result<Vec<(Uuid, Option<Record>)>, String> {
        let Some(loaded) = self.load_stored(id)? else { return Ok(Vec::new()) };
        let mut then: BTreeMap<Uuid, Option<Record>> =
            loaded.set.iter().map(|now| (now.id, None)).collect();
        then.extend(old.into_iter().map(|record| (record.id, Some(record))));
        then.retain(|id, then| {
            let is_same = then.as_ref().is_some_and(|then| is_same(loaded.set.get(*id), then));
            report.there += usize::from(is_same);
            !is_same
        });
        Ok(then.into_iter().collect())
    }

    /// What is not there any more, as far as it fits what is.
    fn what_is_missing(
        &mut self,
        id: ZoneId,
        old: Vec<Record>,
        report: &mut Report,
    ) -> Result<Vec<(Uuid, Option<Record>)>, String> {
        let Some(loaded) = self.load_stored(id)? else { return Ok(Vec::new()) };
        let mark = loaded.set.mark();
        let mut missing = Vec::new();
        for record in old {
            match loaded.set.get(record.id) {
                now @ Some(_) if is_same(now, &record) => report.there += 1,
                Some(_) => report.changed += 1,
                None => match loaded.set.put(record.clone()) {
                    Ok(()) => missing.push((record.id, Some(record))),
                    Err(problem) if problem.code == Problem::IDENTICAL => report.there += 1,
                    Err(problem) => report.leave_out(&record, &said(problem)),
                },
            }
        }
        loaded.set.go_back(mark);
        Ok(missing)
    }
}

/// Whether a record is as it was, whenever it was written.
fn is_same(now: Option<&Record>, then: &Record) -> bool {
    now.is_some_and(|now| *now == Record { modified_at: now.modified_at, ..then.clone() })
}

fn said(problem: Problem) -> String {
    problem.message.into_owned()
}
