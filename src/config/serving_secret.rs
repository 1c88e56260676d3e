//! The Secret a serving certificate is kept in.

use std::time::Duration;

use super::flag::{Flag, Kind};
use super::given::Given;
use super::{scrape, tls};

/// Where a serving certificate of our own is kept, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnCertificate {
    /// `--serving-secret`; `None` when a certificate is not to be kept in a Secret: it is given by
    /// file, the flag is empty, or it is not given and we are not in a pod.
    pub secret: Option<SecretReference>,
    /// `--service-name`: the Service it is for.
    pub service: String,
    /// `--serving-certificate-lifetime`.
    pub lifetime: Duration,
}

/// A Secret by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretReference {
    /// Its namespace; `None` for our own.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

pub(super) const SERVICE_NAME: Flag = Flag::new(
    "service-name",
    Kind::Text,
    "loadline",
    "Service in our own namespace that leads here: a certificate of our own is for its names, and only APIServices that lead to it get our caBundle",
);
pub(super) const LIFETIME: Flag = Flag::new(
    "serving-certificate-lifetime",
    Kind::Duration,
    "2160h",
    "Life of a serving certificate of our own, at least 20s; its authority lives four times as long, and each is replaced after two thirds",
);
pub(super) const SECRET: Flag = Flag::new(
    "serving-secret",
    Kind::Text,
    "loadline-serving",
    "Secret of the serving certificate, as NAME in our own namespace or NAMESPACE/NAME: made and renewed by us, or followed when somebody else made it; empty for none; without it only in a pod without --tls-cert-file",
);

const SHORTEST: Duration = Duration::from_secs(20);

pub(super) fn read(given: &mut Given) -> Option<OwnCertificate> {
    let secret = given.parsed(&SECRET, reference);
    let service = given.parsed(&SERVICE_NAME, |word| name(word).map(str::to_owned));
    let lifetime = given.duration(&LIFETIME);
    if lifetime.is_some_and(|lifetime| lifetime < SHORTEST) {
        given.refuse(format!("--{} must be at least 20s", LIFETIME.name));
        return None;
    }
    let by_file = given.has(&tls::CERT_FILE);
    let asked = given.has(&SECRET);
    let secret = secret?;
    if by_file && asked && secret.is_some() {
        let (one, other) = (SECRET.name, tls::CERT_FILE.name);
        given.refuse(format!("--{one} and --{other} cannot be used together"));
        return None;
    }
    let in_pod = !given.has(&scrape::KUBECONFIG);
    Some(OwnCertificate {
        secret: secret.filter(|_| !by_file && (asked || in_pod)),
        service: service?,
        lifetime: lifetime?,
    })
}

/// An object, as `NAME` or `NAMESPACE/NAME`; empty for none.
pub(super) fn reference(word: &str) -> Result<Option<SecretReference>, String> {
    if word.is_empty() {
        return Ok(None);
    }
    let (namespace, secret) = match word.split_once('/') {
        Some((namespace, secret)) => (Some(name(namespace)?.to_owned()), secret),
        None => (None, word),
    };
    Ok(Some(SecretReference {
        namespace,
        name: name(secret)?.to_owned(),
    }))
}

/// A DNS subdomain, as names of objects are.
fn name(word: &str) -> Result<&str, String> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = |text: &str| {
        let bytes = text.as_bytes();
        bytes.first().copied().is_some_and(inner) && bytes.last().copied().is_some_and(inner)
    };
    let all = word.bytes().all(|b| inner(b) || matches!(b, b'-' | b'.'));
    if all && ends(word) && word.len() <= 253 {
        return Ok(word);
    }
    Err(format!("{word:?} is not the name of an object"))
}
