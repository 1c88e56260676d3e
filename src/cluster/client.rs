//! The client every room asks the API server with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::header::USER_AGENT;
use http::{HeaderValue, Uri};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use k8s_openapi::ByteString;
use kube::client::{Body, ConfigExt};
use kube::config::{AuthInfo, InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use secrecy::ExposeSecret;
use tower::{BoxError, Layer, ServiceExt};

use super::bearer::TokenFile;
use super::credentials::{ClientCertificate, Credentials, Material};
use super::request::describe;

/// Where the API server is and who we are to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Who we are, which mostly also says where the API server is.
    pub identity: Identity,
    /// Asked instead of the server the identity names.
    pub server: Option<Uri>,
    /// Any certificate of the API server is taken, whatever the identity says.
    pub insecure_skip_tls_verify: bool,
    /// The service account's token is shown beside another identity, if there is one.
    pub service_account_token: bool,
}

/// Who we are to the API server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// The pod's service account.
    #[default]
    ServiceAccount,
    /// The user of this kubeconfig's current context: `--kubeconfig`.
    Kubeconfig(PathBuf),
    /// Nobody in particular; [`Config::server`] says where to ask.
    Nobody,
}

/// Another server of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// Where it is.
    pub url: Uri,
    /// The name its certificate has to carry.
    pub server_name: String,
    /// Who vouches for that, as PEM.
    pub ca_pem: Vec<u8>,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no service account here, as outside of a pod.
    #[error(
        "no service account is mounted here: set automountServiceAccountToken in the pod, or name a kubeconfig with --kubeconfig"
    )]
    InCluster(#[source] InClusterError),
    /// The kubeconfig, or a file it names, cannot be used.
    #[error("cannot use --kubeconfig {}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KubeconfigError,
    },
    /// The kubeconfig is no YAML of its kind. The text around the place is not shown: it may be a
    /// token.
    #[error("--kubeconfig {} is not a kubeconfig (line {line}, column {column})", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1; 0 when unknown.
        line: u64,
        /// The column, from 1; 0 when unknown.
        column: u64,
    },
    /// A `…-data` field of the kubeconfig is not base64.
    #[error("{field} in --kubeconfig {} is not base64", path.display())]
    Data {
        /// The file.
        path: PathBuf,
        /// The field's name.
        field: &'static str,
    },
    /// The token in the kubeconfig could stand in no header.
    #[error("the token in --kubeconfig {} holds a character that no token may have", path.display())]
    Token {
        /// The file.
        path: PathBuf,
    },
    /// The kubeconfig sends requests through a proxy.
    #[error("--kubeconfig {} names a proxy-url, which is not supported", path.display())]
    Proxy {
        /// The file.
        path: PathBuf,
    },
    /// The token file cannot be read, or holds no token.
    #[error("cannot read the token file {}", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The certificates or the token do not make a client.
    #[error("cannot set up the client for the API server: {reason}")]
    Client {
        /// What went wrong, without secrets.
        reason: String,
    },
}

/// How long connecting may take. The requests have deadlines of their own.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A silent connection is probed this often; after [`PROBES`] unanswered ones it is dead.
const KEEPALIVE: Duration = Duration::from_secs(15);
const PROBES: u32 = 3;
/// How long nothing has come when it is.
pub(super) const PROBED: Duration = KEEPALIVE.saturating_mul(PROBES + 1);
/// Idle connections go before the API server closes them (Go's server does so after 90 s and more).
const IDLE: Duration = Duration::from_secs(60);
const IDLE_CONNECTIONS: usize = 4;
/// Where a pod finds its service account's token.
const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const AGENT: &str = concat!("loadline/", env!("CARGO_PKG_VERSION"));

/// Makes the client, and says what it identifies itself with.
///
/// Reads files alone; the API server may be away. The client neither retries nor logs by itself and
/// has no deadline for answers, because a watch has none: every request brings its own. The service
/// account's token is read anew at least once a minute, the cluster's CA too, so both may be
/// rotated.
///
/// # Errors
/// When a file is missing or cannot be understood. All of them are for a person to mend.
pub async fn connect(config: Config) -> Result<(kube::Client, Credentials), Error> {
    let (config, credentials) = identified(&config).await?;
    let client = with_token(config, &credentials)?;
    Ok((client, credentials))
}

