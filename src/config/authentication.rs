//! Who a caller is.

use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;

use super::flag::{Flag, Kind, Topic};
use super::given::Given;

/// Who a caller is, and where that is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentication {
    /// `--authentication-kubeconfig`: whom TokenReviews go to; `None` is where everything else
    /// goes.
    pub kubeconfig: Option<PathBuf>,
    /// `--authentication-skip-lookup`: do not read the ConfigMap
    /// `kube-system/extension-apiserver-authentication`.
    pub skip_lookup: bool,
    /// `--authentication-tolerate-lookup-failure`: serve although that ConfigMap could not be read.
    pub tolerate_lookup_failure: bool,
    /// `--authentication-token-webhook-cache-ttl`: how long a TokenReview that knew the token is
    /// remembered.
    pub token_cache_ttl: Duration,
    /// `--client-ca-file`: the authorities of callers' own certificates; `None` leaves it to the
    /// ConfigMap.
    pub client_ca_file: Option<PathBuf>,
    /// How a front proxy tells us whom it speaks for; `None` leaves it to the ConfigMap.
    pub request_header: Option<RequestHeader>,
}

/// How a front proxy proves itself and names the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// `--requestheader-client-ca-file`: the authorities of the proxy's certificate.
    pub client_ca_file: PathBuf,
    /// `--requestheader-allowed-names`: common names such a certificate may have; empty is any.
    pub allowed_names: Vec<String>,
    /// `--requestheader-username-headers`, tried in this order.
    pub username_headers: Vec<HeaderName>,
    /// `--requestheader-uid-headers`.
    pub uid_headers: Vec<HeaderName>,
    /// `--requestheader-group-headers`.
    pub group_headers: Vec<HeaderName>,
    /// `--requestheader-extra-headers-prefix`, lower case.
    pub extra_header_prefixes: Vec<String>,
}

const KUBECONFIG: Flag = Flag::new(
    "authentication-kubeconfig",
    Kind::Text,
    "",
    "Path of the kubeconfig TokenReviews are asked with; without one, as --kubeconfig says",
);
const SKIP_LOOKUP: Flag = Flag::new(
    "authentication-skip-lookup",
    Kind::Bool,
    "false",
    "Do not read the missing authentication settings from the cluster",
);
const TOKEN_CACHE_TTL: Flag = Flag::new(
    "authentication-token-webhook-cache-ttl",
    Kind::Duration,
    "10s",
    "Time a known token is remembered",
);
const TOLERATE_LOOKUP_FAILURE: Flag = Flag::new(
    "authentication-tolerate-lookup-failure",
    Kind::Bool,
    "false",
    "Serve although the authentication settings could not be read from the cluster",
);
const CLIENT_CA_FILE: Flag = Flag::new(
    "client-ca-file",
    Kind::Text,
    "",
    "File of the authorities that sign callers' client certificates",
);
const ALLOWED_NAMES: Flag = Flag::new(
    "requestheader-allowed-names",
    Kind::List,
    "",
    "Common names a front proxy's certificate may have; empty for any",
);
const PROXY_CA_FILE: Flag = Flag::new(
    "requestheader-client-ca-file",
    Kind::Text,
    "",
    "File of the authorities that sign a front proxy's certificate",
);
const EXTRA_HEADERS_PREFIX: Flag = Flag::new(
    "requestheader-extra-headers-prefix",
    Kind::List,
    "x-remote-extra-",
    "Prefixes of the headers that carry more about the caller",
);
const GROUP_HEADERS: Flag = Flag::new(
    "requestheader-group-headers",
    Kind::List,
    "x-remote-group",
    "Headers that name the caller's groups",
);
const UID_HEADERS: Flag = Flag::new(
    "requestheader-uid-headers",
    Kind::List,
    "",
    "Headers that carry the caller's UID",
);
const USERNAME_HEADERS: Flag = Flag::new(
    "requestheader-username-headers",
    Kind::List,
    "x-remote-user",
    "Headers that name the caller",
);

pub(super) const TOPIC: Topic = Topic {
    title: "Authentication",
    flags: &[
        &KUBECONFIG,
        &SKIP_LOOKUP,
        &TOKEN_CACHE_TTL,
        &TOLERATE_LOOKUP_FAILURE,
        &CLIENT_CA_FILE,
        &ALLOWED_NAMES,
        &PROXY_CA_FILE,
        &EXTRA_HEADERS_PREFIX,
        &GROUP_HEADERS,
        &UID_HEADERS,
        &USERNAME_HEADERS,
    ],
};

pub(super) fn read(given: &mut Given) -> Option<Authentication> {
    let kubeconfig = given.path(&KUBECONFIG);
    let skip_lookup = given.flag(&SKIP_LOOKUP);
    let tolerate_lookup_failure = given.flag(&TOLERATE_LOOKUP_FAILURE);
    let token_cache_ttl = given.duration(&TOKEN_CACHE_TTL);
    let client_ca_file = given.path(&CLIENT_CA_FILE);
    let request_header = read_request_header(given);
    Some(Authentication {
        kubeconfig,
        skip_lookup: skip_lookup?,
        tolerate_lookup_failure: tolerate_lookup_failure?,
        token_cache_ttl: token_cache_ttl?,
        client_ca_file,
        request_header: request_header?,
    })
}

/// The front proxy flags that were given and act on nothing: without
/// `--requestheader-client-ca-file` all of them come from the cluster, as in Kubernetes.
pub(super) fn without_effect(given: &Given) -> Vec<&'static str> {
    if given.has(&PROXY_CA_FILE) {
        return Vec::new();
    }
    [
        &ALLOWED_NAMES,
        &EXTRA_HEADERS_PREFIX,
        &GROUP_HEADERS,
        &UID_HEADERS,
        &USERNAME_HEADERS,
    ]
    .into_iter()
    .filter(|flag| given.has(flag))
    .map(|flag| flag.name)
    .collect()
}

fn read_request_header(given: &mut Given) -> Option<Option<RequestHeader>> {
    let client_ca_file = given.path(&PROXY_CA_FILE);
    let allowed_names = given.list(&ALLOWED_NAMES);
    let username_headers = read_headers(given, &USERNAME_HEADERS);
    let uid_headers = read_headers(given, &UID_HEADERS);
    let group_headers = read_headers(given, &GROUP_HEADERS);
    let extra_header_prefixes = read_headers(given, &EXTRA_HEADERS_PREFIX);
    let Some(client_ca_file) = client_ca_file else {
        return Some(None);
    };
    let username_headers = username_headers?;
    if username_headers.is_empty() {
        given.refuse(format!(
            "--{} must name a header when --{} is given",
            USERNAME_HEADERS.name, PROXY_CA_FILE.name
        ));
        return None;
    }
    Some(Some(RequestHeader {
        client_ca_file,
        allowed_names: allowed_names?,
        username_headers,
        uid_headers: uid_headers?,
        group_headers: group_headers?,
        extra_header_prefixes: extra_header_prefixes?
            .iter()
            .map(|prefix| prefix.as_str().to_owned())
            .collect(),
    }))
}

fn read_headers(given: &mut Given, flag: &Flag) -> Option<Vec<HeaderName>> {
    let names = given.list(flag)?;
    let headers: Option<Vec<HeaderName>> =
        names.iter().map(|name| name.trim().parse().ok()).collect();
    if headers.is_none() {
        given.refuse(format!("--{} must hold header names", flag.name));
    }
    headers
}
