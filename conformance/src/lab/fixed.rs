//! A server that answers everything with the same bytes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;

use super::pki::{self, Pki};
use super::serve::{Body, Handle, Listener, Peer, answer, client_verifier, server_config};

/// What is fastest on this machine: TLS and HTTP/2 as all servers speak them, and nothing to do.
/// Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Fixed(Listener);

struct Same(Bytes);

impl Fixed {
    /// Serves `body` on a free port.
    pub(crate) async fn bind(pki: &Pki, body: Bytes) -> Result<Self> {
        let request = pki::Request::server("localhost", &["localhost"]);
        let leaf = pki.serving.issue(&request)?;
        let tls = server_config(&leaf, client_verifier(&pki.cluster)?, &["h2"])?;
        let address = (Ipv4Addr::LOCALHOST, 0).into();
        let listener = Listener::bind(address, tls, Arc::new(Same(body))).await?;
        Ok(Self(listener))
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address()
    }
}

impl Handle for Same {
    async fn handle(&self, _: &Peer, _: Request<Incoming>) -> Response<Body> {
        answer(StatusCode::OK, "application/octet-stream", self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Client, Protocol, Target, Trust};

    #[tokio::test]
    async fn whatever_is_asked_the_same_bytes_come() {
        let pki = Pki::new().unwrap();
        let server = Fixed::bind(&pki, Bytes::from_static(b"same"))
            .await
            .unwrap();
        let client = Client::new(&Target {
            address: server.address(),
            name: "localhost",
            trust: Trust::Anything,
            certificate: None,
            protocol: Protocol::Http2,
        });
        let client = client.unwrap();
        for path in ["/", "/apis"] {
            let answer = client.get(path).await.unwrap();
            assert_eq!(
                (answer.status.as_u16(), answer.text()),
                (200, "same".to_owned())
            );
        }
    }
}
