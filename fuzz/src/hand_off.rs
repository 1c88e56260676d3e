//! Whatever another replica sends for a hand-off, reading it ends.

use loadline::peer::read_any;

pub(super) fn check(stream: &[u8]) {
    if let Ok(parts) = read_any(stream) {
        // Each part has a head of eight bytes and is not empty.
        assert!(parts * 9 <= stream.len());
    }
}
