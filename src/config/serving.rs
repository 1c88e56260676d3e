//! The secure port.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::server::TlsPolicy;

use super::flag::{Flag, Kind, Topic};
use super::given::Given;
use super::peers::{self, PeerAddress};
use super::serving_secret::{self, OwnCertificate};
use super::tls::{self, CertificatePaths};
use super::value;

/// The secure port, which everything is served on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serving {
    /// `--bind-address`. An unspecified address, of either family, means every address of both, as
    /// Go listens.
    pub bind_address: IpAddr,
    /// `--secure-port`.
    pub port: u16,
    /// `--permit-port-sharing`: bind with `SO_REUSEPORT`.
    pub permit_port_sharing: bool,
    /// `--tls-cert-file` and `--tls-private-key-file`; `None` when we are to make our own.
    pub certificate: Option<CertificatePaths>,
    /// `--cert-dir`: where `apiserver.crt` and `apiserver.key` are used if they are there. Nothing
    /// is written: a certificate we make ourselves is kept in a Secret or stays in memory.
    pub cert_dir: PathBuf,
    /// What is done about a certificate when no file is given.
    pub own_certificate: OwnCertificate,
    /// `--peers`: other replicas, to take over from.
    pub peers: Vec<PeerAddress>,
    /// `--tls-sni-cert-key`: certificates for certain names.
    pub named_certificates: Vec<NamedCertificate>,
    /// Which TLS is spoken.
    pub tls: TlsPolicy,
    /// `--http2-max-streams-per-connection` (0 is 100, as in Kubernetes); `None` when HTTP/2 is off
    /// by `--disable-http2-serving`.
    pub http2_max_streams: Option<u32>,
    /// `--strict-transport-security-directives`: the header's value, when it is to be sent.
    pub strict_transport_security: Option<String>,
}

/// A certificate shown to clients that ask for certain names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedCertificate {
    /// The certificate and its key.
    pub paths: CertificatePaths,
    /// The names, some beginning with `*.`; empty means those the certificate itself holds.
    pub names: Vec<String>,
}

const BIND_ADDRESS: Flag = Flag::new(
    "bind-address",
    Kind::Text,
    "0.0.0.0",
    "IP address to listen on; 0.0.0.0 and :: both mean all addresses",
);
const SECURE_PORT: Flag = Flag::new("secure-port", Kind::Int, "10250", "Port to serve HTTPS on");
const CERT_DIR: Flag = Flag::new(
    "cert-dir",
    Kind::Text,
    "apiserver.local.config/certificates",
    "Directory whose apiserver.crt and apiserver.key are used, if there are any and no --tls-cert-file is given; nothing is written to it",
);
const SNI_CERT_KEY: Flag = Flag::new(
    "tls-sni-cert-key",
    Kind::Text,
    "",
    "Certificate and key for certain names, as in foo.crt,foo.key:*.foo.com,foo.com; may be repeated",
);
const DISABLE_HTTP2: Flag = Flag::new(
    "disable-http2-serving",
    Kind::Bool,
    "false",
    "Serve HTTP/1.1 only",
);
const HTTP2_MAX_STREAMS: Flag = Flag::new(
    "http2-max-streams-per-connection",
    Kind::Int,
    "0",
    "Requests in flight on one HTTP/2 connection; 0 means 100",
);
const PERMIT_ADDRESS_SHARING: Flag = Flag::inert(
    "permit-address-sharing",
    Kind::Bool,
    "false",
    "SO_REUSEADDR is always set, as Go does",
);
const PERMIT_PORT_SHARING: Flag = Flag::new(
    "permit-port-sharing",
    Kind::Bool,
    "false",
    "Bind with SO_REUSEPORT",
);
const STRICT_TRANSPORT_SECURITY: Flag = Flag::new(
    "strict-transport-security-directives",
    Kind::List,
    "",
    "Directives of the Strict-Transport-Security header: max-age=SECONDS, includeSubDomains, preload",
);

