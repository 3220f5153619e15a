//! `cargo fuzz run parameters`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flowledger_fuzz::parameters::check(data));
