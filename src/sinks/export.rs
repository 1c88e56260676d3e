//! The backends behind one face.

use std::fmt::Display;
use std::sync::Arc;

use super::chunks::Progress;
use super::column::{Column, Labeller};
use super::config::Backend;
use super::elasticsearch::Elasticsearch;
use super::filter::Filter;
use super::gcm::Gcm;
use super::graphite::Graphite;
use super::influxdb::Influxdb;
#[cfg(feature = "kafka")]
use super::kafka::Kafka;
use super::log;
use super::opentsdb::Opentsdb;
use super::otlp::Otlp;
use super::prometheus::Prometheus;
use super::riemann::Riemann;
use super::setup::SetupError;
use super::statsd::Statsd;
use super::webhook::Webhook;
use super::worker::Delivery;
use crate::domain::{Batch, Clock, Timestamp};

/// Why a batch did not get through as a whole, or a question is not answered. Either may be tried
/// again. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// There is no connection, or it broke: where to, and why.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// Its time was over.
    #[error("did not take the batch in time")]
    Slow,
    /// We are not who may do this.
    #[error("refuses our credentials: {0}")]
    Denied(String),
    /// It works, and not as it should.
    #[error("answers with an error: {0}")]
    Failing(String),
    /// What we write to is not there, and has to be made again.
    #[error("has lost what we write to: {0}")]
    Gone(String),
}

impl ExportError {
    /// That who listens at this `host:port` cannot be reached.
    pub(super) fn unreachable(authority: &str, why: impl Display) -> Self {
        Self::Unreachable(format!("{authority}: {why}"))
    }
}

/// The transport of one sink.
pub(super) enum Exporter {
    Log,
    Influxdb(Box<Influxdb>),
    Graphite(Graphite),
    Opentsdb(Box<Opentsdb>),
    Statsd(Statsd),
    Elasticsearch(Box<Elasticsearch>),
    Prometheus(Box<Prometheus>),
    Webhook(Box<Webhook>),
    #[cfg(feature = "kafka")]
    Kafka(Box<Kafka>),
    Riemann(Riemann),
    Otlp(Box<Otlp>),
    Gcm(Box<Gcm>),
}

/// Columns, as one sink gets them.
pub(super) struct Columns {
    pub exporter: Exporter,
    pub filter: Filter,
    pub labeller: Arc<dyn Labeller>,
}

impl Delivery for Columns {
    type Batch = Batch;

    fn timestamp(batch: &Batch) -> Timestamp {
        batch.timestamp
    }

    async fn deliver(&mut self, batch: &Batch, progress: &mut Progress) -> Result<(), ExportError> {
        let column = Column::new(batch, self.labeller.as_ref(), &self.filter);
        self.exporter.export(column, progress).await
    }
}

impl Exporter {
    /// Makes the transport; nothing is asked over the network.
    pub(super) fn new(backend: Backend, clock: &Arc<dyn Clock>) -> Result<Self, SetupError> {
        Ok(match backend {
            Backend::Log => Self::Log,
            Backend::Influxdb(config) => Self::Influxdb(Box::new(Influxdb::new(config, clock)?)),
            Backend::Graphite(config) => Self::Graphite(Graphite::new(config)),
            Backend::Opentsdb(config) => Self::Opentsdb(Box::new(Opentsdb::new(config, clock)?)),
            Backend::Statsd(config) => Self::Statsd(Statsd::new(config)),
            Backend::Elasticsearch(config) => {
                Self::Elasticsearch(Box::new(Elasticsearch::new(*config, clock)?))
            }
            Backend::Prometheus(config) => {
                Self::Prometheus(Box::new(Prometheus::new(*config, clock)?))
            }
            Backend::Otlp(config) => Self::Otlp(Box::new(Otlp::new(*config, clock)?)),
            Backend::Gcm(config) => Self::Gcm(Box::new(Gcm::new(*config, clock)?)),
            Backend::Webhook(config) => Self::Webhook(Box::new(Webhook::new(*config, clock)?)),
            #[cfg(feature = "kafka")]
            Backend::Kafka(config) => Self::Kafka(Box::new(Kafka::new(*config)?)),
            Backend::Riemann(config) => Self::Riemann(Riemann::new(config)),
        })
    }

    /// Sends what of the batch is not sent yet. Safe to drop and call again with the same progress.
    pub(super) async fn export(
        &mut self,
        column: Column<'_>,
        progress: &mut Progress,
    ) -> Result<(), ExportError> {
        match self {
            Self::Log => {
                log::write(column, progress);
                Ok(())
            }
            Self::Influxdb(influxdb) => influxdb.export(column, progress).await,
            Self::Graphite(graphite) => graphite.export(column, progress).await,
            Self::Opentsdb(opentsdb) => opentsdb.export(column, progress).await,
            Self::Statsd(statsd) => statsd.export(column, progress).await,
            Self::Elasticsearch(elasticsearch) => elasticsearch.export(column, progress).await,
            Self::Prometheus(prometheus) => prometheus.export(column, progress).await,
            Self::Otlp(otlp) => otlp.export(column, progress).await,
            Self::Gcm(gcm) => gcm.export(column, progress).await,
            Self::Webhook(webhook) => webhook.export(column, progress).await,
            #[cfg(feature = "kafka")]
            Self::Kafka(kafka) => kafka.export(column, progress).await,
            Self::Riemann(riemann) => riemann.export(column, progress).await,
        }
    }
}
