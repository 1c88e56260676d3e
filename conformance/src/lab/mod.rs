//! A simulated cluster's parts.

pub mod kubeconfig;
pub mod pki;
