//! A whole cluster: world, API server, kubelets, certificates and the files that lead to them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::server::danger::ClientCertVerifier;
use tempfile::TempDir;

use super::apiserver::ApiServer;
use super::kubelet::Kubelets;
use super::pki::{Authority, Leaf, LeafFiles, Pki, Request, write};
use super::serve::{client_verifier, server_config};
use super::{
    Access, ConfigMap, Credential, Grant, Identity, Node, Subject, World, write_kubeconfig,
};
use crate::client::{Client, Protocol, Target, Trust};

/// Loadline's ServiceAccount.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:kube-system:loadline";
/// The names Loadline is reached by inside a cluster.
const SERVICE: &str = "loadline.kube-system.svc";
/// Where kubelets and the front proxy say who they trust.
const AUTHENTICATION: (&str, &str) = ("kube-system", "extension-apiserver-authentication");

/// The Secret Loadline keeps its serving certificate in.
const SERVING_SECRET: &str = "loadline-serving";

/// What a kubelet's certificate names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CertificateNames {
    /// The node's name alone, as a kubelet's own request has it in the field.
    #[default]
    NodeName,
    /// The node's address alone.
    Address,
    /// Another node's name.
    Wrong,
    /// The node's name, signed by a CA nobody trusts.
    Stranger,
    /// What the node is called: `stranger`, `self-made`, `expired`, `other-name`; anything else is [`Self::NodeName`].
    Told,
}

/// How a [`Lab`] is set up.
#[derive(Clone, Copy, Debug, Default)]
pub struct LabConfig {
    /// What the kubelets' certificates name.
    pub kubelet_certificates: CertificateNames,
    /// Kubelets have IPv6 addresses, and no other.
    pub ipv6: bool,
}

/// A running simulated cluster; dropping it ends it and removes its files.
#[derive(Debug)]
pub struct Lab {
    /// What the cluster consists of.
    pub world: Arc<World>,
    /// Who may do what.
    pub access: Arc<Access>,
    /// The API server.
    pub api: ApiServer,
    /// The kubelets.
    pub kubelets: Kubelets,
    /// The certificate authorities.
    pub pki: Pki,
    /// The certificate the aggregator shows.
    pub front_proxy: Arc<Leaf>,
    /// The token in Loadline's kubeconfig.
    pub token: String,
    verifier: Arc<dyn ClientCertVerifier>,
    config: LabConfig,
    folder: TempDir,
}

impl Lab {
    /// Starts a cluster on free loopback ports.
    pub async fn start(world: World, config: LabConfig) -> Result<Self> {
        // There are keys in it.
        let folder = tempfile::Builder::new()
            .prefix("loadline-lab-")
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir()?;
        let (world, pki) = (Arc::new(world), Pki::new()?);
        let access = Arc::new(Access::default());
        let verifier = client_verifier(&pki.cluster)?;
        let names = ["kubernetes", "localhost", "127.0.0.1"];
        let leaf = pki
            .cluster
            .issue(&Request::server("kube-apiserver", &names))?;
        let tls = server_config(&leaf, Arc::clone(&verifier), &["h2", "http/1.1"])?;
        let api = ApiServer::start(Arc::clone(&world), Arc::clone(&access), tls).await?;
        let front_proxy = Request::client("front-proxy-client", &[]);
        let lab = Self {
            kubelets: Kubelets::new(Arc::clone(&world), Arc::clone(&access)),
            front_proxy: Arc::new(pki.front_proxy.issue(&front_proxy)?),
            token: format!("lab-token-{:x}", std::process::id()),
            world,
            access,
            api,
            pki,
            verifier,
            config,
            folder,
        };
        lab.give_access();
        lab.world.put_config_map(lab.authentication());
        lab.write_files()?;
        for node in lab.world.nodes() {
            lab.start_kubelet(&node.meta.name).await?;
        }
        Ok(lab)
    }

    /// Adds a node and starts its kubelet.
    pub async fn add_node(&self, node: Node) -> Result<()> {
        let name = node.meta.name.clone();
        self.world.put_node(node);
        self.start_kubelet(&name).await
    }

