//! `cargo fuzz run tokens`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flowledger_fuzz::tokens::check(data));
