//! What sinks have written, for who reads it back.

use std::sync::Arc;

use super::config::read_all;
use super::filter::Filter;
use super::http::{Http, HttpConfig};
use super::influxdb::{self, InfluxdbLayout};
use super::options::{Options, Problem, Problems, Remarks};
use super::prometheus::{self, PrometheusLayout};
use super::uri::SinkUri;
use crate::domain::{Clock, SystemClock};

/// A store that can be asked for what a sink wrote there, by the sink's own URI. Prints no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// What is odd about its options.
    pub remarks: Remarks,
    /// How the store is spoken to.
    pub server: HttpConfig,
    /// Where what stands in it.
    pub layout: Layout,
}

/// Where what stands in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// What the sink `influxdb` writes.
    Influxdb(InfluxdbLayout),
    /// What the sink `prometheus` writes.
    Prometheus(Box<PrometheusLayout>),
}

impl Written {
    /// The sinks whose stores can be asked, by their keys.
    pub const KEYS: [&'static str; 2] = ["influxdb", "prometheus"];

    /// Reads a sink's `KEY[:URI]`; `env` are the variables that stand in it. Options that are about
    /// writing mean nothing here and are no mistake.
    ///
    /// # Errors
    /// Everything that is wrong with it, by option. No problem holds a value.
    pub fn read(value: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, Problems> {
        match Self::gather(value, env) {
            (Some(written), problems) if problems.is_empty() => Ok(written),
            (_, problems) => Err(Problems(problems)),
        }
    }

    /// Reads the same, also what is only partly right: everything that is wrong, beside the store as
    /// far as it can be understood, which is not to be asked then.
    pub fn gather(
        value: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> (Option<Self>, Vec<Problem>) {
        let (mut read, problems) = read_all(&[value], env, of);
        let written = read.pop().map(|given| Self {
            remarks: given.remarks,
            server: given.sink.0,
            layout: given.sink.1,
        });
        (written, problems)
    }

    /// Whether both are of one database of InfluxDB.
    #[must_use]
    pub fn shares_database(&self, other: &Self) -> bool {
        let (Layout::Influxdb(one), Layout::Influxdb(two)) = (&self.layout, &other.layout) else {
            return false;
        };
        let place = |one: &Self| (one.server.authority.clone(), one.server.base.clone());
        place(self) == place(other) && one.database == two.database
    }

    /// The option by which what is written to the same database as by `writer` is not found.
    #[must_use]
    pub fn misses(&self, writer: &Self) -> Option<&'static str> {
        let (Layout::Influxdb(ours), Layout::Influxdb(written)) = (&self.layout, &writer.layout)
        else {
            return None;
        };
        if ours.with_fields() != written.with_fields() {
            return Some("withfields");
        }
        (ours.cluster_name() != written.cluster_name()).then_some("cluster_name")
    }

    /// The files its options name that cannot be used.
    #[must_use]
    pub fn unusable_files(&self, key: &str) -> Vec<Problem> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let error = Http::new(&self.server, &clock).err().into_iter();
        error.flat_map(|error| error.of(key)).collect()
    }
}

fn of(uri: &SinkUri, options: &mut Options<'_>) -> Option<(HttpConfig, Layout)> {
    let read = match uri.key.as_str() {
        "influxdb" => {
            let (server, layout) = influxdb::Config::read(uri, options).layout();
            Some((server, Layout::Influxdb(layout)))
        }
        "prometheus" => {
            let (server, layout) = prometheus::Config::read(uri, options).layout();
            Some((server, Layout::Prometheus(Box::new(layout))))
        }
        _ => {
            options.refuse(None, "cannot be asked for what was in this version");
            None
        }
    };
    // What all sinks have.
    let _ = Filter::read(options);
    let _ = options.text("queue");
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<Written, Problems> {
        Written::read(value, &|name| (name == "PW").then(|| "s3cret".to_owned()))
    }

    fn prometheus(uri: &str) -> PrometheusLayout {
        match read(&format!("prometheus:{uri}")).unwrap().layout {
            Layout::Prometheus(layout) => *layout,
            Layout::Influxdb(layout) => panic!("{layout:?}"),
        }
    }

    #[test]
    fn a_store_is_asked_by_the_uri_of_the_sink_that_writes_there() {
        let written = read(
            "influxdb:https://db:8086?pw=$PW&db=x&withfields=true&cluster_name=c&queue=3\
             &concurrency=2&metrics=cpu/*&nonsense=1",
        )
        .unwrap();
        assert_eq!(written.remarks.ignored, ["nonsense"]);
        assert_eq!(written.server.authority, "db:8086");
        assert!(!format!("{written:?}").contains("s3cret"));
        let Layout::Influxdb(layout) = written.layout else {
            panic!("{:?}", written.layout);
        };
        assert_eq!(
            (layout.database.as_str(), layout.cluster_name()),
            ("x", "c")
        );
        assert_eq!(layout.policy, Some("default"));
        assert_eq!(layout.place("cpu/usage_rate"), ("cpu", "usage_rate"));
        assert_eq!(layout.place("uptime"), ("uptime", "value"));
        assert_eq!(layout.tag_value("a\nb\\\\"), "a_b");
    }

    #[test]
    fn where_a_store_takes_writes_says_where_it_is_asked() {
        for (uri, base) in [
            ("", ""),
            ("http://p:9090/", ""),
            ("http://p:9090/api/v1/write", ""),
            ("http://t/api/v1/receive", ""),
            ("http://m/api/v1/push", "/prometheus"),
            ("http://m/prometheus", "/prometheus"),
            ("http://v/select/0/prometheus/", "/select/0/prometheus"),
        ] {
            assert_eq!(prometheus(uri).base, base, "{uri}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_refused_by_name_and_without_its_values() {
        for (value, problem) in [
            (
                "kafka:?brokers=s3cret",
                "kafka: cannot be asked for what was in this version",
            ),
            (
                "influxdb:http://db?withfields=s3cret",
                "influxdb: option withfields: is neither true nor false",
            ),
            (
                "prometheus:ftp://s3cret",
                "prometheus: the address must begin with http:// or https://",
            ),
            (
                "influxdb:http://db:s3cret",
                "influxdb: invalid port after host",
            ),
        ] {
            let problems = read(value).unwrap_err().to_string();
            assert_eq!(problems, problem);
        }
    }
}
