//! What this cluster accepts from us, for whoever dials something else in it with the same
//! identity.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// The trust and the identity the API server is dialled with.
///
/// metrics-server dials kubelets with these too unless flags say otherwise. Files are named, not
/// read, so that a reader sees a rotation.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// The CA bundle (PEM) the API server is verified against; `None` means the system's roots.
    pub ca: Option<Material>,
    /// The bearer token. `None` also when a kubeconfig names an exec plugin, whose token only its
    /// own client sees.
    pub token: Option<Material>,
    /// The client certificate with its key.
    pub client_certificate: Option<ClientCertificate>,
    /// The kubeconfig says `insecure-skip-tls-verify`.
    pub insecure_skip_tls_verify: bool,
}

/// Some text in a file or in memory. Neither `Debug` nor `Display` shows the text, which may be a
/// secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Material {
    /// A file, to be read again: its content may change, and a Kubernetes volume swaps symbolic
    /// links to change it.
    File(PathBuf),
    /// The text itself, as a kubeconfig's `…-data` fields carry it.
    Inline(Arc<[u8]>),
}

/// A bearer token to show to others, which never shows in logs, errors or `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct BearerToken(Box<str>);

/// A client certificate and its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate chain, leaf first.
    pub certificate: Material,
    /// The private key.
    pub key: Material,
}

impl BearerToken {
    /// Takes the token out of a file's content; blanks around it are not part of it. `None` when
    /// nothing else is there, or bytes no header may have.
    #[must_use]
    pub fn read(content: &[u8]) -> Option<Self> {
        let token = std::str::from_utf8(content).ok()?.trim();
        let plain = !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
        plain.then(|| Self(token.into()))
    }

    /// The token's text, for the `Authorization` header alone.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Inline(_) => f.write_str("Inline(***)"),
        }
    }
}

impl fmt::Display for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Inline(_) => f.write_str("the configuration"),
        }
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_cannot_smuggle_a_header_and_does_not_show() {
        let token = BearerToken::read(b" abc.def\n").unwrap();
        assert_eq!(
            (token.reveal(), format!("{token:?}")),
            ("abc.def", "***".into())
        );
        for bad in [&b""[..], b" \n", b"a\r\nX: y", b"a b", b"\xff"] {
            assert_eq!(BearerToken::read(bad), None);
        }
    }
}
