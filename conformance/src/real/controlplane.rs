//! etcd, kube-apiserver, kube-controller-manager and, for real nodes, kube-scheduler and the cluster's DNS, with the certificates that bind them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::client::{Client, Protocol, Target, Trust};
use crate::lab::kubeconfig::{Credential, write_kubeconfig};
use crate::lab::pki::{Pki, Request};
use crate::process::{Footprint, free_address};

use super::certificates::write_certificates;
use super::daemon::Daemon;
use super::kubectl::Kubectl;
use super::scratch::Scratch;
use super::tools::Tools;
use super::wait::until;

/// The node's address inside a namespace. A kubelet refuses a loopback address, and so do EndpointSlices.
pub(super) const NODE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
/// Where a cluster in a namespace has its DNS.
pub(super) const DNS_ADDRESS: Ipv4Addr = NODE_ADDRESS;
/// The addresses of Services; the first is the API server's.
const SERVICES: &str = "10.0.0.0/24";
/// The same where no kube-proxy has to lead anybody there: Services may have both families.
const DUAL_STACK: &str = "10.0.0.0/24,fd00:10::/112";
/// How long the API server may take to become ready.
const READY_WITHIN: Duration = Duration::from_secs(120);

const CONTROLLERS: &str = "horizontal-pod-autoscaler-controller,deployment-controller,\
    replicaset-controller,endpoints-controller,endpointslice-controller,namespace-controller,\
    serviceaccount-controller,serviceaccount-token-controller,\
    root-ca-certificate-publisher-controller,garbage-collector-controller,\
    clusterrole-aggregation-controller";

/// Where processes run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the machine itself, on free ports of the loopback address. No pod can be reached from here: the aggregator
    /// goes where a Service of type ExternalName points.
    Host,
    /// In a network namespace of this name, made for the purpose, with an address for a node and room for its pods.
    Namespace(String),
}

/// A running control plane. Dropping it stops it.
#[derive(Debug)]
pub struct ControlPlane {
    // Stopped in this order: what depends on the API server, then it, then its store.
    controllers: Option<Daemon>,
    /// What only real nodes need.
    beside: Vec<Daemon>,
    apiserver: Daemon,
    _etcd: Daemon,
    place: Place,
    address: SocketAddr,
    folder: PathBuf,
    etcd_url: String,
    kubectl: PathBuf,
    pki: Pki,
}

impl Place {
    /// A command that runs `program` here. `nsenter` replaces itself by it, so the process is the program's own, and
    /// unlike `ip netns exec` it leaves /sys as it is, where a kubelet looks for control groups.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        match self {
            Self::Host => Command::new(program),
            Self::Namespace(name) => {
                let mut command = Command::new("nsenter");
                command
                    .arg(format!("--net=/var/run/netns/{name}"))
                    .arg(program);
                command
            }
        }
    }

    fn address(&self) -> IpAddr {
        match self {
            Self::Host => Ipv4Addr::LOCALHOST.into(),
            Self::Namespace(_) => NODE_ADDRESS.into(),
        }
    }
}

impl ControlPlane {
    /// Starts all of it and waits until the API server is ready. Logs go to `logs`.
    ///
    /// # Errors
    /// When a program cannot be started, ends, or is not ready in time.
    pub async fn start(
        scratch: &Scratch,
        tools: &Tools,
        logs: &Path,
        place: Place,
    ) -> Result<Self> {
        let folder = scratch.subfolder("controlplane")?;
        if matches!(place, Place::Namespace(_)) {
            scratch.add_namespace(&format!("{NODE_ADDRESS}/24"))?;
        }
        let pki = Pki::new()?;
        let (etcd_port, api_port) = (free_address()?.port(), free_address()?.port());
        let address = SocketAddr::new(place.address(), api_port);
        write_certificates(&pki, &folder)?;
        let program = tools.controlplane();

        let etcd_url = format!("http://127.0.0.1:{etcd_port}");
        let mut command = place.command(&program);
        command
            .arg("etcd")
            .arg(format!("--listen-client-url={etcd_url}"))
            .arg(format!("--data-dir={}/etcd", folder.display()));
        let etcd = Daemon::start(scratch, logs, "etcd", command)?;

        let flags = apiserver_flags(&folder, &place, address, &etcd_url);
        let apiserver = start_apiserver(scratch, &place, &program, logs, flags)?;

        let mut this = Self {
            controllers: None,
            beside: Vec::new(),
            apiserver,
            _etcd: etcd,
            place,
            address,
            folder,
            etcd_url,
            kubectl: tools.kubectl(),
            pki,
        };
        this.api_server_ready().await?;
        this.start_controllers(scratch, &program, logs)?;
        if matches!(this.place, Place::Namespace(_)) {
            this.start_beside(scratch, &program, logs)?;
        }
        Ok(this)
    }

