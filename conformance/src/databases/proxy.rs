//! A way to a server that can be slow.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use super::address;

/// How answers come through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At once.
    Free,
    /// Each piece this much later.
    Late(Duration),
    /// Not before the pace is another.
    Held,
}

/// Hands on what comes in to a server, and its answers at a pace.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    pace: Arc<watch::Sender<Pace>>,
    _task: AbortOnDropHandle<()>,
}

impl Proxy {
    /// Begins to listen.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(server: SocketAddr, pace: Pace) -> Result<Self> {
        Self::at(address()?, server, pace).await
    }

    /// The same here.
    ///
    /// # Errors
    /// When the port was taken.
    pub async fn at(address: SocketAddr, server: SocketAddr, pace: Pace) -> Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let pace = Arc::new(watch::Sender::new(pace));
        let told = Arc::clone(&pace);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let pace = told.subscribe();
                connections.spawn(async move {
                    // A connection that fails ends; whoever uses it minds.
                    let _ = connection(client, server, pace).await;
                });
            }
        });
        Ok(Self {
            address,
            pace,
            _task: AbortOnDropHandle::new(task),
        })
    }

    /// Changes the pace, for answers that are held too.
    pub fn set(&self, pace: Pace) {
        self.pace.send_replace(pace);
    }
}

async fn connection(
    client: TcpStream,
    server: SocketAddr,
    pace: watch::Receiver<Pace>,
) -> Result<()> {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = TcpStream::connect(server).await?.into_split();
    let there = copy(from_client, to_server, None);
    let back = copy(from_server, to_client, Some(pace));
    // Whichever side ends first, the other is of no use any more.
    tokio::select! {
        done = there => done,
        done = back => done,
    }
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut pace: Option<watch::Receiver<Pace>>,
) -> Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        if let Some(pace) = &mut pace {
            let now = *pace.wait_for(|pace| *pace != Pace::Held).await?;
            if let Pace::Late(delay) = now {
                tokio::time::sleep(delay).await;
            }
        }
        to.write_all(buffer.get(..length).unwrap_or_default())
            .await?;
    }
}
