//! Loadline beside a simulated API server and simulated kubelets.

use anyhow::Result;

use crate::loadline::program;
use crate::report::Lane;
use crate::simulated::{self, Churn};

/// Runs the lane.
///
/// # Errors
/// When Loadline cannot be built.
pub async fn simulated(lane: &Lane) -> Result<()> {
    simulated::run(lane, &program().await?, "", Churn::default()).await;
    Ok(())
}
