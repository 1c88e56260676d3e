//! What TLS towards a backend believes.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::options::Options;
use super::setup::SetupError;
use crate::domain::Clock;

/// Whom we believe to be the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TlsConfig {
    /// Whoever answers is believed to be the server.
    pub insecure: bool,
    /// A PEM file with the authorities to trust in place of the system's.
    pub ca_file: Option<PathBuf>,
}

/// Certificates are judged by the process's clock.
#[derive(Debug)]
struct ClockTime(Arc<dyn Clock>);

/// Believes everybody: for `insecuressl`.
#[derive(Debug)]
struct AnyServer {
    schemes: Vec<SignatureScheme>,
}

impl TlsConfig {
    /// `insecuressl` and `cacert`.
    pub(super) fn read(options: &mut Options<'_>) -> Self {
        let read = Self {
            insecure: options.flag("insecuressl", false),
            ca_file: options.text("cacert").map(PathBuf::from),
        };
        if read.insecure && read.ca_file.is_some() {
            let what = "has no effect with insecuressl=true: give one of them";
            options.refuse(Some("cacert"), what);
        }
        read
    }

    /// Refuses what is said of TLS where none is spoken.
    pub(super) fn check(&self, spoken: bool, options: &mut Options<'_>) {
        if spoken || !options.knows_address() {
            return;
        }
        let given = [
            ("cacert", self.ca_file.is_some()),
            ("insecuressl", self.insecure),
        ];
        for (option, _) in given.into_iter().filter(|(_, given)| *given) {
            let what = "has no effect without TLS: write https://, or leave it out";
            options.refuse(Some(option), what);
        }
    }
}

/// What speaks TLS so. Reads the CA file.
pub(super) fn client(
    config: TlsConfig,
    clock: &Arc<dyn Clock>,
) -> Result<ClientConfig, SetupError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let time = Arc::new(ClockTime(Arc::clone(clock)));
    let builder = ClientConfig::builder_with_details(Arc::clone(&provider), time)
        .with_safe_default_protocol_versions()
        .map_err(|error| SetupError::new(None, format!("TLS cannot be set up: {error}")))?;
    if config.insecure {
        // A file that is given has to be one all the same.
        config.ca_file.map(|file| roots(Some(file))).transpose()?;
        let anybody = Arc::new(AnyServer::new(&provider));
        let builder = builder
            .dangerous()
            .with_custom_certificate_verifier(anybody);
        return Ok(builder.with_no_client_auth());
    }
    let trusted = roots(config.ca_file)?;
    let builder = builder.with_root_certificates(trusted);
    Ok(builder.with_no_client_auth())
}

/// The authorities in this file, or the system's.
fn roots(ca_file: Option<PathBuf>) -> Result<RootCertStore, SetupError> {
    let mut roots = RootCertStore::empty();
    let (option, files) = match ca_file {
        Some(file) => (Some("cacert"), vec![file]),
        None => (None, system_authorities().collect()),
    };
    for file in &files {
        let unusable = |error: &dyn Error| SetupError::file(option, file, &error);
        let pem = std::fs::read(file).map_err(|error| unusable(&error))?;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| unusable(&error))?;
            // The system's bundle may hold ones that cannot be read; they vouch for nobody.
            let _ = roots.add(certificate);
        }
    }
    if option.is_some() && roots.is_empty() {
        return Err(SetupError::new(option, "the file holds no certificate"));
    }
    Ok(roots)
}

/// The files the system keeps the authorities in that it trusts.
pub(super) fn system_authorities() -> impl Iterator<Item = PathBuf> {
    let files = SYSTEM.iter().map(PathBuf::from);
    files.filter(|file| file.exists())
}

/// Where systems keep the authorities they trust.
const SYSTEM: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<UnixTime> {
        let secs = u64::try_from(self.0.now().as_secs()).ok()?;
        let since_epoch = std::time::Duration::from_secs(secs);
        Some(UnixTime::since_unix_epoch(since_epoch))
    }
}

impl AnyServer {
    fn new(provider: &CryptoProvider) -> Self {
        let algorithms = provider.signature_verification_algorithms;
        Self {
            schemes: algorithms.supported_schemes(),
        }
    }
}

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}
