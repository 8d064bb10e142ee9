//! Many datagrams with one system call, for the load and the echo. Apart from `unsafe` here the tool has none: the
//! safe wrappers work per datagram, and what they cost would be taken for the cost of the floor.

use std::io;
use std::mem::zeroed;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::ptr::null_mut;

/// Datagrams of one call.
pub const BATCH: usize = 64;
/// Longest datagram.
pub const ROOM: usize = 2048;

/// Memory for a batch. What the kernel gets are addresses into vectors that are never resized.
pub struct Batch {
    octets: Vec<u8>,
    parts: Vec<libc::iovec>,
    peers: Vec<libc::sockaddr_in>,
    headers: Vec<libc::mmsghdr>,
}

/// Whether the socket is connected, or each datagram carries its peer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Peers {
    One,
    Each,
}

impl Batch {
    pub fn new(peers: Peers) -> Batch {
        // SAFETY: all three are plain data of the C library, for which zero is a value.
        let (peer, header): (libc::sockaddr_in, libc::mmsghdr) = unsafe { (zeroed(), zeroed()) };
        let mut octets = vec![0u8; BATCH * ROOM];
        let mut all_peers = vec![peer; BATCH];
        let part =
            |chunk: &mut [u8]| libc::iovec { iov_base: chunk.as_mut_ptr().cast(), iov_len: ROOM };
        let mut parts: Vec<_> = octets.chunks_exact_mut(ROOM).map(part).collect();
        let mut headers = vec![header; BATCH];
        for ((header, part), peer) in headers.iter_mut().zip(&mut parts).zip(&mut all_peers) {
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
            if peers == Peers::Each {
                header.msg_hdr.msg_name = (peer as *mut libc::sockaddr_in).cast();
                header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
            }
        }
        Batch { octets, parts, peers: all_peers, headers }
    }

    /// The i-th datagram's room.
    pub fn room(&mut self, i: usize) -> &mut [u8] {
        &mut self.octets[i * ROOM..(i + 1) * ROOM]
    }

    /// Length of the i-th datagram received.
    pub fn len(&self, i: usize) -> usize {
        self.headers[i].msg_len as usize
    }

    /// Length of the i-th datagram to be sent.
    pub fn set_len(&mut self, i: usize, len: usize) {
        self.parts[i].iov_len = len.min(ROOM);
    }

    /// Up to `BATCH` datagrams; waits for the first one if `wait`. None is no error.
    pub fn receive(&mut self, socket: &UdpSocket, wait: bool) -> usize {
        let named = size_of::<libc::sockaddr_in>() as u32;
        for (part, header) in self.parts.iter_mut().zip(&mut self.headers) {
            part.iov_len = ROOM;
            header.msg_hdr.msg_namelen = if header.msg_hdr.msg_name.is_null() { 0 } else { named };
        }
        debug_assert_eq!(self.peers.len(), self.headers.len());
        let flags = if wait { libc::MSG_WAITFORONE } else { libc::MSG_DONTWAIT };
        // SAFETY: `headers` has `BATCH` entries that point into memory of `self`, each `ROOM` octets long.
        let n = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                BATCH as u32,
                flags,
                null_mut(),
            )
        };
        n.max(0) as usize
    }

    /// Sends the first `count` datagrams as far as the kernel takes them; how many that were.
    pub fn send(&mut self, socket: &UdpSocket, count: usize) -> usize {
        let count = count.min(BATCH) as u32;
        // SAFETY: as above; lengths are at most `ROOM`.
        let n = unsafe { libc::sendmmsg(socket.as_raw_fd(), self.headers.as_mut_ptr(), count, 0) };
        n.max(0) as usize
    }
}

/// Room in the socket's queues, so that the kernel drops nothing.
pub fn widen(socket: &UdpSocket) -> io::Result<()> {
    let socket = socket2::SockRef::from(socket);
    socket.set_recv_buffer_size(4 << 20)?;
    socket.set_send_buffer_size(4 << 20)
}
