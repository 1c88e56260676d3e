//! The repository's own manifests, with what a test cluster needs changed: what an operator's overlay does.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::lab::pki::write;

use super::kubectl::Kubectl;
use super::scratch::Scratch;

/// A kustomization on top of a folder of this repository.
#[derive(Clone, Debug)]
pub struct Overlay {
    base: String,
    patches: Vec<Value>,
    images: Vec<Value>,
}

impl Overlay {
    /// Stands on `base`, a folder with a `kustomization.yaml`.
    #[must_use]
    pub fn on(base: &str) -> Self {
        Self {
            base: base.to_owned(),
            patches: Vec::new(),
            images: Vec::new(),
        }
    }

    /// Sets a field of every object of a kind, by its JSON pointer.
    #[must_use]
    pub fn set(mut self, kind: &str, pointer: &str, value: impl Into<Value>) -> Self {
        let change = json!([{ "op": "add", "path": pointer, "value": value.into() }]);
        self.patches.push(json!({
            "target": { "kind": kind },
            "patch": change.to_string(),
        }));
        self
    }

    /// Runs another image where the manifests say `image`.
    #[must_use]
    pub fn image(mut self, image: &str, name: &str, tag: &str) -> Self {
        self.images
            .push(json!({ "name": image, "newName": name, "newTag": tag }));
        self
    }

    /// Writes it down, as the operator's own folder of manifests, for `kubectl apply -k`. A later one takes its place.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, scratch: &Scratch) -> Result<PathBuf> {
        let folder = scratch.subfolder("overlay")?;
        let base = repository()?.join(&self.base);
        // Kustomize takes bases by relative path alone.
        let up = "../".repeat(folder.components().count().saturating_sub(1));
        let base = base.strip_prefix("/")?.display().to_string();
        let kustomization = json!({
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [format!("{up}{base}")],
            "patches": self.patches,
            "images": self.images,
        });
        write(
            &folder.join("kustomization.yaml"),
            &kustomization.to_string(),
        )?;
        Ok(folder)
    }

    /// The manifests as `kubectl kustomize` prints them.
    ///
    /// # Errors
    /// When it refuses them.
    pub async fn render(&self, scratch: &Scratch, kubectl: &Kubectl) -> Result<String> {
        let folder = self.write(scratch)?;
        kubectl
            .run_args(&["kustomize", &folder.display().to_string()], "")
            .await
    }
}

/// The root of this repository.
///
/// # Errors
/// When it is not where it was when this was built.
pub fn repository() -> Result<PathBuf> {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = crate_folder.parent().context("no parent folder")?;
    Ok(root.canonicalize()?)
}
