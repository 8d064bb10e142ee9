//! Many datagrams with one system call: `recvmmsg` and `sendmmsg` on memory owned by one worker.
//!
//! With `base/mem.rs` the only file with `unsafe`: no safe wrapper of these calls works without
//! allocating or copying. Everything the kernel reads or writes lies in one block that lives as
//! long as its [`Batch`]; indices are checked before an address is made of them.

use std::io;
use std::mem::{offset_of, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{NonNull, null_mut};

use libc::{c_int, c_uint, c_void};

use crate::base::limits::{UDP_ANSWER_MAX, UDP_BATCH, UDP_QUESTION_MAX};
use crate::model::question::{Client, Transport};

/// Where answers leave from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// The one address the socket is bound to: nothing to do per datagram.
    Bound,
    /// The address each question was sent to: the socket is bound to a wildcard, and the kernel's
    /// own choice would be an address the client did not ask.
    AsAsked,
}

/// Whether to wait for the first datagram, as long as the socket's own timeout allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    ForOne,
    No,
}

/// What became of a batch of answers.
#[derive(Debug, Default)]
pub struct Sent {
    pub sent: usize,
    /// Answers the kernel refused, each by itself.
    pub lost: usize,
    /// Why the last of those was refused.
    pub reason: Option<io::Error>,
}

/// Up to [`UDP_BATCH`] questions and their answers.
pub struct Batch {
    /// Owned: made in `new`, freed in `drop`, never shared.
    memory: NonNull<Memory>,
    source: Source,
    received: usize,
    queued: usize,
}

/// One question of a batch, and the room for its answer.
pub struct Datagram<'a> {
    pub packet: &'a [u8],
    pub client: IpAddr,
    pub answer: &'a mut [u8],
    pub sender: Sender<'a>,
}

/// Who sent a question, and to which address.
#[derive(Clone, Copy)]
pub struct Sender<'a> {
    address: &'a Address,
    header: &'a libc::msghdr,
    source: Source,
}

/// The way of an answer that does not leave with its batch.
#[derive(Clone, Copy)]
pub struct Route {
    pub to: SocketAddr,
    pub from: From,
}

/// Where such an answer leaves from.
#[derive(Clone, Copy)]
pub enum From {
    /// The address the socket is bound to.
    Bound,
    V4(libc::in_pktinfo),
    V6(libc::in6_pktinfo),
}

impl Sender<'_> {
    /// The way back. Allocates nothing; `None` if nobody can be answered there.
    pub fn route(&self) -> Option<Route> {
        Some(Route { to: socket_address(self.address)?, from: self.from() })
    }

    fn from(&self) -> From {
        if self.source == Source::Bound {
            return From::Bound;
        }
        // SAFETY: `Batch::datagram` made this of a header that the kernel has filled, whose control
        // messages lie in the same batch, borrowed as long as `self`; lengths are checked by `info`.
        match unsafe { info(self.header) } {
            Some(Info::V4(info)) => {
                // SAFETY: `info` points to a whole packet info, aligned, as just checked.
                let mut info = unsafe { *info };
                forget_interface_v4(&mut info);
                From::V4(info)
            }
            Some(Info::V6(info)) => {
                // SAFETY: as above.
                let mut info = unsafe { *info };
                forget_interface_v6(&mut info);
                From::V6(info)
            }
            None => From::Bound,
        }
    }
}

impl Datagram<'_> {
    /// Who asks.
    pub fn from(&self) -> Client {
        Client { address: self.client, transport: Transport::Udp }
    }
}

#[repr(C)]
struct Memory {
    received: [libc::mmsghdr; UDP_BATCH],
    sends: [libc::mmsghdr; UDP_BATCH],
    received_parts: [libc::iovec; UDP_BATCH],
    send_parts: [libc::iovec; UDP_BATCH],
    addresses: [Address; UDP_BATCH],
    controls: [Control; UDP_BATCH],
    questions: [Question; UDP_BATCH],
    answers: [Answer; UDP_BATCH],
}

