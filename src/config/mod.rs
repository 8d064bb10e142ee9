//! Floor 6: `config.toml` to [`settings::Settings`]; every problem is reported at once, with its place.

mod anchors;
mod api;
mod dangling;
pub mod file;
pub mod finding;
mod flatten;
mod hostnames;
mod keys;
mod page;
mod server;
pub mod settings;
pub mod standing;
mod syntax;
mod tables;
mod walk;

pub use dangling::dangling;
pub use walk::listen_address;
