//! The world as the server would start with it, for commands that change nothing.
//!
//! The very code of the start is used, on a copy of the logs of `data/`: what it writes is thrown away with the copy,
//! and a server that runs meanwhile is not disturbed. A record that is being written ends the copy like a torn tail.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::world::{Now, StartError, World};
use crate::config::settings::Settings;
use crate::model::snapshot::Snapshot;
use crate::store::folder;
use crate::store::state::sqlite::Sqlite;

/// A world of one's own.
pub struct Offline {
    pub world: World,
    pub snapshot: Snapshot,
    /// Why nothing is known of earlier starts, if that is not simply the first.
    pub problem: Option<String>,
    // Behind the world, which writes to it until it is dropped.
    _copy: Copy,
}

/// Loads all zones as the server would.
pub fn load(settings: &Settings) -> Result<Offline, StartError> {
    let copying = |error| StartError::Io("cannot make a temporary folder", error);
    let copy = Copy::make().map_err(copying)?;
    let problem = copy.fill(&settings.server.data).err().map(|error| {
        format!(
            "{} cannot be read ({error}): who held which name before is not known here",
            settings.server.data.display()
        )
    });
    let mut settings = settings.clone();
    settings.server.data.clone_from(&copy.0);
    let now = Now::read();
    let mut world = World::start(settings, now)?;
    let snapshot = world.publish(now).unwrap_or_else(|| world.snapshot().clone());
    Ok(Offline { world, snapshot, problem, _copy: copy })
}

/// A folder that goes when it is dropped.
struct Copy(PathBuf);

impl Copy {
    fn make() -> io::Result<Copy> {
        let mut random = [0u8; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = format!("bailiwick-{:016x}", u64::from_le_bytes(random));
        let path = std::env::temp_dir().join(name);
        // Texts of zones are nobody else's business.
        let mut builder = fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700).create(&path)?;
        Ok(Copy(path))
    }

    /// Copies the files of the data folder. One that does not exist is no error.
    fn fill(&self, data: &Path) -> io::Result<()> {
        for file in folder::FILES {
            match fs::copy(data.join(file), self.0.join(file)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let database = data.join(folder::DATABASE);
        if database.exists() {
            let copied =
                Sqlite::open(&database).and_then(|d| d.copy_to(&self.0.join(folder::DATABASE)));
            copied.map_err(io::Error::other)?;
        }
        Ok(())
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // Left behind, it is one folder in the system's temporary one.
        let _ = fs::remove_dir_all(&self.0);
    }
}
