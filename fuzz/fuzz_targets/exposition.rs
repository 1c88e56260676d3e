//! Whatever a kubelet answers, reading it ends, in bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loadline::domain::Timestamp;
use loadline::kubelet::{Limits, decode_resource};

fuzz_target!(|body: &[u8]| {
    let limits = Limits { max_containers: 64 };
    let asked_at = Timestamp::from_millis(1_795_253_480_000);
    if let Ok(reading) = decode_resource(body, asked_at, limits) {
        assert!(reading.containers.len() <= limits.max_containers);
        assert!(reading.skipped_lines <= body.len());
    }
});
