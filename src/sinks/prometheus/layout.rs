//! How to find what was written.

use http::{HeaderName, HeaderValue};

use super::super::http::HttpConfig;
use super::series::Told;
use super::{Config, TENANT};
use crate::domain::{Metric, Value};

/// Where the points of a sink stand in a store that speaks Prometheus' query API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrometheusLayout {
    /// What stands before `/api/v1/query`.
    pub base: String,
    /// The tenant's header.
    pub tenant: Option<(HeaderName, HeaderValue)>,
    told: Told,
}

/// Where servers take remote write, and where they are asked then.
const WRITES: [(&str, &str); 3] = [
    ("/api/v1/write", ""),
    ("/api/v1/receive", ""),
    // Mimir and Cortex.
    ("/api/v1/push", "/prometheus"),
];

impl Config {
    /// How to ask for what this sink writes.
    pub(in super::super) fn layout(self) -> (HttpConfig, PrometheusLayout) {
        let path = self.path.trim_end_matches('/');
        let write = WRITES.iter().find_map(|(write, asked)| {
            let before = path.strip_suffix(write)?;
            Some(format!("{before}{asked}"))
        });
        let layout = PrometheusLayout {
            base: write.unwrap_or_else(|| path.to_owned()),
            tenant: self.tenant.map(|tenant| (TENANT, tenant)),
            told: self.told,
        };
        (self.http, layout)
    }
}

impl PrometheusLayout {
    /// The name a metric is told under.
    #[must_use]
    pub fn name(&self, metric: Metric) -> Option<&str> {
        let named = self.told.names.of(metric)?;
        Some(named.name.as_str())
    }

    /// The metric that is told under this name.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<Metric> {
        self.told.names.find(name)
    }

    /// The value of Heapster's that was told as this one.
    #[must_use]
    pub fn value(&self, metric: Metric, told: f64) -> Option<Value> {
        let named = self.told.names.of(metric)?;
        Some(named.heapster(metric, told))
    }

    /// The labels every series has besides its own.
    #[must_use]
    pub fn labels(&self) -> &[(String, String)] {
        &self.told.labels
    }
}
