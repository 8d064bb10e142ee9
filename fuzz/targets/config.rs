//! libFuzzer's entry for the target `config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bailiwick_fuzz::harness::config::check(data));
