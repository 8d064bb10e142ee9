//! The records of one zone in memory, by id and by name, and a log by which steps are taken back.

use std::collections::HashMap;

use super::{Problem, Record, rules};
use crate::base::limits::RECORDS_MAX;
use crate::base::name::Name;
use crate::base::uuid::Uuid;

/// See the head of the file. What is in it stands the rules of each name.
#[derive(Clone, Debug)]
pub struct RecordSet {
    apex: Name,
    by_id: HashMap<Uuid, Record>,
    by_name: HashMap<Name, Vec<Uuid>>,
    /// What was there before each step since the last `keep`; `None`: nothing was.
    log: Vec<(Uuid, Option<Record>)>,
}

/// A state to go back to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark(usize);

impl RecordSet {
    /// The records of a zone as they are stored.
    pub fn new(apex: &Name, records: Vec<Record>) -> RecordSet {
        let by_id = HashMap::with_capacity(records.len());
        let (by_name, log) = (HashMap::with_capacity(records.len()), Vec::new());
        let mut set = RecordSet { apex: apex.clone(), by_id, by_name, log };
        records.into_iter().for_each(|record| set.enter(record));
        set
    }

    pub fn apex(&self) -> &Name {
        &self.apex
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub fn get(&self, id: Uuid) -> Option<&Record> {
        self.by_id.get(&id)
    }

    /// The records of one name.
    pub fn at<'s>(&'s self, name: &Name) -> impl Iterator<Item = &'s Record> + Clone + 's {
        let ids = self.by_name.get(name).map_or(&[][..], Vec::as_slice);
        ids.iter().filter_map(|id| self.by_id.get(id))
    }

    /// The records of each name.
    pub fn names(&self) -> impl Iterator<Item = impl Iterator<Item = &Record>> {
        self.by_name.values().map(|ids| ids.iter().filter_map(|id| self.by_id.get(id)))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        self.by_id.values()
    }

    /// Puts a record, in the place of the one with its id if there is one.
    pub fn put(&mut self, record: Record) -> Result<(), Problem> {
        let others = self.at(&record.name).filter(|other| other.id != record.id);
        rules::check(&record, others, &self.apex)?;
        if self.len() >= RECORDS_MAX && !self.by_id.contains_key(&record.id) {
            let message = format!("A zone has at most {RECORDS_MAX} records.");
            return Err(Problem::new(Problem::QUOTA, message));
        }
        let id = record.id;
        let old = self.leave(id);
        self.enter(record);
        self.log.push((id, old));
        Ok(())
    }

    /// Removes a record and gives it.
    pub fn remove(&mut self, id: Uuid) -> Result<Record, Problem> {
        let old = self.leave(id).ok_or_else(Problem::unknown_record)?;
        self.log.push((id, Some(old.clone())));
        Ok(old)
    }

    pub fn mark(&self) -> Mark {
        Mark(self.log.len())
    }

    /// Takes back all steps since then.
    pub fn go_back(&mut self, to: Mark) {
        while self.log.len() > to.0 {
            let Some((id, old)) = self.log.pop() else { return };
            self.leave(id);
            old.into_iter().for_each(|record| self.enter(record));
        }
    }

    /// What the steps since then come to: each record that is another or gone, once.
    pub fn changed_since(&self, mark: Mark) -> Vec<(Uuid, Option<&Record>)> {
        let mut seen = HashMap::new();
        for (id, before) in &self.log[mark.0.min(self.log.len())..] {
            seen.entry(*id).or_insert(before.as_ref());
        }
        let mut changed: Vec<(Uuid, Option<&Record>)> = seen
            .into_iter()
            .map(|(id, before)| (id, before, self.by_id.get(&id)))
            .filter(|(_, before, now)| before != now)
            .map(|(id, _, now)| (id, now))
            .collect();
        changed.sort_unstable_by_key(|(id, _)| *id);
        changed
    }

    /// The steps up to now are stored: nobody goes back behind them.
    pub fn keep(&mut self) {
        self.log.clear();
    }

    fn enter(&mut self, record: Record) {
        self.by_name.entry(record.name.clone()).or_default().push(record.id);
        self.by_id.insert(record.id, record);
    }

    fn leave(&mut self, id: Uuid) -> Option<Record> {
        let old = self.by_id.remove(&id)?;
        if let Some(ids) = self.by_name.get_mut(&old.name) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_name.remove(&old.name);
            }
        }
        Some(old)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::time::UnixTime;
    use crate::records::input::Input;

    #[test]
    fn steps_are_taken_back_as_a_whole() {
        let apex = Name::from_text("zone.example").unwrap();
        let record = |id: u8, content: &str| {
            let value = json!({ "type": "A", "name": "w", "content": content });
            let input = Input::from_json(value.as_object().unwrap()).unwrap();
            input.create(&apex, Uuid([id; 16]), UnixTime(1)).unwrap()
        };
        let mut set = RecordSet::new(&apex, vec![record(1, "192.0.2.1"), record(2, "192.0.2.2")]);
        let start = set.mark();
        set.remove(Uuid([1; 16])).unwrap();
        set.put(record(3, "192.0.2.1")).unwrap();
        let middle = set.mark();
        set.put(record(2, "192.0.2.9")).unwrap();
        assert_eq!(set.put(record(4, "192.0.2.9")).unwrap_err().code, Problem::IDENTICAL);
        assert_eq!(set.changed_since(start).len(), 3);
        set.go_back(middle);
        assert_eq!(set.get(Uuid([2; 16])), Some(&record(2, "192.0.2.2")));
        let changed = set.changed_since(start);
        assert_eq!(changed[0], (Uuid([1; 16]), None));
        assert_eq!(changed[1], (Uuid([3; 16]), Some(&record(3, "192.0.2.1"))));
        set.go_back(start);
        assert_eq!((set.len(), set.at(&record(1, "192.0.2.1").name).count()), (2, 2));
        assert!(set.changed_since(start).is_empty());
    }
}
