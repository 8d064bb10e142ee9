//! Writes the seeds of a target into a folder, one file each: `seeds TARGET FOLDER`.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, target, folder] = &arguments[..] else {
        return Err("usage: seeds TARGET FOLDER".into());
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let seeds = bailiwick_fuzz::harness::seeds::seeds(target, &root);
    if seeds.is_empty() {
        return Err(format!("there is no target {target}").into());
    }
    std::fs::create_dir_all(folder)?;
    for (number, seed) in seeds.iter().enumerate() {
        std::fs::write(Path::new(folder).join(format!("seed-{number:05}")), seed)?;
    }
    println!("{} seeds for {target}", seeds.len());
    Ok(())
}
