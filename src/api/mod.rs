//! The Kubernetes APIs we serve.

mod compress;
mod conditional;
pub mod discovery;
pub mod metrics;
pub mod openapi;
mod resource;
mod route;

pub use resource::{Group, Resource, Scope};
