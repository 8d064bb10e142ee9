//! The writes that clients ask for, as steps on the records of a zone. One that fails leaves steps behind: whoever
//! calls goes back to the mark that was set before.

use serde_json::{Map, Value};

use super::import::Imported;
use super::input::Input;
use super::{Content, Problem, Record, RecordSet};
use crate::base::limits::BATCH_MAX;
use crate::base::time::UnixTime;
use crate::base::uuid::Uuid;

/// One write: it counts whole or not at all.
#[derive(Clone, PartialEq, Debug)]
pub enum Write {
    Create(Input),
    Replace(Uuid, Input),
    Patch(Uuid, Input),
    Delete(Uuid),
    Batch(Batch),
    Import(Vec<Imported>),
    /// Records are again what they were in an earlier version (`None`: they were not there).
    Restore {
        serial: u32,
        records: Vec<(Uuid, Option<Record>)>,
    },
    /// PATCH of `dns_settings`.
    Settings(Map<String, Value>),
}

/// Deletes, patches, puts and posts, in this order.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Batch {
    pub deletes: Vec<Uuid>,
    pub patches: Vec<(Uuid, Input)>,
    pub puts: Vec<(Uuid, Input)>,
    pub posts: Vec<Input>,
}

/// What came of a write.
#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    Record(Box<Record>),
    Deleted(Box<Record>),
    Batch { deletes: Vec<Record>, patches: Vec<Record>, puts: Vec<Record>, posts: Vec<Record> },
    Imported { added: usize, parsed: usize },
    Restored { changed: usize },
    Settings,
}

/// An item of a list, and where it stands.
type Item = (String, Map<String, Value>);

impl Batch {
    /// Reads a request.
    pub fn from_json(object: &Map<String, Value>) -> Result<Batch, Problem> {
        let mut batch = Batch::default();
        let list = |key: &str| -> Result<Vec<Item>, Problem> {
            let items = match object.get(key) {
                None | Some(Value::Null) => return Ok(Vec::new()),
                Some(Value::Array(items)) => items,
                Some(_) => {
                    return Err(Problem::new(Problem::BODY, format!("{key} must be a list.")));
                }
            };
            let named = items.iter().enumerate().map(|(at, item)| {
                let pointer = format!("/{key}/{at}");
                let item = item.as_object().ok_or_else(|| {
                    let message = "every item must be an object.";
                    Problem::new(Problem::BODY, message).at(pointer.clone())
                })?;
                Ok((pointer, item.clone()))
            });
            named.collect()
        };
        for (pointer, item) in list("deletes")? {
            batch.deletes.push(id_of(&item).map_err(|p| p.at(pointer))?);
        }
        for (key, into) in [("patches", &mut batch.patches), ("puts", &mut batch.puts)] {
            for (pointer, item) in list(key)? {
                let read = id_of(&item).and_then(|id| Ok((id, Input::from_json(&item)?)));
                into.push(read.map_err(|p| p.at(pointer))?);
            }
        }
        for (pointer, item) in list("posts")? {
            batch.posts.push(Input::from_json(&item).map_err(|p| p.at(pointer))?);
        }
        let Batch { deletes, patches, puts, posts } = &batch;
        if deletes.len() + patches.len() + puts.len() + posts.len() > BATCH_MAX {
            let message = format!("A batch has at most {BATCH_MAX} changes.");
            return Err(Problem::new(Problem::QUOTA, message));
        }
        Ok(batch)
    }
}

fn id_of(item: &Map<String, Value>) -> Result<Uuid, Problem> {
    let text = item.get("id").and_then(Value::as_str);
    let text = text.ok_or_else(|| Problem::new(Problem::BODY, "`id` is needed."))?;
    super::id_from_hex(text).ok_or_else(Problem::unknown_record)
}

/// Carries out a write.
pub fn apply(
    write: &Write,
    content: &mut Content,
    set: &mut RecordSet,
    ids: &mut dyn FnMut() -> Uuid,
    now: UnixTime,
) -> Result<Outcome, Problem> {
    Ok(match write {
        Write::Create(input) => Outcome::Record(Box::new(create(set, input, ids(), now)?)),
        Write::Replace(id, input) => {
            Outcome::Record(Box::new(edit(set, *id, input, Input::replace, now)?))
        }
        Write::Patch(id, input) => {
            Outcome::Record(Box::new(edit(set, *id, input, Input::patch, now)?))
        }
        Write::Delete(id) => Outcome::Deleted(Box::new(set.remove(*id)?)),
        Write::Batch(batch) => run(batch, set, ids, now)?,
        Write::Import(lines) => import(lines, set, ids, now)?,
        Write::Restore { records, .. } => restore(records, set, now)?,
        Write::Settings(patch) => {
            content.settings.patch(patch)?;
            Outcome::Settings
        }
    })
}

fn create(set: &mut RecordSet, input: &Input, id: Uuid, now: UnixTime) -> Result<Record, Problem> {
    let record = input.create(set.apex(), id, now)?;
    set.put(record.clone())?;
    Ok(record)
}

