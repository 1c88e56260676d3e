//! Whatever lies in a segment of the history on disk, reading it ends.

use loadline::archive::read_any;

pub(super) fn check(segment: &[u8]) {
    if read_any(segment).is_ok() {
        // One byte less, or one more, is none.
        let shorter = segment.split_last().map_or(segment, |(_, rest)| rest);
        assert!(read_any(shorter).is_err());
        assert!(read_any(&[segment, b"x"].concat()).is_err());
    }
}
