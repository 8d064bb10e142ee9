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

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The query name, lower-cased and hashed.
    pub name: crate::base::name_buf::NameBuf,
    pub qtype: crate::base::rtype::RType,
    pub qclass: u16,
}
