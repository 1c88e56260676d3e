//! Pieces as UDP datagrams.

use tokio::net::{UdpSocket, lookup_host};

use super::chunks::{Chunks, Progress, Verdict};
use super::export::ExportError;

/// A socket towards one address, whose name is looked up again after a failure.
#[derive(Debug)]
pub(super) struct Datagrams {
    authority: String,
    socket: Option<UdpSocket>,
}

/// After so many datagrams others get a turn, the receiver among them.
const TURN: usize = 64;

impl Datagrams {
    pub(super) const fn new(authority: String) -> Self {
        Self {
            authority,
            socket: None,
        }
    }

    /// Sends what is not done yet, each piece as one datagram. An error is all a receiver can say;
    /// without one nobody knows whether it is there.
    pub(super) async fn send(
        &mut self,
        chunks: Chunks<'_>,
        progress: &mut Progress,
    ) -> Result<(), ExportError> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => self.connect().await.map_err(lost)?,
        };
        for chunk in chunks {
            if progress.is_done(chunk.at) {
                continue;
            }
            socket.send(&chunk.body).await.map_err(lost)?;
            progress.note(chunk.at, chunk.points, Verdict::Accepted);
            if chunk.at % TURN == TURN - 1 {
                tokio::task::yield_now().await;
            }
        }
        self.socket = Some(socket);
        Ok(())
    }

    async fn connect(&self) -> std::io::Result<UdpSocket> {
        let mut addresses = lookup_host(&self.authority).await?;
        let missing = || std::io::Error::other("the host has no address");
        let address = addresses.next().ok_or_else(missing)?;
        let any = if address.is_ipv4() {
            "0.0.0.0:0"
        } else {
            "[::]:0"
        };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(address).await?;
        Ok(socket)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "stands in `map_err`")]
fn lost(error: std::io::Error) -> ExportError {
    ExportError::Unreachable(error.to_string())
}
