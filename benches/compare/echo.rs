//! The floor: a loop that sends every datagram or message back, with as many octets as the servers' answers have.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::sockets::{Batch, Peers, ROOM, widen};

/// Echoes datagrams with `more` octets behind each, for ever.
pub fn datagrams(address: SocketAddr, more: usize) -> io::Result<()> {
    let socket = UdpSocket::bind(address)?;
    widen(&socket)?;
    let mut batch = Batch::new(Peers::Each);
    loop {
        let count = batch.receive(&socket, true);
        for i in 0..count {
            batch.room(i)[2] |= 0x80;
            let len = (batch.len(i) + more).min(ROOM);
            batch.set_len(i, len);
        }
        batch.send(&socket, count);
    }
}

/// Echoes messages of TCP, for ever: one thread, one read and one write for all that came.
pub fn messages(address: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let mut open: HashMap<i32, (TcpStream, Vec<u8>)> = HashMap::new();
    let mut room = vec![0; 1 << 16];
    loop {
        let mut waiting = vec![PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        waiting.extend(open.values().map(|(s, _)| PollFd::new(s.as_fd(), PollFlags::POLLIN)));
        poll(&mut waiting, PollTimeout::NONE)?;
        let ready = |fd: &PollFd<'_>| fd.any() == Some(true);
        let is_new = ready(&waiting[0]);
        let ready: Vec<i32> =
            waiting[1..].iter().filter(|fd| ready(fd)).map(|fd| fd.as_fd().as_raw_fd()).collect();
        drop(waiting);
        if is_new && let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            open.insert(stream.as_raw_fd(), (stream, Vec::new()));
        }
        for fd in ready {
            let Some((stream, rest)) = open.get_mut(&fd) else { continue };
            let read = stream.read(&mut room).unwrap_or(0);
            rest.extend(&room[..read]);
            let whole = answered(rest);
            if read == 0 || stream.write_all(&rest[..whole]).is_err() {
                open.remove(&fd);
            } else {
                rest.drain(..whole);
            }
        }
    }
}

/// Marks all whole messages as answers; how many octets they are.
fn answered(octets: &mut [u8]) -> usize {
    let mut at = 0;
    while let Some([high, low, _, _, flags, ..]) = octets.get_mut(at..) {
        *flags |= 0x80;
        let next = at + 2 + usize::from(u16::from_be_bytes([*high, *low]));
        if next > octets.len() {
            break;
        }
        at = next;
    }
    at
}
