//! The simulated cluster: one declarative world, an API server and kubelets that speak of it over real TLS.

mod access;
mod apiserver;
mod cluster;
mod doubled;
mod fixed;
pub mod kubeconfig;
mod kubelet;
mod load;
pub mod pki;
mod serve;
mod stamp;
mod world;

#[cfg(test)]
mod tests;

pub use access::{Access, Grant, Identity, Question, Subject};
pub use apiserver::{ApiServer, Backend, Fault, Journal, RecordedRequest, Written};
pub(crate) use apiserver::{render_node, render_pod};
pub use cluster::{CertificateNames, Lab, LabConfig};
pub(crate) use fixed::Fixed;
pub use kubeconfig::{Credential, write_kubeconfig};
pub use kubelet::{Answer, Behaviour, Kubelets, Scrape, Stamps, summary};
pub use load::{Counter, Load};
pub use pki::{Authority, Leaf, LeafFiles, Pki, Request, Usage, write};
pub(crate) use serve::provider;
pub use stamp::Stamp;
pub use world::{
    ConfigMap, Container, ContainerKind, ContainerState, Meta, Namespace, Node, Phase, Pod, PodKey,
    World,
};
