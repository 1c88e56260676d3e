//! What the server counts.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use crate::apimachinery::RequestInfo;
use crate::telemetry::Registry;

/// The server's own metrics. Every label has few values, whatever clients send.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    duration: Family<TargetLabels, Histogram>,
    in_flight: Family<KindLabels, Gauge>,
    connections: Gauge,
    connections_refused: Counter,
    handshake_failures: Family<FailureLabels, Counter>,
    certificate_expiry: Gauge,
    certificates_refused: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    verb: &'static str,
    resource: &'static str,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TargetLabels {
    verb: &'static str,
    resource: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: RequestKind,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    reason: HandshakeFailure,
}

/// Which in-flight limit a request counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(super) enum RequestKind {
    Read,
    Mutating,
    Watch,
}

/// Why a TLS handshake came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(super) enum HandshakeFailure {
    Error,
    Timeout,
}

/// Counts one up until it is dropped.
pub(super) struct Counted(Gauge);

const VERBS: [&str; 14] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "proxy",
    "head",
    "options",
    "post",
    "put",
    "connect",
];
const RESOURCES: [&str; 2] = ["nodes", "pods"];
const PATHS: [&str; 10] = [
    "/apis", "/openapi", "/metrics", "/version", "/healthz", "/livez", "/readyz", "/api", "/debug",
    "/",
];

impl Metrics {
    /// Adds the server's metrics to `registry`.
    pub fn register(registry: &mut Registry) -> Arc<Self> {
        let metrics = Self::default();
        registry.register(
            "loadline_server_requests",
            "Requests by verb, resource or first part of the path, and status code",
            metrics.requests.clone(),
        );
        registry.register(
            "loadline_server_request_duration_seconds",
            "How long requests took, until the answer was handed to the connection",
            metrics.duration.clone(),
        );
        registry.register(
            "loadline_server_requests_in_flight",
            "Requests under way by the limit they count against",
            metrics.in_flight.clone(),
        );
        registry.register(
            "loadline_server_connections",
            "Open connections",
            metrics.connections.clone(),
        );
        registry.register(
            "loadline_server_connections_refused",
            "Connections closed because their address had as many as one may have, of those that have authenticated or of those that have not",
            metrics.connections_refused.clone(),
        );
        registry.register(
            "loadline_server_tls_handshake_failures",
            "TLS handshakes that came to nothing",
            metrics.handshake_failures.clone(),
        );
        registry.register(
            "loadline_server_certificate_expiry_timestamp_seconds",
            "When the first of the serving certificates ends, in seconds since the epoch",
            metrics.certificate_expiry.clone(),
        );
        registry.register(
            "loadline_server_certificates_refused",
            "Certificate files that changed to something unusable",
            metrics.certificates_refused.clone(),
        );
        Arc::new(metrics)
    }

    /// The same, but for the end of the certificates: that is told of the secure port alone.
    pub(super) fn without_expiry(&self) -> Self {
        Self {
            certificate_expiry: Gauge::default(),
            ..self.clone()
        }
    }

    pub(super) fn request(&self, info: Option<&RequestInfo>, code: StatusCode, took: Duration) {
        let TargetLabels { verb, resource } = info.map_or(UNREADABLE, target);
        let code = code.as_u16();
        let labels = RequestLabels {
            verb,
            resource,
            code,
        };
        self.requests.get_or_create(&labels).inc();
        let target = TargetLabels { verb, resource };
        self.duration
            .get_or_create(&target)
            .observe(took.as_secs_f64());
    }

    pub(super) fn in_flight(&self, kind: RequestKind) -> Counted {
        Counted::new(&self.in_flight.get_or_create(&KindLabels { kind }))
    }

    pub(super) fn connection(&self) -> Counted {
        Counted::new(&self.connections)
    }

    pub(super) fn connection_refused(&self) {
        self.connections_refused.inc();
    }

    pub(super) fn handshake_failed(&self, reason: HandshakeFailure) {
        let labels = FailureLabels { reason };
        self.handshake_failures.get_or_create(&labels).inc();
    }

    pub(super) fn certificate_expires(&self, at: i64) {
        self.certificate_expiry.set(at);
    }

    pub(super) fn certificate_refused(&self) {
        self.certificates_refused.inc();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let histogram = || Histogram::new([0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0]);
        Self {
            requests: Family::default(),
            duration: Family::new_with_constructor(histogram),
            in_flight: Family::default(),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
            handshake_failures: Family::default(),
            certificate_expiry: Gauge::default(),
            certificates_refused: Counter::default(),
        }
    }
}

impl Counted {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

const OTHER: &str = "other";
const UNREADABLE: TargetLabels = TargetLabels {
    verb: OTHER,
    resource: OTHER,
};

/// The labels of a request: only words from our own lists.
fn target(info: &RequestInfo) -> TargetLabels {
    let known = |list: &[&'static str], word: &str| {
        list.iter().find(|w| **w == word).copied().unwrap_or(OTHER)
    };
    let resource = match &info.resource {
        Some(resource) => known(&RESOURCES, &resource.resource),
        None => {
            let first = info.path.trim_start_matches('/').split('/').next();
            known(&PATHS, &format!("/{}", first.unwrap_or_default()))
        }
    };
    TargetLabels {
        verb: known(&VERBS, &info.verb),
        resource,
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    #[test]
    fn labels_are_words_of_our_own() {
        for (method, path, expected) in [
            ("GET", "/apis/metrics.k8s.io/v1/nodes", ("list", "nodes")),
            ("GET", "/apis/metrics.k8s.io/v1/evil1", ("list", OTHER)),
            ("GET", "/metrics", ("get", "/metrics")),
            ("GET", "/readyz/ping", ("get", "/readyz")),
            ("BREW", "/coffee", (OTHER, OTHER)),
            ("GET", "/", ("get", "/")),
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let labels = target(&RequestInfo::new(&method, path, None).unwrap());
            assert_eq!((labels.verb, labels.resource), expected, "{path}");
        }
    }
}
