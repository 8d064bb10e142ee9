//! libFuzzer's entry for the target `zonefile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bailiwick_fuzz::harness::zonefile::check(data));
