//! TLS towards kubelets: what is trusted and who we are.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::time_provider::TimeProvider;
use rustls::{CipherSuite, SupportedCipherSuite};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use super::material::{MaterialError, Watched};
use super::pinned::PinVerifier;
use super::session::LastSession;
use super::verify::{NodeVerifier, Unverified};
use super::{Pins, Target, Trust};
use crate::cluster::{ClientCertificate, Material};
use crate::domain::Clock;

/// What all handshakes have in common until a file changes.
pub(super) struct Tls {
    template: ClientConfig,
    /// The CAs; `None` accepts anybody.
    roots: Option<Arc<rustls::RootCertStore>>,
    /// Whom to believe besides whom the CAs vouch for.
    pins: Option<Arc<Pins>>,
    provider: Arc<CryptoProvider>,
}

/// What handshakes with one node use: its own verifier, and its own store of sessions to resume.
#[derive(Clone)]
pub(super) struct NodeTls {
    pub config: Arc<ClientConfig>,
    /// What the server is told whom we want (SNI).
    pub server_name: ServerName<'static>,
}

/// Follows CA and client certificate through their rotations; `None` when TLS is not spoken at all.
pub(super) async fn watch_tls(
    trust: &Trust,
    client: Option<&ClientCertificate>,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Watched<Tls>>, MaterialError> {
    let (ca, pins) = match trust {
        Trust::Ca(ca) => (Some(ca.clone()), None),
        Trust::Pin { ca, pins } => (Some(ca.clone()), Some(Arc::clone(pins))),
        Trust::Anybody => (None, None),
        Trust::CompletelyInsecure | Trust::ApiServer(_) => return Ok(None),
    };
    let mut sources: Vec<Material> = ca.iter().cloned().collect();
    sources.extend(
        client
            .iter()
            .flat_map(|c| [c.certificate.clone(), c.key.clone()]),
    );
    let time = Arc::new(ClockTime(Arc::clone(clock)));
    let with_client = client.is_some();
    let make = move |contents: &[Vec<u8>]| {
        let mut contents = contents.iter();
        let roots = match &ca {
            Some(ca) => Some(Arc::new(roots(contents.next(), ca)?)),
            None => None,
        };
        let pair = if with_client {
            contents.next().zip(contents.next())
        } else {
            None
        };
        Tls::new(roots, pins.clone(), pair, Arc::clone(&time))
    };
    Watched::new(sources, Arc::clone(clock), make)
        .await
        .map(Some)
}

impl Tls {
    fn new(
        roots: Option<Arc<rustls::RootCertStore>>,
        pins: Option<Arc<Pins>>,
        client: Option<(&Vec<u8>, &Vec<u8>)>,
        time: Arc<ClockTime>,
    ) -> Result<Self, MaterialError> {
        let mut provider = aws_lc_rs::default_provider();
        provider.cipher_suites.sort_by_key(|suite| !is_light(suite));
        let provider = Arc::new(provider);
        let builder = ClientConfig::builder_with_details(Arc::clone(&provider), time)
            .with_safe_default_protocol_versions()
            .map_err(|error| MaterialError::Tls {
                reason: error.to_string(),
            })?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Unverified::new(&provider)));
        let mut template = match client {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let (chain, key) = client_pair(certificate, key)?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| unusable(&error))?
            }
        };
        template.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            template,
            roots,
            pins,
            provider,
        })
    }

    /// What to use for handshakes with `target`; `None` when neither its name nor its address can
    /// stand in a certificate.
    ///
    /// To be kept as long as the target is the same: sessions are resumed only by the verifier that
    /// saw them begin.
    pub(super) fn for_node(&self, target: &Target) -> Option<NodeTls> {
        let names: Vec<ServerName<'static>> = [target.node().as_str(), target.host()]
            .into_iter()
            .filter_map(|name| ServerName::try_from(name.to_string()).ok())
            .collect();
        let server_name = names.first()?.clone();
        let mut config = self.template.clone();
        // One server, so a store of its own is both enough and gone with the node.
        config.resumption = Resumption::store(Arc::new(LastSession::default()));
        if let Some(roots) = &self.roots {
            let by_ca = NodeVerifier::new(Arc::clone(roots), names, &self.provider);
            let verifier: Arc<dyn ServerCertVerifier> = match &self.pins {
                None => Arc::new(by_ca),
                Some(pins) => Arc::new(PinVerifier::new(
                    by_ca,
                    Arc::clone(pins),
                    target.node().clone(),
                    Arc::clone(target.uid()),
                )),
            };
            config.dangerous().set_certificate_verifier(verifier);
        }
        Some(NodeTls {
            config: Arc::new(config),
            server_name,
        })
    }
}

/// Offered first, as Go's clients do: SHA-256 takes a handshake less than SHA-384. Kubelets choose by
/// their own order.
fn is_light(suite: &SupportedCipherSuite) -> bool {
    suite.suite() == CipherSuite::TLS13_AES_128_GCM_SHA256
}

fn roots(
    content: Option<&Vec<u8>>,
    from: &Material,
) -> Result<rustls::RootCertStore, MaterialError> {
    let mut roots = rustls::RootCertStore::empty();
    let certificates = CertificateDer::pem_slice_iter(content.map_or(&[], Vec::as_slice));
    // As Go does, a bundle counts for what can be read of it.
    roots.add_parsable_certificates(certificates.filter_map(Result::ok));
    if roots.is_empty() {
        return Err(MaterialError::NoCa {
            from: from.to_string(),
        });
    }
    Ok(roots)
}

fn client_pair(
    certificate: &[u8],
    key: &[u8],
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), MaterialError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(&error))?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| unusable(&error))?;
    Ok((chain, key))
}

fn unusable(error: &dyn fmt::Display) -> MaterialError {
    MaterialError::ClientCertificate {
        reason: error.to_string(),
    }
}

// The library's own `Debug` would print the client's key material as far as its parts see fit.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl fmt::Debug for NodeTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeTls")
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

/// Our clock, by which certificates are judged.
#[derive(Debug)]
struct ClockTime(Arc<dyn Clock>);

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().as_secs()).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
            seconds,
        )))
    }
}
