//! Connections to the database that only read: beside the one that writes, they neither wait for it nor delay it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::sqlite::Sqlite;
use super::{Failure, Store};

/// Connections kept open for the next ones who ask.
const KEPT: usize = 8;

/// The database as readers see it: everything that was committed.
#[derive(Debug)]
pub struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Sqlite>>,
}

impl Readers {
    /// Of the database at `path`; it is opened when somebody asks.
    pub fn new(path: &Path) -> Readers {
        Readers { path: path.to_owned(), idle: Mutex::default() }
    }

    /// Reads something. Nothing can be committed here.
    pub fn with<T>(
        &self,
        read: impl FnOnce(&mut dyn Store) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().pop();
        let mut store = match kept {
            Some(store) => store,
            None => Sqlite::open_reader(&self.path)?,
        };
        let done = read(&mut store)?;
        let mut idle = idle();
        if idle.len() < KEPT {
            idle.push(store);
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::Generation;

    #[test]
    fn readers_see_what_is_committed_and_change_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let mut writer = Sqlite::open(&path).unwrap();
        let readers = Readers::new(&path);
        let generation = || readers.with(|store| store.generation()).unwrap();
        assert_eq!(generation(), Generation(0));
        writer.begin();
        writer.commit(&[], Generation(0)).unwrap();
        writer.commit(&[], Generation(1)).unwrap();
        assert_eq!((generation(), writer.generation()), (Generation(0), Ok(Generation(2))));
        writer.end().unwrap();
        assert_eq!(generation(), Generation(2));
        let committed = readers.with(|store| Ok(store.commit(&[], Generation(2)))).unwrap();
        assert!(committed.is_err());
    }
}
