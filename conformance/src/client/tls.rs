//! How a client of one target makes its handshakes.

use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Protocol, Target, Trust, unverified};
use crate::lab::provider;

/// Which TLS a handshake offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// TLS 1.2 alone.
    Tls12,
    /// TLS 1.3 alone.
    Tls13,
}

/// Makes a handshake with one version of TLS; the protocol the server chose of these.
pub async fn handshake(
    target: &Target<'_>,
    offer: Offer,
    protocols: &[&str],
) -> Result<Option<String>> {
    let version = match offer {
        Offer::Tls12 => &rustls::version::TLS12,
        Offer::Tls13 => &rustls::version::TLS13,
    };
    let mut config = tls_config_of(target, &[version])?;
    config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(target.name.to_owned())?;
    let stream = TcpStream::connect(target.address).await?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let stream = stream.await.with_context(|| format!("{offer:?}"))?;
    let chosen = stream.get_ref().1.alpn_protocol();
    Ok(chosen.map(|p| String::from_utf8_lossy(p).into_owned()))
}

/// TLS as this target wants it.
pub(super) fn tls_config(target: &Target<'_>) -> Result<ClientConfig> {
    tls_config_of(target, rustls::DEFAULT_VERSIONS)
}

fn tls_config_of(
    target: &Target<'_>,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<ClientConfig> {
    let builder =
        ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions)?;
    let builder = match &target.trust {
        Trust::Ca(ca) => {
            let mut roots = RootCertStore::empty();
            roots.add(ca.clone())?;
            builder.with_root_certificates(roots)
        }
        Trust::Bundle(bundle) => {
            let mut roots = RootCertStore::empty();
            for ca in bundle {
                roots.add(ca.clone())?;
            }
            builder.with_root_certificates(roots)
        }
        Trust::Anything => builder
            .dangerous()
            .with_custom_certificate_verifier(unverified::verifier(provider())),
    };
    let mut config = match target.certificate {
        Some(leaf) => builder.with_client_auth_cert(vec![leaf.der().clone()], leaf.key_der())?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![match target.protocol {
        Protocol::Http1 => b"http/1.1".to_vec(),
        Protocol::Http2 => b"h2".to_vec(),
    }];
    Ok(config)
}