/// Makes a client of another server of the cluster, which takes the identities the API server
/// takes. As [`connect`] else.
///
/// # Errors
/// As [`connect`]; also when the CA holds no certificate, unless none is to be verified.
pub async fn connect_elsewhere(config: Config, to: Elsewhere) -> Result<kube::Client, Error> {
    let (mut made, credentials) = identified(&config).await?;
    made.cluster_url = to.url;
    made.tls_server_name = Some(to.server_name);
    made.accept_invalid_certs = config.insecure_skip_tls_verify;
    made.root_cert_file = None;
    let roots: Vec<Vec<u8>> = CertificateDer::pem_slice_iter(&to.ca_pem)
        .filter_map(|one| Some(one.ok()?.to_vec()))
        .collect();
    if roots.is_empty() && !config.insecure_skip_tls_verify {
        return Err(Error::Client {
            reason: "nobody vouches for its certificate: there is no CA".to_owned(),
        });
    }
    made.root_cert = Some(roots);
    with_token(made, &credentials)
}

async fn identified(config: &Config) -> Result<(kube::Config, Credentials), Error> {
    let found = match &config.identity {
        Identity::ServiceAccount => in_cluster()?,
        Identity::Kubeconfig(path) => from_kubeconfig(path).await?,
        Identity::Nobody => nobody(config),
    };
    Ok(changed(found, config))
}

fn with_token(config: kube::Config, credentials: &Credentials) -> Result<kube::Client, Error> {
    let token = match &credentials.token {
        Some(Material::File(path)) => Some(token_file(path)?),
        Some(Material::Inline(_)) | None => None,
    };
    client(config, token).map_err(|error| Error::Client {
        reason: describe(&error),
    })
}

impl Config {
    /// The user and the server of a kubeconfig.
    #[must_use]
    pub fn kubeconfig(path: PathBuf) -> Self {
        Self {
            identity: Identity::Kubeconfig(path),
            ..Self::default()
        }
    }
}

fn nobody(config: &Config) -> (kube::Config, Credentials) {
    let server = config.server.clone().unwrap_or_default();
    (kube::Config::new(server), Credentials::default())
}

/// What an identity brought, with what is said beside it.
fn changed(
    (mut config, mut credentials): (kube::Config, Credentials),
    said: &Config,
) -> (kube::Config, Credentials) {
    if let Some(server) = &said.server {
        config.cluster_url = server.clone();
    }
    if said.insecure_skip_tls_verify {
        config.accept_invalid_certs = true;
        credentials.insecure_skip_tls_verify = true;
    }
    let readable = || std::fs::File::open(SERVICE_ACCOUNT_TOKEN).is_ok();
    if said.service_account_token && said.identity != Identity::ServiceAccount && readable() {
        credentials.token = Some(Material::File(SERVICE_ACCOUNT_TOKEN.into()));
        config.auth_info = AuthInfo::default();
        config.auth_info.token_file = Some(SERVICE_ACCOUNT_TOKEN.to_owned());
    }
    (config, credentials)
}

fn token_file(path: &Path) -> Result<TokenFile, Error> {
    TokenFile::open(path.into()).map_err(|source| Error::TokenFile {
        path: path.into(),
        source,
    })
}

fn in_cluster() -> Result<(kube::Config, Credentials), Error> {
    let config = kube::Config::incluster().map_err(Error::InCluster)?;
    let credentials = Credentials {
        ca: config.root_cert_file.clone().map(Material::File),
        token: token(&config.auth_info),
        ..Credentials::default()
    };
    Ok((config, credentials))
}