#[repr(C)]
union Address {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

/// Room for one control message that carries an `in_pktinfo` or `in6_pktinfo`.
#[repr(C, align(8))]
struct Control([u8; 64]);

/// The gap makes it an odd number of cache lines, so that the first lines of all questions do not
/// fall into the same sets of the cache.
#[repr(C, align(64))]
struct Question {
    octets: [u8; UDP_QUESTION_MAX],
    gap: [u8; 64],
}

#[repr(C, align(64))]
struct Answer([u8; UDP_ANSWER_MAX]);

const ADDRESS_LEN: u32 = size_of::<Address>() as u32;

impl Batch {
    /// Allocates all memory a worker will need.
    pub fn new(source: Source) -> Batch {
        // SAFETY: every field of `Memory` is integers, raw pointers or arrays of those, for all of
        // which zero octets are a value.
        let memory = unsafe { Box::<Memory>::new_zeroed().assume_init() };
        let memory = NonNull::from(Box::leak(memory));
        let m = memory.as_ptr();
        for at in 0..UDP_BATCH {
            // SAFETY: `m` points to a live `Memory` that only this function uses, `at` is below
            // the length of every array; the pointers stored point into the same block.
            unsafe {
                (*m).received_parts[at] = libc::iovec {
                    iov_base: (&raw mut (*m).questions[at].octets).cast(),
                    iov_len: UDP_QUESTION_MAX,
                };
                (*m).send_parts[at].iov_base = (&raw mut (*m).answers[at]).cast();
                let header = &raw mut (*m).received[at].msg_hdr;
                (*header).msg_name = (&raw mut (*m).addresses[at]).cast();
                (*header).msg_iov = &raw mut (*m).received_parts[at];
                (*header).msg_iovlen = 1;
                (*header).msg_namelen = ADDRESS_LEN;
                if source == Source::AsAsked {
                    (*header).msg_controllen = size_of::<Control>();
                    (*header).msg_control = (&raw mut (*m).controls[at]).cast();
                }
                (*m).sends[at].msg_hdr.msg_iovlen = 1;
            }
        }
        Batch { memory, source, received: 0, queued: 0 }
    }

    /// Receives what waits, or waits for one. 0: nothing came in the time the socket allows, or a
    /// signal did. Forgets the batch before.
    pub fn receive(&mut self, socket: BorrowedFd<'_>, wait: Wait) -> io::Result<usize> {
        let m = self.memory.as_ptr();
        let control = if self.source == Source::AsAsked { size_of::<Control>() } else { 0 };
        // What the kernel wrote over the headers of the batch before is set anew.
        for at in 0..self.received {
            // SAFETY: `m` is live and ours; `received` never exceeds the array.
            let header = unsafe { &mut (*m).received[at].msg_hdr };
            header.msg_namelen = ADDRESS_LEN;
            header.msg_controllen = control;
        }
        self.received = 0;
        self.queued = 0;
        let flags = match wait {
            Wait::ForOne => libc::MSG_WAITFORONE,
            Wait::No => libc::MSG_DONTWAIT,
        };
        // SAFETY: the descriptor is open as long as it is borrowed; all headers point into `m`,
        // with the lengths of what they point to; the kernel keeps none of it after the call.
        let count = unsafe {
            let headers = (&raw mut (*m).received).cast::<libc::mmsghdr>();
            libc::recvmmsg(socket.as_raw_fd(), headers, UDP_BATCH as c_uint, flags, null_mut())
        };
        if count < 0 {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => Ok(0),
                _ => Err(error),
            };
        }
        self.received = (count as usize).min(UDP_BATCH);
        Ok(self.received)
    }

