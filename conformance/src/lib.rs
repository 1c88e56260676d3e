//! Checks Loadline from outside: over HTTPS alone, as the API server, `kubectl` and the HPA do.
//!
//! - [`lab`] is a simulated cluster: an API server with aggregator, kubelets, their certificates.
//! - [`loadline`] starts Loadline as a child [`process`]; a [`client`] talks to it.
//! - [`compare`] measures it beside metrics-server.
//! - [`databases`] starts real ones and asks them in their own languages.
//! - [`image`] wraps a static program as a container image.
//! - [`lanes`] are the groups of checks; [`simulated`] are those beside a [`lab`].
//! - [`real`] drives real ones: a control plane, a node with containers.
//! - [`report`] runs checks and says how they ended.
//! - [`suite`] is the contract of `metrics.k8s.io`, check by check, for any server of it.

#![expect(
    clippy::disallowed_methods,
    reason = "the bans keep the product testable; a test driver reads the clock and its environment"
)]
#![expect(
    clippy::indexing_slicing,
    reason = "a check that panics is a check that fails, and a JSON value answers null for what is missing"
)]

pub mod client;
pub mod compare;
pub mod databases;
pub mod image;
pub mod lab;
pub mod lanes;
pub mod loadline;
pub mod process;
pub mod quantity;
pub mod real;
pub mod report;
pub mod sbom;
pub mod simulated;
pub mod suite;