async fn from_kubeconfig(path: &Path) -> Result<(kube::Config, Credentials), Error> {
    let refused = |source| refused(path, source);
    let kubeconfig = Kubeconfig::read_from(path).map_err(refused)?;
    let named = current_cluster(&kubeconfig).cloned().unwrap_or_default();
    if named.proxy_url.as_ref().is_some_and(|url| !url.is_empty()) {
        return Err(Error::Proxy { path: path.into() });
    }
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(refused)?;
    let not_base64 = |field| Error::Data {
        path: path.into(),
        field,
    };
    let ca = material(
        "certificate-authority-data",
        named.certificate_authority_data.as_deref(),
        named.certificate_authority.as_deref(),
    );
    let token = token(&config.auth_info);
    if let Some(Material::Inline(text)) = &token
        && !text.iter().all(u8::is_ascii_graphic)
    {
        return Err(Error::Token { path: path.into() });
    }
    let credentials = Credentials {
        ca: ca.map_err(not_base64)?,
        token,
        client_certificate: client_certificate(&config.auth_info).map_err(not_base64)?,
        insecure_skip_tls_verify: config.accept_invalid_certs,
    };
    Ok((config, credentials))
}

fn refused(path: &Path, source: KubeconfigError) -> Error {
    let path = path.into();
    let KubeconfigError::Parse(error) = source else {
        return Error::Kubeconfig { path, source };
    };
    let at = error.location();
    Error::Syntax {
        path,
        line: at.map_or(0, |at| at.line()),
        column: at.map_or(0, |at| at.column()),
    }
}

fn current_cluster(kubeconfig: &Kubeconfig) -> Option<&kube::config::Cluster> {
    let current = kubeconfig.current_context.as_ref()?;
    let context = kubeconfig.contexts.iter().find(|c| &c.name == current)?;
    let name = &context.context.as_ref()?.cluster;
    let named = kubeconfig.clusters.iter().find(|c| &c.name == name)?;
    named.cluster.as_ref()
}

/// As in client-go an inline token wins over a file.
fn token(user: &AuthInfo) -> Option<Material> {
    if let Some(token) = &user.token {
        let token = token.expose_secret().trim();
        return Some(Material::Inline(token.as_bytes().into()));
    }
    let file = user.token_file.as_ref()?;
    Some(Material::File(file.into()))
}

fn client_certificate(user: &AuthInfo) -> Result<Option<ClientCertificate>, &'static str> {
    let certificate = material(
        "client-certificate-data",
        user.client_certificate_data.as_deref(),
        user.client_certificate.as_deref(),
    )?;
    let key = material(
        "client-key-data",
        user.client_key_data
            .as_ref()
            .map(ExposeSecret::expose_secret),
        user.client_key.as_deref(),
    )?;
    Ok(certificate
        .zip(key)
        .map(|(certificate, key)| ClientCertificate { certificate, key }))
}

/// As in client-go the data wins over the file. Fails with the `field` that is not base64.
fn material(
    field: &'static str,
    data: Option<&str>,
    file: Option<&str>,
) -> Result<Option<Material>, &'static str> {
    if let Some(data) = data.filter(|data| !data.is_empty()) {
        let ByteString(pem) = serde_json::from_value(data.into()).map_err(|_| field)?;
        return Ok(Some(Material::Inline(pem.into())));
    }
    Ok(file
        .filter(|file| !file.is_empty())
        .map(|file| Material::File(file.into())))
}

pub(super) fn client(
    mut config: kube::Config,
    token: Option<TokenFile>,
) -> Result<kube::Client, kube::Error> {
    if token.is_some() {
        // kube refuses a file that ends with a newline, as most do that a person wrote.
        config.auth_info.token_file = None;
    }
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Somebody may have been faster; then there is one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
    config
        .headers
        .push((USER_AGENT, HeaderValue::from_static(AGENT)));
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector.set_keepalive(Some(KEEPALIVE));
    connector.set_keepalive_interval(Some(KEEPALIVE));
    connector.set_keepalive_retries(Some(PROBES));
    #[cfg(target_os = "linux")]
    connector.set_tcp_user_timeout(Some(KEEPALIVE * (PROBES + 1)));
    let https = config.rustls_https_connector_with_connector(connector)?;
    let http: HttpClient<_, Body> = HttpClient::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .build(https);
    let service = config
        .extra_headers_layer()?
        .layer(http.map_err(BoxError::from));
    let token = token.map(Arc::new);
    let service = service.map_request(move |request| match &token {
        Some(token) => token.sign(request),
        None => request,
    });
    let service = tower::util::option_layer(config.auth_layer()?).layer(service);
    let service = config.base_uri_layer().layer(service);
    Ok(kube::Client::new(service, config.default_namespace))
}
