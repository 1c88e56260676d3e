//! The HorizontalPodAutoscaler of a real controller manager, fed by the server under test.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::compare::{Size, Stage};
use crate::loadline::{Loadline, Start};
use crate::real::hpa::{autoscaler, deployment, scaled, without_metric};
use crate::real::{Kubectl, Mirror, Scratch, Tools, Workload, until};
use crate::suite::check::{Check, Group};
use crate::suite::context::Context;
use crate::suite::in_lab::with_flags;
use crate::suite::target::Version;
use crate::suite::verdict::{Stop, Verdict, skipped};
use crate::suite::world::World;

const NAMESPACE: &str = "elastic";
const TARGET: &str = "busy";
const READY: Duration = Duration::from_secs(120);
/// How long an APIService may take to be available.
const AVAILABLE: Duration = Duration::from_secs(60);

pub(super) fn checks() -> Vec<Check> {
    vec![
        Group::TlsAndClients
            .check(
                116,
                "hpa",
                "the HPA scales with both versions registered and with v1beta1 alone, and with v1 alone says \
                 FailedGetResourceMetric",
                |cx| Box::pin(hpa(cx)),
            )
            .moving()
            .within(600),
    ]
}

/// A control plane that asks a server of its own.
struct Scene {
    // Dropped in this order: what asks the control plane first.
    server: Loadline,
    workload: Workload,
    admin: Kubectl,
    stage: Stage,
    _scratch: Scratch,
}

async fn hpa(cx: &Context<'_>) -> Verdict {
    let world = cx.world()?;
    let tools = Tools::find_control_plane();
    let tools = tools.map_err(|e| skipped(format!("needs a real controller manager: {e:#}")))?;
    let versions = &cx.features.versions;
    let scene = Scene::set(world, &tools).await?;
    let verdict = scene.scales(versions).await;
    // What the server said goes with the lab; what it said last is worth telling.
    let tail = || {
        format!(
            "the server's log ends with\n{}",
            scene.server.process.tail()
        )
    };
    Ok(verdict.with_context(tail)?)
}

impl Scene {
    async fn set(world: &World<'_>, tools: &Tools) -> Result<Self, Stop> {
        let scratch = Scratch::new()?;
        let logs = scratch.subfolder("logs")?;
        let size = Size { nodes: 1, pods: 1 };
        let mut stage = Stage::set(size, &scratch, tools, &logs).await?;
        // They ended when the stage was filled.
        let program = tools.controlplane();
        stage
            .cluster
            .replace_controllers(&scratch, &program, &logs)?;
        let admin = stage.cluster.user("admin", &["system:masters"])?;
        let mirror = Mirror::new(&stage.cluster, Arc::clone(&stage.lab.world))?;
        mirror.add_namespace(NAMESPACE).await?;
        // One pod at 300m of the 200m it requests is at 150 %; three of them share it at 50 %, which is the target.
        let workload = mirror.run_workload(NAMESPACE, TARGET, 0.3);
        let kubeconfig = stage.kubeconfig.display().to_string();
        let start = with_flags(Start::new(&stage.lab, &world.binary)?, &world.flags)
            .with("kubeconfig", &kubeconfig)
            .with("authentication-kubeconfig", &kubeconfig)
            .with("authorization-kubeconfig", &kubeconfig);
        let mut server = start.launch(&stage.lab)?;
        server.wait_ready(READY).await?;
        Ok(Self {
            server,
            workload,
            admin,
            stage,
            _scratch: scratch,
        })
    }

    async fn scales(&self, versions: &[String]) -> Result<()> {
        let admin = &self.admin;
        for version in versions {
            self.register(version).await?;
        }
        let node = self.stage.lab.world.nodes();
        let node = node.first().context("no node")?.meta.name.clone();
        let deployment = deployment(NAMESPACE, TARGET, &node, false);
        admin.apply(&deployment).await?;
        admin.apply(&autoscaler(NAMESPACE, TARGET)).await?;
        let all = versions.join(" and ");
        scaled(admin, NAMESPACE, TARGET, 3)
            .await
            .with_context(|| format!("{all} registered"))?;
        let (v1, v1beta1) = (Version::V1.as_str(), Version::V1beta1.as_str());
        if versions.iter().any(|version| version == v1) {
            self.forget(v1beta1).await?;
            without_metric(admin, NAMESPACE, TARGET)
                .await
                .context("v1 alone registered")?;
            self.register(v1beta1).await?;
            self.forget(v1).await?;
        }
        self.workload.set_cores(0.03);
        scaled(admin, NAMESPACE, TARGET, 1)
            .await
            .context("v1beta1 alone registered")
    }

    /// Leads a version of the group here.
    async fn register(&self, version: &str) -> Result<()> {
        let service = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": { "name": "loadline", "namespace": "kube-system" },
            "spec": { "type": "ExternalName", "externalName": "localhost" },
        });
        self.admin.apply(&service.to_string()).await?;
        let name = format!("{version}.metrics.k8s.io");
        let apiservice = json!({
            "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
            "metadata": { "name": name },
            "spec": {
                "group": "metrics.k8s.io", "version": version,
                "groupPriorityMinimum": 100, "versionPriority": 100,
                "service": {
                    "name": "loadline", "namespace": "kube-system",
                    "port": self.server.address.port(),
                },
                // Whether its certificate is good is asked elsewhere.
                "insecureSkipTLSVerify": true,
            },
        });
        self.admin.apply(&apiservice.to_string()).await?;
        let wait = format!("wait --for=condition=Available --timeout=1s apiservice/{name}");
        until(AVAILABLE, async || self.admin.run(&wait).await).await?;
        Ok(())
    }

    async fn forget(&self, version: &str) -> Result<()> {
        let call = format!("delete apiservice {version}.metrics.k8s.io");
        self.admin.run(&call).await?;
        Ok(())
    }
}
