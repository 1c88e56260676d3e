//! The Kubernetes APIs we serve.

mod compress;
pub mod metrics;
mod resource;
mod route;

pub use resource::{Group, Resource, Scope};
