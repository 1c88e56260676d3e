//! The Kubernetes APIs we serve.

mod conditional;
pub mod discovery;
pub mod metrics;
pub mod openapi;
mod resource;

pub use resource::{Group, Resource, Scope};
