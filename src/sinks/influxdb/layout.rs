//! How to find what was written.

use super::super::http::HttpConfig;
use super::line::{Lines, as_kept};
use super::{Config, Target};

/// Where the points of a sink stand in InfluxDB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InfluxdbLayout {
    /// The database; of a 2.x server the bucket, which it offers to InfluxQL under its name.
    pub database: String,
    /// The retention policy, if it is not the database's own.
    pub policy: Option<&'static str>,
    lines: Lines,
}

impl Config {
    /// How to ask for what this sink writes.
    pub(in super::super) fn layout(self) -> (HttpConfig, InfluxdbLayout) {
        let (database, policy) = match self.target {
            Target::Database { name, .. } => (name, Some("default")),
            Target::Bucket { bucket, .. } => (bucket, None),
        };
        let layout = InfluxdbLayout {
            database,
            policy,
            lines: self.lines,
        };
        (self.http, layout)
    }
}

impl InfluxdbLayout {
    /// The measurement and the field the values of a metric of this name stand in.
    #[must_use]
    pub fn place<'a>(&self, metric: &'a str) -> (&'a str, &'a str) {
        self.lines.place(metric)
    }

    /// Whether several metrics share a measurement, each in a field of its own.
    #[must_use]
    pub const fn with_fields(&self) -> bool {
        self.lines.with_fields
    }

    /// The value of the tag `cluster_name`; without one there is no such tag.
    #[must_use]
    pub fn cluster_name(&self) -> &str {
        &self.lines.cluster_name
    }

    /// A tag's value as it stands in the database.
    #[must_use]
    pub fn tag_value(&self, value: &str) -> String {
        as_kept(value)
    }
}
