//! Whom we believe: the front proxy and the authorities of users' certificates, as they are right
//! now.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::DistinguishedName;
use tracing::{info, warn};

use super::ca_bundle::{CaBundle, InvalidBundle};
use super::proxy_headers::ProxyHeaders;

/// One state of what we believe. A new state has a new generation.
#[derive(Debug, Default)]
pub struct Trust {
    generation: u64,
    front_proxy: Option<FrontProxy>,
    client: Option<CaBundle>,
}

/// The proxy that may speak for others, and the headers in which it does.
#[derive(Clone, Debug)]
pub struct FrontProxy {
    authorities: CaBundle,
    headers: ProxyHeaders,
}

/// Which files and headers the flags give. What they leave open comes from the cluster's ConfigMap.
#[derive(Clone, Debug, Default)]
pub struct TrustConfig {
    /// Whose callers are believed by it, for the log: the flag of their port.
    pub port: &'static str,
    /// `--client-ca-file`.
    pub client_ca_file: Option<PathBuf>,
    /// `--requestheader-client-ca-file` and, since it is given, the other `--requestheader-*`
    /// flags.
    pub front_proxy: Option<(PathBuf, ProxyHeaders)>,
}

/// A file named by a flag that holds no usable authorities.
#[derive(Debug, thiserror::Error)]
pub enum TrustFileError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no bundle of certificates.
    #[error("{path} holds no certificate authorities")]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: InvalidBundle,
    },
}

/// The current [`Trust`], fed by flags' files and the cluster's ConfigMap. Readers never wait.
#[derive(Debug)]
pub struct LiveTrust {
    config: TrustConfig,
    current: ArcSwap<Trust>,
    sources: Mutex<Sources>,
}

/// The last good value of each part, and what was wrong with it last.
#[derive(Debug, Default)]
struct Sources {
    port: &'static str,
    client: Option<CaBundle>,
    proxy: Option<CaBundle>,
    headers: ProxyHeaders,
    complaints: BTreeMap<&'static str, String>,
}

const CLIENT_CA: &str = "client-ca-file";
const PROXY_CA: &str = "requestheader-client-ca-file";
const PROXY_HEADERS: &str = "requestheader-*-headers";

impl Trust {
    /// Distinguishes this state from every other of the process.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// The front proxy, if one is known.
    #[must_use]
    pub const fn front_proxy(&self) -> Option<&FrontProxy> {
        self.front_proxy.as_ref()
    }

    /// The authorities of users' certificates, if there are any.
    #[must_use]
    pub const fn client_authorities(&self) -> Option<&CaBundle> {
        self.client.as_ref()
    }

    /// The subjects of all authorities, each once: what a server shows when it asks for a
    /// certificate.
    #[must_use]
    pub fn subjects(&self) -> Vec<DistinguishedName> {
        let proxy = self
            .front_proxy
            .iter()
            .flat_map(|p| p.authorities.subjects());
        let client = self.client.iter().flat_map(CaBundle::subjects);
        let mut all = Vec::<DistinguishedName>::new();
        for subject in proxy.chain(client) {
            if !all.iter().any(|s| s.as_ref() == subject.as_ref()) {
                all.push(subject);
            }
        }
        all
    }
}

impl FrontProxy {
    /// Who vouches for the proxy's certificate.
    #[must_use]
    pub const fn authorities(&self) -> &CaBundle {
        &self.authorities
    }

    /// The headers the proxy uses, and the names it may have.
    #[must_use]
    pub const fn headers(&self) -> &ProxyHeaders {
        &self.headers
    }
}

impl LiveTrust {
    /// Reads the files that flags name.
    ///
    /// # Errors
    /// [`TrustFileError`] when one of them is unusable: at the start that is a mistake in the
    /// flags.
    pub fn new(config: TrustConfig) -> Result<Arc<Self>, TrustFileError> {
        let mut sources = Sources {
            port: config.port,
            ..Sources::default()
        };
        if let Some(path) = &config.client_ca_file {
            sources.client = Some(read_bundle(path)?);
        }
        if let Some((path, headers)) = &config.front_proxy {
            sources.proxy = Some(read_bundle(path)?);
            sources.headers = headers.clone();
        }
        let trust = Self {
            config,
            current: ArcSwap::default(),
            sources: Mutex::new(sources),
        };
        trust.publish(&trust.sources.lock());
        Ok(Arc::new(trust))
    }

    /// What we believe now.
    #[must_use]
    pub fn load(&self) -> Arc<Trust> {
        self.current.load_full()
    }

