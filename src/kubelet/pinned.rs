//! Is this the kubelet we have known?

use std::fmt::Write;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::Mutex;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::TlsError;
use super::pin::{Shown, Verdict};
use super::pins::Pins;
use super::verify::{NodeVerifier, carried};
use crate::domain::NodeName;

/// Accepts whom [`NodeVerifier`] accepts, and else whoever shows the key the node has shown before,
/// or any key when it is the first. Dates and names count for nothing then, as with SSH.
///
/// What is new is remembered only when the peer has proved in this handshake that it owns the key.
#[derive(Debug)]
pub(super) struct PinVerifier {
    ca: NodeVerifier,
    pins: Arc<Pins>,
    node: NodeName,
    uid: Arc<str>,
    /// The certificate that was judged last, and as what.
    judged: Mutex<Option<(Vec<u8>, Shown)>>,
}

impl PinVerifier {
    pub(super) fn new(ca: NodeVerifier, pins: Arc<Pins>, node: NodeName, uid: Arc<str>) -> Self {
        Self {
            ca,
            pins,
            node,
            uid,
            judged: Mutex::default(),
        }
    }

    /// The peer owns the key of this certificate.
    fn proved(&self, certificate: &CertificateDer<'_>) {
        let judged = self.judged.lock().take();
        // Two handshakes with a node at once may each find the other's: the next one remembers it.
        if let Some((_, shown)) = judged.filter(|(seen, _)| **seen == **certificate) {
            self.pins.remember(&self.node, &self.uid, shown);
        }
    }
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let by_ca =
            self.ca
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let shown = match by_ca {
            Ok(_) => Shown::Vouched,
            Err(_) => key_of(end_entity)?,
        };
        let stored_in = || self.pins.stored_in().to_owned();
        let verdict = self.pins.judge(&self.node, &self.uid, &shown);
        match verdict.map_err(|reason| carried(TlsError::PinsUnknown { reason }))? {
            Verdict::Known => {}
            Verdict::First | Verdict::Vouched => {
                *self.judged.lock() = Some((end_entity.to_vec(), shown));
            }
            Verdict::Changed { before } => {
                return Err(carried(TlsError::Changed {
                    before: before.to_string(),
                    now: shown.to_string(),
                    stored_in: stored_in(),
                }));
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let valid = self.ca.verify_tls12_signature(message, cert, dss)?;
        self.proved(cert);
        Ok(valid)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let valid = self.ca.verify_tls13_signature(message, cert, dss)?;
        self.proved(cert);
        Ok(valid)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.ca.supported_verify_schemes()
    }
}

fn key_of(certificate: &CertificateDer<'_>) -> Result<Shown, rustls::Error> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|error| {
        carried(TlsError::Other {
            reason: format!("the certificate cannot be read: {error}"),
        })
    })?;
    let digest = digest(&SHA256, parsed.tbs_certificate.subject_pki.raw);
    let hex = digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    Ok(Shown::Key(hex.into()))
}
