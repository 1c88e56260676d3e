//! The HorizontalPodAutoscaler, as two lanes use it.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::real::{Kubectl, until};

/// A rate needs two scrapes of a new pod, and the autoscaler looks every 5 s; on a busy machine all of it takes longer.
pub(super) const SCALED: Duration = Duration::from_secs(180);

/// An autoscaler that keeps `target`, a Deployment, at half of the CPU it requests, with one to three pods, and does
/// not wait before it scales down.
pub(super) fn autoscaler(namespace: &str, target: &str) -> String {
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

/// Waits until the autoscaler has computed a utilization and the Deployment has so many pods.
pub(super) async fn scaled(
    kubectl: &Kubectl,
    namespace: &str,
    target: &str,
    replicas: u64,
) -> Result<()> {
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
