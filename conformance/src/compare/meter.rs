//! A TCP relay that counts how much a server reads from the API server.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// How much is passed on at once.
const CHUNK: usize = 64 << 10;

/// Relays connections to one address until it is dropped.
#[derive(Debug)]
pub(super) struct Meter {
    address: SocketAddr,
    received: Arc<AtomicU64>,
    _relay: AbortOnDropHandle<()>,
}

impl Meter {
    /// Listens on a free port and relays to `target`.
    pub(super) async fn to(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let received = Arc::<AtomicU64>::default();
        let counting = Arc::clone(&received);
        let relay = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let received = Arc::clone(&counting);
                tokio::spawn(async move {
                    // A broken connection is for both ends to notice.
                    let _ = relay(near, target, &received).await;
                });
            }
        });
        Ok(Self {
            address,
            received,
            _relay: AbortOnDropHandle::new(relay),
        })
    }

    /// Where to connect instead of the target.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Bytes that came from the target so far.
    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

async fn relay(near: TcpStream, target: SocketAddr, received: &AtomicU64) -> Result<()> {
    let far = TcpStream::connect(target).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    tokio::try_join!(
        pass(far_read, near_write, Some(received)),
        pass(near_read, far_write, None),
    )?;
    Ok(())
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    count: Option<&AtomicU64>,
) -> Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = from.read(&mut buffer).await?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            to.shutdown().await?;
            return Ok(());
        };
        if let Some(count) = count {
            count.fetch_add(u64::try_from(read)?, Ordering::Relaxed);
        }
        to.write_all(bytes).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_comes_back_is_counted() {
        let echo = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let meter = Meter::to(echo.local_addr().unwrap()).await.unwrap();
        let mut near = TcpStream::connect(meter.address()).await.unwrap();
        let (mut far, _) = echo.accept().await.unwrap();
        near.write_all(b"question").await.unwrap();
        let mut asked = [0; 8];
        far.read_exact(&mut asked).await.unwrap();
        far.write_all(b"answer").await.unwrap();
        drop(far);
        let mut answer = Vec::new();
        near.read_to_end(&mut answer).await.unwrap();
        assert_eq!(
            (&asked[..], &answer[..]),
            (&b"question"[..], &b"answer"[..])
        );
        assert_eq!(meter.received(), 6);
    }
}
