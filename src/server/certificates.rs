//! The serving certificates in use: from files or of our own making, and which one a client is
//! shown.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tracing::{info, warn};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::authority::service_names;
use super::metrics::Metrics;
use super::pair_files::{CertificateError, PairBytes, PairFiles};
use super::self_signed::{self, Chain, SelfSigned};
use crate::domain::{Clock, Timestamp};

/// Where the certificate that is shown by default comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServingCertificate {
    /// `--tls-cert-file` and `--tls-private-key-file`.
    Files(PairFiles),
    /// Made by us for these Services of this namespace, and renewed before it ends.
    SelfSigned {
        /// The Services' names.
        services: Vec<String>,
        /// Their namespace.
        namespace: String,
    },
}

/// A further pair for certain server names: `--tls-sni-cert-key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SniPair {
    /// The pair.
    pub files: PairFiles,
    /// Names, `*.` at their head for one label; empty for those in the certificate.
    pub names: Vec<String>,
}

/// The certificates, swapped whole when one changes.
#[derive(Debug)]
pub(super) struct Certificates {
    shown: ArcSwap<Shown>,
    sources: Mutex<Sources>,
    provider: Arc<CryptoProvider>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Shown {
    default: Arc<CertifiedKey>,
    by_name: Vec<(String, Arc<CertifiedKey>)>,
}

#[derive(Debug)]
struct Sources {
    default: Source,
    named: Vec<Source>,
}

/// One certificate with where it comes from.
#[derive(Debug)]
struct Source {
    origin: Origin,
    /// For which server names; empty for the default.
    names: Vec<String>,
    key: Arc<CertifiedKey>,
    not_after: i64,
}

#[derive(Debug)]
enum Origin {
    Files {
        files: PairFiles,
        /// The bytes last tried, good or bad.
        tried: Option<PairBytes>,
    },
    SelfSigned(SelfSigned),
    /// Whoever handed it over looks after it.
    HandedOver,
}

impl Certificates {
    /// Loads or makes all certificates; one that cannot be served is an error at the start.
    pub(super) fn load(
        default: &ServingCertificate,
        sni: &[SniPair],
        provider: Arc<CryptoProvider>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, CertificateError> {
        let now = clock.now();
        let default = match default {
            ServingCertificate::Files(files) => Source::from_files(files, &provider)?,
            ServingCertificate::SelfSigned {
                services,
                namespace,
            } => {
                let names = service_names(services, namespace);
                Source::self_signed(names, now, &provider)?
            }
        };
        let mut named = Vec::new();
        for pair in sni {
            let mut source = Source::from_files(&pair.files, &provider)?;
            source.names = pair.names.iter().map(|n| n.to_ascii_lowercase()).collect();
            if source.names.is_empty() {
                source.names = source.certificate_names();
            }
            named.push(source);
        }
        let sources = Sources { default, named };
        let certificates = Self {
            shown: ArcSwap::new(Shown::of(&sources).into()),
            sources: Mutex::new(sources),
            provider,
            clock,
            metrics,
        };
        certificates.measure();
        Ok(certificates)
    }

    /// Reads the files again and renews what we made ourselves. Contents are compared, so that a
    /// swap of symbolic links is noticed; a pair that cannot be served leaves the old one in use
    /// and is complained of once.
    pub(super) fn refresh(&self) {
        let now = self.clock.now();
        let mut sources = self.sources.lock();
        let mut changed = false;
        for source in sources.all_mut() {
            match source.refresh(now, &self.provider) {
                Ok(new) => changed |= new,
                Err(error) => {
                    self.metrics.certificate_refused();
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    warn!(%error, cause, "cannot use the new serving certificate; keeping the old one");
                }
            }
        }
        if changed {
            info!("serving certificates changed");
            self.shown.store(Shown::of(&sources).into());
        }
        drop(sources);
        if changed {
            self.measure();
        }
    }

    /// The authority of the certificate we made ourselves, as PEM.
    pub(super) fn authority_pem(&self) -> Option<String> {
        match &self.sources.lock().default.origin {
            Origin::SelfSigned(own) => Some(own.authority_pem()),
            Origin::Files { .. } | Origin::HandedOver => None,
        }
    }

    /// Shows this pair by default from now on; nothing is renewed then but by another call.
    pub(super) fn show(&self, key: Arc<CertifiedKey>) {
        let mut sources = self.sources.lock();
        sources.default = Source {
            origin: Origin::HandedOver,
            names: Vec::new(),
            not_after: not_after(&key),
            key,
        };
        self.shown.store(Shown::of(&sources).into());
        drop(sources);
        self.measure();
    }

    pub(super) fn provider(&self) -> Arc<CryptoProvider> {
        Arc::clone(&self.provider)
    }

    #[cfg(test)]
    pub(super) fn default_leaf(&self) -> rustls_pki_types::CertificateDer<'static> {
        self.shown.load().default.cert[0].clone()
    }

