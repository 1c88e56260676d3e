//! The change from Heapster to Loadline, back, and for good, by the commands of its document.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::process::Command;

use crate::lanes::document::{commands, run};
use crate::real::{RealNode, Scratch, Tools, repository, until};
use crate::report::Lane;

use super::install::IMAGE;
use super::{SOON, Scene};

const DOCUMENT: &str = include_str!("../../../../docs/migrate-from-heapster.md");
const BEFORE: &str = include_str!("heapster-before.yaml");
/// What the one number of [`BEFORE`] says of its time.
const OLD: &str = "2018-01-02T03:04:00Z";
const ASKED: &str = "/api/v1/namespaces/kube-system/services/http:heapster:/proxy/api/v1/model/metrics/cpu/usage_rate";

/// Heapster's command with Loadline's image and rights.
const CALLED: &str = include_str!("heapster-called.yaml");
const CALLED_ASKED: &str =
    "/api/v1/namespaces/kube-system/pods/called-heapster:8082/proxy/api/v1/model/nodes";

pub(super) async fn checks(lane: &Lane, scene: &Scene, scratch: &Scratch, tools: &Tools) {
    let name = "the document leads Heapster's clients to loadline, back, and there for good";
    lane.check(name, SOON * 4, async {
        let folder = sources(scratch)?;
        scene.admin.apply(BEFORE).await?;
        until(SOON, async || answers(scene, false).await).await?;
        step(scene, tools, &folder, "beside").await?;
        answers(scene, false).await?;
        until(SOON, async || {
            let said = step(scene, tools, &folder, "look").await?;
            let both = said.contains(OLD) && said.matches("latestTimestamp").count() == 2;
            ensure!(both, "{said}");
            Ok(())
        })
        .await?;
        for (name, ours) in [
            ("lead", true),
            ("back", false),
            ("lead", true),
            ("finish", true),
        ] {
            step(scene, tools, &folder, name).await?;
            until(SOON, async || answers(scene, ours).await)
                .await
                .context(name)?;
        }
        let left = "get deployments,serviceaccounts,clusterrolebindings -A -o name";
        let left = scene.admin.run(left).await?;
        ensure!(!left.contains("/heapster\n"), "{left}");
        Ok(())
    })
    .await;
    let name = "a pod that calls /heapster, as Heapster's manifests do, is Heapster";
    lane.check(name, SOON * 2, async {
        let (image, tag) = IMAGE;
        let pod = CALLED.replace("IMAGE", &format!("{image}:{tag}"));
        scene
            .admin
            .apply(&pod.replace("NODE", RealNode::NAME))
            .await?;
        until(SOON, async || {
            let nodes = scene.admin.raw(CALLED_ASKED).await?;
            let named = nodes.as_array().context("no list")?;
            ensure!(named.contains(&json!(RealNode::NAME)), "{nodes}");
            Ok(())
        })
        .await?;
        let delete = "delete pod called-heapster -n kube-system --wait=false";
        scene.admin.run(delete).await?;
        Ok(())
    })
    .await;
}

/// Makes sure who answers by Heapster's name.
async fn answers(scene: &Scene, loadline: bool) -> Result<()> {
    let answer = scene.admin.raw(ASKED).await?;
    let ours = answer["metrics"].is_array() && answer["latestTimestamp"] != OLD;
    ensure!(ours == loadline, "{answer}");
    Ok(())
}

/// A copy of the manifests that the document's commands may write to, with the name of the image under test.
fn sources(scratch: &Scratch) -> Result<PathBuf> {
    let folder = copy(scratch, "sources")?;
    let base = folder.join("deploy/base/kustomization.yaml");
    let mut text = std::fs::read_to_string(&base)?;
    let (name, tag) = IMAGE;
    text.push_str(&format!(
        "images:\n- name: loadline\n  newName: {name}\n  newTag: {tag}\n"
    ));
    std::fs::write(&base, text)?;
    Ok(folder)
}

/// A copy of the manifests as they are.
pub(super) fn copy(scratch: &Scratch, name: &str) -> Result<PathBuf> {
    let folder = scratch.subfolder(name)?;
    let root = repository()?;
    let copied = std::process::Command::new("cp")
        .arg("-R")
        .args([root.join("deploy"), root.join("apiservice")])
        .arg(&folder)
        .status()?;
    ensure!(copied.success(), "not copied");
    Ok(folder)
}

/// Runs a block of the document, and returns what it printed.
async fn step(scene: &Scene, tools: &Tools, folder: &Path, name: &str) -> Result<String> {
    let said = typed(scene, tools, folder, commands(DOCUMENT, name)?).await;
    said.with_context(|| name.to_owned())
}

/// Runs commands in this folder, as the administrator.
pub(super) async fn typed(
    scene: &Scene,
    tools: &Tools,
    folder: &Path,
    block: &str,
) -> Result<String> {
    let mut shell = Command::from(scene.cluster.place().command(Path::new("/bin/sh")));
    shell.current_dir(folder);
    run(shell, block, &scene.admin, tools, &folder.join("cache")).await
}
