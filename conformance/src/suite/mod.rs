//! The contract of `metrics.k8s.io` as named checks, for any server that serves it.
//!
//! A [`Target`] says where the server is and who we can be to it. Whoever has the front proxy's certificate can come
//! as any user, and most checks can be made; those that need a hand on the cluster (a certificate authority to sign
//! with, a TokenReview to fail, a kubelet to repeat itself) run in a [`World`] alone and are skipped elsewhere, saying so.
//!
//! Some promises have two forms: servers that advertise the verb `watch`, or select pods by `spec.nodeName`, are held
//! to what they advertise, the others to refusing it as Kubernetes does.

mod authentication;
mod authorization;
mod check;
pub mod cluster;
mod content;
mod context;
mod discovery;
mod document;
mod in_lab;
mod kubelet_decoder;
mod list_options;
mod output;
mod protobuf;
mod raw;
mod reply;
mod routing;
mod run;
mod semantics;
mod side_by_side;
mod target;
mod tls_and_clients;
mod values;
mod verdict;
mod watch;
mod world;

pub use check::{Check, CheckResult, Group, Needs, Outcome, Turn};
pub use document::{Column, Extent, REGENERATE, Run, disagreements, document};
pub use in_lab::{Program, run_in_lab};
pub use output::Output;
pub use run::{Filter, checks, run};
pub use side_by_side::{LOADLINE, metrics_server, side_by_side};
pub use target::{Extensions, Features, Kubectl, Target, Version};
pub use world::World;

/// The checks of every group.
const GROUPS: [fn() -> Vec<Check>; 9] = [
    authentication::checks,
    authorization::checks,
    routing::checks,
    discovery::checks,
    content::checks,
    list_options::checks,
    semantics::checks,
    tls_and_clients::checks,
    kubelet_decoder::checks,
];
