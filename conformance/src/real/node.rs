//! A real node: containerd, the kubelet and kube-proxy, in a control plane's network namespace or in one of its own.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use crate::image::Image;
use crate::lab::Leaf;
use crate::lab::pki::{Request, write};

use super::containers::{CpuCounter, Ctr};
use super::controlplane::{ControlPlane, DNS_ADDRESS, NODE_ADDRESS, Place};
use super::daemon::Daemon;
use super::kubectl::Kubectl;
use super::link::{FAR, link};
use super::scratch::Scratch;
use super::tools::Tools;
use super::wait::until;

/// How long the node may take to become Ready.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// The addresses of nodes and pods, which Services are never reached from by another name.
const INSIDE: &str = "10.99.0.0/16";
/// The image a pod's sandbox runs.
const PAUSE: &str = "localhost/pause:1";
/// The name of the files with the kubelet's serving certificate.
const SERVING: &str = "kubelet";
/// What load is made of.
const BUSYBOX: &str = "localhost/busybox:1";

/// A node that runs containers. Dropping it ends them and stops it.
#[derive(Debug)]
pub struct RealNode {
    // Stopped in this order; containerd last, since it is asked to end the containers first.
    kubelet: Daemon,
    proxy: Daemon,
    containerd: Daemon,
    ctr: Ctr,
    control_group: String,
    folder: PathBuf,
}

/// A node to be: what it is called, and where it is.
struct Site<'a> {
    scratch: &'a Scratch,
    tools: &'a Tools,
    logs: &'a Path,
    cluster: &'a ControlPlane,
    name: &'static str,
    place: Place,
    address: Ipv4Addr,
    /// The addresses of its pods.
    pods: &'static str,
    folder: PathBuf,
}

impl RealNode {
    /// The first one's name; also the only name its serving certificate carries.
    pub const NAME: &'static str = "real-1";

    /// The second one's name.
    pub const SECOND: &'static str = "real-2";

    /// The image of busybox on it, for pods that make load.
    pub const BUSYBOX: &'static str = BUSYBOX;

    /// Starts it beside `cluster`, which must be in a namespace, and waits until it is Ready. Logs go to `logs`.
    ///
    /// # Errors
    /// When a program cannot be started, ends, or the node is not Ready in time.
    pub async fn start(
        scratch: &Scratch,
        tools: &Tools,
        logs: &Path,
        cluster: &ControlPlane,
    ) -> Result<Self> {
        Self::start_at(&Site {
            scratch,
            tools,
            logs,
            cluster,
            name: Self::NAME,
            place: cluster.place().clone(),
            address: NODE_ADDRESS,
            pods: "10.99.1.0/24",
            folder: scratch.subfolder("node")?,
        })
        .await
    }

    /// Starts another one in a network namespace of its own, with a cable to that of `cluster`. `scratch` must be
    /// another than the cluster's: a namespace, a control group and a folder are all of one node.
    ///
    /// # Errors
    /// As [`RealNode::start`], and when the namespaces cannot be joined.
    pub async fn start_second(
        scratch: &Scratch,
        tools: &Tools,
        logs: &Path,
        cluster: &ControlPlane,
    ) -> Result<Self> {
        let Place::Namespace(near) = cluster.place() else {
            bail!("a cluster without a namespace has no nodes");
        };
        link(near, scratch)?;
        Self::start_at(&Site {
            scratch,
            tools,
            logs,
            cluster,
            name: Self::SECOND,
            place: Place::Namespace(scratch.name().to_owned()),
            address: FAR.address,
            pods: FAR.pods,
            folder: scratch.subfolder("node")?,
        })
        .await
    }

    async fn start_at(site: &Site<'_>) -> Result<Self> {
        let ctr = Ctr {
            socket: site.scratch.folder().join("containerd.sock"),
        };
        let containerd = start_containerd(site, &ctr)?;
        until(READY_WITHIN, async || ctr.run(&["version"]))
            .await
            .context("containerd")?;
        for name in [PAUSE, BUSYBOX] {
            let applets = [
                "sh", "sleep", "cat", "dd", "yes", "true", "nproc", "wget", "httpd",
            ];
            ctr.import(&Image::busybox(name, &applets)?, &site.folder)?;
        }
        let control_group = site.scratch.add_control_group()?;
        let kubelet = start_kubelet(site, &ctr, &control_group)?;
        let proxy = start_proxy(site)?;
        let mut this = Self {
            kubelet,
            proxy,
            containerd,
            ctr,
            control_group,
            folder: site.folder.clone(),
        };
        let admin = site.cluster.user("admin", &["system:masters"])?;
        until(READY_WITHIN, async || {
            this.alive()?;
            ready(&admin, site.name).await
        })
        .await
        .context("the node")?;
        Ok(this)
    }

    /// Puts an image on it.
    ///
    /// # Errors
    /// When containerd refuses it.
    pub fn import(&self, image: &Image, scratch: &Scratch) -> Result<u64> {
        self.ctr.import(image, scratch.folder())
    }

    /// Gives its kubelet another serving certificate, which it takes up by itself; connections that are open stay.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn show(&self, certificate: &Leaf) -> Result<()> {
        certificate.write(&self.folder, SERVING)?;
        Ok(())
    }

    /// Makes sure that every process of it still runs.
    ///
    /// # Errors
    /// When one ended.
    pub fn alive(&mut self) -> Result<()> {
        self.kubelet.alive()?;
        self.proxy.alive()?;
        self.containerd.alive()
    }

    /// The file with the CPU time a container has used, as the kernel counts it. `id` is the container's in its pod's
    /// status, `containerd://…`.
    ///
    /// # Errors
    /// When no such file exists.
    pub fn cpu_counter(&self, pod_uid: &str, id: &str) -> Result<CpuCounter> {
        CpuCounter::find(&self.control_group, pod_uid, id)
    }
}