    /// A user by client certificate, and `kubectl` with it.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn user(&self, name: &str, groups: &[&str]) -> Result<Kubectl> {
        let leaf = self.pki.cluster.issue(&Request::client(name, groups))?;
        let files = leaf.write(&self.folder, &format!("user-{}", name.replace(':', "-")))?;
        self.holder(name, &Credential::Certificate(files))
    }

    /// A client of the API server that may do everything, by this name.
    ///
    /// # Errors
    /// When its certificate cannot be made.
    pub fn client(&self, name: &str) -> Result<Client> {
        self.client_over(name, Protocol::Http2)
    }

    /// The same over this protocol.
    ///
    /// # Errors
    /// When its certificate cannot be made.
    pub fn client_over(&self, name: &str, protocol: Protocol) -> Result<Client> {
        let authority = &self.pki.cluster;
        let leaf = authority.issue(&Request::client(name, &["system:masters"]))?;
        Client::new(&Target {
            address: self.address(),
            name: "localhost",
            trust: Trust::Ca(authority.der().clone()),
            certificate: Some(&leaf),
            protocol,
        })
    }

    /// A ServiceAccount by a token from the API server, and `kubectl` with it.
    ///
    /// # Errors
    /// When the account does not exist.
    pub async fn service_account(
        &self,
        admin: &Kubectl,
        namespace: &str,
        name: &str,
    ) -> Result<Kubectl> {
        let call = format!("create token {name} -n {namespace} --duration=8h");
        let token = admin.run(&call).await?;
        let holder = format!("{namespace}-{name}");
        self.holder(&holder, &Credential::Token(token.trim().to_owned()))
    }

    /// The authorities of this cluster.
    #[must_use]
    pub const fn pki(&self) -> &Pki {
        &self.pki
    }

    /// The file with the certificate of the cluster's authority.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// Where the API server is.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the API server has used so far.
    ///
    /// # Errors
    /// When it has ended.
    pub fn api_server_footprint(&self) -> Result<Footprint> {
        Footprint::of(self.apiserver.pid())
    }

    /// Where its store listens.
    pub(super) fn store_address(&self) -> Result<SocketAddr> {
        let address = self.etcd_url.trim_start_matches("http://");
        address.parse().context("the store's address")
    }

    /// Ends the kube-controller-manager.
    pub(super) fn stop_controllers(&mut self) {
        self.controllers = None;
    }

    /// Where its processes run.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// Makes sure that every process of it still runs.
    ///
    /// # Errors
    /// When one ended.
    pub fn alive(&mut self) -> Result<()> {
        self.apiserver.alive()?;
        self.controllers.as_mut().map_or(Ok(()), Daemon::alive)?;
        self.beside.iter_mut().try_for_each(Daemon::alive)
    }

    pub(super) fn holder(&self, name: &str, credential: &Credential) -> Result<Kubectl> {
        let name = name.replace(':', "-");
        let kubeconfig = self.folder.join(format!("{name}.kubeconfig"));
        write_kubeconfig(&kubeconfig, self.address, &self.ca_file(), credential)?;
        Ok(Kubectl {
            program: self.kubectl.clone(),
            kubeconfig,
            cache: self.folder.join(format!("{name}.cache")),
            place: self.place.clone(),
        })
    }

    /// Ends the API server and starts it again at the same place, with what its store holds. Both write to one log.
    ///
    /// # Errors
    /// When it cannot be started or is not ready in time.
    pub async fn restart_api_server(
        &mut self,
        scratch: &Scratch,
        tools: &Tools,
        logs: &Path,
    ) -> Result<()> {
        self.apiserver.stop();
        self.start_api_server(scratch, tools, logs).await
    }

    /// Kills the API server and starts it again as [`Self::restart_api_server`] does.
    ///
    /// # Errors
    /// When it cannot be started or is not ready in time.
    pub async fn kill_api_server(
        &mut self,
        scratch: &Scratch,
        tools: &Tools,
        logs: &Path,
    ) -> Result<()> {
        self.apiserver.kill();
        self.start_api_server(scratch, tools, logs).await
    }

    async fn start_api_server(
        &mut self,
        scratch: &Scratch,
        tools: &Tools,
        logs: &Path,
    ) -> Result<()> {
        let flags = apiserver_flags(&self.folder, &self.place, self.address, &self.etcd_url);
        let program = tools.controlplane();
        self.apiserver = start_apiserver(scratch, &self.place, &program, logs, flags)?;
        self.api_server_ready().await
    }

    async fn api_server_ready(&mut self) -> Result<()> {
        let admin = self.user("admin", &["system:masters"])?;
        until(READY_WITHIN, async || {
            self.apiserver.alive()?;
            admin.run("get --raw /readyz").await
        })
        .await
        .context("kube-apiserver")?;
        Ok(())
    }

    /// Puts the kube-controller-manager in `program` in the place of the running one. Both write to one log.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn replace_controllers(
        &mut self,
        scratch: &Scratch,
        program: &Path,
        logs: &Path,
    ) -> Result<()> {
        self.controllers = None;
        self.start_controllers(scratch, program, logs)
    }

    fn start_controllers(&mut self, scratch: &Scratch, program: &Path, logs: &Path) -> Result<()> {
        let identity = self.user("system:kube-controller-manager", &[])?;
        let kubeconfig = identity.kubeconfig().display();
        let folder = self.folder.display();
        let controllers = match self.place {
            Place::Host => CONTROLLERS.to_owned(),
            // Nodes of a simulation hold no lease; only a real one is to be watched for life.
            Place::Namespace(_) => {
                format!(
                    "{CONTROLLERS},node-lifecycle-controller,job-controller,disruption-controller"
                )
            }
        };
        let mut command = self.place.command(program);
        command.arg("kube-controller-manager").args([
            format!("--kubeconfig={kubeconfig}"),
            format!("--authentication-kubeconfig={kubeconfig}"),
            format!("--authorization-kubeconfig={kubeconfig}"),
            format!("--service-account-private-key-file={folder}/service-account.key"),
            format!("--root-ca-file={folder}/ca.crt"),
            format!("--controllers={controllers}"),
            // Without it the HPA asks as the controller manager, which may read no metrics.
            "--use-service-account-credentials=true".to_owned(),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
            // Minutes by default; an autoscaler that looks often makes a test short, not different.
            "--horizontal-pod-autoscaler-sync-period=5s".to_owned(),
            "--horizontal-pod-autoscaler-cpu-initialization-period=5s".to_owned(),
            "--horizontal-pod-autoscaler-initial-readiness-delay=2s".to_owned(),
        ]);
        let name = "kube-controller-manager";
        self.controllers = Some(Daemon::start(scratch, logs, name, command)?);
        Ok(())
    }

    /// Starts kube-scheduler and the cluster's DNS.
    fn start_beside(&mut self, scratch: &Scratch, program: &Path, logs: &Path) -> Result<()> {
        let identity = self.user("system:kube-scheduler", &[])?;
        let kubeconfig = identity.kubeconfig().display();
        let mut command = self.place.command(program);
        command.arg("kube-scheduler").args([
            format!("--kubeconfig={kubeconfig}"),
            format!("--authentication-kubeconfig={kubeconfig}"),
            format!("--authorization-kubeconfig={kubeconfig}"),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
        ]);
        let scheduler = Daemon::start(scratch, logs, "kube-scheduler", command)?;
        let identity = self.user("cluster-dns", &["system:masters"])?;
        let kubeconfig = identity.kubeconfig().display();
        let mut command = self.place.command(program);
        command.arg("dns").args([
            format!("--kubeconfig={kubeconfig}"),
            format!("--listen-address={DNS_ADDRESS}:53"),
        ]);
        let dns = Daemon::start(scratch, logs, "dns", command)?;
        self.beside = vec![scheduler, dns];
        Ok(())
    }
}

