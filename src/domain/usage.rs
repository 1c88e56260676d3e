//! What is served: finished numbers, no arithmetic left to do.

use std::time::Duration;

use super::{Bytes, ContainerName, Nanocores, Timestamp};

/// The use of one container or node over `[timestamp − window, timestamp]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// When the newer of the two CPU samples was taken, by the kubelet's clock.
    pub timestamp: Timestamp,
    /// The time between the two CPU samples; never zero.
    pub window: Duration,
    /// The CPU rate over the window.
    pub cpu: Nanocores,
    /// The working set at the end of the window.
    pub memory: Bytes,
    /// Swap in use, where the kubelet reports it.
    pub swap: Option<Bytes>,
}

/// The use of one named container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerUsage {
    /// The container's name.
    pub name: ContainerName,
    /// Its use.
    pub usage: Usage,
}
