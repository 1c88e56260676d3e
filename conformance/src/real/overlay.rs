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

    /// Tells the API server which authority, in PEM, signed the serving certificate.
    #[must_use]
    pub fn authority(self, pem: &str) -> Self {
        self.set("APIService", "/spec/caBundle", base64(pem.as_bytes()))
    }

    /// Runs another image where the manifests say `image`.
    #[must_use]
    pub fn image(mut self, image: &str, name: &str, tag: &str) -> Self {
        self.images
            .push(json!({ "name": image, "newName": name, "newTag": tag }));
        self
    }

    /// The manifests as `kubectl kustomize` prints them.
    ///
    /// # Errors
    /// When it refuses them.
    pub async fn render(&self, scratch: &Scratch, kubectl: &Kubectl) -> Result<String> {
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
        kubectl
            .run_args(&["kustomize", &folder.display().to_string()], "")
            .await
    }
}

/// The root of this repository.
fn repository() -> Result<PathBuf> {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = crate_folder.parent().context("no parent folder")?;
    Ok(root.canonicalize()?)
}

/// Standard base64, as `caBundle` wants it.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .fold(0_u32, |group, byte| group << 8 | u32::from(*byte));
        let group = group << (8 * (3 - chunk.len()));
        for position in 0..4 {
            let index = (group >> (18 - 6 * position)) & 63;
            let letter = usize::try_from(index).map_or(b'=', |index| ALPHABET[index]);
            let padded = position > chunk.len();
            text.push(if padded { '=' } else { char::from(letter) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn base64_pads_as_the_rfc_shows() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ];
        for (plain, coded) in cases {
            assert_eq!(super::base64(plain.as_bytes()), coded);
        }
    }
}
