//! The chart as Helm installs it, and takes it away.

use anyhow::{Result, ensure};

use crate::real::{Helm, RealNode, Scratch, Table, repository, until};
use crate::report::Lane;

use super::install::IMAGE;
use super::take_over::{METRICS_SERVER, unbroken};
use super::{CALL, NAMESPACE, SOON, Scene};

/// Kinds of which every installation has some.
const KINDS: &str = "apiservices,deployments,services,networkpolicies,serviceaccounts,configmaps,roles,\
    rolebindings,clusterroles,clusterrolebindings";
const APISERVICES: &str = "apiservice/v1.metrics.k8s.io apiservice/v1beta1.metrics.k8s.io \
    apiservice/v1alpha1.loadline.io";

pub(super) async fn checks(lane: &Lane, scene: &Scene, scratch: &Scratch) {
    let helm = match scratch.subfolder("helm").map(|home| Helm::find(&home)) {
        Ok(Ok(helm)) => helm,
        Ok(Err(error)) | Err(error) => return lane.skip("the chart", &format!("{error:#}")),
    };
    let name = "helm installs the chart, and the scheduler finds it a node";
    let installed = lane
        .check(name, SOON * 2, async {
            nothing_left_of_others(scene).await?;
            install(scene, &helm).await
        })
        .await;
    if !installed {
        return;
    }
    let name = "its APIServices are Available, and kubectl top names pods and nodes";
    lane.check(name, SOON + CALL, async {
        let wait = format!("wait --for=condition=Available --timeout=30s {APISERVICES}");
        until(SOON, async || scene.admin.run(&wait).await).await?;
        scene.admin.forget_discovery();
        until(SOON, async || {
            let pods = scene.admin.run(&format!("top pod -n {NAMESPACE}")).await?;
            Table::parse(&pods)?.cell("NAME", "burn", "CPU(cores)")?;
            let nodes = scene.admin.run("top node").await?;
            let cpu = Table::parse(&nodes)?;
            let cpu = cpu.cell("NAME", RealNode::NAME, "CPU(cores)")?;
            ensure!(cpu.ends_with('m'), "{nodes}");
            Ok(())
        })
        .await
    })
    .await;
    let name = "helm takes it away, and nothing of the cluster is broken then";
    lane.check(name, SOON + CALL, async {
        let uninstall = [
            "uninstall",
            "loadline",
            "--namespace=kube-system",
            "--wait",
            "--timeout=90s",
        ];
        helm.run(&scene.admin, &uninstall).await?;
        unbroken(scene).await
    })
    .await;
}

/// What earlier checks applied goes: Helm takes over nothing that is not its own.
async fn nothing_left_of_others(scene: &Scene) -> Result<()> {
    let delete = format!("delete {KINDS} -A -l app.kubernetes.io/name=loadline --wait=true");
    scene.admin.run(&delete).await?;
    let theirs = ["delete", "--ignore-not-found", "--wait=true", "-f", "-"];
    scene.admin.run_args(&theirs, METRICS_SERVER).await?;
    Ok(())
}

async fn install(scene: &Scene, helm: &Helm) -> Result<()> {
    let chart = repository()?.join("deploy/charts/loadline");
    let chart = chart.display().to_string();
    let repository = format!("image.repository={}", IMAGE.0);
    let tag = format!("image.tag={}", IMAGE.1);
    let arguments = [
        "install",
        "loadline",
        &chart,
        "--namespace=kube-system",
        "--set",
        &repository,
        "--set",
        &tag,
        "--wait",
        "--timeout=2m",
    ];
    helm.run(&scene.admin, &arguments).await?;
    Ok(())
}
