//! A serving certificate of our own making, for when none is given.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::domain::Timestamp;

/// Makes serving certificates for the same names from one authority, whose key never leaves the
/// process.
pub(super) struct SelfSigned {
    authority: CertifiedIssuer<'static, KeyPair>,
    names: Vec<String>,
}

/// A chain with its key.
pub(super) struct Issued {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

/// How long a serving certificate is valid.
pub(super) const LIFETIME: Duration = Duration::from_secs(90 * DAY);
const AUTHORITY_LIFETIME: Duration = Duration::from_secs(10 * 365 * DAY);
/// Clocks of clients may be behind ours.
const HEAD_START: Duration = Duration::from_secs(3600);
const DAY: u64 = 86_400;

impl SelfSigned {
    /// A new authority for certificates with these names.
    pub(super) fn new(names: Vec<String>, now: Timestamp) -> Result<Self, rcgen::Error> {
        let mut params = validity(CertificateParams::default(), now, AUTHORITY_LIFETIME);
        params.distinguished_name = common_name("loadline-ca");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Self { authority, names })
    }

    /// Makes a certificate that is valid from now on.
    pub(super) fn issue(&self, now: Timestamp) -> Result<Issued, rcgen::Error> {
        let mut params = CertificateParams::new(self.names.clone())?;
        params = validity(params, now, LIFETIME);
        params.distinguished_name = common_name("loadline");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let leaf = params.signed_by(&key, &self.authority)?;
        Ok(Issued {
            chain: vec![leaf.der().clone(), self.authority.der().clone()],
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        })
    }

    /// The authority as PEM: what belongs into an APIService's `caBundle`.
    pub(super) fn authority_pem(&self) -> String {
        self.authority.pem()
    }
}

impl std::fmt::Debug for SelfSigned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SelfSigned")
            .field("names", &self.names)
            .finish_non_exhaustive()
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

fn validity(
    mut params: CertificateParams,
    now: Timestamp,
    lifetime: Duration,
) -> CertificateParams {
    let seconds = Duration::from_secs(u64::try_from(now.as_secs()).unwrap_or(0));
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + seconds.saturating_sub(HEAD_START);
    params.not_after = epoch + seconds + lifetime;
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut whole = DistinguishedName::new();
    whole.push(DnType::CommonName, name);
    whole
}
