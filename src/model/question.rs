//! One parsed query and who asked.

use std::net::IpAddr;

/// The door a question came through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    Udp,
    Tcp,
}

/// Who asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Client {
    /// Source address of the packet or connection.
    pub address: IpAddr,
    pub transport: Transport,
}
