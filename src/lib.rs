//! Bailiwick: an authoritative DNS server for many accounts that do not trust each other.

pub mod base;
pub mod cli;
pub mod config;
pub mod model;
pub mod rdata;
pub mod store;
pub mod telemetry;
pub mod transport;
pub mod zonefile;
