//! Bailiwick: an authoritative DNS server for many accounts that do not trust each other.

pub mod api;
pub mod base;
pub mod beside;
pub mod check;
pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod engine;
pub mod explain;
pub mod hostname;
pub mod model;
pub mod outside;
pub mod page;
pub mod policy;
pub mod rdata;
pub mod records;
pub mod store;
pub mod telemetry;
pub mod transport;
pub mod verifier;
pub mod wire;
pub mod zonefile;
