//! `kubectl`, as the person or controller a kubeconfig names.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use super::controlplane::Place;

/// The longest a single call may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// `kubectl` with a kubeconfig, run where it reaches the API server.
#[derive(Clone, Debug)]
pub struct Kubectl {
    pub(super) program: PathBuf,
    pub(super) kubeconfig: PathBuf,
    pub(super) cache: PathBuf,
    pub(super) place: Place,
}

/// What one call of `kubectl` said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Whether it ended with 0.
    pub success: bool,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Kubectl {
    /// The kubeconfig it uses.
    #[must_use]
    pub const fn kubeconfig(&self) -> &PathBuf {
        &self.kubeconfig
    }

    /// The bearer token in its kubeconfig.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read, or identifies itself otherwise.
    pub fn token(&self) -> Result<String> {
        let config: Value = serde_json::from_str(&std::fs::read_to_string(&self.kubeconfig)?)?;
        let token = config["users"][0]["user"]["token"].as_str();
        Ok(token.context("no token in the kubeconfig")?.to_owned())
    }

    /// Runs it with arguments separated by blanks, and returns what it printed.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub async fn run(&self, arguments: &str) -> Result<String> {
        self.run_args(&words(arguments), "").await
    }

    /// Runs it and returns what it printed whether or not it failed.
    ///
    /// # Errors
    /// When it cannot be started or does not end in time.
    pub async fn ask(&self, arguments: &str) -> Result<Answer> {
        self.call(&words(arguments), "").await
    }

    /// Runs it with `-o json` and reads the answer.
    ///
    /// # Errors
    /// When it fails or prints something else.
    pub async fn json(&self, arguments: &str) -> Result<Value> {
        let out = self.run(&format!("{arguments} -o json")).await?;
        serde_json::from_str(&out).with_context(|| format!("kubectl {arguments}"))
    }

    /// Asks the API server for a path and reads the JSON it answers.
    ///
    /// # Errors
    /// When the answer is not 2xx or not JSON.
    pub async fn raw(&self, path: &str) -> Result<Value> {
        let out = self.run_args(&["get", "--raw", path], "").await?;
        serde_json::from_str(&out).with_context(|| format!("{path}: {out}"))
    }

    /// Applies manifests.
    ///
    /// # Errors
    /// When the API server refuses one.
    pub async fn apply(&self, manifests: &str) -> Result<()> {
        let arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        self.run_args(&arguments, manifests).await?;
        Ok(())
    }

    /// Changes an object's status by a merge patch; `object` is `TYPE NAME` with `-n NAMESPACE` where needed.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn patch_status(&self, object: &str, patch: &Value) -> Result<()> {
        let patch = patch.to_string();
        let mut arguments = vec!["patch"];
        arguments.extend(words(object));
        arguments.extend(["--subresource=status", "--type=merge", "-p", &patch]);
        self.run_args(&arguments, "").await?;
        Ok(())
    }

    /// Forgets which APIs there are, as a `kubectl` does by itself after six hours.
    pub fn forget_discovery(&self) {
        let _ = std::fs::remove_dir_all(&self.cache);
    }

    /// Runs it with arguments that may hold blanks, and with text on its standard input.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub async fn run_args(&self, arguments: &[&str], input: &str) -> Result<String> {
        let answer = self.call(arguments, input).await?;
        if !answer.success {
            bail!("kubectl {}: {}", arguments.join(" "), answer.err.trim());
        }
        Ok(answer.out)
    }

    async fn call(&self, arguments: &[&str], input: &str) -> Result<Answer> {
        let mut child = tokio::process::Command::from(self.place.command(&self.program))
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("KUBECACHEDIR", &self.cache)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("kubectl")?;
        let mut stdin = child.stdin.take().context("no standard input")?;
        // It may end without reading, which is its right.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let out = tokio::time::timeout(DEADLINE, child.wait_with_output())
            .await
            .with_context(|| format!("kubectl {} hangs", arguments.join(" ")))??;
        Ok(Answer {
            success: out.status.success(),
            out: String::from_utf8_lossy(&out.stdout).into_owned(),
            err: String::from_utf8_lossy(&out.stderr).into_owned(),
        })
    }
}

fn words(arguments: &str) -> Vec<&str> {
    arguments.split_whitespace().collect()
}
