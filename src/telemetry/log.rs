//! The log: lines of text or of JSON on stderr.
//!
//! Nothing is logged per query. `RUST_LOG` changes what is said (default `info`), e.g. `RUST_LOG=bailiwick=debug`.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

/// How a line looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    Text,
    Json,
}

/// Starts the log of this process; a second call changes nothing.
pub fn start(format: Format) {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    let registry = tracing_subscriber::registry().with(filter.from_env_lossy());
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false);
    // The only error is that a log was started before.
    let _ = match format {
        Format::Text => registry.with(lines.with_ansi(colour(&std::io::stderr()))).try_init(),
        Format::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
}

/// Colour is for terminals, and not for those who set `NO_COLOR` (no-color.org).
pub fn colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}
