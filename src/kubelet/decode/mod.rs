//! From the bytes of a kubelet's answer to a reading, in one pass.

mod customary;
mod exposition;
mod lives;
mod number;
mod resource;
mod summary;

#[cfg(test)]
mod tests;

pub use resource::{DecodeError, Limits, decode_resource};
pub use summary::{
    Consumed, ContainerSummary, Filesystem, Network, NodeSummary, PodSummary, Pressure, SourceSets,
    SummaryReading, decode_summary,
};
