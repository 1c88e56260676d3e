//! A kubelet's answer.

use loadline::domain::Timestamp;
use loadline::kubelet::{DecodeError, Limits, decode_resource};

/// Reading ends, in bounds, and neither a comment at the end nor a blank line in front changes what
/// was read.
pub(super) fn check(body: &[u8]) {
    let limits = Limits { max_containers: 64 };
    let asked_at = Timestamp::from_millis(1_795_253_480_000);
    let read = |body| decode_resource(body, asked_at, limits);
    let commented = [b"\n# HELP nothing\n", body, b"\n# end\n"].concat();
    match read(body) {
        Ok(reading) => {
            assert!(reading.containers.len() <= limits.max_containers);
            assert!(reading.skipped_lines <= body.len());
            assert_eq!(read(&commented), Ok(reading));
        }
        Err(error) => {
            assert!(
                !matches!(error, DecodeError::Empty { skipped_lines } if skipped_lines > body.len())
            );
            assert_eq!(read(&commented), Err(error));
        }
    }
}
