//! Loadline on a real node.

use anyhow::Result;

use crate::report::Lane;

/// Runs the lane.
///
/// # Errors
/// Never yet.
pub async fn node(lane: &Lane) -> Result<()> {
    lane.skip("node", "not wired yet");
    Ok(())
}