    #[cfg(test)]
    pub(super) fn default_names(&self) -> Vec<String> {
        self.sources.lock().default.certificate_names()
    }

    fn measure(&self) {
        let first = self.sources.lock().first_end();
        self.metrics.certificate_expires(first);
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.shown.load();
        let named = hello.server_name().and_then(|name| shown.named(name));
        Some(Arc::clone(named.unwrap_or(&shown.default)))
    }
}

impl Shown {
    fn of(sources: &Sources) -> Self {
        let by_name = sources
            .named
            .iter()
            .flat_map(|s| s.names.iter().map(|n| (n.clone(), Arc::clone(&s.key))))
            .collect();
        Self {
            default: Arc::clone(&sources.default.key),
            by_name,
        }
    }

    /// The pair for exactly this name, else for the wildcard that stands for its first label.
    fn named(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = name.to_ascii_lowercase();
        let wildcard = name.split_once('.').map(|(_, rest)| format!("*.{rest}"));
        let find = |wanted: &str| self.by_name.iter().find(|(n, _)| n == wanted);
        find(&name).or_else(|| find(&wildcard?)).map(|(_, key)| key)
    }
}

impl Sources {
    fn all_mut(&mut self) -> impl Iterator<Item = &mut Source> {
        std::iter::once(&mut self.default).chain(&mut self.named)
    }

    /// When the first of the certificates ends.
    fn first_end(&self) -> i64 {
        let ends = self.named.iter().map(|s| s.not_after);
        ends.fold(self.default.not_after, i64::min)
    }
}

impl Source {
    fn from_files(files: &PairFiles, provider: &CryptoProvider) -> Result<Self, CertificateError> {
        let bytes = PairBytes::read(files)?;
        let key = bytes.parse(files, provider)?;
        Ok(Self {
            origin: Origin::Files {
                files: files.clone(),
                tried: Some(bytes),
            },
            names: Vec::new(),
            not_after: not_after(&key),
            key: Arc::new(key),
        })
    }

    fn self_signed(
        names: Vec<String>,
        now: Timestamp,
        provider: &CryptoProvider,
    ) -> Result<Self, CertificateError> {
        let own = SelfSigned::new(names, now).map_err(CertificateError::Make)?;
        let key = own.certified_key(now, provider)?;
        Ok(Self {
            origin: Origin::SelfSigned(own),
            names: Vec::new(),
            not_after: not_after(&key),
            key: Arc::new(key),
        })
    }

    /// Tells whether there is something new to show.
    fn refresh(
        &mut self,
        now: Timestamp,
        provider: &CryptoProvider,
    ) -> Result<bool, CertificateError> {
        let key = match &mut self.origin {
            Origin::Files { files, tried } => {
                let bytes = match PairBytes::read(files) {
                    Ok(bytes) => bytes,
                    // Said once: no bytes were tried again until there are some.
                    Err(error) => return tried.take().map_or(Ok(false), |_| Err(error)),
                };
                if tried.as_ref() == Some(&bytes) {
                    return Ok(false);
                }
                tried.insert(bytes).parse(files, provider)?
            }
            Origin::HandedOver => return Ok(false),
            Origin::SelfSigned(own) => {
                let third = i64::try_from(self_signed::LIFETIME.as_secs() / 3).unwrap_or(0);
                if now.as_secs() < self.not_after - third {
                    return Ok(false);
                }
                own.certified_key(now, provider)?
            }
        };
        self.not_after = not_after(&key);
        self.key = Arc::new(key);
        Ok(true)
    }

    /// The DNS names in the certificate itself.
    fn certificate_names(&self) -> Vec<String> {
        let leaf = self.key.cert.first();
        let cert = leaf.and_then(|leaf| webpki::EndEntityCert::try_from(leaf).ok());
        cert.map(|cert| {
            cert.valid_dns_names()
                .map(str::to_ascii_lowercase)
                .collect()
        })
        .unwrap_or_default()
    }
}

impl SelfSigned {
    fn certified_key(
        &self,
        now: Timestamp,
        provider: &CryptoProvider,
    ) -> Result<CertifiedKey, CertificateError> {
        let Chain { certificates, key } = self.issue(now).map_err(CertificateError::Make)?;
        CertifiedKey::from_der(certificates, key, provider).map_err(CertificateError::Mismatch)
    }
}

fn not_after(key: &CertifiedKey) -> i64 {
    let leaf = key.cert.first();
    let cert = leaf.and_then(|leaf| X509Certificate::from_der(leaf).ok());
    cert.map_or(0, |(_, cert)| cert.validity().not_after.timestamp())
}
