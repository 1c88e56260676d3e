//! `metrics.k8s.io`: the use of nodes and pods, for the HPA, the VPA and `kubectl top`.

mod group;

pub use group::{GROUP, NODES, PODS};
