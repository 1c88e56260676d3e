//! A kubelet's answer.

use loadline::domain::Timestamp;
use loadline::kubelet::{DecodeError, Limits, decode_resource};

/// Reading ends, in bounds, and neither a comment at the end nor a blank line in front nor another
/// line end changes what was read. Lines that end otherwise than kubelets end them are read without
/// the shortcut for those.
pub(super) fn check(body: &[u8]) {
    let limits = Limits { max_containers: 64 };
    let asked_at = Timestamp::from_millis(1_795_253_480_000);
    let read = |body| decode_resource(body, asked_at, limits);
    let commented = [b"\n# HELP nothing\n", body, b"\n# end\n"].concat();
    let lines: Vec<_> = body.split(|b| *b == b'\n').collect();
    // What ends with a carriage return already would keep one of two.
    let returned = match body.contains(&b'\r') {
        true => body.to_vec(),
        false => lines.join(&b"\r\n"[..]),
    };
    match read(body) {
        Ok(reading) => {
            assert!(reading.containers.len() <= limits.max_containers);
            assert!(reading.skipped_lines <= body.len());
            assert_eq!(read(&returned).as_ref(), Ok(&reading));
            assert_eq!(read(&commented), Ok(reading));
        }
        Err(error) => {
            assert!(
                !matches!(error, DecodeError::Empty { skipped_lines } if skipped_lines > body.len())
            );
            assert_eq!(read(&returned), Err(error));
            assert_eq!(read(&commented), Err(error));
        }
    }
}
