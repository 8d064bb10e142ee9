//! What a process needs root for, and how it stops being root (`server.user`).
//!
//! The order at start-up: bind the sockets, raise the limit of open files, drop to the user, and
//! only then read any file. So everything made later belongs to the user, and nothing a tenant
//! wrote is ever read as root.

use std::ffi::CString;
use std::fmt;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{
    Gid, Uid, User, getgroups, getresgid, getresuid, initgroups, setresgid, setresuid, setuid,
};

/// Open files besides TCP connections and listening sockets: zone files being read, the journals
/// in `data/`, the control socket and its clients, what the event loops hold.
const OTHER_FILES: u64 = 256;

/// How dropping ended, when it did not fail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Dropped {
    /// From root to the user.
    To { user: String, uid: u32, gid: u32 },
    /// The process already was that user: nothing to do, and the setting does nothing.
    Already { user: String },
}

/// Why the process cannot become the user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PrivilegeError {
    Unknown {
        user: String,
    },
    LookUp {
        user: String,
        error: Errno,
    },
    NotRoot {
        user: String,
        uid: u32,
    },
    Change {
        user: String,
        step: &'static str,
        error: Errno,
    },
    /// The system said yes, and yet it is not so.
    StillPrivileged {
        user: String,
        what: &'static str,
    },
}

/// Becomes `user` for good: user, group and supplementary groups, with no way back.
pub fn drop_to(user: &str) -> Result<Dropped, PrivilegeError> {
    let name = || user.to_string();
    let found = User::from_name(user)
        .map_err(|error| PrivilegeError::LookUp { user: name(), error })?
        .ok_or_else(|| PrivilegeError::Unknown { user: name() })?;
    let (uid, gid) = (found.uid, found.gid);
    if uid == Uid::effective() {
        return Ok(Dropped::Already { user: name() });
    }
    if !Uid::effective().is_root() {
        let uid = Uid::effective().as_raw();
        return Err(PrivilegeError::NotRoot { user: name(), uid });
    }
    let failed = |step| move |error| PrivilegeError::Change { user: name(), step, error };
    let text = CString::new(user).map_err(|_| PrivilegeError::Unknown { user: name() })?;
    // Groups first: without root they can no longer be changed.
    initgroups(&text, gid).map_err(failed("taking on its groups"))?;
    setresgid(gid, gid, gid).map_err(failed("taking on its group"))?;
    setresuid(uid, uid, uid).map_err(failed("taking on its user id"))?;
    verify(uid, gid).map_err(|what| PrivilegeError::StillPrivileged { user: name(), what })?;
    Ok(Dropped::To { user: name(), uid: uid.as_raw(), gid: gid.as_raw() })
}

pub fn is_root() -> bool {
    Uid::effective().is_root()
}

/// Looks whether all ids are those of the user and root is out of reach.
fn verify(uid: Uid, gid: Gid) -> Result<(), &'static str> {
    let uids = getresuid().map_err(|_| "its user ids cannot be read")?;
    if [uids.real, uids.effective, uids.saved] != [uid; 3] {
        return Err("one of its user ids is another");
    }
    let gids = getresgid().map_err(|_| "its group ids cannot be read")?;
    if [gids.real, gids.effective, gids.saved] != [gid; 3] {
        return Err("one of its group ids is another");
    }
    let root = Gid::from_raw(0);
    if gid != root && getgroups().is_ok_and(|groups| groups.contains(&root)) {
        return Err("it is still in the group of root");
    }
    if setuid(Uid::from_raw(0)).is_ok() {
        return Err("it can become root again");
    }
    Ok(())
}

/// Files that may be open at once are fewer than the config needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooFewFiles {
    pub granted: u64,
    pub needed: u64,
}

/// Lets the process open as many files as `tcp_max` connections and `sockets` of our own need.
pub fn raise_open_files(tcp_max: usize, sockets: usize) -> Result<(), TooFewFiles> {
    let needed = (tcp_max as u64).saturating_add(sockets as u64).saturating_add(OTHER_FILES);
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        // Cannot happen for this resource; if so, accept will tell.
        return Ok(());
    };
    if soft >= needed || setrlimit(Resource::RLIMIT_NOFILE, needed, hard.max(needed)).is_ok() {
        return Ok(());
    }
    // Not ours to raise: as far as it goes, then.
    let granted = if setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() { hard } else { soft };
    if granted >= needed { Ok(()) } else { Err(TooFewFiles { granted, needed }) }
}

impl fmt::Display for PrivilegeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PrivilegeError::Unknown { user } => write!(
                f,
                "server.user names `{user}`, and this machine has no such user; make one with \
                 `useradd --system --no-create-home --shell /usr/sbin/nologin {user}`"
            ),
            PrivilegeError::LookUp { user, error } => {
                write!(f, "cannot look up `{user}` of server.user: {}", error.desc())
            }
            PrivilegeError::NotRoot { user, uid } => write!(
                f,
                "server.user is `{user}`, but only root can become another user, and this process \
                 runs as user id {uid}; start it as root or as `{user}`, or leave server.user empty"
            ),
            PrivilegeError::Change { user, step, error } => write!(
                f,
                "cannot become `{user}` of server.user, {step} failed: {}; in a container the \
                 capabilities CAP_SETUID and CAP_SETGID are needed for it",
                error.desc()
            ),
            PrivilegeError::StillPrivileged { user, what } => write!(
                f,
                "became `{user}` of server.user, but {what}; not going on with such a process"
            ),
        }
    }
}

impl std::error::Error for PrivilegeError {}

impl fmt::Display for TooFewFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "server.tcp_max needs {} open files and the system grants {}; raise the limit (`ulimit \
             -n`, or LimitNOFILE= of a systemd service) or lower server.tcp_max",
            self.needed, self.granted
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_that_does_not_exist_is_named() {
        let text = drop_to("no-such-user-here").unwrap_err().to_string();
        assert!(text.contains("`no-such-user-here`, and this machine has no such user"), "{text}");
    }

    #[test]
    fn becoming_oneself_is_nothing() {
        let me = User::from_uid(Uid::effective()).unwrap().unwrap().name;
        assert_eq!(drop_to(&me).unwrap(), Dropped::Already { user: me });
    }

    #[test]
    fn enough_files_are_no_error_and_too_many_are_told() {
        raise_open_files(10, 1).unwrap();
        assert!(getrlimit(Resource::RLIMIT_NOFILE).unwrap().0 >= 11 + OTHER_FILES);
        // No kernel grants 2^40 files, not even to root.
        let short = raise_open_files(1 << 40, 1).unwrap_err();
        assert!(short.granted < short.needed);
        assert!(short.to_string().contains("raise the limit"));
    }
}
