//! Pieces as UDP datagrams.

use std::time::Duration;

use tokio::net::{UdpSocket, lookup_host};
use tokio::time::{Instant, sleep};

use super::chunks::{Chunks, Progress, Verdict};
use super::export::ExportError;

/// A socket towards one address, whose name is looked up again after a failure.
#[derive(Debug)]
pub(super) struct Datagrams {
    authority: String,
    socket: Option<UdpSocket>,
}

/// After so many datagrams the receiver gets time to read them. What Linux keeps for it by default
/// is full with ten times as many, and the rest is lost without a word.
const TURN: usize = 16;
const PAUSE: Duration = Duration::from_millis(2);
/// A batch that takes longer is sent without pauses from then on, to be through before it is given
/// up: after 80 000 datagrams.
const PACED: Duration = Duration::from_secs(10);

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
            None => self.connect().await.map_err(|error| self.lost(error))?,
        };
        let begun = Instant::now();
        for chunk in chunks {
            if progress.is_done(chunk.at) {
                continue;
            }
            let sent = socket.send(&chunk.body).await;
            sent.map_err(|error| self.lost(error))?;
            progress.note(chunk.at, chunk.points, Verdict::Accepted);
            if chunk.at % TURN == TURN - 1 {
                let paced = begun.elapsed() < PACED;
                sleep(if paced { PAUSE } else { Duration::ZERO }).await;
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

    fn lost(&self, error: std::io::Error) -> ExportError {
        ExportError::unreachable(&self.authority, error)
    }
}

#[cfg(test)]
mod tests {
    use super::super::chunks::Frame;
    use super::super::column::Column;
    use super::super::filter::Filter;
    use super::super::graphite::Paths;
    use super::*;
    use crate::sinks::tests::{Plain, batch, pod};

    #[tokio::test(start_paused = true)]
    async fn a_receiver_gets_time_to_read_what_is_sent() {
        let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = receiver.local_addr().unwrap();
        let sets = (0..60).map(|n| pod("a", &format!("p{n}"), &[]));
        let batch = batch(60, sets.collect());
        let filter = Filter::default();
        let paths = Paths::new("x");
        let column = Column::new(&batch, &Plain, &filter);
        let chunks = Chunks::new(column, &paths, Frame::lines(1, 1));
        let begun = Instant::now();
        let mut progress = Progress::default();
        let mut datagrams = Datagrams::new(address.to_string());
        datagrams.send(chunks, &mut progress).await.unwrap();
        // 60 pods of four points.
        assert_eq!(progress.sent, 240);
        assert!(begun.elapsed() >= PAUSE * 15, "{:?}", begun.elapsed());
    }
}
