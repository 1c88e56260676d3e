//! The chunked transfer coding (RFC 9112, section 7.1), taken off in place.

use memchr::memchr;

use super::Fault;

/// Takes chunk sizes, extensions and trailers out of a buffer that is read into at its end.
///
/// The buffer is always: head, decoded body, bytes not yet looked at. Those are at most one line or
/// what one read brought, so chunks of one byte cost time (which the caller's deadline bounds) but
/// no memory.
#[derive(Debug)]
pub(super) struct Chunked {
    start: usize,
    end: usize,
    limit: usize,
    state: State,
    trailers: usize,
}

/// Whether the last chunk was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Complete,
    NeedsMore,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    Data(usize),
    DataEnd,
    Trailers,
    Complete,
}

/// The longest line with a chunk size (and extensions) or a trailer, and the most bytes of all
/// trailers.
const MAX_LINE: usize = 4 << 10;

impl Chunked {
    /// A body that begins at `start` of the buffer and may be `limit` bytes long.
    pub(super) const fn new(start: usize, limit: usize) -> Self {
        Self {
            start,
            end: start,
            limit,
            state: State::Size,
            trailers: 0,
        }
    }

    /// Where the decoded body ends, so far.
    pub(super) const fn end(&self) -> usize {
        self.end
    }

    /// Decodes what is in the buffer. Once complete, whatever follows the body in the buffer is not
    /// part of the answer.
    pub(super) fn decode(&mut self, buffer: &mut Vec<u8>) -> Result<Progress, Fault> {
        let mut raw = self.end;
        let result = loop {
            let before = (raw, self.state);
            if let Err(fault) = self.step(buffer, &mut raw) {
                break Err(fault);
            }
            if self.state == State::Complete {
                break Ok(Progress::Complete);
            }
            if before == (raw, self.state) {
                break Ok(Progress::NeedsMore);
            }
        };
        let unread = buffer.len().saturating_sub(raw);
        buffer.copy_within(raw.., self.end);
        buffer.truncate(self.end + unread);
        result
    }

    /// Goes one state further if the bytes for it are there; `raw` is the first byte not yet looked
    /// at.
    fn step(&mut self, buffer: &mut [u8], raw: &mut usize) -> Result<(), Fault> {
        let there = buffer.get(*raw..).unwrap_or_default();
        match self.state {
            State::Size => {
                if let Some((line, length)) = line(there)? {
                    let size = chunk_size(line)?;
                    if size > self.limit - (self.end - self.start) {
                        return Err(Fault::TooLarge);
                    }
                    *raw += length;
                    self.state = match size {
                        0 => State::Trailers,
                        size => State::Data(size),
                    };
                }
            }
            State::Data(left) => {
                let length = left.min(there.len());
                buffer.copy_within(*raw..*raw + length, self.end);
                self.end += length;
                *raw += length;
                self.state = match left - length {
                    0 => State::DataEnd,
                    left => State::Data(left),
                };
            }
            State::DataEnd => match there {
                [] | [b'\r'] => {}
                [b'\r', b'\n', ..] => (*raw, self.state) = (*raw + 2, State::Size),
                [b'\n', ..] => (*raw, self.state) = (*raw + 1, State::Size),
                _ => return Err(Fault::Malformed("a chunk of another size than it says")),
            },
            State::Trailers => {
                if let Some((line, length)) = line(there)? {
                    *raw += length;
                    self.trailers += length;
                    if line.is_empty() {
                        self.state = State::Complete;
                    } else if self.trailers > MAX_LINE {
                        return Err(Fault::Malformed("the trailers are too long"));
                    }
                }
            }
            State::Complete => {}
        }
        Ok(())
    }
}

/// The first line without its end, and its length with it; `None` while it is incomplete.
fn line(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, Fault> {
    let Some(at) = memchr(b'\n', bytes) else {
        return if bytes.len() > MAX_LINE {
            Err(Fault::Malformed("a line among the chunks is too long"))
        } else {
            Ok(None)
        };
    };
    let line = bytes.get(..at).unwrap_or_default();
    Ok(Some((line.strip_suffix(b"\r").unwrap_or(line), at + 1)))
}

fn chunk_size(line: &[u8]) -> Result<usize, Fault> {
    const FAULT: Fault = Fault::Malformed("unreadable chunk size");
    let digits = line.split(|b| *b == b';').next().unwrap_or_default();
    let text = std::str::from_utf8(digits.trim_ascii_end()).map_err(|_| FAULT)?;
    if !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(FAULT);
    }
    usize::from_str_radix(text, 16).map_err(|_| FAULT)
}