/// `Input::replace` or `Input::patch`.
type Edit = fn(&Input, &crate::base::name::Name, &Record, UnixTime) -> Result<Record, Problem>;

fn edit(
    set: &mut RecordSet,
    id: Uuid,
    input: &Input,
    how: Edit,
    now: UnixTime,
) -> Result<Record, Problem> {
    let old = set.get(id).ok_or_else(Problem::unknown_record)?;
    let record = how(input, set.apex(), old, now)?;
    set.put(record.clone())?;
    Ok(record)
}

fn run(
    batch: &Batch,
    set: &mut RecordSet,
    ids: &mut dyn FnMut() -> Uuid,
    now: UnixTime,
) -> Result<Outcome, Problem> {
    let pointer = |list: &'static str, at: usize| move |p: Problem| p.at(format!("/{list}/{at}"));
    let mut deletes = Vec::new();
    for (at, id) in batch.deletes.iter().enumerate() {
        deletes.push(set.remove(*id).map_err(pointer("deletes", at))?);
    }
    let mut patches = Vec::new();
    for (at, (id, input)) in batch.patches.iter().enumerate() {
        let record = edit(set, *id, input, Input::patch, now);
        patches.push(record.map_err(pointer("patches", at))?);
    }
    let mut puts = Vec::new();
    for (at, (id, input)) in batch.puts.iter().enumerate() {
        let record = edit(set, *id, input, Input::replace, now);
        puts.push(record.map_err(pointer("puts", at))?);
    }
    let mut posts = Vec::new();
    for (at, input) in batch.posts.iter().enumerate() {
        posts.push(create(set, input, ids(), now).map_err(pointer("posts", at))?);
    }
    Ok(Outcome::Batch { deletes, patches, puts, posts })
}

/// All that changed goes before anything comes back, so that what was allowed together then is so now.
fn restore(
    records: &[(Uuid, Option<Record>)],
    set: &mut RecordSet,
    now: UnixTime,
) -> Result<Outcome, Problem> {
    let others: Vec<_> =
        records.iter().filter(|(id, then)| set.get(*id) != then.as_ref()).collect();
    for (id, _) in &others {
        if set.get(*id).is_some() {
            set.remove(*id)?;
        }
    }
    for record in others.iter().filter_map(|(_, then)| then.as_ref()) {
        set.put(Record { modified_at: now, ..record.clone() })?;
    }
    Ok(Outcome::Restored { changed: others.len() })
}

fn import(
    lines: &[Imported],
    set: &mut RecordSet,
    ids: &mut dyn FnMut() -> Uuid,
    now: UnixTime,
) -> Result<Outcome, Problem> {
    let mut added = 0;
    for line in lines {
        let Some(record) = line.record(set.apex(), ids(), now) else { continue };
        match set.put(record) {
            Ok(()) => added += 1,
            // What is there already need not be told.
            Err(problem) if problem.code == Problem::IDENTICAL => {}
            Err(problem) => {
                let message = format!("line {}: {}", line.line, problem.message);
                return Err(Problem::new(problem.code, message));
            }
        }
    }
    Ok(Outcome::Imported { added, parsed: lines.len() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::id::ZoneId;
    use crate::base::name::Name;

    #[test]
    fn a_batch_runs_in_its_order_and_says_where_it_failed() {
        let apex = Name::from_text("zone.example").unwrap();
        let mut set = RecordSet::new(&apex, Vec::new());
        let mut content = Content::new(ZoneId(1), Vec::new(), UnixTime(1));
        let mut next = 0;
        let mut ids = || {
            next += 1;
            Uuid([next; 16])
        };
        let mut run = |value: Value, set: &mut RecordSet| {
            let batch = Batch::from_json(value.as_object().unwrap())?;
            apply(&Write::Batch(batch), &mut content, set, &mut ids, UnixTime(2))
        };
        let post = json!({ "type": "CNAME", "name": "w", "content": "a.example" });
        run(json!({ "posts": [post] }), &mut set).unwrap();
        let first = crate::records::hex(Uuid([1; 16]));
        // A CNAME goes, an address comes in its place.
        let address = json!({ "type": "A", "name": "w", "content": "192.0.2.1" });
        let swap = json!({ "posts": [address], "deletes": [{ "id": first }] });
        let Outcome::Batch { deletes, posts, .. } = run(swap, &mut set).unwrap() else { panic!() };
        assert_eq!((deletes.len(), posts.len(), set.len()), (1, 1, 1));
        let other = json!({ "type": "A", "name": "w", "content": "192.0.2.2" });
        let failed = run(json!({ "posts": [other, address] }), &mut set).unwrap_err();
        assert_eq!(
            (failed.code, failed.pointer.as_deref()),
            (Problem::IDENTICAL, Some("/posts/1"))
        );
        let unknown = run(json!({ "deletes": [{ "id": first }] }), &mut set).unwrap_err();
        assert_eq!(
            (unknown.code, unknown.pointer.as_deref()),
            (Problem::UNKNOWN, Some("/deletes/0"))
        );
        let no_list = Batch::from_json(json!({ "puts": {} }).as_object().unwrap());
        assert_eq!(no_list.unwrap_err().code, Problem::BODY);
    }
}
