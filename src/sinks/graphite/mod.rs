//! `graphite`: Carbon's plaintext protocol over TCP or UDP.

mod path;

use std::io;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

pub(super) use self::path::Paths;
use super::chunks::{Chunks, Frame, Progress, Verdict};
use super::column::Column;
use super::config::authority;
use super::datagram::Datagrams;
use super::export::ExportError;
use super::options::Options;
use super::uri::SinkUri;

/// The options of `graphite`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Config {
    tcp: bool,
    authority: String,
    paths: Paths,
}

/// The transport.
pub(super) struct Graphite {
    config: Config,
    stream: Option<TcpStream>,
    datagrams: Datagrams,
}

/// What is written to a stream at once.
const FRAME: Frame = Frame::lines(1_000, 256 << 10);

impl Config {
    pub(super) fn read(uri: &SinkUri, options: &mut Options<'_>) -> Self {
        if !matches!(uri.scheme.as_deref(), Some("tcp" | "udp")) {
            options.refuse_address("the address must begin with tcp:// or udp://");
        }
        options.need_host(uri);
        options.refuse_user(uri);
        options.refuse_path(uri);
        // Behind a semicolon carbon reads tags.
        let fits = |c: char| !(c.is_whitespace() || c.is_control() || c == ';');
        Self {
            tcp: uri.scheme.as_deref() != Some("udp"),
            authority: authority(uri, "localhost", 2003),
            paths: Paths::new(&options.fitting("prefix", "kubernetes", fits)),
        }
    }
}

impl Graphite {
    pub(super) fn new(config: Config) -> Self {
        Self {
            datagrams: Datagrams::new(config.authority.clone()),
            config,
            stream: None,
        }
    }

    pub(super) async fn export(
        &mut self,
        column: Column<'_>,
        progress: &mut Progress,
    ) -> Result<(), ExportError> {
        if !self.config.tcp {
            let chunks = Chunks::new(column, &self.config.paths, Frame::lines(1, 1));
            return self.datagrams.send(chunks, progress).await;
        }
        // Carbon confirms nothing, so what a broken connection took may be lost: the batch is
        // written again from its beginning. Equal points of one time are one.
        let mut stream = match self.stream.take().filter(is_open) {
            Some(stream) => stream,
            None => self.connect().await?,
        };
        let mut points = 0;
        let lost = |error| self.lost(error);
        for chunk in Chunks::new(column, &self.config.paths, FRAME) {
            stream.write_all(&chunk.body).await.map_err(lost)?;
            points += chunk.points;
        }
        stream.flush().await.map_err(lost)?;
        if !is_open(&stream) {
            return Err(self.lost(io::Error::other("closed the connection")));
        }
        // Kept only now: one that was given up half-way may end in half a line.
        self.stream = Some(stream);
        progress.note(0, points, Verdict::Accepted);
        Ok(())
    }

    async fn connect(&self) -> Result<TcpStream, ExportError> {
        let stream = TcpStream::connect(&self.config.authority).await;
        stream.map_err(|error| self.lost(error))
    }

    fn lost(&self, error: io::Error) -> ExportError {
        ExportError::unreachable(&self.config.authority, error)
    }
}

/// Whether the other side has not hung up. It never says anything.
fn is_open(stream: &TcpStream) -> bool {
    match stream.try_read(&mut [0; 64]) {
        Ok(0) => false,
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}
