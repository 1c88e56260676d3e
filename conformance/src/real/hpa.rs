//! The HorizontalPodAutoscaler and what it scales.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::kubectl::Kubectl;
use super::wait::until;

/// A rate needs two scrapes of a new pod, and the autoscaler looks every 5 s; on a busy machine all of it takes longer.
pub const SCALED: Duration = Duration::from_secs(180);

/// An autoscaler that keeps `target`, a Deployment, at half of the CPU it requests, with one to three pods, and does
/// not wait before it scales down.
#[must_use]
pub fn autoscaler(namespace: &str, target: &str) -> String {
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": target, "namespace": namespace },
        "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": target },
            "minReplicas": 1,
            "maxReplicas": 3,
            "metrics": [{ "type": "Resource", "resource": {
                "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 50 },
            } }],
            "behavior": { "scaleDown": { "stabilizationWindowSeconds": 0 } },
        },
    })
    .to_string()
}

/// A Deployment of one pod whose container `main` requests 200m of CPU, and `beside` it another one
/// that requests so much that `main` alone never brings the pod as a whole to half of its requests.
#[must_use]
pub fn deployment(namespace: &str, name: &str, node: &str, beside: bool) -> String {
    let container = |name: &str, cpu: &str| {
        json!({
            "name": name,
            "image": "busy",
            "resources": { "requests": { "cpu": cpu, "memory": "64Mi" } },
        })
    };
    let mut containers = vec![container("main", "200m")];
    if beside {
        containers.push(container("idle", "800m"));
    }
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": name, "namespace": namespace },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": {
                    // There is no scheduler, and nobody behind the node who would wait for the pod to end.
                    "nodeName": node,
                    "terminationGracePeriodSeconds": 0,
                    "containers": containers,
                },
            },
        },
    })
    .to_string()
}

/// Waits until the autoscaler says that it cannot have its metric, as it does where it asks for a version that is not
/// registered.
///
/// # Errors
/// When it does not say so in time.
pub async fn without_metric(kubectl: &Kubectl, namespace: &str, target: &str) -> Result<()> {
    until(SCALED, async || {
        let hpa = kubectl
            .json(&format!("get hpa {target} -n {namespace}"))
            .await?;
        let conditions = &hpa["status"]["conditions"];
        let of_scaling = |c: &&Value| c["type"] == "ScalingActive";
        let active = conditions.as_array().into_iter().flatten().find(of_scaling);
        ensure!(
            active.is_some_and(|c| c["status"] == "False" && c["reason"] == "FailedGetResourceMetric"),
            "{conditions}"
        );
        Ok(())
    })
    .await
}

/// Waits until the autoscaler has computed a utilization and the Deployment has so many pods.
///
/// # Errors
/// When it does not in time.
pub async fn scaled(kubectl: &Kubectl, namespace: &str, target: &str, replicas: u64) -> Result<()> {
    until(SCALED, async || {
        let hpa = kubectl
            .json(&format!("get hpa {target} -n {namespace}"))
            .await?;
        let status = &hpa["status"];
        let current = status["currentReplicas"].as_u64();
        let metric = &status["currentMetrics"][0];
        let source = match metric["type"] == "ContainerResource" {
            true => &metric["containerResource"],
            false => &metric["resource"],
        };
        let utilization = &source["current"]["averageUtilization"];
        ensure!(
            utilization.is_u64(),
            "no utilization: {}",
            status["conditions"]
        );
        ensure!(
            current == Some(replicas) && status["desiredReplicas"] == replicas,
            "{current:?} pods at {utilization} %, {} wanted",
            status["desiredReplicas"]
        );
        Ok(())
    })
    .await
}
