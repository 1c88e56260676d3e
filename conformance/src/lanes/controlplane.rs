//! Loadline beside a real control plane and simulated kubelets.

use std::time::Duration;

use anyhow::Result;

use crate::real::{ControlPlane, Place, Scratch, Tools};
use crate::report::Lane;

/// Runs the lane.
///
/// # Errors
/// When its folders cannot be made.
pub async fn controlplane(lane: &Lane) -> Result<()> {
    let logs = lane.folder()?;
    let scratch = Scratch::new()?;
    let tools = Tools::find()?;
    for program in ["etcd", "kube-apiserver", "kube-controller-manager"] {
        lane.watch_log(logs.join(format!("{program}.log")));
    }
    let start = ControlPlane::start(&scratch, &tools, &logs, Place::Host);
    let Some(_cluster) = lane
        .value("a control plane comes up", Duration::from_secs(180), start)
        .await
    else {
        return Ok(());
    };
    Ok(())
}
