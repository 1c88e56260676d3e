//! Helm, which renders the chart.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::kubectl::Kubectl;
use super::tools::cache;

/// The version `conformance/run` builds.
const VERSION: &str = "v3.19.0";
/// The longest a single rendering may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// Helm, with a folder for what it remembers.
#[derive(Clone, Debug)]
pub struct Helm {
    program: PathBuf,
    home: PathBuf,
}

/// A chart with its values in their places.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The objects, as YAML.
    pub manifest: String,
    /// What the person who installs it is told.
    pub notes: String,
}

impl Helm {
    /// The Helm that `conformance/run` built.
    ///
    /// # Errors
    /// When it did not.
    pub fn find(home: &Path) -> Result<Self> {
        let program = cache()?.join(format!("helm-{VERSION}/helm"));
        ensure!(
            program.is_file(),
            "{} is missing: start with conformance/run",
            program.display()
        );
        Ok(Self {
            program,
            home: home.to_owned(),
        })
    }

    /// What `helm install RELEASE CHART -n kube-system -f VALUES` would install in the cluster.
    ///
    /// # Errors
    /// When Helm refuses the chart or the values, with what it said.
    pub async fn render(
        &self,
        kubectl: &Kubectl,
        release: &str,
        chart: &Path,
        values: Option<&Path>,
    ) -> Result<Rendered> {
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(["install", release])
            .arg(chart)
            .args([
                "--namespace=kube-system",
                "--dry-run=client",
                "--output=json",
            ])
            .arg("--disable-openapi-validation");
        if let Some(values) = values {
            command.arg("--values").arg(values);
        }
        let output = command
            .env("KUBECONFIG", kubectl.kubeconfig())
            .env("HELM_CACHE_HOME", self.home.join("cache"))
            .env("HELM_CONFIG_HOME", self.home.join("config"))
            .env("HELM_DATA_HOME", self.home.join("data"))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(DEADLINE, output)
            .await
            .context("helm hangs")??;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "helm: {}", said.trim());
        let release: Value = serde_json::from_slice(&output.stdout).context("helm's answer")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(Rendered {
            manifest: text(&release["manifest"]),
            notes: text(&release["info"]["notes"]),
        })
    }
}
