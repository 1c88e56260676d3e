//! Conversations no well-behaved client has: HTTP/1.0, bare HTTP/2 frames, an old TLS.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use http::Method;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::context::Ask;
use super::verdict::Stop;

const DEADLINE: Duration = Duration::from_secs(10);
const MAX_FRAME: usize = 1 << 20;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// What came back on an HTTP/2 connection after one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frames {
    /// The answer came to its end.
    pub(crate) ended: bool,
    /// The server said that it takes no more requests here.
    pub(crate) goaway: bool,
}

/// Sends one request over bare HTTP/2 and reads until the server ends the connection or nothing more comes.
pub(crate) async fn http2(ask: &Ask<'_>, method: Method, path: &str) -> Result<Frames, Stop> {
    let mut stream = ask.client()?.connect().await?;
    let mut request = PREFACE.to_vec();
    put_frame(&mut request, SETTINGS, 0, 0, &[]);
    let mut block = Vec::new();
    let pseudo = [
        (":method", method.as_str()),
        (":scheme", "https"),
        (":path", path),
        (":authority", "metrics.k8s.io"),
    ];
    for (name, value) in pseudo {
        put_header(&mut block, name, value);
    }
    for (name, value) in ask.headers() {
        put_header(&mut block, &name.to_ascii_lowercase(), value);
    }
    put_frame(&mut request, HEADERS, END_STREAM | END_HEADERS, 1, &block);
    stream
        .write_all(&request)
        .await
        .context("send the request")?;
    let mut frames = Frames::default();
    let reading = async {
        while !(frames.ended && frames.goaway) {
            let Ok((kind, flags)) = read_frame(&mut stream).await else {
                return;
            };
            frames.ended |= matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0;
            frames.goaway |= kind == GOAWAY;
        }
    };
    // A server that keeps the connection just stays silent.
    let _ = tokio::time::timeout(Duration::from_secs(5), reading).await;
    Ok(frames)
}

/// Sends the text of a request over HTTP/1 and reads until the server closes the connection.
pub(crate) async fn http1(ask: &Ask<'_>, head: impl AsRef<[u8]>) -> Result<String, Stop> {
    let mut stream = ask.client()?.connect().await?;
    let mut request = head.as_ref().to_owned();
    for (name, value) in ask.headers() {
        request.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    request.extend_from_slice(b"\r\n");
    let mut answer = Vec::new();
    let exchange = async {
        stream.write_all(&request).await?;
        let mut piece = [0; 4096];
        // The end of TLS is not always announced; what came before it counts.
        while let Ok(count @ 1..) = stream.read(&mut piece).await {
            answer.extend_from_slice(piece.get(..count).unwrap_or_default());
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(DEADLINE, exchange)
        .await
        .context("the connection stays open")??;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Offers a server nothing newer than TLS 1.1; whether it goes on with a handshake.
pub(crate) async fn accepts_tls11(address: SocketAddr) -> Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    let mut body = vec![3, 2];
    body.extend([7; 32]);
    // No session; ECDHE-ECDSA and ECDHE-RSA with AES-128-CBC-SHA, RSA with AES-128-CBC-SHA; no compression.
    body.extend([0, 0, 6, 0xc0, 0x09, 0xc0, 0x13, 0x00, 0x2f, 1, 0]);
    // supported_groups: P-256; ec_point_formats: uncompressed.
    body.extend([0, 14, 0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0]);
    let length = u8::try_from(body.len())?;
    let mut hello = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
    hello.extend(body);
    stream.write_all(&hello).await?;
    let mut first = [0; 1];
    let read = tokio::time::timeout(DEADLINE, stream.read(&mut first));
    let count = read.await.context("no answer to a TLS 1.1 hello")?;
    // 22 is a handshake record, 21 an alert; a closed connection is a refusal as well.
    Ok(matches!(count, Ok(1)) && first == [22])
}

fn put_frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    out.extend_from_slice(&length[1..]);
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// HPACK: a literal that is not indexed, with a new name, without Huffman.
fn put_header(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(0);
    put_text(out, name);
    put_text(out, value);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let length = text.len();
    if length < 127 {
        out.push(u8::try_from(length).unwrap_or(0));
    } else {
        out.push(127);
        let mut rest = length - 127;
        while rest >= 128 {
            out.push(u8::try_from(rest % 128).unwrap_or(0) | 0x80);
            rest /= 128;
        }
        out.push(u8::try_from(rest).unwrap_or(0));
    }
    out.extend_from_slice(text.as_bytes());
}

/// Kind and flags of the next frame.
async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> Result<(u8, u8)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await?;
    let [a, b, c, kind, flags, ..] = head;
    let length = usize::try_from(u32::from_be_bytes([0, a, b, c]))?;
    ensure!(length <= MAX_FRAME, "a frame of {length} bytes");
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    Ok((kind, flags))
}
