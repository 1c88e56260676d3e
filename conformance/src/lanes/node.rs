//! Loadline on a real node.

use std::time::Duration;

use anyhow::Result;

use crate::real::{ControlPlane, Place, RealNode, Scratch, Tools};
use crate::report::Lane;

/// How long a control plane or a node may take to come up on a busy machine.
const START: Duration = Duration::from_secs(300);

/// Runs the lane.
///
/// # Errors
/// When its folders cannot be made.
pub async fn node(lane: &Lane) -> Result<()> {
    let logs = lane.folder()?;
    let scratch = Scratch::new()?;
    let tools = Tools::find()?;
    for program in [
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "containerd",
        "kubelet",
        "kube-proxy",
    ] {
        lane.watch_log(logs.join(format!("{program}.log")));
    }
    let place = Place::Namespace(scratch.name().to_owned());
    let start = ControlPlane::start(&scratch, &tools, &logs, place);
    let Some(cluster) = lane.value("a control plane comes up", START, start).await else {
        return Ok(());
    };
    let start = RealNode::start(&scratch, &tools, &logs, &cluster);
    let Some(_node) = lane.value("a node joins it", START, start).await else {
        return Ok(());
    };
    Ok(())
}
