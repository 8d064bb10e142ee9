//! Zone files and what they include, opened beneath the account's own folder without races (SPEC §3).
//!
//! Tenants may write into their folders, so a name may turn into a symbolic link between a check and its use. What is
//! read is therefore always an opened file whose own place was checked, never a path that was. Without links on the
//! way the kernel itself sees to it (`openat2`, beneath the folder, no symbolic links). With links the file is opened
//! without reading it (`O_PATH`), its real place is asked of the kernel, and only then the same file is read. That
//! also serves where `openat2` is missing. Hard links cannot be told from files: `fs.protected_hardlinks` keeps
//! tenants from making them.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat};

use crate::base::limits::ZONE_TEXT_MAX;
use crate::base::name::Name;
use crate::base::time::UnixTime;
use crate::zonefile::filename;

/// The folder `zones/`.
#[derive(Debug)]
pub struct ZonesFolder {
    fd: OwnedFd,
    /// As the config says.
    path: PathBuf,
    /// Without symbolic links.
    real: PathBuf,
}

/// The folder of one account.
#[derive(Debug)]
pub struct AccountFolder<'z> {
    zones: &'z ZonesFolder,
    name: String,
    fd: OwnedFd,
    real: PathBuf,
    /// `zones/NAME` is a symbolic link.
    pub linked: bool,
}

/// A file that was read.
#[derive(Clone, Debug)]
pub struct Text {
    pub octets: Arc<[u8]>,
    pub stamp: Stamp,
    /// Where it really lies, if symbolic links led there: changes there are changes of this file.
    pub real: Option<PathBuf>,
}

/// What changes when a file changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// A fold of device, inode, size and times.
    pub fold: u64,
    /// When the file last changed in any way, by the clock of its file system.
    changed: UnixTime,
}

/// Seconds that a change must lie back to be told from a later one: file systems keep times as coarsely as that.
const YOUNG_SECS: u64 = 2;

/// Something in `zones/` that is in the wrong place or has the wrong name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stray {
    /// As shown to people.
    pub path: String,
    pub message: String,
}

/// Why a file was not read. Nothing of what lies outside is told, not even whether it exists.
#[derive(Debug)]
pub enum FileError {
    Missing,
    /// Leads out of the account's folder, or nowhere.
    Outside,
    /// A folder, a pipe, a device.
    NotAFile,
    TooLarge,
    Io(io::Error),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileError::Missing => f.write_str("there is no such file"),
            FileError::Outside => {
                f.write_str("it leads nowhere or out of the account's own folder")
            }
            FileError::NotAFile => f.write_str("it is not a regular file"),
            FileError::TooLarge => {
                write!(f, "it is larger than {} MiB", ZONE_TEXT_MAX >> 20)
            }
            FileError::Io(error) => write!(f, "it cannot be read: {error}"),
        }
    }
}

impl std::error::Error for FileError {}

impl From<Errno> for FileError {
    fn from(errno: Errno) -> FileError {
        match errno {
            Errno::ENOENT | Errno::ENOTDIR => FileError::Missing,
            other => FileError::Io(other.into()),
        }
    }
}

/// What a listing found.
#[derive(Debug)]
pub struct Listing<T> {
    pub found: Vec<T>,
    pub strays: Vec<Stray>,
}

/// A zone file by name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ZoneFile {
    pub apex: Name,
    pub file_name: Box<str>,
}

const FOLDER: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC).union(OFlag::O_NONBLOCK);
const READ: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY).union(OFlag::O_CLOEXEC);

impl ZonesFolder {
    pub fn open(path: &Path) -> io::Result<ZonesFolder> {
        let fd = nix::fcntl::open(path, FOLDER, Mode::empty())?;
        let real = real_path(fd.as_fd())?;
        Ok(ZonesFolder { fd, path: path.to_owned(), real })
    }

    /// As the config says.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the folder lies, without symbolic links.
    pub fn real(&self) -> &Path {
        &self.real
    }

