//! What holds of whatever a peer answers.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Fault, exchange};
use crate::kubelet::Buffers;

/// A peer that ignores what it is told, hands out its answer piece by piece, and ends.
pub(super) struct Peer(VecDeque<Vec<u8>>);

/// Status, body and whether the stream may be used again.
pub(super) type Answer = (u16, Vec<u8>, bool);

/// The longest input: below every bound on a line or a head, for those are looked at only between
/// two reads and so may fall differently when the pieces do.
const LONGEST: usize = 4 << 10;

/// The largest body of the answers that are made up here.
const LARGEST: usize = 256;

impl Peer {
    /// A peer with this answer in pieces of `size` bytes.
    pub(super) fn new(answer: &[u8], size: usize) -> Self {
        Self(answer.chunks(size.max(1)).map(<[u8]>::to_vec).collect())
    }

    /// What [`exchange`] makes of the answer.
    pub(super) fn answer(mut self, max_body: usize) -> Result<Answer, Fault> {
        let buffers = Buffers::keeping(0);
        let mut buffer = buffers.lend();
        buffer.taken().extend_from_slice(b"left from before");
        let exchanged = exchange(&mut self, b"GET", &mut buffer, max_body).now_or_never();
        let response = exchanged.unwrap_or(Err(Fault::Malformed("the exchange never ends")))?;
        let body = buffer
            .taken()
            .get(response.body)
            .unwrap_or_default()
            .to_vec();
        Ok((response.status, body, response.reusable))
    }
}

/// However an answer is cut into pieces it means the same, and its body keeps within its bound; a
/// body comes out of any framing as it went in.
///
/// The first byte says how the answer is cut, the second how long its body may be.
///
/// # Panics
/// When that does not hold.
#[cfg_attr(
    not(fuzzing),
    expect(unreachable_pub, reason = "a fuzz target reaches it")
)]
pub fn check_http1(data: &[u8]) {
    let [size, limit, input @ ..] = data else {
        return;
    };
    let input = input.get(..LONGEST).unwrap_or(input);
    let (size, limit) = (usize::from(*size) + 1, usize::from(*limit) * 4);
    let whole = Peer::new(input, LONGEST).answer(limit);
    let pieces = Peer::new(input, size).answer(limit);
    match (whole, pieces) {
        (Ok(whole), Ok(pieces)) => {
            assert_eq!(whole.0, pieces.0, "the status");
            assert!(whole.1.len() <= limit && pieces.1.len() <= limit);
            // Of an error page the begin will do, and how much of it came is chance.
            let cut = whole.0 != 200 && whole.1.starts_with(&pieces.1);
            assert!(cut || whole.1 == pieces.1, "{whole:?} or {pieces:?}");
            // What follows an answer is seen only when it comes with it.
            assert!(pieces.2 || !whole.2 || cut);
        }
        (whole, pieces) => assert_eq!(format!("{whole:?}"), format!("{pieces:?}")),
    }
    framed(input, size);
}

/// Sends `body` in chunks of several sizes, with its length, and until the end.
fn framed(body: &[u8], size: usize) {
    let body = body.get(..LARGEST).unwrap_or(body);
    let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for (at, chunk) in body.chunks(size).enumerate() {
        let extension = if at % 2 == 0 { "" } else { " ;name=value" };
        chunked.extend(format!("{:x}{extension}\r\n", chunk.len()).bytes());
        chunked.extend(chunk);
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\nTrailer: x\r\n\r\n");
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    let with_length = [head.as_bytes(), body].concat();
    let until_end = [b"HTTP/1.1 200 OK\r\n\r\n", body].concat();
    for (answer, reusable) in [(chunked, true), (with_length, true), (until_end, false)] {
        for size in [size, LONGEST] {
            let read = Peer::new(&answer, size).answer(body.len());
            assert!(
                matches!(&read, Ok(read) if *read == (200, body.to_vec(), reusable)),
                "{read:?}"
            );
        }
    }
}

impl AsyncRead for Peer {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(mut piece) = self.0.pop_front() {
            let rest = piece.split_off(piece.len().min(buf.remaining()));
            buf.put_slice(&piece);
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peer {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, b: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(b.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
