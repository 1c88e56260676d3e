//! A certificate authority of our own, and what it signs.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::domain::Timestamp;

/// An authority that can sign. Its key is P-256.
pub(super) struct Authority {
    certificate: AuthorityCertificate,
    key: KeyPair,
}

/// An authority's certificate alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct AuthorityCertificate {
    der: CertificateDer<'static>,
    life: Life,
}

/// From when to when a certificate of ours is good, in seconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Life {
    /// When it was made; it is valid from [`HEAD_START`] before that.
    pub(super) issued: i64,
    /// The last second it is good for.
    pub(super) ends: i64,
}

/// A new certificate with its key.
pub(super) struct Issued {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) key: KeyPair,
}

/// Clocks of clients may be behind ours.
const HEAD_START: Duration = Duration::from_secs(3600);
/// What the common name of an authority of ours begins with. The second it was made follows, for
/// people who look at a bundle of several. The kubelet room knows us by it.
const NAME: &str = "loadline-ca@";
const LEAF_NAME: &str = "loadline";

impl Authority {
    /// A new authority with a new key.
    pub(super) fn new(now: Timestamp, lifetime: Duration) -> Result<Self, rcgen::Error> {
        let life = Life::new(now, lifetime);
        let mut params = valid_for(CertificateParams::default(), life);
        params.distinguished_name = common_name(&format!("{NAME}{}", now.as_secs()));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let key = KeyPair::generate()?;
        let der = params.self_signed(&key)?.der().clone();
        let certificate = AuthorityCertificate { der, life };
        Ok(Self { certificate, key })
    }

    /// The authority with this certificate and this key; `None` when the key is none, or another's.
    pub(super) fn from_pem(certificate: AuthorityCertificate, key: &str) -> Option<Self> {
        let key = KeyPair::from_pem(key).ok()?;
        let (_, parsed) = X509Certificate::from_der(&certificate.der).ok()?;
        let public = &parsed.public_key().subject_public_key.data;
        (key.public_key_raw() == public.as_ref()).then_some(Self { certificate, key })
    }

    /// Signs a serving certificate with these names, which never outlives the authority.
    pub(super) fn issue(
        &self,
        names: &[String],
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<Issued, rcgen::Error> {
        self.sign(names, ExtendedKeyUsagePurpose::ServerAuth, now, lifetime)
    }

    /// Signs a certificate with this name for a client of ours.
    pub(super) fn introduce(
        &self,
        name: &str,
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<Issued, rcgen::Error> {
        let names = [name.to_owned()];
        self.sign(&names, ExtendedKeyUsagePurpose::ClientAuth, now, lifetime)
    }

    fn sign(
        &self,
        names: &[String],
        usage: ExtendedKeyUsagePurpose,
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<Issued, rcgen::Error> {
        let mut life = Life::new(now, lifetime);
        life.ends = life.ends.min(self.certificate.life.ends);
        let mut params = valid_for(CertificateParams::new(names)?, life);
        params.distinguished_name = common_name(LEAF_NAME);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let issuer = Issuer::from_ca_cert_der(&self.certificate.der, &self.key)?;
        let certificate = params.signed_by(&key, &issuer)?.der().clone();
        Ok(Issued { certificate, key })
    }

    pub(super) const fn certificate(&self) -> &AuthorityCertificate {
        &self.certificate
    }

    /// The private key as PEM, for where it is kept.
    pub(super) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("life", &self.certificate.life)
            .field("key", &"***")
            .finish_non_exhaustive()
    }
}

impl AuthorityCertificate {
    /// Every certificate in a PEM bundle that can be read; the rest of it is skipped.
    pub(super) fn read_all(pem: &[u8]) -> impl Iterator<Item = Self> {
        let certificates = CertificateDer::pem_slice_iter(pem);
        certificates.filter_map(|der| Self::new(der.ok()?))
    }

    fn new(der: CertificateDer<'static>) -> Option<Self> {
        let life = Life::of(&der)?;
        Some(Self { der, life })
    }

    pub(super) const fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    pub(super) const fn life(&self) -> Life {
        self.life
    }
}

impl Life {
    fn new(now: Timestamp, lifetime: Duration) -> Self {
        let issued = now.as_secs();
        let ends = issued.saturating_add(seconds(lifetime));
        Self { issued, ends }
    }

    /// The life of any certificate; `None` when it cannot be read.
    pub(super) fn of(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let validity = certificate.validity();
        let issued = validity.not_before.timestamp();
        Some(Self {
            issued: issued.saturating_add(seconds(HEAD_START)),
            ends: validity.not_after.timestamp(),
        })
    }

    pub(super) const fn is_over(self, now: Timestamp) -> bool {
        now.as_secs() > self.ends
    }

    /// Two thirds have passed: the time to have another.
    pub(super) const fn is_due(self, now: Timestamp) -> bool {
        let third = self.ends.saturating_sub(self.issued) / 3;
        now.as_secs() >= self.ends.saturating_sub(third)
    }

    /// Nine tenths have passed: no more time to be careful.
    pub(super) const fn is_pressing(self, now: Timestamp) -> bool {
        let tenth = self.ends.saturating_sub(self.issued) / 10;
        now.as_secs() >= self.ends.saturating_sub(tenth)
    }
}

/// The names a client may know a Service by, then those of the machine itself.
pub(super) fn service_names(services: &[String], namespace: &str) -> Vec<String> {
    let of = |service: &String| {
        [
            service.clone(),
            format!("{service}.{namespace}"),
            format!("{service}.{namespace}.svc"),
            format!("{service}.{namespace}.svc.cluster.local"),
        ]
    };
    let own = ["localhost", "127.0.0.1"].map(String::from);
    services.iter().flat_map(of).chain(own).collect()
}

/// Certificates as PEM, one after the other.
pub(super) fn to_pem<'a>(
    certificates: impl IntoIterator<Item = &'a CertificateDer<'static>>,
) -> String {
    let line_ends = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    let block = |der: &CertificateDer<'static>| {
        let block = pem::Pem::new("CERTIFICATE", der.to_vec());
        pem::encode_config(&block, line_ends)
    };
    certificates.into_iter().map(block).collect()
}

fn valid_for(mut params: CertificateParams, life: Life) -> CertificateParams {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let after = |seconds: i64| Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    params.not_before = epoch + after(life.issued).saturating_sub(HEAD_START);
    params.not_after = epoch + after(life.ends);
    params
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

fn common_name(name: &str) -> DistinguishedName {
    let mut whole = DistinguishedName::new();
    whole.push(DnType::CommonName, name);
    whole
}

#[cfg(test)]
mod tests {
    use x509_parser::certificate::X509Certificate;
    use x509_parser::prelude::FromDer;

    use super::*;
    use crate::kubelet::{Error, Platform, TlsError, explain};

    #[test]
    fn whoever_takes_us_for_a_kubelet_is_told_whom_it_met() {
        let now = Timestamp::from_millis(1_767_323_045_000);
        let authority = Authority::new(now, Duration::from_secs(3600)).unwrap();
        let (_, parsed) = X509Certificate::from_der(&authority.certificate.der).unwrap();
        let error = Error::Tls {
            address: "127.0.0.1:10250".into(),
            source: TlsError::UnknownIssuer {
                issuer: parsed.subject().to_string(),
            },
        };
        let explanation = explain(&error, Platform::default());
        assert!(
            explanation.says.contains("Loadline itself"),
            "{explanation:?}"
        );
    }
}
