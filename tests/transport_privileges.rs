//! Dropping to a user and running out of files: both change the whole process, so they have one
//! of their own, and happen one after the other.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bailiwick::base::time::UnixTime;
use bailiwick::model::question::Client;
use bailiwick::transport::privileges::{Dropped, PrivilegeError, drop_to, raise_open_files};
use bailiwick::transport::room::Way;
use bailiwick::transport::{Doors, Responder, TcpLimits, sockets};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Uid, getgroups, getresgid, getresuid};

struct Echo;

impl Responder for Echo {
    type Local = ();

    fn local(&self) {}

    fn begin(&self, (): &mut (), _now: UnixTime) {}

    fn respond(
        &self,
        (): &mut (),
        packet: &[u8],
        _: Client,
        _: &dyn Way,
        out: &mut [u8],
    ) -> Option<usize> {
        out[..packet.len()].copy_from_slice(packet);
        Some(packet.len())
    }

    fn end(&self, (): &mut ()) {}
}

#[test]
fn one_after_the_other() {
    raising_reaches_what_is_needed();
    accepting_goes_on_when_files_are_free_again();
    root_is_left_for_good();
}

fn raising_reaches_what_is_needed() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let hard = hard.min(5000);
    setrlimit(Resource::RLIMIT_NOFILE, 300, hard).unwrap();
    raise_open_files(1000, 4).unwrap();
    assert!(getrlimit(Resource::RLIMIT_NOFILE).unwrap().0 >= 1004);
}

fn accepting_goes_on_when_files_are_free_again() {
    let listen: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let bound = sockets::bind(&[listen], 1).unwrap();
    let to = bound.doors[0].address;
    let limits = TcpLimits { max: 1000, per_address: 1000, idle: Duration::from_secs(30) };
    let doors = Doors::open(bound, limits, &Arc::new(Echo)).unwrap();
    let mut first = TcpStream::connect(to).unwrap();
    assert!(is_served(&mut first));

    let open = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, open + 9, hard).unwrap();
    // Both ends take a file in this process: connecting fails soon, and accepting with it.
    let mut clients = Vec::new();
    while let Ok(client) = TcpStream::connect(to) {
        clients.push(client);
    }
    assert!(clients.len() < 20);
    assert!(is_served(&mut first), "those who are in stay");
    clients.clear();
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    let begun = Instant::now();
    while !TcpStream::connect(to).is_ok_and(|mut stream| is_served(&mut stream)) {
        assert!(begun.elapsed() < Duration::from_secs(10), "nobody is let in any more");
    }
    doors.close();
}

fn is_served(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let message = [0, 3, b'a', b's', b'k'];
    let mut answer = [0; 5];
    stream.write_all(&message).is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer == message
}

fn root_is_left_for_good() {
    if !Uid::effective().is_root() {
        assert!(matches!(drop_to("root"), Err(PrivilegeError::NotRoot { .. })));
        return;
    }
    let Dropped::To { uid, gid, .. } = drop_to("nobody").unwrap() else {
        panic!("root is not nobody");
    };
    assert_ne!(uid, 0);
    let (uids, gids) = (getresuid().unwrap(), getresgid().unwrap());
    assert_eq!([uids.real, uids.effective, uids.saved].map(Uid::as_raw), [uid; 3]);
    assert_eq!([gids.real, gids.effective, gids.saved].map(|gid| gid.as_raw()), [gid; 3]);
    assert!(getgroups().unwrap().iter().all(|group| group.as_raw() != 0));
    assert!(std::fs::read("/etc/shadow").is_err());
    // All threads, not only the one that asked.
    let other = std::thread::spawn(|| Uid::effective().as_raw());
    assert_eq!(other.join().unwrap(), uid);
    let text = drop_to("root").unwrap_err().to_string();
    assert!(text.contains("only root can become another user"), "{text}");
    assert_eq!(drop_to("nobody").unwrap(), Dropped::Already { user: "nobody".into() });
}
