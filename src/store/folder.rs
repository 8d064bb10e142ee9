//! The data folder itself: its lock, its hash key, its logs.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use tracing::warn;

use super::grants::Grants;
use super::journal::sync_folder;
use super::log::cannot_write;
use super::ownership::Ownership;
use super::zones::Zones;

/// The opened data folder. Nobody else uses it while its lock lives.
#[derive(Debug)]
pub struct Store {
    pub ownership: Ownership,
    pub grants: Grants,
    pub zones: Zones,
    /// Random, made at the first start: key of the hashes of names and of contents.
    pub key: [u8; 16],
    /// Likewise: key of the ids that the API shows.
    pub id_key: [u8; 16],
    pub lock: Lock,
}

/// Keeps others from using the data folder while it lives. Without one: the folder cannot be written and holds no lock
/// file, so there is nothing to protect.
#[derive(Debug)]
pub struct Lock {
    _file: Option<Flock<File>>,
}

/// Why a data folder cannot be used.
#[derive(Debug)]
pub enum StoreError {
    /// Another server runs on it.
    InUse { folder: PathBuf, by: String },
    /// One of its files cannot be read.
    File { path: PathBuf, error: io::Error },
    /// The system gives no random octets.
    Random(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::InUse { folder, by } => write!(
                f,
                "the data folder {} is in use by another server{by}: stop that one, or set another \
                 server.data",
                folder.display()
            ),
            StoreError::File { path, error } => write!(
                f,
                "cannot read {}: {error}; mend the file, or move it away to start without what it holds",
                path.display()
            ),
            StoreError::Random(error) => write!(f, "cannot get random octets: {error}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// The files of a data folder.
pub const OWNERSHIP: &str = "ownership.log";
const GRANTS: &str = "grants.log";
const ZONES: &str = "zones.log";
const KEY: &str = "hash.key";
const ID_KEY: &str = "id.key";
const LOCK: &str = "lock";
/// The database of custom hostnames, tokens and the audit log.
pub const DATABASE: &str = "bailiwick.db";
/// What survives a restart.
pub const FILES: [&str; 4] = [OWNERSHIP, GRANTS, ZONES, KEY];
/// The control socket.
pub const SOCKET: &str = "control.sock";

impl Store {
    /// Opens the data folder, and makes it if it does not exist. A folder that cannot be written is used as far as it
    /// can be read: what changes is then kept in memory only.
    pub fn open(folder: &Path) -> Result<Store, StoreError> {
        if let Err(error) = DirBuilder::new().recursive(true).mode(0o700).create(folder) {
            warn!(event = "store-read-only", path = %folder.display(), %error,
                "cannot make the data folder: nothing will survive a restart");
        }
        let lock = lock(folder)?;
        let file = |name: &str| folder.join(name);
        let of = |path: PathBuf| move |error| StoreError::File { path, error };
        // The two large ones at once.
        let (ownership, zones) = std::thread::scope(|scope| {
            let zones = scope.spawn(|| Zones::open(&file(ZONES)).map_err(of(file(ZONES))));
            let ownership = Ownership::open(&file(OWNERSHIP)).map_err(of(file(OWNERSHIP)));
            (ownership, zones.join().expect("reading a log does not panic"))
        });
        Ok(Store {
            key: key(&file(KEY))?,
            id_key: key(&file(ID_KEY))?,
            ownership: ownership?,
            grants: Grants::open(&file(GRANTS)).map_err(of(file(GRANTS)))?,
            zones: zones?,
            lock: Lock { _file: lock },
        })
    }
}

fn lock(folder: &Path) -> Result<Option<Flock<File>>, StoreError> {
    let path = folder.join(LOCK);
    let in_error = |error| StoreError::File { path: path.clone(), error };
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .or_else(|e| if cannot_write(&e) { File::open(&path) } else { Err(e) });
    let file = match opened {
        Ok(file) => file,
        Err(e) if cannot_write(&e) => return Ok(None),
        Err(e) => return Err(in_error(e)),
    };
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut lock) => {
            // Only for the message of whoever comes second; a lock without it works as well.
            let _ = lock.set_len(0).and_then(|()| writeln!(*lock, "{}", std::process::id()));
            Ok(Some(lock))
        }
        Err((mut file, nix::errno::Errno::EWOULDBLOCK)) => {
            let mut pid = String::new();
            let _ = file.read_to_string(&mut pid);
            let by = match pid.trim() {
                "" => String::new(),
                pid => format!(" (process {pid})"),
            };
            Err(StoreError::InUse { folder: folder.to_owned(), by })
        }
        Err((_, errno)) => Err(in_error(errno.into())),
    }
}

/// The key in the file at `path`; a new one if there is none. Losing that of the hashes costs one start in which every
/// zone counts as changed, losing that of the ids gives everything other ids in the API; no more.
fn key(path: &Path) -> Result<[u8; 16], StoreError> {
    if let Ok(octets) = std::fs::read(path)
        && let Ok(key) = octets.try_into()
    {
        return Ok(key);
    }
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(|e| StoreError::Random(e.to_string()))?;
    if let Err(error) = write_key(path, &key) {
        warn!(event = "store-read-only", path = %path.display(), %error,
            "cannot keep a key: the next start will make another one");
    }
    Ok(key)
}

fn write_key(path: &Path, key: &[u8; 16]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(key)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    sync_folder(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_a_folder_and_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("deep").join("data");
        let store = Store::open(&data).unwrap();
        let key = store.key;
        let error = Store::open(&data).unwrap_err().to_string();
        assert!(error.contains("in use"), "{error}");
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        drop(store);
        assert_eq!(Store::open(&data).unwrap().key, key);
    }

    #[test]
    fn a_log_of_a_newer_version_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        drop(Store::open(folder.path()).unwrap());
        let path = folder.path().join(OWNERSHIP);
        let (mut journal, _) =
            super::super::journal::Journal::open(&path, |_, _, _| Ok(())).unwrap();
        let frame = super::super::journal::Frame { header: b"{\"v9\":{}}", payload: &[] };
        journal.commit(&[frame]).unwrap();
        let before = std::fs::read(&path).unwrap();
        let error = Store::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("ownership.log") && error.contains("newer"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}
