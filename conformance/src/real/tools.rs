//! Where the programs are that `conformance/run` built.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The programs a real cluster is made of.
#[derive(Clone, Debug)]
pub struct Tools {
    folder: PathBuf,
    loadline: PathBuf,
}

impl Tools {
    /// The same where nothing is needed but a control plane.
    ///
    /// # Errors
    /// When that is missing; the text says how to build it.
    pub fn find_control_plane() -> Result<Self> {
        let tools = Self::located()?;
        tools.check([tools.controlplane(), tools.kubectl()])?;
        Ok(tools)
    }

    /// Takes the Kubernetes programs from the folder `LOADLINE_BIN`, as `conformance/run` sets it, or from
    /// where it last built them, and Loadline itself from `LOADLINE_PROGRAM`.
    ///
    /// # Errors
    /// When a program is missing; the text says how to build it.
    pub fn find() -> Result<Self> {
        let tools = Self::located()?;
        tools.check([
            tools.controlplane(),
            tools.kubectl(),
            tools.kubelet(),
            tools.clients(),
            tools.loadline.clone(),
        ])?;
        Ok(tools)
    }

    fn located() -> Result<Self> {
        let folder = match env::var_os("LOADLINE_BIN") {
            Some(folder) => PathBuf::from(folder),
            None => last_built()?,
        };
        let loadline = env::var_os("LOADLINE_PROGRAM").map_or_else(
            || PathBuf::from("target/image/x86_64-unknown-linux-gnu/release/loadline"),
            PathBuf::from,
        );
        Ok(Self { folder, loadline })
    }

    fn check(&self, programs: impl IntoIterator<Item = PathBuf>) -> Result<()> {
        for program in programs {
            if !program.is_file() {
                bail!(
                    "{} is missing: start with conformance/run",
                    program.display()
                );
            }
        }
        Ok(())
    }

    /// etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kube-proxy, a DNS and kubectl in one.
    #[must_use]
    pub fn controlplane(&self) -> PathBuf {
        self.folder.join("controlplane")
    }

    /// The folder of all of them but Loadline.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The kubelet, and with that name as its first argument the kube-controller-manager of the same, older version.
    #[must_use]
    pub fn kubelet(&self) -> PathBuf {
        self.folder.join("kubelet")
    }

    /// What the Go code of Kubernetes writes and reads of `metrics.k8s.io`.
    #[must_use]
    pub fn clients(&self) -> PathBuf {
        self.folder.join("clients")
    }

    /// The receiver of an OpenTelemetry collector.
    #[must_use]
    pub fn collector(&self) -> PathBuf {
        self.folder.join("collector")
    }

    /// `kubectl`, for tests and people.
    #[must_use]
    pub fn kubectl(&self) -> PathBuf {
        self.folder.join("kubectl")
    }

    /// The program under test, linked statically so that it runs in an image that holds nothing else.
    #[must_use]
    pub fn loadline(&self) -> &Path {
        &self.loadline
    }
}

/// The folder the cache's `kubectl` is a link into.
fn last_built() -> Result<PathBuf> {
    let kubectl = cache()?.join("kubectl");
    let kubectl = kubectl
        .canonicalize()
        .context("nothing is built yet: start with conformance/run")?;
    Ok(kubectl.parent().context("no folder")?.to_owned())
}

/// The folder whatever is worth keeping between runs is in.
///
/// # Errors
/// When neither `LOADLINE_CACHE` nor `HOME` is set.
pub fn cache() -> Result<PathBuf> {
    if let Some(folder) = env::var_os("LOADLINE_CACHE") {
        return Ok(PathBuf::from(folder));
    }
    let home = env::var_os("HOME").context("neither LOADLINE_CACHE nor HOME is set")?;
    Ok(PathBuf::from(home).join(".cache/loadline"))
}
