//! Floor 7: what lies outside this server: asked of upstream resolvers, checked, remembered.
//!
//! Nothing here is on the way of a question: workers read what was learnt out of the snapshot. A question that needs
//! more is handed over with [`service::Service::ask`], and its waiter is called when more is known or time is up.

pub mod cache;
pub mod chain;
pub mod counters;
pub mod delegation;
pub mod entry;
pub mod exchange;
pub mod fair;
pub mod journal;
pub mod resolve;
pub mod service;
pub mod special;
pub mod system;
pub mod upstream;
pub mod validate;
