//! `cargo fuzz run authorization`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flowledger_fuzz::authorization::check(data));
