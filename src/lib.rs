//! Loadline tells a Kubernetes cluster how loaded it is.

pub mod api;
pub mod apimachinery;
pub mod auth;
pub mod domain;
pub mod lifecycle;
pub mod live;
pub mod server;
pub mod telemetry;
