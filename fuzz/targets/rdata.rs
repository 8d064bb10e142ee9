//! libFuzzer's entry for the target `rdata`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bailiwick_fuzz::harness::rdata::check(data));