    /// Question `at` of the last `receive`; `None` if nobody can be answered there. A question
    /// longer than [`UDP_QUESTION_MAX`] is cut.
    pub fn datagram(&mut self, at: usize) -> Option<Datagram<'_>> {
        if at >= self.received {
            return None;
        }
        let m = self.memory.as_ptr();
        // SAFETY: `at` is below `received`, so all five entries exist and the kernel has filled
        // them; they are disjoint, and borrowed from `self` for as long as the result lives.
        let (header, length, address, question, answer) = unsafe {
            (
                &(*m).received[at].msg_hdr,
                (*m).received[at].msg_len as usize,
                &(*m).addresses[at],
                &(*m).questions[at].octets,
                &mut (*m).answers[at].0,
            )
        };
        Some(Datagram {
            packet: &question[..length.min(UDP_QUESTION_MAX)],
            client: socket_address(address)?.ip(),
            answer,
            sender: Sender { address, header, source: self.source },
        })
    }

    /// Puts the first `length` octets of the answer to question `at` into the next `send`.
    pub fn queue(&mut self, at: usize, length: usize) {
        assert!(at < self.received && self.queued < UDP_BATCH && length <= UDP_ANSWER_MAX);
        let control = self.answer_control(at);
        let m = self.memory.as_ptr();
        // SAFETY: `at` and `queued` were just checked; `m` is live and ours, and what the header
        // is made to point to lies in it.
        unsafe {
            (*m).send_parts[at].iov_len = length;
            let asked = &raw const (*m).received[at].msg_hdr;
            let header = &raw mut (*m).sends[self.queued].msg_hdr;
            (*header).msg_name = (*asked).msg_name;
            (*header).msg_namelen = (*asked).msg_namelen;
            (*header).msg_iov = &raw mut (*m).send_parts[at];
            (*header).msg_control = if control == 0 { null_mut() } else { (*asked).msg_control };
            (*header).msg_controllen = control;
        }
        self.queued += 1;
    }

    /// Turns the control message that came with question `at` into the one its answer needs, and
    /// tells its length; 0 if there is none.
    fn answer_control(&mut self, at: usize) -> usize {
        if self.source == Source::Bound {
            return 0;
        }
        let m = self.memory.as_ptr();
        // SAFETY: `at` was checked by the caller; the kernel has filled the header, and what it points
        // to lies in `m`, which is live and ours. `info` checked that the payload is whole.
        unsafe {
            match info(&raw const (*m).received[at].msg_hdr) {
                Some(Info::V4(info)) => {
                    forget_interface_v4(&mut *info);
                    libc::CMSG_SPACE(INFO_V4 as u32) as usize
                }
                Some(Info::V6(info)) => {
                    forget_interface_v6(&mut *info);
                    libc::CMSG_SPACE(INFO_V6 as u32) as usize
                }
                None => 0,
            }
        }
    }

    /// Sends what was queued. What the kernel refuses (no route, filtered, no buffer) is lost alone.
    pub fn send(&mut self, socket: BorrowedFd<'_>) -> Sent {
        let m = self.memory.as_ptr();
        let mut outcome = Sent::default();
        let mut at = 0;
        let mut flags = 0;
        while at < self.queued {
            // SAFETY: as in `receive`; entries `at..queued` of `sends` were filled by `queue`.
            let count = unsafe {
                let headers = (&raw mut (*m).sends[at]).cast::<libc::mmsghdr>();
                let rest = (self.queued - at) as c_uint;
                libc::sendmmsg(socket.as_raw_fd(), headers, rest, flags)
            };
            if count > 0 {
                at += count as usize;
                outcome.sent += count as usize;
                continue;
            }
            let error = io::Error::last_os_error();
            match error.kind() {
                io::ErrorKind::Interrupted => continue,
                // The socket's timeout was waited for once: the rest of the batch waits no more.
                io::ErrorKind::WouldBlock => flags = libc::MSG_DONTWAIT,
                _ => {}
            }
            outcome.lost += 1;
            outcome.reason = Some(error);
            at += 1;
        }
        self.queued = 0;
        outcome
    }
}

/// The packet info of a received message, in place.
enum Info {
    V4(*mut libc::in_pktinfo),
    V6(*mut libc::in6_pktinfo),
}

