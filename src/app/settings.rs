//! From what the command line says to what each room is told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::auth::{self, AlwaysAllowPaths, ProxyHeaders, TrustConfig};
use crate::cluster::{ClientCertificate, Credentials, LeaseConfig, Material};
use crate::config::{self, CertificatePaths, ConfigMapReference, KubeletTls, Settings};
use crate::domain::ObjectName;
use crate::kubelet::{self, Addresses, ApiServer, Pins, Trust};
use crate::{auth::AllowedUsers, peer, scrape, server};

/// The Service whose place we may have taken: a certificate that stays in memory is for it too.
const PREDECESSOR: &str = "metrics-server";
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
const HOST_NAME_FILE: &str = "/proc/sys/kernel/hostname";
const DEFAULT_NAMESPACE: &str = "kube-system";
/// What is left of a pod's usual 30 s to end after readiness has failed and been noticed.
const DRAIN: Duration = Duration::from_secs(20);

/// How kubelets are asked: by flags, else as the API server is, which is metrics-server's rule.
pub(super) fn kubelet(
    settings: &Settings,
    credentials: &Credentials,
    client: &kube::Client,
) -> Result<kubelet::Config> {
    let flags = &settings.kubelet;
    let trust = match &flags.tls {
        KubeletTls::CompletelyInsecure => Trust::CompletelyInsecure,
        KubeletTls::Insecure => Trust::Anybody,
        KubeletTls::ViaApiServer => Trust::ApiServer(ApiServer::new(client.clone())),
        KubeletTls::Verify { ca_file } => authority(ca_file, credentials)?,
        KubeletTls::Pin { ca_file, pins } => match authority(ca_file, credentials)? {
            Trust::Ca(ca) => {
                let pins = own_object(pins);
                let pins = Pins::new(client.clone(), &pins.namespace, &pins.name);
                Trust::Pin { ca, pins }
            }
            // The kubeconfig says that nothing is verified.
            other @ (Trust::Pin { .. }
            | Trust::Anybody
            | Trust::CompletelyInsecure
            | Trust::ApiServer(_)) => other,
        },
    };
    let client_certificate = flags.client_certificate.as_ref().map(files);
    let request_timeout = settings.scrape.request_timeout;
    Ok(kubelet::Config {
        addresses: Addresses {
            preferred_types: flags.preferred_address_types.clone(),
            port: flags.port,
            use_node_status_port: flags.use_node_status_port,
        },
        client_certificate: client_certificate.or_else(|| credentials.client_certificate.clone()),
        bearer_token: credentials.token.clone(),
        request_timeout,
        ..kubelet::Config::new(trust)
    })
}

fn authority(ca_file: &Option<PathBuf>, credentials: &Credentials) -> Result<Trust> {
    match ca_file {
        Some(path) => Ok(Trust::Ca(Material::File(path.clone()))),
        None => cluster_trust(credentials),
    }
}

fn cluster_trust(credentials: &Credentials) -> Result<Trust> {
    match &credentials.ca {
        _ if credentials.insecure_skip_tls_verify => Ok(Trust::Anybody),
        Some(ca) => Ok(Trust::Ca(ca.clone())),
        None => bail!(
            "nothing names a certificate authority to verify kubelets against; \
             give --kubelet-certificate-authority, or a kubeconfig that has one"
        ),
    }
}

pub(super) fn scrape(settings: &Settings) -> scrape::Config {
    let flags = &settings.scrape;
    let selector = flags.node_selector.clone();
    scrape::Config {
        summary: scrape::SummaryConfig {
            // Nobody else reads summaries.
            enabled: flags.summary && settings.heapster.model,
            resolution: settings.rollup.resolution,
            timeout: flags.request_timeout,
            ..scrape::SummaryConfig::default()
        },
        selects: Arc::new(move |node| selector.matches(&node.labels)),
        ..scrape::Config::new(flags.resolution)
    }
}

/// Which files flags name, whom to believe a caller's claims. The rest comes from the cluster.
pub(super) fn trust(flags: &config::Authentication) -> TrustConfig {
    TrustConfig {
        port: "--secure-port",
        client_ca_file: flags.client_ca_file.clone(),
        front_proxy: flags.request_header.as_ref().map(|flags| {
            let headers = ProxyHeaders {
                allowed_names: flags.allowed_names.clone(),
                username: flags.username_headers.clone(),
                uid: flags.uid_headers.clone(),
                group: flags.group_headers.clone(),
                extra_prefixes: flags.extra_header_prefixes.clone(),
            };
            (flags.client_ca_file.clone(), headers)
        }),
    }
}

pub(super) fn auth(settings: &Settings) -> Result<auth::Config> {
    let flags = &settings.authorization;
    let paths = flags.always_allow_paths.iter().map(String::as_str);
    let paths = AlwaysAllowPaths::new(paths).context("--authorization-always-allow-paths")?;
    Ok(auth::Config {
        anonymous: true,
        token_ttl: settings.authentication.token_cache_ttl,
        allow_ttl: flags.allow_ttl,
        deny_ttl: flags.deny_ttl,
        always_allow_paths: paths,
    })
}

pub(super) fn server(settings: &Settings) -> Result<server::Config> {
    let flags = &settings.serving;
    let sni = flags
        .named_certificates
        .iter()
        .map(|named| server::SniPair {
            files: pair(&named.paths),
            names: named.names.clone(),
        });
    let address = SocketAddr::new(flags.bind_address, flags.port);
    let hsts = flags.strict_transport_security.as_ref();
    let hsts = hsts.map(|value| value.parse()).transpose()?;
    Ok(server::Config {
        sni: sni.collect(),
        tls: flags.tls.clone(),
        strict_transport_security: hsts,
        share_port: flags.permit_port_sharing,
        http2: flags.http2_max_streams.is_some(),
        shutdown_delay: settings.shutdown.delay,
        limits: limits(settings)?,
        ..server::Config::new(address, certificate(flags))
    })
}