    /// The accounts that have a folder, in order.
    pub fn accounts(&self) -> io::Result<Listing<String>> {
        let mut listing = Listing { found: Vec::new(), strays: Vec::new() };
        for entry in std::fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.as_bytes().starts_with(b".") {
                continue;
            }
            let is_file = entry.file_type()?.is_file();
            match name.to_str() {
                _ if is_file => {
                    if filename::apex(name.as_bytes()).is_some() {
                        listing.strays.push(self.stray(
                            &name,
                            "a zone file belongs into the folder of its account, zones/ACCOUNT/",
                        ));
                    }
                }
                Some(text) if filename::is_account_name(text) => {
                    listing.found.push(text.to_owned());
                }
                _ => listing.strays.push(self.stray(
                    &name,
                    "the folder is not named like an account: a-z and 0-9, then also . _ -",
                )),
            }
        }
        listing.found.sort_unstable();
        listing.strays.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(listing)
    }

    fn stray(&self, name: &std::ffi::OsStr, message: &str) -> Stray {
        Stray { path: shown(&self.path.join(name)), message: message.to_owned() }
    }

    /// Opens the folder of the account `name`: a real folder in `zones/`, or a symbolic link into a dot folder there.
    pub fn account(&self, name: &str) -> Result<AccountFolder<'_>, FileError> {
        let open = |flags| openat(&self.fd, name, FOLDER | flags, Mode::empty());
        match open(OFlag::O_NOFOLLOW) {
            Ok(fd) => {
                let real = self.real.join(name);
                Ok(AccountFolder { zones: self, name: name.to_owned(), fd, real, linked: false })
            }
            // A symbolic link, or no folder at all.
            Err(Errno::ELOOP | Errno::ENOTDIR) => {
                let link = nix::fcntl::readlinkat(&self.fd, name);
                if link == Err(Errno::EINVAL) {
                    return Err(FileError::Missing);
                }
                let fd = open(OFlag::empty()).map_err(|_| FileError::Outside)?;
                let real = real_path(fd.as_fd()).map_err(FileError::Io)?;
                let folder =
                    AccountFolder { zones: self, name: name.to_owned(), fd, real, linked: true };
                match self.in_dot_folder(&folder.real, name) {
                    true => Ok(folder),
                    false => Err(FileError::Outside),
                }
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// Whether a real path lies in a dot folder of `zones/`, and there not in what is another account's folder.
    fn in_dot_folder(&self, real: &Path, account: &str) -> bool {
        let Ok(inside) = real.strip_prefix(&self.real) else { return false };
        let mut parts = inside.components();
        let dotted = matches!(parts.next(),
            Some(Component::Normal(first)) if first.as_bytes().starts_with(b"."));
        let foreign = parts.any(|part| match part.as_os_str().to_str() {
            Some(name) if filename::is_account_name(name) && name != account => {
                let folder = openat(&self.fd, name, FOLDER, Mode::empty());
                folder.is_ok_and(|fd| real_path(fd.as_fd()).is_ok_and(|of| real.starts_with(of)))
            }
            _ => false,
        });
        dotted && !foreign
    }
}

impl AccountFolder<'_> {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the folder lies, without symbolic links.
    pub fn real(&self) -> &Path {
        &self.real
    }

    /// Whether a real path lies in `zones/` at all.
    pub fn is_near(&self, real: &Path) -> bool {
        real.starts_with(&self.zones.real)
    }

    /// `zones/NAME/FILE` as shown to people.
    pub fn shown(&self, file: &str) -> String {
        shown(&self.zones.path.join(&self.name).join(file))
    }

    /// The zone files, in order of their apexes; a file may be of another type than it should.
    pub fn zone_files(&self) -> io::Result<Listing<ZoneFile>> {
        let mut listing = Listing { found: Vec::new(), strays: Vec::new() };
        for entry in std::fs::read_dir(&self.real)? {
            let file_name = entry?.file_name();
            let stray =
                |message: String| Stray { path: self.shown(&file_name.to_string_lossy()), message };
            match (filename::apex(file_name.as_bytes()), file_name.to_str()) {
                (None, _) => {}
                (Some(Ok(apex)), Some(text)) => {
                    listing.found.push(ZoneFile { apex, file_name: text.into() });
                }
                (Some(Ok(_)), None) => unreachable!("file names of zones are ASCII"),
                (Some(Err(error)), _) => listing.strays.push(stray(error.to_string())),
            }
        }
        listing.found.sort_unstable();
        listing.strays.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(listing)
    }

    /// Reads the file at `path`, which is relative to this folder, or absolute and leads into it.
    pub fn read(&self, path: &str, most: usize) -> Result<Text, FileError> {
        let (file, real) = self.open(path)?;
        read_opened(file, real, most)
    }

    /// The stamp of the file at `path`, without reading it.
    pub fn stamp(&self, path: &str) -> Result<Stamp, FileError> {
        // Links are followed: what counts is the file that would be read, wherever it lies.
        Ok(Stamp::of_stat(&fstatat(&self.fd, path, AtFlags::empty())?))
    }

    /// The stamp of the entry `name` of this folder, if that is a file and no link to one.
    pub fn stamp_of_file(&self, name: &str) -> Result<Stamp, FileError> {
        let stat = fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG {
            true => Ok(Stamp::of_stat(&stat)),
            false => Err(FileError::NotAFile),
        }
    }

    fn open(&self, path: &str) -> Result<(File, Option<PathBuf>), FileError> {
        let how = OpenHow::new()
            .flags(READ)
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
        match openat2(&self.fd, path, how) {
            Ok(fd) => Ok((File::from(fd), None)),
            Err(Errno::ELOOP | Errno::EXDEV) => self.open_checked(path),
            Err(Errno::ENOSYS | Errno::EPERM | Errno::EAGAIN) => {
                match fstatat(&self.fd, path, AtFlags::AT_SYMLINK_NOFOLLOW) {
                    Err(Errno::ENOENT) if is_plain(path) => Err(FileError::Missing),
                    _ => self.open_checked(path),
                }
            }
            // A pipe without a writer, a socket: of no use in any case.
            Err(Errno::ENXIO) => Err(FileError::NotAFile),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Opens without reading, asks where that is, and only then opens the same file for reading.
    fn open_checked(&self, path: &str) -> Result<(File, Option<PathBuf>), FileError> {
        let fd = openat(&self.fd, path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())
            .map_err(|_| FileError::Outside)?;
        let handle = File::from(fd);
        let real = real_path(handle.as_fd()).map_err(FileError::Io)?;
        if !(real.starts_with(&self.real) || self.zones.in_dot_folder(&real, &self.name)) {
            return Err(FileError::Outside);
        }
        if !handle.metadata().map_err(FileError::Io)?.is_file() {
            return Err(FileError::NotAFile);
        }
        let file = nix::fcntl::open(&descriptor_path(handle.as_fd()), READ, Mode::empty())?;
        Ok((File::from(file), Some(real)))
    }
}

/// Whether the path can lead nowhere but to an entry of the folder itself.
fn is_plain(path: &str) -> bool {
    !path.contains('/')
}

fn read_opened(mut file: File, real: Option<PathBuf>, most: usize) -> Result<Text, FileError> {
    let meta = file.metadata().map_err(FileError::Io)?;
    if !meta.is_file() {
        return Err(FileError::NotAFile);
    }
    let most = most.min(ZONE_TEXT_MAX);
    if meta.len() > most as u64 {
        return Err(FileError::TooLarge);
    }
    let octets = read_whole(&mut file, meta.len() as usize).map_err(FileError::Io)?;
    let stamp = Stamp::fold([
        meta.dev(),
        meta.ino(),
        meta.size(),
        meta.mtime() as u64,
        meta.mtime_nsec() as u64,
        meta.ctime() as u64,
        meta.ctime_nsec() as u64,
    ]);
    Ok(Text { octets, stamp, real })
}

/// The first `len` octets, fewer if the file shrank meanwhile. One that grew is reported as changed anyway.
fn read_whole(file: &mut File, len: usize) -> io::Result<Arc<[u8]>> {
    // Read to where it stays: a large text is not copied.
    let mut octets: Arc<[u8]> = std::iter::repeat_n(0, len).collect();
    let room = Arc::get_mut(&mut octets).expect("nobody else has it yet");
    let mut filled = 0;
    while filled < len {
        match file.read(&mut room[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(if filled < len { octets[..filled].into() } else { octets })
}

impl Stamp {
    /// Of the file at an absolute path; `None` if there is none.
    pub fn of(path: &Path) -> Option<Stamp> {
        nix::sys::stat::stat(path).ok().map(|stat| Stamp::of_stat(&stat))
    }

    fn of_stat(stat: &FileStat) -> Stamp {
        Stamp::fold([
            stat.st_dev,
            stat.st_ino,
            stat.st_size as u64,
            stat.st_mtime as u64,
            stat.st_mtime_nsec as u64,
            stat.st_ctime as u64,
            stat.st_ctime_nsec as u64,
        ])
    }

    /// Whether the file changed so shortly before `now` that it may have changed once more with the same stamp.
    pub fn is_young(self, now: UnixTime) -> bool {
        // Both are cut to seconds.
        self.changed.0 + YOUNG_SECS + 1 > now.0
    }

    fn fold(words: [u64; 7]) -> Stamp {
        let mix = |h: u64, w: u64| (h ^ w).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        let changed = UnixTime(words[5]);
        Stamp { fold: words.into_iter().fold(0, mix), changed }
    }
}

/// Where the opened file lies, by the kernel's word.
fn real_path(fd: BorrowedFd<'_>) -> io::Result<PathBuf> {
    std::fs::read_link(descriptor_path(fd))
}

fn descriptor_path(fd: BorrowedFd<'_>) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

/// A path as text for people: what is no text or would act on a terminal is replaced.
pub fn shown(path: &Path) -> String {
    path.to_string_lossy().replace(char::is_control, "\u{FFFD}")
}

#[cfg(test)]
mod tests;