    /// The folder of this lab's files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file of this lab.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The kubeconfig Loadline runs with.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.file("loadline.kubeconfig")
    }

    /// A kubeconfig that may do everything.
    #[must_use]
    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.file("kubeconfig")
    }

    /// A new certificate for Loadline to serve with, for its Service, `localhost` and the loopback address.
    pub fn issue_serving(&self, name: &str) -> Result<LeafFiles> {
        let request = Request::server("loadline", &[SERVICE, "localhost", "127.0.0.1"]);
        self.pki.serving.issue(&request)?.write(self.folder(), name)
    }

    /// A certificate of the cluster's CA for a user.
    pub fn issue_user(&self, name: &str, groups: &[&str]) -> Result<Leaf> {
        self.pki.cluster.issue(&Request::client(name, groups))
    }

    /// A client of the API server that may do everything.
    pub fn admin(&self) -> Result<Client> {
        let leaf = self.issue_user("admin", &["system:masters"])?;
        self.client(Some(&leaf))
    }

    /// A client of the API server with this certificate, or none.
    pub fn client(&self, certificate: Option<&Leaf>) -> Result<Client> {
        Client::new(&Target {
            address: self.api.address(),
            name: "localhost",
            trust: Trust::Ca(self.pki.cluster.der().clone()),
            certificate,
            protocol: Protocol::Http2,
        })
    }

    /// Gives a user a token and puts it into groups.
    pub fn add_user(&self, name: &str, groups: &[&str], token: &str) {
        self.access.add_token(token, Identity::new(name, groups));
    }

    /// Changes `kube-system/extension-apiserver-authentication`.
    pub fn change_authentication(&self, change: impl FnOnce(&mut BTreeMap<String, String>)) {
        let (namespace, name) = AUTHENTICATION;
        self.world
            .update_config_map(namespace, name, |map| change(&mut map.data));
    }

    /// The ConfigMap `kube-system/extension-apiserver-authentication` as it is at first.
    #[must_use]
    pub fn authentication(&self) -> ConfigMap {
        let entries = [
            ("client-ca-file", self.pki.cluster.pem()),
            ("requestheader-client-ca-file", self.pki.front_proxy.pem()),
            ("requestheader-username-headers", r#"["X-Remote-User"]"#),
            ("requestheader-uid-headers", r#"["X-Remote-Uid"]"#),
            ("requestheader-group-headers", r#"["X-Remote-Group"]"#),
            (
                "requestheader-extra-headers-prefix",
                r#"["X-Remote-Extra-"]"#,
            ),
            ("requestheader-allowed-names", r#"["front-proxy-client"]"#),
        ];
        let data = entries.map(|(key, value)| (key.to_owned(), value.to_owned()));
        ConfigMap::new(AUTHENTICATION.0, AUTHENTICATION.1, data.into())
    }

    async fn start_kubelet(&self, node: &str) -> Result<()> {
        let address = match self.config.ipv6 {
            // They differ by their ports: there is one such address.
            true => IpAddr::V6(Ipv6Addr::LOCALHOST),
            false => self.kubelets.next_address(),
        };
        let leaf = self.kubelet_certificate(node, address)?;
        let tls = server_config(&leaf, Arc::clone(&self.verifier), &["h2", "http/1.1"])?;
        let address = self.kubelets.start(node, address, tls).await;
        let address = address.with_context(|| format!("start the kubelet of {node}"))?;
        self.world.update_node(node, |node| {
            node.address = address.ip();
            node.port = address.port();
        });
        Ok(())
    }

    fn kubelet_certificate(&self, node: &str, address: IpAddr) -> Result<Leaf> {
        let subject = format!("system:node:{node}");
        let (authority, name) = match self.config.kubelet_certificates {
            CertificateNames::NodeName => (&self.pki.cluster, node.to_owned()),
            CertificateNames::Address => (&self.pki.cluster, address.to_string()),
            CertificateNames::Wrong => (&self.pki.cluster, format!("not-{node}")),
            CertificateNames::Stranger => (&self.pki.stranger, node.to_owned()),
            CertificateNames::Told => return self.told_certificate(node),
        };
        authority.issue(&Request::server(&subject, &[&name]))
    }

    fn told_certificate(&self, node: &str) -> Result<Leaf> {
        let request = Request::server(&format!("system:node:{node}"), &[node]);
        match node {
            "stranger" => self.pki.stranger.issue(&request),
            // As a kubelet calls the authority it makes for itself.
            "self-made" => Authority::new("self-made-ca@1700000000")?.issue(&request),
            "expired" => self.pki.cluster.issue(&request.expired()),
            "other-name" => {
                let other = Request::server("system:node:somebody", &["somebody"]);
                self.pki.cluster.issue(&other)
            }
            _ => self.pki.cluster.issue(&request),
        }
    }

    /// Takes everything the manifests give Loadline.
    pub fn take_access(&self) {
        self.access
            .revoke(&Subject::User(SERVICE_ACCOUNT.to_owned()));
    }

    /// Takes what Loadline needs to keep its serving certificate in a Secret.
    pub fn take_serving_access(&self) {
        self.access.revoke_target("core/secrets");
    }

    /// Gives what Loadline needs to keep its serving certificate in a Secret.
    pub fn give_serving_access(&self) {
        let us = || Subject::User(SERVICE_ACCOUNT.to_owned());
        let secrets = &["core/secrets"];
        let access = &self.access;
        access.grant(Grant::new(us(), &["create"], secrets));
        access.grant(Grant::new(us(), &["get", "update"], secrets).named(SERVING_SECRET));
        for name in [
            "v1.metrics.k8s.io",
            "v1beta1.metrics.k8s.io",
            "v1alpha1.loadline.io",
        ] {
            let apiservices = &["apiregistration.k8s.io/apiservices"];
            access.grant(Grant::new(us(), &["get", "patch"], apiservices).named(name));
        }
    }

    /// Gives what the manifests give Loadline, and what every cluster gives its users.
    pub fn give_access(&self) {
        let access = &self.access;
        access.add_token(
            &self.token,
            Identity::new(SERVICE_ACCOUNT, &["system:serviceaccounts"]),
        );
        let us = || Subject::User(SERVICE_ACCOUNT.to_owned());
        let reads = ["get", "list", "watch"];
        access.grant(Grant::new(
            us(),
            &reads,
            &["core/nodes", "core/pods", "core/namespaces"],
        ));
        access.grant(Grant::new(
            us(),
            &["get"],
            &["core/nodes/metrics", "core/nodes/stats"],
        ));
        access.grant(Grant::new(
            us(),
            &["create"],
            &[
                "authentication.k8s.io/tokenreviews",
                "authorization.k8s.io/subjectaccessreviews",
            ],
        ));
        access.grant(Grant::new(us(), &reads, &["core/configmaps"]).named(AUTHENTICATION.1));
        self.give_serving_access();
        access.grant(Grant::new(us(), &["create"], &["core/events"]));
        let everyone = Subject::Group("system:authenticated".to_owned());
        access.grant(Grant::new(
            everyone.clone(),
            &["create"],
            &["authorization.k8s.io/selfsubjectaccessreviews"],
        ));
        let public = [
            "/api*",
            "/apis*",
            "/openapi*",
            "/version*",
            "/healthz",
            "/livez",
            "/readyz",
        ];
        access.grant(Grant::new(everyone, &["get"], &public));
        let viewers = || Subject::Group("viewers".to_owned());
        access.grant(Grant::new(
            viewers(),
            &reads,
            &[
                "core/nodes",
                "core/pods",
                "core/namespaces",
                "metrics.k8s.io/nodes",
                "metrics.k8s.io/pods",
                "loadline.io/nodecoverages",
            ],
        ));
    }

    fn write_files(&self) -> Result<()> {
        let (folder, server) = (self.folder(), self.api.address());
        let ca = self.file("ca.crt");
        write(&ca, self.pki.cluster.pem())?;
        let token = self.file("token");
        write(&token, &self.token)?;
        let admin = self.issue_user("admin", &["system:masters"])?;
        let admin = Credential::Certificate(admin.write(folder, "admin")?);
        let nobody = self.issue_user("nobody", &[])?;
        let nobody = Credential::Certificate(nobody.write(folder, "nobody")?);
        let configs = [
            (self.kubeconfig(), Credential::TokenFile(token)),
            (self.admin_kubeconfig(), admin),
            (self.file("nobody.kubeconfig"), nobody),
        ];
        for (path, credential) in &configs {
            write_kubeconfig(path, server, &ca, credential)?;
        }
        Ok(())
    }
}
