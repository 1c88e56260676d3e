//! A real node: containerd, the kubelet and kube-proxy, in a control plane's network namespace.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::image::Image;
use crate::lab::pki::{Request, write};

use super::controlplane::{ControlPlane, NODE_ADDRESS};
use super::daemon::Daemon;
use super::kubectl::Kubectl;
use super::scratch::{Scratch, control_group_roots};
use super::tools::Tools;
use super::wait::until;

/// How long the node may take to become Ready.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// The addresses of pods.
const PODS: &str = "10.99.1.0/24";
/// The image a pod's sandbox runs.
const PAUSE: &str = "localhost/pause:1";
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
}

/// `ctr` for the containers the kubelet sees.
#[derive(Clone, Debug)]
struct Ctr {
    socket: PathBuf,
}

impl RealNode {
    /// Its name; also the only name its serving certificate carries.
    pub const NAME: &'static str = "real-1";

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
        let folder = scratch.subfolder("node")?;
        let ctr = Ctr {
            socket: scratch.folder().join("containerd.sock"),
        };
        let containerd = start_containerd(scratch, logs, cluster, &folder, &ctr)?;
        until(READY_WITHIN, async || ctr.run(&["version"]))
            .await
            .context("containerd")?;
        for name in [PAUSE, BUSYBOX] {
            let applets = ["sh", "sleep", "cat", "dd", "yes", "true", "nproc", "wget"];
            ctr.import(&Image::busybox(name, &applets)?, &folder)?;
        }
        let control_group = scratch.add_control_group()?;
        let kubelet = start_kubelet(scratch, tools, logs, cluster, &folder, &ctr, &control_group)?;
        let proxy = start_proxy(scratch, tools, logs, cluster)?;
        let mut this = Self {
            kubelet,
            proxy,
            containerd,
            ctr,
            control_group,
        };
        let admin = cluster.user("admin", &["system:masters"])?;
        until(READY_WITHIN, async || {
            this.alive()?;
            ready(&admin).await
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
        let id = id.strip_prefix("containerd://").unwrap_or(id);
        for root in control_group_roots()? {
            let pods = root.join(self.control_group.trim_start_matches('/'));
            for class in ["kubepods", "kubepods/burstable", "kubepods/besteffort"] {
                let group = pods.join(class).join(format!("pod{pod_uid}")).join(id);
                for (file, unified) in [("cpuacct.usage", false), ("cpu.stat", true)] {
                    let path = group.join(file);
                    // Version 1 has a cpu.stat of its own, in another hierarchy, that counts throttling alone.
                    let counts = !unified || group.join("cgroup.controllers").exists();
                    if path.exists() && counts {
                        return Ok(CpuCounter { path, unified });
                    }
                }
            }
        }
        anyhow::bail!("no control group of container {id} of pod {pod_uid}")
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

/// The kernel's own account of one container's CPU time.
#[derive(Clone, Debug)]
pub struct CpuCounter {
    path: PathBuf,
    unified: bool,
}

impl CpuCounter {
    /// The processes of the container.
    ///
    /// # Errors
    /// When the container is gone.
    pub fn processes(&self) -> Result<Vec<u32>> {
        let file = self.path.with_file_name("cgroup.procs");
        let text = std::fs::read_to_string(file)?;
        Ok(text.lines().filter_map(|pid| pid.parse().ok()).collect())
    }

    /// Seconds of CPU time so far.
    ///
    /// # Errors
    /// When the container is gone.
    pub fn read(&self) -> Result<f64> {
        let text = std::fs::read_to_string(&self.path)?;
        if !self.unified {
            return Ok(text.trim().parse::<f64>()? / 1e9);
        }
        let line = text.lines().find_map(|l| l.strip_prefix("usage_usec "));
        Ok(line.context("no usage_usec")?.trim().parse::<f64>()? / 1e6)
    }
}

impl Ctr {
    fn run(&self, arguments: &[&str]) -> Result<String> {
        let out = Command::new("ctr")
            .arg("--address")
            .arg(&self.socket)
            .args(["--namespace", "k8s.io"])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .context("ctr")?;
        let error = String::from_utf8_lossy(&out.stderr);
        let call = arguments.join(" ");
        ensure!(out.status.success(), "ctr {call}: {}", error.trim());
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }

    fn import(&self, image: &Image, folder: &Path) -> Result<u64> {
        let archive = folder.join("image.tar");
        let size = image.write(&archive)?;
        self.run(&["image", "import", &archive.display().to_string()])?;
        std::fs::remove_file(archive)?;
        Ok(size)
    }

    fn tasks(&self) -> Vec<String> {
        let list = self.run(&["task", "ls", "-q"]).unwrap_or_default();
        list.lines().map(str::to_owned).collect()
    }
}

async fn ready(admin: &Kubectl) -> Result<()> {
    let node = admin.json(&format!("get node {}", RealNode::NAME)).await?;
    let conditions = node["status"]["conditions"].as_array();
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Ready")
        .context("no Ready condition")?;
    ensure!(ready["status"] == "True", "{}", ready["message"]);
    Ok(())
}

fn start_containerd(
    scratch: &Scratch,
    logs: &Path,
    cluster: &ControlPlane,
    folder: &Path,
    ctr: &Ctr,
) -> Result<Daemon> {
    let at = folder.display();
    let network = json!({
        "cniVersion": "0.4.0",
        // The name is in the names of files the plugins keep outside of our folder.
        "name": scratch.name(),
        "plugins": [{
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": true,
            "ipMasq": false,
            "hairpinMode": true,
            "ipam": {
                "type": "host-local",
                "ranges": [[{ "subnet": PODS }]],
                "routes": [{ "dst": "0.0.0.0/0" }],
                "dataDir": format!("{at}/cni-addresses"),
            },
        }],
    });
    let networks = scratch.subfolder("node/cni")?;
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
    let file = folder.join("containerd.toml");
    write(&file, &config)?;
    let mut command = cluster.place().command(Path::new("containerd"));
    command.arg("--config").arg(&file);
    Daemon::start(scratch, logs, "containerd", command)
}

fn start_kubelet(
    scratch: &Scratch,
    tools: &Tools,
    logs: &Path,
    cluster: &ControlPlane,
    folder: &Path,
    ctr: &Ctr,
    control_group: &str,
) -> Result<Daemon> {
    // The node's name and nothing else: whoever dials the address has to verify the name all the same.
    let serving = Request::server(RealNode::NAME, &[RealNode::NAME]);
    let serving = cluster.pki().cluster.issue(&serving)?;
    let serving = serving.write(folder, "kubelet")?;
    let config = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
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
        "podLogsDir": logs.join("pods"),
        "volumePluginDir": folder.join("volume-plugins"),
        "evictionHard": { "imagefs.available": "1%", "nodefs.available": "1%" },
        "imageGCHighThresholdPercent": 99,
        "imageGCLowThresholdPercent": 98,
    });
    let file = folder.join("kubelet.json");
    write(&file, &config.to_string())?;
    let name = RealNode::NAME;
    let identity = cluster.user(&format!("system:node:{name}"), &["system:nodes"])?;
    let mut command = cluster.place().command(&tools.kubelet());
    command.args([
        format!("--config={}", file.display()),
        format!("--kubeconfig={}", identity.kubeconfig().display()),
        format!("--hostname-override={name}"),
        format!("--node-ip={NODE_ADDRESS}"),
        format!("--root-dir={}/kubelet", folder.display()),
    ]);
    Daemon::start(scratch, logs, "kubelet", command)
}

fn start_proxy(
    scratch: &Scratch,
    tools: &Tools,
    logs: &Path,
    cluster: &ControlPlane,
) -> Result<Daemon> {
    let identity = cluster.user("system:kube-proxy", &[])?;
    let mut command = cluster.place().command(&tools.controlplane());
    command.arg("kube-proxy").args([
        format!("--kubeconfig={}", identity.kubeconfig().display()),
        "--proxy-mode=iptables".to_owned(),
        format!("--cluster-cidr={PODS}"),
        format!("--hostname-override={}", RealNode::NAME),
        // These are settings of the whole machine, which a namespace may not change.
        "--conntrack-max-per-core=0".to_owned(),
        "--conntrack-tcp-timeout-established=0".to_owned(),
        "--conntrack-tcp-timeout-close-wait=0".to_owned(),
    ]);
    Daemon::start(scratch, logs, "kube-proxy", command)
}
