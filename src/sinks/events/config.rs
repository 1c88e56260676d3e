//! Event sinks as they are given to the eventer's `--sink`.

use std::sync::Arc;

use super::super::config::{KEYS, LOG, read_all, whole};
#[cfg(feature = "kafka")]
use super::super::kafka;
use super::super::options::{Options, Problem, Problems, Remarks};
use super::super::uri::SinkUri;
use super::super::{elasticsearch, gcl, google, influxdb, otlp, riemann, setup, webhook};
use super::Exporter;
use super::filter::EventFilter;
use crate::domain::{Clock, SystemClock};

/// One event sink, with all its options understood. Prints no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSinkConfig {
    /// Its key, and a number behind it if there are several of the kind: `influxdb`, `influxdb-2`.
    pub name: String,
    /// What is odd about its options.
    pub remarks: Remarks,
    /// Where it sends to, without anything secret.
    pub(super) destination: String,
    pub(super) backend: Backend,
    pub(super) filter: EventFilter,
    pub(super) queue: usize,
}

/// A backend and its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Backend {
    Log,
    Elasticsearch(Box<elasticsearch::Config>),
    Gcl(Box<google::Config>),
    Influxdb(Box<influxdb::Config>),
    #[cfg(feature = "kafka")]
    Kafka(Box<kafka::Config>),
    Otlp(Box<otlp::Config>),
    Riemann(riemann::Config),
    Webhook(Box<webhook::Config>),
}

/// The event sinks there are, by their keys.
pub const EVENT_KEYS: &[&str] = &[
    "elasticsearch",
    "gcl",
    "influxdb",
    #[cfg(feature = "kafka")]
    "kafka",
    "log",
    "otlp",
    "riemann",
    "webhook",
];
/// Eventer's sinks that are not here, `kafka` only where it was left out of the build.
const UNBUILT: [&str; 2] = ["honeycomb", "kafka"];

/// How many batches wait for a sink that does not say otherwise: at the least frequent half an
/// hour, in a burst 60,000 events.
const QUEUE: usize = 60;

impl EventSinkConfig {
    /// Reads the values of the eventer's `--sink`, each `KEY[:URI]`; `env` are the variables that
    /// stand in URIs.
    ///
    /// # Errors
    /// Everything that is wrong with any of them, by sink and option. No problem holds a value.
    pub fn read<S: AsRef<str>>(
        values: &[S],
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Vec<Self>, Problems> {
        whole(Self::gather(values, env))
    }

    /// Reads the same, also what is only partly right: everything that is wrong, beside the sinks as
    /// far as they can be understood, which are not to be set up then.
    pub fn gather<S: AsRef<str>>(
        values: &[S],
        env: &dyn Fn(&str) -> Option<String>,
    ) -> (Vec<Self>, Vec<Problem>) {
        let (read, problems) = read_all(values, env, |uri, options| {
            Some((
                Self::backend(uri, options)?,
                EventFilter::read(options),
                options.number("queue", QUEUE, 2..=1000),
            ))
        });
        let sinks = read.into_iter().map(|given| {
            let (backend, filter, queue) = given.sink;
            Self {
                name: given.name,
                remarks: given.remarks,
                destination: given.destination,
                backend,
                filter,
                queue,
            }
        });
        (sinks.collect(), problems)
    }

    /// The files its options name that cannot be used, as setting it up would tell.
    #[must_use]
    pub fn unusable_files(&self) -> Vec<Problem> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        setup::problems(Exporter::new(self.backend.clone(), &clock), &self.name)
    }

    fn backend(uri: &SinkUri, options: &mut Options<'_>) -> Option<Backend> {
        Some(match uri.key.as_str() {
            "log" => {
                options.refuse_any_address(uri, LOG);
                Backend::Log
            }
            "elasticsearch" => {
                Backend::Elasticsearch(Box::new(elasticsearch::Config::read(uri, options)))
            }
            #[cfg(feature = "kafka")]
            "kafka" => Backend::Kafka(Box::new(kafka::Config::read(uri, options))),
            "gcl" => Backend::Gcl(Box::new(gcl::read(uri, options))),
            "otlp" => Backend::Otlp(Box::new(otlp::Config::read(uri, otlp::LOGS, options))),
            "riemann" => Backend::Riemann(riemann::Config::read(uri, options)),
            "influxdb" => Backend::Influxdb(Box::new(influxdb::Config::read(uri, options))),
            "webhook" => Backend::Webhook(Box::new(webhook::Config::read(uri, options))),
            key if UNBUILT.contains(&key) => {
                let known = EVENT_KEYS.join(", ");
                let instead = match key {
                    "honeycomb" => "otlp, which it takes",
                    _ => "a build that has it",
                };
                let what = format!(
                    "takes no events in this version; in its place: {instead}; those that do: {known}"
                );
                options.refuse(None, what);
                return None;
            }
            key if KEYS.contains(&key) => {
                let known = EVENT_KEYS.join(", ");
                let what = format!("takes numbers alone; those that take events: {known}");
                options.refuse(None, what);
                return None;
            }
            _ => {
                options.refuse(None, "is no sink of events");
                return None;
            }
        })
    }
}
