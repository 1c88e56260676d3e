//! Real Kubernetes on this machine: a control plane, and a node that runs containers.
//!
//! Everything a run makes hangs on its [`Scratch`]: folder, network namespace, control groups, processes. Dropping it
//! takes them away again, and [`sweep`] does the same for runs that were killed before they could.

mod certificates;
mod containers;
mod controlplane;
mod daemon;
mod events;
mod helm;
pub mod hpa;
mod kubectl;
mod link;
mod mirror;
mod node;
mod overlay;
mod scratch;
mod small_disk;
mod stored;
mod table;
mod tools;
mod wait;

pub use containers::CpuCounter;
pub use controlplane::{ControlPlane, Place};
pub use daemon::Daemon;
pub use events::Recorder;
pub use helm::{Helm, Rendered};
pub use kubectl::{Answer, Kubectl};
pub use mirror::{Mirror, Workload};
pub use node::RealNode;
pub use overlay::{Overlay, repository};
pub use scratch::{Scratch, sweep};
pub(crate) use small_disk::SmallDisk;
pub use table::Table;
pub use tools::{Tools, cache};
pub use wait::{Hopeless, until};