impl Drop for RealNode {
    fn drop(&mut self) {
        self.kubelet.stop();
        self.proxy.stop();
        // While containerd runs, so that it takes away what it keeps outside of our folder.
        for task in self.ctr.tasks() {
            let _ = self.ctr.run(&["task", "rm", "--force", &task]);
        }
        self.containerd.stop();
    }
}

async fn ready(admin: &Kubectl, name: &str) -> Result<()> {
    let node = admin.json(&format!("get node {name}")).await?;
    let conditions = node["status"]["conditions"].as_array();
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Ready")
        .context("no Ready condition")?;
    ensure!(ready["status"] == "True", "{}", ready["message"]);
    Ok(())
}

impl Site<'_> {
    /// Starts a program in its namespace, with a log of its own.
    fn daemon(&self, name: &str, command: Command) -> Result<Daemon> {
        let name = match self.name {
            RealNode::NAME => name.to_owned(),
            other => format!("{name}-{other}"),
        };
        Daemon::start(self.scratch, self.logs, &name, command)
    }
}

fn start_containerd(site: &Site<'_>, ctr: &Ctr) -> Result<Daemon> {
    let at = site.folder.display();
    let network = json!({
        "cniVersion": "0.4.0",
        // The name is in the names of files the plugins keep outside of our folder.
        "name": site.scratch.name(),
        "plugins": [{
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": true,
            "ipMasq": false,
            "hairpinMode": true,
            "ipam": {
                "type": "host-local",
                "ranges": [[{ "subnet": site.pods }]],
                "routes": [{ "dst": "0.0.0.0/0" }],
                "dataDir": format!("{at}/cni-addresses"),
            },
        }],
    });
    let networks = site.scratch.subfolder("node/cni")?;
    write(&networks.join("10-bridge.conflist"), &network.to_string())?;
    let config = format!(
        r#"version = 2
root = "{at}/containerd"
state = "{at}/containerd-state"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  # Where the capability to lower an OOM score is missing, no sandbox would start without this.
  restrict_oom_score_adj = true
  # Below our folder, where they are found and unmounted even after a crash.
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{at}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      Root = "{at}/runc"
"#,
        socket = ctr.socket.display(),
    );
    let file = site.folder.join("containerd.toml");
    write(&file, &config)?;
    let mut command = site.place.command(Path::new("containerd"));
    command.arg("--config").arg(&file);
    site.daemon("containerd", command)
}

fn start_kubelet(site: &Site<'_>, ctr: &Ctr, control_group: &str) -> Result<Daemon> {
    let (cluster, folder, name) = (site.cluster, &site.folder, site.name);
    // The node's name and nothing else: whoever dials the address has to verify the name all the same.
    let serving = Request::server(name, &[name]);
    let serving = cluster.pki().cluster.issue(&serving)?;
    let serving = serving.write(folder, SERVING)?;
    let config = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": site.address,
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": true },
            "x509": { "clientCAFile": cluster.ca_file() },
        },
        "authorization": { "mode": "Webhook" },
        "tlsCertFile": serving.certificate,
        "tlsPrivateKeyFile": serving.key,
        "containerRuntimeEndpoint": format!("unix://{}", ctr.socket.display()),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": control_group,
        "enforceNodeAllocatable": [],
        "failSwapOn": false,
        "failCgroupV1": false,
        "resolvConf": "",
        "clusterDNS": [DNS_ADDRESS],
        "clusterDomain": "cluster.local",
        "podLogsDir": site.logs.join("pods").join(name),
        "volumePluginDir": folder.join("volume-plugins"),
        "evictionHard": { "imagefs.available": "1%", "nodefs.available": "1%" },
        "imageGCHighThresholdPercent": 99,
        "imageGCLowThresholdPercent": 98,
    });
    let file = folder.join("kubelet.json");
    write(&file, &config.to_string())?;
    let identity = cluster.user(&format!("system:node:{name}"), &["system:nodes"])?;
    let mut command = site.place.command(&site.tools.kubelet());
    command.args([
        format!("--config={}", file.display()),
        format!("--kubeconfig={}", identity.kubeconfig().display()),
        format!("--hostname-override={name}"),
        format!("--node-ip={}", site.address),
        format!("--root-dir={}/kubelet", folder.display()),
    ]);
    site.daemon("kubelet", command)
}

fn start_proxy(site: &Site<'_>) -> Result<Daemon> {
    let identity = site.cluster.user("system:kube-proxy", &[])?;
    let mut command = site.place.command(&site.tools.controlplane());
    command.arg("kube-proxy").args([
        format!("--kubeconfig={}", identity.kubeconfig().display()),
        "--proxy-mode=iptables".to_owned(),
        format!("--cluster-cidr={INSIDE}"),
        format!("--hostname-override={}", site.name),
        // These are settings of the whole machine, which a namespace may not change.
        "--conntrack-max-per-core=0".to_owned(),
        "--conntrack-tcp-timeout-established=0".to_owned(),
        "--conntrack-tcp-timeout-close-wait=0".to_owned(),
    ]);
    site.daemon("kube-proxy", command)
}
