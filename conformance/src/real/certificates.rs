//! The certificates that bind the programs of a control plane.

use std::path::Path;

use anyhow::Result;

use crate::lab::pki::{Leaf, LeafFiles, Pki, Request, write};

use super::controlplane::NODE_ADDRESS;

/// Writes all of them to `folder`.
pub(super) fn write_certificates(pki: &Pki, folder: &Path) -> Result<()> {
    write(&folder.join("ca.crt"), pki.cluster.pem())?;
    write(&folder.join("front-proxy-ca.crt"), pki.front_proxy.pem())?;
    let node = NODE_ADDRESS.to_string();
    let names = [
        "localhost",
        "kubernetes.default.svc",
        "127.0.0.1",
        "10.0.0.1",
        &node,
    ];
    let of_cluster = |request: &Request| pki.cluster.issue(request);
    let save = |leaf: Leaf, name: &str| -> Result<LeafFiles> { leaf.write(folder, name) };
    let apiserver = Request::server("kube-apiserver", &names);
    save(of_cluster(&apiserver)?, "apiserver")?;
    let kubelet_client = Request::client("kube-apiserver-kubelet-client", &["system:masters"]);
    save(of_cluster(&kubelet_client)?, "kubelet-client")?;
    // Only its key pair matters: tokens are signed with it.
    let service_account = Request::client("service-accounts", &[]);
    save(of_cluster(&service_account)?, "service-account")?;
    let proxy = Request::client("front-proxy-client", &[]);
    save(pki.front_proxy.issue(&proxy)?, "front-proxy-client")?;
    Ok(())
}
