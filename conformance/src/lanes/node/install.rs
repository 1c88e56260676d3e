//! The installation as an operator does it: an image, `apply`, `top`.

use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::image::{Image, OTHER_NAMES};
use crate::real::{Overlay, RealNode, Scratch, Table, Tools, until};
use crate::report::Lane;

use super::{CALL, NAMESPACE, SOON, Scene, Soonest};

/// The name and tag of the image under test.
pub(super) const IMAGE: (&str, &str) = ("localhost/loadline", "test");

pub(super) async fn checks(
    lane: &Lane,
    scene: &mut Scene,
    scratch: &Scratch,
    tools: &Tools,
) -> bool {
    let load = "a pod limited to 300m burns what it may";
    let burning = lane
        .check(load, SOON + CALL, async {
            namespace(scene, NAMESPACE).await?;
            scene.run_pod("burn", "300m", "while :; do :; done").await?;
            Ok(())
        })
        .await;
    lane.check(
        "the image is the same from another folder, at another time",
        CALL,
        async { reproduced(scratch, tools) },
    )
    .await;
    let applied = lane
        .check(
            "the manifests apply under the restricted pod security standard",
            CALL * 2,
            async {
                let size = import(&scene.node, scratch, tools)?;
                lane.note(&format!("image: {:.1} MB, one static program", size / 1e6));
                apply(scene, scratch).await
            },
        )
        .await;
    if !(burning && applied) {
        return false;
    }
    let ready = lane
        .check(
            "loadline becomes ready with no more than its own rights",
            SOON + CALL,
            async {
                until(SOON, async || scene.loadline().await).await?;
                took(lane, scene, "ready");
                Ok(())
            },
        )
        .await;
    let Some(soonest) = soonest(lane, scene).await else {
        return false;
    };
    scene.soonest = Some(soonest);
    lane.check("both APIServices are Available", SOON + CALL, async {
        let services = "apiservice/v1.metrics.k8s.io apiservice/v1beta1.metrics.k8s.io";
        let call = format!("wait --for=condition=Available --timeout=30s {services}");
        until(SOON, async || scene.admin.run(&call).await).await?;
        Ok(())
    })
    .await;
    let name = "loadline check, in its pod, with its own rights and the server's flags, finds nothing wrong";
    lane.check(name, SOON + CALL, async {
        let check = "exec -n kube-system deployment/loadline -- /loadline check";
        // One APIService may come a moment later than the two that are waited for.
        until(SOON, async || scene.admin.run(check).await).await?;
        Ok(())
    })
    .await;
    ready
}

/// Waits for the first numbers after `scene.applied`.
pub(super) async fn soonest(lane: &Lane, scene: &Scene) -> Option<Soonest> {
    let pod = top(lane, scene, &format!("top pod -n {NAMESPACE}"), "burn").await?;
    let node = top(lane, scene, "top node", RealNode::NAME).await?;
    Some(Soonest { pod, node })
}

/// How many seconds it took.
async fn top(lane: &Lane, scene: &Scene, call: &str, row: &str) -> Option<f64> {
    let name = format!("kubectl {call} shows {row}");
    let took = async {
        until(SOON, async || {
            let answer = scene.admin.run(call).await;
            if answer.is_err() {
                // What a person who asked too early does: ask again later, with nothing remembered.
                scene.admin.forget_discovery();
            }
            let table = Table::parse(&answer?)?;
            let cpu = table.cell("NAME", row, "CPU(cores)")?;
            ensure!(cpu.ends_with('m'), "{row} uses {cpu}");
            Ok(())
        })
        .await?;
        Ok(took(lane, scene, &format!("first {call}")))
    };
    lane.value(&name, SOON + CALL, took).await
}

fn took(lane: &Lane, scene: &Scene, what: &str) -> f64 {
    let seconds = scene.applied.elapsed().as_secs_f64();
    lane.note(&format!("apply to {what}: {seconds:.1} s"));
    seconds
}

/// The tag of the same image, by which it is upgraded.
pub(super) const NEXT: &str = "next";

/// Puts the image under test on a node, and returns its size in bytes.
pub(super) fn import(node: &RealNode, scratch: &Scratch, tools: &Tools) -> Result<f64> {
    import_as(node, IMAGE.1, scratch, tools)
}

/// The same by this tag.
#[expect(
    clippy::cast_precision_loss,
    reason = "an image is far below 2^53 bytes"
)]
pub(super) fn import_as(
    node: &RealNode,
    tag: &str,
    scratch: &Scratch,
    tools: &Tools,
) -> Result<f64> {
    let name = IMAGE.0;
    let image = Image::of_program(&format!("{name}:{tag}"), tools.loadline(), &OTHER_NAMES)?;
    Ok(node.import(&image, scratch)? as f64)
}

/// Wraps the program twice, as copies that differ in all but their content. `deploy/image/twice` does the same from sources.
fn reproduced(scratch: &Scratch, tools: &Tools) -> Result<()> {
    let mut images = Vec::new();
    for folder in ["image/one", "image/another/one"] {
        let folder = scratch.subfolder(folder)?;
        let program = folder.join("loadline");
        std::fs::copy(tools.loadline(), &program)?;
        let archive = folder.join("image.tar");
        Image::of_program("loadline:twice", &program, &OTHER_NAMES)?.write(&archive)?;
        images.push(std::fs::read(&archive)?);
        std::fs::remove_dir_all(&folder)?;
    }
    let same = images.iter().all(|image| Some(image) == images.first());
    ensure!(
        same && images.len() == 2,
        "two images of one program differ"
    );
    Ok(())
}

/// A folder of manifests with this node instead of a scheduler, for the workloads of `kind`.
pub(super) fn here(folder: &str, kind: &str) -> Overlay {
    let pod = "/spec/template/spec";
    Overlay::on(folder)
        .image("loadline", IMAGE.0, IMAGE.1)
        .set(kind, &format!("{pod}/nodeName"), RealNode::NAME)
        .set(
            kind,
            &format!("{pod}/containers/0/imagePullPolicy"),
            "Never",
        )
}

/// Applies `deploy/overlays/heapster`; nothing else is given.
async fn apply(scene: &mut Scene, scratch: &Scratch) -> Result<()> {
    let pod = "/spec/template/spec";
    let manifests = here("deploy/overlays/heapster", "Deployment")
        .set(
            "Deployment",
            &format!("{pod}/containers/0/args/-"),
            "--rollup-resolution=10s",
        )
        .render(scratch, &scene.admin)
        .await?;
    let skips = manifests.to_lowercase().matches("insecure").count();
    ensure!(skips == 0, "the manifests skip a verification");
    let restricted = "pod-security.kubernetes.io/enforce=restricted";
    scene
        .admin
        .run(&format!("label namespace kube-system {restricted}"))
        .await?;
    scene.applied = Instant::now();
    scene.admin.apply(&manifests).await
}

async fn namespace(scene: &Scene, name: &str) -> Result<()> {
    scene.admin.run(&format!("create namespace {name}")).await?;
    let account = format!("get serviceaccount default -n {name}");
    until(SOON, async || scene.admin.run(&account).await)
        .await
        .context("no default ServiceAccount")?;
    Ok(())
}
