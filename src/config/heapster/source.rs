//! `--source`: how Heapster was told of the cluster, as our own settings.

use std::collections::BTreeSet;
use std::path::PathBuf;

use http::Uri;

use super::super::flag::{Flag, Kind};
use super::super::given::Given;
use super::super::value;
use crate::cluster::{self, Identity};
use crate::sinks::{Problem, SinkUri};

/// What one `--source` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct Source {
    /// How the API server is reached.
    pub(in crate::config) api_server: cluster::Config,
    /// `kubeletPort` when it is written, or the one plain HTTP is spoken on.
    pub(in crate::config) kubelet_port: Option<u16>,
    /// Kubelets are to be asked over plain HTTP.
    pub(in crate::config) plain_kubelets: bool,
    /// `host_id_annotation`.
    pub(in crate::config) host_id_annotation: Option<String>,
}

/// The options of a source as written.
struct Options<'a> {
    uri: &'a SinkUri,
    problems: Vec<String>,
}

pub(in crate::config) const SOURCE: Flag = Flag::new(
    "source",
    Kind::Text,
    "",
    "Where the numbers come from, in Heapster's form: kubernetes.summary_api:URL?OPTIONS or kubernetes:URL?OPTIONS; starts us as Heapster",
);

/// Every option that is read of a source.
const OPTIONS: [&str; 7] = [
    "auth",
    "host_id_annotation",
    "inClusterConfig",
    "insecure",
    "kubeletHttps",
    "kubeletPort",
    "useServiceAccount",
];
const SUMMARY: &str = "kubernetes.summary_api";
const CADVISOR: &str = "kubernetes";
/// The port on which a kubelet answers without TLS, when it does.
const READ_ONLY_PORT: u16 = 10255;

impl Source {
    /// Reads the one `--source`; `Some(None)` without one.
    pub(super) fn read(given: &mut Given) -> Option<Option<Self>> {
        match read_uri(given)? {
            Some(uri) => Self::of(&uri, given).map(Some),
            None => Some(None),
        }
    }

    /// Reads where the one `--source` says that the API server is; `Some(None)` without one. What it
    /// says of kubelets is not looked at.
    pub(super) fn read_api_server(given: &mut Given) -> Option<Option<cluster::Config>> {
        let Some(uri) = read_uri(given)? else {
            return Some(None);
        };
        if uri.key != CADVISOR {
            given.refuse(format!("--source: Source not recognized: {}", uri.key));
            return None;
        }
        let mut options = Options {
            uri: &uri,
            problems: Vec::new(),
        };
        let api_server = options.api_server();
        for problem in options.problems {
            given.refuse(format!("--source {}: {problem}", uri.key));
        }
        api_server.map(Some)
    }

    fn of(uri: &SinkUri, given: &mut Given) -> Option<Self> {
        match uri.key.as_str() {
            SUMMARY => {}
            CADVISOR => given.note(
                "--source=kubernetes is read as kubernetes.summary_api: \
                 what it asked kubelets for is gone since Kubernetes 1.21",
            ),
            key => {
                given.refuse(format!("--source: Source not recognized: {key}"));
                return None;
            }
        }
        let mut options = Options {
            uri,
            problems: Vec::new(),
        };
        let api_server = options.api_server();
        let port = options.port();
        let https = options.boolean("kubeletHttps");
        let problems = options.problems;
        let whole = problems.is_empty();
        for problem in problems {
            given.refuse(format!("--source {}: {problem}", uri.key));
        }
        let api_server = api_server.filter(|_| whole)?;
        tell_identity(uri, &api_server, given);
        let plain_kubelets = plain_kubelets(port, https, given);
        Some(Self {
            api_server,
            kubelet_port: port.or_else(|| plain_kubelets.then_some(READ_ONLY_PORT)),
            plain_kubelets,
            host_id_annotation: uri
                .options
                .first("host_id_annotation")
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
        })
    }
}

/// Reads the one `--source`; `Some(None)` without one.
fn read_uri(given: &mut Given) -> Option<Option<SinkUri>> {
    let value = match given.words(&SOURCE).as_slice() {
        [] => return Some(None),
        [value] => value.clone(),
        _ => {
            given.refuse("--source: wrong number of sources specified, give exactly one");
            return None;
        }
    };
    match SinkUri::read(&value, &|name| given.variable(name)) {
        Ok(uri) => {
            tell_unknown(&uri, given);
            Some(Some(uri))
        }
        Err(error) => {
            let (uri, mut problems) = SinkUri::with_problems(&value, &|name| given.variable(name));
            if problems.is_empty() {
                problems.push(Problem::of_uri(&value, &error).to_string());
            }
            for problem in problems {
                given.refuse(format!("--source {problem}"));
            }
            let mut options = Options {
                uri: &uri,
                problems: Vec::new(),
            };
            for option in ["inClusterConfig", "insecure", "useServiceAccount"] {
                options.boolean(option);
            }
            for problem in options.problems {
                given.refuse(format!("--source {}: {problem}", uri.key));
            }
            None
        }
    }
}

