//! The lab's certificates: the cluster's CA, the front proxy's CA, and what they sign.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SigningKey,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};

use super::doubled::double_uid;

/// The subject attribute Kubernetes reads a user's UID from.
const UID: [u64; 8] = [1, 3, 6, 1, 4, 1, 57683, 2];
/// Where a second UID stands until the certificate is signed anew.
const BESIDE_UID: [u64; 8] = [1, 3, 6, 1, 4, 1, 57683, 3];

/// A certificate authority.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: CertificateDer<'static>,
}

/// A certificate and its key, signed by an [`Authority`].
#[derive(Debug)]
pub struct Leaf {
    pem: String,
    key_pem: String,
    der: CertificateDer<'static>,
    key_der: PrivateKeyDer<'static>,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// The extended key usage `clientAuth`.
    Client,
    /// The extended key usage `serverAuth`.
    Server,
}

/// What to put into a certificate.
#[derive(Clone, Debug)]
pub struct Request {
    /// The subject's common name.
    pub common_name: String,
    /// The subject's organizations; at most two can be written.
    pub organizations: Vec<String>,
    /// DNS names and IP addresses.
    pub names: Vec<String>,
    /// What it is for.
    pub usage: Usage,
    /// The subject's UIDs (attribute 1.3.6.1.4.1.57683.2); at most two can be written.
    pub uids: Vec<String>,
    /// How long it is valid yet; an hour ago when it has ended.
    pub valid_seconds: i64,
}

impl Request {
    /// A user's certificate.
    #[must_use]
    pub fn client(common_name: &str, organizations: &[&str]) -> Self {
        Self {
            common_name: common_name.to_owned(),
            organizations: organizations.iter().map(|&o| o.to_owned()).collect(),
            names: Vec::new(),
            usage: Usage::Client,
            uids: Vec::new(),
            valid_seconds: 24 * 3600,
        }
    }

    /// A server's certificate with exactly these DNS names and IP addresses.
    #[must_use]
    pub fn server(common_name: &str, names: &[&str]) -> Self {
        Self {
            names: names.iter().map(|&n| n.to_owned()).collect(),
            usage: Usage::Server,
            ..Self::client(common_name, &[])
        }
    }

    /// The same, ended an hour ago.
    #[must_use]
    pub fn expired(mut self) -> Self {
        self.valid_seconds = -3600;
        self
    }

    /// The same, ending this soon.
    #[must_use]
    pub fn ends_in(mut self, rest: std::time::Duration) -> Self {
        self.valid_seconds = i64::try_from(rest.as_secs()).unwrap_or(i64::MAX);
        self
    }

    /// The same with this UID.
    #[must_use]
    pub fn uid(mut self, uid: &str) -> Self {
        self.uids.push(uid.to_owned());
        self
    }

    fn params(&self) -> Result<CertificateParams> {
        let mut params = CertificateParams::new(self.names.clone())?;
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, self.common_name.as_str());
        // rcgen keeps one value per type, so the second organization goes by its number.
        let kinds = [
            DnType::OrganizationName,
            DnType::CustomDnType(vec![2, 5, 4, 10]),
        ];
        for (kind, organization) in kinds.into_iter().zip(&self.organizations) {
            params.distinguished_name.push(kind, organization.as_str());
        }
        for (uid, attribute) in self.uids.iter().zip([UID, BESIDE_UID]) {
            let kind = DnType::CustomDnType(attribute.to_vec());
            params.distinguished_name.push(kind, uid.as_str());
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match self.usage {
            Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
            Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
        }];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, self.valid_seconds);
        Ok(params)
    }
}

fn set_validity(params: &mut CertificateParams, ends_in_seconds: i64) {
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::hours(48);
    params.not_after = now + Duration::seconds(ends_in_seconds);
}

impl Authority {
    /// A new self-signed authority.
    pub fn new(common_name: &str) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_validity(&mut params, 240 * 3600);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            pem: certificate.pem(),
            der: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        })
    }

    /// Signs a new key's certificate.
    pub fn issue(&self, request: &Request) -> Result<Leaf> {
        self.issue_with(request, Vec::new())
    }

    /// Signs a new key's certificate that carries extensions of its own.
    pub fn issue_with(&self, request: &Request, extensions: Vec<CustomExtension>) -> Result<Leaf> {
        let key = KeyPair::generate()?;
        let mut params = request.params()?;
        params.custom_extensions = extensions;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let der = match request.uids.len() {
            0 | 1 => certificate.der().clone(),
            _ => double_uid(self, certificate.der())?.into(),
        };
        Ok(Leaf {
            pem: certificate.pem(),
            der,
            key_pem: key.serialize_pem(),
            key_der: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        })
    }

    /// Signs bytes with the authority's key, by ECDSA with P-256 and SHA-256.
    pub fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        Ok(self.issuer.key().sign(bytes)?)
    }

    /// The authority's certificate.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The authority's certificate.
    #[must_use]
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }
}

impl Leaf {
    /// The certificate.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The certificate.
    #[must_use]
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The private key in PKCS#8.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// The private key.
    #[must_use]
    pub fn key_der(&self) -> PrivateKeyDer<'static> {
        self.key_der.clone_key()
    }

    /// A certificate and key somebody else made, from PEM files.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self> {
        let read = |path: &Path| {
            std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
        };
        let (pem, key_pem) = (read(certificate)?, read(key)?);
        let der = CertificateDer::from_pem_slice(pem.as_bytes());
        let key_der = PrivateKeyDer::from_pem_slice(key_pem.as_bytes());
        Ok(Self {
            der: der.with_context(|| format!("no certificate in {}", certificate.display()))?,
            key_der: key_der.with_context(|| format!("no private key in {}", key.display()))?,
            pem,
            key_pem,
        })
    }

    /// The certificate's SHA-256 in lower-case hexadecimals.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.der);
        digest.as_ref().iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Writes `NAME.crt` and `NAME.key` into a folder.
    pub fn write(&self, folder: &Path, name: &str) -> Result<LeafFiles> {
        let files = LeafFiles {
            certificate: folder.join(format!("{name}.crt")),
            key: folder.join(format!("{name}.key")),
        };
        write(&files.certificate, &self.pem)?;
        write(&files.key, &self.key_pem)?;
        Ok(files)
    }
}

/// Where a [`Leaf`] was written.
#[derive(Clone, Debug)]
pub struct LeafFiles {
    /// The certificate's file.
    pub certificate: PathBuf,
    /// The key's file.
    pub key: PathBuf,
}

/// All authorities of one simulated cluster.
#[derive(Debug)]
pub struct Pki {
    /// Signs the API server, kubelets and users (`client-ca-file`).
    pub cluster: Authority,
    /// Signs the aggregator's client certificate (`requestheader-client-ca-file`).
    pub front_proxy: Authority,
    /// Signs the certificate Loadline serves with (`caBundle` of the APIServices).
    pub serving: Authority,
    /// Nobody trusts it.
    pub stranger: Authority,
}

impl Pki {
    /// New authorities.
    pub fn new() -> Result<Self> {
        Ok(Self {
            cluster: Authority::new("kubernetes")?,
            front_proxy: Authority::new("front-proxy-ca")?,
            serving: Authority::new("serving-ca")?,
            stranger: Authority::new("stranger-ca")?,
        })
    }
}

/// Writes a file of the lab, replacing it in one step as the kubelet does with mounted Secrets.
pub fn write(path: &Path, content: &str) -> Result<()> {
    let next = path.with_extension("next");
    std::fs::write(&next, content)
        .and_then(|()| std::fs::rename(&next, path))
        .with_context(|| format!("write {}", path.display()))
}
