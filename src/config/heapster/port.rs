//! Heapster's own port, plain as in its day or with its own TLS.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use super::super::flag::{Flag, Kind};
use super::super::given::Given;
use super::super::tls::CertificatePaths;
use super::super::value;

/// Heapster's port: what it serves is open to whoever reaches it, but for [`HeapsterClients`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeapsterPort {
    /// `--listen-ip`. An unspecified address, of either family, means every address of both.
    pub address: IpAddr,
    /// `--heapster-port`.
    pub port: u16,
    /// `None` for plain HTTP.
    pub tls: Option<HeapsterTls>,
}

/// TLS on Heapster's port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeapsterTls {
    /// `--tls-cert` and `--tls-key`.
    pub certificate: CertificatePaths,
    /// Who may ask; `None` for anybody.
    pub clients: Option<HeapsterClients>,
}

/// Who may ask on Heapster's port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeapsterClients {
    /// `--tls-client-ca`: the authorities of callers' certificates.
    pub ca_file: PathBuf,
    /// `--allowed-users`: common names a certificate may have; empty for any.
    pub allowed_users: Vec<String>,
}

pub(super) const PORT: Flag = Flag::new(
    "heapster-port",
    Kind::Int,
    "",
    "Port for Heapster's API, open to whoever reaches it; without one it is served on the secure port alone (8082 when started as Heapster)",
);
pub(super) const LISTEN_IP: Flag = Flag::new(
    "listen-ip",
    Kind::Text,
    "",
    "IP address --heapster-port listens on; empty for all addresses",
);
pub(super) const CERT: Flag = Flag::new(
    "tls-cert",
    Kind::Text,
    "",
    "File of the certificate of --heapster-port, its chain behind it; without one it speaks plain HTTP",
);
pub(super) const KEY: Flag = Flag::new(
    "tls-key",
    Kind::Text,
    "",
    "File of the private key of --tls-cert",
);
pub(super) const CLIENT_CA: Flag = Flag::new(
    "tls-client-ca",
    Kind::Text,
    "",
    "File of the authorities whose client certificates --heapster-port asks for; needs --tls-cert",
);
pub(super) const ALLOWED_USERS: Flag = Flag::new(
    "allowed-users",
    Kind::List,
    "",
    "Common names a client certificate on --heapster-port may have; empty for any; needs --tls-client-ca",
);

/// Where Heapster listened when told nothing.
const HEAPSTERS: u16 = 8082;

/// Reads the port; `Some(None)` when it stays closed.
pub(super) fn read(given: &mut Given) -> Option<Option<HeapsterPort>> {
    let port = match given.has(&PORT) {
        true => given.parsed(&PORT, value::port).map(Some),
        false => Some(given.is_heapster().then_some(HEAPSTERS)),
    };
    let address = given.parsed(&LISTEN_IP, |word| match word.trim() {
        "" => Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        word => word
            .parse()
            .map_err(|_| format!("failed to parse IP: {word:?}")),
    });
    let tls = read_tls(given);
    let (Some(port), address, tls) = (port?, address?, tls?) else {
        return Some(None);
    };
    Some(Some(HeapsterPort { address, port, tls }))
}

/// The flags that were given for a port that stays closed.
pub(super) fn without_effect(given: &Given) -> Vec<&'static str> {
    if given.has(&PORT) || given.is_heapster() {
        return Vec::new();
    }
    [&LISTEN_IP, &CERT, &KEY, &CLIENT_CA, &ALLOWED_USERS]
        .into_iter()
        .filter(|flag| given.has(flag))
        .map(|flag| flag.name)
        .collect()
}

fn read_tls(given: &mut Given) -> Option<Option<HeapsterTls>> {
    let certificate = CertificatePaths::read(given, &CERT, &KEY);
    let ca_file = given.path(&CLIENT_CA);
    let allowed_users = given.list(&ALLOWED_USERS);
    let needs = |given: &mut Given, one: &Flag, other: &Flag| {
        given.refuse(format!("--{} needs --{}", one.name, other.name));
        None
    };
    // Without the authorities nobody would be asked who they are, and everybody let in.
    if ca_file.is_none()
        && allowed_users
            .as_ref()
            .is_some_and(|users| !users.is_empty())
    {
        return needs(given, &ALLOWED_USERS, &CLIENT_CA);
    }
    if ca_file.is_some() && certificate == Some(None) {
        return needs(given, &CLIENT_CA, &CERT);
    }
    let (certificate, allowed_users) = (certificate?, allowed_users?);
    let clients = ca_file.map(|ca_file| HeapsterClients {
        ca_file,
        allowed_users,
    });
    Some(certificate.map(|certificate| HeapsterTls {
        certificate,
        clients,
    }))
}
