//! Checks Loadline from outside, over HTTPS and as a child process only.
//!
//! - [`lab`] is a simulated cluster: an API server with aggregator, kubelets, their certificates.
//! - [`process`] and [`client`] start Loadline and talk to it.
//! - [`suite`] is the contract of `metrics.k8s.io`, check by check.

pub mod client;
pub mod lab;
pub mod loadline;
pub mod process;
pub mod suite;