    /// Tells whether flags leave something for the cluster's ConfigMap to say.
    #[must_use]
    pub const fn needs_lookup(&self) -> bool {
        self.config.client_ca_file.is_none() || self.config.front_proxy.is_none()
    }

    /// Reads the flags' files again; one that became unusable leaves the last good content in
    /// force.
    pub fn reload_files(&self) {
        let mut sources = self.sources.lock();
        let mut changed = false;
        if let Some(path) = &self.config.client_ca_file {
            let read = read_bundle(path).map_err(|error| complaint(&error));
            changed |= sources.take(CLIENT_CA, read, |s| &mut s.client);
        }
        if let Some((path, _)) = &self.config.front_proxy {
            let read = read_bundle(path).map_err(|error| complaint(&error));
            changed |= sources.take(PROXY_CA, read, |s| &mut s.proxy);
        }
        if changed {
            self.publish(&sources);
        }
    }

    /// Takes what ConfigMap `kube-system/extension-apiserver-authentication` says where flags are
    /// silent. A part that is absent, empty or broken leaves its last good value in force; an
    /// absent list of headers is an empty list.
    pub fn apply_config_map(&self, data: &BTreeMap<String, String>) {
        let mut sources = self.sources.lock();
        let mut changed = false;
        if self.config.client_ca_file.is_none() {
            let read = bundle(data, CLIENT_CA);
            changed |= sources.take(CLIENT_CA, read, |s| &mut s.client);
        }
        if self.config.front_proxy.is_none() {
            let read = bundle(data, PROXY_CA);
            changed |= sources.take(PROXY_CA, read, |s| &mut s.proxy);
            let headers = ProxyHeaders::from_config_map(data);
            changed |= sources.take_headers(headers);
        }
        if changed {
            self.publish(&sources);
        }
    }

    fn publish(&self, sources: &Sources) {
        let generation = self.current.load().generation + 1;
        let front_proxy = sources.proxy.clone().map(|authorities| FrontProxy {
            authorities,
            headers: sources.headers.clone(),
        });
        let client = sources.client.clone();
        let (trusts_proxy, trusts_clients) = (front_proxy.is_some(), client.is_some());
        if trusts_proxy || trusts_clients {
            info!(
                port = sources.port,
                front_proxy = trusts_proxy,
                client_ca = trusts_clients,
                "trusted authorities changed"
            );
        }
        self.current.store(Arc::new(Trust {
            generation,
            front_proxy,
            client,
        }));
    }
}

impl Sources {
    /// Keeps a newly read bundle unless it is broken or the same; tells whether something changed.
    fn take(
        &mut self,
        part: &'static str,
        read: Result<CaBundle, String>,
        place: impl Fn(&mut Self) -> &mut Option<CaBundle>,
    ) -> bool {
        match read {
            Ok(new) => {
                self.complaints.remove(part);
                let place = place(self);
                let changed = !place.as_ref().is_some_and(|old| old.is_same(&new));
                *place = Some(new);
                changed
            }
            Err(complaint) => {
                self.complain(part, complaint);
                false
            }
        }
    }

    fn take_headers(&mut self, read: Result<ProxyHeaders, String>) -> bool {
        match read {
            Ok(new) => {
                self.complaints.remove(PROXY_HEADERS);
                let changed = self.headers != new;
                self.headers = new;
                changed
            }
            Err(complaint) => {
                self.complain(PROXY_HEADERS, complaint);
                false
            }
        }
    }

    /// Says each complaint once, until it is another.
    fn complain(&mut self, part: &'static str, complaint: String) {
        if self.complaints.get(part) != Some(&complaint) {
            let port = self.port;
            warn!(port, part, reason = %complaint, "trusted authorities unusable; keeping the last good ones");
            self.complaints.insert(part, complaint);
        }
    }
}

fn bundle(data: &BTreeMap<String, String>, key: &str) -> Result<CaBundle, String> {
    let pem = data.get(key).map_or("", String::as_str);
    CaBundle::from_pem(pem.as_bytes()).map_err(|e| e.to_string())
}

fn complaint(error: &TrustFileError) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

fn read_bundle(path: &std::path::Path) -> Result<CaBundle, TrustFileError> {
    let pem = std::fs::read(path).map_err(|source| TrustFileError::Read {
        path: path.to_owned(),
        source,
    })?;
    CaBundle::from_pem(&pem).map_err(|source| TrustFileError::Invalid {
        path: path.to_owned(),
        source,
    })
}
