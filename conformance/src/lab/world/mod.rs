//! What the cluster consists of: changed by a test, watched by the API server, measured by the kubelets.

mod builders;
mod demo;
mod object;
mod store;

pub use object::{
    ConfigMap, Container, ContainerKind, ContainerState, Meta, Namespace, Node, Phase, Pod, PodKey,
};
pub use store::World;

pub(super) use object::{Kind, Object};
pub(super) use store::{Change, TooOld};