/// The port of Heapster, with the secure port's bounds.
pub(super) fn open_server(
    settings: &Settings,
    address: SocketAddr,
    tls: Option<&config::HeapsterTls>,
    clients: Option<Arc<AllowedUsers>>,
) -> Result<server::OpenConfig> {
    Ok(server::OpenConfig {
        address,
        flags: "--listen-ip and --heapster-port",
        tls: tls.map(|tls| server::OpenTls {
            certificate: pair(&tls.certificate),
            policy: settings.serving.tls.clone(),
            clients,
        }),
        shutdown_delay: settings.shutdown.delay,
        limits: limits(settings)?,
    })
}

fn limits(settings: &Settings) -> Result<server::Limits> {
    Ok(server::Limits {
        request_timeout: settings.limits.request_timeout,
        reads_in_flight: bound(settings.limits.max_requests_inflight)?,
        mutations_in_flight: bound(settings.limits.max_mutating_requests_inflight)?,
        streams: settings.serving.http2_max_streams.unwrap_or_default(),
        drain: DRAIN,
        ..server::Limits::default()
    })
}

fn certificate(flags: &config::Serving) -> server::ServingCertificate {
    let in_dir = |name| flags.cert_dir.join(name);
    let left = server::PairFiles {
        certificate: in_dir("apiserver.crt"),
        key: in_dir("apiserver.key"),
    };
    match &flags.certificate {
        Some(paths) => server::ServingCertificate::Files(pair(paths)),
        None if left.certificate.is_file() && left.key.is_file() => {
            server::ServingCertificate::Files(left)
        }
        None => server::ServingCertificate::SelfSigned {
            services: vec![flags.own_certificate.service.clone(), PREDECESSOR.into()],
            namespace: namespace(),
        },
    }
}

/// How the certificate is kept in a Secret, when it is: not when it comes from files.
pub(super) fn keeper(
    flags: &config::Serving,
    certificate: &server::ServingCertificate,
) -> Option<server::KeeperConfig> {
    let own = &flags.own_certificate;
    let server::ServingCertificate::SelfSigned { namespace, .. } = certificate else {
        return None;
    };
    let secret = own.secret.clone()?;
    Some(server::KeeperConfig {
        secret: ObjectName {
            namespace: secret.namespace.unwrap_or_else(|| namespace.clone()),
            name: secret.name,
        },
        service: ObjectName {
            namespace: namespace.clone(),
            name: own.service.clone(),
        },
        lifetime: own.lifetime,
    })
}

/// Where other replicas are.
pub(super) fn peers(flags: &config::Serving) -> peer::Config {
    let peers = flags.peers.iter().map(|one| peer::Peer {
        host: one.host.clone(),
        port: one.port,
    });
    peer::Config {
        peers: peers.collect(),
        port: flags.port,
    }
}

/// The Service that leads to us, and the Secret of the serving certificate if there is to be one.
pub(super) fn objects(flags: &config::Serving) -> (ObjectName, Option<ObjectName>) {
    let service = ObjectName {
        namespace: namespace(),
        name: flags.own_certificate.service.clone(),
    };
    let secret = keeper(flags, &certificate(flags)).map(|keeper| keeper.secret);
    (service, secret)
}

/// The ConfigMap of kubelets' pins, when they are pinned.
pub(super) fn pins(tls: &KubeletTls) -> Option<ObjectName> {
    match tls {
        KubeletTls::Pin { pins, .. } => Some(own_object(pins)),
        KubeletTls::Verify { .. }
        | KubeletTls::Insecure
        | KubeletTls::CompletelyInsecure
        | KubeletTls::ViaApiServer => None,
    }
}

fn own_object(reference: &ConfigMapReference) -> ObjectName {
    ObjectName {
        namespace: reference.namespace.clone().unwrap_or_else(namespace),
        name: reference.name.clone(),
    }
}

/// The Lease we contend for, under a name no other replica has.
pub(super) fn lease(lease: &config::LeaseReference) -> LeaseConfig {
    // In a pod that is the pod's name.
    let host = std::fs::read_to_string(HOST_NAME_FILE).unwrap_or_default();
    let identity = format!("{}_{}", host.trim(), uuid::Uuid::new_v4());
    let namespace = lease.namespace.clone().unwrap_or_else(namespace);
    LeaseConfig::new(namespace, lease.name.clone(), identity)
}

/// The namespace we run in, or else the one such a server is installed in.
fn namespace() -> String {
    let file = std::fs::read_to_string(NAMESPACE_FILE).unwrap_or_default();
    match file.trim() {
        "" => DEFAULT_NAMESPACE.to_owned(),
        name => name.to_owned(),
    }
}

fn bound(limit: Option<std::num::NonZeroU32>) -> Result<usize> {
    Ok(usize::try_from(limit.map_or(0, std::num::NonZeroU32::get))?)
}

fn files(paths: &CertificatePaths) -> ClientCertificate {
    ClientCertificate {
        certificate: Material::File(paths.certificate.clone()),
        key: Material::File(paths.key.clone()),
    }
}

fn pair(paths: &CertificatePaths) -> server::PairFiles {
    server::PairFiles {
        certificate: paths.certificate.clone(),
        key: paths.key.clone(),
    }
}
