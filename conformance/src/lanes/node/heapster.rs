//! Heapster's API about a real node, through the API server's service proxy.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::quantity::parse_quantity;
use crate::real::until;
use crate::report::Lane;

use super::{CALL, NAMESPACE, SOON, Scene};

const MODEL: &str = "/api/v1/namespaces/kube-system/services/heapster/proxy/api/v1/model";
/// The kubelet measures a filesystem once a minute at most.
const MEASURED: Duration = Duration::from_secs(150);

pub(super) async fn checks(lane: &Lane, scene: &Scene) {
    let name = "the model names the CPU kubectl top prints";
    lane.check(name, SOON + CALL, async {
        until(SOON, async || {
            let path = format!("namespaces/{NAMESPACE}/pods/burn/metrics/cpu/usage_rate");
            let millicores = newest(scene, &path).await?.context("no rate yet")?;
            let served = scene.served("burn").await?;
            let cores = served["containers"][0]["usage"]["cpu"].as_str();
            let cores = cores.and_then(parse_quantity).context("no quantity")?;
            // Another window of the same steady load.
            let off = (millicores - cores * 1000.0).abs();
            ensure!(off <= 20.0, "{millicores}m, but {cores} cores");
            Ok(())
        })
        .await
    })
    .await;
    let name = "bytes over the network are counted, and written ones fill a filesystem";
    lane.check(name, SOON + MEASURED + CALL, async {
        let script = "i=0; while [ $i -lt 16 ]; do head -c 1048576 /dev/urandom > /f$i; i=$((i+1)); done; \
            while :; do ping -c 1 -W 1 -s 1400 \"$(ip route | sed -n 's/default via \\([^ ]*\\).*/\\1/p')\"; done >/dev/null 2>&1";
        scene.run_pod("busy", "100m", script).await?;
        let pod = format!("namespaces/{NAMESPACE}/pods/busy");
        let network = format!("{pod}/metrics/network/tx");
        let rootfs = format!("{pod}/containers/main/metrics/filesystem/usage?labels=resource_id:/");
        let first = until(SOON, async || newest(scene, &network).await?.context("no bytes yet")).await?;
        until(MEASURED, async || {
            let sent = newest(scene, &network).await?.context("gone")?;
            ensure!(sent > first + 1400.0, "{sent} bytes sent, {first} before");
            Ok(())
        })
        .await?;
        until(MEASURED, async || {
            let used = newest(scene, &rootfs).await?.context("no filesystem yet")?;
            ensure!(used >= 16.0 * 1_048_576.0, "{used} bytes used");
            Ok(())
        })
        .await
    })
    .await;
}

async fn newest(scene: &Scene, path: &str) -> Result<Option<f64>> {
    let result: Value = scene.admin.raw(&format!("{MODEL}/{path}")).await?;
    let point = result["metrics"].as_array().context("no metrics")?.last();
    Ok(point.and_then(|point| point["value"].as_f64()))
}
