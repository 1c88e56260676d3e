//! Structured logs on standard error.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry as Subscribers};

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One readable line: time, level, message, `key=value` fields.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is logged, from klog's `-v` numbers: 0 to 3 is `info`, 4 and 5 `debug`, more `trace`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogLevel(pub u8);

/// A second subscriber was installed in one process.
#[derive(Debug, thiserror::Error)]
#[error("logging is already set up")]
pub struct LogSetupError;

/// Sends the process's logs to standard error from now on.
///
/// # Errors
/// When logging was set up before.
pub fn init_logging(format: LogFormat, level: LogLevel) -> Result<(), LogSetupError> {
    let filter = match level.0 {
        0..=3 => LevelFilter::INFO,
        4..=5 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let filter = Targets::new()
        .with_target("loadline", filter)
        .with_default(LevelFilter::WARN)
        // It logs whole answers that it cannot read, and an answer may hold a token.
        .with_target("kube_client", LevelFilter::OFF)
        // It tells of every attempt; the sink tells when something changes.
        .with_target("krafka", LevelFilter::OFF);
    // By default it tells of a line it could not write on standard error, which panics when that is
    // what is full or gone. No request may fail for want of its log line.
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .log_internal_errors(false);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    Subscribers::default()
        .with(lines.with_filter(filter))
        .try_init()
        .map_err(|_| LogSetupError)
}
