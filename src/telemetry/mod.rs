//! What operators read: logs, and the registry of our own metrics.

mod logging;
#[cfg(test)]
pub(crate) mod testing;

pub use logging::{LogFormat, LogLevel, LogSetupError, init_logging};

/// The registry every component adds its own metrics to, at wiring time.
///
/// A component keeps its metrics in a struct of its `metrics.rs`, built by a function that takes
/// `&mut Registry`.
pub type Registry = prometheus_client::registry::Registry;
