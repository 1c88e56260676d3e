//! The Kubernetes APIs we serve.

pub mod metrics;
mod resource;

pub use resource::{Group, Resource, Scope};
