//! The way in to a database that speaks HTTP.

use std::net::SocketAddr;

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use rustls_pki_types::CertificateDer;

use super::Login;
use crate::client::{Answer, Client, Protocol, Target, Trust, send_plain};

/// Where a database is asked: in the clear, or over TLS.
#[derive(Clone, Debug)]
pub struct Door {
    /// Where it listens.
    pub address: SocketAddr,
    tls: Option<Client>,
}

impl Door {
    /// In the clear, without saying who asks.
    #[must_use]
    pub const fn plain(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }

    /// Over TLS, where this authority has signed for the address.
    ///
    /// # Errors
    /// When the certificate is none.
    pub fn secure(address: SocketAddr, ca: CertificateDer<'static>) -> Result<Self> {
        let client = Client::new(&Target {
            address,
            name: &address.ip().to_string(),
            trust: Trust::Ca(ca),
            certificate: None,
            protocol: Protocol::Http1,
        })?;
        let client = client.with_header("content-type", JSON)?;
        Ok(Self {
            address,
            tls: Some(client),
        })
    }

    /// The same, saying with each request over TLS who asks.
    ///
    /// # Errors
    /// When no header may have the name or the password.
    pub fn as_user(&self, (user, password): Login) -> Result<Self> {
        let pair = STANDARD.encode(format!("{user}:{password}"));
        let known = |client: &Client| client.with_header("authorization", &format!("Basic {pair}"));
        Ok(Self {
            address: self.address,
            tls: self.tls.as_ref().map(known).transpose()?,
        })
    }

    /// `GET path`.
    ///
    /// # Errors
    /// When there is no whole answer in time.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send(Method::GET, path, String::new()).await
    }

    /// Sends JSON, or nothing.
    ///
    /// # Errors
    /// When there is no whole answer in time.
    pub async fn send(&self, method: Method, path: &str, body: String) -> Result<Answer> {
        let body = Bytes::from(body);
        match &self.tls {
            Some(client) => client.send(method, path, body).await,
            None => send_plain(self.address, method, path, body).await,
        }
    }
}

/// What bodies are, to servers that want to be told.
const JSON: &str = "application/json";
