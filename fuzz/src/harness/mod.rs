//! What must hold for any input, one function a target: it returns, or it panics with what is wrong.

pub mod answer;
pub mod config;
mod decode;
mod facts;
mod query;
pub mod rdata;
pub mod seeds;
mod shown;
pub mod world;
pub mod zonefile;
