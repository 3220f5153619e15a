//! `cargo fuzz run names`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flowledger_fuzz::names::check(data));
