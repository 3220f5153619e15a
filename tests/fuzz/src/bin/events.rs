//! `cargo fuzz run events`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flowledger_fuzz::events::check(data));
