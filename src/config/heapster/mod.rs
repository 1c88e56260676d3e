//! Heapster's flags by name and meaning: a manifest written for it starts us as Heapster.
//!
//! We are Heapster when the program is called `heapster`, or `--source` is given. Then its port
//! opens, `--metric-resolution` is the pace of the roll-up, and kubelets are dialled by IP address.

mod inert;
mod port;
mod sinks;
mod source;

pub use port::{HeapsterClients, HeapsterPort, HeapsterTls};

pub(super) use inert::{LOGGING, SERVING};
pub(super) use sinks::{SPOOL_DIR, SPOOL_SIZE, read_spool, refuse_sinks, told};
pub(super) use source::{SOURCE, Source};

use std::num::NonZeroUsize;
use std::time::Duration;

use super::flag::{Flag, Kind, Topic};
use super::given::Given;
use crate::cluster;
use crate::sinks::{SinkConfig, Spooling, Written};

/// What is served of Heapster, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heapster {
    /// Whether numbers are kept over time and the model API is served: not `--disable-metric-sink`.
    pub model: bool,
    /// Whether the newest numbers are exported in one piece: not `--disable-export`.
    pub export: bool,
    /// The port of its own; `None` when all is on the secure port alone.
    pub port: Option<HeapsterPort>,
    /// Where numbers are sent to: `--sink`, our own history aside.
    pub sinks: Vec<SinkConfig>,
    /// Where they keep what they could not send; `None` when that is dropped.
    pub spool: Option<Spooling>,
    /// The store that is asked for what was before our own history; `None` for none.
    pub historical: Option<Written>,
    /// `--sink-export-data-timeout`: the longest time one attempt to send may take.
    pub export_timeout: Duration,
}

const API_SERVER: Flag = Flag::inert(
    "api-server",
    Kind::Bool,
    "false",
    "The secure port is always served",
);
const DISABLE_EXPORT: Flag = Flag::new(
    "disable-export",
    Kind::Bool,
    "false",
    "Answer /api/v1/metric-export with nothing",
);
const DISABLE_METRIC_SINK: Flag = Flag::new(
    "disable-metric-sink",
    Kind::Bool,
    "false",
    "Keep nothing over time, and serve no model, export, dashboard or v1alpha1; /healthz, the schema and the history of --historical-source stay",
);
pub(super) const MAX_PROCS: Flag = Flag::new(
    "max-procs",
    Kind::Int,
    "0",
    "Most processor cores to use; 0 for all",
);
pub(super) const EXPORT_TIMEOUT: Flag = Flag::new(
    "sink-export-data-timeout",
    Kind::Duration,
    "20s",
    "Longest time one attempt to send a sink a batch may take, to its end",
);

pub(super) const TOPIC: Topic = Topic {
    title: "Heapster",
    flags: &[
        &port::ALLOWED_USERS,
        &API_SERVER,
        &DISABLE_EXPORT,
        &DISABLE_METRIC_SINK,
        &port::PORT,
        &sinks::HISTORICAL_SOURCE,
        &port::LISTEN_IP,
        &MAX_PROCS,
        &sinks::SINK,
        &EXPORT_TIMEOUT,
        &SPOOL_DIR,
        &SPOOL_SIZE,
        &SOURCE,
        &port::CERT,
        &port::CLIENT_CA,
        &port::KEY,
    ],
};

pub(super) fn read(given: &mut Given) -> Option<Heapster> {
    let sinks = sinks::read(given);
    let spool = read_spool(given);
    let export_timeout = given.positive_duration(&EXPORT_TIMEOUT);
    let historical = sinks::read_historical(given);
    let disable_metric_sink = given.flag(&DISABLE_METRIC_SINK);
    let disable_export = given.flag(&DISABLE_EXPORT);
    let port = port::read(given);
    Some(Heapster {
        model: !disable_metric_sink?,
        export: !disable_export?,
        port: port?,
        sinks,
        spool,
        historical,
        export_timeout: export_timeout?,
    })
}

/// Reads the one source; `Some(None)` without one.
pub(super) fn read_source(given: &mut Given) -> Option<Option<Source>> {
    Source::read(given)
}

/// Reads where the one source says that the API server is; `Some(None)` without one.
pub(super) fn read_source_api_server(given: &mut Given) -> Option<Option<cluster::Config>> {
    Source::read_api_server(given)
}

/// Reads how many cores may be used; `Some(None)` for all.
pub(super) fn read_max_procs(given: &mut Given) -> Option<Option<NonZeroUsize>> {
    // As in Heapster, whatever is below one means all.
    let most: i64 = given.number(&MAX_PROCS, i64::MIN)?;
    Some(usize::try_from(most).ok().and_then(NonZeroUsize::new))
}

/// The flags that were given for what is switched off.
pub(super) fn without_effect(given: &Given) -> Vec<&'static str> {
    port::without_effect(given)
}
