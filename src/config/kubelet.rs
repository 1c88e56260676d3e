//! How a kubelet is reached and trusted.

use std::path::PathBuf;

use crate::domain::AddressType;

use super::flag::{Flag, Kind, Topic};
use super::given::Given;
use super::heapster::Source;
use super::serving_secret::{self, SecretReference};
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
    /// `--kubelet-certificate-verification=pin`: as [`KubeletTls::Verify`], and where nobody vouches
    /// for it, it has to be the one a node had when it was first seen.
    Pin {
        /// `--kubelet-certificate-authority`.
        ca_file: Option<PathBuf>,
        /// `--kubelet-pins`.
        pins: ConfigMapReference,
    },
    /// `--kubelet-insecure-tls` or `--kubelet-certificate-verification=insecure`: encrypted, but
    /// anybody's certificate is taken.
    Insecure,
    /// `--deprecated-kubelet-completely-insecure`: plain HTTP without credentials.
    CompletelyInsecure,
    /// `--kubelet-via-apiserver`: the API server asks, and judges.
    ViaApiServer,
}

/// A ConfigMap by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigMapReference {
    /// Its namespace; `None` for our own.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// The steps of `--kubelet-certificate-verification`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verification {
    Verify,
    Pin,
    Insecure,
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
const CERTIFICATE_VERIFICATION: Flag = Flag::new(
    "kubelet-certificate-verification",
    Kind::Text,
    "verify",
    "How a kubelet's serving certificate is judged. verify: an authority vouches for it. pin: where none does, its key has to be the one the node had when it was first seen (--kubelet-pins). insecure: any will do, as with --kubelet-insecure-tls",
);
const PINS: Flag = Flag::new(
    "kubelet-pins",
    Kind::Text,
    "loadline-kubelet-pins",
    "ConfigMap that remembers the keys of kubelets, as NAME in our own namespace or NAMESPACE/NAME; it has to be there. For --kubelet-certificate-verification=pin",
);
const VIA_API_SERVER: Flag = Flag::new(
    "kubelet-via-apiserver",
    Kind::Bool,
    "false",
    "Ask kubelets through the API server, as the last resort where nodes cannot be reached: needs get on nodes/proxy, which allows far more than reading numbers, and the API server judges the kubelets' certificates",
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
        &CERTIFICATE_VERIFICATION,
        &CLIENT_CERTIFICATE,
        &CLIENT_KEY,
        &INSECURE_TLS,
        &PINS,
        &PORT,
        &PREFERRED_ADDRESS_TYPES,
        &USE_NODE_STATUS_PORT,
        &VIA_API_SERVER,
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
    let via = given.flag(&VIA_API_SERVER)?;
    let verification = given.parsed(&CERTIFICATE_VERIFICATION, verification)?;
    let pins = given.parsed(&PINS, serving_secret::reference)?;
    let by_verification = verification == Verification::Insecure;
    let set = [
        (&CERTIFICATE_AUTHORITY, ca_file.is_some()),
        (
            &CERTIFICATE_VERIFICATION,
            given.has(&CERTIFICATE_VERIFICATION),
        ),
        (
            &CLIENT_CERTIFICATE,
            given.path(&CLIENT_CERTIFICATE).is_some(),
        ),
        (&CLIENT_KEY, given.path(&CLIENT_KEY).is_some()),
        (&INSECURE_TLS, insecure),
        (&COMPLETELY_INSECURE, completely),
        (&VIA_API_SERVER, via),
    ];
    for (one, other) in EXCLUDING {
        let is_set = |flag: &Flag| set.iter().any(|(is, set)| is.name == flag.name && *set);
        if is_set(one) && is_set(other) {
            given.refuse(format!(
                "--{} and --{} exclude each other",
                one.name, other.name
            ));
        }
    }
    if by_verification && ca_file.is_some() {
        given.refuse(format!(
            "--{} and --{}=insecure exclude each other",
            CERTIFICATE_AUTHORITY.name, CERTIFICATE_VERIFICATION.name
        ));
    }
    if verification != Verification::Pin && given.has(&PINS) {
        let (pins, by) = (PINS.name, CERTIFICATE_VERIFICATION.name);
        given.refuse(format!("--{pins} is for --{by}=pin"));
    }
    Some(match (completely, via, insecure, verification) {
        (true, ..) => KubeletTls::CompletelyInsecure,
        (_, true, ..) => KubeletTls::ViaApiServer,
        (_, _, true, _) | (.., Verification::Insecure) => KubeletTls::Insecure,
        (.., Verification::Verify) => KubeletTls::Verify { ca_file },
        (.., Verification::Pin) => {
            let Some(SecretReference { namespace, name }) = pins else {
                given.refuse(format!("--{} must name a ConfigMap", PINS.name));
                return None;
            };
            let pins = ConfigMapReference { namespace, name };
            KubeletTls::Pin { ca_file, pins }
        }
    })
}

/// Flags of which one makes the other meaningless.
const EXCLUDING: [(&Flag, &Flag); 11] = [
    (&CERTIFICATE_AUTHORITY, &INSECURE_TLS),
    (&CERTIFICATE_AUTHORITY, &COMPLETELY_INSECURE),
    (&CERTIFICATE_AUTHORITY, &VIA_API_SERVER),
    (&CERTIFICATE_VERIFICATION, &INSECURE_TLS),
    (&CERTIFICATE_VERIFICATION, &COMPLETELY_INSECURE),
    (&CERTIFICATE_VERIFICATION, &VIA_API_SERVER),
    (&INSECURE_TLS, &COMPLETELY_INSECURE),
    (&INSECURE_TLS, &VIA_API_SERVER),
    (&COMPLETELY_INSECURE, &VIA_API_SERVER),
    (&CLIENT_CERTIFICATE, &COMPLETELY_INSECURE),
    (&CLIENT_KEY, &COMPLETELY_INSECURE),
];

fn verification(word: &str) -> Result<Verification, String> {
    match word {
        "verify" => Ok(Verification::Verify),
        "pin" => Ok(Verification::Pin),
        "insecure" => Ok(Verification::Insecure),
        _ => Err("must be verify, pin or insecure".to_owned()),
    }
}
