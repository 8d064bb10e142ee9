//! The API under measurement: writes beside questions, lists among a million, and grants that are taken back.

mod http;
mod lists;
mod revoked;
mod world;
mod writes;

use std::fs;
use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::{Value, json};

use self::world::Home;
use crate::Outcome;

/// Measures the API on loopback, and writes api.json.
#[derive(clap::Args)]
pub struct Run {
    /// What is measured.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "writes,lists,revoked")]
    steps: Vec<Step>,
    /// Length of a measured window of writes.
    #[arg(long, default_value_t = 30.0)]
    seconds: f64,
    /// Questions a second beside the writes.
    #[arg(long, default_value_t = 40_000.0)]
    rate: f64,
    /// Records a second that are written.
    #[arg(long, default_value_t = 1_000.0)]
    writes: f64,
    /// Connections that write single records.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    #[arg(long, default_value_t = 1_000_000)]
    zones: usize,
    /// Records of the zone that has many.
    #[arg(long, default_value_t = 1_000_000)]
    records: usize,
    /// Custom hostnames of the zone that has many.
    #[arg(long, default_value_t = 1_000_000)]
    hostnames: usize,
    #[arg(long, default_value_t = 300)]
    revocations: usize,
    /// The million of everything that an earlier run made is used again.
    #[arg(long)]
    keep: bool,
    /// The core of the server; the load has core 1.
    #[arg(long, default_value_t = crate::steps::SERVER_CORE)]
    server_core: usize,
    /// The binary of Bailiwick.
    #[arg(long, default_value = "target/release/bailiwick")]
    binary: PathBuf,
    /// Files and results go here; a million zones are links to a few files.
    #[arg(long, default_value = "target/compare/api")]
    folder: PathBuf,
    #[arg(long, default_value_t = 5700)]
    port: u16,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    Writes,
    Lists,
    Revoked,
}

/// Measures what is asked.
pub fn measure(mut run: Run) -> Outcome<()> {
    fs::create_dir_all(&run.folder)?;
    run.folder = run.folder.canonicalize()?;
    run.binary = run.binary.canonicalize().map_err(|e| format!("{:?}: {e}", run.binary))?;
    crate::process::pin(std::process::id(), 1);
    crate::process::boost(std::process::id());
    let results = run.folder.join("api.json");
    let old = fs::read_to_string(&results).ok().and_then(|text| serde_json::from_str(&text).ok());
    let mut found: Value = old.unwrap_or_else(|| json!({}));
    for &step in &run.steps {
        let home = |name: &str| Home {
            folder: run.folder.join(name),
            binary: run.binary.clone(),
            port: run.port,
        };
        let (name, measured) = match step {
            Step::Writes => ("writes", writes::measure(&run, &home("writes"))?),
            Step::Lists => ("lists", lists::measure(&run, &home("lists"))?),
            Step::Revoked => ("revoked", revoked::measure(&run, &home("revoked"))?),
        };
        found[name] = json!({
            "date": crate::date(), "machine": crate::machine(), "measured": measured,
        });
        // What was measured stays, whatever comes.
        fs::write(&results, serde_json::to_string_pretty(&found)?)?;
        println!("{name}: {}", serde_json::to_string_pretty(&found[name])?);
    }
    Ok(())
}

/// Of sorted values.
fn percentile(sorted: &[f64], part: f64) -> f64 {
    let at = (sorted.len() as f64 * part) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}
