//! The checks behind the fuzz targets; `tests/fuzz_seeds.rs` runs the same ones as a normal test.

pub mod harness;
