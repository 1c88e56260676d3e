//! A connection that is read in large steps.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connection that TLS reads from. TLS asks for 4 KiB at a time, which an answer of a hundred
/// containers has fifteen times; this asks the kernel for more, and keeps what TLS did not ask for.
/// There is no buffer while there is nothing to read.
#[derive(Debug)]
pub(super) struct LargeReads {
    tcp: TcpStream,
    buffer: Vec<u8>,
    /// What of it was read and not asked for yet.
    ahead: Range<usize>,
}

/// The most that is read at once: two TLS records.
const AT_ONCE: usize = 32 << 10;

impl LargeReads {
    pub(super) const fn new(tcp: TcpStream) -> Self {
        Self {
            tcp,
            buffer: Vec::new(),
            ahead: 0..0,
        }
    }

    /// Reads until something is ahead, or the end is reached.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            ready!(self.tcp.poll_read_ready(cx))?;
            self.buffer.resize(AT_ONCE, 0);
            let mut room = ReadBuf::new(&mut self.buffer);
            ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut room))?;
            self.ahead = 0..room.filled().len();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for LargeReads {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        wanted: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = self.poll_ahead(cx);
        if polled.is_pending() {
            self.buffer = Vec::new();
        }
        ready!(polled)?;
        let ahead = self.buffer.get(self.ahead.clone()).unwrap_or_default();
        let taken = ahead.len().min(wanted.remaining());
        wanted.put_slice(ahead.get(..taken).unwrap_or_default());
        self.ahead.start += taken;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for LargeReads {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_is_read_ahead_is_given_in_order_and_an_idle_connection_has_no_buffer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (mut peer, _) = listener.accept().await.unwrap();
        let mut ours = LargeReads::new(tcp);
        let said: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        let (sent, read) = tokio::join!(peer.write_all(&said), async {
            let mut read = vec![0; said.len()];
            for part in read.chunks_mut(4096) {
                ours.read_exact(part).await.unwrap();
            }
            read
        });
        sent.unwrap();
        assert_eq!(read, said);

        let mut byte = [0];
        let idle = polled(&mut ours, &mut byte);
        assert!(idle.is_pending());
        assert_eq!(ours.buffer.capacity(), 0);
        peer.write_all(b"x").await.unwrap();
        ours.read_exact(&mut byte).await.unwrap();
        assert_eq!(&byte, b"x");
        drop(peer);
        assert_eq!(ours.read(&mut byte).await.unwrap(), 0);
    }

    fn polled(stream: &mut LargeReads, byte: &mut [u8]) -> Poll<io::Result<()>> {
        let mut nobody = Context::from_waker(std::task::Waker::noop());
        Pin::new(stream).poll_read(&mut nobody, &mut ReadBuf::new(byte))
    }
}
