//! What the black-box tests share: a strict client, real servers in folders of their own, scripts.

pub mod client;
pub mod expect;
pub mod http;
pub mod message;
pub mod name;
pub mod peers;
pub mod rdata;
pub mod script;
pub mod server;
