//! A set of certificate authorities, and whether they vouch for a client's certificate.

use rustls::DistinguishedName;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::domain::Timestamp;

/// The authorities of one PEM bundle.
///
/// Certificates are judged as Go's `crypto/x509` does for client authentication: authorities
/// outside their own validity do not count, a certificate that is itself in the bundle is trusted,
/// and `anyExtendedKeyUsage` will do.
#[derive(Clone, Debug)]
pub struct CaBundle {
    authorities: Vec<Authority>,
}

#[derive(Clone, Debug)]
struct Authority {
    der: CertificateDer<'static>,
    anchor: TrustAnchor<'static>,
    validity: Validity,
}

/// From when until when a certificate is valid, both inclusive, in seconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    not_before: i64,
    not_after: i64,
}

/// A text that is no bundle of certificates.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidBundle {
    /// The text holds no certificate.
    #[error("no certificate in the bundle")]
    Empty,
    /// One of the PEM blocks is broken.
    #[error("certificate {index} of the bundle is malformed")]
    Malformed {
        /// Which one, counted from 1.
        index: usize,
    },
}

/// A certificate no authority of a bundle vouches for.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("x509: the client's certificate is not trusted: {0}")]
pub struct Untrusted(String);

impl CaBundle {
    /// Reads a PEM bundle. Blocks that are not certificates are passed over; a broken one refuses
    /// the whole.
    ///
    /// # Errors
    /// [`InvalidBundle`] when there is no certificate, or one cannot be read.
    pub fn from_pem(pem: &[u8]) -> Result<Self, InvalidBundle> {
        let mut authorities = Vec::new();
        for (at, der) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let malformed = InvalidBundle::Malformed { index: at + 1 };
            let authority = der.ok().and_then(Authority::new).ok_or(malformed)?;
            authorities.push(authority);
        }
        if authorities.is_empty() {
            return Err(InvalidBundle::Empty);
        }
        Ok(Self { authorities })
    }

    /// The subjects, for the list of authorities a server shows in its certificate request.
    pub fn subjects(&self) -> impl Iterator<Item = DistinguishedName> + '_ {
        self.authorities
            .iter()
            .map(|a| DistinguishedName::in_sequence(a.anchor.subject.as_ref()))
    }

    /// Tells whether both hold the same certificates in the same order.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.authorities
            .iter()
            .map(|a| &a.der)
            .eq(other.authorities.iter().map(|a| &a.der))
    }

    /// Judges a client's chain, leaf first, at the time `now`.
    ///
    /// # Errors
    /// [`Untrusted`] with the reason.
    pub fn verify(&self, chain: &[CertificateDer<'_>], now: Timestamp) -> Result<(), Untrusted> {
        let Some((leaf, intermediates)) = chain.split_first() else {
            return Err(Untrusted("there is none".into()));
        };
        if self.holds(leaf, now) {
            return Ok(());
        }
        let anchors: Vec<TrustAnchor<'_>> = self
            .authorities
            .iter()
            .filter(|a| a.validity.contains(now))
            .map(|a| a.anchor.clone())
            .collect();
        let seconds = u64::try_from(now.as_secs()).unwrap_or(0);
        EndEntityCert::try_from(leaf)
            .and_then(|cert| {
                cert.verify_for_usage(
                    webpki::ALL_VERIFICATION_ALGS,
                    &anchors,
                    intermediates,
                    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)),
                    ClientAuth,
                    None,
                    None,
                )
                .map(|_| ())
            })
            .map_err(|error| Untrusted(error.to_string()))
    }

    /// The moments at which a verdict of [`verify`](Self::verify) may change by time alone.
    pub(super) fn boundaries(&self) -> impl Iterator<Item = i64> + '_ {
        self.authorities
            .iter()
            .flat_map(|a| a.validity.boundaries())
    }

    /// The exact certificate is in the bundle: no chain is needed, its own limits still bind.
    fn holds(&self, leaf: &CertificateDer<'_>, now: Timestamp) -> bool {
        let found = self.authorities.iter().find(|a| a.der == *leaf);
        found.is_some_and(|a| a.validity.contains(now) && may_authenticate_clients(leaf))
    }
}

impl Authority {
    fn new(der: CertificateDer<'static>) -> Option<Self> {
        let anchor = webpki::anchor_from_trusted_cert(&der).ok()?.to_owned();
        let validity = Validity::of(&der)?;
        Some(Self {
            der,
            anchor,
            validity,
        })
    }
}

impl Validity {
    /// Reads the validity of a certificate; `None` when it cannot be read.
    pub(super) fn of(der: &CertificateDer<'_>) -> Option<Self> {
        let (_, cert) = X509Certificate::from_der(der).ok()?;
        Some(Self {
            not_before: cert.validity().not_before.timestamp(),
            not_after: cert.validity().not_after.timestamp(),
        })
    }

    fn contains(self, now: Timestamp) -> bool {
        (self.not_before..=self.not_after).contains(&now.as_secs())
    }

    /// The first second of validity and the first second after it.
    pub(super) fn boundaries(self) -> [i64; 2] {
        [self.not_before, self.not_after.saturating_add(1)]
    }
}

/// Accepts `clientAuth`, `anyExtendedKeyUsage` and certificates that name no usage.
struct ClientAuth;

impl ExtendedKeyUsageValidator for ClientAuth {
    fn validate(&self, usages: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        let mut named = false;
        for usage in usages {
            named = true;
            let oid = usage?.to_decoded_oid();
            if oid == [1, 3, 6, 1, 5, 5, 7, 3, 2] || oid == [2, 5, 29, 37, 0] {
                return Ok(());
            }
        }
        if named {
            return Err(webpki::Error::ExtensionValueInvalid);
        }
        Ok(())
    }
}

fn may_authenticate_clients(der: &CertificateDer<'_>) -> bool {
    let Ok((_, cert)) = X509Certificate::from_der(der) else {
        return false;
    };
    match cert.extended_key_usage() {
        Ok(None) => true,
        Ok(Some(usage)) => usage.value.client_auth || usage.value.any,
        Err(_) => false,
    }
}
