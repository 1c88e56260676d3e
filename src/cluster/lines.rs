//! Cuts a body that arrives in pieces into lines.

use bytes::{Bytes, BytesMut};

/// Collects pieces and gives back whole lines, without their newline; empty ones are dropped.
#[derive(Debug)]
pub(super) struct Lines {
    buffer: BytesMut,
    /// How much of the buffer is known to hold no newline.
    scanned: usize,
    longest: usize,
}

/// A line grew beyond the longest allowed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Lines {
    /// Keeps at most `longest` bytes of a line that has not ended yet.
    pub(super) fn new(longest: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            scanned: 0,
            longest,
        }
    }

    /// Adds the next piece. Call only after [`Self::next`] gave `None`.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The next whole line; `None` when more pieces are needed.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, TooLong> {
        loop {
            let unseen = self.buffer.get(self.scanned..).unwrap_or_default();
            let Some(at) = memchr::memchr(b'\n', unseen) else {
                self.scanned = self.buffer.len();
                return if self.scanned > self.longest {
                    Err(TooLong)
                } else {
                    Ok(None)
                };
            };
            let mut line = self.buffer.split_to(self.scanned + at + 1).freeze();
            self.scanned = 0;
            line.truncate(line.len() - 1);
            if !line.is_empty() {
                return Ok(Some(line));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(pieces: &[&[u8]]) -> Vec<Bytes> {
        let (mut lines, mut out) = (Lines::new(100), Vec::new());
        for piece in pieces {
            lines.push(piece);
            while let Some(line) = lines.next().unwrap() {
                out.push(line);
            }
        }
        out
    }

    #[test]
    fn a_line_may_come_in_pieces_and_a_piece_may_hold_lines() {
        assert_eq!(
            cut(&[b"one\ntw", b"", b"o\n\nthree", b"\nrest"]),
            ["one", "two", "three"]
        );
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut lines = Lines::new(3);
        lines.push(b"abc");
        assert_eq!(lines.next(), Ok(None));
        lines.push(b"d");
        assert_eq!(lines.next(), Err(TooLong));
    }

    proptest! {
        #[test]
        fn the_lines_do_not_depend_on_the_cuts(text in "[ab\n]{0,40}", at in 0_usize..40) {
            let at = at.min(text.len());
            let (head, tail) = text.as_bytes().split_at(at);
            prop_assert_eq!(cut(&[head, tail]), cut(&[text.as_bytes()]));
        }
    }
}
