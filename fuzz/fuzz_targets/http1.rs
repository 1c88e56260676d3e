//! Holds a property that stands beside the private parser it is about to whatever the fuzzer makes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loadline::kubelet::check_http1(data));
