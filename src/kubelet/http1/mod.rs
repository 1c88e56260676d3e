//! One HTTP/1.1 GET over an open stream, with every length bounded.
//!
//! A library client keeps 65 to 330 kB per idle connection; with thousands of nodes that is the
//! larger part of all memory. Here the one buffer belongs to the caller and is shared by all
//! connections.

mod chunked;
#[cfg(any(test, fuzzing))]
mod property;
#[cfg(test)]
mod tests;

use std::io;
use std::ops::Range;

use memchr::memchr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::buffers::Buffer;
use chunked::{Chunked, Progress};

#[cfg(fuzzing)]
pub use property::check_http1;

/// A complete answer. Its body stands in the caller's buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    /// The status code.
    pub status: u16,
    /// Where in the buffer the body stands; of an answer that is not 200, perhaps only its begin.
    pub body: Range<usize>,
    /// Another request may follow on this stream.
    pub reusable: bool,
}

/// Why there is no complete answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// The stream ended or broke; `answered` when a byte of the answer had come.
    Broken {
        /// A byte of the answer had come.
        answered: bool,
        /// How.
        source: io::Error,
    },
    /// The body is larger than allowed.
    TooLarge,
    /// It is not the HTTP we speak.
    Malformed(&'static str),
}

/// The most bytes of a head, several interim ones included.
const MAX_HEAD: usize = 16 << 10;

/// The most header fields of a head.
const MAX_HEADERS: usize = 64;

/// How much is read of the body of an answer that is not 200.
const MAX_ERROR_BODY: usize = 4 << 10;

/// How much room a read gets.
const READ: usize = 16 << 10;

/// What a request goes out on, and its answer comes in from.
pub(super) trait Wire {
    /// Sends the whole of it.
    async fn send(&mut self, request: &[u8]) -> io::Result<()>;

    /// Waits until something may have come; may end before.
    async fn ready(&self) -> io::Result<()> {
        Ok(())
    }

    /// Appends what comes next to `buffer`; tells how much, which is 0 at the end.
    async fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize>;
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire for S {
    async fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.write_all(request).await?;
        self.flush().await
    }

    async fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        if buffer.capacity() - buffer.len() < READ {
            buffer.reserve(READ);
        }
        self.read_buf(buffer).await
    }
}

/// Writes `request` and reads its answer into `buffer`, which is emptied first.
///
/// Waits as long as the peer does: the caller sets the deadline. Informational answers (1xx) are
/// passed over.
pub(super) async fn exchange<S>(
    stream: &mut S,
    request: &[u8],
    buffer: &mut Buffer<'_>,
    max_body: usize,
) -> Result<Response, Fault>
where
    S: Wire,
{
    let unanswered = |source| Fault::Broken {
        answered: false,
        source,
    };
    stream.send(request).await.map_err(unanswered)?;
    stream.ready().await.map_err(unanswered)?;
    let buffer = buffer.taken();
    buffer.clear();
    let mut start = 0;
    let (head, start) = loop {
        let end = read_head(stream, buffer, start).await?;
        let head = Head::parse(buffer.get(start..end).unwrap_or_default())?;
        match head.status {
            101 => return Err(Fault::Malformed("unasked switch of protocols")),
            100..=199 => start = end,
            _ => break (head, end),
        }
    };
    let limit = if head.status == 200 {
        max_body
    } else {
        max_body.min(MAX_ERROR_BODY)
    };
    let mut body = Body {
        start,
        end: start,
        limit,
    };
    let complete = match head.framing() {
        Framing::Chunked => body.read_chunks(stream, buffer).await,
        Framing::Length(length) => body.read_length(stream, buffer, length).await,
        Framing::UntilClose => body.read_to_end(stream, buffer).await,
    };
    let reusable = match complete {
        Ok(()) => head.keep_alive && buffer.len() == body.end,
        // The begin of an error page will do; the rest of it is not worth a connection.
        Err(Fault::TooLarge) if head.status != 200 => false,
        Err(fault) => return Err(fault),
    };
    if head.encoded {
        return Err(Fault::Malformed("a content encoding nobody asked for"));
    }
    Ok(Response {
        status: head.status,
        body: body.start..body.end,
        reusable,
    })
}

/// Reads until a head that begins at `start` is complete; returns its end.
async fn read_head<S>(stream: &mut S, buffer: &mut Vec<u8>, start: usize) -> Result<usize, Fault>
where
    S: Wire,
{
    let mut looked_at = start;
    loop {
        if let Some(end) = head_end(buffer, looked_at) {
            return Ok(end);
        }
        if buffer.len() > MAX_HEAD {
            return Err(Fault::Malformed("the head is too long"));
        }
        // The empty line may have begun in the last three bytes.
        looked_at = buffer.len().saturating_sub(3).max(start);
        read_some(stream, buffer).await?;
    }
}

