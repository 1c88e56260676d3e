//! Is this certificate the kubelet's?

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::{TlsError, printable};
use crate::domain::Timestamp;

/// Accepts a certificate that leads to the CA and is valid for the node's name or for the address
/// that was dialled.
///
/// The second name is why operators need not switch verification off: kubelets are dialled by IP,
/// and the certificates they commonly have carry only the node's name.
#[derive(Debug)]
pub(super) struct NodeVerifier {
    roots: Arc<RootCertStore>,
    names: Vec<ServerName<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Accepts anybody, as `--kubelet-insecure-tls` asks for.
#[derive(Debug)]
pub(super) struct Unverified {
    schemes: Vec<SignatureScheme>,
}

/// The most names of a certificate that are put into words.
const MAX_NAMES: usize = 10;

impl NodeVerifier {
    /// Certificates must lead to `roots` and carry one of `names`.
    pub(super) const fn new(
        roots: Arc<RootCertStore>,
        names: Vec<ServerName<'static>>,
        provider: &CryptoProvider,
    ) -> Self {
        Self {
            roots,
            names,
            algorithms: provider.signature_verification_algorithms,
        }
    }
}

impl ServerCertVerifier for NodeVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &self.roots,
            intermediates,
            now,
            self.algorithms.all,
        )
        .map_err(|error| explained(error, end_entity))?;
        if self
            .names
            .iter()
            .any(|name| verify_server_name(&certificate, name).is_ok())
        {
            return Ok(ServerCertVerified::assertion());
        }
        Err(carried(TlsError::WrongName {
            presented: presented_names(end_entity),
            expected: self.names.iter().map(|n| n.to_str().into_owned()).collect(),
        }))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl Unverified {
    /// Offers the signature schemes of `provider`.
    pub(super) fn new(provider: &CryptoProvider) -> Self {
        Self {
            schemes: provider
                .signature_verification_algorithms
                .supported_schemes(),
        }
    }
}

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    // A proof that the peer owns a key nobody vouches for proves nothing, and asking for it would
    // refuse certificates that only Go can read.
    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

impl TlsError {
    /// Why a handshake failed, from what the TLS library returned.
    pub(super) fn from_handshake(error: &rustls::Error) -> Self {
        if let rustls::Error::AlertReceived(alert) = error {
            return Self::Refused {
                alert: format!("{alert:?}"),
            };
        }
        if let rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) = error
            && let Some(ours) = inner.downcast_ref::<Self>()
        {
            return ours.clone();
        }
        Self::other(error)
    }

    fn other(error: &rustls::Error) -> Self {
        Self::Other {
            reason: printable(error.to_string().as_bytes(), 200),
        }
    }
}

/// The library's error with the facts an operator needs, in the only way a verifier can hand out an
/// error of its own.
fn explained(error: rustls::Error, certificate: &CertificateDer<'_>) -> rustls::Error {
    let rustls::Error::InvalidCertificate(reason) = &error else {
        return error;
    };
    let parsed = X509Certificate::from_der(certificate).ok();
    let validity = parsed.as_ref().map(|(_, parsed)| parsed.validity());
    let stamp = |seconds: i64| Timestamp::from_millis(seconds.saturating_mul(1000));
    // Not every such failure is the leaf's: an intermediate may have expired, and has other dates.
    match (reason, validity) {
        (CertificateError::UnknownIssuer | CertificateError::BadSignature, _) => {
            let issuer = parsed.map(|(_, parsed)| parsed.issuer().to_string());
            carried(TlsError::UnknownIssuer {
                issuer: printable(issuer.unwrap_or_default().as_bytes(), 200),
            })
        }
        (CertificateError::ExpiredContext { not_after, .. }, _) => carried(TlsError::Expired {
            not_after: unix(*not_after),
        }),
        (CertificateError::NotValidYetContext { not_before, .. }, _) => {
            carried(TlsError::NotYetValid {
                not_before: unix(*not_before),
            })
        }
        (CertificateError::Expired, Some(validity)) => carried(TlsError::Expired {
            not_after: stamp(validity.not_after.timestamp()),
        }),
        (CertificateError::NotValidYet, Some(validity)) => carried(TlsError::NotYetValid {
            not_before: stamp(validity.not_before.timestamp()),
        }),
        _ => error,
    }
}

fn unix(time: UnixTime) -> Timestamp {
    let millis = time.as_secs().saturating_mul(1000);
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

pub(super) fn carried(error: TlsError) -> rustls::Error {
    rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error))))
}

/// The DNS names and addresses in the certificate, as far as they fit into a log line.
fn presented_names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let Ok(Some(names)) = parsed.subject_alternative_name() else {
        return Vec::new();
    };
    let names = names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(printable(name.as_bytes(), 100)),
            GeneralName::IPAddress(octets) => address(octets),
            GeneralName::OtherName(..)
            | GeneralName::RFC822Name(_)
            | GeneralName::X400Address(_)
            | GeneralName::DirectoryName(_)
            | GeneralName::EDIPartyName(_)
            | GeneralName::URI(_)
            | GeneralName::RegisteredID(_)
            | GeneralName::Invalid(..) => None,
        });
    names.take(MAX_NAMES).collect()
}

fn address(octets: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(octets).map(|v4| std::net::IpAddr::from(v4).to_string());
    let v6 = <[u8; 16]>::try_from(octets).map(|v6| std::net::IpAddr::from(v6).to_string());
    v4.or(v6).ok()
}
