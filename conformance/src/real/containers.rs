//! The containers of a node: how they are asked for, and what the kernel says of them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::image::Image;

use super::scratch::control_group_roots;

/// `ctr` for the containers the kubelet sees.
#[derive(Clone, Debug)]
pub(super) struct Ctr {
    pub(super) socket: PathBuf,
}

impl Ctr {
    /// Runs it.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<String> {
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

    /// Takes an image in and returns its size in bytes; `folder` is for its archive.
    pub(super) fn import(&self, image: &Image, folder: &Path) -> Result<u64> {
        let archive = folder.join("image.tar");
        let size = image.write(&archive)?;
        self.run(&["image", "import", &archive.display().to_string()])?;
        std::fs::remove_file(archive)?;
        Ok(size)
    }

    /// The processes of all containers.
    pub(super) fn tasks(&self) -> Vec<String> {
        let list = self.run(&["task", "ls", "-q"]).unwrap_or_default();
        list.lines().map(str::to_owned).collect()
    }
}

/// The kernel's own account of one container's CPU time.
#[derive(Clone, Debug)]
pub struct CpuCounter {
    path: PathBuf,
    unified: bool,
}

impl CpuCounter {
    /// The counter of a container below the control group of its node's kubelet.
    pub(super) fn find(control_group: &str, pod_uid: &str, id: &str) -> Result<Self> {
        let id = id.strip_prefix("containerd://").unwrap_or(id);
        for root in control_group_roots()? {
            let pods = root.join(control_group.trim_start_matches('/'));
            for class in ["kubepods", "kubepods/burstable", "kubepods/besteffort"] {
                let group = pods.join(class).join(format!("pod{pod_uid}")).join(id);
                for (file, unified) in [("cpuacct.usage", false), ("cpu.stat", true)] {
                    let path = group.join(file);
                    // Version 1 has a cpu.stat of its own, in another hierarchy, that counts throttling alone.
                    let counts = !unified || group.join("cgroup.controllers").exists();
                    if path.exists() && counts {
                        return Ok(Self { path, unified });
                    }
                }
            }
        }
        bail!("no control group of container {id} of pod {pod_uid}")
    }

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
