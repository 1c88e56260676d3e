//! A WebSocket as a browser opens it, read frame by frame.

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::Client;

/// The most bytes of an answer's head, and of one frame.
const MOST: usize = 16 << 20;

/// An open one, whose server speaks alone.
#[derive(Debug)]
pub struct WebSocket {
    stream: TlsStream<TcpStream>,
}

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
    /// It leaves, for a reason with this number; 0 without one.
    Close(u16),
}

impl Client {
    /// Asks for a WebSocket over a connection of its own, with these headers besides the client's own and those every
    /// browser sends; `None` when the answer, whose head comes with it, is another than 101.
    ///
    /// # Errors
    /// When there is no answer within the deadline.
    pub async fn websocket(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<(String, Option<WebSocket>)> {
        let mut head = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n",
            self.shared.authority
        );
        let own = self.headers.iter();
        let own = own.map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()));
        for (name, value) in own.chain(headers.iter().copied()) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let exchange = async {
            let mut stream = self.connect().await?;
            stream.write_all(head.as_bytes()).await?;
            let mut answer = Vec::new();
            while !answer.ends_with(b"\r\n\r\n") {
                ensure!(answer.len() < MOST, "a head without end");
                answer.push(stream.read_u8().await?);
            }
            anyhow::Ok((String::from_utf8(answer)?, stream))
        };
        let (answer, stream) = tokio::time::timeout(self.deadline, exchange)
            .await
            .context("no answer in time")??;
        let opened = answer.starts_with("HTTP/1.1 101 ");
        Ok((answer, opened.then_some(WebSocket { stream })))
    }
}

impl WebSocket {
    /// The next message that is no ping or pong. A server does not cut messages up or mask them.
    ///
    /// # Errors
    /// When the server does otherwise, or the connection ends without a farewell.
    pub async fn message(&mut self) -> Result<Message> {
        loop {
            let [first, second] = [self.stream.read_u8().await?, self.stream.read_u8().await?];
            ensure!(
                first & 0x70 == 0 && second & 0x80 == 0,
                "flags: {first:#x} {second:#x}"
            );
            ensure!(first & 0x80 != 0, "a message in parts");
            let length = match second {
                126 => u64::from(self.stream.read_u16().await?),
                127 => self.stream.read_u64().await?,
                length => u64::from(length),
            };
            let length = usize::try_from(length)?;
            ensure!(length <= MOST, "a frame of {length} bytes");
            let mut payload = vec![0; length];
            self.stream.read_exact(&mut payload).await?;
            return Ok(match first & 0x0f {
                1 => Message::Text(String::from_utf8(payload)?),
                2 => Message::Binary(payload),
                8 => Message::Close(match *payload.as_slice() {
                    [high, low, ..] => u16::from_be_bytes([high, low]),
                    _ => 0,
                }),
                9 | 10 => continue,
                other => bail!("a frame of kind {other}"),
            });
        }
    }

    /// All messages until the server leaves, and the number of its reason.
    ///
    /// # Errors
    /// As [`WebSocket::message`].
    pub async fn messages(mut self) -> Result<(Vec<Message>, u16)> {
        let mut all = Vec::new();
        loop {
            match self.message().await? {
                Message::Close(code) => return Ok((all, code)),
                message @ (Message::Text(_) | Message::Binary(_)) => all.push(message),
            }
        }
    }
}