/// Names the options nobody reads, never their values.
fn tell_unknown(uri: &SinkUri, given: &mut Given) {
    let unknown = uri.options.keys().filter(|key| !OPTIONS.contains(key));
    let unknown: BTreeSet<&str> = unknown.collect();
    if unknown.is_empty() {
        return;
    }
    let unknown: Vec<String> = unknown.into_iter().map(|key| format!("{key:?}")).collect();
    given.note(format!(
        "--source: options nobody knows are passed over, as in Heapster: {}",
        unknown.join(", ")
    ));
}

fn tell_identity(uri: &SinkUri, api_server: &cluster::Config, given: &mut Given) {
    let unread = api_server.identity == Identity::ServiceAccount
        && uri
            .options
            .first("auth")
            .is_some_and(|auth| !auth.is_empty());
    if unread {
        given.note("--source: auth is read with inClusterConfig=false alone, as in Heapster");
    }
    if api_server.insecure_skip_tls_verify {
        given.note("--source: insecure=true takes any certificate, the kubelets' too");
    }
}

/// Heapster asked the read-only port over plain HTTP unless told otherwise. That port is closed
/// nowadays, so plain HTTP has to be asked for.
fn plain_kubelets(port: Option<u16>, https: Option<bool>, given: &mut Given) -> bool {
    let plain = https == Some(false) || (https.is_none() && port == Some(READ_ONLY_PORT));
    if plain {
        given.note(
            "--source: kubelets are asked over plain HTTP, without credentials \
             (kubeletHttps=true would encrypt)",
        );
    } else if https.is_none() {
        given.note(
            "--source: kubelets are asked over HTTPS, not on the read-only port 10255 \
             (kubeletHttps=false&kubeletPort=10255 would)",
        );
    }
    plain
}

impl Options<'_> {
    /// Follows Heapster: in the cluster unless `inClusterConfig=false`, the URL's host instead of
    /// the one found there.
    fn api_server(&mut self) -> Option<cluster::Config> {
        let in_cluster = self.boolean("inClusterConfig").unwrap_or(true);
        let insecure = self.boolean("insecure").unwrap_or(false);
        let service_account_token = self.boolean("useServiceAccount").unwrap_or(false);
        let auth = self.first("auth").map(PathBuf::from);
        let server = self.server();
        let (identity, server) = match (in_cluster, auth) {
            (true, _) => (Identity::ServiceAccount, server),
            // The kubeconfig says where; Heapster passes over the URL then.
            (false, Some(path)) => (Identity::Kubeconfig(path), None),
            (false, None) if server.is_none() => {
                self.problems
                    .push("invalid kubernetes master url specified".to_owned());
                return None;
            }
            (false, None) => (Identity::Nobody, server),
        };
        Some(cluster::Config {
            insecure_skip_tls_verify: insecure && !matches!(identity, Identity::Kubeconfig(_)),
            identity,
            server,
            service_account_token,
        })
    }

    fn server(&mut self) -> Option<Uri> {
        let server = self.uri.server()?;
        let uri: Option<Uri> = server.parse().ok();
        let uri = uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
        if uri.is_none() {
            self.problems
                .push("the URL of the API server must be http://HOST or https://HOST".to_owned());
        }
        uri
    }

    fn port(&mut self) -> Option<u16> {
        let port = value::port(self.first("kubeletPort")?);
        self.keep("kubeletPort", port)
    }

    fn boolean(&mut self, option: &str) -> Option<bool> {
        // An option without a value is one that cannot be read, as in Go.
        let read = value::boolean(self.uri.options.first(option)?);
        self.keep(option, read)
    }

    fn keep<T>(&mut self, option: &str, read: Result<T, String>) -> Option<T> {
        read.map_err(|problem| self.problems.push(format!("{option}: {problem}")))
            .ok()
    }

    fn first(&self, option: &str) -> Option<&str> {
        let first = self.uri.options.first(option);
        first.filter(|value| !value.is_empty())
    }
}
