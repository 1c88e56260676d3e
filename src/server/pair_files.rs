//! A certificate and its key as files.

use std::path::PathBuf;

use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// A PEM certificate chain and its PEM key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairFiles {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The leaf's key.
    pub key: PathBuf,
}

/// A certificate that cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not the PEM it should be.
    #[error("{path} holds no {what}")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// Chain and key cannot be used together.
    #[error("the certificate and the key do not fit")]
    Mismatch(#[source] rustls::Error),
    /// Our own certificate cannot be made.
    #[error("cannot make a certificate")]
    Make(#[source] rcgen::Error),
}

/// What both files hold at one time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PairBytes {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl PairBytes {
    /// Reads both files.
    pub(super) fn read(files: &PairFiles) -> Result<Self, CertificateError> {
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|source| CertificateError::Read {
                path: path.clone(),
                source,
            })
        };
        Ok(Self {
            certificate: read(&files.certificate)?,
            key: read(&files.key)?,
        })
    }

    /// Makes a usable pair of what was read.
    pub(super) fn parse(
        &self,
        files: &PairFiles,
        provider: &CryptoProvider,
    ) -> Result<CertifiedKey, CertificateError> {
        let malformed = |path: &PathBuf, what| CertificateError::Malformed {
            path: path.clone(),
            what,
        };
        let chain = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<Vec<_>, _>>()
            .ok()
            .filter(|chain| !chain.is_empty())
            .ok_or_else(|| malformed(&files.certificate, "certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| malformed(&files.key, "private key"))?;
        CertifiedKey::from_der(chain, key, provider).map_err(CertificateError::Mismatch)
    }
}
