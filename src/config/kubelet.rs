//! How a kubelet is reached and trusted.

use std::path::PathBuf;

use crate::domain::AddressType;

use super::flag::{Flag, Kind, Topic};
use super::given::Given;
use super::heapster::Source;
use super::tls::CertificatePaths;
use super::value;

/// How a kubelet is reached and trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubelet {
    /// `--kubelet-port`: the port to dial.
    pub port: u16,
    /// `--kubelet-use-node-status-port`: the port in the node's status comes first, when it has
    /// one.
    pub use_node_status_port: bool,
    /// `--kubelet-preferred-address-types`: the first of these a node has is dialled; never empty.
    pub preferred_address_types: Vec<AddressType>,
    /// How the kubelet's own certificate is judged.
    pub tls: KubeletTls,
    /// `--kubelet-client-certificate` and `--kubelet-client-key`: who we are to the kubelet,
    /// besides or instead of the service account's token.
    pub client_certificate: Option<CertificatePaths>,
}

/// How a kubelet's serving certificate is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KubeletTls {
    /// Against these authorities, or the cluster's own when no file is given.
    Verify {
        /// `--kubelet-certificate-authority`.
        ca_file: Option<PathBuf>,
    },
    /// `--kubelet-insecure-tls`: encrypted, but anybody's certificate is taken.
    Insecure,
    /// `--deprecated-kubelet-completely-insecure`: plain HTTP without credentials.
    CompletelyInsecure,
}

const PORT: Flag = Flag::new("kubelet-port", Kind::Int, "10250", "Port of the kubelets");
const USE_NODE_STATUS_PORT: Flag = Flag::new(
    "kubelet-use-node-status-port",
    Kind::Bool,
    "false",
    "Use the port in the node's status, if it has one, before --kubelet-port",
);
const PREFERRED_ADDRESS_TYPES: Flag = Flag::new(
    "kubelet-preferred-address-types",
    Kind::List,
    "Hostname,InternalDNS,InternalIP,ExternalDNS,ExternalIP",
    "Types of node address, the one to try first in front (InternalIP,ExternalIP,Hostname when started as Heapster)",
);
/// The addresses Heapster dials, and the one that is left when a node has neither.
const HEAPSTERS_ADDRESS_TYPES: [AddressType; 3] = [
    AddressType::InternalIp,
    AddressType::ExternalIp,
    AddressType::Hostname,
];
const CERTIFICATE_AUTHORITY: Flag = Flag::new(
    "kubelet-certificate-authority",
    Kind::Text,
    "",
    "File of the authorities that sign the kubelets' serving certificates; without one, the cluster's",
);
const CLIENT_CERTIFICATE: Flag = Flag::new(
    "kubelet-client-certificate",
    Kind::Text,
    "",
    "File of the client certificate shown to kubelets",
);
const CLIENT_KEY: Flag = Flag::new(
    "kubelet-client-key",
    Kind::Text,
    "",
    "File of the private key of --kubelet-client-certificate",
);
const INSECURE_TLS: Flag = Flag::new(
    "kubelet-insecure-tls",
    Kind::Bool,
    "false",
    "Take any serving certificate of a kubelet, for testing",
);
const COMPLETELY_INSECURE: Flag = Flag::new(
    "deprecated-kubelet-completely-insecure",
    Kind::Bool,
    "false",
    "Ask kubelets over plain HTTP without credentials (deprecated)",
);

pub(super) const TOPIC: Topic = Topic {
    title: "Kubelet client",
    flags: &[
        &COMPLETELY_INSECURE,
        &CERTIFICATE_AUTHORITY,
        &CLIENT_CERTIFICATE,
        &CLIENT_KEY,
        &INSECURE_TLS,
        &PORT,
        &PREFERRED_ADDRESS_TYPES,
        &USE_NODE_STATUS_PORT,
    ],
};

/// Reads the flags; what they leave open is as `source` says.
pub(super) fn read(given: &mut Given, source: Option<&Source>) -> Option<Kubelet> {
    let port = match source.and_then(|source| source.kubelet_port) {
        Some(port) if !given.has(&PORT) => Some(port),
        _ => given.parsed(&PORT, value::port),
    };
    let use_node_status_port = given.flag(&USE_NODE_STATUS_PORT);
    let preferred_address_types = read_address_types(given);
    let tls = match read_tls(given) {
        Some(KubeletTls::Verify { ca_file: None }) if source.is_some_and(|s| s.plain_kubelets) => {
            Some(KubeletTls::CompletelyInsecure)
        }
        tls => tls,
    };
    let client_certificate = CertificatePaths::read(given, &CLIENT_CERTIFICATE, &CLIENT_KEY);
    Some(Kubelet {
        port: port?,
        use_node_status_port: use_node_status_port?,
        preferred_address_types: preferred_address_types?,
        tls: tls?,
        client_certificate: client_certificate?,
    })
}

fn read_address_types(given: &mut Given) -> Option<Vec<AddressType>> {
    if given.is_heapster() && !given.has(&PREFERRED_ADDRESS_TYPES) {
        return Some(HEAPSTERS_ADDRESS_TYPES.into());
    }
    let types = given.list(&PREFERRED_ADDRESS_TYPES)?;
    if types.is_empty() || types.iter().any(String::is_empty) {
        given.refuse(format!(
            "--{} must name at least one type of address, and none of them empty",
            PREFERRED_ADDRESS_TYPES.name
        ));
        return None;
    }
    Some(
        types
            .iter()
            .map(|name| AddressType::from(name.as_str()))
            .collect(),
    )
}

fn read_tls(given: &mut Given) -> Option<KubeletTls> {
    let ca_file = given.path(&CERTIFICATE_AUTHORITY);
    let insecure = given.flag(&INSECURE_TLS)?;
    let completely = given.flag(&COMPLETELY_INSECURE)?;
    let has_certificate = given.path(&CLIENT_CERTIFICATE).is_some();
    let has_key = given.path(&CLIENT_KEY).is_some();
    for (one, one_set, other, other_set) in [
        (
            &CERTIFICATE_AUTHORITY,
            ca_file.is_some(),
            &INSECURE_TLS,
            insecure,
        ),
        (
            &CERTIFICATE_AUTHORITY,
            ca_file.is_some(),
            &COMPLETELY_INSECURE,
            completely,
        ),
        (&INSECURE_TLS, insecure, &COMPLETELY_INSECURE, completely),
        (
            &CLIENT_CERTIFICATE,
            has_certificate,
            &COMPLETELY_INSECURE,
            completely,
        ),
        (&CLIENT_KEY, has_key, &COMPLETELY_INSECURE, completely),
    ] {
        if one_set && other_set {
            given.refuse(format!(
                "--{} and --{} exclude each other",
                one.name, other.name
            ));
        }
    }
    Some(match (completely, insecure) {
        (true, _) => KubeletTls::CompletelyInsecure,
        (false, true) => KubeletTls::Insecure,
        (false, false) => KubeletTls::Verify { ca_file },
    })
}