pub(super) const TOPIC: Topic = Topic {
    title: "Secure serving",
    flags: &[
        &BIND_ADDRESS,
        &CERT_DIR,
        &DISABLE_HTTP2,
        &HTTP2_MAX_STREAMS,
        &peers::PEERS,
        &PERMIT_ADDRESS_SHARING,
        &PERMIT_PORT_SHARING,
        &SECURE_PORT,
        &serving_secret::SERVICE_NAME,
        &serving_secret::LIFETIME,
        &serving_secret::SECRET,
        &STRICT_TRANSPORT_SECURITY,
        &tls::CERT_FILE,
        &tls::CIPHER_SUITES,
        &tls::CURVE_PREFERENCES,
        &tls::MIN_VERSION,
        &tls::PRIVATE_KEY_FILE,
        &SNI_CERT_KEY,
    ],
};

/// What `0` means for [`Serving::http2_max_streams`].
const DEFAULT_HTTP2_STREAMS: u32 = 100;

pub(super) fn read(given: &mut Given) -> Option<Serving> {
    let bind_address = given.parsed(&BIND_ADDRESS, |word| {
        let word = word.trim();
        word.parse()
            .map_err(|_| format!("failed to parse IP: {word:?}"))
    });
    // metrics-server takes 0 for "do not serve", which leaves such a server nothing to do.
    let port = given.parsed(&SECURE_PORT, value::port);
    let permit_port_sharing = given.flag(&PERMIT_PORT_SHARING);
    let certificate = CertificatePaths::read(given, &tls::CERT_FILE, &tls::PRIVATE_KEY_FILE);
    let cert_dir = given.path(&CERT_DIR);
    let own_certificate = serving_secret::read(given);
    let peers = peers::read(given);
    let named_certificates = read_named_certificates(given);
    let tls = tls::read_policy(given);
    let http2_max_streams = read_http2(given);
    let strict_transport_security = read_strict_transport_security(given);
    Some(Serving {
        bind_address: bind_address?,
        port: port?,
        permit_port_sharing: permit_port_sharing?,
        certificate: certificate?,
        cert_dir: cert_dir.unwrap_or_else(|| CERT_DIR.default.into()),
        own_certificate: own_certificate?,
        peers: peers?,
        named_certificates: named_certificates?,
        tls: tls?,
        http2_max_streams: http2_max_streams?,
        strict_transport_security: strict_transport_security?,
    })
}

fn read_http2(given: &mut Given) -> Option<Option<u32>> {
    let disabled = given.flag(&DISABLE_HTTP2);
    let streams = match given.number(&HTTP2_MAX_STREAMS, 0)? {
        0 => DEFAULT_HTTP2_STREAMS,
        streams => streams,
    };
    Some((!disabled?).then_some(streams))
}

fn read_named_certificates(given: &mut Given) -> Option<Vec<NamedCertificate>> {
    if !given.has(&SNI_CERT_KEY) {
        return Some(Vec::new());
    }
    given.each(&SNI_CERT_KEY, |word| {
        let (pair, names) = word.split_once(':').unwrap_or((word, ""));
        let (certificate, key) = pair
            .trim()
            .split_once(',')
            .filter(|(certificate, key)| {
                !certificate.is_empty() && !key.is_empty() && !key.contains(',')
            })
            .ok_or("expected comma separated certificate and key file paths")?;
        Ok(NamedCertificate {
            paths: CertificatePaths {
                certificate: certificate.into(),
                key: key.into(),
            },
            names: names
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
        })
    })
}

fn read_strict_transport_security(given: &mut Given) -> Option<Option<String>> {
    let directives = given.list(&STRICT_TRANSPORT_SECURITY)?;
    if directives.is_empty() {
        return Some(None);
    }
    let max_age = |directive: &String| {
        directive
            .strip_prefix("max-age=")
            .is_some_and(|seconds| value::number::<u64>(seconds, 0).is_ok())
    };
    let known = |directive: &String| {
        max_age(directive) || matches!(directive.as_str(), "includeSubDomains" | "preload")
    };
    if !directives.iter().all(known) || !directives.iter().any(max_age) {
        given.refuse(format!(
            "--{} must hold max-age=SECONDS, and besides it only includeSubDomains and preload",
            STRICT_TRANSPORT_SECURITY.name
        ));
        return None;
    }
    Some(Some(directives.join("; ")))
}
