//! What the Secret holds: an authority with its key, the authorities to trust, and the certificate
//! to serve.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use secrecy::{ExposeSecret, SecretString};

use super::super::authority::{Authority, AuthorityCertificate, Issued, Life, to_pem};
use super::plan::Flaw;
use crate::domain::{ObjectName, Timestamp};

/// The data of a Secret.
pub(super) type Data = BTreeMap<String, ByteString>;

/// What could be used of a Secret, and what is wrong with the rest.
#[derive(Clone, Debug)]
pub(super) struct Contents {
    /// Who signs. Its certificate is the first of `trusted`.
    pub(super) authority: Result<Arc<Authority>, Flaw>,
    /// Who is to be trusted, the newest first; at most [`MOST_TRUSTED`].
    pub(super) trusted: Vec<AuthorityCertificate>,
    /// What is served.
    pub(super) serving: Result<Serving, Flaw>,
}

/// A certificate with its key that can be served.
#[derive(Clone, Debug)]
pub(super) struct Serving {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) life: Life,
    /// The DNS names in it.
    pub(super) names: Vec<String>,
    /// As they stand in the Secret.
    chain_pem: Vec<u8>,
    key_pem: SecretString,
}

pub(super) const CERTIFICATE: &str = "tls.crt";
pub(super) const KEY: &str = "tls.key";
pub(super) const TRUSTED: &str = "ca.crt";
pub(super) const AUTHORITY_KEY: &str = "ca.key";
/// More authorities than rotations can leave behind; further ones are not read.
pub(super) const MOST_TRUSTED: usize = 8;

impl Contents {
    /// Reads the data of a Secret of ours.
    pub(super) fn read(data: &Data, provider: &CryptoProvider) -> Self {
        let trusted: Vec<_> = AuthorityCertificate::read_all(bytes(data, TRUSTED))
            .take(MOST_TRUSTED)
            .collect();
        Self {
            authority: read_authority(data, &trusted),
            serving: Serving::read(data, provider),
            trusted,
        }
    }

    /// Reads a Secret, whosever it is.
    pub(super) fn of(secret: &Secret, provider: &CryptoProvider) -> Self {
        let data = secret.data.as_ref();
        data.map_or_else(Self::absent, |data| Self::read(data, provider))
    }

    /// What is served, if the API server, which asks for `service`, would take it by now.
    pub(super) fn servable(&self, service: &ObjectName, now: Timestamp) -> Result<Serving, Flaw> {
        let serving = self.serving.clone()?;
        if serving.life.is_over(now) {
            return Err(Flaw::Expired);
        }
        if !serving.is_for(service) {
            return Err(Flaw::OtherNames);
        }
        Ok(serving)
    }

    /// A Secret that is not there, or holds nothing.
    pub(super) fn absent() -> Self {
        Self {
            authority: Err(Flaw::Absent),
            trusted: Vec::new(),
            serving: Err(Flaw::Absent),
        }
    }

    /// The data to keep; `None` when there is no whole set.
    pub(super) fn to_data(&self) -> Option<Data> {
        let (Ok(authority), Ok(serving)) = (&self.authority, &self.serving) else {
            return None;
        };
        let trusted = to_pem(self.trusted.iter().map(AuthorityCertificate::der));
        let key = serving.key_pem.expose_secret();
        Some(Data::from([
            (
                CERTIFICATE.to_owned(),
                ByteString(serving.chain_pem.clone()),
            ),
            (KEY.to_owned(), ByteString(key.as_bytes().to_vec())),
            (TRUSTED.to_owned(), ByteString(trusted.into_bytes())),
            (
                AUTHORITY_KEY.to_owned(),
                ByteString(authority.key_pem().into_bytes()),
            ),
        ]))
    }

    /// Which of the trusted signed what is served.
    pub(super) fn issuer(&self, now: Timestamp) -> Option<&AuthorityCertificate> {
        let serving = self.serving.as_ref().ok()?;
        self.trusted.iter().find(|one| serving.is_of(one, now))
    }
}

impl Serving {
    /// Reads `tls.crt` and `tls.key`.
    pub(super) fn read(data: &Data, provider: &CryptoProvider) -> Result<Self, Flaw> {
        let (chain, key) = (bytes(data, CERTIFICATE), bytes(data, KEY));
        if chain.is_empty() && key.is_empty() {
            return Err(Flaw::Absent);
        }
        let key = std::str::from_utf8(key).map_err(|_| Flaw::NoPem(KEY))?;
        Self::from_pem(chain.to_vec(), key.into(), provider)
    }

