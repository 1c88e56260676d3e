//! A real control plane that knows a simulated cluster of a given size.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::lab::{CertificateNames, Identity, Lab, LabConfig, Leaf, Request, World};
use crate::real::{ControlPlane, Mirror, Place, Scratch, Tools, until};

const NAMESPACE: &str = "kube-system";
/// The name the simulated kubelets know.
const ACCOUNT: &str = "loadline";
const ACCOUNT_WITHIN: Duration = Duration::from_secs(60);

/// How large a cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Its nodes.
    pub nodes: usize,
    /// The pods on each.
    pub pods: usize,
}

/// Everything a server needs to run, and whoever asks it.
#[derive(Debug)]
pub struct Stage {
    /// The kubelets and what they tell.
    pub lab: Lab,
    /// The size that was asked for.
    pub size: Size,
    /// How the servers reach the API server.
    pub kubeconfig: PathBuf,
    /// Who asks the servers: a member of `system:masters`.
    pub asker: Leaf,
    /// The API server and what belongs to it.
    pub cluster: ControlPlane,
}

impl Size {
    /// All pods.
    #[must_use]
    pub const fn all_pods(&self) -> usize {
        self.nodes * self.pods
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} nodes with {} pods each", self.nodes, self.pods)
    }
}

impl Stage {
    /// Starts the control plane and the kubelets, and makes every object.
    ///
    /// # Errors
    /// When one of them does not start or refuses an object.
    pub async fn set(size: Size, scratch: &Scratch, tools: &Tools, logs: &Path) -> Result<Self> {
        let mut cluster = ControlPlane::start(scratch, tools, logs, Place::Host).await?;
        let admin = cluster.user("admin", &["system:masters"])?;
        // metrics-server verifies a kubelet by the address it dials, and by nothing else.
        let config = LabConfig {
            kubelet_certificates: CertificateNames::Address,
            ..LabConfig::default()
        };
        let lab = Lab::start(World::of_size(size.nodes, size.pods), config).await?;
        let mirror = Mirror::new(&cluster, Arc::clone(&lab.world))?;
        mirror.show_stored(&mut cluster).await?;
        for object in account() {
            admin.apply(&object.to_string()).await?;
        }
        let account = until(ACCOUNT_WITHIN, async || {
            cluster.service_account(&admin, NAMESPACE, ACCOUNT).await
        })
        .await?;
        let kubeconfig = account.kubeconfig().clone();
        let name = format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}");
        lab.access.add_token(
            &account.token()?,
            Identity::new(&name, &["system:serviceaccounts"]),
        );
        let request = Request::client("asker", &["system:masters"]);
        let asker = cluster.pki().cluster.issue(&request)?;
        Ok(Self {
            lab,
            size,
            kubeconfig,
            asker,
            cluster,
        })
    }
}

impl Stage {
    /// The servers' kubeconfig with another address of the API server.
    pub(super) fn kubeconfig_for(&self, api_server: SocketAddr, name: &str) -> Result<PathBuf> {
        let text = std::fs::read_to_string(&self.kubeconfig)?;
        let (own, other) = (self.cluster.address().to_string(), api_server.to_string());
        ensure!(text.contains(&own), "the kubeconfig does not name {own}");
        let path = self.lab.file(&format!("{name}.kubeconfig"));
        std::fs::write(&path, text.replace(&own, &other))?;
        Ok(path)
    }
}

fn account() -> [Value; 2] {
    [
        json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": { "name": ACCOUNT, "namespace": NAMESPACE },
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": { "name": ACCOUNT },
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin",
            },
            "subjects": [{ "kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE }],
        }),
    ]
}
