//! `riemann`: Riemann's protocol over TCP, protobuf behind a length of four bytes.

mod event;
mod occurrence;

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use self::event::{Events, Reply};
use super::chunks::{Chunks, Frame, Progress, Records, Verdict};
use super::column::Column;
use super::config::authority;
use super::export::ExportError;
use super::options::Options;
use super::uri::SinkUri;
use crate::apimachinery::protobuf::Message;
use crate::domain::{Event, Timestamp};

/// The options of `riemann`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Config {
    authority: String,
    events: Events,
    events_a_message: usize,
}

/// The transport.
pub(super) struct Riemann {
    config: Config,
    stream: Option<TcpStream>,
}

/// A quarter of what a server takes by default.
const LONGEST: usize = 4 << 20;
/// The longest reply that is read; they are a few bytes and perhaps a text.
const LONGEST_REPLY: u32 = 64 << 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

impl Eq for Config {}

impl Config {
    pub(super) fn read(uri: &SinkUri, options: &mut Options<'_>) -> Self {
        if !matches!(uri.scheme.as_deref(), None | Some("tcp" | "http")) {
            options.refuse_address("the address must begin with tcp://");
        }
        options.refuse_user(uri);
        options.refuse_path(uri);
        let ttl: Option<f32> = options.parsed("ttl", "number of seconds");
        if ttl.is_some_and(|ttl| !(ttl.is_finite() && ttl >= 0.0)) {
            options.refuse(Some("ttl"), "is no number of seconds");
        }
        let mut tags = options.list("tags");
        if tags.is_empty() {
            tags.push("heapster".to_owned());
        }
        Self {
            authority: authority(uri, "riemann-heapster", 5555),
            events: Events {
                ttl: ttl.unwrap_or(60.0),
                state: options.text_or("state", ""),
                tags,
            },
            events_a_message: options.number("batchsize", 1_000, 1..=100_000),
        }
    }
}

impl Riemann {
    pub(super) const fn new(config: Config) -> Self {
        Self {
            config,
            stream: None,
        }
    }

    pub(super) async fn export(
        &mut self,
        column: Column<'_>,
        progress: &mut Progress,
    ) -> Result<(), ExportError> {
        let stream = self.take_stream().await?;
        let chunks = Chunks::new(column, &self.config.events, self.frame());
        let sent = send(stream, &self.config.authority, chunks, progress).await;
        self.stream = Some(sent?);
        Ok(())
    }

    /// The same of Kubernetes' events.
    pub(super) async fn export_events(
        &mut self,
        events: impl Iterator<Item = &Event> + Send,
        at: Timestamp,
        progress: &mut Progress,
    ) -> Result<(), ExportError> {
        let stream = self.take_stream().await?;
        let own = &self.config.events;
        let encode = |event: &Event, records: &mut Records| own.occurrence(event, at, records);
        let chunks = Chunks::of(events, encode, self.frame());
        let sent = send(stream, &self.config.authority, chunks, progress).await;
        self.stream = Some(sent?);
        Ok(())
    }

    const fn frame(&self) -> Frame {
        Frame::lines(self.config.events_a_message, LONGEST)
    }

    /// The connection. It is given back only when all went well: one that was given up half-way may
    /// end in half a message.
    async fn take_stream(&mut self) -> Result<TcpStream, ExportError> {
        match self.stream.take() {
            Some(stream) => Ok(stream),
            None => self.connect().await,
        }
    }

    async fn connect(&self) -> Result<TcpStream, ExportError> {
        let connect = TcpStream::connect(&self.config.authority);
        let stream = timeout(CONNECT_TIMEOUT, connect).await;
        let stream = stream.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let lost = |error: io::Error| ExportError::unreachable(&self.config.authority, error);
        let stream = stream.map_err(lost)?;
        stream.set_nodelay(true).map_err(lost)?;
        Ok(stream)
    }
}

/// Sends what is not done yet to who listens at `authority`; gives the connection back.
async fn send(
    mut stream: TcpStream,
    authority: &str,
    chunks: Chunks<'_>,
    progress: &mut Progress,
) -> Result<TcpStream, ExportError> {
    for chunk in chunks {
        if progress.is_done(chunk.at) {
            continue;
        }
        let answer = exchange(&mut stream, &chunk.body).await;
        let answer = answer.map_err(|error| ExportError::unreachable(authority, error))?;
        progress.note(chunk.at, chunk.points, verdict(&answer)?);
    }
    Ok(stream)
}

/// One message there and the reply to it.
async fn exchange(stream: &mut TcpStream, body: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    stream.write_u32(length).await?;
    stream.write_all(body).await?;
    stream.flush().await?;
    let length = stream.read_u32().await?;
    if length > LONGEST_REPLY {
        return Err(io::Error::other("a reply is too long"));
    }
    let mut reply = Vec::new();
    let read = stream.take(length.into()).read_to_end(&mut reply).await?;
    match u32::try_from(read) == Ok(length) {
        true => Ok(reply),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// What a reply says of the events. A server with too much to do says so, and takes them later.
fn verdict(reply: &[u8]) -> Result<Verdict, ExportError> {
    let reply = Reply::read(reply).map_err(|error| ExportError::Failing(error.to_string()))?;
    match (reply.ok, reply.error) {
        (true, _) => Ok(Verdict::Accepted),
        (false, error) if error.contains("overload") => Err(ExportError::Failing(error.to_owned())),
        (false, error) => Ok(Verdict::Refused {
            points: None,
            why: error.to_owned(),
        }),
    }
}
