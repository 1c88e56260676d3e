//! Loadline beside a simulated API server and simulated kubelets.

use anyhow::Result;

use crate::report::Lane;

/// Runs the lane.
///
/// # Errors
/// Never yet.
pub async fn simulated(lane: &Lane) -> Result<()> {
    lane.skip("simulated", "not wired yet");
    Ok(())
}
