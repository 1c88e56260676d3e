//! The lab's certificates: the cluster's CA, the front proxy's CA, and what they sign.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};

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
    key_der: Vec<u8>,
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
    /// It ended an hour ago.
    pub expired: bool,
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
            expired: false,
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
        self.expired = true;
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
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match self.usage {
            Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
            Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
        }];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, if self.expired { -1 } else { 24 });
        Ok(params)
    }
}

fn set_validity(params: &mut CertificateParams, ends_in_hours: i64) {
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::hours(48);
    params.not_after = now + Duration::hours(ends_in_hours);
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
        set_validity(&mut params, 240);
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
        Ok(Leaf {
            pem: certificate.pem(),
            der: certificate.der().clone(),
            key_pem: key.serialize_pem(),
            key_der: key.serialize_der(),
        })
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

    /// The private key in PKCS#8.
    #[must_use]
    pub fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key_der.clone()))
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
