//! Requests in the clear, as to Heapster's port.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Answer;

const DEADLINE: Duration = Duration::from_secs(10);

/// `GET path` over HTTP without TLS, on a connection of its own.
///
/// # Errors
/// When there is no whole answer within ten seconds.
pub async fn get_plain(address: SocketAddr, path: &str) -> Result<Answer> {
    send_plain(address, Method::GET, path, Bytes::new()).await
}

/// Sends JSON, or nothing, over HTTP without TLS, on a connection of its own.
///
/// # Errors
/// When there is no whole answer within ten seconds.
pub async fn send_plain(
    address: SocketAddr,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<Answer> {
    let exchange = async {
        let stream = TcpStream::connect(address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::builder().method(method).uri(path);
        let request = request.header("host", address.to_string());
        let request = match body.is_empty() {
            true => request,
            false => request.header("content-type", "application/json"),
        };
        let request = request.body(Full::new(body))?;
        let asked = async {
            let (head, body) = sender.send_request(request).await?.into_parts();
            anyhow::Ok(Answer {
                status: head.status,
                headers: head.headers,
                body: body.collect().await?.to_bytes(),
            })
        };
        // The connection moves the bytes while the answer is waited for, and has no end of its own.
        tokio::select! {
            biased;
            answer = asked => answer,
            ended = connection => {
                ended?;
                anyhow::bail!("the connection ended")
            }
        }
    };
    tokio::time::timeout(DEADLINE, exchange)
        .await
        .with_context(|| format!("no answer within {DEADLINE:?}"))?
        .with_context(|| format!("{path} of {address}"))
}
