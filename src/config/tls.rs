//! What TLS we speak, in Go's names for it.

use std::path::PathBuf;

use crate::server::{CipherSuite, KeyExchange, MinTlsVersion, TlsPolicy};

use super::flag::{Flag, Kind};
use super::given::Given;
use super::value;

/// A certificate and its key, in two PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificatePaths {
    /// The certificate, its chain behind it.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

pub(super) const CERT_FILE: Flag = Flag::new(
    "tls-cert-file",
    Kind::Text,
    "",
    "File of the serving certificate, its chain behind it; read again when it changes",
);
pub(super) const PRIVATE_KEY_FILE: Flag = Flag::new(
    "tls-private-key-file",
    Kind::Text,
    "",
    "File of the private key of --tls-cert-file",
);
pub(super) const MIN_VERSION: Flag = Flag::new(
    "tls-min-version",
    Kind::Text,
    "VersionTLS12",
    "Lowest TLS version to speak: VersionTLS12 or VersionTLS13 (VersionTLS10 and VersionTLS11 mean VersionTLS12)",
);
pub(super) const CIPHER_SUITES: Flag = Flag::new(
    "tls-cipher-suites",
    Kind::List,
    "",
    "Cipher suites of TLS 1.2, by IANA name; empty for all we have; those of TLS 1.3 are always on",
);
pub(super) const CURVE_PREFERENCES: Flag = Flag::new(
    "tls-curve-preferences",
    Kind::List,
    "",
    "Key exchange groups by number (23, 24, 29, 4587, 4588), the best in front; empty for all we have",
);

/// Names Go knows and we do not speak: given beside others they are left out, which only makes us
/// stricter.
const UNSPOKEN_SUITES: [&str; 16] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_RSA_WITH_RC4_128_SHA",
];

const TLS_1_3_SUITES: [&str; 3] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
];

/// secp521r1 and SecP384r1MLKEM1024: known to Go, not spoken here.
const UNSPOKEN_GROUPS: [u16; 2] = [25, 4589];

impl CertificatePaths {
    /// Reads a pair of flags of which both or neither must be given.
    pub(super) fn read(given: &mut Given, certificate: &Flag, key: &Flag) -> Option<Option<Self>> {
        match (given.path(certificate), given.path(key)) {
            (None, None) => Some(None),
            (Some(certificate), Some(key)) => Some(Some(Self { certificate, key })),
            (Some(_), None) => {
                given.refuse(format!("--{} needs --{}", certificate.name, key.name));
                None
            }
            (None, Some(_)) => {
                given.refuse(format!("--{} needs --{}", key.name, certificate.name));
                None
            }
        }
    }
}

pub(super) fn read_policy(given: &mut Given) -> Option<TlsPolicy> {
    let min_version = given.parsed(&MIN_VERSION, version_from_go);
    let cipher_suites = read_suites(given);
    let key_exchanges = read_groups(given);
    Some(TlsPolicy {
        min_version: min_version?,
        cipher_suites: cipher_suites?,
        key_exchanges: key_exchanges?,
    })
}

fn version_from_go(name: &str) -> Result<MinTlsVersion, String> {
    match name {
        "" | "VersionTLS10" | "VersionTLS11" | "VersionTLS12" => Ok(MinTlsVersion::Tls12),
        "VersionTLS13" => Ok(MinTlsVersion::Tls13),
        _ => Err(format!("unknown tls version {name:?}")),
    }
}

/// The suite of this IANA name; `Ok(None)` when it is known and not one of ours to choose.
fn suite_from_go(name: &str) -> Result<Option<CipherSuite>, String> {
    Ok(Some(match name {
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" => CipherSuite::EcdsaAes128Gcm,
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" => CipherSuite::EcdsaAes256Gcm,
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"
        | "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305" => CipherSuite::EcdsaChacha20,
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" => CipherSuite::RsaAes128Gcm,
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" => CipherSuite::RsaAes256Gcm,
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256" | "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305" => {
            CipherSuite::RsaChacha20
        }
        _ if UNSPOKEN_SUITES.contains(&name) || TLS_1_3_SUITES.contains(&name) => return Ok(None),
        _ => {
            return Err(format!(
                "Cipher suite {name} not supported or doesn't exist"
            ));
        }
    }))
}

/// The group of this number in TLS; `Ok(None)` when Go knows it and we do not offer it.
fn group_from_number(number: u16) -> Result<Option<KeyExchange>, String> {
    Ok(Some(match number {
        23 => KeyExchange::P256,
        24 => KeyExchange::P384,
        29 => KeyExchange::X25519,
        4587 => KeyExchange::P256MlKem768,
        4588 => KeyExchange::X25519MlKem768,
        _ if UNSPOKEN_GROUPS.contains(&number) => return Ok(None),
        _ => return Err(format!("curve {number} not supported")),
    }))
}

fn read_suites(given: &mut Given) -> Option<Option<Vec<CipherSuite>>> {
    let names = given.list(&CIPHER_SUITES)?;
    let chosen = read_choice(given, &CIPHER_SUITES, &names, suite_from_go)?;
    // Suites of TLS 1.3 alone say, as in Go, that TLS 1.2 has none.
    let only_unspoken = chosen.is_empty()
        && !names
            .iter()
            .any(|name| TLS_1_3_SUITES.contains(&name.as_str()));
    if only_unspoken && !names.is_empty() {
        given.refuse(format!(
            "--{} names only suites that are not spoken here (CBC, RC4, 3DES or RSA key exchange)",
            CIPHER_SUITES.name
        ));
        return None;
    }
    Some((!names.is_empty()).then_some(chosen))
}

fn read_groups(given: &mut Given) -> Option<Option<Vec<KeyExchange>>> {
    let numbers = given.list(&CURVE_PREFERENCES)?;
    let chosen = read_choice(given, &CURVE_PREFERENCES, &numbers, |number| {
        group_from_number(value::number(number, 0)?)
    })?;
    if chosen.is_empty() && !numbers.is_empty() {
        given.refuse(format!(
            "--{} names only groups that are not offered here",
            CURVE_PREFERENCES.name
        ));
        return None;
    }
    Some((!numbers.is_empty()).then_some(chosen))
}

/// Parses every element of a list, and notes each that is wrong.
fn read_choice<T>(
    given: &mut Given,
    flag: &Flag,
    elements: &[String],
    parse: impl Fn(&str) -> Result<Option<T>, String>,
) -> Option<Vec<T>> {
    let mut chosen = Vec::new();
    let mut whole = true;
    for element in elements {
        match parse(element) {
            Ok(one) => chosen.extend(one),
            Err(problem) => {
                given.refuse_value(flag, element, problem);
                whole = false;
            }
        }
    }
    whole.then_some(chosen)
}
