//! What the HTTP library answers by itself over HTTP/1, in the words of Go's server.
//!
//! A head the library cannot read never becomes a request, so no filter sees it: the library writes
//! an empty refusal and ends the connection. Here that refusal is recognised when it is written, by
//! its bytes, and Go's is written in its place. What a client sends is passed on untouched.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection whose refusals are Go's.
pub(super) struct InGosWords<S> {
    stream: S,
    /// What the client says at the moment; `None` over HTTP/2, where nothing is exchanged.
    line: Option<LineEnd>,
    /// What is written in place of the library's words, before anything else.
    instead: Bytes,
}

/// The last bytes of the first line since something was written: of a request's line, on a
/// connection where requests follow answers.
#[derive(Default)]
struct LineEnd {
    bytes: Vec<u8>,
    complete: bool,
}

/// The status lines of the library's refusals.
const REFUSALS: [&str; 3] = [
    "400 Bad Request",
    "414 URI Too Long",
    "431 Request Header Fields Too Large",
];
/// What follows such a line, up to the date.
const HEADERS: &str = "connection: close\r\ncontent-length: 0\r\ndate: ";
/// The length of a date with the empty line behind it.
const DATE: usize = "Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n".len();
/// What Go says where the version is not one of its own.
const VERSION: &str = "505 HTTP Version Not Supported: unsupported protocol version";
/// As much of a line's end as a version is long, with a blank before and a carriage return behind.
const KEPT: usize = " HTTP/1.1\r".len();

impl<S> InGosWords<S> {
    pub(super) fn new(stream: S, http1: bool) -> Self {
        Self {
            stream,
            line: http1.then(LineEnd::default),
            instead: Bytes::new(),
        }
    }

    /// Where in these bytes a refusal of the library begins, and what is said in its place.
    fn refusal(&self, written: &[u8]) -> Option<(usize, Bytes)> {
        let line = self.line.as_ref()?;
        // All else that is written is told from them at once.
        if !written.ends_with(b"\r\n\r\n") {
            return None;
        }
        REFUSALS.iter().find_map(|status| {
            let own = format!("HTTP/1.1 {status}\r\n{HEADERS}");
            let start = written.len().checked_sub(own.len() + DATE)?;
            let last = written.get(start..)?;
            if !last.starts_with(own.as_bytes()) {
                return None;
            }
            let status = if line.of_another_version() {
                VERSION
            } else {
                status
            };
            let said = format!(
                "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n\
                 Connection: close\r\n\r\n{status}"
            );
            Some((start, Bytes::from(said)))
        })
    }
}

impl<S: AsyncWrite + Unpin> InGosWords<S> {
    /// Writes what is to be said instead.
    fn poll_instead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.instead.has_remaining() {
            let count = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.instead))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.instead.advance(count);
        }
        Poll::Ready(Ok(()))
    }
}

impl LineEnd {
    fn hear(&mut self, mut heard: &[u8]) {
        if self.complete {
            return;
        }
        if let Some(end) = memchr::memchr(b'\n', heard) {
            heard = heard.get(..end).unwrap_or_default();
            self.complete = true;
        }
        self.bytes.extend_from_slice(
            heard
                .get(heard.len().saturating_sub(KEPT)..)
                .unwrap_or(heard),
        );
        let old = self.bytes.len().saturating_sub(KEPT);
        self.bytes.drain(..old);
    }

    fn forget(&mut self) {
        self.bytes.clear();
        self.complete = false;
    }

    /// Whether the line ends with a version that can be read and is not served.
    fn of_another_version(&self) -> bool {
        let line = self.bytes.strip_suffix(b"\r").unwrap_or(&self.bytes);
        let at = line.len().saturating_sub(b" HTTP/1.1".len());
        let version = line.get(at..).and_then(|end| end.strip_prefix(b" HTTP/"));
        let Some(&[major, b'.', minor]) = version else {
            return false;
        };
        let served = major == b'1' && matches!(minor, b'0' | b'1');
        self.complete && major.is_ascii_digit() && minor.is_ascii_digit() && !served
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for InGosWords<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if let Some(line) = &mut self.line {
            line.hear(buf.filled().get(before..).unwrap_or_default());
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for InGosWords<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_instead(cx))?;
        let passed = match self.refusal(buf) {
            // It is written when the library flushes, which it does before it ends the connection.
            Some((0, instead)) => {
                self.instead = instead;
                return Poll::Ready(Ok(buf.len()));
            }
            Some((start, _)) => buf.get(..start).unwrap_or(buf),
            None => buf,
        };
        if let Some(line) = &mut self.line {
            line.forget();
        }
        Pin::new(&mut self.stream).poll_write(cx, passed)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// A refusal has no body, so it comes in one slice, the last that holds anything.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut some = bufs.iter().filter(|slice| !slice.is_empty());
        let last = some.next_back();
        if let Some(last) = last
            && self.refusal(last).is_some()
        {
            let first = some.next().unwrap_or(last);
            return self.poll_write(cx, first);
        }
        ready!(self.poll_instead(cx))?;
        if let Some(line) = &mut self.line {
            line.forget();
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_is_not_served_is_told_from_a_line_that_is_none() {
        for (heard, other) in [
            (vec!["GET / HTTP/2.0\r\n"], true),
            (vec!["GET / HTTP/1.2\nHost: a\r\n"], true),
            (vec!["GET /", "x HT", "TP/0.9", "\r", "\nmore"], true),
            (vec!["GET / HTTP/2.0\r"], false),
            (vec!["GET / HTTP/1.1\r\n HTTP/2.0\r\n"], false),
            (vec!["GET / HTTP/1.0\r\n"], false),
            (vec!["GET / HTTP/11.1\r\n"], false),
            (vec!["GET / http/2.0\r\n"], false),
            (vec!["nonsense\r\n"], false),
            (vec!["\n"], false),
        ] {
            let mut line = LineEnd::default();
            for bytes in &heard {
                line.hear(bytes.as_bytes());
            }
            assert_eq!(line.of_another_version(), other, "{heard:?}");
            assert!(line.bytes.len() <= KEPT);
        }
    }

    #[tokio::test]
    async fn only_an_answer_that_is_all_the_librarys_own_is_exchanged() {
        let own = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\
                   date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n";
        let other = own.replace("content-length: 0", "content-length: 1");
        for (http1, written, seen) in [
            (true, vec![own.to_owned()], "400 Bad Request"),
            (true, vec![format!("before{own}")], "400 Bad Request"),
            (
                true,
                vec!["before".to_owned(), own.to_owned()],
                "400 Bad Request",
            ),
            (true, vec![format!("{own}x")], "GMT\r\n\r\nx"),
            (true, vec![other], "GMT\r\n\r\n"),
            (false, vec![own.to_owned()], "GMT\r\n\r\n"),
        ] {
            use tokio::io::AsyncWriteExt;
            let mut stream = InGosWords::new(Vec::new(), http1);
            for piece in &written {
                stream.write_all(piece.as_bytes()).await.unwrap();
            }
            stream.flush().await.unwrap();
            let told = String::from_utf8(stream.stream).unwrap();
            assert!(told.ends_with(seen), "{told:?}");
            assert_eq!(
                told.starts_with("before"),
                written.concat().starts_with("before")
            );
        }
    }
}
