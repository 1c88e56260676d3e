//! Cuts a body that arrives in pieces into the frames of Kubernetes' streams of protobuf: four bytes
//! of length, the highest first, before each.

use bytes::{Buf, Bytes, BytesMut};

use super::lines::TooLong;

/// Collects pieces and gives back whole frames, without their length; empty ones are dropped.
#[derive(Debug)]
pub(super) struct Frames {
    buffer: BytesMut,
    longest: usize,
}

impl Frames {
    /// Refuses a frame of more than `longest` bytes before it is there.
    pub(super) fn new(longest: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            longest,
        }
    }

    /// Adds the next piece. Call only after [`Self::next`] gave `None`.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The next whole frame; `None` when more pieces are needed.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, TooLong> {
        loop {
            let Some((len, rest)) = self.buffer.split_first_chunk::<4>() else {
                return Ok(None);
            };
            let len = usize::try_from(u32::from_be_bytes(*len)).map_err(|_| TooLong)?;
            if len > self.longest {
                return Err(TooLong);
            }
            if rest.len() < len {
                return Ok(None);
            }
            self.buffer.advance(4);
            let frame = self.buffer.split_to(len).freeze();
            if !frame.is_empty() {
                return Ok(Some(frame));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(pieces: &[&[u8]]) -> Vec<Bytes> {
        let (mut frames, mut out) = (Frames::new(300), Vec::new());
        for piece in pieces {
            frames.push(piece);
            while let Some(frame) = frames.next().unwrap() {
                out.push(frame);
            }
        }
        out
    }

    #[test]
    fn a_frame_may_come_in_pieces_and_a_piece_may_hold_frames() {
        let pieces: [&[u8]; 4] = [
            b"\0\0",
            b"\0\x03one\0\0\0\x03tw",
            b"o\0\0\0\0\0\0\0\x01",
            b"3\0",
        ];
        assert_eq!(cut(&pieces), ["one", "two", "3"]);
    }

    #[test]
    fn a_frame_that_is_too_long_is_refused_by_its_length() {
        let mut frames = Frames::new(3);
        frames.push(b"\0\0\0\x03abc\0\0\0\x04");
        assert_eq!(frames.next(), Ok(Some("abc".into())));
        assert_eq!(frames.next(), Err(TooLong));
    }

    proptest! {
        #[test]
        fn the_frames_do_not_depend_on_the_cuts(
            frames in prop::collection::vec("[a-z]{1,300}", 0..9),
            size in 1_usize..400,
        ) {
            let mut bytes = Vec::new();
            for frame in &frames {
                bytes.extend(u32::try_from(frame.len()).unwrap().to_be_bytes());
                bytes.extend(frame.as_bytes());
            }
            let pieces: Vec<_> = bytes.chunks(size).collect();
            prop_assert_eq!(cut(&pieces), frames);
        }
    }
}
