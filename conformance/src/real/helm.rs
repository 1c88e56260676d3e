//! Helm, which renders the chart and installs it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::kubectl::Kubectl;
use super::tools::cache;

/// The version `conformance/run` builds.
const VERSION: &str = "v3.19.0";
/// The longest a single call may take.
const DEADLINE: Duration = Duration::from_secs(180);

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
        let chart = chart.display().to_string();
        let mut arguments = vec![
            "install",
            release,
            &chart,
            "--namespace=kube-system",
            "--dry-run=client",
            "--output=json",
            "--disable-openapi-validation",
        ];
        let file = values.map(|values| values.display().to_string());
        if let Some(file) = &file {
            arguments.extend(["--values", file]);
        }
        let answer = self.run(kubectl, &arguments).await?;
        let release: Value = serde_json::from_str(&answer).context("helm's answer")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(Rendered {
            manifest: text(&release["manifest"]),
            notes: text(&release["info"]["notes"]),
        })
    }

    /// Runs it where `kubectl` runs, as the same person, and returns what it printed.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub async fn run(&self, kubectl: &Kubectl, arguments: &[&str]) -> Result<String> {
        let output = tokio::process::Command::from(kubectl.place.command(&self.program))
            .args(arguments)
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
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
