//! TLS as a Kubernetes API server speaks it: a client certificate is asked for, never required, and
//! judged later.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme, SupportedCipherSuite,
    SupportedProtocolVersion,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio_rustls::TlsAcceptor;

use super::certificates::Certificates;
use super::tls_policy::{MinTlsVersion, TlsPolicy};
use crate::auth::Trust;

/// The current server configuration. What it shows of the trusted authorities follows the trust.
#[derive(Debug)]
pub(super) struct Tls {
    certificates: Arc<Certificates>,
    provider: Arc<CryptoProvider>,
    versions: &'static [&'static SupportedProtocolVersion],
    alpn: Vec<Vec<u8>>,
    current: ArcSwapOption<(u64, Arc<ServerConfig>)>,
}

static BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
static NEWEST: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// The cryptography in use, narrowed to what `policy` allows.
pub(super) fn provider(policy: &TlsPolicy) -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    if let Some(suites) = &policy.cipher_suites {
        let allowed = |suite: &SupportedCipherSuite| {
            suites
                .iter()
                .any(|s| s.supported().suite() == suite.suite())
        };
        provider
            .cipher_suites
            .retain(|suite| suite.tls13().is_some() || allowed(suite));
    }
    if let Some(groups) = &policy.key_exchanges {
        provider.kx_groups = groups.iter().map(|group| group.supported()).collect();
    }
    Arc::new(provider)
}

impl Tls {
    pub(super) fn new(
        certificates: Arc<Certificates>,
        provider: Arc<CryptoProvider>,
        min_version: MinTlsVersion,
        http2: bool,
    ) -> Self {
        let versions = match min_version {
            MinTlsVersion::Tls12 => BOTH,
            MinTlsVersion::Tls13 => NEWEST,
        };
        let protocols: &[&[u8]] = if http2 {
            &[b"h2", b"http/1.1"]
        } else {
            &[b"http/1.1"]
        };
        Self {
            certificates,
            provider,
            versions,
            alpn: protocols.iter().map(|p| p.to_vec()).collect(),
            current: ArcSwapOption::empty(),
        }
    }

    /// An acceptor that asks for a certificate and shows the authorities of `trust`; without one
    /// it asks for none.
    ///
    /// # Errors
    /// When versions and cipher suites leave nothing in common.
    pub(super) fn acceptor(&self, trust: Option<&Trust>) -> Result<TlsAcceptor, rustls::Error> {
        let generation = trust.map_or(0, Trust::generation);
        if let Some(current) = &*self.current.load()
            && current.0 == generation
        {
            return Ok(Arc::clone(&current.1).into());
        }
        let config = Arc::new(self.config(trust.map(Trust::subjects))?);
        let current = (generation, Arc::clone(&config));
        self.current.store(Some(Arc::new(current)));
        Ok(config.into())
    }

    fn config(&self, hints: Option<Vec<DistinguishedName>>) -> Result<ServerConfig, rustls::Error> {
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(self.versions)?;
        let builder = match hints {
            None => builder.with_no_client_auth(),
            Some(hints) => builder.with_client_cert_verifier(Arc::new(RequestedCertificate {
                hints,
                provider: Arc::clone(&self.provider),
            })),
        };
        let mut config = builder.with_cert_resolver(Arc::clone(&self.certificates) as _);
        config.alpn_protocols.clone_from(&self.alpn);
        Ok(config)
    }
}

/// Go's `tls.RequestClientCert`: takes whatever certificate is shown, but has its owner prove that
/// it holds the key. Who vouches for it is asked for every request.
#[derive(Debug)]
struct RequestedCertificate {
    hints: Vec<DistinguishedName>,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for RequestedCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
