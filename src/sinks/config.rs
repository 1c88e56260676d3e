//! Sinks as they are given to `--sink`.

use std::sync::Arc;

use super::export::Exporter;
use super::filter::Filter;
#[cfg(feature = "kafka")]
use super::kafka;
use super::options::{Options, Problem, Problems, Remarks};
use super::uri::SinkUri;
use super::{
    destination, elasticsearch, gcm, google, graphite, influxdb, opentsdb, otlp, prometheus,
    riemann, setup, statsd, webhook,
};
use crate::domain::{Clock, SystemClock};

/// One sink, with all its options understood. Prints no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkConfig {
    /// Its key, and a number behind it if there are several of the kind: `influxdb`, `influxdb-2`.
    pub name: String,
    /// What is odd about its options.
    pub remarks: Remarks,
    /// Where it sends to, without anything secret.
    pub(super) destination: String,
    pub(super) backend: Backend,
    pub(super) filter: Filter,
    pub(super) queue: usize,
}

/// A backend and its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Backend {
    Log,
    Influxdb(influxdb::Config),
    Graphite(graphite::Config),
    Opentsdb(opentsdb::Config),
    Statsd(statsd::Config),
    Elasticsearch(Box<elasticsearch::Config>),
    Prometheus(Box<prometheus::Config>),
    Webhook(Box<webhook::Config>),
    #[cfg(feature = "kafka")]
    Kafka(Box<kafka::Config>),
    Riemann(riemann::Config),
    Otlp(Box<otlp::Config>),
    Gcm(Box<google::Config>),
}

/// The sinks there are, by their keys.
pub const KEYS: &[&str] = &[
    "elasticsearch",
    "gcm",
    "graphite",
    "influxdb",
    #[cfg(feature = "kafka")]
    "kafka",
    "log",
    "opentsdb",
    "otlp",
    "prometheus",
    "riemann",
    "statsd",
    "webhook",
];

/// How many batches wait for a sink that does not say otherwise.
const QUEUE: usize = 10;

impl SinkConfig {
    /// Reads the values of `--sink`, each `KEY[:URI]`; `env` are the variables that stand in URIs.
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
        let (read, problems) = read_all(values, env, Self::of);
        let named = |given: Given<Self>| Self {
            name: given.name,
            remarks: given.remarks,
            destination: given.destination,
            ..given.sink
        };
        (read.into_iter().map(named).collect(), problems)
    }

    /// The files its options name that cannot be used, as setting it up would tell.
    #[must_use]
    pub fn unusable_files(&self) -> Vec<Problem> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        setup::problems(Exporter::new(self.backend.clone(), &clock), &self.name)
    }

    fn of(uri: &SinkUri, options: &mut Options<'_>) -> Option<Self> {
        let backend = match uri.key.as_str() {
            "log" => {
                options.refuse_any_address(uri, LOG);
                Backend::Log
            }
            "influxdb" => Backend::Influxdb(influxdb::Config::read(uri, options)),
            "graphite" => Backend::Graphite(graphite::Config::read(uri, options)),
            "opentsdb" => Backend::Opentsdb(opentsdb::Config::read(uri, options)),
            "statsd" => Backend::Statsd(statsd::Config::read(uri, options)),
            "elasticsearch" => {
                let config = elasticsearch::Config::read(uri, options);
                Backend::Elasticsearch(Box::new(config))
            }
            "prometheus" => {
                let config = prometheus::Config::read(uri, options);
                Backend::Prometheus(Box::new(config))
            }
            "otlp" => Backend::Otlp(Box::new(otlp::Config::read(uri, otlp::METRICS, options))),
            "gcm" => Backend::Gcm(Box::new(gcm::read(uri, options))),
            "webhook" => Backend::Webhook(Box::new(webhook::Config::read(uri, options))),
            #[cfg(feature = "kafka")]
            "kafka" => Backend::Kafka(Box::new(kafka::Config::read(uri, options))),
            "riemann" => Backend::Riemann(riemann::Config::read(uri, options)),
            _ => {
                options.refuse(None, "is no sink of this version");
                return None;
            }
        };
        let mut filter = Filter::read(options);
        if matches!(backend, Backend::Gcm(_)) {
            // Heapster's words.
            filter = filter.with_word("all", "*");
            filter = filter.with_word("autoscaling", "*/node_*");
        }
        filter.check(options);
        Some(Self {
            name: uri.key.clone(),
            remarks: Remarks::default(),
            destination: String::new(),
            backend,
            filter,
            queue: options.number("queue", QUEUE, 1..=1000),
        })
    }
}

/// A sink as it was given.
pub(super) struct Given<T> {
    pub name: String,
    pub remarks: Remarks,
    pub destination: String,
    pub sink: T,
}

/// What is given in place of a log with an address.
pub(super) const LOG: &str = "give log, or log:?OPTIONS";

/// The sinks, if nothing is wrong with any.
pub(super) fn whole<T>((sinks, problems): (Vec<T>, Vec<Problem>)) -> Result<Vec<T>, Problems> {
    match problems.is_empty() {
        true => Ok(sinks),
        false => Err(Problems(problems)),
    }
}

/// Reads each value with `of`, and names what it makes: several of a kind bear numbers. Also gives
/// back all that is wrong with any.
pub(super) fn read_all<S: AsRef<str>, T>(
    values: &[S],
    env: &dyn Fn(&str) -> Option<String>,
    of: impl Fn(&SinkUri, &mut Options<'_>) -> Option<T>,
) -> (Vec<Given<T>>, Vec<Problem>) {
    let (mut sinks, mut problems) = (Vec::<Given<T>>::new(), Vec::new());
    let mut keys: Vec<&str> = Vec::new();
    for value in values {
        let value = value.as_ref();
        let key = SinkUri::key_of(value);
        let name = match keys.iter().filter(|before| **before == key).count() {
            before if before == 0 || key.is_empty() => key.to_owned(),
            before => format!("{key}-{}", before + 1),
        };
        keys.push(key);
        let uri = SinkUri::gather(value, env);
        let mut options = Options::of(&name, &uri);
        let sink = match key {
            "" => None,
            _ => of(&uri, &mut options),
        };
        let (mut remarks, wrong) = options.finish();
        remarks.ignored = shown(remarks.ignored, value);
        problems.extend(wrong);
        if let Some(sink) = sink {
            sinks.push(Given {
                name,
                remarks,
                destination: destination::of(&uri),
                sink,
            });
        }
    }
    (sinks, problems)
}

/// The names of options as they may be told: what came out of a variable may be a secret.
fn shown(mut names: Vec<String>, value: &str) -> Vec<String> {
    for name in names
        .iter_mut()
        .filter(|name| !value.contains(name.as_str()))
    {
        "(in a variable)".clone_into(name);
    }
    names.dedup();
    names
}

/// `host:port` of a URI, as it stands in another.
pub(super) fn authority(uri: &SinkUri, host: &str, port: u16) -> String {
    let port = uri.port.flatten().unwrap_or(port);
    match uri.host.as_deref().unwrap_or(host) {
        host if host.contains(':') => format!("[{host}]:{port}"),
        host => format!("{host}:{port}"),
    }
}