    /// What an authority has just signed.
    pub(super) fn issued(issued: &Issued, provider: &CryptoProvider) -> Result<Self, Flaw> {
        let chain = to_pem([&issued.certificate]).into_bytes();
        Self::from_pem(chain, issued.key.serialize_pem().into(), provider)
    }

    fn from_pem(
        chain_pem: Vec<u8>,
        key_pem: SecretString,
        provider: &CryptoProvider,
    ) -> Result<Self, Flaw> {
        let chain = CertificateDer::pem_slice_iter(&chain_pem).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|_| Flaw::NoPem(CERTIFICATE))?;
        let leaf = chain.first().ok_or(Flaw::NoPem(CERTIFICATE))?;
        let life = Life::of(leaf).ok_or(Flaw::NoPem(CERTIFICATE))?;
        let names = dns_names(leaf);
        let key = PrivateKeyDer::from_pem_slice(key_pem.expose_secret().as_bytes());
        let key = key.map_err(|_| Flaw::NoPem(KEY))?;
        let key = CertifiedKey::from_der(chain, key, provider).map_err(|_| Flaw::Mismatch)?;
        Ok(Self {
            key: Arc::new(key),
            life,
            names,
            chain_pem,
            key_pem,
        })
    }

    /// The certificate itself.
    pub(super) fn leaf(&self) -> &[u8] {
        self.key.cert.first().map_or(&[], |leaf| leaf)
    }

    /// Tells whether it holds all `names` that are DNS names.
    pub(super) fn has_names(&self, names: &[String]) -> bool {
        let dns = |name: &&String| name.parse::<std::net::IpAddr>().is_err();
        names.iter().filter(dns).all(|n| self.names.contains(n))
    }

    /// Tells whether the API server, which asks for this Service, would take it.
    fn is_for(&self, service: &ObjectName) -> bool {
        let name = format!("{}.{}.svc", service.name, service.namespace);
        let leaf = self.key.cert.first();
        let leaf = leaf.and_then(|leaf| webpki::EndEntityCert::try_from(leaf).ok());
        leaf.zip(ServerName::try_from(name).ok())
            .is_some_and(|(leaf, name)| leaf.verify_is_valid_for_subject_name(&name).is_ok())
    }

    /// Tells whether `authority` vouches for it. A certificate from the future is not held against
    /// it: our clock may be the one that is behind.
    pub(super) fn is_of(&self, authority: &AuthorityCertificate, now: Timestamp) -> bool {
        let Some((leaf, between)) = self.key.cert.split_first() else {
            return false;
        };
        let Ok(anchor) = webpki::anchor_from_trusted_cert(authority.der()) else {
            return false;
        };
        let at = now.as_secs().max(self.life.issued);
        let at = std::time::Duration::from_secs(u64::try_from(at).unwrap_or(0));
        let algorithms = rustls::crypto::aws_lc_rs::default_provider();
        webpki::EndEntityCert::try_from(leaf).is_ok_and(|leaf| {
            leaf.verify_for_usage(
                algorithms.signature_verification_algorithms.all,
                &[anchor],
                between,
                UnixTime::since_unix_epoch(at),
                webpki::KeyUsage::server_auth(),
                None,
                None,
            )
            .is_ok()
        })
    }
}

fn read_authority(data: &Data, trusted: &[AuthorityCertificate]) -> Result<Arc<Authority>, Flaw> {
    let key = bytes(data, AUTHORITY_KEY);
    let certificate = trusted.first().ok_or(Flaw::NoPem(TRUSTED))?;
    let key = std::str::from_utf8(key).map_err(|_| Flaw::NoPem(AUTHORITY_KEY))?;
    let authority = Authority::from_pem(certificate.clone(), key);
    authority.map(Arc::new).ok_or(Flaw::NoPem(AUTHORITY_KEY))
}

fn bytes<'a>(data: &'a Data, key: &str) -> &'a [u8] {
    data.get(key).map_or(&[], |value| &value.0)
}

fn dns_names(leaf: &CertificateDer<'_>) -> Vec<String> {
    webpki::EndEntityCert::try_from(leaf).map_or_else(
        |_| Vec::new(),
        |leaf| {
            leaf.valid_dns_names()
                .map(str::to_ascii_lowercase)
                .collect()
        },
    )
}
