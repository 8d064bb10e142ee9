//! Floor 6: `config.toml` to [`settings::Settings`]; every problem is reported at once, with its place.

pub mod settings;
