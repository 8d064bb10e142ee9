//! Which zones depend on which files beside their own: includes, and what symbolic links lead to.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::Key;
use crate::control::files::Stamp;

/// Files and the zones that are read from them.
#[derive(Debug, Default)]
pub struct Depends {
    by_path: BTreeMap<PathBuf, Dependents>,
    by_zone: HashMap<Key, Vec<PathBuf>>,
    /// Folders that somebody has to watch and that were not asked for yet.
    new_folders: BTreeSet<PathBuf>,
}

/// The zones that are read from one file.
#[derive(Debug, Default)]
struct Dependents {
    zones: BTreeSet<Key>,
    /// Of the file when it was last looked at.
    stamp: Option<Stamp>,
}

impl Depends {
    /// From now on the zone depends on `paths` and on nothing else.
    pub fn set(&mut self, key: &Key, paths: Vec<PathBuf>) {
        self.remove(key);
        if paths.is_empty() {
            return;
        }
        for path in &paths {
            let dependents = self.by_path.entry(path.clone()).or_default();
            dependents.zones.insert(key.clone());
            dependents.stamp = Stamp::of(path);
            if let Some(folder) = path.parent() {
                self.new_folders.insert(folder.to_owned());
            }
        }
        self.by_zone.insert(key.clone(), paths);
    }

    pub fn remove(&mut self, key: &Key) {
        for path in self.by_zone.remove(key).unwrap_or_default() {
            if let Some(dependents) = self.by_path.get_mut(&path) {
                dependents.zones.remove(key);
                if dependents.zones.is_empty() {
                    self.by_path.remove(&path);
                }
            }
        }
    }

    /// The zones that depend on the file, or on anything below it if it is a folder.
    pub fn on(&self, path: &Path) -> BTreeSet<Key> {
        self.by_path
            .range(path.to_owned()..)
            .take_while(|(p, _)| p.starts_with(path))
            .flat_map(|(_, dependents)| dependents.zones.iter().cloned())
            .collect()
    }

    /// The zones that depend on files that changed since they were last looked at.
    pub fn changed(&self) -> BTreeSet<Key> {
        let changed = self.by_path.iter().filter(|(path, d)| Stamp::of(path) != d.stamp);
        changed.flat_map(|(_, dependents)| dependents.zones.iter().cloned()).collect()
    }

    /// Folders to watch since this was last asked.
    pub fn take_new_folders(&mut self) -> BTreeSet<PathBuf> {
        std::mem::take(&mut self.new_folders)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::AccountId;
    use crate::base::name::Name;

    #[test]
    fn zones_of_files_and_folders() {
        let key = |n: u32| (AccountId(n), Name::from_text("x.example").unwrap());
        let path = |p: &str| PathBuf::from(p);
        let mut depends = Depends::default();
        depends.set(&key(1), vec![path("/z/a/inc"), path("/z/a/inc2")]);
        depends.set(&key(2), vec![path("/z/a/inc"), path("/z/b/sub/inc")]);
        assert_eq!(depends.on(&path("/z/a/inc")), [key(1), key(2)].into());
        assert_eq!(depends.on(&path("/z/a/inc2")), [key(1)].into());
        assert_eq!(depends.on(&path("/z/b")), [key(2)].into());
        assert!(depends.on(&path("/z/b/su")).is_empty());
        assert_eq!(depends.take_new_folders(), [path("/z/a"), path("/z/b/sub")].into());
        assert!(depends.take_new_folders().is_empty());
        depends.set(&key(2), vec![]);
        assert_eq!(depends.on(&path("/z/a/inc")), [key(1)].into());
        depends.remove(&key(1));
        assert!(depends.by_path.is_empty() && depends.by_zone.is_empty());
    }
}