fn start_apiserver(
    scratch: &Scratch,
    place: &Place,
    program: &Path,
    logs: &Path,
    flags: Vec<String>,
) -> Result<Daemon> {
    let mut command = place.command(program);
    command.arg("kube-apiserver").args(flags);
    Daemon::start(scratch, logs, "kube-apiserver", command)
}

fn apiserver_flags(
    folder: &Path,
    place: &Place,
    address: SocketAddr,
    etcd_url: &str,
) -> Vec<String> {
    let at = |name: &str| folder.join(name).display().to_string();
    let (ip, port) = (address.ip(), address.port());
    // With a namespace, as large installations do: the aggregator dials pods, not the Service's address. On the host
    // it must follow the Service's external name instead, and no loopback address may become an endpoint.
    let (routing, reconciler, services) = match place {
        Place::Host => (false, "none", DUAL_STACK),
        Place::Namespace(_) => (true, "master-count", SERVICES),
    };
    vec![
        format!("--etcd-servers={etcd_url}"),
        format!("--bind-address={ip}"),
        format!("--secure-port={port}"),
        format!("--advertise-address={ip}"),
        format!("--client-ca-file={}", at("ca.crt")),
        format!("--tls-cert-file={}", at("apiserver.crt")),
        format!("--tls-private-key-file={}", at("apiserver.key")),
        format!("--service-account-key-file={}", at("service-account.crt")),
        format!(
            "--service-account-signing-key-file={}",
            at("service-account.key")
        ),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-cluster-ip-range={services}"),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--allow-privileged=true".to_owned(),
        format!("--endpoint-reconciler-type={reconciler}"),
        format!("--enable-aggregator-routing={routing}"),
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
        format!("--kubelet-client-certificate={}", at("kubelet-client.crt")),
        format!("--kubelet-client-key={}", at("kubelet-client.key")),
        format!("--proxy-client-cert-file={}", at("front-proxy-client.crt")),
        format!("--proxy-client-key-file={}", at("front-proxy-client.key")),
        format!(
            "--requestheader-client-ca-file={}",
            at("front-proxy-ca.crt")
        ),
        "--requestheader-allowed-names=front-proxy-client".to_owned(),
        "--requestheader-username-headers=X-Remote-User".to_owned(),
        "--requestheader-group-headers=X-Remote-Group".to_owned(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
    ]
}
