//! `cargo fuzz run canonical`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flowledger_fuzz::canonical::check(data));