/// Where the empty line after a head ends, looked for from `from` on.
fn head_end(buffer: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += memchr(b'\n', buffer.get(at..)?)? + 1;
        match buffer.get(at..)? {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
}

/// Reads at least one byte more.
async fn read_some<S>(stream: &mut S, buffer: &mut Vec<u8>) -> Result<(), Fault>
where
    S: Wire,
{
    let answered = !buffer.is_empty();
    match stream.receive(buffer).await {
        Ok(0) => Err(Fault::Broken {
            answered,
            source: io::ErrorKind::UnexpectedEof.into(),
        }),
        Ok(_) => Ok(()),
        Err(source) => Err(Fault::Broken { answered, source }),
    }
}

/// What of a head decides how to go on.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    length: Option<u64>,
    chunked: bool,
    keep_alive: bool,
    encoded: bool,
}

enum Framing {
    Chunked,
    Length(u64),
    UntilClose,
}

impl Head {
    fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        match response.parse(bytes) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return Err(Fault::Malformed("half a head")),
            Err(httparse::Error::TooManyHeaders) => {
                return Err(Fault::Malformed("too many headers"));
            }
            Err(_) => return Err(Fault::Malformed("not an HTTP/1 answer")),
        }
        let mut head = Self {
            status: response.code.unwrap_or_default(),
            length: None,
            chunked: false,
            keep_alive: response.version == Some(1),
            encoded: false,
        };
        for header in response.headers.iter() {
            head.field(header.name, header.value)?;
        }
        // RFC 9112, 6.1: the framing is that of the chunks, and the stream is not to be trusted
        // further.
        let ambiguous = head.chunked && head.length.is_some();
        head.keep_alive &= !ambiguous && !matches!(head.framing(), Framing::UntilClose);
        Ok(head)
    }

    fn field(&mut self, name: &str, value: &[u8]) -> Result<(), Fault> {
        let value = value.trim_ascii();
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("content-length") {
            let length = std::str::from_utf8(value)
                .ok()
                .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|text| text.parse().ok())
                .ok_or(Fault::Malformed("unreadable content length"))?;
            if self
                .length
                .replace(length)
                .is_some_and(|before| before != length)
            {
                return Err(Fault::Malformed("two content lengths"));
            }
        } else if is("transfer-encoding") {
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Fault::Malformed("unknown transfer encoding"));
            }
            self.chunked = true;
        } else if is("content-encoding") {
            self.encoded = !value.eq_ignore_ascii_case(b"identity");
        } else if is("connection") {
            for option in value.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
                if option.eq_ignore_ascii_case(b"close") {
                    self.keep_alive = false;
                }
            }
        }
        Ok(())
    }

    const fn framing(&self) -> Framing {
        match (self.status, self.chunked, self.length) {
            (204 | 304, _, _) => Framing::Length(0),
            (_, true, _) => Framing::Chunked,
            (_, false, Some(length)) => Framing::Length(length),
            (_, false, None) => Framing::UntilClose,
        }
    }
}

/// Where the body stands in the buffer, and how long it may be.
struct Body {
    start: usize,
    end: usize,
    limit: usize,
}

impl Body {
    async fn read_length<S>(
        &mut self,
        stream: &mut S,
        buffer: &mut Vec<u8>,
        length: u64,
    ) -> Result<(), Fault>
    where
        S: Wire,
    {
        let length = usize::try_from(length).ok().filter(|l| *l <= self.limit);
        let Some(length) = length else {
            self.end = buffer.len().min(self.start + self.limit);
            return Err(Fault::TooLarge);
        };
        let end = self.start + length;
        while buffer.len() < end {
            read_some(stream, buffer).await?;
        }
        self.end = end;
        Ok(())
    }

    async fn read_chunks<S>(&mut self, stream: &mut S, buffer: &mut Vec<u8>) -> Result<(), Fault>
    where
        S: Wire,
    {
        let mut chunks = Chunked::new(self.start, self.limit);
        loop {
            let progress = chunks.decode(buffer);
            self.end = chunks.end();
            match progress? {
                Progress::Complete => return Ok(()),
                Progress::NeedsMore => read_some(stream, buffer).await?,
            }
        }
    }

    async fn read_to_end<S>(&mut self, stream: &mut S, buffer: &mut Vec<u8>) -> Result<(), Fault>
    where
        S: Wire,
    {
        loop {
            self.end = buffer.len().min(self.start + self.limit);
            if buffer.len() > self.end {
                return Err(Fault::TooLarge);
            }
            match read_some(stream, buffer).await {
                Ok(()) => {}
                // Only an end that TLS vouches for (or a plain one) comes as no error of the stream
                // itself.
                Err(Fault::Broken { source, .. })
                    if source.kind() == io::ErrorKind::UnexpectedEof
                        && source.get_ref().is_none() =>
                {
                    return Ok(());
                }
                Err(fault) => return Err(fault),
            }
        }
    }
}
