//! The past as stores outside keep it: what sinks wrote there, read back.
//!
//! A [`Store`] answers the questions of [`HistoricalSource`](crate::history::HistoricalSource) from
//! InfluxDB in InfluxQL, or from whatever speaks Prometheus' query API in PromQL. Points are read as
//! they were written and aggregated here, by the very function the ring's are: so an answer does not
//! depend on who had the points, and one question may take some from the ring and some from a store.
//!
//! Every text a client has chosen passes one function for its language ([`influxql_string`],
//! [`influxql_identifier`], [`promql_string`], [`promql_pattern`]), and nothing else puts a text into
//! a question.
//!
//! Bounds: four questions at a time, 64 with those that wait, and 20 s for each, waiting included;
//! 32 MiB for one answer of the store, a million points for one question. Beyond any of them the
//! question fails.

mod asking;
mod body;
mod failure;
mod influxdb;
mod influxql;
mod labels;
mod metrics;
mod prometheus;
mod promql;
mod quote;
mod store;
#[cfg(test)]
mod tests;

pub use quote::{influxql_identifier, influxql_string, promql_pattern, promql_string};
pub use store::{SetupError, Store};
