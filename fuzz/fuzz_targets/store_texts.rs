//! Holds a property of `loadline_fuzz` to whatever the fuzzer makes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loadline_fuzz::check("store_texts", data));
