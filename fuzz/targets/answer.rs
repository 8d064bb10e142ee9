//! libFuzzer's entry for the target `answer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bailiwick_fuzz::harness::answer::check(data));