/// Finds the packet info of a message.
///
/// # Safety
/// `header` was filled by the kernel, and what it points to is a live `Control`.
unsafe fn info(header: *const libc::msghdr) -> Option<Info> {
    // SAFETY: the kernel set `msg_controllen` to what it wrote; the room behind is `Control`, aligned
    // for a `cmsghdr` and large enough for both kinds of packet info; `cmsg_len` is checked before a
    // payload is handed out.
    unsafe {
        let first = libc::CMSG_FIRSTHDR(header);
        if first.is_null() {
            return None;
        }
        let payload = libc::CMSG_DATA(first);
        let long_enough = |size: usize| (*first).cmsg_len >= libc::CMSG_LEN(size as u32) as _;
        match ((*first).cmsg_level, (*first).cmsg_type) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) if long_enough(INFO_V4) => {
                Some(Info::V4(payload.cast()))
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) if long_enough(INFO_V6) => {
                Some(Info::V6(payload.cast()))
            }
            _ => None,
        }
    }
}

/// The route decides on the interface; `ipi_spec_dst` is the address asked.
fn forget_interface_v4(info: &mut libc::in_pktinfo) {
    info.ipi_ifindex = 0;
}

/// The same, but a link-local address means nothing without its interface.
fn forget_interface_v6(info: &mut libc::in6_pktinfo) {
    if !Ipv6Addr::from(info.ipi6_addr.s6_addr).is_unicast_link_local() {
        info.ipi6_ifindex = 0;
    }
}

const INFO_V4: usize = size_of::<libc::in_pktinfo>();
const INFO_V6: usize = size_of::<libc::in6_pktinfo>();
const _: () = assert!(size_of::<Control>() >= size_of::<libc::cmsghdr>() + INFO_V6);
const _: () = assert!(offset_of!(libc::sockaddr_in, sin_family) == 0);
const _: () = assert!(offset_of!(libc::sockaddr_in6, sin6_family) == 0);

impl Drop for Batch {
    fn drop(&mut self) {
        // SAFETY: made by `Box::leak` in `new`, and nothing that borrows from it outlives `self`.
        drop(unsafe { Box::from_raw(self.memory.as_ptr()) });
    }
}

/// Who sent a datagram; `None` for port 0, where no answer can go.
fn socket_address(address: &Address) -> Option<SocketAddr> {
    // SAFETY: the union began as zeroes and only the kernel writes it; both forms hold plain
    // integers, begin with the family, and no octet of them is invalid.
    unsafe {
        match c_int::from(address.v4.sin_family) {
            libc::AF_INET if address.v4.sin_port != 0 => {
                let ip = Ipv4Addr::from(address.v4.sin_addr.s_addr.to_ne_bytes());
                Some(SocketAddrV4::new(ip, u16::from_be(address.v4.sin_port)).into())
            }
            libc::AF_INET6 if address.v6.sin6_port != 0 => {
                let six = &address.v6;
                let ip = Ipv6Addr::from(six.sin6_addr.s6_addr);
                let port = u16::from_be(six.sin6_port);
                Some(SocketAddrV6::new(ip, port, six.sin6_flowinfo, six.sin6_scope_id).into())
            }
            _ => None,
        }
    }
}

