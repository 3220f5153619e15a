//! `cargo fuzz run time`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flowledger_fuzz::time::check(data));
