//! Kubeconfig files for Loadline and for people.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

use super::pki::{LeafFiles, write};

/// How the holder of a kubeconfig proves who it is.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A bearer token written into the file.
    Token(String),
    /// A bearer token in a file of its own, which may be replaced at any time.
    TokenFile(PathBuf),
    /// A client certificate.
    Certificate(LeafFiles),
    /// Nothing at all.
    None,
}

impl Credential {
    fn to_user(&self) -> Value {
        match self {
            Self::Token(token) => json!({ "token": token }),
            Self::TokenFile(path) => json!({ "tokenFile": path }),
            Self::Certificate(files) => {
                json!({ "client-certificate": files.certificate, "client-key": files.key })
            }
            Self::None => json!({}),
        }
    }
}

/// Writes a kubeconfig for the API server at `server`, whose certificate the CA in `ca` signed.
pub fn write_kubeconfig(
    path: &Path,
    server: SocketAddr,
    ca: &Path,
    credential: &Credential,
) -> Result<()> {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "clusters": [{
            "name": "lab",
            "cluster": { "server": format!("https://{server}"), "certificate-authority": ca },
        }],
        "users": [{ "name": "me", "user": credential.to_user() }],
        "contexts": [{ "name": "lab", "context": { "cluster": "lab", "user": "me" } }],
    });
    // JSON is YAML, and every reader of kubeconfigs takes it.
    write(path, &format!("{config:#}\n"))
}
