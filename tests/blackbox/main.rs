//! Black-box tests: the real binary, asked over real sockets, judged by SPEC and the RFCs alone.

#[path = "../support/mod.rs"]
mod support;

mod abuse;
mod alone;
mod api;
mod certificate;
mod children;
mod cli;
mod clients;
mod custom_hostnames;
mod doors;
mod elsewhere;
mod explain;
mod failing;
mod greedy;
mod holds;
mod hostnames;
mod malformed;
mod manage;
mod matrix;
mod openapi;
mod operate;
mod outside;
mod outside_life;
mod outside_notes;
mod page;
mod page_browser;
mod policy_oracle;
mod records;
mod reload;
mod resolvers;
mod restored;
mod sample_world;
mod scenarios;
mod settings;
mod snapshots;
mod store_failures;
mod storm;
mod strangers;
mod takeovers;
mod told_zones;
mod unbound;
mod withdrawn;
mod zones;