/// Sets a socket option that is one integer.
pub fn set_option(
    socket: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
    value: c_int,
) -> io::Result<()> {
    let value_at = (&raw const value).cast::<c_void>();
    let length = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open as long as it is borrowed; the kernel reads `length` octets
    // of `value`, which lives until the call returns.
    let done = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value_at, length) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsFd;
    use std::time::Duration;

    fn pair() -> (UdpSocket, UdpSocket) {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(server.local_addr().unwrap()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        (server, client)
    }

    #[test]
    fn a_full_batch_comes_back_in_order_and_whole() {
        let (server, client) = pair();
        let mut batch = Batch::new(Source::Bound);
        for round in 0..3u8 {
            for number in 0..UDP_BATCH as u8 + 6 {
                client.send(&vec![number ^ round; 1 + number as usize]).unwrap();
            }
            let mut got = 0;
            while got < UDP_BATCH + 6 {
                let count = batch.receive(server.as_fd(), Wait::ForOne).unwrap();
                assert!(count > 0 && count <= UDP_BATCH);
                for at in 0..count {
                    let datagram = batch.datagram(at).unwrap();
                    assert_eq!(datagram.client, client.local_addr().unwrap().ip());
                    let length = datagram.packet.len();
                    datagram.answer[..length].copy_from_slice(datagram.packet);
                    batch.queue(at, length);
                }
                let sent = batch.send(server.as_fd());
                assert_eq!((sent.sent, sent.lost), (count, 0));
                got += count;
            }
            let mut buffer = [0; 512];
            for number in 0..UDP_BATCH as u8 + 6 {
                let length = client.recv(&mut buffer).unwrap();
                assert_eq!(buffer[..length], vec![number ^ round; 1 + number as usize]);
            }
        }
    }

    #[test]
    fn nothing_to_receive_is_no_error() {
        let (server, _client) = pair();
        let mut batch = Batch::new(Source::Bound);
        assert_eq!(batch.receive(server.as_fd(), Wait::ForOne).unwrap(), 0);
        assert_eq!(batch.receive(server.as_fd(), Wait::No).unwrap(), 0);
        assert!(batch.datagram(0).is_none());
    }

    #[test]
    fn an_empty_and_a_too_long_datagram_are_taken_as_they_are() {
        let (server, client) = pair();
        let mut batch = Batch::new(Source::Bound);
        client.send(&[]).unwrap();
        client.send(&vec![7; 9000]).unwrap();
        client.send(&[9; 20]).unwrap();
        let mut lengths = Vec::new();
        while lengths.len() < 3 {
            for at in 0..batch.receive(server.as_fd(), Wait::ForOne).unwrap() {
                lengths.push(batch.datagram(at).unwrap().packet.len());
            }
        }
        assert_eq!(lengths, [0, UDP_QUESTION_MAX, 20]);
    }

    #[test]
    fn a_refused_answer_is_lost_alone() {
        let (server, client) = pair();
        // Answers to these leave from 127.0.0.1: the kernel refuses addresses beyond the machine.
        let mut batch = Batch::new(Source::Bound);
        for number in 0..5u8 {
            client.send(&[number; 4]).unwrap();
        }
        let mut count = 0;
        while count < 5 {
            count = batch.receive(server.as_fd(), Wait::ForOne).unwrap();
            assert!(count == 5 || count == 0, "loopback delivers in order and at once");
        }
        for at in 0..5 {
            if at == 0 || at == 2 || at == 4 {
                let far: SocketAddr = "192.0.2.77:9".parse().unwrap();
                let SocketAddr::V4(far) = far else { unreachable!() };
                // SAFETY: as in `datagram`; writes one plain integer.
                unsafe {
                    (*batch.memory.as_ptr()).addresses[at].v4.sin_addr.s_addr =
                        u32::from_ne_bytes(far.ip().octets());
                }
            }
            batch.datagram(at).unwrap().answer[..4].fill(at as u8);
            batch.queue(at, 4);
        }
        let sent = batch.send(server.as_fd());
        assert_eq!((sent.sent, sent.lost), (2, 3), "{:?}", sent.reason);
        assert!(sent.reason.is_some());
        let mut buffer = [0; 16];
        for expected in [1u8, 3] {
            assert_eq!(client.recv(&mut buffer).unwrap(), 4);
            assert_eq!(buffer[0], expected);
        }
    }

    #[test]
    fn port_zero_is_nobody() {
        let (server, client) = pair();
        let mut batch = Batch::new(Source::Bound);
        client.send(&[1; 12]).unwrap();
        assert_eq!(batch.receive(server.as_fd(), Wait::ForOne).unwrap(), 1);
        // SAFETY: as in `datagram`; writes one plain integer.
        unsafe { (*batch.memory.as_ptr()).addresses[0].v4.sin_port = 0 };
        assert!(batch.datagram(0).is_none());
    }

    #[test]
    fn an_option_the_kernel_does_not_know_is_an_error() {
        let (server, _client) = pair();
        assert!(set_option(server.as_fd(), libc::IPPROTO_IP, 9999, 1).is_err());
        set_option(server.as_fd(), libc::IPPROTO_IP, libc::IP_PKTINFO, 1).unwrap();
    }
}
