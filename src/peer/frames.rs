//! The stream a hand-off is: a head with a version, parts with checksums, and an end that says how
//! many parts there were.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `LLPR` |
//! | 1 | the version: 1 |
//! | 1 | what follows: 1 points, 2 the ring |
//! | 4 | a part's length, the lowest byte first; 0 for the end |
//! | 4 | the part's CRC-32; at the end the number of parts |
//! | … | the part; then the next one |

use bytes::{Buf, BytesMut};

use super::live_format;
use crate::history::{FormatError, RingReader};

/// What a stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// The points of each node.
    Points = 1,
    /// The ring.
    Ring = 2,
}

/// Takes a stream apart.
#[derive(Debug)]
pub(super) struct Frames {
    content: Content,
    waiting: BytesMut,
    begun: bool,
    count: u32,
    ended: bool,
}

const MAGIC: [u8; 4] = *b"LLPR";
/// Changes with everything that is written differently: another version is not read.
const VERSION: u8 = 1;
/// Longer than any part we write: what one entity has is not divided.
const LONGEST: usize = 8 << 20;
const HEAD: usize = 8;

/// Begins a stream.
pub(super) fn begin(out: &mut Vec<u8>, content: Content) {
    out.extend_from_slice(&MAGIC);
    out.push(VERSION);
    out.push(content as u8);
}

/// Appends a part, which is not empty; one too long to be read is left out. Tells whether it was
/// appended.
pub(super) fn write(out: &mut Vec<u8>, part: &[u8]) -> bool {
    let Some(length) = u32::try_from(part.len())
        .ok()
        .filter(|_| (1..=LONGEST).contains(&part.len()))
    else {
        return false;
    };
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&checksum(part).to_le_bytes());
    out.extend_from_slice(part);
    true
}

/// Ends a stream of so many parts.
pub(super) fn end(out: &mut Vec<u8>, count: u32) {
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&count.to_le_bytes());
}

fn checksum(part: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(part);
    crc.sum()
}

impl Frames {
    pub(super) fn new(content: Content) -> Self {
        Self {
            content,
            waiting: BytesMut::new(),
            begun: false,
            count: 0,
            ended: false,
        }
    }

    /// Adds bytes as they come.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    /// The next part; `None` when more bytes are needed, or it has ended.
    pub(super) fn next(&mut self) -> Result<Option<BytesMut>, FormatError> {
        if self.ended {
            let more = !self.waiting.is_empty();
            return if more {
                Err(FormatError::Malformed)
            } else {
                Ok(None)
            };
        }
        if !self.begun && !self.begin()? {
            return Ok(None);
        }
        let Some(head) = self.waiting.first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let [a, b, c, d, rest @ ..] = *head;
        let (length, sum) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes(rest));
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length == 0 {
            self.waiting.advance(HEAD);
            self.ended = true;
            let all = sum == self.count;
            return if all {
                self.next()
            } else {
                Err(FormatError::CutShort)
            };
        }
        if length > LONGEST {
            return Err(FormatError::TooLong);
        }
        if self.waiting.len() < HEAD + length {
            return Ok(None);
        }
        self.waiting.advance(HEAD);
        let part = self.waiting.split_to(length);
        if checksum(&part) != sum {
            return Err(FormatError::Checksum);
        }
        self.count = self.count.wrapping_add(1);
        Ok(Some(part))
    }

    /// Nothing more will come.
    pub(super) const fn finish(&self) -> Result<(), FormatError> {
        if self.ended {
            Ok(())
        } else {
            Err(FormatError::CutShort)
        }
    }

    fn begin(&mut self) -> Result<bool, FormatError> {
        let Some([magic @ .., version, content]) = self.waiting.first_chunk::<6>() else {
            return Ok(false);
        };
        if *magic != MAGIC {
            return Err(FormatError::Stranger);
        }
        if *version != VERSION {
            return Err(FormatError::Version(*version));
        }
        if *content != self.content as u8 {
            return Err(FormatError::Stranger);
        }
        self.waiting.advance(6);
        self.begun = true;
        Ok(true)
    }
}

/// Reads a whole stream of either content to its end, and says how many parts it had.
///
/// # Errors
/// [`FormatError`].
pub fn read_any(bytes: &[u8]) -> Result<usize, FormatError> {
    let content = match bytes.get(5) {
        Some(2) => Content::Ring,
        _ => Content::Points,
    };
    let mut frames = Frames::new(content);
    let mut ring = RingReader::default();
    let mut parts = 0;
    // As it comes from a connection: in pieces of any size.
    for piece in bytes.chunks(7) {
        frames.push(piece);
        while let Some(part) = frames.next()? {
            match content {
                Content::Points => drop(live_format::read(&part)?),
                Content::Ring => drop(ring.read(&part)?),
            }
            parts += 1;
        }
    }
    frames.finish()?;
    Ok(parts)
}
